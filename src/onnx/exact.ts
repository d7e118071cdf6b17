import type { PeriodicSection, Plan, SegmentTable } from '../plan/plan.js';
import type { Builder } from './builder.js';
import {
  type Columns,
  cellColumns,
  distinct,
  type Functions,
  gridOf,
  NO_SECTION,
  offsetsOf,
  SEGMENT_COLUMNS,
  searchColumns,
  segmentColumns,
} from './columns.js';
import { FLOAT, INT32 } from './model.js';

/**
 * A plan as standard operators, operation by operation as the kernel has it (assembly/activation.ts): sums, products and comparisons of float32
 * are the same everywhere. The bits of a float32 are out of reach; what the kernel does to them is done by arithmetic here. `Where` is used for
 * integers alone: on onnxruntime's CPU it makes 0 of -0.
 */

const LARGEST = 3.4028234663852886e38;
const LEAST_NORMAL = 2 ** -126;

/** Words of arithmetic. */
export class Arithmetic {
  readonly builder: Builder;

  constructor(builder: Builder) {
    this.builder = builder;
  }

  plus = (a: string, b: string): string => this.builder.op('Add', [a, b]);
  minus = (a: string, b: string): string => this.builder.op('Sub', [a, b]);
  times = (a: string, b: string): string => this.builder.op('Mul', [a, b]);
  magnitude = (x: string): string => this.builder.op('Abs', [x]);
  single = (value: number): string => this.builder.single(value);
  is = (comparison: 'Less' | 'Greater' | 'GreaterOrEqual', a: string, b: string): string =>
    this.builder.op(comparison, [a, b]);
  /** 1 or 0. */
  mask = (condition: string): string => this.builder.op('Cast', [condition], { to: FLOAT });
  toInt = (x: string): string => this.builder.op('Cast', [x], { to: INT32 });
  column = (data: Float32Array | Int32Array, at: string): string =>
    this.builder.op('GatherElements', [this.builder.constant(data), at], { axis: 0 });
  either = (condition: string, a: string, b: string): string => this.builder.op('Where', [condition, a, b]);
}

/** What every element's function has, as a constant or as a tensor of one number an element. */
export type PerElement = (of: (plan: Plan) => number, isInteger?: boolean) => string;

/** y, of the shape of x. */
export function exactNodes(builder: Builder, functions: Functions, x: string, y: string): void {
  const { plans } = distinct(functions.plans);
  exactNodesWith(
    builder,
    functions,
    cellColumns(plans).map((column) => builder.constant(column)),
    x,
    y,
  );
}

/** The same with cells from elsewhere: the names of four columns. */
export function exactNodesWith(
  builder: Builder,
  functions: Functions,
  cells: readonly string[],
  x: string,
  y: string,
): void {
  const $ = new Arithmetic(builder);
  const { plans } = distinct(functions.plans);
  const input = takenApart(builder, functions, x);
  const { flat } = input;
  const { cell, offset } = locate($, functions, input);
  const [h0, c0, c1, c2] = cells.map((column) => builder.op('GatherElements', [column, cell], { axis: 0 })) as [
    string,
    string,
    string,
    string,
  ];
  const fast = $.plus(h0, $.plus(c0, $.times(offset, $.plus(c1, $.times(offset, c2)))));
  // Few elements are left: those in cells that are not in use, and NaN. (NonZero would take twice as long.)
  const at = builder.op('Compress', [placesOf(builder, flat), builder.op('IsNaN', [fast])]);
  const v = builder.op('GatherElements', [flat, at], { axis: 0 });
  const channel = channelOf($, functions, input, at);
  const slow = bySegments($, plans, perElement($, functions, channel), v);
  putTogether(builder, functions, builder.op('ScatterElements', [fast, at, slow], { axis: 0 }), x, y);
}

/** 0, 1, 2, … for every element, int32. */
export function placesOf(builder: Builder, flat: string): string {
  const count = builder.op('Cast', [builder.op('Size', [flat])], { to: INT32 });
  return builder.op('Range', [builder.int(0), count, builder.int(1)]);
}

