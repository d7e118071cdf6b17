import { twoProduct } from './double-double.js';
import { enclosureOf } from './enclosed.js';
import { type Enclosure, LANES } from './enclosure.js';
import { product, R } from './interval.js';
import { Nearest } from './nearest.js';
import { type Format, round, spacing, type Truth } from './truth.js';

/** How results in any format compare with the truth, rounded once. */

export interface JudgedPoint {
  readonly index: number;
  readonly x: number;
  readonly y: number;
  /** The float64 nearest to the truth, and the truth rounded to the format. */
  readonly truth: number;
  readonly rounded: number;
  readonly ulp: number;
}

export interface Band {
  /** Of |truth|: from here, up to the next band. */
  readonly from: number;
  readonly count: number;
  readonly worst: JudgedPoint | undefined;
}

/** The greatest of differences, and the index where it is. */
export interface Greatest {
  readonly value: number;
  readonly index: number | undefined;
}

export interface Judgement {
  readonly format: Format;
  readonly compared: number;
  /** How many are the number of the format nearest to the truth. */
  readonly nearest: number;
  /** How many are further from the truth than `maxUlp`, if that was given, or are no number where the truth is one. */
  readonly beyond: number;
  /** The first that is not the nearest, and the worst. */
  readonly first: JudgedPoint | undefined;
  readonly worst: JudgedPoint | undefined;
  readonly bands: readonly Band[];
  /** Results by distance from the rounded truth, in numbers of the format: 0, 1, 2, 3–4, 5–8 … as [low, high, count]. */
  readonly histogram: readonly (readonly [low: number, high: number, count: number])[];
  /** NaN, an infinity or a sign of 0 that the truth has not, or the other way round; and the first of them. */
  readonly mismatched: {
    readonly nan: number;
    readonly infinity: number;
    readonly zeroSign: number;
    readonly first: JudgedPoint | undefined;
  };
  /** Neighbours in x between which the truth rises and the result falls, or the other way round; the first in the order of x. */
  readonly monotonicityBreaks: number;
  readonly firstBreak: JudgedPoint | undefined;
  /** As torch.testing.assert_close prints them, over what is finite. */
  readonly greatestAbsolute: Greatest;
  readonly greatestRelative: Greatest;
  /** How many points float64 did not decide. */
  readonly byLongArithmetic: number;
  readonly profile?: Profile;
}

/** What is judged: y = f(x), in the order of x. */
export interface Comparison {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly format: Format;
  /** The places in ascending order of x (`orderOf`), and which part of them; NaN stand at an end. */
  readonly order: Uint32Array;
  readonly from: number;
  readonly to: number;
  readonly maxUlp?: number;
  /** Then y should be gradY·f(x), f the derivative. */
  readonly gradY?: Float32Array;
  /** Then the judgement has a profile, of these places in the order: of all that is judged, of which this may be a part. */
  readonly profiled?: readonly [from: number, to: number];
}

/** The worst error of each of many stretches, which hold as many inputs each. */
export interface Profile {
  /** [STRETCHES]: its first x, NaN if none fell there. */
  readonly x: readonly number[];
  /** [STRETCHES]: in ULP. */
  readonly ulp: readonly number[];
}
export const STRETCHES = 512;

/** The places of x in ascending order, equal ones as they come. -0 stands before 0. */
export function orderOf(x: Float32Array): Uint32Array {
  const words = new Int32Array(x.buffer, x.byteOffset, x.length);
  const keys = new BigUint64Array(x.length);
  const halves = new Uint32Array(keys.buffer);
  const order = new Uint32Array(x.length);
  let isSorted = true;
  let before = 0;
  for (let i = 0; i < x.length; i++) {
    // Of floats as integers: negative ones the other way round, below the others.
    const key = (words[i]! < 0 ? ~words[i]! : words[i]! | 0x80000000) >>> 0;
    if (key < before) isSorted = false;
    before = key;
    halves[2 * i] = i;
    halves[2 * i + 1] = key;
    order[i] = i;
  }
  if (isSorted) return order;
  keys.sort();
  for (let i = 0; i < x.length; i++) order[i] = halves[2 * i]!;
  return order;
}

