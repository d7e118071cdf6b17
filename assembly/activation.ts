import {
  addWord,
  andWord,
  anyLane,
  appendIfAny,
  appendLanes,
  atLeast,
  column0,
  column1,
  column2,
  column3,
  eitherMask,
  every,
  everyWord,
  fillLanes,
  gather,
  gatherWord,
  IS_VECTOR,
  integerBits,
  isNaNLane,
  keptRow0,
  keptRow1,
  keptRow2,
  keptRow3,
  Lanes,
  larger,
  loadLanes,
  loadWord,
  loadWords,
  Mask,
  minus,
  minusExactly,
  ofBits,
  orWord,
  pick,
  pickWord,
  plus,
  Row,
  row0,
  row1,
  row2,
  row3,
  STRIDE,
  scatter,
  shiftLeft,
  smaller,
  storeLanes,
  storeWords,
  times,
  timesExactly,
  toBits,
  Words,
  wordAbove,
  wordColumn2,
  wordEquals,
} from '#lanes';
import {
  ADDRESS_BITS,
  AT_ZERO,
  BOUNDS,
  CELL_WIDTH,
  HALF,
  HIGHEST,
  INVERSE_PERIOD,
  INVERSE_WIDTH,
  LIMIT_HIGH,
  LIMIT_LOW,
  LOWEST,
  MAGIC,
  MIDDLE,
  PERIOD,
  PERIODIC_BOUNDS,
  PERIODIC_FROM,
  PERIODIC_HALF,
  PERIODIC_ROWS,
  PERIODIC_TO,
  ROW_SHIFT,
  ROWS,
  SATURATED,
  SCALE_BITS,
  SLOPE_ABOVE_ZERO,
  SLOPE_BELOW_ZERO,
  TREND,
  TREND_LOW,
} from './layout';
import { segmentOf } from './search';

/**
 * Evaluates a compiled plan: y = f(x) for a tensor, where f is any function of one variable that a table describes.
 *
 * Almost every x falls into a cell of a uniform grid, whose quadratic is found without a search. Cells that hold a knot,
 * a root or a steep stretch are marked by a NaN; for them the segment that holds x is found by a short bisection.
 * `src/plan/image.ts` writes the table.
 */

/**
 * So many bytes at a time the cells are found before any is read: their addresses, kept where the results will be, are then loaded one by one, which
 * costs less than taking them out of a vector.
 */
export const BLOCK: usize = 1024;

const LARGEST_FLOAT: f32 = 3.4028234663852886e38;
/** Bit patterns: 2⁻⁶⁰, below which x is "tiny"; infinity; the canonical NaN; the smallest normal number. */
const TINY_BITS: i32 = 0x21800000;
const INFINITY_BITS: i32 = 0x7f800000;
const NAN_BITS: i32 = 0x7fc00000;
const NORMAL_BITS: i32 = 0x00800000;
/** What a NaN holds beside being one. */
const PAYLOAD: i32 = 0x3fffff;
/** 2⁻⁹⁰. */
const SMALL_BITS: i32 = 0x12800000;
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
  const width = loadLanes(table + CELL_WIDTH);
  const addressBits = loadWords(table + ADDRESS_BITS);
  const bytes = count << 2;
  let listed = list;
  for (let from: usize = 0; from < bytes; from += BLOCK) {
    const to = from + BLOCK < bytes ? from + BLOCK : bytes;
    if (IS_VECTOR) {
      for (let offset = from; offset < to; offset += STRIDE) {
        const t = cellOf(loadLanes(x + offset), lowest, highest, inverseWidth, magic);
        storeWords(y + offset, andWord(shiftLeft(integerBits(t), 4), addressBits));
      }
    }
    for (let offset = from; offset < to; offset += STRIDE) {
      const v = loadLanes(x + offset);
      const t = cellOf(v, lowest, highest, inverseWidth, magic);
      const cell = andWord(shiftLeft(integerBits(t), 4), addressBits);
      const u = offsetIn(v, t, magic, width);
      const kept = y + offset;
      const a = keptRow0(kept, cell, 0);
      const b = keptRow1(kept, cell, 0);
      const c = keptRow2(kept, cell, 0);
      const d = keptRow3(kept, cell, 0);
      const result = quadratic(a, b, c, d, u);
      storeLanes(y + offset, result);
      listed = appendIfAny(isNaNLane(result), <i32>offset, listed);
    }
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
    const cell = andWord(shiftLeft(integerBits(t), 4), addressBits);
    scatter(addWord(offsets, everyWord(<i32>y)), activateBySearch(table, v, cell));
  }
}

