import { loadWord, storeWord } from '#lanes';
import { loadDouble, loadSingle, ofSingleBits, roundToSingle, singleBits, storeDouble, storeSingle } from '#scalars';
import { ceilToFloat32, nextDown, nextUp, unitInLastPlace } from './float32';
import { expand, result } from './jets';
import {
  COUNT,
  FIRST,
  INFINITE,
  INTERCEPT,
  INTERVAL,
  KIND,
  LARGE_ERROR,
  LAST,
  LINEAR,
  OFFSET,
  REGISTERS,
  REST,
  ROOM,
  SATURATED,
  SEGMENT_SHIFT,
  SEGMENTS,
  SERIES_ERROR,
  SLACK,
  SLOPE,
  SMALL_ERROR,
  START,
  STUCK,
  TAPE,
  TAPE_AT,
  TERMS,
  TINY_ERROR,
  UNSCALED,
  VALUE_ERROR,
  WORK,
  WRAPPED,
} from './layout';
import { exponentOf, power, powerOfTwo } from './numeric';

/**
 * Fitting a piece by segments: degree-4 polynomials with float32 coefficients and a proved bound on their error. An interval that does not
 * keep the promised error is halved.
 *
 * The bound is made after the fact, for the floats that are stored: their distance from the Taylor coefficients, what separates those from
 * the function (jets.ts), economisation, and a running error analysis of the kernel's operations (Higham, Accuracy and Stability of Numerical
 * Algorithms, §5.1). docs/numerics.md, "Segments", has every step.
 */

/** Room to work: the series in hand; the economised one; the error as a function of |y| (`errorAt`). */
const TAYLOR: usize = WORK;
const SHIFTED: usize = WORK + 96;
const FIXED: usize = WORK + 192;
const RATE: usize = WORK + 200;
const CONSTANT: usize = WORK + 208;
const LEAST_SLOPE: usize = WORK + 216;
const RADIUS: usize = WORK + 224;
/** What Horner's rule gives besides the value. */
const HORNER_ERROR: usize = WORK + 232;
/** Errors of the value and of the rest of the series. */
const OF_VALUE: usize = WORK + 240;
const OF_SERIES: usize = WORK + 248;
/** Limits of the part of the piece in hand. */
const FROM: usize = WORK + 256;
const TO: usize = WORK + 264;
/** The width of the interval that was fitted last. */
const LAST_WIDTH: usize = WORK + 272;
/** A series about another centre, from which those of parts of its interval are made: see `inherit`. */
const WIDER: usize = WORK + 280;
const WIDER_CENTRE: usize = WORK + 376;
const WIDER_SCALE: usize = WORK + 384;
/** NaN if there is none. */
const WIDER_REACH: usize = WORK + 392;
/** How far it may be from the function, the rounding of another centre included. */
const WIDER_ERROR: usize = WORK + 400;

/** Cells of a grid lie within ±16, and there intervals end where cells do. */
const NEAR: f64 = 16;
/** Unit roundoff of float32, and of float64. */
export const UNIT_ROUNDOFF: f64 = 1.0 / 16777216.0;
const U: f64 = 1.0 / 9007199254740992.0;
/** From this magnitude of y on a table keeps 1 ULP, 2⁻⁸; between the two it may take 2; below the second, 2⁻²⁴, errors are absolute. */
export const LARGE: f64 = 1.0 / 256.0;
export const SMALL: f64 = 1.0 / 16777216.0;
/** What the last bit of a result of magnitude 2⁻²⁴ is worth, 2⁻⁴⁷. */
export const TINY: f64 = SMALL / 8388608.0;
/** Results smaller than 2⁻⁹⁶ become zero: they are 49 binades below where accuracy is promised. */
const VANISHING: f64 = TINY / 562949953421312.0;
/** From here on the nearest float32 is infinite, 2¹²⁸·(1 - 2⁻²⁵); and where a ULP less is still 2 ULP away, 2¹²⁸·(1 - 2⁻²²). */
const OVERFLOW: f64 = 3.4028235677973366e38;
const NEAR_OVERFLOW: f64 = 3.4028228579130005e38;
/** 2⁻¹²⁶ and 2¹²⁶. */
const LEAST_NORMAL: f64 = 1.1754943508222875e-38;
const BINADE_126: f64 = 8.507059173023462e37;
/** Share of a result's last bit by which a value may be unknown: nearly half of it is left to rounding. */
const MOST_UNKNOWN: f64 = 0.4;
/** Share of a result's last bit that an inherited series may err: a tenth of what a segment may, about what a series' own tail takes. */
const COARSE: f64 = 0.004;
/** Keeps the 12 leading significant bits of a float32. */
const LEADING_BITS: i32 = -0x1000;

