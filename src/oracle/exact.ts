import { differentiate } from '../calculus/differentiate.js';
import {
  density as densityOf,
  expression,
  normal,
  divide as quotientOf,
  times,
  where,
  x as X,
} from '../calculus/expression.js';
import { type Basis, expectBasis } from '../cpab/basis.js';
import {
  expectBoolean,
  expectFinite,
  expectInteger,
  expectIntegerKind,
  expectNumber,
  expectOneOf,
  expectOptions,
  expectString,
  type OptionTable,
} from '../errors.js';
import { add, type DoubleDouble, dd, divide, multiply, normalDistribution, ONE } from './double-double.js';
import { encloses } from './enclosed.js';
import { encloseExpression } from './enclosure.js';
import { exactExpression } from './expression.js';
import { encloseFlow, encloseFlowSlope } from './flow-enclosure.js';
import { NO_VALUE, type Truth } from './truth.js';
import { makeField, walk, walkSlope } from './walk.js';
import { walkGradient } from './walk-gradient.js';

/** The truth of flows and of DiTAC, in 30 digits (walk.ts), and in float64 where it lies. */

export interface ExactTransformOptions {
  tess: number;
  basis?: Basis;
  zeroBoundary?: boolean;
  time?: number;
}

export interface ExactActivationOptions {
  tess: number;
  a: number;
  b: number;
  basis?: Basis;
  variant: 'gelu' | 'leaky' | 'ge' | 'bare' | 'inf';
}

const TRANSFORM_OPTIONS = {
  tess: expectIntegerKind,
  basis: expectBasis,
  zeroBoundary: expectBoolean,
  time: expectNumber,
} satisfies OptionTable<ExactTransformOptions>;

const ACTIVATION_OPTIONS = {
  tess: expectIntegerKind,
  a: expectNumber,
  b: expectNumber,
  variant: expectString,
  basis: expectBasis,
} satisfies OptionTable<ExactActivationOptions>;

/**
 * φ_θ(x, time) on [0,1], x any float64: ±Infinity stays, NaN gives NaN. The error is below 10⁻³⁰ where velocity times time is at most 1; above,
 * so much more, since a time is known to 2⁻¹⁰⁶.
 * @throws {TypeError|RangeError} for options that are missing, unknown or out of range, or a θ that does not fit.
 */
export function exactTransform(theta: ArrayLike<number>, options: ExactTransformOptions): (x: number) => DoubleDouble {
  expectOptions('exact.transform', options, TRANSFORM_OPTIONS, ['tess']);
  const { tess, basis: kind = 'qr', zeroBoundary = true, time = 1 } = options;
  expectFinite('time', time);
  const field = makeField(theta, tess, kind, zeroBoundary, 0, 1, time);
  return encloses(
    (x: number) => (Number.isFinite(expectNumber('x', x)) ? walk(field, x) : dd(x)),
    () => encloseFlow(field, undefined, false, encloseExpression(X)),
  );
}

function activationOf(theta: ArrayLike<number>, options: ExactActivationOptions) {
  expectOptions('exact.activation', options, ACTIVATION_OPTIONS, ['tess', 'a', 'b', 'variant']);
  const a = Math.fround(expectFinite('a', options.a));
  const b = Math.fround(expectFinite('b', options.b));
  if (!(a < b) || !Number.isFinite(b - a))
    throw new RangeError(`a must be less than b (as float32), got a = ${options.a}, b = ${options.b}`);
  const { tess, basis: kind = 'qr' } = options;
  const variant = expectOneOf('variant', options.variant, ['gelu', 'leaky', 'ge', 'bare', 'inf']);
  const field = makeField(theta, tess, kind, variant !== 'inf', a, b, 1);
  return { field, a, b, variant };
}

const SLOPE = divide(ONE, dd(100));
const GELU = times(X, normal(X));
const LEAKY = where(X, X, quotientOf(X, expression(100)));

/**
 * The activation function of one θ on [a,b], taken as float32, with its limits at ±Infinity; NaN gives NaN. Nothing is assumed: all of
 * `tess`, `a`, `b` and `variant` are needed.
 * @throws {TypeError|RangeError} for options that are missing, unknown or out of range, or a θ that does not fit.
 */
