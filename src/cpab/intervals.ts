import { ceilToFloat32, floorToFloat32, nextDown } from '../../assembly/float32';
import { expm1Ratio } from '../../assembly/numeric';
import { type FlowPiece, imageAfter, travelTime } from './flow.js';

/** Dividing the pieces of a flow into intervals so short that simple functions follow it. */

const LARGEST = 3.4028234663852886e38;

/** The float32 in [left, right); first > last if there are none. */
export function floatsIn(left: number, right: number): [first: number, last: number] {
  const first = left === Number.NEGATIVE_INFINITY ? -LARGEST : ceilToFloat32(left);
  const floor = right === Number.POSITIVE_INFINITY ? LARGEST : floorToFloat32(right);
  return [first, floor === right ? nextDown(floor) : floor];
}

export interface Interval {
  /** The float32 inputs that belong to it. */
  readonly first: number;
  readonly last: number;
  /** Travel times from the piece's x0 to the ends. */
  readonly from: number;
  readonly to: number;
  readonly left: number;
  readonly right: number;
  readonly imageLeft: number;
  readonly imageRight: number;
}

/**
 * Divides a piece that starts in one cell and ends in another until `isShort`: by travel time, since its positions and
 * velocities are exponentials of that. Stops where float32 cannot tell the ends of an interval apart.
 */
export function divideByTime(
  piece: FlowPiece,
  isShort: (interval: Interval) => boolean,
  emit: (interval: Interval) => void,
): void {
  const { slopeIn, x0, v0 } = piece;
  const positionAt = (tau: number) => x0 + v0 * tau * expm1Ratio(slopeIn * tau);
  const add = (from: number, to: number, left: number, right: number, imageLeft: number, imageRight: number): void => {
    const [first, last] = floatsIn(left, right);
    if (first > last) return;
    const interval = { first, last, from, to, left, right, imageLeft, imageRight };
    if (first === last || isShort(interval)) {
      emit(interval);
      return;
    }
    const middle = 0.5 * (from + to);
    const x = Math.min(Math.max(positionAt(middle), left), right);
    const y = Math.min(Math.max(imageAfter(piece, middle), imageLeft), imageRight);
    add(from, middle, left, x, imageLeft, y);
    add(middle, to, x, right, y, imageRight);
  };
  const { left, right } = piece;
  add(travelTime(piece, left), travelTime(piece, right), left, right, piece.imageLeft, piece.imageRight);
}
