import {
  atan,
  cos,
  exp,
  expm1,
  log,
  log1p,
  normalAboveHalf,
  normalDistribution,
  sigmoid,
  sin,
  softplus,
  tanh,
} from '../../assembly/numeric';
import { type Expression, inOrder, type Unary } from './expression.js';

const UNARY: Readonly<Record<Unary, (a: number) => number>> = {
  exp,
  log,
  expm1,
  log1p,
  sin: (a) => (Math.abs(a) < 2 ** 20 ? sin(a) : Number.NaN),
  cos: (a) => (Math.abs(a) < 2 ** 20 ? cos(a) : Number.NaN),
  sigmoid,
  tanh,
  softplus,
  normal: normalDistribution,
  aboveHalf: normalAboveHalf,
  atan,
  abs: Math.abs,
};

/** The function of x in float64, about 15 digits where nothing cancels; for reference and for limits. */
export function value(root: Expression): (x: number) => number {
  const order = inOrder(root);
  const places = new Map(order.map((e, i) => [e, i]));
  const at = (e: Expression) => places.get(e)!;
  const values = new Float64Array(order.length);
  const steps = order.map((e, i) => step(e, i));
  return (x) => {
    for (const each of steps) each(x);
    return values[order.length - 1]!;
  };

  function step(e: Expression, i: number): (x: number) => void {
    switch (e.op) {
      case 'x':
        return (x) => {
          values[i] = x;
        };
      case 'constant':
      case 'parameter':
        return () => {
          values[i] = e.value;
        };
      case 'primitive':
        return (x) => {
          values[i] = e.value(x);
        };
      case 'polynomial': {
        const c = e.coefficients.map(at);
        return (x) => {
          if (Math.abs(x) < Number.POSITIVE_INFINITY) values[i] = c.reduceRight((sum, n) => sum * x + values[n]!, 0);
          else {
            // The last power that is there decides.
            const last = c.reduce((found, n, k) => (values[n] !== 0 ? k : found), -1);
            values[i] =
              last < 0 ? 0 : last === 0 ? values[c[0]!]! : values[c[last]!]! * (last % 2 === 0 ? Math.abs(x) : x);
          }
        };
      }
      case 'where': {
        const [c, a, b] = [at(e.condition), at(e.a), at(e.b)];
        return () => {
          values[i] = values[c]! > 0 ? values[a]! : values[b]!;
        };
      }
      case 'plus':
      case 'minus':
      case 'times':
      case 'divide':
      case 'power': {
        const [a, b] = [at(e.a), at(e.b)];
        const f = BINARY[e.op];
        return () => {
          values[i] = f(values[a]!, values[b]!);
        };
      }
      default: {
        const a = at(e.a);
        const f = UNARY[e.op];
        return () => {
          values[i] = f(values[a]!);
        };
      }
    }
  }
}

const BINARY = {
  plus: (a: number, b: number) => a + b,
  minus: (a: number, b: number) => a - b,
  times: (a: number, b: number) => a * b,
  divide: (a: number, b: number) => a / b,
  power: (a: number, b: number) => exp(b * log(a)),
} as const;
