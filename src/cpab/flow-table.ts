import { nextDown, nextUp } from '../../assembly/float32';
import { exp, expm1Ratio, log, log1pRatio } from '../../assembly/numeric';
import { crossingTime, type FlowPiece, flowPieces, type VelocityField, vertex } from './flow.js';
import { floatsIn } from './intervals.js';

/**
 * A flow as the float32 table that `assembly/flow.ts` evaluates: polynomials in t = (x - x0)·scale that grow with x in every rounding,
 * and bounds of what they give.
 *
 * A piece that starts in one cell and ends in another is y = y* + K·ξ^ρ with ξ linear in x, so its second derivative has one sign. Seen from
 * its flatter end, the second Taylor coefficient is positive, and all are where ρ ≤ 1: there a row of any width grows. Where one is not,
 * a row is narrow beside its distance from 0 (`grows`), or has degree 2.
 */
export interface FlowTable {
  /** First input of every row but the first, ascending; none of them subnormal. */
  readonly bounds: Float32Array;
  /** [rows][8]: {x0, scale, c1, c2, c3, y0, least y, largest y}. */
  readonly rows: Float32Array;
}

const LARGEST = 3.4028234663852886e38;
const LEAST_NORMAL = 2 ** -126;
/** What a row may differ from the flow, as a share of max(1, |y|): an eighth of the error that is promised. */
const TOLERANCE = 2 ** -25;
/** Images nearer than this are joined by a straight line. */
const NARROW = 2 ** -26;
/** Images of crossing points beyond this are infinite, so that coefficients are float32. */
const MOST_IMAGE = 2 ** 100;
/** Nearer to 0 differences of places are subnormal, which GPUs take for 0: what lies there is not told apart. */
const LEAST_PLACE = 2 ** -100;
const MOST_ROWS = 1 << 16;

/** @throws {RangeError} if the flow needs more than 65536 rows. */
export function flowTable(field: VelocityField): FlowTable {
  const rows = new Rows();
  // Ends that rest have rows of their own: nothing moves them.
  const ends = [0, field.velocity.length - 1].filter((k) => field.velocity[k] === 0).map((k) => vertex(field, k));
  const resting = ends.filter((x) => Math.fround(x) === x);
  for (const piece of flowPieces(field)) {
    let [first, last] = floatsIn(piece.left, piece.right);
    first = first > 0 ? Math.max(first, LEAST_NORMAL) : first > -LEAST_NORMAL ? 0 : first;
    last = last < 0 ? Math.min(last, -LEAST_NORMAL) : last < LEAST_NORMAL ? 0 : last;
    for (const x of resting) {
      if (!(x >= first && x <= last)) continue;
      addPiece(rows, field, piece, first, before(x));
      rows.add({ first: x, x0: x, coefficients: [], y0: x, least: x, largest: x });
      first = after(x);
    }
    addPiece(rows, field, piece, first, last);
  }
  return rows.table();
}

/** The neighbours of a float32 among zero and the normal numbers: subnormal ones count as zero. */
const after = (x: number): number => (x === -LEAST_NORMAL ? 0 : x === 0 ? LEAST_NORMAL : nextUp(x));
const before = (x: number): number => (x === LEAST_NORMAL ? 0 : x === 0 ? -LEAST_NORMAL : nextDown(x));

interface Row {
  readonly first: number;
  readonly x0: number;
  /** Of x - x0; a power of two, so that no coefficient is far from y. Default 1. */
  readonly scale?: number;
  /** c1 and so on. */
  readonly coefficients: readonly number[];
  readonly y0: number;
  readonly least: number;
  readonly largest: number;
}

/** Rows, whose images ascend whatever rounding does. */
class Rows {
  readonly #firsts: number[] = [];
  readonly #values: number[] = [];
  #reached = Number.NEGATIVE_INFINITY;

