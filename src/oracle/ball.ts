/**
 * Real numbers in as many bits as are asked for, each with a proved bound on its error: (m ± r)·2^e, midpoint and radius (van der Hoeven,
 * "Ball arithmetic", 2009; Johansson, "Arb", 2017). Integers of any length and nothing else; the oracle's own, it shares nothing with the code that
 * it judges. What float64 could not hold even as an exponent, e^(10³⁸) say, is kept by its logarithm, so that nothing overflows.
 */
export interface Ball {
  readonly m: bigint;
  readonly e: number;
  /** In units of 2^e; 0: exact. Kept below 2³². */
  readonly r: number;
}

/** ±e^log, too large or too small for a ball's exponent; and so may its logarithm be. */
export interface Beyond {
  readonly sign: 1 | -1;
  readonly isLarge: boolean;
  readonly log: Real;
}

export type Real = Ball | Beyond;

/** The present number of bits does not decide what was asked: sign, or value. More may. */
export class Undecided extends Error {}
/** No real number: 1/0, log 0, the logarithm of a negative number. */
export class NoValue extends Error {}

export const isBeyond = (a: Real): a is Beyond => 'isLarge' in a;

/** An upper bound f·2^k. */
type Bound = readonly [f: number, k: number];

const word = new Float64Array(1);
const words = new Uint32Array(word.buffer);

/** Length of |m| in bits, or one more; 0 for 0. */
export function bits(m: bigint): number {
  if (m === 0n) return 0;
  let left = m < 0n ? -m : m;
  let more = 0;
  while (left >= HUGE) {
    left >>= 960n;
    more += 960;
  }
  word[0] = Number(left);
  return more + ((words[1]! >>> 20) & 0x7ff) - 1022;
}
const HUGE = 1n << 1000n;

const absolute = (m: bigint) => (m < 0n ? -m : m);

/** |m| from above. */
function bound(m: bigint): Bound {
  const n = bits(m);
  return n <= 1000 ? [Math.abs(Number(m)) * (1 + 2 ** -51), 0] : [Number(absolute(m) >> BigInt(n - 60)) + 1024, n - 60];
}

const log2 = ([f, k]: Bound) => (f === 0 ? Number.NEGATIVE_INFINITY : Math.log2(f) + k);
const scaled = ([f, k]: Bound, by: number): number => (f === 0 ? 0 : k - by < -900 ? 1e-250 : f * 2 ** (k - by));

/** (m ± Σ errors)·2^e in p bits, or as many as the errors leave; errors in units of 2^e. */
function ball(m: bigint, e: number, errors: readonly Bound[], p: number): Ball {
  let most = Number.NEGATIVE_INFINITY;
  for (const each of errors) most = Math.max(most, log2(each));
  const isExact = most === Number.NEGATIVE_INFINITY;
  let s = Math.max(bits(m) - p, isExact ? 0 : Math.ceil(most) - 24, 0);
  if (s === 0 && isExact) return { m, e, r: 0 };
  // An error much below the last place: more places, or sums would lose them.
  if (s === 0 && most < 0) s = -Math.max(Math.min(p - bits(m), Math.ceil(-most)), 0);
  let r = 0;
  for (const each of errors) r += scaled(each, s);
  r *= 1 + 2 ** -40;
  if (s <= 0) return { m: m << BigInt(-s), e: e + s, r };
  const n = bits(m);
  if (s > n + 1) return { m: 0n, e: e + s, r: r + 0.5 };
  const shift = BigInt(s);
  if (isExact) {
    // Zeros that are cut off cost nothing.
    const whole = m >> shift;
    if (whole << shift === m) return { m: whole, e: e + s, r: 0 };
  }
  return { m: (m + (1n << (shift - 1n))) >> shift, e: e + s, r: r + 0.5 };
}

/** More error, in units of 1. */
function widen(a: Ball, error: Bound, p: number): Ball {
  return ball(
    a.m,
    a.e,
    [
      [a.r, 0],
      [error[0], error[1] - a.e],
    ],
    p,
  );
}

