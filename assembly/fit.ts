import { loadWord, storeWord } from '#lanes';
import { loadDouble, loadSingle, ofSingleBits, roundToSingle, singleBits, storeDouble, storeSingle } from '#scalars';
import { ceilToFloat32, nextDown, unitInLastPlace } from './float32';
import { power } from './numeric';
import {
  expand,
  FIRST,
  FLOW,
  GAIN,
  INTERCEPT,
  KIND,
  LAST,
  LINEAR,
  REST,
  ROUNDING,
  SLOPE,
  setTerm,
  TAYLOR,
  TERMS,
  term,
} from './series';

/**
 * Fitting a piece by segments: degree-4 polynomials with float32 coefficients and a bound on their error. An interval that
 * does not keep the promised error is halved.
 *
 * The bound is derived, not sampled: Taylor remainder + economisation + rounding of the coefficients + a running error
 * analysis of the kernel's operations (Higham, Accuracy and Stability of Numerical Algorithms, §5.1).
 */

/** What the caller of `fit` gives: edges of intervals are odd multiples of OFFSET away from the multiples of INTERVAL. */
export const OFFSET: usize = 104;
/** Where segments go, how many there are already, and for how many there is room. */
export const SEGMENTS: usize = 112;
export const COUNT: usize = 116;
export const ROOM: usize = 120;
/** What comes back: an x at which no segment fits, not even one for it alone; NaN if there is none. */
export const STUCK: usize = 128;

/**
 * A segment in memory: the row that `segmentPolynomial` reads (8 float32); its first input; how far the row's polynomial,
 * evaluated without rounding, may be from the function, absolute, negative if the segment starts at a knot; its largest
 * error where |y| ≥ 2⁻⁸ and where 2⁻²⁴ ≤ |y| < 2⁻⁸, in ULP of the true result, and where |y| < 2⁻²⁴, absolute; 0 if there is
 * no such y.
 */
export const SEGMENT_SHIFT: usize = 6;
export const START: usize = 32;
export const SLACK: usize = 36;
export const LARGE_ERROR: usize = 40;
export const SMALL_ERROR: usize = 44;
export const TINY_ERROR: usize = 48;

/** Room to work: the economised series, and the error as a function of |y| (`errorAt`). */
const SHIFTED: usize = REST;
const FIXED: usize = REST + 96;
const RATE: usize = REST + 104;
const CONSTANT: usize = REST + 112;
const LEAST_SLOPE: usize = REST + 120;
const RADIUS: usize = REST + 128;
/** What Horner's rule gives besides the value. */
const HORNER_ERROR: usize = REST + 136;
/** Bytes of a job. */
export const JOB_BYTES: usize = REST + 144;

/**
 * Intervals are halved from these widths down, or from wider ones where a piece would have more than MOST_INTERVALS of them; cell
 * edges and interval ends then fall together.
 */
const INTERVAL: f64 = 0.125;
const WIDE_INTERVAL: f64 = 16;
const MOST_INTERVALS: f64 = 512;
/** Unit roundoff of float32. */
export const UNIT_ROUNDOFF: f64 = 1.0 / 16777216.0;
/** From this magnitude of y on a table keeps 1 ULP, 2⁻⁸; between the two it may take 2; below the second, 2⁻²⁴, errors are absolute. */
export const LARGE: f64 = 1.0 / 256.0;
export const SMALL: f64 = 1.0 / 16777216.0;
/** What the last bit of a result of magnitude 2⁻²⁴ is worth, 2⁻⁴⁷. */
const TINY: f64 = SMALL / 8388608.0;
/** Results smaller than 2⁻⁹⁶ become zero: they are 49 binades below where accuracy is promised. */
const VANISHING: f64 = TINY / 562949953421312.0;
/** Keeps the 12 leading significant bits of a float32. */
const LEADING_BITS: i32 = -0x1000;

/**
 * Fits the job's piece, in order; COUNT grows by its segments.
 * Returns whether there was room; if not, COUNT is as before.
 */
