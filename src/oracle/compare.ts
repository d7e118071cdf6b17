import { expectFloat32Array, expectNumber } from '../errors.js';
import { ordinal, unitInLastPlace } from './float32.js';

/** Telling results apart, bit by bit and unit by unit. */

/**
 * How many float32 lie between a and b: 0 for the same number (-0 and +0 are one), 1 for neighbours.
 * Infinity if just one of them is NaN; 0 if both are.
 */
export function ulpDistance(a: number, b: number): number {
  expectNumber('a', a);
  expectNumber('b', b);
  const isNaNA = Number.isNaN(a);
  if (isNaNA || Number.isNaN(b)) return isNaNA && Number.isNaN(b) ? 0 : Number.POSITIVE_INFINITY;
  return Math.abs(ordinal(a) - ordinal(b));
}

/** |computed - truth| in units in the last place of the truth; `truth` is a real number, as near as float64 has it. */
export function ulpError(computed: number, truth: number): number {
  expectNumber('computed', computed);
  expectNumber('truth', truth);
  if (Number.isNaN(truth)) return Number.isNaN(computed) ? 0 : Number.POSITIVE_INFINITY;
  if (Number.isNaN(computed)) return Number.POSITIVE_INFINITY;
  if (!Number.isFinite(truth)) return computed === truth ? 0 : Number.POSITIVE_INFINITY;
  return Math.abs(computed - truth) / unitInLastPlace(truth);
}

export interface Mismatch {
  readonly index: number;
  /** The input there, if inputs were given. */
  readonly input: number | undefined;
  /** Bit patterns, as unsigned integers. */
  readonly expected: number;
  readonly actual: number;
}

export interface BitComparison {
  readonly count: number;
  /** How many elements differ in at least one bit. */
  readonly differing: number;
  readonly first: Mismatch | undefined;
  /** The largest distance in ULP; Infinity if a NaN meets a number. */
  readonly worst: number;
  /** Differing elements by distance: 0 (zeros of other sign, NaN of other payload), 1, 2, 3–4, 5–8, … as [low, high, count]. */
  readonly histogram: readonly (readonly [low: number, high: number, count: number])[];
}

/**
 * Compares two results bit by bit.
 * @param inputs where they were computed, for the report.
 * @throws {TypeError|RangeError} if the arrays are not Float32Arrays of one length.
 */
export function compareBits(expected: Float32Array, actual: Float32Array, inputs?: Float32Array): BitComparison {
  expectFloat32Array('expected', expected);
  expectFloat32Array('actual', actual);
  if (expected.length !== actual.length)
    throw new RangeError(`both results must have one length, got ${expected.length} and ${actual.length}`);
  if (inputs !== undefined && expectFloat32Array('inputs', inputs).length !== expected.length)
    throw new RangeError(`inputs must have length ${expected.length}, got ${inputs.length}`);
  const p = new Uint32Array(expected.buffer, expected.byteOffset, expected.length);
  const q = new Uint32Array(actual.buffer, actual.byteOffset, actual.length);
  let differing = 0;
  let first: Mismatch | undefined;
  let worst = 0;
  const counts = new Map<number, number>();
  for (let i = 0; i < p.length; i++) {
    if (p[i] === q[i]) continue;
    differing += 1;
    first ??= { index: i, input: inputs?.[i], expected: p[i]!, actual: q[i]! };
    const distance = ulpDistance(expected[i]!, actual[i]!);
    if (distance > worst) worst = distance;
    const bucket = distance <= 1 ? distance - 1 : Math.ceil(Math.log2(distance));
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  const histogram = [...counts]
    .sort(([a], [b]) => a - b)
    .map(([bucket, n]) => {
      if (bucket <= 0) return [bucket + 1, bucket + 1, n] as const;
      return bucket === Number.POSITIVE_INFINITY
        ? ([bucket, bucket, n] as const)
        : ([2 ** (bucket - 1) + 1, 2 ** bucket, n] as const);
    });
  return { count: p.length, differing, first, worst, histogram };
}
