import { Differentiator } from '../backends/gradients.js';
import type { Definition } from '../calculus/piece.js';
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
import { flowGradient } from '../cpab/flow-gradient.js';
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
  type OptionTable,
  unchecked,
} from '../errors.js';
import { ditacDefinition, ditacGradientPieces, VARIANTS, type Variant, variantReference } from '../families/ditac.js';
import type { StateDict } from '../io/tensor.js';
import type { Gradients } from './backward.js';
import { type CheckpointOptions, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { LAYOUTS, type Layout } from './layout.js';
import { Trainable } from './trainable.js';

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

/** What a backward pass of a DiTAC returns. */
export interface DiTACGradients<T = Float32Array> extends Gradients<T> {
  /** Σ gradY·∂f(x)/∂θ over the tensor, [channels][d]; the same array as `gradients.thetas`. */
  readonly gradThetas: Float32Array;
}

/** Images of [a,b] nearer than this share of it are not told apart by gradients. */
const RESOLUTION = 2 ** -26;
export const gradientResolution = (a: number, b: number): number => (b - a) * RESOLUTION;
/** Solving for θ takes O(d³) time. */
const MOST_SOLVED = 1024;

/**
 * DiTAC, a trainable activation function (Chelly, Finder, Ifergane, Freifeld, ECCV 2024): inside [a,b] the CPAB
 * diffeomorphism T, applied as its variant says.
 *
 * `forward` evaluates a plan that is compiled on first use and certified to 1 ULP (`plan.certificate`).
 */
export class DiTAC extends Trainable<DiTACGradients> {
  readonly tess: number;
  readonly a: number;
  readonly b: number;
  readonly variant: Variant;
  readonly lambdaSmooth: number;
  readonly lambdaVar: number;
  readonly #tessellation: Tessellation;
  readonly #basisName: string | undefined;
  #thetas: Float32Array;
  #precision: Float32Array | undefined;

  /** @throws {TypeError|RangeError} if an option has the wrong type, shape or range, or neither `thetas` nor `seed` is given. */
  constructor(options: DiTACOptions = {}) {
    expectOptions('DiTAC', options, OPTIONS);
    if (options.thetas !== undefined && options.seed !== undefined)
      throw new TypeError('DiTAC takes thetas or a seed to draw them, not both');
    const tess = expectInteger('tess', options.tess ?? 10, 1, 4096);
    const a = Math.fround(expectFinite('a', options.a ?? -0.5));
    const b = Math.fround(expectFinite('b', options.b ?? 2));
    if (!(a < b)) throw new RangeError(`a must be less than b (as float32), got a = ${a}, b = ${b}`);
    if (Math.max(-a, b) > 2 ** 20) throw new RangeError(`[a, b] must lie within ±2^20, got [${a}, ${b}]`);
    const variant = expectOneOf('variant', options.variant ?? 'gelu', VARIANTS);
    const layout = expectOneOf('layout', options.layout ?? 'channelsFirst', LAYOUTS);
    const lambdaSmooth = expectPositive('lambdaSmooth', options.lambdaSmooth ?? 5);
    const lambdaVar = expectPositive('lambdaVar', options.lambdaVar ?? 2);
    const on = tessellation(tess, variant !== 'inf', options.basis ?? 'qr');
    const thetas = readThetas(options, on);
    const d = on.basis.columns;
    super(d === 0 ? (options.channels ?? 1) : thetas.length / d, layout);
    this.tess = tess;
    this.a = a;
    this.b = b;
    this.variant = variant;
    this.lambdaSmooth = lambdaSmooth;
    this.lambdaVar = lambdaVar;
    this.#tessellation = on;
    this.#thetas = thetas;
    if (options.precisionMatrix !== undefined) {
      this.#precision = checkThetas('precisionMatrix', options.precisionMatrix, d);
      if (this.#precision.length !== d * d)
        throw new RangeError(`precisionMatrix must hold ${d}·${d} numbers, got ${this.#precision.length}`);
    }
    this.#basisName = typeof options.basis === 'object' ? undefined : (options.basis ?? 'qr');
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
  update(
    thetas:
      | ArrayLike<number>
      | readonly ArrayLike<number>[]
      | { readonly thetas: ArrayLike<number> | readonly ArrayLike<number>[] },
  ): void {
    const isNamed = typeof thetas === 'object' && thetas !== null && 'thetas' in thetas;
    if (isNamed) for (const name of Object.keys(thetas)) expectOneOf('a parameter of DiTAC', name, ['thetas']);
    const given = isNamed ? thetas.thetas : thetas;
    const checked = checkThetas('thetas', given, this.dimension);
    if (checked.length !== this.#thetas.length)
      throw new RangeError(`thetas must hold ${this.#thetas.length} numbers as before, got ${checked.length}`);
    for (let c = 0; c < this.channels; c++) this.#field(c, checked);
    this.#thetas = checked;
    this.forget();
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

  /** Velocity of the flow at the N+1 vertices of [a,b]: units of x in the whole time of the flow. */
  velocities(channel = 0): Float64Array {
    return this.#field(expectInteger('channel', channel, 0, this.channels - 1)).velocity;
  }

  /** What PyTorch's `load_state_dict` takes: `<prefix>thetas` [channels][d] and `<prefix>precision_mat` [d][d]. */
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

  protected override functionOf(channel: number): number {
    return channel;
  }

  protected override define(channel: number): Definition {
    const d = this.dimension;
    const theta = this.#thetas.subarray(channel * d, (channel + 1) * d);
    return ditacDefinition(this.variant, this.#tessellation, theta, this.#field(channel), this.a, this.b);
  }

  protected override differentiator(): Differentiator {
    const resolution = gradientResolution(this.a, this.b);
    return new Differentiator(
      Array.from({ length: this.channels }, (_, c) => {
        const field = this.#field(c);
        return flowGradient(field, ditacGradientPieces(this.variant, field, this.a, this.b), resolution);
      }),
    );
  }

  protected override trained(): readonly Float32Array[] {
    return [this.#thetas];
  }

  protected override gradientsOf(gradX: unknown, contracted: readonly Float64Array[]): DiTACGradients {
    const { basis, zeroBoundary } = this.#tessellation;
    const thetas = new Float32Array(this.channels * basis.columns);
    contracted.forEach((gradient, c) => {
      // The field's velocities are those of [0,1], times b - a.
      const scaled = gradient.map((v) => v * (this.b - this.a));
      thetas.set(thetaGradient(basis, zeroBoundary, scaled), c * basis.columns);
    });
    return { gradX: gradX as Float32Array, gradThetas: thetas, gradients: { thetas } };
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

/** θ as given, or drawn from the prior. */
function readThetas(options: DiTACOptions, on: Tessellation): Float32Array {
  const d = on.basis.columns;
  if (options.thetas !== undefined) {
    const thetas = checkThetas('thetas', options.thetas, d);
    // Without parameters their number says nothing.
    const channels = d === 0 ? expectInteger('channels', options.channels ?? 1, 1, 65536) : thetas.length / d;
    if (options.channels !== undefined && options.channels !== channels) {
      throw new RangeError(
        `thetas must hold ${String(options.channels)}·${d} numbers for ${String(options.channels)} channels, got ${thetas.length}`,
      );
    }
    return thetas;
  }
  if (options.seed === undefined) throw new TypeError('DiTAC needs thetas, or a seed to draw them from the prior');
  const channels = expectInteger('channels', options.channels ?? 1, 1, 65536);
  const normal = normalStream(options.seed);
  const covariance = priorCovariance(
    on.basis,
    expectPositive('lambdaSmoothInit', options.lambdaSmoothInit ?? 5),
    expectPositive('lambdaVarInit', options.lambdaVarInit ?? 2),
  );
  const thetas = new Float32Array(channels * d);
  for (let c = 0; c < channels; c++) thetas.set(sampleTheta(covariance, normal), c * d);
  return thetas;
}
