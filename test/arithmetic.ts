/** A second evaluation of the calculus, by decimal.js, to judge the oracle with. */
import Decimal from 'decimal.js';
import type { Expression } from '../src/calculus/expression.js';
import { exactly } from './decimal.js';

type D = InstanceType<typeof Decimal>;

/** Evaluates expressions in so many digits: at a number, which is taken exactly, and with one parameter moved. */
export function arithmetic(digits: number) {
  const N = Decimal.clone({ precision: digits, maxE: 9e15, minE: -9e15, toExpNeg: -9e15, toExpPos: 9e15 });
  const number = (x: number) => new N(exactly(x));
  const tau = N.acos(-1).times(2);
  const least = new N(10).pow(-digits);
  const density = (a: D) => a.times(a).div(-2).exp().div(tau.sqrt());
  const aboveHalf = (a: D): D => {
    // Beyond, 1 - Φ is below every digit.
    if (a.abs().gt(3 + 2.2 * Math.sqrt(digits))) return new N(0.5).times(a.s);
    let term = a;
    let sum = a;
    for (let n = 3; term.abs().gt(least.times(sum.abs())); n += 2) {
      term = term.times(a).times(a).div(n);
      sum = sum.plus(term);
    }
    return density(a).times(sum);
  };
  /** By Laplace's continued fraction (far out), or ½ less what is beside it. */
  const normal = (a: D): D => {
    if (a.gt(-6)) return aboveHalf(a).plus(0.5);
    const t = a.neg();
    let fraction = t;
    // The error after n levels falls like exp(-1.9·t·√n).
    const levels = Math.ceil((digits * 2.4) ** 2 / (1.9 * t.toNumber()) ** 2) + 20;
    for (let n = levels; n >= 1; n--) fraction = t.plus(new N(n).div(fraction));
    return density(t).div(fraction);
  };
  const one = new N(1);
  const expm1 = (a: D): D => {
    if (a.abs().gt(0.1)) return a.exp().minus(1);
    let term = a;
    let sum = a;
    for (let n = 2; term.abs().gt(least.times(sum.abs())); n++) {
      term = term.times(a).div(n);
      sum = sum.plus(term);
    }
    return sum;
  };
  const log1p = (a: D): D => {
    if (a.abs().gt(0.1)) return a.plus(1).ln();
    const z = a.div(a.plus(2));
    let power = z;
    let sum = z;
    for (let n = 3; power.abs().gt(least.times(sum.abs())); n += 2) {
      power = power.times(z).times(z);
      sum = sum.plus(power.div(n));
    }
    return sum.times(2);
  };
  const sigmoid = (a: D): D => (a.s < 0 ? a.exp().div(a.exp().plus(1)) : one.div(a.neg().exp().plus(1)));
  const unary: Readonly<Record<string, (a: D) => D>> = {
    exp: (a) => a.exp(),
    log: (a) => a.ln(),
    expm1,
    log1p,
    sin: (a) => a.sin(),
    cos: (a) => a.cos(),
    sigmoid,
    // By e^-|2a|, which does not overflow.
    tanh: (a) => {
      const less = expm1(a.abs().times(-2));
      return less.div(less.plus(2)).times(-a.s);
    },
    softplus: (a) => (a.s > 0 ? a.plus(log1p(a.neg().exp())) : log1p(a.exp())),
    normal,
    aboveHalf,
    atan: (a) => a.atan(),
    abs: (a) => a.abs(),
  };
  return function evaluate(root: Expression, at: number | D, moved?: { index: number; by: D }): D {
    const x = typeof at === 'number' ? number(at) : new N(at);
    const known = new Map<Expression, D>();
    const value = (e: Expression): D => {
      let found = known.get(e);
      if (found === undefined) known.set(e, (found = compute(e)));
      return found;
    };
    const compute = (e: Expression): D => {
      switch (e.op) {
        case 'x':
          return x;
        case 'parameter':
          // A sum is rounded, a number is not.
          return moved?.index === e.index ? number(e.value).plus(moved.by) : number(e.value);
        case 'constant':
          return e.low ? number(e.value).plus(number(e.low)) : number(e.value);
        case 'polynomial':
          return e.coefficients.reduceRight((sum, c) => sum.times(x).plus(value(c)), new N(0));
        case 'where':
          return value(e.condition).gt(0) ? value(e.a) : value(e.b);
        case 'plus':
          return value(e.a).plus(value(e.b));
        case 'minus':
          return value(e.a).minus(value(e.b));
        case 'times':
          return value(e.a).times(value(e.b));
        case 'divide':
          return value(e.a).div(value(e.b));
        case 'power':
          return value(e.a).pow(value(e.b));
        case 'primitive':
          throw new Error('no piece of a flow');
        default:
          return unary[e.op]!(value(e.a));
      }
    };
    return value(root);
  };
}

const levels = [60, 90, 180, 400].map(arithmetic);

/** The value to 40 digits, as two evaluations of different length agree on; undefined if they do not. */
export function decimalTruth(e: Expression, x: number): D | undefined {
  for (let k = 0; k + 1 < levels.length; k++) {
    const [p, q] = [levels[k]!(e, x), levels[k + 1]!(e, x)];
    if (p.isNaN() && q.isNaN()) return q;
    // What has cancelled to 0 may be less than these digits tell.
    if (q.isZero() && k + 2 < levels.length) continue;
    if (p.eq(q) || p.minus(q).abs().lt(q.abs().times(1e-40))) return q;
  }
  return undefined;
}
