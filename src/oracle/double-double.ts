/**
 * Double-double arithmetic: an unevaluated sum of two float64, about 106 bits (Dekker 1971; Hida, Li, Bailey 2001).
 * The oracle's own numbers; shares nothing with the code that it judges. Verified against decimal.js in the tests.
 */
export interface DoubleDouble {
  readonly hi: number;
  readonly lo: number;
}

export const dd = (hi: number, lo = 0): DoubleDouble => ({ hi, lo });
export const ZERO = dd(0);
export const ONE = dd(1);
const LN2 = dd(0.6931471805599453, 2.3190468138462996e-17);
const SQRT_2PI = dd(2.5066282746310007, -1.8328579980459167e-16);

/** The float64 nearest to a. */
export const toNumber = (a: DoubleDouble): number => a.hi + a.lo;

/** a + b with its rounding error, for |a| ≥ |b| or a = 0. */
function quickTwoSum(a: number, b: number): DoubleDouble {
  const s = a + b;
  return { hi: s, lo: b - (s - a) };
}

/** a + b with its rounding error. */
export function twoSum(a: number, b: number): DoubleDouble {
  const s = a + b;
  const t = s - a;
  return { hi: s, lo: a - (s - t) + (b - t) };
}

const SPLITTER = 2 ** 27 + 1;

/** a·b with its rounding error (Dekker's product). */
export function twoProduct(a: number, b: number): DoubleDouble {
  const p = a * b;
  const aScaled = SPLITTER * a;
  const aHigh = aScaled - (aScaled - a);
  const aLow = a - aHigh;
  const bScaled = SPLITTER * b;
  const bHigh = bScaled - (bScaled - b);
  const bLow = b - bHigh;
  return { hi: p, lo: aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow };
}

export function add(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const s = twoSum(a.hi, b.hi);
  const t = twoSum(a.lo, b.lo);
  const u = quickTwoSum(s.hi, s.lo + t.hi);
  return quickTwoSum(u.hi, u.lo + t.lo);
}

export const negate = (a: DoubleDouble): DoubleDouble => ({ hi: -a.hi, lo: -a.lo });
export const subtract = (a: DoubleDouble, b: DoubleDouble): DoubleDouble => add(a, negate(b));

export function multiply(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const p = twoProduct(a.hi, b.hi);
  return quickTwoSum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

export function divide(a: DoubleDouble, b: DoubleDouble): DoubleDouble {
  const first = a.hi / b.hi;
  let rest = subtract(a, multiply(b, dd(first)));
  const second = rest.hi / b.hi;
  rest = subtract(rest, multiply(b, dd(second)));
  return add(quickTwoSum(first, second), dd(rest.hi / b.hi));
}

export const scale = (a: DoubleDouble, power: number): DoubleDouble => ({ hi: a.hi * power, lo: a.lo * power });
export const less = (a: DoubleDouble, b: DoubleDouble): boolean => a.hi < b.hi || (a.hi === b.hi && a.lo < b.lo);

/** e^a = 2^k·(1 + e): returns k and e. */
function reducedExp(a: DoubleDouble): { k: number; e: DoubleDouble } {
  const k = Math.round(a.hi / LN2.hi);
  // 2⁻⁸ of the reduced argument by its series, then eight doublings e ← 2e + e².
  let e = expm1Series(scale(subtract(a, multiply(dd(k), LN2)), 2 ** -8));
  for (let i = 0; i < 8; i++) e = add(scale(e, 2), multiply(e, e));
  return { k, e };
}

/** e^a - 1, with small relative error also near 0. */
export function expm1(a: DoubleDouble): DoubleDouble {
  const { k, e } = reducedExp(a);
  return k === 0 ? e : subtract(scale(add(e, ONE), 2 ** k), ONE);
}

/** r + r²/2 + …: no 1 to be subtracted again. */
function expm1Series(r: DoubleDouble): DoubleDouble {
  let term = r;
  let sum = r;
  for (let n = 2; n <= 12; n++) {
    term = divide(multiply(term, r), dd(n));
    sum = add(sum, term);
  }
  return sum;
}

/** e^a; 0 below e⁻⁷⁰⁰. */
export function exp(a: DoubleDouble): DoubleDouble {
  if (a.hi < -700) return ZERO;
  const { k, e } = reducedExp(a);
  return scale(add(e, ONE), 2 ** k);
}

/** Natural logarithm of a positive number: Newton's method on exp, from float64. */
export function log(a: DoubleDouble): DoubleDouble {
  let y = dd(Math.log(a.hi));
  // y ← y + a·e⁻ʸ - 1
  for (let i = 0; i < 2; i++) y = add(y, subtract(multiply(a, exp(negate(y))), ONE));
  return y;
}

/** log(1 + a): Newton's method on expm1, from float64. */
export function log1p(a: DoubleDouble): DoubleDouble {
  let y = dd(Math.log1p(a.hi));
  for (let i = 0; i < 2; i++) {
    // y ← y + (1+a - e^y)/e^y
    const e = expm1(y);
    y = add(y, divide(subtract(a, e), add(e, ONE)));
  }
  return y;
}

/** Φ(x) = ½(1+erf(x/√2)), with small relative error on both tails. */
export function normalDistribution(x: DoubleDouble): DoubleDouble {
  const isNegative = x.hi < 0;
  const t = isNegative ? negate(x) : x;
  if (t.hi > 37) return isNegative ? ZERO : ONE;
  const square = multiply(t, t);
  const density = divide(exp(scale(square, -0.5)), SQRT_2PI);
  if (t.hi < 4) {
    // φ·(t + t³/3 + t⁵/15 + …): all terms positive.
    let term = t;
    let sum = t;
    for (let n = 3; term.hi > sum.hi * 1e-34; n += 2) {
      term = divide(multiply(term, square), dd(n));
      sum = add(sum, term);
    }
    const part = multiply(density, sum);
    return isNegative ? subtract(dd(0.5), part) : add(dd(0.5), part);
  }
  // Laplace's continued fraction of the Mills ratio, evaluated from behind; the error after n levels falls like exp(-1.9t·√n).
  let fraction = t;
  for (let n = Math.ceil(1600 / square.hi) + 20; n >= 1; n--) fraction = add(t, divide(dd(n), fraction));
  const upper = divide(density, fraction);
  return isNegative ? upper : subtract(ONE, upper);
}

/** All of the above under one name. Listed by hand: a bundler fills the namespace of a module by `for…in`, which finds additions to Object.prototype too. */
export const doubleDouble = {
  ZERO,
  ONE,
  dd,
  toNumber,
  twoSum,
  twoProduct,
  add,
  negate,
  subtract,
  multiply,
  divide,
  scale,
  less,
  expm1,
  exp,
  log,
  log1p,
  normalDistribution,
} as const;
type Pair = DoubleDouble;
/** Its type goes by the same name. */
export declare namespace doubleDouble {
  export type DoubleDouble = Pair;
}
