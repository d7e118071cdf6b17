import type { Expression } from '../calculus/expression.js';
import { atInfinity } from './at-infinity.js';
import {
  aboveHalf,
  abs,
  add,
  atan,
  type Ball,
  cos,
  divide,
  exactly,
  exp,
  expm1,
  fromNumber,
  isZero,
  log,
  log1p,
  multiply,
  NoValue,
  normal,
  power,
  type Real,
  sigmoid,
  sign,
  sin,
  softplus,
  subtract,
  tanh,
  Undecided,
} from './ball.js';
import { NO_VALUE, type Truth, truthOf } from './truth.js';

/**
 * The truth of any expression of the calculus, which is read as data: no kernel, no series of the compiler, no float64 formula and none of the
 * asymptotes that a family states is used. Everything is computed in balls of 192 bits, and where those do not decide the float64 (or the sign
 * of a condition), again with twice as many.
 */

const FIRST = 192;
/** More than any cancellation of float32 parameters in float32 inputs needs; what is still undecided is zero, or a tie. */
const MOST = 6144;
/** A tie that a term decides which is too small to be seen leans as far to its side in balls of any size (`shifted` in ball.ts); noise does not. */
const STEADY = 0.02;

const UNARY = {
  exp,
  log,
  expm1,
  log1p,
  sin,
  cos,
  sigmoid,
  tanh,
  softplus,
  normal,
  aboveHalf,
  atan,
  abs: (a: Real, _: number) => abs(a),
} as const;
const BINARY = { plus: add, minus: subtract, times: multiply, divide, power } as const;

/** In an evaluation, each node once, and only those that the branch taken needs. */
type Node = (x: Ball, p: number, turn: number) => Real;

/** Values of an expression at one x, in p bits; throws what the arithmetic throws. */
export function evaluator(root: Expression): (x: Ball, p: number) => Real {
  const nodes = new Map<Expression, Node>();
  let turn = 0;
  const f = node(root);
  return (x, p) => f(x, p, ++turn);

  function node(e: Expression): Node {
    let found = nodes.get(e);
    if (found === undefined) {
      found = remembered(make(e), holdsX(e));
      nodes.set(e, found);
    }
    return found;
  }

  function make(e: Expression): Node {
    switch (e.op) {
      case 'x':
        return (x) => x;
      case 'constant': {
        const high = fromNumber(e.value, e.error ?? 0);
        if (!e.low) return () => high;
        const low = fromNumber(e.low);
        return (_, p) => add(high, low, p);
      }
      case 'parameter': {
        const value = fromNumber(e.value);
        return () => value;
      }
      case 'primitive':
        throw new TypeError('a piece of a CPAB flow has its own oracle: exact.activation');
      case 'polynomial': {
        const c = e.coefficients.map(node);
        return (x, p, turn) => {
          let sum: Real = exactly(0n);
          for (let n = c.length - 1; n >= 0; n--) sum = add(multiply(sum, x, p), c[n]!(x, p, turn), p);
          return sum;
        };
      }
      case 'where': {
        const [condition, a, b] = [node(e.condition), node(e.a), node(e.b)];
        return (x, p, turn) => (isPositive(condition(x, p, turn), p) ? a(x, p, turn) : b(x, p, turn));
      }
      case 'plus':
      case 'minus':
      case 'times':
      case 'divide':
      case 'power': {
        const [a, b] = [node(e.a), node(e.b)];
        const f = BINARY[e.op];
        return (x, p, turn) => f(a(x, p, turn), b(x, p, turn), p);
      }
      default: {
        const a = node(e.a);
        const f = UNARY[e.op];
        return (x, p, turn) => f(a(x, p, turn), p);
      }
    }
  }
}

/** What may be 0 with as many bits as there are, is 0. */
function isPositive(condition: Real, p: number): boolean {
  try {
    return sign(condition) > 0;
  } catch (cause) {
    if (cause instanceof Undecided && p >= MOST) return false;
    throw cause;
  }
}

/** What holds no x is computed once for a number of bits, the rest once for an x. */
function remembered(f: Node, holdsX: boolean): Node {
  if (!holdsX) {
    const known = new Map<number, Real>();
    return (x, p, turn) => {
      let value = known.get(p);
      if (value === undefined) {
        value = f(x, p, turn);
        known.set(p, value);
      }
      return value;
    };
  }
  let last = 0;
  let value: Real;
  return (x, p, turn) => {
    if (turn !== last) {
      value = f(x, p, turn);
      last = turn;
    }
    return value;
  };
}

