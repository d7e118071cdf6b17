import { loadWord } from '#lanes';
import { loadDouble, storeDouble } from '#scalars';
import { exp, expm1Ratio, log1pRatio, normalDensity, normalDistribution, power } from './numeric';

/**
 * Taylor series of the analytic pieces that activations are made of, each with a bound on what the series leaves out.
 *
 * A job is a block of memory: the description of one piece, and room to work. `src/plan/pieces.ts` fills the description.
 */

/** Taylor coefficients are computed up to u^(TERMS-1). */
export const TERMS: i32 = 12;

/** What kind of piece: intercept + slope·x; x·Φ(x); a flow T; T(x)·Φ(x). */
export const KIND: usize = 0;
export const LINEAR: i32 = 0;
export const GELU: i32 = 1;
export const FLOW: i32 = 2;
export const FLOW_TIMES_NORMAL: i32 = 3;
/** The float32 inputs to which the piece applies, both included. */
export const FIRST: usize = 8;
export const LAST: usize = 16;
/** Of a linear piece. Slope 0 is the constant zero; else |intercept| ≤ |slope·x|/16 throughout. */
export const SLOPE: usize = 24;
export const INTERCEPT: usize = 32;
/** Of a flow, as `FlowPiece` has them; GAIN is NaN where start and end cell differ. */
export const X0: usize = 24;
export const V0: usize = 32;
export const Y0: usize = 40;
export const W0: usize = 48;
export const SLOPE_IN: usize = 56;
export const SLOPE_OUT: usize = 64;
export const GAIN: usize = 72;
/** How many roundings its constants went through, and whether X0 is a number without one. */
export const COST: usize = 80;
export const IS_EXACT: usize = 88;
/** Results: the Taylor coefficients, and a bound on the float64 rounding error of the first, absolute. */
export const TAYLOR: usize = 144;
export const ROUNDING: usize = 96;
/** Room for two factors. */
const LEFT: usize = TAYLOR + 96;
const RIGHT: usize = LEFT + 96;
/** Where a job's other users may work. */
export const REST: usize = RIGHT + 96;

/** A few operations' worth of rounding. */
const ROUNDOFF: f64 = 1.0 / 2251799813685248.0;
/** -1 + 2⁻⁵². */
const LEAST_GROWTH: f64 = -0.9999999999999998;

/** The n-th coefficient of a series. */
export function term(series: usize, n: i32): f64 {
  return loadDouble(series + ((<usize>n) << 3));
}

export function setTerm(series: usize, n: i32, x: f64): void {
  storeDouble(series + ((<usize>n) << 3), x);
}

/**
 * Writes the piece's Taylor coefficients about `centre` into TAYLOR and its rounding error into ROUNDING. Returns a bound on
 * |f(centre+u) - Σ TAYLOR[n]·uⁿ| for all |u| ≤ radius; Infinity if the series does not converge fast enough to have one.
 */
export function expand(job: usize, centre: f64, radius: f64): f64 {
  const kind = loadWord(job + KIND);
  const out = job + TAYLOR;
  if (kind === LINEAR) {
    const moved = loadDouble(job + SLOPE) * centre;
    setAffine(out, loadDouble(job + INTERCEPT) + moved, loadDouble(job + SLOPE));
    storeDouble(job + ROUNDING, ROUNDOFF * (Math.abs(loadDouble(job + INTERCEPT)) + Math.abs(moved)));
    return 0;
  }
  let tail: f64 = 0;
  if (kind === GELU) setAffine(job + LEFT, centre, 1);
  else tail = flowSeries(job, centre, radius, kind === FLOW ? out : job + LEFT);
  if (kind === FLOW || tail === Infinity) return tail;
  const flowRounding = kind === GELU ? 0 : loadDouble(job + ROUNDING);
  const normalTail = normalSeries(centre, radius, job + RIGHT);
  if (normalTail === Infinity) return normalTail;
  tail = multiply(job + LEFT, tail, job + RIGHT, normalTail, radius, out);
  // The normal distribution is good to 2⁻⁴⁸.
  storeDouble(job + ROUNDING, term(job + RIGHT, 0) * flowRounding + 8 * ROUNDOFF * Math.abs(term(out, 0)));
  return tail;
}

function setAffine(out: usize, value: f64, slope: f64): void {
  setTerm(out, 0, value);
  setTerm(out, 1, slope);
  for (let n: i32 = 2; n < TERMS; n++) setTerm(out, n, 0);
}

