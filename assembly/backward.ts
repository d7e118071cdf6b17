import {
  addToRow,
  addWord,
  andWord,
  anyLane,
  column0,
  column1,
  column2,
  column3,
  eitherMask,
  every,
  everyWord,
  gatherWord,
  Lanes,
  larger,
  loadLanes,
  loadWord,
  loadWords,
  minus,
  nearestInteger,
  ofBits,
  orWord,
  pick,
  pickWord,
  plus,
  row0,
  row1,
  row2,
  row3,
  STRIDE,
  shiftLeft,
  shiftRight,
  smaller,
  storeLanes,
  times,
  toBits,
  Words,
  wordAbove,
  wordColumn2,
  wordColumn3,
  wordEquals,
} from '#lanes';
import { rowOf } from './search';

/**
 * The gradient of a tensor y = f(x): gradX = gradY·f′(x), and what the gradient of any parameter of f needs of x and gradY.
 *
 * Each row of the table is an interval, {centre, 1/radius, c0, c1, c2, c3, block, far block}, with f′ = c0 + u·(c1 + u·(c2 + u·c3)) and
 * u = (x - centre)/radius. There Σ gradY·∂f/∂θ depends on the moments Σ gradY·uᵐ alone, m = 0 to 3, as exactly as a cubic follows
 * ∂f/∂θ (`src/plan/backward-table.ts`).
 *
 * Moments are exact sums of integers, so they do not depend on the order of summation or on how a tensor is divided. With e the biased
 * exponent of gradY and w = ⌊e/8⌋, contributions are rounded to multiples of 2^(8w-150), 2⁻²³ or less of gradY, and each w has sums of
 * its own: there is no scale to agree on. A row of `sums` holds the four moments of one block and one w (`addToRow`).
 */

/** The table's head is that of `rowOf`, then these slots of 16 bytes, each value four times. */
const MAGNITUDE_BITS: usize = 128;
const SIGN_BIT: usize = 144;
/** Bits of the smallest and the largest normal number. */
const LEAST_NORMAL: usize = 160;
const MOST_NORMAL: usize = 176;
/** Sign, the three low bits of the exponent, and the fraction; and what makes the rest of the exponent that of 2²³. */
const WITHIN_WINDOW: usize = 192;
const WINDOW_BASE: usize = 208;
const WINDOW_NUMBER: usize = 224;
/** Bits of what follows the smallest normal number: with a result just below it becomes zero (`flushToZero`). */
const ABOVE_LEAST: usize = 240;
/** log₂ of the bytes of all blocks for one w. */
const BLOCK_SHIFT: usize = 256;

/** Blocks have 32 bytes. Block 0 takes what no parameter depends on, block 1 counts elements that leave no gradient. */
const POISON: i32 = 32;

/** Where a row has its far block, in bytes. */
const FAR_BLOCK: i32 = 28;

const INFINITY_BITS: i32 = 0x7f800000;
const NAN_BITS: i32 = 0x7fc00000;

/** `count` floats. Adds to `sums`, which must hold integers; gradX may be gradY. */
export function backward(table: usize, sums: usize, x: usize, gradY: usize, gradX: usize, count: usize): void {
  const bytes = count << 2;
  for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
    storeLanes(gradX + offset, backwardLanes(table, sums, loadLanes(x + offset), loadLanes(gradY + offset)));
  }
}

/** gradX of one vector, whatever it holds; adds its moments to `sums`. */
export function backwardLanes(table: usize, sums: usize, x: Lanes, gradY: Lanes): Lanes {
  const mask = loadWords(table + MAGNITUDE_BITS);
  const most = loadWords(table + MOST_NORMAL);
  const size = andWord(toBits(x), mask);
  if (anyLane(eitherMask(wordAbove(size, most), wordAbove(andWord(toBits(gradY), mask), most)))) {
    return backwardOfSpecial(table, sums, x, gradY);
  }
  const g = withoutSubnormals(table, gradY);
  return withoutSmall(table, times(g, slopeAndMoments(table, sums, withoutSubnormals(table, x), g)));
}

/** f′ of a finite x that is not subnormal; adds the moments that go with g. */
function slopeAndMoments(table: usize, sums: usize, x: Lanes, g: Lanes): Lanes {
  const at = rowOf(table, x);
  const a = row0(at, 0);
  const b = row1(at, 0);
  const c = row2(at, 0);
  const d = row3(at, 0);
  const e = row0(at, 16);
  const f = row1(at, 16);
  const h = row2(at, 16);
  const k = row3(at, 16);
  const u = times(minus(x, column0(a, b, c, d)), column1(a, b, c, d));
  let slope = plus(column0(e, f, h, k), times(u, column1(e, f, h, k)));
  slope = plus(column3(a, b, c, d), times(u, slope));
  slope = plus(column2(a, b, c, d), times(u, slope));
  addMoments(table, sums, wordColumn2(e, f, h, k), g, u);
  // Far out f is affine, and u would overflow: there the moments are those of 1 and x.
  const far = wordColumn3(e, f, h, k);
  if (anyLane(wordAbove(far, everyWord(0)))) addFar(table, sums, far, x, g);
  return slope;
}