/** The same for one vector, whatever it holds: what a GPU runs for every element. */
export function activateLanes(table: usize, x: Lanes): Lanes {
  const magic = loadLanes(table + MAGIC);
  const t = cellOf(x, loadLanes(table + LOWEST), loadLanes(table + HIGHEST), loadLanes(table + INVERSE_WIDTH), magic);
  const cell = andWord(shiftLeft(integerBits(t), 4), loadWords(table + ADDRESS_BITS));
  const y = cellValue(cell, offsetIn(x, t, magic, loadLanes(table + CELL_WIDTH)));
  if (anyLane(eitherMask(isNaNLane(y), isNaNLane(x)))) return activateBySearch(table, x, cell);
  return y;
}

/** The cell that holds x: adding 2²³ + k rounds to an integer and leaves it, an address / 16, in the low bits. */
export function cellOf(x: Lanes, lowest: Lanes, highest: Lanes, inverseWidth: Lanes, magic: Lanes): Lanes {
  return plus(timesExactly(smaller(highest, larger(lowest, x)), inverseWidth), magic);
}

/** x less its cell's centre, an integer of widths: the nearest, so that nothing is rounded. */
export function offsetIn(x: Lanes, t: Lanes, magic: Lanes, width: Lanes): Lanes {
  return minusExactly(x, timesExactly(minusExactly(t, magic), width));
}

/** A cell's quadratic at u from its centre; NaN if the cell is not in use. */
export function cellValue(cell: Words, u: Lanes): Lanes {
  return quadratic(row0(cell, 0), row1(cell, 0), row2(cell, 0), row3(cell, 0), u);
}

/** A row's quadratic. */
export function quadratic(a: Row, b: Row, c: Row, d: Row, u: Lanes): Lanes {
  return plus(
    column0(a, b, c, d),
    plus(column1(a, b, c, d), times(u, plus(column2(a, b, c, d), times(u, column3(a, b, c, d))))),
  );
}

/** The function where the grid has no answer: by the segment, found by bisection, and the cases that no polynomial covers. */
export function activateBySearch(table: usize, x: Lanes, cell: Words): Lanes {
  const largest = every(LARGEST_FLOAT);
  const v = smaller(largest, larger(every(-LARGEST_FLOAT), withoutSubnormal(x)));
  // A cell that is not in use holds, in place of coefficients, NaN with where the search starts and its first step.
  const isOutside = eitherMask(atLeast(loadLanes(table + LOWEST), v), atLeast(v, loadLanes(table + HIGHEST)));
  const payload = everyWord(PAYLOAD);
  const start = pickWord(isOutside, everyWord(0), andWord(gatherWord(addWord(cell, everyWord(4))), payload));
  const half = pickWord(isOutside, loadWords(table + HALF), andWord(gatherWord(addWord(cell, everyWord(8))), payload));
  const index = segmentOf(v, start, half, loadWord(table + BOUNDS));
  const at = addWord(shiftLeft(index, ROW_SHIFT), loadWords(table + ROWS));
  let y = segmentPolynomial(v, at);
  const isFar = atLeast(ofBits(andWord(toBits(v), everyWord(MAGNITUDE))), loadLanes(table + PERIODIC_FROM));
  if (anyLane(isFar)) y = pick(isFar, periodic(table, v), y);
  if (anyLane(isSpecial(x))) return special(table, x, y);
  // Here too: else a subnormal result would hang on whether a neighbour is special.
  return flushToZero(y);
}

