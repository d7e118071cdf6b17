import {
  andWord,
  anyLane,
  column0,
  column1,
  column2,
  column3,
  eitherMask,
  every,
  everyWord,
  Lanes,
  larger,
  loadLanes,
  loadWords,
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
  smaller,
  storeLanes,
  times,
  toBits,
  wordAbove,
  wordEquals,
} from '#lanes';
import { flushToZero } from './activation';
import { rowOf } from './search';

/**
 * The CPAB flow y = φ(x, t): one piece look-up and a polynomial a point, however many cells it crosses.
 *
 * Each row carries {x0, scale, c1, c2, c3, y0, least y, largest y}. With t = (x - x0)·scale, y = y0 + t·(c1 + |t|·(c2 + |t|·c3)), kept between
 * the images of the row's ends. Every operation rounds to nearest, which keeps order: where no coefficient is negative, each factor
 * grows with |t|, and so y grows with x, bit for bit. `src/plan/flow-table.ts` makes such rows, or rows so narrow that they grow all the same.
 */

/** The table's head is that of `rowOf`, then these slots of 16 bytes, each value four times. */
/** Bits of what follows the smallest normal number, and of the largest; the mask for magnitudes. */
const ABOVE_LEAST: usize = 128;
const MOST_NORMAL: usize = 144;
const MAGNITUDE_BITS: usize = 160;

const NAN_BITS: i32 = 0x7fc00000;
const NORMAL_BITS: i32 = 0x00800000;
const INFINITY_BITS: i32 = 0x7f800000;
const SIGN: i32 = -0x80000000;

/** y = φ(x) for `count` floats. */
export function flow(table: usize, x: usize, y: usize, count: usize): void {
  const bytes = count << 2;
  for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
    storeLanes(y + offset, flowLanes(table, loadLanes(x + offset)));
  }
}

/** The same for one vector, whatever it holds. */
export function flowLanes(table: usize, x: Lanes): Lanes {
  const y = flowOfNormals(table, x);
  const mask = loadWords(table + MAGNITUDE_BITS);
  const least = loadWords(table + ABOVE_LEAST);
  const size = andWord(toBits(x), mask);
  const isSmall = eitherMask(wordAbove(least, size), wordAbove(least, andWord(toBits(y), mask)));
  if (anyLane(eitherMask(isSmall, wordAbove(size, loadWords(table + MOST_NORMAL))))) return specialFlow(table, x);
  return y;
}

/** What `flowOfNormals` gives, and the cases that it leaves out: NaN, infinities, subnormals, the sign of a zero. */
function specialFlow(table: usize, given: Lanes): Lanes {
  const bits = toBits(given);
  const mask = loadWords(table + MAGNITUDE_BITS);
  const size = andWord(bits, mask);
  const isSubnormal = wordAbove(everyWord(NORMAL_BITS), size);
  const flushed = ofBits(pickWord(isSubnormal, andWord(bits, everyWord(SIGN)), bits));
  const largest = loadLanes(table + MOST_NORMAL);
  const x = smaller(largest, larger(minus(every(0), largest), flushed));
  const y = flushToZero(flowOfNormals(table, x));
  // The line maps onto itself, increasing: infinities stay. A zero has the sign of its argument: what was left of its own depends
  // on when the hardware flushes.
  const isZero = wordEquals(andWord(toBits(y), mask), everyWord(0));
  const zero = ofBits(andWord(bits, everyWord(SIGN)));
  const finite = wordAbove(everyWord(INFINITY_BITS), size);
  const number = wordAbove(everyWord(INFINITY_BITS + 1), size);
  return pick(finite, pick(isZero, zero, y), pick(number, given, ofBits(everyWord(NAN_BITS))));
}

/** The flow of normal numbers. */
function flowOfNormals(table: usize, x: Lanes): Lanes {
  const at = rowOf(table, x);
  const a = row0(at, 0);
  const b = row1(at, 0);
  const c = row2(at, 0);
  const d = row3(at, 0);
  const e = row0(at, 16);
  const f = row1(at, 16);
  const g = row2(at, 16);
  const h = row3(at, 16);
  const t = times(minus(x, column0(a, b, c, d)), column1(a, b, c, d));
  const size = ofBits(andWord(toBits(t), loadWords(table + MAGNITUDE_BITS)));
  const upper = times(size, plus(column3(a, b, c, d), times(size, column0(e, f, g, h))));
  const y = plus(column1(e, f, g, h), times(t, plus(column2(a, b, c, d), upper)));
  return smaller(column3(e, f, g, h), larger(column2(e, f, g, h), y));
}
