import { exp, expm1Ratio, log1pRatio } from '../../assembly/numeric';

/**
 * The exact flow of a continuous piecewise-affine velocity field, in float64.
 *
 * Cut the line at the vertices and at the preimages of the vertices. On each of these at most 2N-1 pieces every point
 * starts in one known cell i and ends in one known cell j, so the flow has a closed form with one logarithm and one
 * exponential, however many cells lie between (design §2).
 */
export interface VelocityField {
  /** Position of vertex 0. */
  readonly origin: number;
  /** Distance between vertices; the end cells extend affinely to ±∞. */
  readonly cellWidth: number;
  /** Position of the last vertex, where it is known better than by adding up. */
  readonly end?: number;
  /** Displacement per unit of flow at the N+1 vertices: velocity times time. The flow below always runs for time 1. */
  readonly velocity: Float64Array;
}

/** A closed interval on which the flow is one analytic function. */
export interface FlowPiece {
  readonly left: number;
  readonly right: number;
  /** Images of left and right. */
  readonly imageLeft: number;
  readonly imageRight: number;
  /** The cell in which points start, and the one in which they end. */
  readonly cellIn: number;
  readonly cellOut: number;
  /** Slopes of the velocity field in those cells. */
  readonly slopeIn: number;
  readonly slopeOut: number;
  /** A point of the piece, its velocity, its image, and the velocity there. */
  readonly x0: number;
  readonly v0: number;
  readonly y0: number;
  readonly w0: number;
  /** Set when start and end cell agree: y = y0 + gain·(x - x0), with gain = e^slope. */
  readonly gain: number | undefined;
  /**
   * Otherwise: the vertex through which points leave their cell and the velocity there; how long x0 takes to reach it, and how long the
   * image of x0 has been in its own cell.
   */
  readonly exit: number;
  readonly exitVelocity: number;
  readonly before: number;
  readonly after: number;
  /** Whether x0 is an end of the domain that does not move: known without rounding, as y0 is. */
  readonly isAnchored: boolean;
}

export function vertex(field: VelocityField, k: number): number {
  return k === field.velocity.length - 1 && field.end !== undefined ? field.end : field.origin + k * field.cellWidth;
}

export function slope(field: VelocityField, cell: number): number {
  return (field.velocity[cell + 1]! - field.velocity[cell]!) / field.cellWidth;
}

/** The time a point takes through a whole cell; Infinity where the velocity has a zero. */
export function crossingTime(field: VelocityField, cell: number): number {
  const v = field.velocity[cell]!;
  const next = field.velocity[cell + 1]!;
  return v * next > 0 ? (field.cellWidth / Math.abs(v)) * log1pRatio((next - v) / v) : Number.POSITIVE_INFINITY;
}

/** Where vertex k is after flowing for time +1 or -1. */
function flowVertex(field: VelocityField, k: number, time: 1 | -1): number {
  const cells = field.velocity.length - 1;
  let v = field.velocity[k]! * time;
  if (v === 0) return vertex(field, k);
  const direction = v > 0 ? 1 : -1;
  let remaining = 1;
  for (let at = k; ; at += direction) {
    const leaves = at + direction < 0 || at + direction > cells;
    const cell = leaves ? at - (direction > 0 ? 1 : 0) : Math.min(at, at + direction);
    const s = slope(field, cell) * time;
    const next = leaves ? v : field.velocity[at + direction]! * time;
    const crossing = leaves ? Number.POSITIVE_INFINITY : crossingTime(field, cell);
    if (crossing >= remaining) {
      const z = s * remaining;
      if (z > -1) return vertex(field, at) + v * remaining * expm1Ratio(z);
      // From the point at which it will rest, exact if that is a vertex: near 0 float32 tells places apart that are far nearer than 2⁻⁵³.
      const rest = !leaves && next === 0 ? vertex(field, at + direction) : vertex(field, at) - v / s;
      return rest + (v / s) * exp(z);
    }
    remaining -= crossing;
    v = next;
  }
}

/** No point inside gets past an end that rests; rounding may not undo that. */
function withinEnds(field: VelocityField, x: number): number {
  const last = field.velocity.length - 1;
  const low = field.velocity[0] === 0 ? vertex(field, 0) : Number.NEGATIVE_INFINITY;
  const high = field.velocity[last] === 0 ? vertex(field, last) : Number.POSITIVE_INFINITY;
  return Math.min(Math.max(x, low), high);
}

/**
 * The pieces of the time-1 flow, in order; together they cover the line. Zero-length pieces are left out.
 * Cost O(N) memory and one logarithm a crossed cell and vertex.
 */
export function flowPieces(field: VelocityField): FlowPiece[] {
  const cells = field.velocity.length - 1;
  const images = new Float64Array(cells + 1);
  const preimages = new Float64Array(cells + 1);
  for (let k = 0; k <= cells; k++) {
    images[k] = withinEnds(field, flowVertex(field, k, 1));
    preimages[k] = withinEnds(field, flowVertex(field, k, -1));
    // Monotone in exact arithmetic; rounding may not undo that.
    if (k > 0) images[k] = Math.max(images[k]!, images[k - 1]!);
    if (k > 0) preimages[k] = Math.max(preimages[k]!, preimages[k - 1]!);
  }

  const pieces: FlowPiece[] = [];
  let left = Number.NEGATIVE_INFINITY;
  let imageLeft = Number.NEGATIVE_INFINITY;
  let i = 0;
  let j = 0;
  for (;;) {
    const nextVertex = i + 1 < cells ? vertex(field, i + 1) : Number.POSITIVE_INFINITY;
    const nextPreimage = j + 1 < cells ? preimages[j + 1]! : Number.POSITIVE_INFINITY;
    const right = Math.min(nextVertex, nextPreimage);
    const imageRight =
      right === Number.POSITIVE_INFINITY ? right : right === nextPreimage ? vertex(field, j + 1) : images[i + 1]!;
    if (right > left) pieces.push(makePiece(field, i, j, left, right, imageLeft, Math.max(imageLeft, imageRight)));
    if (right === Number.POSITIVE_INFINITY) return pieces;
    if (right === nextVertex) i += 1;
    if (right === nextPreimage) j += 1;
    left = right;
    imageLeft = Math.max(imageLeft, imageRight);
  }
}