/** Subnormal numbers count as zero of the same sign, in every comparison too. */
export function withoutSubnormal(x: Lanes): Lanes {
  const bits = toBits(x);
  const isSubnormal = wordAbove(everyWord(NORMAL_BITS), andWord(bits, everyWord(MAGNITUDE)));
  return ofBits(pickWord(isSubnormal, andWord(bits, everyWord(SIGN)), bits));
}

/**
 * A trend and a periodic part at x = k·P + u, |k| ≤ 2¹⁶ (Cody and Waite, Software Manual for the Elementary Functions, 1980). P comes in seven
 * parts of 7 bits and the rest, so products with k are exact. So are the first three differences: at each, what is left has at most 24 bits. The
 * next three leave a high part and errors whose sum is exact too; those, and what the last two parts take away, are added to the offset from a
 * segment's centre, and what that rounds off is kept: near a root no digit is lost (docs/numerics.md, "Periodic functions").
 */
function periodic(table: usize, x: Lanes): Lanes {
  const size = ofBits(andWord(toBits(x), everyWord(MAGNITUDE)));
  const isKnown = atLeast(loadLanes(table + PERIODIC_TO), size);
  const v = pick(isKnown, x, every(0));
  const shift = every(12582912);
  const k = minus(plus(times(v, loadLanes(table + INVERSE_PERIOD)), shift), shift);
  const u1 = minus(v, times(k, loadLanes(table + PERIOD)));
  const u2 = minus(u1, times(k, loadLanes(table + PERIOD + 16)));
  const u3 = minus(u2, times(k, loadLanes(table + PERIOD + 32)));
  const p4 = times(k, loadLanes(table + PERIOD + 48));
  const p5 = times(k, loadLanes(table + PERIOD + 64));
  const p6 = times(k, loadLanes(table + PERIOD + 80));
  const p7 = times(k, loadLanes(table + PERIOD + 96));
  const p8 = times(k, loadLanes(table + PERIOD + 112));
  const u4 = minus(u3, p4);
  const u5 = minus(u4, p5);
  const u6 = minus(u5, p6);
  const lost = plus(plus(lostIn(u3, p4, u4), lostIn(u4, p5, u5)), lostIn(u5, p6, u6));
  const index = segmentOf(u6, everyWord(0), loadWords(table + PERIODIC_HALF), loadWord(table + PERIODIC_BOUNDS));
  const at = addWord(shiftLeft(index, ROW_SHIFT), loadWords(table + PERIODIC_ROWS));
  const centre = gather(at);
  const offset = minus(u6, centre);
  const gone = minus(every(0), lost);
  const v1 = minus(offset, gone);
  const v2 = minus(v1, p7);
  const v3 = minus(v2, p8);
  const low = plus(
    plus(lostIn(u6, centre, offset), lostIn(offset, gone, v1)),
    plus(lostIn(v1, p7, v2), lostIn(v2, p8, v3)),
  );
  const part = pick(isKnown, wrappedPolynomial(v3, low, at), loadLanes(table + MIDDLE));
  // The trend as a linear segment has it: the product of the leading parts is exact.
  const leading = ofBits(andWord(toBits(x), everyWord(LEADING_BITS)));
  const slope = loadLanes(table + TREND);
  const trend = plus(times(slope, minus(x, leading)), times(loadLanes(table + TREND_LOW), x));
  return plus(times(slope, leading), plus(trend, part));
}

/** What rounding took from a - b = s (Knuth). */
function lostIn(a: Lanes, b: Lanes, s: Lanes): Lanes {
  const taken = minus(a, s);
  return plus(minus(a, plus(s, taken)), minus(taken, b));
}

