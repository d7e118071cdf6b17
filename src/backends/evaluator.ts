import { type Engine, type EngineName, FREE_ADDRESS } from '../engines/engine.js';
import { alignImage, type Image, MOST_IMAGE_ADDRESS } from '../plan/image.js';
import type { Kernel, Tables } from './backend.js';
import { Regions } from './regions.js';
import { CHUNK, RUNNER_BYTES, Runner } from './runner.js';

const TABLES_ADDRESS = alignImage(FREE_ADDRESS + RUNNER_BYTES);

/**
 * Evaluates on an engine with linear memory: tables have their places there, tensors of any size stream through a fixed window of it. All that
 * `ditac/runtime` has of a backend.
 */
export class Evaluator {
  protected readonly engine: Engine;
  readonly #runner: Runner;
  #regions = new Regions(TABLES_ADDRESS, MOST_IMAGE_ADDRESS);
  /** Where images are. Forgotten with `#regions` when memory is full. */
  #places = new WeakMap<Image, number>();

  constructor(engine: Engine) {
    this.engine = engine;
    engine.reserve(TABLES_ADDRESS);
    this.#runner = new Runner(engine, FREE_ADDRESS);
  }

  get name(): EngineName {
    return this.engine.name;
  }

  release(images: readonly Image[]): void {
    for (const image of images) {
      const address = this.#places.get(image);
      if (address !== undefined) this.give(address);
      this.#places.delete(image);
    }
  }

  run(kernel: Kernel, { images, inner, offset = 0 }: Tables, x: Float32Array, y: Float32Array): void {
    if (y.length === 0) return;
    if (images.length === 1 && y.length <= CHUNK && x.length === y.length)
      this.#runner.few(kernel, this.place(images[0]!), x, y);
    else {
      const addressOf = (channel: number) => this.place(images[channel]!);
      this.#runner.run(kernel, { channels: images.length, inner, offset, addressOf }, x, y);
    }
  }

  protected place(image: Image): number {
    const known = this.#places.get(image);
    if (known !== undefined) return known;
    const address = this.take(alignImage(image.bytes));
    try {
      image.write(this.engine.floats, this.engine.words, address);
      this.#places.set(image, address);
    } catch (cause) {
      this.#places.delete(image);
      this.give(address);
      throw cause;
    }
    return address;
  }

  /** Room for so many bytes; if there is none, everything else is forgotten. */
  protected take(bytes: number): number {
    let address = this.#regions.take(bytes);
    if (address === undefined) {
      this.forget();
      address = this.#regions.take(bytes);
      if (address === undefined)
        throw new RangeError(`tables of ${bytes} bytes do not fit; at most ${MOST_IMAGE_ADDRESS}`);
    }
    try {
      this.engine.reserve(address + bytes);
    } catch (cause) {
      this.give(address);
      throw cause;
    }
    return address;
  }

  protected give(address: number): void {
    this.#regions.give(address);
  }

  /** All that has a place loses it. */
  protected forget(): void {
    this.#regions = new Regions(TABLES_ADDRESS, MOST_IMAGE_ADDRESS);
    this.#places = new WeakMap();
  }
}
