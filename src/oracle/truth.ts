import { type Ball, bits, isBeyond, type Real } from './ball.js';
import type { DoubleDouble } from './double-double.js';

/** Balls as numbers that others use: two float64 with what they may be off, and one number of a format. */

/** A truth: `hi` is the float64 nearest to it, `hi + lo` has 30 digits, and `error` is a proved bound on what the sum is off. */
export interface Truth extends DoubleDouble {
  readonly error: number;
}

export const NO_VALUE: Truth = { hi: Number.NaN, lo: 0, error: 0 };
/** There may be a value, but no number of bits that is worth the time tells it. */
const UNKNOWN: Truth = { hi: Number.NaN, lo: 0, error: Number.POSITIVE_INFINITY };
/** What is known to be smaller counts as 0: float64 has nothing so small. */
const NOTHING = -1100;
const LEAST = 2 ** -1074;

/** m·2^e rounded to the nearest float64, ties to even. */
function toFloat64(m: bigint, e: number): number {
  const negative = m < 0n;
  const size = negative ? -m : m;
  const n = bits(size);
  // One bit more than there are costs nothing: the quantum is then found again below.
  const quantum = Math.max(n + e - 54, -1074);
  const s = quantum - e;
  let value: number;
  if (s <= 0) value = power(Number(size), e);
  else if (s > n + 1) value = 0;
  else {
    const shift = BigInt(s);
    let whole = size >> shift;
    let rest = size - (whole << shift);
    let unit = shift;
    let exponent = quantum;
    if (whole >= 1n << 53n) {
      unit = shift + 1n;
      exponent += 1;
      whole = size >> unit;
      rest = size - (whole << unit);
    }
    const half = 1n << (unit - 1n);
    if (rest > half || (rest === half && (whole & 1n) === 1n)) whole += 1n;
    value = power(Number(whole), exponent);
  }
  return negative ? -value : value;
}

/** value·2^e, the product a float64 or beyond. */
function power(value: number, e: number): number {
  if (value === 0) return 0;
  if (e > 1100) return Number.POSITIVE_INFINITY;
  const half = Math.trunc(e / 2);
  return value * 2 ** half * 2 ** (e - half);
}

/** The float64 x as m·2^e. */
function parts(x: number): { m: bigint; e: number } {
  if (x === 0) return { m: 0n, e: 0 };
  const e = Math.max(Math.floor(Math.log2(Math.abs(x))) - 54, -1074);
  return { m: BigInt(x * 2 ** -Math.trunc(e / 2) * 2 ** (Math.trunc(e / 2) - e)), e };
}

const word = new Float64Array(1);
const words = new Uint32Array(word.buffer);

/** Whether a float64 lies half-way between two neighbours of float32, float16 or bfloat16, perhaps. */
function mayBeTie(x: number): 'no' | 'short' | 'float32' {
  word[0] = x;
  if (words[0] === 0 && (words[1]! & 0x1ff) === 0) return 'short';
  return (words[0]! & 0x0fffffff) === 0 && Math.fround(x) !== x ? 'float32' : 'no';
}

/** 30 digits and some, and those of a float64. */
const DIGITS = 107;
const DOUBLE_BITS = 54;

/** A truth that is half-way between two numbers of a format as far as its ball tells. */
export interface Leaning {
  readonly evenly: Truth;
  /** The same on one side, and how far over to that side the ball lies, as a share of its radius. */
  readonly leaning: Truth;
  readonly share: number;
}

/**
 * A ball as two float64 with 30 digits, correctly rounded to float64, and on the right side of ties of shorter formats; undefined if the ball is
 * too wide for that. `isLast`: there will be no better ball.
 */