export const exactly = (m: bigint, e = 0): Ball => ({ m, e, r: 0 });
export const ZERO: Ball = exactly(0n);
export const ONE: Ball = exactly(1n);
const TWO = exactly(1n, 1);
const HALF = exactly(1n, -1);
export const isZero = (a: Real): boolean => !isBeyond(a) && a.m === 0n && a.r === 0;
/** |a| < 2^size(a), the radius left out. */
const size = (a: Ball): number => (a.m === 0n ? Number.NEGATIVE_INFINITY : bits(a.m) + a.e);
const radius = (a: Ball): Bound => [a.r, a.e];

/** A float64, and what it may be off. */
export function fromNumber(x: number, error = 0): Ball {
  if (x === 0) return error === 0 ? ZERO : { m: 0n, e: Math.ceil(Math.log2(error)), r: 2 };
  word[0] = x;
  const field = (words[1]! >>> 20) & 0x7ff;
  const high = (words[1]! & 0xfffff) + (field === 0 ? 0 : 0x100000);
  let m = BigInt(high) * 0x100000000n + BigInt(words[0]!);
  let e = Math.max(field, 1) - 1075;
  // Short numbers stay short: products of them are exact for longer.
  while ((m & 0xffffn) === 0n) {
    m >>= 16n;
    e += 16;
  }
  while ((m & 1n) === 0n) {
    m >>= 1n;
    e += 1;
  }
  const exact = exactly(x < 0 ? -m : m, e);
  return error === 0 ? exact : widen(exact, [error * (1 + 2 ** -50), 0], 2200);
}

/** About a, as float64. */
export function near(a: Ball): number {
  const n = bits(a.m);
  const shift = Math.max(n - 64, 0);
  const top = Number(a.m >> BigInt(shift));
  const e = a.e + shift;
  return e > 1000
    ? top * Number.POSITIVE_INFINITY
    : e < -1100
      ? top * 0
      : top * 2 ** Math.trunc(e / 2) * 2 ** (e - Math.trunc(e / 2));
}

const isSigned = ({ m, r }: Ball): boolean => {
  const [f, k] = bound(m);
  return k > 0 || f * (1 - 2 ** -50) > r;
};

/** @throws {Undecided} if 0 is inside and the number is not exactly 0. */
export function sign(a: Real): -1 | 0 | 1 {
  if (isBeyond(a)) return a.sign;
  if (a.r === 0) return a.m === 0n ? 0 : a.m > 0n ? 1 : -1;
  if (!isSigned(a)) throw new Undecided('a sign');
  return a.m > 0n ? 1 : -1;
}

export function negate(a: Real): Real {
  return isBeyond(a) ? { ...a, sign: a.sign === 1 ? -1 : 1 } : { m: -a.m, e: a.e, r: a.r };
}
const minusBall = (a: Ball): Ball => ({ m: -a.m, e: a.e, r: a.r });

export function abs(a: Real): Real {
  return isBeyond(a) ? { ...a, sign: 1 } : { m: absolute(a.m), e: a.e, r: a.r };
}

/** A unit of the last place, in the direction of something too small to be seen: ties are decided by it. */
const NUDGE = 256n;

function shifted(a: Ball, e: number): { m: bigint; r: number } {
  const s = e - a.e;
  if (s <= 0) return { m: a.m << BigInt(-s), r: a.r === 0 ? 0 : a.r * 2 ** -s };
  const n = bits(a.m);
  if (s > n - 8) {
    const r = a.r === 0 ? 0 : s > 900 ? 1e-200 : a.r * 2 ** -s;
    if (a.m === 0n) return { m: 0n, r };
    return { m: a.m > 0n ? NUDGE : -NUDGE, r: r + Number(NUDGE) + 1 };
  }
  const shift = BigInt(s);
  return { m: (a.m + (1n << (shift - 1n))) >> shift, r: a.r * 2 ** -s + 0.5 };
}

