import { describe, expectFinite } from '../errors.js';
import { type Basis, basis, dimension, type Matrix, nodalVelocities } from './basis.js';
import type { VelocityField } from './flow.js';

/** θ and everything it refers to, checked once. */
export interface Tessellation {
  /** Number of cells N. */
  readonly cells: number;
  readonly zeroBoundary: boolean;
  /** B, [2N][d]. */
  readonly basis: Matrix;
}

const known = new Map<string, Matrix>();

/** @throws {TypeError|RangeError} as {@link basis}. */
export function tessellation(cells: number, zeroBoundary: boolean, kind: Basis): Tessellation {
  if (typeof zeroBoundary !== 'boolean')
    throw new TypeError(`zeroBoundary must be a boolean, got ${describe(zeroBoundary)}`);
  if (typeof kind !== 'string') return { cells, zeroBoundary, basis: basis(cells, { basis: kind, zeroBoundary }) };
  const key = `${kind} ${cells} ${zeroBoundary}`;
  let found = known.get(key);
  if (!found) {
    found = basis(cells, { basis: kind, zeroBoundary });
    if (found.columns !== dimension(cells, zeroBoundary)) throw new RangeError(`no ${kind} basis for tess ${cells}`);
    if (known.size > 64) known.clear();
    known.set(key, found);
  }
  return { cells, zeroBoundary, basis: found };
}

/** θ as float32, of `count` fields. @throws {TypeError|RangeError} on a wrong type or length, or entries that are not finite. */
export function checkThetas(name: string, thetas: unknown, d: number): Float32Array {
  if (typeof thetas !== 'object' || thetas === null || !('length' in thetas)) {
    throw new TypeError(`${name} must be an array of numbers, got ${describe(thetas)}`);
  }
  const rows = Array.isArray(thetas) && thetas.some((row) => Array.isArray(row) || ArrayBuffer.isView(row));
  if (rows) {
    (thetas as unknown[]).forEach((row, i) => {
      const length = (row as ArrayLike<unknown> | null)?.length;
      if (length !== d)
        throw new RangeError(`every row of ${name} must hold ${d} numbers, row ${i} is ${describe(row)}`);
    });
  }
  const flat = (
    rows ? (thetas as ArrayLike<unknown>[]).flatMap((row) => Array.from(row)) : thetas
  ) as ArrayLike<unknown>;
  if (d === 0 ? flat.length !== 0 : flat.length === 0 || flat.length % d !== 0) {
    throw new RangeError(
      `${name} must hold a positive multiple of ${d} numbers (the dimension of the tessellation), got ${flat.length}`,
    );
  }
  const result = new Float32Array(flat.length);
  for (let i = 0; i < flat.length; i++) {
    result[i] = expectFinite(`${name}[${i}]`, flat[i]);
    if (!Number.isFinite(result[i])) throw new RangeError(`${name}[${i}] must fit a float32, got ${String(flat[i])}`);
  }
  return result;
}

/** Slower than this is not moving: no displacement of that size is a float64 of the domain, and 1/v must stay finite. */
const STANDSTILL = 2 ** -900;

/** Lengths of [a,b] a unit of flow. Faster, and what 2⁻⁵³ of the time changes is more than float32 may be off. */
const MOST_SPEED = 2 ** 26;

/** @throws {RangeError} if a field is too fast for float64 to follow. */
export function expectSpeed(velocity: number, k: number, length: number): void {
  if (!(Math.abs(velocity) <= MOST_SPEED * length))
    throw new RangeError(
      `theta gives a velocity of ${velocity} at vertex ${k}, too steep for float64: at most 2^26 lengths of the domain can be followed`,
    );
}

/**
 * The field of one θ on [a,b], with velocities in units of x, times `time`.
 * @throws {RangeError} if float64 cannot follow it.
 */
export function velocityField(
  on: Tessellation,
  thetas: Float32Array,
  index: number,
  a: number,
  b: number,
  time: number,
): VelocityField {
  const velocity = nodalVelocities(on.basis, on.zeroBoundary, thetas, index * on.basis.columns);
  const scale = (b - a) * time;
  for (let k = 0; k < velocity.length; k++) {
    velocity[k]! *= scale;
    if (Math.abs(velocity[k]!) < STANDSTILL) velocity[k] = 0;
    expectSpeed(velocity[k]!, k, b - a);
  }
  return { origin: a, end: b, cellWidth: (b - a) / on.cells, velocity };
}