/** The flow from y' = w(y)/v(x): y_{n+1} = y_n·(s_j - s_i·n)/(v(c)·(n+1)). */
function flowSeries(job: usize, centre: f64, radius: f64, out: usize): f64 {
  const x0 = loadDouble(job + X0);
  const v0 = loadDouble(job + V0);
  const y0 = loadDouble(job + Y0);
  const w0 = loadDouble(job + W0);
  const slopeIn = loadDouble(job + SLOPE_IN);
  const slopeOut = loadDouble(job + SLOPE_OUT);
  const gain = loadDouble(job + GAIN);
  let value: f64 = 0;
  let slope: f64 = gain;
  let tail: f64 = 0;
  if (gain === gain) {
    value = y0 + gain * (centre - x0);
    setAffine(out, value, gain);
  } else {
    const q = (centre - x0) / v0;
    // In the cell 1 + slopeIn·q is positive; rounding may not undo that.
    const z = Math.max(slopeIn * q, LEAST_GROWTH);
    const v = v0 * (1 + z);
    const tau = q * log1pRatio(z);
    value = y0 + tau * w0 * expm1Ratio(slopeOut * tau);
    slope = (w0 * exp(slopeOut * tau)) / v;
    setTerm(out, 0, value);
    setTerm(out, 1, slope);
    for (let n: i32 = 1; n < TERMS - 1; n++) {
      setTerm(out, n + 1, (term(out, n) * (slopeOut - slopeIn * n)) / (v * (n + 1)));
    }
    // Beyond, each term is at most `decay` times the one before.
    const decay = (radius * (Math.abs(slopeIn) + Math.abs(slopeOut) / TERMS)) / Math.abs(v);
    if (!(decay < 0.5)) return Infinity;
    tail = (Math.abs(term(out, TERMS - 1)) * power(radius, TERMS - 1) * decay) / (1 - decay);
  }
  storeFlowRounding(job, centre, value, slope);
  return tail;
}

/**
 * The float64 error of T: each cell that was crossed and each unit of slope in an exponent costs some roundings of image and position.
 * Where T is the identity, and where it is affine about a vertex that is no rounded number, the position costs nothing.
 */
function storeFlowRounding(job: usize, centre: f64, value: f64, slope: f64): void {
  const x0 = loadDouble(job + X0);
  const isFixed = loadDouble(job + V0) === 0 && loadDouble(job + Y0) === x0;
  if (isFixed && slope === 1) {
    storeDouble(job + ROUNDING, 0);
    return;
  }
  const cost = ROUNDOFF * loadDouble(job + COST);
  if (isFixed && loadDouble(job + IS_EXACT) === 1) {
    storeDouble(job + ROUNDING, ROUNDOFF * Math.abs(value) + cost * Math.abs(slope * (centre - x0)));
    return;
  }
  const image = Math.max(Math.abs(value), Math.abs(loadDouble(job + Y0)));
  const position = Math.max(Math.abs(centre), Math.abs(x0));
  storeDouble(job + ROUNDING, cost * (image + Math.abs(slope) * position));
}

/** Φ; φ' = -x·φ gives φ_{n+1} = -(c·φ_n + φ_{n-1})/(n+1), and Φ' = φ. */
function normalSeries(centre: f64, radius: f64, out: usize): f64 {
  const density = normalDensity(centre);
  setTerm(out, 0, normalDistribution(centre));
  let previous: f64 = 0;
  let current = density;
  for (let n: i32 = 1; n < TERMS; n++) {
    setTerm(out, n, current / n);
    const next = -(centre * current + previous) / n;
    previous = current;
    current = next;
  }
  // So far out that the density is zero in float64.
  if (Math.abs(centre) - radius > 39) return 0;
  if (radius > 0.5) return Infinity;
  // Cauchy on the unit circle: |φ_n| ≤ max |φ(c+ζ)| ≤ φ(c)·e^{|c|+½}.
  return (density * exp(Math.abs(centre) + 0.5) * power(radius, TERMS)) / (TERMS * (1 - radius));
}

/** The product of two series with tails; returns the tail of the product. */
function multiply(f: usize, fTail: f64, g: usize, gTail: f64, radius: f64, out: usize): f64 {
  let fSize: f64 = 0;
  let gSize: f64 = 0;
  let scale: f64 = 1;
  for (let k: i32 = 0; k < TERMS; k++) {
    let sum: f64 = 0;
    for (let i: i32 = 0; i <= k; i++) sum += term(f, i) * term(g, k - i);
    setTerm(out, k, sum);
    fSize += Math.abs(term(f, k)) * scale;
    gSize += Math.abs(term(g, k)) * scale;
    scale *= radius;
  }
  // Terms beyond u^(n-1): Σ_i |f_i| rⁱ · Σ_{j≥n-i} |g_j| rʲ.
  let dropped: f64 = 0;
  let gHigh: f64 = 0;
  let fScale = radius;
  let gScale = power(radius, TERMS - 1);
  for (let i: i32 = 1; i < TERMS; i++) {
    gHigh += Math.abs(term(g, TERMS - i)) * gScale;
    dropped += Math.abs(term(f, i)) * fScale * gHigh;
    fScale *= radius;
    gScale = power(radius, TERMS - 1 - i);
  }
  return dropped + fTail * (gSize + gTail) + gTail * fSize;
}
