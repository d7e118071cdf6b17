import { loadWord, storeWord } from '#lanes';
import { loadDouble, loadSingle, ofSingleBits, roundToSingle, singleBits, storeDouble, storeSingle } from '#scalars';
import { coefficient, LARGE, SMALL, segment, TINY, UNIT_ROUNDOFF } from './fit';
import { unitInLastPlace } from './float32';
import {
  CELL_ROWS,
  COUNT,
  FIRST_CELL,
  FROM_CELL,
  LAST_CELL,
  SATURATED,
  SCALE_BITS,
  SLACK,
  START,
  TO_CELL,
  UNSCALED,
  UNUSED,
  WIDTH,
  WORST_LARGE,
  WORST_LARGE_AT,
  WORST_SMALL,
  WORST_SMALL_AT,
  WORST_TINY,
  WORST_TINY_AT,
} from './layout';
import { powerOfTwo } from './numeric';

/**
 * The uniform grid over the busy part of the line: one quadratic {h0, c0, c1, c2} a cell, y = h0 + (c0 + u·(c1 + u·c2)) with
 * u = x - k·width. Almost every input is served by one of these, found without a search.
 *
 * A cell's quadratic is the segment's polynomial, re-centred and economised in float64. A cell that would miss the error
 * target, or that holds a knot, gets NaN instead, which sends the kernel to the segments.
 */

const NAN_BITS: i32 = 0x7fc00000;
const ROUNDOFF: f64 = 1.0 / 9007199254740992.0;
/** A cell's result stays far from overflow. */
const MOST: f64 = 1e38;
/** 2⁻⁹⁰: relative accuracy is kept far below 2⁻²⁴, as long as no coefficient is near the subnormals. */
const LEAST: f64 = 8.077935669463161e-28;

export function fillCells(job: usize): void {
  const width = loadDouble(job + WIDTH);
  const radius = width / 2;
  const first = loadWord(job + FIRST_CELL);
  const last = loadWord(job + LAST_CELL);
  const to = loadWord(job + TO_CELL);
  const count = loadWord(job + COUNT);
  for (let at = WORST_LARGE; at <= WORST_TINY_AT; at += 8) storeDouble(job + at, 0);
  let unused: i32 = 0;
  let row = <usize>loadWord(job + CELL_ROWS);
  let m: i32 = 0;
  for (let k = loadWord(job + FROM_CELL); k <= to; k++) {
    const centre = k * width;
    while (m + 1 < count && loadSingle(segment(job, m + 1) + START) <= centre - radius) m += 1;
    // An x on the edge between two cells may be rounded into either, so a knot on the right edge excludes the cell too.
    let end = m;
    let isSmooth = k > first && k < last;
    while (end + 1 < count && loadSingle(segment(job, end + 1) + START) <= centre + radius) {
      end += 1;
      const next = segment(job, end);
      if (loadSingle(next + SLACK) < 0 || loadSingle(next + START) < centre + radius) isSmooth = false;
    }
    if (!isSmooth || !fillCell(job, segment(job, m), centre, radius, row)) {
      // An unused cell: NaN throughout, since a grid's quadratic is computed whatever it holds, and subnormal numbers would slow it down; in the
      // payloads where the kernel's search for the segment starts, and its first step.
      storeWord(row, NAN_BITS);
      storeWord(row + 4, NAN_BITS | m);
      storeWord(row + 8, NAN_BITS | firstStep(end - m));
      storeWord(row + 12, NAN_BITS);
      unused += 1;
    }
    row += 16;
  }
  storeWord(job + UNUSED, unused);
}

/** The step with which a bisection over `count` bounds begins: the largest power of two that is not larger, or 0. */
export function firstStep(count: i32): i32 {
  let half: i32 = 1;
  while (half <= count) half <<= 1;
  return half >> 1;
}

