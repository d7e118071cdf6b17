import type { Expression } from './expression.js';

/**
 * Expressions without rounding: what balls leave undecided is decided here if it is a rational number that sums, products and quotients of float64
 * make, or a value that a function takes at 0 or 1. Everything else is not known.
 */

/** n/d, d > 0. */
interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

/** More bits are not worth the time; what has so many is decided by balls. */
const MOST_BITS = 1 << 14;

const ZERO: Rational = { n: 0n, d: 1n };
const ONE: Rational = { n: 1n, d: 1n };
const HALF: Rational = { n: 1n, d: 2n };

/** The sign of an expression at a float64 x: -1, 0 or 1; undefined if it is not known without rounding. Nothing in it may be infinite. */
export function exactSign(e: Expression, x: number): number | undefined {
  const found = rationalOf(e, x, new Map());
  return found && (found.n > 0n ? 1 : found.n < 0n ? -1 : 0);
}

type Known = Map<Expression, Rational | undefined>;

function rationalOf(e: Expression, x: number, known: Known): Rational | undefined {
  if (known.has(e)) return known.get(e);
  const found = computed(e, (each) => rationalOf(each, x, known), x);
  const small = found && found.n.toString(16).length + found.d.toString(16).length < MOST_BITS / 4 ? found : undefined;
  known.set(e, small);
  return small;
}

function computed(e: Expression, of: (e: Expression) => Rational | undefined, x: number): Rational | undefined {
  switch (e.op) {
    case 'x':
      return ofNumber(x);
    case 'constant':
      return (e.error ?? 0) === 0 ? plus(ofNumber(e.value), ofNumber(e.low ?? 0)) : undefined;
    case 'parameter':
      return ofNumber(e.value);
    case 'polynomial':
      return e.coefficients.reduceRight<Rational | undefined>(
        (sum, c) => both(sum, of(c), (a, b) => plus(times(a, ofNumber(x)), b)),
        ZERO,
      );
    case 'plus':
      return both(of(e.a), of(e.b), plus);
    case 'minus':
      return both(of(e.a), of(e.b), (a, b) => plus(a, { n: -b.n, d: b.d }));
    case 'times': {
      const [a, b] = [of(e.a), of(e.b)];
      return a?.n === 0n || b?.n === 0n ? ZERO : both(a, b, times);
    }
    case 'divide': {
      const [a, b] = [of(e.a), of(e.b)];
      if (a?.n === 0n) return ZERO;
      return both(a, b, (p, q) =>
        q.n === 0n ? undefined : times(p, q.n > 0n ? { n: q.d, d: q.n } : { n: -q.d, d: -q.n }),
      );
    }
    case 'power':
      return both(of(e.a), of(e.b), power);
    default:
      return 'a' in e ? ofFunction(e.op, of(e.a as Expression)) : undefined;
  }
}

/** What functions are at 0, and the logarithm at 1. */
const AT_ZERO: Readonly<Record<string, Rational>> = {
  exp: ONE,
  cos: ONE,
  sigmoid: HALF,
  normal: HALF,
  sin: ZERO,
  tanh: ZERO,
  atan: ZERO,
  expm1: ZERO,
  log1p: ZERO,
  aboveHalf: ZERO,
};

function ofFunction(op: string, a: Rational | undefined): Rational | undefined {
  if (a === undefined) return undefined;
  if (op === 'abs') return a.n < 0n ? { n: -a.n, d: a.d } : a;
  if (op === 'log') return a.n === a.d ? ZERO : undefined;
  return a.n === 0n ? AT_ZERO[op] : undefined;
}

function both(
  a: Rational | undefined,
  b: Rational | undefined,
  f: (a: Rational, b: Rational) => Rational | undefined,
): Rational | undefined {
  return a && b && f(a, b);
}

const plus = (a: Rational, b: Rational): Rational => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d });
const times = (a: Rational, b: Rational): Rational => ({ n: a.n * b.n, d: a.d * b.d });

/** A whole power, or a root of a square. */
function power(a: Rational, b: Rational): Rational | undefined {
  if (b.n < 0n) {
    const inverse = power(a, { n: -b.n, d: b.d });
    return inverse && inverse.n > 0n ? { n: inverse.d, d: inverse.n } : undefined;
  }
  if (b.n % b.d === 0n) {
    const k = b.n / b.d;
    return k <= 64n ? { n: a.n ** k, d: a.d ** k } : undefined;
  }
  if (b.n * 2n !== b.d || a.n < 0n) return undefined;
  // √(n/d) = √(n·d)/d.
  const root = rootOf(a.n * a.d);
  return root === undefined ? undefined : { n: root, d: a.d };
}

/** The square root of a whole number that is a square. */
function rootOf(n: bigint): bigint | undefined {
  if (n < 2n) return n;
  let root = 1n << BigInt((n.toString(16).length + 1) * 2);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root * root === n ? root : undefined;
    root = next;
  }
}

/** A finite float64 as m·2ᵏ. */
function ofNumber(x: number): Rational {
  let m = x;
  let k = 0;
  // Exact: by powers of two, until it is whole.
  while (!Number.isInteger(m)) {
    m *= 2;
    k += 1;
  }
  return k === 0 ? { n: BigInt(m), d: 1n } : { n: BigInt(m), d: 1n << BigInt(k) };
}
