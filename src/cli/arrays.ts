import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { readHeader } from '../io/header.js';
import { loadSafetensors } from '../io/safetensors.js';
import type { Format } from '../oracle/index.js';
import { writeOut } from './output.js';

/** Arrays of floats in files: .npy (numpy's format 1.0 to 3.0, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), .safetensors, raw little-endian. */

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

const NUMPY: Readonly<Record<string, Format>> = { '<f4': 'float32', '<f2': 'float16' };
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

function readNumpy(path: string, bytes: Uint8Array, dtype: Format | undefined): FloatArray {
  const fail = (problem: string): never => {
    throw new ArrayFileError(`${path} ${problem}`);
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 12 || view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059)
    return fail("is no .npy file: it does not begin with '\\x93NUMPY'");
  const major = bytes[6]!;
  if (major < 1 || major > 3) return fail(`is of format ${major}; 1 to 3 are known`);
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (start + length > bytes.length) return fail(`ends within its header of ${length} bytes`);
  const header = new TextDecoder('latin1').decode(bytes.subarray(start, start + length));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const shape = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (descr === undefined || shape === undefined) return fail(`has a header without descr or shape: ${header.trim()}`);
  if (/'fortran_order'\s*:\s*True/.test(header) && shape.split(',').filter((each) => each.trim()).length > 1)
    return fail('is in Fortran order; numpy.ascontiguousarray makes it C order');
  // Two bytes without a type are how ml_dtypes' bfloat16 is saved, and what torch gives as int16.
  const isRaw = /^([<|][V]2|<[iu]2)$/.test(descr);
  const format = isRaw ? dtype : NUMPY[descr];
  if (isRaw && dtype === undefined) return fail(`holds '${descr}': --dtype bfloat16 or float16 says what that is`);
  if (format === undefined) return fail(`holds '${descr}'; <f4, <f2 and <V2 (with --dtype) are read`);
  if (dtype !== undefined && dtype !== format) return fail(`holds ${format}, but --dtype says ${dtype}`);
  const count = shape.split(',').reduce((product, each) => (each.trim() ? product * Number(each) : product), 1);
  const data = bytes.subarray(start + length);
  const width = format === 'float32' ? 4 : 2;
  if (data.length !== count * width)
    return fail(`says it holds ${count} numbers of ${width} bytes, and holds ${data.length} bytes`);
  return decode(format, data, path);
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
  const descr = { float32: '<f4', float16: '<f2', bfloat16: '<V2' }[format];
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${values.length},), }`;
  const header = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const file = new Uint8Array(10 + header.length + data.length);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length & 255, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(data, 10 + header.length);
  writeOut(path, file);
}
