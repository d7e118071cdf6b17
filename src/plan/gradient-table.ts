import { nextDown, nextUp } from '../../assembly/float32';
import { cuts } from '../calculus/cuts.js';
import { differentiate, lineOf } from '../calculus/differentiate.js';
import { type Expression, expression, minus, parametersOf, plus, times, x } from '../calculus/expression.js';
import type { Interpreter } from '../calculus/interpreter.js';
import {
  type Asymptote,
  above,
  below,
  clip,
  type Definition,
  LARGEST,
  LEAST_NORMAL,
  type Part,
} from '../calculus/piece.js';
import { ballOf, isKnown } from '../calculus/tails.js';
import { type Tape, tape } from '../calculus/tape.js';
import type { Moments } from './moments.js';

/**
 * What `assembly/backward.ts` needs of a function f with parameters p: its derivative as a cubic on short intervals.
 *
 * On such an interval every ∂f/∂p too is a cubic, so Σ gradY·∂f/∂p over all x in it is known from the moments Σ gradY·uᵐ, m = 0 to 3,
 * whatever the number of parameters. Moments are turned into weights at the four Chebyshev nodes of the interval: the same sum over
 * four points stands for all, and only there the exact gradient is computed.
 */
export interface RowTable {
  /** First input of every row but the first, ascending; none of them subnormal. */
  readonly bounds: Float32Array;
  /** [rows][8]: {centre, 1/radius, c0, c1, c2, c3, block, far block}; the blocks are numbers here, byte offsets in the image. */
  readonly rows: Float32Array;
  /** How many blocks of moments there are, with the two that belong to no interval. */
  readonly blocks: number;
}

/** An interval on which parameters matter, and the four points that stand for all of its inputs. */
export interface Points {
  readonly block: number;
  readonly points: readonly number[];
}

/** A function's gradient: its table, and what the parameters' gradients are, given the moments of all inputs. */
export interface Differentiable {
  readonly table: RowTable;
  contract(moments: Moments): Float64Array;
}

/** Block 0 takes what no parameter depends on, block 1 counts elements that leave no gradient. */
export const FIRST_BLOCK = 2;
export const MOST_ROWS = 1 << 16;

/** Chebyshev nodes of [-1, 1], and the coefficient of uᵐ in the Lagrange polynomial of node j at [4·j + m]. */
export const NODES = [-0.9238795325112867, -0.3826834323650898, 0.3826834323650898, 0.9238795325112867];
const LAGRANGE = NODES.flatMap((node) => {
  const [p, q, r] = NODES.filter((each) => each !== node) as [number, number, number];
  const scale = 1 / ((node - p) * (node - q) * (node - r));
  return [-p * q * r * scale, (p * q + p * r + q * r) * scale, -(p + q + r) * scale, scale];
});

/** So that |u| stays below 1 when it is rounded. */
const SLIGHTLY_LESS = 1 - 2 ** -20;
/** A narrower interval gets a constant. */
const STEEPEST_SCALE = 2 ** 100;
/** Coefficients below this count as zero, and a leading one is at least this where others are not zero: no slope is subnormal. */
const LEAST_COEFFICIENT = 2 ** -60;

/** Weights of an interval's points that have the given moments. */
export function weightsOf(moments: readonly number[]): number[] {
  return NODES.map((_, j) => {
    let weight = 0;
    for (let m = 3; m >= 0; m--) weight += LAGRANGE[4 * j + m]! * moments[m]!;
    return weight;
  });
}

/** Rows as they are added. */
export class RowBuilder {
  #firsts = new Float32Array(256);
  #rows = new Float32Array(8 * 256);
  #count = 0;
  blocks = FIRST_BLOCK;

  /** Whether there are as many as a table may have. */
  get isFull(): boolean {
    return this.#count >= MOST_ROWS;
  }

  /** @throws {RangeError} if there is no room. */
  push(first: number, row: ArrayLike<number>): void {
    const at = this.#room(1);
    this.#firsts[at] = ofNormals(first);
    for (let n = 0; n < 8; n++) this.#rows[8 * at + n] = row[n]!;
  }

