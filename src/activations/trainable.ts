import type { Backend, DeviceBackend, HostBackend } from '../backends/backend.js';
import type { Differentiator } from '../backends/gradients.js';
import { defaultBackend } from '../backends/host.js';
import type { Definition } from '../calculus/piece.js';
import { isView } from '../errors.js';
import { compile } from '../plan/compile.js';
import type { Plan } from '../plan/plan.js';
import { type BackwardOptions, BackwardPass, type GradientSum, type Gradients } from './backward.js';
import {
  CompiledActivation,
  type DeviceFunction,
  expectBackend,
  type ForwardOptions,
  type HostFunction,
} from './compiled.js';
import type { Layout } from './layout.js';

/** A differentiable function where arrays are answered at once. */
export interface TrainableHostFunction<G = Gradients> extends HostFunction {
  backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): G;
}

/** A differentiable function where arrays travel to a device and back, and tensors stay there. */
export interface TrainableDeviceFunction<T, G = Gradients> extends DeviceFunction<T> {
  backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): Promise<G>;
  backward(x: T, gradY: T, options?: BackwardOptions<T>): Promise<Omit<G, 'gradX'> & { readonly gradX: T }>;
}

/**
 * An activation function with parameters: what all families have. `forward` evaluates a plan that is compiled on first use, with a proved bound
 * on its error (`plan.certificate`); `backward` gives exact gradients. `G` is what a backward pass returns.
 */
export abstract class Trainable<G extends Gradients = Gradients> {
  readonly channels: number;
  readonly layout: Layout;
  #compiled: CompiledActivation | undefined;
  /** What calls that go on may still ask for its tables: backends forget those when they need the room. */
  readonly #inUse = new WeakSet<object>();
  /** Has it keep the present parameters, whatever it is asked for later. */
  #pin: () => void = () => {};
  #pass: BackwardPass<G> | undefined;

  protected constructor(channels: number, layout: Layout) {
    this.channels = channels;
    this.layout = layout;
  }

  /** The function of a channel with the present parameters. Channels that share one return it under the same number. */
  protected abstract functionOf(channel: number): number;
  protected abstract define(index: number): Definition;
  protected abstract differentiator(): Differentiator;
  /** Names what a contraction gives. */
  protected abstract gradientsOf(gradX: unknown, contracted: readonly Float64Array[]): G;

  /** The present values of all parameters. */
  protected abstract trained(): readonly Float32Array[];

  /** The compiled plan of channel 0, with its certificate. */
  get plan(): Plan {
    return this.planOf(0);
  }

  /** The compiled plan of a channel. @throws {TypeError|RangeError} if there is no such channel. */
  planOf(channel: number): Plan {
    return this.#present().planOf(channel);
  }

  /**
   * y = f(x), elementwise. NaN gives the canonical NaN, ±Infinity the limit; subnormal inputs count as zero.
   *
   * @param x any tensor, flat.
   * @param out where to write; x itself, or an array that does not overlap it. Default: a new array.
   * @throws {TypeError|RangeError} if x, out or shape do not fit; nothing is written then.
   */
  forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array {
    return this.#present().forward(x, out, options);
  }

