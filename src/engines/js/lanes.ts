/**
 * The kernels' vocabulary in plain JavaScript: one lane of binary32, rounded by `Math.fround` after every operation.
 *
 * The other implementation, with the meaning of every word, is `assembly/vocabulary/#lanes.ts` (WebAssembly SIMD, four
 * lanes). A sum, difference or product of two float32 computed in float64 and rounded once is the correctly rounded
 * float32 result (Figueroa 1995), so the two agree in every bit.
 */

import { doubles, floats, words } from './memory.js';

export type Lanes = number;
export type Words = number;
export type Mask = boolean;

export const IS_VECTOR = false;
export const STRIDE = 4;

/** Where a float32 and its bits are one. */
export const float = new Float32Array(1);
export const word = new Int32Array(float.buffer);

export const loadLanes = (address: usize): Lanes => floats[address >> 2]!;
export const loadEvery = loadLanes;
export const loadWords = (address: usize): Words => words[address >> 2]!;
export const storeLanes = (address: usize, x: Lanes): void => {
  floats[address >> 2] = x;
};
export const storeFirst = storeLanes;
export const storeWords = (address: usize, x: Words): void => {
  words[address >> 2] = x;
};
export const loadWord = (address: usize): i32 => words[address >> 2]!;
export const storeWord = (address: usize, x: i32): void => {
  words[address >> 2] = x;
};
export const every = (x: f32): Lanes => Math.fround(x);
export const everyWord = (x: i32): Words => x | 0;

export const plus = (a: Lanes, b: Lanes): Lanes => Math.fround(a + b);
export const minus = (a: Lanes, b: Lanes): Lanes => Math.fround(a - b);
export const times = (a: Lanes, b: Lanes): Lanes => Math.fround(a * b);
export const minusExactly = (a: Lanes, b: Lanes): Lanes => a - b;
export const timesExactly = (a: Lanes, b: Lanes): Lanes => a * b;
export const larger = (a: Lanes, b: Lanes): Lanes => (a < b ? b : a);
export const smaller = (a: Lanes, b: Lanes): Lanes => (b < a ? b : a);

export const atLeast = (a: Lanes, b: Lanes): Mask => a >= b;
export const wordAbove = (a: Words, b: Words): Mask => a > b;
export const wordEquals = (a: Words, b: Words): Mask => a === b;
export const isNaNLane = (a: Lanes): Mask => a !== a;
export const anyLane = (mask: Mask): boolean => mask;
export const eitherMask = (a: Mask, b: Mask): Mask => a || b;
export const pick = (mask: Mask, a: Lanes, b: Lanes): Lanes => (mask ? a : b);
export const pickWord = (mask: Mask, a: Words, b: Words): Words => (mask ? a : b);

// One expression each, so that the build can write them out (scripts/inline.mjs).
// biome-ignore-start lint/complexity/noCommaOperator: as above
export const toBits = (x: Lanes): Words => ((float[0] = x), word[0]!);
export const ofBits = (x: Words): Lanes => ((word[0] = x), float[0]!);
export const addToRow = (at: Words, a: Lanes, b: Lanes, c: Lanes, d: Lanes): number => (
  (doubles[at >> 3]! += a),
  (doubles[(at >> 3) + 1]! += b),
  (doubles[(at >> 3) + 2]! += c),
  (doubles[(at >> 3) + 3]! += d)
);
/** Here a branch costs less than a store does. */
export const appendIfAny = (mask: Mask, offset: i32, end: usize): usize =>
  mask ? ((words[end >> 2] = offset), end + 4) : end;
// biome-ignore-end lint/complexity/noCommaOperator: as above
/** 2²³, whose bits are 0x4b000000, as a number and less. */
export const integerBits = (x: Lanes): Words => (x + 1249902592) | 0;
export const andWord = (a: Words, b: Words): Words => a & b;
export const orWord = (a: Words, b: Words): Words => a | b;
export const addWord = (a: Words, b: Words): Words => (a + b) | 0;
export const subtractWord = (a: Words, b: Words): Words => (a - b) | 0;
export const shiftLeft = (a: Words, by: i32): Words => a << by;
export const shiftRight = (a: Words, by: i32): Words => a >> by;
export const toFloat = (a: Words): Lanes => Math.fround(a);
/** Added to a number below 2⁵¹ this leaves no room for a fraction. */
export const INTEGERS = 6755399441055744;
export const nearestInteger = (x: Lanes): Lanes => x + INTEGERS - INTEGERS;

/** Of float32. */
export const LARGEST = 3.4028234663852886e38;
export const isBeyond = (x: Lanes, _magnitude: Words, _most: Words): Mask => !(Math.abs(x) <= LARGEST);
export const withoutBelow = (x: Lanes, least: Lanes, _magnitude: Words, _sign: Words): Lanes =>
  Math.abs(x) < least ? 0 * x : x;
export const WINDOW_SCALES = /* @__PURE__ */ Float64Array.from({ length: 32 }, (_, window) => 2 ** (150 - 8 * window));
export const inWindow = (g: Lanes, window: Words, _magnitude: Words, _within: Words, _base: Words): Lanes =>
  g * WINDOW_SCALES[window]!;

export const gather = (at: Words): Lanes => floats[at >> 2]!;
export const gatherWord = (at: Words): Words => words[at >> 2]!;
export const scatter = (at: Words, x: Lanes): void => {
  floats[at >> 2] = x;
};
/** One lane has nothing to gain from a pass of its own: it adds at once. */
export const storeRows = (_address: usize, _a: Lanes, _b: Lanes, _c: Lanes, _d: Lanes): void => {};
export const addKeptRow = (_kept: usize, _row: usize): void => {};
export const appendLanes = (mask: Mask, offset: i32, end: usize): usize => {
  words[end >> 2] = offset;
  return mask ? end + 4 : end;
};
export const fillLanes = (_word: i32, _end: usize): void => {};

/** With one lane a row is just its address, and the rows of lanes 1 to 3 are not there. */
export type Row = number;
export const row0 = (at: Words, skip: usize): Row => (at + skip) >> 2;
export const row1 = (_at: Words, _skip: usize): Row => 0;
export const row2 = row1;
export const row3 = row1;
export const keptRow0 = (_kept: usize, at: Words, skip: usize): Row => (at + skip) >> 2;
export const keptRow1 = (_kept: usize, _at: Words, _skip: usize): Row => 0;
export const keptRow2 = keptRow1;
export const keptRow3 = keptRow1;
export const column0 = (a: Row, _b: Row, _c: Row, _d: Row): Lanes => floats[a]!;
export const column1 = (a: Row, _b: Row, _c: Row, _d: Row): Lanes => floats[a + 1]!;
export const column2 = (a: Row, _b: Row, _c: Row, _d: Row): Lanes => floats[a + 2]!;
export const column3 = (a: Row, _b: Row, _c: Row, _d: Row): Lanes => floats[a + 3]!;
export const wordColumn0 = (a: Row, _b: Row, _c: Row, _d: Row): Words => words[a]!;
export const wordColumn1 = (a: Row, _b: Row, _c: Row, _d: Row): Words => words[a + 1]!;
export const wordColumn2 = (a: Row, _b: Row, _c: Row, _d: Row): Words => words[a + 2]!;
export const wordColumn3 = (a: Row, _b: Row, _c: Row, _d: Row): Words => words[a + 3]!;
