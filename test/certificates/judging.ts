/** Inputs at which a plan is asked, and how far its results are from the truth, against its certificate. */
import type { Truth } from 'ditac/oracle';
import type { Plan } from '../../src/plan/plan.js';
import type { Draw } from './subjects.js';

const LARGEST = 3.4028234663852886e38;
/** From here on the nearest float32 is infinite: 2¹²⁸·(1 - 2⁻²⁵). */
const OVERFLOW = 3.4028235677973366e38;
const LEAST_NORMAL = 2 ** -126;

const floats = new Float32Array(1);
const words = new Int32Array(floats.buffer);
/** `by` float32 further, away from 0. */
function beside(x: number, by: number): number {
  floats[0] = x;
  words[0]! += by;
  return floats[0]!;
}

/** Random inputs of every size, and those where plans go wrong: first and last ones of segments and cells. */
export function inputsOf(plan: Plan, draw: Draw, count: number): Float32Array {
  const x = new Float32Array(count);
  const { bounds, grid, periodic, certificate } = plan;
  const width = 2 ** -grid.exponent;
  const worst = [certificate.ulpAt, certificate.ulpSmallAt, certificate.absoluteAt];
  for (let i = 0; i < count; i++) {
    const kind = draw.uniform();
    let at: number;
    if (kind < 0.3 && bounds.length > 0) at = beside(draw.pick(bounds as unknown as number[]), draw.below(4) - 2);
    else if (kind < 0.36)
      at = beside(Math.fround((grid.first + draw.below(grid.last - grid.first + 1) + 0.5) * width), draw.below(3) - 1);
    else if (kind < 0.5) at = (grid.first + draw.uniform() * (grid.last - grid.first)) * width;
    else if (kind < 0.6) at = 6 * draw.normal();
    else if (kind < 0.7) at = draw.pick(worst) * (1 + 2 ** -(2 + 20 * draw.uniform()) * draw.normal());
    else if (kind < 0.75) at = draw.wild(-70, 5);
    else if (kind < 0.85 && periodic) at = draw.pick([1, -1]) * periodic.from * 2 ** (17 * draw.uniform());
    else if (kind < 0.88) at = draw.pick([0, LARGEST, -LARGEST, 1, -1, 2 ** -126, -(2 ** -126), 2 ** -60, -(2 ** -60)]);
    else {
      words[0] = Math.floor((draw.uniform() - 0.5) * 2 ** 32);
      at = floats[0]!;
    }
    floats[0] = at;
    x[i] = Number.isFinite(floats[0]) && (floats[0] === 0 || Math.abs(floats[0]) >= LEAST_NORMAL) ? floats[0]! : 0;
  }
  return x;
}

export interface Excess {
  readonly x: number;
  readonly y: number;
  readonly truth: number;
  /** 'ulp', 'ulpSmall', 'absolute', 'beyond', 'segment' or 'infinite'. */
  readonly kind: string;
  readonly error: number;
  readonly certified: number;
}

/** What the last bit of a float32 of this size is worth. */
function unit(size: number): number {
  floats[0] = Math.min(size, LARGEST);
  const exponent = (words[0]! >> 23) - 127;
  // Rounded up to the next power of two.
  return 2 ** (Math.max(floats[0]! > size ? Math.floor(Math.log2(size * (1 - 2 ** -50))) : exponent, -126) - 23);
}

const single = new Float32Array(1);
const word = new Int32Array(single.buffer);
/** Linear rows answer for what cells need of them, which reach to ±16. */
const REACH = 16;

/**
 * How far a segment's polynomial is from the truth, beside what was proved of that very segment: sharper than the certificate, which is the
 * largest bound of a whole plan. Undefined where x is answered otherwise.
 */
