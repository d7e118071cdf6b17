import { type Engine, type EngineName, FREE_ADDRESS } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import { alignImage, type BackwardImage, type Image, WINDOWS } from '../plan/image.js';
import type { Moments } from '../plan/moments.js';
import type { HostBackend, Kernel, Tables } from './backend.js';
import { Regions } from './regions.js';

/** Floats that travel through an engine's memory at a time; with a table's busy part they fit a first-level cache. */
const CHUNK = 4096;
const X_ADDRESS = FREE_ADDRESS;
const Y_ADDRESS = X_ADDRESS + 4 * CHUNK;
const SCRATCH_ADDRESS = Y_ADDRESS + 4 * CHUNK;
const TABLES_ADDRESS = alignImage(SCRATCH_ADDRESS + 8 * CHUNK + 16);
/** A table beyond these bytes pushes all others out. Cell addresses have 27 bits. */
const MOST_BYTES = 2 ** 27;
/** Elements after which sums are read, while they are exact: 2²¹ of 2³¹ at most. */
const MOST_SUMMED = 2 ** 21;

/** A backend over an engine with linear memory: tensors of any size stream through a fixed window of it. */
class EngineBackend implements HostBackend {
  readonly device: string;
  readonly exact = true;
  readonly failures = [];
  readonly isSynchronous = true;
  readonly maxLength = Number.POSITIVE_INFINITY;
  readonly #engine: Engine;
  #regions = new Regions(TABLES_ADDRESS, MOST_BYTES);
  /** Where images are. Forgotten with `#regions` when memory is full. */
  #places = new WeakMap<Image, number>();
  #sums = { address: 0, bytes: 0 };
  /** Where the rows of one channel are collected. */
  #block = new Float32Array(0);

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.reserve(TABLES_ADDRESS);
    this.device = engine.name === 'wasm' ? 'WebAssembly SIMD' : 'plain JavaScript';
  }

  get name(): EngineName {
    return this.#engine.name;
  }

  allocate(length: number): Float32Array {
    return new Float32Array(length);
  }

  upload(values: Float32Array): Float32Array {
    return values.slice();
  }

  download(tensor: Float32Array, into: Float32Array = new Float32Array(tensor.length)): Float32Array {
    into.set(tensor);
    return into;
  }

  free(): void {}

  release(images: readonly Image[]): void {
    for (const image of images) {
      const address = this.#places.get(image);
      if (address !== undefined) this.#regions.give(address);
      this.#places.delete(image);
    }
  }

  dispose(): void {}

  run(kernel: Kernel, { images, inner, offset = 0 }: Tables, x: Float32Array, y: Float32Array): void {
    if (x.length < y.length) {
      for (let from = 0; from < y.length; from += x.length) {
        const part = y.subarray(from, from + x.length);
        this.run(kernel, { images, inner, offset: offset + from }, x.subarray(0, part.length), part);
      }
    } else if (images.length === 1) this.#evaluate(kernel, images[0]!, x, y);
    else if (inner === 1) this.#interleaved(kernel, images, offset, x, y);
    else {
      for (let from = 0; from < y.length; ) {
        const row = Math.floor((offset + from) / inner);
        const to = Math.min((row + 1) * inner - offset, y.length);
        this.#evaluate(kernel, images[row % images.length]!, x.subarray(from, to), y.subarray(from, to));
        from = to;
      }
    }
  }

  backward(
    { images, inner, offset = 0 }: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
  ): void {
    const engine = this.#engine;
    const channels = images.length;
    for (let c = 0; c < channels; c++) {
      const image = images[c]!;
      let table = 0;
      let sums = 0;
      let summed = 0;
      let count = 0;
      /** Where the parts of a chunk come from, [first, length] each. */
      const parts: number[] = [];
      const flush = () => {
        if (count === 0) return;
        if (summed === 0) {
          // Twice: room for the sums may have cost the table its place.
          this.#place(image);
          sums = this.#clearSums(image);
          table = this.#place(image);
        }
        const { floats } = engine;
        const whole = (count + 3) & -4;
        // What fills the last vector up has no gradient.
        for (const address of [X_ADDRESS, Y_ADDRESS]) floats.fill(0, (address >> 2) + count, (address >> 2) + whole);
        engine.kernels.backward(table, sums, X_ADDRESS, Y_ADDRESS, Y_ADDRESS, whole);
        for (let p = 0, at = Y_ADDRESS >> 2; p < parts.length; p += 2) {
          const length = parts[p + 1]!;
          copy(floats, at, gradX, parts[p]!, length);
          at += length;
        }
        summed += count;
        count = 0;
        parts.length = 0;
        if (summed >= MOST_SUMMED - CHUNK) summed = this.#readSums(image, moments[c]!);
      };
      // Rows of `inner` neighbours; with one channel all elements are one row.
      const size = channels === 1 ? gradY.length : inner;
      const stride = channels === 1 ? gradY.length : inner * channels;
      const start = channels === 1 ? 0 : ((((c * inner - offset) % stride) + stride) % stride) - stride;
      for (let row = start; row < gradY.length; row += Math.max(stride, 1)) {
        for (let at = Math.max(row, 0), end = Math.min(row + size, gradY.length); at < end; ) {
          const from = at % x.length;
          const length = Math.min(end - at, x.length - from, CHUNK - count);
          copy(x, from, engine.floats, (X_ADDRESS >> 2) + count, length);
          copy(gradY, at, engine.floats, (Y_ADDRESS >> 2) + count, length);
          parts.push(at, length);
          count += length;
          at += length;
          if (count === CHUNK) flush();
        }
      }
      flush();
      if (summed > 0) this.#readSums(image, moments[c]!);
    }
  }

  /** The address of sums that are zero. */
  #clearSums({ windowLength }: BackwardImage): number {
    const bytes = 8 * WINDOWS * windowLength;
    if (this.#sums.bytes < bytes) {
      if (this.#sums.bytes > 0) this.#regions.give(this.#sums.address);
      this.#sums = { address: this.#take(bytes), bytes };
    }
    const { address } = this.#sums;
    this.#engine.doubles.fill(0, address >> 3, (address + bytes) >> 3);
    return address;
  }

  /** Adds them to the moments; returns how many elements they hold then: none. */
  #readSums({ windowLength }: BackwardImage, moments: Moments): 0 {
    const { doubles } = this.#engine;
    for (let window = 0, at = this.#sums.address >> 3; window < WINDOWS; window++, at += windowLength)
      moments.addDoubles(window, doubles.subarray(at, at + windowLength));
    return 0;
  }

  /** Channels are neighbours: each is collected into a contiguous block, a bounded number of rows at a time. */
  #interleaved(kernel: Kernel, images: readonly Image[], offset: number, x: Float32Array, y: Float32Array): void {
    const channels = images.length;
    const rows = Math.ceil(y.length / channels);
    if (this.#block.length === 0) this.#block = new Float32Array(CHUNK);
    for (let from = 0; from < rows; from += CHUNK) {
      for (let c = 0; c < channels; c++) {
        const start = from * channels + c;
        const end = Math.min(start + CHUNK * channels, y.length);
        let count = 0;
        for (let at = start; at < end; at += channels) this.#block[count++] = x[at]!;
        const part = this.#block.subarray(0, count);
        this.#evaluate(kernel, images[(offset + c) % channels]!, part, part);
        count = 0;
        for (let at = start; at < end; at += channels) y[at] = this.#block[count++]!;
      }
    }
  }

  #evaluate(kernel: Kernel, image: Image, x: Float32Array, y: Float32Array): void {
    const table = this.#place(image);
    const engine = this.#engine;
    for (let from = 0; from < x.length; from += CHUNK) {
      const count = Math.min(CHUNK, x.length - from);
      const { floats } = engine;
      floats.set(count === x.length ? x : x.subarray(from, from + count), X_ADDRESS >> 2);
      // The kernel takes whole vectors; what lies behind the end of x is computed and dropped.
      const whole = (count + 3) & -4;
      if (kernel === 'activate') engine.kernels.activate(table, X_ADDRESS, Y_ADDRESS, whole, SCRATCH_ADDRESS);
      else engine.kernels[kernel](table, X_ADDRESS, Y_ADDRESS, whole);
      y.set(floats.subarray(Y_ADDRESS >> 2, (Y_ADDRESS >> 2) + count), from);
    }
  }

  #place(image: Image): number {
    const known = this.#places.get(image);
    if (known !== undefined) return known;
    const address = this.#take(alignImage(image.bytes));
    image.write(this.#engine.floats, this.#engine.words, address);
    this.#places.set(image, address);
    return address;
  }

  /** Room for so many bytes; if there is none, everything else is forgotten. */
  #take(bytes: number): number {
    let address = this.#regions.take(bytes);
    if (address === undefined) {
      this.#regions = new Regions(TABLES_ADDRESS, MOST_BYTES);
      this.#places = new WeakMap();
      this.#sums = { address: 0, bytes: 0 };
      address = this.#regions.take(bytes);
      if (address === undefined) throw new RangeError(`tables of ${bytes} bytes do not fit; at most ${MOST_BYTES}`);
    }
    this.#engine.reserve(address + bytes);
    return address;
  }
}

/** Faster than `set` for few elements, and than a loop for many. */
function copy(from: Float32Array, at: number, to: Float32Array, start: number, length: number): void {
  if (length < 32) for (let i = 0; i < length; i++) to[start + i] = from[at + i]!;
  else to.set(from.subarray(at, at + length), start);
}

const loaded = new Map<EngineName, HostBackend>();

/** The backend of that name, created on first use. @throws {Error} if it cannot run here, with the reason. */
export function hostBackend(name: EngineName): HostBackend {
  return loaded.get(name) ?? remember(createEngine(name));
}

let preferred: HostBackend | undefined;

/** WebAssembly SIMD, or plain JavaScript where that is not allowed. The bits are the same. */
export function defaultBackend(): HostBackend {
  preferred ??= remember(createEngine());
  return preferred;
}

function remember(engine: Engine): HostBackend {
  const backend = loaded.get(engine.name) ?? new EngineBackend(engine);
  loaded.set(engine.name, backend);
  return backend;
}
