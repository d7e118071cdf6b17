import { SATURATED, SCALE_BITS, UNSCALED } from '../../assembly/layout';
import type { Plan } from '../plan/plan.js';
import type { Builder } from './builder.js';
import { distinct, type Functions } from './columns.js';
import { Arithmetic, channelOf, perElement, placesOf, putTogether, takenApart } from './exact.js';
import { INT32 } from './model.js';
import { OnnxError } from './protobuf.js';

/**
 * Not the kernel's bits, but the price of a Gelu: a uniform grid of quadratics over |x| ≤ 16, straight lines beyond, each function once. How far it is from the
 * function within ±16 is bounded, not measured: on each part of a cell that one segment covers, the difference of two polynomials is at most its
 * largest Bernstein coefficient.
 */

const REACH = 16;
const EXPONENT = 7;
const WIDTH = 2 ** -EXPONENT;
const CELLS = 2 * REACH * 2 ** EXPONENT;
const UNIT_ROUNDOFF = 2 ** -24;
/** Where a function that becomes a line has become one, and results are far from overflow. */
const FAR = 2 ** 40;

interface CompactTable {
  /** y = a + u·(b + u·c), u = x/WIDTH - cell. */
  readonly columns: readonly [Float32Array, Float32Array, Float32Array];
  /** For |x| ≤ 16, the function's own certificate included: what plan and table may be off together. */
  readonly bound: number;
}

const tables = new WeakMap<Plan, CompactTable>();

/** @throws {OnnxError} for a periodic function, which no line continues. */
export function compactTable(plan: Plan): CompactTable {
  let table = tables.get(plan);
  if (!table) tables.set(plan, (table = build(plan)));
  return table;
}

export function compactNodes(builder: Builder, functions: Functions, x: string, y: string): void {
  const $ = new Arithmetic(builder);
  const { plans } = distinct(functions.plans);
  const input = takenApart(builder, functions, x);
  const { flat } = input;
  const scaled = $.times(flat, $.single(1 / WIDTH));
  const within = builder.op('Max', [builder.op('Min', [scaled, $.single(CELLS / 2 - 1)]), $.single(-CELLS / 2)]);
  const floor = builder.op('Floor', [within]);
  const u = $.minus(scaled, floor);
  const number = builder.op('Cast', [$.plus(floor, $.single(CELLS / 2))], { to: INT32 });
  // NaN may become any number.
  let cell = builder.op('Max', [builder.op('Min', [number, builder.int(CELLS - 1)]), builder.int(0)]);
  if (plans.length > 1) {
    const at = placesOf(builder, flat);
    const base = perElement(
      $,
      functions,
      channelOf($, functions, input, at),
    )((plan) => CELLS * plans.indexOf(plan), true);
    cell = $.plus(cell, base);
  }
  const [a, b, c] = [0, 1, 2].map((column) => {
    const all = new Float32Array(CELLS * plans.length);
    plans.forEach((plan, p) => {
      all.set(compactTable(plan).columns[column]!, CELLS * p);
    });
    return builder.op('GatherElements', [builder.constant(all), cell], { axis: 0 });
  }) as [string, string, string];
  const all = $.plus(a, $.times(u, $.plus(b, $.times(u, c))));
  putTogether(builder, functions, all, x, y);
}

/** A polynomial of degree 4 in x - centre, as real numbers. */
interface Segment {
  readonly centre: number;
  readonly coefficients: readonly number[];
  readonly slack: number;
  readonly isInfinite: boolean;
}

function segmentsOf(plan: Plan): Segment[] {
  const words = new Int32Array(plan.rows.buffer, plan.rows.byteOffset, plan.rows.length);
  const single = new Float32Array(1);
  const word = new Int32Array(single.buffer);
  return Array.from(plan.slack, (slack, m) => {
    const [centre, h0, , c0, c1, c2, c3, c4] = plan.rows.subarray(8 * m, 8 * m + 8) as unknown as number[];
    word[0] = words[8 * m + 2]! & -0x1000;
    const scale = words[8 * m + 2]! & SCALE_BITS;
    const inverse = 2 ** (scale - UNSCALED);
    return {
      centre: centre!,
      coefficients: [
        h0! + c0!,
        (single[0]! + c1!) * inverse,
        c2! * inverse ** 2,
        c3! * inverse ** 3,
        c4! * inverse ** 4,
      ],
      slack: Math.abs(slack),
      isInfinite: scale === SATURATED,
    };
  });
}

const valueAt = ({ centre, coefficients }: Segment, x: number): number =>
  coefficients.reduceRight((sum, c) => sum * (x - centre) + c, 0);

