import { PLAN_HEAD_BYTES, SATURATED, SCALE_BITS, UNSCALED } from '../../assembly/layout';
import type { Layout } from '../activations/layout.js';
import type { PeriodicSection, Plan, SegmentTable } from '../plan/plan.js';

/** Plans as what nodes take: columns, each one number for every cell or segment, of all channels one after the other. */

/** The functions of an activation. */
export interface Functions {
  /** One for all elements, or one a channel; a function that channels share stands at each. */
  readonly plans: readonly Plan[];
  readonly layout: Layout;
  /** The tensor's, if it is known: [N, C, …]; sizes that are not are undefined. */
  readonly shape?: readonly (number | undefined)[] | undefined;
  /** Of ONNX's operators. */
  readonly opset: number;
}

/** Different plans, and which is whose. */
export interface Distinct {
  readonly plans: readonly Plan[];
  /** [channels]. */
  readonly ofChannel: readonly number[];
}

export function distinct(plans: readonly Plan[]): Distinct {
  const places = new Map<Plan, number>();
  const ofChannel = plans.map((plan) => {
    const known = places.get(plan);
    if (known !== undefined) return known;
    places.set(plan, places.size);
    return places.size - 1;
  });
  return { plans: [...places.keys()], ofChannel };
}

/**
 * 2²³ + k leaves k in a float32's last bits, rounded to nearest, halves to even. A kernel counts cells from the table's head on
 * (`planImage` in src/plan/image.ts): whether a number is even is decided there.
 */
const UNITS_OF_HEAD = PLAN_HEAD_BYTES / 16;

/** How a cell is found: centre = (x + shift) - shift, number = centre/width. */
export function gridOf({ grid: { exponent, first, last } }: Plan) {
  const width = 2 ** -exponent;
  return { first, last, width, inverse: 1 / width, shift: (2 ** 23 + UNITS_OF_HEAD - first) * width };
}

/** {h0, c0, c1, c2} of all cells, {NaN, 0, 0, 0} where segments answer. */
export function cellColumns(plans: readonly Plan[]): Float32Array[] {
  const rows = plans.map(({ cellRows }) => cellRows);
  return [0, 1, 2, 3].map((column) => {
    const all = new Float32Array(rows.reduce((sum, { length }) => sum + length / 4, 0));
    let at = 0;
    for (const table of rows)
      for (let i = 0; i < table.length; i += 4)
        all[at++] = column > 0 && Number.isNaN(table[i]) ? 0 : table[i + column]!;
    return all;
  });
}

/** A segment's numbers as nodes need them: the scale and the slope apart. */
export const SEGMENT_COLUMNS = ['centre', 'inverse', 'h0', 'h1', 'c0', 'c1', 'c2', 'c3', 'c4'] as const;
export type Columns = Readonly<Record<(typeof SEGMENT_COLUMNS)[number], Float32Array>>;

/** Rows of all tables. Where the result is infinite, h0 is: there 1/scale is 0, and with it all that follows. */
export function segmentColumns(tables: readonly SegmentTable[]): Columns {
  const total = tables.reduce((sum, { slack }) => sum + slack.length, 0);
  const columns = Object.fromEntries(SEGMENT_COLUMNS.map((name) => [name, new Float32Array(total)])) as Columns;
  const single = new Float32Array(1);
  const word = new Int32Array(single.buffer);
  let at = 0;
  for (const { rows } of tables) {
    const words = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
    for (let i = 0; i < rows.length; i += 8, at++) {
      const scale = words[i + 2]! & SCALE_BITS;
      word[0] = words[i + 2]! & -0x1000;
      columns.centre[at] = rows[i]!;
      columns.inverse[at] = scale === SATURATED ? 0 : 2 ** (scale - UNSCALED);
      columns.h0[at] =
        scale !== SATURATED ? rows[i + 1]! : words[i + 1]! < 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      columns.h1[at] = single[0]!;
      columns.c0[at] = rows[i + 3]!;
      columns.c1[at] = rows[i + 4]!;
      columns.c2[at] = rows[i + 5]!;
      columns.c3[at] = rows[i + 6]!;
      columns.c4[at] = rows[i + 7]!;
    }
  }
  return columns;
}

/** Where each table's segments begin among all. */
export function offsetsOf(tables: readonly SegmentTable[]): number[] {
  let at = 0;
  return tables.map(({ slack }) => (at += slack.length) - slack.length);
}

/** For a bisection: the steps, the largest first, and for each the bound that a segment's number has to pass to go up by it. */
export function searchColumns(tables: readonly SegmentTable[]): { step: number; bounds: Float32Array }[] {
  const most = Math.max(...tables.map(({ bounds }) => bounds.length));
  const total = tables.reduce((sum, { slack }) => sum + slack.length, 0);
  const steps: { step: number; bounds: Float32Array }[] = [];
  for (let step = 1; step <= most; step *= 2) {
    // Infinity: no finite x reaches it.
    const column = new Float32Array(total).fill(Number.POSITIVE_INFINITY);
    let at = 0;
    for (const { bounds, slack } of tables) {
      column.set(bounds.subarray(step - 1), at);
      at += slack.length;
    }
    steps.unshift({ step, bounds: column });
  }
  return steps;
}

/** A section for functions that are not periodic, among others that are: nothing is as far as Infinity. */
export const NO_SECTION: PeriodicSection = {
  from: Number.POSITIVE_INFINITY,
  to: 0,
  period: new Float32Array(8),
  trend: 0,
  trendLow: 0,
  middle: 0,
  bounds: new Float32Array(0),
  rows: new Float32Array(8),
  slack: new Float32Array(1),
};