function ofSegment({ bounds, rows, slack, periodic }: Plan, x: number, high: number, low: number): Excess | undefined {
  if (Math.abs(x) >= Math.min(periodic?.from ?? Number.POSITIVE_INFINITY, LARGEST / 4) || !(Math.abs(high) < 2 ** 126))
    return undefined;
  let [m, end] = [0, bounds.length];
  while (m < end) {
    const middle = (m + end) >> 1;
    if (bounds[middle]! <= x) m = middle + 1;
    else end = middle;
  }
  const [centre, h0, h1, c0, c1, c2, c3, c4] = rows.subarray(8 * m, 8 * m + 8) as unknown as readonly number[];
  single[0] = h1!;
  const scale = new Int32Array(rows.buffer, rows.byteOffset + 32 * m + 8, 1)[0]! & 0xff;
  word[0] = new Int32Array(rows.buffer, rows.byteOffset + 32 * m + 8, 1)[0]! & -0x1000;
  const slope = single[0]!;
  const isLinear = slope !== 0 && c2 === 0 && c3 === 0 && c4 === 0;
  if (scale === 0 || (isLinear && Math.abs(x) > REACH)) return undefined;
  const u = (x - centre!) * 2 ** (scale - 127);
  const tail = c0! + u * (c1! + u * (c2! + u * (c3! + u * c4!))) + slope * u;
  const error = Math.abs(h0! - high + (tail - low));
  const certified = Math.abs(slack[m]!) + 2 ** -48 * (Math.abs(h0!) + Math.abs(tail));
  return { x, y: h0! + tail, truth: high, kind: 'segment', error, certified };
}

/** The worst result beyond the certificate, and by how much of it others came near. `truth`: two float64 for each x, to be added. */
export function judge(
  plan: Plan,
  x: Float32Array,
  y: Float32Array,
  truth: Float64Array,
): { excess?: Excess; nearest: number } {
  const { ulp, ulpSmall, absolute, domain, beyond } = plan.certificate;
  let excess: Excess | undefined;
  let [worst, nearest] = [1, 0];
  for (let i = 0; i < x.length; i++) {
    const [high, low] = [truth[2 * i]!, truth[2 * i + 1]!];
    const size = Math.abs(high);
    let [kind, error, certified] = ['infinite', 0, 0];
    const overflows = size > OVERFLOW || (size === OVERFLOW && low * Math.sign(high) >= 0);
    if (overflows || !Number.isFinite(y[i]!)) {
      if (overflows && y[i] === Math.sign(high) * Number.POSITIVE_INFINITY) continue;
      error = Number.POSITIVE_INFINITY;
    } else {
      error = Math.abs(y[i]! - high - low);
      if (Math.abs(x[i]!) > domain) {
        // Beside the phase, y is rounded.
        [kind, certified] = ['beyond', beyond];
        error = Math.max(error - unit(size), 0);
      } else if (size >= 2 ** -8) {
        [kind, certified] = ['ulp', ulp];
        error /= unit(size);
      } else if (size >= 2 ** -24) {
        [kind, certified] = ['ulpSmall', ulpSmall];
        error /= unit(size);
      } else [kind, certified] = ['absolute', absolute];
    }
    const own = ofSegment(plan, x[i]!, high, low);
    if (own && own.error > own.certified && worst <= 1) excess = own;
    const share = error === 0 ? 0 : error / certified;
    if (share > nearest && kind !== 'beyond') nearest = share;
    if (!(share <= worst)) {
      worst = share;
      excess = { x: x[i]!, y: y[i]!, truth: high, kind, error, certified };
    }
  }
  return excess ? { excess, nearest } : { nearest };
}

/** The largest |derivative| up to `at`, between the inputs too, until that is enough: a certificate is a share of it. */
export function reachUpTo(
  at: number,
  truth: (x: number) => Truth,
  reach: number,
  isEnough: (reach: number) => boolean,
): number {
  let most = reach;
  for (let n = 0; !isEnough(most) && n < 400; n++) {
    const nearer = Math.fround(at * (n % 2 === 0 ? 1 : -1) * (n < 200 ? n / 200 : 2 ** (-n / 20)));
    most = Math.max(most, Math.abs(truth(nearer).hi) || 0);
  }
  return most;
}
