import { isArrayBuffer } from '../errors.js';

/**
 * The header of a .safetensors file: JSON, name → { dtype, shape, data_offsets }. It is read entry by entry, straight from the bytes: what
 * is wrong is refused where it stands, and nothing is built that the caller does not get. Time and memory are linear in its length, at most
 * about twelve bytes for each of the header's.
 */

/** Bits an element, of every dtype that the format knows. */
const BITS = {
  F64: 64,
  F32: 32,
  F16: 16,
  BF16: 16,
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  U16: 16,
  I16: 16,
  U32: 32,
  I32: 32,
  U64: 64,
  I64: 64,
  C64: 64,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
} as const;
export type DType = keyof typeof BITS;
const DTYPES = Object.keys(BITS) as DType[];

/** The reference implementation's limit. */
export const MOST_HEADER_BYTES = 100_000_000;
const MOST_AXES = 32;
/** Entries of eight bytes would otherwise take a hundred each. */
const MOST_METADATA = 65_536;
/** As deep as what is passed over may be nested, and as long as a number may be. */
const MOST_DEPTH = 64;
const MOST_WORD = 400;

/** The file is not valid .safetensors, or holds something that this reader does not take. */
export class SafetensorsError extends RangeError {
  override name = 'SafetensorsError';
}

/** A tensor's place, in bytes from the end of the header. */
export interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: number[];
  readonly from: number;
  readonly to: number;
}

export interface Header {
  /** In the order of their data. */
  readonly entries: readonly Entry[];
  readonly metadata: Record<string, string>;
  /** Where the data begins, in bytes from the start of the file. */
  readonly start: number;
}

/**
 * Where the data begins, from the first 8 bytes of a file.
 * @param size bytes of the whole file. @throws {SafetensorsError} if there is no room for the header that they announce.
 */
export function dataStart(head: Uint8Array, size: number): number {
  if (head.length < 8)
    throw new SafetensorsError(`a safetensors file has at least 8 bytes, this one has ${head.length}`);
  const declared = new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(Math.min(size - 8, MOST_HEADER_BYTES))) {
    throw new SafetensorsError(
      `the header claims ${declared} bytes, but only ${size - 8} follow (and at most ${MOST_HEADER_BYTES} are taken)`,
    );
  }
  return 8 + Number(declared);
}

/**
 * @param head at least the bytes before the data. @param size bytes of the whole file.
 * @throws {SafetensorsError} if a field is wrong, or tensors do not fill the rest of the file.
 */
export function readHeader(head: Uint8Array, size: number): Header {
  const start = dataStart(head, size);
  // TextDecoder takes no shared memory.
  const json = new Json(isArrayBuffer(head.buffer) ? head.subarray(8, start) : head.slice(8, start));
  const metadata: Record<string, string> = Object.create(null);
  const names = new Set<string>();
  const entries: Entry[] = [];
  if (json.peek() !== OPEN_BRACE) {
    const found = json.passed();
    json.end();
    throw new SafetensorsError(`the header must be a JSON object, got ${found}`);
  }
  json.members((name) => {
    if (names.has(name)) throw new SafetensorsError(`the header has two entries '${name}'`);
    names.add(name);
    if (name === '__metadata__') readMetadata(json, metadata);
    else entries.push(readEntry(json, name, size - start));
  });
  json.end();

  entries.sort((p, q) => p.from - q.from || p.to - q.to);
  let end = 0;
  for (const { name, from, to } of entries) {
    if (from !== end)
      throw new SafetensorsError(
        `tensor '${name}' starts at byte ${from} of the data, expected ${end}: tensors must not overlap or leave holes`,
      );
    end = to;
  }
  if (end !== size - start)
    throw new SafetensorsError(`the tensors fill ${end} bytes of data, the file has ${size - start}`);
  return { entries, metadata, start };
}

function readMetadata(json: Json, metadata: Record<string, string>): void {
  if (json.peek() !== OPEN_BRACE) throw new SafetensorsError(`__metadata__ must be an object, got ${json.passed()}`);
  let count = 0;
  json.members((key) => {
    if (json.peek() !== QUOTE) throw new SafetensorsError(`__metadata__.${key} must be a string, got ${json.passed()}`);
    if (key in metadata) throw new SafetensorsError(`__metadata__ has two entries '${key}'`);
    count += 1;
    if (count > MOST_METADATA) throw new SafetensorsError(`__metadata__ must have at most ${MOST_METADATA} entries`);
    metadata[key] = json.string();
  });
}

const isCount = (each: unknown): each is number => Number.isSafeInteger(each) && (each as number) >= 0;
export const isShape = (shape: unknown): shape is number[] =>
  Array.isArray(shape) && shape.length <= MOST_AXES && shape.every(isCount);
export const A_SHAPE = `a shape of at most ${MOST_AXES} non-negative integers`;

const FIELDS = ['dtype', 'shape', 'data_offsets'];

