import { describe, isView } from '../errors.js';
import { problemOf } from './check.js';
import { METHOD } from './method.js';
import type { CellGrid, Certificate, Plan } from './plan.js';
import { compilingEngine, fillGrid, writeSegments } from './workspace.js';

/**
 * Plans as bytes. A file holds the segments; the grid of cells, most of a plan's memory, follows from them and is derived again
 * when it is used, which takes a fraction of a millisecond and gives the same bits.
 *
 * Little-endian: "ditacpln"; version, check (FNV-1a of all that follows, by words of 32 bits), layout and number of plans, u32; then for each plan the
 * grid's exponent, first and last cell, i32, and the number of segments, u32; f(0), the slopes below and above zero, f(-∞) and
 * f(+∞), f32; the six numbers of the certificate, f64; bounds, rows and slack, f32.
 */
export const PLAN_VERSION = 2;

const MAGIC = 'ditacpln';
const IS_LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
const HEADER_BYTES = 24;
/** Of a plan with one segment. */
const LEAST_PLAN_BYTES = 4 * 4 + 5 * 4 + 6 * 8 + 4 * 9;
const BYTES_A_SEGMENT = 4 * 10;

const SPECIALS = ['atZero', 'slopeBelowZero', 'slopeAboveZero', 'limitLow', 'limitHigh'] as const;
const BOUNDS = ['ulp', 'ulpAt', 'ulpSmall', 'ulpSmallAt', 'absolute', 'absoluteAt'] as const;

/** The bytes are not plans of this version, or are damaged. */
export class PlanError extends RangeError {
  override name = 'PlanError';
}

/**
 * @param layout a number that the caller gets back with the plans.
 * @throws {RangeError} if kernels cannot run one of the plans.
 */
export function encodePlans(plans: readonly Plan[], layout: number): Uint8Array {
  const size = plans.reduce((sum, { slack }) => sum + LEAST_PLAN_BYTES + BYTES_A_SEGMENT * (slack.length - 1), 0);
  const file = new Uint8Array(HEADER_BYTES + size);
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
    for (const array of [plan.bounds, plan.rows, plan.slack]) array.forEach(single);
  }
  view.setUint32(12, fnv1a(file.subarray(16)), true);
  return file;
}

/**
 * Time and memory are linear in the file's size: at most 16 bytes for each of its bytes.
 * @throws {TypeError|PlanError} if the bytes are not what `encodePlans` of this version writes, or kernels cannot run such a plan.
 */
export function decodePlans(file: Uint8Array): { plans: Plan[]; layout: number } {
  if (!isView(file, 'Uint8Array')) throw new TypeError(`a plan file must be a Uint8Array, got ${describe(file)}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < HEADER_BYTES || String.fromCharCode(...file.subarray(0, 8)) !== MAGIC)
    throw new PlanError(`a plan file begins with '${MAGIC}' and has at least ${HEADER_BYTES} bytes, this one does not`);
  const version = view.getUint32(8, true);
  if (version !== PLAN_VERSION)
    throw new PlanError(`the plan has version ${version}, this ditac reads version ${PLAN_VERSION}: compile it again`);
  if (view.getUint32(12, true) !== fnv1a(file.subarray(16))) throw new PlanError('the plan file is damaged');
  const layout = view.getUint32(16, true);
  const count = view.getUint32(20, true);
  if (count === 0 || count * LEAST_PLAN_BYTES > file.length - HEADER_BYTES)
    throw new PlanError(`the file claims ${count} plans in ${file.length} bytes`);

  let at = HEADER_BYTES;
  const plans: Plan[] = [];
  for (let p = 0; p < count; p++) {
    if (file.length - at < LEAST_PLAN_BYTES) throw new PlanError(`plan ${p} is cut off`);
    const grid: CellGrid = {
      exponent: view.getInt32(at, true),
      first: view.getInt32(at + 4, true),
      last: view.getInt32(at + 8, true),
    };
    const segments = view.getUint32(at + 12, true);
    if (segments === 0 || file.length - at < LEAST_PLAN_BYTES + BYTES_A_SEGMENT * (segments - 1))
      throw new PlanError(`plan ${p} claims ${segments} segments, more than the file has room for`);
    at += 16;
    const singles = (n: number) => {
      const array = new Float32Array(n);
      // A copy of bytes where they are in order already: a cold start has no time for a loop.
      if (IS_LITTLE_ENDIAN) new Uint8Array(array.buffer).set(file.subarray(at, at + 4 * n));
      else for (let i = 0; i < n; i++) array[i] = view.getFloat32(at + 4 * i, true);
      at += 4 * n;
      return array;
    };
    const specials = Object.fromEntries([...singles(SPECIALS.length)].map((value, i) => [SPECIALS[i], value]));
    const bounds = Object.fromEntries(BOUNDS.map((key, i) => [key, view.getFloat64(at + 8 * i, true)]));
    at += 8 * BOUNDS.length;
    const table = { bounds: singles(segments - 1), rows: singles(8 * segments), slack: singles(segments) };
    const plan = { grid, ...table, ...(specials as Specials) };
    const problem = problemOf(plan);
    if (problem) throw new PlanError(`plan ${p} has ${problem}`);
    plans.push(restore(plan, bounds as Bounds));
  }
  if (at !== file.length) throw new PlanError(`${file.length - at} bytes follow the last plan`);
  return { plans, layout };
}

type Specials = Pick<Plan, (typeof SPECIALS)[number]>;
type Bounds = Pick<Certificate, (typeof BOUNDS)[number]>;

/**
 * Cells take a hundred times what a small plan takes in the file. They are derived where they are used, and not kept: reading costs no
 * more than the file is worth, however many plans it claims.
 */
function restore(plan: Omit<Plan, 'cellRows' | 'certificate'>, bounds: Bounds): Plan {
  const cells = () => {
    const engine = compilingEngine();
    writeSegments(engine, plan);
    return fillGrid(engine, plan.grid, segments);
  };
  const segments = plan.slack.length;
  const count = plan.grid.last - plan.grid.first + 1;
  const certificate: Certificate = {
    ...bounds,
    segments,
    cells: count,
    get cellsInUse() {
      return count - cells().unused;
    },
    method: METHOD,
  };
  return {
    ...plan,
    get cellRows() {
      return cells().rows;
    },
    certificate: Object.freeze(certificate),
  };
}

/** Fowler, Noll, Vo, on words instead of bytes: 32 bits that notice a damaged file. */
function fnv1a(bytes: Uint8Array): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let hash = 0x811c9dc5;
  for (let at = 0; at + 4 <= bytes.length; at += 4) hash = Math.imul(hash ^ words.getInt32(at, true), 0x01000193);
  // A file whose length is no multiple of four is cut off.
  return bytes.length % 4 === 0 ? hash >>> 0 : -1;
}
