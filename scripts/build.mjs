// Builds dist/: type declarations, the package's entry points, and the programs of this repository.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform as minify } from 'esbuild';
import { build as rolldown } from 'rolldown';
import { esmExternalRequirePlugin } from 'rolldown/plugins';
import { dts } from 'rolldown-plugin-dts';
import { fromRoot, generate } from './generated.mjs';
import { esbuildInline, inline } from './inline.mjs';
import { esbuildLoader, loader } from './loader.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
await generate();

rmSync('dist', { recursive: true, force: true });
const tsc = createRequire(import.meta.url)
  .resolve('typescript/package.json')
  .replace('package.json', 'bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json'], { stdio: 'inherit' });
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
// Declarations as entry points name them: what is theirs, and what that is made of, in a file each and a few that they share.
await rolldown({
  input: Object.fromEntries(
    Object.entries({
      index: 'index',
      cpab: 'cpab',
      families: 'families',
      onnx: 'onnx',
      oracle: 'oracle/index',
      runtime: 'runtime',
      safetensors: 'io/safetensors',
      tfjs: 'tfjs',
      verify: 'verify',
    }).map(([name, file]) => [name, `build/types/src/${file}.d.ts`]),
  ),
  platform: 'neutral',
  external: [/^@tensorflow\//],
  plugins: [dts({ dtsOnly: true, generator: 'oxc', tsconfig: false })],
  output: { dir: 'dist/types', chunkFileNames: '[name]-[hash].d.ts' },
});

// Bytes in hexadecimal are one line of 33,000 characters: nobody who reads a chunk should have to pass it. An empty line stays in its place,
// so that source maps hold; the constant is read when a function is called, long after the module was evaluated.
const hexLast = {
  name: 'hex-last',
  renderChunk(code) {
    const lines = [];
    const rest = code.replace(/^const KERNELS_HEX\S* = .*$/gm, (line) => {
      lines.push(line);
      return '';
    });
    return lines.length === 0 ? null : { code: `${rest.trimEnd()}\n${lines.join('\n')}\n`, map: null };
  },
};

/** The command line's tools travel with it, so that the package itself needs none of them: small, since nobody reads them there. */
const smallTools = {
  name: 'small-tools',
  async transform(code, id) {
    if (!/(?:^|\/)node_modules\/(?!@assemblyscript\/)/.test(fromRoot(id)) || !/\.[cm]?js$/.test(id)) return null;
    const { code: small } = await minify(code, { minify: true, target: 'es2022', legalComments: 'none' });
    return { code: small, map: null };
  },
};

// The library and its command. What entry points share is a few files, kernels, formulas and the rest, since every module that Node has to find
// costs a cold start half a millisecond; only what `ditac` alone never loads stands apart. It is not minified, so that an uncaught mistake shows
// the line that found it and stack traces have names; whoever bundles it minifies everything at once. Nor are there source maps: the text of the
// sources would be more than all the rest. The loader is bundled, which leaves the package without dependencies.
const bundle = (input, { replaced = {}, groups } = {}) =>
  rolldown({
    input,
    platform: 'neutral',
    tsconfig: 'tsconfig.json',
    external: [/^@tensorflow\//, /^wasm:/],
    resolve: { mainFields: ['module', 'main'] },
    transform: { define: { VERSION: JSON.stringify(version) } },
    plugins: [
      {
        name: 'replace',
        async resolveId(source, importer, options) {
          const found = await this.resolve(source, importer, { ...options, skipSelf: true });
          const other = found && replaced[fromRoot(found.id)];
          return other ? resolve(other) : found;
        },
      },
      loader,
      inline,
      smallTools,
      esmExternalRequirePlugin({ external: [/^node:/, ...builtinModules] }),
      hexLast,
    ],
    output: {
      dir: 'dist',
      minify: false,
      // What bundlers are told: '@vite-ignore', '@__PURE__'.
      comments: { legal: false, annotation: true, jsdoc: false },
      chunkFileNames: '[name]-[hash].js',
      codeSplitting: groups ? { groups } : false,
    },
  });
const shared = [
  {
    name: 'kernels',
    test: (file) => /^(?:src\/engines|assembly)\/|(?:^|\/)node_modules\/@assemblyscript\/loader\//.test(fromRoot(file)),
    priority: 2,
  },
  // What is below activations and backends: formulas, and the plans that are made of them.
  {
    name: 'formulas',
    test: (file) => /^src\/(?:(?:calculus|cpab|families|plan)\/|(?:errors|platform)\.ts)/.test(fromRoot(file)),
    priority: 2,
  },
  // Alone with its import(), so that a bundler that drops it makes no files for what it would load.
  { name: 'load', test: (file) => fromRoot(file) === 'src/backends/load.ts' },
  {
    name: 'core',
    test: (file) =>
      /^src\/(?!backends\/(?:webgpu\/(?!errors)|threads|load)|oracle|onnx|cli|workerd|[\w]+\.ts$)/.test(fromRoot(file)),
    priority: 1,
  },
];
const library = await bundle(
  {
    index: 'src/index.ts',
    cpab: 'src/cpab.ts',
    families: 'src/families.ts',
    onnx: 'src/onnx.ts',
    oracle: 'src/oracle/index.ts',
    tfjs: 'src/tfjs.ts',
    verify: 'src/verify.ts',
    cli: 'src/cli/main.ts',
    'workerd/index': 'src/workerd/index.ts',
    'workerd/cpab': 'src/workerd/cpab.ts',
    'workerd/families': 'src/workerd/families.ts',
    'workerd/onnx': 'src/workerd/onnx.ts',
  },
  { groups: shared },
);
// Reading files needs nothing of the rest.
await bundle({ safetensors: 'src/io/safetensors.ts' });
// `ditac/runtime` stands alone, with kernels for evaluation only.
await bundle(
  { runtime: 'src/runtime.ts', 'workerd/runtime': 'src/workerd/runtime.ts' },
  {
    replaced: {
      'src/engines/wasm/bytes.generated.ts': 'src/engines/wasm/runtime-bytes.generated.ts',
      'src/engines/js/kernels.ts': 'src/engines/js/runtime-kernels.ts',
    },
    groups: [{ name: 'runtime', test: (file) => /^src\/(?!workerd)/.test(fromRoot(file)) }],
  },
);
for (const name of ['kernels', 'kernels-runtime']) copyFileSync(`build/${name}.wasm`, `dist/workerd/${name}.wasm`);
// A bundler would rewrite a relative path; it is put in afterwards.
for (const file of readdirSync('dist/workerd').filter((name) => name.endsWith('.js'))) {
  const code = readFileSync(`dist/workerd/${file}`, 'utf8');
  writeFileSync(`dist/workerd/${file}`, code.replace(/wasm:(kernels[\w-]*)/g, './$1.wasm'));
}

const common = {
  plugins: [esbuildLoader, esbuildInline],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
};
const program = {
  ...common,
  platform: 'node',
  target: 'node20',
  define: { VERSION: JSON.stringify(version) },
};
await build({
  ...program,
  entryPoints: {
    bench: 'bench/index.ts',
    webgpu: 'bench/webgpu.ts',
    threads: 'bench/threads.ts',
    'bench-networks': 'bench/networks.ts',
    judged: 'bench/judged.ts',
    'bench-onnx': 'bench/onnx.ts',
    onnx: 'test/onnx/main.ts',
    playground: 'bench/playground.ts',
    stacks: 'test/stacks/main.ts',
    'stack-worker': 'test/stacks/worker.ts',
    start: 'examples/start.ts',
    regression: 'examples/regression.ts',
    digits: 'examples/digits.ts',
    compare: 'examples/compare.ts',
    evolve: 'examples/evolve/main.ts',
    cluster: 'examples/cluster/main.ts',
    'cluster-worker': 'examples/cluster/worker.ts',
    environments: 'test/environments/main.ts',
    'activation-pages': 'docs/activations/write.ts',
    certificates: 'test/certificates/main.ts',
    gradients: 'test/certificates/gradients.ts',
    formulas: 'test/certificates/formulas.ts',
  },
  outdir: 'dist/programs',
  packages: 'external',
});

// The part of the WebGPU tests that runs in a page.
await build({
  ...common,
  platform: 'neutral',
  entryPoints: ['test/stacks/suite.ts'],
  outfile: 'dist/programs/stack-suite.js',
  mainFields: ['module', 'main'],
});

// The part of the ONNX tests that runs in a page.
await build({
  ...common,
  platform: 'browser',
  entryPoints: ['test/onnx/page.ts'],
  outfile: 'dist/programs/onnx-page.js',
});

// What every environment is asked, for the package as it is installed there.
await build({
  ...common,
  platform: 'neutral',
  entryPoints: ['test/environments/check.ts'],
  outfile: 'dist/programs/check.js',
  external: ['ditac', 'ditac/*'],
  alias: {},
  tsconfigRaw: {},
});

// What is bundled keeps its licence.
const bundled = new Set(
  library.output
    .flatMap(({ moduleIds }) => moduleIds ?? [])
    .map(fromRoot)
    .map((file) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1])
    .filter((name) => name !== undefined),
);
const licences = [...bundled].sort().map((name) => {
  const { version, license } = JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8'));
  const file = readdirSync(`node_modules/${name}`).find((each) => /^(licen[cs]e|notice)/i.test(each));
  const text = file ? readFileSync(`node_modules/${name}/${file}`, 'utf8') : '';
  return `${name} ${version} (${license})\n\n${text}`;
});
writeFileSync('dist/THIRD_PARTY_LICENSES.txt', licences.join(`\n${'='.repeat(80)}\n\n`));
