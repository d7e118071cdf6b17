/** What `transform` promises whatever the field is: images ascend, [0,1] stays itself, and the truth is near. */
import { type Basis, inverse, normalStream, transform } from 'ditac/cpab';
import { exact } from 'ditac/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextDown, nextUp } from '../assembly/float32';
import { tries } from './effort.js';

/** Promise 2: the image of a point at most 2⁻⁴⁸ away, to 2⁻²² of max(1, |y|), or infinite beyond 2¹⁰⁰. */
const NEAR = 2 ** -48;
const ERROR = 2 ** -22;

function expectTruth(x: ArrayLike<number>, y: ArrayLike<number>, truth: (x: number) => number): void {
  for (let i = 0; i < x.length; i++) {
    const low = truth(x[i]! - NEAR);
    const high = truth(x[i]! + NEAR);
    const room = (t: number) => ERROR * Math.max(1, Math.abs(t));
    const isNear = y[i]! >= low - room(low) && y[i]! <= high + room(high);
    const isBeyond = Math.max(Math.abs(low), Math.abs(high)) > 2 ** 100 && Math.abs(y[i]!) > 2 ** 99;
    if (!isNear && !isBeyond) expect.fail(`x = ${x[i]} has ${y[i]}, the truth is ${truth(x[i]!)} (${low} to ${high})`);
  }
}

/** Ends, vertices and the smallest numbers, with their neighbours, in order, and points between them. */
function hardInputs(tess: number): Float32Array {
  const places = [0, 2 ** -126, 2 ** -120, 2 ** -101, 2 ** -100, 2 ** -99, 2 ** -60, 2 ** -30];
  for (let k = 0; k <= 2 * tess; k++) places.push(k / (2 * tess));
  for (let k = 1; k < 400; k++) places.push(k / 400, 2 ** (-k / 4), 1 - 2 ** (-k / 8));
  const near = places.flatMap((v) => {
    const x = Math.fround(v);
    return [x, nextUp(x), nextDown(x), nextDown(nextDown(x))];
  });
  return Float32Array.from(near.filter((x) => x === 0 || (x >= 2 ** -126 && x <= 1))).sort();
}

const field = fc.record({
  tess: fc.integer({ min: 2, max: 17 }),
  seed: fc.integer({ min: 0, max: 1e9 }),
  size: fc.constantFrom(0.3, 3, 100, 3000),
  time: fc.constantFrom(0, 1e-3, 1, -1, 7, -30, 100, -1000, 1e4, -1e4),
  kind: fc.constantFrom('qr', 'svd', 'sparse', 'rref' as const),
});
const thetaOf = (length: number, seed: number, size: number) => {
  const normal = normalStream(seed);
  return Float32Array.from({ length }, () => size * normal());
};

describe('with zero boundary', () => {
  test('images ascend within [0,1], its ends stay, and the truth is near', () => {
    fc.assert(
      fc.property(field, ({ tess, seed, size, time, kind }) => {
        const theta = thetaOf(tess - 1, seed, size);
        const options = { tess, time, basis: kind as Basis };
        const x = hardInputs(tess);
        for (const flow of [transform, inverse]) {
          const y = flow(x, theta, options);
          expect([y[0], y.at(-1)]).toEqual([0, 1]);
          expect(y.findIndex((v, i) => !(v >= 0 && v <= 1 && (i === 0 || v >= y[i - 1]!)))).toBe(-1);
          const few = x.filter((_, i) => (i + seed) % 61 === 0);
          const truth = exact.transform(theta, { ...options, time: flow === transform ? time : -time });
          expectTruth(few, flow(few, theta, options), truth);
        }
      }),
      { numRuns: tries(120) },
    );
  });

  test('every float32 of an interval ascends', () => {
    const x = new Float32Array(1 << 18);
    const words = new Int32Array(x.buffer);
    fc.assert(
      fc.property(field, fc.integer({ min: 0x30000000, max: 0x3f7bffff }), ({ tess, seed, size, time, kind }, from) => {
        for (let i = 0; i < x.length; i++) words[i] = from + i;
        const y = transform(x, thetaOf(tess - 1, seed, size), { tess, time, basis: kind as Basis });
        return y.every((v, i) => i === 0 || v >= y[i - 1]!);
      }),
      { numRuns: tries(40) },
    );
  });
});

describe('without', () => {
  test('images ascend, and the truth is near', () => {
    fc.assert(
      fc.property(field, ({ tess, seed, size, time, kind }) => {
        const theta = thetaOf(tess + 1, seed, size);
        const options = { tess, time, basis: kind as Basis, zeroBoundary: false };
        const half = hardInputs(tess);
        const x = Float32Array.from([...half.map((v) => -100 * v), ...half, ...half.map((v) => 1 + 100 * v)]).sort();
        const y = transform(x, theta, options);
        expect(y.findIndex((v, i) => Number.isNaN(v) || (i > 0 && !(v >= y[i - 1]!)))).toBe(-1);
        const few = x.filter((_, i) => (i + seed) % 97 === 0);
        expectTruth(few, transform(few, theta, options), exact.transform(theta, options));
      }),
      { numRuns: tries(120) },
    );
  });

  test('every float32 of an interval ascends', () => {
    const x = new Float32Array(1 << 20);
    const words = new Int32Array(x.buffer);
    for (const [tess, theta] of [
      [2, [-2, -3, -2]],
      [1, [-1, 1]],
      [3, [1, -1, 0.5, -4]],
    ] as const) {
      for (const from of [0x3f000000, 0x3e000000, 0x3f700000, 0x40000000]) {
        for (let i = 0; i < x.length; i++) words[i] = from + i;
        const y = transform(x, theta, { tess, basis: 'sparse', zeroBoundary: false });
        expect(y.findIndex((v, i) => i > 0 && !(v >= y[i - 1]!))).toBe(-1);
      }
    }
  });

  test('an image far out has the units of its size: no float32 is nearer', () => {
    const x = Float32Array.of(0.3);
    const [y] = transform(x, [1, 1], { tess: 1, basis: 'sparse', zeroBoundary: false, time: 1000 });
    expect(y).toBe(Math.fround(x[0]! + 1000));
  });
});

describe('what float64 cannot follow is refused', () => {
  test.each([
    [[3e38, 0, 0], 1],
    [[1, 0, 0], 1e300],
    [[9e15, -1, 2], 1],
    [[1e-30, 0, 0], 1e100],
  ])('θ = %j for time %d', (theta, time) => {
    const call = () => transform(new Float32Array(3), theta, { tess: 4, basis: 'sparse', time });
    expect(call).toThrow(RangeError);
    expect(call).toThrow(/theta gives a velocity of .* too steep for float64: at most 2\^26 lengths/);
  });
});
