import Decimal from 'decimal.js';
import {
  compareBits,
  doubleDouble,
  everyFloat32,
  exact,
  randomBits,
  specialValues,
  stratified,
  sweep,
  ulpDistance,
  ulpError,
} from 'ditac/oracle';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exactly, normalCdf } from './decimal.js';
import { tries } from './effort.js';
import { floatsOf, goldenCases, goldenJson, largest, transformCases } from './golden.js';

const { add, dd, divide, exp, expm1, log1p, multiply, normalDistribution, subtract } = doubleDouble;
type DoubleDouble = ReturnType<typeof dd>;

const decimal = ({ hi, lo }: DoubleDouble) => exactly(hi).plus(exactly(lo));
const misses = (computed: DoubleDouble, truth: Decimal) =>
  truth.isZero() ? decimal(computed).abs().toNumber() : decimal(computed).minus(truth).div(truth).abs().toNumber();

test('double-double arithmetic keeps 30 digits', () => {
  const number = fc.double({ min: -1e6, max: 1e6, noNaN: true }).filter((x) => Math.abs(x) > 1e-6);
  fc.assert(
    fc.property(number, number, number, number, (p, q, r, s) => {
      const [a, b] = [add(dd(p), dd(q * 2 ** -60)), add(dd(r), dd(s * 2 ** -60))];
      const [da, db] = [decimal(a), decimal(b)];
      // A sum may cancel: its error is a share of the larger operand.
      const size = Decimal.max(da.abs(), db.abs());
      return (
        decimal(add(a, b)).minus(da.plus(db)).abs().div(size).lt(1e-30) &&
        decimal(subtract(a, b)).minus(da.minus(db)).abs().div(size).lt(1e-30) &&
        misses(multiply(a, b), da.times(db)) < 1e-30 &&
        misses(divide(a, b), da.div(db)) < 1e-30
      );
    }),
  );
});

test('its elementary functions keep 28 digits', () => {
  for (let i = 0; i < tries(200); i++) {
    const x = 20 * Math.sin(i * i + 1) ** 3;
    expect(misses(exp(dd(x)), exactly(x).exp())).toBeLessThan(1e-28);
    expect(misses(expm1(dd(x)), exactly(x).exp().minus(1))).toBeLessThan(1e-28);
    const z = Math.abs(x) ** 3 - 0.999;
    expect(misses(log1p(dd(z)), exactly(z).plus(1).ln())).toBeLessThan(1e-28);
    const t = (x * 13) / 20;
    expect(misses(normalDistribution(dd(t)), normalCdf(exactly(t)))).toBeLessThan(1e-26);
  }
});

test('the oracle agrees with the 350-digit truth on every golden transformation', () => {
  for (const { name, theta, options, phi, slope, illConditioned } of transformCases) {
    const truth = exact.transform(theta, options);
    const errors = phi.map((y, k) =>
      illConditioned.has(k) ? 0 : Math.abs(truth(k / 256) - y) / Math.max(1, slope[k]!),
    );
    // The golden B is rounded to float64, ours is computed in it: a few units of 2⁻⁵³ each.
    expect(largest(errors), name).toBeLessThan(4e-15);
  }
});

test('the oracle agrees with the truth on every golden activation', () => {
  for (const name of goldenCases('ditac')) {
    const j = goldenJson(`ditac/${name}.json`);
    const truth = exact.activation(floatsOf(j.thetas_bits), {
      tess: j.tess,
      a: j.a,
      b: j.b,
      basis: j.basis,
      variant: 'gelu',
    });
    const errors = (j.truth_y as number[]).map((y, i) => Math.abs(truth(-8 + (16 * i) / 4096) - y));
    expect(largest(errors), name).toBeLessThan(4e-15);
  }
});

test('a θ with zeros has a truth everywhere', () => {
  const theta = [
    0.6654684543609619, 0.5671138167381287, -0.23418018221855164, 0.23933111131191254, 0, -0.04738585650920868,
  ];
  const truth = exact.transform(theta, { tess: 7, basis: 'sparse' });
  let last = 0;
  for (let k = 0; k <= 1000; k++) {
    const y = truth(k / 1000);
    expect(y).toBeGreaterThanOrEqual(last);
    last = y;
  }
});

test('NaN is an error, unless both agree on it', () => {
  const result = sweep(
    (x) => x.map((v) => (v === 1.25 ? Number.NaN : v)),
    (x) => x,
    everyFloat32(1.2, 1.3),
  );
  expect([result.ulp, result.ulpAt]).toEqual([Number.POSITIVE_INFINITY, 1.25]);
  expect(
    sweep(
      (x) => x,
      (x) => x,
      randomBits(5000, 1),
    ),
  ).toMatchObject({ ulp: 0, ulpSmall: 0, absolute: 0, nearest: 1 });
  expect(() =>
    sweep(
      () => new Float32Array(3),
      (x) => x,
      everyFloat32(1, 2),
    ),
  ).toThrow(/must return a Float32Array of length/);
});