  /** All rows of a table. @throws {RangeError} if there is no room. */
  append({ firsts, rows }: { readonly firsts: Float32Array; readonly rows: Float32Array }): void {
    const at = this.#room(firsts.length);
    this.#firsts.set(firsts, at);
    this.#rows.set(rows, 8 * at);
  }

  /** What was added, with the first input of the first row too. */
  parts(): { firsts: Float32Array; rows: Float32Array } {
    return { firsts: this.#firsts.slice(0, this.#count), rows: this.#rows.slice(0, 8 * this.#count) };
  }

  table(): RowTable {
    const { firsts, rows } = this.parts();
    return { bounds: firsts.subarray(1), rows, blocks: this.blocks };
  }

  /** The number of the next row, when there is room for so many. */
  #room(more: number): number {
    const at = this.#count;
    if (at + more > MOST_ROWS)
      throw new RangeError(
        `the gradient needs more than ${MOST_ROWS} intervals; the function bends too much for a table`,
      );
    if (at + more > this.#firsts.length) {
      const size = Math.max(2 * this.#firsts.length, at + more);
      const [firsts, rows] = [new Float32Array(size), new Float32Array(8 * size)];
      firsts.set(this.#firsts);
      rows.set(this.#rows);
      [this.#firsts, this.#rows] = [firsts, rows];
    }
    this.#count = at + more;
    return at;
  }
}

/** The first normal number from x on, or zero: inputs that are subnormal count as zero, and some hardware compares all numbers so. */
function ofNormals(x: number): number {
  if (Math.abs(x) >= LEAST_NORMAL) return x;
  return x > 0 ? LEAST_NORMAL : 0;
}

export function constantRow(slope: number, block: number, farBlock: number): number[] {
  return [0, 0, Math.max(-LARGEST, Math.min(significant(slope), LARGEST)), 0, 0, 0, block, farBlock];
}

/**
 * u = (x - centre)·scale; scale 0 where the interval is too narrow. A centre is so far from 0 that no difference is subnormal, or 0: only where the
 * interval goes as far beyond, for on the other side the function may be another, or none.
 */
export function frame(first: number, last: number): { centre: number; scale: number } {
  const middle = Math.fround(0.5 * first + 0.5 * last);
  const centre = Math.abs(middle) < 1 / STEEPEST_SCALE ? 0 : middle;
  const radius = Math.max(last - centre, centre - first);
  const scale = radius > 0 ? Math.fround(SLIGHTLY_LESS / radius) : 0;
  return scale > STEEPEST_SCALE || scale === 0 ? { centre: middle, scale: 0 } : { centre, scale };
}

/** The cubic that has the given values at the nodes. */
export function cubicRow(centre: number, scale: number, values: readonly number[], block: number): number[] {
  const row = [centre, scale, ...(scale === 0 ? [values[0]!, 0, 0, 0] : cubicOf(values)), block, 0];
  const most = Math.abs(row[2]!) + Math.abs(row[3]!) + Math.abs(row[4]!) + Math.abs(row[5]!);
  // A slope beyond float32 is answered by its largest number.
  if (!(most < LARGEST)) return [centre, scale, Math.sign(values[1]! || 0) * LARGEST, 0, 0, 0, block, 0];
  for (let m = 2; m < 6; m++) row[m] = significant(row[m]!);
  if (row[2] === 0 && (row[3] !== 0 || row[4] !== 0 || row[5] !== 0)) row[2] = LEAST_COEFFICIENT;
  return row;
}

/** Coefficients of the cubic that has the given values at the nodes, the lowest first. */
export function cubicOf(values: readonly number[]): [number, number, number, number] {
  const cubic: [number, number, number, number] = [0, 0, 0, 0];
  values.forEach((value, j) => {
    for (let m = 0; m < 4; m++) cubic[m]! += LAGRANGE[4 * j + m]! * value;
  });
  return cubic;
}

/** What a row holds of a coefficient. */
export const significant = (coefficient: number): number =>
  Math.abs(coefficient) < LEAST_COEFFICIENT ? 0 : coefficient;

/** Where a function's gradient is computed: the derivatives of one part of it as a tape, f′ first. */
export interface Source {
  readonly tape: Tape;
  /** Which parameters, in the order of the tape's results after the first. */
  readonly parameters: readonly number[];
}

interface SourcedPoints extends Points {
  readonly source: Source;
}

/** Where f is affine without end: Σ gradY is in `block`, Σ gradY·x in the next, and [parameters] derivatives of slope and intercept. */
interface FarEnd {
  readonly block: number;
  readonly slope: Float64Array;
  readonly intercept: Float64Array;
}

/** A function's rows, and its intervals with where to compute what. */
export interface GradientTable extends RowTable {
  readonly intervals: readonly SourcedPoints[];
  readonly ends: readonly FarEnd[];
  readonly parameters: number;
}

/** Sees how a table is made: what a certificate is proved from (gradient-certificate.ts). A training step has none. */
export interface Watch {
  /** [1 + parameters]: the sizes of f′ and of every ∂f/∂p that errors are measured by. */
  sizes(typical: Float64Array): void;
  /** A row that follows f′ of `source`. */
  curved(source: Source, first: number, last: number, row: readonly number[], points: readonly number[]): void;
  /** A row where f is a line, or up to `rest` of each derivative: of its own size there, or of the typical one. */
  straight(line: Pick<Asymptote, 'slope' | 'intercept'>, first: number, last: number, rest: number): void;
}

/** What a cubic may miss, as a share of the local or the typical size of each derivative. */
const TOLERANCE = 2e-6;
/** The same for what an asymptote leaves out. */
const REST = TOLERANCE / 2;
/**
 * The typical size is the largest for |x| ≤ 1, or this share of the largest between ±4, where high powers are thousands of times larger. It is
 * looked for at so many points, and at powers of two down to 2⁻³⁰.
 */
const TYPICAL = 4;
const FAR_SHARE = 1e-4;
const TYPICAL_POINTS = 33;
const LEAST_POWER = -30;
/** What is smaller than this share of the largest derivative is as good as nothing. */
const NOTHING = 1e-18;
/** Below 2⁻³⁰ of a binade's size halving ends. */
const NARROWEST = 2 ** -30;

/**
 * @param parameters how many.
 * @param limit the gradient of a periodic function is tabulated for |x| up to here.
 * @throws {RangeError} if the function bends too much for a table of 65536 rows.
 */
export function gradientTable(
  interpreter: Interpreter,
  definition: Definition,
  parameters: number,
  limit = LARGEST,
  watch?: Watch,
): GradientTable {
  const builder = new RowBuilder();
  const intervals: SourcedPoints[] = [];
  const ends: FarEnd[] = [];
  const body = cuts(interpreter, definition.parts)
    .map((part) => clip(part, -limit, limit))
    .filter((part) => part !== undefined);
  const sources = new Map<Expression, Source>();
  const sourceOf = (f: Expression): Source => {
    let source = sources.get(f);
    if (!source) sources.set(f, (source = makeSource(interpreter, f, parameters)));
    return source;
  };
  const typical = typicalSizes(interpreter, body, sourceOf, parameters);
  watch?.sizes(typical);
  const { low, high } = definition;
  const [first, last] = [body[0]!, body.at(-1)!];
  const from =
    low && limit === LARGEST ? -reach(interpreter, low, -1, first, typical, parameters) : Number.NEGATIVE_INFINITY;
  const to =
    high && limit === LARGEST ? reach(interpreter, high, 1, last, typical, parameters) : Number.POSITIVE_INFINITY;

  const far = (
    { slope, intercept }: Pick<Asymptote, 'slope' | 'intercept'>,
    begins: number,
    until: number,
    rest: number,
  ) => {
    watch?.straight({ slope, intercept }, begins, until, rest);
    const partials = (e: Expression) => {
      const found = new Float64Array(parameters);
      for (const k of parametersOf(e)) found[k] = numberOf(interpreter, differentiate(e, k));
      return found;
    };
    const end = { block: builder.blocks, slope: partials(slope), intercept: partials(intercept) };
    const matters = end.slope.some((each) => each !== 0) || end.intercept.some((each) => each !== 0);
    const known = ballOf(interpreter, slope);
    if (!isKnown(known))
      throw new RangeError('the function has no slope that float64 resolves far out; its parameters are too extreme');
    builder.push(begins, constantRow(known.high, matters ? end.block : 0, matters ? end.block + 1 : 0));
    if (!matters) return;
    ends.push(end);
    builder.blocks += 2;
  };

  if (low && from > -LARGEST) far(low, -LARGEST, from, REST);
  else if (limit < LARGEST)
    builder.push(-LARGEST, constantRow(numberOf(interpreter, definition.periodic!.trend), 0, 0));
  for (const part of body) {
    const inner = clip(
      part,
      from === Number.NEGATIVE_INFINITY ? -LARGEST : above(from),
      to === Number.POSITIVE_INFINITY ? LARGEST : below(to),
    );
    if (!inner) continue;
    const line = lineOf(part.f);
    if (line) {
      far(line, inner.first, inner.last, 0);
      continue;
    }
    const source = sourceOf(part.f);
    divide(interpreter, source, inner, typical, (begins, ends, scale, centre) => {
      const points = NODES.map((node) => (scale === 0 ? centre : centre + node / scale));
      const slopes = points.map((point) => {
        interpreter.values(point);
        return interpreter.value(source.tape.results[0]!);
      });
      const hasParameters = source.parameters.length > 0;
      const row = cubicRow(centre, scale, slopes, hasParameters ? builder.blocks : 0);
      builder.push(begins, row);
      watch?.curved(source, begins, ends, row, points);
      if (hasParameters) {
        intervals.push({ source, block: builder.blocks, points });
        builder.blocks += 1;
      }
    });
  }
  if (high && to < LARGEST) far(high, to, LARGEST, REST);
  else if (limit < LARGEST)
    builder.push(above(limit), constantRow(numberOf(interpreter, definition.periodic!.trend), 0, 0));
  return { ...builder.table(), intervals, ends, parameters };
}

const numberOf = (interpreter: Interpreter, e: Expression) => ballOf(interpreter, e).high;

/** Derivatives of f with respect to x and to each parameter that matters. */
function makeSource(interpreter: Interpreter, f: Expression, parameters: number): Source {
  const partials: Expression[] = [];
  const which: number[] = [];
  for (let k = 0; k < parameters; k++) {
    const partial = differentiate(f, k);
    if (partial.op === 'constant' && partial.value === 0) continue;
    partials.push(partial);
    which.push(k);
  }
  return { tape: tape(interpreter, differentiate(f, 'x'), ...partials), parameters: which };
}

/** [1 + parameters]: the largest |f′| and |∂f/∂p| on a few points where inputs usually are; at least 1 for f′. */
function typicalSizes(
  interpreter: Interpreter,
  body: readonly Part[],
  sourceOf: (f: Expression) => Source,
  parameters: number,
): Float64Array {
  const sizes = new Float64Array(1 + parameters);
  for (const part of body) {
    const source = sourceOf(part.f);
    const inner = clip(part, -TYPICAL, TYPICAL);
    if (!inner) continue;
    interpreter.load(source.tape);
    const points = Array.from(
      { length: TYPICAL_POINTS },
      (_, i) => inner.first + ((inner.last - inner.first) * i) / (TYPICAL_POINTS - 1),
    );
    for (let e = LEAST_POWER; e < 2; e++) points.push(2 ** e, -(2 ** e));
    for (const at of points) {
      if (at < inner.first || at > inner.last) continue;
      interpreter.values(at);
      source.tape.results.forEach((result, n) => {
        const size = Math.abs(interpreter.value(result));
        const k = n === 0 ? 0 : 1 + source.parameters[n - 1]!;
        const counted = Math.abs(at) <= 1 ? size : FAR_SHARE * size;
        if (counted < Number.POSITIVE_INFINITY && counted > sizes[k]!) sizes[k] = counted;
      });
    }
  }
  const most = sizes.reduce((p, q) => Math.max(p, q), 0);
  return sizes.map((size) => Math.max(size, NOTHING * most));
}

/** A cubic misses so many times less on an interval half as wide: of what is allowed, intervals aim at this share. */
const ORDER = 4;
const AIM = 0.7;
/** A row's coefficients are a little more than these bounds: the sizes of both stay below the largest number together. */
const CLEARLY = 1 - 2 ** -10;
/** What the next width tried is of the one before, at most and at least. */
const WIDER = 4;
const NARROWER = 0.5;
/** Discs may fail all at once, where they come near a pole: widths stay this share below the last that failed, which is forgotten by and by. */
const BELOW_FAILED = 0.85;
const FORGOTTEN = 1.15;

/**
 * Intervals from left to right, each as wide as what a cubic misses of every derivative allows, by the discs. How much one misses says how wide
 * the next may be: where a function is smooth every interval is expanded once, and few are narrower than they need to be.
 */
function divide(
  interpreter: Interpreter,
  source: Source,
  part: Part,
  typical: Float64Array,
  emit: (first: number, last: number, scale: number, centre: number) => void,
): void {
  interpreter.load(source.tape);
  const { results } = source.tape;
  const limits = results.map((_, n) => TOLERANCE * typical[n === 0 ? 0 : 1 + source.parameters[n - 1]!]!);
  /** What is missed, as a share of what may be; Infinity if that is not known. */
  const missed = (first: number, last: number): number => {
    const centre = Math.fround(0.5 * first + 0.5 * last);
    const radius = Math.max(last - centre, centre - first);
    if (radius <= NARROWEST * Math.max(Math.abs(first), Math.abs(last))) return 0;
    if (!interpreter.expand(centre, radius)) return Number.POSITIVE_INFINITY;
    let most = 0;
    for (let n = 0; n < results.length; n++) {
      const allowed = Math.max(limits[n]!, TOLERANCE * Math.abs(interpreter.value(results[n]!)));
      const share = interpreter.missedByCubic(results[n]!) / allowed;
      if (!(share <= most)) most = share;
    }
    if (!(most <= 1)) return Number.isNaN(most) ? Number.POSITIVE_INFINITY : most;
    // Where slopes leave float32, an interval is on one side of that, or as narrow as may be.
    const slope = Math.abs(interpreter.value(results[0]!));
    const variation = interpreter.variation(results[0]!);
    const isClear =
      slope + variation < CLEARLY * LARGEST || slope - variation > LARGEST || radius < Math.abs(centre) * 2 ** -14;
    return isClear ? most : Number.POSITIVE_INFINITY;
  };
  // A binade at a time far out, as functions are there.
  let [share, failedShare] = [1, Number.POSITIVE_INFINITY];
  for (const [begins, ends] of binades(part.first, part.last)) {
    let [width, failed] = [share * (ends - begins), failedShare * (ends - begins)];
    /** Where an interval may end at most: before where one failed, to which a narrower width may be rounded up again, for ever. */
    let until = ends;
    for (let first = begins; first <= ends; ) {
      // What is left is divided evenly.
      const rest = ends - first;
      const last = Math.max(first, Math.min(until, Math.fround(first + rest / Math.ceil(rest / width || 1))));
      const off = first === last ? 0 : missed(first, last);
      if (!(off <= 1)) failed = last - first;
      const factor = Math.min(Math.max((AIM / off) ** (1 / ORDER), NARROWER), WIDER);
      const gap = nextUp(first) - first;
      width = Math.min(factor * Math.max(last - first, gap), BELOW_FAILED * failed);
      if (!(off <= 1)) {
        until = nextDown(last);
        continue;
      }
      until = ends;
      failed *= FORGOTTEN;
      const { centre, scale } = frame(first, last);
      emit(first, last, scale, centre);
      // Subnormal numbers are no bounds; what was cut there was cut at 0.
      first = last === ends ? Number.POSITIVE_INFINITY : nextUp(last);
    }
    share = Math.min(width / (ends - begins), 1);
    failedShare = failed / (ends - begins);
  }
}

/** [first, last] cut at 0 and at ±2ᵏ from 1 on, and below at once. */
function binades(first: number, last: number): [number, number][] {
  const edges = new Set<number>();
  for (let e = 0; e <= 127; e++) edges.add(2 ** e).add(-(2 ** e));
  // No radius beyond 2¹²⁵, whose inverse would be subnormal.
  edges.add(1.5 * 2 ** 127).add(-1.5 * 2 ** 127);
  const inner = [...edges].filter((edge) => edge > first && edge <= last).sort((p, q) => p - q);
  const starts = [first, ...inner];
  return starts.map((start, i) => [start, i + 1 < starts.length ? nextDown(starts[i + 1]!) : last]);
}

/** From which |x| on the derivatives of the rest are nothing beside those of the asymptote, or the typical ones. */
function reach(
  interpreter: Interpreter,
  { slope, intercept, rest }: Asymptote,
  side: 1 | -1,
  part: Part,
  typical: Float64Array,
  parameters: number,
): number {
  const outermost = cuts(interpreter, [{ first: part.first, last: part.last, f: rest }]);
  const end = side > 0 ? outermost.at(-1)! : outermost[0]!;
  const source = makeSource(interpreter, end.f, parameters);
  const line = makeSource(interpreter, minus(plus(times(slope, x), intercept), expression(0)), parameters);
  const { results } = source.tape;
  const nearest = Math.max(side > 0 ? end.first : -end.last, 2 ** -20);
  /** The asymptote's own derivatives grow at most with |x|. */
  const sizes = (at: number): Float64Array => {
    const found = new Float64Array(1 + parameters);
    interpreter.load(line.tape);
    interpreter.values(side * at);
    line.tape.results.forEach((result, n) => {
      found[n === 0 ? 0 : 1 + line.parameters[n - 1]!] = Math.abs(interpreter.value(result));
    });
    return found;
  };
  const holds = (from: number, to: number): boolean => {
    const own = sizes(from);
    interpreter.load(source.tape);
    const centre = Math.fround(0.5 * from + 0.5 * to);
    interpreter.values(side * centre);
    interpreter.discs(Math.max(to - centre, centre - from) * (1 + 2 ** -20));
    return (
      interpreter.isDisc &&
      results.every((result, n) => {
        const k = n === 0 ? 0 : 1 + source.parameters[n - 1]!;
        const size = Math.abs(interpreter.value(result)) + interpreter.disc(result);
        return size <= REST * Math.max(own[k]!, typical[k]!);
      })
    );
  };
  let edge = Number.POSITIVE_INFINITY;
  let last = LARGEST;
  for (let from = 2 ** 127; from > nearest / 2; from /= 2) {
    const low = Math.max(from, nearest);
    const middle = Math.fround((low + last) / 2);
    if (holds(low, last)) edge = last = low;
    else if (holds(middle, last) && holds(low, middle)) edge = last = low;
    else break;
  }
  return edge;
}

/** Σ gradY·∂f(x)/∂p for every parameter, from the moments of all x; NaN throughout if an element left no gradient. */
export function contract(interpreter: Interpreter, table: GradientTable, moments: Moments): Float64Array {
  const gradient = new Float64Array(table.parameters);
  if (moments.isPoisoned) return gradient.fill(Number.NaN);
  let loaded: Source | undefined;
  for (const interval of table.intervals) {
    if (moments.isEmpty(interval.block)) continue;
    const own = moments.of(interval.block);
    if (own.every((moment) => moment === 0)) continue;
    const { source } = interval;
    if (source !== loaded) {
      interpreter.load(source.tape);
      loaded = source;
    }
    weightsOf(own).forEach((weight, j) => {
      interpreter.values(interval.points[j]!);
      source.parameters.forEach((k, n) => {
        gradient[k]! += weight * interpreter.value(source.tape.results[n + 1]!);
      });
    });
  }
  for (const { block, slope, intercept } of table.ends) {
    const [sum, withX] = [moments.of(block)[0], moments.of(block + 1)[0]];
    for (let k = 0; k < gradient.length; k++) gradient[k]! += slope[k]! * withX + intercept[k]! * sum;
  }
  return gradient;
}

/**
 * Up to which |x| the gradient of a function is tabulated: of a periodic one 16 and 16 periods, but no more than 800 periods. Beyond, f′ is the
 * trend's slope and parameters get nothing.
 */
export function gradientDomain(interpreter: Interpreter, { periodic }: Definition): number {
  if (!periodic) return LARGEST;
  if (periodic.only) return periodic.only.from;
  const period = ballOf(interpreter, periodic.period).high;
  return Math.fround(Math.min(Math.max(16, 16 * period), 800 * period));
}
