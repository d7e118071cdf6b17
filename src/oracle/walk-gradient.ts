import { add, type DoubleDouble, dd, divide, multiply, ONE, subtract, timesExp, ZERO } from './double-double.js';
import { integerAt, quotient } from './rational.js';
import type { Truth } from './truth.js';
import { type Field, growth, travel } from './walk.js';

/**
 * How the image of a point changes when its flow's velocity v does, by b: ψ′ = s·ψ + b(φ) along the way, ψ = 0 at its beginning, where s is the slope of
 * v. In a cell both are lines, and with w = s·τ, and c the slope of b, time τ takes ψ to
 *
 *     e^w·ψ + τ·E(w)·b + c·v·τ²·H(w),   E(w) = (e^w - 1)/w,   H(w) = (e^w - E(w))/w = Σ (m+1)/(m+2)!·wᵐ,
 *
 * b and v as they are where it is entered. Nothing is divided by a velocity: what is slow, or rests, is as well known as the rest. The way is that of
 * walk.ts, none of what `backward` is made of is used here.
 */

/** A rounding of two float64, with all that an elementary function adds. */
const ROUNDING = 1e-29;
/** Below this H is a series: 2⁻¹⁰⁶ of it is left out after so many terms. */
const NEAR = 0.5;
const TERMS = 26;

/** H(w). */
function bend(w: DoubleDouble): DoubleDouble {
  if (Math.abs(w.hi) > NEAR) return divide(subtract(timesExp(ONE, w), growth(w)), w);
  let sum = ZERO;
  for (let m = TERMS; m >= 0; m--) sum = add(multiply(sum, w), coefficients[m]!);
  return sum;
}
/** (m+1)/(m+2)! */
const coefficients = Array.from({ length: TERMS + 1 }, (_, m) => {
  let factorial = ONE;
  for (let n = 2; n <= m + 2; n++) factorial = multiply(factorial, dd(n));
  return divide(dd(m + 1), factorial);
});

const size = ({ hi }: DoubleDouble): number => Math.abs(hi);

/**
 * The derivative of the image of x after time 1, of the flow of `field` + ε·`change`, in ε at 0. Both fields are on the same cells. Where x is a vertex
 * that rests and the slopes on its sides differ, that of the cell on the right.
 */
export function walkGradient(field: Field, change: Field, x: number): Truth {
  const { cells, length } = field;
  const unit = integerAt(length, length.exponent);
  /** A field at `along`/`whole` of cell c, and its slope there. */
  const at = ({ speeds, exponent }: Field, c: number, along: bigint, whole: bigint) => {
    const [left, right] = [speeds[c]!, speeds[c + 1]!];
    return {
      value: quotient(left * (whole - along) + right * along, whole * BigInt(cells), exponent),
      slope: quotient(right - left, unit, exponent - length.exponent),
    };
  };
  let psi = ZERO;
  /** What ψ is at most made of, whatever cancels; how far off it is; and the cells so far. */
  let [most, error, passed] = [0, 0, 0];
  const follow = (c: number, along: bigint, whole: bigint, takes: DoubleDouble, isLast: boolean) => {
    const { value: v, slope: s } = at(field, c, along, whole);
    const { value: b, slope: bSlope } = at(change, c, along, whole);
    const w = multiply(s, takes);
    const grown = multiply(takes, growth(w));
    const first = multiply(grown, b);
    const second = multiply(multiply(multiply(bSlope, v), multiply(takes, takes)), bend(w));
    psi = add(add(timesExp(psi, w), first), second);
    const factor = Math.exp(w.hi);
    // b at the end of the way through this cell.
    const end = Math.abs(b.hi + bSlope.hi * v.hi * grown.hi);
    passed += 1;
    most = most * factor + size(first) + size(second);
    // A time is known to its rounding, the last to that of all before it; and ψ moves by s·ψ + b in a unit of it.
    const moved = (size(s) * most + Math.max(size(b), end)) * (isLast ? passed : size(takes));
    error = error * factor + ROUNDING * ((2 + size(w)) * most + moved);
  };
  const last = travel(field, x, (c, along, whole, takes) => follow(c, along, whole, takes, false));
  follow(last.cell, last.along, last.whole, last.remaining, true);
  return { hi: psi.hi, lo: psi.lo, error };
}
