import { bitsOf, fromBits, unitInLastPlace } from '../numeric/float32.js';
import { type AnalyticPiece, TERMS } from './analytic.js';

/**
 * Fitting one segment of a table: a degree-4 polynomial in float32 coefficients, and a bound on its error.
 *
 * The bound is derived, not sampled: Taylor remainder + economisation + rounding of the coefficients + a running error
 * analysis of the kernel's operations (Higham, Accuracy and Stability of Numerical Algorithms, §5.1).
 */

/** Unit roundoff of float32. */
export const UNIT_ROUNDOFF = 2 ** -24;
/** Results smaller than this become zero: they are 53 binades below where accuracy is promised. */
export const VANISHING = 2 ** -96;
/** Below this magnitude of y errors are counted as absolute, not in ULP. */
export const SMALL = 2 ** -24;
/** From this magnitude of y on a table keeps 1 ULP; between the two it may take 2. */
export const LARGE = 2 ** -8;
/** Widest interval that one expansion has to serve. */
const WIDEST = 0.25;

export interface Segment {
  /** The float32 inputs it serves, both included. */
  readonly first: number;
  readonly last: number;
  /** {centre, h0, h1, c0, c1, c2, c3, c4}: the row that the kernel reads. */
  readonly row: Float32Array;
  /** The largest error where |y| ≥ 2⁻⁸, in ULP of the true result; 0 if there is no such y. */
  readonly large: number;
  /** The largest error where 2⁻²⁴ ≤ |y| < 2⁻⁸, in ULP of the true result; 0 if there is no such y. */
  readonly small: number;
  /** The largest error where |y| < 2⁻²⁴, absolute; 0 if there is no such y. */
  readonly tiny: number;
  /** How far the row's polynomial, evaluated without rounding, may be from the function: absolute. */
  readonly slack: number;
}

const taylor = new Float64Array(TERMS);
const shifted = new Float64Array(TERMS);

/** The segment for [first, last], or undefined where one polynomial does not keep the error; then halve the interval. */
export function fitSegment(piece: AnalyticPiece, first: number, last: number): Segment | undefined {
  if (piece.linear) return linearSegment(piece.linear.slope, piece.linear.intercept, first, last);
  if (last - first > WIDEST && !piece.isAffine) return undefined;
  const centre = Math.min(Math.max(Math.fround(0.5 * (first + last)), first), last);
  const radius = Math.max(last - centre, centre - first);
  const tail = piece.series(centre, radius, taylor);
  if (tail === Number.POSITIVE_INFINITY && radius > 0) return undefined;
  const variation = powerSum(taylor, 1, radius) + tail;
  const size = Math.abs(taylor[0]!);
  if (size + variation < VANISHING) return zeroSegment(first, last, taylor[0]!);
  if (size > 2 * variation || radius === 0) return fitAroundValue(piece, first, last, centre, radius, tail, variation);
  return fitAroundRoot(piece, first, last, centre, radius);
}

/** Σ_{n≥from} |a_n|·rⁿ. */
function powerSum(a: Float64Array, from: number, radius: number): number {
  let sum = 0;
  for (let n = a.length - 1; n >= from; n--) sum = sum * radius + Math.abs(a[n]!);
  return sum * radius ** from;
}

/** CHEBYSHEV[n][m]: coefficient of x^m in T_n(x)/2^(n-1), m ≤ n-2; so xⁿ = -Σ CHEBYSHEV[n][m]·x^m to within 2^(1-n). */
const CHEBYSHEV: readonly Float64Array[] = (() => {
  const t = [Float64Array.of(1), Float64Array.of(0, 1)];
  for (let n = 2; n < TERMS; n++) {
    const next = new Float64Array(n + 1);
    for (let m = 0; m < n; m++) next[m + 1]! += 2 * t[n - 1]![m]!;
    for (let m = 0; m < n - 1; m++) next[m]! -= t[n - 2]![m]!;
    t.push(next);
  }
  return t.map((each, n) => each.map((c) => c / 2 ** (n - 1)));
})();

/** Replaces a by a polynomial of the given degree, close to it on [-radius, radius]; returns a bound on the difference. */
export function economise(a: Float64Array, degree: number, radius: number): number {
  let error = 0;
  for (let n = a.length - 1; n > degree; n--) {
    const lead = a[n]!;
    if (lead === 0) continue;
    let scale = radius * radius;
    for (let m = n - 2; m >= 0; m -= 2) {
      a[m]! -= lead * CHEBYSHEV[n]![m]! * scale;
      scale *= radius * radius;
    }
    error += Math.abs(lead) * radius ** n * 2 ** (1 - n);
    a[n] = 0;
  }
  return error;
}

