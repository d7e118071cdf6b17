import { expression, normal, divide as quotientOf, times, where, x as X } from '../calculus/expression.js';
import { type Basis, expectBasis } from '../cpab/basis.js';
import {
  expectBoolean,
  expectFinite,
  expectIntegerKind,
  expectNumber,
  expectOneOf,
  expectOptions,
  expectString,
  type OptionTable,
} from '../errors.js';
import { type DoubleDouble, dd, divide, multiply, normalDistribution, ONE } from './double-double.js';
import { encloses } from './enclosed.js';
import { encloseExpression } from './enclosure.js';
import { encloseFlow } from './flow-enclosure.js';
import { makeField, walk } from './walk.js';

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
  expectOptions('exact.activation', options, ACTIVATION_OPTIONS, ['tess', 'a', 'b', 'variant']);
  const a = Math.fround(expectFinite('a', options.a));
  const b = Math.fround(expectFinite('b', options.b));
  if (!(a < b) || !Number.isFinite(b - a))
    throw new RangeError(`a must be less than b (as float32), got a = ${options.a}, b = ${options.b}`);
  const { tess, basis: kind = 'qr' } = options;
  const variant = expectOneOf('variant', options.variant, ['gelu', 'leaky', 'ge', 'bare', 'inf']);
  const field = makeField(theta, tess, kind, variant !== 'inf', a, b, 1);
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
    encloseFlow(
      field,
      variant === 'inf' ? undefined : [a, b],
      variant === 'gelu',
      encloseExpression({ gelu: GELU, ge: GELU, leaky: LEAKY, bare: X, inf: X }[variant]),
    ),
  );
}