function term(a: usize, n: i32): f64 {
  return loadDouble(a + ((<usize>n) << 3));
}
function setTerm(a: usize, n: i32, x: f64): void {
  storeDouble(a + ((<usize>n) << 3), x);
}

/**
 * Fits the job's piece, in order; COUNT grows by its segments.
 * Returns whether there was room; if not, COUNT is as before.
 */
export function fit(job: usize): boolean {
  const count = loadWord(job + COUNT);
  const first = loadDouble(job + FIRST);
  const last = loadDouble(job + LAST);
  const offset = loadDouble(job + OFFSET);
  storeDouble(job + STUCK, NaN);
  storeDouble(job + WIDER_REACH, NaN);
  const near = NEAR + offset;
  let isDone = true;
  if (loadWord(job + KIND) !== TAPE) {
    limit(job, first, last);
    isDone = divide(job, first, last > 2 * BINADE_126 ? 4 * BINADE_126 : nextUp(last));
  } else {
    // Far out a binade at a time, from the left; near 0 in intervals that begin and end where cells do.
    for (let high: f64 = powerOfTwo(127); isDone && high >= NEAR; high *= 0.5) {
      limit(job, Math.max(first, -2 * high), Math.min(last, high === NEAR ? nextDown(-near) : nextDown(-high)));
      isDone = divide(job, -2 * high, -high);
    }
    limit(job, Math.max(first, -near), Math.min(last, near));
    const interval = loadDouble(job + INTERVAL);
    const stop = Math.floor((loadDouble(job + TO) - offset) / interval);
    for (let k = Math.floor((loadDouble(job + FROM) - offset) / interval); isDone && k <= stop; k++) {
      isDone = divide(job, k * interval + offset, (k + 1) * interval + offset);
    }
    for (let low: f64 = NEAR; isDone && low < 2e38; low *= 2) {
      limit(job, Math.max(first, low === NEAR ? nextUp(near) : low), Math.min(last, nextDown(2 * low)));
      isDone = divide(job, low, 2 * low);
    }
  }
  if (!isDone) storeWord(job + COUNT, count);
  else if (loadWord(job + COUNT) > count) {
    const knot = segment(job, count) + SLACK;
    storeSingle(knot, -Math.max(loadSingle(knot), VANISHING));
  }
  return isDone;
}

function limit(job: usize, from: f64, to: f64): void {
  storeDouble(job + LAST_WIDTH, Infinity);
  storeDouble(job + FROM, from);
  storeDouble(job + TO, to);
}

/** Address of segment m. */
export function segment(job: usize, m: i32): usize {
  return <usize>loadWord(job + SEGMENTS) + ((<usize>m) << SEGMENT_SHIFT);
}

/** Adds the segments within [low, high); returns whether there was room. */
function divide(job: usize, low: f64, high: f64): boolean {
  const first = Math.max(loadDouble(job + FROM), low === -Infinity ? low : ceilToFloat32(low));
  const last = Math.min(loadDouble(job + TO), high > 3.5e38 ? high : nextDown(ceilToFloat32(high)));
  if (!(first <= last)) return true;
  const count = loadWord(job + COUNT);
  if (count >= loadWord(job + ROOM)) return false;
  const out = segment(job, count);
  // What is far wider than the last that did is not tried: it would hardly do.
  const width = high - low;
  const lastWidth = loadDouble(job + LAST_WIDTH);
  if (width <= 4 * lastWidth) {
    if (fitSegment(job, first, last, out)) {
      storeSingle(out + START, first);
      storeWord(job + COUNT, count + 1);
      storeDouble(job + LAST_WIDTH, width);
      return true;
    }
  } else if (width <= 16 * lastWidth && first < last && loadWord(job + KIND) === TAPE) widen(job, first, last);
  if (first === last) {
    if (width > 4 * lastWidth) {
      storeDouble(job + LAST_WIDTH, width);
      return divide(job, low, high);
    }
    storeDouble(job + STUCK, first);
    return false;
  }
  const middle = 0.5 * low + 0.5 * high;
  return divide(job, low, middle) && divide(job, middle, high);
}

