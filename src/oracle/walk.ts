import { type Basis, basis } from '../cpab/basis.js';
import { expectArray, expectFinite } from '../errors.js';
import {
  add,
  type DoubleDouble,
  dd,
  divide,
  expm1,
  LN2,
  less,
  log,
  log1p,
  multiply,
  ONE,
  subtract,
  timesExp,
  toNumber,
} from './double-double.js';
import { bits, type Dyadic, dyadic, integerAt, product, quotient, sum, sumOfProducts } from './rational.js';

/**
 * The flow walked cell by cell as its definition says, with none of the pieces, tables or polynomials of the code that it judges. Velocities at the
 * vertices and at x are integers times a power of two, without any rounding, so that what rests rests, whatever the slopes are; times and images are
 * double-double. Roughly 20 µs a point.
 */

/** A field on [a,b], without rounding: what is not a multiple of a power of two is kept as a quotient. */
export interface Field {
  readonly cells: number;
  /** a and b - a. */
  readonly a: Dyadic;
  readonly length: Dyadic;
  /** cells·(displacement in the whole time) at the vertices, in multiples of 2^exponent. */
  readonly speeds: readonly bigint[];
  readonly exponent: number;
  /** How long each cell takes to cross, for those that were asked for. */
  readonly crossings: (DoubleDouble | undefined)[];
}

export function makeField(
  theta: ArrayLike<number>,
  cells: number,
  kind: Basis,
  zeroBoundary: boolean,
  a: number,
  b: number,
  time: number,
): Field {
  const { columns: d, data } = basis(cells, { basis: kind, zeroBoundary });
  expectArray('theta', theta);
  if (theta.length !== d) throw new RangeError(`theta must have ${d} entries for tess ${cells}, got ${theta.length}`);
  const coefficients = Float32Array.from({ length: d }, (_, j) => {
    const single = Math.fround(expectFinite(`theta[${j}]`, theta[j]));
    if (!Number.isFinite(single)) throw new RangeError(`theta[${j}] must fit a float32, got ${theta[j]}`);
    return single;
  });
  const length = sum(dyadic(b), dyadic(-a));
  const scale = product(length, dyadic(time));
  const ofRow = (row: number) => sumOfProducts(d, (j) => [data[row * d + j]!, coefficients[j]!]);
  const velocities: Dyadic[] = [];
  let slopes = dyadic(0);
  let offsets = dyadic(0);
  for (let k = 0; k <= cells; k++) {
    if (k < cells) [slopes, offsets] = [ofRow(2 * k), ofRow(2 * k + 1)];
    const isEnd = zeroBoundary && (k === 0 || k === cells);
    const speed = isEnd ? dyadic(0) : sum(product(slopes, dyadic(k)), product(offsets, dyadic(cells)));
    velocities.push(product(speed, scale));
  }
  const exponent = Math.min(...velocities.map((v) => v.exponent));
  const speeds = velocities.map((v) => integerAt(v, exponent));
  for (const [k, v] of speeds.entries()) {
    const moved = toNumber(quotient(v, BigInt(cells) * integerAt(length, length.exponent), exponent - length.exponent));
    if (!(Math.abs(moved) < MOST_SPEED))
      throw new RangeError(`theta gives a velocity of ${moved} lengths at vertex ${k}; at most 2^64 can be followed`);
  }
  return { cells, a: dyadic(a), length, speeds, exponent, crossings: new Array(cells) };
}

/** Lengths of the domain in the whole time. Faster, and 106 bits of a time are too few. */
const MOST_SPEED = 2 ** 64;

/** expm1(z)/z. */
export const growth = (z: DoubleDouble) => (z.hi === 0 ? ONE : divide(expm1(z), z));

const INFINITE = dd(Number.POSITIVE_INFINITY);

/** log(p/q) and p/q - 1, for p and q of one sign. */
function logarithm(p: bigint, q: bigint): DoubleDouble {
  const less1 = quotient(p - q, q);
  if (Math.abs(less1.hi) < 0.5) return log1p(less1);
  // Their quotient may be no float64.
  const shift = bits(p) - bits(q);
  const near = shift > 0 ? quotient(p, q << BigInt(shift)) : quotient(p << BigInt(-shift), q);
  return add(log(near), multiply(dd(shift), LN2));
}

/**
 * Where the point that is `along`/`whole` of cell c to the right of vertex c, or beside it, gets to in cell c in `remaining` time if it does not
 * leave. From the fixed point of the cell's law, or from where the point is: whichever cancels less.
 */
function within(field: Field, c: number, along: bigint, whole: bigint, start: DoubleDouble, remaining: DoubleDouble) {
  const { cells, length, speeds, exponent } = field;
  const [left, right] = [speeds[c]!, speeds[c + 1]!];
  const steepness = right - left;
  /** cells·v(x)·whole, in multiples of 2^exponent. */
  const speed = left * (whole - along) + right * along;
  const unit = integerAt(length, length.exponent);
  const slope = quotient(steepness, unit, exponent - length.exponent);
  const z = multiply(slope, remaining);
  if (Math.abs(z.hi) <= 1) {
    const v = quotient(speed, whole * BigInt(cells), exponent);
    return add(start, multiply(multiply(v, remaining), growth(z)));
  }
  // y = x* + v(x)/s·e^z, with x* = x_c - left·h/(right - left).
  const n = BigInt(cells);
  const step = product(length, dyadic(c));
  const origin = sum(product(field.a, dyadic(cells)), step);
  const base = Math.min(origin.exponent, length.exponent);
  const fixed = quotient(integerAt(origin, base) * steepness - left * integerAt(length, base), n * steepness, base);
  const offset = quotient(speed * unit, whole * n * steepness, length.exponent);
  if (offset.hi === 0) return fixed;
  const moved = timesExp(offset, z);
  return Number.isFinite(moved.hi) ? add(fixed, moved) : moved;
}

