import { differentiate } from '../calculus/differentiate.js';
import { type Expression, expression } from '../calculus/expression.js';
import type { Ball, Interpreter } from '../calculus/interpreter.js';
import { type Asymptote, type Definition, LARGEST, LEAST_NORMAL } from '../calculus/piece.js';
import { ballOf } from '../calculus/tails.js';
import { cubicOf, gradientTable, type Source, significant, type Watch } from './gradient-table.js';

/** How far a derivative may be off, as a share of a size: the largest that it is on inputs no farther out, or `of` where that is smaller. */
export interface GradientBound {
  readonly share: number;
  /** The largest that was found where inputs usually are. Above 0 where `share` is Infinity. */
  readonly of: number;
}

/**
 * The worst error that gradients can have, proved (docs/numerics.md, "Gradients"). With g = gradY, for inputs with |x| ≤ `domain`, and sizes
 * S₀(x) = max(of, |f′(t)| for |t| ≤ |x|) and Sₚ(x) = max(of, |∂f(t)/∂p| for |t| ≤ |x|):
 *
 * - |gradX - g·f′(x)| ≤ |g|·share·S₀(x) wherever |f′| is a float32, beside 2⁻¹²⁶ for results that are subnormal numbers or less;
 * - of every parameter p the gradient is off by at most Σ|g|·share·Sₚ(x) over all x, if ∂f/∂p is a float32 at each, beside 2⁻¹²⁶ for each.
 */
export interface GradientCertificate {
  readonly slope: GradientBound;
  /** By the parameter's name, flat. */
  readonly parameters: Readonly<Record<string, readonly GradientBound[]>>;
  /** Infinity; of a periodic function, up to where its gradient is tabulated. */
  readonly domain: number;
}

/** Unit roundoffs of float32 and float64. */
const U32 = 2 ** -24;
/** Interpolation at Chebyshev's four nodes makes at most this of errors at the nodes (its Lebesgue constant is 1.848). */
const LEBESGUE = 1.85;
/** What float64 adds up over 65536 intervals, as a share of the largest value. */
const ADDING = 2 ** -30;
/** The first-order analysis leaves out products of roundoffs. */
const SECOND_ORDER = 1.0001;
/** Halvings of an interval that is not within one disc. */
const MOST_HALVINGS = 24;

/** What one derivative is off on an interval; the least that it is there, and the largest that it is at the points. */
export interface IntervalError {
  readonly first: number;
  readonly last: number;
  readonly error: number;
  readonly least: number;
  readonly size: number;
}

/**
 * What a row's cubic is off of f′ (the tape's first result), and what sums over four points are off of the others, for each |gradY|.
 * @param values [results][4] that the sums take for the points; by default what the tape says.
 */
export function errorsOf(
  interpreter: Interpreter,
  results: readonly number[],
  first: number,
  last: number,
  row: readonly number[],
  points: readonly number[],
  values?: readonly (readonly number[])[],
): IntervalError[] {
  const [centre, scale] = [row[0]!, row[1]!];
  const errors = new Float64Array(results.length);
  const taken = results.map(() => [] as number[]);
  points.forEach((point, j) => {
    interpreter.values(point);
    results.forEach((register, n) => {
      const { high, error } = interpreter.ball(register);
      const value = values ? values[n]![j]! : high;
      taken[n]!.push(value);
      errors[n] = Math.max(errors[n]!, LEBESGUE * (error + Math.abs(value - high)));
    });
  });
  const middle = scale === 0 ? Math.fround(0.5 * first + 0.5 * last) : centre;
  const radius = scale === 0 ? Math.max(last - middle, middle - first) : 1 / scale;
  const isWithin = interpreter.expand(middle, radius * (1 + 2 ** -50));
  // The points themselves are float64.
  const moved = scale === 0 ? 0 : LEBESGUE * Math.abs(centre) * scale * 2 ** -52;
  const reaches = isWithin ? undefined : reachOn(interpreter, results, first, last);
  const found = results.map((register, n) => {
    const cubic = scale === 0 ? [taken[n]![0]!, 0, 0, 0] : cubicOf(taken[n]!);
    const stored = n === 0 ? row.slice(2, 6).map(Math.fround) : cubic;
    const sizes = stored.map(Math.abs) as [number, number, number, number];
    let error = errors[n]! + stored.reduce((sum, c, m) => sum + Math.abs(c - cubic[m]!), 0);
    let least = 0;
    if (reaches) error += reaches[n]! + sizes[0] + sizes[1] + sizes[2] + sizes[3];
    else {
      const variation = radius === 0 ? 0 : interpreter.variation(register);
      const missed = radius === 0 ? 0 : scale === 0 ? 2 * variation : interpreter.missedByCubic(register);
      error += missed + moved * variation;
      const { high, error: own } = interpreter.ball(register);
      least = Math.max(Math.abs(high) - variation - own, 0);
    }
    error += n === 0 ? roundingOfSlope(sizes, first, last, scale) : roundingOfSums(sizes);
    const size = Math.max(...taken[n]!.map(Math.abs)) - errors[n]!;
    return { first, last, error: SECOND_ORDER * error, least, size };
  });
  // Whether any of it is a float32 is looked at more closely: far out an interval is a binade.
  return found.map((own, n) =>
    own.size > LARGEST && own.least <= LARGEST
      ? { ...own, least: leastOn(interpreter, results[n]!, first, last) }
      : own,
  );
}