/** Writes the segment for [first, last]; returns false where one polynomial does not keep the error. */
function fitSegment(job: usize, first: f64, last: f64, out: usize): boolean {
  const kind = loadWord(job + KIND);
  if (kind === LINEAR) return linearSegment(job, first, last, out);
  if (kind === INFINITE) return saturatedSegment(loadDouble(job + SLOPE) < 0, out);
  if (first === last && loadDouble(job + WRAPPED) === 0) return fitPoint(job, first, out);
  const centre = centreOf(first, last);
  const radius = reachOf(job, first, last, centre);
  const scale = scaleOf(radius);
  const reach = radius / scale;
  const utmost = isUtmost(job, first, last);
  let tail: f64 = 0;
  if (utmost || !inherit(job, centre, scale, reach)) {
    const isPart = isWithin(job, centre, radius);
    tail = series(job, centre, scale, reach, false);
    if (tail === Infinity) return false;
    if (!isPart || !hasRoot(job, reach)) bequeath(job, centre, scale, reach, tail);
  }
  const a = job + TAYLOR;
  let variation = sizeFrom(a, 1, reach) + tail + loadDouble(job + OF_SERIES) + loadDouble(job + OF_VALUE);
  let size = Math.abs(term(a, 0));
  if (size + variation < VANISHING) return zeroSegment(term(a, 0) < 0, out);
  if (size - variation > OVERFLOW) return saturatedSegment(term(a, 0) < 0, out);
  // No sum of coefficients may overflow either.
  if (size + variation > NEAR_OVERFLOW || variation > BINADE_126) return false;
  if (size <= (utmost ? 8 : 2) * variation && size + variation >= SMALL) {
    if (fitAroundRoot(job, first, last, centre, scale, reach, out)) return true;
    if (!utmost) return false;
  }
  // What float64 leaves unknown must not matter, or else two float64 are taken: if all else will do.
  if (
    utmost ||
    loadDouble(job + OF_VALUE) + loadDouble(job + OF_SERIES) > 0.01 * unitInLastPlace(Math.max(size - variation, SMALL))
  ) {
    storeDouble(job + OF_VALUE, 0);
    storeDouble(job + OF_SERIES, 0);
    if (!utmost && !fitAroundValue(job, first, last, centre, scale, reach, tail, variation, out)) return false;
    tail = series(job, centre, scale, reach, true);
    if (tail === Infinity) return false;
    variation = sizeFrom(a, 1, reach) + tail + loadDouble(job + OF_SERIES) + loadDouble(job + OF_VALUE);
    size = Math.abs(term(a, 0));
  }
  return fitAroundValue(job, first, last, centre, scale, reach, tail, variation, out);
}

/**
 * How far from the centre the segment may be asked, a cell's right edge included. What is reduced by a period P has an offset that differs from
 * that of the float32 by which the segment is found: by three roundings of it and two parts of k·P, 3·2⁻²⁴·(|u| + 2⁻¹⁰P) + 1.01·2⁻²⁵P at most.
 */
function reachOf(job: usize, first: f64, last: f64, centre: f64): f64 {
  const edge = last < loadDouble(job + LAST) ? nextUp(last) : last;
  return Math.max(Math.abs(edge - centre), Math.abs(centre - first)) + strayOf(job, first, last);
}

function strayOf(job: usize, first: f64, last: f64): f64 {
  const wrapped = loadDouble(job + WRAPPED);
  return wrapped === 0 ? 0 : UNIT_ROUNDOFF * (4 * Math.max(Math.abs(first), Math.abs(last)) + wrapped);
}

/** Whether a shorter segment is asked for hardly less, because offsets stray: whatever it errs is charged then. */
function isUtmost(job: usize, first: f64, last: f64): boolean {
  return last - first < 0.25 * strayOf(job, first, last);
}

function centreOf(first: f64, last: f64): f64 {
  return Math.min(Math.max(place(0.5 * first + 0.5 * last), first), last);
}

/** A float32 for a centre: none that hardware might take for 0. */
function place(x: f64): f64 {
  return Math.abs(x) < LEAST_NORMAL ? 0 : roundToSingle(x);
}

