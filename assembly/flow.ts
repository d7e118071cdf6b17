import {
  addWord,
  andWord,
  column0,
  column1,
  column2,
  column3,
  every,
  everyWord,
  Lanes,
  larger,
  loadEvery,
  loadLanes,
  loadWord,
  minus,
  ofBits,
  orWord,
  pick,
  pickWord,
  plus,
  row0,
  row1,
  row2,
  row3,
  STRIDE,
  shiftLeft,
  shiftRight,
  smaller,
  storeLanes,
  subtractWord,
  times,
  toBits,
  toFloat,
  Words,
  wordAbove,
  wordEquals,
} from '#lanes';
import { flushToZero, segmentOf } from './activation';
import { expm1Ratio, log1pRatio } from './elementary';

/**
 * The CPAB flow y = φ(x, t): one piece look-up, one logarithm and one exponential a point, however many cells it crosses.
 *
 * Each piece carries {x0, 1/v0, s_i, 1/s_i | s_j, 1/s_j, w0, low part of y0 | y0, least y, largest y, -}. With
 * q = (x-x0)/v0, z = s_i·q:  τ = log1p(z)/s_i and y = y0 + w0·expm1(s_j·τ)/s_j (design §2). Both are written so that
 * s → 0 is the smooth limit: for |z| small the division by s never happens. Affine pieces have s_i = s_j = 0.
 */
const SEARCH_STEPS: usize = 0;
const BOUNDS: usize = 4;
const PIECES: usize = 8;

const LN2: f32 = 0.6931471805599453;
const INVERSE_LN2: f32 = 1.4426950408889634;
/** 1.5·2²³: adding it rounds to an integer, which then stands in the low bits of the sum. */
const ROUNDER: f32 = 12582912;
const ROUNDER_BITS: i32 = 0x4b400000;
const SQRT_HALF_BITS: i32 = 0x3f3504f3;
const ONE_BITS: i32 = 0x3f800000;
const EXPONENT_STEP: i32 = 0x00800000;
const INFINITY_BITS: i32 = 0x7f800000;
const NORMAL_BITS: i32 = 0x00800000;
const NAN_BITS: i32 = 0x7fc00000;
const MAGNITUDE: i32 = 0x7fffffff;
const SIGN: i32 = -0x80000000;
const LARGEST_FLOAT: f32 = 3.4028234663852886e38;
/** 1 + z is a ratio of velocities; below 2⁻¹⁰⁰ the point is at a fixed point for every purpose. */
const LEAST_RATIO: f32 = 7.888609052210118e-31;
const MOST_RATIO: f32 = 1.2676506002282294e30;
/** Keeps 2^k a normal number, and y finite. */
const MOST_GROWTH: f32 = 60;

export function flow(table: usize, x: usize, y: usize, count: usize): void {
  const bounds = <usize>loadWord(table + BOUNDS);
  const steps = loadWord(table + SEARCH_STEPS);
  const pieces = toBits(loadEvery(table + PIECES));
  for (let end = x + (count << 2); x < end; x += STRIDE, y += STRIDE) {
    storeLanes(y, flowLanes(loadLanes(x), bounds, steps, pieces));
  }
}

function flowLanes(given: Lanes, bounds: usize, steps: i32, pieces: Words): Lanes {
  const bits = toBits(given);
  const magnitude = andWord(bits, everyWord(MAGNITUDE));
  const isSubnormal = wordAbove(everyWord(NORMAL_BITS), magnitude);
  const flushed = ofBits(pickWord(isSubnormal, andWord(bits, everyWord(SIGN)), bits));
  const x = smaller(every(LARGEST_FLOAT), larger(every(-LARGEST_FLOAT), flushed));

  // 48 bytes a piece.
  const index = segmentOf(x, everyWord(0), bounds, steps);
  const at = addWord(pieces, addWord(shiftLeft(index, 5), shiftLeft(index, 4)));
  const a = row0(at, 0);
  const b = row1(at, 0);
  const c = row2(at, 0);
  const d = row3(at, 0);
  const e = row0(at, 16);
  const f = row1(at, 16);
  const g = row2(at, 16);
  const h = row3(at, 16);
  const i = row0(at, 32);
  const j = row1(at, 32);
  const k = row2(at, 32);
  const l = row3(at, 32);

  const q = times(minus(x, column0(a, b, c, d)), column1(a, b, c, d));
  const tau = travelTime(q, column2(a, b, c, d), column3(a, b, c, d));
  const moved = times(displacement(tau, column0(e, f, g, h), column1(e, f, g, h)), column2(e, f, g, h));
  const free = plus(column0(i, j, k, l), plus(moved, column3(e, f, g, h)));
  const y = smaller(column2(i, j, k, l), larger(column1(i, j, k, l), free));

  // The line maps onto itself, increasing: infinities stay. A zero keeps its sign where it is a fixed point.
  const finite = wordAbove(everyWord(INFINITY_BITS), magnitude);
  const number = wordAbove(everyWord(INFINITY_BITS + 1), magnitude);
  const zero = wordEquals(
    orWord(andWord(toBits(flushed), everyWord(MAGNITUDE)), andWord(toBits(y), everyWord(MAGNITUDE))),
    everyWord(0),
  );
  const result = pick(zero, flushed, flushToZero(y));
  return pick(finite, result, pick(number, given, ofBits(everyWord(NAN_BITS))));
}

/** log1p(s·q)/s for the slope s and its inverse (0 where s is too small to matter). */
function travelTime(q: Lanes, s: Lanes, inverse: Lanes): Lanes {
  const z = times(s, q);
  const ratio = smaller(every(MOST_RATIO), larger(every(LEAST_RATIO), plus(every(1), z)));
  // ratio = 2^k·m with m in [√½, √2); where k = 0, z itself is m-1 without the rounding of 1+z.
  const offset = subtractWord(toBits(ratio), everyWord(SQRT_HALF_BITS));
  const k = shiftRight(offset, 23);
  const m = ofBits(subtractWord(toBits(ratio), shiftLeft(k, 23)));
  const isNear = wordEquals(k, everyWord(0));
  const excess = pick(isNear, z, minus(m, every(1)));
  const scaled = pick(isNear, q, times(excess, inverse));
  return plus(times(toFloat(k), times(every(LN2), inverse)), times(scaled, log1pRatio(excess)));
}

/** expm1(s·τ)/s for the slope s and its inverse (0 where s is too small to matter). */
function displacement(tau: Lanes, s: Lanes, inverse: Lanes): Lanes {
  const z = smaller(every(MOST_GROWTH), larger(every(-MOST_GROWTH), times(s, tau)));
  const rounded = plus(times(z, every(INVERSE_LN2)), every(ROUNDER));
  const k = subtractWord(toBits(rounded), everyWord(ROUNDER_BITS));
  const reduced = minus(tau, times(toFloat(k), times(every(LN2), inverse)));
  const power = ofBits(addWord(everyWord(ONE_BITS), shiftLeft(k, 23)));
  const r = times(s, reduced);
  return plus(times(times(power, reduced), expm1Ratio(r)), times(minus(power, every(1)), inverse));
}
