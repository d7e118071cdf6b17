import { nextDown } from '../../assembly/float32';
import { normalDensity, normalDistribution } from '../../assembly/numeric';
import { type FlowPiece, flowBeyond } from '../cpab/flow.js';
import { flowSlope } from '../cpab/gradient.js';
import { divideByTime, type Interval } from './intervals.js';
import { normalNear } from './normal.js';
import type { AnalyticPiece } from './pieces.js';

/**
 * What `assembly/backward.ts` needs of a function f with a parameter vector θ: its derivative as a cubic on short intervals.
 *
 * On such an interval ∂f/∂θ too is a cubic, so Σ gradY·∂f/∂θ over all x in it is known from the moments Σ gradY·uᵐ, m = 0 to 3,
 * whatever the number of parameters. Moments are turned into weights at the four Chebyshev nodes of the interval: the same sum over
 * four points stands for all, and only there the exact gradient is computed.
 */
export interface BackwardTable {
  /** First input of every row but the first, ascending; none of them zero or subnormal. */
  readonly bounds: Float32Array;
  /** [rows][8]: {centre, 1/radius, c0, c1, c2, c3, block, far block}; the blocks are numbers here, byte offsets in the image. */
  readonly rows: Float32Array;
  /** How many blocks of moments there are, with the two that belong to no interval. */
  readonly blocks: number;
  /** The intervals on which parameters matter. */
  readonly intervals: readonly BackwardInterval[];
}

export interface BackwardInterval {
  readonly flow: FlowPiece;
  readonly block: number;
  /** The points that stand for all others: four, or two where f is affine without end and moments are those of 1 and x. */
  readonly points: readonly number[];
  /** What the flow is multiplied by at these points: Φ, or 1. */
  readonly factors: readonly number[];
  /** The block of Σ gradY·x where there are two points; else 0. */
  readonly farBlock: number;
}

/** Block 0 takes what no parameter depends on, block 1 counts elements that leave no gradient. */
export const POISON_BLOCK = 1;
const FIRST_BLOCK = 2;

/** Chebyshev nodes of [-1, 1], and the coefficient of uᵐ in the Lagrange polynomial of node j at [4·j + m]. */
const NODES = [-0.9238795325112867, -0.3826834323650898, 0.3826834323650898, 0.9238795325112867];
const LAGRANGE = NODES.flatMap((node) => {
  const [p, q, r] = NODES.filter((each) => each !== node) as [number, number, number];
  const scale = 1 / ((node - p) * (node - q) * (node - r));
  return [-p * q * r * scale, (p * q + p * r + q * r) * scale, -(p + q + r) * scale, scale];
});
const ONES = [1, 1, 1, 1];

/**
 * |s·τ| over an interval. Its radius is then 1/32 of the distance to where the velocity of the cell would be zero, so that the
 * Chebyshev coefficients of everything here fall by 64, and a cubic leaves about 10⁻⁶.
 */
const MOST_GROWTH = 0.0625;
/** Where Φ bends, [-12, 6], intervals are at most this wide: a cubic leaves 4·10⁻⁷ of GELU′. */
const WIDEST = 0.125;
const NORMAL_LOW = -12;
const NORMAL_HIGH = 6;
const MOST_ROWS = 1 << 16;

/** So that |u| stays below 1 when it is rounded. */
const SLIGHTLY_LESS = 1 - 2 ** -20;
/** A narrower interval gets a constant: f′ hardly changes there, and a subnormal x, which GPUs take for zero, changes nothing at all. */
const STEEPEST_SCALE = 2 ** 30;
/** Coefficients below this count as zero, and a leading one is at least this where others are not zero: no slope is subnormal. */
const LEAST_COEFFICIENT = 2 ** -60;
const LEAST_NORMAL = 2 ** -126;
const LARGEST = 3.4028234663852886e38;

/**
 * @param pieces of f, in order, covering every finite float32.
 * @param resolution images nearer to each other than this need not be told apart.
 * @throws {RangeError} if f is too steep for float32 slopes or a table of 65536 rows.
 */
