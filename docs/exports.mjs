// What the package lets a program import, and where the declarations of each are.
import { readFileSync } from 'node:fs';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** [the name that is imported, the path of its declarations from the package's root]. */
export const modules = Object.entries(exports)
  .map(([name, target]) => [
    name === '.' ? 'ditac' : `ditac/${name.slice(2)}`,
    target.types ?? target.import?.types ?? target.default?.types,
  ])
  .filter(([, types]) => types !== undefined);
