import { type FlowPiece, flowBeyond } from '../cpab/flow.js';
import { ceilToFloat32, floorToFloat32, nextDown } from '../numeric/float32.js';

/** The pieces of a flow as the float32 table that `assembly/flow.ts` evaluates. */
export interface FlowTable {
  /** First input of every row but the first, ascending. */
  readonly bounds: Float32Array;
  /** [pieces][12]: {x0, 1/v0, s_i, 1/s_i, s_j, 1/s_j, w0, low part of y0, y0, least y, largest y, 0}. */
  readonly rows: Float32Array;
}

const LARGEST = 3.4028234663852886e38;

/** @throws {RangeError} never for finite fields; steepness beyond float32 saturates at the images of the piece's ends. */
export function flowTable(pieces: readonly FlowPiece[]): FlowTable {
  const bounds: number[] = [];
  const rows: number[] = [];
  for (const piece of pieces) {
    const first = piece.left === Number.NEGATIVE_INFINITY ? -LARGEST : ceilToFloat32(piece.left);
    const right = piece.right === Number.POSITIVE_INFINITY ? LARGEST : floorToFloat32(piece.right);
    const last = right === piece.right ? nextDown(right) : right;
    if (first > last) continue;
    if (rows.length > 0) bounds.push(first);
    rows.push(...tableRow(piece, first, last));
  }
  return { bounds: Float32Array.from(bounds), rows: Float32Array.from(rows) };
}

function tableRow(piece: FlowPiece, first: number, last: number): number[] {
  const { slopeIn, slopeOut, gain } = piece;
  const limits = [piece.imageLeft, piece.imageRight, 0];
  if (gain !== undefined) {
    const x0 = Math.fround(piece.x0);
    const y0 = flowBeyond(piece, x0);
    return [x0, 1, 0, 0, 0, 0, Math.min(gain, 2 ** 100), y0 - Math.fround(y0), y0, ...limits];
  }
  // A float32 of the piece, so that x - x0 is exact nearby and y0 is its true image.
  const x0 = Math.min(Math.max(Math.fround(piece.x0), first), last);
  const y0 = flowBeyond(piece, x0);
  const v0 = piece.v0 + slopeIn * (x0 - piece.x0);
  const w0 = piece.w0 + slopeOut * (y0 - piece.y0);
  return [
    x0,
    bounded(1 / v0),
    slopeIn,
    inverse(slopeIn),
    slopeOut,
    inverse(slopeOut),
    w0,
    y0 - Math.fround(y0),
    y0,
    ...limits,
  ];
}

/** 1/s, or 0 where s is so small that the kernel never divides by it. */
function inverse(s: number): number {
  return Math.abs(s) < 2 ** -100 ? 0 : 1 / s;
}

function bounded(x: number): number {
  return Math.min(Math.max(x, -(2 ** 100)), 2 ** 100);
}
