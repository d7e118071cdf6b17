import {
  describe,
  expectOptions,
  expectRecord,
  expectString,
  isArrayBuffer,
  isView,
  type OptionTable,
} from '../errors.js';
import { BYTES, decode, type FloatType, isFloat } from './floats.js';
import { A_SHAPE, isShape, readHeader, sizeOf } from './header.js';
import { isAdded, type StateDict, type Tensor } from './tensor.js';

export { SafetensorsError } from './header.js';
export type { StateDict, Tensor };

/**
 * Reading and writing .safetensors (Hugging Face): 8 bytes header length (little-endian), a JSON header
 * name → { dtype, shape, data_offsets }, then the data. Every field of the header is checked against the file: offsets
 * must lie inside it, agree with shape and dtype, not overlap and leave no holes, as the format demands.
 */

export type { FloatType };

export interface LoadedSafetensors {
  /** name → tensor; F16 and BF16 widened to float32, exactly. */
  readonly tensors: Record<string, Tensor>;
  /** What the writer noted. `DiTAC.fromStateDict` takes it as `metadata`. */
  readonly metadata: Record<string, string>;
  /** Names of tensors that hold no floats (a BatchNorm's counter, say): their place in the file is checked, their data is left out. */
  readonly skipped: readonly string[];
}

/**
 * Time and memory are linear in the file's size: at most 16 bytes for each byte of the header, and 2 for each of the data.
 *
 * @param file the whole file.
 * @throws {TypeError} if `file` is not bytes. @throws {SafetensorsError} if the file is not valid; says what and where.
 */
export function loadSafetensors(file: Uint8Array | ArrayBuffer): LoadedSafetensors {
  const bytes = isArrayBuffer(file) ? new Uint8Array(file) : file;
  if (!isView(bytes, 'Uint8Array'))
    throw new TypeError(`a safetensors file must be a Uint8Array or ArrayBuffer, got ${describe(file)}`);
  const { entries, metadata, start } = readHeader(bytes, bytes.length);
  const tensors: Record<string, Tensor> = Object.create(null);
  const skipped: string[] = [];
  for (const { name, dtype, shape, from, to } of entries) {
    if (isFloat(dtype)) tensors[name] = { shape, data: decode(dtype, bytes.subarray(start + from, start + to)) };
    else skipped.push(name);
  }
  return { tensors, metadata, skipped };
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
  /**
   * How tensors are stored. Default 'F32' ('F64' for Float64Array); others round to nearest even. What `DiTAC.stateDict` adds
   * (`…ditac.interval` and its like) is stored as it is, whatever is asked for here: a rounded interval would be another one.
   */
  dtype?: FloatType;
  metadata?: Readonly<Record<string, string>>;
}

const SAVE_OPTIONS = { dtype: expectString, metadata: expectRecord } satisfies OptionTable<SaveOptions>;

/**
 * @throws {TypeError|RangeError} if `tensors` is not an object of { shape, data }, or data does not have the size of its shape; if metadata
 *   is not an object of strings.
 */
export function saveSafetensors(tensors: Readonly<Record<string, Tensor>>, options: SaveOptions = {}): Uint8Array {
  expectRecord('tensors', tensors);
  expectOptions('saveSafetensors', options, SAVE_OPTIONS);
  const { dtype, metadata } = options;
  const header: Record<string, unknown> = Object.create(null);
  if (metadata !== undefined) {
    for (const [key, text] of Object.entries(metadata)) {
      if (typeof text !== 'string') throw new TypeError(`metadata.${key} must be a string, got ${describe(text)}`);
    }
    header.__metadata__ = metadata;
  }
  if (dtype !== undefined && !Object.hasOwn(BYTES, dtype))
    throw new RangeError(`dtype must be one of ${Object.keys(BYTES).join(', ')}, got ${describe(dtype)}`);
  let offset = 0;
  const parts: { data: Float32Array | Float64Array; type: FloatType }[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    if (name === '__metadata__') throw new RangeError("'__metadata__' is no name for a tensor; pass options.metadata");
    if (typeof tensor !== 'object' || tensor === null)
      throw new TypeError(`tensor '${name}' must be { shape, data }, got ${describe(tensor)}`);
    const { shape, data } = tensor;
    if (!isShape(shape)) throw new RangeError(`tensor '${name}' must have ${A_SHAPE}, got ${describe(shape)}`);
    const isDouble = isView(data, 'Float64Array');
    if (!(isDouble || isView(data, 'Float32Array')))
      throw new TypeError(`tensor '${name}' must hold a Float32Array or Float64Array, got ${describe(data)}`);
    const size = sizeOf(shape);
    if (size !== data.length)
      throw new RangeError(`tensor '${name}' of shape [${shape.join(', ')}] needs ${size} numbers, got ${data.length}`);
    const own = isDouble ? 'F64' : 'F32';
    const type = isAdded(name) ? own : (dtype ?? own);
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
