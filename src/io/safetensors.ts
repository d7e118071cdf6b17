import { describe, isArrayBuffer, isView } from '../errors.js';
import type { StateDict, Tensor } from './tensor.js';

export type { StateDict, Tensor };

/**
 * Reading and writing .safetensors (Hugging Face): 8 bytes header length (little-endian), a JSON header
 * name → { dtype, shape, data_offsets }, then the data. Every field of the header is checked against the file: offsets
 * must lie inside it, agree with shape and dtype, not overlap and leave no holes, as the format demands.
 */

export type FloatType = 'F32' | 'F16' | 'BF16' | 'F64';
const BYTES: Readonly<Record<FloatType, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };
/** What else the format knows, in bytes. */
const OTHER_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  U16: 2,
  I16: 2,
  U32: 4,
  I32: 4,
  U64: 8,
  I64: 8,
};
/** The reference implementation's limit. */
const MOST_HEADER_BYTES = 100_000_000;
const MOST_AXES = 32;

export interface LoadedSafetensors {
  /** name → tensor; F16 and BF16 widened to float32, exactly. */
  readonly tensors: Record<string, Tensor>;
  readonly metadata: Record<string, string>;
  /** Names of tensors that hold no floats (a BatchNorm's counter, say): their place in the file is checked, their data is left out. */
  readonly skipped: readonly string[];
}

/** The file is not valid .safetensors, or holds something that this reader does not take. */
export class SafetensorsError extends RangeError {
  override name = 'SafetensorsError';
}

/**
 * @param file the whole file.
 * @throws {TypeError} if `file` is not bytes. @throws {SafetensorsError} if the file is not valid; says what and where.
 */
