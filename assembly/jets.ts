import { loadWord } from '#lanes';
import { loadDouble, storeDouble } from '#scalars';
import * as double from './double';
import { ELEMENTARY, low, ROUNDING } from './double';
import {
  ABOVE_HALF,
  ADD,
  ADD_CONSTANT,
  ATAN,
  CONSTANT,
  DENSITY,
  DISC,
  DIVIDE,
  EXP,
  EXPM1,
  EXTRA,
  FLOW,
  INSTRUCTION_BYTES,
  LOG,
  LOG1P,
  LOW,
  MULTIPLY,
  NORM,
  NORMAL,
  POLYNOMIAL,
  POWER,
  REGISTER_BYTES,
  SECOND,
  SERIES_ERROR,
  SIGMOID,
  SIN,
  SOFTPLUS,
  SUBTRACT,
  TANH,
  TAPE_COUNT,
  TAPE_HEAD_BYTES,
  TAPE_RESULT,
  TERMS,
  TIMES_CONSTANT,
  VALUE_BYTES,
  VALUE_ERROR,
  X,
} from './layout';
import {
  atan,
  cos,
  exp,
  expm1,
  expm1Ratio,
  log,
  log1p,
  log1pRatio,
  normalAboveHalf,
  normalDensity,
  normalDistribution,
  power,
  sigmoid,
  sin,
  softplus,
  tanh,
} from './numeric';

/**
 * Taylor series of an expression about a float32 c, for |u| ≤ r, with proved bounds on everything that separates them from the function
 * (docs/numerics.md, "Jets"). The expression is a tape of operations (layout.ts), and each keeps of its result f
 *
 * - the value at c and the coefficients a₁ … a₁₁, by the recurrences that the operation's differential equation gives;
 * - VALUE_ERROR ≥ |f(c) - value|; in float64, or where that is not enough with the value as two float64 (`settle`);
 * - NORM = Σ|aₙ|rⁿ and SERIES_ERROR ≥ Σ|aₙ - exact aₙ|rⁿ, n ≥ 1: sums of absolute values are multiplicative, so that rounding and the
 *   errors of operands pass through products, quotients and recurrences by scalar bounds;
 * - DISC ≥ |f(c+z) - value| on the disc |z| ≤ ρ of the complex plane: Cauchy's estimate then bounds what follows a₁₁.
 *
 * Bounds are sums and products of non-negative numbers, computed in float64 as they stand: their own rounding is below one part in 10⁹, by
 * which `expand` enlarges what it returns.
 */

/** Unit roundoff of float64. */
const U: f64 = 1.0 / 9007199254740992.0;
/** Of a sum of 12 products of three factors, divided: 17 roundings. */
const GAMMA: f64 = 17.01 * U;
/** Relative errors of float64's functions (numeric.ts): exp; log; Φ and what is made of its series. */
const EXP_ERROR: f64 = 4 * U;
const LOG_ERROR: f64 = 8 * U;
const SERIES_FUNCTION_ERROR: f64 = 256 * U;
/** Absolute, of sine and cosine. */
const SIN_ERROR: f64 = 4 * U;
const MOST_ANGLE: f64 = 1048576;
const INFLATION: f64 = 1.000000001;
/** e^FAR counts as nothing, and nothing is less than this: far below the smallest float32. */
const FAR: f64 = -600;
const NEGLIGIBLE: f64 = 1e-260;
/** Where float64 may lose bits of a product or its low part altogether, and more than that. */
const FAINT: f64 = 1e-280;
const LOST: f64 = 1e-320;
/** The same of a sum of products, each a term of a series. */
const FAINT_SERIES: f64 = 1e-270;
const LOST_SERIES: f64 = 1e-318;
/** 2⁻³⁴, 1/1000 of the last bit of a float32. */
const ENOUGH: f64 = 5.820766091346741e-11;

function term(r: usize, n: i32): f64 {
  return loadDouble(r + ((<usize>n) << 3));
}
function setTerm(r: usize, n: i32, x: f64): void {
  storeDouble(r + ((<usize>n) << 3), x);
}
function instruction(tape: usize, k: i32): usize {
  return tape + TAPE_HEAD_BYTES + <usize>k * INSTRUCTION_BYTES;
}
/** The register of instruction k. */
export function register(registers: usize, k: i32): usize {
  return registers + <usize>k * REGISTER_BYTES;
}
/** The last coefficient that is not 0: those of lines and low powers need few products. */
function lastTerm(r: usize): i32 {
  let n = TERMS - 1;
  while (n > 0 && term(r, n) === 0) n -= 1;
  return n;
}
function least(a: i32, b: i32): i32 {
  return a < b ? a : b;
}
/** e^r - 1. */
function grown(r: f64): f64 {
  return r * expm1Ratio(r);
}
/** (1 - s)^-q - 1 for 0 ≤ s < 1, q ≥ 0. */
function shrunk(s: f64, q: f64): f64 {
  return s < 1 ? grown(-q * log(1 - s)) : Infinity;
}

/** What underflow may take from a product or quotient v of two numbers that are not 0. */
function lost(v: f64, p: f64, q: f64): f64 {
  return Math.abs(v) < FAINT && p !== 0 && q !== 0 ? LOST : 0;
}
function lostTerms(a: f64, b: f64): f64 {
  return a * b < FAINT_SERIES && a > 0 && b > 0 ? LOST_SERIES : 0;
}

