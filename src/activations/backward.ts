import type { Backend, WorkOptions } from '../backends/backend.js';
import { WORK_OPTIONS } from '../backends/evaluate.js';
import { type Differentiator, expectGradients } from '../backends/gradients.js';
import { describe, expectArray, expectOptions, inputFor, type OptionTable, unchecked } from '../errors.js';
import type { Moments } from '../plan/moments.js';
import { decodeSums, encodeSums, type Identity } from '../plan/sum-file.js';
import { expectTensor } from './compiled.js';
import { innerSize, type Layout } from './layout.js';

export interface BackwardOptions<T = Float32Array> extends WorkOptions {
  /** The tensor's shape, outermost axis first. Needed for several channels first; else only checked. */
  shape?: readonly number[];
  /** Where to write gradX: x or gradY itself, or an array that overlaps neither. Default: a new one. */
  out?: T;
  /** Adds to this sum; gradients of parameters are then those of everything added so far. */
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
  /** Σ gradY·∂f(x)/∂p over the tensor, for every parameter p by its name, as long as the parameter. */
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

/**
 * The gradient of the parameters over a tensor that comes in parts, say micro-batches or slices: the same bits in any order and
 * however the tensor is divided, on any backend. Begun by `gradientSum`; good until the next `update`.
 */
export class GradientSum<G extends Gradients = Gradients> {
  readonly #pass: BackwardPass<G>;
  readonly #moments: readonly Moments[];

  constructor(pass: BackwardPass<G>, moments: readonly Moments[]) {
    if (!(pass instanceof BackwardPass))
      throw new TypeError(`a GradientSum comes from an activation's gradientSum, got ${describe(pass)}`);
    this.#pass = pass;
    this.#moments = moments;
  }

  /** What was added so far, by parameter. NaN where gradY or x left no gradient. */
  get gradients(): G['gradients'] {
    return this.#pass.contract(undefined, this.#moments).gradients;
  }

  /** Of a DiTAC, [channels][d]: the gradient of its θ. */
  get thetas(): Float32Array {
    return this.gradients.thetas!;
  }

  /**
   * Adds what another sum holds, begun by an activation with the same parameters, here or elsewhere: whatever parts a tensor is divided into and in
   * whatever order they are merged, the result has the bits of one pass over all of it.
   * @throws {TypeError|RangeError} if it is none, is this one, or is that of another function; this one is as before then.
   */
  merge(other: GradientSum): void {
    const of: unknown = other instanceof GradientSum ? other.#pass : undefined;
    // Another activation with the same parameters means the same by its moments.
    const isEqual = of !== undefined && `${this.#pass.identity}` === `${(of as BackwardPass).identity}`;
    const moments = GradientSum.momentsOf(other, isEqual ? of : this.#pass);
    if (moments === this.#moments) throw new RangeError('a sum must not be merged with itself, got the same one');
    this.#moments.forEach((each, c) => {
      each.expectRoom(moments[c]!);
    });
    this.#moments.forEach((each, c) => {
      each.join(moments[c]!);
    });
  }

  /** What was added so far, to be merged elsewhere: 16 bytes for each number that is not 0. Equal sums give equal bytes. */
  toBytes(): Uint8Array {
    return encodeSums(this.#moments, this.#pass.identity);
  }

  /**
   * What {@link toBytes} wrote, as a sum of `activation`.
   * @param activation of the same family with the same parameters, bit for bit.
   * @throws {TypeError|GradientSumError} if the bytes are no such sum, are damaged, or belong to another function.
   */
  static fromBytes<G extends Gradients>(
    bytes: Uint8Array,
    activation: { gradientSum(): GradientSum<G> },
  ): GradientSum<G> {
    const empty: unknown = typeof activation?.gradientSum === 'function' ? activation.gradientSum() : undefined;
    if (!(empty instanceof GradientSum))
      throw new TypeError(`activation must be an activation of ditac, got ${describe(activation)}`);
    return new GradientSum<G>(empty.#pass, decodeSums(bytes, empty.#moments, empty.#pass.identity));
  }

  /** The moments of a sum that belongs to `pass`. @throws {TypeError|RangeError} if it is none, or belongs to another. */
  static momentsOf(sum: unknown, pass: unknown): readonly Moments[] {
    if (!(sum instanceof GradientSum))
      throw new TypeError(`a sum must come from the activation's gradientSum, got ${describe(sum)}`);
    if (sum.#pass !== pass)
      throw new RangeError(
        'a sum must be of the same activation with the same parameters, got one that was begun by another or before an update',
      );
    return sum.#moments;
  }
}

/** Names what a contraction gives: the channels' gradients as those of an activation's parameters. */
export type Naming<G extends Gradients> = (gradX: unknown, contracted: readonly Float64Array[]) => G;

/** Backward passes of an activation with its present parameters. */
export class BackwardPass<G extends Gradients = Gradients> {
  readonly #channels: number;
  readonly #layout: Layout;
  readonly #differentiator: Differentiator;
  readonly #name: Naming<G>;
  readonly #parameters: readonly Float32Array[];
  #identity: Identity | undefined;

  /** @param parameters what the gradients are of, with its present values. */
  constructor(
    channels: number,
    layout: Layout,
    differentiator: Differentiator,
    name: Naming<G>,
    parameters: readonly Float32Array[],
  ) {
    this.#channels = channels;
    this.#layout = layout;
    this.#differentiator = differentiator;
    this.#name = name;
    this.#parameters = parameters;
  }

  /** The same for equal functions with equal parameters, wherever they are. */
  get identity(): Identity {
    this.#identity ??= this.#differentiator.identity(this.#parameters);
    return this.#identity;
  }

  sum(): GradientSum<G> {
    return new GradientSum(this, this.#differentiator.moments());
  }

  contract(gradX: unknown, moments: readonly Moments[]): G {
    return this.#name(gradX, this.#differentiator.contract(moments));
  }

  run(backend: Backend, x: Float32Array, gradY: Float32Array, options: BackwardOptions = {}): G | Promise<G> {
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
    const finish = () => this.#addUp(gradX, total, moments);
    return done === undefined ? finish() : done.then(finish);
  }

  async runOnDevice<T>(
    backend: Backend<T>,
    x: T,
    gradY: T,
    options: BackwardOptions<T> = {},
  ): Promise<Omit<G, 'gradX'> & { readonly gradX: T }> {
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
    return this.#addUp(gradX, total, moments) as unknown as Omit<G, 'gradX'> & { readonly gradX: T };
  }

  #totalFor({ into }: { into?: GradientSum }): readonly Moments[] | undefined {
    return into === undefined ? undefined : GradientSum.momentsOf(into, this);
  }

  /** A call that fails adds nothing: its moments join the sum when all of them are there, and leave it if there is no room for the result. */
  #addUp(gradX: unknown, total: readonly Moments[] | undefined, moments: readonly Moments[]): G {
    if (total === undefined) return this.contract(gradX, moments);
    for (const [c, each] of total.entries()) each.makeRoom(moments[c]!);
    for (const [c, each] of total.entries()) each.join(moments[c]!);
    try {
      return this.contract(gradX, total);
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