export function loadSafetensors(file: Uint8Array | ArrayBuffer): LoadedSafetensors {
  const bytes = isArrayBuffer(file) ? new Uint8Array(file) : file;
  if (!isView(bytes, 'Uint8Array'))
    throw new TypeError(`a safetensors file must be a Uint8Array or ArrayBuffer, got ${describe(file)}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8)
    throw new SafetensorsError(`a safetensors file has at least 8 bytes, this one has ${bytes.length}`);
  const declared = view.getBigUint64(0, true);
  if (declared > BigInt(Math.min(bytes.length - 8, MOST_HEADER_BYTES))) {
    throw new SafetensorsError(
      `the header claims ${declared} bytes, but only ${bytes.length - 8} follow (and at most ${MOST_HEADER_BYTES} are taken)`,
    );
  }
  const start = 8 + Number(declared);
  const header = parseHeader(bytes.subarray(8, start));
  const size = bytes.length - start;

  const metadata: Record<string, string> = Object.create(null);
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') Object.assign(metadata, checkMetadata(value));
    else entries.push(checkEntry(name, value, size));
  }
  entries.sort((p, q) => p.from - q.from || p.to - q.to);
  let end = 0;
  for (const { name, from, to } of entries) {
    if (from !== end)
      throw new SafetensorsError(
        `tensor '${name}' starts at byte ${from} of the data, expected ${end}: tensors must not overlap or leave holes`,
      );
    end = to;
  }
  if (end !== size) throw new SafetensorsError(`the tensors fill ${end} bytes of data, the file has ${size}`);

  const tensors: Record<string, Tensor> = Object.create(null);
  const skipped: string[] = [];
  for (const { name, type, shape, from, to } of entries) {
    if (type === undefined) skipped.push(name);
    else tensors[name] = { shape, data: decode(type, view, start + from, (to - from) / BYTES[type]) };
  }
  return { tensors, metadata, skipped };
}

interface Entry {
  name: string;
  /** undefined if it holds no floats. */
  type: FloatType | undefined;
  shape: number[];
  from: number;
  to: number;
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new SafetensorsError(`the header is not JSON in UTF-8: ${(cause as Error).message}`, { cause });
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw new SafetensorsError(`the header must be a JSON object, got ${describe(header)}`);
  }
  return header as Record<string, unknown>;
}

function checkMetadata(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SafetensorsError(`__metadata__ must be an object, got ${describe(value)}`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw new SafetensorsError(`__metadata__.${key} must be a string, got ${describe(text)}`);
  }
  return value as Record<string, string>;
}

const isCount = (each: unknown): each is number => Number.isSafeInteger(each) && (each as number) >= 0;
const isShape = (shape: unknown): shape is number[] =>
  Array.isArray(shape) && shape.length <= MOST_AXES && shape.every(isCount);
const A_SHAPE = `a shape of at most ${MOST_AXES} non-negative integers`;

function checkEntry(name: string, value: unknown, size: number): Entry {
  const {
    dtype,
    shape,
    data_offsets: offsets,
  } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const type = typeof dtype === 'string' && Object.hasOwn(BYTES, dtype) ? (dtype as FloatType) : undefined;
  const bytes = type
    ? BYTES[type]
    : typeof dtype === 'string' && Object.hasOwn(OTHER_BYTES, dtype)
      ? OTHER_BYTES[dtype]
      : undefined;
  if (bytes === undefined) {
    throw new SafetensorsError(
      `tensor '${name}' must have dtype ${[...Object.keys(BYTES), ...Object.keys(OTHER_BYTES)].join(', ')}, got ${describe(dtype)}`,
    );
  }
  if (!isShape(shape)) {
    throw new SafetensorsError(`tensor '${name}' must have ${A_SHAPE}, got ${JSON.stringify(shape)?.slice(0, 80)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw new SafetensorsError(
      `tensor '${name}' must have two data_offsets, got ${JSON.stringify(offsets)?.slice(0, 80)}`,
    );
  }
  const [from, to] = offsets as [number, number];
  if (from > to || to > size)
    throw new SafetensorsError(`tensor '${name}' claims bytes ${from} to ${to} of ${size} bytes of data`);
  const expected = shape.reduce((product: number, each: number) => product * each, bytes);
  if (expected !== to - from) {
    throw new SafetensorsError(
      `tensor '${name}' of shape [${shape.join(', ')}] and dtype ${String(dtype)} needs ${expected} bytes, its data_offsets give ${to - from}`,
    );
  }
  return { name, type, shape, from, to };
}

function decode(type: FloatType, view: DataView, at: number, count: number): Float32Array | Float64Array {
  const data = type === 'F64' ? new Float64Array(count) : new Float32Array(count);
  const words = type === 'F64' ? undefined : new Uint32Array(data.buffer);
  for (let i = 0; i < count; i++) {
    // Moved as bits, so that NaN payloads survive.
    if (type === 'F64') data[i] = view.getFloat64(at + 8 * i, true);
    else if (type === 'F32') words![i] = view.getUint32(at + 4 * i, true);
    else if (type === 'BF16') words![i] = view.getUint16(at + 2 * i, true) << 16;
    else words![i] = widenHalf(view.getUint16(at + 2 * i, true));
  }
  return data;
}

/** The float32 bits of a float16. */
function widenHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal half is a normal float32: shift its leading bit into the hidden place.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

/** The float16 bits nearest to a number, ties to even. */
function narrowToHalf(x: number): number {
  const sign = Object.is(x, -0) || x < 0 ? 0x8000 : 0;
  const size = Math.abs(x);
  if (x !== x) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  const steps = roundHalfEven(size * 2 ** (10 - exponent));
  // Carries out of the fraction run into the exponent, as they should.
  return sign | (size < 2 ** -14 ? steps : ((exponent + 14) << 10) + steps);
}

function narrowToBFloat(x: number, bits: number): number {
  if (x !== x) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

export interface SaveOptions {
  /** How every tensor is stored. Default 'F32' ('F64' for Float64Array); others round to nearest even. */
  dtype?: FloatType;
  metadata?: Readonly<Record<string, string>>;
}

/** @throws {TypeError|RangeError} if a tensor's data does not have the size of its shape. */
export function saveSafetensors(tensors: Readonly<Record<string, Tensor>>, options: SaveOptions = {}): Uint8Array {
  const header: Record<string, unknown> = Object.create(null);
  if (options.metadata) header.__metadata__ = checkMetadata(options.metadata);
  if (options.dtype !== undefined && !Object.hasOwn(BYTES, options.dtype))
    throw new RangeError(`dtype must be one of ${Object.keys(BYTES).join(', ')}, got ${describe(options.dtype)}`);
  let offset = 0;
  const parts: { data: Float32Array | Float64Array; type: FloatType }[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    if (name === '__metadata__') throw new RangeError("'__metadata__' is no name for a tensor; pass options.metadata");
    if (typeof tensor !== 'object' || tensor === null)
      throw new TypeError(`tensor '${name}' must be { shape, data }, got ${describe(tensor)}`);
    const { shape, data } = tensor;
    if (!isShape(shape)) throw new RangeError(`tensor '${name}' must have ${A_SHAPE}, got ${describe(shape)}`);
    if (!(isView(data, 'Float32Array') || isView(data, 'Float64Array')))
      throw new TypeError(`tensor '${name}' must hold a Float32Array or Float64Array, got ${describe(data)}`);
    const size = shape.reduce((product, each) => product * each, 1);
    if (size !== data.length)
      throw new RangeError(`tensor '${name}' of shape [${shape.join(', ')}] needs ${size} numbers, got ${data.length}`);
    const type = options.dtype ?? (isView(data, 'Float64Array') ? 'F64' : 'F32');
    const bytes = size * BYTES[type];
    header[name] = { dtype: type, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
    parts.push({ data, type });
  }
  // The data begins on a multiple of 8, as the reference writer arranges with spaces.
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = (json.length + 7) & -8;
  const file = new Uint8Array(8 + padded + offset);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(padded), true);
  file.fill(0x20, 8, 8 + padded);
  file.set(json, 8);
  let at = 8 + padded;
  for (const { data, type } of parts) {
    const words = isView(data, 'Float32Array') ? new Uint32Array(data.buffer, data.byteOffset, data.length) : undefined;
    for (let i = 0; i < data.length; i++, at += BYTES[type]) {
      const x = data[i]!;
      if (type === 'F64') view.setFloat64(at, x, true);
      else if (type === 'F32') words ? view.setUint32(at, words[i]!, true) : view.setFloat32(at, x, true);
      else if (type === 'F16') view.setUint16(at, narrowToHalf(x), true);
      else {
        // A float64 is rounded once, to the 16 bits: through float32 with the sticky bit of what was cut off.
        const single = Math.fround(x);
        view.setUint16(at, narrowToBFloat(x, words ? words[i]! : stickyBits(x, single)), true);
      }
    }
  }
  return file;
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** float32 bits of x rounded to odd, from which rounding to fewer bits is rounding x itself. */
function stickyBits(x: number, single: number): number {
  float[0] = single;
  let bits = word[0]!;
  if (single !== x && x === x) {
    if (Math.abs(single) > Math.abs(x)) bits -= 1;
    bits |= 1;
  }
  return bits >>> 0;
}
