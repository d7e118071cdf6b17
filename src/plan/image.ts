import { firstStep } from '../../assembly/cells';
import * as layout from '../../assembly/layout';
import type { RowTable } from './gradient-table.js';
import type { Plan } from './plan.js';

/**
 * The bytes that a kernel reads, for placing into a backend's memory. Addresses depend on where the bytes go, so the head
 * is written last.
 */
export interface Image {
  readonly bytes: number;
  /** Writes the image at `address` (a multiple of 32) of the memory behind these views. */
  write(floats: Float32Array, words: Int32Array, address: number): void;
}

/** Header slots have 16 bytes and hold their value four times, so that one load fills all lanes of a kernel. */
const SLOT = 4;
const CELL_BYTES = 16;
/** Low bits of 2²³ + k shifted by 4: a byte address below 2²⁷. */
const ADDRESS_BITS = 0x07ffffff;
/** Images must lie below this address: 2²³ + address/16 + a million cells is then still below 2²⁴, up to where float32 has all integers. */
export const MOST_IMAGE_ADDRESS = 3 * 2 ** 25;

/**
 * Images begin at multiples of 32. An x halfway between two cells is rounded to the one whose number, counted in units of 16 bytes
 * from the start of memory, is even: then the choice does not depend on where the image lies.
 */
export const alignImage = (bytes: number) => 32 * Math.ceil(bytes / 32);
const align = (bytes: number) => 16 * Math.ceil(bytes / 16);

export function planImage(plan: Plan): Image {
  const { grid, bounds, rows, periodic } = plan;
  const half = firstStep(bounds.length);
  const boundsBytes = align(4 * (bounds.length + 2 * half));
  const cellsAt = layout.PLAN_HEAD_BYTES;
  const boundsAt = cellsAt + CELL_BYTES * (grid.last - grid.first + 1);
  const rowsAt = boundsAt + boundsBytes;
  const periodicHalf = periodic ? firstStep(periodic.bounds.length) : 0;
  const periodicBytes = periodic ? align(4 * (periodic.bounds.length + 2 * periodicHalf)) : 0;
  const periodicAt = alignImage(rowsAt + 4 * rows.length);
  const periodicRowsAt = periodicAt + periodicBytes;
  return {
    bytes: periodic ? periodicRowsAt + 4 * periodic.rows.length : rowsAt + 4 * rows.length,
    write(floats, words, address) {
      // First: of a plan from a file they are made now.
      const { cellRows } = plan;
      const width = 2 ** -grid.exponent;
      // Limits are results: of NaN only the canonical one.
      const slot = (offset: number, value: number) =>
        fillSlots(floats, address, offset >> 4, [value === value ? value : Number.NaN]);
      const wordSlot = (offset: number, value: number) => fillSlots(words, address, offset >> 4, [value]);
      slot(layout.LOWEST, grid.first * width);
      slot(layout.HIGHEST, grid.last * width);
      slot(layout.INVERSE_WIDTH, 1 / width);
      slot(layout.MAGIC, 2 ** 23 + (address + cellsAt) / 16 - grid.first);
      slot(layout.CELL_WIDTH, width);
      wordSlot(layout.ADDRESS_BITS, ADDRESS_BITS);
      wordSlot(layout.HALF, half);
      wordSlot(layout.BOUNDS, address + boundsAt);
      wordSlot(layout.ROWS, address + rowsAt);
      // Where f(0) is not 0, or pieces are narrower than 2⁻⁶⁰, the segments answer tiny inputs too.
      slot(layout.AT_ZERO, plan.atZero === 0 ? 0 : Number.NaN);
      slot(layout.SLOPE_BELOW_ZERO, plan.slopeBelowZero);
      slot(layout.SLOPE_ABOVE_ZERO, plan.slopeAboveZero);
      slot(layout.LIMIT_LOW, plan.limitLow);
      slot(layout.LIMIT_HIGH, plan.limitHigh);
      slot(layout.PERIODIC_FROM, periodic?.from ?? Number.POSITIVE_INFINITY);
      slot(layout.PERIODIC_TO, periodic?.to ?? 0);
      slot(layout.INVERSE_PERIOD, periodic ? 1 / periodic.period.reduceRight((sum, part) => sum + part, 0) : 0);
      fillSlots(floats, address, layout.PERIOD >> 4, Array.from(periodic?.period ?? new Float32Array(8)));
      slot(layout.TREND, periodic?.trend ?? 0);
      slot(layout.TREND_LOW, periodic?.trendLow ?? 0);
      slot(layout.MIDDLE, periodic?.middle ?? 0);
      wordSlot(layout.PERIODIC_HALF, periodicHalf);
      wordSlot(layout.PERIODIC_BOUNDS, address + (periodic ? periodicAt : boundsAt));
      wordSlot(layout.PERIODIC_ROWS, address + (periodic ? periodicRowsAt : rowsAt));
      // As words: an unused cell holds an integer, and a row a scale, which a float copy need not preserve.
      words.set(asWords(cellRows), (address + cellsAt) >> 2);
      writeBounds(floats, address + boundsAt, bounds, boundsBytes);
      words.set(asWords(rows), (address + rowsAt) >> 2);
      if (periodic) {
        writeBounds(floats, address + periodicAt, periodic.bounds, periodicBytes);
        words.set(asWords(periodic.rows), (address + periodicRowsAt) >> 2);
      }
    },
  };
}

const asWords = ({ buffer, byteOffset, length }: Float32Array) => new Int32Array(buffer, byteOffset, length);

const FLOW_HEADER_BYTES = 11 * 4 * SLOT;