/** Subnormal numbers become zero of the same sign. */
function withoutSubnormals(table: usize, x: Lanes): Lanes {
  return withoutBelow(table, x, loadWords(table + LEAST_NORMAL));
}

/** `flushToZero`, with constants from the table. */
function withoutSmall(table: usize, x: Lanes): Lanes {
  return withoutBelow(table, x, loadWords(table + ABOVE_LEAST));
}

function withoutBelow(table: usize, x: Lanes, least: Words): Lanes {
  const isSmall = wordAbove(least, andWord(toBits(x), loadWords(table + MAGNITUDE_BITS)));
  return ofBits(pickWord(isSmall, andWord(toBits(x), loadWords(table + SIGN_BIT)), toBits(x)));
}

/** g·1, g·u, g·u², g·u³, rounded to the grid of g's exponent; g is a normal number or zero, |u| < 1. */
function addMoments(table: usize, sums: usize, block: Words, g: Lanes, u: Lanes): void {
  const bits = toBits(g);
  const isNumber = wordAbove(andWord(bits, loadWords(table + MAGNITUDE_BITS)), everyWord(0));
  const within = addWord(andWord(bits, loadWords(table + WITHIN_WINDOW)), loadWords(table + WINDOW_BASE));
  const first = ofBits(pickWord(isNumber, within, everyWord(0)));
  const second = times(first, u);
  const third = times(second, u);
  const window = andWord(shiftRight(bits, 26), loadWords(table + WINDOW_NUMBER));
  const at = addWord(addWord(everyWord(<i32>sums), shiftLeft(window, loadWord(table + BLOCK_SHIFT))), block);
  addToRow(at, first, nearestInteger(second), nearestInteger(third), nearestInteger(times(third, u)));
}

/** Σ g·x into the far blocks. Where the product overflows there is no gradient. */
function addFar(table: usize, sums: usize, far: Words, x: Lanes, g: Lanes): void {
  // The other lanes have nothing to add, however large they are.
  const product = pick(wordAbove(far, everyWord(0)), times(g, x), every(0));
  const isHuge = wordAbove(andWord(toBits(product), loadWords(table + MAGNITUDE_BITS)), loadWords(table + MOST_NORMAL));
  const counted = pick(isHuge, every(1), withoutSmall(table, product));
  addMoments(table, sums, pickWord(isHuge, everyWord(POISON), far), counted, every(0));
}

/**
 * An infinite x has the slope of the largest, and no moments where those would be infinite. NaN, and a gradY that is infinite or NaN,
 * are decided on the bits, not left to the hardware; what leaves no gradient of the parameters is counted.
 */
function backwardOfSpecial(table: usize, sums: usize, x: Lanes, gradY: Lanes): Lanes {
  const mask = loadWords(table + MAGNITUDE_BITS);
  const sign = loadWords(table + SIGN_BIT);
  const most = loadWords(table + MOST_NORMAL);
  const infinity = everyWord(INFINITY_BITS);
  const sizeX = andWord(toBits(x), mask);
  const sizeY = andWord(toBits(gradY), mask);
  const v = smaller(ofBits(most), larger(ofBits(orWord(most, sign)), withoutSubnormals(table, x)));
  const far = gatherWord(addWord(rowOf(table, v), everyWord(FAR_BLOCK)));
  const isFar = wordAbove(pickWord(wordEquals(sizeX, infinity), far, everyWord(0)), everyWord(0));
  const isNaNX = wordAbove(sizeX, infinity);
  const isBad = eitherMask(eitherMask(isNaNX, isFar), wordAbove(sizeY, most));
  const g = withoutSubnormals(table, pick(isBad, every(0), gradY));
  const slope = slopeAndMoments(table, sums, v, g);
  addMoments(table, sums, everyWord(POISON), pick(isBad, every(1), every(0)), every(0));

  // g was set to zero where x is infinite and far.
  const regular = withoutSmall(table, times(withoutSubnormals(table, pick(isFar, gradY, g)), slope));
  const product = andWord(addWord(toBits(gradY), andWord(toBits(slope), sign)), sign);
  const isFlat = wordEquals(andWord(toBits(slope), mask), everyWord(0));
  const infinite = pickWord(isFlat, everyWord(NAN_BITS), orWord(infinity, product));
  const isNaNResult = eitherMask(isNaNX, wordAbove(sizeY, infinity));
  const bits = pickWord(wordEquals(sizeY, infinity), infinite, toBits(regular));
  return ofBits(pickWord(isNaNResult, everyWord(NAN_BITS), bits));
}
