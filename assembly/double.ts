import { truncate } from '#scalars';
import { atan, log, powerOfTwo } from './numeric';

/**
 * Numbers of two float64, high + low, about 106 bits: for the few values of a table that float64 cannot give, and for the constants that
 * all of its values rest on. A function takes pairs as two arguments, returns the high part of its result and leaves the low part in `low`.
 *
 * Sums, products and quotients are those of Joldes, Muller and Popescu, "Tight and rigorous error bounds for basic building blocks of
 * double-word arithmetic" (ACM TOMS 44, 2017): relative errors of at most 3·2⁻¹⁰⁶, 7·2⁻¹⁰⁶ and 15·2⁻¹⁰⁶. `ROUNDING` bounds every one of them,
 * `ELEMENTARY` what exp, log, sine and Φ add (docs/numerics.md, "Two float64").
 */

/** The low part of the last result. */
export let low: f64 = 0;

/** Relative error of a sum, product or quotient: 2⁻¹⁰⁰. */
export const ROUNDING: f64 = 7.888609052210118e-31;
/** Error of an elementary function, relative (of log: of max(1, |log|); of sine and cosine: absolute): 2⁻⁸⁶. */
export const ELEMENTARY: f64 = 1.2924697071141057e-26;

const SPLIT: f64 = 134217729;
/** Above, `SPLIT` times it may overflow. */
const LARGE: f64 = 6.696928794914171e299;

// ln 2, π/2 in three parts, √(2π).
const LN2: f64 = 0.6931471805599453;
const LN2_LOW: f64 = 2.3190468138462996e-17;
const LN2_LEAST: f64 = 5.707708438416212e-34;
const HALF_PI: f64 = 1.5707963267948966;
const HALF_PI_LOW: f64 = 6.123233995736766e-17;
const HALF_PI_LEAST: f64 = -1.4973849048591698e-33;
const ROOT_TWO_PI: f64 = 2.5066282746310007;
const ROOT_TWO_PI_LOW: f64 = -1.8328579980459167e-16;

/** a + b and its error, exactly (Knuth). */
export function sum(a: f64, b: f64): f64 {
  const s = a + b;
  const t = s - a;
  low = a - (s - t) + (b - t);
  return s;
}

/** The same for |a| ≥ |b| or a = 0 (Dekker). */
function quickSum(a: f64, b: f64): f64 {
  const s = a + b;
  low = b - (s - a);
  return s;
}

/** a·b and its error, exactly where neither overflows nor the error underflows (Dekker). */
export function product(a: f64, b: f64): f64 {
  const p = a * b;
  if (!(Math.abs(a) < LARGE && Math.abs(b) < LARGE)) {
    low = 0;
    return p;
  }
  const ta = SPLIT * a;
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = SPLIT * b;
  const bh = tb - (tb - b);
  const bl = b - bh;
  low = al * bl - (p - ah * bh - al * bh - ah * bl);
  return p;
}

export function add(ah: f64, al: f64, bh: f64, bl: f64): f64 {
  const s = sum(ah, bh);
  const e = low;
  const t = sum(al, bl);
  const f = low;
  const v = quickSum(s, e + t);
  return quickSum(v, f + low);
}

export function subtract(ah: f64, al: f64, bh: f64, bl: f64): f64 {
  return add(ah, al, -bh, -bl);
}

export function multiply(ah: f64, al: f64, bh: f64, bl: f64): f64 {
  const p = product(ah, bh);
  return quickSum(p, low + (ah * bl + al * bh));
}

export function divide(ah: f64, al: f64, bh: f64, bl: f64): f64 {
  const q = ah / bh;
  if (!(Math.abs(q) < Infinity) || q === 0) {
    low = 0;
    return q;
  }
  const ph = multiply(bh, bl, q, 0);
  const rh = subtract(ah, al, ph, low);
  return quickSum(q, rh / bh);
}

/**
 * expm1 for |x| ≤ 0.35: Taylor's series at x/4096, whose eighth term is below 2⁻¹¹⁰ of it, and expm1(2z) = e·(2 + e) twelve times, each with
 * at most 11·2⁻¹⁰⁶ of its own.
 */
function expm1Near(xh: f64, xl: f64): f64 {
  const h = xh / 4096;
  const l = xl / 4096;
  let sh: f64 = 0;
  let sl: f64 = 0;
  for (let n: f64 = 7; n >= 1; n--) {
    // s ← (x/n)·(1 + s)
    sh = add(1, 0, sh, sl);
    sl = low;
    sh = multiply(sh, sl, h, l);
    if (n > 1) sh = divide(sh, low, n, 0);
    sl = low;
  }
  for (let i: i32 = 0; i < 12; i++) {
    const th = add(2, 0, sh, sl);
    sh = multiply(sh, sl, th, low);
    sl = low;
  }
  low = sl;
  return sh;
}

