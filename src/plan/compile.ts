import { ceilToFloat32, nextDown } from '../numeric/float32.js';
import { type AnalyticPiece, TERMS } from './analytic.js';
import { type CellGrid, fillCells } from './cells.js';
import type { Certificate, Plan } from './plan.js';
import { fitSegment, LARGE, type Segment, SMALL } from './segment.js';

/**
 * Compiling a function to a table: pieces are divided into segments until every one keeps the promised error, and a
 * uniform grid of quadratics is laid over the part of the line where inputs usually are.
 */

/** Intervals are halved from this width down; cell edges and interval ends then fall together. */
const INTERVAL = 0.25;
const WIDE_INTERVAL = 16;
const MOST_SEGMENTS = 1 << 16;
/** The grid never has more cells than this: 128 KiB of coefficients. */
const MOST_CELLS = 8192;
/** The grid does not reach beyond ±16. */
const REACH = 16;

/** Fits of pieces that are the same in every plan. Bounded: there are only so many dyadic intervals to ask for. */
const fits = new Map<string, Segment | null>();
const MOST_FITS = 4096;

export function compile(pieces: readonly AnalyticPiece[]): Plan {
  const grid = chooseGrid(pieces);
  const offset = 2 ** -(grid.exponent + 1);
  const segments: Segment[] = [];
  const knots: number[] = [];
  for (const piece of pieces) {
    knots.push(segments.length);
    if (piece.linear) {
      divide(piece, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, segments);
      continue;
    }
    const interval = piece.isAffine ? WIDE_INTERVAL : INTERVAL;
    const start = Math.floor((piece.first - offset) / interval);
    const stop = Math.floor((piece.last - offset) / interval);
    for (let k = start; k <= stop; k++) divide(piece, k * interval + offset, (k + 1) * interval + offset, segments);
  }
  const count = segments.length;
  const table = {
    bounds: Float32Array.from({ length: count - 1 }, (_, m) => segments[m + 1]!.first),
    rows: new Float32Array(8 * count),
    slack: Float32Array.from(segments, (each) => each.slack * (1 + 2 ** -20)),
    knots: new Uint8Array(count),
  };
  for (let m = 0; m < count; m++) table.rows.set(segments[m]!.row, 8 * m);
  for (const m of knots) table.knots[m] = 1;
  const cells = fillCells(grid, table);

  const certificate: Certificate = {
    ulp: cells.large,
    ulpAt: cells.largeAt,
    ulpSmall: cells.small,
    ulpSmallAt: cells.smallAt,
    absolute: 0,
    absoluteAt: 0,
    segments: count,
    cells: cells.rows.length / 4,
    cellsInUse: cells.rows.length / 4 - cells.unused,
    method: METHOD,
  };
  for (const each of segments) {
    const middle = each.row[0]!;
    if (each.large > certificate.ulp) Object.assign(certificate, { ulp: each.large, ulpAt: middle });
    if (each.small > certificate.ulpSmall) Object.assign(certificate, { ulpSmall: each.small, ulpSmallAt: middle });
    if (each.tiny > certificate.absolute) Object.assign(certificate, { absolute: each.tiny, absoluteAt: middle });
  }
  return {
    ...table,
    grid,
    cellRows: cells.rows,
    mostBounds: cells.mostBounds,
    ...behaviourAtSpecials(pieces),
    certificate,
  };
}

const METHOD =
  `a-priori bound: Taylor remainder, economisation, coefficient rounding and running error analysis of every row; ` +
  `ULP of the true result for |y| ≥ 2^${Math.log2(LARGE)} (ulp) and down to 2^${Math.log2(SMALL)} (ulpSmall), absolute below`;

/** Adds the segments of one piece within [low, high), halving where one does not suffice. */
function divide(piece: AnalyticPiece, low: number, high: number, into: Segment[]): void {
  const first = Math.max(piece.first, ceilToFloat32(low));
  const last = high === Number.POSITIVE_INFINITY ? piece.last : Math.min(piece.last, nextDown(ceilToFloat32(high)));
  if (!(first <= last)) return;
  const fit = piece.key === undefined ? fitSegment(piece, first, last) : cachedFit(piece, first, last);
  if (fit) {
    if (into.length >= MOST_SEGMENTS) {
      throw new RangeError(
        `the function needs more than ${MOST_SEGMENTS} segments; its slopes are too steep for a table`,
      );
    }
    into.push(fit);
    return;
  }
  const middle = 0.5 * (low + high);
  divide(piece, low, middle, into);
  divide(piece, middle, high, into);
}

function cachedFit(piece: AnalyticPiece, first: number, last: number): Segment | undefined {
  const key = `${piece.key} ${first} ${last}`;
  const known = fits.get(key);
  if (known !== undefined) return known ?? undefined;
  const fit = fitSegment(piece, first, last);
  if (fits.size >= MOST_FITS) fits.clear();
  fits.set(key, fit ?? null);
  return fit;
}

/** Cells so narrow that few of them hold a knot, and so many that the pieces with knots and their surroundings are covered. */
function chooseGrid(pieces: readonly AnalyticPiece[]): CellGrid {
  const inner = pieces.filter((piece) => !piece.linear && piece.key === undefined);
  const low = inner.length > 0 ? Math.max(inner[0]!.first, -REACH) : -1;
  const high = inner.length > 0 ? Math.min(inner[inner.length - 1]!.last, REACH) : 1;
  const perKnot = 140;
  const exponent = Math.min(
    10,
    Math.max(7, Math.ceil(-Math.log2((high - low) / (perKnot * Math.max(inner.length, 1))))),
  );
  const width = 2 ** -exponent;
  const middle = (low + high) / 2;
  const half = Math.min((MOST_CELLS * width) / 2, REACH);
  const first = Math.max(middle - half, -REACH);
  const last = Math.min(middle + half, REACH);
  return { exponent, first: Math.ceil(first / width), last: Math.floor(last / width) - 1 };
}

/** What the kernel needs where no polynomial applies: around 0 and at ±Infinity. */
function behaviourAtSpecials(pieces: readonly AnalyticPiece[]) {
  const at = new Float64Array(TERMS);
  const around = (x: number) => {
    pieces.find((piece) => piece.last >= x)!.series(0, 0, at);
    return { value: Math.abs(at[0]!) < 2 ** -100 ? 0 : at[0]!, slope: at[1]! };
  };
  const below = around(-(2 ** -126));
  const above = around(0);
  return {
    // -0 is what addition leaves unchanged, so f(x) = slope·x keeps the sign of a zero.
    atZero: above.value === 0 ? -0 : Math.fround(above.value),
    slopeBelowZero: Math.fround(below.slope),
    slopeAboveZero: Math.fround(above.slope),
    limitLow: limitOf(pieces[0]!, Number.NEGATIVE_INFINITY),
    limitHigh: limitOf(pieces[pieces.length - 1]!, Number.POSITIVE_INFINITY),
  };
}

function limitOf(piece: AnalyticPiece, x: number): number {
  const slope = piece.linear?.slope ?? Number.NaN;
  return slope === 0 ? (x < 0 ? -0 : 0) : slope * x;
}