export function fit(job: usize): boolean {
  const count = loadWord(job + COUNT);
  const kind = loadWord(job + KIND);
  let isDone = true;
  storeDouble(job + STUCK, NaN);
  if (kind === LINEAR) {
    isDone = divide(job, -Infinity, Infinity);
  } else {
    const gain = loadDouble(job + GAIN);
    let interval = kind === FLOW && gain === gain ? WIDE_INTERVAL : INTERVAL;
    while (interval * MOST_INTERVALS < loadDouble(job + LAST) - loadDouble(job + FIRST)) interval *= 2;
    const offset = loadDouble(job + OFFSET);
    const stop = Math.floor((loadDouble(job + LAST) - offset) / interval);
    for (let k = Math.floor((loadDouble(job + FIRST) - offset) / interval); isDone && k <= stop; k++) {
      isDone = divide(job, k * interval + offset, (k + 1) * interval + offset);
    }
  }
  if (!isDone) storeWord(job + COUNT, count);
  else if (loadWord(job + COUNT) > count) {
    const knot = segment(job, count) + SLACK;
    storeSingle(knot, -Math.max(loadSingle(knot), VANISHING));
  }
  return isDone;
}

/** Address of segment m. */
export function segment(job: usize, m: i32): usize {
  return <usize>loadWord(job + SEGMENTS) + ((<usize>m) << SEGMENT_SHIFT);
}

/** Adds the segments within [low, high); returns whether there was room. */
function divide(job: usize, low: f64, high: f64): boolean {
  const first = Math.max(loadDouble(job + FIRST), low === -Infinity ? low : ceilToFloat32(low));
  const last = Math.min(loadDouble(job + LAST), high === Infinity ? high : nextDown(ceilToFloat32(high)));
  if (!(first <= last)) return true;
  const count = loadWord(job + COUNT);
  if (count >= loadWord(job + ROOM)) return false;
  const out = segment(job, count);
  if (fitSegment(job, first, last, out)) {
    storeSingle(out + START, first);
    storeWord(job + COUNT, count + 1);
    return true;
  }
  if (first === last) {
    storeDouble(job + STUCK, first);
    return false;
  }
  const middle = 0.5 * (low + high);
  return divide(job, low, middle) && divide(job, middle, high);
}

/** Writes the segment for [first, last]; returns false where one polynomial does not keep the error. */
function fitSegment(job: usize, first: f64, last: f64, out: usize): boolean {
  if (loadWord(job + KIND) === LINEAR) return linearSegment(job, first, last, out);
  const centre = Math.min(Math.max(roundToSingle(0.5 * (first + last)), first), last);
  const radius = Math.max(last - centre, centre - first);
  const tail = expand(job, centre, radius);
  if (radius === 0) {
    // One float32: only the value counts.
    for (let n: i32 = 1; n < TERMS; n++) setTerm(job + TAYLOR, n, 0);
    return fitAroundValue(job, first, last, centre, 0, 0, 0, out);
  }
  if (tail === Infinity) return false;
  const variation = sizeFrom(job + TAYLOR, 1, radius) + tail;
  const size = Math.abs(term(job + TAYLOR, 0));
  if (size + variation < VANISHING) return zeroSegment(term(job + TAYLOR, 0) < 0, out);
  return size > 2 * variation
    ? fitAroundValue(job, first, last, centre, radius, tail, variation, out)
    : fitAroundRoot(job, first, last, centre, radius, out);
}

/** Σ_{n≥from} |a_n|·rⁿ. */
function sizeFrom(a: usize, from: i32, radius: f64): f64 {
  let sum: f64 = 0;
  for (let n = TERMS - 1; n >= from; n--) sum = sum * radius + Math.abs(term(a, n));
  return sum * power(radius, from);
}

/**
 * Replaces a series by a polynomial of the given degree, close to it on [-radius, radius]; returns a bound on the difference.
 * T_n(x)/2^(n-1) = xⁿ - … is at most 2^(1-n): its lower terms stand in for xⁿ, from the highest n down. Coefficient m-2 is
 * coefficient m times -m(m-1)/(4(j+1)(n-j-1)), m = n-2j.
 */