/** Each element's cell, as an index into columns of all cells, and its offset from the cell's centre; flat. */
export function locate($: Arithmetic, functions: Functions, { shaped: v }: Input): { cell: string; offset: string } {
  const { builder } = $;
  const grid = gridConstants(builder, functions);
  const flatten = (each: string) =>
    functions.plans.length === 1 ? each : builder.op('Reshape', [each, builder.longs([-1])]);
  const centre = $.minus($.plus(v, grid.of('shift')), grid.of('shift'));
  const number = $.toInt($.times(centre, grid.of('inverse')));
  const [first, last] = [grid.of('first', true), grid.of('last', true)];
  // After the conversion: what NaN becomes there depends on the machine. (Clip would take three times as long.)
  const within = builder.op('Max', [builder.op('Min', [number, last]), first]);
  return { cell: flatten($.plus(within, grid.of('base', true))), offset: flatten($.minus(v, centre)) };
}

/** What grids are made of, as constants: scalars if all have the same, else one a channel. */
export function gridConstants(builder: Builder, functions: Functions) {
  const { plans, ofChannel } = distinct(functions.plans);
  let cells = 0;
  const grids = plans.map((plan) => {
    const grid = gridOf(plan);
    const base = cells - grid.first;
    cells += grid.last - grid.first + 1;
    return { ...grid, base, lowest: grid.first * grid.width, highest: grid.last * grid.width };
  });
  return {
    of(key: keyof (typeof grids)[number], isInteger = false): string {
      const numbers = grids.map((each) => each[key]);
      if (numbers.every((each) => each === numbers[0]))
        return isInteger ? builder.int(numbers[0]!) : builder.single(numbers[0]!);
      const values = ofChannel.map((each) => numbers[each]!);
      return builder.constant(isInteger ? Int32Array.from(values) : Float32Array.from(values), channelShape(functions));
    },
  };
}

/** Whether channels are at the end once the tensor is reshaped. */
const isLast = ({ layout, shape }: Functions): boolean =>
  layout === 'channelsLast' || (shape !== undefined && shape.length < 3);

/** The shape of one constant a channel. */
const channelShape = (functions: Functions): number[] =>
  isLast(functions) ? [functions.plans.length] : [functions.plans.length, 1];

/** A tensor as what works on it needs it. */
export interface Input {
  /** All elements in a row. */
  readonly flat: string;
  /** The same, or where there are channels [elements/channels][channels] or [batch][channels][inner]. */
  readonly shaped: string;
}

export function takenApart(builder: Builder, functions: Functions, x: string): Input {
  const inARow = (each: string) => builder.op('Reshape', [each, builder.longs([-1])]);
  if (functions.plans.length === 1) {
    const flat = inARow(x);
    return { flat, shaped: flat };
  }
  const shaped = withChannels(builder, functions, x);
  // What a runtime refuses in one is refused in both.
  return { flat: inARow(isKnown(functions) ? x : shaped), shaped };
}

/** Gives elements in a row the shape of x. */
export function putTogether(builder: Builder, { shape, opset }: Functions, all: string, x: string, y: string): void {
  // Sizes that are 0 when it runs.
  const mayBeEmpty = !shape || shape.includes(undefined);
  builder.op('Reshape', [all, builder.op('Shape', [x])], mayBeEmpty ? zeros(opset) : {}, y);
}

/** That a size of 0 is meant as such can be said from opset 14 on. */
const zeros = (opset: number): { allowzero?: number } => (opset >= 14 ? { allowzero: 1 } : {});

/** Whether the model says that the channels' axis has their number, and what lies behind it. */
function isKnown(functions: Functions): boolean {
  const { shape, layout } = functions;
  if (!shape) return false;
  if (layout === 'channelsLast') return shape[shape.length - 1] !== undefined;
  return shape[Math.min(1, shape.length - 1)] !== undefined && (isLast(functions) || innerOf(functions) !== undefined);
}

