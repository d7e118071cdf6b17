import type Decimal from 'decimal.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ceilToFloat32, floorToFloat32, nextDown, nextUp, unitInLastPlace } from '../assembly/float32';
import {
  exp,
  expm1Ratio,
  exponentOf,
  log,
  log1pRatio,
  normalDensity,
  normalDistribution,
  power,
  powerOfTwo,
} from '../assembly/numeric';
import { exactly, normalCdf, normalPdf } from './decimal.js';
import { tries } from './effort.js';
import { largest } from './golden.js';

/** What assembly/numeric.ts promises. */
const BOUND = 5e-16;

const grid = (low: number, high: number, count = tries(1500)) =>
  Array.from({ length: count }, (_, i) => low + ((high - low) * (i + Math.sin(i * 12.9898) / 2 + 0.5)) / count);

const worst = (xs: readonly number[], f: (x: number) => number, truth: (x: Decimal) => Decimal) =>
  largest(
    xs.map((x) => {
      const t = truth(exactly(x));
      return t.minus(f(x)).div(t).abs().toNumber();
    }),
  );

test('exp', () => {
  expect(worst(grid(-700, 700), exp, (x) => x.exp())).toBeLessThan(BOUND);
  expect(worst(grid(-1, 1), exp, (x) => x.exp())).toBeLessThan(BOUND);
  expect([exp(0), exp(710), exp(-746), exp(Number.NaN)]).toEqual([1, Number.POSITIVE_INFINITY, 0, Number.NaN]);
});

test('log', () => {
  expect(worst(grid(1e-3, 0.99), log, (x) => x.ln())).toBeLessThan(BOUND);
  expect(worst(grid(1.01, 1e6), log, (x) => x.ln())).toBeLessThan(BOUND);
  expect([log(0), log(1), log(-1), log(Number.POSITIVE_INFINITY)]).toEqual([
    Number.NEGATIVE_INFINITY,
    0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ]);
});

test('expm1(z)/z and log1p(z)/z, also around 0', () => {
  for (const z of [1e-300, -1e-17, 1e-8]) expect([expm1Ratio(z), log1pRatio(z)]).toEqual([1 + z / 2, 1 - z / 2]);
  expect(worst(grid(-30, 30), expm1Ratio, (z) => z.exp().minus(1).div(z))).toBeLessThan(BOUND);
  expect(worst(grid(-0.4, 0.4), expm1Ratio, (z) => z.exp().minus(1).div(z))).toBeLessThan(BOUND);
  expect(worst(grid(-0.9, 0.5), log1pRatio, (z) => z.plus(1).ln().div(z))).toBeLessThan(BOUND);
  expect(worst(grid(0.5, 1e5), log1pRatio, (z) => z.plus(1).ln().div(z))).toBeLessThan(BOUND);
});

test('the normal distribution keeps its relative accuracy on both tails', () => {
  expect(worst(grid(-14, 14, tries(400)), normalDensity, normalPdf)).toBeLessThan(BOUND);
  expect(worst(grid(-14, 8, tries(800)), normalDistribution, normalCdf)).toBeLessThan(3e-15);
  expect([normalDistribution(0), normalDistribution(40), normalDistribution(-40)]).toEqual([0.5, 1, 0]);
});

test('powers and exponents are exact', () => {
  for (let k = -1022; k <= 1023; k++) expect(powerOfTwo(k)).toBe(2 ** k);
  expect(power(3, 20)).toBe(3486784401);
  fc.assert(
    fc.property(fc.double({ min: 1e-300, max: 1e300, noNaN: true }), (x) => {
      const k = exponentOf(x);
      return powerOfTwo(k) <= x && x / 2 < powerOfTwo(k) && exponentOf(-x) === k;
    }),
  );
});

test('neighbours, roundings and units of float32', () => {
  const float = fc.float({ noNaN: true, noDefaultInfinity: true, min: -Math.fround(1e38), max: Math.fround(1e38) });
  fc.assert(
    fc.property(float, (x) => {
      const [down, up] = [nextDown(x), nextUp(x)];
      return down < x && x < up && Math.fround((x + up) / 2) !== (x + up) / 2 && nextDown(up) === x;
    }),
  );
  fc.assert(
    fc.property(fc.double({ min: -1e38, max: 1e38, noNaN: true }), (x) => {
      const [floor, ceil] = [floorToFloat32(x), ceilToFloat32(x)];
      return floor <= x && x <= ceil && (floor === ceil ? floor === x : nextUp(floor) === ceil);
    }),
  );
  expect(unitInLastPlace(1)).toBe(2 ** -23);
  expect(unitInLastPlace(1.9999)).toBe(2 ** -23);
  expect(unitInLastPlace(-4)).toBe(2 ** -21);
  expect(unitInLastPlace(0)).toBe(2 ** -149);
});
