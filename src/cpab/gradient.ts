import { exp, expm1Ratio, log1pRatio } from '../../assembly/numeric';
import { type FlowPiece, slope, travelTime, type VelocityField, vertex } from './flow.js';

/**
 * Σ weight·∂φ(x)/∂v_m over points x, for the velocity v_m at every vertex m, in float64.
 *
 * A point leaves its cell i through a vertex after t₁, crosses cells for T_c each, and flows in cell j for t₂ = 1 - t₁ - ΣT_c. Implicit
 * differentiation of the closed forms gives ∂t₁, ∂T_c and ∂y; that is dy/dv_m = v(y)∫ H_m/v² dξ (design §2, H_m the hat
 * function of vertex m) cell by cell. What crossed cells contribute is the same for all points up to v(y), so that a point costs
 * the same however many it crosses.
 */
export class VelocityGradient {
  readonly #field: VelocityField;
  readonly #total: Float64Array;
  /** Differences of Σ weight·v(y) over the points that cross each cell. */
  readonly #crossings: Float64Array;

  constructor(field: VelocityField) {
    this.#field = field;
    this.#total = new Float64Array(field.velocity.length);
    this.#crossings = new Float64Array(field.velocity.length + 1);
  }

  /** Adds a point of the piece (or near it: the piece's law is followed beyond its ends). */
  add(piece: FlowPiece, x: number, weight: number): void {
    if (piece.gain === undefined) this.#addCrossing(piece, x, weight);
    else this.#addWithin(piece, x, weight);
  }

  #addWithin(piece: FlowPiece, x: number, weight: number): void {
    const [left, right] = withinDerivatives(this.#field, piece, x);
    this.#total[piece.cellIn]! += weight * left;
    this.#total[piece.cellIn + 1]! += weight * right;
  }

  #addCrossing(piece: FlowPiece, x: number, weight: number): void {
    const { exit, entry, direction } = wayOf(piece);
    const [leaving, left, entering, entered, pulled] = crossingDerivatives(this.#field, piece, x);
    this.#total[exit]! += weight * leaving;
    this.#total[exit - direction]! += weight * left;
    this.#total[entry]! += weight * entering;
    this.#total[entry + direction]! += weight * entered;
    this.#crossings[Math.min(exit, entry)]! += weight * pulled;
    this.#crossings[Math.max(exit, entry)]! -= weight * pulled;
  }

