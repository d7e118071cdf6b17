import { describe, expectArray, expectBoolean, expectInteger, expectOptions } from '../errors.js';

/**
 * Bases of the continuous piecewise-affine velocity fields on [0,1] with N equal cells.
 *
 * A basis is a matrix B of 2N rows and d columns: rows 2c and 2c+1 hold slope a_c and offset b_c of every basis field on
 * cell c, v(x) = a_c·x + b_c (difw, `cpab/cpa_basis`). With zero boundary d = N-1, else d = N+1.
 */
export type BasisName = 'qr' | 'qr-netlib' | 'svd' | 'rref' | 'sparse';
export const BASIS_NAMES: readonly BasisName[] = ['qr', 'qr-netlib', 'svd', 'rref', 'sparse'];

/** Where a basis is asked for: one of the names, or the matrix itself, [2N][d]. */
export type Basis = BasisName | readonly (readonly number[])[] | Matrix;

/** The largest number of cells that is accepted; beyond it float32 vertices stop being distinct in practice. */
export const MAX_CELLS = 4096;
/** The largest for which a pivoted QR takes less than a second. */
const MOST_QR_CELLS = 256;

/** A matrix, row-major. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** The number of parameters of a field on `cells` cells. */
export function dimension(cells: number, zeroBoundary: boolean): number {
  expectInteger('tess', cells, 1, MAX_CELLS);
  expectBoolean('zeroBoundary', zeroBoundary);
  return zeroBoundary ? cells - 1 : cells + 1;
}

/**
 * B of the given basis: 2·cells rows, `dimension` columns.
 *
 * - `sparse`: hat functions of height 1/N at the vertices (difw `sparse`).
 * - `rref`: the null space of the constraints read off their reduced row echelon form (difw `rref`).
 * - `qr`: the trailing columns of a pivoted Householder QR (difw `qr`), as OpenBLAS gives them.
 * - `qr-netlib`: the same where rounding noise in a pivot has the other sign; at N = 10 this is reference LAPACK's.
 * - `svd`: difw's is not unique, so ours is the Gram–Schmidt orthonormalisation of `sparse`: the same space, d columns.
 *
 * @throws {TypeError|RangeError} if `cells` is not an integer from 1 to 4096 or the matrix does not describe a continuous field.
 */
export function basis(cells: number, options: { basis?: Basis; zeroBoundary?: boolean } = {}): Matrix {
  expectInteger('tess', cells, 1, MAX_CELLS);
  expectOptions<{ basis?: Basis; zeroBoundary?: boolean }>('basis', options, {
    basis: expectBasis,
    zeroBoundary: expectBoolean,
  });
  const zeroBoundary = options.zeroBoundary ?? true;
  const kind = options.basis ?? 'qr';
  if (typeof kind !== 'string') return explicitBasis(isMatrix(kind) ? toRows(kind) : kind, cells, zeroBoundary);
  switch (kind) {
    case 'sparse':
      return fromNodal(sparseNodal(cells, zeroBoundary), cells);
    case 'rref':
      return fromNodal(rrefNodal(cells, zeroBoundary), cells);
    case 'svd':
      return orthonormalise(fromNodal(sparseNodal(cells, zeroBoundary), cells));
    case 'qr':
    case 'qr-netlib':
      if (cells > MOST_QR_CELLS)
        throw new RangeError(
          `a ${kind} basis takes O(N³) time and is built for tess up to ${MOST_QR_CELLS}; use 'sparse', got ${cells}`,
        );
      return pivotedQr(cells, zeroBoundary, kind === 'qr' ? 0 : -1).basis;
    default:
      throw new RangeError(`basis must be one of ${BASIS_NAMES.join(', ')} or a matrix, got ${describe(kind)}`);
  }
}

/**
 * Every `qr` basis that a LAPACK may have produced: one for each choice of signs at the pivots that are rounding noise.
 * A checkpoint stores θ but not B, so an importer has to try them. At most `limit` are returned, the likeliest first.
 */
export function qrCandidates(cells: number, zeroBoundary: boolean, limit = 64): Matrix[] {
  expectInteger('tess', cells, 1, MOST_QR_CELLS);
  expectBoolean('zeroBoundary', zeroBoundary);
  expectInteger('limit', limit, 1, 2 ** 20);
  const first = pivotedQr(cells, zeroBoundary, 0);
  const count = Math.min(limit, 2 ** Math.min(first.noisyPivots, 30));
  const found = [first.basis];
  for (let signs = 1; signs < count; signs++) found.push(pivotedQr(cells, zeroBoundary, signs).basis);
  return found;
}

