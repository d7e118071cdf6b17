import { highWord, truncate, withHighWord } from '#scalars';

/**
 * Elementary functions in float64, built from + - * / alone.
 *
 * `Math.exp` and its kin differ in the last bit between JavaScript engines. A compiled plan must have the same bits in every
 * engine, so everything that decides a plan is computed here, with operations that IEEE 754 fixes completely. Relative
 * errors stay below 5·10⁻¹⁶ (Φ: 3·10⁻¹⁵), verified against decimal.js in `test/numeric.test.ts`.
 */

const LN2_HIGH: f64 = 0.6931471803691238;
const LN2_LOW: f64 = 1.9082149292705877e-10;
const LOG2E: f64 = 1.4426950408889634;
const SQRT2: f64 = 1.4142135623730951;
const INV_SQRT_2PI: f64 = 0.3989422804014327;

/** 2^k for an integer k in [-1022, 1023], exact. */
export function powerOfTwo(k: i32): f64 {
  return withHighWord(0, (k + 1023) << 20);
}

/** ⌊log₂|x|⌋ of a normal number. */
export function exponentOf(x: f64): i32 {
  return ((highWord(x) >> 20) & 0x7ff) - 1023;
}

/** xⁿ for a small n ≥ 0, by repeated multiplication. */
export function power(x: f64, n: i32): f64 {
  let product: f64 = 1;
  for (let i: i32 = 0; i < n; i++) product *= x;
  return product;
}

/** Σ rⁿ/(n+1)! = expm1(r)/r for |r| ≤ 0.5; the first term left out is below 10⁻¹⁸. Without a loop: a table takes thousands of these. */
function expm1RatioSeries(r: f64): f64 {
  let sum: f64 = 1.0 / 1307674368000.0;
  sum = sum * r + 1.0 / 87178291200.0;
  sum = sum * r + 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 1.0 / 2.0;
  return sum * r + 1;
}

/** e^x, rounded to 0 below x = -745 and to Infinity above 709.8. */
export function exp(x: f64): f64 {
  if (x !== x) return x;
  if (x > 709.8) return Infinity;
  if (x < -745.2) return 0;
  const k = Math.floor(x * LOG2E + 0.5);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  const value = 1 + r * expm1RatioSeries(r);
  if (k > 1000) return value * powerOfTwo(truncate(k - 24)) * 16777216;
  if (k < -1000) return value * powerOfTwo(truncate(k + 100)) * powerOfTwo(-100);
  return value * powerOfTwo(truncate(k));
}

/** E(z) = expm1(z)/z, with E(0) = 1: the growth of an affine flow (design: y = x + t·v(x)·E(Δt)). */
export function expm1Ratio(z: f64): f64 {
  if (Math.abs(z) < 0.35) return expm1RatioSeries(z);
  if (Math.abs(z) > 1) return (exp(z) - 1) / z;
  // expm1(2a) = expm1(a)·(2 + expm1(a)): no cancellation.
  const half = 0.5 * z;
  const ratio = expm1RatioSeries(half);
  return ratio * (1 + 0.5 * half * ratio);
}

/** 2·atanh(s)/s for |s| ≤ 0.1716, i.e. log((1+s)/(1-s))/s; the first term left out is below 10⁻¹⁸. */
function atanhSeries(s: f64): f64 {
  const s2 = s * s;
  let sum: f64 = 1.0 / 25.0;
  sum = sum * s2 + 1.0 / 23.0;
  sum = sum * s2 + 1.0 / 21.0;
  sum = sum * s2 + 1.0 / 19.0;
  sum = sum * s2 + 1.0 / 17.0;
  sum = sum * s2 + 1.0 / 15.0;
  sum = sum * s2 + 1.0 / 13.0;
  sum = sum * s2 + 1.0 / 11.0;
  sum = sum * s2 + 1.0 / 9.0;
  sum = sum * s2 + 1.0 / 7.0;
  sum = sum * s2 + 1.0 / 5.0;
  sum = sum * s2 + 1.0 / 3.0;
  return 2 * (sum * s2 + 1);
}

/** Natural logarithm of a positive normal number. */
export function log(x: f64): f64 {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return x;
  let k: f64 = exponentOf(x);
  let m = withHighWord(x, (highWord(x) & 0xfffff) | 0x3ff00000);
  if (m > SQRT2) {
    m *= 0.5;
    k += 1;
  }
  const s = (m - 1) / (m + 1);
  return k * LN2_HIGH + (s * atanhSeries(s) + k * LN2_LOW);
}

