import { FREE_ADDRESS } from '../../engines/engine.js';
import { alignImage, type Image, MOST_IMAGE_ADDRESS } from '../../plan/image.js';
import { BackendError } from '../errors.js';
import { Regions } from '../regions.js';

const PAGE = 65536;
/** Tables lie below, tensors above. */
const TENSORS_FROM = MOST_IMAGE_ADDRESS;

/** A tensor's memory: calls that use it, and whether its owner has given it back. */
interface Resident {
  readonly address: number;
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
  /** By a tensor's own buffer, which its subarrays share, and no other tensor that may have its place later. */
  readonly #owned = new WeakMap<ArrayBufferLike, Resident>();
  readonly #freed = new WeakSet<ArrayBufferLike>();
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

  /** A tensor for a caller, with a buffer of its own over the memory that all share. */
  newTensor(length: number): Float32Array {
    const address = this.takeTensor(length);
    let buffer: ArrayBufferLike;
    try {
      // Another object over the same bytes.
      buffer = structuredClone(this.memory.buffer);
      this.#owned.set(buffer, this.#tensors.get(address)!);
      return new Float32Array(buffer, address, length);
    } catch (cause) {
      this.giveTensor(address);
      throw new BackendError('shared memory cannot be handed out here', { cause });
    }
  }

  /** From now on its owner may not use it. What was begun before may: `giveTensor` ends it. */
  markFreed(tensor: Float32Array): void {
    this.#freed.add(tensor.buffer);
  }

  /** @throws {RangeError} if it is a tensor that was freed, or a part of one: its place may be another's. */
  expectLive(name: string, view: Float32Array): void {
    if (this.#freed.has(view.buffer)) throw new RangeError(`${name} is a tensor of the pool that was freed`);
  }

  /** The byte address of a tensor of `newTensor`, or of a part; undefined for what lies elsewhere. */
  addressOf(view: Float32Array): number | undefined {
    return this.#residentOf(view) && view.byteOffset;
  }

  #residentOf(view: Float32Array): Resident | undefined {
    const resident = this.#owned.get(view.buffer);
    // A caller can make views of all of the memory; only what is the tensor's own is let in.
    return resident !== undefined &&
      view.byteOffset >= resident.address &&
      view.byteOffset + view.byteLength <= resident.address + resident.bytes
      ? resident
      : undefined;
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
    this.#tensors.set(address, { address, bytes: 4 * length, users: 0, isFree: false });
    return address;
  }

  /** Gives a tensor's memory back as soon as no call uses it. */
  giveTensor(address: number): void {
    const tensor = this.#tensors.get(address);
    if (!tensor) return;
    tensor.isFree = true;
    this.#settle(tensor);
  }

  /** Keeps the tensors that hold these views, until what is returned is called. */
  useTensors(views: readonly Float32Array[]): () => void {
    const used: Resident[] = [];
    for (const view of views) {
      const tensor = this.#residentOf(view);
      if (tensor === undefined) continue;
      tensor.users += 1;
      used.push(tensor);
    }
    return () => {
      for (const tensor of used.splice(0)) {
        tensor.users -= 1;
        this.#settle(tensor);
      }
    };
  }

  #settle(tensor: Resident): void {
    if (!tensor.isFree || tensor.users > 0) return;
    this.#tensors.delete(tensor.address);
    this.#high.give(tensor.address);
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
  }
}
