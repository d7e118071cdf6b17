// Whether the Wasm that the package carries is what the sources give: compiles assembly/ again, elsewhere, and compares every byte with
// what dist/ holds. `npm run check:wasm`; exit code 1 if one differs.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'ditac-wasm-'));
const asc = join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin/asc.js');
const scripts = readdirSync('dist')
  .filter((name) => name.endsWith('.js'))
  .map((name) => readFileSync(join('dist', name), 'utf8'));

let differing = 0;
for (const [target, source, file] of [
  ['release', 'index', 'kernels'],
  ['threads', 'index', 'kernels-threads'],
  ['runtime', 'runtime', 'kernels-runtime'],
]) {
  const out = join(folder, `${file}.wasm`);
  execFileSync(process.execPath, [asc, `assembly/${source}.ts`, '--target', target, '--outFile', out], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const bytes = readFileSync(out);
  const isEmbedded = scripts.some((text) => text.includes(bytes.toString('hex')));
  const asModule = target === 'threads' || bytes.equals(readFileSync(`dist/workerd/${file}.wasm`));
  const sum = createHash('sha256').update(bytes).digest('hex');
  const verdict = isEmbedded && asModule ? 'as in the package' : 'NOT AS IN THE PACKAGE';
  console.log(`${file}.wasm, ${bytes.length} bytes, sha256 ${sum}: ${verdict}`);
  if (!isEmbedded || !asModule) differing += 1;
}
process.exit(differing > 0 ? 1 : 0);