/** L(z) = log1p(z)/z for z > -1, with L(0) = 1: the travel time through an affine field. */
export function log1pRatio(z: f64): f64 {
  if (z > -0.29 && z < 0.41) return atanhSeries(z / (2 + z)) / (2 + z);
  return log(1 + z) / z;
}

/** The standard normal density, e^{-x²/2}/√(2π). */
export function normalDensity(x: f64): f64 {
  // x² is split so that its rounding error (up to 2⁻⁴⁷ at |x| = 14) does not enter the exponent.
  const high = Math.floor(x * 1048576) / 1048576;
  const low = x - high;
  return INV_SQRT_2PI * exp(-0.5 * high * high) * exp(-low * (high + 0.5 * low));
}

/** Mills' ratio (1 - Φ(t))/φ(t) at t = k/4, 4 ≤ k ≤ 32. */
function millsRatio(k: i32): f64 {
  if (k <= 18) {
    if (k <= 11) {
      if (k <= 7) {
        if (k <= 5) {
          if (k <= 4) {
            return 0.6556795424187984;
          }
          return 0.5784303460476311;
        }
        if (k <= 6) {
          return 0.5158156382179634;
        }
        return 0.4643069280394422;
      }
      if (k <= 9) {
        if (k <= 8) {
          return 0.4213692292880545;
        }
        return 0.3851482907984346;
      }
      if (k <= 10) {
        return 0.35426511132979366;
      }
      return 0.32767831469055203;
    }
    if (k <= 15) {
      if (k <= 13) {
        if (k <= 12) {
          return 0.3045902987101033;
        }
        return 0.28438214674849294;
      }
      if (k <= 14) {
        return 0.26656776896822376;
      }
      return 0.250761111443965;
    }
    if (k <= 17) {
      if (k <= 16) {
        return 0.23665238291356067;
      }
      return 0.2239905946538288;
    }
    return 0.21257058044203178;
  }
  if (k <= 25) {
    if (k <= 22) {
      if (k <= 20) {
        if (k <= 19) {
          return 0.20222323663305466;
        }
        return 0.19280810471531576;
      }
      if (k <= 21) {
        return 0.1842076773079702;
      }
      return 0.1763229857571027;
    }
    if (k <= 24) {
      if (k <= 23) {
        return 0.16907015040769408;
      }
      return 0.16237766089686745;
    }
    return 0.15618421503397592;
  }
  if (k <= 29) {
    if (k <= 27) {
      if (k <= 26) {
        return 0.1504369887362691;
      }
      return 0.14509024128913092;
    }
    if (k <= 28) {
      return 0.14010418345305023;
    }
    return 0.13544405309676344;
  }
  if (k <= 31) {
    if (k <= 30) {
      return 0.13107935580449176;
    }
    return 0.12698323748543697;
  }
  return 0.1231319632579323;
}

/**
 * Φ(x) = ½(1+erf(x/√2)) with small *relative* error on both tails. Near zero the series φ(x)·(x + x³/3 + x⁵/15 + …); then Mills' ratio R by
 * Taylor's series about the nearest k/4, R′ = tR - 1; from 8 on Laplace's continued fraction of it.
 */
export function normalDistribution(x: f64): f64 {
  if (x !== x) return x;
  const t = Math.abs(x);
  if (t > 38.5) return x > 0 ? 1 : 0;
  const density = normalDensity(t);
  if (t < 1) {
    let term = t;
    let sum = t;
    for (let n: f64 = 3; term > sum * 1e-18; n += 2) {
      term *= (t * t) / n;
      sum += term;
    }
    return x > 0 ? 0.5 + density * sum : 0.5 - density * sum;
  }
  let upper: f64 = 0;
  if (t < 8) {
    const k = Math.floor(4 * t + 0.5);
    const c = k / 4;
    const u = t - c;
    // Rₙ₊₁ = (c·Rₙ + Rₙ₋₁)/(n+1); 14 terms leave less than 10⁻¹⁷ of R for |u| ≤ 1/8.
    let before = millsRatio(truncate(k));
    let current = c * before - 1;
    let ratio = before + u * current;
    let scale = u;
    for (let n: f64 = 2; n < 15; n++) {
      const next = (c * current + before) / n;
      before = current;
      current = next;
      scale *= u;
      ratio += scale * current;
    }
    upper = density * ratio;
  } else {
    // The error after n levels falls like exp(-1.9t·√n): this many leave less than 2⁻⁵³.
    let fraction = t;
    for (let n: f64 = Math.ceil(400 / (t * t)) + 8; n >= 1; n--) fraction = t + n / fraction;
    upper = density / fraction;
  }
  return x > 0 ? 1 - upper : upper;
}

