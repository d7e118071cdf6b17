// Compiles assembly/ to Wasm, in this process, where each program finds the compiler warm that the last one left; and only what was not compiled
// from the same sources before.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The programs, with the target of asconfig.json that each is compiled for. */
const PROGRAMS = {
  kernels: { source: 'assembly/index.ts', target: 'release' },
  'kernels-threads': { source: 'assembly/index.ts', target: 'threads' },
  'kernels-runtime': { source: 'assembly/runtime.ts', target: 'runtime' },
};
export const KERNELS = Object.keys(PROGRAMS);

/** What a program is made of: the compiler, its settings, and every source, by name. */
function fingerprint(name) {
  const sum = createHash('sha256').update(JSON.stringify(PROGRAMS[name]));
  const files = readdirSync('assembly', { recursive: true }).filter((each) => each.endsWith('.ts'));
  for (const file of [
    'asconfig.json',
    'node_modules/assemblyscript/package.json',
    ...files.sort().map((each) => `assembly/${each.replaceAll('\\', '/')}`),
  ]) {
    const text = readFileSync(file);
    sum.update(`${file} ${text.length}\n`).update(text);
  }
  return sum.digest('hex');
}

/** The bytes of a program of `KERNELS`, whatever was compiled before. @throws {Error} with what the compiler says, if it refuses. */
export async function compile(name) {
  const { source, target } = PROGRAMS[name];
  const asc = await import('assemblyscript/asc');
  const stderr = asc.createMemoryStream();
  let bytes;
  const { error } = await asc.main([source, '--target', target, '--outFile', `${name}.wasm`], {
    stderr,
    writeFile: (_file, written) => {
      bytes = Buffer.from(written);
    },
  });
  if (error) throw new Error(`${source}, for ${target}:\n${stderr}`, { cause: error });
  // The optimizer stops when a round makes the program longer again, and says so: that is how it ends, and nobody's concern.
  const said = stderr.toString().replace(/^Last converge was suboptimal\.\r?\n/gm, '');
  if (said) process.stderr.write(said);
  return bytes;
}

/** The bytes of a program of `KERNELS`; those of build/ if they are of these sources. */
export async function kernels(name) {
  const [file, mark] = [join('build', `${name}.wasm`), join('build', `${name}.sources`)];
  const sources = fingerprint(name);
  try {
    const [made, sum] = readFileSync(mark, 'utf8').split(' ');
    const bytes = readFileSync(file);
    if (made === sources && sum === createHash('sha256').update(bytes).digest('hex')) return bytes;
  } catch {
    // Nothing was compiled yet.
  }
  const bytes = await compile(name);
  mkdirSync('build', { recursive: true });
  for (const [path, content] of [
    [file, bytes],
    [mark, `${sources} ${createHash('sha256').update(bytes).digest('hex')}`],
  ]) {
    // Two builds may go on at once: whoever reads sees a whole file.
    writeFileSync(`${path}.${process.pid}`, content);
    renameSync(`${path}.${process.pid}`, path);
  }
  return bytes;
}