  /** [vertices]: what was added so far. */
  total(): Float64Array {
    const result = this.#total.slice();
    let crossing = 0;
    for (let c = 0; c + 1 < result.length; c++) {
      crossing += this.#crossings[c]!;
      if (crossing === 0) continue;
      const [left, right] = crossed(this.#field, c);
      result[c]! += crossing * left;
      result[c + 1]! += crossing * right;
    }
    return result;
  }
}

/** Through which vertex the points of a piece leave their cell, and through which they enter the last; and which way. */
export function wayOf({ cellIn, cellOut }: Pick<FlowPiece, 'cellIn' | 'cellOut'>) {
  const direction = cellOut > cellIn ? 1 : -1;
  return direction > 0
    ? { direction, exit: cellIn + 1, entry: cellOut }
    : { direction, exit: cellIn, entry: cellOut + 1 };
}

/** By the velocities at both ends of the cell: y = x + v(x)·E(s), with v(x) interpolated between them. */
export function withinDerivatives(field: VelocityField, { cellIn, slopeIn }: FlowPiece, x: number): [number, number] {
  const { cellWidth, velocity } = field;
  const share = (x - vertex(field, cellIn)) / cellWidth;
  const v = velocity[cellIn]! * (1 - share) + velocity[cellIn + 1]! * share;
  const direct = expm1Ratio(slopeIn);
  const bySlope = (v * expm1RatioDerivative(slopeIn)) / cellWidth;
  return [(1 - share) * direct - bySlope, share * direct + bySlope];
}

/**
 * By the velocities at the vertex through which x leaves and the one behind it, at the vertex through which its image enters and the next; and
 * v(y), by which cells on the way count (`crossed`).
 */
export function crossingDerivatives(
  { cellWidth, velocity }: VelocityField,
  piece: FlowPiece,
  x: number,
): [number, number, number, number, number] {
  const { slopeIn, slopeOut, v0, w0 } = piece;
  const { direction, exit, entry } = wayOf(piece);
  const leaving = timeToLeave(piece, x);
  const tau = piece.before - leaving;
  const arriving = piece.after + tau;
  const pulled = w0 * exp(slopeOut * tau);
  // x = e - v_e·t₁·E(-s·t₁), so ∂t₁ follows from the derivatives of the right hand side, divided by v(x).
  const rate = pulled / (v0 * exp(slopeIn * tau));
  const z = -slopeIn * leaving;
  const byLeaving = rate * leaving * expm1Ratio(z);
  const byLeavingSlope = (rate * direction * velocity[exit]! * leaving * leaving * expm1RatioDerivative(z)) / cellWidth;
  // y = n + v_n·t₂·E(s·t₂) in cell j, at fixed t₂.
  const r = slopeOut * arriving;
  const byEntering = arriving * expm1Ratio(r);
  const byEnteringSlope = (direction * velocity[entry]! * arriving * arriving * expm1RatioDerivative(r)) / cellWidth;
  return [byLeaving - byLeavingSlope, byLeavingSlope, byEntering - byEnteringSlope, byEnteringSlope, pulled];
}

/** What a crossed cell adds for v(y) = 1, by the velocities at its ends: of T = h·log(right/left)/(right - left). */
export function crossed({ cellWidth, velocity }: VelocityField, cell: number): [number, number] {
  const left = velocity[cell]!;
  const right = velocity[cell + 1]!;
  // Nobody crosses a cell whose velocity has a zero.
  if (!(left * right > 0)) return [0, 0];
  const factor = Math.sign(left) * cellWidth;
  return [
    (factor / left / left) * crossingRatio(right / left - 1),
    (factor / right / right) * crossingRatio(left / right - 1),
  ];
}

/** dφ(x)/dx: e^{s} within a cell, v(y)/v(x) from one cell to another. */
export function flowSlope(piece: FlowPiece, x: number): number {
  if (piece.gain !== undefined) return piece.gain;
  const { slopeIn, slopeOut, v0, w0 } = piece;
  const tau = piece.before - timeToLeave(piece, x);
  return (w0 / v0) * exp((slopeOut - slopeIn) * tau);
}

/** How long x takes to leave its cell: from the exit if that is nearer, since a piece may be so narrow that x0 cannot be told from it. */
function timeToLeave(piece: FlowPiece, x: number): number {
  const { exit, exitVelocity, slopeIn } = piece;
  if (Math.abs(x - piece.x0) <= Math.abs(x - exit)) return piece.before - travelTime(piece, x);
  // exit - x = v·t·E(-s·t)
  const q = (exit - x) / exitVelocity;
  return q * log1pRatio(Math.max(-slopeIn * q, -1 + 2 ** -52));
}

/** The velocity of a field at any point; the end cells go on beyond the ends. */
export function velocityAt(field: VelocityField, x: number): number {
  const cells = field.velocity.length - 1;
  const cell = Math.min(Math.max(Math.floor((x - field.origin) / field.cellWidth), 0), cells - 1);
  return field.velocity[cell]! + slope(field, cell) * (x - vertex(field, cell));
}

/** E′(z) for E(z) = expm1(z)/z, ½ + z/3 + z²/8 + … . */
function expm1RatioDerivative(z: number): number {
  if (Math.abs(z) > 0.5) return (exp(z) - expm1Ratio(z)) / z;
  // Σ (n+1)·zⁿ/(n+2)!, from the last term to the first; what is left out is below 10⁻¹⁷.
  let sum = 0;
  let factorial = 20922789888000;
  for (let n = 14; n >= 0; n--) {
    sum = sum * z + (n + 1) / factorial;
    factorial /= n + 2;
  }
  return sum;
}

/** ∫₀¹ (1-r)/(1+z·r)² dr = (1 - log1p(z)/z)/z, ½ - z/3 + z²/4 - … . */
function crossingRatio(z: number): number {
  if (Math.abs(z) > 0.25) return (1 - log1pRatio(z)) / z;
  let sum = 0;
  for (let n = 28; n >= 2; n--) sum = 1 / n - z * sum;
  return sum;
}
