import type { Engine } from '../engines/engine.js';
import type { Kernel } from './backend.js';

/** Floats that travel through an engine's memory at a time; with a table's busy part they fit a first-level cache. */
export const CHUNK = 4096;
/** Bytes of an engine's memory that a runner works in. */
export const RUNNER_BYTES = 4 * (CHUNK + CHUNK + 2 * CHUNK + 4);

/** Where the tables of a tensor's channels are: element i of y belongs to channel ⌊(offset + i)/inner⌋ mod channels. */
export interface PlacedTables {
  readonly channels: number;
  readonly inner: number;
  readonly offset: number;
  /** The address of a channel's table; good until the next call. */
  addressOf(channel: number): number;
  /** The same as long as every table stays where it is and what it is; undefined if that is not known. */
  readonly epoch?: object;
}

/** Whether an array lies in the engine's own memory. */
export function isIn(engine: Engine, { buffer }: Float32Array): boolean {
  return buffer === engine.floats.buffer;
}

/** So many floats are copied faster by a loop than by `set`. */
const LOOPED = 64;

/** Takes tensors through the kernels of an engine: by channels, a chunk at a time through a window of its memory. */
export class Runner {
  readonly #engine: Engine;
  readonly #x: number;
  readonly #y: number;
  readonly #scratch: number;
  /** Where the rows of one channel are collected. */
  #block = new Float32Array(0);

  /** @param window the address of RUNNER_BYTES of the engine's memory, a multiple of 16. */
  constructor(engine: Engine, window: number) {
    this.#engine = engine;
    this.#x = window;
    this.#y = window + 4 * CHUNK;
    this.#scratch = window + 8 * CHUNK;
  }

  /** As `run`, for at most CHUNK floats of one channel: all are read before any is written, and nothing is allocated on the way. */
  few(kernel: Kernel, table: number, x: Float32Array, y: Float32Array): void {
    const { floats } = this.#engine;
    const count = x.length;
    const [from, to] = [this.#x >> 2, this.#y >> 2];
    if (count > LOOPED) floats.set(x, from);
    else for (let i = 0; i < count; i++) floats[from + i] = x[i]!;
    // The kernel takes whole vectors; what lies behind the end of x is computed and dropped.
    this.#call(kernel, table, this.#x, this.#y, (count + 3) & -4);
    if (count > LOOPED) y.set(floats.subarray(to, to + count));
    else for (let i = 0; i < count; i++) y[i] = floats[to + i]!;
  }

  /** y[i] = f(x[i mod x.length]); y may be x. */
  run(kernel: Kernel, tables: PlacedTables, x: Float32Array, y: Float32Array): void {
    const { channels, inner, offset } = tables;
    if (x.length < y.length) {
      for (let from = 0; from < y.length; from += x.length) {
        const part = y.subarray(from, from + x.length);
        this.run(kernel, { ...tables, offset: offset + from }, x.subarray(0, part.length), part);
      }
    } else if (channels === 1) this.#evaluate(kernel, tables.addressOf(0), x, y);
    else if (kernel === 'activate' && this.alternate?.(tables, x, y)) return;
    else if (inner === 1) this.#interleaved(kernel, tables, x, y);
    else {
      for (let from = 0; from < y.length; ) {
        const row = Math.floor((offset + from) / inner);
        const to = Math.min((row + 1) * inner - offset, y.length);
        this.#evaluate(kernel, tables.addressOf(row % channels), x.subarray(from, to), y.subarray(from, to));
        from = to;
      }
    }
  }

  /** Evaluates where channels take turns within a vector, if there is a way; `AlternatingRunner` has one. */
  protected alternate?(tables: PlacedTables, x: Float32Array, y: Float32Array): boolean;

  /** Channels are neighbours: each is collected into a contiguous block, a bounded number of rows at a time. */
  #interleaved(kernel: Kernel, tables: PlacedTables, x: Float32Array, y: Float32Array): void {
    const { channels, offset } = tables;
    const rows = Math.ceil(y.length / channels);
    if (this.#block.length === 0) this.#block = new Float32Array(CHUNK);
    for (let from = 0; from < rows; from += CHUNK) {
      for (let c = 0; c < channels; c++) {
        const start = from * channels + c;
        const end = Math.min(start + CHUNK * channels, y.length);
        let count = 0;
        for (let at = start; at < end; at += channels) this.#block[count++] = x[at]!;
        const part = this.#block.subarray(0, count);
        this.#evaluate(kernel, tables.addressOf((offset + c) % channels), part, part);
        count = 0;
        for (let at = start; at < end; at += channels) y[at] = this.#block[count++]!;
      }
    }
  }

  #evaluate(kernel: Kernel, table: number, x: Float32Array, y: Float32Array): void {
    const engine = this.#engine;
    let from = 0;
    if (isIn(engine, x) && isIn(engine, y)) {
      // In the engine's own memory whole vectors need no window, but for an x that is overwritten.
      for (; from + 4 <= x.length; ) {
        const whole = Math.min(CHUNK, x.length - from) & -4;
        const isSame = x.byteOffset === y.byteOffset;
        if (isSame) engine.floats.copyWithin(this.#x / 4, x.byteOffset / 4 + from, x.byteOffset / 4 + from + whole);
        this.#call(kernel, table, isSame ? this.#x : x.byteOffset + 4 * from, y.byteOffset + 4 * from, whole);
        from += whole;
      }
    }
    for (; from < x.length; from += CHUNK) {
      const count = Math.min(CHUNK, x.length - from);
      const { floats } = engine;
      floats.set(count === x.length ? x : x.subarray(from, from + count), this.#x >> 2);
      this.#call(kernel, table, this.#x, this.#y, (count + 3) & -4);
      y.set(floats.subarray(this.#y >> 2, (this.#y >> 2) + count), from);
    }
  }

  #call(kernel: Kernel, table: number, x: number, y: number, count: number): void {
    const { kernels } = this.#engine;
    if (kernel === 'activate') kernels.activate(table, x, y, count, this.#scratch);
    else kernels[kernel](table, x, y, count);
  }
}
