import type { Engine } from '../engines/engine.js';
import { WINDOWS } from '../plan/image.js';
import { CHUNK, isIn, type PlacedTables } from './runner.js';

/** Elements after which sums are read, while they are exact: 2²¹ of 2³¹ at most. */
const MOST_SUMMED = 2 ** 21;

/** Gradients of tensors by the kernels of an engine. Apart from `Runner`, since `ditac/runtime` has none. */
export class BackwardRunner {
  readonly #engine: Engine;
  readonly #x: number;
  readonly #y: number;
  readonly #scratch: number;

  /** @param window the address of RUNNER_BYTES of the engine's memory, a multiple of 16; a `Runner` may have it too. */
  constructor(engine: Engine, window: number) {
    this.#engine = engine;
    this.#x = window;
    this.#y = window + 4 * CHUNK;
    this.#scratch = window + 8 * CHUNK;
  }

  /**
   * gradX of one channel's elements. They are added up at `sums`, the address of [WINDOWS][windowLength] float64, and `onSums` is called
   * when these are to be read: at the end, and so often that they are exact. It returns with them cleared if it is to go on.
   */
  backward(
    tables: PlacedTables,
    channel: number,
    sums: number,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    onSums: () => void,
  ): void {
    const { channels, inner, offset } = tables;
    const engine = this.#engine;
    const table = tables.addressOf(channel);
    let summed = 0;
    let count = 0;
    /** Where the parts of a chunk come from, [first, length] each. */
    const parts: number[] = [];
    const flush = () => {
      if (count === 0) return;
      const { floats } = engine;
      const whole = (count + 3) & -4;
      // What fills the last vector up has no gradient.
      for (const address of [this.#x, this.#y]) floats.fill(0, (address >> 2) + count, (address >> 2) + whole);
      engine.kernels.backward(table, sums, this.#x, this.#y, this.#y, whole, this.#scratch);
      for (let p = 0, at = this.#y >> 2; p < parts.length; p += 2) {
        const length = parts[p + 1]!;
        copy(floats, at, gradX, parts[p]!, length);
        at += length;
      }
      note(count);
      count = 0;
      parts.length = 0;
    };
    const note = (length: number) => {
      summed += length;
      if (summed >= MOST_SUMMED - CHUNK) {
        onSums();
        summed = 0;
      }
    };
    const isHere = channels === 1 && x.length >= gradY.length && [x, gradY, gradX].every((each) => isIn(engine, each));
    const whole = isHere ? gradY.length - (gradY.length % 4) : 0;
    for (let from = 0; from < whole; from += CHUNK) {
      const [p, q, r] = [x, gradY, gradX].map(({ byteOffset }) => byteOffset + 4 * from) as [number, number, number];
      const length = Math.min(CHUNK, whole - from);
      engine.kernels.backward(table, sums, p, q, r, length, this.#scratch);
      note(length);
    }
    // Rows of `inner` neighbours; with one channel all elements are one row.
    const size = channels === 1 ? gradY.length : inner;
    const stride = channels === 1 ? gradY.length : inner * channels;
    const start = channels === 1 ? 0 : ((((channel * inner - offset) % stride) + stride) % stride) - stride;
    for (let row = start; row < gradY.length; row += Math.max(stride, 1)) {
      for (let at = Math.max(row, whole), end = Math.min(row + size, gradY.length); at < end; ) {
        const from = at % x.length;
        const length = Math.min(end - at, x.length - from, CHUNK - count);
        copy(x, from, engine.floats, (this.#x >> 2) + count, length);
        copy(gradY, at, engine.floats, (this.#y >> 2) + count, length);
        parts.push(at, length);
        count += length;
        at += length;
        if (count === CHUNK) flush();
      }
    }
    flush();
    if (summed > 0) onSums();
  }

  /** Sets sums to zero, those of some windows. */
  clearSums(sums: number, windowLength: number, windows = EVERY_WINDOW): void {
    const { doubles } = this.#engine;
    for (let window = 0, at = sums >> 3; window < WINDOWS; window++, at += windowLength)
      if ((windows >>> window) & 1) doubles.fill(0, at, at + windowLength);
  }
}

/** Windows as bits: all of them; and of 0, and of the 1 that counts an element without a gradient. */
export const EVERY_WINDOW = -1;
const CERTAIN_WINDOWS = (1 << 0) | (1 << (0x3f800000 >>> 26));

const product = new Float32Array(1);
const productBits = new Uint32Array(product.buffer);

/**
 * The windows in which the sums of a call may be, a bit each: those of gradY, and where far blocks add up gradY·x (`addFar`), of that. Numbers that
 * the kernel takes for others, as subnormals for 0, are in the window of 0 or 1. x may repeat.
 */
export function windowsOf(x: Float32Array, gradY: Float32Array): number {
  const bits = new Uint32Array(gradY.buffer, gradY.byteOffset, gradY.length);
  let windows = CERTAIN_WINDOWS;
  for (let i = 0, from = 0; i < bits.length; i++, from = from + 1 < x.length ? from + 1 : 0) {
    product[0] = gradY[i]! * x[from]!;
    windows |= (1 << ((bits[i]! >>> 26) & 31)) | (1 << ((productBits[0]! >>> 26) & 31));
  }
  return windows;
}

/** Faster than `set` for few elements, and than a loop for many. */
function copy(from: Float32Array, at: number, to: Float32Array, start: number, length: number): void {
  if (length < 32) for (let i = 0; i < length; i++) to[start + i] = from[at + i]!;
  else to.set(from.subarray(at, at + length), start);
}
