import { FREE_ADDRESS } from '../../engines/engine.js';
import { alignImage, type Image, MOST_IMAGE_ADDRESS } from '../../plan/image.js';
import { BackendError } from '../errors.js';
import { Regions } from '../regions.js';

const PAGE = 65536;
/** Tables lie below, tensors above. */
const TENSORS_FROM = MOST_IMAGE_ADDRESS;

/** A tensor's memory: calls that use it, and whether its owner has given it back. */
interface Resident {
  readonly bytes: number;
  users: number;
  isFree: boolean;
}

interface Place {
  readonly address: number;
  users: number;
  isReleased: boolean;
}

/** The memory that all threads share: tables below, tensors above; it grows up to a limit and is reused. */
export class SharedMemory {
  readonly memory: WebAssembly.Memory;
  readonly #most: number;
  readonly #low = new Regions(alignImage(FREE_ADDRESS), TENSORS_FROM);
  readonly #high: Regions;
  readonly #places = new Map<Image, Place>();
  /** By address. */
  readonly #tensors = new Map<number, Resident>();
  /** The memory's buffer, and those that it had before it grew. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();
  #floats: Float32Array;
  #words: Int32Array;
  #doubles: Float64Array;

  /** @param most bytes. @throws {BackendError} if even that much address space cannot be had. */
  constructor(most: number) {
    this.#most = most;
    this.#high = new Regions(TENSORS_FROM, most);
    try {
      this.memory = new WebAssembly.Memory({ initial: 16, maximum: Math.floor(most / PAGE), shared: true });
    } catch (cause) {
      throw new BackendError(`no shared WebAssembly memory of up to ${most} bytes here; try a smaller maxBytes`, {
        cause,
      });
    }
    this.#floats = new Float32Array(this.memory.buffer);
    this.#words = new Int32Array(this.memory.buffer);
    this.#doubles = new Float64Array(this.memory.buffer);
  }

  get bytes(): number {
    return this.memory.buffer.byteLength;
  }

  get words(): Int32Array {
    return this.#words;
  }

  get doubles(): Float64Array {
    return this.#doubles;
  }

  /** A tensor's floats. */
  view(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  /** The byte address of a view of this memory; undefined if it lies elsewhere. */
  addressOf(view: Float32Array): number | undefined {
    // Views from before the memory grew have a shorter buffer over the same bytes; all of them were made here.
    return this.#buffers.has(view.buffer) ? view.byteOffset : undefined;
  }

  /** Room for a tensor. @throws {RangeError} if the limit does not leave it. */
  takeTensor(length: number): number {
    const address = this.#high.take(Math.max(alignImage(4 * length), 32));
    if (address === undefined)
      throw new RangeError(
        `${4 * length} bytes do not fit the pool's memory any more; its limit is ${this.#most} (maxBytes), of which ` +
          `${TENSORS_FROM} are for tables`,
      );
    try {
      this.#reserve(address + alignImage(4 * length));
    } catch (cause) {
      this.#high.give(address);
      throw cause;
    }
    this.#tensors.set(address, { bytes: Math.max(4 * length, 4), users: 0, isFree: false });
    return address;
  }

  /** Gives a tensor's memory back as soon as no call uses it. */
  giveTensor(address: number): void {
    const tensor = this.#tensors.get(address);
    if (!tensor) return;
    tensor.isFree = true;
    this.#settle(address, tensor);
  }

  /** Keeps the tensors that hold these addresses, until what is returned is called. */
  useTensors(addresses: readonly number[]): () => void {
    const used: [number, Resident][] = [];
    for (const address of addresses) {
      for (const entry of this.#tensors) {
        if (address < entry[0] || address >= entry[0] + entry[1].bytes) continue;
        entry[1].users += 1;
        used.push(entry);
      }
    }
    return () => {
      for (const [address, tensor] of used.splice(0)) {
        tensor.users -= 1;
        this.#settle(address, tensor);
      }
    };
  }

  #settle(address: number, tensor: Resident): void {
    if (!tensor.isFree || tensor.users > 0) return;
    this.#tensors.delete(address);
    this.#high.give(address);
  }

  /** Room below, for what is not a tensor. @throws {RangeError} if tables in use take all of it. */
  take(bytes: number): number {
    let address = this.#low.take(alignImage(bytes));
    if (address === undefined) {
      for (const [image, place] of this.#places) if (place.users === 0) this.#forget(image, place);
      address = this.#low.take(alignImage(bytes));
    }
    if (address === undefined)
      throw new RangeError(
        `${bytes} bytes of tables do not fit beside those in use; there is room for ${TENSORS_FROM}`,
      );
    try {
      this.#reserve(address + alignImage(bytes));
    } catch (cause) {
      this.#low.give(address);
      throw cause;
    }
    return address;
  }

  give(address: number): void {
    this.#low.give(address);
  }

  /** Addresses of tables, held until `letGo`. */
  hold(images: readonly Image[]): number[] {
    const held: Image[] = [];
    try {
      return images.map((image) => {
        let place = this.#places.get(image);
        if (!place) {
          const address = this.take(image.bytes);
          try {
            image.write(this.#floats, this.#words, address);
          } catch (cause) {
            this.#low.give(address);
            throw cause;
          }
          place = { address, users: 0, isReleased: false };
          this.#places.set(image, place);
        }
        place.users += 1;
        held.push(image);
        return place.address;
      });
    } catch (cause) {
      this.letGo(held);
      throw cause;
    }
  }

  letGo(images: readonly Image[]): void {
    for (const image of images) {
      const place = this.#places.get(image);
      if (!place) continue;
      place.users -= 1;
      if (place.users === 0 && place.isReleased) this.#forget(image, place);
    }
  }

  /** Forgets tables as soon as nobody holds them. */
  release(images: readonly Image[]): void {
    for (const image of images) {
      const place = this.#places.get(image);
      if (!place) continue;
      place.isReleased = true;
      if (place.users === 0) this.#forget(image, place);
    }
  }

  #forget(image: Image, place: Place): void {
    this.#places.delete(image);
    this.#low.give(place.address);
  }

  #reserve(bytes: number): void {
    if (bytes > this.bytes) {
      try {
        this.memory.grow(Math.ceil((bytes - this.bytes) / PAGE));
      } catch (cause) {
        throw new RangeError(`the pool's memory cannot grow to ${bytes} bytes here`, { cause });
      }
    }
    if (this.#floats.buffer !== this.memory.buffer) {
      this.#floats = new Float32Array(this.memory.buffer);
      this.#words = new Int32Array(this.memory.buffer);
      this.#doubles = new Float64Array(this.memory.buffer);
    }
    this.#buffers.add(this.memory.buffer);
  }
}