/** Velocities at the N+1 vertices for coefficients θ: continuous by construction, with none of a_c·x+b_c's cancellation. */
export function nodalVelocities(b: Matrix, zeroBoundary: boolean, theta: ArrayLike<number>, offset = 0): Float64Array {
  expectMatrix('b', b);
  expectBoolean('zeroBoundary', zeroBoundary);
  expectArray('theta', theta);
  expectInteger('offset', offset, 0, Math.max(theta.length - b.columns, 0));
  if (theta.length < b.columns) throw new RangeError(`theta must hold ${b.columns} numbers, got ${theta.length}`);
  const nodal = new Float64Array(b.rows / 2 + 1);
  for (let k = 0; k < nodal.length; k++) {
    let sum = 0;
    for (let j = 0; j < b.columns; j++) sum += nodalEntry(b, k, j) * theta[offset + j]!;
    nodal[k] = sum;
  }
  if (zeroBoundary) nodal[0] = nodal[nodal.length - 1] = 0;
  return nodal;
}

/** The transpose of {@link nodalVelocities}: from a gradient with respect to the velocities, [N+1], to that with respect to θ, [d]. */
export function thetaGradient(b: Matrix, zeroBoundary: boolean, nodal: ArrayLike<number>): Float64Array {
  const gradient = new Float64Array(b.columns);
  const edge = zeroBoundary ? 1 : 0;
  for (let k = edge; k + edge < nodal.length; k++) {
    for (let j = 0; j < b.columns; j++) gradient[j]! += nodalEntry(b, k, j) * nodal[k]!;
  }
  return gradient;
}

/** θ with the given velocities at the vertices, in the named or given basis. @throws {RangeError} if its columns do not span them. */
export function thetaOf(b: Matrix, zeroBoundary: boolean, nodal: ArrayLike<number>): Float64Array {
  const d = b.columns;
  const edge = zeroBoundary ? 1 : 0;
  if (nodal.length - 2 * edge !== d)
    throw new RangeError(`a basis of ${d} columns cannot be solved for ${nodal.length - 2 * edge} velocities`);
  const rows = Array.from({ length: d }, (_, r) =>
    Float64Array.from({ length: d + 1 }, (_, j) => (j < d ? nodalEntry(b, r + edge, j) : nodal[r + edge]!)),
  );
  // Gaussian elimination with row pivoting.
  for (let c = 0; c < d; c++) {
    let pivot = c;
    for (let r = c + 1; r < d; r++) if (Math.abs(rows[r]![c]!) > Math.abs(rows[pivot]![c]!)) pivot = r;
    [rows[c], rows[pivot]] = [rows[pivot]!, rows[c]!];
    const lead = rows[c]!;
    if (!(Math.abs(lead[c]!) > 1e-12)) throw new RangeError('the columns of the basis are not independent');
    for (let r = c + 1; r < d; r++) {
      const row = rows[r]!;
      const factor = row[c]! / lead[c]!;
      if (factor !== 0) for (let j = c; j <= d; j++) row[j]! -= factor * lead[j]!;
    }
  }
  const theta = new Float64Array(d);
  for (let c = d - 1; c >= 0; c--) {
    let sum = rows[c]![d]!;
    for (let j = c + 1; j < d; j++) sum -= rows[c]![j]! * theta[j]!;
    theta[c] = sum / rows[c]![c]!;
  }
  return theta;
}

/** The j-th basis field at vertex k. */
function nodalEntry({ rows, columns, data }: Matrix, k: number, j: number): number {
  const cells = rows / 2;
  const cell = Math.min(k, cells - 1);
  return data[2 * cell * columns + j]! * (k / cells) + data[(2 * cell + 1) * columns + j]!;
}

/** The same, and the size of what it is the sum of, of which rounding is a share. */
export function nodalEntryAt(b: Matrix, k: number, j: number): { entry: number; size: number } {
  const entry = nodalEntry(b, k, j);
  const offset = b.data[(2 * Math.min(k, b.rows / 2 - 1) + 1) * b.columns + j]!;
  return { entry, size: Math.abs(entry - offset) + Math.abs(offset) };
}

function matrix(rows: number, columns: number): Matrix {
  return { rows, columns, data: new Float64Array(rows * columns) };
}

/** From nodal values [N+1][d] to slopes and offsets [2N][d]. */
function fromNodal(nodal: Matrix, cells: number): Matrix {
  const d = nodal.columns;
  const b = matrix(2 * cells, d);
  for (let c = 0; c < cells; c++) {
    for (let j = 0; j < d; j++) {
      const left = nodal.data[c * d + j]!;
      const slope = (nodal.data[(c + 1) * d + j]! - left) * cells;
      b.data[2 * c * d + j] = slope;
      b.data[(2 * c + 1) * d + j] = left - (slope * c) / cells;
    }
  }
  return b;
}

