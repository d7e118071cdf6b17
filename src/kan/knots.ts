import { sigmoid } from '../../assembly/numeric';
import { describe } from '../errors.js';

/** B-splines on one input's knots as polynomials, in float64: numbers that no parameter changes. */
export interface Knots {
  readonly grid: readonly number[];
  readonly degree: number;
  /** How many coefficients an edge has. */
  readonly count: number;
  /** [spans][degree + 1][degree + 1]: of span j the basis functions j - degree to j, each by powers of x - grid[j]. */
  readonly polynomials: Float64Array;
}

export const MOST_DEGREE = 5;

/** The recurrence of Cox and de Boor, span by span. @throws {RangeError} if knots do not ascend, or there are too few. */
export function knots(name: string, grid: readonly number[], degree: number): Knots {
  const count = grid.length - degree - 1;
  if (count < 1) throw new RangeError(`${name} must hold at least ${degree + 2} knots, got ${grid.length}`);
  grid.forEach((knot, i) => {
    if (!Number.isFinite(knot)) throw new RangeError(`${name}[${i}] must be a finite float32, got ${describe(knot)}`);
    if (i > 0 && !(knot > grid[i - 1]!))
      throw new RangeError(
        `${name} must ascend with no two knots equal, where a spline is 0/0; knot ${i} holds ${knot} after ${grid[i - 1]}`,
      );
  });
  const order = degree + 1;
  const polynomials = new Float64Array((grid.length - 1) * order * order);
  for (let j = 0; j + 1 < grid.length; j++) {
    let bases = new Map<number, Float64Array>([[j, Float64Array.of(1)]]);
    for (let k = 1; k <= degree; k++) {
      const next = new Map<number, Float64Array>();
      for (let i = j - k; i <= j; i++) {
        if (i < 0 || i + k + 1 >= grid.length) continue;
        const powers = new Float64Array(k + 1);
        addProduct(powers, bases.get(i), grid[j]! - grid[i]!, 1, grid[i + k]! - grid[i]!);
        addProduct(powers, bases.get(i + 1), grid[i + k + 1]! - grid[j]!, -1, grid[i + k + 1]! - grid[i + 1]!);
        next.set(i, powers);
      }
      bases = next;
    }
    for (const [i, powers] of bases)
      if (i >= 0 && i < count) polynomials.set(powers, (j * order + i - j + degree) * order);
  }
  return { grid, degree, count, polynomials };
}

/** powers += (constant + slope·s)·polynomial/width. */
function addProduct(
  powers: Float64Array,
  polynomial: Float64Array | undefined,
  constant: number,
  slope: 1 | -1,
  width: number,
): void {
  polynomial?.forEach((c, n) => {
    powers[n]! += (constant * c) / width;
    powers[n + 1]! += (slope * c) / width;
  });
}

/** The span of x, -1 where the spline is 0: spans are half-open. */
export function spanOf({ grid }: Knots, x: number): number {
  if (!(x >= grid[0]! && x < grid[grid.length - 1]!)) return -1;
  let low = 0;
  for (let high = grid.length - 1; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if (grid[middle]! <= x) low = middle;
    else high = middle;
  }
  return low;
}

/** Values at x of the basis functions of a span, [degree + 1]. */
export function basesAt({ grid, degree, polynomials }: Knots, span: number, x: number, into: Float64Array): void {
  const order = degree + 1;
  const s = x - grid[span]!;
  for (let m = 0, at = span * order * order; m < order; m++, at += order) {
    let value = polynomials[at + degree]!;
    for (let n = degree - 1; n >= 0; n--) value = value * s + polynomials[at + n]!;
    into[m] = value;
  }
}

/** Their derivatives. */
export function slopesAt({ grid, degree, polynomials }: Knots, span: number, x: number, into: Float64Array): void {
  const order = degree + 1;
  const s = x - grid[span]!;
  for (let m = 0, at = span * order * order; m < order; m++, at += order) {
    let slope = 0;
    for (let n = degree; n >= 1; n--) slope = slope * s + n * polynomials[at + n]!;
    into[m] = slope;
  }
}

export const silu = (x: number): number => x * sigmoid(x);

export function siluSlope(x: number): number {
  const s = sigmoid(x);
  return s * (1 + x * sigmoid(-x));
}
