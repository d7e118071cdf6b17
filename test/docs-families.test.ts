/** The program in docs/families.md, as it stands there. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareBits } from 'ditac/oracle';
import { layerOf } from 'ditac/tfjs';
import { transformSync } from 'esbuild';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'ditac-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('it runs, and has what it says', async () => {
  const text = readFileSync(new URL('../docs/families.md', import.meta.url), 'utf8');
  const [, block] = /```ts\n([\s\S]*?)```/.exec(text)!;
  const { code } = transformSync(block!, { loader: 'ts', format: 'esm' });
  const file = join(folder, 'program.mjs');
  const built = (name: string) => new URL(`../dist/${name === '' ? 'index' : name}.js`, import.meta.url).href;
  writeFileSync(
    file,
    code.replace(/from "ditac\/?(\w*)"/g, (_, name: string) => `from ${JSON.stringify(built(name))}`),
  );
  const { again, act, gradX, gradients, inputs, keepsPromise, plan, shape, truth, ulp, y } = await import(file);
  // The formula in float64, with the parameters that the program began with.
  const f = (v: number, beta: number) => 0.1 * v + (0.9 * v) / (1 + Math.exp(-beta * v));
  const close = (p: number, q: number) =>
    expect(Math.abs(p - q)).toBeLessThanOrEqual(2 ** -22 * Math.max(1, Math.abs(q)));
  inputs.forEach((v: number, i: number) => {
    close(y[i], f(v, i < 3 ? 1 : 1.5));
  });
  close(truth, f(-3, 1));
  expect([ulp <= 1, keepsPromise]).toEqual([true, true]);
  // Differences of the formula: 2⁻²⁰ wide, off by about 10⁻⁹.
  const slope = (v: number, beta: number) => (f(v + 2 ** -20, beta) - f(v - 2 ** -20, beta)) * 2 ** 19;
  gradX.forEach((g: number, i: number) => {
    expect(Math.abs(g - slope(inputs[i], i < 3 ? 1 : 1.5))).toBeLessThan(1e-5);
  });
  expect([gradients.beta.length, gradients.leak.length]).toEqual([2, 1]);
  for (const other of [again, plan])
    expect(
      compareBits(act.forward(inputs, undefined, { shape }), other.forward(inputs, undefined, { shape })).differing,
    ).toBe(0);
  expect(layerOf(act.constructor).className).toBe('ditac.LeakySwish');
  expect(() => act.update({ beta: [0, 1] })).toThrow(/function 0 of 2: LeakySwish needs beta ≠ 0/);
});

test('every word of the page is exported, and every exported word is on it', async () => {
  const text = readFileSync(new URL('../docs/families.md', import.meta.url), 'utf8');
  const words = Object.entries(await import('ditac/families')).filter(
    ([name, each]) => (typeof each === 'function' || name === 'x') && !['identify', 'rationalInitial'].includes(name),
  );
  expect(words.length).toBeGreaterThan(40);
  for (const [name] of words) expect([name, text.includes(`${name}`)]).toEqual([name, true]);
});