/** The power of two by which u = (x - centre)/scale is in [-1, 1]. */
function scaleOf(radius: f64): f64 {
  const exponent = exponentOf(radius) + 1;
  return powerOfTwo(exponent < -126 ? -126 : exponent > 126 ? 126 : exponent);
}

/** The series of the job's tape into TAYLOR; its errors into OF_VALUE and OF_SERIES. Returns the bound on its tail. */
function series(job: usize, centre: f64, scale: f64, radius: f64, isSettled: boolean): f64 {
  const tape = <usize>loadWord(job + TAPE_AT);
  const registers = <usize>loadWord(job + REGISTERS);
  const tail = expand(tape, registers, centre, scale, radius, isSettled);
  const last = result(tape, registers);
  for (let n: i32 = 0; n < TERMS; n++) setTerm(job + TAYLOR, n, term(last, n));
  storeDouble(job + OF_VALUE, loadDouble(last + VALUE_ERROR) + U * Math.abs(term(last, 0)));
  storeDouble(job + OF_SERIES, loadDouble(last + SERIES_ERROR));
  return tail;
}

/** Keeps the series in hand for parts of its interval. */
function bequeath(job: usize, centre: f64, scale: f64, reach: f64, tail: f64): void {
  const wider = job + WIDER;
  for (let n: i32 = 0; n < TERMS; n++) setTerm(wider, n, term(job + TAYLOR, n));
  storeDouble(job + WIDER_CENTRE, centre);
  storeDouble(job + WIDER_SCALE, scale);
  storeDouble(job + WIDER_REACH, reach);
  // A term of power m is multiplied and added 2m times at most by `inherit`, with a shift that is rounded once.
  storeDouble(
    job + WIDER_ERROR,
    tail + loadDouble(job + OF_VALUE) + loadDouble(job + OF_SERIES) + 40 * U * sizeFrom(wider, 1, reach),
  );
}

/** Makes a series for an interval that is divided without a trial. */
function widen(job: usize, first: f64, last: f64): void {
  const centre = centreOf(first, last);
  const radius = reachOf(job, first, last, centre);
  if (isWithin(job, centre, radius)) return;
  const scale = scaleOf(radius);
  const tail = series(job, centre, scale, radius / scale, false);
  if (tail < Infinity) bequeath(job, centre, scale, radius / scale, tail);
}

function isWithin(job: usize, centre: f64, radius: f64): boolean {
  const scale = loadDouble(job + WIDER_SCALE);
  return Math.abs(centre - loadDouble(job + WIDER_CENTRE)) + radius <= loadDouble(job + WIDER_REACH) * scale;
}

/**
 * The series of a part of an interval from that of the whole, by Taylor's shift (repeated synthetic division): with many segments an interval
 * it takes the place of most expansions. What the whole's series errs, it errs. Returns false if there is none, if that errs too much here, or
 * where a root is to be found.
 */
function inherit(job: usize, centre: f64, scale: f64, reach: f64): boolean {
  if (!isWithin(job, centre, reach * scale)) return false;
  const wider = job + WIDER;
  const a = job + TAYLOR;
  const unit = loadDouble(job + WIDER_SCALE);
  const shift = (centre - loadDouble(job + WIDER_CENTRE)) / unit;
  for (let n: i32 = 0; n < TERMS; n++) setTerm(a, n, term(wider, n));
  for (let k: i32 = 0; k < TERMS - 1; k++) {
    let above = term(a, TERMS - 1);
    for (let n = TERMS - 2; n >= k; n--) {
      above = term(a, n) + shift * above;
      setTerm(a, n, above);
    }
  }
  const ratio = scale / unit;
  let factor: f64 = 1;
  for (let n: i32 = 1; n < TERMS; n++) {
    factor *= ratio;
    setTerm(a, n, term(a, n) * factor);
  }
  const size = Math.abs(term(a, 0));
  const error = loadDouble(job + WIDER_ERROR) + U * size;
  const least = size - sizeFrom(a, 1, reach) - error;
  const most = COARSE * unitInLastPlace(Math.max(least, SMALL));
  // Terms that are nothing here need not be economised.
  const cut = cutTerms(a, reach, most / 1024);
  storeDouble(job + OF_VALUE, error);
  storeDouble(job + OF_SERIES, cut);
  return error <= most && !hasRoot(job, reach);
}