export function backwardTable(pieces: readonly AnalyticPiece[], resolution: number): BackwardTable {
  const firsts: number[] = [];
  const rows: number[] = [];
  const intervals: BackwardInterval[] = [];
  let blocks = FIRST_BLOCK;
  const push = (first: number, row: readonly number[]) => {
    firsts.push(first);
    for (const value of row) rows.push(value);
    if (firsts.length > MOST_ROWS)
      throw new RangeError(
        `the gradient needs more than ${MOST_ROWS} intervals; the function bends too much for a table`,
      );
  };
  for (const piece of pieces) {
    if (piece.law === 'linear') push(piece.first, constantRow(piece.slope, 0, 0));
    else if (piece.law === 'gelu') {
      const tail = geluRows(piece.first, piece.last);
      tail.firsts.forEach((first, i) => {
        push(first, tail.rows[i]!);
      });
    } else {
      const { flow, timesNormal } = piece;
      const add = (first: number, last: number) => {
        const { centre, scale } = frame(first, last);
        const points = NODES.map((node) => (scale === 0 ? centre : centre + node / scale));
        const isNear = scale >= 2 / WIDEST;
        const { density, distribution } = timesNormal
          ? normalAt(points, centre, isNear)
          : { density: [], distribution: ONES };
        const slopes = points.map((x, j) => {
          const slope = flowSlope(flow, x);
          return timesNormal ? slope * distribution[j]! + flowBeyond(flow, x) * density[j]! : slope;
        });
        push(first, cubicRow(centre, scale, slopes, blocks));
        intervals.push({ flow, block: blocks, points, factors: distribution, farBlock: 0 });
        blocks += 1;
      };
      if (flow.gain === undefined) divideCrossing(piece, resolution, add);
      else if (timesNormal) divideByWidth(piece.first, piece.last, add);
      else if (piece.first > -LARGEST && piece.last < LARGEST) add(piece.first, piece.last);
      else {
        push(piece.first, constantRow(flow.gain, blocks, blocks + 1));
        const end = piece.first > -LARGEST ? piece.first : piece.last < LARGEST ? piece.last : 0;
        const points = [end, end + (piece.first > -LARGEST ? 1 : -1)];
        intervals.push({ flow, block: blocks, points, factors: ONES, farBlock: blocks + 1 });
        blocks += 2;
      }
    }
  }
  const table = Float32Array.from(rows);
  const steep = table.findIndex((value) => !Number.isFinite(value));
  if (steep >= 0)
    throw new RangeError(
      `the derivative near ${firsts[steep >> 3]} is more than a float32 holds; slopes are too steep for a gradient`,
    );
  return { bounds: Float32Array.from(firsts.slice(1), awayFromZero), rows: table, blocks, intervals };
}

/** Weights of an interval's points that have the given moments; `far` is Σ gradY·x where there are two points. */
export function weightsOf({ farBlock, points }: BackwardInterval, moments: readonly number[], far: number): number[] {
  if (farBlock === 0) {
    return NODES.map((_, j) => {
      let weight = 0;
      for (let m = 3; m >= 0; m--) weight += LAGRANGE[4 * j + m]! * moments[m]!;
      return weight;
    });
  }
  const [p, q] = points as [number, number];
  const second = (far - p * moments[0]!) / (q - p);
  return [moments[0]! - second, second];
}

/**
 * Whether a subnormal x, which GPUs take for zero, reaches a bound must not depend on that: zero belongs to the left, as where PyTorch
 * differentiates a leaky ReLU.
 */
const awayFromZero = (bound: number): number => (Math.abs(bound) < LEAST_NORMAL ? LEAST_NORMAL : bound);

function constantRow(slope: number, block: number, farBlock: number): number[] {
  return [0, 0, significant(slope), 0, 0, 0, block, farBlock];
}