/** Values at `centre` in float64, and bounds on their errors. */
export function values(tape: usize, registers: usize, centre: f64): void {
  const count = loadWord(tape + TAPE_COUNT);
  for (let k: i32 = 0; k < count; k++) {
    const at = instruction(tape, k);
    const op = loadWord(at);
    const r = register(registers, k);
    storeDouble(r + LOW, 0);
    if (op === SECOND) continue;
    const a = register(registers, loadWord(at + 4));
    const b = register(registers, loadWord(at + 8));
    const c = tape + <usize>loadWord(at + 12);
    const p = term(a, 0);
    const ep = loadDouble(a + VALUE_ERROR);
    let v: f64 = 0;
    let e: f64 = 0;
    if (op === X) v = centre;
    else if (op === CONSTANT) {
      v = loadDouble(c);
      e = constantError(c);
    } else if (op === ADD || op === SUBTRACT) {
      v = op === ADD ? p + term(b, 0) : p - term(b, 0);
      e = ep + loadDouble(b + VALUE_ERROR) + U * Math.abs(v);
    } else if (op === MULTIPLY) {
      const q = term(b, 0);
      const eq = loadDouble(b + VALUE_ERROR);
      v = p * q;
      e = Math.abs(p) * eq + Math.abs(q) * ep + ep * eq + U * Math.abs(v) + lost(v, p, q);
    } else if (op === DIVIDE) {
      const q = term(b, 0);
      const eq = loadDouble(b + VALUE_ERROR);
      v = p / q;
      e = eq < Math.abs(q) ? (ep + Math.abs(v) * eq) / (Math.abs(q) - eq) + U * Math.abs(v) + lost(v, p, 1) : Infinity;
    } else if (op === ADD_CONSTANT) {
      v = p + loadDouble(c);
      e = ep + constantError(c) + U * Math.abs(v);
    } else if (op === TIMES_CONSTANT) {
      v = p * loadDouble(c);
      e =
        Math.abs(loadDouble(c)) * ep +
        constantError(c) * (Math.abs(p) + ep) +
        U * Math.abs(v) +
        lost(v, p, loadDouble(c));
    } else if (op === EXP) {
      v = exp(p);
      e = p + ep < FAR ? NEGLIGIBLE : v * grown(ep) * (1 + EXP_ERROR) + EXP_ERROR * v;
    } else if (op === LOG) {
      v = log(p);
      e = ep < p ? ep / (p - ep) + LOG_ERROR * Math.abs(v) : Infinity;
    } else if (op === POWER) {
      const q = loadDouble(c);
      const l = log(p);
      v = exp(q * l);
      const relative =
        ep < p ? Math.abs(q) * (ep / (p - ep) + 10 * U * Math.abs(l)) + constantError(c) * Math.abs(l) : Infinity;
      e = v * (grown(relative) + EXP_ERROR * (1 + grown(relative))) + (q * l < FAR ? NEGLIGIBLE : 0);
    } else if (op === SIN) {
      v = sin(p);
      e = Math.abs(p) < MOST_ANGLE ? ep + SIN_ERROR : Infinity;
      setSecond(r, cos(p), e);
    } else if (op === SIGMOID) {
      v = sigmoid(p);
      // σ′ = σ(1-σ), and σ″ is at most σ′.
      const w = v * sigmoid(-p);
      e = drift(w, Math.abs(p), ep);
      setSecond(r, w, e + 16 * U * w);
      e += 8 * U * v;
    } else if (op === TANH) {
      v = tanh(p);
      const h = 2 * sigmoid(-2 * Math.abs(p));
      const w = h * (2 - h);
      e = drift(w, 2 * Math.abs(p), 2 * ep);
      setSecond(r, w, e + 16 * U * w);
      e += 12 * U * Math.abs(v);
    } else if (op === DENSITY) {
      v = normalDensity(p);
      e = 16 * U * v + NEGLIGIBLE;
    } else if (op === POLYNOMIAL) {
      let size: f64 = 0;
      const degree = <i32>loadDouble(c);
      for (let n = degree; n >= 0; n--) {
        const cn = c + VALUE_BYTES * <usize>(n + 1);
        e = e * Math.abs(centre) + lost(v * centre, v, centre);
        v = v * centre + loadDouble(cn);
        size = size * Math.abs(centre) + Math.abs(loadDouble(cn)) * (1 + U) + constantError(cn) / U / (2 * degree + 2);
      }
      e += 2 * (degree + 1) * U * size;
    } else if (op === FLOW) {
      flowValue(c, centre, r);
      continue;
    } else {
      if (op === EXPM1) v = expm1(p);
      else if (op === LOG1P) v = log1p(p);
      else if (op === SOFTPLUS) v = softplus(p);
      else if (op === NORMAL) v = normalDistribution(p);
      else if (op === ABOVE_HALF) v = normalAboveHalf(p);
      else v = atan(p);
      // Far to the left Φ is subnormal in float64.
      e = change(op, p, ep) + SERIES_FUNCTION_ERROR * Math.abs(v) + (op === NORMAL ? NEGLIGIBLE : 0);
    }
    setTerm(r, 0, v);
    storeDouble(r + VALUE_ERROR, e);
  }
}

/** Whether the product of two float64 is one of two float64: it is, unless the low part is too small for one. */
function isExactProduct(a: f64, b: f64): boolean {
  const p = Math.abs(a * b);
  return (p > 1e-200 && p < 1e200 && Math.abs(a) < 1e200 && Math.abs(b) < 1e200) || a === 0 || b === 0;
}

/** Whether the float64 h is a/b, without rounding. */
function isExactQuotient(h: f64, b: f64, a: f64): boolean {
  return isExactProduct(h, b) && double.product(h, b) === a && low === 0;
}

/** By how much an operation may change within ep of p. */
function change(op: i32, p: f64, ep: f64): f64 {
  const near = Math.max(Math.abs(p) - ep, 0);
  if (op === LOG1P) return ep < 1 + p ? ep / (1 + p - ep) : Infinity;
  if (op === EXPM1) return p + ep < FAR ? NEGLIGIBLE : exp(p) * grown(ep) * 1.000001;
  if (op === SOFTPLUS) return p + ep < FAR ? NEGLIGIBLE : ep * Math.min(1, exp(p + ep) * 1.000001);
  if (op === ATAN) return ep / (1 + near * near);
  // φ is largest at the nearest to 0.
  return near > 38 ? NEGLIGIBLE : ep * normalDensity(near) * 1.000001;
}

/** How far a function strays within e of p whose derivative there is w, and changes by no more than a factor e^e: σ and tanh. */
function drift(w: f64, size: f64, e: f64): f64 {
  return size - e > -FAR ? NEGLIGIBLE : w * grown(e);
}

function constantError(c: usize): f64 {
  return Math.abs(loadDouble(c + 8)) + loadDouble(c + 16);
}

function setSecond(r: usize, value: f64, error: f64): void {
  setTerm(r + REGISTER_BYTES, 0, value);
  storeDouble(r + REGISTER_BYTES + VALUE_ERROR, error);
}

