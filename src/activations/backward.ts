import type { Backend, WorkOptions } from '../backends/backend.js';
import { type Differentiator, expectGradients } from '../backends/differentiator.js';
import { WORK_OPTIONS } from '../backends/evaluate.js';
import { describe, expectArray, expectOptions, inputFor, type OptionTable, unchecked } from '../errors.js';
import type { Moments } from '../plan/moments.js';
import { expectTensor } from './compiled.js';
import { innerSize, type Layout } from './layout.js';

export interface BackwardOptions<T = Float32Array> extends WorkOptions {
  /** The tensor's shape, outermost axis first. Needed for several channels first; else only checked. */
  shape?: readonly number[];
  /** Where to write gradX: x or gradY itself, or an array that overlaps neither. Default: a new one. */
  out?: T;
  /** Adds to this sum; `gradThetas` is then that of everything added so far. */
  into?: GradientSum;
}

const BACKWARD_OPTIONS = {
  shape: expectArray,
  out: unchecked,
  into: unchecked,
  ...WORK_OPTIONS,
} satisfies OptionTable<BackwardOptions>;

export interface Gradients<T = Float32Array> {
  /** gradY·f′(x), of x's length. */
  readonly gradX: T;
  /** Σ gradY·∂f(x)/∂θ over the tensor, [channels][d]. */
  readonly gradThetas: Float32Array;
}

/**
 * The gradient of the parameters over a tensor that comes in parts, say micro-batches or slices: the same bits in any order and
 * however the tensor is divided, on any backend. Begun by `DiTAC.gradientSum`; good until the next `update`.
 */
export class GradientSum {
  readonly #pass: BackwardPass;
  readonly #moments: readonly Moments[];

  constructor(pass: BackwardPass, moments: readonly Moments[]) {
    if (!(pass instanceof BackwardPass))
      throw new TypeError(`a GradientSum comes from DiTAC.gradientSum, got ${describe(pass)}`);
    this.#pass = pass;
    this.#moments = moments;
  }

  /** What was added so far, [channels][d]. NaN for a channel where gradY or x left no gradient. */
  get thetas(): Float32Array {
    return this.#pass.contract(this.#moments);
  }

  /** The moments of a sum that belongs to `pass`. @throws {TypeError|RangeError} if it is none, or belongs to another. */
  static momentsOf(sum: unknown, pass: BackwardPass): readonly Moments[] {
    if (!(sum instanceof GradientSum))
      throw new TypeError(`into must come from DiTAC.gradientSum, got ${describe(sum)}`);
    if (sum.#pass !== pass)
      throw new RangeError('into was begun by another activation, or before its parameters were updated');
    return sum.#moments;
  }
}

/** Backward passes of an activation with its present parameters. */
export class BackwardPass {
  readonly #channels: number;
  readonly #layout: Layout;
  readonly #differentiator: Differentiator;
  readonly #toThetas: (velocityGradients: readonly Float64Array[]) => Float32Array;

  /** @param toThetas from gradients with respect to the velocities of every channel's field to [channels][d]. */
  constructor(
    channels: number,
    layout: Layout,
    differentiator: Differentiator,
    toThetas: (velocityGradients: readonly Float64Array[]) => Float32Array,
  ) {
    this.#channels = channels;
    this.#layout = layout;
    this.#differentiator = differentiator;
    this.#toThetas = toThetas;
  }

  sum(): GradientSum {
    return new GradientSum(this, this.#differentiator.moments());
  }

  contract(moments: readonly Moments[]): Float32Array {
    return this.#toThetas(this.#differentiator.velocityGradients(moments));
  }

  run(
    backend: Backend,
    x: Float32Array,
    gradY: Float32Array,
    options: BackwardOptions = {},
  ): Gradients | Promise<Gradients> {
    expectOptions('backward', options, BACKWARD_OPTIONS);
    const gradX = expectGradients(x, gradY, options.out);
    const inner = innerSize(this.#channels, this.#layout, x.length, options.shape);
    const total = this.#totalFor(options);
    const moments = this.#differentiator.moments();
    const done = this.#differentiator.run(
      backend,
      inner,
      inputFor(x, gradX),
      inputFor(gradY, gradX),
      gradX,
      moments,
      options,
    );
    const finish = () => ({ gradX, gradThetas: this.#addUp(total, moments) });
    return done === undefined ? finish() : done.then(finish);
  }

  async runOnDevice<T>(backend: Backend<T>, x: T, gradY: T, options: BackwardOptions<T> = {}): Promise<Gradients<T>> {
    expectOptions('backward', options, BACKWARD_OPTIONS);
    const { length } = expectTensor('x', x);
    for (const [name, tensor] of Object.entries({ gradY, out: options.out ?? x })) {
      const found = expectTensor(name, tensor).length;
      if (found !== length) throw new RangeError(`${name} must have length ${length} as x has, got ${found}`);
    }
    const inner = innerSize(this.#channels, this.#layout, length, options.shape);
    const total = this.#totalFor(options);
    const moments = this.#differentiator.moments();
    const gradX = options.out ?? backend.allocate(length);
    await this.#differentiator.runOnDevice(backend, inner, x, gradY, gradX, moments);
    return { gradX, gradThetas: this.#addUp(total, moments) };
  }

  #totalFor({ into }: { into?: GradientSum }): readonly Moments[] | undefined {
    return into === undefined ? undefined : GradientSum.momentsOf(into, this);
  }

  /** A call that fails adds nothing: its moments join the sum when all of them are there, and leave it if there is no room for the result. */
  #addUp(total: readonly Moments[] | undefined, moments: readonly Moments[]): Float32Array {
    if (total === undefined) return this.contract(moments);
    for (const [c, each] of total.entries()) each.makeRoom(moments[c]!);
    for (const [c, each] of total.entries()) each.join(moments[c]!);
    try {
      return this.contract(total);
    } catch (cause) {
      for (const [c, each] of total.entries()) each.join(moments[c]!, -1);
      throw cause;
    }
  }

  /** Backends forget the tables. */
  release(): void {
    this.#differentiator.release();
  }
}
