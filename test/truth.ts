/** What the oracle is asked for, and what it must answer: random members of all families, and roundings by decimal.js. */
import Decimal from 'decimal.js';
import { FAMILIES } from 'ditac/families';
import { roundTo } from 'ditac/oracle';
import { type AnyFamily, familyClass } from './family-cases.js';

type D = InstanceType<typeof Decimal>;

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
