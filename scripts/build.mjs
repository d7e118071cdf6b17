// Builds dist/: the Wasm bytes as a module, the TypeScript sources, the JavaScript kernels and the command line.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
rmSync('dist/assembly', { recursive: true, force: true });

await build({
  entryPoints: ['src/backends/js/kernels.ts'],
  outfile: 'dist/src/backends/js/kernels.js',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  logLevel: 'warning',
});

if (existsSync('src/cli/main.ts')) {
  // The command line brings its tools along, so that the package itself needs none of them.
  await build({
    entryPoints: ['src/cli/main.ts'],
    outfile: 'dist/cli.js',
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    external: ['ditac', 'ditac/*'],
    banner: {
      js: "#!/usr/bin/env node\nimport { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
}
