import type { Backend, DeviceBackend, HostBackend } from '../backends/backend.js';
import type { Basis, Matrix } from '../cpab/basis.js';
import { checkThetas, type Tessellation, tessellation, velocityField } from '../cpab/field.js';
import type { VelocityField } from '../cpab/flow.js';
import { precisionMatrix, priorCovariance, sampleTheta } from '../cpab/prior.js';
import { normalStream } from '../cpab/random.js';
import { describe, expectFinite, expectInteger, expectOneOf } from '../errors.js';
import type { StateDict } from '../io/tensor.js';
import { compile } from '../plan/compile.js';
import type { Plan } from '../plan/plan.js';
import { readCheckpoint } from './checkpoint.js';
import {
  CompiledActivation,
  type DeviceFunction,
  type ForwardOptions,
  type HostFunction,
  LAYOUTS,
  type Layout,
} from './compiled.js';
import { VARIANTS, type Variant, variantPieces, variantReference } from './variants.js';

export interface DiTACOptions {
  /** Number of cells N of the velocity field, 1 to 4096. Default 10. */
  tess?: number;
  /** The interval that T maps onto itself, as float32; a < b. Default [-0.5, 2]. */
  a?: number;
  b?: number;
  /** A basis by name, or the matrix B, number[2N][d]. Default 'qr'. */
  basis?: Basis;
  /** Default 'gelu', the one that the PyTorch package released. */
  variant?: Variant;
  /** θ, [channels][d] with d = N-1 (N+1 for variant 'inf'); flat or nested; taken as float32. */
  thetas?: ArrayLike<number> | readonly ArrayLike<number>[];
  /** Draws θ from the smoothness prior instead; 0 to 2³²-1. The same seed gives the same bits everywhere. */
  seed?: number;
  /** How many θ, one a channel. Default: as many as `thetas` holds, or 1. */
  channels?: number;
  /** Default 'channelsFirst', PyTorch's. Of no consequence with one channel. */
  layout?: Layout;
  /** Of the regulariser's precision matrix. Defaults 5 and 2. */
  lambdaSmooth?: number;
  lambdaVar?: number;
  /** Of the prior that `seed` draws from. Defaults 5 and 2. */
  lambdaSmoothInit?: number;
  lambdaVarInit?: number;
}

const OPTIONS: readonly (keyof DiTACOptions)[] = [
  'tess',
  'a',
  'b',
  'basis',
  'variant',
  'thetas',
  'seed',
  'channels',
  'layout',
  'lambdaSmooth',
  'lambdaVar',
  'lambdaSmoothInit',
  'lambdaVarInit',
];

/**
 * DiTAC, a trainable activation function (Chelly, Finder, Ifergane, Freifeld, ECCV 2024): inside [a,b] the CPAB
 * diffeomorphism T, applied as its variant says.
 *
 * `forward` evaluates a plan that is compiled on first use and certified to 1 ULP (`plan.certificate`).
 */
export class DiTAC {
  readonly tess: number;
  readonly a: number;
  readonly b: number;
  readonly variant: Variant;
  readonly channels: number;
  readonly layout: Layout;
  readonly lambdaSmooth: number;
  readonly lambdaVar: number;
  readonly #tessellation: Tessellation;
  readonly #thetas: Float32Array;
  readonly #compiled: CompiledActivation;
  #precision: Float32Array | undefined;