/**
 * One segment: {centre, h0, h1, c0, c1, c2, c3, c4}, y = (h0 + h1·u) + (c0 + c1·u + … + c4·u⁴) with u = (x - centre)/scale, a power of two
 * whose inverse stands in the last bits of h1. Either h1 = 0 and h0 is the leading part of the value, or the segment is centred on a root,
 * h0 = 0 and h1 holds the 12 leading bits of the slope: then h1·(leading bits of u) is exact, and no digit of a small result is lost.
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
  const h1 = wordColumn2(a, b, c, d);
  const inverse = andWord(h1, everyWord(SCALE_BITS));
  // Scaled before they are subtracted: beside a singularity at 0, x - centre would be a subnormal number, which GPUs flush.
  const scale = ofBits(shiftLeft(inverse, 23));
  const u = minus(times(x, scale), times(column0(a, b, c, d), scale));
  const leading = ofBits(andWord(toBits(u), everyWord(LEADING_BITS)));
  const slope = ofBits(andWord(h1, everyWord(LEADING_BITS)));
  let tail = plus(column2(e, f, g, h), times(u, column3(e, f, g, h)));
  tail = plus(column1(e, f, g, h), times(u, tail));
  tail = plus(column0(e, f, g, h), times(u, tail));
  tail = plus(column3(a, b, c, d), times(u, tail));
  // (leading - u) rather than (u - leading): an exact zero then has the sign that lets -0 pass through.
  tail = minus(tail, times(slope, minus(leading, u)));
  const first = column1(a, b, c, d);
  const y = plus(plus(first, times(slope, leading)), tail);
  // In the place of a scale, 0: the result is infinite, with the sign of h0.
  const isInfinite = wordEquals(inverse, everyWord(SATURATED));
  const infinity = orWord(andWord(toBits(first), everyWord(SIGN)), everyWord(INFINITY_BITS));
  return ofBits(pickWord(isInfinite, infinity, toBits(y)));
}

/**
 * The same at an offset that a period was taken from and that comes with what it was rounded by. Such an offset is no float32, so the root is as
 * good as never one: what f is at the centre is then h0 and c0, and the sum with it is kept whole.
 */
function wrappedPolynomial(offset: Lanes, low: Lanes, at: Words): Lanes {
  const a = row0(at, 0);
  const b = row1(at, 0);
  const c = row2(at, 0);
  const d = row3(at, 0);
  const e = row0(at, 16);
  const f = row1(at, 16);
  const g = row2(at, 16);
  const h = row3(at, 16);
  const h1 = wordColumn2(a, b, c, d);
  const scale = ofBits(shiftLeft(andWord(h1, everyWord(SCALE_BITS)), 23));
  const u = times(offset, scale);
  const leading = ofBits(andWord(toBits(u), everyWord(LEADING_BITS)));
  const slope = ofBits(andWord(h1, everyWord(LEADING_BITS)));
  let tail = plus(column2(e, f, g, h), times(u, column3(e, f, g, h)));
  tail = plus(column1(e, f, g, h), times(u, tail));
  tail = plus(column0(e, f, g, h), times(u, tail));
  tail = plus(column3(a, b, c, d), times(u, tail));
  tail = minus(tail, times(slope, minus(minus(leading, u), times(low, scale))));
  const first = column1(a, b, c, d);
  const against = minus(every(0), times(slope, leading));
  const sum = minus(first, against);
  return plus(sum, plus(tail, lostIn(first, against, sum)));
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
  // A side's slope is NaN in the table where the side does not pass through 0, and f(0) is NaN where it is not 0: there segments answer. They may
  // meet subnormal numbers, which count for nothing in results from 2⁻⁹⁰ on; smaller ones become 0, since their sign may hang on a sum of what
  // hardware flushed.
  const atZero = pick(isSubnormal, loadLanes(table + AT_ZERO), every(0));
  const isSmall = wordAbove(everyWord(SMALL_BITS), andWord(toBits(y), everyWord(MAGNITUDE)));
  const bySegment = ofBits(pickWord(isSmall, everyWord(0), toBits(y)));
  const nearZero = pick(eitherMask(isNaNLane(atZero), isNaNLane(slope)), bySegment, times(slope, flushed));
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
