import {
  addWord,
  andWord,
  anyLane,
  appendLanes,
  atLeast,
  column0,
  column1,
  column2,
  column3,
  countIfAny,
  eitherMask,
  every,
  everyWord,
  fillLanes,
  gather,
  gatherWord,
  isNaNLane,
  Lanes,
  larger,
  loadLanes,
  loadWord,
  loadWords,
  Mask,
  minus,
  ofBits,
  pick,
  pickWord,
  plus,
  row0,
  row1,
  row2,
  row3,
  STRIDE,
  scatter,
  shiftLeft,
  smaller,
  storeLanes,
  storeWord,
  times,
  toBits,
  Words,
  wordAbove,
} from '#lanes';
import { segmentOf } from './search';

/**
 * Evaluates a compiled plan: y = f(x) for a tensor, where f is any function of one variable that a table describes.
 *
 * Almost every x falls into a cell of a uniform grid, whose quadratic is found without a search. Cells that hold a knot,
 * a root or a steep stretch are marked by a NaN; for them the segment that holds x is found by a short bisection.
 * The layout of the table is written by `src/plan/image.ts`; the numbers here and there must agree.
 */

/** Header of the table, in bytes: slots of 16, each value four times, so that one load fills all lanes. */
const LOWEST: usize = 0;
const HIGHEST: usize = 16;
const INVERSE_WIDTH: usize = 32;
const MAGIC: usize = 48;
const WIDTH: usize = 64;
const ADDRESS_BITS: usize = 80;
const HALF: usize = 96;
const BOUNDS: usize = 112;
const SEGMENTS: usize = 128;
const AT_ZERO: usize = 144;
const SLOPE_BELOW_ZERO: usize = 160;
const SLOPE_ABOVE_ZERO: usize = 176;
const LIMIT_LOW: usize = 192;
const LIMIT_HIGH: usize = 208;

const LARGEST_FLOAT: f32 = 3.4028234663852886e38;
/** Bit patterns: 2⁻⁶⁰, below which x is "tiny"; infinity; the canonical NaN; the smallest normal number. */
const TINY_BITS: i32 = 0x21800000;
const INFINITY_BITS: i32 = 0x7f800000;
const NAN_BITS: i32 = 0x7fc00000;
const NORMAL_BITS: i32 = 0x00800000;
const MAGNITUDE: i32 = 0x7fffffff;
const SIGN: i32 = -0x80000000;
/** Keeps the 12 leading significant bits, so that a product with another 12-bit number is exact. */
const LEADING_BITS: i32 = -0x1000;

/**
 * y = f(x) for `count` floats. Vectors with unfinished lanes are listed first and completed afterwards: a branch in the
 * main loop would be mispredicted once for each of them. y must not overlap x; `list` has room for 2·count + 4 words.
 */
export function activate(table: usize, x: usize, y: usize, count: usize, list: usize): void {
  const lowest = loadLanes(table + LOWEST);
  const highest = loadLanes(table + HIGHEST);
  const inverseWidth = loadLanes(table + INVERSE_WIDTH);
  const magic = loadLanes(table + MAGIC);
  const width = loadLanes(table + WIDTH);
  const addressBits = loadWords(table + ADDRESS_BITS);
  const bytes = count << 2;
  let listed = list;
  for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
    const v = loadLanes(x + offset);
    const t = cellOf(v, lowest, highest, inverseWidth, magic);
    const at = andWord(shiftLeft(toBits(t), 4), addressBits);
    const result = cellValue(at, minus(v, times(minus(t, magic), width)));
    storeLanes(y + offset, result);
    storeWord(listed, <i32>offset);
    listed += countIfAny(isNaNLane(result)) << 2;
  }
  // Few lanes of those vectors are unfinished: they are collected, so that the search works on full vectors.
  const lanes = list + bytes;
  let end = lanes;
  for (; list < listed; list += 4) {
    const offset = loadWord(list);
    end = appendLanes(isNaNLane(loadLanes(y + <usize>offset)), offset, end);
  }
  if (end > lanes) fillLanes(loadWord(lanes), end);
  for (let at = lanes; at < end; at += STRIDE) {
    const offsets = loadWords(at);
    const v = gather(addWord(offsets, everyWord(<i32>x)));
    const t = cellOf(v, lowest, highest, inverseWidth, magic);
    const cell = andWord(shiftLeft(toBits(t), 4), addressBits);
    scatter(addWord(offsets, everyWord(<i32>y)), activateBySearch(table, v, cell));
  }
}

/** The same for one vector, whatever it holds: what a GPU runs for every element. */
export function activateLanes(table: usize, x: Lanes): Lanes {
  const magic = loadLanes(table + MAGIC);
  const t = cellOf(x, loadLanes(table + LOWEST), loadLanes(table + HIGHEST), loadLanes(table + INVERSE_WIDTH), magic);
  const cell = andWord(shiftLeft(toBits(t), 4), loadWords(table + ADDRESS_BITS));
  const y = cellValue(cell, minus(x, times(minus(t, magic), loadLanes(table + WIDTH))));
  if (anyLane(eitherMask(isNaNLane(y), isNaNLane(x)))) return activateBySearch(table, x, cell);
  return y;
}

/** The cell that holds x: adding 2²³ + k rounds to an integer and leaves it, an address / 16, in the low bits. */
export function cellOf(x: Lanes, lowest: Lanes, highest: Lanes, inverseWidth: Lanes, magic: Lanes): Lanes {
  return plus(times(smaller(highest, larger(lowest, x)), inverseWidth), magic);
}