function sparseNodal(cells: number, zeroBoundary: boolean): Matrix {
  const d = dimension(cells, zeroBoundary);
  const nodal = matrix(cells + 1, d);
  for (let j = 0; j < d; j++) nodal.data[(zeroBoundary ? j + 1 : j) * d + j] = 1 / cells;
  return nodal;
}

/** Column j rises with slope 1/m over the first m cells and falls to 0 over the next; the edges as golden/basis shows. */
function rrefNodal(cells: number, zeroBoundary: boolean): Matrix {
  const d = dimension(cells, zeroBoundary);
  const nodal = matrix(cells + 1, d);
  const ramp = (column: number, m: number, slope: number) => {
    for (let k = 0; k <= m; k++) nodal.data[k * d + column] = (slope * k) / cells;
  };
  if (zeroBoundary) {
    for (let j = 0; j < d; j++) ramp(j, j + 1, 1 / (j + 1));
    return nodal;
  }
  nodal.data[0] = 1 / cells;
  for (let j = 1; j < cells; j++) ramp(j, j, 1 / j);
  if (cells > 1) for (let k = 0; k <= cells; k++) nodal.data[k * d + cells - 1] = 0;
  if (cells > 1) ramp(cells - 1, cells, 1 / cells);
  nodal.data[cells * d + cells] = 1 / cells;
  return nodal;
}

function orthonormalise(b: Matrix): Matrix {
  const { rows, columns, data } = b;
  for (let j = 0; j < columns; j++) {
    // Twice is enough (Kahan, Parlett): the second pass removes what cancellation left behind.
    for (let pass = 0; pass < 2; pass++) {
      for (let i = 0; i < j; i++) {
        let dot = 0;
        for (let r = 0; r < rows; r++) dot += data[r * columns + i]! * data[r * columns + j]!;
        for (let r = 0; r < rows; r++) data[r * columns + j]! -= dot * data[r * columns + i]!;
      }
    }
    let norm = 0;
    for (let r = 0; r < rows; r++) norm += data[r * columns + j]! ** 2;
    norm = Math.sqrt(norm);
    for (let r = 0; r < rows; r++) data[r * columns + j]! /= norm;
  }
  return b;
}

/** The continuity constraints L: one row a vertex, two more for a zero boundary (difw `constrain_matrix`). */
function constraints(cells: number, zeroBoundary: boolean): Matrix {
  const l = matrix(cells - 1 + (zeroBoundary ? 2 : 0), 2 * cells);
  for (let k = 1; k < cells; k++) {
    const at = (k - 1) * 2 * cells + 2 * (k - 1);
    const x = k / cells;
    l.data.set([x, 1, -x, -1], at);
  }
  if (zeroBoundary) {
    l.data[(cells - 1) * 2 * cells + 1] = -1;
    l.data[cells * 2 * cells + 2 * cells - 2] = -1;
    l.data[cells * 2 * cells + 2 * cells - 1] = -1;
  }
  return l;
}

/**
 * The last columns of Q in the column-pivoted Householder QR of Lᵀ (LAPACK dgeqp3 and dorgqr).
 *
 * A Householder step takes its sign from the pivot element. Where that element is 0 in exact arithmetic, its sign is
 * rounding noise and the basis depends on the BLAS build. Bit i of `negativeNoise` makes the i-th such element negative.
 */
function pivotedQr(cells: number, zeroBoundary: boolean, negativeNoise: number) {
  const l = constraints(cells, zeroBoundary);
  const m = l.columns;
  const n = l.rows;
  // Columns of Lᵀ are rows of L, so both are stored as rows here.
  const columns = Array.from({ length: n }, (_, i) => l.data.slice(i * m, (i + 1) * m));
  const reflectors: Float64Array[] = [];
  let noisyPivots = 0;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    let largest = -1;
    for (let j = k; j < n; j++) {
      const norm = tailNorm(columns[j]!, k);
      if (norm > largest) {
        largest = norm;
        pivot = j;
      }
    }
    [columns[k], columns[pivot]] = [columns[pivot]!, columns[k]!];
    if (!(largest > 1e-12)) break;
    const v = columns[k]!.slice();
    v.fill(0, 0, k);
    const alpha = v[k]!;
    let sign = alpha >= 0 ? 1 : -1;
    if (alpha !== 0 && Math.abs(alpha) < 1e-10 * largest) {
      sign = (negativeNoise >> Math.min(noisyPivots, 31)) & 1 ? -1 : 1;
      noisyPivots += 1;
    }
    v[k] = alpha + sign * largest;
    const norm = tailNorm(v, k);
    for (let r = k; r < m; r++) v[r]! /= norm;
    reflectors.push(v);
    for (let j = k; j < n; j++) reflect(columns[j]!, v, k);
  }
  const rank = reflectors.length;
  const basis = matrix(m, m - rank);
  for (let j = rank; j < m; j++) {
    const column = new Float64Array(m);
    column[j] = 1;
    for (let k = rank - 1; k >= 0; k--) reflect(column, reflectors[k]!, k);
    for (let r = 0; r < m; r++) basis.data[r * basis.columns + (j - rank)] = column[r]!;
  }
  return { basis, noisyPivots };
}