/** The values once more, as two float64: about 2⁻⁸⁶ of the largest on the way. */
export function settle(tape: usize, registers: usize, centre: f64): void {
  const count = loadWord(tape + TAPE_COUNT);
  for (let k: i32 = 0; k < count; k++) {
    const at = instruction(tape, k);
    const op = loadWord(at);
    if (op === SECOND) continue;
    const r = register(registers, k);
    const a = register(registers, loadWord(at + 4));
    const b = register(registers, loadWord(at + 8));
    const c = tape + <usize>loadWord(at + 12);
    const ph = term(a, 0);
    const pl = loadDouble(a + LOW);
    const ep = loadDouble(a + VALUE_ERROR);
    const ch = loadDouble(c);
    const cl = loadDouble(c + 8);
    const ce = loadDouble(c + 16);
    let h: f64 = 0;
    let l: f64 = 0;
    let e: f64 = 0;
    if (op === X) h = centre;
    else if (op === CONSTANT) {
      h = ch;
      l = cl;
      e = ce;
    } else if (op === ADD || op === SUBTRACT) {
      const sign: f64 = op === ADD ? 1 : -1;
      h = double.add(ph, pl, sign * term(b, 0), sign * loadDouble(b + LOW));
      l = low;
      // Of two float64 a sum is exact.
      e = ep + loadDouble(b + VALUE_ERROR) + (pl === 0 && loadDouble(b + LOW) === 0 ? 0 : ROUNDING * Math.abs(h));
    } else if (op === MULTIPLY) {
      const qh = term(b, 0);
      const ql = loadDouble(b + LOW);
      const eq = loadDouble(b + VALUE_ERROR);
      h = double.multiply(ph, pl, qh, ql);
      l = low;
      e =
        1.01 * (Math.abs(ph) * eq + Math.abs(qh) * ep) +
        ep * eq +
        (pl === 0 && ql === 0 && isExactProduct(ph, qh) ? 0 : ROUNDING * Math.abs(h) + lost(h, ph, qh));
    } else if (op === DIVIDE) {
      const qh = term(b, 0);
      const eq = loadDouble(b + VALUE_ERROR);
      h = double.divide(ph, pl, qh, loadDouble(b + LOW));
      l = low;
      e =
        eq < 0.5 * Math.abs(qh)
          ? (1.01 * (ep + Math.abs(h) * eq)) / (Math.abs(qh) - eq) +
            (pl === 0 && loadDouble(b + LOW) === 0 && isExactQuotient(h, qh, ph)
              ? 0
              : ROUNDING * Math.abs(h) + lost(h, ph, 1))
          : Infinity;
    } else if (op === ADD_CONSTANT) {
      h = double.add(ph, pl, ch, cl);
      l = low;
      e = ep + ce + (pl === 0 && cl === 0 ? 0 : ROUNDING * Math.abs(h));
    } else if (op === TIMES_CONSTANT) {
      h = double.multiply(ph, pl, ch, cl);
      l = low;
      e =
        1.01 * (Math.abs(ch) * ep + ce * (Math.abs(ph) + ep)) +
        (pl === 0 && cl === 0 && isExactProduct(ph, ch) ? 0 : ROUNDING * Math.abs(h) + lost(h, ph, ch));
    } else if (op === EXP) {
      h = double.expOf(ph, pl);
      l = low;
      e = ph + ep < FAR ? NEGLIGIBLE : h * (grown(ep) + ELEMENTARY);
    } else if (op === LOG) {
      h = double.logOf(ph, pl);
      l = low;
      e =
        ep < 0.5 * ph
          ? (1.01 * ep) / (ph - ep) + ELEMENTARY * Math.abs(h) + (ph > 0.8 && ph < 1.25 ? 0 : ELEMENTARY)
          : Infinity;
    } else if (op === POWER) {
      const lh = double.logOf(ph, pl);
      const g = double.multiply(lh, low, ch, cl);
      h = double.expOf(g, low);
      l = low;
      const relative =
        Math.abs(ch) * ((1.01 * ep) / (ph - ep) + ELEMENTARY * (1 + Math.abs(lh))) +
        (ce + ROUNDING * Math.abs(ch)) * Math.abs(lh);
      e = ep < 0.5 * ph ? h * (grown(relative) + ELEMENTARY) + (g < FAR ? NEGLIGIBLE : 0) : Infinity;
    } else if (op === SIN) {
      h = double.cosOf(ph, pl);
      e = Math.abs(ph) < MOST_ANGLE ? ep + ELEMENTARY * Math.max(1, Math.abs(ph)) : Infinity;
      setSecond(r, h, e);
      storeDouble(r + REGISTER_BYTES + LOW, low);
      h = double.sinOf(ph, pl);
      l = low;
      // Nothing was reduced: relative.
      if (Math.abs(ph) < 0.7) e = ep + ELEMENTARY * Math.abs(h);
    } else if (op === SIGMOID) {
      h = double.sigmoidOf(-ph, -pl);
      l = low;
      const v = double.sigmoidOf(ph, pl);
      const vl = low;
      const w = double.multiply(h, l, v, vl);
      e = drift(w, Math.abs(ph), ep);
      setSecond(r, w, e + 4 * ELEMENTARY * w);
      storeDouble(r + REGISTER_BYTES + LOW, low);
      h = v;
      l = vl;
      e += 2 * ELEMENTARY * v;
    } else if (op === TANH) {
      h = double.sigmoidOf(-2 * Math.abs(ph), ph < 0 ? 2 * pl : -2 * pl);
      l = low;
      const d = double.subtract(1, 0, h, l);
      const w = double.multiply(4 * h, 4 * l, d, low);
      e = drift(w, 2 * Math.abs(ph), 2 * ep);
      setSecond(r, w, e + 4 * ELEMENTARY * w);
      storeDouble(r + REGISTER_BYTES + LOW, low);
      h = double.tanhOf(ph, pl);
      l = low;
      e += 2 * ELEMENTARY * Math.abs(h);
    } else if (op === DENSITY) {
      h = double.densityOf(ph, pl);
      l = low;
      e = (ELEMENTARY + ROUNDING * (4 + ph * ph)) * h + NEGLIGIBLE;
    } else if (op === POLYNOMIAL) {
      const degree = <i32>ch;
      let size: f64 = 0;
      for (let n = degree; n >= 0; n--) {
        const cn = c + VALUE_BYTES * <usize>(n + 1);
        e = e * Math.abs(centre) + loadDouble(cn + 16) + lost(h * centre, h, centre);
        h = double.multiply(h, l, centre, 0);
        h = double.add(h, low, loadDouble(cn), loadDouble(cn + 8));
        l = low;
        size = size * Math.abs(centre) + Math.abs(loadDouble(cn));
      }
      e += 2.01 * (degree + 1) * ROUNDING * size;
    } else if (op === FLOW) {
      settleFlow(c, centre, r);
      continue;
    } else {
      if (op === EXPM1) h = double.expm1Of(ph, pl);
      else if (op === LOG1P) h = double.log1pOf(ph, pl);
      else if (op === SOFTPLUS) h = double.softplusOf(ph, pl);
      else if (op === NORMAL) h = double.normalOf(ph, pl);
      else if (op === ABOVE_HALF) h = double.aboveHalfOf(ph, pl);
      else h = double.atanOf(ph, pl);
      l = low;
      // Φ below -4 and beyond is accurate of itself, nearer to 0 as ½ less something.
      e =
        change(op, ph, ep) +
        ELEMENTARY * (op === NORMAL && ph > -6 ? 1 : Math.abs(h)) +
        (op === LOG1P && Math.abs(ph) > 0.2 ? ELEMENTARY : 0) +
        (op === NORMAL ? NEGLIGIBLE : 0);
    }
    setTerm(r, 0, h);
    storeDouble(r + LOW, l);
    storeDouble(r + VALUE_ERROR, e);
  }
}

/**
 * How far every register strays from its value on the disc of radius rho about the centre; of the result it is returned. Infinity where a
 * singularity may lie in it. What the value is off by counts as straying.
 */