function sum(a: Ball, b: Ball, p: number): Ball {
  if (isZero(a)) return b;
  if (isZero(b)) return a;
  let e = Math.min(a.e, b.e);
  if (a.r > 0) e = Math.max(e, a.e - 20);
  if (b.r > 0) e = Math.max(e, b.e - 20);
  const largest = Math.max(size(a), size(b));
  if (largest > Number.NEGATIVE_INFINITY) e = Math.max(e, largest - p - 2);
  const [q, s] = [shifted(a, e), shifted(b, e)];
  return ball(
    q.m + s.m,
    e,
    [
      [q.r, 0],
      [s.r, 0],
    ],
    p,
  );
}

function product(a: Ball, b: Ball, p: number): Ball {
  const errors: Bound[] = [];
  if (b.r > 0) {
    const [f, k] = bound(a.m);
    errors.push([f * b.r, k]);
  }
  if (a.r > 0) {
    const [f, k] = bound(b.m);
    errors.push([f * a.r, k]);
  }
  if (a.r > 0 && b.r > 0) errors.push([a.r * b.r, 0]);
  return ball(a.m * b.m, a.e + b.e, errors, p);
}

function quotient(a: Ball, b: Ball, p: number): Ball {
  if (b.m === 0n && b.r === 0) throw new NoValue('a division by 0');
  if (isZero(a)) return ZERO;
  const n = bits(b.m);
  if (b.r > 0 && n <= 34 && Math.abs(Number(b.m)) <= 2 * b.r) throw new Undecided('a division by what may be 0');
  const shift = a.m === 0n ? n : Math.max(p + n - bits(a.m) + 2, 0);
  const numerator = a.m << BigInt(shift);
  const q = numerator / b.m;
  const errors: Bound[] = [];
  if (q * b.m !== numerator) errors.push([1, 0]);
  // 1/(|b| - r) ≤ 2/|b|, and |b| ≥ 2^(n-2).
  const [bf, bk] = bound(b.m);
  const least = bf * (1 - 2 ** -45) - (bk === 0 ? b.r : 0);
  if (a.r > 0) errors.push([(a.r / least) * (1 + 2 ** -40), shift - bk]);
  if (b.r > 0) {
    const [f, k] = bound(q);
    errors.push([((f + 1) / least) * b.r * (1 + 2 ** -40), k - bk]);
  }
  return ball(q, a.e - b.e - shift, errors, p);
}

/** Of |a|, a number that is not 0. */
const logOf = (a: Real, p: number): Real => (isBeyond(a) ? a.log : logBall(abs(a) as Ball, p));

/** Exponents of balls stay below this. */
const FAR = 46;

/** Of unknown sign, and smaller than e^-(2⁴⁶) and what a ball makes of it. */
const NOTHING: Ball = { m: 0n, e: -(2 ** FAR), r: 1 };

function fromLog(sign: 1 | -1, log: Real, p: number): Real {
  if (isBeyond(log) ? log.isLarge : size(log) > FAR) return { sign, isLarge: sign0(log) > 0, log };
  const value = isBeyond(log) ? sum(ONE, dust(log.sign, -(2 ** 50)), p) : expBall(log, p);
  return sign > 0 ? value : minusBall(value);
}

export function multiply(a: Real, b: Real, p: number): Real {
  if (!isBeyond(a) && !isBeyond(b)) return product(a, b, p);
  if (isZero(a) || isZero(b)) return ZERO;
  if (!isBeyond(a)) return multiply(b, a, p);
  if (!a.isLarge && !isBeyond(b) && !isSigned(b) && log2(radius(b)) < 2 ** 40) return NOTHING;
  return fromLog((sign(a) * sign(b)) as 1 | -1, add(logOf(a, p), logOf(b, p), p), p);
}

export function divide(a: Real, b: Real, p: number): Real {
  if (!isBeyond(a) && !isBeyond(b)) return quotient(a, b, p);
  if (isZero(a)) return ZERO;
  if (isZero(b)) throw new NoValue('a division by 0');
  if (!isBeyond(b)) return multiply(a, quotient(ONE, b, p), p);
  return multiply(a, { sign: b.sign, isLarge: !b.isLarge, log: negate(b.log) }, p);
}

