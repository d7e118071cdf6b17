import { type Ball, isBeyond, type Real } from './ball.js';
import {
  ATAN_ERROR,
  type Elementary,
  EXP_ERROR,
  EXPM1_ERROR,
  elementary,
  INNER_ERROR,
  LOG_ERROR,
  LOG1P_ERROR,
  MOST_ANGLE,
  MOST_EXP,
  MOST_TAIL,
  SIN_ABSOLUTE,
  SIN_ERROR,
  TAIL_ERROR,
} from './elementary.js';
import { onlyTruth } from './truth.js';

/**
 * Interval arithmetic in float64 with ends rounded outward (Moore, "Interval Analysis", 1966). A bound of NaN says nothing. An end of ±0 is open:
 * [0, 1e-300] is positive and [-1e-300, -0] negative, unless both ends are 0, which is the number 0.
 */

/** The result of an operation. */
export const R = new Float64Array(2);
const [LESS, MORE] = [1 - 2 ** -52, 1 + 2 ** -52];
const LEAST = 2 ** -1074;
const TINY = 2 ** -1000;
const MOST = Number.MAX_VALUE;

/** Below and above a sum, difference or square root that was rounded to f: those are never rounded where they are subnormal. */
export const belowSum = (f: number): number =>
  f > 0 ? (f === Number.POSITIVE_INFINITY ? MOST : f * LESS) : f === 0 ? f : f * MORE;
export const aboveSum = (f: number): number =>
  f < 0 ? (f === Number.NEGATIVE_INFINITY ? -MOST : f * LESS) : f === 0 ? f : f * MORE;
/** The same of a product or quotient, which may be rounded to 0: its sign is right. */
const below = (f: number): number =>
  f > TINY
    ? f === Number.POSITIVE_INFINITY
      ? MOST
      : f * LESS
    : f < -TINY
      ? f * MORE
      : f > 0
        ? f - LEAST
        : f === 0 && !Object.is(f, -0)
          ? f
          : f - LEAST;
const above = (f: number): number => -below(-f);

export function sum(al: number, ah: number, bl: number, bh: number): void {
  R[0] = belowSum(al + bl);
  R[1] = aboveSum(ah + bh);
}
export function difference(al: number, ah: number, bl: number, bh: number): void {
  R[0] = belowSum(al - bh);
  R[1] = aboveSum(ah - bl);
}
const isZero = (l: number, h: number) => l === 0 && h === 0;

export function product(al: number, ah: number, bl: number, bh: number): void {
  if (isZero(al, ah) || isZero(bl, bh)) {
    // Of what has no value there is none.
    R[0] = R[1] = al <= ah && bl <= bh ? 0 : Number.NaN;
  } else if (al >= 0 && bl >= 0) {
    R[0] = below(al * bl);
    R[1] = above(ah * bh);
  } else {
    const [p, q, r, s] = [al * bl, al * bh, ah * bl, ah * bh];
    R[0] = below(Math.min(p, q, r, s));
    R[1] = above(Math.max(p, q, r, s));
  }
}
export function quotient(al: number, ah: number, bl: number, bh: number): void {
  if (bl > 0) {
    if (isZero(al, ah)) R[0] = R[1] = 0;
    else {
      R[0] = below(al >= 0 ? al / bh : al / bl);
      R[1] = above(ah > 0 ? ah / bl : ah / bh);
    }
  } else if (bh < 0) quotient(-ah, -al, -bh, -bl);
  else R[0] = R[1] = Number.NaN;
}

/** Where e^a lies for an interval of arguments, and so on: by the value at the lower end and the steepest slope from there, if the other is near. */
export type IntervalFunction = (l: number, h: number) => void;
const NEAR = 2 ** -7;
const HUGE = 2 ** 1000;
/** Below e^-700, Φ(-37). */
const EXP_REST = 2 ** -1000;
const TAIL_REST = 2 ** -990;
/** Bounds that were computed with a rounding or two. */
const SLACK = 1.02;

