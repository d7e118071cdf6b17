import type { Plan } from '../plan/plan.js';
import type { Builder } from './builder.js';
import { cellColumns, distinct, type Functions, gridOf, offsetsOf, segmentColumns } from './columns.js';
import { exactNodesWith } from './exact.js';
import { DOUBLE, FLOAT } from './model.js';

/**
 * The exact form with cells derived in the graph, as `fillCell` does (assembly/cells.ts): from constants alone, so a runtime that folds
 * constants does it once, when it loads the model. The file holds segments only, and which cells are in use.
 */
export function smallNodes(builder: Builder, functions: Functions, x: string, y: string): void {
  const { plans } = distinct(functions.plans);
  exactNodesWith(builder, functions, derivedCells(builder, plans), x, y);
}

function derivedCells(builder: Builder, plans: readonly Plan[]): string[] {
  const op = (name: string, ...inputs: string[]) => builder.op(name, inputs);
  const [plus, minus, times] = ['Add', 'Sub', 'Mul'].map((name) => (a: string, b: string) => op(name, a, b)) as [
    (a: string, b: string) => string,
    (a: string, b: string) => string,
    (a: string, b: string) => string,
  ];
  const toDouble = (each: string) => builder.op('Cast', [each], { to: DOUBLE });
  const toSingle = (each: string) => builder.op('Cast', [each], { to: FLOAT });
  const { segment } = cellsOf(plans);

  // Each cell's segment, as what it goes up by from the cell before.
  const jumps: [number, number][] = [];
  segment.forEach((each, i) => {
    const up = each - (i > 0 ? segment[i - 1]! : 0);
    if (up !== 0) jumps.push([i, up]);
  });
  const count = segment.length;
  const cell = op('Range', builder.int(0), builder.int(count), builder.int(1));
  let index = op('Sub', cell, cell);
  if (jumps.length > 0) {
    const places = builder.constant(BigInt64Array.from(jumps, ([at]) => BigInt(at)));
    const ups = builder.constant(Int32Array.from(jumps, ([, up]) => up));
    index = op('CumSum', builder.op('ScatterElements', [index, places, ups], { axis: 0 }), builder.long(0));
  }
  const columns = segmentColumns(plans);
  const offsets = offsetsOf(plans);
  const ofSegment = (data: Float32Array) =>
    data.every((each) => each === data[0])
      ? builder.double(data[0]!)
      : toDouble(builder.op('GatherElements', [builder.constant(data), index], { axis: 0 }));
  const spread = (of: (plan: number) => number) => {
    const column = new Float32Array(columns.centre.length);
    plans.forEach((plan, p) => {
      column.fill(of(p), offsets[p], offsets[p]! + plan.slack.length);
    });
    return ofSegment(column);
  };
  // A cell's number is its place among all plus this.
  let cells = 0;
  const bases = plans.map(({ grid: { first, last } }) => {
    cells += last - first + 1;
    return first - (cells - (last - first + 1));
  });

  const w = spread((p) => gridOf(plans[p]!).width);
  const centre = times(
    plus(
      toDouble(cell),
      spread((p) => bases[p]!),
    ),
    w,
  );
  const inverse = ofSegment(columns.inverse);
  const c0 = plus(ofSegment(columns.h0), ofSegment(columns.c0));
  const c1 = plus(ofSegment(columns.h1), ofSegment(columns.c1));
  const [c2, c3, c4] = [ofSegment(columns.c2), ofSegment(columns.c3), ofSegment(columns.c4)];
  const reach = times(times(w, builder.double(0.5)), inverse);
  const square = times(reach, reach);
  const u = times(minus(centre, ofSegment(columns.centre)), inverse);
  const scaled = (factor: number, each: string) => times(builder.double(factor), each);
  const p3 = plus(c3, times(scaled(4, u), c4));
  let p0 = plus(c0, times(u, plus(c1, times(u, plus(c2, times(u, plus(c3, times(u, c4))))))));
  let p1 = plus(c1, times(u, plus(scaled(2, c2), times(u, plus(scaled(3, c3), times(scaled(4, u), c4))))));
  let p2 = plus(c2, times(u, plus(scaled(3, c3), times(scaled(6, u), c4))));
  p2 = plus(p2, times(c4, square));
  p0 = minus(p0, scaled(1 / 8, times(times(c4, square), square)));
  p1 = times(plus(p1, times(scaled(0.75, p3), square)), inverse);
  p2 = times(p2, times(inverse, inverse));
  const h0 = toSingle(p0);
  const derived = [h0, toSingle(minus(p0, toDouble(h0))), toSingle(p1), toSingle(p2)];

  // Those that are not in use, and the few that come out otherwise.
  const exact = cellColumns(plans);
  const expected = derive(plans);
  const others = [...segment.keys()].filter((i) => exact.some((column, j) => !Object.is(column[i], expected[j]![i])));
  if (others.length === 0) return derived;
  const places = builder.constant(BigInt64Array.from(others, BigInt));
  return derived.map((each, j) => {
    const values = Float32Array.from(others, (i) => exact[j]![i]!);
    return builder.op('ScatterElements', [each, places, builder.constant(values)], { axis: 0 });
  });
}

/** Of every cell the segment in which it begins, its number and its width. */
function cellsOf(plans: readonly Plan[]) {
  const offsets = offsetsOf(plans);
  const segment: number[] = [];
  const number: number[] = [];
  const width: number[] = [];
  plans.forEach((plan, p) => {
    const grid = gridOf(plan);
    for (let k = grid.first, m = 0; k <= grid.last; k++) {
      while (m < plan.bounds.length && plan.bounds[m]! <= (k - 0.5) * grid.width) m++;
      segment.push(offsets[p]! + m);
      number.push(k);
      width.push(grid.width);
    }
  });
  return { segment, number, width };
}

/** What the graph computes, step by step. */
function derive(plans: readonly Plan[]): Float32Array[] {
  const { segment, number, width } = cellsOf(plans);
  const columns = segmentColumns(plans);
  const derived = [0, 1, 2, 3].map(() => new Float32Array(segment.length));
  for (const [i, m] of segment.entries()) {
    const inverse = columns.inverse[m]!;
    const reach = width[i]! * 0.5 * inverse;
    const square = reach * reach;
    const u = (number[i]! * width[i]! - columns.centre[m]!) * inverse;
    const c0 = columns.h0[m]! + columns.c0[m]!;
    const c1 = columns.h1[m]! + columns.c1[m]!;
    const [c2, c3, c4] = [columns.c2[m]!, columns.c3[m]!, columns.c4[m]!];
    const p3 = c3 + 4 * u * c4;
    let p0 = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)));
    let p1 = c1 + u * (2 * c2 + u * (3 * c3 + 4 * u * c4));
    let p2 = c2 + u * (3 * c3 + 6 * u * c4);
    p2 += c4 * square;
    p0 -= (c4 * square * square) / 8;
    p1 = (p1 + 0.75 * p3 * square) * inverse;
    p2 *= inverse * inverse;
    const h0 = Math.fround(p0);
    derived[0]![i] = h0;
    derived[1]![i] = p0 - h0;
    derived[2]![i] = p1;
    derived[3]![i] = p2;
  }
  return derived;
}
