import { type Format, round, type Truth } from './truth.js';

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

export interface Judgement {
  readonly format: Format;
  readonly compared: number;
  /** How many are the number of the format nearest to the truth. */
  readonly nearest: number;
  /** The first that is not, and the worst. */
  readonly first: JudgedPoint | undefined;
  readonly worst: JudgedPoint | undefined;
  readonly bands: readonly Band[];
  /** Results by distance from the rounded truth, in numbers of the format: 0, 1, 2, 3–4, 5–8 … as [low, high, count]. */
  readonly histogram: readonly (readonly [low: number, high: number, count: number])[];
  /** NaN, an infinity or a sign of 0 that the truth has not, or the other way round. */
  readonly mismatched: { readonly nan: number; readonly infinity: number; readonly zeroSign: number };
  /** Neighbours in x between which the truth rises and the result falls, or the other way round. */
  readonly monotonicityBreaks: number;
  /** As torch.testing.assert_close prints them, over what is finite. */
  readonly greatestAbsolute: number;
  readonly greatestRelative: number;
}

const SPECS: Readonly<Record<Format, readonly [bits: number, least: number]>> = {
  float32: [24, -126],
  float16: [11, -14],
  bfloat16: [8, -126],
};
const word = new Float64Array(1);
const words = new Uint32Array(word.buffer);

/** The spacing of a format at a real number. */
export function spacing(format: Format, truth: number): number {
  const [bits, least] = SPECS[format];
  word[0] = Math.abs(truth);
  return 2 ** (Math.max((words[1]! >>> 20) - 1023, least) - bits + 1);
}

/** Judges y = f(x); each x is asked for once, so that short formats cost little. Calls `onProgress` with the share that is done. */
export function judge(
  x: Float32Array,
  y: Float32Array,
  format: Format,
  truth: (x: number) => Truth,
  onProgress?: (done: number) => void,
): Judgement {
  const bands = [2 ** -8, 2 ** -24, 2 ** -126, 0].map((from) => ({
    from,
    count: 0,
    worst: undefined as JudgedPoint | undefined,
  }));
  const counts = new Map<number, number>();
  const mismatched = { nan: 0, infinity: 0, zeroSign: 0 };
  let nearest = 0;
  let first: JudgedPoint | undefined;
  let worst: JudgedPoint | undefined;
  let [greatestAbsolute, greatestRelative] = [0, 0];
  // In the order of x, each x once.
  const order = new Uint32Array(x.length).map((_, i) => i).sort((i, j) => x[i]! - x[j]! || i - j);
  let monotonicityBreaks = 0;
  let before: { x: number; t: number; y: number } | undefined;
  let known: Truth | undefined;
  let knownAt = Number.NaN;
  for (const [done, i] of order.entries()) {
    if (onProgress && done % 1024 === 0) onProgress(done / x.length);
    const v = x[i]!;
    if (known === undefined || !(v === knownAt)) {
      known = truth(v);
      knownAt = v;
    }
    const t = known.hi;
    const found = y[i]!;
    const rounded = round(format, known);
    const unit = spacing(format, t);
    const isNaNWrong = Number.isNaN(t) !== Number.isNaN(found);
    const ulp = Number.isNaN(t)
      ? isNaNWrong
        ? Number.POSITIVE_INFINITY
        : 0
      : found === rounded && !Number.isFinite(found)
        ? 0
        : isNaNWrong
          ? Number.POSITIVE_INFINITY
          : Math.abs(found - t - known.lo) / unit;
    const point = { index: i, x: v, y: found, truth: t, rounded, ulp };
    const isNearest = found === rounded || (Number.isNaN(t) && Number.isNaN(found));
    if (isNaNWrong) mismatched.nan += 1;
    else if (!Number.isNaN(t) && Number.isFinite(found) !== Number.isFinite(rounded)) mismatched.infinity += 1;
    // The sign of an exact 0 is nobody's; of what rounds to 0 it is the truth's.
    else if (found === 0 && rounded === 0 && t !== 0 && Object.is(found, -0) !== Object.is(rounded, -0))
      mismatched.zeroSign += 1;
    if (isNearest) nearest += 1;
    else if (first === undefined || i < first.index) first = point;
    if (!isNearest && (worst === undefined || ulp > worst.ulp)) worst = point;
    if (Number.isFinite(t)) {
      const band = bands.find(({ from }) => Math.abs(t) >= from)!;
      band.count += 1;
      if (band.worst === undefined || ulp > band.worst.ulp) band.worst = point;
    }
    const steps = isNearest
      ? 0
      : isNaNWrong
        ? Number.POSITIVE_INFINITY
        : Math.max(1, Math.round(Math.abs(found - rounded) / unit));
    const bucket = steps <= 1 ? steps - 1 : Math.ceil(Math.log2(steps));
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    if (Number.isFinite(t) && Number.isFinite(found)) {
      const off = Math.abs(found - t);
      greatestAbsolute = Math.max(greatestAbsolute, off);
      if (t !== 0) greatestRelative = Math.max(greatestRelative, off / Math.abs(t));
    }
    if (before && v > before.x && (t - before.t) * (found - before.y) < 0) monotonicityBreaks += 1;
    if (!Number.isNaN(v)) before = { x: v, t, y: found };
  }
  onProgress?.(1);
  const histogram = [...counts]
    .sort(([a], [b]) => a - b)
    .map(([bucket, n]) =>
      bucket <= 0
        ? ([bucket + 1, bucket + 1, n] as const)
        : bucket === Number.POSITIVE_INFINITY
          ? ([bucket, bucket, n] as const)
          : ([2 ** (bucket - 1) + 1, 2 ** bucket, n] as const),
    );
  return {
    format,
    compared: x.length,
    nearest,
    first,
    worst,
    bands,
    histogram,
    mismatched,
    monotonicityBreaks,
    greatestAbsolute,
    greatestRelative,
  };
}
