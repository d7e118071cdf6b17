import { add, dd, toNumber } from './double-double.js';
import { enclosureOf } from './enclosed.js';
import { LANES } from './enclosure.js';
import type { Truth } from './truth.js';

/** Gradients of parameters: sums over a tensor. */
export interface TrueSum {
  /** The sum, and how far from it at most. */
  readonly value: number;
  readonly error: number;
  /** The sum of the terms' sizes: what a sum in any order may lose is a share of it. */
  readonly size: number;
}

/** Wider than this share, an enclosure is no use for a term. */
const WIDE = 2 ** -36;

/** Σ gradY·f(x), f the derivative in a parameter. Infinite or no number if a term is. */
export function trueSum(x: Float32Array, gradY: Float32Array, f: (x: number) => Truth): TrueSum {
  const enclosure = enclosureOf(f);
  const [low, high] = [new Float64Array(LANES).fill(Number.NaN), new Float64Array(LANES).fill(Number.NaN)];
  let total = dd(0);
  let [error, size] = [0, 0];
  for (let start = 0; start < x.length; start += LANES) {
    const n = Math.min(LANES, x.length - start);
    enclosure?.(x, start, n, low, high);
    for (let k = 0; k < n; k++) {
      const [l, h] = [low[k]!, high[k]!];
      let middle = l + (h - l) / 2;
      let off = (h - l) * 0.50001;
      if (!Number.isFinite(x[start + k]!) || !(h - l <= WIDE * Math.abs(middle))) {
        const truth = f(x[start + k]!);
        middle = truth.hi;
        off = Math.abs(truth.lo) + truth.error;
      }
      const g = gradY[start + k]!;
      const term = middle * g;
      total = add(total, dd(term));
      size += Math.abs(term);
      // What the product and the middle are rounded by.
      error += Math.abs(g) * off + Math.abs(term) * 2 ** -51;
    }
  }
  // What sums of errors and of two float64 are rounded by.
  const share = x.length * 2 ** -52;
  return { value: toNumber(total), error: error * (1 + share) + size * x.length * 2 ** -103 + 2 ** -1000, size };
}
