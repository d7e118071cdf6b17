/** Writes the page of every family beside this file's source: `npm run docs`. */
import { writeFileSync } from 'node:fs';
import { NAMES_IN_ORDER, pageOf } from './page';

for (const name of NAMES_IN_ORDER)
  writeFileSync(new URL(`../../docs/activations/${name}.md`, import.meta.url), pageOf(name));