  /**
   * The gradient of a scalar L, given gradY = ∂L/∂y for y = forward(x). Not that of a table: within 10⁻⁵ of the largest component. Costs O(n)
   * whatever the number of parameters is.
   *
   * Gradients of parameters do not depend on the order of summation: for any division of a tensor into parts that are added `into` one sum, on
   * any backend and any number of threads, they have the same bits.
   *
   * Where x is NaN or gradY is NaN, gradX is NaN; an infinite gradY gives an infinite gradX, NaN where f is flat. Each makes the gradients of
   * its channel NaN, and `update` refuses NaN: parameters are never silently corrupted. For ±Infinity x, f′ is its limit. Where f has a kink
   * f′ is that of one side.
   *
   * @param x what forward was given, flat.
   * @param gradY of x's length.
   * @throws {TypeError|RangeError} if x, gradY or options do not fit, or the function bends too much for a table; nothing is written then.
   */
  backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): G {
    return this.#backwardPass().run(defaultBackend(), x, gradY, options) as G;
  }

  /** An empty sum for `backward(…, { into })`: one gradient of a tensor that comes in parts. */
  gradientSum(): GradientSum<G> {
    return this.#backwardPass().sum();
  }

  /** As {@link CompiledActivation.on}, with gradients. */
  on(backend: HostBackend): TrainableHostFunction<G>;
  on<T>(backend: DeviceBackend<T>): TrainableDeviceFunction<T, G>;
  on(backend: Backend): {
    forward(x: Float32Array, out?: Float32Array, options?: ForwardOptions): Float32Array | Promise<Float32Array>;
    backward(x: Float32Array, gradY: Float32Array, options?: BackwardOptions): G | Promise<G>;
  };
  on(backend: Backend): unknown {
    expectBackend(backend);
    return {
      // With the parameters of the moment of the call, as `backward` has them.
      forward: (x: Float32Array, out?: Float32Array, options?: ForwardOptions) =>
        this.#present().on(backend).forward(x, out, options),
      backward: (x: unknown, gradY: unknown, options?: BackwardOptions) =>
        isView(x, 'Float32Array') || backend.isSynchronous
          ? this.#backwardPass().run(backend, x as Float32Array, gradY as Float32Array, options)
          : this.#backwardPass().runOnDevice(backend, x, gradY, options as BackwardOptions<unknown> | undefined),
    };
  }

  /** The function alone, with the present parameters: it can be saved with `toBytes` and run again without compiling. */
  compiled(): CompiledActivation {
    const compiled = this.#present();
    this.#pin();
    return compiled;
  }

  #present(): CompiledActivation {
    if (!this.#compiled) {
      const plans = new Map<number, Plan>();
      const pinned = new Map<number, Definition>();
      this.#compiled = new CompiledActivation(this.channels, this.layout, (channel) => {
        const index = this.functionOf(channel);
        let plan = plans.get(index);
        if (!plan) plans.set(index, (plan = compile(pinned.get(index) ?? this.define(index))));
        return plan;
      });
      this.#pin = () => {
        for (let channel = 0; channel < this.channels; channel++) {
          const index = this.functionOf(channel);
          if (!plans.has(index) && !pinned.has(index)) pinned.set(index, this.define(index));
        }
      };
    }
    return this.#compiled;
  }

  /** As `on`, but with the parameters of this moment however often it is called. */
  protected onPresent(backend: Backend): {
    forward(x: Float32Array, out: Float32Array, options: ForwardOptions): Float32Array | Promise<Float32Array>;
    backward(x: Float32Array, gradY: Float32Array, options: BackwardOptions): G | Promise<G>;
  } {
    const compiled = this.#present();
    let pass: BackwardPass<G> | undefined;
    return {
      forward: (x, out, options) => {
        this.#inUse.add(compiled);
        return compiled.on(backend).forward(x, out, options);
      },
      backward: (x, gradY, options) => {
        pass ??= this.#backwardPass();
        this.#inUse.add(pass);
        return pass.run(backend, x, gradY, options);
      },
    };
  }

  /** Forgets what was made of parameters that have changed. A function that was taken with `compiled` keeps its own. */
  protected forget(): void {
    for (const made of [this.#compiled, this.#pass]) if (made && !this.#inUse.has(made)) made.release();
    this.#compiled = undefined;
    this.#pass = undefined;
  }

  #backwardPass(): BackwardPass<G> {
    this.#pass ??= new BackwardPass(
      this.channels,
      this.layout,
      this.differentiator(),
      (gradX, contracted) => this.gradientsOf(gradX, contracted),
      this.trained(),
    );
    return this.#pass;
  }
}
