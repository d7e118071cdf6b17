/**
 * The vocabulary of the kernels that prepare tables: float64 numbers, one at a time, and memory.
 *
 * `src/engines/js/scalars.ts` has the same names in plain JavaScript. With + - * / and Math.abs, floor, ceil, min, max, which both
 * languages fix to the last bit, a table has the same bytes whoever computes it.
 */

// @ts-ignore: decorator
@inline export function loadDouble(address: usize): f64 { return load<f64>(address); }
// @ts-ignore: decorator
@inline export function storeDouble(address: usize, x: f64): void { store<f64>(address, x); }
/** A float32 in memory, widened. */
// @ts-ignore: decorator
@inline export function loadSingle(address: usize): f64 { return <f64>load<f32>(address); }
/** Rounds to nearest even. */
// @ts-ignore: decorator
@inline export function storeSingle(address: usize, x: f64): void { store<f32>(address, <f32>x); }

/** The float32 nearest to x. */
// @ts-ignore: decorator
@inline export function roundToSingle(x: f64): f64 { return <f64><f32>x; }
/** Bits of the float32 nearest to x. */
// @ts-ignore: decorator
@inline export function singleBits(x: f64): i32 { return reinterpret<i32>(<f32>x); }
/** The float32 with these bits. */
// @ts-ignore: decorator
@inline export function ofSingleBits(bits: i32): f64 { return <f64>reinterpret<f32>(bits); }
/** Sign, exponent and the 20 leading bits of the fraction of a float64. */
// @ts-ignore: decorator
@inline export function highWord(x: f64): i32 { return <i32>(reinterpret<i64>(x) >> 32); }
/** x with another high word. */
// @ts-ignore: decorator
@inline export function withHighWord(x: f64, word: i32): f64 { return reinterpret<f64>((reinterpret<i64>(x) & 0xffffffff) | (<i64>word << 32)); }
/** Towards zero, of a number that fits. */
// @ts-ignore: decorator
@inline export function truncate(x: f64): i32 { return <i32>x; }
