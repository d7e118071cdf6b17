import {
  addKeptRow,
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
  IS_VECTOR,
  inWindow,
  isBeyond,
  keptRow0,
  keptRow1,
  keptRow2,
  keptRow3,
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
  storeRows,
  storeWords,
  times,
  toBits,
  Words,
  withoutBelow,
  wordAbove,
  wordColumn2,
  wordColumn3,
  wordEquals,
} from '#lanes';
import { ADDRESS_BITS, cellAt, HIGHEST, INVERSE_WIDTH, LOWEST, MAGIC, rowIn, rowOf } from './search';

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

/** So many bytes at a time go through the passes below. */
const BLOCK: usize = 1024;

/**
 * `count` floats. Adds to `sums`, which must hold integers; gradX may be gradY. `scratch` has room for 5 BLOCKs: addresses, one a float, and its four
 * moments. What is kept in memory and loaded one by one need not be taken out of vectors, and no sum waits for the one before it to be stored.
 */
export function backward(
  table: usize,
  sums: usize,
  x: usize,
  gradY: usize,
  gradX: usize,
  count: usize,
  scratch: usize,
): void {
  const bytes = count << 2;
  for (let from: usize = 0; from < bytes; from += BLOCK) {
    const size = bytes - from < BLOCK ? bytes - from : BLOCK;
    if (areFinite(table, x + from, gradY + from, size)) {
      findRows(table, x + from, size, scratch);
      slopes(table, sums, x + from, gradY + from, gradX + from, size, scratch);
      if (IS_VECTOR) addUp(size, scratch);
    } else {
      for (let offset = from; offset < from + size; offset += STRIDE)
        storeLanes(gradX + offset, backwardLanes(table, sums, loadLanes(x + offset), loadLanes(gradY + offset)));
    }
  }
}

function areFinite(table: usize, x: usize, gradY: usize, bytes: usize): boolean {
  const magnitude = loadWords(table + MAGNITUDE_BITS);
  const most = loadWords(table + MOST_NORMAL);
  for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
    const isX = isBeyond(loadLanes(x + offset), magnitude, most);
    if (anyLane(eitherMask(isX, isBeyond(loadLanes(gradY + offset), magnitude, most)))) return false;
  }
  return true;
}

/** The addresses of the rows of x. */
function findRows(table: usize, x: usize, bytes: usize, scratch: usize): void {
  const lowest = loadLanes(table + LOWEST);
  const highest = loadLanes(table + HIGHEST);
  const inverseWidth = loadLanes(table + INVERSE_WIDTH);
  const magic = loadLanes(table + MAGIC);
  const addressBits = loadWords(table + ADDRESS_BITS);
  const least = loadLanes(table + LEAST_NORMAL);
  const magnitude = loadWords(table + MAGNITUDE_BITS);
  const sign = loadWords(table + SIGN_BIT);
  if (IS_VECTOR) {
    for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
      const v = withoutBelow(loadLanes(x + offset), least, magnitude, sign);
      storeWords(scratch + offset, cellAt(v, lowest, highest, inverseWidth, magic, addressBits));
    }
  }
  for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
    const v = withoutBelow(loadLanes(x + offset), least, magnitude, sign);
    const cell = cellAt(v, lowest, highest, inverseWidth, magic, addressBits);
    const kept = scratch + offset;
    const a = keptRow0(kept, cell, 0);
    const b = keptRow1(kept, cell, 0);
    const c = keptRow2(kept, cell, 0);
    const d = keptRow3(kept, cell, 0);
    storeWords(kept, rowIn(table, v, a, b, c, d));
  }
}

