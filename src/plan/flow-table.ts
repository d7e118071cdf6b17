import { exp, expm1Ratio } from '../../assembly/numeric';
import { type FlowPiece, flowBeyond, imageAfter, travelTime } from '../cpab/flow.js';
import { divideByTime, floatsIn, type Interval } from './intervals.js';

/**
 * The pieces of a flow as the float32 table that `assembly/flow.ts` evaluates.
 *
 * Pieces are divided until the travel time τ from a point in their middle satisfies |s·τ| ≤ 0.25 in both cells. Then the
 * kernel's logarithm and exponential are polynomials of one narrow interval: the table does the range reduction. Where
 * float32 cannot tell the ends of an interval apart, or their images, dividing stops: steep fields stay affordable.
 */
export interface FlowTable {
  /** First input of every row but the first, ascending. */
  readonly bounds: Float32Array;
  /** [rows][8]: {x0, 1/v0, s_i, s_j, w0, y0, least y, largest y}. */
  readonly rows: Float32Array;
}

/** |s·τ| from the middle of an interval to its ends. `LOG1P_RATIO` and `EXPM1_RATIO` in `image.ts` are fitted to 0.255. */
const MOST_GROWTH = 0.25;

/** @param resolution images nearer to each other than this are joined by a straight line; a small share of 2⁻²⁴ of the domain. */
export function flowTable(pieces: readonly FlowPiece[], resolution: number): FlowTable {
  const bounds: number[] = [];
  const rows: number[] = [];
  const push = (first: number, row: readonly number[]) => {
    if (rows.length > 0) bounds.push(first);
    for (const value of row) rows.push(value);
  };
  for (const piece of pieces) {
    if (piece.gain === undefined) divide(piece, resolution, push);
    else {
      const [first, last] = floatsIn(piece.left, piece.right);
      if (first > last) continue;
      const x0 = Math.fround(piece.x0);
      push(
        first,
        affineRow(x0, flowBeyond(piece, x0), Math.min(piece.gain, 2 ** 100), piece.imageLeft, piece.imageRight),
      );
    }
  }
  return { bounds: Float32Array.from(bounds), rows: Float32Array.from(rows) };
}

/** With both slopes 0 the kernel computes y0 + w0·(x - x0). */
function affineRow(x0: number, y0: number, gain: number, least: number, largest: number): number[] {
  return [x0, 1, 0, 0, gain, y0, least, largest];
}

/** Rows of a piece that starts in one cell and ends in another. */
function divide(piece: FlowPiece, resolution: number, push: (first: number, row: readonly number[]) => void): void {
  const { slopeIn, slopeOut, x0, v0, w0 } = piece;
  const steepest = Math.max(Math.abs(slopeIn), Math.abs(slopeOut));
  const isNarrow = ({ imageLeft, imageRight }: Interval) => imageRight - imageLeft <= resolution;
  const isShort = (interval: Interval) =>
    // Not `<=`: a time that is no number cannot be halved.
    !(steepest * Math.abs(interval.to - interval.from) > 2 * MOST_GROWTH) || isNarrow(interval);
  divideByTime(piece, isShort, (interval) => {
    const { first, last, from, to, left, right, imageLeft, imageRight } = interval;
    const tau = 0.5 * (from + to);
    // A float32 of the interval, so that x - x0 is exact nearby and y0 is its true image.
    const centre = Math.min(Math.max(Math.fround(x0 + v0 * tau * expm1Ratio(slopeIn * tau)), first), last);
    if (isNarrow(interval) || first === last) {
      const gain = right > left ? (imageRight - imageLeft) / (right - left) : 0;
      const image = Math.min(Math.max(flowBeyond(piece, centre), imageLeft), imageRight);
      push(first, affineRow(centre, image, gain, imageLeft, imageRight));
      return;
    }
    const moved = travelTime(piece, centre);
    push(first, [
      centre,
      1 / (v0 * exp(slopeIn * moved)),
      slopeIn,
      slopeOut,
      w0 * exp(slopeOut * moved),
      imageAfter(piece, moved),
      imageLeft,
      imageRight,
    ]);
  });
}