function economise(a: usize, degree: i32, radius: f64): f64 {
  let error: f64 = 0;
  const square = radius * radius;
  for (let n = TERMS - 1; n > degree; n--) {
    const lead = term(a, n);
    if (lead === 0) continue;
    let replacement = lead;
    let j: f64 = 0;
    for (let m = n; m >= 2; m -= 2) {
      replacement = (-replacement * square * (m * (m - 1))) / (4 * (j + 1) * (n - j - 1));
      setTerm(a, m - 2, term(a, m - 2) - replacement);
      j += 1;
    }
    error += Math.abs(lead) * power(radius, n) * power(0.5, n - 1);
    setTerm(a, n, 0);
  }
  return error;
}

/** Rounds to float32; coefficients below 2⁻¹²⁴ become zero, so that no intermediate is subnormal. */
export function coefficient(x: f64): f64 {
  return Math.abs(x) < 4.70197740328915e-38 ? 0 : roundToSingle(x);
}

/**
 * Horner's rule for entries 4 to 7 of a row in float32, every operation rounded, |u| ≤ radius: returns a bound on the magnitude of
 * the value, and leaves one on its error in HORNER_ERROR.
 */
function horner(job: usize, row: usize, radius: f64): f64 {
  let size = Math.abs(loadSingle(row + 28));
  let error: f64 = 0;
  for (let n: usize = 24; n >= 16; n -= 4) {
    const product = radius * size;
    size = Math.abs(loadSingle(row + n)) + product;
    error = radius * error + UNIT_ROUNDOFF * (product + size);
  }
  storeDouble(job + HORNER_ERROR, error);
  return size;
}

/** Whether x - centre is a float32 for every float32 x in [first, last]. */
function isOffsetExact(first: f64, last: f64, centre: f64): boolean {
  if (centre === 0) return true;
  const low = centre > 0 ? first : -last;
  const high = centre > 0 ? last : -first;
  const c = Math.abs(centre);
  // Sterbenz's lemma.
  if (low >= c / 2 && high <= 2 * c) return true;
  if (low <= 0) return false;
  const grid = Math.min(unitInLastPlace(low), unitInLastPlace(c));
  return Math.max(high - c, c - low) <= grid * 16777216;
}

/** Coefficient n+1 of a row stands at entry 4 + n, whose error is charged with its power of the radius. */
function storeTail(a: usize, from: i32, row: usize, radius: f64): f64 {
  let error: f64 = 0;
  let scale: f64 = 1;
  for (let n: i32 = 1; n <= 4; n++) {
    const at = row + 12 + ((<usize>n) << 2);
    if (n >= from) {
      storeSingle(at, coefficient(term(a, n)));
      error += Math.abs(term(a, n) - loadSingle(at)) * scale;
    }
    scale *= radius;
  }
  return error;
}

/** A segment whose value hardly changes: h0 is its leading part, h1 = 0. */
function fitAroundValue(
  job: usize,
  first: f64,
  last: f64,
  centre: f64,
  radius: f64,
  tail: f64,
  variation: f64,
  out: usize,
): boolean {
  const a = job + TAYLOR;
  const size = Math.abs(term(a, 0));
  let slack = tail + economise(a, 4, radius);
  const value = term(a, 0);
  storeSingle(out, centre);
  storeSingle(out + 4, value);
  storeSingle(out + 8, 0);
  const rest = value - loadSingle(out + 4);
  storeSingle(out + 12, coefficient(rest));
  slack += Math.abs(rest - loadSingle(out + 12)) + radius * storeTail(a, 1, out, radius);
  const least = Math.max(size - variation, 0);
  // The grid's quadratics are derived from this polynomial and need most of the error budget for themselves.
  if (slack > 0.1 * unitInLastPlace(least) && first < last) return false;
  const product = radius * horner(job, out, radius);
  let error = radius * loadDouble(job + HORNER_ERROR) + UNIT_ROUNDOFF * (2 * product + Math.abs(rest));
  if (!isOffsetExact(first, last, centre)) error += UNIT_ROUNDOFF * product;
  setError(job, slack + error, 0, 0, 1, 0);
  return judge(job, first, last, least, size + variation, slack, out);
}