export interface IntervalFunctions {
  readonly exp: IntervalFunction;
  readonly log: IntervalFunction;
  readonly expm1: IntervalFunction;
  readonly log1p: IntervalFunction;
  readonly sin: IntervalFunction;
  readonly cos: IntervalFunction;
  readonly sigmoid: IntervalFunction;
  readonly tanh: IntervalFunction;
  readonly softplus: IntervalFunction;
  readonly normal: IntervalFunction;
  readonly aboveHalf: IntervalFunction;
  readonly atan: IntervalFunction;
  readonly abs: IntervalFunction;
}

let functions: IntervalFunctions | undefined;
export function intervalFunctions(): IntervalFunctions {
  functions ??= make(elementary());
  return functions;
}

function make(on: Elementary): IntervalFunctions {
  const tell = (l: number, h: number) => {
    R[0] = l;
    R[1] = h;
  };
  const sine = (quarter: 0 | 1) => (l: number, h: number) => {
    const w = h - l;
    if (quarter === 0 && l === 0 && w === 0) tell(0, 0);
    else if (!(w <= 1) || !(Math.max(-l, h) <= MOST_ANGLE)) {
      // Every real number has a sine.
      if (l <= h) tell(-1, 1);
      else tell(Number.NaN, Number.NaN);
    } else {
      const v = on.sine(l, quarter);
      // Nothing is taken from a small argument.
      const error =
        2 * SIN_ERROR * Math.abs(v) + (Math.abs(l) > 0.5 || quarter === 1 ? 2 * SIN_ABSOLUTE : 0) + SLACK * w;
      tell(Math.max(v - error, -1), Math.min(v + error, 1));
    }
  };
  /** 1/(1 + e^-a), to three roundings and what e^-|a| is off. */
  const logistic = (a: number) => {
    const e = on.exp(-Math.abs(a));
    return (a < 0 ? e : 1) / (1 + e);
  };
  const LOGISTIC_ERROR = 2 * EXP_ERROR + 2 ** -50;
  /** -e/(2 + e) with e = expm1(-2a): what e is off counts at most twice. */
  const tangent = (a: number) => {
    const e = on.expm1(-2 * Math.abs(a));
    const value = -e / (2 + e);
    return a < 0 ? -value : value;
  };
  const TANGENT_ERROR = 3 * EXPM1_ERROR;
  /** For |a| ≤ 40, or further down. */
  const rectified = (a: number) => (a > 0 ? a + on.log1p(on.exp(-a)) : on.log1p(on.exp(a)));
  const RECTIFIED_ERROR = 2 * LOG1P_ERROR;
  const distribution = (a: number) => (a < 0 ? on.upperTail(-a) : 1 - on.upperTail(a));
  return {
    exp(l, h) {
      const v = l < -MOST_EXP ? 0 : l > MOST_EXP ? HUGE : on.exp(l);
      const isKnown = l >= -MOST_EXP && l <= MOST_EXP;
      const w = h - l;
      const error = 2 * EXP_ERROR;
      R[0] = isKnown ? v - error * v : l === l ? v : Number.NaN;
      // e^h ≤ e^l·(1 + 1.01·w) for w ≤ 2⁻⁷.
      R[1] =
        h > MOST_EXP
          ? Number.POSITIVE_INFINITY
          : h < -MOST_EXP
            ? EXP_REST
            : isKnown && w <= NEAR
              ? v + v * (error + SLACK * w)
              : on.exp(h) * (1 + error);
    },
    expm1(l, h) {
      if (l === 0 && h === 0) return tell(0, 0);
      const w = h - l;
      const error = 2 * EXPM1_ERROR;
      const v = l > MOST_EXP ? HUGE : l < -MOST_EXP ? -1 : on.expm1(l);
      const isKnown = l >= -MOST_EXP && l <= MOST_EXP;
      R[0] = isKnown ? Math.max(v - error * Math.abs(v), -1) : l === l ? v : Number.NaN;
      if (h > MOST_EXP) R[1] = Number.POSITIVE_INFINITY;
      else if (h < -40) R[1] = -1 + 2 ** -50;
      else if (isKnown && w <= NEAR) R[1] = v + (error * Math.abs(v) + SLACK * (v + 1) * w);
      else {
        const top = on.expm1(h);
        R[1] = top + error * Math.abs(top);
      }
    },
    log(l, h) {
      if (!(l >= 0) || !(h > 0)) return tell(Number.NaN, Number.NaN);
      const error = 2 * LOG_ERROR;
      const isKnown = l >= TINY && l <= MOST;
      const v = isKnown ? on.log(l) : 0;
      R[0] = isKnown ? v - error * Math.abs(v) : l === 0 ? Number.NEGATIVE_INFINITY : l > 1 ? 709 : -745;
      const w = h - l;
      if (h === Number.POSITIVE_INFINITY) R[1] = h;
      else if (h < TINY) R[1] = -693;
      else if (isKnown && w <= NEAR * l) R[1] = v + (error * Math.abs(v) + (SLACK * w) / l);
      else {
        const top = on.log(h);
        R[1] = top + error * Math.abs(top);
      }
    },
    log1p(l, h) {
      if (l === 0 && h === 0) return tell(0, 0);
      if (!(l >= -1) || !(h > -1)) return tell(Number.NaN, Number.NaN);
      const error = 2 * LOG1P_ERROR;
      const isKnown = l > -1 && l <= MOST;
      const v = isKnown ? on.log1p(l) : 0;
      R[0] = isKnown ? v - error * Math.abs(v) : l > 1 ? 709 : Number.NEGATIVE_INFINITY;
      const w = h - l;
      if (h === Number.POSITIVE_INFINITY) R[1] = h;
      else if (isKnown && w <= NEAR * (1 + l)) R[1] = v + (error * Math.abs(v) + (SLACK * w) / (1 + l));
      else {
        const top = on.log1p(h);
        R[1] = top + error * Math.abs(top);
      }
    },
    sin: sine(0),
    cos: sine(1),
    sigmoid(l, h) {
      const w = h - l;
      const error = 2 * LOGISTIC_ERROR;
      const isKnown = l >= -MOST_EXP && l <= 40;
      const v = isKnown ? logistic(l) : 0;
      R[0] = isKnown ? v - error * v : l > 40 ? 1 - 2 ** -50 : l === l ? 0 : Number.NaN;
      // (log σ)′ = σ(-a) ≤ 1.
      R[1] =
        h > 40
          ? 1
          : h < -MOST_EXP
            ? EXP_REST
            : Math.min(isKnown && w <= NEAR ? v + v * (error + SLACK * w) : logistic(h) * (1 + error), 1);
    },
    tanh(l, h) {
      if (l === 0 && h === 0) return tell(0, 0);
      const error = 2 * TANGENT_ERROR;
      const w = h - l;
      if (l !== l || h !== h) return tell(Number.NaN, Number.NaN);
      const v = l > 20 ? 1 - 2 ** -50 : l < -20 ? -1 : tangent(l);
      R[0] = Math.max(v - (l > 20 ? 0 : error * Math.abs(v)), -1);
      if (h > 20) R[1] = 1;
      else if (h < -20) R[1] = -1 + 2 ** -50;
      else {
        const top = l >= -20 && w <= NEAR ? v + SLACK * w : tangent(h);
        R[1] = Math.min(top + error * (Math.abs(v) + Math.abs(top)), 1);
      }
    },
    softplus(l, h) {
      const w = h - l;
      const error = 2 * RECTIFIED_ERROR;
      const isKnown = l >= -MOST_EXP && l <= 40;
      const v = isKnown ? rectified(l) : 0;
      R[0] = isKnown ? v - error * v : l > 40 ? l : l === l ? 0 : Number.NaN;
      // Beyond 40 it is a + e^-a; its slope and that of its logarithm are at most 1.
      R[1] =
        h > 40
          ? h * MORE
          : h < -MOST_EXP
            ? EXP_REST
            : isKnown && w <= NEAR
              ? v + (error * v + SLACK * w * Math.min(v, 1))
              : rectified(h) * (1 + error);
    },
    normal(l, h) {
      if (!(l <= h)) return tell(Number.NaN, Number.NaN);
      const w = h - l;
      const isKnown = l >= -MOST_TAIL && l <= 9;
      const errorAt = (a: number) => 4 * TAIL_ERROR + (a < 0 ? a * a * 2 ** -52 : 0);
      const v = isKnown ? distribution(l) : 0;
      R[0] = isKnown ? v - errorAt(l) * v : l > 9 ? 1 - 2 ** -50 : l === l ? 0 : Number.NaN;
      // φ(t)/Φ(-t) ≤ t + 1 (Birnbaum 1942), and it falls with -t.
      const slope = (Math.max(-l, 0) + 1) * w;
      R[1] =
        h > 9
          ? 1
          : h < -MOST_TAIL
            ? TAIL_REST
            : Math.min(
                isKnown && slope <= NEAR ? v + v * (errorAt(l) + SLACK * slope) : distribution(h) * (1 + errorAt(h)),
                1,
              );
    },
    aboveHalf(l, h) {
      if (!(l <= h)) return tell(Number.NaN, Number.NaN);
      if (l === 0 && h === 0) return tell(0, 0);
      const error = 2 * INNER_ERROR;
      const v = on.aboveHalf(l);
      const top = h - l <= NEAR ? v + 0.4 * (h - l) : on.aboveHalf(h);
      // 0.39894 is the steepest slope.
      tell(Math.max(v - error * Math.abs(v), -0.5), Math.min(top + error * (Math.abs(v) + Math.abs(top)), 0.5));
    },
    atan(l, h) {
      if (l === 0 && h === 0) return tell(0, 0);
      const error = 2 * ATAN_ERROR;
      const v = on.atan(l);
      const top = h - l <= NEAR ? v + SLACK * (h - l) : on.atan(h);
      tell(v - error * Math.abs(v), top + error * (Math.abs(v) + Math.abs(top)));
    },
    abs(l, h) {
      if (l >= 0) tell(l, h);
      else if (h <= 0) tell(-h, -l);
      else tell(0, Math.max(-l, h));
    },
  };
}

