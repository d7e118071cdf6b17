import { exp } from '../../assembly/numeric';
import { expectFunction, expectPositive } from '../errors.js';
import { expectMatrix, type Matrix } from './basis.js';

/**
 * The smoothness prior on θ and the precision matrix of the regulariser, as the PyTorch package builds them
 * (formulas: golden/README, "The original's formulas").
 */

const FLOAT32_EPSILON = 2 ** -23;

/**
 * Covariance of θ before training, [d][d]: Bᵀ(σ²·exp(-K/2ℓ²))B with K = |c_i - c_j| between cell centres for the slope
 * entries and 100·max|c_i - c_j| everywhere else. `smoothness` is ℓ (lambda_smooth_init), `variance` σ (lambda_var_init).
 */
export function priorCovariance(b: Matrix, smoothness: number, variance: number): Matrix {
  expectMatrix('b', b);
  expectPositive('smoothness', smoothness);
  expectPositive('variance', variance);
  const cells = b.rows / 2;
  const far = (100 * (cells - 1)) / cells;
  return sandwich(b, (i, j) => {
    const k =
      i % 2 === 1 && j % 2 === 1
        ? Math.abs(i - j) / 2 / cells
        : i % 2 === 0 && j % 2 === 0
          ? Math.abs(i - j) / 2 / cells
          : far;
    return variance * variance * exp(-k / (2 * smoothness * smoothness));
  });
}

/**
 * P = (BᵀCB + ε·I)⁻¹, [d][d], with C_ij = (2N·σ)²·exp(-2|u_i - u_j|/ℓ), u = linspace(-1, 1, 2N), ε = 2⁻²³.
 * The regulariser is θᵀPθ. `smoothness` is ℓ (lambda_smooth), `variance` σ (lambda_var).
 */
export function precisionMatrix(b: Matrix, smoothness: number, variance: number): Matrix {
  expectMatrix('b', b);
  expectPositive('smoothness', smoothness);
  expectPositive('variance', variance);
  const { rows, columns: d, data } = b;
  const scale = (rows * variance) ** 2;
  const ratio = exp(-4 / (rows - 1) / smoothness);
  // C_ij is ratio^|i-j|: C·B takes one pass down the rows and one up, not a sum over all for each.
  const product = new Float64Array(rows * d);
  for (let k = 0; k < d; k++) {
    let sum = 0;
    for (let at = k; at < rows * d; at += d) {
      sum = data[at]! + ratio * sum;
      product[at] = sum;
    }
    sum = 0;
    for (let at = (rows - 1) * d + k; at >= 0; at -= d) {
      sum = ratio * sum;
      product[at]! += sum;
      sum += data[at]!;
    }
  }
  const covariance = { rows: d, columns: d, data: new Float64Array(d * d) };
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < d; k++) {
      const factor = scale * data[i * d + k]!;
      if (factor === 0) continue;
      for (let l = k; l < d; l++) covariance.data[k * d + l]! += factor * product[i * d + l]!;
    }
  }
  for (let k = 0; k < d; k++) {
    for (let l = 0; l < k; l++) covariance.data[k * d + l] = covariance.data[l * d + k]!;
    covariance.data[k * d + k]! += FLOAT32_EPSILON;
  }
  return inverse(covariance);
}

/** θ drawn from the prior: cholesky(covariance)·normal, [d] float32. The same seed gives the same bits everywhere. */
export function sampleTheta(covariance: Matrix, normal: () => number): Float32Array {
  expectMatrix('covariance', covariance);
  expectFunction('normal', normal);
  const d = covariance.columns;
  if (covariance.rows !== d) throw new RangeError(`covariance must be square, got ${covariance.rows}·${d}`);
  const lower = cholesky(covariance);
  const z = Float64Array.from({ length: d }, normal);
  return Float32Array.from({ length: d }, (_, i) => {
    let sum = 0;
    for (let j = 0; j <= i; j++) sum += lower.data[i * d + j]! * z[j]!;
    return sum;
  });
}

/** BᵀMB for M given entry by entry. */
function sandwich(b: Matrix, entry: (i: number, j: number) => number): Matrix {
  const { rows, columns: d, data } = b;
  const mb = new Float64Array(rows * d);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < rows; j++) {
      const m = entry(i, j);
      for (let k = 0; k < d; k++) mb[i * d + k]! += m * data[j * d + k]!;
    }
  }
  const result = new Float64Array(d * d);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < d; k++) {
      for (let l = 0; l < d; l++) result[k * d + l]! += data[i * d + k]! * mb[i * d + l]!;
    }
  }
  return { rows: d, columns: d, data: result };
}

/** Lower Cholesky factor; a pivot that rounding made slightly negative counts as zero. */
function cholesky(a: Matrix): Matrix {
  const d = a.columns;
  const lower = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a.data[i * d + j]!;
      for (let k = 0; k < j; k++) sum -= lower[i * d + k]! * lower[j * d + k]!;
      if (i === j) lower[i * d + i] = Math.sqrt(Math.max(sum, 0));
      else lower[i * d + j] = lower[j * d + j]! === 0 ? 0 : sum / lower[j * d + j]!;
    }
  }
  return { rows: d, columns: d, data: lower };
}

/** Gauss–Jordan with row pivoting. */
function inverse(a: Matrix): Matrix {
  const d = a.columns;
  const left = a.data.slice();
  const right = new Float64Array(d * d);
  for (let i = 0; i < d; i++) right[i * d + i] = 1;
  for (let c = 0; c < d; c++) {
    let pivot = c;
    for (let r = c + 1; r < d; r++) if (Math.abs(left[r * d + c]!) > Math.abs(left[pivot * d + c]!)) pivot = r;
    if (pivot !== c) {
      for (const m of [left, right]) {
        for (let k = 0; k < d; k++) [m[c * d + k], m[pivot * d + k]] = [m[pivot * d + k]!, m[c * d + k]!];
      }
    }
    const divisor = left[c * d + c]!;
    for (let k = 0; k < d; k++) {
      left[c * d + k]! /= divisor;
      right[c * d + k]! /= divisor;
    }
    for (let r = 0; r < d; r++) {
      const factor = left[r * d + c]!;
      if (r === c || factor === 0) continue;
      for (let k = 0; k < d; k++) {
        left[r * d + k]! -= factor * left[c * d + k]!;
        right[r * d + k]! -= factor * right[c * d + k]!;
      }
    }
  }
  return { rows: d, columns: d, data: right };
}