/** Rounds to float32; coefficients too small to matter become zero, so that no intermediate is subnormal. */
export function coefficient(x: number): number {
  return Math.abs(x) < 2 ** -124 ? 0 : Math.fround(x);
}

/**
 * Error of Horner's rule for c1 + c2·u + … in float32 with every operation rounded: {size, error} of the value, where
 * `size` bounds the magnitude.
 */
function hornerError(row: Float32Array, from: number, to: number, radius: number): { size: number; error: number } {
  let size = Math.abs(row[to]!);
  let error = 0;
  for (let n = to - 1; n >= from; n--) {
    const product = radius * size;
    size = Math.abs(row[n]!) + product;
    error = radius * error + UNIT_ROUNDOFF * (product + size);
  }
  return { size, error };
}

/** Whether x - centre is a float32 for every float32 x in [first, last]. */
function isOffsetExact(first: number, last: number, centre: number): boolean {
  if (centre === 0) return true;
  const low = centre > 0 ? first : -last;
  const high = centre > 0 ? last : -first;
  const c = Math.abs(centre);
  if (low >= c / 2 && high <= 2 * c) return true;
  if (low <= 0) return false;
  const grid = Math.min(unitInLastPlace(low), unitInLastPlace(c));
  return Math.max(high - c, c - low) <= grid * 2 ** 24;
}

function fitAroundValue(
  piece: AnalyticPiece,
  first: number,
  last: number,
  centre: number,
  radius: number,
  tail: number,
  variation: number,
): Segment | undefined {
  const value = taylor[0]!;
  const rounding = piece.rounding(centre, taylor);
  const a = taylor;
  let slack = tail + economise(a, 4, radius);
  const row = new Float32Array(8);
  row[0] = centre;
  row[1] = a[0]!;
  row[2] = 0;
  row[3] = coefficient(a[0]! - row[1]!);
  for (let n = 1; n <= 4; n++) row[3 + n] = coefficient(a[n]!);
  slack += Math.abs(a[0]! - row[1]! - row[3]!);
  for (let n = 1; n <= 4; n++) slack += Math.abs(a[n]! - row[3 + n]!) * radius ** n;
  const slope = hornerError(row, 4, 7, radius);
  const product = radius * slope.size;
  let error = slack + radius * slope.error + UNIT_ROUNDOFF * product + UNIT_ROUNDOFF * (Math.abs(row[3]!) + product);
  if (!isOffsetExact(first, last, centre)) error += UNIT_ROUNDOFF * product;
  const size = Math.abs(value);
  const least = Math.max(size - variation, 0);
  // The grid's quadratics are derived from this polynomial and need most of the error budget for themselves.
  if (slack > 0.1 * unitInLastPlace(least) && first < last) return undefined;
  return judge({ first, last, row, slack: slack + rounding }, least, size + variation, rounding, () => error);
}

function fitAroundRoot(
  piece: AnalyticPiece,
  first: number,
  last: number,
  middle: number,
  reach: number,
): Segment | undefined {
  // Newton on the Taylor polynomial; the root may lie beyond a knot, where this piece no longer holds.
  let root = 0;
  for (let step = 0; step < 4; step++) {
    let value = 0;
    let derivative = 0;
    for (let n = TERMS - 1; n >= 0; n--) {
      derivative = derivative * root + value;
      value = value * root + taylor[n]!;
    }
    if (derivative === 0) return undefined;
    root -= value / derivative;
    if (!(Math.abs(root) <= 4 * reach)) return undefined;
  }
  const centre = Math.fround(middle + root);
  const radius = Math.max(Math.abs(last - centre), Math.abs(centre - first));
  const tail = piece.series(centre, radius, taylor);
  if (tail === Number.POSITIVE_INFINITY) return undefined;
  const rounding = piece.rounding(centre, taylor);
  const value = Math.abs(taylor[0]!) < VANISHING ? 0 : taylor[0]!;
  const slope = taylor[1]!;
  const bend = powerSum(taylor, 2, radius) / radius;
  const least = Math.abs(slope) - bend;
  if (!(least > 0.5 * Math.abs(slope)) || Math.abs(slope) < 2 ** -30) return undefined;
  // (f(u) - f(0))/u is economised, so that the error vanishes with u.
  for (let n = 1; n < TERMS; n++) shifted[n - 1] = taylor[n]!;
  shifted[TERMS - 1] = 0;
  let slack = tail / radius + economise(shifted, 3, radius);
  const row = new Float32Array(8);
  row[0] = centre;
  row[1] = 0;
  row[2] = fromBits(bitsOf(shifted[0]!) & -0x1000);
  row[3] = coefficient(value);
  row[4] = coefficient(shifted[0]! - row[2]!);
  for (let n = 2; n <= 4; n++) row[3 + n] = coefficient(shifted[n - 1]!);
  slack += Math.abs(shifted[0]! - row[2]! - row[4]!);
  for (let n = 2; n <= 4; n++) slack += Math.abs(shifted[n - 1]! - row[3 + n]!) * radius ** (n - 1);
  const rest = hornerError(row, 4, 7, radius);
  const low = 2 ** -11 * Math.abs(row[2]!);
  let relative = slack + rest.error + UNIT_ROUNDOFF * (3 * rest.size + low);
  if (!isOffsetExact(first, last, centre)) relative += UNIT_ROUNDOFF * (Math.abs(row[2]!) + rest.size);
  const constant = Math.abs(value);
  // The offset at which |f| = y is at most (y + constant)/least; within a binade of y that is largest at its upper end.
  const error = (y: number) => relative * Math.min((2 * y + constant) / least, radius) + 2 * UNIT_ROUNDOFF * constant;
  const most = constant + (Math.abs(slope) + bend) * radius;
  return judge({ first, last, row, slack: slack * radius + rounding }, 0, most, rounding, error);
}