function withChannels(builder: Builder, functions: Functions, x: string): string {
  const channels = functions.plans.length;
  const isAtEnd = isLast(functions);
  if (isKnown(functions))
    return builder.op('Reshape', [x, builder.longs(isAtEnd ? [-1, channels] : [-1, channels, innerOf(functions)!])]);
  // No size is left to be found: if the axis has another number of channels, the runtime refuses.
  const sizes = (of: string) => builder.op('Shape', [of]);
  const size = (of: string, axis: number) =>
    builder.op('Slice', [sizes(of), builder.longs([axis]), builder.longs([axis + 1])]);
  // Of a vector the channels are its elements.
  const isVector = functions.shape?.length === 1;
  const flat = builder.op('Flatten', [x], { axis: isAtEnd ? (isVector ? 0 : -1) : 2 });
  const target = isAtEnd
    ? [size(flat, 0), builder.longs([channels])]
    : [size(x, 0), builder.longs([channels]), size(flat, 1)];
  return builder.op('Reshape', [x, builder.op('Concat', target, { axis: 0 })], zeros(functions.opset));
}

/** How many neighbours share a channel, if the shape says. */
function innerOf({ shape }: Functions): number | undefined {
  return shape?.slice(2).reduce<number | undefined>((size, each) => each && size && size * each, 1);
}

const sizeOf = (builder: Builder, x: string, axis: number): string =>
  builder.op('Gather', [builder.op('Shape', [x]), builder.long(axis)], { axis: 0 });

/** The channel of elements; undefined if there is but one function. */
export function channelOf($: Arithmetic, functions: Functions, { shaped }: Input, at: string): string | undefined {
  const { builder } = $;
  const channels = functions.plans.length;
  if (channels === 1) return undefined;
  let row = at;
  if (!isLast(functions)) {
    const size = isKnown(functions)
      ? builder.int(innerOf(functions)!)
      : // Nothing is divided where nothing is, but runtimes look at the divisor.
        builder.op('Max', [builder.op('Cast', [sizeOf(builder, shaped, 2)], { to: INT32 }), builder.int(1)]);
    row = builder.op('Div', [at, size]);
  }
  return builder.op('Mod', [row, builder.int(channels)]);
}

/** @param channel one index an element, or undefined: one function. */
export function perElement($: Arithmetic, { plans: each }: Functions, channel: string | undefined): PerElement {
  const { plans, ofChannel } = distinct(each);
  return (of, isInteger = false) => {
    const numbers = plans.map(of);
    if (channel === undefined || numbers.every((value) => Object.is(value, numbers[0])))
      return isInteger ? $.builder.int(numbers[0]!) : $.builder.single(numbers[0]!);
    const values = ofChannel.map((value) => numbers[value]!);
    return $.column(isInteger ? Int32Array.from(values) : Float32Array.from(values), channel);
  };
}

/** Cells in use as rows behind those of segments, and which row serves an element, -1 if none does. */
export interface CellRows {
  readonly columns: Columns;
  readonly at: string;
}

/** `activateBySearch`: y for every x, flat. Where a cell serves, that answers instead. */
export function bySegments(
  $: Arithmetic,
  plans: readonly Plan[],
  per: PerElement,
  x: string,
  cells?: CellRows,
): string {
  const size = $.magnitude(x);
  const flushed = $.times(x, $.mask($.is('GreaterOrEqual', size, $.single(LEAST_NORMAL))));
  const v = $.builder.op('Clip', [flushed, $.single(-LARGEST), $.single(LARGEST)]);
  let index = segmentOf($, plans, plans, per, v);
  let columns = segmentColumns(plans);
  const isCell = cells && $.is('GreaterOrEqual', cells.at, $.builder.int(0));
  if (cells && isCell) {
    columns = cells.columns;
    index = $.either(isCell, cells.at, index);
  }
  const unlessCell = (value: string) => (isCell ? $.either(isCell, $.builder.int(0), value) : value);
  let y = polynomial($, rowAt($, columns, index), v);
  if (plans.some(({ periodic }) => periodic)) {
    const isFar = $.is(
      'GreaterOrEqual',
      $.magnitude(v),
      per(({ periodic }) => (periodic ?? NO_SECTION).from),
    );
    y = choose($, [y, periodicNodes($, plans, per, v)], unlessCell($.toInt(isFar)));
  }
  return withSpecials($, plans, per, x, size, flushed, y, unlessCell);
}