/** Writes one cell's quadratic; returns false if it would miss the target. */
function fillCell(job: usize, source: usize, centre: f64, radius: f64, row: usize): boolean {
  const h1 = singleBits(loadSingle(source + 8));
  const exponent = h1 & SCALE_BITS;
  if (exponent === SATURATED) return false;
  // The segment's polynomial is one of (x - its centre)·inverse.
  const inverse = powerOfTwo(exponent - UNSCALED);
  const u = (centre - loadSingle(source)) * inverse;
  const reach = radius * inverse;
  const c0 = loadSingle(source + 4) + loadSingle(source + 12);
  const c1 = ofSingleBits(h1 & ~0xfff) + loadSingle(source + 16);
  const c2 = loadSingle(source + 20);
  const c3 = loadSingle(source + 24);
  const c4 = loadSingle(source + 28);
  const square = reach * reach;
  let p0 = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)));
  let p1 = c1 + u * (2 * c2 + u * (3 * c3 + u * 4 * c4));
  let p2 = c2 + u * (3 * c3 + u * 6 * c4);
  const p3 = c3 + u * 4 * c4;
  // u⁴ ≈ u²r² - r⁴/8 and u³ ≈ ¾r²u, to within r⁴/8 and r³/4.
  p2 += c4 * square;
  p0 -= (c4 * square * square) / 8;
  p1 += 0.75 * p3 * square;
  const economised = (Math.abs(c4) * square * square) / 8 + (Math.abs(p3) * square * reach) / 4;
  // Of these float64 operations, each coefficient's with its power of the reach: at most 12 roundings of what went into it.
  const size = Math.abs(u) + reach;
  const rounded =
    12 *
    ROUNDOFF *
    (Math.abs(c0) + size * (Math.abs(c1) + size * (Math.abs(c2) + size * (Math.abs(c3) + size * Math.abs(c4)))));
  // From here on in x itself.
  p1 *= inverse;
  p2 *= inverse * inverse;
  const h0 = roundToSingle(p0);
  const low = coefficient(p0 - h0);
  const slope = coefficient(p1);
  const bend = coefficient(p2);
  const polynomial =
    Math.abs(loadSingle(source + SLACK)) +
    economised +
    rounded +
    Math.abs(p0 - h0 - low) +
    Math.abs(p1 - slope) * radius +
    Math.abs(p2 - bend) * radius * radius;
  const bendSize = radius * Math.abs(bend);
  const slopeSize = Math.abs(slope) + bendSize;
  const slopeError = UNIT_ROUNDOFF * (bendSize + slopeSize);
  const tail = Math.abs(low) + radius * slopeSize;
  const error = polynomial + radius * slopeError + UNIT_ROUNDOFF * (radius * slopeSize + tail);
  const least = Math.abs(p0) - radius * slopeSize - polynomial;
  const most = Math.abs(p0) + radius * slopeSize + polynomial;
  if (most < LEAST) {
    // Nothing that counts: 0, and no coefficient that might meet subnormal numbers.
    for (let n: usize = 0; n < 16; n += 4) storeSingle(row + n, 0);
    return true;
  }
  // Below 2⁻²⁴ only the absolute error is promised.
  const bound = 0.5 + (1.0001 * error) / Math.max(unitInLastPlace(least), most < SMALL ? TINY : 0);
  if (!(least > LEAST) || !(bound <= 0.98) || !(most < MOST)) return false;
  if (most >= LARGE) keepWorst(job, WORST_LARGE, WORST_LARGE_AT, bound, centre);
  if (least < LARGE && most >= SMALL) keepWorst(job, WORST_SMALL, WORST_SMALL_AT, bound, centre);
  if (least < SMALL)
    keepWorst(job, WORST_TINY, WORST_TINY_AT, 0.5 * unitInLastPlace(Math.min(most, SMALL)) + 1.0001 * error, centre);
  storeSingle(row, h0);
  storeSingle(row + 4, low);
  storeSingle(row + 8, slope);
  storeSingle(row + 12, bend);
  return true;
}

function keepWorst(job: usize, worst: usize, at: usize, bound: f64, centre: f64): void {
  if (!(bound > loadDouble(job + worst))) return;
  storeDouble(job + worst, bound);
  storeDouble(job + at, centre);
}
