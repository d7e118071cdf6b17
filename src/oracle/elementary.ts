import {
  add,
  atan as atanBall,
  type Ball,
  divide,
  exactly,
  exp as expBall,
  fromNumber,
  log as logBall,
  multiply,
  negate,
  normal,
  power,
  type Real,
} from './ball.js';
import { onlyTruth } from './truth.js';

/**
 * Elementary functions in float64, each with a bound on its error that is derived where it stands. Tables come from balls; nothing is shared with
 * the kernels' arithmetic, and nothing is asked of `Math` but to round. u = 2⁻⁵³ below.
 */

const PRECISION = 256;

/** A ball as two float64. @throws {Error} if it is not known that well: a table would be wrong. */
export function parts(a: Real): { hi: number; lo: number } {
  const found = onlyTruth(a);
  if (!(found.error <= 2 ** -100 * Math.abs(found.hi))) throw new Error('a ball is too wide for a table');
  return found;
}
/** Arguments of `exp` lie between -MOST and MOST. */
export const MOST_EXP = 700;
export const EXP_ERROR = 2 ** -51;
export const EXPM1_ERROR = 2 ** -45;
export const LOG_ERROR = 2 ** -50;
export const LOG1P_ERROR = 2 ** -49;
/** Arguments of sine and cosine. */
export const MOST_ANGLE = 2 ** 20;
/** Of the value, and absolute. */
export const SIN_ERROR = 2 ** -50;
export const SIN_ABSOLUTE = 2 ** -90;
export const ATAN_ERROR = 2 ** -50;
/** Beyond this, Φ(-t) is below 2⁻⁹⁹⁰. */
export const MOST_TAIL = 37;
/** Of itself: MILLS_ERROR + t²·2⁻⁵³, for the square is rounded. */
export const TAIL_ERROR = 2 ** -49;
export const INNER_ERROR = 2 ** -47;

export type Elementary = ReturnType<typeof make>;
let made: Elementary | undefined;
/** The functions; their tables are computed when they are first asked for. */
export function elementary(): Elementary {
  made ??= make();
  return made;
}