/** Of several tensors of the same length the one that an index names, element by element, bit by bit. */
export function choose($: Arithmetic, tensors: readonly string[], index: string): string {
  const { builder } = $;
  const row = (each: string) => builder.op('Reshape', [each, builder.longs([1, -1])]);
  const all = builder.op('Concat', tensors.map(row), { axis: 0 });
  const chosen = builder.op('GatherElements', [all, row(index)], { axis: 0 });
  return builder.op('Reshape', [chosen, builder.longs([-1])]);
}

/** The number, among all segments, of the one that holds v: as many bounds of its own table are ≤ v as come before it. */
export function segmentOf(
  $: Arithmetic,
  plans: readonly Plan[],
  tables: readonly SegmentTable[],
  per: PerElement,
  v: string,
): string {
  const offsets = offsetsOf(tables);
  let index = tables.length > 1 ? per((plan) => offsets[plans.indexOf(plan)]!, true) : undefined;
  const shifted = (step: number, bounds: Float32Array, at: string): string =>
    tables.length > 1 || bounds.length < FEW ? $.column(bounds, at) : shiftedColumn($, tables[0]!, step, at);
  for (const { step, bounds } of searchColumns(tables)) {
    const bound = index === undefined ? $.single(bounds[0]!) : shifted(step, bounds, index);
    const up = $.either($.is('GreaterOrEqual', v, bound), $.builder.int(step), $.builder.int(0));
    index = index === undefined ? up : $.plus(index, up);
  }
  // One segment: an index of its own for every element.
  return index ?? $.toInt($.is('Greater', $.magnitude(v), $.single(Number.POSITIVE_INFINITY)));
}

/** Up to so many bounds are stored once for each step. */
const FEW = 64;

/** Of many bounds those from one on, as a slice: runtimes fold that when they load the model, and the file holds them once. */
function shiftedColumn($: Arithmetic, { bounds, slack }: SegmentTable, step: number, at: string): string {
  const count = slack.length;
  const padded = new Float32Array(2 * count).fill(Number.POSITIVE_INFINITY);
  padded.set(bounds);
  const column = $.builder.op('Slice', [
    $.builder.constant(padded),
    $.builder.longs([step - 1]),
    $.builder.longs([step - 1 + count]),
  ]);
  return $.builder.op('GatherElements', [column, at], { axis: 0 });
}

type Row = Readonly<Record<(typeof SEGMENT_COLUMNS)[number], string>>;

function rowAt($: Arithmetic, columns: Columns, index: string): Row {
  return Object.fromEntries(SEGMENT_COLUMNS.map((name) => [name, $.column(columns[name], index)])) as Row;
}

function polynomial($: Arithmetic, row: Row, v: string): string {
  // Scaled first, as in `segmentPolynomial`: the difference may be subnormal, and flushed.
  const u = $.minus($.times(v, row.inverse), $.times(row.centre, row.inverse));
  const leading = leadingBits($, u);
  const tail = $.minus(horner($, row, u), $.times(row.h1, $.minus(leading, u)));
  return $.plus($.plus(row.h0, $.times(row.h1, leading)), tail);
}

function horner($: Arithmetic, { c0, c1, c2, c3, c4 }: Row, u: string): string {
  let tail = $.plus(c3, $.times(u, c4));
  for (const c of [c2, c1, c0]) tail = $.plus(c, $.times(u, tail));
  return tail;
}

/** Products with 4097 must not overflow. */
const DOWN = 2 ** -13;

