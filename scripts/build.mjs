// Builds dist/: the Wasm bytes as a module, type declarations, the package's entry points, and the programs of this repository.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { build as rolldown } from 'rolldown';
import { esbuildLoader, loader } from './loader.mjs';
import { translate } from './wgsl.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
/** A file as it is called from the root: folders above it may have any name, 'src' and 'node_modules' too. */
const fromRoot = (file) => relative(root, file).split(sep).join('/');

// Embedded rather than fetched: works in every bundler, in workers and without a file system. In hexadecimal, where a byte always looks
// the same: longer than base64, but a fifth smaller once it is compressed.
const embed = (file, name) => {
  const bytes = readFileSync(`build/${name}.wasm`);
  writeFileSync(
    `src/engines/wasm/${file}.generated.ts`,
    `/** build/${name}.wasm (${bytes.length} bytes) in hexadecimal. Written by scripts/build.mjs. */\nexport const KERNELS_HEX =\n  '${bytes.toString('hex')}';\n`,
  );
};
embed('bytes', 'kernels');
embed('runtime-bytes', 'kernels-runtime');

// The threads' kernels are built for shared memory; with the workers' code as a string they travel inside the package.
const worker = await build({
  entryPoints: ['src/backends/threads/worker.ts'],
  bundle: true,
  plugins: [esbuildLoader],
  minify: true,
  write: false,
  format: 'iife',
  target: 'es2022',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  tsconfig: 'tsconfig.json',
});
writeFileSync(
  'src/backends/threads/kernels.generated.ts',
  `/** build/kernels-threads.wasm in hexadecimal, and worker.ts as a script. Written by scripts/build.mjs. */\n` +
    `export const KERNELS_HEX =\n  '${readFileSync('build/kernels-threads.wasm').toString('hex')}';\n` +
    `export const WORKER = ${JSON.stringify(worker.outputFiles[0].text)};\n`,
);

const wgsl = (file) => readFileSync(`assembly/${file}.wgsl`, 'utf8');
const shaders = {
  vocabulary: wgsl('vocabulary/lanes'),
  entries: {
    each: wgsl('entries/each'),
    cells: wgsl('entries/cells'),
    search: wgsl('entries/search'),
    backward: wgsl('entries/backward'),
  },
  bodies: {
    activate: translate('assembly/activation.ts', 'activateLanes'),
    flow: translate('assembly/flow.ts', 'flowLanes'),
    backward: translate('assembly/backward.ts', 'backwardLanes'),
    probe: translate('assembly/probes.ts', 'probeLanes'),
  },
};
writeFileSync(
  'src/backends/webgpu/kernels.generated.ts',
  `/** WGSL from assembly/: vocabulary, entry points, and kernels translated by scripts/wgsl.mjs. */\n` +
    `export const SHADERS = ${JSON.stringify(shaders)};\n`,
);

rmSync('dist', { recursive: true, force: true });
const tsc = createRequire(import.meta.url)
  .resolve('typescript/package.json')
  .replace('package.json', 'bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json'], { stdio: 'inherit' });

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

// The library. What its entry points share is three files, kernels, formulas and the rest, since every module that Node has to find costs a cold
// start half a millisecond; only what `ditac` alone never loads stands apart. It is not minified, so that an uncaught mistake shows the line that
// found it and stack traces have names; whoever bundles it minifies everything at once. The loader is bundled, which leaves the package without
// dependencies.
const bundle = (input, dir, { replaced = {}, external = [], groups }) =>
  rolldown({
    input,
    platform: 'neutral',
    tsconfig: 'tsconfig.json',
    external: [/^@tensorflow\//, ...external],
    resolve: { mainFields: ['module', 'main'] },
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
      hexLast,
    ],
    output: {
      dir,
      minify: false,
      sourcemap: true,
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
    priority: 1,
  },
  // What is below activations and backends: formulas, and the plans that are made of them.
  {
    name: 'formulas',
    test: (file) => /^src\/(?:(?:calculus|cpab|families|plan)\/|errors\.ts)/.test(fromRoot(file)),
    priority: 1,
  },
  {
    name: 'core',
    test: (file) => /^src\/(?!backends\/(?:webgpu|threads)|oracle|verify|tfjs)/.test(fromRoot(file)),
  },
];
const entries = {
  index: 'src/index.ts',
  cpab: 'src/cpab.ts',
  families: 'src/families.ts',
  oracle: 'src/oracle/index.ts',
  tfjs: 'src/tfjs.ts',
  verify: 'src/verify.ts',
};
const library = await bundle(entries, 'dist', { groups: shared });
// Reading files needs nothing of the rest.
const safetensors = { safetensors: 'src/io/safetensors.ts' };
await bundle(safetensors, 'dist', {});
await bundle(safetensors, 'dist/workerd', {});
// `ditac/runtime` stands alone, with kernels for evaluation only.
const runtimeKernels = {
  'src/engines/wasm/bytes.generated.ts': 'src/engines/wasm/runtime-bytes.generated.ts',
  'src/engines/js/kernels.ts': 'src/engines/js/runtime-kernels.ts',
};
await bundle({ runtime: 'src/runtime.ts' }, 'dist', { replaced: runtimeKernels });
// Cloudflare's workerd compiles no bytes: there a module of Wasm is imported.
const { index, cpab, families } = entries;
await bundle({ index, cpab, families }, 'dist/workerd', {
  replaced: { 'src/engines/wasm/engine.ts': 'src/engines/wasm/workerd.ts' },
  external: ['wasm:kernels'],
  groups: shared,
});
await bundle({ runtime: 'src/runtime.ts' }, 'dist/workerd', {
  replaced: { ...runtimeKernels, 'src/engines/wasm/engine.ts': 'src/engines/wasm/workerd-runtime.ts' },
  external: ['wasm:kernels-runtime'],
});
for (const name of ['kernels', 'kernels-runtime']) copyFileSync(`build/${name}.wasm`, `dist/workerd/${name}.wasm`);
// A bundler would rewrite a relative path; it is put in afterwards.
for (const file of readdirSync('dist/workerd').filter((name) => name.endsWith('.js'))) {
  const code = readFileSync(`dist/workerd/${file}`, 'utf8');
  writeFileSync(`dist/workerd/${file}`, code.replace(/wasm:(kernels[\w-]*)/g, './$1.wasm'));
}

const common = { plugins: [esbuildLoader], bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning' };
const program = {
  ...common,
  platform: 'node',
  target: 'node20',
  define: { VERSION: JSON.stringify(JSON.parse(readFileSync('package.json', 'utf8')).version) },
  banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
};
// The command line brings its tools along, so that the package itself needs none of them.
const commandLine = await build({
  ...program,
  metafile: true,
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/cli.js',
  banner: { js: `#!/usr/bin/env node\n${program.banner.js}` },
});
await build({
  ...program,
  entryPoints: {
    bench: 'bench/index.ts',
    webgpu: 'bench/webgpu.ts',
    threads: 'bench/threads.ts',
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
    certificates: 'test/certificates/main.ts',
  },
  outdir: 'dist/programs',
  packages: 'external',
  banner: {},
});

// The part of the WebGPU tests that runs in a page.
await build({
  ...common,
  platform: 'neutral',
  entryPoints: ['test/stacks/suite.ts'],
  outfile: 'dist/programs/stack-suite.js',
  mainFields: ['module', 'main'],
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
  [
    ...library.output.flatMap(({ moduleIds }) => moduleIds ?? []).map(fromRoot),
    ...Object.keys(commandLine.metafile.inputs),
  ]
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