/** A number that is none for a ball, and whose sign is all that matters beside one. */
const dust = (sign: 1 | -1, e: number): Ball => ({ m: sign > 0 ? 1n : -1n, e, r: 0 });

export function add(a: Real, b: Real, p: number): Real {
  if (!isBeyond(a) && !isBeyond(b)) return sum(a, b, p);
  if (isZero(a)) return b;
  if (isZero(b)) return a;
  if (!isBeyond(a)) return add(b, a, p);
  if (!isBeyond(b) && !a.isLarge) return sum(b, dust(a.sign, -(2 ** 50)), p);
  if (!isBeyond(b) && Math.max(size(b), log2(radius(b))) < 2 ** 40) return like(a, p);
  // e^p ± e^q = e^p·(1 ± e^(q-p)), p the larger.
  try {
    let [top, low] = [
      { sign: a.sign, log: a.log },
      { sign: sign(b) as 1 | -1, log: logOf(b, p) },
    ];
    if (sign0(subtract(top.log, low.log, p)) < 0) [top, low] = [low, top];
    const ratio = exp(subtract(low.log, top.log, p), p);
    return fromLog(top.sign, add(top.log, log1p(top.sign === low.sign ? ratio : negate(ratio), p), p), p);
  } catch (cause) {
    // Equal, as far as these bits tell.
    if (isBeyond(b) && !a.isLarge && !b.isLarge) return NOTHING;
    throw cause instanceof NoValue ? new Undecided('∞ - ∞') : cause;
  }
}

export const subtract = (a: Real, b: Real, p: number): Real => add(a, negate(b), p);

// ---- constants -------------------------------------------------------------------------------------------------------------------------------

/** A constant to any number of bits, times 2^w, to a unit. */
function constant(series: (w: number) => bigint): (w: number) => bigint {
  let known = 0n;
  let width = 0;
  return (w) => {
    if (w > width) {
      width = Math.max(w + 64, 2 * width);
      known = series(width + 16) >> 16n;
    }
    return known >> BigInt(width - w);
  };
}

/** atan(1/n) or atanh(1/n), times 2^w. */
function inverse(n: bigint, w: number, alternates: boolean): bigint {
  let power = (1n << BigInt(w)) / n;
  let total = power;
  const square = n * n;
  for (let k = 3n, isMinus = alternates; power !== 0n; k += 2n, isMinus = alternates && !isMinus) {
    power /= square;
    total += isMinus ? -(power / k) : power / k;
  }
  return total;
}

/** Machin's 16·atan(1/5) - 4·atan(1/239); log 2 = 18·atanh(1/26) - 2·atanh(1/4801) + 8·atanh(1/8749). Twenty bits more than are used. */
const pi = constant((w) => (16n * inverse(5n, w + 20, true) - 4n * inverse(239n, w + 20, true)) >> 20n);
const ln2 = constant(
  (w) =>
    (18n * inverse(26n, w + 20, false) - 2n * inverse(4801n, w + 20, false) + 8n * inverse(8749n, w + 20, false)) >>
    20n,
);

const piBall = (p: number): Ball => ({ m: pi(p + 4), e: -p - 4, r: 2 });
const ln2Ball = (p: number): Ball => ({ m: ln2(p + 4), e: -p - 4, r: 2 });

// ---- elementary functions: the midpoint by a series in fixed point, the radius by the slope -------------------------------------------------------

/** The midpoint as a multiple of 2^-w, rounded. */
function fixed(a: Ball, w: number): bigint {
  const s = a.e + w;
  if (s >= 0) return a.m << BigInt(s);
  if (-s > bits(a.m) + 1) return 0n;
  return (a.m + (1n << BigInt(-s - 1))) >> BigInt(-s);
}

/** The radius has to be small for slopes at the midpoint to count. */
function expectSmall(a: Ball): void {
  if (a.r > 0 && log2(radius(a)) > -7) throw new Undecided('a wide argument');
}

