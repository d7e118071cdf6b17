import { COUNT, LARGE_ERROR, OFFSET, ROOM, SMALL_ERROR, STUCK, TINY_ERROR } from '../../assembly/fit';
import { exponentOf } from '../../assembly/numeric';
import { TAYLOR } from '../../assembly/series';
import type { Engine } from '../engines/engine.js';
import { problemOf } from './check.js';
import { appendLasting, fillAround, type LastingPiece } from './lasting.js';
import { METHOD } from './method.js';
import { type AnalyticPiece, describePiece } from './pieces.js';
import type { CellGrid, Certificate, Plan } from './plan.js';
import {
  type Cells,
  compilingEngine,
  JOB,
  MOST_CELLS,
  REACH,
  readSegments,
  reserveSegments,
  SEGMENT_RECORDS,
  SEGMENT_WORDS,
} from './workspace.js';

/**
 * Compiling a function to a table: pieces are divided into segments until every one keeps the promised error, and a uniform grid
 * of quadratics is laid over the part of the line where inputs usually are. The engines do the arithmetic (assembly/fit.ts,
 * assembly/cells.ts), so that a plan compiles fast also in a process that has just started.
 */

const MOST_SEGMENTS = 1 << 16;
const FIRST_ROOM = 1024;
/** Cells for each knot: so many that few of them hold one. */
const CELLS_PER_KNOT = 140;

/**
 * @param engine only for checking one engine against the other: the plan is the same.
 * @throws {RangeError} if the function is too steep for a table of 65536 segments, or for float32.
 */
export function compile(pieces: readonly AnalyticPiece[], engine: Engine = compilingEngine()): Plan {
  const grid = chooseGrid(pieces);
  const { count, lasting } = fitPieces(engine, pieces, grid);
  const segments = readSegments(engine, count);
  const cells = fillAround(engine, grid, count, lasting);
  const plan = {
    ...segments,
    grid,
    cellRows: cells.rows,
    certificate: certify(engine, count, cells),
    ...behaviourAtSpecials(engine, pieces),
  };
  const problem = problemOf(plan);
  if (problem) throw new RangeError(`the function is too steep for a table, which would have ${problem}`);
  return plan;
}

/** Leaves the segments of all pieces in the engine's memory; returns their number, and which pieces were there before. */
function fitPieces(
  engine: Engine,
  pieces: readonly AnalyticPiece[],
  grid: CellGrid,
): { count: number; lasting: LastingPiece[] } {
  let room = FIRST_ROOM;
  const makeRoom = () => {
    reserveSegments(engine, room);
    engine.words[(JOB + ROOM) >> 2] = room;
  };
  makeRoom();
  engine.words[(JOB + COUNT) >> 2] = 0;
  const offset = 2 ** -(grid.exponent + 1);
  engine.doubles[(JOB + OFFSET) >> 3] = offset;
  const fitPiece = (piece: AnalyticPiece) => {
    describePiece(engine, JOB, piece);
    while (!engine.kernels.fit(JOB)) {
      const stuckAt = engine.doubles[(JOB + STUCK) >> 3]!;
      if (!Number.isNaN(stuckAt))
        throw new RangeError(`the function has no finite float32 value at ${stuckAt}; its slopes are too steep`);
      if (room >= MOST_SEGMENTS)
        throw new RangeError(`the function needs more than ${MOST_SEGMENTS} segments; it bends too much for a table`);
      room *= 2;
      makeRoom();
    }
  };
  const lasting: LastingPiece[] = [];
  for (const piece of pieces) {
    const kept = appendLasting(engine, piece, offset, () => fitPiece(piece));
    if (kept) lasting.push(kept);
    else fitPiece(piece);
    while (engine.words[(JOB + COUNT) >> 2]! > room) {
      room *= 2;
      makeRoom();
    }
  }
  return { count: engine.words[(JOB + COUNT) >> 2]!, lasting };
}

/** The worst of all cells and segments. */
function certify({ floats }: Engine, count: number, cells: Cells): Certificate {
  const certificate: { -readonly [K in keyof Certificate]: Certificate[K] } = {
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
  for (let m = 0, at = SEGMENT_RECORDS >> 2; m < count; m++, at += SEGMENT_WORDS) {
    const centre = floats[at]!;
    const large = floats[at + (LARGE_ERROR >> 2)]!;
    const small = floats[at + (SMALL_ERROR >> 2)]!;
    const tiny = floats[at + (TINY_ERROR >> 2)]!;
    if (large > certificate.ulp) [certificate.ulp, certificate.ulpAt] = [large, centre];
    if (small > certificate.ulpSmall) [certificate.ulpSmall, certificate.ulpSmallAt] = [small, centre];
    if (tiny > certificate.absolute) [certificate.absolute, certificate.absoluteAt] = [tiny, centre];
  }
  return Object.freeze(certificate);
}

/** Cells so narrow that few of them hold a knot, and so many that the pieces with knots and their surroundings are covered. */
function chooseGrid(pieces: readonly AnalyticPiece[]): CellGrid {
  const inner = pieces.filter((piece) => piece.law === 'flow');
  let low = Math.max(inner[0]?.first ?? -1, -REACH);
  let high = Math.min(inner.at(-1)?.last ?? 1, REACH);
  // Nothing busy within reach, or next to nothing: where most inputs of a network are.
  if (!(high - low > 2 ** -6)) [low, high] = [-1, 1];
  const wanted = (CELLS_PER_KNOT * Math.max(inner.length, 1)) / (high - low);
  const exponent = Math.min(10, Math.max(7, exponentOf(wanted) + 1));
  const width = 2 ** -exponent;
  const middle = (low + high) / 2;
  const half = Math.min((MOST_CELLS * width) / 2, REACH);
  const first = Math.max(middle - half, -REACH);
  const last = Math.min(middle + half, REACH);
  return { exponent, first: Math.ceil(first / width), last: Math.floor(last / width) - 1 };
}

/** What the kernel needs where no polynomial applies: around 0 and at ±Infinity. */
function behaviourAtSpecials(engine: Engine, pieces: readonly AnalyticPiece[]) {
  /** Value and slope at 0 of the piece that holds x. */
  const around = (x: number) => {
    describePiece(engine, JOB, pieces.find((piece) => piece.last >= x)!);
    engine.kernels.expand(JOB, 0, 0);
    const value = engine.doubles[(JOB + TAYLOR) >> 3]!;
    return { value: Math.abs(value) < 2 ** -100 ? 0 : value, slope: engine.doubles[((JOB + TAYLOR) >> 3) + 1]! };
  };
  const below = around(-(2 ** -126));
  const above = around(2 ** -126);
  const { value } = around(0);
  return {
    // -0 is what addition leaves unchanged, so f(x) = slope·x keeps the sign of a zero.
    atZero: value === 0 ? -0 : Math.fround(value),
    slopeBelowZero: Math.fround(below.slope),
    slopeAboveZero: Math.fround(above.slope),
    limitLow: limitOf(pieces[0]!, Number.NEGATIVE_INFINITY),
    limitHigh: limitOf(pieces[pieces.length - 1]!, Number.POSITIVE_INFINITY),
  };
}

function limitOf(piece: AnalyticPiece, x: number): number {
  const slope = piece.law === 'linear' ? piece.slope : Number.NaN;
  return slope === 0 ? (x < 0 ? -0 : 0) : slope * x;
}