/** A segment centred on a root: h0 = 0 and h1 is the leading part of the slope, so that no digit of a small result is lost. */
function fitAroundRoot(job: usize, first: f64, last: f64, middle: f64, reach: f64, out: usize): boolean {
  const a = job + TAYLOR;
  // Newton on the Taylor polynomial; the root may lie beyond a knot, where this piece no longer holds.
  let root: f64 = 0;
  for (let step: i32 = 0; step < 4; step++) {
    let value: f64 = 0;
    let derivative: f64 = 0;
    for (let n = TERMS - 1; n >= 0; n--) {
      derivative = derivative * root + value;
      value = value * root + term(a, n);
    }
    if (derivative === 0) return false;
    root -= value / derivative;
    if (!(Math.abs(root) <= 4 * reach)) return false;
  }
  const centre = roundToSingle(middle + root);
  const radius = Math.max(Math.abs(last - centre), Math.abs(centre - first));
  const tail = expand(job, centre, radius);
  if (tail === Infinity) return false;
  const value = Math.abs(term(a, 0)) < VANISHING ? 0 : term(a, 0);
  const slope = Math.abs(term(a, 1));
  const bend = sizeFrom(a, 2, radius) / radius;
  // The last: 2⁻³⁰.
  if (!(slope - bend > 0.5 * slope) || slope < SMALL / 64) return false;
  // (f(u) - f(0))/u is economised, so that the error vanishes with u.
  const shifted = job + SHIFTED;
  for (let n: i32 = 1; n < TERMS; n++) setTerm(shifted, n - 1, term(a, n));
  setTerm(shifted, TERMS - 1, 0);
  let slack = tail / radius + economise(shifted, 3, radius);
  const lead = term(shifted, 0);
  storeSingle(out, centre);
  storeSingle(out + 4, 0);
  storeSingle(out + 8, ofSingleBits(singleBits(lead) & LEADING_BITS));
  storeSingle(out + 12, coefficient(value));
  storeSingle(out + 16, coefficient(lead - loadSingle(out + 8)));
  slack += Math.abs(lead - loadSingle(out + 8) - loadSingle(out + 16));
  // shifted[n-1] is the coefficient of uⁿ.
  slack += storeTail(shifted - 8, 2, out, radius);
  const size = horner(job, out, radius);
  const low = Math.abs(loadSingle(out + 8)) / 2048;
  let relative = slack + loadDouble(job + HORNER_ERROR) + UNIT_ROUNDOFF * (3 * size + low);
  if (!isOffsetExact(first, last, centre)) relative += UNIT_ROUNDOFF * (Math.abs(loadSingle(out + 8)) + size);
  const constant = Math.abs(value);
  setError(job, 2 * UNIT_ROUNDOFF * constant, relative, constant, slope - bend, radius);
  return judge(job, first, last, 0, constant + (slope + bend) * radius, slack * radius, out);
}

function setError(job: usize, fixed: f64, rate: f64, constant: f64, leastSlope: f64, radius: f64): void {
  storeDouble(job + FIXED, fixed);
  storeDouble(job + RATE, rate);
  storeDouble(job + CONSTANT, constant);
  storeDouble(job + LEAST_SLOPE, leastSlope);
  storeDouble(job + RADIUS, radius);
}

/**
 * A bound on the error at results of magnitude y before the last rounding, and throughout y's binade: the offset at which |f| = y
 * is at most (y + constant)/(least slope), which within a binade is largest at its upper end. The factor covers the products of
 * roundoffs that the first-order analysis leaves out.
 */
function errorAt(job: usize, y: f64): f64 {
  const offset = Math.min(
    (2 * y + loadDouble(job + CONSTANT)) / loadDouble(job + LEAST_SLOPE),
    loadDouble(job + RADIUS),
  );
  return 1.0001 * (loadDouble(job + FIXED) + loadDouble(job + RATE) * offset);
}

