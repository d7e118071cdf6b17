/**
 * The vocabulary of the kernels that prepare tables, in plain JavaScript. The other implementation, with the meaning of every
 * word, is `assembly/vocabulary/#scalars.ts`.
 */
import { doubles, floats } from './memory.js';

export const double = new Float64Array(1);
export const halves = new Int32Array(double.buffer);
export const single = new Float32Array(1);
export const bits = new Int32Array(single.buffer);
/** Where the high word of a float64 lies, which depends on the machine. */
export const HIGH = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

export const loadDouble = (address: usize): f64 => doubles[address >> 3]!;
export const storeDouble = (address: usize, x: f64): void => {
  doubles[address >> 3] = x;
};
export const loadSingle = (address: usize): f64 => floats[address >> 2]!;
export const storeSingle = (address: usize, x: f64): void => {
  floats[address >> 2] = x;
};

export const roundToSingle = Math.fround;
// One expression each, so that the build can write them out (scripts/inline.mjs).
// biome-ignore-start lint/complexity/noCommaOperator: as above
export const singleBits = (x: f64): i32 => ((single[0] = x), bits[0]!);
export const ofSingleBits = (pattern: i32): f64 => ((bits[0] = pattern), single[0]!);
export const highWord = (x: f64): i32 => ((double[0] = x), halves[HIGH]!);
export const withHighWord = (x: f64, word: i32): f64 => ((double[0] = x), (halves[HIGH] = word), double[0]!);
// biome-ignore-end lint/complexity/noCommaOperator: as above
export const truncate = (x: f64): i32 => x | 0;
