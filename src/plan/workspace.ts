import {
  CELL_ROWS,
  COUNT,
  FIRST_CELL,
  FROM_CELL,
  LAST_CELL,
  SEGMENT_SHIFT,
  SEGMENTS,
  SLACK,
  START,
  TO_CELL,
  UNUSED,
  WIDTH,
  WORST_LARGE,
  WORST_LARGE_AT,
  WORST_SMALL,
  WORST_SMALL_AT,
  WORST_TINY,
  WORST_TINY_AT,
} from '../../assembly/layout';
import { JOB, REST_ADDRESS } from '../calculus/interpreter.js';
import type { Engine } from '../engines/engine.js';
import type { CellGrid, SegmentTable } from './plan.js';

/**
 * The memory of the engine that prepares tables, behind what the interpreter has there: the grid of cells, and segments behind. What moves
 * between it and the arrays of a plan is moved here.
 */

/** A grid never has more cells than this: 128 KiB of coefficients. */
export const MOST_CELLS = 8192;
/** Nor does it reach beyond ±16. */
export const REACH = 16;

const GRID = REST_ADDRESS;
export const SEGMENT_RECORDS = GRID + 16 * MOST_CELLS;
export const SEGMENT_WORDS = 1 << (SEGMENT_SHIFT - 2);

/** Makes room for `count` segments. */
export function reserveSegments(engine: Engine, count: number): void {
  engine.reserve(SEGMENT_RECORDS + count * 2 ** SEGMENT_SHIFT);
  engine.words[(JOB + SEGMENTS) >> 2] = SEGMENT_RECORDS;
}

/** Segments `from` to `to`, the last not included. */
export function readSegments({ floats, words }: Engine, from: number, to: number): SegmentTable {
  const count = to - from;
  const bounds = new Float32Array(count - 1);
  const rows = new Float32Array(8 * count);
  // As words: the scale in h1's last bits may look like a subnormal number, or like none.
  const bits = new Int32Array(rows.buffer);
  const slack = new Float32Array(count);
  for (let m = 0, at = (SEGMENT_RECORDS >> 2) + SEGMENT_WORDS * from; m < count; m++, at += SEGMENT_WORDS) {
    for (let n = 0; n < 8; n++) bits[8 * m + n] = words[at + n]!;
    if (m > 0) bounds[m - 1] = floats[at + (START >> 2)]!;
    slack[m] = floats[at + (SLACK >> 2)]!;
  }
  return { bounds, rows, slack };
}

export function writeSegments(engine: Engine, { bounds, rows, slack }: SegmentTable): void {
  reserveSegments(engine, slack.length);
  const { floats, words } = engine;
  const bits = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
  for (let m = 0, at = SEGMENT_RECORDS >> 2; m < slack.length; m++, at += SEGMENT_WORDS) {
    for (let n = 0; n < 8; n++) words[at + n] = bits[8 * m + n]!;
    floats[at + (START >> 2)] = m > 0 ? bounds[m - 1]! : Number.NEGATIVE_INFINITY;
    floats[at + (SLACK >> 2)] = slack[m]!;
  }
}

/** The cells over segments, and the largest bounds among those in use (see assembly/cells.ts). */
export interface Cells extends Bounded {
  readonly rows: Float32Array;
}

interface Bounded {
  readonly unused: number;
  /** {bound, place} where |y| ≥ 2⁻⁸, down to 2⁻²⁴, and below. */
  readonly worst: readonly (readonly [number, number])[];
}

/** Derives a whole grid from `count` segments that lie in the engine's memory. */
export function fillGrid(engine: Engine, grid: CellGrid, count: number): Cells {
  const rows = new Int32Array(4 * (grid.last - grid.first + 1));
  const bounded = fillCells(engine, grid, count, grid.first, grid.last, rows);
  return { ...bounded, rows: new Float32Array(rows.buffer) };
}

/** Derives cells `from` to `to` of the grid, both included, into their places among all of its rows. */
export function fillCells(
  engine: Engine,
  grid: CellGrid,
  count: number,
  from: number,
  to: number,
  rows: Int32Array,
): Bounded {
  const { words, doubles } = engine;
  doubles[(JOB + WIDTH) >> 3] = 2 ** -grid.exponent;
  words[(JOB + FIRST_CELL) >> 2] = grid.first;
  words[(JOB + LAST_CELL) >> 2] = grid.last;
  words[(JOB + FROM_CELL) >> 2] = from;
  words[(JOB + TO_CELL) >> 2] = to;
  words[(JOB + CELL_ROWS) >> 2] = GRID;
  words[(JOB + COUNT) >> 2] = count;
  engine.kernels.fillCells(JOB);
  // Copied as words: an unused cell holds integers, which a copy as floats need not preserve.
  rows.set(words.subarray(GRID >> 2, (GRID >> 2) + 4 * (to - from + 1)), 4 * (from - grid.first));
  const stat = (offset: number) => doubles[(JOB + offset) >> 3]!;
  return {
    unused: words[(JOB + UNUSED) >> 2]!,
    worst: [
      [stat(WORST_LARGE), stat(WORST_LARGE_AT)],
      [stat(WORST_SMALL), stat(WORST_SMALL_AT)],
      [stat(WORST_TINY), stat(WORST_TINY_AT)],
    ],
  };
}