/** A cell's quadratic at u from its centre; NaN if the cell is not in use. */
export function cellValue(cell: Words, u: Lanes): Lanes {
  const a = row0(cell, 0);
  const b = row1(cell, 0);
  const c = row2(cell, 0);
  const d = row3(cell, 0);
  const tail = plus(column1(a, b, c, d), times(u, plus(column2(a, b, c, d), times(u, column3(a, b, c, d)))));
  return plus(column0(a, b, c, d), tail);
}

/** The function where the grid has no answer: by the segment, found by bisection, and the cases that no polynomial covers. */
export function activateBySearch(table: usize, x: Lanes, cell: Words): Lanes {
  const largest = every(LARGEST_FLOAT);
  const v = smaller(largest, larger(every(-LARGEST_FLOAT), x));
  // A cell that is not in use holds, in place of coefficients, where the search starts and its first step.
  const isOutside = eitherMask(atLeast(loadLanes(table + LOWEST), v), atLeast(v, loadLanes(table + HIGHEST)));
  const start = pickWord(isOutside, everyWord(0), gatherWord(addWord(cell, everyWord(4))));
  const half = pickWord(isOutside, loadWords(table + HALF), gatherWord(addWord(cell, everyWord(8))));
  const index = segmentOf(v, start, half, loadWord(table + BOUNDS));
  const at = addWord(shiftLeft(index, 5), loadWords(table + SEGMENTS));
  const y = segmentPolynomial(v, at);
  if (anyLane(isSpecial(x))) return special(table, x, y);
  // Here too: else a subnormal result would hang on whether a neighbour is special.
  return flushToZero(y);
}

/**
 * One segment: {centre, h0, h1, c0, c1, c2, c3, c4}, y = (h0 + h1·u) + (c0 + c1·u + … + c4·u⁴) with u = x - centre.
 * Either h1 = 0 and h0 is the leading part of the value, or the segment is centred on a root, h0 = 0 and h1 holds the 12
 * leading bits of the slope: then h1·(leading bits of u) is exact, and no digit of a small result is lost.
 */
export function segmentPolynomial(x: Lanes, at: Words): Lanes {
  const a = row0(at, 0);
  const b = row1(at, 0);
  const c = row2(at, 0);
  const d = row3(at, 0);
  const e = row0(at, 16);
  const f = row1(at, 16);
  const g = row2(at, 16);
  const h = row3(at, 16);
  const u = minus(x, column0(a, b, c, d));
  const leading = ofBits(andWord(toBits(u), everyWord(LEADING_BITS)));
  const slope = column2(a, b, c, d);
  let tail = plus(column2(e, f, g, h), times(u, column3(e, f, g, h)));
  tail = plus(column1(e, f, g, h), times(u, tail));
  tail = plus(column0(e, f, g, h), times(u, tail));
  tail = plus(column3(a, b, c, d), times(u, tail));
  // (leading - u) rather than (u - leading): an exact zero then has the sign that lets -0 pass through.
  tail = minus(tail, times(slope, minus(leading, u)));
  return plus(plus(column1(a, b, c, d), times(slope, leading)), tail);
}

/** Whether |x| is below 2⁻⁶⁰, infinite or NaN. */
export function isSpecial(x: Lanes): Mask {
  const magnitude = andWord(toBits(x), everyWord(MAGNITUDE));
  return eitherMask(wordAbove(everyWord(TINY_BITS), magnitude), wordAbove(magnitude, everyWord(INFINITY_BITS - 1)));
}

/** NaN, infinities, tiny and subnormal inputs, subnormal results: decided on the bits (design §3.2). */
export function special(table: usize, x: Lanes, y: Lanes): Lanes {
  const bits = toBits(x);
  const magnitude = andWord(bits, everyWord(MAGNITUDE));
  const isNegative = wordAbove(everyWord(0), bits);
  const isTiny = wordAbove(everyWord(TINY_BITS), magnitude);
  const isSubnormal = wordAbove(everyWord(NORMAL_BITS), magnitude);
  const flushed = ofBits(pickWord(isSubnormal, andWord(bits, everyWord(SIGN)), bits));
  const slope = pick(isNegative, loadLanes(table + SLOPE_BELOW_ZERO), loadLanes(table + SLOPE_ABOVE_ZERO));
  // Adding -0 changes nothing, not even the sign of a zero.
  const nearZero = plus(loadLanes(table + AT_ZERO), times(slope, flushed));
  const limit = pick(isNegative, loadLanes(table + LIMIT_LOW), loadLanes(table + LIMIT_HIGH));
  const finite: Mask = wordAbove(everyWord(INFINITY_BITS), magnitude);
  const number: Mask = wordAbove(everyWord(INFINITY_BITS + 1), magnitude);
  const regular = flushToZero(pick(isTiny, nearZero, y));
  return pick(finite, regular, pick(number, limit, ofBits(everyWord(NAN_BITS))));
}

/**
 * Subnormal results become zero of the same sign, and with them 2⁻¹²⁶ itself: a product just below it rounds up to it on a CPU, but
 * hardware that flushes decides before it rounds.
 */
export function flushToZero(y: Lanes): Lanes {
  const bits = toBits(y);
  const isSmall = wordAbove(everyWord(NORMAL_BITS + 1), andWord(bits, everyWord(MAGNITUDE)));
  return ofBits(pickWord(isSmall, andWord(bits, everyWord(SIGN)), bits));
}
