import type { Image } from '../plan/image.js';
import type { Backend } from './backend.js';

/** The tables of all channels, made on first use and always the same array, by which backends know them. */
export class ChannelTables<I extends Image> {
  readonly #make: () => readonly I[];
  readonly #users = new Set<Backend>();
  #images: readonly I[] | undefined;
  /** Who asked last: a call on few elements need not look through a set. */
  #last: Backend | undefined;

  constructor(make: () => readonly I[]) {
    this.#make = make;
  }

  /** For a backend that will keep them. */
  for(backend: Backend): readonly I[] {
    if (backend === this.#last && this.#images) return this.#images;
    this.#images ??= this.#make();
    this.#users.add(backend);
    this.#last = backend;
    return this.#images;
  }

  /** The backends that keep them forget them. */
  release(): void {
    if (this.#images) for (const backend of this.#users) backend.release(this.#images);
    this.#users.clear();
    this.#images = undefined;
    this.#last = undefined;
  }
}
