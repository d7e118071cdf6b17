import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

// Public names mean the built package, what a user installs; internals are imported from src and assembly.
const alias = {
  '#lanes': at('src/engines/js/lanes.ts'),
  '#scalars': at('src/engines/js/scalars.ts'),
  'ditac/cpab': at('dist/cpab.js'),
  'ditac/families': at('dist/families.js'),
  'ditac/onnx': at('dist/onnx.js'),
  'ditac/oracle': at('dist/oracle.js'),
  'ditac/runtime': at('dist/runtime.js'),
  'ditac/safetensors': at('dist/safetensors.js'),
  'ditac/tfjs': at('dist/tfjs.js'),
  'ditac/verify': at('dist/verify.js'),
  ditac: at('dist/index.js'),
};

const { LONG, PAGES, THOROUGH } = process.env;

const files = readdirSync(at('test')).filter((name) => name.endsWith('.test.ts'));
/** Of which tests draw more where THOROUGH is set (effort.ts). */
const isThorough = (name: string) => readFileSync(at(`test/${name}`), 'utf8').includes("from './effort.js'");
/** These change what belongs to all, or have a library that does (onnxruntime sets `Worker`). */
const isApart = (name: string) =>
  /^(allocation-failures|cli-onnx|docs.*|examples|onnx.*|places|tfjs.*|threads)\.test/.test(name);
const asked = THOROUGH ? files.filter(isThorough) : files;

export default defineConfig({
  resolve: { alias },
  test: {
    root: at('test'),
    // Read by Node itself, as a program of a user's is.
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: LONG ? 3_600_000 : 120_000,
    reporters: LONG ? ['verbose', './counts.ts'] : ['default', './counts.ts'],
    pool: 'threads',
    // One more than by default: on two cores there would be one.
    maxWorkers: '100%',
    projects: [
      ...(LONG || PAGES
        ? [{ extends: true as const, test: { name: 'alone', include: [LONG ? 'long/*.test.ts' : 'pages/*.test.ts'] } }]
        : [
            // One after another in the same threads: what has been compiled stays so, which saves a quarter of the time.
            {
              extends: true as const,
              test: { name: 'together', isolate: false, include: asked.filter((name) => !isApart(name)) },
            },
            { extends: true as const, test: { name: 'apart', include: asked.filter(isApart) } },
          ]),
    ],
  },
});
