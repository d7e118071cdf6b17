import { type Engine, type EngineName, FREE_ADDRESS } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import { expectFloat32Array, expectInteger } from '../errors.js';
import { alignImage, type BackwardImage, type Image, MOST_IMAGE_ADDRESS, WINDOWS } from '../plan/image.js';
import type { Moments } from '../plan/moments.js';
import type { HostBackend, Kernel, Tables } from './backend.js';
import { Regions } from './regions.js';
import { RUNNER_BYTES, Runner } from './runner.js';

const TABLES_ADDRESS = alignImage(FREE_ADDRESS + RUNNER_BYTES);

/** The longest array that engines promise. */
const MOST_LENGTH = 2 ** 32;

/** @throws {TypeError|RangeError} unless it is an array that goes into `into`. */
export function expectCopy(tensor: unknown, into: unknown): void {
  const { length } = expectFloat32Array('tensor', tensor);
  if (into !== undefined && expectFloat32Array('into', into).length !== length)
    throw new RangeError(`into must have length ${length} as the tensor has, got ${(into as Float32Array).length}`);
}

/** Copies a tensor that is an array. @throws {TypeError|RangeError} if there is not as much room. */
export function copyOut(tensor: Float32Array, into?: Float32Array): Float32Array {
  expectCopy(tensor, into);
  const room = into ?? new Float32Array(tensor.length);
  room.set(tensor);
  return room;
}

/** A backend over an engine with linear memory: tensors of any size stream through a fixed window of it. */
class EngineBackend implements HostBackend {
  readonly device: string;
  readonly exact = true;
  readonly failures = [];
  readonly isSynchronous = true;
  readonly maxLength = Number.POSITIVE_INFINITY;
  readonly #engine: Engine;
  readonly #runner: Runner;
  #regions = new Regions(TABLES_ADDRESS, MOST_IMAGE_ADDRESS);
  /** Where images are. Forgotten with `#regions` when memory is full. */
  #places = new WeakMap<Image, number>();
  #sums = { address: 0, bytes: 0 };

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.reserve(TABLES_ADDRESS);
    this.#runner = new Runner(engine, FREE_ADDRESS);
    this.device = engine.name === 'wasm' ? 'WebAssembly SIMD' : 'plain JavaScript';
  }

  get name(): EngineName {
    return this.#engine.name;
  }

  allocate(length: number): Float32Array {
    return new Float32Array(expectInteger('length', length, 0, MOST_LENGTH));
  }

  upload(values: Float32Array): Float32Array {
    return expectFloat32Array('values', values).slice();
  }

  download(tensor: Float32Array, into?: Float32Array): Float32Array {
    return copyOut(tensor, into);
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
    if (y.length === 0) return;
    const addressOf = (channel: number) => this.#place(images[channel]!);
    this.#runner.run(kernel, { channels: images.length, inner, offset, addressOf }, x, y);
  }

  backward(
    { images, inner, offset = 0 }: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
  ): void {
    if (gradY.length === 0) return;
    const addressOf = (channel: number) => this.#place(images[channel]!);
    const tables = { channels: images.length, inner, offset, addressOf };
    for (const [c, image] of images.entries()) {
      // First, since room for the sums may cost other tables their places, and a table's the sums theirs.
      this.#place(image);
      const sums = this.#reserveSums(image);
      this.#runner.clearSums(sums, image.windowLength);
      this.#runner.backward(tables, c, sums, x, gradY, gradX, () => {
        readSums(this.#engine.doubles, sums, image, moments[c]!);
        this.#runner.clearSums(sums, image.windowLength);
      });
    }
  }

  /** The address of room for an image's sums. */
  #reserveSums({ windowLength }: BackwardImage): number {
    const bytes = 8 * WINDOWS * windowLength;
    if (this.#sums.bytes < bytes) {
      const { address } = this.#sums;
      // Given back and forgotten at once, even if there is no room for larger ones.
      if (this.#sums.bytes > 0) this.#regions.give(address);
      this.#sums = { address: 0, bytes: 0 };
      this.#sums = { address: this.#take(bytes), bytes };
    }
    return this.#sums.address;
  }

  #place(image: Image): number {
    const known = this.#places.get(image);
    if (known !== undefined) return known;
    const address = this.#take(alignImage(image.bytes));
    try {
      image.write(this.#engine.floats, this.#engine.words, address);
      this.#places.set(image, address);
    } catch (cause) {
      this.#places.delete(image);
      this.#regions.give(address);
      throw cause;
    }
    return address;
  }

  /** Room for so many bytes; if there is none, everything else is forgotten. */
  #take(bytes: number): number {
    let address = this.#regions.take(bytes);
    if (address === undefined) {
      this.#regions = new Regions(TABLES_ADDRESS, MOST_IMAGE_ADDRESS);
      this.#places = new WeakMap();
      this.#sums = { address: 0, bytes: 0 };
      address = this.#regions.take(bytes);
      if (address === undefined)
        throw new RangeError(`tables of ${bytes} bytes do not fit; at most ${MOST_IMAGE_ADDRESS}`);
    }
    try {
      this.#engine.reserve(address + bytes);
    } catch (cause) {
      this.#regions.give(address);
      throw cause;
    }
    return address;
  }
}

/** Adds sums to an image's moments. */
export function readSums(doubles: Float64Array, sums: number, { windowLength }: BackwardImage, moments: Moments): void {
  for (let window = 0, at = sums >> 3; window < WINDOWS; window++, at += windowLength)
    moments.addDoubles(window, doubles.subarray(at, at + windowLength));
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