/** e^x; 0 below -745, Infinity above 709. */
export function expOf(xh: f64, xl: f64): f64 {
  low = 0;
  if (xh !== xh) return xh;
  if (xh > 709) return Infinity;
  if (xh < -745) return 0;
  const k = Math.floor(xh / LN2 + 0.5);
  let rh = product(k, LN2);
  rh = subtract(xh, xl, rh, low);
  let rl = low;
  let mh = product(k, LN2_LOW);
  mh = add(mh, low, k * LN2_LEAST, 0);
  rh = subtract(rh, rl, mh, low);
  rl = low;
  let vh = expm1Near(rh, rl);
  vh = add(1, 0, vh, low);
  const vl = low;
  // In two steps, since 2^k alone may be subnormal.
  const half = truncate(k / 2);
  const p = powerOfTwo(half);
  const q = powerOfTwo(truncate(k) - half);
  low = vl * p * q;
  return vh * p * q;
}

export function expm1Of(xh: f64, xl: f64): f64 {
  if (Math.abs(xh) < 0.34) return expm1Near(xh, xl);
  const h = expOf(xh, xl);
  return h === Infinity ? h : subtract(h, low, 1, 0);
}

/** 2·atanh(s) for |s| ≤ 1/7: 24 terms leave less than 2⁻¹⁰⁶ of it. */
function twiceAtanh(sh: f64, sl: f64): f64 {
  const qh = multiply(sh, sl, sh, sl);
  const ql = low;
  let th: f64 = 0;
  let tl: f64 = 0;
  for (let n: f64 = 47; n >= 1; n -= 2) {
    th = multiply(th, tl, qh, ql);
    tl = low;
    const inverse = divide(1, 0, n, 0);
    th = add(th, tl, inverse, low);
    tl = low;
  }
  th = multiply(th, tl, 2 * sh, 2 * sl);
  return th;
}

/** log1p(z) for z > -1. */
export function log1pOf(zh: f64, zl: f64): f64 {
  if (Math.abs(zh) < 0.25) {
    const dh = add(2, 0, zh, zl);
    const s = divide(zh, zl, dh, low);
    return twiceAtanh(s, low);
  }
  const h = add(1, 0, zh, zl);
  return logOf(h, low);
}

/** Natural logarithm of a positive number: one step of Halley's iteration, whose error is the cube of float64's. */
export function logOf(xh: f64, xl: f64): f64 {
  low = 0;
  if (!(xh > 0) || xh === Infinity) return log(xh);
  if (xh > 0.8 && xh < 1.25) {
    const zh = subtract(xh, xl, 1, 0);
    const zl = low;
    const dh = add(xh, xl, 1, 0);
    const s = divide(zh, zl, dh, low);
    return twiceAtanh(s, low);
  }
  const y = log(xh);
  const eh = expOf(y, 0);
  const el = low;
  if (!(eh > 0 && eh < Infinity)) {
    low = 0;
    return y;
  }
  let dh = subtract(xh, xl, eh, el);
  const dl = low;
  const nh = add(xh, xl, eh, el);
  dh = divide(2 * dh, 2 * dl, nh, low);
  return add(y, 0, dh, low);
}

/** Which of ± sine and ± cosine: quarter turns, of the last `reduce`. */
let turns: i32 = 0;

/** x less the nearest multiple of π/2; |x| below 2²⁰. */
function reduce(xh: f64, xl: f64): f64 {
  const k = Math.floor(xh / HALF_PI + 0.5);
  turns = truncate(k - 4 * Math.floor(k / 4));
  let h = product(k, HALF_PI);
  h = subtract(xh, xl, h, low);
  const l = low;
  let m = product(k, HALF_PI_LOW);
  m = add(m, low, k * HALF_PI_LEAST, 0);
  return subtract(h, l, m, low);
}

/** Taylor's series of sine (from n = 1) or cosine (from n = 0) for |r| ≤ 0.79; what is left out is below 2⁻¹¹⁰. */
function circular(rh: f64, rl: f64, isSine: boolean): f64 {
  const qh = multiply(rh, rl, rh, rl);
  const ql = low;
  let sh: f64 = 1;
  let sl: f64 = 0;
  for (let n: f64 = isSine ? 27 : 28; n >= 2; n -= 2) {
    // s ← 1 - r²·s/(n·(n-1))
    sh = multiply(sh, sl, qh, ql);
    sl = low;
    sh = divide(sh, sl, n * (n - 1), 0);
    sl = low;
    sh = subtract(1, 0, sh, sl);
    sl = low;
  }
  low = sl;
  return isSine ? multiply(sh, sl, rh, rl) : sh;
}

export function sinOf(xh: f64, xl: f64): f64 {
  const rh = reduce(xh, xl);
  const v = circular(rh, low, (turns & 1) === 0);
  if (turns < 2) return v;
  low = -low;
  return -v;
}

export function cosOf(xh: f64, xl: f64): f64 {
  const rh = reduce(xh, xl);
  const v = circular(rh, low, (turns & 1) === 1);
  if (turns === 0 || turns === 3) return v;
  low = -low;
  return -v;
}