/** gradX, by rows whose addresses are kept. Where the moments are to be added takes the addresses' place, and they follow. */
function slopes(table: usize, sums: usize, x: usize, gradY: usize, gradX: usize, bytes: usize, scratch: usize): void {
  const least = loadLanes(table + LEAST_NORMAL);
  const aboveLeast = loadLanes(table + ABOVE_LEAST);
  const magnitude = loadWords(table + MAGNITUDE_BITS);
  const sign = loadWords(table + SIGN_BIT);
  const within = loadWords(table + WITHIN_WINDOW);
  const base = loadWords(table + WINDOW_BASE);
  const windowNumber = loadWords(table + WINDOW_NUMBER);
  const blockShift = loadWord(table + BLOCK_SHIFT);
  const none = everyWord(0);
  const moments = scratch + BLOCK;
  for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
    const kept = scratch + offset;
    const at = loadWords(kept);
    const a = keptRow0(kept, at, 0);
    const b = keptRow1(kept, at, 0);
    const c = keptRow2(kept, at, 0);
    const d = keptRow3(kept, at, 0);
    const e = keptRow0(kept, at, 16);
    const f = keptRow1(kept, at, 16);
    const h = keptRow2(kept, at, 16);
    const k = keptRow3(kept, at, 16);
    const v = withoutBelow(loadLanes(x + offset), least, magnitude, sign);
    const raw = loadWords(gradY + offset);
    const g = withoutBelow(loadLanes(gradY + offset), least, magnitude, sign);
    const u = times(minus(v, column0(a, b, c, d)), column1(a, b, c, d));
    const slope = cubic(u, column2(a, b, c, d), column3(a, b, c, d), column0(e, f, h, k), column1(e, f, h, k));
    storeLanes(gradX + offset, withoutBelow(times(g, slope), aboveLeast, magnitude, sign));
    // Of a subnormal number the window is that of zero.
    const window = andWord(shiftRight(raw, 26), windowNumber);
    const first = inWindow(g, window, magnitude, within, base);
    const second = times(first, u);
    const third = times(second, u);
    const fourth = times(third, u);
    const block = addWord(addWord(everyWord(<i32>sums), shiftLeft(window, blockShift)), wordColumn2(e, f, h, k));
    const far = wordColumn3(e, f, h, k);
    if (IS_VECTOR) {
      storeWords(kept, block);
      storeRows(moments + (offset << 2), first, nearestInteger(second), nearestInteger(third), nearestInteger(fourth));
    } else addToRow(block, first, nearestInteger(second), nearestInteger(third), nearestInteger(fourth));
    if (anyLane(wordAbove(far, none))) addFar(table, sums, far, v, g);
  }
}

/** Adds the moments that `slopes` left. */
function addUp(bytes: usize, scratch: usize): void {
  const moments = scratch + BLOCK;
  for (let offset: usize = 0; offset < bytes; offset += 4) addKeptRow(scratch + offset, moments + (offset << 2));
}

function cubic(u: Lanes, c0: Lanes, c1: Lanes, c2: Lanes, c3: Lanes): Lanes {
  return plus(c0, times(u, plus(c1, times(u, plus(c2, times(u, c3))))));
}

/** gradX of one vector, whatever it holds; adds its moments to `sums`. */
export function backwardLanes(table: usize, sums: usize, x: Lanes, gradY: Lanes): Lanes {
  const magnitude = loadWords(table + MAGNITUDE_BITS);
  const most = loadWords(table + MOST_NORMAL);
  if (anyLane(eitherMask(isBeyond(x, magnitude, most), isBeyond(gradY, magnitude, most)))) {
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
  const slope = cubic(u, column2(a, b, c, d), column3(a, b, c, d), column0(e, f, h, k), column1(e, f, h, k));
  addMoments(table, sums, wordColumn2(e, f, h, k), g, u);
  // Far out f is affine, and u would overflow: there the moments are those of 1 and x.
  const far = wordColumn3(e, f, h, k);
  if (anyLane(wordAbove(far, everyWord(0)))) addFar(table, sums, far, x, g);
  return slope;
}

/** Subnormal numbers become zero of the same sign. */
function withoutSubnormals(table: usize, x: Lanes): Lanes {
  const least = loadLanes(table + LEAST_NORMAL);
  return withoutBelow(x, least, loadWords(table + MAGNITUDE_BITS), loadWords(table + SIGN_BIT));
}

/** `flushToZero`, with constants from the table. */
function withoutSmall(table: usize, x: Lanes): Lanes {
  const least = loadLanes(table + ABOVE_LEAST);
  return withoutBelow(x, least, loadWords(table + MAGNITUDE_BITS), loadWords(table + SIGN_BIT));
}

/** g·1, g·u, g·u², g·u³, rounded to the grid of g's exponent; g is a normal number or zero, |u| < 1. */
function addMoments(table: usize, sums: usize, block: Words, g: Lanes, u: Lanes): void {
  const window = andWord(shiftRight(toBits(g), 26), loadWords(table + WINDOW_NUMBER));
  const within = loadWords(table + WITHIN_WINDOW);
  const first = inWindow(g, window, loadWords(table + MAGNITUDE_BITS), within, loadWords(table + WINDOW_BASE));
  const second = times(first, u);
  const third = times(second, u);
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
