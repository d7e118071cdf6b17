import { type Engine, type EngineName, FREE_ADDRESS } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import { alignImage, type Image } from '../plan/image.js';
import type { HostBackend, Kernel, Tables } from './backend.js';

/** Floats that travel through an engine's memory at a time; with a table's busy part they fit a first-level cache. */
const CHUNK = 4096;
const X_ADDRESS = FREE_ADDRESS;
const Y_ADDRESS = X_ADDRESS + 4 * CHUNK;
const SCRATCH_ADDRESS = Y_ADDRESS + 4 * CHUNK;
const TABLES_ADDRESS = alignImage(SCRATCH_ADDRESS + 8 * CHUNK + 16);
/** Tables beyond this many bytes push all others out. Cell addresses have 27 bits. */
const MOST_BYTES = 2 ** 27;

/** A backend over an engine with linear memory: tensors of any size stream through a fixed window of it. */
class EngineBackend implements HostBackend {
  readonly device: string;
  readonly exact = true;
  readonly failures = [];
  readonly isSynchronous = true;
  readonly maxLength = Number.POSITIVE_INFINITY;
  readonly #engine: Engine;
  /** Where images are; entries from before the last clearing of the memory carry an older generation. */
  readonly #places = new WeakMap<Image, { address: number; generation: number }>();
  #generation = 0;
  #top = TABLES_ADDRESS;
  /** Where the rows of one channel are collected. */
  #block = new Float32Array(0);

  constructor(engine: Engine) {
    this.#engine = engine;
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
    // Memory is a stack: what lies on top is given back at once, the rest when memory is full.
    for (const image of [...images].reverse()) {
      const place = this.#places.get(image);
      if (place?.generation === this.#generation && place.address + alignImage(image.bytes) === this.#top)
        this.#top = place.address;
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
    const place = this.#places.get(image);
    if (place?.generation === this.#generation) return place.address;
    const bytes = alignImage(image.bytes);
    if (this.#top + bytes > MOST_BYTES) {
      this.#generation += 1;
      this.#top = TABLES_ADDRESS;
    }
    const address = this.#top;
    this.#engine.reserve(address + bytes);
    image.write(this.#engine.floats, this.#engine.words, address);
    this.#top = address + bytes;
    this.#places.set(image, { address, generation: this.#generation });
    return address;
  }
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