export function discs(tape: usize, registers: usize, rho: f64): f64 {
  const count = loadWord(tape + TAPE_COUNT);
  let d: f64 = 0;
  for (let k: i32 = 0; k < count; k++) {
    const at = instruction(tape, k);
    const op = loadWord(at);
    if (op === SECOND) continue;
    const r = register(registers, k);
    const a = register(registers, loadWord(at + 4));
    const b = register(registers, loadWord(at + 8));
    const c = tape + <usize>loadWord(at + 12);
    const v = Math.abs(term(r, 0));
    const p = term(a, 0);
    const da = loadDouble(a + DISC);
    const db = loadDouble(b + DISC);
    if (op === X) d = rho;
    else if (op === CONSTANT) d = 0;
    else if (op === ADD || op === SUBTRACT) d = da + db;
    else if (op === MULTIPLY) d = Math.abs(p) * db + Math.abs(term(b, 0)) * da + da * db;
    else if (op === DIVIDE) {
      const q = Math.abs(term(b, 0));
      d = db < q ? (da + v * db) / (q - db) : Infinity;
    } else if (op === ADD_CONSTANT) d = da;
    else if (op === TIMES_CONSTANT) d = da * Math.abs(loadDouble(c));
    else if (op === EXP) d = p + da < FAR ? NEGLIGIBLE : v * grown(da);
    else if (op === LOG) d = da < p ? -log(1 - da / p) : Infinity;
    // |(1+z)^q - 1| ≤ (1-|z|)^-|q| - 1.
    else if (op === POWER) d = v * shrunk(da / p, Math.abs(loadDouble(c)));
    else if (op === SIN) {
      // |sin(p+z) - sin p| ≤ |sin p|·(cosh|z| - 1) + |cos p|·sinh|z|, and the same for the cosine.
      const e = exp(da);
      const even = 0.5 * (e + 1 / e) - 1;
      const odd = 0.5 * (e - 1 / e);
      const w = Math.abs(term(r + REGISTER_BYTES, 0));
      d = v * even + w * odd + U * (e + 1);
      storeDouble(
        r + REGISTER_BYTES + DISC,
        w * even + v * odd + U * (e + 1) + loadDouble(r + REGISTER_BYTES + VALUE_ERROR),
      );
    } else if (op === SIGMOID) {
      // |σ′(p+z)| = 1/(2(cosh a + cos b)), a + ib = p + z.
      const far = Math.max(Math.abs(p) - da, 0);
      const w = da < 3 ? 0.5 / (0.5 * (exp(far) + exp(-far)) + cos(da)) : Infinity;
      d = Math.min(da < 3 ? da * w : Infinity, farDisc(Math.abs(p) - da, p < 0 ? v : term(r + REGISTER_BYTES, 0) / v));
      // |σ″| ≤ |σ′|·(1 + 2|σ|), and |σ| ≤ v + d.
      storeDouble(r + REGISTER_BYTES + DISC, d * (1 + 2 * (v + d)) + loadDouble(r + REGISTER_BYTES + VALUE_ERROR));
    } else if (op === TANH) {
      // |tanh′(p+z)| = 2/(cosh 2a + cos 2b); tanh″ = -2·tanh·tanh′.
      const far = 2 * Math.max(Math.abs(p) - da, 0);
      const w = da < 1.5 ? 2 / (0.5 * (exp(far) + exp(-far)) + cos(2 * da)) : Infinity;
      d = Math.min(da < 1.5 ? da * w : Infinity, 2 * farDisc(2 * (Math.abs(p) - da), term(r + REGISTER_BYTES, 0)));
      storeDouble(r + REGISTER_BYTES + DISC, 2 * d * (v + d) + loadDouble(r + REGISTER_BYTES + VALUE_ERROR));
    } else if (op === DENSITY) {
      // |φ(p+z)/φ(p) - 1| ≤ e^{|p||z| + |z|²/2} - 1; and |φ(p+z)| ≤ φ(0)·e^{|z|²/2 - (|p|-|z|)²/2}.
      const w = Math.max(Math.abs(p) - rho, 0);
      d = Math.min(
        v * grown(Math.abs(p) * rho + 0.5 * rho * rho),
        v + 0.4 * exp(0.5 * rho * rho - 0.5 * w * w) + NEGLIGIBLE,
      );
      if (!(d < Infinity)) d = v + 0.4 * exp(0.5 * rho * rho - 0.5 * w * w) + NEGLIGIBLE;
    } else if (op === POLYNOMIAL) d = polynomialDisc(c, r, centreOf(registers), rho);
    else if (op === FLOW) d = flowDisc(c, r, rho);
    // The integral of b over g along a line of g's disc, on all of which b was bounded.
    else {
      d = da * (Math.abs(term(b, 0)) + db);
      if (op === ABOVE_HALF || op === NORMAL) d = Math.min(d, normalDisc(p, da));
    }
    d += loadDouble(r + VALUE_ERROR);
    if (!(d < Infinity)) return Infinity;
    storeDouble(r + DISC, d);
  }
  // The result need not be what was computed last: a cosine lies beside its sine.
  return loadDouble(result(tape, registers) + DISC);
}

/** σ and its mirror are below e^-a/(1 - e^-a) where the real part is beyond a ≥ 1; at the centre it is `value`. */
function farDisc(a: f64, value: f64): f64 {
  if (!(a > 1)) return Infinity;
  const e = exp(-a);
  return e / (1 - e) + value + NEGLIGIBLE;
}

/** Register 0 is x. */
function centreOf(registers: usize): f64 {
  return term(registers, 0);
}

/** |Φ(p+z) - Φ(p)| ≤ |z|·max φ, with |φ(p+z)| ≤ φ(0)·e^{-(|p|-|z|)²/2 + |z|²/2}. */
function normalDisc(p: f64, da: f64): f64 {
  const far = Math.max(Math.abs(p) - da, 0);
  return da * 0.39894228040143276 * exp(0.5 * da * da - 0.5 * far * far) * 1.000001;
}

/**
 * Coefficients 1 to TERMS-1 of all registers in powers of (x - c)/scale, NORM and SERIES_ERROR for |x - c|/scale ≤ radius; values and their
 * errors are known, and discs of `share` times the interval: what Cauchy's estimate says of all coefficients together is a second bound.
 */
