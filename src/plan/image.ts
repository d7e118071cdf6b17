import type { FlowTable } from './flow-table.js';
import type { Plan } from './plan.js';

/**
 * The bytes that a kernel reads, for placing into a backend's memory. The layout is that of `assembly/activation.ts` and
 * `assembly/flow.ts`; addresses depend on where the bytes go, so the header is completed by `relocate`.
 */
export interface Image {
  readonly bytes: number;
  /** Writes the image at `address` (a multiple of 16) of the memory behind these views. */
  write(floats: Float32Array, words: Int32Array, address: number): void;
}

const HEADER_BYTES = 64;
/** Low bits of 2²³ + k shifted by 4: a byte address below 2²⁷. */
const ADDRESS_BITS = 0x07ffffff;
const align = (bytes: number) => (bytes + 15) & -16;

/** Depth of a bisection over `count` ascending bounds. */
const searchSteps = (count: number) => Math.ceil(Math.log2(count + 1));

export function planImage(plan: Plan): Image {
  const { grid, cellRows, bounds, rows } = plan;
  const steps = searchSteps(bounds.length);
  const cellSteps = searchSteps(plan.mostBounds);
  const boundsBytes = align(4 * Math.max(2 ** steps - 1, bounds.length + 2 ** cellSteps));
  const cellsAt = HEADER_BYTES;
  const boundsAt = cellsAt + 4 * cellRows.length;
  const segmentsAt = boundsAt + boundsBytes;
  return {
    bytes: segmentsAt + 4 * rows.length,
    write(floats, words, address) {
      const width = 2 ** -grid.exponent;
      const at = address >> 2;
      floats[at] = grid.first * width;
      floats[at + 1] = grid.last * width;
      floats[at + 2] = 1 / width;
      floats[at + 3] = 2 ** 23 + (address + cellsAt) / 16 - grid.first;
      floats[at + 4] = width;
      words[at + 5] = ADDRESS_BITS;
      words[at + 6] = steps;
      words[at + 7] = cellSteps;
      words[at + 8] = address + boundsAt;
      words[at + 9] = address + segmentsAt;
      floats[at + 10] = plan.atZero;
      floats[at + 11] = plan.slopeBelowZero;
      floats[at + 12] = plan.slopeAboveZero;
      floats[at + 13] = plan.limitLow;
      floats[at + 14] = plan.limitHigh;
      // As words: an unused cell holds an integer, which a float copy need not preserve.
      words.set(new Int32Array(cellRows.buffer, cellRows.byteOffset, cellRows.length), (address + cellsAt) >> 2);
      writeBounds(floats, address + boundsAt, bounds, boundsBytes);
      floats.set(rows, (address + segmentsAt) >> 2);
    },
  };
}

export function flowImage({ bounds, rows }: FlowTable): Image {
  const steps = searchSteps(bounds.length);
  const boundsBytes = align(4 * (2 ** steps - 1));
  const boundsAt = 16;
  const rowsAt = boundsAt + boundsBytes;
  return {
    bytes: rowsAt + 4 * rows.length,
    write(floats, words, address) {
      const at = address >> 2;
      words[at] = steps;
      words[at + 1] = address + boundsAt;
      words[at + 2] = address + rowsAt;
      writeBounds(floats, address + boundsAt, bounds, boundsBytes);
      floats.set(rows, (address + rowsAt) >> 2);
    },
  };
}

/** Pads with infinity, which no finite x reaches. */
function writeBounds(floats: Float32Array, address: number, bounds: Float32Array, bytes: number): void {
  floats.set(bounds, address >> 2);
  floats.fill(Number.POSITIVE_INFINITY, (address >> 2) + bounds.length, (address + bytes) >> 2);
}
