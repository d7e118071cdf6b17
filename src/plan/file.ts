import { UNSCALED } from '../../assembly/layout';
import { compilingEngine } from '../calculus/interpreter.js';
import { describe, isView } from '../errors.js';
import { problemOf } from './check.js';
import { type Bounds, certificateOf, type PeriodicSection, type Plan, type SegmentTable } from './plan.js';
import { type Cells, fillGrid, writeSegments } from './workspace.js';

/**
 * Plans as bytes. A file holds the segments; the grid of cells, most of a plan's memory, follows from them and is derived again
 * when it is used, which takes a fraction of a millisecond and gives the same bits.
 *
 * Little-endian: "ditacpln"; version, check (FNV-1a of all that follows, by words of 32 bits), layout and number of plans, u32; then for each plan the
 * grid's exponent, first and last cell, i32, and the number of segments, u32; f(0), the slopes below and above zero, f(-∞) and
 * f(+∞), f32; the eight numbers of the certificate, f64; bounds, rows and slack, f32; the number of segments of the periodic section, u32, and
 * if there is one its ends, the eight parts of its period, its trend in two parts and its mean, f32, then its bounds, rows and slack.
 *
 * Version 2, of ditac 0.1, had six numbers in the certificate, no periodic section, and no scale in its rows; it is read.
 */
export const PLAN_VERSION = 3;
const OLDEST_VERSION = 2;

const MAGIC = 'ditacpln';
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const HEADER_BYTES = 24;
const BYTES_A_SEGMENT = 4 * 10;
/** A table has a bound less than segments. */
const tableBytes = (segments: number) => BYTES_A_SEGMENT * segments - 4;
/** What comes before a plan's table, and behind it, by version. */
const FIXED_BYTES = { 2: 4 * 4 + 5 * 4 + 6 * 8, 3: 4 * 4 + 5 * 4 + 8 * 8 + 4 } as const;
const SECTION_NUMBERS = 13;

const SPECIALS = ['atZero', 'slopeBelowZero', 'slopeAboveZero', 'limitLow', 'limitHigh'] as const;
const BOUNDS = ['ulp', 'ulpAt', 'ulpSmall', 'ulpSmallAt', 'absolute', 'absoluteAt', 'domain', 'beyond'] as const;
const OLDER_BOUNDS = 6;

/** The bytes are not plans of this version, or are damaged. */
export class PlanError extends RangeError {
  override name = 'PlanError';
}

/**
 * @param layout a number that the caller gets back with the plans.
 * @throws {RangeError} if kernels cannot run one of the plans.
 */
export function encodePlans(plans: readonly Plan[], layout: number): Uint8Array {
  const sizeOf = ({ slack, periodic }: Plan) =>
    FIXED_BYTES[3] +
    tableBytes(slack.length) +
    (periodic ? 4 * SECTION_NUMBERS + tableBytes(periodic.slack.length) : 0);
  const file = new Uint8Array(plans.reduce((sum, plan) => sum + sizeOf(plan), HEADER_BYTES));
  const view = new DataView(file.buffer);
  let at = 0;
  const integer = (value: number) => {
    view.setInt32(at, value, true);
    at += 4;
  };
  const single = (value: number) => {
    view.setFloat32(at, value, true);
    at += 4;
  };
  const table = ({ bounds, rows, slack }: SegmentTable) => {
    bounds.forEach(single);
    // As words: a row holds a scale too.
    new Int32Array(rows.buffer, rows.byteOffset, rows.length).forEach(integer);
    slack.forEach(single);
  };
  for (const letter of MAGIC) file[at++] = letter.charCodeAt(0);
  for (const value of [PLAN_VERSION, 0, layout, plans.length]) integer(value);
  for (const [p, plan] of plans.entries()) {
    const problem = problemOf(plan);
    if (problem) throw new RangeError(`plan ${p} has ${problem}`);
    for (const value of [plan.grid.exponent, plan.grid.first, plan.grid.last, plan.slack.length]) integer(value);
    for (const key of SPECIALS) single(plan[key]);
    for (const key of BOUNDS) {
      view.setFloat64(at, plan.certificate[key], true);
      at += 8;
    }
    table(plan);
    const { periodic } = plan;
    integer(periodic?.slack.length ?? 0);
    if (!periodic) continue;
    const { from, to, period, trend, trendLow, middle } = periodic;
    for (const value of [from, to, ...period, trend, trendLow, middle]) single(value);
    table(periodic);
  }
  view.setUint32(12, fnv1a(file.subarray(16)), true);
  return file;
}

/**
 * Time and memory are linear in the file's size: at most 16 bytes for each of its bytes.
 * @throws {TypeError|PlanError} if the bytes are not what `encodePlans` writes, or kernels cannot run such a plan.
 */
