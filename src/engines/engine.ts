/**
 * An engine runs the kernels synchronously on its own linear memory. There are two, compiled from the same sources:
 * `wasm` (four lanes at a time) and `js` (one).
 */
export interface Engine {
  readonly name: EngineName;
  /** Lanes of a vector. */
  readonly lanes: number;
  /** Views of the whole memory, valid until the next call of `reserve`. */
  readonly floats: Float32Array;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  /** Makes the memory at least this large, keeping its contents. @throws {RangeError} if it cannot grow. */
  reserve(bytes: number): void;
  readonly kernels: Kernels;
}

export type EngineName = 'wasm' | 'js';

/** What assembly/index.ts exports. Arguments are byte addresses, multiples of 16, and counts. */
export interface Kernels {
  /** A compiled activation (`planImage`) on `count` floats, a multiple of 4. `list` has room for 2·count + 4 words; y must not overlap x. */
  activate(table: number, x: number, y: number, count: number, list: number): void;
  /**
   * The same where neighbours belong to different channels (assembly/channels.ts): `groups` headers of GROUP_BYTES at `pattern`, one a vector, in
   * turn, from number `first` on.
   */
  activateChannels(
    pattern: number,
    groups: number,
    first: number,
    x: number,
    y: number,
    count: number,
    list: number,
  ): void;
  /** A CPAB transformation (`flowImage`) on `count` floats, a multiple of 4. */
  flow(table: number, x: number, y: number, count: number): void;
  /**
   * The gradient (`backwardImage`) of `count` floats, a multiple of 4; gradX may be gradY. Adds to `sums`, float64 in
   * [WINDOWS][windowLength] that hold integers: exact for 2²¹ floats. `scratch` has room for 1280 words.
   */
  backward(table: number, sums: number, x: number, gradY: number, gradX: number, count: number, scratch: number): void;
  /** The probes (`src/backends/probes.ts`), four of a kind together. */
  probe(table: number, x: number, y: number, count: number): void;
  /** Fits one piece by segments; false (or 0) if they need more room. See assembly/fit.ts. */
  fit(job: number): boolean | number;
  /** Derives the grid of cells from segments. See assembly/cells.ts. */
  fillCells(job: number): void;
  /**
   * Taylor series of a tape's result about `centre`, in powers of (x - centre)/scale, left in its register. Returns a bound on the remainder for
   * |x - centre| ≤ scale·radius, Infinity if there is none.
   */
  expand(
    tape: number,
    registers: number,
    centre: number,
    scale: number,
    radius: number,
    isSettled: boolean | number,
  ): number;
  /** Values of a tape's instructions at x, in float64. See assembly/jets.ts. */
  values(tape: number, registers: number, x: number): void;
  /** The same once more as two float64 each. */
  settle(tape: number, registers: number, x: number): void;
  /** How far the last instruction strays from its value on the disc of radius rho around x. */
  discs(tape: number, registers: number, rho: number): number;
}

/** The start of an engine's memory is left to the compiler. */
export const FREE_ADDRESS = 1024;