const BANDS = [2 ** -8, 2 ** -24, 2 ** -126, 0];

/**
 * Judges part of y = f(x); `merge` adds parts up. The worst are found to 2⁻¹⁶ ULP, as float64 tells them, and told exactly; everything that is counted
 * is exact.
 * @param onProgress is called with the share that is done.
 */
export function judge(
  { x, y, format, order, from, to, maxUlp, gradY, profiled }: Comparison,
  f: (x: number) => Truth,
  onProgress?: (done: number) => void,
): Judgement {
  /** Where in the order the lanes begin. */
  let lanesAt = 0;
  const truth = gradY ? (v: number, i: number) => scaled(f(v), gradY[i]!) : (v: number, _: number) => f(v);
  const enclosure = enclosureOf(f);
  const nearest = gradY
    ? new Nearest(
        format,
        (v, lane) => truth(v, order[lanesAt + lane]!),
        enclosure && scaledEnclosure(enclosure, (lane) => gradY[order[lanesAt + lane]!]!),
      )
    : new Nearest(format, f, enclosure);
  const [profileX, profileUlp] = [new Float64Array(STRETCHES).fill(Number.NaN), new Float64Array(STRETCHES)];
  const counts = BANDS.map(() => 0);
  /** [band] and the worst that is not the nearest: ulp and place in the order. */
  const [worstUlp, worstAt] = [
    new Float64Array(BANDS.length + 1).fill(-1),
    new Float64Array(BANDS.length + 1).fill(-1),
  ];
  const WORST = BANDS.length;
  let [nan, infinity, zeroSign, right, beyond, breaks] = [0, 0, 0, 0, 0, 0];
  let [first, firstMismatch, firstBreak] = [-1, -1, -1];
  let [absolute, absoluteAt, relative, relativeAt] = [0, -1, 0, -1];
  const distances = new Map<number, number>();
  const inputs = new Float32Array(LANES);
  let [beforeX, beforeT, beforeY, beforeOff, beforeAt] = [Number.NaN, 0, 0, 0, 0];
  const exactAt = (i: number) => judged(format, x[i]!, y[i]!, i, truth(x[i]!, i));
  // The point before the first, for steps between them.
  for (let start = Math.max(from - 1, 0); start < to; start += LANES) {
    const n = Math.min(LANES, to - start);
    lanesAt = start;
    for (let k = 0; k < n; k++) inputs[k] = x[order[start + k]!]!;
    nearest.find(inputs, 0, n);
    for (let k = 0; k < n; k++) {
      const i = order[start + k]!;
      const v = inputs[k]!;
      const found = y[i]!;
      const t = nearest.isEdge[k] === 1 && found !== nearest.rounded[k] ? truth(v, i).hi : nearest.value[k]!;
      if (start + k >= from) {
        const rounded = nearest.rounded[k]!;
        const isNaNTrue = Number.isNaN(t);
        const isNaNFound = Number.isNaN(found);
        const unit = spacing(format, t);
        const isNearest = found === rounded || (isNaNTrue && isNaNFound);
        let ulp: number;
        if (isNaNTrue || isNaNFound) ulp = isNaNTrue && isNaNFound ? 0 : Number.POSITIVE_INFINITY;
        else if (found === rounded && !Number.isFinite(found)) ulp = 0;
        else ulp = Math.abs(found - t) / unit;
        let isMismatch = true;
        if (isNaNTrue !== isNaNFound) nan += 1;
        else if (!isNaNTrue && found !== rounded && !(Number.isFinite(found) && Number.isFinite(rounded)))
          infinity += 1;
        // The sign of an exact 0 is nobody's; of what rounds to 0 it is the truth's.
        else if (
          found === 0 &&
          rounded === 0 &&
          Object.is(found, -0) !== Object.is(rounded, -0) &&
          (Math.abs(t) > 2 * nearest.off[k]! || !isExactly0(truth(v, i)))
        )
          zeroSign += 1;
        else isMismatch = false;
        if (isMismatch && (firstMismatch < 0 || i < firstMismatch)) firstMismatch = i;
        if (isNearest) right += 1;
        else {
          if (first < 0 || i < first) first = i;
          if (ulp > worstUlp[WORST]!) {
            worstUlp[WORST] = ulp;
            worstAt[WORST] = i;
          }
        }
        if (profiled) {
          const stretch = Math.floor(((start + k - profiled[0]) * STRETCHES) / (profiled[1] - profiled[0]));
          if (Number.isNaN(profileX[stretch]!)) profileX[stretch] = v;
          if (ulp > profileUlp[stretch]!) profileUlp[stretch] = ulp;
        }
        if (maxUlp !== undefined) {
          const slack = (2 * nearest.off[k]!) / unit + ulp * 2 ** -50;
          if (ulp > maxUlp + slack || (ulp >= maxUlp - slack && exactAt(i).ulp > maxUlp)) beyond += 1;
        } else if (isNaNTrue !== isNaNFound) beyond += 1;
        if (Number.isFinite(t)) {
          const size = Math.abs(t);
          const band = size >= BANDS[0]! ? 0 : size >= BANDS[1]! ? 1 : size >= BANDS[2]! ? 2 : 3;
          counts[band]! += 1;
          if (ulp > worstUlp[band]!) {
            worstUlp[band] = ulp;
            worstAt[band] = i;
          }
          if (Number.isFinite(found)) {
            const difference = Math.abs(found - t);
            if (difference > absolute) [absolute, absoluteAt] = [difference, i];
            if (t !== 0 && difference > relative * size) [relative, relativeAt] = [difference / size, i];
          }
        }
        if (!isNearest) {
          const steps =
            isNaNTrue !== isNaNFound
              ? Number.POSITIVE_INFINITY
              : Math.max(1, Math.round(Math.abs(found - rounded) / unit));
          const bucket = steps <= 1 ? steps - 1 : Math.ceil(Math.log2(steps));
          distances.set(bucket, (distances.get(bucket) ?? 0) + 1);
        }
        if (v > beforeX && (found > beforeY || found < beforeY)) {
          // Whether the truth rises is not known where what is known of it overlaps.
          const isKnown = Math.abs(t - beforeT) > 2 * (nearest.off[k]! + beforeOff);
          const rises = isKnown ? t > beforeT : rise(truth(beforeX, beforeAt), truth(v, i));
          if (rises !== undefined && rises !== found > beforeY) {
            breaks += 1;
            if (firstBreak < 0) firstBreak = i;
          }
        }
      }
      if (!Number.isNaN(v)) [beforeX, beforeT, beforeY, beforeOff, beforeAt] = [v, t, found, nearest.off[k]!, i];
    }
    onProgress?.((start + n - from) / (to - from));
  }
  if (right > 0) distances.set(-1, right);
  const point = (i: number) => (i < 0 ? undefined : exactAt(i));
  return {
    format,
    compared: to - from,
    nearest: right,
    beyond,
    first: point(first),
    worst: point(worstAt[WORST]!),
    bands: BANDS.map((each, band) => ({ from: each, count: counts[band]!, worst: point(worstAt[band]!) })),
    histogram: [...distances]
      .sort(([a], [b]) => a - b)
      .map(([bucket, n]) =>
        bucket <= 0
          ? ([bucket + 1, bucket + 1, n] as const)
          : bucket === Number.POSITIVE_INFINITY
            ? ([bucket, bucket, n] as const)
            : ([2 ** (bucket - 1) + 1, 2 ** bucket, n] as const),
      ),
    mismatched: { nan, infinity, zeroSign, first: point(firstMismatch) },
    monotonicityBreaks: breaks,
    firstBreak: point(firstBreak),
    greatestAbsolute: { value: absolute, index: absoluteAt < 0 ? undefined : absoluteAt },
    greatestRelative: { value: relative, index: relativeAt < 0 ? undefined : relativeAt },
    byLongArithmetic: nearest.asked,
    ...(profiled ? { profile: { x: [...profileX], ulp: [...profileUlp] } } : {}),
  };
}