/**
 * x with its 12 leading bits only. Veltkamp's splitting gives the nearest such number, either one of two that are as near (Boldo, "Pitfalls of a
 * full floating-point proof: example on the formal proof of the Veltkamp/Dekker algorithms", 2006). If it is larger than x, the one before it is
 * taken: h·(1 - 2⁻¹²) is exact, and less than half a unit of 12 bits from that.
 */
function leadingBits($: Arithmetic, x: string): string {
  const split = (s: string) => {
    const p = $.times(s, $.single(4097));
    return $.minus(p, $.minus(p, s));
  };
  const s = $.times(x, $.single(DOWN));
  const high = split(s);
  const before = split($.times(high, $.single(1 - 2 ** -12)));
  const isLarger = $.mask($.is('Greater', $.magnitude(high), $.magnitude(s)));
  return $.times($.minus(high, $.times(isLarger, $.minus(high, before))), $.single(1 / DOWN));
}

/** What rounding took from a - b = s (Knuth). */
function lostIn($: Arithmetic, a: string, b: string, s: string): string {
  const taken = $.minus(a, s);
  return $.plus($.minus(a, $.plus(s, taken)), $.minus(taken, b));
}

/** `periodic`. */
function periodicNodes($: Arithmetic, plans: readonly Plan[], per: PerElement, x: string): string {
  const tables = plans.map(({ periodic }) => periodic ?? NO_SECTION);
  const of = (value: (section: PeriodicSection) => number) => per(({ periodic }) => value(periodic ?? NO_SECTION));
  const zero = $.single(0);
  const isKnown = $.is(
    'GreaterOrEqual',
    of(({ to }) => to),
    $.magnitude(x),
  );
  const v = $.times(x, $.mask(isKnown));
  const shift = $.single(12582912);
  const inverse = of(({ period }) => {
    const sum = period.reduceRight((total, part) => total + part, 0);
    return sum > 0 ? 1 / sum : 0;
  });
  const k = $.minus($.plus($.times(v, inverse), shift), shift);
  const [p1, p2, p3, p4, p5, p6, p7, p8] = Array.from({ length: 8 }, (_, i) =>
    $.times(
      k,
      of(({ period }) => period[i]!),
    ),
  ) as [string, string, string, string, string, string, string, string];
  const u3 = $.minus($.minus($.minus(v, p1), p2), p3);
  const u4 = $.minus(u3, p4);
  const u5 = $.minus(u4, p5);
  const u6 = $.minus(u5, p6);
  const lost = $.plus($.plus(lostIn($, u3, p4, u4), lostIn($, u4, p5, u5)), lostIn($, u5, p6, u6));
  const index = segmentOf($, plans, tables, per, u6);
  const row = rowAt($, segmentColumns(tables), index);
  const offset = $.minus(u6, row.centre);
  const gone = $.minus(zero, lost);
  const v1 = $.minus(offset, gone);
  const v2 = $.minus(v1, p7);
  const v3 = $.minus(v2, p8);
  const low = $.plus(
    $.plus(lostIn($, u6, row.centre, offset), lostIn($, offset, gone, v1)),
    $.plus(lostIn($, v1, p7, v2), lostIn($, v2, p8, v3)),
  );
  const wrapped = wrappedPolynomial($, row, v3, low);
  // Not v·0 + middle: optimizers leave out what adds 0, which -0 is changed by.
  const middle = spread(
    $,
    of((section) => section.middle),
    v,
  );
  const part = choose($, [middle, wrapped], $.toInt(isKnown));
  const leading = leadingBits($, x);
  const slope = of(({ trend }) => trend);
  const rest = of(({ trendLow }) => trendLow);
  const trend = $.plus($.times(slope, $.minus(x, leading)), $.times(rest, x));
  return $.plus($.times(slope, leading), $.plus(trend, part));
}

