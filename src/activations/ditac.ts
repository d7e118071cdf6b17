import type { Backend, DeviceBackend, HostBackend } from '../backends/backend.js';
import { Differentiator } from '../backends/differentiator.js';
import { defaultBackend } from '../backends/host.js';
import {
  type Basis,
  type BasisName,
  expectBasis,
  type Matrix,
  nodalVelocities,
  thetaGradient,
  thetaOf,
} from '../cpab/basis.js';
import { checkThetas, type Tessellation, tessellation, velocityField } from '../cpab/field.js';
import type { VelocityField } from '../cpab/flow.js';
import { precisionMatrix, priorCovariance, sampleTheta } from '../cpab/prior.js';
import { normalStream } from '../cpab/random.js';
import {
  expectArray,
  expectFinite,
  expectInteger,
  expectIntegerKind,
  expectNumber,
  expectOneOf,
  expectOptions,
  expectPositive,
  expectRecord,
  expectString,
  isView,
  type OptionTable,
  unchecked,
} from '../errors.js';
import type { StateDict } from '../io/tensor.js';
import { compile } from '../plan/compile.js';
import type { Plan } from '../plan/plan.js';
import { type BackwardOptions, BackwardPass, type GradientSum, type Gradients } from './backward.js';
import { type CheckpointOptions, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import {
  CompiledActivation,
  type DeviceFunction,
  expectBackend,
  type ForwardOptions,
  type HostFunction,
} from './compiled.js';
import { LAYOUTS, type Layout } from './layout.js';
import { gradientPieces, VARIANTS, type Variant, variantPieces, variantReference } from './variants.js';

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
  /** That matrix itself, [d][d] flat, as a checkpoint holds it. Default: computed from lambdaSmooth and lambdaVar. */
  precisionMatrix?: ArrayLike<number>;
  /** Of the prior that `seed` draws from. Defaults 5 and 2. */
  lambdaSmoothInit?: number;
  lambdaVarInit?: number;
}

const OPTIONS = {
  tess: expectIntegerKind,
  a: expectNumber,
  b: expectNumber,
  basis: expectBasis,
  variant: expectString,
  thetas: unchecked,
  seed: expectIntegerKind,
  channels: expectIntegerKind,
  layout: expectString,
  lambdaSmooth: expectNumber,
  lambdaVar: expectNumber,
  precisionMatrix: expectArray,
  lambdaSmoothInit: expectNumber,
  lambdaVarInit: expectNumber,
} satisfies OptionTable<DiTACOptions>;

/** What a checkpoint does not hold, or holds and may be told otherwise. */
const CHECKPOINT_OPTIONS = (() => {
  const { thetas: _, seed: __, ...rest } = OPTIONS;
  return { ...rest, prefix: expectString, metadata: expectRecord } satisfies OptionTable<CheckpointOptions>;
})();

/** A differentiable function where arrays are answered at once. */
export interface TrainableHostFunction extends HostFunction {
  backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): Gradients;
}

/** A differentiable function where arrays travel to a device and back, and tensors stay there. */
export interface TrainableDeviceFunction<T> extends DeviceFunction<T> {
  backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): Promise<Gradients>;
  backward(x: T, gradY: T, options?: BackwardOptions<T>): Promise<Gradients<T>>;
}

