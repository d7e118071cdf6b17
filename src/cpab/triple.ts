import * as double from '../../assembly/double';
import { ELEMENTARY, low, ROUNDING } from '../../assembly/double';
import { exp } from '../../assembly/numeric';
import type { Expression } from '../calculus/expression.js';

/** A number of two float64, and a bound on what it is off (docs/numerics.md, "Two float64"). */
export type Triple = readonly [high: number, low: number, error: number];
export const exact = (x: number): Triple => [x, 0, 0];
export const EXACTLY_0: Triple = [0, 0, 0];

export const sum = (a: Triple, b: Triple, sign: 1 | -1 = 1): Triple => {
  const h = double.add(a[0], a[1], sign * b[0], sign * b[1]);
  return [h, low, a[2] + b[2] + (h === 0 && low === 0 ? 0 : ROUNDING * Math.abs(h))];
};
export const difference = (a: Triple, b: Triple): Triple => sum(a, b, -1);
export const product = (a: Triple, b: Triple): Triple => {
  const h = double.multiply(a[0], a[1], b[0], b[1]);
  return [h, low, 1.01 * (Math.abs(a[0]) * b[2] + Math.abs(b[0]) * a[2] + a[2] * b[2]) + ROUNDING * Math.abs(h)];
};
export const quotient = (a: Triple, b: Triple): Triple => {
  const h = double.divide(a[0], a[1], b[0], b[1]);
  const l = low;
  const rest = Math.abs(b[0]) - b[2];
  return [
    h,
    l,
    rest > 0 ? (1.01 * (a[2] + Math.abs(h) * b[2])) / rest + ROUNDING * Math.abs(h) : Number.POSITIVE_INFINITY,
  ];
};
/** |e^(z±δ) - e^z| ≤ e^z·(e^δ - 1). */
const exponential = (a: Triple): Triple => {
  const h = double.expOf(a[0], a[1]);
  return [h, low, h * (ELEMENTARY + a[2] * exp(a[2])) * 1.0001 + 1e-300];
};
/** expm1(z)/z·t with z = s·t: ∫₀ᵗ e^{sr} dr, whose slopes in s and t are at most t²·max(1, e^z) and max(1, e^z). */
export const grown = (s: Triple, t: Triple): Triple => {
  const z = product(s, t);
  let [h, l]: [number, number] = [t[0], t[1]];
  if (z[0] !== 0) {
    h = double.expm1Of(z[0], z[1]);
    h = double.divide(h, low, s[0], s[1]);
    l = low;
  }
  const most = Math.max(1, exp(z[0] + z[2])) * 1.0001;
  return [h, l, Math.abs(h) * 4 * ELEMENTARY + most * (t[2] + t[0] * t[0] * s[2] * 1.01)];
};
/** Both of them, by one exponential where 1 + expm1(z) keeps its digits. */
export function growth(s: Triple, t: Triple): { grown: Triple; factor: Triple } {
  const part = grown(s, t);
  if (Math.abs(s[0] * t[0]) > 8) return { grown: part, factor: exponential(product(s, t)) };
  return { grown: part, factor: s[0] === 0 && s[2] === 0 ? exact(1) : sum(exact(1), product(s, part)) };
}
export const isLess = (a: Triple, b: Triple) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
export const isSame = (a: Triple, b: Triple) => a[0] === b[0] && a[1] === b[1];

export const negative = (a: Triple): Triple => [-a[0], -a[1], a[2]];

export const constant = ([value, low, error]: Triple): Expression => ({ op: 'constant', value, low, error });
