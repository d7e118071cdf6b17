// Builds dist/: the Wasm bytes as a module, type declarations, the package's entry points, and the programs of this repository.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { build } from 'esbuild';

const wasm = readFileSync('build/kernels.wasm');
// Embedded rather than fetched: works in every bundler, in workers and without a file system.
writeFileSync(
  'src/backends/wasm/bytes.generated.ts',
  `/** build/kernels.wasm (${wasm.length} bytes) in base64. Written by scripts/build.mjs. */\nexport const KERNELS_BASE64 =\n  '${wasm.toString('base64')}';\n`,
);

rmSync('dist', { recursive: true, force: true });
const tsc = createRequire(import.meta.url)
  .resolve('typescript/package.json')
  .replace('package.json', 'bin/tsc');
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json'], { stdio: 'inherit' });

const common = { bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning' };

// One file for each entry point and one for what they share: Node spends about a millisecond on every file it imports.
await build({
  ...common,
  entryPoints: {
    index: 'src/index.ts',
    cpab: 'src/cpab.ts',
    oracle: 'src/oracle/index.ts',
    safetensors: 'src/io/safetensors.ts',
  },
  outdir: 'dist',
  splitting: true,
  chunkNames: 'shared-[hash]',
  platform: 'neutral',
  packages: 'external',
});

const program = {
  ...common,
  platform: 'node',
  target: 'node20',
  define: { VERSION: JSON.stringify(JSON.parse(readFileSync('package.json', 'utf8')).version) },
  banner: { js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);" },
};
// The command line brings its tools along, so that the package itself needs none of them.
await build({
  ...program,
  entryPoints: ['src/cli/main.ts'],
  outfile: 'dist/cli.js',
  banner: { js: `#!/usr/bin/env node\n${program.banner.js}` },
});
await build({
  ...program,
  entryPoints: { bench: 'bench/index.ts', start: 'examples/start.ts' },
  outdir: 'dist/programs',
  packages: 'external',
  banner: {},
});
