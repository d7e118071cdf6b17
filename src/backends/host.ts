import { type Engine, type EngineName, FREE_ADDRESS } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import { expectFloat32Array, expectInteger } from '../errors.js';
import { type BackwardImage, type Image, WINDOWS } from '../plan/image.js';
import type { Moments } from '../plan/moments.js';
import { ALTERNATING_BYTES, AlternatingRunner } from './alternating.js';
import type { HostBackend, Tables } from './backend.js';
import { BackwardRunner, EVERY_WINDOW, windowsOf } from './backward-runner.js';
import { Evaluator } from './evaluator.js';
import type { PlacedTables } from './runner.js';

/** The longest array that engines promise. */
const MOST_LENGTH = 2 ** 32;
/** So many sums are cleared and read in the time it takes to see in which window an element is. */
const SUMS_PER_LOOK = 4;

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

/** A backend over an engine with linear memory. */
class EngineBackend extends Evaluator implements HostBackend {
  readonly device: string;
  readonly exact = true;
  readonly failures = [];
  readonly isSynchronous = true;
  readonly maxLength = Number.POSITIVE_INFINITY;
  readonly #runner: BackwardRunner;
  #sums = { address: 0, bytes: 0 };
  /** One for tables as long as all of them stay where they are. */
  #epochs = new WeakMap<readonly Image[], object>();

  constructor(engine: Engine) {
    super(engine, AlternatingRunner, ALTERNATING_BYTES);
    this.#runner = new BackwardRunner(engine, FREE_ADDRESS);
    this.device = engine.name === 'wasm' ? 'WebAssembly SIMD' : 'plain JavaScript';
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

  dispose(): void {}

  backward(
    { images, inner, offset = 0 }: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
  ): void {
    if (gradY.length === 0) return;
    const tables = this.placed(images, inner, offset);
    const room = images.reduce((sum, { windowLength }) => sum + WINDOWS * windowLength, 0);
    // Before gradX is written, which may be x or gradY.
    const windows = room > SUMS_PER_LOOK * gradY.length ? windowsOf(x, gradY) : EVERY_WINDOW;
    for (const [c, image] of images.entries()) {
      // First, since room for the sums may cost other tables their places, and a table's the sums theirs.
      this.place(image);
      const sums = this.#reserveSums(image);
      this.#runner.clearSums(sums, image.windowLength, windows);
      this.#runner.backward(tables, c, sums, x, gradY, gradX, () => {
        readSums(this.engine.doubles, sums, image, moments[c]!, windows);
        this.#runner.clearSums(sums, image.windowLength, windows);
      });
    }
  }

  /** The address of room for an image's sums. */
  #reserveSums({ windowLength }: BackwardImage): number {
    const bytes = 8 * WINDOWS * windowLength;
    if (this.#sums.bytes < bytes) {
      const { address } = this.#sums;
      // Given back and forgotten at once, even if there is no room for larger ones.
      if (this.#sums.bytes > 0) this.give(address);
      this.#sums = { address: 0, bytes: 0 };
      this.#sums = { address: this.take(bytes), bytes };
    }
    return this.#sums.address;
  }

  override release(images: readonly Image[]): void {
    super.release(images);
    this.#epochs.delete(images);
  }

  protected override placed(images: readonly Image[], inner: number, offset: number): PlacedTables {
    const epochOf = () => {
      let epoch = this.#epochs.get(images);
      if (!epoch) this.#epochs.set(images, (epoch = {}));
      return epoch;
    };
    return Object.defineProperty(super.placed(images, inner, offset), 'epoch', { get: epochOf });
  }

  protected override forget(): void {
    super.forget();
    this.#epochs = new WeakMap();
    this.#sums = { address: 0, bytes: 0 };
  }
}

/** Adds sums to an image's moments, from the windows that may hold any. */
export function readSums(
  doubles: Float64Array,
  sums: number,
  { windowLength }: BackwardImage,
  moments: Moments,
  windows = EVERY_WINDOW,
): void {
  for (let window = 0, at = sums >> 3; window < WINDOWS; window++, at += windowLength)
    if ((windows >>> window) & 1) moments.addDoubles(window, doubles.subarray(at, at + windowLength));
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
