import { DiTAC } from './activations/ditac.js';
import type { Trainable } from './activations/trainable.js';
import type { Backend, ProbeFailure } from './backends/backend.js';
import { hostBackend } from './backends/host.js';
import { BACKEND_NAMES, loadBackend } from './backends/load.js';
import {
  describe,
  expectArray,
  expectFunction,
  expectInteger,
  expectIntegerKind,
  expectNumber,
  expectOptions,
  expectRecord,
  expectSignal,
  isView,
  type OptionTable,
  throwIfAborted,
} from './errors.js';
import { VARIANTS } from './families/ditac.js';
import { type BitComparison, compareBits, ulpError } from './oracle/compare.js';
import { exactFamily, type Judged } from './oracle/family.js';
import { Nearest } from './oracle/nearest.js';
import { after, type Inputs, randomBits, specialValues, stratified } from './oracle/sweep.js';
import type { Signal } from './platform.js';

/**
 * Is an implementation right? Its bits against those of plain JavaScript, its values against the 30-digit oracle: for the backends of
 * this machine, and for any function of float32 arrays, someone else's GPU kernel say.
 */

export { shader } from './backends/webgpu/shader.js';

/** Arrays in, arrays of the same length out. */
export type Float32Kernel = (x: Float32Array) => Float32Array | Promise<Float32Array>;

export interface VerifyOptions {
  /** Random bit patterns for the bit comparison, of each activation. Default 200,000. */
  elements?: number;
  /** Points for the oracle, which takes 1 µs each, and 20 to 300 µs where float64 does not decide. Default 2,000. */
  points?: number;
  /** Of parameters and inputs. Default 1. */
  seed?: number;
  onProgress?: (done: number, what: string) => void;
  /** Ends it, between two blocks of 65536 elements or 64 points of the oracle, with the signal's reason. */
  signal?: Signal;
}

/** How far a verification of one function is, and what it has found: from where another can go on. */
export interface VerifyState {
  /** Inputs whose bits were compared, and points of the oracle, in the order in which they come. */
  readonly compared: number;
  readonly points: number;
  readonly differing: number;
  readonly firstMismatch?: BitComparison['first'];
  readonly worstUlp: number;
  readonly worstUlpAt: number;
  readonly worstUlpSmall: number;
}

export interface VerifyFunctionOptions extends Omit<VerifyOptions, 'onProgress'> {
  /** `soFar` can be kept, and given as `resume` to a call with the same activation, elements, points and seed. */
  onProgress?: (done: number, what: string, soFar: VerifyState) => void;
  resume?: VerifyState;
}

export interface VerifyBackendsOptions extends VerifyOptions {
  /** What to compute, of any family. Default: a DiTAC of each variant. */
  activations?: readonly Trainable[];
}

const VERIFY_OPTIONS = {
  elements: expectIntegerKind,
  points: expectIntegerKind,
  seed: expectIntegerKind,
  onProgress: expectFunction,
  signal: expectSignal,
} satisfies OptionTable<VerifyOptions>;

export interface VerifyReport {
  readonly name: string;
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  /** What it runs on. */
  readonly device?: string;
  /** Whether its start-up probe found every operation exact, and the operations that are not. */
  readonly exact?: boolean;
  readonly failures?: readonly ProbeFailure[];
  readonly elements: number;
  /** How many results differ from plain JavaScript's in a bit, and the first of them. */
  readonly differing: number;
  readonly firstMismatch?: BitComparison['first'];
  /** Of backends: for how many elements gradX, and the gradients of all parameters, were compared too, and how many results differ. */
  readonly gradients: number;
  readonly differingGradients: number;
  /** Worst error against the oracle where |y| ≥ 2⁻⁸, in ULP, and its input; and what the plans certify. */
  readonly worstUlp: number;
  readonly worstUlpAt: number;
  readonly certifiedUlp: number;
  /** The same where 2⁻²⁴ ≤ |y| < 2⁻⁸. */
  readonly worstUlpSmall: number;
  readonly certifiedUlpSmall: number;
  /** No bit differs, and no error exceeds the certificate. */
  readonly ok: boolean;
}

const MOST_SEED = 2 ** 31;
/** A point of the oracle takes as long as so many elements; and how many are taken at a time. */
const WORK = 100;
const POINTS = 64;

