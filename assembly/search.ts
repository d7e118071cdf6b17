import {
  addWord,
  andWord,
  anyLane,
  atLeast,
  column0,
  everyWord,
  gather,
  integerBits,
  isNaNLane,
  Lanes,
  larger,
  loadLanes,
  loadWord,
  loadWords,
  pickWord,
  plus,
  Row,
  row0,
  row1,
  row2,
  row3,
  shiftLeft,
  shiftRight,
  smaller,
  times,
  Words,
  wordAbove,
  wordColumn1,
  wordColumn2,
  wordColumn3,
} from '#lanes';

/** Finding the row of a table that holds x: the k-th if k bounds are ≤ x (`searchTable` in src/plan/image.ts). */

/** The head of a table with such a search, in bytes: slots of 16, each value four times, so that one load fills all lanes. */
export const LOWEST: usize = 0;
export const HIGHEST: usize = 16;
export const INVERSE_WIDTH: usize = 32;
export const MAGIC: usize = 48;
export const ADDRESS_BITS: usize = 64;
const BOUNDS: usize = 80;
const ROWS: usize = 96;
const ROW_BYTES: usize = 112;

/**
 * The address of x's row of 32 bytes; of some row if x is NaN. A uniform grid has cells {bound, address, index, step}: the one bound inside
 * a cell, or infinity, and the row on its left. Where a cell holds more bounds, its bound is NaN, and a bisection begins at the row `index`
 * with `step`.
 */
export function rowOf(table: usize, x: Lanes): Words {
  const cell = cellAt(
    x,
    loadLanes(table + LOWEST),
    loadLanes(table + HIGHEST),
    loadLanes(table + INVERSE_WIDTH),
    loadLanes(table + MAGIC),
    loadWords(table + ADDRESS_BITS),
  );
  return rowIn(table, x, row0(cell, 0), row1(cell, 0), row2(cell, 0), row3(cell, 0));
}

/** The address of the cell that holds x. Unlike in `activate` the width is no power of two, and the product is rounded. */
export function cellAt(
  x: Lanes,
  lowest: Lanes,
  highest: Lanes,
  inverseWidth: Lanes,
  magic: Lanes,
  addressBits: Words,
): Words {
  const t = plus(times(smaller(highest, larger(lowest, x)), inverseWidth), magic);
  return andWord(shiftLeft(integerBits(t), 4), addressBits);
}

/** The row of x by its cell's entries. */
export function rowIn(table: usize, x: Lanes, a: Row, b: Row, c: Row, d: Row): Words {
  const bound = column0(a, b, c, d);
  const left = wordColumn1(a, b, c, d);
  const at = pickWord(atLeast(x, bound), addWord(left, loadWords(table + ROW_BYTES)), left);
  if (anyLane(isNaNLane(bound))) {
    const index = segmentOf(x, wordColumn2(a, b, c, d), wordColumn3(a, b, c, d), loadWord(table + BOUNDS));
    return pickWord(isNaNLane(bound), addWord(loadWords(table + ROWS), shiftLeft(index, 5)), at);
  }
  return at;
}

/**
 * `start` plus the number of bounds ≤ x among the next 2·half - 1, by bisection; half is a power of two, or 0 where the index is
 * known. Bounds ascend.
 */
export function segmentOf(x: Lanes, start: Words, half: Words, bounds: usize): Words {
  const before = everyWord(<i32>bounds - 4);
  const none = everyWord(0);
  let index = start;
  let step = half;
  while (anyLane(wordAbove(step, none))) {
    const next = addWord(index, step);
    index = pickWord(atLeast(x, gather(addWord(shiftLeft(next, 2), before))), next, index);
    step = shiftRight(step, 1);
  }
  return index;
}