function makePiece(
  field: VelocityField,
  cellIn: number,
  cellOut: number,
  left: number,
  right: number,
  imageLeft: number,
  imageRight: number,
): FlowPiece {
  const slopeIn = slope(field, cellIn);
  const slopeOut = slope(field, cellOut);
  let x0: number;
  let v0: number;
  let y0: number;
  let w0: number;
  let exit = 0;
  let exitVelocity = 0;
  let before = 0;
  let after = 0;
  let isAnchored = false;
  if (cellIn === cellOut) {
    // Start from the fixed point if the cell has one, else from the end nearer to it: there rounding is amplified least.
    const ends = [field.velocity[cellIn]!, field.velocity[cellIn + 1]!] as const;
    const k = Math.abs(ends[0]) <= Math.abs(ends[1]) ? cellIn : cellIn + 1;
    const isFixed = ends[0] * ends[1] < 0;
    v0 = isFixed ? 0 : field.velocity[k]!;
    x0 = vertex(field, k) - (isFixed ? field.velocity[k]! / slopeIn : 0);
    y0 = x0 + v0 * expm1Ratio(slopeIn);
    w0 = v0 + slopeIn * (y0 - x0);
    isAnchored = v0 === 0 && !isFixed && (k === 0 || k === field.velocity.length - 1);
  } else {
    // Points leave cell i through `exit`, cross the cells between, and enter cell j through `entry`. The reference point
    // spends the middle of the possible times in cell i; its velocities follow from the vertices' by exponentials, so they
    // keep their relative accuracy even where they are almost zero.
    const forward = cellOut > cellIn;
    const last = forward ? cellIn + 1 : cellIn;
    const entry = forward ? cellOut : cellOut + 1;
    let shared = 1;
    for (let c = Math.min(last, entry); c < Math.max(last, entry); c++) shared -= crossingTime(field, c);
    const latest = Math.min(crossingTime(field, cellIn), shared);
    const earliest = Math.max(shared - crossingTime(field, cellOut), 0);
    before = Math.max(0.5 * (earliest + latest), 0);
    after = Math.max(shared - before, 0);
    exit = vertex(field, last);
    exitVelocity = field.velocity[last]!;
    const vEntry = field.velocity[entry]!;
    x0 = exit - exitVelocity * before * expm1Ratio(-slopeIn * before);
    v0 = exitVelocity * exp(-slopeIn * before);
    y0 = vertex(field, entry) + vEntry * after * expm1Ratio(slopeOut * after);
    w0 = vEntry * exp(slopeOut * after);
  }
  // Written out: copying an object of so many properties takes a microsecond.
  return {
    left,
    right,
    imageLeft,
    imageRight,
    cellIn,
    cellOut,
    slopeIn,
    slopeOut,
    x0,
    v0,
    y0,
    w0,
    gain: cellIn === cellOut ? exp(slopeIn) : undefined,
    exit,
    exitVelocity,
    before,
    after,
    isAnchored,
  };
}

/**
 * Pieces whose laws are float64: where a field expands or contracts by more than about e^700, the velocities that they are written with are not.
 * @throws {RangeError} if one is not, though a float32 lies in it.
 */
export function expectResolved(pieces: readonly FlowPiece[]): readonly FlowPiece[] {
  for (const { left, right, gain, x0, v0, y0, w0 } of pieces) {
    if (Math.fround(left) === Math.fround(right) && Math.fround(left) !== left) continue;
    const isLaw = gain === undefined ? v0 !== 0 && w0 !== 0 : gain > 0 && Number.isFinite(gain);
    if (!isLaw || ![x0, v0, y0, w0].every(Number.isFinite))
      throw new RangeError(
        `theta is too steep for float64: from ${left} to ${right} the flow expands or contracts by more than e^700`,
      );
  }
  return pieces;
}

/** How long x0 takes to x, for a piece that starts in one cell and ends in another. */
export function travelTime(piece: FlowPiece, x: number): number {
  const q = (x - piece.x0) / piece.v0;
  return q * log1pRatio(Math.max(piece.slopeIn * q, -1 + 2 ** -52));
}

/** Where the image of x0 is after `tau`. */
export function imageAfter(piece: FlowPiece, tau: number): number {
  return piece.y0 + piece.w0 * tau * expm1Ratio(piece.slopeOut * tau);
}

/** The piece's law at x, also beyond its ends: what the flow would be if its cells went on. */
export function flowBeyond(piece: FlowPiece, x: number): number {
  if (piece.gain !== undefined) return piece.y0 + piece.gain * (x - piece.x0);
  return imageAfter(piece, travelTime(piece, x));
}

/** φ(x, 1) for x inside the piece, kept between the images of the piece's ends. */
export function flowThrough(piece: FlowPiece, x: number): number {
  const y = flowBeyond(piece, x);
  return y < piece.imageLeft ? piece.imageLeft : y > piece.imageRight ? piece.imageRight : y;
}

/** The piece that holds x, by bisection. */
export function pieceAt(pieces: readonly FlowPiece[], x: number): FlowPiece {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (x >= pieces[middle]!.left) low = middle;
    else high = middle - 1;
  }
  return pieces[low]!;
}