function expBall(a: Ball, p: number): Ball {
  const mag = size(a);
  expectSmall(a);
  if (isZero(a)) return ONE;
  if (mag < -p - 8) return sum(ONE, a.r === 0 ? a : widen(a, [1, 2 * Math.max(mag, log2(radius(a)))], p), p);
  // a = k·log 2 + t, e^t = (e^(t/2^q))^(2^q) with Taylor's series.
  const q = 8 + Math.floor(Math.sqrt(p) / 4);
  const w = p + 2 * q + 24;
  const more = Math.max(mag, 0) + 8;
  const wide = fixed(a, w + more);
  const unit = ln2(w + more);
  const k = (2n * wide + (wide < 0n ? -unit : unit)) / (2n * unit);
  const t = (wide - k * unit) >> BigInt(more + q);
  const W = BigInt(w);
  let term = 1n << W;
  let total = term;
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    term = ((term * t) >> W) / n;
    total += term;
  }
  for (let i = 0; i < q; i++) total = (total * total) >> W;
  // At most 2⁸ terms of a unit each; a squaring doubles the error.
  const found = ball(total, Number(k) - w, [[1, q + 12]], p);
  if (a.r === 0) return found;
  // e^δ - 1 ≤ 1.01·δ
  const [f, n] = bound(found.m);
  return widen(found, [(f + found.r) * a.r * 1.02, n + found.e + a.e], p);
}

/** What differs from a by a share of a, if a is too small for a ball. */
const like = (a: Beyond, p: number): Beyond => ({
  ...a,
  log: isBeyond(a.log) ? like(a.log, p) : widen(a.log, [1, -(2 ** FAR)], p),
});

export const exp = (a: Real, p: number): Real => fromLog(1, a, p);

export function expm1(a: Real, p: number): Real {
  if (isBeyond(a)) return a.isLarge ? subtract(exp(a, p), ONE, p) : like(a, p);
  const mag = size(a);
  if (mag > FAR) return subtract(fromLog(1, a, p), ONE, p);
  if (isZero(a)) return ZERO;
  expectSmall(a);
  if (mag > -2) return sum(expBall(a, p + 12), minusBall(ONE), p);
  if (mag < -p - 8) return widen(a, [1, 2 * Math.max(mag, log2(radius(a)) + 1)], p);
  const w = p + 24 - mag;
  const W = BigInt(w);
  const t = fixed(a, w);
  let term = t;
  let total = t;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = ((term * t) >> W) / n;
    total += term;
  }
  return widen(ball(total, -w, [[1, 12]], p), [a.r * 1.5, a.e], p);
}

/** log(1 + d) for |d| < 2⁻⁹: 2·atanh(d/(2 + d)). */
function logNear(d: Ball, p: number): Ball {
  const mag = size(d);
  if (isZero(d)) return ZERO;
  expectSmall(d);
  if (mag < -p - 8) return widen(d, [1, 2 * Math.max(mag, log2(radius(d)) + 1)], p);
  const z = quotient(d, sum(TWO, d, p + 8), p + 8);
  const w = p + 24 - mag;
  const W = BigInt(w);
  const t = fixed(z, w);
  const square = (t * t) >> W;
  let power = t;
  let total = t;
  for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
    power = (power * square) >> W;
    total += power / n;
  }
  return widen(ball(2n * total, -w, [[1, 12]], p), [2.1 * z.r, z.e], p);
}

function logBall(a: Ball, p: number): Ball {
  if (isZero(a)) throw new NoValue('log 0');
  if (sign(a) < 0) throw new NoValue('a logarithm of a negative number');
  const middle: Ball = { m: a.m, e: a.e, r: 0 };
  const n = bits(a.m);
  const share = Number(a.m >> BigInt(Math.max(n - 60, 0))) / 2 ** Math.min(n, 60);
  const k = share < 0.7 ? n - 1 : n;
  const f: Ball = { m: a.m, e: -k, r: 0 };
  let found: Ball;
  const less1 = sum(f, minusBall(ONE), Math.max(n, k) + 8);
  if (k + a.e === 0 && size(less1) < -9) found = logNear(less1, p);
  else {
    const w = p + 20;
    const guess = fromNumber(Math.log(k === n ? share : 2 * share));
    const rest = sum(product(f, expBall(minusBall(guess), w), w), minusBall(ONE), w);
    found = sum(sum(guess, logNear(rest, w), w), product(exactly(BigInt(k + a.e)), ln2Ball(w + 60), w + 60), p);
  }
  if (a.r === 0) return found;
  const relative = quotient({ m: 0n, e: a.e, r: a.r }, middle, p);
  // |log(1 + δ)| ≤ 1.02·δ for δ ≤ 2⁻⁷.
  const most = radius(relative);
  if (log2(most) > -6) throw new Undecided('a logarithm of what is hardly known');
  return widen(found, [most[0] * 1.05, most[1]], p);
}