/** The least |value| on an interval, part by part. */
function leastOn(interpreter: Interpreter, register: number, first: number, last: number): number {
  const parts = 32;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < parts; i++) {
    const [from, to] = [i, i + 1].map((k) => first + (last / parts - first / parts) * k) as [number, number];
    const centre = 0.5 * from + 0.5 * to;
    if (!interpreter.expand(centre, (0.5 * to - 0.5 * from) * (1 + 2 ** -50))) return 0;
    const { high, error } = interpreter.ball(register);
    least = Math.min(least, Math.abs(high) - interpreter.variation(register) - error);
  }
  return Math.max(least, 0);
}

/** u is rounded twice, and Horner's rule 2m+1 times before a power m; gradY times the slope once. Subnormal inputs count as zero. */
function roundingOfSlope(
  c: readonly [number, number, number, number],
  first: number,
  last: number,
  scale: number,
): number {
  const size = c[0] + c[1] + c[2] + c[3];
  const powers = c[1] + 2 * c[2] + 3 * c[3];
  const flushed = first < LEAST_NORMAL && last > -LEAST_NORMAL ? LEAST_NORMAL * scale * powers : 0;
  return U32 * (2 * size + 4 * powers) + flushed;
}

/** Moments are rounded to integers, 2⁻²³ of gradY or less; before that a product of m factors u, each rounded twice, is rounded m times. */
function roundingOfSums(c: readonly [number, number, number, number]): number {
  const size = c[0] + c[1] + c[2] + c[3];
  return U32 * (4 * c[1] + 7 * c[2] + 10 * c[3] + size) + ADDING * size;
}

/** The largest |value| of every result on an interval that no one disc holds; Infinity where halving does not help. */
function reachOn(interpreter: Interpreter, results: readonly number[], first: number, last: number): number[] {
  const most = results.map(() => 0);
  const add = (from: number, to: number, halvings: number): void => {
    const centre = Math.fround(0.5 * from + 0.5 * to);
    const radius = Math.max(to - centre, centre - from);
    if (interpreter.expand(centre, radius)) {
      results.forEach((register, n) => {
        const variation = radius === 0 ? 0 : interpreter.variation(register);
        most[n] = Math.max(
          most[n]!,
          Math.abs(interpreter.value(register)) + interpreter.ball(register).error + variation,
        );
      });
    } else if (halvings === MOST_HALVINGS || !(centre > from && centre < to)) most.fill(Number.POSITIVE_INFINITY);
    else {
      add(from, centre, halvings + 1);
      add(centre, to, halvings + 1);
    }
  };
  add(first, last, 0);
  return most;
}

/** Of what is beyond float64 nothing is known: an infinite share, of something, for infinitely many times 0 is no number. */
export const boundOf = (share: number, of: number): GradientBound =>
  share < Number.POSITIVE_INFINITY
    ? { share, of }
    : { share: Number.POSITIVE_INFINITY, of: Math.max(of, LEAST_NORMAL) };

