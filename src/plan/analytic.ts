/**
 * What a plan is compiled from: a function of one variable given as analytic pieces, each able to expand itself into a
 * Taylor series with a bound on what the series leaves out.
 */

/** Taylor coefficients are computed up to u^(TERMS-1). */
export const TERMS = 12;

export interface AnalyticPiece {
  /** The float32 inputs to which the piece applies, both ends included; ±Infinity where it is unbounded. */
  readonly first: number;
  readonly last: number;
  /**
   * Writes Taylor coefficients about `centre` into `out` (length TERMS) and returns a bound on
   * |f(centre+u) - Σ out[n]·uⁿ| for all |u| ≤ radius; Infinity if the series does not converge fast enough to have one.
   */
  series(centre: number, radius: number, out: Float64Array): number;
  /** A bound on the float64 rounding error of out[0], absolute. */
  rounding(centre: number, out: Float64Array): number;
  /**
   * Set where the piece is intercept + slope·x to be evaluated about 0: |intercept| ≤ |slope·x|/16 throughout.
   * Slope 0 is the constant zero. Unbounded pieces must be of this kind.
   */
  readonly linear?: { readonly slope: number; readonly intercept: number };
  /** Set where the piece is affine, so that any interval may be tried as one segment. */
  readonly isAffine?: boolean;
  /** Pieces with the same key are the same function: their fits may be reused between plans. */
  readonly key?: string;
}

/** The product of two series of TERMS coefficients, with tails; returns the tail of the product. */
export function multiplySeries(
  f: Float64Array,
  fTail: number,
  g: Float64Array,
  gTail: number,
  radius: number,
  out: Float64Array,
): number {
  let fSize = 0;
  let gSize = 0;
  let power = 1;
  const n = TERMS;
  for (let k = 0; k < n; k++) {
    let sum = 0;
    for (let i = 0; i <= k; i++) sum += f[i]! * g[k - i]!;
    out[k] = sum;
    fSize += Math.abs(f[k]!) * power;
    gSize += Math.abs(g[k]!) * power;
    power *= radius;
  }
  // Terms beyond u^(n-1): Σ_i |f_i| rⁱ · Σ_{j≥n-i} |g_j| rʲ.
  let dropped = 0;
  let gHigh = 0;
  let fPower = radius;
  let gPower = power / radius;
  for (let i = 1; i < n; i++) {
    gHigh += Math.abs(g[n - i]!) * gPower;
    dropped += Math.abs(f[i]!) * fPower * gHigh;
    fPower *= radius;
    gPower /= radius;
  }
  return dropped + fTail * (gSize + gTail) + gTail * fSize;
}
