import { ceilToFloat32, floorToFloat32, nextDown } from '../../assembly/float32';
import { normalDensity, normalDistribution } from '../../assembly/numeric';
import {
  constantRow,
  cubicRow,
  type Differentiable,
  frame,
  NODES,
  type Points,
  RowBuilder,
  type RowTable,
  weightsOf,
} from '../plan/gradient-table.js';
import type { Moments } from '../plan/moments.js';
import { type FlowPiece, flowBeyond, type VelocityField } from './flow.js';
import { flowSlope, VelocityGradient } from './gradient.js';
import { divideByTime, type Interval } from './intervals.js';
import { normalNear } from './normal.js';

/**
 * The gradient of a function that is made of a flow T: T itself, or T(x)·Φ(x) on an interval, and something that depends on no parameter outside.
 * ∂T/∂v has a closed form of its own for all vertices together (gradient.ts), which no tape holds.
 */
export type FlowFunctionPiece = {
  /** The float32 inputs to which the piece applies, both ends included. */
  readonly first: number;
  readonly last: number;
} /** A line, but for `rest` of its slope. */ & (
  | { readonly law: 'linear'; readonly slope: number; readonly rest: number }
  /** x·Φ(x). */
  | { readonly law: 'gelu' }
  /** T(x), or T(x)·Φ(x). */
  | { readonly law: 'flow'; readonly flow: FlowPiece; readonly timesNormal: boolean }
);

/** The pieces of a flow T between two float32 (inclusive), times Φ if `timesNormal`. Pieces that hold no float32 are left out. */
export function flowBetween(
  pieces: readonly FlowPiece[],
  first: number,
  last: number,
  timesNormal: boolean,
): FlowFunctionPiece[] {
  const result: FlowFunctionPiece[] = [];
  for (const flow of pieces) {
    const from = Math.max(first, flow.left === Number.NEGATIVE_INFINITY ? first : ceilToFloat32(flow.left));
    // The right end belongs to the next piece; both agree there.
    const right = flow.right === Number.POSITIVE_INFINITY ? last : floorToFloat32(flow.right);
    const to = Math.min(last, right === flow.right && flow.right < last ? nextDown(right) : right);
    if (from <= to) result.push({ first: from, last: to, law: 'flow', flow, timesNormal });
  }
  return result;
}

interface FlowPoints extends Points {
  readonly flow: FlowPiece;
  /** What the flow is multiplied by at these points: Φ, or 1. */
  readonly factors: readonly number[];
  /** Where there are two points, because f is affine without end, the block of Σ gradY·x; else 0. */
  readonly farBlock: number;
}

/** Sees how a table is made, row by row: what a certificate is proved from. A training step has none. */
export type FlowWatch = (
  piece: FlowFunctionPiece,
  first: number,
  last: number,
  row: readonly number[],
  points: readonly number[],
) => void;

const ONES = [1, 1, 1, 1];

/**
 * |s·τ| over an interval. Its radius is then 1/32 of the distance to where the velocity of the cell would be zero, so that the
 * Chebyshev coefficients of everything here fall by 64, and a cubic leaves about 10⁻⁶.
 */
const MOST_GROWTH = 0.0625;
/** With thousands of steep cells there are more such intervals than a table holds. Then they are up to four times as long. */
const LONGEST_GROWTH = 4 * MOST_GROWTH;
/** Where Φ bends, [-14, 12], intervals are at most this wide (a 1/|x| of it to the left): a cubic leaves 4·10⁻⁷ of GELU′. */
const WIDEST = 0.125;
export const NORMAL_LOW = -14;
export const NORMAL_HIGH = 12;
const LARGEST = 3.4028234663852886e38;
/** A narrow image may be joined where its slope is less than this: nothing beside the largest slope. */
const FLAT = 1e-7;

/**
 * The gradient with respect to the velocities at a field's vertices, [N+1].
 * @param pieces of f, in order, covering every finite float32.
 * @param resolution images nearer to each other than this need not be told apart.
 * @throws {RangeError} if f bends too much for a table of 65536 rows.
 */
export function flowGradient(
  field: VelocityField,
  pieces: readonly FlowFunctionPiece[],
  resolution: number,
  watch?: FlowWatch,
): Differentiable {
  const { table, intervals } = rowsThatFit(pieces, resolution, watch);
  return { table, contract: (moments) => velocityGradient(field, intervals, moments) };
}

type FlowRows = { readonly table: RowTable; readonly intervals: FlowPoints[] };

function rowsThatFit(pieces: readonly FlowFunctionPiece[], resolution: number, watch: FlowWatch | undefined): FlowRows {
  for (let growth = MOST_GROWTH; ; growth *= 2) {
    const builder = new RowBuilder();
    const seen: Parameters<FlowWatch>[] = [];
    try {
      const rows = flowRows(builder, pieces, resolution, growth, watch && ((...row) => seen.push(row)));
      if (watch) for (const row of seen) watch(...row);
      return rows;
    } catch (error) {
      if (!builder.isFull || growth >= LONGEST_GROWTH) throw error;
    }
  }
}