export function series(tape: usize, registers: usize, scale: f64, radius: f64, share: f64): void {
  const spread = 1 / (share - 1);
  const count = loadWord(tape + TAPE_COUNT);
  for (let k: i32 = 0; k < count; k++) {
    const at = instruction(tape, k);
    const op = loadWord(at);
    if (op === SECOND) continue;
    const r = register(registers, k);
    const a = register(registers, loadWord(at + 4));
    const b = register(registers, loadWord(at + 8));
    const c = tape + <usize>loadWord(at + 12);
    const y0 = Math.abs(term(r, 0));
    const ey = loadDouble(r + VALUE_ERROR);
    const p = term(a, 0);
    const ep = loadDouble(a + VALUE_ERROR);
    const na = loadDouble(a + NORM);
    const ea = loadDouble(a + SERIES_ERROR);
    const top = op === X || op === CONSTANT || op === POLYNOMIAL || op === FLOW ? 0 : lastTerm(a);
    let e: f64 = 0;
    if (op === X) {
      setTerm(r, 1, scale);
      for (let n: i32 = 2; n < TERMS; n++) setTerm(r, n, 0);
    } else if (op === CONSTANT) for (let n: i32 = 1; n < TERMS; n++) setTerm(r, n, 0);
    else if (op === ADD || op === SUBTRACT) {
      if (op === ADD) for (let n: i32 = 1; n < TERMS; n++) setTerm(r, n, term(a, n) + term(b, n));
      else for (let n: i32 = 1; n < TERMS; n++) setTerm(r, n, term(a, n) - term(b, n));
      e = ea + loadDouble(b + SERIES_ERROR) + U * (na + loadDouble(b + NORM));
    } else if (op === ADD_CONSTANT) {
      for (let n: i32 = 1; n < TERMS; n++) setTerm(r, n, term(a, n));
      e = ea;
    } else if (op === TIMES_CONSTANT) {
      const factor = loadDouble(c);
      for (let n: i32 = 1; n < TERMS; n++) setTerm(r, n, factor * term(a, n));
      e =
        (Math.abs(factor) + constantError(c)) * ea +
        (2 * U * Math.abs(factor) + constantError(c)) * na +
        lostTerms(Math.abs(factor), na);
    } else if (op === MULTIPLY) {
      const other = lastTerm(b);
      for (let n: i32 = 1; n < TERMS; n++) {
        let sum: f64 = 0;
        const stop = least(n, top);
        for (let i = n > other ? n - other : 0; i <= stop; i++) sum += term(a, i) * term(b, n - i);
        setTerm(r, n, sum);
      }
      const q = Math.abs(term(b, 0));
      const eq = loadDouble(b + VALUE_ERROR);
      const nb = loadDouble(b + NORM);
      const eb = loadDouble(b + SERIES_ERROR);
      e =
        (Math.abs(p) + ep + na + ea) * eb +
        (q + eq + nb) * ea +
        ep * nb +
        eq * na +
        GAMMA * (Math.abs(p) * nb + q * na + na * nb) +
        lostTerms(Math.abs(p) + na, q + nb);
    } else if (op === DIVIDE) e = divideSeries(a, b, r, radius) + lostTerms(Math.abs(p) + na, 1 / Math.abs(term(b, 0)));
    else if (op === EXP) {
      for (let n: i32 = 1; n < TERMS; n++) {
        let sum: f64 = 0;
        const stop = least(n, top);
        for (let i: i32 = 1; i <= stop; i++) sum += i * term(a, i) * term(r, n - i);
        setTerm(r, n, sum / n);
      }
      // δ: rounding, by the integral of its own equation; then the operand's errors, and the value's.
      const growth = grown(na);
      e = (1 + growth) * GAMMA * na * (y0 + normOf(r, radius)) + (y0 + ey) * (1 + growth) * grown(ea) + ey * growth;
    } else if (op === LOG) {
      const s = na / p;
      for (let n: i32 = 1; n < TERMS; n++) {
        let sum: f64 = 0;
        for (let i = n > top ? n - top : 1; i < n; i++) sum += i * term(r, i) * term(a, n - i);
        setTerm(r, n, (term(a, n) - sum / n) / p);
      }
      const size = normOf(r, radius);
      const w = relativeChange(s, ep, ea, p);
      e = s < 1 ? (GAMMA * (s + size * s + size)) / (1 - s) + w / (1 - w - ep / p) : Infinity;
    } else if (op === POWER) {
      const q = loadDouble(c);
      const strength = Math.abs(q);
      const s = na / p;
      for (let n: i32 = 1; n < TERMS; n++) {
        let sum: f64 = 0;
        const stop = least(n, top);
        for (let i: i32 = 1; i <= stop; i++) sum += (q * i - (n - i)) * term(a, i) * term(r, n - i);
        setTerm(r, n, sum / (n * p));
      }
      const size = normOf(r, radius);
      const lift = 1 + shrunk(s, strength + 1);
      const w = relativeChange(s, ep, ea, p);
      const shift = strength * (w + ep / p);
      e =
        s < 1 && shift < 0.01
          ? GAMMA * (strength + 1) * s * (y0 + size) * lift +
            1.1 * (strength * w * (y0 + size) + ((strength * ep) / p) * size) +
            constantError(c) * -log(1 - s) * (y0 + size) * 1.1 +
            (ey / y0) * size
          : Infinity;
    } else if (op === DENSITY) e = densitySeries(p, r, scale, radius);
    else if (op === SIN) e = sinSeries(a, r, radius);
    else if (op === SIGMOID || op === TANH) e = sigmoidSeries(a, r, radius, op === TANH);
    else if (op === POLYNOMIAL) {
      // The coefficients were left by `discs`.
      const degree = <i32>loadDouble(c);
      const reach = Math.abs(centreOf(registers)) + scale * radius;
      let size: f64 = 0;
      let least: f64 = 0;
      let off: f64 = 0;
      let lift: f64 = 1;
      for (let n: i32 = 1; n <= degree; n++) {
        lift *= scale;
        setTerm(r, n, term(r, n) * lift);
      }
      for (let n = degree; n >= 0; n--) {
        const cn = c + VALUE_BYTES * <usize>(n + 1);
        size = size * reach + Math.abs(loadDouble(cn));
        least = least * Math.abs(centreOf(registers)) + Math.abs(loadDouble(cn));
        off = off * reach + constantError(cn);
      }
      e = 2 * (degree + 1) * U * (size - least + U * size) + off;
    } else if (op === FLOW) e = flowSeries(c, r, scale, radius);
    else {
      for (let n: i32 = 1; n < TERMS; n++) {
        let sum: f64 = 0;
        const stop = least(n, top);
        for (let i: i32 = 1; i <= stop; i++) sum += i * term(a, i) * term(b, n - i);
        setTerm(r, n, sum / n);
      }
      const size = Math.abs(term(b, 0)) + loadDouble(b + NORM);
      const off = loadDouble(b + VALUE_ERROR) + loadDouble(b + SERIES_ERROR);
      e = GAMMA * na * size + ea * (size + off) + na * off;
    }
    storeErrors(r, radius, e, spread);
    if (op === SIN || op === SIGMOID || op === TANH) {
      storeErrors(r + REGISTER_BYTES, radius, loadDouble(r + REGISTER_BYTES + SERIES_ERROR), spread);
    }
  }
}

function storeErrors(r: usize, radius: f64, e: f64, spread: f64): void {
  const norm = normOf(r, radius);
  const cap = norm + loadDouble(r + DISC) * spread;
  storeDouble(r + NORM, norm);
  // Not a minimum: the first may be no number where an exponential underflows.
  storeDouble(r + SERIES_ERROR, e < cap ? e : cap);
}

/** Σ|aₙ|rⁿ, n ≥ 1. */
export function normOf(r: usize, radius: f64): f64 {
  let sum: f64 = 0;
  for (let n = TERMS - 1; n >= 1; n--) sum = (sum + Math.abs(term(r, n))) * radius;
  return sum;
}

/** Σ of the coefficients of (error of g)/g from n = 1 on, for g with varying part s·|p|. */
function relativeChange(s: f64, ep: f64, ea: f64, p: f64): f64 {
  return s < 1 ? (ea + ep * s) / (Math.abs(p) * (1 - s)) : Infinity;
}

