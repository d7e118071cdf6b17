import { type Engine, type EngineName, FREE_ADDRESS } from '../engines/engine.js';
import { alignImage, type Image, MOST_IMAGE_ADDRESS } from '../plan/image.js';
import type { Kernel, Tables } from './backend.js';
import { Regions } from './regions.js';
import { CHUNK, type PlacedTables, RUNNER_BYTES, Runner } from './runner.js';

/**
 * Evaluates on an engine with linear memory: tables have their places there, tensors of any size stream through a fixed window of it. All that
 * `ditac/runtime` has of a backend.
 */
export class Evaluator {
  protected readonly engine: Engine;
  readonly #runner: Runner;
  readonly #tables: number;
  #regions: Regions;
  /** Where images are. Forgotten with `#regions` when memory is full. */
  #places = new WeakMap<Image, number>();

  /** @param Kind what takes tensors through the kernels, in so many bytes of the engine's memory. */
  constructor(engine: Engine, Kind = Runner, bytes = RUNNER_BYTES) {
    this.engine = engine;
    this.#tables = alignImage(FREE_ADDRESS + bytes);
    this.#regions = new Regions(this.#tables, MOST_IMAGE_ADDRESS);
    engine.reserve(this.#tables);
    this.#runner = new Kind(engine, FREE_ADDRESS);
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
    else this.#runner.run(kernel, this.placed(images, inner, offset), x, y);
  }

  /** Tables that are given their places as they are asked for. */
  protected placed(images: readonly Image[], inner: number, offset: number): PlacedTables {
    return { channels: images.length, inner, offset, addressOf: (channel) => this.place(images[channel]!) };
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
    this.#regions = new Regions(this.#tables, MOST_IMAGE_ADDRESS);
    this.#places = new WeakMap();
  }
}