function flowRows(
  builder: RowBuilder,
  pieces: readonly FlowFunctionPiece[],
  resolution: number,
  growth: number,
  watch?: FlowWatch,
): FlowRows {
  const intervals: FlowPoints[] = [];
  for (const piece of pieces) {
    const push = (first: number, last: number, row: readonly number[], points: readonly number[] = []) => {
      builder.push(first, row);
      watch?.(piece, first, last, row, points);
    };
    if (piece.law === 'linear') push(piece.first, piece.last, constantRow(piece.slope, 0, 0));
    else if (piece.law === 'gelu') {
      const tail = geluRows(piece.first, piece.last);
      builder.append(tail);
      if (watch) watchTail(piece, tail, watch);
    } else {
      const { flow, timesNormal } = piece;
      const add = (first: number, last: number) => {
        const { centre, scale } = frame(first, last);
        const points = pointsOf(centre, scale);
        const { density, distribution } = timesNormal
          ? normalsAt(points, centre, scale)
          : { density: [], distribution: ONES };
        const slopes = points.map((x, j) => {
          const slope = flowSlope(flow, x);
          return timesNormal ? slope * distribution[j]! + flowBeyond(flow, x) * density[j]! : slope;
        });
        push(first, last, cubicRow(centre, scale, slopes, builder.blocks), points);
        intervals.push({ flow, block: builder.blocks, points, factors: distribution, farBlock: 0 });
        builder.blocks += 1;
      };
      if (flow.gain === undefined) divideCrossing(piece, resolution, growth, add);
      else if (timesNormal) divideByWidth(piece.first, piece.last, add);
      else if (piece.first > -LARGEST && piece.last < LARGEST) add(piece.first, piece.last);
      else {
        const end = piece.first > -LARGEST ? piece.first : piece.last < LARGEST ? piece.last : 0;
        const points = [end, end + (piece.first > -LARGEST ? 1 : -1)];
        push(piece.first, piece.last, constantRow(flow.gain, builder.blocks, builder.blocks + 1), points);
        intervals.push({ flow, block: builder.blocks, points, factors: ONES, farBlock: builder.blocks + 1 });
        builder.blocks += 2;
      }
    }
  }
  return { table: builder.table(), intervals };
}

/** Σ gradY·∂f(x)/∂v for every vertex, from the moments of all x. NaN throughout if an element left no gradient. */
function velocityGradient(field: VelocityField, intervals: readonly FlowPoints[], moments: Moments): Float64Array {
  if (moments.isPoisoned) return new Float64Array(field.velocity.length).fill(Number.NaN);
  const gradient = new VelocityGradient(field);
  for (const interval of intervals) {
    const own = moments.of(interval.block);
    const far = interval.farBlock === 0 ? 0 : moments.of(interval.farBlock)[0];
    if (far === 0 && own.every((moment) => moment === 0)) continue;
    const weights = interval.farBlock === 0 ? weightsOf(own) : ofTwo(interval.points as [number, number], own[0]!, far);
    weights.forEach((weight, j) => {
      gradient.add(interval.flow, interval.points[j]!, weight * interval.factors[j]!);
    });
  }
  return gradient.total();
}

/** Weights of two points that have the given moments of 1 and x. */
function ofTwo([p, q]: [number, number], sum: number, withX: number): number[] {
  const second = (withX - p * sum) / (q - p);
  return [sum - second, second];
}

interface Rows {
  readonly firsts: Float32Array;
  readonly rows: Float32Array;
}

const knownTails = new Map<string, Rows>();

/** x·Φ(x) has no parameters: its rows are the same at every step of a training. */
function geluRows(first: number, last: number): Rows {
  const key = `${first} ${last}`;
  let found = knownTails.get(key);
  if (!found) {
    const builder = new RowBuilder();
    divideByWidth(first, last, (from, to) => {
      const { centre, scale } = frame(from, to);
      const points = pointsOf(centre, scale);
      const { density, distribution } = normalsAt(points, centre, scale);
      const slopes = points.map((x, j) => distribution[j]! + x * density[j]!);
      builder.push(from, cubicRow(centre, scale, slopes, 0));
    });
    found = builder.parts();
    if (knownTails.size > 64) knownTails.clear();
    knownTails.set(key, found);
  }
  return found;
}

function watchTail(piece: FlowFunctionPiece, { firsts, rows }: Rows, watch: FlowWatch): void {
  firsts.forEach((first, i) => {
    const row = [...rows.subarray(8 * i, 8 * i + 8)];
    watch(piece, first, i + 1 < firsts.length ? nextDown(firsts[i + 1]!) : piece.last, row, pointsOf(row[0]!, row[1]!));
  });
}

/** Chebyshev's nodes of an interval. */
const pointsOf = (centre: number, scale: number): number[] =>
  NODES.map((node) => (scale === 0 ? centre : centre + node / scale));

/** φ and Φ at the points of an interval. */
export function normalsAt(points: readonly number[], centre: number, scale: number) {
  return scale >= 2 / WIDEST
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

/** Far to the left Φ falls by e^{|x|} a unit: the narrower. */
const isFlat = (low: number, high: number): boolean =>
  (high - low) * Math.max(1, -low) <= WIDEST || high <= NORMAL_LOW || low >= NORMAL_HIGH;

function divideCrossing(
  piece: FlowFunctionPiece & { law: 'flow' },
  resolution: number,
  growth: number,
  add: (first: number, last: number) => void,
): void {
  const { flow, timesNormal } = piece;
  const steepest = Math.max(Math.abs(flow.slopeIn), Math.abs(flow.slopeOut));
  const isShort = ({ from, to, left, right, imageLeft, imageRight }: Interval) =>
    // Not `<=`: a time that is no number cannot be halved.
    (!(steepest * Math.abs(to - from) > growth) && !(timesNormal && !isFlat(left, right))) ||
    // An image of which float32 sees nothing, and a slope that is nothing; but Φ may bend.
    (imageRight - imageLeft <= Math.min(resolution, FLAT * (right - left)) && !(timesNormal && !isFlat(left, right)));
  divideByTime(flow, isShort, (interval) => {
    const first = Math.max(interval.first, piece.first);
    const last = Math.min(interval.last, piece.last);
    if (first <= last) add(first, last);
  });
}
