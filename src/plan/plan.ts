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
  /** [segments][8]: {centre, h0, h1, c0, c1, c2, c3, c4}; the low 8 bits of h1 are the exponent of 1/scale. */
  readonly rows: Float32Array;
  /** [segments]: how far each polynomial may be from the function; negative where a segment starts at a knot. */
  readonly slack: Float32Array;
}

/** What replaces segments for |x| ≥ from: trend·x and a function of this period, the one for -0.52 to 0.52 of it. */
export interface PeriodicSection extends SegmentTable {
  readonly from: number;
  /** Beyond, 2¹⁶ periods out, the phase is not known, and `middle` stands for the periodic part. */
  readonly to: number;
  /** [8]: seven parts of 7 bits, and the rest. */
  readonly period: Float32Array;
  /** 12 leading bits, and the rest. */
  readonly trend: number;
  readonly trendLow: number;
  readonly middle: number;
}

/** A function of one variable, compiled: what every backend evaluates, bit for bit the same. */
export interface Plan extends SegmentTable {
  readonly grid: CellGrid;
  /** [cells][4]: the grid's quadratics, derived from the segments (assembly/cells.ts). */
  readonly cellRows: Float32Array;
  readonly periodic?: PeriodicSection;
  /** f(0) (-0 if zero), and the one-sided slopes there, by which |x| < 2⁻⁶⁰ is answered; NaN where a side does not pass through 0, and segments answer. */
  readonly atZero: number;
  readonly slopeBelowZero: number;
  readonly slopeAboveZero: number;
  /** f(-Infinity) and f(+Infinity); NaN where there is no limit. */
  readonly limitLow: number;
  readonly limitHigh: number;
  readonly certificate: Certificate;
}

/** The worst error that a plan can make, proved when it is compiled (docs/numerics.md). */
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
  /** Whether these are at most 1 ULP, 2 ULP and 2⁻⁴⁷: what a table is meant to keep. */
  readonly keepsPromise: boolean;
  /**
   * Bounds hold for |x| up to here: Infinity, but for periodic functions 2¹⁶ periods. Beyond, the error is at most `beyond` and 1 ULP of the result,
   * which is a trend that may be large.
   */
  readonly domain: number;
  readonly beyond: number;
  /** Size of the table. */
  readonly segments: number;
  readonly cells: number;
  readonly cellsInUse: number;
  /** How the bounds were established. */
  readonly method: string;
}

/** The numbers of a certificate that a plan file holds. */
export type Bounds = Pick<
  Certificate,
  'ulp' | 'ulpAt' | 'ulpSmall' | 'ulpSmallAt' | 'absolute' | 'absoluteAt' | 'domain' | 'beyond'
>;

const METHOD = 'proved: docs/numerics.md has every step';
/** Of a file of version 2. */
const OLDER_METHOD = 'estimated by ditac 0.1: compile again for a proof';

export function certificateOf(
  bounds: Bounds,
  segments: number,
  cells: number,
  cellsInUse: number,
  isProved = true,
): Certificate {
  return Object.freeze({
    ...bounds,
    keepsPromise: isProved && bounds.ulp <= 1 && bounds.ulpSmall <= 2 && bounds.absolute <= 2 ** -47,
    segments,
    cells,
    cellsInUse,
    method: isProved ? METHOD : OLDER_METHOD,
  });
}