/** f/g: yₙ = (fₙ - Σ gᵢ·yₙ₋ᵢ)/g₀. */
function divideSeries(a: usize, b: usize, r: usize, radius: f64): f64 {
  const q = term(b, 0);
  const top = lastTerm(b);
  for (let n: i32 = 1; n < TERMS; n++) {
    let sum = term(a, n);
    const stop = least(n, top);
    for (let i: i32 = 1; i <= stop; i++) sum -= term(b, i) * term(r, n - i);
    setTerm(r, n, sum / q);
  }
  const size = Math.abs(q);
  const nb = loadDouble(b + NORM);
  const eq = loadDouble(b + VALUE_ERROR);
  const eb = loadDouble(b + SERIES_ERROR);
  const y0 = Math.abs(term(r, 0));
  const ny = normOf(r, radius);
  const s = nb / size;
  const wide = (nb + eb) / (size - eq);
  if (!(wide < 1) || !(s < 1)) return Infinity;
  const rounding = (GAMMA * (loadDouble(a + NORM) + nb * (y0 + ny) + size * ny)) / (size * (1 - s));
  // (φ - y·ψ)/(g + ψ) for errors φ and ψ of f and g, without its constant term.
  const still = loadDouble(a + VALUE_ERROR) + y0 * eq;
  const moving = loadDouble(a + SERIES_ERROR) + (y0 + ny) * eb + ny * eq;
  return (
    rounding +
    (moving + (still * wide) / (1 - wide) + (moving * wide) / (1 - wide)) / (size - eq) +
    loadDouble(r + VALUE_ERROR) * (s / (1 - s))
  );
}

/** φ′ = -x·φ: φₙ₊₁ = -(x·φₙ + φₙ₋₁)/(n+1) in powers of x - c; majorised by φ·e^{|c|ru + (ru)²/2}. */
function densitySeries(c: f64, r: usize, scale: f64, radius: f64): f64 {
  let before: f64 = 0;
  let current = term(r, 0);
  for (let n: i32 = 1; n < TERMS; n++) {
    const next = -(scale * (c * current + scale * before)) / n;
    setTerm(r, n, next);
    before = current;
    current = next;
  }
  const reach = scale * radius;
  const size = Math.abs(c) * reach + reach * reach;
  return (term(r, 0) * 6 * U * size + loadDouble(r + VALUE_ERROR) * size) * (1 + grown(size));
}

/** s′ = g′·c, c′ = -g′·s. */
function sinSeries(g: usize, s: usize, radius: f64): f64 {
  const c = s + REGISTER_BYTES;
  const top = lastTerm(g);
  for (let n: i32 = 1; n < TERMS; n++) {
    let p: f64 = 0;
    let q: f64 = 0;
    const stop = least(n, top);
    for (let i: i32 = 1; i <= stop; i++) {
      p += i * term(g, i) * term(c, n - i);
      q -= i * term(g, i) * term(s, n - i);
    }
    setTerm(s, n, p / n);
    setTerm(c, n, q / n);
  }
  const size = normOf(s, radius) + normOf(c, radius);
  const na = loadDouble(g + NORM);
  const ep = loadDouble(g + VALUE_ERROR);
  const ea = loadDouble(g + SERIES_ERROR);
  const e =
    (1 + grown(na)) * GAMMA * na * (Math.abs(term(s, 0)) + Math.abs(term(c, 0)) + size) +
    (ep + loadDouble(s + VALUE_ERROR)) * 2 * grown(na) +
    1.1 * (1 + grown(na)) * grown(ea);
  storeDouble(c + NORM, normOf(c, radius));
  storeDouble(c + SERIES_ERROR, e);
  return e;
}

/** y′ = g′·w, with w = y·(1 - y), or 1 - y² for the tangent. */
function sigmoidSeries(g: usize, y: usize, radius: f64, isTangent: boolean): f64 {
  const w = y + REGISTER_BYTES;
  const top = lastTerm(g);
  for (let n: i32 = 1; n < TERMS; n++) {
    let sum: f64 = 0;
    const stop = least(n, top);
    for (let i: i32 = 1; i <= stop; i++) sum += i * term(g, i) * term(w, n - i);
    setTerm(y, n, sum / n);
    let square: f64 = 0;
    for (let i: i32 = 0; i <= n; i++) square += term(y, i) * term(y, n - i);
    setTerm(w, n, isTangent ? -square : term(y, n) - square);
  }
  const na = loadDouble(g + NORM);
  const ep = loadDouble(g + VALUE_ERROR);
  const ea = loadDouble(g + SERIES_ERROR);
  const ny = normOf(y, radius);
  const nw = normOf(w, radius);
  const full = Math.abs(term(y, 0)) + ny;
  const drift = Math.abs(term(w, 0)) + nw;
  const steep = na * (1 + 2 * full);
  const off = loadDouble(y + VALUE_ERROR) + loadDouble(w + VALUE_ERROR);
  // As much as a rounded w may be off; grown by the equation.
  const e =
    ep + ea < 0.01
      ? (1 + grown(steep)) * GAMMA * na * (2 * drift + (isTangent ? full * ny : ny + full * ny) + ny) +
        1.2 * (ep * nw + ea * drift) +
        off * grown(steep)
      : Infinity;
  storeDouble(w + NORM, nw);
  storeDouble(w + SERIES_ERROR, e * (1 + 2 * full) + 2 * off * ny + GAMMA * (ny + full * ny));
  return e;
}

/** The Taylor shift by repeated synthetic division, left in the register for `series`; returns Σ|aₙ|ρⁿ, n ≥ 1. */
function polynomialDisc(c: usize, r: usize, centre: f64, rho: f64): f64 {
  const degree = <i32>loadDouble(c);
  const value = term(r, 0);
  for (let n: i32 = 0; n < TERMS; n++) setTerm(r, n, n <= degree ? loadDouble(c + VALUE_BYTES * <usize>(n + 1)) : 0);
  for (let k: i32 = 0; k < degree; k++) {
    for (let n = degree - 1; n >= k; n--) setTerm(r, n, term(r, n) + centre * term(r, n + 1));
  }
  setTerm(r, 0, value);
  let d: f64 = 0;
  for (let n = degree; n >= 1; n--) d = (d + Math.abs(term(r, n))) * rho;
  // Rounding of the shift, and of the constants.
  let size: f64 = 0;
  for (let n = degree; n >= 0; n--) {
    const cn = c + VALUE_BYTES * <usize>(n + 1);
    size = size * (Math.abs(centre) + rho) + Math.abs(loadDouble(cn)) * 4 * (degree + 1) * U + constantError(cn);
  }
  return d + size;
}

/** Constants of a piece of a flow (src/cpab/primitive.ts), by number. */
const X0: usize = 0;
const V0: usize = 24;
const Y0: usize = 48;
const W0: usize = 72;
const SLOPE_IN: usize = 96;
const SLOPE_OUT: usize = 120;
/** NaN where points start in one cell and end in another. */
const GAIN: usize = 144;