test('exact.* refuses a θ of the wrong length', () => {
  expect(() => exact.transform([1, 2], { tess: 10 })).toThrow(/theta must have 9 entries.* got 2/);
  expect(() => exact.transform([Number.NaN], { tess: 2 })).toThrow(/theta\[0\] must be finite/);
  // @ts-expect-error: not a variant
  expect(() => exact.activation([1], { tess: 2, a: 0, b: 1, variant: 'relu' })).toThrow(/variant must be one of/);
});

test('ulpDistance counts the float32 between two numbers', () => {
  expect(ulpDistance(1, 1 + 2 ** -23)).toBe(1);
  expect(ulpDistance(-0, 0)).toBe(0);
  expect(ulpDistance(-(2 ** -149), 2 ** -149)).toBe(2);
  expect(ulpDistance(Number.NaN, Number.NaN)).toBe(0);
  expect(ulpDistance(Number.NaN, 1)).toBe(Number.POSITIVE_INFINITY);
  expect(ulpDistance(3.4028234663852886e38, Number.POSITIVE_INFINITY)).toBe(1);
});

test('ulpError measures in units of the truth', () => {
  expect(ulpError(1, 1 + 2 ** -24)).toBe(0.5);
  expect(ulpError(2, 2 - 2 ** -24)).toBe(0.5);
  expect(ulpError(Number.NaN, 1)).toBe(Number.POSITIVE_INFINITY);
  expect(ulpError(1, Number.NaN)).toBe(Number.POSITIVE_INFINITY);
});

test('compareBits finds every difference and says where', () => {
  const x = Float32Array.of(1, 2, 3, 4, 5, 6);
  const expected = Float32Array.of(1, 0, Number.NaN, 1, 1, 1);
  const actual = Float32Array.of(1, -0, Number.NaN, 1 + 2 ** -23, 1 + 6 * 2 ** -23, Number.NaN);
  const found = compareBits(expected, actual, x);
  expect(found.differing).toBe(4);
  expect(found.first).toEqual({ index: 1, input: 2, expected: 0, actual: 0x80000000 });
  expect(found.worst).toBe(Number.POSITIVE_INFINITY);
  expect(found.histogram).toEqual([
    [0, 0, 1],
    [1, 1, 1],
    [5, 8, 1],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1],
  ]);
  expect(compareBits(x, x).differing).toBe(0);
  expect(() => compareBits(x, x.subarray(1))).toThrow(/one length, got 6 and 5/);
});

test('inputs: every float32 once, strata, special values', () => {
  const all = [...everyFloat32(-(2 ** -147), 2 ** -147).blocks()].flatMap((block) => [...block]);
  expect(all.map((x) => x * 2 ** 149)).toEqual([-4, -3, -2, -1, 0, 1, 2, 3, 4]);
  const parts = [0, 1, 2].map((part) => everyFloat32(-16, 16, part, 3).count);
  expect(parts.reduce((a, b) => a + b)).toBe(everyFloat32(-16, 16).count);
  expect(everyFloat32(-16, 16).count).toBe(2 * 0x41800000 + 1);
  const sample = [...stratified(-8, 8, 1000, 1).blocks()].flatMap((block) => [...block]);
  expect(sample.length).toBe(1000);
  expect(sample.every((x) => Math.abs(x) <= 8)).toBe(true);
  expect(sample.filter((x) => Math.abs(x) < 2 ** -20).length).toBeGreaterThan(200);
  const [bits] = [...randomBits(5000, 1).blocks()];
  expect(bits!.filter(Number.isNaN).length).toBeGreaterThan(10);
  expect(specialValues().length).toBeGreaterThan(1000);
});

test('a sweep judges kernels that work in place as those that do not', () => {
  const coarse = (v: number) => Math.round(v * 64) / 64;
  const apart = (x: Float32Array) => x.map((v) => 2 * coarse(v));
  const inPlace = (x: Float32Array) => {
    for (let i = 0; i < x.length; i++) x[i] = 2 * coarse(x[i]!);
    return x;
  };
  const judged = (kernel: (x: Float32Array) => Float32Array) => sweep(kernel, (x) => 2 * x, everyFloat32(1, 1.0005));
  expect(judged(apart).ulp).toBeGreaterThan(1000);
  expect(judged(inPlace)).toEqual(judged(apart));
});

test('a sweep finds the one wrong value among many', () => {
  const double = (x: Float32Array) => x.map((v) => (v === 1.5 ? 3 + 2 ** -22 * 5 : 2 * v));
  const result = sweep(double, (x) => 2 * x, everyFloat32(1, 2));
  expect(result).toMatchObject({ count: 2 ** 23 + 1, ulp: 5, ulpAt: 1.5 });
  expect(result.nearest).toBeCloseTo(1 - 2 ** -23, 9);
});
