/**
 * The tarball, as it is installed and imported. `.ci/run` gives the one that it built in a folder called src (PACKAGE, a path), where rules
 * of the build that matched absolute paths made one chunk of everything; else it is packed here, from dist.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DiTAC } from 'ditac';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ditac-package-'));
afterAll(() => rmSync(folder, { recursive: true }));

function packed(): string {
  if (process.env.PACKAGE) return resolve(root, process.env.PACKAGE);
  const { stdout, stderr } = spawnSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (stdout.trim() === '') throw new Error(stderr);
  return join(folder, stdout.trim());
}

const installed = join(folder, 'node_modules', 'ditac');
mkdirSync(installed, { recursive: true });
const tarball = packed();
const unpacked = spawnSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'], { encoding: 'utf8' });

test('it unpacks, and holds what its exports name', () => {
  expect(unpacked).toMatchObject({ status: 0, stderr: '' });
  const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { exports: object };
  const files = Object.values(exports).flatMap((each) => (typeof each === 'string' ? [each] : Object.values(each)));
  expect(files.length).toBeGreaterThan(15);
  for (const file of files) expect([file, existsSync(join(installed, file as string))]).toEqual([file, true]);
});

const filesOf = (under: string): string[] =>
  (readdirSync(under, { recursive: true }) as string[]).map((name) => name.replaceAll('\\', '/'));

test('links of its texts lead to files that it has', () => {
  const texts = filesOf(installed).filter((name) => name.endsWith('.md'));
  expect(texts).toEqual(expect.arrayContaining(['README.md', 'SECURITY.md', 'CHANGELOG.md']));
  let count = 0;
  for (const name of texts) {
    // A page a family is made when the site is built.
    if (name === 'docs/activations/index.md') continue;
    const text = readFileSync(join(installed, name), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?:|#)/.test(link!)) continue;
      count += 1;
      expect([name, link, existsSync(join(installed, name, '..', link!.replace(/#.*/, '')))]).toEqual([
        name,
        link,
        true,
      ]);
    }
  }
  expect(count).toBeGreaterThan(0);
});

// 400 kB and 1.6 MB are what it should be: the command with its tools (100 kB), the pages and the picture (80) are what is beyond that.
test('it does not grow beyond 540 kB to download, 1.84 MB installed', () => {
  expect(statSync(tarball).size).toBeLessThanOrEqual(540e3);
  const sizes = filesOf(installed).map((name) => statSync(join(installed, name)));
  expect(sizes.reduce((sum, each) => sum + (each.isFile() ? each.size : 0), 0)).toBeLessThanOrEqual(1.84e6);
});

test('declarations are those of the entry points, and all that these name are there', () => {
  const types = filesOf(installed).filter((name) => name.endsWith('.d.ts'));
  const { exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    exports: Record<string, { types?: string }>;
  };
  const reached = new Set<string>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    for (const [, source] of readFileSync(join(installed, name), 'utf8').matchAll(/['"](\.{1,2}\/[^'"]+)\.js['"]/g))
      visit(join(name, '..', `${source}.d.ts`).replaceAll('\\', '/'));
  };
  for (const { types: entry } of Object.values(exports)) if (entry) visit(entry.slice(2));
  expect(types.sort()).toEqual([...reached].sort());
});

test('every entry point is imported by its name, and gives the bits of this checkout', () => {
  const x = [-1, 0.5, 2];
  const code = `
import { DiTAC, loadBackend } from 'ditac';
import { transform } from 'ditac/cpab';
import { compareBits } from 'ditac/oracle';
import { Activation } from 'ditac/runtime';
import { loadSafetensors, saveSafetensors } from 'ditac/safetensors';
import { verifyFunction } from 'ditac/verify';
const act = new DiTAC({ a: -3, b: 3, seed: 1 });
const y = act.forward(Float32Array.from(${JSON.stringify(x)}));
const pool = await loadBackend('threads', { size: 1, threshold: 0 });
const same = [
  await act.on(pool).forward(Float32Array.from(${JSON.stringify(x)})),
  new Activation(act.compiled().toBytes()).forward(Float32Array.from(${JSON.stringify(x)})),
].every((other) => compareBits(y, other).differing === 0);
pool.dispose();
const { ok } = await verifyFunction('itself', (v) => act.forward(v), act, { elements: 100, points: 10 });
const names = Object.keys(loadSafetensors(saveSafetensors(act.stateDict())).tensors).length;
console.log(JSON.stringify([[...new Uint32Array(y.buffer)], same, ok, names > 0, transform(y, act.thetas, { tess: 10 }).length]));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
    cwd: folder,
  });
  const bits = [...new Uint32Array(new DiTAC({ a: -3, b: 3, seed: 1 }).forward(Float32Array.from(x)).buffer)];
  expect({ stdout: stdout && JSON.parse(stdout), stderr }).toEqual({ stdout: [bits, true, true, true, 3], stderr: '' });
});

test('threads and WebGPU are chunks of their own, and a layer is registered where it is defined', () => {
  const dist = join(installed, 'dist');
  const files = readdirSync(dist).filter((name) => name.endsWith('.js') && name !== 'cli.js');
  const text = (name: string) => readFileSync(join(dist, name), 'utf8');
  expect(files.filter((name) => name.startsWith('backend-')).length).toBe(2);
  const core = files.filter((name) => name.startsWith('core-'));
  expect(core.length).toBe(1);
  for (const absent of ['@compute', 'requestAdapter', 'worker_threads', 'registerClass', 'everyFloat32'])
    expect(text(core[0]!)).not.toContain(absent);
  expect(text('tfjs.js')).toContain('registerClass(');
});

test('the command line runs', () => {
  // By which npm's links start it.
  expect(readFileSync(join(installed, 'dist', 'cli.js'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  const { stdout } = spawnSync(process.execPath, [join(installed, 'dist', 'cli.js'), '--version'], {
    encoding: 'utf8',
  });
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as { version: string };
  expect(stdout.trim()).toBe(version);
});
