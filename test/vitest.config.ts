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

/** The files whose tests draw more where THOROUGH is set (effort.ts). */
const thorough = () =>
  readdirSync(at('test'))
    .filter((name) => name.endsWith('.test.ts'))
    .filter((name) => readFileSync(at(`test/${name}`), 'utf8').includes("from './effort.js'"));
const { LONG, PAGES, THOROUGH } = process.env;

export default defineConfig({
  resolve: { alias },
  test: {
    root: at('test'),
    include: LONG ? ['long/*.test.ts'] : PAGES ? ['pages/*.test.ts'] : THOROUGH ? thorough() : ['*.test.ts'],
    // Read by Node itself, as the command is (command.ts).
    server: { deps: { external: [/dist\/cli\.js/] } },
    testTimeout: LONG ? 3_600_000 : 120_000,
    reporters: LONG ? ['verbose', './counts.ts'] : ['default', './counts.ts'],
    pool: 'threads',
    // One more than by default: on two cores there would be one.
    maxWorkers: '100%',
  },
});
