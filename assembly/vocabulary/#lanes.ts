/**
 * The kernels' vocabulary on WebAssembly SIMD: four lanes of binary32 at a time.
 *
 * `src/engines/js/lanes.ts` has the same names for one lane of plain JavaScript; kernel bodies import `#lanes` and do
 * not know which of the two they get. Every float operation rounds on its own, to nearest even.
 */

/** Four float32. */
export type Lanes = v128;
/** Four 32-bit integers. */
export type Words = v128;
/** Four truth values, as all-one or all-zero words. */
export type Mask = v128;

/** Bytes of float32 data that one step of a kernel handles. */
export const STRIDE: usize = 16;

// @ts-ignore: decorator
@inline export function loadLanes(address: usize): Lanes { return v128.load(address); }
// @ts-ignore: decorator
@inline export function loadWords(address: usize): Words { return v128.load(address); }
// @ts-ignore: decorator
@inline export function storeLanes(address: usize, x: Lanes): void { v128.store(address, x); }
// @ts-ignore: decorator
@inline export function loadWord(address: usize): i32 { return load<i32>(address); }
// @ts-ignore: decorator
@inline export function storeWord(address: usize, x: i32): void { store<i32>(address, x); }

// @ts-ignore: decorator
@inline export function every(x: f32): Lanes { return f32x4.splat(x); }
// @ts-ignore: decorator
@inline export function everyWord(x: i32): Words { return i32x4.splat(x); }

// @ts-ignore: decorator
@inline export function plus(a: Lanes, b: Lanes): Lanes { return f32x4.add(a, b); }
// @ts-ignore: decorator
@inline export function minus(a: Lanes, b: Lanes): Lanes { return f32x4.sub(a, b); }
// @ts-ignore: decorator
@inline export function times(a: Lanes, b: Lanes): Lanes { return f32x4.mul(a, b); }

/** b where a < b, else a: so a where either is NaN. */
// @ts-ignore: decorator
@inline export function larger(a: Lanes, b: Lanes): Lanes { return f32x4.pmax(a, b); }
/** b where b < a, else a: so a where either is NaN. */
// @ts-ignore: decorator
@inline export function smaller(a: Lanes, b: Lanes): Lanes { return f32x4.pmin(a, b); }

/** a ≥ b; false where either is NaN. */
// @ts-ignore: decorator
@inline export function atLeast(a: Lanes, b: Lanes): Mask { return f32x4.ge(a, b); }
/** Signed integer comparison a > b. */
// @ts-ignore: decorator
@inline export function wordAbove(a: Words, b: Words): Mask { return i32x4.gt_s(a, b); }
// @ts-ignore: decorator
@inline export function wordEquals(a: Words, b: Words): Mask { return i32x4.eq(a, b); }
// @ts-ignore: decorator
@inline export function isNaNLane(a: Lanes): Mask { return f32x4.ne(a, a); }
// @ts-ignore: decorator
@inline export function anyLane(mask: Mask): bool { return v128.any_true(mask); }
/** 1 if the mask is true in any lane, else 0; without a branch. */
// @ts-ignore: decorator
@inline export function countIfAny(mask: Mask): usize { return <usize>v128.any_true(mask); }

// @ts-ignore: decorator
@inline export function eitherMask(a: Mask, b: Mask): Mask { return v128.or(a, b); }
/** a where the mask is true, else b. */
// @ts-ignore: decorator
@inline export function pick(mask: Mask, a: Lanes, b: Lanes): Lanes { return v128.bitselect(a, b, mask); }
// @ts-ignore: decorator
@inline export function pickWord(mask: Mask, a: Words, b: Words): Words { return v128.bitselect(a, b, mask); }

// @ts-ignore: decorator
@inline export function toBits(x: Lanes): Words { return x; }
// @ts-ignore: decorator
@inline export function ofBits(x: Words): Lanes { return x; }
// @ts-ignore: decorator
@inline export function andWord(a: Words, b: Words): Words { return v128.and(a, b); }
// @ts-ignore: decorator
@inline export function orWord(a: Words, b: Words): Words { return v128.or(a, b); }
// @ts-ignore: decorator
@inline export function addWord(a: Words, b: Words): Words { return i32x4.add(a, b); }
// @ts-ignore: decorator
@inline export function subtractWord(a: Words, b: Words): Words { return i32x4.sub(a, b); }
// @ts-ignore: decorator
@inline export function shiftLeft(a: Words, by: i32): Words { return i32x4.shl(a, by); }
/** Arithmetic shift: the sign fills in. */
// @ts-ignore: decorator
@inline export function shiftRight(a: Words, by: i32): Words { return i32x4.shr_s(a, by); }
/** The integer as a float32; exact for |a| ≤ 2²⁴. */
// @ts-ignore: decorator
@inline export function toFloat(a: Words): Lanes { return f32x4.convert_i32x4_s(a); }