/** t·g, to 30 digits. */
function scaled(t: Truth, g: number): Truth {
  const { hi, lo } = twoProduct(t.hi, g);
  if (!Number.isFinite(lo)) return { hi: t.hi * g, lo: 0, error: 0 };
  const rest = lo + t.lo * g;
  const sum = hi + rest;
  return { hi: sum, lo: hi - sum + rest, error: Math.abs(g) * t.error + Math.abs(hi) * 2 ** -103 };
}

const scaledEnclosure =
  (enclosure: Enclosure, gradY: (lane: number) => number): Enclosure =>
  (x, from, count, low, high) => {
    enclosure(x, from, count, low, high);
    for (let i = 0; i < count; i++) {
      const g = gradY(from + i);
      product(low[i]!, high[i]!, g, g);
      low[i] = R[0]!;
      high[i] = R[1]!;
    }
  };

/** Whether q is more than p; undefined if they are one to 30 digits. */
function rise(p: Truth, q: Truth): boolean | undefined {
  const difference = q.hi - p.hi + (q.lo - p.lo);
  return Math.abs(difference) > 2 * (p.error + q.error) ? difference > 0 : undefined;
}

const isExactly0 = ({ hi, lo, error }: Truth): boolean => hi === 0 && lo === 0 && error === 0;