/**
 * Checks a row with results of magnitude `least` to `most` against what a table promises, and fills in its bounds. The float64
 * error of the reference itself counts in the bounds, but no subdivision can lower it, so it does not decide.
 */
function judge(job: usize, first: f64, last: f64, least: f64, most: f64, slack: f64, out: usize): boolean {
  for (let n: usize = 0; n < 32; n += 4) {
    if (!(Math.abs(loadSingle(out + n)) < Infinity)) return false;
  }
  const rounding = loadDouble(job + ROUNDING);
  const largest = Math.max(least, LARGE);
  const smallest = Math.max(least, SMALL);
  const top = Math.min(most, SMALL);
  const large = errorAt(job, largest) / unitInLastPlace(largest);
  const small = errorAt(job, smallest) / unitInLastPlace(smallest);
  const tiny = errorAt(job, top);
  const isLarge = most >= LARGE;
  const isSmall = most >= SMALL && least < LARGE;
  const isTiny = least < SMALL;
  if (first < last) {
    // Where it costs little, 1 ULP is kept for small results too.
    const smallTarget = last - first > 1.0 / 512.0 ? 0.48 : 1.45;
    if (isLarge && !(large <= 0.48)) return false;
    if (isSmall && !(small <= smallTarget)) return false;
    if (isTiny && !(tiny <= 0.48 * TINY)) return false;
  }
  storeErrors(
    out,
    slack + rounding,
    isLarge ? 0.5 + large + rounding / unitInLastPlace(largest) : 0,
    isSmall ? 0.5 + small + rounding / unitInLastPlace(smallest) : 0,
    isTiny ? 0.5 * unitInLastPlace(top) + tiny + rounding : 0,
  );
  return true;
}

/** Bounds are kept as float32, rounded up. */
function storeErrors(out: usize, slack: f64, large: f64, small: f64, tiny: f64): void {
  storeSingle(out + SLACK, ceilToFloat32(slack));
  storeSingle(out + LARGE_ERROR, ceilToFloat32(large));
  storeSingle(out + SMALL_ERROR, ceilToFloat32(small));
  storeSingle(out + TINY_ERROR, ceilToFloat32(tiny));
}

function zeroSegment(isNegative: boolean, out: usize): boolean {
  for (let n: usize = 0; n < 32; n += 4) storeSingle(out + n, 0);
  if (isNegative) {
    storeSingle(out + 4, -0.0);
    storeSingle(out + 12, -0.0);
  }
  storeErrors(out, VANISHING, 0, 0, VANISHING);
  return true;
}

function linearSegment(job: usize, first: f64, last: f64, out: usize): boolean {
  const slope = loadDouble(job + SLOPE);
  const intercept = loadDouble(job + INTERCEPT);
  if (slope === 0) return zeroSegment(first + last < 0, out);
  for (let n: usize = 0; n < 32; n += 4) storeSingle(out + n, 0);
  storeSingle(out + 4, -0.0);
  storeSingle(out + 8, ofSingleBits(singleBits(slope) & LEADING_BITS));
  storeSingle(out + 12, intercept === 0 ? -0.0 : intercept);
  storeSingle(out + 16, slope - loadSingle(out + 8));
  // (h1·leading) is exact; the rest is rounded thrice, and is at most |intercept| + 2⁻¹¹·|slope·x|.
  const share = intercept === 0 ? 0 : 1.0 / 15.0;
  const isExact = slope === loadSingle(out + 8) && intercept === 0;
  const bound = isExact ? 0.5 : 0.5 + 4 * share + 1.0 / 256.0;
  const nearest = first > 0 || last < 0 ? Math.min(Math.abs(first), Math.abs(last)) : 0;
  const least = Math.abs(slope) * nearest * (1 - share);
  // Grid cells reach to ±16 at most.
  const slack =
    Math.abs(intercept - loadSingle(out + 12)) + 16 * Math.abs(slope - loadSingle(out + 8) - loadSingle(out + 16));
  storeErrors(out, slack, bound, least < LARGE ? bound : 0, least < SMALL ? bound * 0.5 * TINY : 0);
  return true;
}
