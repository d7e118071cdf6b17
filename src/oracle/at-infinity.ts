import type { Expression } from '../calculus/expression.js';

/**
 * What an expression is at ±Infinity by the rules of infinities, where they tell: 0, ±Infinity, or a finite number to some digits; NaN where they do
 * not (∞ - ∞, 0·∞, what swings).
 */

/** Of finite numbers a difference that is so much smaller than both may be anything. */
const CANCELLED = 1e-9;

const FUNCTIONS: Readonly<Record<string, (a: number) => number>> = {
  exp: Math.exp,
  log: Math.log,
  expm1: Math.expm1,
  log1p: Math.log1p,
  tanh: Math.tanh,
  atan: Math.atan,
  abs: Math.abs,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  softplus: (a) => (a > 30 ? a : Math.log1p(Math.exp(a))),
  // Of infinities alone; finite arguments are left to balls.
  normal: (a) => (a === Number.POSITIVE_INFINITY ? 1 : a === Number.NEGATIVE_INFINITY ? 0 : Number.NaN),
  aboveHalf: (a) => (Number.isFinite(a) ? Number.NaN : Math.sign(a) / 2),
};

/** @param constant the value of an expression without x, its sign for certain; NaN if that is not known. */
export function atInfinity(root: Expression, side: 1 | -1, constant: (e: Expression) => number): number {
  const known = new Map<Expression, number>();
  const of = (e: Expression): number => {
    let found = known.get(e);
    if (found === undefined) known.set(e, (found = compute(e)));
    return found;
  };
  return of(root);

  function compute(e: Expression): number {
    if (e.op === 'x') return side * Number.POSITIVE_INFINITY;
    if (e.op === 'primitive' || e.op === 'where') return Number.NaN;
    const own = constant(e);
    if (!Number.isNaN(own)) return own;
    if (e.op === 'polynomial') {
      // The highest power decides.
      const last = e.coefficients.reduce((found, c, n) => (constant(c) !== 0 ? n : found), -1);
      return last < 1 ? Number.NaN : constant(e.coefficients[last]!) * side ** last * Number.POSITIVE_INFINITY;
    }
    if (!('a' in e)) return Number.NaN;
    const a = of(e.a);
    if (!('b' in e)) return FUNCTIONS[e.op]?.(a) ?? Number.NaN;
    const b = of(e.b);
    if (e.op === 'times') return a * b;
    if (e.op === 'divide') return a / b;
    if (e.op === 'power') return a === Number.POSITIVE_INFINITY ? (b > 0 ? a : b < 0 ? 0 : Number.NaN) : Number.NaN;
    const sum = e.op === 'plus' ? a + b : a - b;
    return Math.abs(sum) < CANCELLED * Math.max(Math.abs(a), Math.abs(b)) ? Number.NaN : sum;
  }
}