function make() {
  const number = (a: Real) => parts(a).hi;
  const LN2 = logBall(exactly(2n), PRECISION);
  const PI = multiply(exactly(4n), atanBall(exactly(1n), PRECISION), PRECISION);

  /** The leading part of a number on the grid of 2^-bits, and the rest as a float64. */
  function divided(a: Real, bits: number): [number, number] {
    const scale = 2 ** bits;
    const high = Math.round(number(a) * scale) / scale;
    return [high, high === 0 && number(a) === 0 ? 0 : number(add(a, fromNumber(-high), PRECISION))];
  }

  /** 2^m for -1074 ≤ m ≤ 1023: products of two are exact. */
  const POWERS = new Float64Array(2098);
  for (let m = 0, value = 1; m <= 1023; m++, value *= 2) POWERS[m + 1074] = value;
  for (let m = 0, value = 1; m >= -1074; m--, value /= 2) POWERS[m + 1074] = value;

  // ---- e^a ---------------------------------------------------------------------------------------------------------------------------------------

  /** ln 2/32 on the grid of 2⁻⁴², 37 bits, and the rest. */
  const [STEP, STEP_LOW] = divided(multiply(LN2, exactly(1n, -5), PRECISION), 42);
  const STEPS = number(divide(exactly(32n), LN2, PRECISION));
  /** 2^(j/32) as two float64. */
  const ROOTS = new Float64Array(64);
  for (let j = 0; j < 32; j++) {
    const { hi, lo } = parts(expBall(multiply(LN2, exactly(BigInt(j), -5), PRECISION), PRECISION));
    ROOTS[2 * j] = hi;
    ROOTS[2 * j + 1] = lo;
  }

  /**
   * e^a for |a| ≤ 700, to EXP_ERROR of itself. With k the integer nearest to 32a/ln 2, k·STEP is exact (15 + 37 bits), and so is a - k·STEP (multiples of
   * 2⁻⁵⁹ below 2⁻⁶). r is off by 2⁻⁵⁹, its series by r⁷/5040 < 2⁻⁵⁷ and by rounding of 2⁻⁵⁹; the last sum rounds by u. Together below 1.2u.
   */
  function exp(a: number): number {
    const k = Math.round(a * STEPS);
    const r = a - k * STEP - k * STEP_LOW;
    const p = r + r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720)))));
    const j = k & 31;
    const high = ROOTS[2 * j]!;
    return (high + (ROOTS[2 * j + 1]! + high * p)) * POWERS[((k - j) >> 5) + 1074]!;
  }

  const SMALL = 0.0104;
  /**
   * e^a - 1 for |a| ≤ 700, to EXPM1_ERROR of itself. Near 0 the series to a⁸/8!, off by a⁸/9! < 2⁻⁷⁰ of a, and 1.1u; elsewhere e^a is at most 97 times
   * e^a - 1 in size, and 97·1.2u + u < 2⁻⁴⁵.
   */
  function expm1(a: number): number {
    if (Math.abs(a) < SMALL)
      return (
        a +
        a * a * (1 / 2 + a * (1 / 6 + a * (1 / 24 + a * (1 / 120 + a * (1 / 720 + a * (1 / 5040 + a * (1 / 40320)))))))
      );
    return exp(a) - 1;
  }

  // ---- log a -------------------------------------------------------------------------------------------------------------------------------------

  const word = new Float64Array(1);
  const words = new Uint32Array(word.buffer);
  const [LN2_HIGH, LN2_LOW] = divided(LN2, 40);
  /** By j = 128·c: q ≈ 1/c of 9 bits, and -log q on the grid of 2⁻⁴⁰ and the rest. */
  const INVERSES = new Float64Array(3 * 256);
  for (let j = 88; j <= 184; j++) {
    const q = Math.round((256 * 128) / j) / 256;
    INVERSES[3 * j] = q;
    if (q !== 1) INVERSES.set(divided(negate(logBall(fromNumber(q), PRECISION)), 40), 3 * j + 1);
  }

  /** log(1 + r) for |r| ≤ 0.0085 to 1.2u: the series to r¹⁰, off by r¹⁰/11 < 2⁻⁷² of r; all but r is below 0.0043 of it. */
  function logNear(r: number): number {
    const rest =
      -1 / 2 +
      r *
        (1 / 3 + r * (-1 / 4 + r * (1 / 5 + r * (-1 / 6 + r * (1 / 7 + r * (-1 / 8 + r * (1 / 9 + r * (-1 / 10))))))));
    return r + r * r * rest;
  }

  /**
   * log a for 2⁻¹⁰⁰⁰ ≤ a < ∞, to LOG_ERROR of itself. a = 2^k·m, 0.7 < m < 1.42; m·q - 1 by the leading 24 bits of m and the rest, both products and
   * the first difference exact, so r is off by u of itself. k·LN2_HIGH and the table's first part are multiples of 2⁻⁴⁰ below 2¹⁰: their sum is exact.
   * Where it is 0 the result is `logNear`'s; elsewhere |log a| > 0.0038, and roundings of 1.2u·0.0085 + u·0.0085 + u·|log a| come to less than 8u of it.
   */
  function log(a: number): number {
    word[0] = a;
    let k = (words[1]! >>> 20) - 1023;
    words[1] = (words[1]! & 0xfffff) | 0x3ff00000;
    let m = word[0]!;
    if (m > 1.41) {
      m *= 0.5;
      k += 1;
    }
    const j = 3 * Math.round(m * 128);
    const q = INVERSES[j]!;
    const head = Math.fround(m);
    const r = head * q - 1 + (m - head) * q;
    if (k === 0 && q === 1) return logNear(r);
    return k * LN2_HIGH + INVERSES[j + 1]! + (logNear(r) + (k * LN2_LOW + INVERSES[j + 2]!));
  }

  /** log(1 + a) for a > -1, to LOG1P_ERROR of itself: what 1 + a is rounded by is at most u·(1 + a), and enters by its quotient, up to its square. */
  function log1p(a: number): number {
    if (Math.abs(a) < 0.008) return logNear(a);
    const s = 1 + a;
    const t = s - 1;
    return log(s) + (1 - (s - t) + (a - t)) / s;
  }

  // ---- sin, cos, atan ----------------------------------------------------------------------------------------------------------------------------

  /** π/2 in parts of 33 bits, and the rest. */
  const HALF_PI = multiply(PI, exactly(1n, -1), PRECISION);
  const [TURN, TURN_2] = divided(HALF_PI, 32);
  const TURN_MIDDLE = Math.round(TURN_2 * 2 ** 65) / 2 ** 65;
  const TURN_LOW = number(add(add(HALF_PI, fromNumber(-TURN), PRECISION), fromNumber(-TURN_MIDDLE), PRECISION));
  const TURNS = number(divide(exactly(1n), HALF_PI, PRECISION));

  /**
   * sin(a + quarter·π/2) for |a| ≤ 2²⁰. k·TURN and k·TURN_MIDDLE are exact (20 + 33 bits), a - k·TURN too (multiples of 2⁻⁵³ below 1); the next
   * difference is kept with what it is rounded by. r is off by u of itself and 2⁻⁹⁷. Taylor's series to r¹⁷ and r¹⁸ is off by 2⁻⁶² of the result; what is
   * added to r, or to 1 - r²/2, comes to less than 3u of it.
   */
  function sine(a: number, quarter: 0 | 1): number {
    const k = Math.round(a * TURNS);
    const first = a - k * TURN;
    const taken = k * TURN_MIDDLE;
    const second = first - taken;
    const t = second - first;
    const r = second + (first - (second - t) - (taken + t) - k * TURN_LOW);
    const s = r * r;
    const which = (k + quarter) & 3;
    const value =
      (which & 1) === 0
        ? r +
          r *
            (s *
              (SIN[0]! +
                s *
                  (SIN[1]! +
                    s * (SIN[2]! + s * (SIN[3]! + s * (SIN[4]! + s * (SIN[5]! + s * (SIN[6]! + s * SIN[7]!))))))))
        : 1 -
          (0.5 * s -
            s *
              s *
              (COS[0]! +
                s *
                  (COS[1]! +
                    s * (COS[2]! + s * (COS[3]! + s * (COS[4]! + s * (COS[5]! + s * (COS[6]! + s * COS[7]!))))))));
    return which >= 2 ? -value : value;
  }
  const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
  /** ∓1/3!, …, 1/17!, and 1/4!, …, 1/18! after x⁴. */
  const SIN = Float64Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? -1 : 1) / factorial(2 * i + 3));
  const COS = Float64Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? 1 : -1) / factorial(2 * i + 4));

  const QUARTER_TURN = number(HALF_PI);
  /** atan(j/32). */
  const ANGLES = Float64Array.from({ length: 33 }, (_, j) =>
    j === 0 ? 0 : number(atanBall(exactly(BigInt(j), -5), PRECISION)),
  );
  /** atan a, to ATAN_ERROR of itself: atan c + atan((a - c)/(1 + a·c)), c the next multiple of 1/32; beyond 1 from π/2. Seven roundings at most. */
  function atan(a: number): number {
    const size = Math.abs(a);
    if (size > 1) {
      const value = QUARTER_TURN - atan(1 / size);
      return a > 0 ? value : -value;
    }
    const j = Math.round(size * 32);
    const c = j / 32;
    const t = (size - c) / (1 + size * c);
    const s = t * t;
    const near = t + t * (s * (-1 / 3 + s * (1 / 5 + s * (-1 / 7 + s * (1 / 9 + s * (-1 / 11 + s * (1 / 13)))))));
    return a < 0 ? -(ANGLES[j]! + near) : ANGLES[j]! + near;
  }

  // ---- the normal distribution -------------------------------------------------------------------------------------------------------------------

  const ROOT_2PI = power(multiply(exactly(2n), PI, 2 * PRECISION), exactly(1n, -1), 2 * PRECISION);
  const DENSITY = number(divide(exactly(1n), ROOT_2PI, PRECISION));
  /** Bits: `normal` loses 1.5·t² of them, the recurrence 2·TERMS·log₂ t. */
  const WIDE = 1400;
  const TERMS = 15;
  const mills = new Map<number, Float64Array>();

  /**
   * Taylor coefficients at c = j/4 of Mills' ratio Φ(-t)/φ(t) = M(t): M′ = t·M - 1, so (n+1)·aₙ₊₁ = c·aₙ + aₙ₋₁. Its derivatives are those of
   * ∫e^(-tv - v²/2)dv: their sizes fall with t, so that the n-th term at c - 1/8, which is below 2⁻⁶⁰ of M, bounds the rest.
   */
  function millsAt(j: number): Float64Array {
    let found = mills.get(j);
    if (found === undefined) {
      const coefficients = series(j, 2, TERMS);
      const [rest, least] = [series(2 * j - 1, 3, TERMS + 1)[TERMS]!, series(2 * j + 1, 3, 1)[0]!];
      if (!(Math.abs(rest) * 2 ** (-3 * TERMS) < 2 ** -60 * least))
        throw new Error("a table of Mills' ratio is too short");
      found = coefficients;
      mills.set(j, found);
    }
    return found;
  }

  function series(numerator: number, shift: number, terms: number): Float64Array {
    const c: Ball = exactly(BigInt(numerator), -shift);
    const square = multiply(multiply(c, c, WIDE), exactly(-1n, -1), WIDE);
    const density = divide(expBall(square, WIDE), ROOT_2PI, WIDE);
    let before = divide(normal(negate(c), WIDE), density, WIDE);
    let last = add(multiply(c, before, WIDE), exactly(-1n), WIDE);
    const found = [before];
    for (let n = 1; n < terms; n++) {
      found.push(last);
      [before, last] = [last, divide(add(multiply(c, last, WIDE), before, WIDE), exactly(BigInt(n + 1)), WIDE)];
    }
    return Float64Array.from(found, number);
  }

  /** Φ(-t) for 0 ≤ t ≤ MOST_TAIL; t - c is exact, the polynomial falls below 0.11 of its first term, so 3u, e^… 1.2u, two products. */
  function upperTail(t: number): number {
    const j = Math.round(4 * t);
    const h = t - j / 4;
    const a = TABLE[j] ?? (TABLE[j] = millsAt(j));
    let sum = a[TERMS - 1]!;
    for (let n = TERMS - 2; n >= 0; n--) sum = a[n]! + h * sum;
    return sum * (DENSITY * exp(-0.5 * (t * t)));
  }
  const TABLE: Float64Array[] = [];

  /** (-1)ⁿ/(2ⁿ·n!·(2n+1)·√(2π)) */
  const INNER = Float64Array.from({ length: 13 }, (_, n) => {
    const divisor = multiply(ROOT_2PI, exactly(BigInt(factorial(n)) * BigInt(2 * n + 1), n), PRECISION);
    const value = number(divide(exactly(1n), divisor, PRECISION));
    return n % 2 === 0 ? value : -value;
  });
  /** Φ(a) - ½, to INNER_ERROR of itself: below ½ the series, alternating and falling, to 3u; else ½ - Φ(-a), at least 0.19 from at most 0.31·TAIL_ERROR. */
  function aboveHalf(a: number): number {
    const size = Math.abs(a);
    let value: number;
    if (size < 0.5) {
      const s = a * a;
      value = 0;
      for (let n = INNER.length - 1; n >= 0; n--) value = INNER[n]! + s * value;
      value *= size;
    } else value = size > MOST_TAIL ? 0.5 : 0.5 - upperTail(size);
    return a < 0 ? -value : value;
  }

  return { exp, expm1, log, log1p, sine, atan, upperTail, aboveHalf };
}