export function log(a: Real, p: number): Real {
  if (!isBeyond(a)) return logBall(a, p);
  if (a.sign < 0) throw new NoValue('a logarithm of a negative number');
  return a.log;
}

export function log1p(a: Real, p: number): Real {
  if (isBeyond(a)) return a.isLarge ? log(add(a, ONE, p), p) : like(a, p);
  return size(a) < -10 && log2(radius(a)) < -10 ? logNear(a, p) : log(sum(ONE, a, p + 16), p);
}

/** Taylor's series of sine or cosine of t·2^-w. */
function circular(t: bigint, w: number, isCosine: boolean): bigint {
  const W = BigInt(w);
  const square = (t * t) >> W;
  let term = isCosine ? 1n << W : t;
  let total = term;
  for (let n = isCosine ? 1n : 2n; term !== 0n && term !== -1n; n += 2n) {
    term = -((term * square) >> W) / (n * (n + 1n));
    total += term;
  }
  return total;
}

/** Whose argument has at most so many bits before the point: π is known to that many. */
const MOST_TURNS = 20000;

/** sin(a + quarter·π/2) */
function sine(a: Real, quarter: 0 | 1, p: number): Real {
  if (isBeyond(a)) {
    if (a.isLarge) throw new Undecided('the sine of what is too large');
    return quarter === 0 ? like(a, p) : sum(ONE, dust(-1, -(2 ** 50)), p);
  }
  const mag = size(a);
  if (isZero(a)) return quarter === 0 ? ZERO : ONE;
  expectSmall(a);
  if (mag > MOST_TURNS) throw new Undecided('the sine of what is too large');
  if (mag < -p - 8) {
    const most = Math.max(mag, log2(radius(a)) + 1);
    return quarter === 0 ? widen(a, [1, 2 * most], p) : sum(widen(ONE, [1, 2 * most], p), dust(-1, 2 * mag), p);
  }
  const wide = p + 40 + Math.max(mag, 0) + Math.max(-mag, 0);
  const A = fixed(a, wide);
  const turn = pi(wide);
  // π/2 is turn/2: k the nearest multiple.
  const k = (4n * A + (A < 0n ? -turn : turn)) / (2n * turn);
  const t = (2n * A - k * turn) >> BigInt(1 + Math.max(mag, 0));
  const w = wide - Math.max(mag, 0);
  const which = (Number(((k % 4n) + 4n) % 4n) + quarter) % 4;
  const value = circular(t, w, which % 2 === 1);
  return ball(
    which >= 2 ? -value : value,
    -w,
    [
      [1, 12],
      [a.r, a.e + w],
    ],
    p,
  );
}
export const sin = (a: Real, p: number): Real => sine(a, 0, p);
export const cos = (a: Real, p: number): Real => sine(a, 1, p);