function relativeError(c: usize): f64 {
  return constantError(c) / Math.abs(loadDouble(c));
}

/**
 * y = y₀ + gain·(x - x₀), or y = y₀ + w₀·τ·E(sⱼτ) with τ = q·L(sᵢq) and q = (x - x₀)/v₀ (docs/design.md). The velocity at x is left in EXTRA,
 * the slope in a₁, the relative error of both in a₂ and a₃ until `series`.
 */
function flowValue(c: usize, centre: f64, r: usize): void {
  const gain = loadDouble(c + GAIN);
  const dh = double.add(centre, 0, -loadDouble(c + X0), -loadDouble(c + X0 + 8));
  const offError = loadDouble(c + X0 + 16) + U * Math.abs(dh);
  const y0 = loadDouble(c + Y0);
  if (gain === gain) {
    settleFlow(c, centre, r);
    return;
  }
  const v0 = loadDouble(c + V0);
  const w0 = loadDouble(c + W0);
  const slopeIn = loadDouble(c + SLOPE_IN);
  const slopeOut = loadDouble(c + SLOPE_OUT);
  const q = dh / v0;
  const z = slopeIn * q;
  if (!(z > -0.9999999)) {
    settleFlow(c, centre, r);
    return;
  }
  const tau = q * log1pRatio(z);
  const moved = tau * w0 * expm1Ratio(slopeOut * tau);
  const value = y0 + moved;
  // Errors of q, z and τ: |dτ| = |dq|/(1+z), and what a wrong slope does.
  const eq = offError / Math.abs(v0) + Math.abs(q) * (relativeError(c + V0) + 2 * U);
  const ez = Math.abs(slopeIn) * eq + Math.abs(q) * constantError(c + SLOPE_IN) + U * Math.abs(z);
  if (!(ez < 0.25 * (1 + z))) {
    settleFlow(c, centre, r);
    return;
  }
  // ∂τ/∂q = 1/(1+z), and |∂τ/∂sᵢ| ≤ τ²·(1 + 1/(1+z)); z is rounded once more.
  const et =
    (1.4 * (eq + 2 * U * Math.abs(q))) / (1 + z) +
    1.4 * tau * tau * (1 + 1 / (1 + z)) * constantError(c + SLOPE_IN) +
    LOG_ERROR * Math.abs(tau);
  const growth = exp(slopeOut * tau);
  const er = Math.abs(slopeOut) * et + Math.abs(tau) * (constantError(c + SLOPE_OUT) + U * Math.abs(slopeOut));
  const speed = Math.abs(w0) * growth;
  const e =
    constantError(c + Y0) +
    1.1 * speed * (1 + grown(er)) * et +
    Math.abs(moved) * (relativeError(c + W0) + 8 * U) +
    Math.abs(w0) * tau * tau * (1 + growth) * constantError(c + SLOPE_OUT) +
    U * Math.abs(value);
  const v = v0 * (1 + z);
  setTerm(r, 0, value);
  setTerm(r, 1, (w0 * growth) / v);
  const ev = relativeError(c + V0) + ez / (1 + z) + 2 * U;
  setTerm(r, 2, relativeError(c + W0) + grown(er) + ev + EXP_ERROR + 4 * U);
  setTerm(r, 3, ev);
  storeDouble(r + EXTRA, v);
  storeDouble(r + VALUE_ERROR, e);
}

function settleFlow(c: usize, centre: f64, r: usize): void {
  const gain = loadDouble(c + GAIN);
  const dh = double.add(centre, 0, -loadDouble(c + X0), -loadDouble(c + X0 + 8));
  const dl = low;
  const offError = loadDouble(c + X0 + 16) + ROUNDING * Math.abs(dh);
  if (gain === gain) {
    const gainError = loadDouble(c + GAIN + 16);
    let h = double.multiply(gain, loadDouble(c + GAIN + 8), dh, dl);
    const moved = Math.abs(h);
    h = double.add(loadDouble(c + Y0), loadDouble(c + Y0 + 8), h, low);
    setTerm(r, 0, h);
    storeDouble(r + LOW, low);
    setTerm(r, 1, gain);
    setTerm(r, 2, constantError(c + GAIN) / gain);
    setTerm(r, 3, 0);
    storeDouble(r + EXTRA, 0);
    // Where the point that stays is hit, even a boundless gain leaves nothing to err.
    const off = offError === 0 ? 0 : gain * offError;
    const e =
      loadDouble(c + Y0 + 16) + 1.01 * (off + Math.abs(dh) * gainError + ROUNDING * moved) + ROUNDING * Math.abs(h);
    storeDouble(r + VALUE_ERROR, e);
    return;
  }
  const v0 = loadDouble(c + V0);
  const w0 = loadDouble(c + W0);
  const qh = double.divide(dh, dl, v0, loadDouble(c + V0 + 8));
  const ql = low;
  const sIn = loadDouble(c + SLOPE_IN);
  const sOut = loadDouble(c + SLOPE_OUT);
  const zh = double.multiply(qh, ql, sIn, loadDouble(c + SLOPE_IN + 8));
  const zl = low;
  const fh = double.add(1, 0, zh, zl);
  const fl = low;
  const v0Error = loadDouble(c + V0 + 16) / Math.abs(v0);
  const eq = 1.01 * (offError / Math.abs(v0) + Math.abs(qh) * (v0Error + ROUNDING));
  const ez = 1.01 * (Math.abs(sIn) * eq + Math.abs(qh) * loadDouble(c + SLOPE_IN + 16) + ROUNDING * (1 + Math.abs(zh)));
  if (!(ez < 0.25 * fh)) {
    // The piece's law is not known here: nothing can be said.
    setTerm(r, 0, NaN);
    setTerm(r, 1, NaN);
    storeDouble(r + VALUE_ERROR, Infinity);
    return;
  }
  let th: f64 = qh;
  let tl: f64 = ql;
  if (sIn !== 0 && zh !== 0) {
    th = double.log1pOf(zh, zl);
    th = double.divide(th, low, sIn, loadDouble(c + SLOPE_IN + 8));
    tl = low;
  }
  // Of log1p relative where z is small, where τ ~ q; |∂τ/∂sᵢ| ≤ τ²·(1 + 1/(1+z)).
  const et =
    (1.4 * eq) / fh +
    1.4 * th * th * (1 + 1 / fh) * loadDouble(c + SLOPE_IN + 16) +
    4 * ELEMENTARY * Math.abs(th) +
    (Math.abs(zh) > 0.2 ? ELEMENTARY / Math.abs(sIn) : 0);
  const gh = double.multiply(th, tl, sOut, loadDouble(c + SLOPE_OUT + 8));
  const gl = low;
  let mh: f64 = 0;
  if (sOut !== 0 && gh !== 0) {
    mh = double.expm1Of(gh, gl);
    mh = double.divide(mh, low, sOut, loadDouble(c + SLOPE_OUT + 8));
    mh = double.multiply(mh, low, w0, loadDouble(c + W0 + 8));
  } else mh = double.multiply(th, tl, w0, loadDouble(c + W0 + 8));
  const moved = Math.abs(mh);
  const value = double.add(loadDouble(c + Y0), loadDouble(c + Y0 + 8), mh, low);
  const valueLow = low;
  const growth = double.expOf(gh, gl);
  const growthLow = low;
  const er = 1.01 * (Math.abs(sOut) * et + Math.abs(th) * loadDouble(c + SLOPE_OUT + 16)) + ELEMENTARY;
  const speed = Math.abs(w0) * growth;
  const e =
    loadDouble(c + Y0 + 16) +
    1.1 * speed * (1 + grown(er)) * et +
    moved * (loadDouble(c + W0 + 16) / Math.abs(w0) + 4 * ELEMENTARY) +
    Math.abs(w0) * th * th * (1 + growth) * loadDouble(c + SLOPE_OUT + 16) +
    (Math.abs(gh) > 0.3 ? (Math.abs(w0) * (1 + growth) * 2 * ELEMENTARY) / Math.abs(sOut) : 0) +
    ROUNDING * Math.abs(value);
  const vh = double.multiply(v0, loadDouble(c + V0 + 8), fh, fl);
  const slope = double.multiply(w0, loadDouble(c + W0 + 8), growth, growthLow);
  setTerm(r, 0, value);
  storeDouble(r + LOW, valueLow);
  const ev = v0Error + ez / fh + 2 * U;
  setTerm(r, 1, slope / vh);
  setTerm(r, 2, loadDouble(c + W0 + 16) / Math.abs(w0) + 1.1 * er + ev + 4 * U);
  setTerm(r, 3, ev);
  storeDouble(r + EXTRA, vh);
  storeDouble(r + VALUE_ERROR, e);
}

