import { nextDown, nextUp } from '../../assembly/float32';
import type { Expression } from './expression.js';

/** The largest finite float32, and the smallest normal one. */
export const LARGEST = 3.4028234663852886e38;
export const LEAST_NORMAL = 2 ** -126;

/** A part of the line, on float32 inputs `first` to `last`, both included, and the expression that is the function there. */
export interface Part {
  readonly first: number;
  readonly last: number;
  readonly f: Expression;
}

/**
 * What the function tends to: f = slope·x + intercept + rest, with `rest` written so that nothing cancels; it must vanish at infinity. Slope and
 * intercept hold no x.
 */
export interface Asymptote {
  readonly slope: Expression;
  readonly intercept: Expression;
  readonly rest: Expression;
}

/** f(x) = trend·x + f₀(x) with f₀ of this period, everywhere: expressions without x, and `part` for |x| up to half a period and a little more. */
export interface Periodicity {
  readonly period: Expression;
  readonly trend: Expression;
  readonly part: Expression;
  /**
   * There is no period: the function is tabulated for |x| below `from`, a power of two, and further out it is known to be within `size` of `part`, in
   * which there is no x. Sums of oscillations whose frequencies have no common measure; `period` is of no consequence.
   */
  readonly only?: { readonly from: number; readonly size: Expression };
}

/** A function of x on the whole line: its parts, in order, and what is known of it far out. */
export interface Definition {
  readonly parts: readonly Part[];
  readonly low?: Asymptote;
  readonly high?: Asymptote;
  readonly periodic?: Periodicity;
  /** A denominator that must have no root. */
  readonly poles?: Expression;
}

/** A piece of a function, all of it analytic: what plans and gradients are compiled from. Pieces cover every finite float32, in order. */
export type Piece = {
  readonly first: number;
  readonly last: number;
} & (
  | { readonly law: 'tape'; readonly f: Expression }
  /** Up to `rest`, a share of |slope·x|, or absolute where the slope is 0; f is the function all the same. */
  | {
      readonly law: 'linear';
      readonly slope: Expression;
      readonly intercept: Expression;
      readonly rest: number;
      readonly f: Expression;
    }
);

/** [first, last] without what lies outside [low, high]; undefined if nothing is left. */
export function clip<T extends { first: number; last: number }>(part: T, low: number, high: number): T | undefined {
  const first = Math.max(part.first, low);
  const last = Math.min(part.last, high);
  return first <= last ? { ...part, first, last } : undefined;
}

/** Just above and below, with all subnormal numbers as one place with 0: they count as zero. */
export function above(x: number): number {
  const next = nextUp(x);
  return Math.abs(next) < LEAST_NORMAL ? (x < 0 ? 0 : LEAST_NORMAL) : next;
}
export function below(x: number): number {
  const next = nextDown(x);
  return Math.abs(next) < LEAST_NORMAL ? (x > 0 ? 0 : -LEAST_NORMAL) : next;
}

/** A part whose ends are no subnormal numbers: those are one place with 0, and some hardware compares them so. Undefined if nothing else is in it. */
export function withoutSubnormals<T extends { first: number; last: number }>(part: T): T | undefined {
  const isSubnormal = (x: number) => x !== 0 && Math.abs(x) < LEAST_NORMAL;
  const first = isSubnormal(part.first) ? (part.first > 0 ? LEAST_NORMAL : 0) : part.first;
  const last = isSubnormal(part.last) ? (part.last > 0 ? 0 : -LEAST_NORMAL) : part.last;
  return first <= last ? { ...part, first, last } : undefined;
}