/**
 * Checks a row against what a table promises and fills in its bounds. `error(y)` bounds the absolute error at results of
 * magnitude y before the last rounding, and throughout y's binade. `rounding` is the float64 error of the reference
 * itself: it counts in the bounds, but no subdivision can lower it, so it does not decide.
 */
function judge(
  segment: { first: number; last: number; row: Float32Array; slack: number },
  least: number,
  most: number,
  rounding: number,
  error: (y: number) => number,
): Segment | undefined {
  const { first, last, row } = segment;
  for (let n = 0; n < 8; n++) if (!Number.isFinite(row[n]!)) return undefined;
  // 1.0001 covers the products of roundoffs that the first-order analysis leaves out.
  const ulps = (y: number) => (1.0001 * error(y)) / unitInLastPlace(y);
  const largest = Math.max(least, LARGE);
  const smallest = Math.max(least, SMALL);
  const isLarge = most >= LARGE;
  const isSmall = most >= SMALL && least < LARGE;
  const isTiny = least < SMALL;
  const top = Math.min(most, SMALL);
  // Where it costs little, 1 ULP is kept for small results too.
  const smallTarget = last - first > 2 ** -9 ? 0.48 : 1.45;
  const isGood =
    first === last ||
    ((!isLarge || ulps(largest) <= 0.48) &&
      (!isSmall || ulps(smallest) <= smallTarget) &&
      (!isTiny || error(top) <= 0.48 * 2 ** -47));
  if (!isGood) return undefined;
  return {
    ...segment,
    large: isLarge ? 0.5 + ulps(largest) + rounding / unitInLastPlace(largest) : 0,
    small: isSmall ? 0.5 + ulps(smallest) + rounding / unitInLastPlace(smallest) : 0,
    tiny: isTiny ? 0.5 * unitInLastPlace(top) + 1.0001 * error(top) + rounding : 0,
  };
}

function zeroSegment(first: number, last: number, sign: number): Segment {
  const zero = sign < 0 ? -0 : 0;
  return {
    first,
    last,
    row: Float32Array.of(0, zero, 0, zero, 0, 0, 0, 0),
    large: 0,
    small: 0,
    tiny: VANISHING,
    slack: VANISHING,
  };
}

function linearSegment(slope: number, intercept: number, first: number, last: number): Segment {
  if (slope === 0) return zeroSegment(first, last, first + last);
  const high = fromBits(bitsOf(slope) & -0x1000);
  const constant = intercept === 0 ? -0 : Math.fround(intercept);
  const row = Float32Array.of(0, -0, high, constant, slope - high, 0, 0, 0);
  // (h1·leading) is exact; the rest is rounded thrice, and is at most |intercept| + 2⁻¹¹·|slope·x|.
  const isExact = slope === high && intercept === 0;
  const share = intercept === 0 ? 0 : 1 / 15;
  const bound = isExact ? 0.5 : 0.5 + 4 * share + 2 ** -8;
  const isAwayFromZero = first > 0 || last < 0;
  const least = isAwayFromZero ? Math.abs(slope) * Math.min(Math.abs(first), Math.abs(last)) * (1 - share) : 0;
  return {
    first,
    last,
    row,
    large: bound,
    small: least < LARGE ? bound : 0,
    tiny: least < SMALL ? bound * 2 ** -48 : 0,
    // Grid cells reach to ±16 at most.
    slack: Math.abs(intercept - constant) + 16 * Math.abs(slope - high - row[4]!),
  };
}
