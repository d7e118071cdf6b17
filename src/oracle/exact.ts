import { type Basis, basis } from '../cpab/basis.js';
import { expectFinite, expectOneOf } from '../errors.js';
import {
  add,
  type DoubleDouble,
  dd,
  divide,
  expm1,
  less,
  log,
  log1p,
  multiply,
  normalDistribution,
  ONE,
  subtract,
  toNumber,
  ZERO,
} from './double-double.js';

/**
 * The truth, in about 30 digits: the flow walked cell by cell as its definition says, with none of the pieces, tables
 * or polynomials of the code that it judges. Roughly 20 µs a point.
 */

interface Field {
  readonly vertices: DoubleDouble[];
  readonly velocities: DoubleDouble[];
}

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

function makeField(
  theta: ArrayLike<number>,
  cells: number,
  kind: Basis,
  zeroBoundary: boolean,
  a: number,
  b: number,
  time: number,
): Field {
  const { columns: d, data } = basis(cells, { basis: kind, zeroBoundary });
  if (theta.length !== d) throw new RangeError(`theta must have ${d} entries for tess ${cells}, got ${theta.length}`);
  for (let j = 0; j < d; j++) expectFinite(`theta[${j}]`, theta[j]);
  const length = subtract(dd(b), dd(a));
  const vertices: DoubleDouble[] = [];
  const velocities: DoubleDouble[] = [];
  for (let k = 0; k <= cells; k++) {
    const x = divide(dd(k), dd(cells));
    const cell = Math.min(k, cells - 1);
    let v = ZERO;
    for (let j = 0; j < d; j++) {
      const field = add(multiply(dd(data[2 * cell * d + j]!), x), dd(data[(2 * cell + 1) * d + j]!));
      v = add(v, multiply(field, dd(Math.fround(theta[j]!))));
    }
    vertices.push(add(dd(a), multiply(length, x)));
    const moved = multiply(multiply(v, length), dd(time));
    // Quotients by anything slower would overflow.
    const isZero = (zeroBoundary && (k === 0 || k === cells)) || Math.abs(moved.hi) < 2 ** -900;
    velocities.push(isZero ? ZERO : moved);
  }
  return { vertices, velocities };
}

/** expm1(z)/z. */
const growth = (z: DoubleDouble) => (z.hi === 0 ? ONE : divide(expm1(z), z));
/** log(w/v)/(w/v - 1): how much longer than at speed v it takes to where the speed is w. */
function duration(v: DoubleDouble, w: DoubleDouble): DoubleDouble {
  const ratio = divide(w, v);
  const z = divide(subtract(w, v), v);
  if (z.hi === 0) return ONE;
  return divide(ratio.hi < 0.5 ? log(ratio) : log1p(z), z);
}

/** Follows one point for time 1: cell after cell, subtracting what each takes. */
function walk({ vertices, velocities }: Field, start: DoubleDouble): DoubleDouble {
  const cells = vertices.length - 1;
  let cell = 0;
  while (cell < cells - 1 && !less(start, vertices[cell + 1]!)) cell += 1;
  const slopeOf = (c: number) =>
    divide(subtract(velocities[c + 1]!, velocities[c]!), subtract(vertices[c + 1]!, vertices[c]!));
  let s = slopeOf(cell);
  let v = add(velocities[cell]!, multiply(s, subtract(start, vertices[cell]!)));
  // Quotients by anything slower would overflow.
  if (Math.abs(v.hi) < 2 ** -900) return start;
  const direction = v.hi > 0 ? 1 : -1;
  // On a vertex and about to leave to the left: the cell on that side is the one that counts.
  if (direction < 0 && cell > 0 && toNumber(subtract(start, vertices[cell]!)) === 0) {
    cell -= 1;
    s = slopeOf(cell);
    v = velocities[cell + 1]!;
  }
  let x = start;
  let remaining = ONE;
  for (;;) {
    const target = direction > 0 ? cell + 1 : cell;
    const next = cell + direction;
    const isLast = next < 0 || next >= cells;
    const vTarget = velocities[target]!;
    if (!isLast && vTarget.hi * direction > 0) {
      const takes = multiply(divide(subtract(vertices[target]!, x), v), duration(v, vTarget));
      if (!less(remaining, takes)) {
        remaining = subtract(remaining, takes);
        x = vertices[target]!;
        v = vTarget;
        cell = next;
        s = slopeOf(cell);
        continue;
      }
    }
    return add(x, multiply(multiply(v, remaining), growth(multiply(s, remaining))));
  }
}

/** φ_θ(x, time) on [0,1], x any float64. @throws {RangeError} if theta's length does not fit. */
export function exactTransform(theta: ArrayLike<number>, options: ExactTransformOptions): (x: number) => DoubleDouble {
  const { tess, basis: kind = 'qr', zeroBoundary = true, time = 1 } = options;
  const field = makeField(theta, tess, kind, zeroBoundary, 0, 1, time);
  return (x) => walk(field, dd(x));
}

const SLOPE = divide(ONE, dd(100));

/** The activation function of one θ, with its limits at ±Infinity; NaN gives NaN. @throws {RangeError} if theta's length does not fit. */
export function exactActivation(
  theta: ArrayLike<number>,
  options: ExactActivationOptions,
): (x: number) => DoubleDouble {
  const a = Math.fround(options.a);
  const b = Math.fround(options.b);
  const { tess, basis: kind = 'qr' } = options;
  const variant = expectOneOf('variant', options.variant, ['gelu', 'leaky', 'ge', 'bare', 'inf']);
  const field = makeField(theta, tess, kind, variant !== 'inf', a, b, 1);
  const gelu = (x: number) => multiply(dd(x), normalDistribution(dd(x)));
  return (x) => {
    if (!Number.isFinite(x)) return dd(x < 0 && (variant === 'gelu' || variant === 'ge') ? -0 : x);
    if (variant === 'inf') return walk(field, dd(x));
    if (x >= a && x <= b) {
      const y = walk(field, dd(x));
      return variant === 'gelu' ? multiply(y, normalDistribution(dd(x))) : y;
    }
    if (variant === 'bare') return dd(x);
    if (variant === 'leaky') return x < 0 ? multiply(dd(x), SLOPE) : dd(x);
    return gelu(x);
  };
}

/** As {@link exactActivation}, rounded to float64. */
export const exact = {
  transform(theta: ArrayLike<number>, options: ExactTransformOptions): (x: number) => number {
    const f = exactTransform(theta, options);
    return (x) => toNumber(f(x));
  },
  activation(theta: ArrayLike<number>, options: ExactActivationOptions): (x: number) => number {
    const f = exactActivation(theta, options);
    return (x) => toNumber(f(x));
  },
};
