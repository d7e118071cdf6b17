import { exponentOf } from '../../assembly/numeric';
import type { Expression } from '../calculus/expression.js';
import type { Interpreter } from '../calculus/interpreter.js';
import type { Periodicity } from '../calculus/piece.js';
import { ballOf } from '../calculus/tails.js';
import { tape } from '../calculus/tape.js';

/**
 * The section of a plan that is trend·x plus a periodic function (assembly/activation.ts, `periodic`): from where on, and with what period in
 * which parts.
 */
export interface Section {
  readonly f: Expression;
  /** The part is asked for |u| up to here. */
  readonly reach: number;
  readonly interval: number;
  /** The period, nearly. */
  readonly wrapped: number;
  readonly from: number;
  readonly to: number;
  readonly period: Float32Array;
  readonly trend: number;
  readonly trendLow: number;
  readonly middle: number;
  /** The largest |part|. */
  readonly size: number;
  /** The error beyond `to`. */
  readonly beyond: number;
  /** How much the period's own rounding moves the part, at most. */
  readonly off: number;
}

/** k and a part of the period have 24 bits together. */
const MOST_PERIODS = 2 ** 16;
const PART_BITS = 7;
const PARTS = 7;
/** In which share of the period the rounded k may leave u, either side: ½ and what k/P's rounding adds at 2¹⁶. */
const SHARE = 0.52;
const SAMPLES = 256;
/** A trend takes over where it is so many times the periodic part. */
export const DOMINANCE = 8;

/** @throws {RangeError} if the period or the trend are out of float32's range. */
export function periodicSection(interpreter: Interpreter, periodicity: Periodicity): Section {
  if (periodicity.only) return unknownSection(interpreter, periodicity.part, periodicity.only);
  const { period, trend, part } = periodicity;
  const p = ballOf(interpreter, period);
  const t = ballOf(interpreter, trend);
  if (!(p.high > 2 ** -60 && p.high < 2 ** 60))
    throw new RangeError(`the function has a period of ${p.high}; from 2^-60 to 2^60 is possible`);
  if (!(Math.abs(t.high) <= 1))
    throw new RangeError(`a periodic function may rise by at most 1 with x, this one rises by ${t.high}`);
  const reach = Math.fround(SHARE * p.high);
  // Bounds on the part and its slope: values and discs of so many intervals.
  interpreter.load(tape(interpreter, part));
  let [least, most, steepest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  const radius = reach / SAMPLES;
  for (let k = 0; k < SAMPLES; k++) {
    const { value, spread } = interpreter.spread(-reach + radius * (2 * k + 1), radius * 1.001);
    least = Math.min(least, value - spread);
    most = Math.max(most, value + spread);
    // Cauchy: on the middle fifth of a disc |f′| ≤ spread/(⅘ of its radius).
    steepest = Math.max(
      steepest,
      interpreter.spread(-reach + radius * (2 * k + 1), 5.005 * radius).spread / (4 * radius),
    );
  }
  if (!(most - least < 2 ** 100)) throw new RangeError('the periodic part of the function is not finite');
  const size = Math.max(Math.abs(least), Math.abs(most));
  const middle = Math.fround(0.5 * (least + most));
  const parts = partsOf(p.high, p.low);
  const left = parts.reduce((rest, each) => rest - each, p.high) + p.low;
  const trendHigh = leading(Math.fround(t.high), 12);
  const wanted = t.high === 0 ? 0 : (DOMINANCE * size) / Math.abs(t.high);
  const from = powerAbove(Math.max(wanted, Math.min(16, 16 * p.high)));
  // Rounded down to where k cannot exceed its 16 bits.
  const to = Math.fround(MOST_PERIODS * 0.999 * p.high);
  return {
    f: part,
    reach,
    wrapped: p.high,
    interval: 2 ** Math.min(exponentOf(p.high) - 4, -3),
    from,
    to: Math.max(to, from),
    period: Float32Array.from(parts),
    trend: trendHigh,
    trendLow: Math.fround(t.high - trendHigh),
    middle,
    size,
    beyond: Math.max(most - middle, middle - least) * 1.001 + 2 ** -24 * Math.abs(middle),
    // Of the offset, k times the last part is rounded, and next to nothing of its low part.
    off: steepest * (MOST_PERIODS * (Math.abs(left) + p.error + 2 ** -100 * p.high) + 1.01 * 2 ** -57 * p.high),
  };
}

/** Nothing is periodic: from `from` on the middle is what there is to say. */
function unknownSection(interpreter: Interpreter, part: Expression, only: NonNullable<Periodicity['only']>): Section {
  const { from } = only;
  const centre = ballOf(interpreter, part);
  const around = ballOf(interpreter, only.size);
  const middle = Math.fround(centre.high);
  const size = (around.high + Math.abs(around.low) + around.error) * (1 + 2 ** -40);
  const off = Math.abs(centre.high - middle) + Math.abs(centre.low) + centre.error;
  return {
    f: part,
    reach: Math.fround(SHARE * from),
    wrapped: from,
    interval: from,
    from,
    to: from,
    period: Float32Array.from(partsOf(from, 0)),
    trend: 0,
    trendLow: 0,
    middle,
    size: size + Math.abs(middle),
    beyond: (size + off) * (1 + 2 ** -40),
    off: 0,
  };
}

/** Seven parts of 7 bits, from the first bit of P on, and the float32 nearest to the rest. */
function partsOf(high: number, low: number): number[] {
  const parts: number[] = [];
  let [h, l] = [high, low];
  let unit = 2 ** (exponentOf(high) - PART_BITS + 1);
  for (let i = 0; i < PARTS; i++) {
    // Exact: what is taken away is a multiple of a power of two within the 106 bits of both.
    const part = Math.floor((h + l) / unit) * unit;
    const rest = h - part;
    const sum = rest + l;
    l = rest - sum + l;
    h = sum;
    parts.push(part);
    unit /= 2 ** PART_BITS;
  }
  return [...parts, Math.fround(h + l)];
}

/** x with its first bits only. */
function leading(x: number, bits: number): number {
  if (x === 0) return 0;
  const unit = 2 ** (exponentOf(x) - bits + 1);
  return Math.trunc(x / unit) * unit;
}

/** The smallest power of two that is not below x. */
function powerAbove(x: number): number {
  const power = 2 ** exponentOf(x);
  return power < x ? 2 * power : power;
}
