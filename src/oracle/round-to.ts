import { describe, expectOneOf } from '../errors.js';
import type { DoubleDouble } from './double-double.js';
import { FORMAT_NAMES, type Format, round } from './truth.js';

export type { Format };

/**
 * The number of a format nearest to a truth, rounded once: ties to even, decided by `lo`; ±Infinity beyond the format, subnormal numbers kept.
 * @param truth as {@link exactFamily} gives it, `hi` the float64 nearest to hi + lo; or a number.
 * @throws {TypeError|RangeError} for another format, or what is no truth.
 */
export function roundTo(format: Format, truth: DoubleDouble | number): number {
  expectOneOf('format', format, FORMAT_NAMES);
  if (typeof truth === 'number') return round(format, { hi: truth, lo: 0 });
  const { hi, lo } = (truth ?? {}) as Partial<DoubleDouble>;
  if (typeof hi !== 'number' || typeof lo !== 'number')
    throw new TypeError(`truth must be a number, or { hi, lo } of numbers, got ${describe(truth)}`);
  // Of a sum that is not rounded yet.
  const nearest = hi + lo;
  return round(format, Number.isFinite(nearest) ? { hi: nearest, lo: hi - nearest + lo } : { hi: nearest, lo: 0 });
}
