import type { Plan } from '../plan/plan.js';
import type { Builder } from './builder.js';
import { type Columns, distinct, type Functions, gridOf, SEGMENT_COLUMNS, segmentColumns } from './columns.js';
import {
  Arithmetic,
  bySegments,
  channelOf,
  gridConstants,
  perElement,
  placesOf,
  putTogether,
  takenApart,
} from './exact.js';

/**
 * The same bits without shapes that depend on data, which GPUs have not: every element goes the whole way, and a cell in use is one more row
 * beside those of segments, {centre, 1, h0, 0, c0, c1, c2, 0, 0}, whose polynomial is the cell's.
 */
export function denseNodes(builder: Builder, functions: Functions, x: string, y: string): void {
  const $ = new Arithmetic(builder);
  const { plans } = distinct(functions.plans);
  const input = takenApart(builder, functions, x);
  const { flat, shaped: v } = input;
  const at = functions.plans.length === 1 ? undefined : placesOf(builder, flat);
  const per = perElement($, functions, at && channelOf($, functions, input, at));

  const grid = gridConstants(builder, functions);
  // NaN is answered apart; here it must not become an index.
  const number = $.either(builder.op('Equal', [v, v]), v, $.single(0));
  const [lowest, highest] = [grid.of('lowest'), grid.of('highest')];
  const above = $.either($.is('Greater', number, lowest), number, lowest);
  const within = $.either($.is('Less', above, highest), above, highest);
  const centre = $.minus($.plus(within, grid.of('shift')), grid.of('shift'));
  const cell = $.plus($.toInt($.times(centre, grid.of('inverse'))), grid.of('base', true));
  const { columns, rows } = withCells(plans);
  const served = $.column(rows, builder.op('Reshape', [cell, builder.longs([-1])]));

  const all = bySegments($, plans, per, flat, { columns, at: served });
  putTogether(builder, functions, all, x, y);
}

/** Rows of segments, then of cells in use; and for each cell its row, or -1. */
function withCells(plans: readonly Plan[]) {
  const segments = segmentColumns(plans);
  const found: Record<string, number[]> = Object.fromEntries(SEGMENT_COLUMNS.map((name) => [name, []]));
  const rows: number[] = [];
  let next = segments.centre.length;
  for (const plan of plans) {
    const { cellRows } = plan;
    const { first, width } = gridOf(plan);
    for (let i = 0; i < cellRows.length; i += 4) {
      if (Number.isNaN(cellRows[i])) {
        rows.push(-1);
        continue;
      }
      rows.push(next++);
      const [h0, c0, c1, c2] = cellRows.subarray(i, i + 4) as unknown as [number, number, number, number];
      const row = { centre: (first + i / 4) * width, inverse: 1, h0, h1: 0, c0, c1, c2, c3: 0, c4: 0 };
      for (const name of SEGMENT_COLUMNS) found[name]!.push(row[name]);
    }
  }
  const columns = Object.fromEntries(
    SEGMENT_COLUMNS.map((name) => [name, Float32Array.of(...segments[name], ...found[name]!)]),
  ) as Columns;
  return { columns, rows: Int32Array.from(rows) };
}
