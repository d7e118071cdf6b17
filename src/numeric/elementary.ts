/**
 * Elementary functions in float64, built from + - * / alone.
 *
 * `Math.exp` and its kin differ in the last bit between JavaScript engines. A compiled plan must have the same bits in
 * every engine, so everything that decides a plan is computed here, with operations that IEEE 754 fixes completely.
 * Relative errors stay below 4·10⁻¹⁶, verified against decimal.js in `test/numeric.test.ts`.
 */

const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const INV_SQRT_2PI = 0.3989422804014327;

const bits = new DataView(new ArrayBuffer(8));

/** 2^k for an integer k in [-1022, 1023], exact. */
export function powerOfTwo(k: number): number {
  bits.setUint32(0, (k + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** Σ rⁿ/(n+1)! = expm1(r)/r for |r| ≤ 0.35; the first term left out is below 10⁻¹⁹. */
function expm1RatioSeries(r: number): number {
  let sum = 1 / 15;
  for (let n = 14; n >= 2; n--) sum = (1 + r * sum) / n;
  return 1 + r * sum;
}

/** e^x, rounded to 0 below x = -745 and to Infinity above 709.8. */
export function exp(x: number): number {
  if (x !== x) return x;
  if (x > 709.8) return Number.POSITIVE_INFINITY;
  if (x < -745.2) return 0;
  const k = Math.round(x * Math.LOG2E);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  const value = 1 + r * expm1RatioSeries(r);
  return k > 1000
    ? value * powerOfTwo(k - 24) * 16777216
    : k < -1000
      ? value * powerOfTwo(k + 100) * powerOfTwo(-100)
      : value * powerOfTwo(k);
}

/** E(z) = expm1(z)/z, with E(0) = 1: the growth of an affine flow (design: y = x + t·v(x)·E(Δt)). */
export function expm1Ratio(z: number): number {
  return Math.abs(z) < 0.35 ? expm1RatioSeries(z) : (exp(z) - 1) / z;
}

/** 2·atanh(s)/s for |s| ≤ 0.1716, i.e. log((1+s)/(1-s))/s; the first term left out is below 10⁻¹⁸. */
function atanhSeries(s: number): number {
  const s2 = s * s;
  let sum = 0;
  for (let n = 25; n >= 1; n -= 2) sum = sum * s2 + 1 / n;
  return 2 * sum;
}

/** Natural logarithm of a positive normal number. */
export function log(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return x === 0 ? Number.NEGATIVE_INFINITY : x > 0 ? x : Number.NaN;
  bits.setFloat64(0, x);
  let high = bits.getUint32(0);
  let k = (high >>> 20) - 1023;
  high = (high & 0xfffff) | 0x3ff00000;
  bits.setUint32(0, high);
  let m = bits.getFloat64(0);
  if (m > Math.SQRT2) {
    m *= 0.5;
    k += 1;
  }
  const s = (m - 1) / (m + 1);
  return k * LN2_HIGH + (s * atanhSeries(s) + k * LN2_LOW);
}

/** L(z) = log1p(z)/z for z > -1, with L(0) = 1: the travel time through an affine field. */
export function log1pRatio(z: number): number {
  if (z > -0.29 && z < 0.41) return atanhSeries(z / (2 + z)) / (2 + z);
  return log(1 + z) / z;
}

/** The standard normal density, e^{-x²/2}/√(2π). */
export function normalDensity(x: number): number {
  // x² is split so that its rounding error (up to 2⁻⁴⁷ at |x| = 14) does not enter the exponent.
  const high = Math.fround(x);
  const low = x - high;
  return INV_SQRT_2PI * exp(-0.5 * high * high) * exp(-low * (high + 0.5 * low));
}

/**
 * Φ(x) = ½(1+erf(x/√2)) with small *relative* error on both tails.
 * Near zero the series φ(x)·(x + x³/3 + x⁵/15 + …); beyond, Laplace's continued fraction of the Mills ratio.
 */
export function normalDistribution(x: number): number {
  if (x !== x) return x;
  const t = Math.abs(x);
  if (t > 38.5) return x > 0 ? 1 : 0;
  const density = normalDensity(t);
  if (t < 1.5) {
    let term = t;
    let sum = t;
    for (let n = 3; term > sum * 1e-18; n += 2) {
      term *= (t * t) / n;
      sum += term;
    }
    return x > 0 ? 0.5 + density * sum : 0.5 - density * sum;
  }
  // The error after n levels falls like exp(-2t·√(2n)): this many leave less than 2⁻⁵³.
  const levels = Math.ceil(180 / (t * t)) + 8;
  let fraction = t;
  for (let n = levels; n >= 1; n--) fraction = t + n / fraction;
  const upper = density / fraction;
  return x > 0 ? 1 - upper : upper;
}