/** u = (x - centre)·scale; scale 0 where the interval is too narrow. */
function frame(first: number, last: number): { centre: number; scale: number } {
  const middle = 0.5 * (first + last);
  const centre = Math.abs(middle) < LEAST_COEFFICIENT ? 0 : Math.fround(middle);
  const radius = Math.max(last - centre, centre - first);
  const scale = radius > 0 ? Math.fround(SLIGHTLY_LESS / radius) : 0;
  return { centre, scale: scale > STEEPEST_SCALE ? 0 : scale };
}

/** The cubic that has the given values at the nodes. */
function cubicRow(centre: number, scale: number, values: readonly number[], block: number): number[] {
  if (scale === 0) return [centre, 0, significant(values[0]!), 0, 0, 0, block, 0];
  const row = [centre, scale, 0, 0, 0, 0, block, 0];
  values.forEach((value, j) => {
    for (let m = 0; m < 4; m++) row[2 + m]! += LAGRANGE[4 * j + m]! * value;
  });
  for (let m = 2; m < 6; m++) row[m] = significant(row[m]!);
  if (row[2] === 0 && (row[3] !== 0 || row[4] !== 0 || row[5] !== 0)) row[2] = LEAST_COEFFICIENT;
  return row;
}

const significant = (coefficient: number): number => (Math.abs(coefficient) < LEAST_COEFFICIENT ? 0 : coefficient);

interface Rows {
  readonly firsts: readonly number[];
  readonly rows: readonly (readonly number[])[];
}

const knownTails = new Map<string, Rows>();

/** x·Φ(x) has no parameters: its rows are the same at every step of a training. */
function geluRows(first: number, last: number): Rows {
  const key = `${first} ${last}`;
  let found = knownTails.get(key);
  if (!found) {
    const firsts: number[] = [];
    const rows: number[][] = [];
    divideByWidth(first, last, (from, to) => {
      const { centre, scale } = frame(from, to);
      const points = NODES.map((node) => (scale === 0 ? centre : centre + node / scale));
      const { density, distribution } = normalAt(points, centre, scale >= 2 / WIDEST);
      const slopes = points.map((x, j) => distribution[j]! + x * density[j]!);
      firsts.push(from);
      rows.push(cubicRow(centre, scale, slopes, 0));
    });
    found = { firsts, rows };
    if (knownTails.size > 64) knownTails.clear();
    knownTails.set(key, found);
  }
  return found;
}

function normalAt(points: readonly number[], centre: number, isNear: boolean) {
  return isNear
    ? normalNear(centre, points)
    : { density: points.map(normalDensity), distribution: points.map(normalDistribution) };
}

/** Halves until intervals on which Φ bends are narrow. */
function divideByWidth(first: number, last: number, add: (first: number, last: number) => void): void {
  const middle = 0.5 * (first + last);
  const next = Math.fround(middle);
  if (isFlat(first, last) || !(next > first && next <= last)) add(first, last);
  else {
    divideByWidth(first, nextDown(next), add);
    divideByWidth(next, last, add);
  }
}

const isFlat = (low: number, high: number): boolean => high - low <= WIDEST || high <= NORMAL_LOW || low >= NORMAL_HIGH;

function divideCrossing(
  piece: AnalyticPiece & { law: 'flow' },
  resolution: number,
  add: (first: number, last: number) => void,
): void {
  const { flow, timesNormal } = piece;
  const steepest = Math.max(Math.abs(flow.slopeIn), Math.abs(flow.slopeOut));
  const isShort = ({ from, to, left, right, imageLeft, imageRight }: Interval) =>
    // Not `<=`: a time that is no number cannot be halved.
    (!(steepest * Math.abs(to - from) > MOST_GROWTH) && !(timesNormal && !isFlat(left, right))) ||
    imageRight - imageLeft <= resolution;
  divideByTime(flow, isShort, (interval) => {
    const first = Math.max(interval.first, piece.first);
    const last = Math.min(interval.last, piece.last);
    if (first <= last) add(first, last);
  });
}