/** |yₙ₊₁/yₙ| ≤ (|sᵢ|n + |sⱼ|)/(|v|(n+1)): majorised by |y′|·∫₀^ρ (1 - |sᵢ|t/|v|)^-(1+|sⱼ/sᵢ|) dt. */
function flowDisc(c: usize, r: usize, rho: f64): f64 {
  const slope = Math.abs(term(r, 1)) * (1 + term(r, 2));
  const gain = loadDouble(c + GAIN);
  if (gain === gain) return slope * rho;
  const sIn = Math.abs(loadDouble(c + SLOPE_IN)) + constantError(c + SLOPE_IN);
  const sOut = Math.abs(loadDouble(c + SLOPE_OUT)) + constantError(c + SLOPE_OUT);
  const ev = term(r, 3);
  if (!(ev < 0.5)) return Infinity;
  const q = rho / (Math.abs(loadDouble(r + EXTRA)) * (1 - ev));
  const z = sIn * q;
  if (!(z < 0.99)) return Infinity;
  if (z < 1e-6) return slope * rho * exp((sIn + sOut) * q * 1.00001);
  return slope * rho * exp(-(1 + sOut / sIn) * log(1 - z)) * 1.000001;
}

/** y′ = w(y)/v(x): yₙ₊₁ = yₙ·(sⱼ - sᵢn)/(v(c)(n+1)). */
function flowSeries(c: usize, r: usize, scale: f64, radius: f64): f64 {
  const gain = loadDouble(c + GAIN);
  const slopeError = term(r, 2);
  const speedError = term(r, 3);
  setTerm(r, 1, term(r, 1) * scale);
  if (gain === gain) {
    for (let n: i32 = 2; n < TERMS; n++) setTerm(r, n, 0);
    return slopeError * Math.abs(gain) * scale * radius;
  }
  const slopeIn = loadDouble(c + SLOPE_IN);
  const slopeOut = loadDouble(c + SLOPE_OUT);
  const v = loadDouble(r + EXTRA);
  // A factor sⱼ - n·sᵢ may cancel, so its error counts absolutely: as a majorant of all terms.
  const off =
    constantError(c + SLOPE_IN) + constantError(c + SLOPE_OUT) + 2 * U * (Math.abs(slopeIn) + Math.abs(slopeOut));
  let e = slopeError * Math.abs(term(r, 1)) * radius;
  let error = e;
  let size = Math.abs(term(r, 1)) * radius;
  for (let n: i32 = 1; n < TERMS - 1; n++) {
    const factor = ((slopeOut - slopeIn * n) / (v * (n + 1))) * scale;
    setTerm(r, n + 1, term(r, n) * factor);
    const spread = (radius * scale) / Math.abs(v);
    error =
      error * Math.abs(factor) * radius * (1 + 2 * speedError) +
      size * (Math.abs(factor) * radius * (1.1 * speedError + 4 * U) + 1.1 * spread * off);
    size *= Math.abs(factor) * radius;
    e += error;
  }
  return e;
}

/** The register that holds a tape's result. */
export function result(tape: usize, registers: usize): usize {
  return register(registers, loadWord(tape + TAPE_RESULT));
}

/**
 * Series of the tape's result about `centre`, in powers of u = (x - centre)/scale for |u| ≤ radius. Returns a bound on the Taylor remainder
 * there; Infinity if the series does not converge fast enough to have one. `isSettled`: with values of two float64.
 */
export function expand(tape: usize, registers: usize, centre: f64, scale: f64, radius: f64, isSettled: boolean): f64 {
  const last = result(tape, registers);
  values(tape, registers, centre);
  if (isSettled) settle(tape, registers, centre);
  if (!(Math.abs(term(last, 0)) < Infinity) || !(loadDouble(last + VALUE_ERROR) < Infinity)) return Infinity;
  if (radius === 0) return 0;
  // Cauchy: |aₙ| ≤ D·ρ⁻ⁿ, so what follows a₁₁ is at most D·q¹²/(1-q) with q = r/ρ; the least of a few ρ.
  let tail: f64 = Infinity;
  let best: f64 = 0;
  let tried: f64 = 0;
  // From the middle down, or up if that helps no more, until it is nothing beside a float32's last bit.
  const enough = Math.abs(term(last, 0)) * ENOUGH;
  for (let share: f64 = 8, factor: f64 = 0.5; share > 1.4 && share < 33; ) {
    const d = discs(tape, registers, share * radius * scale);
    tried = share;
    const bound = d < Infinity ? (d * INFLATION * power(1 / share, TERMS)) / (1 - 1 / share) : Infinity;
    if (bound < tail) {
      tail = bound;
      best = share;
      if (tail < enough) break;
    } else if (factor < 1 && best === 8) {
      share = 8;
      factor = 2;
    } else if (best !== 0) break;
    share *= factor;
  }
  if (tail === Infinity) return tail;
  if (tried !== best) discs(tape, registers, best * radius * scale);
  series(tape, registers, scale, radius, best);
  // For whoever reads other registers: their discs are of so many times the interval.
  storeDouble(registers + EXTRA, best);
  return tail;
}
