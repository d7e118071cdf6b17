import { type Engine, FREE_ADDRESS } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import { expectOneOf } from '../errors.js';
import type { Image } from '../plan/image.js';

/**
 * What a backend is: something that evaluates a table over a tensor, and always gives the same bits.
 *
 * - A table is an {@link Image}: bytes whose layout every kernel understands. Backends keep images that they have seen.
 * - `run` reads x and writes y, both of the caller; they may be the same array. Any length, any values.
 * - Results do not depend on how a backend divides the tensor.
 */
export interface Backend {
  readonly name: BackendName;
  run(kernel: Kernel, image: Image, x: Float32Array, y: Float32Array): void;
}

/** `activate` evaluates a compiled activation (`planImage`), `flow` a CPAB transformation (`flowImage`). */
export type Kernel = 'activate' | 'flow';

export type BackendName = 'wasm' | 'js';
export const BACKEND_NAMES: readonly BackendName[] = ['wasm', 'js'];

/** Floats that travel through an engine's memory at a time; with a table's busy part they fit a first-level cache. */
const CHUNK = 4096;
const X_ADDRESS = FREE_ADDRESS;
const Y_ADDRESS = X_ADDRESS + 4 * CHUNK;
const SCRATCH_ADDRESS = Y_ADDRESS + 4 * CHUNK;
const TABLES_ADDRESS = SCRATCH_ADDRESS + 8 * CHUNK + 16;
/** Tables beyond this many bytes push all others out. Cell addresses have 27 bits. */
const MOST_BYTES = 2 ** 27;

/** A backend over an engine with linear memory: tensors of any size stream through a fixed window of it. */
class LinearBackend implements Backend {
  readonly #engine: Engine;
  /** Where images are; entries from before the last clearing of the memory carry an older generation. */
  readonly #places = new WeakMap<Image, { address: number; generation: number }>();
  #generation = 0;
  #top = TABLES_ADDRESS;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get name(): BackendName {
    return this.#engine.name;
  }

  run(kernel: Kernel, image: Image, x: Float32Array, y: Float32Array): void {
    const table = this.#place(image);
    const engine = this.#engine;
    for (let from = 0; from < x.length; from += CHUNK) {
      const count = Math.min(CHUNK, x.length - from);
      const { floats } = engine;
      floats.set(count === x.length ? x : x.subarray(from, from + count), X_ADDRESS >> 2);
      // The kernel takes whole vectors; what lies behind the end of x is computed and dropped.
      const whole = (count + 3) & -4;
      if (kernel === 'activate') engine.kernels.activate(table, X_ADDRESS, Y_ADDRESS, whole, SCRATCH_ADDRESS);
      else engine.kernels.flow(table, X_ADDRESS, Y_ADDRESS, whole);
      y.set(floats.subarray(Y_ADDRESS >> 2, (Y_ADDRESS >> 2) + count), from);
    }
  }

  #place(image: Image): number {
    const place = this.#places.get(image);
    if (place?.generation === this.#generation) return place.address;
    const bytes = (image.bytes + 15) & -16;
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

const loaded = new Map<BackendName, Backend>();

/** The backend of that name, created on first use. @throws {Error} if it cannot run here, with the reason. */
export function backendNamed(name: BackendName): Backend {
  return loaded.get(name) ?? remember(createEngine(name));
}

let preferred: Backend | undefined;

/** WebAssembly SIMD, or plain JavaScript where that is not allowed. The bits are the same. */
export function defaultBackend(): Backend {
  preferred ??= remember(createEngine());
  return preferred;
}

function remember(engine: Engine): Backend {
  const backend = loaded.get(engine.name) ?? new LinearBackend(engine);
  loaded.set(engine.name, backend);
  return backend;
}

/**
 * Gives a backend by name. Asynchronous because not every backend can start at once.
 * @throws {RangeError} for an unknown name; the platform's own error if it cannot run here.
 */
export async function loadBackend(name: BackendName): Promise<Backend> {
  return backendNamed(expectOneOf('backend', name, BACKEND_NAMES));
}
