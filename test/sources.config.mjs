// Tests on the sources, without a build: `npm run dev` watches, `npm run test:sources` runs them once. A name of a test's file chooses.
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import { generated } from '../scripts/generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const at = (path) => `${root}${path}`;

export default defineConfig({
  plugins: [generated],
  resolve: {
    alias: {
      '#lanes': at('src/engines/js/lanes.ts'),
      '#scalars': at('src/engines/js/scalars.ts'),
      'ditac/oracle': at('src/oracle/index.ts'),
      'ditac/safetensors': at('src/io/safetensors.ts'),
      ...Object.fromEntries(
        ['cpab', 'families', 'runtime', 'tfjs', 'verify'].map((name) => [`ditac/${name}`, at(`src/${name}.ts`)]),
      ),
      ditac: at('src/index.ts'),
    },
  },
  test: {
    root: at('test'),
    include: ['*.test.ts'],
    // These ask for what was built: the package, its commands, a process of its own.
    exclude: [
      ...configDefaults.exclude,
      ...['allocation-failures', 'bundle', 'cli*', 'declarations', 'docs-families', 'examples', 'import', 'judge'].map(
        (name) => `${name}.test.ts`,
      ),
      ...['package', 'places', 'pool'].map((name) => `${name}.test.ts`),
    ],
    testTimeout: 120_000,
    pool: 'threads',
    maxWorkers: '100%',
  },
});