/**
 * Judges a function that should compute an activation, of any family. It may be asynchronous, and is called with blocks of up to 65536.
 * @throws {TypeError|RangeError} for options out of range, or results of another length. What the function throws passes through.
 */
export async function verifyFunction(
  name: string,
  kernel: Float32Kernel,
  activation: Trainable,
  options: VerifyFunctionOptions = {},
): Promise<VerifyReport> {
  if (typeof name !== 'string') throw new TypeError(`name must be a string, got ${describe(name)}`);
  expectFunction('kernel', kernel);
  // Another copy of this package makes as good ones.
  expectActivation('activation', activation);
  expectOptions('verifyFunction', options, { ...VERIFY_OPTIONS, resume: expectState });
  if (activation.channels !== 1)
    throw new RangeError(`an activation with one channel can be verified, this one has ${activation.channels}`);
  return judge(name, [{ activation, kernel }], options);
}

const BEGINNING: VerifyState = {
  compared: 0,
  points: 0,
  differing: 0,
  worstUlp: 0,
  worstUlpAt: 0,
  worstUlpSmall: 0,
};

function expectState(name: string, value: unknown): void {
  expectRecord(name, value);
  for (const key of Object.keys(BEGINNING) as (keyof typeof BEGINNING)[])
    expectNumber(`${name}.${key}`, (value as VerifyState)[key]);
  for (const key of ['compared', 'points', 'differing'] as const)
    expectInteger(`${name}.${key}`, (value as VerifyState)[key], 0, Number.MAX_SAFE_INTEGER);
}

function expectActivation(name: string, value: unknown): asserts value is Trainable {
  const given = value as Partial<Trainable> | null | undefined;
  if (typeof given?.on !== 'function' || typeof given.planOf !== 'function')
    throw new TypeError(`${name} must be an activation, a DiTAC or of another family, got ${describe(value)}`);
}

/**
 * Judges every backend of this machine, on all variants of DiTAC or on given activations. One that cannot run here is reported with the reason.
 * @throws {TypeError|RangeError} for options of the wrong kind or out of range.
 */
export async function verifyBackends(options: VerifyBackendsOptions = {}): Promise<VerifyReport[]> {
  expectOptions('verifyBackends', options, { ...VERIFY_OPTIONS, activations: expectArray });
  options.activations?.forEach((each, i) => {
    expectActivation(`activations[${i}]`, each);
    if (each.channels !== 1) throw new RangeError(`activations[${i}] must have one channel, it has ${each.channels}`);
  });
  const seed = expectInteger('seed', options.seed ?? 1, 0, MOST_SEED);
  const activations: readonly Trainable[] =
    options.activations ?? VARIANTS.map((variant, i) => new DiTAC({ a: -3, b: 3, variant, seed: seed + i }));
  const reports: VerifyReport[] = [];
  for (const name of BACKEND_NAMES) {
    let backend: Backend;
    try {
      backend = await loadBackend(name);
    } catch (cause) {
      reports.push(missing(name, (cause as Error).message));
      continue;
    }
    const trials = activations.map((activation) => ({
      activation,
      kernel: (x: Float32Array) => activation.on(backend).forward(x),
      gradients: backend,
    }));
    const { device, exact: isExact, failures } = backend;
    reports.push({ ...(await judge(name, trials, options)), device, exact: isExact, failures });
  }
  return reports;
}

