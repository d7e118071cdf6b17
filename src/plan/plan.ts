/** A uniform grid over the busy part of the line. */
export interface CellGrid {
  /** Cells are 2^-exponent wide; cell k is centred on k·2^-exponent. */
  readonly exponent: number;
  /** Numbers of the first and last cell, both included. */
  readonly first: number;
  readonly last: number;
}

/** The line divided into segments, each with one polynomial (`segmentPolynomial` in assembly/activation.ts). */
export interface SegmentTable {
  /** First input of every segment but the first, ascending. */
  readonly bounds: Float32Array;
  /** [segments][8]: {centre, h0, h1, c0, c1, c2, c3, c4}. */
  readonly rows: Float32Array;
  /** [segments]: how far each polynomial may be from the function; negative where a segment starts at a knot. */
  readonly slack: Float32Array;
}

/** A function of one variable, compiled: what every backend evaluates, bit for bit the same. */
export interface Plan extends SegmentTable {
  readonly grid: CellGrid;
  /** [cells][4]: the grid's quadratics, derived from the segments (assembly/cells.ts). */
  readonly cellRows: Float32Array;
  /** f(0) (-0 if zero), and the one-sided slopes there. */
  readonly atZero: number;
  readonly slopeBelowZero: number;
  readonly slopeAboveZero: number;
  /** f(-Infinity) and f(+Infinity). */
  readonly limitLow: number;
  readonly limitHigh: number;
  readonly certificate: Certificate;
}

/** The worst error that a plan can make, derived when it is compiled. */
export interface Certificate {
  /** Bound on the error where |y| ≥ 2⁻⁸, in ULP of the true result, and an x near which it is largest. */
  readonly ulp: number;
  readonly ulpAt: number;
  /** The same where 2⁻²⁴ ≤ |y| < 2⁻⁸. */
  readonly ulpSmall: number;
  readonly ulpSmallAt: number;
  /** Bound on the absolute error where |y| < 2⁻²⁴. */
  readonly absolute: number;
  readonly absoluteAt: number;
  /** Size of the table. */
  readonly segments: number;
  readonly cells: number;
  readonly cellsInUse: number;
  /** How the bounds were established. */
  readonly method: string;
}
