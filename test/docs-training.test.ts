/** The programs in docs/training.md, as they stand there, in their order. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compareBits } from 'ditac/oracle';
import { transformSync } from 'esbuild';
import { afterAll, expect, test } from 'vitest';

// Where node_modules are found: in a folder of the repository that git ignores.
const build = fileURLToPath(new URL('../build', import.meta.url));
mkdirSync(build, { recursive: true });
const folder = mkdtempSync(join(build, 'docs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = readFileSync(new URL('../docs/training.md', import.meta.url), 'utf8');
const blocks = [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block!);
const TITLES = ['plain arrays', 'growing', 'growing with tfjs', 'KAN layers', 'sums that travel', 'jax-js'] as const;

// biome-ignore lint/suspicious/noExplicitAny: what the programs export
async function run(title: (typeof TITLES)[number]): Promise<any> {
  const index = TITLES.indexOf(title);
  const { code } = transformSync(blocks[index]!, { loader: 'ts', format: 'esm', target: 'es2022' });
  const file = join(folder, `${index}.mjs`);
  const built = (name: string) => new URL(`../dist/${name === '' ? 'index' : name}.js`, import.meta.url).href;
  writeFileSync(
    file,
    code.replace(/from "ditac\/?(\w*)"/g, (_, name: string) => `from ${JSON.stringify(built(name))}`),
  );
  return import(file);
}

test('there are as many as are tested', () => expect(blocks.length).toBe(TITLES.length));

test('plain arrays: Snake finds the frequency', async () => {
  const { alpha, losses } = await run('plain arrays');
  expect(Math.abs(alpha[0] - 1.7)).toBeLessThan(0.02);
  expect(losses.at(-1)).toBeLessThan(1e-3 * losses[0]);
});

test('growing: a coarse flow is refined, and gets nearer than it could', async () => {
  const { losses, sizes } = await run('growing');
  expect(sizes.slice(0, 2)).toEqual([4, 8]);
  expect(losses.at(-1)).toBeLessThan(0.2 * losses[0]);
});

test('growing with tfjs: the layer is refined by a callback', async () => {
  const { tess, left } = await run('growing with tfjs');
  expect(left).toBeLessThan(2);
  expect(tess).toBe(5 * 2 ** (2 - left));
});

test('KAN layers: trained, refined, saved and read', async () => {
  const { layer, losses, x, y, keepsPromise } = await run('KAN layers');
  expect(losses.at(-1)).toBeLessThan(0.1 * losses[0]);
  expect(layer.coefficients).toBe(11);
  expect(compareBits(layer.forward(x), y).differing).toBe(0);
  expect(keepsPromise).toBe(true);
});

test('sums that travel have the bits of one pass', async () => {
  const { merged, whole } = await run('sums that travel');
  expect(Number.isFinite(merged)).toBe(true);
  expect(merged).toBe(whole);
});

test('jax-js: gradients by pieces are those of differences', async () => {
  const { value, ofWeights, ofAlpha } = await run('jax-js');
  const x = [
    [1, 2],
    [3, 4],
    [0.5, -1],
  ];
  const loss = (w: number[], alpha: number) =>
    x.reduce((sum, [p, q]) => {
      for (const k of [0, 1]) {
        const h = p! * w[k]! + q! * w[2 + k]!;
        sum += (h + Math.sin(alpha * h) ** 2 / alpha) ** 2;
      }
      return sum;
    }, 0);
  const w = [0.5, -0.3, 0.2, 0.8];
  // Sums of about 20 in float32, and gradients within 10⁻⁵ of the largest.
  const close = (p: number, q: number) => expect(Math.abs(p - q)).toBeLessThan(1e-5 * 40);
  close(value, loss(w, 1));
  const h = 2 ** -16;
  w.forEach((_, k) => {
    const moved = (by: number) =>
      loss(
        w.map((v, j) => (j === k ? v + by : v)),
        1,
      );
    close(ofWeights[k], (moved(h) - moved(-h)) / (2 * h));
  });
  close(ofAlpha, (loss(w, 1 + h) - loss(w, 1 - h)) / (2 * h));
});