/** A CPAB transformation's table (src/cpab/flow-table.ts). */
export function flowImage({ bounds, rows }: { readonly bounds: Float32Array; readonly rows: Float32Array }): Image {
  const search = searchTable(FLOW_HEADER_BYTES, bounds);
  return {
    bytes: search.end + 4 * rows.length,
    write(floats, words, address) {
      search.write(floats, words, address);
      fillSlots(words, address, 8, [0x00800001, 0x7f7fffff, 0x7fffffff]);
      floats.set(rows, (address + search.end) >> 2);
    },
  };
}

const BACKWARD_HEADER_BYTES = 17 * 4 * SLOT;
/** In the order of the slots in assembly/backward.ts, from MAGNITUDE_BITS to ABOVE_LEAST. */
const BACKWARD_BITS = [0x7fffffff, 0x80000000, 0x00800000, 0x7f7fffff, 0x83ffffff, 0x4b000000, 31, 0x00800001];
/** Bytes of a block of moments: four sums of 8 bytes. */
const BLOCK_BYTES = 32;
/** One set of moments for each eight exponents of gradY. */
export const WINDOWS = 32;

/** log₂ of the bytes that all blocks of one window take. */
const blockShift = (blocks: number) => Math.ceil(Math.log2(BLOCK_BYTES * blocks));

/** A table for the gradient, and the moments that it adds up to. */
export interface BackwardImage extends Image {
  /** Blocks in use. */
  readonly blocks: number;
  /** Sums, of 8 bytes, in [WINDOWS][windowLength]; of a window, [blocks][4] are in use. */
  readonly windowLength: number;
}

/** @param room for how many blocks there is room: those of the table, or more, so that several tables share a layout. */
export function backwardImage({ bounds, rows, blocks }: RowTable, room = blocks): BackwardImage {
  const search = searchTable(BACKWARD_HEADER_BYTES, bounds);
  const shift = blockShift(room);
  return {
    bytes: search.end + 4 * rows.length,
    blocks,
    windowLength: 2 ** (shift - 3),
    write(floats, words, address) {
      search.write(floats, words, address);
      fillSlots(words, address, 8, [...BACKWARD_BITS, shift]);

      const at = (address + search.end) >> 2;
      floats.set(rows, at);
      for (let i = 6; i < rows.length; i += 8) {
        words[at + i] = BLOCK_BYTES * rows[i]!;
        words[at + i + 1] = BLOCK_BYTES * rows[i + 1]!;
      }
    },
  };
}

const ROW_BYTES = 32;
/** As many cells as a first-level cache has room for beside rows and data. */
const MOST_SEARCH_CELLS = 1024;

/**
 * How `flow` and `backward` find a row (assembly/search.ts): eight header slots, a uniform grid and the bounds. Rows of 32 bytes
 * follow at `end`.
 */
function searchTable(headerBytes: number, bounds: Float32Array) {
  const low = bounds.length > 0 ? bounds[0]! : 0;
  const high = bounds.length > 0 ? bounds[bounds.length - 1]! : 0;
  // As fine as the limit allows, but cell numbers stay below 2²⁰: with an address they fit the integers of a float32.
  const exponent = Math.min(
    20 - Math.max(0, Math.ceil(Math.log2(Math.max(-low, high, 1)))),
    Math.floor(Math.log2((MOST_SEARCH_CELLS - 4) / Math.max(high - low, 2 ** -16))),
  );
  const scale = 2 ** exponent;
  const first = Math.floor(low * scale) - 1;
  const last = Math.ceil(high * scale) + 1;
  const cells = last - first + 1;
  /** [cells]: how many bounds lie before a cell, and with which step a bisection over those inside begins. */
  const before = new Int32Array(cells);
  const steps = new Int32Array(cells);
  let widest = 0;
  for (let k = 0, m = 0; k < cells; k++) {
    while (m < bounds.length && bounds[m]! * scale <= first + k - 0.5) m += 1;
    before[k] = m;
    let inside = m;
    while (inside < bounds.length && bounds[inside]! * scale <= first + k + 0.5) inside += 1;
    if (inside - m > 1) steps[k] = firstStep(inside - m);
    widest = Math.max(widest, steps[k]!);
  }
  const boundsBytes = align(4 * (bounds.length + 2 * widest));
  const boundsAt = headerBytes + 16 * cells;
  const end = boundsAt + boundsBytes;
  return {
    end,
    write(floats: Float32Array, words: Int32Array, address: number): void {
      const grid = [first / scale, last / scale, scale, 2 ** 23 + (address + headerBytes) / 16 - first];
      fillSlots(floats, address, 0, grid);
      fillSlots(words, address, 4, [ADDRESS_BITS, address + boundsAt, address + end, ROW_BYTES]);
      for (let k = 0, at = (address + headerBytes) >> 2; k < cells; k++, at += 4) {
        // The next bound, wherever it is: beyond the cell no x of the cell reaches it.
        floats[at] = steps[k] === 0 ? (bounds[before[k]!] ?? Number.POSITIVE_INFINITY) : Number.NaN;
        words[at + 1] = address + end + ROW_BYTES * before[k]!;
        words[at + 2] = before[k]!;
        words[at + 3] = steps[k]!;
      }
      writeBounds(floats, address + boundsAt, bounds, boundsBytes);
    },
  };
}

/** Writes values into consecutive header slots, from the given one on. */
function fillSlots(memory: Float32Array | Int32Array, address: number, slot: number, values: readonly number[]): void {
  values.forEach((value, i) => {
    const at = (address >> 2) + SLOT * (slot + i);
    memory.fill(value, at, at + SLOT);
  });
}

/** Pads with infinity, which no finite x reaches. */
function writeBounds(floats: Float32Array, address: number, bounds: Float32Array, bytes: number): void {
  floats.set(bounds, address >> 2);
  floats.fill(Number.POSITIVE_INFINITY, (address >> 2) + bounds.length, (address + bytes) >> 2);
}