/** √a, by what its square is off, whoever computed it. */
function root(a: number): readonly [number, number] {
  const s = Math.sqrt(a);
  const error = (Math.abs(s * s - a) + s * s * 2 ** -52) / s + s * 2 ** -52;
  return a === 0 ? [0, 0] : [s - error, s + error];
}

const MOST_POWER = 64;

export function power(al: number, ah: number, bl: number, bh: number, { exp, log }: IntervalFunctions): void {
  if (bl === bh && Number.isInteger(bl) && Math.abs(bl) <= MOST_POWER) {
    let [l, h] = [1, 1];
    for (let n = Math.abs(bl); n > 0; n--) {
      if (n === Math.abs(bl)) [l, h] = [al, ah];
      else {
        product(l, h, al, ah);
        [l, h] = [R[0]!, R[1]!];
      }
    }
    if (bl < 0) quotient(1, 1, l, h);
    else [R[0], R[1]] = [l, h];
  } else if (bl === bh && Math.abs(bl) === 0.5 && al > TINY && ah < HUGE) {
    const [l, h] = [root(al)[0], root(ah)[1]];
    if (bl < 0) quotient(1, 1, l, h);
    else [R[0], R[1]] = [l, h];
  } else if (al > 0) {
    log(al, ah);
    product(R[0]!, R[1]!, bl, bh);
    exp(R[0]!, R[1]!);
  } else R[0] = R[1] = Number.NaN;
}

/** A ball as an interval. */
export function intervalOf(a: Real): readonly [number, number] {
  if (isBeyond(a)) return [Number.NaN, Number.NaN];
  const { hi, lo, error } = onlyTruth(a);
  if (lo === 0 && error === 0 && (a as Ball).r === 0) return [hi, hi];
  const off = Math.abs(hi) * 2 ** -52 + error * 2 + LEAST;
  return [hi - off, hi + off];
}
