import { WINDOWS } from './image.js';

/** Of the blocks of moments, which counts elements that leave no gradient. */
const POISON_BLOCK = 1;

const WORD = 2 ** 32;
/** 2⁵¹ elements of the largest moment: no sum comes near, and all below are exact. */
const MOST_HIGH = 2 ** 50;
/** What a unit of each window is worth. */
const UNITS = Array.from({ length: WINDOWS }, (_, window) => 2 ** (8 * window - 150));

/** Four sums a block: `low` + 2³²·`high`, integers both. */
interface Sums {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/**
 * The moments that `assembly/backward.ts` adds up, as exact integers: Σ gradY·uᵐ for m = 0 to 3 and every block, apart for every eight
 * exponents of gradY. They are the same however a tensor is divided and in whatever order its parts come, and so is all that is computed
 * from them.
 */
export class Moments {
  readonly blocks: number;
  readonly #windows = new Array<Sums | undefined>(WINDOWS);
  /** Those of them that are there. */
  readonly #present: Sums[] = [];

  constructor(blocks: number) {
    this.blocks = blocks;
  }

  /** Adds the sums of a window, [blocks][4] integers of at most 2⁵² each. */
  addDoubles(window: number, sums: Float64Array): void {
    for (let i = 0; i < 4 * this.blocks; i++) if (sums[i] !== 0) this.add(window, i, sums[i]!, 0);
  }

  /** The same for 64-bit integers of two words, the lower one first, seen as unsigned and as signed words. */
  addWords(window: number, lower: Uint32Array, upper: Int32Array): void {
    for (let i = 0; i < 4 * this.blocks; i++) {
      const [low, high] = [lower[2 * i]!, upper[2 * i + 1]!];
      if (low !== 0 || high !== 0) this.add(window, i, low, high);
    }
  }

  /** Adds what another has added up, of as many blocks; takes it away again with -1. */
  join(other: Moments, sign: 1 | -1 = 1): void {
    other.#windows.forEach((sums, window) => {
      sums?.low.forEach((low, i) => {
        this.add(window, i, sign * low, sign * sums.high[i]!);
      });
    });
  }

  /** Every sum that is not 0, by window and place, [blocks][4]: equal sums in equal words, whatever they were added from. */
  *entries(): Generator<{ window: number; i: number; low: number; high: number }> {
    for (const [window, sums] of this.#windows.entries()) {
      for (let i = 0; sums !== undefined && i < 4 * this.blocks; i++) {
        // The words may differ in sign: the lower one is made unsigned.
        const carry = Math.floor(sums.low[i]! / WORD);
        const [low, high] = [sums.low[i]! - carry * WORD, sums.high[i]! + carry];
        if (low !== 0 || high !== 0) yield { window, i, low, high };
      }
    }
  }

  /** @throws {RangeError} if sums would leave what is exact when `other` joins. */
  expectRoom(other: Moments): void {
    this.makeRoom(other);
    other.#windows.forEach((sums, window) => {
      const own = this.#sumsOf(window);
      if (sums?.high.some((high, i) => !(Math.abs(high + own.high[i]!) < MOST_HIGH)))
        throw new RangeError('sums must stay below 2⁸² to be exact, got more');
    });
  }

  /** So that `join` needs no more room. */
  makeRoom(other: Moments): void {
    other.#windows.forEach((sums, window) => {
      if (sums) this.#sumsOf(window);
    });
  }

  #sumsOf(window: number): Sums {
    let sums = this.#windows[window];
    if (!sums) {
      sums = { low: new Float64Array(4 * this.blocks), high: new Float64Array(4 * this.blocks) };
      this.#windows[window] = sums;
      this.#present.push(sums);
    }
    return sums;
  }

  /** Adds `low` + 2³²·`high` to one sum. */
  add(window: number, i: number, low: number, high: number): void {
    const sums = this.#sumsOf(window);
    const sum = sums.low[i]! + low;
    const carry = Math.trunc(sum / WORD);
    sums.low[i] = sum - carry * WORD;
    sums.high[i]! += high + carry;
  }

  /** Whether an element left no gradient: a NaN, an infinite gradY, or a product that overflowed. */
  get isPoisoned(): boolean {
    const at = 4 * POISON_BLOCK;
    return this.#present.some(({ low, high }) => low[at] !== 0 || high[at] !== 0);
  }

  /** Whether all sums of a block are 0. */
  isEmpty(block: number): boolean {
    const from = 4 * block;
    for (let i = 0; i < this.#present.length; i++) {
      const { low, high } = this.#present[i]!;
      for (let at = from; at < from + 4; at++) if (low[at] !== 0 || high[at] !== 0) return false;
    }
    return true;
  }

  /** Σ gradY·uᵐ of a block, m = 0 to 3: its exact sums, each rounded once, added from the largest exponents down. */
  of(block: number): [number, number, number, number] {
    const moments: [number, number, number, number] = [0, 0, 0, 0];
    for (let window = WINDOWS - 1; window >= 0; window--) {
      const sums = this.#windows[window];
      if (sums === undefined) continue;
      for (let m = 0, at = 4 * block; m < 4; m++, at++)
        moments[m]! += UNITS[window]! * (sums.high[at]! * WORD + sums.low[at]!);
    }
    return moments;
  }
}
