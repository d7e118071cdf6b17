/** Two float64 (assembly/double.ts) against decimal.js: what every certificate charges for them is more than they err. */
import Decimal from 'decimal.js';
import { expect, test } from 'vitest';
import * as double from '../assembly/double';
import { ELEMENTARY, ROUNDING } from '../assembly/double';
import { uniformStream } from '../src/cpab/random.js';
import { exactly } from './decimal.js';
import { tries } from './effort.js';

type Pair = readonly [high: number, low: number];

// The left tail of Φ cancels up to e^-545 of ½, 237 digits.
const Wide = Decimal.clone({ precision: 290 });
const NOTHING = new Wide('1e-285');
/** For what does not cancel. */
const Narrow = Decimal.clone({ precision: 60 });
const wide = ([h, l]: Pair) => new Wide(exactly(h)).plus(exactly(l));
const taken = (high: number): Pair => [high, double.low];

const uniform = uniformStream(7);
/** Numbers in [low, high], half of them near the ends and near 0, each with a low part. */
function numbers(low: number, high: number, count: number): Pair[] {
  const ends = [low, high, low / 2, high / 2].flatMap((at) => [at, at * (1 - 2 ** -52), at * (1 - 2 ** -20)]);
  const near = Array.from({ length: 12 }, (_, k) => 2 ** (-5 * k)).flatMap((at) => [at, -at]);
  const spread = Array.from({ length: count }, () => low + (high - low) * uniform());
  return [...ends, ...near, ...spread]
    .filter((x) => x >= low && x <= high && x !== 0)
    .map((x) => [x, x * 2 ** -53 * (2 * uniform() - 1) * 0.99] as const);
}

const relative = (truth: Decimal) => truth.abs();
const absolute = () => new Wide(1);
const atLeastOne = (truth: Decimal) => Decimal.max(1, truth.abs());

const phi = (x: Decimal) => x.times(x).div(-2).exp().div(Wide.acos(-1).times(2).sqrt());
/** Φ(x) - ½ = φ(x)·(x + x³/3 + x⁵/15 + …). */
function aboveHalf(x: Decimal): Decimal {
  let [term, sum] = [x, x];
  for (let n = 3; term.abs().gt(NOTHING); n += 2) {
    term = term.times(x).times(x).div(n);
    sum = sum.plus(term);
  }
  return phi(x).times(sum);
}

/** What it is called in the calculus, where it is asked for, the truth, and in what its error is told. */
const FUNCTIONS: readonly [
  name: string,
  f: (h: number, l: number) => number,
  low: number,
  high: number,
  truth: (x: Decimal) => Decimal,
  unit: (truth: Decimal, x: Decimal) => Decimal,
][] = [
  ['exp', double.expOf, -600, 700, (x) => x.exp(), relative],
  ['expm1', double.expm1Of, -600, 700, (x) => x.exp().minus(1), relative],
  ['log1p', double.log1pOf, -0.999, 0.2, (x) => x.plus(1).ln(), relative],
  ['log1p, larger', double.log1pOf, 0.2, 1e12, (x) => x.plus(1).ln(), atLeastOne],
  ['log', double.logOf, 1e-30, 1e30, (x) => x.ln(), atLeastOne],
  ['log near 1', double.logOf, 0.81, 1.24, (x) => x.ln(), relative],
  ['sin', double.sinOf, -0.7, 0.7, (x) => x.sin(), relative],
  ['sin, larger', double.sinOf, -1048575, 1048575, (x) => x.sin(), (_, x) => atLeastOne(x)],
  ['cos', double.cosOf, -1048575, 1048575, (x) => x.cos(), (_, x) => atLeastOne(x)],
  ['atan', double.atanOf, -1e6, 1e6, (x) => x.atan(), relative],
  ['sigmoid', double.sigmoidOf, -600, 100, (x) => new Narrow(1).div(x.neg().exp().plus(1)), relative],
  ['tanh', double.tanhOf, -50, 50, (x) => x.tanh(), relative],
  ['softplus', double.softplusOf, -600, 100, (x) => x.exp().plus(1).ln(), relative],
  // Farther to the left errors underflow, where jets charge 10⁻²⁶⁰ besides.
  ['Φ, left', double.normalOf, -33, -6.001, (x) => aboveHalf(x).plus(0.5), relative],
  ['Φ', double.normalOf, -6, 9, (x) => aboveHalf(x).plus(0.5), absolute],
  ['Φ - ½', double.aboveHalfOf, -9, 9, aboveHalf, relative],
];

test.each(FUNCTIONS)('%s', (name, f, low, high, truth, unit) => {
  let worst = 0;
  let at = 0;
  for (const x of numbers(low, high, tries(60))) {
    const exact = /^Φ|softplus/.test(name) ? wide(x) : new Narrow(exactly(x[0])).plus(exactly(x[1]));
    const t = truth(exact);
    const error = wide(taken(f(...x)))
      .minus(t)
      .abs()
      .div(unit(t, exact))
      .toNumber();
    if (error > worst) [worst, at] = [error, x[0]];
  }
  expect(worst, `at ${at}`).toBeGreaterThan(0);
  expect(worst, `at ${at}`).toBeLessThanOrEqual(ELEMENTARY);
});

test('sums, products and quotients', () => {
  const pairs = numbers(-1e9, 1e9, tries(300));
  pairs.forEach(([ah, al], i) => {
    const b = pairs[(7 * i + 3) % pairs.length]!;
    const [p, q] = [wide([ah, al]), wide(b)];
    for (const [computed, exact] of [
      [taken(double.add(ah, al, ...b)), p.plus(q)],
      [taken(double.subtract(ah, al, ...b)), p.minus(q)],
      [taken(double.multiply(ah, al, ...b)), p.times(q)],
      [taken(double.divide(ah, al, ...b)), p.div(q)],
    ] as const)
      if (!exact.isZero()) expect(wide(computed).minus(exact).div(exact).abs().toNumber()).toBeLessThan(ROUNDING);
  });
});