export function exactActivation(
  theta: ArrayLike<number>,
  options: ExactActivationOptions,
): (x: number) => DoubleDouble {
  const { field, a, b, variant } = activationOf(theta, options);
  const gelu = (x: number) => multiply(dd(x), normalDistribution(dd(x)));
  const f = (x: number): DoubleDouble => {
    expectNumber('x', x);
    if (!Number.isFinite(x)) return dd(x < 0 && (variant === 'gelu' || variant === 'ge') ? -0 : x);
    if (variant === 'inf') return walk(field, x);
    if (x >= a && x <= b) {
      const y = walk(field, x);
      return variant === 'gelu' ? multiply(y, normalDistribution(dd(x))) : y;
    }
    if (variant === 'bare') return dd(x);
    if (variant === 'leaky') return x < 0 ? multiply(dd(x), SLOPE) : dd(x);
    return gelu(x);
  };
  return encloses(f, () =>
    encloseFlow(field, variant === 'inf' ? undefined : [a, b], variant === 'gelu', encloseExpression(OUTSIDE[variant])),
  );
}

const OUTSIDE = { gelu: GELU, ge: GELU, leaky: LEAKY, bare: X, inf: X } as const;

/**
 * The derivative in x of an activation function, as {@link exactActivation} has it: ±Infinity give the limit, NaN gives NaN. At a vertex that rests,
 * at the ends of [a,b] and at a kink it is that of one side.
 * @throws {TypeError|RangeError} as exactActivation.
 */
export function exactActivationSlope(theta: ArrayLike<number>, options: ExactActivationOptions): (x: number) => Truth {
  const { field, a, b, variant } = activationOf(theta, options);
  const outside = exactExpression(differentiate(OUTSIDE[variant], 'x'));
  const density = exactExpression(densityOf(X));
  const inside = (x: number): Truth => {
    let slope = walkSlope(field, x);
    let size = Math.abs(slope.hi);
    // Times are known to 2⁻¹⁰⁶, and e^(s·t) follows them.
    const steepness = Math.max(1, Math.abs(Math.log(size)));
    if (variant === 'gelu') {
      const [y, p, d] = [walk(field, x), normalDistribution(dd(x)), density(x)];
      const first = multiply(slope, p);
      const second = multiply(y, d);
      slope = add(first, second);
      size = Math.max(Math.abs(first.hi), Math.abs(second.hi));
    }
    return { ...slope, error: size * 1e-29 * steepness };
  };
  const isInside = (x: number) => Number.isFinite(x) && (variant === 'inf' || (x >= a && x <= b));
  return encloses(
    (x: number) => (isInside(expectNumber('x', x)) ? inside(x) : variant === 'inf' ? infinite(x) : outside(x)),
    () =>
      encloseFlowSlope(
        field,
        variant === 'inf' ? undefined : [a, b],
        variant === 'gelu',
        encloseExpression(differentiate(OUTSIDE[variant], 'x')),
      ),
  );

  /** Beyond all cells the flow is a line. */
  function infinite(x: number): Truth {
    if (Number.isNaN(x)) return { hi: x, lo: 0, error: 0 };
    const slope = walkSlope(field, x > 0 ? FAR : -FAR);
    return { ...slope, error: Math.abs(slope.hi) * 1e-29 };
  }
}
/**
 * The derivative of an activation function in θ[j], as {@link exactActivation} has it; NaN at ±Infinity for the variant 'inf', and for NaN. At a vertex
 * that rests it is that of one side.
 * @throws {TypeError|RangeError} as exactActivation, and if θ has no such entry.
 */
export function exactActivationGradient(
  theta: ArrayLike<number>,
  options: ExactActivationOptions,
  j: number,
): (x: number) => Truth {
  const { field, a, b, variant } = activationOf(theta, options);
  expectInteger('j', j, 0, theta.length - 1);
  // The velocity is linear in θ: its derivative is the field of a θ that is 1 there and 0 elsewhere.
  const unit = Float32Array.from(theta, (_, i) => (i === j ? 1 : 0));
  const change = makeField(unit, options.tess, options.basis ?? 'qr', variant !== 'inf', a, b, 1);
  return (x) => {
    expectNumber('x', x);
    if (Number.isNaN(x) || (variant === 'inf' && !Number.isFinite(x))) return NO_VALUE;
    if (variant !== 'inf' && !(x >= a && x <= b)) return NOTHING;
    const psi = walkGradient(field, change, x);
    if (variant !== 'gelu') return psi;
    const gate = normalDistribution(dd(x));
    const { hi, lo } = multiply(psi, gate);
    return { hi, lo, error: gate.hi * psi.error + Math.abs(hi) * 1e-29 };
  };
}
const NOTHING: Truth = { hi: 0, lo: 0, error: 0 };

/** Where points start and end in the outermost cell. */
const FAR = 2 ** 1000;