  /** @throws {TypeError|RangeError} if an option has the wrong type, shape or range, or neither `thetas` nor `seed` is given. */
  constructor(options: DiTACOptions = {}) {
    if (typeof options !== 'object' || options === null)
      throw new TypeError(`DiTAC options must be an object, got ${describe(options)}`);
    for (const key of Object.keys(options)) expectOneOf('an option of DiTAC', key, OPTIONS);
    if (options.thetas !== undefined && options.seed !== undefined)
      throw new TypeError('DiTAC takes thetas or a seed to draw them, not both');
    this.tess = expectInteger('tess', options.tess ?? 10, 1, 4096);
    this.a = Math.fround(expectFinite('a', options.a ?? -0.5));
    this.b = Math.fround(expectFinite('b', options.b ?? 2));
    if (!(this.a < this.b))
      throw new RangeError(`a must be less than b (as float32), got a = ${this.a}, b = ${this.b}`);
    if (Math.max(-this.a, this.b) > 2 ** 20)
      throw new RangeError(`[a, b] must lie within ±2^20, got [${this.a}, ${this.b}]`);
    this.variant = expectOneOf('variant', options.variant ?? 'gelu', VARIANTS);
    this.layout = expectOneOf('layout', options.layout ?? 'channelsFirst', LAYOUTS);
    this.lambdaSmooth = positive('lambdaSmooth', options.lambdaSmooth ?? 5);
    this.lambdaVar = positive('lambdaVar', options.lambdaVar ?? 2);
    this.#tessellation = tessellation(this.tess, this.variant !== 'inf', options.basis ?? 'qr');
    const d = this.dimension;
    if (options.thetas !== undefined) {
      this.#thetas = checkThetas('thetas', options.thetas, d);
      this.channels = d === 0 ? 1 : this.#thetas.length / d;
      if (options.channels !== undefined && options.channels !== this.channels) {
        throw new RangeError(
          `thetas must hold ${String(options.channels)}·${d} numbers for ${String(options.channels)} channels, got ${this.#thetas.length}`,
        );
      }
    } else {
      if (options.seed === undefined) throw new TypeError('DiTAC needs thetas, or a seed to draw them from the prior');
      this.channels = expectInteger('channels', options.channels ?? 1, 1, 65536);
      const normal = normalStream(options.seed);
      const covariance = priorCovariance(
        this.basis,
        positive('lambdaSmoothInit', options.lambdaSmoothInit ?? 5),
        positive('lambdaVarInit', options.lambdaVarInit ?? 2),
      );
      this.#thetas = new Float32Array(this.channels * d);
      for (let c = 0; c < this.channels; c++) this.#thetas.set(sampleTheta(covariance, normal), c * d);
    }
    this.#compiled = new CompiledActivation(this.channels, this.layout, (channel) =>
      compile(variantPieces(this.variant, this.#field(channel), this.a, this.b)),
    );
  }

  /**
   * Takes over an activation trained in PyTorch.
   *
   * @param tensors name → { shape, data }, as `loadSafetensors` returns. Reads `<prefix>thetas` [1][d] or [channels][d],
   *   `<prefix>precision_mat` [d][d], and what `examples/export_checkpoint.py` adds.
   * @param options `prefix` and whatever the checkpoint does not hold: at least `a` and `b` if they are not the defaults.
   *   The basis is not stored by PyTorch; without `basis` it is found as the one that reproduces `precision_mat`.
   * @throws {TypeError|RangeError} if tensors are missing or misshapen, or no known basis fits `precision_mat`.
   */
  static fromStateDict(
    tensors: StateDict,
    options: Omit<DiTACOptions, 'thetas' | 'seed'> & { prefix?: string } = {},
  ): DiTAC {
    const found = readCheckpoint(tensors, options);
    const act = new DiTAC(found.options);
    act.#precision = found.precision;
    return act;
  }

  /** d, the number of parameters a channel. */
  get dimension(): number {
    return this.#tessellation.basis.columns;
  }

  /** A copy of B, [2N][d]. */
  get basis(): Matrix {
    const { rows, columns, data } = this.#tessellation.basis;
    return { rows, columns, data: data.slice() };
  }

  /** A copy of θ, [channels][d]. */
  get thetas(): Float32Array {
    return this.#thetas.slice();
  }

  /** The compiled plan of channel 0, with its certificate. */
  get plan(): Plan {
    return this.planOf(0);
  }

  /** The compiled plan of a channel. @throws {TypeError|RangeError} if there is no such channel. */
  planOf(channel: number): Plan {
    return this.#compiled.planOf(channel);
  }

  /**
   * y = f(x), elementwise. NaN gives the canonical NaN, ±Infinity the limit; subnormal inputs count as zero.
   *
   * @param x any tensor, flat.
   * @param out where to write; x itself, or an array that does not overlap it. Default: a new array.
   * @throws {TypeError|RangeError} if x, out or shape do not fit; nothing is written then.
   */
  forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array {
    return this.#compiled.forward(x, out, options);
  }

  /**
   * The function of one channel in float64, by the closed form: no table, about 15 digits, roughly 200 ns a value.
   * For checking; the `ditac/oracle` module has 30 digits.
   */
  reference(channel = 0): (x: number) => number {
    expectInteger('channel', channel, 0, this.channels - 1);
    return variantReference(this.variant, this.#field(channel), this.a, this.b);
  }

  /** Velocity of the flow at the N+1 vertices of [a,b], in units of [a,b]. */
  velocities(channel = 0): Float64Array {
    return this.#field(expectInteger('channel', channel, 0, this.channels - 1)).velocity;
  }

  /** As {@link CompiledActivation.on}. */
  on(backend: HostBackend): HostFunction;
  on<T>(backend: DeviceBackend<T>): DeviceFunction<T>;
  on(backend: Backend): {
    forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array | Promise<Float32Array>;
  };
  on(backend: Backend): unknown {
    return this.#compiled.on(backend);
  }

  /** The function alone, parameters fixed: it can be saved with `toBytes` and run again without compiling. */
  compiled(): CompiledActivation {
    return this.#compiled;
  }

  /** What PyTorch's `load_state_dict` takes: `<prefix>thetas` [channels][d] and `<prefix>precision_mat` [d][d]. */
  stateDict(options: { prefix?: string } = {}): Record<string, { shape: number[]; data: Float32Array }> {
    const prefix = options.prefix ?? '';
    const d = this.dimension;
    this.#precision ??= Float32Array.from(precisionMatrix(this.basis, this.lambdaSmooth, this.lambdaVar).data);
    return {
      [`${prefix}thetas`]: { shape: [this.channels, d], data: this.thetas },
      [`${prefix}precision_mat`]: { shape: [d, d], data: this.#precision.slice() },
    };
  }

  #field(channel: number): VelocityField {
    return velocityField(this.#tessellation, this.#thetas, channel, this.a, this.b, 1);
  }
}

function positive(name: string, value: unknown): number {
  const number = expectFinite(name, value);
  if (!(number > 0)) throw new RangeError(`${name} must be positive, got ${number}`);
  return number;
}
