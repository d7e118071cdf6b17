/**
 * An engine runs the kernels synchronously on its own linear memory. There are two, compiled from the same sources:
 * `wasm` (four lanes at a time) and `js` (one).
 */
export interface Engine {
  readonly name: 'wasm' | 'js';
  /** Views of the whole memory, valid until the next call of `reserve`. */
  readonly floats: Float32Array;
  readonly words: Int32Array;
  /** Makes the memory at least this large, keeping its contents. @throws {RangeError} if it cannot grow. */
  reserve(bytes: number): void;
  /**
   * Runs a kernel with the table at `table` on `count` floats (a multiple of 4). Addresses are multiples of 16; x and y do
   * not overlap; `scratch` has room for `count` words.
   */
  run(kernel: Kernel, table: number, x: number, y: number, count: number, scratch: number): void;
}

/** `activate` evaluates a compiled activation (`planImage`), `flow` a CPAB transformation (`flowImage`). */
export type Kernel = 'activate' | 'flow';