  add({ first, x0, scale = 1, coefficients, y0, least, largest }: Row): void {
    const low = Math.max(normal(Math.fround(least)), this.#reached);
    const high = Math.max(normal(Math.fround(largest)), low);
    this.#reached = high;
    this.#firsts.push(first);
    if (this.#firsts.length > MOST_ROWS)
      throw new RangeError(`the flow needs more than ${MOST_ROWS} rows; its slopes are too steep for a table`);
    const [c1 = 0, c2 = 0, c3 = 0] = coefficients;
    // A GPU may take a subnormal number for 0: none arises that would reach the last bit of a sum.
    const upper = Math.abs(c1) < LEAST_PLACE ? [0, 0] : [normal(c2), normal(c3)];
    // The bounds alone make an infinity: no sum meets one.
    const offset = Math.abs(y0) < 2 ** -90 || !Number.isFinite(y0) ? 0 : y0;
    this.#values.push(x0, scale, normal(c1), ...upper, offset, low, high);
  }

  table(): FlowTable {
    return { bounds: Float32Array.from(this.#firsts.slice(1)), rows: Float32Array.from(this.#values) };
  }
}

const normal = (value: number): number => (Math.abs(value) < LEAST_NORMAL ? 0 : value);

/** The rows of a piece for the floats from `first` to `last`. */
function addPiece(rows: Rows, field: VelocityField, piece: FlowPiece, first: number, last: number): void {
  if (first > last) return;
  const image = imageOf(field, piece);
  if (piece.gain === undefined) {
    divide(rows, piece, velocityIn(field, piece), image, first, last);
    return;
  }
  const least = first === -LARGEST ? Number.NEGATIVE_INFINITY : image(first);
  const largest = last === LARGEST ? Number.POSITIVE_INFINITY : image(last);
  const x0 = Math.min(Math.max(Math.fround(piece.x0), first), last);
  if (first === last || piece.gain <= LARGEST)
    rows.add({ first, x0, coefficients: [first === last ? 0 : piece.gain], y0: image(x0), least, largest });
  else {
    // Outside the domain: inside, no two floats have room for such a slope.
    const y0 = first === -LARGEST ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    rows.add({ first, x0, coefficients: [], y0, least: y0, largest: y0 });
  }
}

/** φ(x) for x in a piece, kept between the images of its ends. */
function imageOf(field: VelocityField, piece: FlowPiece): (x: number) => number {
  const { imageLeft, imageRight } = piece;
  const law = piece.gain === undefined ? crossing(field, piece) : staying(piece);
  return (x) => {
    const y = law(x);
    return y < imageLeft ? imageLeft : y > imageRight ? imageRight : y;
  };
}

/** Within one cell. */
function staying({ x0, v0, slopeIn }: FlowPiece): (x: number) => number {
  // Slowly: from where x is. Else from where the velocity is 0.
  if (v0 !== 0 && Math.abs(slopeIn) <= 1) {
    const growth = expm1Ratio(slopeIn);
    return (x) => x + (v0 + slopeIn * (x - x0)) * growth;
  }
  const rest = v0 === 0 ? x0 : x0 - v0 / slopeIn;
  const gain = exp(slopeIn);
  return (x) => (x === rest ? x : rest + gain * (x - rest));
}

/** The velocity of x in the cell in which points of a crossing piece start, from the nearest vertex, or from where it is 0. */
function velocityIn(field: VelocityField, { cellIn, cellOut, slopeIn }: FlowPiece): (x: number) => number {
  const [b, e] = cellOut > cellIn ? [cellIn, cellIn + 1] : [cellIn + 1, cellIn];
  const [behind, exit] = [vertex(field, b), vertex(field, e)];
  const [vBehind, vExit] = [field.velocity[b]!, field.velocity[e]!];
  const source = vBehind === 0 ? behind : vBehind * vExit < 0 ? behind - vBehind / slopeIn : undefined;
  return (x) => {
    if (Math.abs(x - exit) <= Math.abs(x - behind)) return vExit + slopeIn * (x - exit);
    return source === undefined ? vBehind + slopeIn * (x - behind) : slopeIn * (x - source);
  };
}

/** From one cell to another. */
function crossing(field: VelocityField, piece: FlowPiece): (x: number) => number {
  const { cellIn, cellOut, slopeIn, slopeOut } = piece;
  const velocity = velocityIn(field, piece);
  const forward = cellOut > cellIn;
  const place = (k: number) => ({ at: vertex(field, k), v: field.velocity[k]! });
  const exit = place(forward ? cellIn + 1 : cellIn);
  const [entry, beyond] = forward ? [place(cellOut), place(cellOut + 1)] : [place(cellOut + 1), place(cellOut)];
  const sink = beyond.v === 0 ? beyond.at : entry.at - entry.v / slopeOut;
  const [from, to] = forward ? [cellIn + 1, cellOut] : [cellOut + 1, cellIn];
  let shared = 1;
  for (let c = from; c < to; c++) shared -= crossingTime(field, c);
  return (x) => {
    const v = velocity(x);
    // It rests, or rounding has put it on the other side of where it would.
    if (!(v * exit.v > 0)) return x;
    const z = (exit.v - v) / v;
    const leaving = Math.abs(z) <= 0.5 ? ((exit.at - x) / v) * log1pRatio(z) : log(exit.v / v) / slopeIn;
    const arriving = Math.max(shared - leaving, 0);
    const growth = slopeOut * arriving;
    const y =
      growth < -1 ? sink + (entry.v / slopeOut) * exp(growth) : entry.at + entry.v * arriving * expm1Ratio(growth);
    return Math.abs(y) > MOST_IMAGE ? y * Number.POSITIVE_INFINITY : y;
  };
}

/** Halves a piece until polynomials follow it. */
function divide(
  rows: Rows,
  piece: FlowPiece,
  velocity: (x: number) => number,
  image: (x: number) => number,
  from: number,
  to: number,
): void {
  const { slopeIn, slopeOut, cellIn, cellOut } = piece;
  const isConvex = slopeOut >= slopeIn === cellOut > cellIn;
  const halve = (first: number, last: number, least: number, largest: number): void => {
    const row = rowFor(first, last, least, largest);
    if (row) {
      rows.add(row);
      return;
    }
    const middle = middleOf(first, last, Math.abs(velocity(first)), Math.abs(velocity(last)));
    const next = after(middle);
    halve(first, middle, least, image(middle));
    halve(next, last, image(next), largest);
  };
  const rowFor = (first: number, last: number, least: number, largest: number): Row | undefined => {
    const size = Math.max(1, Math.min(Math.abs(least), Math.abs(largest)));
    const height = largest - least;
    // Two infinities are no number apart.
    if (first === last || !(height > 0) || Math.max(-first, last) < LEAST_PLACE)
      return { first, x0: first, coefficients: [], y0: least, least, largest: least };
    if (!Number.isFinite(height)) return undefined;
    const width = last - first;
    const scale = 2 ** -Math.max(Math.min(Math.ceil(Math.log2(width)), 126), -126);
    if (!(height > NARROW * size))
      return { first, x0: first, scale, coefficients: [height / width / scale], y0: least, least, largest };
    const share = width / Math.min(Math.abs(velocity(first)), Math.abs(velocity(last)));
    const [x0, end, y0] = isConvex ? [first, last, least] : [last, first, largest];
    for (const nodes of [THREE_NODES, TWO_NODES]) {
      if (hopeless(piece, share, height, nodes.length, TOLERANCE * size)) continue;
      const powers = fit(image, x0, y0, end, nodes);
      if (grows(powers, first, last) && follows(powers, image, x0, y0, end, TOLERANCE * size)) {
        const coefficients = powers.map((c, k) => c / scale / (width * scale) ** k);
        return { first, x0, scale, coefficients, y0, least, largest };
      }
    }
    return undefined;
  };
  halve(from, to, image(from), image(to));
}

/**
 * Whether the first Taylor coefficient that a fit leaves out is by far too large: then the images at the nodes need not be computed. Each
 * coefficient is the one before times (slopeOut - n·slopeIn)/((n + 1)·v); `share` is width/v with v the speed where it is least.
 */
function hopeless(
  { slopeIn, slopeOut }: FlowPiece,
  share: number,
  height: number,
  degree: number,
  tolerance: number,
): boolean {
  let term = height;
  for (let n = 1; n <= degree; n++) term *= (Math.abs(slopeOut - n * slopeIn) * share) / (4 * (n + 1));
  return term > 16 * tolerance;
}

/** Chebyshev nodes of [0, 1]. */
const THREE_NODES = [0.0669872981077807, 0.5, 0.9330127018922193];
const TWO_NODES = [0.1464466094067262, 0.8535533905932738];
/** Between the nodes, where polynomials are about as far from the flow as anywhere. */
const TESTS = [0.25, 0.75, 1];

/** p0, p1, … with y0 + u·(p0 + p1·|u|/width + …) the images at the nodes between x0 and `end`: divided differences of (φ(x0 + u) - y0)/u. */
function fit(image: (x: number) => number, x0: number, y0: number, end: number, nodes: readonly number[]): number[] {
  const differences = nodes.map((node) => {
    const u = node * (end - x0);
    return (image(x0 + u) - y0) / u;
  });
  const n = nodes.length;
  for (let order = 1; order < n; order++)
    for (let i = n - 1; i >= order; i--)
      differences[i] = (differences[i]! - differences[i - 1]!) / (nodes[i]! - nodes[i - order]!);
  // From Newton's form to powers.
  const powers = [differences[n - 1]!];
  for (let i = n - 2; i >= 0; i--) {
    powers.push(0);
    for (let k = powers.length - 1; k > 0; k--) powers[k] = powers[k - 1]! - nodes[i]! * powers[k]!;
    powers[0] = differences[i]! - nodes[i]! * powers[0]!;
  }
  return powers;
}

/**
 * Whether u·(p0 + p1·|u|/width + …) grows with x in float32. It does if no coefficient is negative. Else the products make noise,
 * 5·2⁻²⁴·p0·|u| where the higher terms are at most p0/8. Neighbouring x are at least 2⁻²⁴·|x| apart, which counts p0/2 times: more than
 * that noise if |u| ≤ |x|/16.
 */
function grows(powers: readonly number[], first: number, last: number): boolean {
  if (powers.every((c) => c >= 0)) return true;
  const [p0, ...upper] = powers as [number, ...number[]];
  const rest = upper.reduce((sum, c) => sum + Math.abs(c), 0);
  return rest <= p0 / 8 && first * last > 0 && last - first <= Math.min(Math.abs(first), Math.abs(last)) / 16;
}

function follows(
  powers: readonly number[],
  image: (x: number) => number,
  x0: number,
  y0: number,
  end: number,
  tolerance: number,
): boolean {
  return TESTS.every((share) => {
    const u = share * (end - x0);
    let sum = 0;
    for (let k = powers.length - 1; k >= 0; k--) sum = sum * share + powers[k]!;
    return Math.abs(y0 + u * sum - image(x0 + u)) <= tolerance;
  });
}

/** A float from `first` on and before `last`: where the speeds v and w of the two differ much, half of the time apart from both, else halfway. */
function middleOf(first: number, last: number, v: number, w: number): number {
  let middle = 0.5 * first + 0.5 * last;
  const [least, most, slower, faster] = v < w ? [v, w, first, last] : [w, v, last, first];
  if (most > 4 * least && least > 0)
    middle = slower + ((Math.sqrt(least) * Math.sqrt(most) - least) / (most - least)) * (faster - slower);
  return Math.min(Math.max(normal(Math.fround(middle)), first), before(last));
}