function build(plan: Plan): CompactTable {
  if (plan.periodic) throw new OnnxError('a periodic function has no compact form: nothing continues it');
  const segments = segmentsOf(plan);
  const holds = (x: number): number => {
    let [low, high] = [0, plan.bounds.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (x >= plan.bounds[middle]!) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const f = (x: number) => valueAt(segments[holds(x)]!, x);
  const columns = [0, 1, 2].map(() => new Float32Array(CELLS)) as [Float32Array, Float32Array, Float32Array];
  let bound = 0;
  for (let i = 0; i < CELLS; i++) {
    const left = (i - CELLS / 2) * WIDTH;
    const [a, b, c] = i === 0 || i === CELLS - 1 ? line(i === 0, left) : quadratic(left);
    columns[0][i] = a;
    columns[1][i] = b;
    columns[2][i] = c;
    bound = Math.max(bound, errorOn(left, Math.fround(a), Math.fround(b), Math.fround(c)));
  }
  // 16 itself is of the last cell, but may be of another segment.
  const last = segments[holds(REACH)]!;
  const [a, b] = [columns[0][CELLS - 1]!, columns[1][CELLS - 1]!];
  bound = Math.max(
    bound,
    last.isInfinite
      ? Number.POSITIVE_INFINITY
      : Math.abs(valueAt(last, REACH) - (a + b)) + last.slack + UNIT_ROUNDOFF * (5 * Math.abs(a) + 5 * Math.abs(b)),
  );
  if (!Number.isFinite(bound))
    throw new OnnxError(`the function is not finite within ±${REACH}: it has no compact form`);
  return { columns, bound };

  /** Through the function at three Chebyshev points of the cell. */
  function quadratic(left: number): [number, number, number] {
    const s = Math.sqrt(3) / 4;
    const [y0, y1, y2] = [0.5 - s, 0.5, 0.5 + s].map((u) => f(left + u * WIDTH)) as [number, number, number];
    const bend = (y2 - 2 * y1 + y0) / (2 * s * s);
    const slope = (y2 - y0) / (2 * s);
    return [y1 - 0.5 * slope + 0.25 * bend, slope - bend, bend];
  }

  /** At the ends, where the cell goes on for ever: the slope is the one that the function has at last, if it is a line there. */
  function line(isFirst: boolean, left: number): [number, number, number] {
    const { coefficients } = segments[holds(isFirst ? -FAR : FAR)]!;
    const isLine = coefficients.slice(2).every((each) => each === 0);
    const [y0, y1] = [f(left), f(left + WIDTH)];
    const slope = isLine ? coefficients[1]! * WIDTH : y1 - y0;
    return [isFirst ? y1 - slope : y0, slope, 0];
  }

  function errorOn(left: number, a: number, b: number, c: number): number {
    const right = left + WIDTH;
    let worst = 0;
    for (let from = left, m = holds(left); from < right; m++) {
      const to = Math.min(right, plan.bounds[m] ?? right);
      const segment = segments[m]!;
      if (segment.isInfinite) return Number.POSITIVE_INFINITY;
      if (to > from || to === right) {
        const own = inUnit(segment.coefficients, from - segment.centre, to - from);
        const [u, step] = [(from - left) / WIDTH, (to - from) / WIDTH];
        const table = [a + u * (b + u * c), step * (b + 2 * u * c), step * step * c, 0, 0];
        const difference = bernstein(own.map((each, j) => each - table[j]!));
        // Of the table's sums and products: one of the size of y, four of that of the rest. And float64's here.
        const rounded = UNIT_ROUNDOFF * (Math.abs(a) + 4.001 * (Math.abs(b) + Math.abs(c)));
        const size = own.reduce((sum, each) => sum + Math.abs(each), Math.abs(a));
        worst = Math.max(worst, difference + segment.slack + rounded + 2 ** -45 * size);
      }
      from = to;
    }
    return worst;
  }
}

/** Coefficients of p(start + t·length), t in [0, 1]. */
function inUnit(coefficients: readonly number[], start: number, length: number): number[] {
  const shifted = [...coefficients];
  // Horner's scheme, once for each derivative.
  for (let i = 0; i < shifted.length; i++)
    for (let j = shifted.length - 2; j >= i; j--) shifted[j]! += start * shifted[j + 1]!;
  return shifted.map((each, j) => each * length ** j);
}

const BINOMIAL = [[1], [1, 1], [1, 2, 1], [1, 3, 3, 1], [1, 4, 6, 4, 1]] as const;

/** The largest Bernstein coefficient of a polynomial of degree 4 on [0, 1], which bounds it there. */
function bernstein(d: readonly number[]): number {
  let most = 0;
  for (let i = 0; i <= 4; i++) {
    let sum = 0;
    for (let j = 0; j <= i; j++) sum += (BINOMIAL[i]![j]! / BINOMIAL[4][j]!) * d[j]!;
    most = Math.max(most, Math.abs(sum));
  }
  return most;
}