/** Leaves out the highest terms as long as they are at most `share` of anything; returns what they were, Σ|aₙ|rⁿ. */
function cutTerms(a: usize, radius: f64, share: f64): f64 {
  let left: f64 = 0;
  let scale = power(radius, TERMS - 1);
  for (let n = TERMS - 1; n > 4; n--) {
    const size = Math.abs(term(a, n)) * scale;
    if (!(left + size <= share)) break;
    left += size;
    setTerm(a, n, 0);
    scale /= radius;
  }
  return left;
}

/** Whether a root may lie in the interval, or little beyond, of a series whose tail is nothing beside its terms. */
function hasRoot(job: usize, reach: f64): boolean {
  const a = job + TAYLOR;
  const size = Math.abs(term(a, 0));
  const variation = sizeFrom(a, 1, reach);
  return size <= 2.1 * variation && size + variation >= SMALL;
}

/** One float32: only the value counts, and it is the nearest float32 as far as two float64 can tell. */
function fitPoint(job: usize, x: f64, out: usize): boolean {
  if (series(job, x, 1, 0, true) === Infinity) return false;
  const value = term(job + TAYLOR, 0);
  const size = Math.abs(value);
  const error = loadDouble(job + OF_VALUE);
  // One float32 that may be any of several is none.
  if (!(error <= MOST_UNKNOWN * unitInLastPlace(Math.max(size, SMALL)))) return false;
  if (size > OVERFLOW) return saturatedSegment(value < 0, out);
  if (size + error < VANISHING) return zeroSegment(value < 0, out);
  clearRow(out);
  storeSingle(out, x);
  storeSingle(out + 4, value);
  storeSingle(out + 8, ofSingleBits(UNSCALED));
  const unit = unitInLastPlace(size);
  const bound = 0.5 + (error / unit) * 1.0001;
  storeErrors(
    out,
    Math.abs(value - loadSingle(out + 4)) + error,
    size >= LARGE ? bound : 0,
    size >= SMALL && size < LARGE ? bound : 0,
    size < SMALL ? bound * unit : 0,
  );
  return true;
}

/** Σ_{n≥from} |a_n|·rⁿ. */
function sizeFrom(a: usize, from: i32, radius: f64): f64 {
  let sum: f64 = 0;
  for (let n = TERMS - 1; n >= from; n--) sum = sum * radius + Math.abs(term(a, n));
  return sum * power(radius, from);
}

/**
 * Replaces a series by a polynomial of the given degree, close to it on [-radius, radius]; returns a bound on the difference, rounding
 * included. T_n(x)/2^(n-1) = xⁿ - … is at most 2^(1-n): its lower terms stand in for xⁿ, from the highest n down. Coefficient m-2 is
 * coefficient m times -m(m-1)/(4(j+1)(n-j-1)), m = n-2j.
 */
