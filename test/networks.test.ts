/** Trained networks: the golden exact outputs, the same classes, and where the original's own outputs come from. */
import { loadBackend } from 'ditac';
import { compareBits } from 'ditac/oracle';
import { describe, expect, test } from 'vitest';
import { argmax } from '../examples/layers.js';
import { loadNetworks, rSquared, targetSurface } from '../examples/networks.js';
import type { Kernel, Tables } from '../src/backends/backend.js';
import { floatsOf, goldenJson, largest } from './golden.js';

const networks = loadNetworks(new URL('./golden/nets/', import.meta.url));
const [wasm, js] = [await loadBackend('wasm'), await loadBackend('js')];
const difference = (y: Float32Array, other: ArrayLike<number>) => largest(y.map((v, i) => Math.abs(v - other[i]!)));

describe.each(networks)('$name', async (network) => {
  const y = await network.run(wasm, network.inputs);

  test('reproduces the exact outputs to 2e-5, with the same bits on both backends', async () => {
    expect(difference(y, network.exact)).toBeLessThan(2e-5);
    expect(compareBits(y, await network.run(js, network.inputs)).differing).toBe(0);
  });

  test('is as far from the original as the original is from the exact outputs', () => {
    const tableError = difference(network.original, network.exact);
    expect(difference(y, network.original)).toBeGreaterThan(1e-3);
    expect(Math.abs(difference(y, network.original) - tableError)).toBeLessThan(4e-5);
  });
});

test('327 and 337 of the 360 test digits are right, each classified as with exact integration', async () => {
  const [dense, convolutional] = networks as [(typeof networks)[0], (typeof networks)[0]];
  for (const [network, right, file] of [
    [dense, 327, 'digits_test'],
    [convolutional, 337, 'digits_conv_test'],
  ] as const) {
    const classes = argmax(await network.run(wasm, network.inputs), 10);
    expect(classes.filter((each, i) => each === network.labels![i]).length).toBe(right);
    expect(classes).toEqual(goldenJson(`nets/${file}.json`).truth_pred);
  }
});

test('the regression reaches its R², and the target surface is the one it was trained on', async () => {
  const network = networks[2]!;
  const y = await network.run(wasm, network.inputs);
  expect(rSquared(y, network.target!)).toBeCloseTo(goldenJson('nets/mlp_double_2d_ditac_seed1_io.json').r2_500, 3);
  const surface = network.target!.map((_, i) => targetSurface(network.inputs[2 * i]!, network.inputs[2 * i + 1]!));
  expect(difference(surface, network.target!)).toBeLessThan(2e-6);
});

test('with the original’s table of 2048 entries in place of T, the regression gives the original’s outputs', async () => {
  const network = networks[2]!;
  const j = goldenJson('nets/mlp_double_2d_ditac_seed1_io.json');
  const table = floatsOf(j.lut_bits);
  const [a, b] = [-3, 3];
  const act = network.activations[0]!;
  // golden/README, "The original's formulas": the nearest entry, no interpolation. Φ from the exact activation where T = x.
  const byTable = (x: Float32Array): Float32Array =>
    x.map((v) => {
      if (!(v >= a && v <= b)) return act.forward(Float32Array.of(v))[0]!;
      const t = (table[Math.round((2047 * (v - a)) / (b - a))]! + a / (b - a)) * (b - a);
      return t * 0.5 * (1 + erf(v / Math.SQRT2));
    });
  const tabulated = Object.assign(Object.create(wasm), {
    run: (_kernel: Kernel, _tables: Tables, x: Float32Array, out: Float32Array) => out.set(byTable(x)),
  });
  const y = await network.run(tabulated, network.inputs);
  const errors = Array.from(y, (v, i) => Math.abs(v - network.original[i]!));
  // One unit in the last place before the look-up moves an index: a few outputs differ by one entry's step.
  expect(errors.filter((e) => e < 2e-5).length / errors.length).toBeGreaterThan(0.95);
});

/** Abramowitz and Stegun 7.1.26 is not enough here: the series, for |x| < 3. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