function readEntry(json: Json, name: string, size: number): Entry {
  let dtype: DType | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  /** Where the value of each field is. */
  const places: ([from: number, to: number] | undefined)[] = [];
  if (json.peek() === OPEN_BRACE) {
    json.members((key) => {
      const field = FIELDS.indexOf(key);
      if (places[field]) throw new SafetensorsError(`tensor '${name}' has two ${key}`);
      json.peek();
      const from = json.at;
      if (field === 0 && json.peek() === QUOTE) {
        const text = json.string();
        dtype = DTYPES.find((each) => each === text);
      } else if (field === 1) shape = json.counts(MOST_AXES);
      else if (field === 2) offsets = json.counts(2);
      else json.pass();
      if (field >= 0) places[field] = [from, json.at];
    });
  } else json.pass();
  const got = (field: number) => (places[field] ? json.text(...places[field]) : 'none');
  if (dtype === undefined)
    throw new SafetensorsError(`tensor '${name}' must have dtype ${DTYPES.join(', ')}, got ${got(0)}`);
  if (shape === undefined) throw new SafetensorsError(`tensor '${name}' must have ${A_SHAPE}, got ${got(1)}`);
  const [from, to] = offsets ?? [];
  if (from === undefined || to === undefined)
    throw new SafetensorsError(`tensor '${name}' must have two data_offsets, got ${got(2)}`);
  if (from > to || to > size)
    throw new SafetensorsError(`tensor '${name}' claims bytes ${from} to ${to} of ${size} bytes of data`);
  const bytes = sizeOf(shape) * (BITS[dtype] / 8);
  if (bytes !== to - from) {
    throw new SafetensorsError(
      `tensor '${name}' of shape [${shape.join(', ')}] and dtype ${dtype} needs ${bytes} bytes, its data_offsets give ${to - from}`,
    );
  }
  return { name, dtype, shape, from, to };
}

/** Elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, each) => product * each, 1);

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [ZERO, MINUS] = [0x30, 0x2d];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** A place in JSON text (RFC 8259), in UTF-8. */
class Json {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The byte that the next value or mark begins with; NaN at the end. */
  peek(): number {
    for (; ; this.at++) {
      const byte = this.#bytes[this.at] ?? Number.NaN;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
  }

  end(): void {
    if (this.peek() === this.peek()) this.#fail('the end');
  }

  /** Calls `onValue` where the value of each member of an object begins; it takes that value. */
  members(onValue: (key: string) => void): void {
    this.#expect(OPEN_BRACE);
    if (this.#takes(CLOSE_BRACE)) return;
    do {
      const key = this.string();
      this.#expect(COLON);
      onValue(key);
    } while (this.#takes(COMMA));
    this.#expect(CLOSE_BRACE);
  }

  string(): string {
    this.#expect(QUOTE);
    const from = this.at;
    let isEscaped = false;
    for (let byte = this.#bytes[this.at]; byte !== QUOTE; byte = this.#bytes[this.at]) {
      if (byte === undefined || byte < 0x20) this.#fail('a string');
      if (byte === BACKSLASH) isEscaped = true;
      this.at += byte === BACKSLASH ? 2 : 1;
    }
    this.at += 1;
    try {
      const text = this.#decoder.decode(this.#bytes.subarray(from, this.at - 1));
      return isEscaped ? JSON.parse(`"${text}"`) : text;
    } catch {
      this.at = from;
      return this.#fail('a string');
    }
  }

  /** An array of at most so many non-negative integers; undefined, and passed over, if it is something else. */
  counts(most: number): number[] | undefined {
    const from = this.at;
    const counts: number[] = [];
    if (this.#takes(OPEN_BRACKET) && !this.#takes(CLOSE_BRACKET)) {
      do {
        const byte = this.peek();
        const value = (byte >= ZERO && byte <= ZERO + 9) || byte === MINUS ? Number(this.#word()) : Number.NaN;
        if (!isCount(value) || counts.length === most) {
          this.at = from;
          break;
        }
        counts.push(value);
      } while (this.#takes(COMMA));
      if (this.at > from) this.#expect(CLOSE_BRACKET);
    }
    if (this.at > from) return counts;
    this.pass();
    return undefined;
  }

  /** Goes on behind the next value, whatever it is. */
  pass(depth = 0): void {
    const byte = this.peek();
    if (depth > MOST_DEPTH) this.#fail(`at most ${MOST_DEPTH} levels`);
    if (byte === QUOTE) this.string();
    else if (byte === OPEN_BRACE) this.members(() => this.pass(depth + 1));
    else if (this.#takes(OPEN_BRACKET)) {
      if (this.#takes(CLOSE_BRACKET)) return;
      do this.pass(depth + 1);
      while (this.#takes(COMMA));
      this.#expect(CLOSE_BRACKET);
    } else this.#word();
  }

  /** The same; returns the beginning of its text. */
  passed(): string {
    this.peek();
    const from = this.at;
    this.pass();
    return this.text(from, this.at);
  }

  /** What stands there, shortened. */
  text(from: number, to: number): string {
    const text = new TextDecoder().decode(this.#bytes.subarray(from, Math.min(to, from + 80)));
    return to > from + 80 ? `${text}…` : text;
  }

  /** A number, true, false or null. */
  #word(): string {
    const from = this.at;
    for (let byte = this.#bytes[this.at]; byte !== undefined && isWord(byte); byte = this.#bytes[this.at]) this.at += 1;
    const text = String.fromCharCode(...this.#bytes.subarray(from, Math.min(this.at, from + MOST_WORD)));
    if (!/^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null)$/.test(text)) {
      this.at = from;
      this.#fail('a value');
    }
    return text;
  }

  #takes(mark: number): boolean {
    if (this.peek() !== mark) return false;
    this.at += 1;
    return true;
  }

  #expect(mark: number): void {
    if (!this.#takes(mark)) this.#fail(`'${String.fromCharCode(mark)}'`);
  }

  #fail(expected: string): never {
    const byte = this.#bytes[this.at];
    const found = byte === undefined ? 'the end' : this.text(this.at, this.at + 1);
    throw new SafetensorsError(
      `the header is not JSON in UTF-8: expected ${expected} at its byte ${this.at}, got ${found}`,
    );
  }
}

/** Digits, letters, and '+', '-', '.'. */
const isWord = (byte: number): boolean =>
  (byte >= ZERO && byte <= ZERO + 9) ||
  (byte >= 0x61 && byte <= 0x7a) ||
  (byte >= 0x41 && byte <= 0x5a) ||
  byte === 0x2b ||
  byte === MINUS ||
  byte === 0x2e;
