import { uniformStream } from '../cpab/random.js';
import {
  describe,
  expectFunction,
  expectInteger,
  expectNumber,
  expectOptions,
  expectRecord,
  expectSignal,
  isView,
  throwIfAborted,
} from '../errors.js';
import type { Signal } from '../platform.js';
import { ulpError } from './compare.js';
import type { DoubleDouble } from './double-double.js';
import { enclosureOf } from './enclosed.js';
import { LANES } from './enclosure.js';
import { fromOrdinal, ordinal, unitInLastPlace } from './float32.js';
import { Nearest } from './nearest.js';
import type { Truth } from './truth.js';

/** Running a float32 function over very many inputs and keeping the worst. */

/** A function of float32 arrays: one of our backends, or anyone's kernel. */
export type Float32Function = (x: Float32Array) => Float32Array;

export interface SweepResult {
  readonly count: number;
  /** Largest error where |truth| ≥ 2⁻⁸, in ULP; where 2⁻²⁴ ≤ |truth| < 2⁻⁸, in ULP; below, absolute. With the inputs. */
  readonly ulp: number;
  readonly ulpAt: number;
  readonly ulpSmall: number;
  readonly ulpSmallAt: number;
  readonly absolute: number;
  readonly absoluteAt: number;
  /** Share of results that are the float32 nearest to the truth. */
  readonly nearest: number;
  /** How many inputs the truth itself was asked for, because float64 with proved bounds did not decide. */
  readonly byLongArithmetic: number;
}

export interface SweepOptions {
  /** Called after each block with the share that is done, 0 to 1, and what was found so far, from where `resume` can go on. */
  onProgress?: (done: number, soFar: SweepResult) => void;
  /** Ends it between two blocks, with the signal's reason. */
  signal?: Signal;
  /** What an earlier sweep of the same inputs had found when it was stopped: as many inputs as it counts are passed over. */
  resume?: SweepResult;
}

/** What a function should have given, as near as float64 has it, or as {@link exactFamily} gives it. */
export type TruthFunction = (x: number) => number | DoubleDouble;

const BLOCK = 1 << 16;

/**
 * Errors of `f` against `truth` on all inputs that `blocks` yields. f may be asynchronous; then the result is a promise. A truth of {@link exactFamily},
 * {@link exactDerivative} or {@link exact} is first enclosed in float64, which decides nearly all inputs in less than a microsecond.
 * @throws {TypeError|RangeError} for arguments of the wrong kind, or results of another length.
 */
export function sweep(f: Float32Function, truth: TruthFunction, inputs: Inputs, options?: SweepOptions): SweepResult;
export function sweep(
  f: (x: Float32Array) => Promise<Float32Array>,
  truth: TruthFunction,
  inputs: Inputs,
  options?: SweepOptions,
): Promise<SweepResult>;
export function sweep(
  f: (x: Float32Array) => Float32Array | Promise<Float32Array>,
  truth: TruthFunction,
  inputs: Inputs,
  options: SweepOptions = {},
): SweepResult | Promise<SweepResult> {
  expectFunction('f', f);
  expectFunction('truth', truth);
  expectInputs(inputs);
  expectOptions<SweepOptions>('sweep', options, {
    onProgress: expectFunction,
    signal: expectSignal,
    resume: expectResult,
  });
  const before = options.resume ?? NOTHING;
  const exactly = (x: number): Truth => ({ error: 0, ...numberOf(truth(x)) });
  const nearest = new Nearest('float32', exactly, enclosureOf(truth));
  const [ulp, ulpSmall, absolute] = [new Worst(ulpError), new Worst(errorIn), new Worst(difference)];
  let count = 0;
  let right = 0;
  const compare = (x: Float32Array, y: unknown): void => {
    if (!isView(y, 'Float32Array') || y.length !== x.length)
      throw new TypeError(`the function must return a Float32Array of length ${x.length}, got ${describe(y)}`);
    for (let start = 0; start < x.length; start += LANES) {
      const n = Math.min(LANES, x.length - start);
      nearest.find(x, start, n);
      for (let k = 0; k < n; k++) {
        const found = y[start + k]!;
        const isEdge = nearest.isEdge[k] === 1 && found !== nearest.rounded[k];
        const t = isEdge ? exactly(x[start + k]!).hi : nearest.value[k]!;
        if (found === nearest.rounded[k]) {
          right += 1;
          // What rounds to an infinity has no distance from it.
          if (Math.abs(found) === Number.POSITIVE_INFINITY) continue;
        } else if (Number.isNaN(t) || Number.isNaN(found)) {
          if (Number.isNaN(t) && Number.isNaN(found)) right += 1;
          else ulp.see(Number.POSITIVE_INFINITY, 0, x[start + k]!, found);
          continue;
        }
        const off = nearest.off[k]!;
        const size = Math.abs(t);
        if (size >= SMALL) {
          const unit = unitInLastPlace(t);
          const worst = size >= LARGE ? ulp : ulpSmall;
          worst.see(found === t ? 0 : Math.abs(found - t) / unit, off / unit, x[start + k]!, found);
        } else absolute.see(Math.abs(found - t), off, x[start + k]!, found);
      }
    }
    count += x.length;
    options.onProgress?.((before.count + count) / inputs.count, result());
  };
  const result = (): SweepResult => {
    const all = before.count + count;
    const [large, small, tiny] = [ulp, ulpSmall, absolute].map((each) => each.exactly(exactly)) as [
      Place,
      Place,
      Place,
    ];
    return mergeWorst(before, {
      count: all,
      ulp: large.error,
      ulpAt: large.x,
      ulpSmall: small.error,
      ulpSmallAt: small.x,
      absolute: tiny.error,
      absoluteAt: tiny.x,
      nearest: all === 0 ? 1 : (Math.round(before.nearest * before.count) + right) / all,
      byLongArithmetic: before.byLongArithmetic + nearest.asked,
    });
  };
  const blocks = after(inputs.blocks(), before.count)[Symbol.iterator]();
  const rest = async (x: Float32Array, y: PromiseLike<Float32Array>): Promise<SweepResult> => {
    compare(x, await y);
    for (let next = blocks.next(); !next.done; next = blocks.next()) {
      throwIfAborted(options.signal);
      compare(next.value, await f(next.value.slice()));
    }
    return result();
  };
  for (let next = blocks.next(); !next.done; next = blocks.next()) {
    throwIfAborted(options.signal);
    // A copy: a kernel may work in place.
    const y = f(next.value.slice()) as unknown;
    if (typeof (y as Partial<PromiseLike<unknown>> | null)?.then === 'function')
      return rest(next.value, y as PromiseLike<Float32Array>);
    compare(next.value, y);
  }
  return result();
}