export function holdsX(e: Expression): boolean {
  if (e.op === 'x' || e.op === 'polynomial') return true;
  const known = WITH_X.get(e);
  if (known !== undefined) return known;
  const parts = e.op === 'where' ? [e.condition, e.a, e.b] : 'b' in e ? [e.a, e.b] : 'a' in e ? [e.a] : [];
  const found = parts.some(holdsX);
  WITH_X.set(e, found);
  return found;
}
const WITH_X = new WeakMap<Expression, boolean>();

/** The truth of an expression at float64 inputs; at ±Infinity the limit, NaN where there is none. */
export function exactExpression(root: Expression): (x: number) => Truth {
  const f = evaluator(root);
  const at = (x: Ball): Truth => {
    const shares: number[] = [];
    for (let p = FIRST; ; p *= 2) {
      try {
        const truth = truthOf(f(x, p), p >= MOST);
        if (truth !== undefined && !('share' in truth)) return truth;
        if (truth) shares.push(truth.share);
        if (truth && p >= MOST) return isSteady(shares) ? truth.leaning : truth.evenly;
      } catch (cause) {
        if (cause instanceof NoValue) return hasPole(x, p) ? POLE : NO_VALUE;
        if (!(cause instanceof Undecided)) throw cause;
        if (p >= MOST) return NO_VALUE;
      }
    }
  };
  // A logarithm of 0, as IEEE 754 has it: a pole that has one sign.
  const inner = root.op === 'log' || root.op === 'log1p' ? evaluator(root.a) : undefined;
  const hasPole = (x: Ball, p: number) => {
    const argument = inner && (root.op === 'log' ? inner(x, p) : add(inner(x, p), exactly(1n), p));
    return argument !== undefined && isZero(argument);
  };
  // Where infinities tell, nothing is to be looked for far out: a logarithm grows too slowly for that.
  const far = (side: 1 | -1) => {
    const found = atInfinity(root, side, (e) => (holdsX(e) ? Number.NaN : exactExpression(e)(0).hi));
    const isTold = found === 0 || Math.abs(found) === Number.POSITIVE_INFINITY;
    return isTold ? { hi: found, lo: 0, error: 0 } : limit(at, side);
  };
  return (x) => (Number.isNaN(x) ? NO_VALUE : Number.isFinite(x) ? at(fromNumber(x)) : far(x > 0 ? 1 : -1));
}

const POLE: Truth = { hi: Number.NEGATIVE_INFINITY, lo: 0, error: 0 };

/** Whether the last three are much the same, and on one side. */
function isSteady(shares: readonly number[]): boolean {
  const [a, b, c] = shares.slice(-3);
  return c !== undefined && Math.abs(c) > 2 * STEADY && Math.abs(a! - c) < STEADY && Math.abs(b! - c) < STEADY;
}

/** Odd numbers times powers of two, far out and ever further: so many that nothing that swings has one sign at all of them. */
const PROBES: readonly (readonly [bigint, number])[] = Array.from({ length: 24 }, (_, k) => [
  BigInt(33 + ((k * k * 37 + 11 * k) % 31)),
  290 + 23 * k,
]);
/** Two values are one limit if they differ by less than this share, and what falls below its power of two is 0. */
const SAME = 2 ** -100;

/** What far values tend to: a number that all have, 0, ±Infinity, or nothing. */
function limit(at: (x: Ball) => Truth, side: 1 | -1): Truth {
  const values = PROBES.map(([m, e]) => at(exactly(side > 0 ? m : -m, e)));
  const last = values[values.length - 1]!;
  if (values.some(({ hi }) => Number.isNaN(hi))) return NO_VALUE;
  const sizes = values.map(({ hi }) => Math.abs(hi));
  const isOneSign = values.every(({ hi }) => Math.sign(hi) === Math.sign(last.hi) || hi === 0);
  const grows = sizes.every((size, i) => i === 0 || size > sizes[i - 1]! || size === Number.POSITIVE_INFINITY);
  const falls = sizes.every((size, i) => i === 0 || size < sizes[i - 1]! || size === 0);
  if (isOneSign && grows && sizes[sizes.length - 1]! > 2 ** 150)
    return { hi: Math.sign(last.hi) * Number.POSITIVE_INFINITY, lo: 0, error: 0 };
  if (falls && sizes[sizes.length - 1]! < 2 ** -150)
    return { hi: last.hi < 0 || Object.is(last.hi, -0) ? -0 : 0, lo: 0, error: 0 };
  if (values.slice(1).every(({ hi, lo }) => Math.abs(hi - last.hi + (lo - last.lo)) <= SAME * Math.abs(last.hi))) {
    // What is left beside the limit has fallen below its digits.
    return {
      hi: last.hi,
      lo: Math.abs(last.lo) < SAME * Math.abs(last.hi) ? 0 : last.lo,
      error: SAME * Math.abs(last.hi),
    };
  }
  return NO_VALUE;
}