async function judge(
  name: string,
  trials: readonly { activation: Trainable; kernel: Float32Kernel; gradients?: Backend }[],
  options: VerifyFunctionOptions,
): Promise<VerifyReport> {
  const elements = expectInteger('elements', options.elements ?? 200_000, 1, 1e9);
  const points = expectInteger('points', options.points ?? 2_000, 1, 1e7);
  const seed = expectInteger('seed', options.seed ?? 1, 0, MOST_SEED);
  const js = hostBackend('js');
  // Of one function; there is no other way to be given a state.
  const before = options.resume ?? BEGINNING;
  let { compared: count, differing, firstMismatch: first, worstUlp, worstUlpAt, worstUlpSmall } = before;
  let asked = before.points;
  let certifiedUlp = 0;
  let certifiedUlpSmall = 0;
  let gradients = 0;
  let differingGradients = 0;
  for (const [i, { activation, kernel, gradients: backend }] of trials.entries()) {
    const label = `${name} ${labelOf(activation)}`;
    const work = 1.25 * elements + WORK * points;
    let worked = before.compared + WORK * before.points;
    const advance = (by: number) => {
      worked += by;
      throwIfAborted(options.signal);
      options.onProgress?.((i + Math.min(worked / work, 1)) / trials.length, label, {
        compared: count,
        points: asked,
        differing,
        ...(first ? { firstMismatch: first } : {}),
        worstUlp,
        worstUlpAt,
        worstUlpSmall,
      });
    };
    advance(0);
    for (const x of after(inputsFor(elements, seed), before.compared)) {
      const comparison = compareBits(activation.on(js).forward(x), resultOf(await kernel(x.slice()), x), x);
      differing += comparison.differing;
      first ??= comparison.first;
      count += x.length;
      advance(x.length);
    }
    if (backend) {
      // A tenth: they cost ten times as much in plain JavaScript.
      for (const x of inputsFor(Math.ceil(elements / 10), seed + 3)) {
        const gradY = x.slice().reverse();
        const expected = activation.on(js).backward(x, gradY);
        const actual = await activation.on(backend).backward(x, gradY);
        differingGradients += compareBits(expected.gradX, actual.gradX).differing;
        for (const [key, sum] of Object.entries(expected.gradients))
          differingGradients += compareBits(sum, actual.gradients[key]!).differing;
        gradients += x.length;
        advance(0);
      }
    }
    const truth = exactFamily(activation as unknown as Judged);
    const nearest = new Nearest('float32', truth);
    const { domain } = activation.plan.certificate;
    for (const x of after(stratified(-8, 8, points, seed + 2).blocks(), before.points)) {
      // A copy: a kernel may work in place.
      const y = resultOf(await kernel(x.slice()), x);
      for (let start = 0; start < x.length; start += POINTS) {
        const n = Math.min(POINTS, x.length - start);
        nearest.find(x, start, n);
        for (let k = 0; k < n; k++) {
          const [v, t] = [x[start + k]!, nearest.value[k]!];
          if (Math.abs(t) < 2 ** -24 || Math.abs(v) > domain) continue;
          // What is worse as far as float64 tells, is told exactly.
          const worst = Math.abs(t) < 2 ** -8 ? worstUlpSmall : worstUlp;
          if (!(ulpError(y[start + k]!, t) > worst * (1 - 2 ** -20))) continue;
          const error = ulpError(y[start + k]!, truth(v).hi);
          if (Math.abs(t) < 2 ** -8) worstUlpSmall = Math.max(worstUlpSmall, error);
          else if (error > worstUlp) [worstUlp, worstUlpAt] = [error, v];
        }
        asked += n;
        advance(WORK * n);
      }
    }
    certifiedUlp = Math.max(certifiedUlp, activation.plan.certificate.ulp);
    certifiedUlpSmall = Math.max(certifiedUlpSmall, activation.plan.certificate.ulpSmall);
  }
  return {
    name,
    available: true,
    elements: count,
    differing,
    ...(first ? { firstMismatch: first } : {}),
    gradients,
    differingGradients,
    worstUlp,
    worstUlpAt,
    certifiedUlp,
    worstUlpSmall,
    certifiedUlpSmall,
    ok: differing === 0 && differingGradients === 0 && worstUlp <= certifiedUlp && worstUlpSmall <= certifiedUlpSmall,
  };
}

function resultOf(y: unknown, x: Float32Array): Float32Array {
  if (!isView(y, 'Float32Array') || y.length !== x.length)
    throw new TypeError(`the function must return a Float32Array of length ${x.length}, got ${describe(y)}`);
  return y;
}

const labelOf = (activation: Trainable): string =>
  (activation as unknown as Partial<DiTAC>).variant ??
  (activation as unknown as { family?: { name: string } }).family?.name ??
  activation.constructor.name;

function* inputsFor(elements: number, seed: number): Iterable<Float32Array> {
  const sources: Inputs[] = [randomBits(elements, seed), stratified(-16, 16, Math.ceil(elements / 4), seed + 1)];
  yield specialValues();
  for (const source of sources) yield* source.blocks();
}

function missing(name: string, reason: string): VerifyReport {
  return {
    name,
    available: false,
    reason,
    elements: 0,
    differing: 0,
    gradients: 0,
    differingGradients: 0,
    worstUlp: 0,
    worstUlpAt: 0,
    certifiedUlp: 0,
    worstUlpSmall: 0,
    certifiedUlpSmall: 0,
    ok: true,
  };
}