export function truthOf(a: Real, isLast: boolean): Truth | Leaning | undefined {
  if (isBeyond(a))
    return a.isLarge
      ? { hi: a.sign * Number.POSITIVE_INFINITY, lo: 0, error: 0 }
      : { hi: a.sign * 0, lo: 0, error: LEAST };
  const { m, e, r }: Ball = a;
  if (r === 0 && m === 0n) return { hi: 0, lo: 0, error: 0 };
  const hi = toFloat64(m, e);
  const reach = BigInt(Math.ceil(r));
  const n = bits(m);
  // With as many bits as there are it may be anything: what cannot be told from 0 is 0, unless it may be large.
  if (isLast && r > 0 && n <= Math.log2(r) + DOUBLE_BITS && Math.log2(r) + e > NOTHING) return UNKNOWN;
  if (r > 0 && !isLast) {
    if (toFloat64(m - reach, e) !== hi || toFloat64(m + reach, e) !== hi) return undefined;
    // Nothing has 30 digits below float64's least number.
    if (n - 1 - Math.log2(r) < DIGITS && n + e > -1080) return undefined;
  }
  if (!Number.isFinite(hi)) return { hi, lo: 0, error: 0 };
  const error = r * 2 ** Math.max(e, -1074) * (e > -1074 || r === 0 ? 1 : 2 ** -40) + (r > 0 ? LEAST : 0);
  if (hi === 0) return { hi: m < 0n ? -0 : 0, lo: 0, error: Math.max(error, LEAST) };
  const top = parts(hi);
  const least = Math.min(top.e, e);
  if (e - least > 4000) return { hi, lo: 0, error };
  const rest = (m << BigInt(e - least)) - (top.m << BigInt(top.e - least));
  const wide = reach << BigInt(e - least);
  const tie = mayBeTie(hi);
  const isKnown = r === 0 || rest > wide || rest < -wide;
  let lo = toFloat64(rest, least);
  if (lo === 0 && rest !== 0n) lo = rest > 0n ? LEAST : -LEAST;
  const truth = { hi, lo, error: error + Math.abs(lo) * 2 ** -53 };
  if (isKnown || tie === 'no') return truth;
  return { evenly: { hi, lo: 0, error: 2 * error }, leaning: truth, share: Number((1000n * rest) / wide) / 1000 };
}

/** The same of a ball that is the only one. */
export function onlyTruth(a: Real): Truth {
  const found = truthOf(a, true)!;
  return 'share' in found ? found.leaning : found;
}

export type Format = 'float32' | 'float16' | 'bfloat16';

/** Bits of the significand, and the exponents of the least and the largest normal number. */
const FORMATS: Readonly<Record<Format, readonly [bits: number, least: number, largest: number]>> = {
  float32: [24, -126, 127],
  float16: [11, -14, 15],
  bfloat16: [8, -126, 127],
};
export const FORMAT_NAMES = Object.keys(FORMATS) as Format[];

/** The number of the format nearest to hi + lo, ties to even; ±Infinity beyond the format, subnormal numbers kept. `hi` is nearest to the sum. */
export function round(format: Format, { hi, lo }: DoubleDouble): number {
  if (!Number.isFinite(hi) || hi === 0) return hi;
  const [significand, least, largest] = FORMATS[format];
  word[0] = Math.abs(hi);
  const exponent = Math.max((words[1]! >>> 20) - 1023, least);
  const quantum = 2 ** (exponent - significand + 1);
  const scaled = Math.abs(hi) / quantum;
  const whole = Math.floor(scaled);
  const rest = scaled - whole;
  const beyond = hi > 0 ? lo : -lo;
  const isUp = rest > 0.5 || (rest === 0.5 && (beyond > 0 || (beyond === 0 && whole % 2 === 1)));
  const size = (isUp ? whole + 1 : whole) * quantum;
  return Math.sign(hi) * (size >= 2 ** (largest + 1) ? Number.POSITIVE_INFINITY : size);
}

/** The spacing of a format at a real number, subnormal numbers included. */
export function spacing(format: Format, truth: number): number {
  const [significand, least] = FORMATS[format];
  word[0] = Math.abs(truth);
  // A power of two by its bits: `**` takes as long as all the rest.
  words[1] = (Math.max((words[1]! >>> 20) - 1023, least) - significand + 1024) << 20;
  words[0] = 0;
  return word[0]!;
}