/** Images of [a,b] nearer than this share of it are not told apart by gradients. */
const RESOLUTION = 2 ** -26;
/** Solving for θ takes O(d³) time. */
const MOST_SOLVED = 1024;

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
  readonly #basisName: string | undefined;
  #thetas: Float32Array;
  #compiled: CompiledActivation;
  #backward: BackwardPass | undefined;
  #precision: Float32Array | undefined;

  /** @throws {TypeError|RangeError} if an option has the wrong type, shape or range, or neither `thetas` nor `seed` is given. */
  constructor(options: DiTACOptions = {}) {
    expectOptions('DiTAC', options, OPTIONS);
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
    this.lambdaSmooth = expectPositive('lambdaSmooth', options.lambdaSmooth ?? 5);
    this.lambdaVar = expectPositive('lambdaVar', options.lambdaVar ?? 2);
    this.#tessellation = tessellation(this.tess, this.variant !== 'inf', options.basis ?? 'qr');
    const d = this.dimension;
    if (options.precisionMatrix !== undefined) {
      this.#precision = checkThetas('precisionMatrix', options.precisionMatrix, d);
      if (this.#precision.length !== d * d)
        throw new RangeError(`precisionMatrix must hold ${d}·${d} numbers, got ${this.#precision.length}`);
    }
    if (options.thetas !== undefined) {
      this.#thetas = checkThetas('thetas', options.thetas, d);
      // Without parameters their number says nothing.
      this.channels = d === 0 ? expectInteger('channels', options.channels ?? 1, 1, 65536) : this.#thetas.length / d;
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
        expectPositive('lambdaSmoothInit', options.lambdaSmoothInit ?? 5),
        expectPositive('lambdaVarInit', options.lambdaVarInit ?? 2),
      );
      this.#thetas = new Float32Array(this.channels * d);
      for (let c = 0; c < this.channels; c++) this.#thetas.set(sampleTheta(covariance, normal), c * d);
    }
    this.#basisName = typeof options.basis === 'object' ? undefined : (options.basis ?? 'qr');
    this.#compiled = this.#compile(this.#thetas);
  }

  /**
   * Takes over an activation that was trained in PyTorch, or that `stateDict` wrote.
   *
   * @param tensors name → { shape, data }, as `loadSafetensors` returns. Reads `<prefix>thetas` [1][d] or [channels][d],
   *   `<prefix>precision_mat` [d][d], and what `stateDict` and `examples/export_checkpoint.py` add.
   * @param options `prefix`, and whatever the checkpoint does not say: a, b and variant of a plain PyTorch state dict. `metadata`, as
   *   `loadSafetensors` returns it, is read for these three (entries `a`, `b` and `variant`, also `<prefix>a`, or words as in "a=-3 b=3").
   *   What is given here counts first, then the tensors, then the metadata; nothing is assumed.
   *   The basis is not stored by PyTorch: without `basis` it is found as the one that reproduces `precision_mat`, a search of at most 2¹⁵
   *   multiplications for each entry of that matrix, and of at most 256 cells. Without either, `basis` has to be given.
   * @throws {TypeError} if something is missing; it is named. @throws {TypeError|RangeError} if tensors are missing or misshapen, or no known
   *   basis fits `precision_mat`.
   */
  static fromStateDict(tensors: StateDict, options: CheckpointOptions = {}): DiTAC {
    expectOptions('DiTAC.fromStateDict', options, CHECKPOINT_OPTIONS);
    return new DiTAC(readCheckpoint(tensors, options));
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

  /** A copy of the regulariser's precision matrix P, [d][d]. */
  get precisionMatrix(): Float32Array {
    return this.#precisionMatrix().slice();
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
   * The gradient of a scalar L, given gradY = ∂L/∂y for y = forward(x). Exact, not that of a table: relative error about 10⁻⁶ of the
   * largest component. Costs O(n) whatever d is.
   *
   * gradThetas does not depend on the order of summation: for any division of a tensor into parts that are added `into` one sum, on any
   * backend and any number of threads, it has the same bits.
   *
   * Where x is NaN or gradY is NaN, gradX is NaN; an infinite gradY gives an infinite gradX, NaN where f is flat. Each makes the gradThetas
   * of its channel NaN, and `update` refuses NaN: θ is never silently corrupted. For ±Infinity x, f′ is its limit. Where f has a kink
   * (an end of [a,b], mostly) f′ is that of one side.
   *
   * @param x what forward was given, flat.
   * @param gradY of x's length.
   * @throws {TypeError|RangeError} if x, gradY or options do not fit, or slopes exceed float32; nothing is written then.
   */
  backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): Gradients {
    return this.#pass().run(defaultBackend(), x, gradY, options) as Gradients;
  }

  /** An empty sum for `backward(…, { into })`: one gradient of a tensor that comes in parts. */
  gradientSum(): GradientSum {
    return this.#pass().sum();
  }

  /**
   * The regulariser λ·Σ θᵀPθ over all channels, which keeps velocity fields smooth, and its gradient λ·(P + Pᵀ)θ, [channels][d]; P is the
   * precision matrix. `lambda` is the PyTorch package's lambda_reg_loss. (That package's own gradient has a product of elements in place of
   * the matrix product.)
   */
  regularization(options: { lambda?: number } = {}): { loss: number; gradThetas: Float32Array } {
    expectOptions<{ lambda?: number }>('regularization', options, { lambda: expectNumber });
    const lambda = expectFinite('lambda', options.lambda ?? 0.1);
    const d = this.dimension;
    const p = this.#precisionMatrix();
    const gradThetas = new Float32Array(this.#thetas.length);
    let loss = 0;
    for (let c = 0; c < this.channels; c++) {
      const theta = this.#thetas.subarray(c * d, (c + 1) * d);
      for (let i = 0; i < d; i++) {
        let sum = 0;
        for (let j = 0; j < d; j++) {
          loss += lambda * theta[i]! * p[i * d + j]! * theta[j]!;
          sum += (p[i * d + j]! + p[j * d + i]!) * theta[j]!;
        }
        gradThetas[c * d + i] = lambda * sum;
      }
    }
    return { loss, gradThetas };
  }

  /**
   * Takes new parameters, after a training step say. What does not depend on them is not compiled again.
   * @param thetas [channels][d], flat or nested; taken as float32.
   * @throws {TypeError|RangeError} if their number differs or one is not finite; the activation is as before then.
   */
  update(thetas: ArrayLike<number> | readonly ArrayLike<number>[]): void {
    const checked = checkThetas('thetas', thetas, this.dimension);
    if (checked.length !== this.#thetas.length)
      throw new RangeError(`thetas must hold ${this.#thetas.length} numbers as before, got ${checked.length}`);
    for (let c = 0; c < this.channels; c++) this.#field(c, checked);
    // Made before anything is changed: there may be no room for it.
    const compiled = this.#compile(checked);
    this.#compiled.release();
    this.#backward?.release();
    this.#backward = undefined;
    this.#thetas = checked;
    this.#compiled = compiled;
  }

  /**
   * The same function on a tessellation `factor` times as fine, so that it can be trained further: a continuous piecewise-affine field on
   * N cells is one on 2N. Equal up to the rounding of θ to float32.
   *
   * @param options `basis` for the finer tessellation. Default: the same name; 'sparse' where a matrix was given.
   * @throws {TypeError|RangeError} if factor is not an integer from 1 to 4096/N, or a matrix is to be solved for more than 1024 parameters.
   */
  refine(factor = 2, options: { basis?: Basis } = {}): DiTAC {
    expectInteger('factor', factor, 1, 4096 / this.tess);
    expectOptions<{ basis?: Basis }>('refine', options, { basis: expectBasis });
    const tess = this.tess * factor;
    const isZero = this.#tessellation.zeroBoundary;
    const basis = options.basis ?? ((this.#basisName ?? 'sparse') as Basis);
    const finer = tessellation(tess, isZero, basis);
    const d = finer.basis.columns;
    if (basis !== 'sparse' && d > MOST_SOLVED)
      throw new RangeError(`only 'sparse' can be refined to more than ${MOST_SOLVED} parameters, got ${d}`);
    const thetas = new Float32Array(this.channels * d);
    for (let c = 0; c < this.channels; c++) {
      const coarse = nodalVelocities(this.#tessellation.basis, isZero, this.#thetas, c * this.dimension);
      const nodal = Float64Array.from({ length: tess + 1 }, (_, k) => {
        const cell = Math.min(Math.floor(k / factor), this.tess - 1);
        const share = k / factor - cell;
        return coarse[cell]! * (1 - share) + coarse[cell + 1]! * share;
      });
      // The columns of 'sparse' are hats of height 1/N.
      const edge = isZero ? 1 : 0;
      const theta =
        basis === 'sparse' ? nodal.subarray(edge, edge + d).map((v) => v * tess) : thetaOf(finer.basis, isZero, nodal);
      thetas.set(theta, c * d);
    }
    const { a, b, variant, layout, channels, lambdaSmooth, lambdaVar } = this;
    return new DiTAC({ tess, basis, thetas, channels, a, b, variant, layout, lambdaSmooth, lambdaVar });
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

  /** As {@link CompiledActivation.on}, with gradients. */
  on(backend: HostBackend): TrainableHostFunction;
  on<T>(backend: DeviceBackend<T>): TrainableDeviceFunction<T>;
  on(backend: Backend): {
    forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array | Promise<Float32Array>;
    backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): Gradients | Promise<Gradients>;
  };
  on(backend: Backend): unknown {
    expectBackend(backend);
    return {
      // With the parameters of the moment of the call, as `backward` has them.
      forward: (x: Float32Array, out?: Float32Array, options?: ForwardOptions) =>
        this.#compiled.on(backend).forward(x, out, options),
      backward: (x: unknown, gradY: unknown, options?: BackwardOptions) =>
        isView(x, 'Float32Array') || backend.isSynchronous
          ? this.#pass().run(backend, x as Float32Array, gradY as Float32Array, options)
          : this.#pass().runOnDevice(backend, x, gradY, options as BackwardOptions<unknown> | undefined),
    };
  }

  /** The function alone, with the present parameters: it can be saved with `toBytes` and run again without compiling. */
  compiled(): CompiledActivation {
    return this.#compiled;
  }

  /**
   * What PyTorch's `load_state_dict` takes with `strict=False`: `<prefix>thetas` [channels][d] and `<prefix>precision_mat` [d][d]; and what
   * PyTorch passes over but `fromStateDict` needs, so that the activation comes back as itself: `<prefix>ditac.interval` [2],
   * `ditac.variant` [1], `ditac.basis_name` [1] (or `ditac.basis` [2N][d]), `ditac.lambda` [2] and `ditac.layout` [1].
   */
  stateDict(options: { prefix?: string } = {}): Record<string, { shape: number[]; data: Float32Array | Float64Array }> {
    expectOptions<{ prefix?: string }>('stateDict', options, { prefix: expectString });
    const { a, b, variant, layout, channels, dimension, lambdaSmooth, lambdaVar } = this;
    const known = { a, b, variant, layout, channels, dimension, lambdaSmooth, lambdaVar };
    const basis = (this.#basisName as BasisName | undefined) ?? this.basis;
    return writeCheckpoint(
      { ...known, basis, thetas: this.thetas, precision: this.precisionMatrix },
      options.prefix ?? '',
    );
  }

  #compile(thetas: Float32Array): CompiledActivation {
    return new CompiledActivation(this.channels, this.layout, (channel) =>
      compile(variantPieces(this.variant, this.#field(channel, thetas), this.a, this.b)),
    );
  }

  #pass(): BackwardPass {
    this.#backward ??= new BackwardPass(
      this.channels,
      this.layout,
      new Differentiator(
        Array.from({ length: this.channels }, (_, c) => {
          const field = this.#field(c);
          return { field, pieces: gradientPieces(this.variant, field, this.a, this.b) };
        }),
        (this.b - this.a) * RESOLUTION,
      ),
      (gradients) => {
        const { basis, zeroBoundary } = this.#tessellation;
        const thetas = new Float32Array(this.channels * basis.columns);
        gradients.forEach((gradient, c) => {
          // The field's velocities are those of [0,1], times b - a.
          const scaled = gradient.map((v) => v * (this.b - this.a));
          thetas.set(thetaGradient(basis, zeroBoundary, scaled), c * basis.columns);
        });
        return thetas;
      },
    );
    return this.#backward;
  }

  /** P, [d][d]. */
  #precisionMatrix(): Float32Array {
    this.#precision ??= Float32Array.from(precisionMatrix(this.basis, this.lambdaSmooth, this.lambdaVar).data);
    return this.#precision;
  }

  #field(channel: number, thetas = this.#thetas): VelocityField {
    return velocityField(this.#tessellation, thetas, channel, this.a, this.b, 1);
  }
}