function tailNorm(v: Float64Array, from: number): number {
  let sum = 0;
  for (let r = from; r < v.length; r++) sum += v[r]! * v[r]!;
  return Math.sqrt(sum);
}

/** x ← (I - 2vvᵀ)x for a unit vector v that is zero before `from`. */
function reflect(x: Float64Array, v: Float64Array, from: number): void {
  let dot = 0;
  for (let r = from; r < x.length; r++) dot += v[r]! * x[r]!;
  for (let r = from; r < x.length; r++) x[r]! -= 2 * dot * v[r]!;
}

const isMatrix = (kind: Exclude<Basis, string>): kind is Matrix =>
  typeof kind === 'object' && kind !== null && 'data' in kind && 'columns' in kind;

/** A basis by name, or a matrix; what they hold is checked by `basis`. */
export function expectBasis(name: string, value: unknown): void {
  if (typeof value === 'string' || Array.isArray(value)) return;
  if (typeof value !== 'object' || value === null || !('data' in value && 'columns' in value))
    throw new TypeError(`${name} must be a name or number[2N][d], got ${describe(value)}`);
}

/** A matrix as `basis` returns it: [2N][d]. */
export function expectMatrix(name: string, value: unknown): void {
  const given = value as Partial<Matrix> | null;
  if (typeof given !== 'object' || given === null || !ArrayBuffer.isView(given.data))
    throw new TypeError(`${name} must be a matrix, { rows, columns, data }, got ${describe(value)}`);
  expectInteger(`${name}.rows`, given.rows, 0, 2 ** 31);
  expectInteger(`${name}.columns`, given.columns, 0, 2 ** 31);
  if ((given.data as Float64Array).length !== given.rows! * given.columns!)
    throw new RangeError(
      `${name} must hold ${given.rows}·${given.columns} numbers, got ${(given.data as Float64Array).length}`,
    );
}

/** The rows of a matrix. */
export function toRows({ rows, columns, data }: Matrix): number[][] {
  return Array.from({ length: rows }, (_, r) => Array.from(data.subarray(r * columns, (r + 1) * columns)));
}

function explicitBasis(given: readonly (readonly number[])[], cells: number, zeroBoundary: boolean): Matrix {
  if (!Array.isArray(given)) throw new TypeError(`basis must be a name or number[2N][d], got ${describe(given)}`);
  if (given.length !== 2 * cells) {
    throw new RangeError(
      `a basis matrix for tess ${cells} must have ${2 * cells} rows (slope and offset of every cell), got ${given.length}`,
    );
  }
  const d = given[0]?.length ?? 0;
  const b = matrix(2 * cells, d);
  let scale = 0;
  given.forEach((row, r) => {
    if (!Array.isArray(row) || row.length !== d) {
      throw new RangeError(
        `every row of a basis matrix must have ${d} entries as row 0 has; row ${r} is ${describe(row)}`,
      );
    }
    row.forEach((value, j) => {
      if (!Number.isFinite(value))
        throw new RangeError(`basis entries must be finite numbers; row ${r}, column ${j} is ${describe(value)}`);
      b.data[r * d + j] = value;
      scale = Math.max(scale, Math.abs(value));
    });
  });
  // Matrices stored as float32 are continuous to about 2⁻²²; anything worse is not a continuous field.
  const tolerance = 1e-5 * scale;
  const at = (cell: number, x: number, j: number) => b.data[2 * cell * d + j]! * x + b.data[(2 * cell + 1) * d + j]!;
  for (let j = 0; j < d; j++) {
    for (let k = 1; k < cells; k++) {
      const jump = Math.abs(at(k - 1, k / cells, j) - at(k, k / cells, j));
      if (jump > tolerance)
        throw new RangeError(`basis column ${j} jumps by ${jump} at vertex ${k}; a velocity field must be continuous`);
    }
    if (zeroBoundary && Math.max(Math.abs(at(0, 0, j)), Math.abs(at(cells - 1, 1, j))) > tolerance) {
      throw new RangeError(`basis column ${j} is not zero at the ends of [0,1], as zeroBoundary requires`);
    }
  }
  return b;
}
