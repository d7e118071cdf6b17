import { firstStep } from '../../assembly/cells';
import type { FlowTable } from './flow-table.js';
import type { Plan } from './plan.js';

/**
 * The bytes that a kernel reads, for placing into a backend's memory. The layout is that of `assembly/activation.ts` and
 * `assembly/flow.ts`; addresses depend on where the bytes go, so the header is completed by `relocate`.
 */
export interface Image {
  readonly bytes: number;
  /** Writes the image at `address` (a multiple of 32) of the memory behind these views. */
  write(floats: Float32Array, words: Int32Array, address: number): void;
}

/** Header slots have 16 bytes and hold their value four times, so that one load fills all lanes of a kernel. */
const SLOT = 4;
const HEADER_BYTES = 14 * 4 * SLOT;
/** Low bits of 2²³ + k shifted by 4: a byte address below 2²⁷. */
const ADDRESS_BITS = 0x07ffffff;

/**
 * Images begin at multiples of 32. An x halfway between two cells is rounded to the one whose number, counted in units of 16 bytes
 * from the start of memory, is even: then the choice does not depend on where the image lies.
 */
export const alignImage = (bytes: number) => (bytes + 31) & -32;
const align = (bytes: number) => (bytes + 15) & -16;

export function planImage(plan: Plan): Image {
  const { grid, cellRows, bounds, rows } = plan;
  const half = firstStep(bounds.length);
  const boundsBytes = align(4 * (bounds.length + 2 * half));
  const cellsAt = HEADER_BYTES;
  const boundsAt = cellsAt + 4 * cellRows.length;
  const segmentsAt = boundsAt + boundsBytes;
  return {
    bytes: segmentsAt + 4 * rows.length,
    write(floats, words, address) {
      const width = 2 ** -grid.exponent;
      const header = [
        grid.first * width,
        grid.last * width,
        1 / width,
        2 ** 23 + (address + cellsAt) / 16 - grid.first,
        width,
      ];
      const specials = [plan.atZero, plan.slopeBelowZero, plan.slopeAboveZero, plan.limitLow, plan.limitHigh];
      fillSlots(floats, address, 0, header);
      fillSlots(words, address, 5, [ADDRESS_BITS, half, address + boundsAt, address + segmentsAt]);
      fillSlots(floats, address, 9, specials);
      // As words: an unused cell holds an integer, which a float copy need not preserve.
      words.set(new Int32Array(cellRows.buffer, cellRows.byteOffset, cellRows.length), (address + cellsAt) >> 2);
      writeBounds(floats, address + boundsAt, bounds, boundsBytes);
      floats.set(rows, (address + segmentsAt) >> 2);
    },
  };
}

/**
 * log1p(z)/z for z in [e^-0.255 - 1, e^0.255 - 1] to within 2⁻²⁵, and expm1(r)/r for |r| ≤ 0.255 to within 2⁻²⁸.
 * Highest power first; Chebyshev fits, each coefficient rounded to float32 before the next was fitted.
 */
const LOG1P_RATIO = [
  -0.1115490272641182, 0.15508157014846802, -0.16854244470596313, 0.19958138465881348, -0.24994567036628723,
  0.3333381414413452, -0.5000003576278687, 1,
];
const EXPM1_RATIO = [0.0013917137403041124, 0.008352706208825111, 0.04166657477617264, 0.1666661947965622, 0.5, 1];
const FLOW_HEADER_BYTES = 24 * 4 * SLOT;
const MOST_FLOW_CELLS = 512;

export function flowImage({ bounds, rows }: FlowTable): Image {
  const low = bounds.length > 0 ? bounds[0]! : 0;
  const high = bounds.length > 0 ? bounds[bounds.length - 1]! : 0;
  // As fine as the limit allows, but not finer than what x·2^exponent can hold.
  const exponent = Math.min(20, Math.floor(Math.log2((MOST_FLOW_CELLS - 4) / Math.max(high - low, 2 ** -16))));
  const scale = 2 ** exponent;
  const first = Math.floor(low * scale) - 1;
  const last = Math.ceil(high * scale) + 1;
  // Two words of four are used: with rows of 16 bytes an address keeps 27 bits, as in `planImage`.
  const before = new Int32Array(4 * (last - first + 1));
  let widest = 0;
  for (let k = first, m = 0; k <= last; k++) {
    while (m < bounds.length && bounds[m]! * scale <= k - 0.5) m += 1;
    before[4 * (k - first)] = m;
    let inside = m;
    while (inside < bounds.length && bounds[inside]! * scale <= k + 0.5) inside += 1;
    const half = firstStep(inside - m);
    before[4 * (k - first) + 1] = half;
    widest = Math.max(widest, half);
  }
  const boundsBytes = align(4 * (bounds.length + 2 * widest));
  const cellsAt = FLOW_HEADER_BYTES;
  const boundsAt = cellsAt + 4 * before.length;
  const rowsAt = boundsAt + boundsBytes;
  return {
    bytes: rowsAt + 4 * rows.length,
    write(floats, words, address) {
      const header = [first / scale, last / scale, scale, 2 ** 23 + (address + cellsAt) / 16 - first];
      fillSlots(floats, address, 0, header);
      fillSlots(words, address, 4, [ADDRESS_BITS, address + boundsAt, address + rowsAt]);
      fillSlots(words, address, 7, [0x00800001, 0x7f7fffff, 0x7fffffff]);
      fillSlots(floats, address, 10, LOG1P_RATIO);
      fillSlots(floats, address, 18, EXPM1_RATIO);
      words.set(before, (address + cellsAt) >> 2);
      writeBounds(floats, address + boundsAt, bounds, boundsBytes);
      floats.set(rows, (address + rowsAt) >> 2);
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