export function atan(a: Real, p: number): Real {
  if (isBeyond(a) && !a.isLarge) return like(a, p);
  if (isBeyond(a) || size(a) > 1) {
    const quarter = product(piBall(p + 8), HALF, p + 8);
    const rest = atan(divide(ONE, a, p + 8), p + 8);
    return sign(a) > 0 ? subtract(quarter, rest, p) : negate(add(quarter, rest, p));
  }
  if (isZero(a)) return ZERO;
  expectSmall(a);
  const mag = size(a);
  if (mag < -p - 8) return widen(a, [1, 2 * Math.max(mag, log2(radius(a)) + 1)], p);
  let [base, d]: [Ball, Ball] = [ZERO, { m: a.m, e: a.e, r: 0 }];
  const w0 = p + 24;
  if (mag > -9) {
    base = fromNumber(Math.atan(near(a)));
    const tangent = quotient(sin(base, w0) as Ball, cos(base, w0) as Ball, w0);
    d = quotient(sum(d, minusBall(tangent), w0), sum(ONE, product(d, tangent, w0), w0), w0);
  }
  const small = size(d);
  let found = d;
  if (small >= -w0) {
    const w = w0 + 8 - small;
    const W = BigInt(w);
    const t = fixed(d, w);
    const square = (t * t) >> W;
    let power = t;
    let total = t;
    for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
      power = -((power * square) >> W);
      total += power / n;
    }
    found = widen(ball(total, -w, [[1, 12]], p + 24), [d.r * 1.01, d.e], p + 24);
  } else if (!isZero(d)) found = widen(d, [1, 3 * small], p + 24);
  return widen(sum(base, found, p), [a.r * 1.01, a.e], p);
}

export function sigmoid(a: Real, p: number): Real {
  if (sign0(a) < 0) {
    const e = exp(a, p + 4);
    return divide(e, add(ONE, e, p + 4), p);
  }
  return divide(ONE, add(ONE, exp(negate(a), p + 4), p + 4), p);
}

/** On which side of 0 the midpoint lies: which formula is used hangs on it, and nothing else. */
const sign0 = (a: Real): number => (isBeyond(a) ? a.sign : a.m > 0n ? 1 : a.m < 0n ? -1 : 0);

export function tanh(a: Real, p: number): Real {
  if (sign0(a) > 0) return negate(tanh(negate(a), p));
  const e = expm1(multiply(TWO, a, p + 8), p + 8);
  return divide(e, add(e, TWO, p + 8), p);
}

export function softplus(a: Real, p: number): Real {
  if (sign0(a) > 0) return add(a, log1p(exp(negate(a), p + 4), p + 4), p);
  return log1p(exp(a, p + 4), p);
}

/** 1/√(2π) */
const density0 = (p: number): Ball => quotient(ONE, root(product(TWO, piBall(p + 8), p + 8), p + 4), p);

/** √a, the floor of the integer root: exact where it is. */
function root(a: Ball, p: number): Ball {
  if (isZero(a)) return ZERO;
  if (sign(a) < 0) throw new NoValue('a root of a negative number');
  let shift = Math.max(2 * p + 4 - bits(a.m), 0);
  if ((a.e - shift) % 2 !== 0) shift += 1;
  const n = a.m << BigInt(shift);
  let s = 1n << BigInt(Math.ceil(bits(n) / 2) + 1);
  for (;;) {
    // Newton's method from above descends to the floor.
    const next = (s + n / s) >> 1n;
    if (next >= s) break;
    s = next;
  }
  const errors: Bound[] = s * s === n ? [] : [[1, 0]];
  if (a.r > 0) {
    const [f, k] = bound(s);
    // |√(a+δ) - √a| ≤ δ/√a for δ ≤ |a|.
    errors.push([(a.r / f) * 1.01, shift - k]);
  }
  return ball(s, (a.e - shift) / 2, errors, p);
}

/** e^(-a²/2)/√(2π) */
const densityAt = (a: Real, p: number): Real =>
  multiply(density0(p), exp(multiply(exactly(-1n, -1), multiply(a, a, p + 16), p + 16), p), p);

/** Whether Mills' asymptotic series has p bits: its least term is about e^(-a²/2). */
const isFar = (a: Real, p: number): boolean => isBeyond(a) || near(a) ** 2 > 1.45 * (p + 12);

