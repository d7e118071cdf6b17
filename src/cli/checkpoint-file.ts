import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { tensorNames } from '../activations/checkpoint.js';
import { MOST_ENTRIES } from '../activations/checkpoint-notes.js';
import { decode, isFloat } from '../io/floats.js';
import { type DType, dataStart, type Entry, readHeader, SafetensorsError } from '../io/header.js';
import type { StateDict, Tensor } from '../io/tensor.js';
import { HEAD, kindOf } from './kind.js';

/** Bytes that are read at a time: a file may be larger than memory, and than the 2 GiB that `readFileSync` takes. */
const PIECE = 2 ** 24;

/** A .safetensors file on disk: its header is read, and of the data what is asked for. */
export class CheckpointFile {
  readonly path: string;
  /** In the order of their data. */
  readonly entries: readonly Entry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** As much of it as is read for an activation: there may be many of these too. */
  readonly notes: Readonly<Record<string, string>>;
  /** Its float tensors, each read when it is asked for. */
  readonly tensors: StateDict;
  readonly #file: number;
  readonly #start: number;
  /** Of a pipe, which cannot be read at a place. */
  readonly #whole: Uint8Array | undefined;

  /** @throws {Error} if it cannot be read. @throws {SafetensorsError} if it is not valid. */
  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, 'r');
    try {
      const info = fstatSync(this.#file);
      if (info.isDirectory()) throw new SafetensorsError(`${path} is a folder: name the .safetensors file in it`);
      if (!info.isFile()) this.#whole = readFileSync(this.#file);
      const size = this.#whole?.length ?? info.size;
      const { entries, metadata, start } = this.#header(size);
      this.entries = entries;
      this.metadata = metadata;
      this.notes = Object.fromEntries(Object.entries(metadata).slice(0, MOST_ENTRIES));
      this.#start = start;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
    const tensors = Object.create(null);
    for (const entry of this.entries) {
      if (isFloat(entry.dtype))
        Object.defineProperty(tensors, entry.name, { enumerable: true, get: () => this.#tensor(entry) });
    }
    this.tensors = tensors;
  }

  #header(size: number): ReturnType<typeof readHeader> {
    try {
      const head = this.#read(0, Math.min(8, size));
      return readHeader(this.#read(0, dataStart(head, size)), size);
    } catch (cause) {
      const kind = kindOf(this.path, this.#read(0, Math.min(HEAD, size)));
      if (!(cause instanceof SafetensorsError)) throw cause;
      throw new SafetensorsError(kind ?? `${this.path} is no .safetensors file: ${cause.message}`, { cause });
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  /** Prefixes of its activations, and names of other tensors that end alike. */
  get activations(): { prefixes: string[]; others: string[] } {
    const prefixes: string[] = [];
    const others: string[] = [];
    for (const { name } of this.entries) {
      if (!name.endsWith('thetas')) continue;
      const prefix = name.slice(0, -'thetas'.length);
      const isOne = tensorNames(prefix).some((each) => each !== name && each in this.tensors);
      if (isOne && name in this.tensors) prefixes.push(prefix);
      else others.push(name);
    }
    return { prefixes, others };
  }

  /** Least and largest number of a tensor, NaN if it holds one; undefined if it holds no floats, or nothing. */
  range({ dtype, from, to }: Entry): { least: number; largest: number } | undefined {
    if (!isFloat(dtype) || from === to) return undefined;
    let least = Number.POSITIVE_INFINITY;
    let largest = Number.NEGATIVE_INFINITY;
    for (let at = from; at < to; at += PIECE) {
      for (const value of decode(dtype, this.#read(this.#start + at, Math.min(PIECE, to - at)))) {
        if (value !== value) return { least: value, largest: value };
        if (value < least) least = value;
        if (value > largest) largest = value;
      }
    }
    return { least, largest };
  }

  #tensor({ dtype, shape, from, to }: Entry): Tensor {
    const read = () => decode(dtype as Extract<DType, 'F32'>, this.#read(this.#start + from, to - from));
    let data: Tensor['data'] | undefined;
    return {
      shape,
      // Of most tensors the shape alone is asked for.
      get data() {
        data ??= read();
        return data;
      },
    };
  }

  #read(from: number, length: number): Uint8Array {
    if (this.#whole) return this.#whole.subarray(from, from + length);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(this.#file, bytes, done, Math.min(PIECE, length - done), from + done);
      if (count === 0) throw new SafetensorsError(`${this.path} ends at byte ${from + done}: it is being written`);
      done += count;
    }
    return bytes;
  }
}