/** φ(x). */
export function densityOf(xh: f64, xl: f64): f64 {
  const qh = multiply(xh, xl, xh, xl);
  const dh = expOf(-0.5 * qh, -0.5 * low);
  return divide(dh, low, ROOT_TWO_PI, ROOT_TWO_PI_LOW);
}

/** Φ(x) - ½ for |x| ≤ 8 (`isTail` false), or Φ(-|x|): φ·(x + x³/3 + x⁵/15 + …), all of one sign; Laplace's continued fraction beyond. */
function normalPart(xh: f64, xl: f64, isTail: boolean): f64 {
  let qh = multiply(xh, xl, xh, xl);
  let ql = low;
  const dh = expOf(-0.5 * qh, -0.5 * ql);
  const density = divide(dh, low, ROOT_TWO_PI, ROOT_TWO_PI_LOW);
  const densityLow = low;
  if (!isTail) {
    let th = xh;
    let tl = xl;
    let sh = xh;
    let sl = xl;
    for (let n: f64 = 3; Math.abs(th) > Math.abs(sh) * 1e-34; n += 2) {
      th = multiply(th, tl, qh, ql);
      th = divide(th, low, n, 0);
      tl = low;
      sh = add(sh, sl, th, tl);
      sl = low;
    }
    return multiply(density, densityLow, sh, sl);
  }
  const t = Math.abs(xh);
  const tl = xh < 0 ? -xl : xl;
  qh = t;
  ql = tl;
  // The error after n levels falls like e^(-1.9·t·√n).
  for (let n: f64 = Math.ceil(1600 / (t * t)) + 20; n >= 1; n--) {
    const h = divide(n, 0, qh, ql);
    qh = add(t, tl, h, low);
    ql = low;
  }
  return divide(density, densityLow, qh, ql);
}

/** Φ(x) - ½. */
export function aboveHalfOf(xh: f64, xl: f64): f64 {
  low = 0;
  if (xh === 0) return xh;
  if (Math.abs(xh) <= 6) return normalPart(xh, xl, false);
  if (Math.abs(xh) > 38) return xh < 0 ? -0.5 : 0.5;
  const h = normalPart(xh, xl, true);
  return xh < 0 ? subtract(h, low, 0.5, 0) : subtract(0.5, 0, h, low);
}

/** Φ(x). */
export function normalOf(xh: f64, xl: f64): f64 {
  low = 0;
  if (xh < -38) return 0;
  if (xh < -4) return normalPart(xh, xl, true);
  const h = aboveHalfOf(xh, xl);
  return add(h, low, 0.5, 0);
}

/** 1/(1+e^-x). */
export function sigmoidOf(xh: f64, xl: f64): f64 {
  low = 0;
  if (xh < -745) return 0;
  const isNegative = xh < 0;
  const eh = isNegative ? expOf(xh, xl) : expOf(-xh, -xl);
  const el = low;
  const dh = add(1, 0, eh, el);
  return isNegative ? divide(eh, el, dh, low) : divide(1, 0, dh, low);
}

export function tanhOf(xh: f64, xl: f64): f64 {
  low = 0;
  if (Math.abs(xh) > 40) return xh < 0 ? -1 : 1;
  const eh = expm1Of(2 * xh, 2 * xl);
  const el = low;
  const dh = add(2, 0, eh, el);
  return divide(eh, el, dh, low);
}

/** log(1+e^x). */
export function softplusOf(xh: f64, xl: f64): f64 {
  low = 0;
  if (xh > 80) {
    low = xl;
    return xh;
  }
  const eh = xh > 0 ? expOf(-xh, -xl) : expOf(xh, xl);
  const h = log1pOf(eh, low);
  return xh > 0 ? add(xh, xl, h, low) : h;
}

/** For |b·log a| ≤ 700. */
export function powerOf(ah: f64, al: f64, bh: f64, bl: f64): f64 {
  const h = logOf(ah, al);
  const p = multiply(h, low, bh, bl);
  return expOf(p, low);
}

/** atan(x): float64's, and one step of Newton's iteration on the tangent: atan x = y + atan((x - t)/(1 + x·t)), t = tan y. */
export function atanOf(xh: f64, xl: f64): f64 {
  if (Math.abs(xh) > 1e15) {
    const h = divide(-1, 0, xh, xl);
    return xh > 0 ? add(HALF_PI, HALF_PI_LOW, h, low) : add(-HALF_PI, -HALF_PI_LOW, h, low);
  }
  const y = atan(xh);
  const c = cosOf(y, 0);
  const cl = low;
  const s = sinOf(y, 0);
  const sl = low;
  // (x·cos - sin)/(cos + x·sin): of the size of float64's rounding, so its arctangent is itself less a third of its cube.
  let nh = multiply(xh, xl, c, cl);
  nh = subtract(nh, low, s, sl);
  const nl = low;
  let dh = multiply(xh, xl, s, sl);
  dh = add(dh, low, c, cl);
  nh = divide(nh, nl, dh, low);
  return add(y, 0, nh, low);
}