function wrappedPolynomial($: Arithmetic, row: Row, offset: string, low: string): string {
  const u = $.times(offset, row.inverse);
  const leading = leadingBits($, u);
  const away = $.minus($.minus(leading, u), $.times(low, row.inverse));
  const tail = $.minus(horner($, row, u), $.times(row.h1, away));
  const against = $.minus($.single(0), $.times(row.h1, leading));
  const sum = $.minus(row.h0, against);
  return $.plus(sum, $.plus(tail, lostIn($, row.h0, against, sum)));
}

/** Results up to here become zero of the same sign. */
const flush = ($: Arithmetic, y: string, from: number, comparison: 'Greater' | 'GreaterOrEqual'): string =>
  $.times(y, $.mask($.is(comparison, $.magnitude(y), $.single(from))));

/** `special`: NaN, infinities, |x| < 2⁻⁶⁰. */
function withSpecials(
  $: Arithmetic,
  plans: readonly Plan[],
  per: PerElement,
  x: string,
  size: string,
  flushed: string,
  y: string,
  unlessCell: (value: string) => string,
): string {
  const { builder } = $;
  const slopes = plans.flatMap(({ slopeBelowZero, slopeAboveZero }) => [slopeBelowZero, slopeAboveZero]);
  const isThroughZero = plans.every(({ atZero }) => atZero === 0);
  const regular = flush($, y, LEAST_NORMAL, 'Greater');
  // Where segments answer for tiny numbers, results below 2⁻⁹⁰ are +0.
  const bySegment = () => {
    const counts = $.is('GreaterOrEqual', $.magnitude(regular), $.single(2 ** -90));
    return choose($, [spread($, $.single(0), regular), regular], $.toInt(counts));
  };
  const rows = [regular];
  let tiny = builder.int(1);
  if (slopes.every(Number.isNaN)) rows.push(bySegment());
  else {
    const near = $.times(slopeAtZero($, plans, per, x), flushed);
    rows.push(flush($, near, LEAST_NORMAL, 'Greater'));
    if (!isThroughZero || slopes.some(Number.isNaN)) {
      rows.push(bySegment());
      let isBySegment = builder.op('IsNaN', [near]);
      if (!isThroughZero) {
        const isOff = builder.op('Equal', [per(({ atZero }) => (atZero === 0 ? 0 : 1), true), builder.int(1)]);
        const isSubnormal = $.is('Less', size, $.single(LEAST_NORMAL));
        isBySegment = builder.op('Or', [isBySegment, builder.op('And', [isOff, isSubnormal])]);
      }
      tiny = $.either(isBySegment, builder.int(2), builder.int(1));
    }
  }
  const count = rows.length;
  const limitLow = per((plan) => plan.limitLow);
  const limitHigh = per((plan) => plan.limitHigh);
  rows.push(spread($, limitLow, y), spread($, limitHigh, y), spread($, $.single(Number.NaN), y));
  let index = unlessCell($.either($.is('Less', size, $.single(2 ** -60)), tiny, builder.int(0)));
  index = $.either($.is('Less', x, $.single(-LARGEST)), builder.int(count), index);
  index = $.either($.is('Greater', x, $.single(LARGEST)), builder.int(count + 1), index);
  index = $.either(builder.op('IsNaN', [x]), builder.int(count + 2), index);
  return choose($, rows, index);
}

/** A number for all elements, once for each. */
const spread = ($: Arithmetic, value: string, like: string): string =>
  $.builder.op('Expand', [value, $.builder.op('Shape', [like])]);

/** The slope on x's side, by the sign of zeros too. */
function slopeAtZero($: Arithmetic, plans: readonly Plan[], per: PerElement, x: string): string {
  const below = per(({ slopeBelowZero }) => slopeBelowZero);
  if (plans.every((plan) => Object.is(plan.slopeBelowZero, plan.slopeAboveZero))) return below;
  const above = per(({ slopeAboveZero }) => slopeAboveZero);
  const isNegative = $.is('Less', $.builder.op('Div', [$.single(1), x]), $.single(0));
  return choose($, [spread($, above, x), spread($, below, x)], $.toInt(isNegative));
}