/** The float32 at each lane's byte address. */
// @ts-ignore: decorator
@inline export function gather(at: Words): Lanes {
  return v128.load32_lane(
    <usize>i32x4.extract_lane(at, 3),
    v128.load32_lane(
      <usize>i32x4.extract_lane(at, 2),
      v128.load32_lane(<usize>i32x4.extract_lane(at, 1), v128.load32_zero(<usize>i32x4.extract_lane(at, 0)), 1),
      2),
    3);
}

/** The integer at each lane's byte address. */
// @ts-ignore: decorator
@inline export function gatherWord(at: Words): Words { return gather(at); }
/** Stores each lane at its byte address. */
// @ts-ignore: decorator
@inline export function scatter(at: Words, x: Lanes): void {
  v128.store32_lane(<usize>i32x4.extract_lane(at, 0), x, 0);
  v128.store32_lane(<usize>i32x4.extract_lane(at, 1), x, 1);
  v128.store32_lane(<usize>i32x4.extract_lane(at, 2), x, 2);
  v128.store32_lane(<usize>i32x4.extract_lane(at, 3), x, 3);
}

/** Appends `offset` + 4·lane to the words at `end` for every lane where the mask is true; returns their new end. No branch. */
// @ts-ignore: decorator
@inline export function appendLanes(mask: Mask, offset: i32, end: usize): usize {
  const bits = <usize>i32x4.bitmask(mask);
  store<i32>(end, offset);
  end += (bits & 1) << 2;
  store<i32>(end, offset + 4);
  end += (bits & 2) << 1;
  store<i32>(end, offset + 8);
  end += bits & 4;
  store<i32>(end, offset + 12);
  return end + ((bits & 8) >> 1);
}
/** Writes the word as often as a last, incomplete vector at `end` may lack. */
// @ts-ignore: decorator
@inline export function fillLanes(word: i32, end: usize): void { v128.store(end, i32x4.splat(word)); }

/** Sixteen bytes of the table row to which one lane points. */
export type Row = v128;
/** The row of lane 0, 1, 2 or 3, from byte `skip` on. */
// @ts-ignore: decorator
@inline export function row0(at: Words, skip: usize): Row { return v128.load(<usize>i32x4.extract_lane(at, 0) + skip); }
// @ts-ignore: decorator
@inline export function row1(at: Words, skip: usize): Row { return v128.load(<usize>i32x4.extract_lane(at, 1) + skip); }
// @ts-ignore: decorator
@inline export function row2(at: Words, skip: usize): Row { return v128.load(<usize>i32x4.extract_lane(at, 2) + skip); }
// @ts-ignore: decorator
@inline export function row3(at: Words, skip: usize): Row { return v128.load(<usize>i32x4.extract_lane(at, 3) + skip); }

/** Entry 0 to 3 of every lane's row: one column of the transposed 4×4 block. */
// @ts-ignore: decorator
@inline export function column0(a: Row, b: Row, c: Row, d: Row): Lanes {
  return v128.shuffle<i64>(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 0, 4, 1, 5), 0, 2);
}
// @ts-ignore: decorator
@inline export function column1(a: Row, b: Row, c: Row, d: Row): Lanes {
  return v128.shuffle<i64>(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 0, 4, 1, 5), 1, 3);
}
// @ts-ignore: decorator
@inline export function column2(a: Row, b: Row, c: Row, d: Row): Lanes {
  return v128.shuffle<i64>(v128.shuffle<i32>(a, b, 2, 6, 3, 7), v128.shuffle<i32>(c, d, 2, 6, 3, 7), 0, 2);
}
// @ts-ignore: decorator
@inline export function column3(a: Row, b: Row, c: Row, d: Row): Lanes {
  return v128.shuffle<i64>(v128.shuffle<i32>(a, b, 2, 6, 3, 7), v128.shuffle<i32>(c, d, 2, 6, 3, 7), 1, 3);
}