function economise(a: usize, degree: i32, radius: f64): f64 {
  // Each of at most 8 replaced powers rounds each coefficient below once, by a replacement that went through 6·6 roundings at most.
  let error: f64 = 8 * U * Math.abs(term(a, 0)) + 64 * U * sizeFrom(a, 1, radius);
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

/** Coefficient n of a row stands at entry 3 + n, whose error is charged with its power of the radius, divided by the radius. */
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

/** h1's 12 leading bits, and in its 8 last the exponent of 1/scale. */
function storeSlope(out: usize, slope: f64, scale: f64): f64 {
  const leading = singleBits(slope) & LEADING_BITS;
  storeSingle(out + 8, ofSingleBits(leading | (UNSCALED - exponentOf(scale))));
  return ofSingleBits(leading);
}

/** A segment whose value hardly changes: h0 is its leading part, h1 = 0. */
function fitAroundValue(
  job: usize,
  first: f64,
  last: f64,
  centre: f64,
  scale: f64,
  radius: f64,
  tail: f64,
  variation: f64,
  out: usize,
): boolean {
  const a = job + TAYLOR;
  const size = Math.abs(term(a, 0));
  const least = Math.max(size - variation, 0);
  // The grid's quadratics are derived from this polynomial and need most of the error budget for themselves.
  const allowed = isUtmost(job, first, last)
    ? Infinity
    : 0.03 * (size + variation < SMALL ? TINY : unitInLastPlace(least));
  // What u⁵ leaves alone is by far too much.
  if (Math.abs(term(a, 5)) * power(radius, 5) > 32 * allowed) return false;
  let slack = tail + loadDouble(job + OF_VALUE) + loadDouble(job + OF_SERIES) + economise(a, 4, radius);
  const value = term(a, 0);
  storeSingle(out, centre);
  storeSingle(out + 4, value);
  storeSlope(out, 0, scale);
  const rest = value - loadSingle(out + 4);
  storeSingle(out + 12, coefficient(rest));
  slack += Math.abs(rest - loadSingle(out + 12)) + radius * storeTail(a, 1, out, radius);
  if (slack > allowed) return false;
  const product = radius * horner(job, out, radius);
  let error = radius * loadDouble(job + HORNER_ERROR) + UNIT_ROUNDOFF * (2 * product + Math.abs(rest));
  // u is off by so much of itself, and what follows from it by |u·p′|.
  if (loadDouble(job + WRAPPED) !== 0) error += WRAPPED_ROUNDINGS * UNIT_ROUNDOFF * slopeSize(out, radius);
  else if (!isOffsetExact(first, last, centre)) error += UNIT_ROUNDOFF * slopeSize(out, radius);
  setError(job, slack + error, 0, 0, 1, 0);
  return judge(job, first, last, least, size + variation, slack, out);
}

/** Of an offset that is reduced by a period, if its low part is not looked at. */
const WRAPPED_ROUNDINGS: f64 = 4;

/** A bound on |u·p′(u)| for the polynomial of entries 4 to 7. */
function slopeSize(row: usize, radius: f64): f64 {
  let sum: f64 = 0;
  let scale = radius;
  for (let n: i32 = 1; n <= 4; n++) {
    sum += n * Math.abs(loadSingle(row + 12 + ((<usize>n) << 2))) * scale;
    scale *= radius;
  }
  return sum;
}

/** A segment centred on a root: h0 = 0 and h1 is the leading part of the slope, so that no digit of a small result is lost. */
function fitAroundRoot(job: usize, first: f64, last: f64, middle: f64, unit: f64, reach: f64, out: usize): boolean {
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
    if (!(Math.abs(root) <= 16 * reach)) return false;
  }
  const centre = place(middle + root * unit);
  const distance = reachOf(job, first, last, centre);
  const scale = scaleOf(distance);
  const radius = distance / scale;
  // In float64 first, as if that knew the value: two float64 are for those that will do.
  return (
    fitLine(job, first, last, centre, scale, radius, false, out) &&
    fitLine(job, first, last, centre, scale, radius, true, out)
  );
}

