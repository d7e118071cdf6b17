import { COUNT } from '../../assembly/layout';
import { dependsOnParameters, type Expression } from '../calculus/expression.js';
import { JOB } from '../calculus/interpreter.js';
import type { Piece } from '../calculus/piece.js';
import type { Engine } from '../engines/engine.js';
import type { CellGrid } from './plan.js';
import { type Cells, fillCells, reserveSegments, SEGMENT_RECORDS, SEGMENT_WORDS } from './workspace.js';

/**
 * What lasts from one plan to the next: where no parameter matters, as in the GELU outside a DiTAC's interval, segments and cells are the same at
 * every step of a training. They are kept as the kernels made them, for as long as the expression is.
 */
interface Lasting {
  readonly records: Int32Array;
  /** By grid. Unused cells count segments from the piece's first. */
  readonly cells: Map<string, KeptCells>;
}

interface KeptCells extends Omit<Cells, 'rows'> {
  readonly words: Int32Array;
  readonly marked: readonly number[];
}

/** A piece whose segments, from number `segment` on, were kept. */
export interface LastingPiece {
  readonly piece: Piece;
  readonly segment: number;
  readonly kept: Lasting;
}

const MOST_KEPT = 16;
const byEngine = new WeakMap<Engine, WeakMap<Expression, Map<string, Lasting>>>();

function keptBy(engine: Engine, f: Expression): Map<string, Lasting> {
  let byExpression = byEngine.get(engine);
  if (!byExpression) byEngine.set(engine, (byExpression = new WeakMap()));
  let known = byExpression.get(f);
  if (!known) byExpression.set(f, (known = new Map()));
  return known;
}

/** Appends the segments of a piece if they were kept; else has them made and keeps them. Undefined if the piece is none to keep. */
export function appendLasting(
  engine: Engine,
  piece: Piece,
  offset: number,
  make: () => void,
): LastingPiece | undefined {
  if (piece.law !== 'tape' || piece.f.op === 'primitive' || dependsOnParameters(piece.f)) return undefined;
  const known = keptBy(engine, piece.f);
  const key = `${piece.first} ${piece.last} ${offset}`;
  const segment = engine.words[(JOB + COUNT) >> 2]!;
  const at = (SEGMENT_RECORDS >> 2) + SEGMENT_WORDS * segment;
  let kept = known.get(key);
  if (kept) {
    const count = segment + kept.records.length / SEGMENT_WORDS;
    reserveSegments(engine, count);
    engine.words.set(kept.records, at);
    engine.words[(JOB + COUNT) >> 2] = count;
  } else {
    make();
    const end = (SEGMENT_RECORDS >> 2) + SEGMENT_WORDS * engine.words[(JOB + COUNT) >> 2]!;
    kept = { records: engine.words.slice(at, end), cells: new Map() };
    if (known.size >= MOST_KEPT) known.clear();
    known.set(key, kept);
  }
  return { piece, segment, kept };
}

/** The cells of a grid over `count` segments: those within pieces that last are copied. */
export function fillAround(engine: Engine, grid: CellGrid, count: number, lasting: readonly LastingPiece[]): Cells {
  const rows = new Int32Array(4 * (grid.last - grid.first + 1));
  const worst: [number, number][] = [
    [0, 0],
    [0, 0],
    [0, 0],
  ];
  let unused = 0;
  const charge = (own: Omit<Cells, 'rows'>) => {
    unused += own.unused;
    own.worst.forEach(([bound, place], i) => {
      if (bound > worst[i]![0]) worst[i] = [bound, place];
    });
  };
  const fill = (from: number, to: number) => {
    if (from <= to) charge(fillCells(engine, grid, count, from, to, rows));
  };
  let next = grid.first;
  for (const { piece, segment, kept } of lasting) {
    // Cells that touch neither an end of the piece nor one of the grid.
    const from = Math.max(Math.floor(piece.first * 2 ** grid.exponent) + 2, grid.first + 1);
    const to = Math.min(Math.ceil(piece.last * 2 ** grid.exponent) - 2, grid.last - 1);
    if (from > to) continue;
    fill(next, from - 1);
    const at = 4 * (from - grid.first);
    const key = `${grid.exponent} ${from} ${to}`;
    const cells = kept.cells.get(key);
    if (cells) {
      rows.set(cells.words, at);
      for (const i of cells.marked) rows[at + i + 1]! += segment;
      charge(cells);
    } else {
      const own = fillCells(engine, grid, count, from, to, rows);
      const words = rows.slice(at, 4 * (to + 1 - grid.first));
      const marked = markedIn(words);
      for (const i of marked) words[i + 1]! -= segment;
      if (kept.cells.size >= MOST_KEPT) kept.cells.clear();
      kept.cells.set(key, { ...own, words, marked });
      charge(own);
    }
    next = to + 1;
  }
  fill(next, grid.last);
  return { rows: new Float32Array(rows.buffer), unused, worst };
}

/** Where the rows of unused cells begin. */
function markedIn(words: Int32Array): number[] {
  const floats = new Float32Array(words.buffer);
  const marked: number[] = [];
  for (let i = 0; i < words.length; i += 4) if (Number.isNaN(floats[i])) marked.push(i);
  return marked;
}
