// Whether the Wasm that the package carries is what the sources give: compiles assembly/ again, whatever build/ holds, and compares every byte with
// what dist/ has. `npm run check:wasm`; exit code 1 if one differs.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile, KERNELS } from './kernels.mjs';

const scripts = readdirSync('dist')
  .filter((name) => name.endsWith('.js'))
  .map((name) => readFileSync(join('dist', name), 'utf8'));

/** The edit that makes the threads' kernels of the others: see scripts/generated.mjs. */
const edits = scripts.flatMap(
  (text) => /SHARED_MEMORY = \{\s*"?from"?: (\d+),\s*"?to"?: (\d+),\s*"?by"?: "(\w+)"/.exec(text) ?? [],
);
const [, from, to, by] = edits;
const embedded = async (name, bytes) => {
  const text = bytes.toString('hex');
  if (name !== 'kernels-threads') return scripts.some((each) => each.includes(text));
  const own = (await compile('kernels')).toString('hex');
  return own.slice(0, from) + by + own.slice(to) === text;
};

let differing = 0;
for (const name of KERNELS) {
  const bytes = await compile(name);
  const isEmbedded = await embedded(name, bytes);
  const asModule = name === 'kernels-threads' || bytes.equals(readFileSync(`dist/workerd/${name}.wasm`));
  const sum = createHash('sha256').update(bytes).digest('hex');
  const verdict = isEmbedded && asModule ? 'as in the package' : 'NOT AS IN THE PACKAGE';
  console.log(`${name}.wasm, ${bytes.length} bytes, sha256 ${sum}: ${verdict}`);
  if (!isEmbedded || !asModule) differing += 1;
}
process.exit(differing > 0 ? 1 : 0);
