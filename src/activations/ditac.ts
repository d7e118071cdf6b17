import { type Backend, defaultBackend } from '../backends/backend.js';
import type { Basis, Matrix } from '../cpab/basis.js';
import { checkThetas, type Tessellation, tessellation, velocityField } from '../cpab/field.js';
import type { VelocityField } from '../cpab/flow.js';
import { precisionMatrix, priorCovariance, sampleTheta } from '../cpab/prior.js';
import { normalStream } from '../cpab/random.js';
import { describe, expectFinite, expectFloat32Array, expectInteger, expectOneOf, expectOutput } from '../errors.js';
import type { StateDict } from '../io/tensor.js';
import { compile } from '../plan/compile.js';
import { type Image, planImage } from '../plan/image.js';
import type { Plan } from '../plan/plan.js';
import { readCheckpoint } from './checkpoint.js';
import { VARIANTS, type Variant, variantPieces, variantReference } from './variants.js';

/** Where the channel axis of a tensor is: PyTorch's [batch][channel][…] or [batch][…][channel]. */
export type Layout = 'channelsFirst' | 'channelsLast';

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
  thetas?: ArrayLike<number> | readonly (readonly number[])[];
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

export interface ForwardOptions {
  /** The tensor's shape, outermost axis first. Needed for several channels first; else only checked. */
  shape?: readonly number[];
}

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
  readonly #plans: (Compiled | undefined)[];
  #precision: Float32Array | undefined;

  /** @throws {TypeError|RangeError} if an option has the wrong type, shape or range, or neither `thetas` nor `seed` is given. */
  constructor(options: DiTACOptions = {}) {
    if (typeof options !== 'object' || options === null)
      throw new TypeError(`DiTAC options must be an object, got ${describe(options)}`);
    this.tess = expectInteger('tess', options.tess ?? 10, 1, 4096);
    this.a = Math.fround(expectFinite('a', options.a ?? -0.5));
    this.b = Math.fround(expectFinite('b', options.b ?? 2));
    if (!(this.a < this.b))
      throw new RangeError(`a must be less than b (as float32), got a = ${this.a}, b = ${this.b}`);
    if (Math.max(-this.a, this.b) > 2 ** 20)
      throw new RangeError(`[a, b] must lie within ±2^20, got [${this.a}, ${this.b}]`);
    this.variant = expectOneOf('variant', options.variant ?? 'gelu', VARIANTS);
    this.layout = expectOneOf('layout', options.layout ?? 'channelsFirst', ['channelsFirst', 'channelsLast']);
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
    this.#plans = new Array<Compiled | undefined>(this.channels);
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

  /** B, [2N][d]. */
  get basis(): Matrix {
    return this.#tessellation.basis;
  }

  /** A copy of θ, [channels][d]. */
  get thetas(): Float32Array {
    return this.#thetas.slice();
  }

  /** The compiled plan of channel 0, with its certificate. */
  get plan(): Plan {
    return this.planOf(0);
  }

  /** The compiled plan of a channel. @throws {RangeError} if there is no such channel. */
  planOf(channel: number): Plan {
    return this.#compiled(expectInteger('channel', channel, 0, this.channels - 1)).plan;
  }

  /**
   * y = f(x), elementwise. NaN gives the canonical NaN, ±Infinity the limit; subnormal inputs count as zero.
   *
   * @param x any tensor, flat.
   * @param out where to write; x itself, or an array that does not overlap it. Default: a new array.
   * @throws {TypeError|RangeError} if x, out or shape do not fit; nothing is written then.
   */
  forward(x: Float32Array, out?: Float32Array, options: ForwardOptions = {}): Float32Array {
    return this.forwardOn(defaultBackend(), x, out, options);
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

  /** {@link forward} on a given backend: the same bits. */
  forwardOn(backend: Backend, x: Float32Array, out?: Float32Array, options: ForwardOptions = {}): Float32Array {
    expectFloat32Array('x', x);
    const y = out === undefined ? new Float32Array(x.length) : expectOutput(x, out);
    const inner = this.#innerSize(x.length, options.shape);
    if (this.channels === 1) {
      backend.run('activate', this.#compiled(0).image, x, y);
    } else if (inner === 1) {
      this.#forwardChannelsLast(backend, x, y);
    } else {
      const { channels } = this;
      for (let from = 0, row = 0; from < x.length; from += inner, row += 1) {
        const to = from + inner;
        backend.run('activate', this.#compiled(row % channels).image, x.subarray(from, to), y.subarray(from, to));
      }
    }
    return y;
  }

  /** Channels are interleaved: each is collected into a contiguous block, a bounded number of rows at a time. */
  #forwardChannelsLast(backend: Backend, x: Float32Array, y: Float32Array): void {
    const { channels } = this;
    const rows = x.length / channels;
    const block = new Float32Array(Math.min(rows, 4096));
    for (let from = 0; from < rows; from += block.length) {
      const part = block.subarray(0, Math.min(block.length, rows - from));
      for (let c = 0; c < channels; c++) {
        const start = from * channels + c;
        for (let i = 0, at = start; i < part.length; i++, at += channels) part[i] = x[at]!;
        backend.run('activate', this.#compiled(c).image, part, part);
        for (let i = 0, at = start; i < part.length; i++, at += channels) y[at] = part[i]!;
      }
    }
  }

  /** How many neighbours in memory share a channel. */
  #innerSize(length: number, shape: readonly number[] | undefined): number {
    if (shape === undefined) {
      if (this.channels > 1 && this.layout === 'channelsFirst') {
        throw new TypeError(
          `an activation with ${this.channels} channels first needs options.shape to find the channel axis`,
        );
      }
      if (length % this.channels !== 0)
        throw new RangeError(`x must hold a multiple of ${this.channels} (channels last), got ${length}`);
      return 1;
    }
    if (!Array.isArray(shape)) throw new TypeError(`shape must be an array of integers, got ${describe(shape)}`);
    shape.forEach((size, axis) => {
      expectInteger(`shape[${axis}]`, size, 0, 2 ** 53);
    });
    const size = shape.reduce((product, each) => product * each, 1);
    if (size !== length) throw new RangeError(`shape [${shape.join(', ')}] holds ${size} elements, x has ${length}`);
    if (this.channels === 1) return 1;
    const axis = this.layout === 'channelsFirst' ? Math.min(1, shape.length - 1) : shape.length - 1;
    if (shape[axis] !== this.channels) {
      throw new RangeError(
        `axis ${axis} of shape [${shape.join(', ')}] must be the ${this.channels} channels (${this.layout})`,
      );
    }
    return shape.slice(axis + 1).reduce((product, each) => product * each, 1);
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

  #compiled(channel: number): Compiled {
    const known = this.#plans[channel];
    if (known) return known;
    const plan = compile(variantPieces(this.variant, this.#field(channel), this.a, this.b));
    const compiled = { plan, image: planImage(plan) };
    this.#plans[channel] = compiled;
    return compiled;
  }
}

interface Compiled {
  readonly plan: Plan;
  readonly image: Image;
}

function positive(name: string, value: unknown): number {
  const number = expectFinite(name, value);
  if (!(number > 0)) throw new RangeError(`${name} must be positive, got ${number}`);
  return number;
}