export function decodePlans(file: Uint8Array): { plans: Plan[]; layout: number } {
  if (!isView(file, 'Uint8Array')) throw new TypeError(`a plan file must be a Uint8Array, got ${describe(file)}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < HEADER_BYTES || String.fromCharCode(...file.subarray(0, 8)) !== MAGIC)
    throw new PlanError(`a plan file begins with '${MAGIC}' and has at least ${HEADER_BYTES} bytes, this one does not`);
  const version = view.getUint32(8, true);
  if (version < OLDEST_VERSION || version > PLAN_VERSION)
    throw new PlanError(
      `the plan has version ${version}, this ditac reads versions ${OLDEST_VERSION} to ${PLAN_VERSION}: compile it again`,
    );
  if (view.getUint32(12, true) !== fnv1a(file.subarray(16))) throw new PlanError('the plan file is damaged');
  const isOlder = version === OLDEST_VERSION;
  const fixed = isOlder ? FIXED_BYTES[2] : FIXED_BYTES[3];
  const layout = view.getUint32(16, true);
  const count = view.getUint32(20, true);
  if (count === 0 || count * (fixed + tableBytes(1)) > file.length - HEADER_BYTES)
    throw new PlanError(`the file claims ${count} plans in ${file.length} bytes`);

  let at = HEADER_BYTES;
  const singles = (n: number) => {
    const array = new Float32Array(n);
    // A copy of bytes where they are in order already: a cold start has no time for a loop, and bits that are no number stay.
    if (IS_LITTLE_ENDIAN) new Uint8Array(array.buffer).set(file.subarray(at, at + 4 * n));
    else {
      const words = new Int32Array(array.buffer);
      for (let i = 0; i < n; i++) words[i] = view.getInt32(at + 4 * i, true);
    }
    at += 4 * n;
    return array;
  };
  const table = (segments: number): SegmentTable => ({
    bounds: singles(segments - 1),
    rows: singles(8 * segments),
    slack: singles(segments),
  });
  const plans: Plan[] = [];
  for (let p = 0; p < count; p++) {
    const left = () => file.length - at;
    if (left() < fixed + tableBytes(1)) throw new PlanError(`plan ${p} is cut off`);
    const grid = {
      exponent: view.getInt32(at, true),
      first: view.getInt32(at + 4, true),
      last: view.getInt32(at + 8, true),
    };
    const segments = view.getUint32(at + 12, true);
    if (segments === 0 || left() < fixed + tableBytes(segments))
      throw new PlanError(`plan ${p} claims ${segments} segments, more than the file has room for`);
    at += 16;
    const specials = Object.fromEntries(
      [...singles(SPECIALS.length)].map((value, i) => [SPECIALS[i], value]),
    ) as Specials;
    // Those of version 2 have slopes that are not to be used.
    if (isOlder && specials.atZero !== 0) specials.slopeBelowZero = specials.slopeAboveZero = Number.NaN;
    const stored = isOlder ? OLDER_BOUNDS : BOUNDS.length;
    const bounds = Object.fromEntries(
      BOUNDS.map((key, i) => [
        key,
        i < stored ? view.getFloat64(at + 8 * i, true) : key === 'domain' ? Number.POSITIVE_INFINITY : 0,
      ]),
    ) as Bounds;
    at += 8 * stored;
    const main = table(segments);
    if (isOlder) unscale(main.rows);
    let periodic: PeriodicSection | undefined;
    if (!isOlder) {
      const own = view.getUint32(at, true);
      at += 4;
      if (own > 0) {
        if (left() < 4 * SECTION_NUMBERS + tableBytes(own))
          throw new PlanError(
            `plan ${p} claims a periodic section of ${own} segments, more than the file has room for`,
          );
        const [from, to] = singles(2) as unknown as [number, number];
        const period = singles(8);
        const [trend, trendLow, middle] = singles(3) as unknown as [number, number, number];
        periodic = { from, to, period, trend, trendLow, middle, ...table(own) };
      }
    }
    const plan = { grid, ...main, ...specials, ...(periodic ? { periodic } : {}) };
    const problem = problemOf(plan);
    if (problem) throw new PlanError(`plan ${p} has ${problem}`);
    plans.push(restore(plan, bounds, !isOlder));
  }
  if (at !== file.length) throw new PlanError(`${file.length - at} bytes follow the last plan`);
  return { plans, layout };
}

type Specials = { -readonly [K in (typeof SPECIALS)[number]]: Plan[K] };

/** Rows of version 2 have h1 without a scale, its last 12 bits 0. */
function unscale(rows: Float32Array): void {
  const words = new Int32Array(rows.buffer);
  for (let i = 2; i < words.length; i += 8) words[i] = (words[i]! & -0x1000) | UNSCALED;
}

/**
 * Cells take a hundred times what a small plan takes in the file. They are derived where they are used, and not kept: reading costs no
 * more than the file is worth, however many plans it claims.
 */
function restore(plan: Omit<Plan, 'cellRows' | 'certificate'>, bounds: Bounds, isProved: boolean): Plan {
  const cells = (): Cells => {
    const engine = compilingEngine();
    writeSegments(engine, plan);
    return fillGrid(engine, plan.grid, plan.slack.length);
  };
  const total = plan.grid.last - plan.grid.first + 1;
  const segments = plan.slack.length + (plan.periodic?.slack.length ?? 0);
  const { cellsInUse: _, ...certificate } = certificateOf(bounds, segments, total, 0, isProved);
  return {
    ...plan,
    get cellRows() {
      return cells().rows;
    },
    certificate: Object.freeze({
      ...certificate,
      get cellsInUse() {
        return total - cells().unused;
      },
    }),
  };
}

/** Fowler, Noll, Vo, on words instead of bytes: 32 bits that notice a damaged file. */
export function fnv1a(bytes: Uint8Array, hash = 0x811c9dc5): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length; at += 4) hash = Math.imul(hash ^ words.getInt32(at, true), 0x01000193);
  // A file whose length is no multiple of four is cut off.
  return bytes.length % 4 === 0 ? hash >>> 0 : -1;
}
