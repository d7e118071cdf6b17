/**
 * The smallest thing that can serve: activations that were compiled ahead (`ditac compile`, or `act.compiled().toBytes()`), on
 * WebAssembly SIMD, or plain JavaScript where that is not allowed. It cannot compile, and has none of what that needs.
 */
import { innerSize, LAYOUTS, type Layout } from './activations/layout.js';
import { Evaluator } from './backends/evaluator.js';
import { createEngine } from './engines/engines.js';
import { expectFloat32Array, expectInteger, expectOptions, expectOutput, inputFor, unchecked } from './errors.js';
import { decodePlans, PlanError } from './plan/file.js';
import { type Image, planImage } from './plan/image.js';
import type { Certificate } from './plan/plan.js';

export { PLAN_VERSION, PlanError } from './plan/file.js';
export type { Certificate, Layout };

let evaluator: Evaluator | undefined;

function defaultEvaluator(): Evaluator {
  evaluator ??= new Evaluator(createEngine());
  return evaluator;
}

/** An activation function with fixed parameters: one plan for all elements, or one a channel. */
export class Activation {
  readonly channels: number;
  readonly layout: Layout;
  /** The worst error of each channel, derived when it was compiled. */
  readonly certificates: readonly Certificate[];
  readonly #images: readonly Image[];

  /**
   * @param bytes a plan file.
   * @throws {TypeError|PlanError} if they are not plans of this version, or damaged.
   */
  constructor(bytes: Uint8Array) {
    const { plans, layout } = decodePlans(bytes);
    const found = LAYOUTS[layout];
    if (found === undefined) throw new PlanError(`the plan file has layout ${layout}, expected 0 or 1`);
    this.channels = plans.length;
    this.layout = found;
    this.certificates = plans.map(({ certificate }) => certificate);
    this.#images = plans.map(planImage);
  }

  /** What it runs on: 'wasm', or 'js' where that is not allowed. The bits are the same. */
  get backend(): string {
    return defaultEvaluator().name;
  }

  /**
   * y = f(x), elementwise. NaN gives the canonical NaN, ±Infinity the limit; subnormal inputs count as zero.
   *
   * @param x any tensor, flat.
   * @param out where to write; x itself, or an array that does not overlap it. Default: a new array.
   * @param options `shape`, outermost axis first: needed for several channels first, else only checked.
   * @throws {TypeError|RangeError} if x, out or shape do not fit; nothing is written then.
   */
  forward(x: Float32Array, out?: Float32Array, options?: { shape?: readonly number[] }): Float32Array {
    expectFloat32Array('x', x);
    if (out !== undefined) expectOutput(x, out);
    expectOptions<{ shape?: unknown }>('forward', options, { shape: unchecked });
    const inner = innerSize(this.channels, this.layout, x.length, options?.shape);
    const y = out ?? new Float32Array(x.length);
    defaultEvaluator().run('activate', { images: this.#images, inner }, inputFor(x, y), y);
    return y;
  }

  /** The certificate of a channel. @throws {TypeError|RangeError} if there is no such channel. */
  certificateOf(channel: number): Certificate {
    return this.certificates[expectInteger('channel', channel, 0, this.channels - 1)]!;
  }
}