function fitLine(
  job: usize,
  first: f64,
  last: f64,
  centre: f64,
  scale: f64,
  radius: f64,
  isSettled: boolean,
  out: usize,
): boolean {
  const a = job + TAYLOR;
  const tail = series(job, centre, scale, radius, isSettled);
  if (tail === Infinity) return false;
  const value = Math.abs(term(a, 0)) < VANISHING ? 0 : term(a, 0);
  const valueError = isSettled ? loadDouble(job + OF_VALUE) + Math.abs(term(a, 0) - value) : 0;
  const slope = Math.abs(term(a, 1));
  const seriesError = (loadDouble(job + OF_SERIES) + tail) / radius;
  const bend = sizeFrom(a, 2, radius) / radius + seriesError;
  if (!(slope - bend > 0.5 * slope) || slope < VANISHING) return false;
  // (f(u) - f(0))/u is economised, so that the error vanishes with u.
  const shifted = job + SHIFTED;
  for (let n: i32 = 1; n < TERMS; n++) setTerm(shifted, n - 1, term(a, n));
  setTerm(shifted, TERMS - 1, 0);
  let slack = seriesError + economise(shifted, 3, radius);
  const lead = term(shifted, 0);
  storeSingle(out, centre);
  storeSingle(out + 4, 0);
  const leading = storeSlope(out, lead, scale);
  storeSingle(out + 12, coefficient(value));
  storeSingle(out + 16, coefficient(lead - leading));
  slack += Math.abs(lead - leading - loadSingle(out + 16));
  // shifted[n-1] is the coefficient of uⁿ.
  slack += storeTail(shifted - 8, 2, out, radius);
  const size = horner(job, out, radius);
  const low = Math.abs(leading) / 2048;
  let relative = slack + loadDouble(job + HORNER_ERROR) + UNIT_ROUNDOFF * (3 * size + low);
  const lean = slopeSize(out, radius) / radius;
  if (loadDouble(job + WRAPPED) !== 0) {
    // h1 takes the offset with its low part, known to 2⁻⁴⁴ of it, and rounds once more. The sum of h0, what f is at the centre, and h1·u is
    // kept whole, so that only what h0 leaves, and the roundings at an offset of 0 from the root itself, do not vanish there.
    storeSingle(out + 4, value);
    storeSingle(out + 12, coefficient(value - loadSingle(out + 4)));
    const left = Math.abs(loadSingle(out + 12));
    relative += UNIT_ROUNDOFF * (WRAPPED_ROUNDINGS * lean + 2 * low + Math.abs(leading) / 1048576);
    const away = (Math.abs(value) + valueError) / (slope - bend);
    const still =
      Math.abs(value - loadSingle(out + 4) - loadSingle(out + 12)) +
      3 * UNIT_ROUNDOFF * left +
      valueError +
      relative * away;
    setError(job, still, relative, 0, slope - bend, radius + away);
    const largest = Math.abs(value) + valueError + (slope + bend) * radius;
    return judge(job, first, last, 0, largest, slack * radius + still, out);
  }
  if (!isOffsetExact(first, last, centre)) relative += UNIT_ROUNDOFF * (Math.abs(leading) + lean);
  const constant = Math.abs(value);
  const fixed = 2 * UNIT_ROUNDOFF * constant + Math.abs(value - loadSingle(out + 12)) + valueError;
  setError(job, fixed, relative, constant + valueError, slope - bend, radius);
  return judge(job, first, last, 0, constant + valueError + (slope + bend) * radius, slack * radius + fixed, out);
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

/** Checks a row with results of magnitude `least` to `most` against what a table promises, and fills in its bounds. */
function judge(job: usize, first: f64, last: f64, least: f64, most: f64, slack: f64, out: usize): boolean {
  for (let n: usize = 0; n < 32; n += 4) {
    if (!(Math.abs(loadSingle(out + n)) < Infinity)) return false;
  }
  const largest = Math.max(least, LARGE);
  const smallest = Math.max(least, SMALL);
  const top = Math.min(most, SMALL);
  const large = errorAt(job, largest) / unitInLastPlace(largest);
  const small = errorAt(job, smallest) / unitInLastPlace(smallest);
  const tiny = errorAt(job, top);
  const isLarge = most >= LARGE;
  const isSmall = most >= SMALL && least < LARGE;
  const isTiny = least < SMALL;
  // Where it costs little, 1 ULP is kept for small results too.
  const smallTarget = last - first > 1.0 / 512.0 ? 0.48 : 1.45;
  // What the period's own rounding moves comes on top.
  const tinyTarget = loadDouble(job + WRAPPED) === 0 ? 0.48 : 0.4;
  const isEnough =
    !(isLarge && !(large <= 0.48)) &&
    !(isSmall && !(small <= smallTarget)) &&
    !(isTiny && !(tiny <= tinyTarget * TINY));
  if (!isEnough && !isUtmost(job, first, last)) return false;
  storeErrors(
    out,
    slack,
    isLarge ? 0.5 + large : 0,
    isSmall ? 0.5 + small : 0,
    isTiny ? 0.5 * unitInLastPlace(top) + tiny : 0,
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

function clearRow(out: usize): void {
  for (let n: usize = 0; n < 32; n += 4) storeSingle(out + n, 0);
}

function zeroSegment(isNegative: boolean, out: usize): boolean {
  clearRow(out);
  storeSingle(out + 8, ofSingleBits(UNSCALED));
  if (isNegative) {
    storeSingle(out + 4, -0.0);
    storeSingle(out + 12, -0.0);
  }
  storeErrors(out, VANISHING, 0, 0, VANISHING);
  return true;
}

/** ±Infinity is the nearest float32 throughout. */
function saturatedSegment(isNegative: boolean, out: usize): boolean {
  clearRow(out);
  storeSingle(out + 4, isNegative ? -1 : 1);
  storeSingle(out + 8, ofSingleBits(SATURATED));
  storeErrors(out, VANISHING, 0, 0, 0);
  return true;
}

/** (h1·leading) is exact; the rest is rounded thrice, and is at most |intercept| + 2⁻¹¹·|slope·x|. */
function linearSegment(job: usize, first: f64, last: f64, out: usize): boolean {
  const slope = loadDouble(job + SLOPE);
  const intercept = loadDouble(job + INTERCEPT);
  const rest = loadDouble(job + REST);
  if (slope === 0) return constantSegment(intercept + loadDouble(job + INTERCEPT + 8), rest, first + last < 0, out);
  clearRow(out);
  storeSingle(out + 4, -0.0);
  const leading = storeSlope(out, slope, 1);
  storeSingle(out + 12, intercept === 0 ? -0.0 : intercept);
  storeSingle(out + 16, slope - leading);
  // Shares of |slope·x|; the intercept is at most a sixteenth of it, so y is at least 15/16 of it. Errors of the stored numbers count too.
  const share = intercept === 0 ? 0 : 1.0 / 16.0;
  const wrong =
    (Math.abs(slope - leading - loadSingle(out + 16)) + Math.abs(loadDouble(job + SLOPE + 8)) + U * Math.abs(slope)) /
    Math.abs(slope);
  const shifted = intercept === 0 ? 0 : share * UNIT_ROUNDOFF * 2;
  const isExact = slope === leading && intercept === 0;
  const rounded = isExact ? 0 : UNIT_ROUNDOFF * (3 * share + 3.0 / 2048.0);
  // A ULP is at least 2⁻²⁴ of y.
  const error = ((rounded + wrong + shifted + rest) * 16777216 * 1.0001) / (1 - share - rest);
  const bound = 0.5 + error;
  const nearest = first > 0 || last < 0 ? Math.min(Math.abs(first), Math.abs(last)) : 0;
  const farthest = Math.max(Math.abs(first), Math.abs(last));
  const least = (Math.abs(slope) * nearest - Math.abs(intercept)) * (1 - rest - 4 * U);
  const most = (Math.abs(slope) * farthest + Math.abs(intercept)) * (1 + rest + 4 * U);
  if (most > NEAR_OVERFLOW && !(isExact && most < 3.4028234663852886e38 * 1.0000001)) {
    if (first === last) {
      // One float32 of a line that leaves the range.
      const value = slope * first + intercept;
      if (Math.abs(value) > OVERFLOW) return saturatedSegment(value < 0, out);
      clearRow(out);
      storeSingle(out, first);
      storeSingle(out + 4, value);
      storeSingle(out + 8, ofSingleBits(UNSCALED));
      storeErrors(out, VANISHING, 0.5 + 1e-6 + rest * 16777216, 0, 0);
      return true;
    }
    if (least > OVERFLOW * 1.0000001) return saturatedSegment(slope * (first + last) < 0, out);
    return false;
  }
  if (!(bound <= 0.999) && first < last && rest > 0) return false;
  // Grid cells reach to ±16 at most.
  const slack = Math.abs(intercept - loadSingle(out + 12)) + 16.5 * Math.abs(slope) * (wrong + rest);
  storeErrors(
    out,
    slack,
    most >= LARGE ? bound : 0,
    least < LARGE && most >= SMALL ? bound : 0,
    least < SMALL ? bound * TINY : 0,
  );
  return true;
}

function constantSegment(value: f64, rest: f64, isLeft: boolean, out: usize): boolean {
  if (value === 0) {
    zeroSegment(isLeft, out);
    storeErrors(out, Math.max(rest, VANISHING), 0, 0, Math.max(rest, VANISHING));
    return rest < TINY;
  }
  clearRow(out);
  storeSingle(out + 4, value);
  storeSingle(out + 8, ofSingleBits(UNSCALED));
  const size = Math.abs(value);
  const off = Math.abs(value - loadSingle(out + 4));
  storeSingle(out + 12, coefficient(value - loadSingle(out + 4)));
  const error = rest + U * size + TINY * UNIT_ROUNDOFF;
  const unit = unitInLastPlace(size);
  const bound = 0.5 + (error / unit) * 1.0001;
  storeErrors(
    out,
    error + Math.min(off, UNIT_ROUNDOFF * size * UNIT_ROUNDOFF),
    size >= LARGE ? bound : 0,
    size >= SMALL && size < LARGE ? bound : 0,
    size < SMALL ? bound * unit : 0,
  );
  return true;
}
