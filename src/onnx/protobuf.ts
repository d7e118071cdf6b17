/**
 * Protocol buffers at wire level (the encoding, protobuf.dev/programming-guides/encoding): just enough to change a few fields of a message
 * and leave every other byte as it is. What a field means is not known here.
 */

/** The bytes are no ONNX model, or one that cannot be rewritten. */
export class OnnxError extends RangeError {
  override name = 'OnnxError';
}

/** Wire types. */
export const VARINT = 0;
export const EIGHT_BYTES = 1;
export const BYTES = 2;
export const FOUR_BYTES = 5;

/** One field of a message. */
export interface Field {
  readonly number: number;
  readonly wire: number;
  /** All of it: key, length, content. */
  readonly raw: Uint8Array;
  /** Of BYTES what follows the length; else what follows the key. */
  readonly content: Uint8Array;
}

const MOST_VARINT_BYTES = 10;

/** Where a varint ends. */
function endOfVarint(bytes: Uint8Array, at: number): number {
  const most = Math.min(bytes.length, at + MOST_VARINT_BYTES);
  for (let end = at; end < most; end++) if (bytes[end]! < 0x80) return end + 1;
  throw new OnnxError('not an ONNX model: a number in it does not end');
}

/** A varint that is a key or a length: below 2³¹, or it means nothing. */
function smallVarint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = end - 1; i >= at; i--) value = value * 128 + (bytes[i]! & 0x7f);
  return value;
}

/**
 * The fields of a message, in their order.
 * @throws {OnnxError} if the bytes are no message, when the iteration gets there.
 */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  for (let start = 0; start < bytes.length; ) {
    const keyEnd = endOfVarint(bytes, start);
    const key = smallVarint(bytes, start, keyEnd);
    const wire = key % 8;
    const number = (key - wire) / 8;
    if (number < 1 || number >= 2 ** 29) throw new OnnxError(`not an ONNX model: a field has number ${number}`);
    let from = keyEnd;
    let end: number;
    if (wire === VARINT) end = endOfVarint(bytes, from);
    else if (wire === EIGHT_BYTES) end = from + 8;
    else if (wire === FOUR_BYTES) end = from + 4;
    else if (wire === BYTES) {
      from = endOfVarint(bytes, keyEnd);
      end = from + smallVarint(bytes, keyEnd, from);
    } else throw new OnnxError(`not an ONNX model: a field has wire type ${wire}`);
    if (end > bytes.length)
      throw new OnnxError(`not an ONNX model, or cut off: field ${number} needs ${end - bytes.length} more bytes`);
    yield { number, wire, raw: bytes.subarray(start, end), content: bytes.subarray(from, end) };
    start = end;
  }
}

/** A signed integer of 64 bits. @throws {OnnxError} if the field is of another wire type. */
export function integerOf({ number, wire, content }: Field): bigint {
  expectWire(number, wire, VARINT);
  return varintAt(content, 0, content.length);
}

function varintAt(bytes: Uint8Array, at: number, end: number): bigint {
  if (end - at < 8) return BigInt(smallVarint(bytes, at, end));
  let value = 0n;
  for (let i = end - 1; i >= at; i--) value = (value << 7n) | BigInt(bytes[i]! & 0x7f);
  return BigInt.asIntN(64, value);
}

/** The same for those that are counts and codes; NaN for one that float64 does not hold. */
export function countOf(field: Field): number {
  const value = integerOf(field);
  return value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : Number.NaN;
}

/** A float32. */
export function singleOf({ number, wire, content }: Field): number {
  expectWire(number, wire, FOUR_BYTES);
  return new DataView(content.buffer, content.byteOffset).getFloat32(0, true);
}

/** A repeated number: in one field (packed) or in several. */
export function integersOf(field: Field): bigint[] {
  if (field.wire !== BYTES) return [integerOf(field)];
  const found: bigint[] = [];
  for (let at = 0; at < field.content.length; ) {
    const end = endOfVarint(field.content, at);
    found.push(varintAt(field.content, at, end));
    at = end;
  }
  return found;
}

export function singlesOf(field: Field): number[] {
  if (field.wire !== BYTES) return [singleOf(field)];
  const { buffer, byteOffset, length } = field.content;
  if (length % 4 !== 0) throw new OnnxError(`not an ONNX model: ${length} bytes of float32`);
  const view = new DataView(buffer, byteOffset, length);
  return Array.from({ length: length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** A message or bytes. */
export function contentOf({ number, wire, content }: Field): Uint8Array {
  expectWire(number, wire, BYTES);
  return content;
}

// A mark of byte order is part of a name like any other, and two names stay two.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
const encoder = new TextEncoder();

/** @throws {OnnxError} if it is no UTF-8. */
export function textOf(field: Field): string {
  try {
    return decoder.decode(contentOf(field));
  } catch (cause) {
    if (cause instanceof OnnxError) throw cause;
    throw new OnnxError(`not an ONNX model: a text in field ${field.number} is no UTF-8`, { cause });
  }
}

function expectWire(number: number, wire: number, expected: number): void {
  if (wire !== expected)
    throw new OnnxError(`not an ONNX model: field ${number} has wire type ${wire}, expected ${expected}`);
}

/** A message being written, as pieces: what is taken over from another is not copied. */
export class Message {
  readonly pieces: Uint8Array[] = [];
  length = 0;

  /** Bytes as they are: whole fields. Those that follow each other in memory stay one piece. */
  raw(bytes: Uint8Array): this {
    if (bytes.length === 0) return this;
    const last = this.pieces[this.pieces.length - 1];
    const isNext = last && last.buffer === bytes.buffer && last.byteOffset + last.length === bytes.byteOffset;
    if (isNext)
      this.pieces[this.pieces.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + bytes.length);
    else this.pieces.push(bytes);
    this.length += bytes.length;
    return this;
  }

  integer(number: number, value: number | bigint): this {
    return this.raw(Uint8Array.from([...varint(8 * number + VARINT), ...varint(value)]));
  }

  single(number: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.raw(Uint8Array.from([...varint(8 * number + FOUR_BYTES), ...bytes]));
  }

  bytes(number: number, content: Uint8Array | Message): this {
    this.raw(Uint8Array.from([...varint(8 * number + BYTES), ...varint(content.length)]));
    if (!('pieces' in content)) return this.raw(content);
    for (const piece of content.pieces) this.raw(piece);
    return this;
  }

  text(number: number, value: string): this {
    return this.bytes(number, encoder.encode(value));
  }

  /** All pieces as one. */
  join(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const piece of this.pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}