const [LARGE, SMALL] = [2 ** -8, 2 ** -24];
const difference = (found: number, truth: number): number => (found === truth ? 0 : Math.abs(found - truth));
const errorIn = (found: number, truth: number): number =>
  found === truth ? 0 : Math.abs(found - truth) / unitInLastPlace(truth);

interface Place {
  readonly error: number;
  readonly x: number;
}

/** The largest error, by where the truth lies; told exactly when it is asked for. */
class Worst {
  #error = 0;
  #x = 0;
  #found = 0;
  #told: Place | undefined = { error: 0, x: 0 };
  readonly #measure: (found: number, truth: number) => number;

  constructor(measure: (found: number, truth: number) => number) {
    this.#measure = measure;
  }

  see(error: number, off: number, x: number, found: number): void {
    if (!(error - off > this.#error)) return;
    this.#error = error;
    this.#x = x;
    this.#found = found;
    this.#told = undefined;
  }

  exactly(truth: (x: number) => Truth): Place {
    this.#told ??= {
      error: this.#error === Number.POSITIVE_INFINITY ? this.#error : this.#measure(this.#found, truth(this.#x).hi),
      x: this.#x,
    };
    return this.#told;
  }
}

/** Of no inputs. */
export const NOTHING: SweepResult = {
  count: 0,
  ulp: 0,
  ulpAt: 0,
  ulpSmall: 0,
  ulpSmallAt: 0,
  absolute: 0,
  absoluteAt: 0,
  nearest: 1,
  byLongArithmetic: 0,
};

/** Every number of a result is there. */
function expectResult(name: string, value: unknown): void {
  expectRecord(name, value);
  for (const key of Object.keys(NOTHING) as (keyof SweepResult)[])
    expectNumber(`${name}.${key}`, (value as SweepResult)[key]);
}

/** Blocks without their first inputs. */
export function* after(blocks: Iterable<Float32Array>, count: number): Iterable<Float32Array> {
  let left = count;
  for (const block of blocks) {
    const skipped = Math.min(left, block.length);
    left -= skipped;
    if (skipped < block.length) yield block.subarray(skipped);
  }
}

/**
 * What two sweeps of different inputs found, as one.
 * @throws {TypeError} if one is no result of `sweep`.
 */
export function mergeSweeps(p: SweepResult, q: SweepResult): SweepResult {
  expectResult('p', p);
  expectResult('q', q);
  const count = p.count + q.count;
  return mergeWorst(p, {
    ...q,
    count,
    nearest: count === 0 ? 1 : (Math.round(p.nearest * p.count) + Math.round(q.nearest * q.count)) / count,
    byLongArithmetic: p.byLongArithmetic + q.byLongArithmetic,
  });
}

/** q, with what is worse in p. */
const mergeWorst = (p: SweepResult, q: SweepResult): SweepResult => ({
  ...q,
  ...(p.ulp >= q.ulp ? { ulp: p.ulp, ulpAt: p.ulpAt } : {}),
  ...(p.ulpSmall >= q.ulpSmall ? { ulpSmall: p.ulpSmall, ulpSmallAt: p.ulpSmallAt } : {}),
  ...(p.absolute >= q.absolute ? { absolute: p.absolute, absoluteAt: p.absoluteAt } : {}),
});

function numberOf(truth: number | DoubleDouble): DoubleDouble {
  if (typeof truth === 'object' && typeof truth?.hi === 'number' && typeof truth.lo === 'number') return truth;
  return { hi: expectNumber('what truth returns', truth), lo: 0 };
}

/** Very many inputs, a block at a time. */
export interface Inputs {
  readonly count: number;
  blocks(): Iterable<Float32Array>;
}

function expectInputs(inputs: unknown): void {
  const given = inputs as Partial<Inputs> | null;
  if (
    typeof given !== 'object' ||
    given === null ||
    typeof given.blocks !== 'function' ||
    typeof given.count !== 'number'
  )
    throw new TypeError(`inputs must be { count, blocks }, as everyFloat32 gives, got ${describe(inputs)}`);
}

/** Two numbers that float32 holds, in order. */
function expectRange(low: unknown, high: unknown): void {
  for (const [name, value] of [
    ['low', low],
    ['high', high],
  ] as const) {
    if (!Number.isFinite(Math.fround(expectNumber(name, value))))
      throw new RangeError(`${name} must be a finite float32, got ${String(value)}`);
  }
  if (!((low as number) <= (high as number)))
    throw new RangeError(`low must be at most high, got low = ${String(low)}, high = ${String(high)}`);
}

/**
 * Every float32 from low to high, both included, in order; -0 left out. `part` of `parts` divides the work.
 * @throws {TypeError|RangeError} unless low ≤ high, finite as float32, and 0 ≤ part < parts.
 */
export function everyFloat32(low: number, high: number, part = 0, parts = 1): Inputs {
  expectRange(low, high);
  expectInteger('parts', parts, 1, 2 ** 31);
  const first = ordinal(Math.fround(low));
  const total = ordinal(Math.fround(high)) - first + 1;
  expectInteger('part', part, 0, parts - 1);
  const from = first + Math.floor((total * part) / parts);
  const to = first + Math.floor((total * (part + 1)) / parts);
  return {
    count: Math.max(to - from, 0),
    *blocks() {
      const block = new Float32Array(BLOCK);
      const words = new Int32Array(block.buffer);
      for (let start = from; start < to; start += BLOCK) {
        const n = Math.min(BLOCK, to - start);
        for (let i = 0; i < n; i++) {
          const o = start + i;
          words[i] = o < 0 ? -o | 0x80000000 : o;
        }
        yield block.subarray(0, n);
      }
    },
  };
}

/**
 * `count` inputs spread over the binades of [low, high], the same number in each, both signs: small numbers count too.
 * @throws {TypeError|RangeError} unless low ≤ high, finite as float32; count from 0; seed from 0 to 2³²-1.
 */
export function stratified(low: number, high: number, count: number, seed: number): Inputs {
  expectRange(low, high);
  expectInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
  expectInteger('seed', seed, 0, 2 ** 32 - 1);
  return {
    count,
    *blocks() {
      const uniform = uniformStream(seed);
      const first = ordinal(Math.fround(low));
      const last = ordinal(Math.fround(high));
      for (let start = 0; start < count; start += BLOCK) {
        // Half by binade (uniform in the bit pattern), half uniform on the line.
        yield Float32Array.from({ length: Math.min(BLOCK, count - start) }, (_, i) => {
          if (i % 2 === 1) return low + (high - low) * uniform();
          const o = first + Math.floor((last - first + 1) * uniform());
          return fromOrdinal(o);
        });
      }
    },
  };
}

/** `count` random bit patterns: NaN, infinities, subnormals and all. */
export function randomBits(count: number, seed: number): Inputs {
  expectInteger('count', count, 0, Number.MAX_SAFE_INTEGER);
  expectInteger('seed', seed, 0, 2 ** 32 - 1);
  return {
    count,
    *blocks() {
      const uniform = uniformStream(seed);
      for (let start = 0; start < count; start += BLOCK) {
        const words = Int32Array.from({ length: Math.min(BLOCK, count - start) }, () => uniform() * 2 ** 32);
        yield new Float32Array(words.buffer);
      }
    },
  };
}

/** Values at which float code goes wrong: zeros, subnormals, limits, infinities, NaN of several payloads, powers of two and their neighbours. */
export function specialValues(): Float32Array {
  const patterns = [
    0, 1, 2, 0x7fffff, 0x800000, 0x800001, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff, 0x7fc12345,
  ];
  for (let exponent = 1; exponent < 255; exponent++) {
    for (const fraction of [0, 1, 0x400000, 0x7fffff]) patterns.push((exponent << 23) | fraction);
  }
  const words = new Int32Array(patterns.length * 2);
  patterns.forEach((pattern, i) => {
    words[2 * i] = pattern;
    words[2 * i + 1] = pattern | 0x80000000;
  });
  return new Float32Array(words.buffer);
}