/** How long from `along` to an end of its cell whose speed has the same sign. */
export function timeTo(field: Field, c: number, along: bigint, whole: bigint, end: 0 | 1): DoubleDouble {
  const { length, speeds, exponent } = field;
  const [left, right] = [speeds[c]!, speeds[c + 1]!];
  const speed = left * (whole - along) + right * along;
  const target = (end === 1 ? right : left) * whole;
  const unit = integerAt(length, length.exponent);
  const ratioIsNear = bits(target - speed) < bits(speed);
  if (ratioIsNear) {
    // distance/v·log1p(δ)/δ: no slope to divide by.
    const distance = (end === 1 ? whole - along : -along) * unit;
    const q = quotient(distance, speed, length.exponent - exponent);
    const less1 = quotient(target - speed, speed);
    if (!(Math.abs(q.hi) < 2 ** 900)) return INFINITE;
    return less1.hi === 0 ? q : multiply(q, divide(log1p(less1), less1));
  }
  const perSlope = quotient(unit, right - left, length.exponent - exponent);
  return Math.abs(perSlope.hi) < 2 ** 900 ? multiply(logarithm(target, speed), perSlope) : INFINITE;
}

/** Where a point is in its last cell, and how long it has been going to be there: `along`/`whole` of the cell from its left vertex when it came in. */
interface Last {
  readonly cell: number;
  readonly along: bigint;
  readonly whole: bigint;
  readonly isFirst: boolean;
  readonly remaining: DoubleDouble;
  /** From where, and the speed at the very beginning, as `speeds` times `whole`. */
  readonly start: DoubleDouble;
  readonly speed: bigint;
}

/** A cell that is crossed to its end: from `along`/`whole` of it, in so much time. */
export type Crossed = (cell: number, along: bigint, whole: bigint, takes: DoubleDouble) => void;

/** Follows one point for time 1: cell after cell, subtracting what each takes. */
export function travel(field: Field, x: number, onCrossed?: Crossed): Last {
  const { cells, a, length, speeds } = field;
  const place = sum(dyadic(x), { integer: -a.integer, exponent: a.exponent });
  const base = Math.min(place.exponent, length.exponent);
  const whole = integerAt(length, base);
  const scaled = integerAt(place, base) * BigInt(cells);
  let cell = Number(scaled / whole);
  cell = scaled < 0n ? 0 : Math.min(cell, cells - 1);
  let along = scaled - BigInt(cell) * whole;
  const speed = speeds[cell]! * (whole - along) + speeds[cell + 1]! * along;
  if (speed === 0n) return { cell, along, whole, isFirst: true, remaining: ONE, start: dd(x), speed };
  const direction = speed > 0n ? 1 : -1;
  // On a vertex and about to leave to the left: the cell on that side is the one that counts.
  if (direction < 0 && along === 0n && cell > 0) {
    cell -= 1;
    along = whole;
  }
  let remaining = ONE;
  for (let isFirst = true; ; isFirst = false) {
    const target = direction > 0 ? cell + 1 : cell;
    const next = cell + direction;
    const vTarget = speeds[target]!;
    if (next >= 0 && next < cells && vTarget !== 0n && vTarget > 0n === direction > 0) {
      const end = direction > 0 ? 1 : 0;
      let takes = isFirst ? undefined : field.crossings[cell];
      takes ??= timeTo(field, cell, along, whole, end);
      if (!isFirst) field.crossings[cell] = takes;
      if (!less(remaining, takes)) {
        onCrossed?.(cell, along, whole, takes);
        remaining = subtract(remaining, takes);
        cell = next;
        along = direction > 0 ? 0n : whole;
        continue;
      }
    }
    const start = isFirst ? dd(x) : vertexOf(field, direction > 0 ? cell : cell + 1);
    return { cell, along, whole, isFirst, remaining, start, speed };
  }
}

/** Where a point is after time 1. */
export function walk(field: Field, x: number): DoubleDouble {
  const { cell, along, whole, start, remaining, speed } = travel(field, x);
  return speed === 0n ? dd(x) : within(field, cell, along, whole, start, remaining);
}

/** Its derivative in x: v(y)/v(x), or e^s where the point stays in a cell of slope s. At a vertex that rests, that of the cell on the right. */
export function walkSlope(field: Field, x: number): DoubleDouble {
  const { length, speeds, exponent } = field;
  const { cell, along, whole, isFirst, remaining, speed } = travel(field, x);
  const [left, right] = [speeds[cell]!, speeds[cell + 1]!];
  const slope = quotient(right - left, integerAt(length, length.exponent), exponent - length.exponent);
  const ratio = isFirst ? ONE : quotient(left * (whole - along) + right * along, speed);
  return timesExp(ratio, multiply(slope, remaining));
}

export function vertexOf({ a, length, cells }: Field, k: number): DoubleDouble {
  const { integer, exponent } = sum(product(a, dyadic(cells)), product(length, dyadic(k)));
  return quotient(integer, BigInt(cells), exponent);
}