function judged(format: Format, x: number, y: number, index: number, truth: Truth): JudgedPoint {
  const t = truth.hi;
  const rounded = round(format, truth);
  const ulp =
    Number.isNaN(t) || Number.isNaN(y)
      ? Number.isNaN(t) && Number.isNaN(y)
        ? 0
        : Number.POSITIVE_INFINITY
      : y === rounded && !Number.isFinite(y)
        ? 0
        : Math.abs(y - t - truth.lo) / spacing(format, t);
  return { index, x, y, truth: t, rounded, ulp };
}

/** Two judgements of different parts as one. */
export function merge(p: Judgement, q: Judgement): Judgement {
  if (p.format !== q.format) throw new RangeError(`reports of one format add up, got ${p.format} and ${q.format}`);
  const counts = new Map<number, readonly [number, number, number]>();
  for (const [low, high, count] of [...p.histogram, ...q.histogram])
    counts.set(low, [low, high, count + (counts.get(low)?.[2] ?? 0)]);
  return {
    format: p.format,
    compared: p.compared + q.compared,
    nearest: p.nearest + q.nearest,
    beyond: p.beyond + q.beyond,
    first: earlier(p.first, q.first),
    worst: worse(p.worst, q.worst),
    bands: p.bands.map(({ from, count, worst }, i) => ({
      from,
      count: count + q.bands[i]!.count,
      worst: worse(worst, q.bands[i]!.worst),
    })),
    histogram: [...counts.values()].sort(([a], [b]) => a - b),
    mismatched: {
      nan: p.mismatched.nan + q.mismatched.nan,
      infinity: p.mismatched.infinity + q.mismatched.infinity,
      zeroSign: p.mismatched.zeroSign + q.mismatched.zeroSign,
      first: earlier(p.mismatched.first, q.mismatched.first),
    },
    monotonicityBreaks: p.monotonicityBreaks + q.monotonicityBreaks,
    firstBreak: p.firstBreak ?? q.firstBreak,
    greatestAbsolute: greater(p.greatestAbsolute, q.greatestAbsolute),
    greatestRelative: greater(p.greatestRelative, q.greatestRelative),
    byLongArithmetic: p.byLongArithmetic + q.byLongArithmetic,
    ...(p.profile && q.profile ? { profile: mergeProfiles(p.profile, q.profile) } : {}),
  };
}

const mergeProfiles = (p: Profile, q: Profile): Profile => ({
  x: p.x.map((each, i) => (each <= q.x[i]! || Number.isNaN(q.x[i]!) ? each : q.x[i]!)),
  ulp: p.ulp.map((each, i) => Math.max(each, q.ulp[i]!)),
});

type Point = JudgedPoint | undefined;
const earlier = (p: Point, q: Point): Point => (p === undefined || (q && q.index < p.index) ? q : p);
const worse = (p: Point, q: Point): Point =>
  p === undefined || (q && (q.ulp > p.ulp || (q.ulp === p.ulp && q.index < p.index))) ? q : p;
const greater = (p: Greatest, q: Greatest): Greatest => (q.value > p.value ? q : p);
