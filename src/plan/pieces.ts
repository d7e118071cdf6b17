import { ceilToFloat32, floorToFloat32, nextDown } from '../../assembly/float32';
import {
  COST,
  FIRST,
  FLOW,
  FLOW_TIMES_NORMAL,
  GAIN,
  GELU,
  INTERCEPT,
  IS_EXACT,
  KIND,
  LAST,
  LINEAR,
  SLOPE,
  SLOPE_IN,
  SLOPE_OUT,
  V0,
  W0,
  X0,
  Y0,
} from '../../assembly/series';
import type { FlowPiece } from '../cpab/flow.js';
import type { Engine } from '../engines/engine.js';

/**
 * What a plan is compiled from: a function of one variable as analytic pieces, in order, which together cover every finite
 * float32. `assembly/series.ts` expands them.
 */
export type AnalyticPiece = {
  /** The float32 inputs to which the piece applies, both ends included. */
  readonly first: number;
  readonly last: number;
} & Law;

type Law =
  /**
   * intercept + slope·x, evaluated about 0: |intercept| ≤ |slope·x|/16 throughout. Slope 0 is the constant zero. The first and the
   * last piece must be of this kind.
   */
  | { readonly law: 'linear'; readonly slope: number; readonly intercept: number }
  /** x·Φ(x). */
  | { readonly law: 'gelu' }
  /** T(x), or T(x)·Φ(x). */
  | { readonly law: 'flow'; readonly flow: FlowPiece; readonly timesNormal: boolean };

/** The pieces of a flow T between two float32 (inclusive), times Φ if `timesNormal`. Pieces that hold no float32 are left out. */
export function flowBetween(
  pieces: readonly FlowPiece[],
  first: number,
  last: number,
  timesNormal: boolean,
): AnalyticPiece[] {
  const result: AnalyticPiece[] = [];
  for (const flow of pieces) {
    const from = Math.max(first, flow.left === Number.NEGATIVE_INFINITY ? first : ceilToFloat32(flow.left));
    // The right end belongs to the next piece; both agree there.
    const right = flow.right === Number.POSITIVE_INFINITY ? last : floorToFloat32(flow.right);
    const to = Math.min(last, right === flow.right && flow.right < last ? nextDown(right) : right);
    if (from <= to) result.push({ first: from, last: to, law: 'flow', flow, timesNormal });
  }
  return result;
}

/** Writes a piece's description into a job of an engine. */
export function describePiece({ doubles, words }: Engine, job: number, piece: AnalyticPiece): void {
  const set = (offset: number, value: number) => {
    doubles[(job + offset) >> 3] = value;
  };
  set(FIRST, piece.first);
  set(LAST, piece.last);
  if (piece.law === 'linear') {
    words[(job + KIND) >> 2] = LINEAR;
    set(SLOPE, piece.slope);
    set(INTERCEPT, piece.intercept);
  } else if (piece.law === 'gelu') words[(job + KIND) >> 2] = GELU;
  else {
    const { flow, timesNormal } = piece;
    words[(job + KIND) >> 2] = timesNormal ? FLOW_TIMES_NORMAL : FLOW;
    set(X0, flow.x0);
    set(V0, flow.v0);
    set(Y0, flow.y0);
    set(W0, flow.w0);
    set(SLOPE_IN, flow.slopeIn);
    set(SLOPE_OUT, flow.slopeOut);
    set(GAIN, flow.gain ?? Number.NaN);
    set(COST, 1 + Math.abs(flow.cellOut - flow.cellIn) + Math.abs(flow.slopeIn) + Math.abs(flow.slopeOut));
    set(IS_EXACT, flow.isAnchored ? 1 : 0);
  }
}