/** Φ(-t) for t > 0. */
function upperTail(t: Real, p: number): Real {
  if (!isFar(t, p)) {
    const middle = { ...(t as Ball), r: 0 };
    const size = near(middle);
    const w = p + Math.ceil(0.73 * size * size) + 24;
    const found = sum(HALF, minusBall(inner(middle, w)), p);
    // φ(t)/Φ(-t) ≤ t + 1 (Birnbaum 1942).
    const [f, n] = bound(found.m);
    const radiusOf = (t as Ball).r;
    if (radiusOf > 0 && log2([radiusOf * (size + 2), (t as Ball).e]) > -7) throw new Undecided('a wide argument');
    return widen(found, [(f + found.r) * radiusOf * (size + 2), n + found.e + (t as Ball).e], p);
  }
  // φ(t)/t·(1 - 1/t² + 3/t⁴ - …): the error is below the first term left out.
  const u = divide(ONE, multiply(t, t, p + 8), p + 8);
  let series: Real = ONE;
  let term: Real = ONE;
  for (let n = 1n; !isBeyond(term) && size(term) > -p - 8; n += 2n) {
    term = negate(multiply(multiply(term, u, p + 8), exactly(n), p + 8));
    series = add(series, term, p + 8);
  }
  const left: Bound = isBeyond(term) ? [1, -p - 60] : [1, size(term) + 1];
  return multiply(divide(densityAt(t, p + 8), t, p + 8), widen(series as Ball, left, p + 8), p);
}

/** Φ(a) - ½ by φ(a)·(a + a³/3 + a⁵/15 + …), all of one sign. */
function inner(a: Ball, p: number): Ball {
  if (isZero(a)) return ZERO;
  const mag = size(a);
  const slope = 0.4;
  if (mag < -p - 8) {
    const most = Math.max(mag, log2(radius(a)) + 1);
    return widen(product(a, density0(p), p), [1, 3 * most], p);
  }
  const w = p + 48 + Math.max(-mag, 0);
  const W = BigInt(w);
  const t = fixed(a, w);
  const square = (t * t) >> W;
  let term = absolute(t);
  let total = term;
  const enough = 2n * (square >> W) + 4n;
  for (let n = 3n; term !== 0n || n < enough; n += 2n) {
    term = ((term * square) >> W) / n;
    total += term;
  }
  // n² roundings at most, of a share 2^-w/|a| each, n < 2¹⁴.
  const series = ball(t < 0n ? -total : total, -w, [[1, bits(total) - p - 16]], p + 8);
  const middle: Ball = { m: a.m, e: a.e, r: 0 };
  const found = product(series, densityAt(middle, p + 8) as Ball, p);
  return widen(found, [a.r * slope, a.e], p);
}

export function aboveHalf(a: Real, p: number): Real {
  if (isBeyond(a) && !a.isLarge) return multiply(like(a, p), density0(p), p);
  if (!isFar(a, p)) return inner(a as Ball, p);
  const tail = upperTail(abs(a), p);
  return sign0(a) > 0 ? subtract(HALF, tail, p) : subtract(tail, HALF, p);
}

export function normal(a: Real, p: number): Real {
  if (sign0(a) < 0 && !(isBeyond(a) && !a.isLarge)) return upperTail(negate(a), p);
  return isFar(a, p) && !(isBeyond(a) && !a.isLarge)
    ? subtract(ONE, upperTail(a, p), p)
    : add(HALF, aboveHalf(a, p), p);
}

const MOST_POWER = 64n;

/** aᵇ; of a negative a only if b is a small whole number. */
export function power(a: Real, b: Real, p: number): Real {
  if (!isBeyond(b) && b.r === 0) {
    if (b.m === 0n) return ONE;
    const whole = b.e >= 0 && b.e < 8 ? b.m << BigInt(b.e) : undefined;
    if (whole !== undefined && absolute(whole) <= MOST_POWER) {
      let found: Real = ONE;
      for (let n = absolute(whole); n > 0n; n--) found = multiply(found, a, p + 8);
      return whole < 0n ? divide(ONE, found, p) : found;
    }
    if (!isBeyond(a) && b.e === -1 && (b.m === 1n || b.m === -1n) && Math.abs(a.e) < 2 ** 40) {
      const found = root(a, p);
      return b.m < 0n ? quotient(ONE, found, p) : found;
    }
  }
  if (isZero(a)) {
    if (sign(b) > 0) return ZERO;
    throw new NoValue('0 to a negative power');
  }
  return exp(multiply(b, log(a, p + 64), p + 64), p);
}