/** The least share that covers all intervals of one derivative. */
export function shareOf(intervals: readonly IntervalError[], of: number): number {
  const distance = ({ first, last }: IntervalError) =>
    first <= 0 && last >= 0 ? 0 : Math.min(Math.abs(first), Math.abs(last));
  const end = ({ first, last }: IntervalError) => Math.max(Math.abs(first), Math.abs(last));
  const byEnd = [...intervals].sort((p, q) => end(p) - end(q));
  let share = 0;
  let largest = of;
  let next = 0;
  for (const interval of [...intervals].sort((p, q) => distance(p) - distance(q))) {
    // What no float32 holds is no matter, nor is what it is beside.
    if (interval.least > LARGEST || interval.error === 0) continue;
    const at = distance(interval);
    for (; next < byEnd.length && end(byEnd[next]!) <= at; next++)
      largest = Math.max(largest, Math.min(byEnd[next]!.size, LARGEST));
    const size = Math.max(largest, interval.least);
    share = Math.max(share, size > 0 ? interval.error / size : Number.POSITIVE_INFINITY);
  }
  return share;
}

/** Whether a row's slope is float32's largest number in place of one that is larger. */
export const isClamped = (row: readonly number[]): boolean =>
  Math.abs(row[2]!) === LARGEST && row[3] === 0 && row[4] === 0 && row[5] === 0;

/**
 * Makes the table again, and bounds what every row of it is off.
 * @returns [1 + parameters], f′ first.
 * @throws {RangeError} as `gradientTable` does.
 */
export function gradientBounds(
  interpreter: Interpreter,
  definition: Definition,
  parameters: number,
  limit: number,
): GradientBound[] {
  const shares = new Float64Array(1 + parameters);
  const intervals = Array.from(shares, (): IntervalError[] => []);
  let of = new Float64Array(1 + parameters);
  const watch: Watch = {
    sizes(typical) {
      of = typical.slice();
    },
    curved(source: Source, first, last, row, points) {
      errorsOf(interpreter, source.tape.results, first, last, row, points).forEach((own, n) => {
        if (n > 0) intervals[1 + source.parameters[n - 1]!]!.push(own);
        else if (!isClamped(row)) intervals[0]!.push(own);
      });
    },
    straight(line, first, last, rest) {
      for (let k = 0; k <= parameters; k++) {
        const { share, fixed, size } = errorsOfLine(interpreter, line, k);
        shares[k] = Math.max(shares[k]!, rest + share);
        intervals[k]!.push({ first, last, error: SECOND_ORDER * fixed, least: size, size });
      }
    },
  };
  gradientTable(interpreter, definition, parameters, limit, watch);
  return Array.from(shares, (share, k) => boundOf(share + shareOf(intervals[k]!, of[k]!), of[k]!));
}

/**
 * Of a line only numbers are rounded: its slope; or of s·x + i, a derivative of it, the product gradY·x, which is at most the whole and i. So there is
 * a share of its own size, and a fixed part.
 */
function errorsOfLine(
  interpreter: Interpreter,
  { slope, intercept }: Pick<Asymptote, 'slope' | 'intercept'>,
  k: number,
): { share: number; fixed: number; size: number } {
  const ballsOf = (...both: Expression[]) => both.map((e) => ballOf(interpreter, e)) as [Ball, Ball];
  const [s, i] =
    k === 0 ? ballsOf(expression(0), slope) : ballsOf(differentiate(slope, k - 1), differentiate(intercept, k - 1));
  const isFlat = s.high === 0 && s.error === 0;
  if (isFlat && i.high === 0 && i.error === 0) return { share: 0, fixed: 0, size: 0 };
  const own = isFlat ? 0 : s.error / Math.abs(s.high);
  return {
    share: SECOND_ORDER * (3 * U32 + 2 * ADDING + own),
    // A slope below what counts is 0 in its row.
    fixed: i.error + (isFlat ? (k === 0 ? Math.abs(i.high - significant(i.high)) : 0) : 2 * U32 * Math.abs(i.high)),
    size: isFlat ? Math.abs(i.high) : 0,
  };
}
