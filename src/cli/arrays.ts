import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { type NpyArray, parse } from 'npyjs';
import { readHeader } from '../io/header.js';
import { loadSafetensors } from '../io/safetensors.js';
import type { Format } from '../oracle/index.js';
import { writeOut } from './output.js';

/** Arrays of floats in files: .npy (by npyjs), .safetensors, raw little-endian. */

export interface FloatArray {
  readonly format: Format;
  /** The numbers, each exactly. */
  readonly values: Float32Array;
  /** Their bits. */
  readonly bits: Uint32Array | Uint16Array;
}

export class ArrayFileError extends Error {
  override name = 'ArrayFileError';
}

const NUMPY: Readonly<Record<string, Format>> = { f4: 'float32', f2: 'float16' };
const SAFETENSORS: Readonly<Record<string, Format>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' };

/** float16 from its bits. */
function half(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
}

function decode(format: Format, bytes: Uint8Array, path: string): FloatArray {
  const width = format === 'float32' ? 4 : 2;
  if (bytes.length % width !== 0)
    throw new ArrayFileError(`${path} holds ${bytes.length} bytes, which is no whole number of ${format}`);
  const own = bytes.slice().buffer;
  if (format === 'float32') return { format, values: new Float32Array(own), bits: new Uint32Array(own) };
  const bits = new Uint16Array(own);
  const values = new Float32Array(bits.length);
  if (format === 'float16') values.set(Float32Array.from(bits, half));
  else {
    const words = new Uint32Array(values.buffer);
    words.set(Uint32Array.from(bits, (each) => each << 16));
  }
  return { format, values, bits };
}

/** The floats of a file. @throws {ArrayFileError} if it cannot be read as such, with the reason. */
export function readArray(path: string, { dtype, tensor }: { dtype?: Format; tensor?: string }): FloatArray {
  const bytes = new Uint8Array(readFileSync(path));
  switch (extname(path)) {
    case '.npy':
      return readNumpy(path, bytes, dtype);
    case '.safetensors':
      return readTensor(path, bytes, tensor);
    default:
      if (dtype === undefined)
        throw new ArrayFileError(`${path} is raw: --dtype float32, float16 or bfloat16 says what it holds`);
      return decode(dtype, bytes, path);
  }
}

/** How numpy names two bytes without a type: as ml_dtypes' bfloat16 is saved. npyjs knows integers of two bytes, and is told of those. */
const VOID = /(?<='descr'\s*:\s*')[<|]V2(?=')/;

/** The type stands among the first bytes of a header. */
const HEADER = 256;

function withoutVoid(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = bytes.slice();
  const at = VOID.exec(new TextDecoder('latin1').decode(own.subarray(0, HEADER)))?.index;
  if (at !== undefined) own.set(new TextEncoder().encode('<u2'), at);
  return own;
}

function readNumpy(path: string, bytes: Uint8Array, dtype: Format | undefined): FloatArray {
  const fail = (problem: string): never => {
    throw new ArrayFileError(`${path} ${problem}`);
  };
  let found: NpyArray;
  try {
    found = parse(withoutVoid(bytes).buffer, { convertFloat16: false });
  } catch (cause) {
    return fail(`is no .npy file that can be read: ${(cause as Error).message}`);
  }
  const { data, shape, dtype: stored, fortranOrder } = found;
  if (fortranOrder && shape.length > 1) return fail('is in Fortran order; numpy.ascontiguousarray makes it C order');
  // What torch gives as int16 may be bfloat16 too.
  const isRaw = stored === 'u2' || stored === 'i2';
  const format = isRaw ? dtype : NUMPY[stored];
  if (isRaw && dtype === undefined)
    return fail('holds two bytes a number without a type: --dtype bfloat16 or float16 says what they are');
  if (format === undefined) return fail(`holds '${stored}'; f4, f2 and V2 (with --dtype) are read`);
  if (dtype !== undefined && dtype !== format) return fail(`holds ${format}, but --dtype says ${dtype}`);
  const count = shape.reduce((product, each) => product * each, 1);
  const width = format === 'float32' ? 4 : 2;
  if (data.byteLength !== count * width)
    return fail(`says it holds ${count} numbers of ${width} bytes, and holds ${data.byteLength} bytes`);
  return decode(format, new Uint8Array(data.buffer, data.byteOffset, data.byteLength), path);
}

function readTensor(path: string, bytes: Uint8Array, name: string | undefined): FloatArray {
  // Checks everything; the bits themselves are taken from where the header says.
  loadSafetensors(bytes);
  const { entries, start } = readHeader(bytes, bytes.length);
  const found = name === undefined && entries.length === 1 ? entries[0] : entries.find((entry) => entry.name === name);
  if (found === undefined)
    throw new ArrayFileError(`${path} has no tensor '${name ?? ''}'; it has ${entries.map((e) => e.name).join(', ')}`);
  const format = SAFETENSORS[found.dtype];
  if (format === undefined)
    throw new ArrayFileError(`'${found.name}' in ${path} is ${found.dtype}; F32, F16 and BF16 are read`);
  return decode(format, bytes.subarray(start + found.from, start + found.to), path);
}

/** The bits of numbers that are of the format. */
export function encode(format: Format, values: Float32Array): Uint8Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  if (format === 'float32') return new Uint8Array(words.slice().buffer);
  const bits = Uint16Array.from(words, (word, i) => (format === 'bfloat16' ? word >>> 16 : halfBits(values[i]!, word)));
  return new Uint8Array(bits.buffer);
}

function halfBits(value: number, word: number): number {
  const sign = (word >>> 16) & 0x8000;
  if (Number.isNaN(value)) return 0x7e00;
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return sign | 0x7c00;
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  const exponent = ((word >>> 23) & 255) - 127;
  return sign | ((exponent + 15) << 10) | ((word >>> 13) & 1023);
}

/** Writes .npy (bfloat16 as ml_dtypes does, '<V2'), or raw bytes under any other ending. */
export function writeArray(path: string, format: Format, values: Float32Array): void {
  const data = encode(format, values);
  if (extname(path) !== '.npy') {
    writeOut(path, data);
    return;
  }
  // Not by npyjs: the format asks for data at a multiple of 64 bytes, which it does not care for.
  const descr = { float32: '<f4', float16: '<f2', bfloat16: '<V2' }[format];
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${values.length},), }`;
  const header = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const file = new Uint8Array(10 + header.length + data.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(data, 10 + header.length);
  writeOut(path, file);
}