/** Φ(x) - ½, with small relative error near 0: errors of 2⁻⁴⁵ of it. */
export function normalAboveHalf(x: f64): f64 {
  const t = Math.abs(x);
  if (t >= 1) return normalDistribution(x) - 0.5;
  let term = t;
  let sum = t;
  for (let n: f64 = 3; term > sum * 1e-18; n += 2) {
    term *= (t * t) / n;
    sum += term;
  }
  const value = normalDensity(t) * sum;
  return x < 0 ? -value : value;
}

/** e^x - 1. */
export function expm1(x: f64): f64 {
  // Below, e^x is nothing beside 1, and x·expm1Ratio(x) no number at -∞.
  return x > 700 ? exp(x) : x < -40 ? -1 : x * expm1Ratio(x);
}

/** log(1 + z), z > -1. */
export function log1p(z: f64): f64 {
  return z > 1e300 ? log(z) : z * log1pRatio(z);
}

/** 1/(1+e^-x), with small relative error on both sides. */
export function sigmoid(x: f64): f64 {
  if (x < 0) {
    const e = exp(x);
    return e / (1 + e);
  }
  return 1 / (1 + exp(-x));
}

export function tanh(x: f64): f64 {
  const t = Math.abs(x);
  if (t > 40) return x < 0 ? -1 : 1;
  const e = expm1(2 * t);
  const value = e / (e + 2);
  return x < 0 ? -value : value;
}

/** log(1+e^x). */
export function softplus(x: f64): f64 {
  return Math.max(x, 0) + log1p(exp(-Math.abs(x)));
}

/** The parts of π/2 have 33 bits, so that a product with fewer than 2²⁰ quarter turns is exact (fdlibm's reduction). */
const QUARTER_1: f64 = 1.5707963267341256;
const QUARTER_2: f64 = 6.077100506303966e-11;
const QUARTER_3: f64 = 2.0222662487959506e-21;
const QUARTERS: f64 = 0.6366197723675814;

function circular(r: f64, isSine: boolean): f64 {
  const q = r * r;
  let sum: f64 = 1;
  for (let n: f64 = isSine ? 17 : 18; n >= 2; n -= 2) sum = 1 - (q * sum) / (n * (n - 1));
  return isSine ? r * sum : sum;
}

/** sin(x + turns·π/2) for |x| below 2²⁰; errors of 2⁻⁵¹. */
function sinFrom(x: f64, turns: f64): f64 {
  const k = Math.floor(x * QUARTERS + 0.5);
  const r = x - k * QUARTER_1 - k * QUARTER_2 - k * QUARTER_3;
  const n = truncate(k + turns - 4 * Math.floor((k + turns) / 4));
  const value = circular(r, (n & 1) === 0);
  return n < 2 ? value : -value;
}

export function sin(x: f64): f64 {
  return sinFrom(x, 0);
}

export function cos(x: f64): f64 {
  return sinFrom(x, 1);
}

/** atan(x) for |x| ≤ 0.42: its series; what is left out is below 2⁻⁵⁸ of it. */
function atanNear(x: f64): f64 {
  const q = x * x;
  let sum: f64 = 0;
  for (let n: f64 = 45; n >= 3; n -= 2) sum = 1 / n - q * sum;
  return x * (1 - q * sum);
}

/** The half angle twice: atan(x) = 2·atan(x/(1+√(1+x²))), with √ by exp and log. */
export function atan(x: f64): f64 {
  const t = Math.abs(x);
  if (t <= 0.41) return atanNear(x);
  if (t > 1) {
    const rest = 1.5707963267948966 - atan(1 / t);
    return x < 0 ? -rest : rest;
  }
  // atan(t) = π/8 + atan((t - c)/(1 + t·c)), c = tan(π/8).
  const c: f64 = 0.41421356237309503;
  const value = 0.39269908169872414 + atanNear((t - c) / (1 + t * c));
  return x < 0 ? -value : value;
}
