/** A second evaluation of the calculus, by decimal.js, to judge the oracle with: random members of all families, and roundings. */
import Decimal from 'decimal.js';
import { FAMILIES } from 'ditac/families';
import { roundTo } from 'ditac/oracle';
import type { Expression } from '../src/calculus/expression.js';
import { exactly } from './decimal.js';
import { type AnyFamily, familyClass } from './family-cases.js';

type D = InstanceType<typeof Decimal>;

/** Decimal numbers of so many digits. */
function arithmetic(digits: number) {
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
  return function evaluate(root: Expression, at: number): D {
    const x = number(at);
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
          return number(e.value);
        case 'constant':
          return number(e.value).plus(number(e.low ?? 0));
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

const FORMATS = {
  float64: [53, -1022, 1023],
  float32: [24, -126, 127],
  float16: [11, -14, 15],
  bfloat16: [8, -126, 127],
} as const;
const Wide = Decimal.clone({ precision: 400 });
const powers = new Map<number, D>();
const powerOf2 = (n: number): D => {
  let found = powers.get(n);
  if (found === undefined) powers.set(n, (found = new Wide(2).pow(n)));
  return found;
};

/** Rounded to a format by comparing with what is half-way; undefined within 1e-38 of it, where only a decimal that is exact tells. */
export function roundDecimal(format: keyof typeof FORMATS, value: D, isExact = false): number | undefined {
  if (value.isZero() || value.isNaN()) return value.toNumber();
  const [significand, least, largest] = FORMATS[format];
  const size = new Wide(value.abs());
  const about = Math.floor(Math.log2(size.toNumber()));
  let exponent = Math.min(Math.max(about, least), largest + 1);
  if (exponent > least && size.lt(powerOf2(exponent))) exponent -= 1;
  const quantum = powerOf2(exponent - significand + 1);
  const scaled = size.div(quantum);
  const whole = scaled.floor();
  const rest = scaled.minus(whole).minus(0.5);
  if (!isExact && rest.abs().lt(scaled.times(1e-38))) return undefined;
  const up = rest.gt(0) || (rest.isZero() && !whole.mod(2).isZero());
  const rounded = whole.plus(up ? 1 : 0).times(quantum);
  return value.s * (rounded.gte(powerOf2(largest + 1)) ? Number.POSITIVE_INFINITY : rounded.toNumber());
}

export const ROUNDINGS = ['float32', 'float16', 'bfloat16'] as const;
/** The oracle's roundings that differ from the decimal's. */
export function wrongRoundings(truth: { hi: number; lo: number }, value: D): string[] {
  const wrong: string[] = [];
  const nearest = roundDecimal('float64', value);
  if (nearest !== undefined && nearest !== truth.hi && !(Number.isNaN(nearest) && Number.isNaN(truth.hi)))
    wrong.push('float64');
  for (const format of ROUNDINGS) {
    const expected = roundDecimal(format, value);
    const found = roundTo(format, truth);
    if (expected !== undefined && expected !== found && !(Number.isNaN(expected) && Number.isNaN(found)))
      wrong.push(format);
  }
  return wrong;
}

/** Random streams of a seed. */
export function generator(seed: number) {
  let state = seed >>> 0;
  const uniform = () => {
    // Numerical Recipes' generator, its high bits.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 4) / 2 ** 28;
  };
  const between = (low: number, high: number) => low + (high - low) * uniform();
  return { uniform, between, one: <T>(of: readonly T[]): T => of[Math.floor(uniform() * of.length)]! };
}
export type Generator = ReturnType<typeof generator>;

const list = (n: number, r: Generator, size = 2) => Array.from({ length: n }, () => r.between(-size, size));
const positive = (r: Generator) => Math.exp(r.between(-6, 4));
const signed = (r: Generator) => positive(r) * r.one([1, -1]);

/** Options of a random member, trained networks' kind and worse. */
export const MEMBERS: Readonly<Record<string, (r: Generator) => Record<string, unknown>>> = {
  aconc: (r) => ({ p1: signed(r), p2: signed(r), beta: signed(r) }),
  aglu: (r) => ({ lambda: positive(r), kappa: signed(r) }),
  apa: (r) => ({ lambda: positive(r), kappa: signed(r) }),
  apl: (r) => ({ a: list(3, r), b: list(3, r) }),
  bspline: (r) => ({
    grid: [-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2].map((knot) => knot + r.between(-0.2, 0.2)),
    base_weight: signed(r),
    spline_scaler: signed(r),
    spline_weight: list(5, r),
  }),
  celu: (r) => ({ alpha: positive(r) }),
  chebykan: (r) => ({ coeffs: list(5, r) }),
  derf: (r) => ({ alpha: signed(r), shift: r.between(-1, 1), weight: signed(r), bias: signed(r) }),
  dyt: (r) => {
    const weight = Math.fround(signed(r));
    return { alpha: signed(r), weight, bias: r.one([signed(r), weight, -weight]) };
  },
  eelu: (r) => ({ member: r.one([1, 2, 3, 4]) }),
  elu: (r) => ({ alpha: signed(r) }),
  erfrelu: (r) => ({ alpha: signed(r) }),
  fourier: (r) => ({ fundamental: signed(r), coefficients: list(3, r), phases: list(3, r), grid: [1, 2, 3] }),
  fourierseries: (r) => ({ bias: signed(r), cos: list(4, r), sin: list(4, r) }),
  golu: (r) => ({ alpha: signed(r), beta: positive(r), gamma: signed(r) }),
  hermite: (r) => ({ coefficients: list(6, r) }),
  mish: () => ({}),
  polynomial: (r) => ({ coefficients: list(7, r) }),
  polyrelu: (r) => ({ weight: list(3, r), bias: signed(r) }),
  prelu: (r) => ({ weight: signed(r) }),
  pwlu: (r) => ({ left: -3, right: 3, values: list(9, r), slopes: list(2, r) }),
  rational: (r) => ({ version: r.one(['A', 'B', 'C', 'D']), numerator: list(6, r), denominator: list(4, r) }),
  selu: () => ({}),
  siren: (r) => ({ omega: signed(r) }),
  smu: (r) => ({ alpha: r.between(-0.5, 0.5), mu: signed(r) }),
  snake: (r) => ({ alpha: signed(r), eps: r.one([0, 1e-9]) }),
  snakebeta: (r) => ({ logScale: true, alpha: r.between(-3, 3), beta: r.between(-3, 3) }),
  softplus: (r) => ({ beta: signed(r) }),
  starrelu: (r) => ({ scale: signed(r), bias: signed(r) }),
  swish: (r) => ({ beta: signed(r) }),
  telu: () => ({}),
  xielu: (r) => ({ alpha_p: r.between(-3, 3), alpha_n: r.between(-3, 3), eps: r.one([-1e-6, 0]) }),
  yevick: (r) => ({ neg: list(4, r), pos: list(4, r) }),
};

const single = new Float32Array(1);
const pattern = new Uint32Array(single.buffer);

/** x of all sizes, of few bits now and then: results near ties. */
export function input(r: Generator): number {
  const kind = r.uniform();
  if (kind < 0.5) return Math.fround(r.between(-8, 8));
  if (kind < 0.7) return Math.round(r.between(-2048, 2048)) / r.one([1, 16, 256]);
  if (kind < 0.9) return Math.fround(r.one([1, -1]) * 2 ** r.between(-40, 9));
  pattern[0] = (r.uniform() * 2 ** 32) >>> 0;
  // e^(10³⁰) is none for decimal.js.
  return Number.isFinite(single[0]!) && Math.abs(single[0]!) < 1e15 ? single[0]! : 0;
}

/** Names of all families but DiTAC, whose oracle is another. */
export const TESTED = Object.keys(FAMILIES).filter((name) => name !== 'ditac');
export const member = (name: string, r: Generator): InstanceType<AnyFamily> =>
  new (familyClass(name))(MEMBERS[name]!(r));
