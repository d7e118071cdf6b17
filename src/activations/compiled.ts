import { type Backend, defaultBackend } from '../backends/backend.js';
import { describe, expectFloat32Array, expectInteger, expectOutput } from '../errors.js';
import { decodePlans, encodePlans, PlanError } from '../plan/file.js';
import { type Image, planImage } from '../plan/image.js';
import type { Plan } from '../plan/plan.js';

/** Where the channel axis of a tensor is: PyTorch's [batch][channel][…] or [batch][…][channel]. */
export type Layout = 'channelsFirst' | 'channelsLast';
export const LAYOUTS: readonly Layout[] = ['channelsFirst', 'channelsLast'];

export interface ForwardOptions {
  /** The tensor's shape, outermost axis first. Needed for several channels first; else only checked. */
  shape?: readonly number[];
}

/** Rows that travel together when channels are interleaved. */
const BLOCK_ROWS = 4096;

/**
 * An activation function with fixed parameters: one plan for all elements, or one a channel. Knows nothing of what it was
 * compiled from.
 */
export class CompiledActivation {
  readonly channels: number;
  readonly layout: Layout;
  readonly #plan: (channel: number) => Plan;
  readonly #images: (Image | undefined)[];

  /** @param plan gives the plan of a channel; asked at most once for each, on first use. */
  constructor(channels: number, layout: Layout, plan: (channel: number) => Plan) {
    this.channels = channels;
    this.layout = layout;
    this.#images = new Array<Image | undefined>(channels);
    const plans = new Array<Plan | undefined>(channels);
    this.#plan = (channel) => {
      plans[channel] ??= plan(channel);
      return plans[channel];
    };
  }

  /**
   * What {@link toBytes} wrote, ready to run; nothing is compiled.
   * @throws {TypeError|PlanError} if the bytes are not plans of this version.
   */
  static fromBytes(bytes: Uint8Array): CompiledActivation {
    const { plans, layout } = decodePlans(bytes);
    const found = LAYOUTS[layout];
    if (found === undefined) throw new PlanError(`the plan file has layout ${layout}, expected 0 or 1`);
    return new CompiledActivation(plans.length, found, (channel) => plans[channel]!);
  }

  /** The plans of all channels, about 20 kB each. */
  toBytes(): Uint8Array {
    const plans = Array.from({ length: this.channels }, (_, channel) => this.#plan(channel));
    return encodePlans(plans, LAYOUTS.indexOf(this.layout));
  }

  /** The plan of a channel, with its certificate. @throws {TypeError|RangeError} if there is no such channel. */
  planOf(channel: number): Plan {
    return this.#plan(expectInteger('channel', channel, 0, this.channels - 1));
  }

  /**
   * y = f(x), elementwise. NaN gives the canonical NaN, ±Infinity the limit; subnormal inputs count as zero.
   *
   * @param x any tensor, flat.
   * @param out where to write; x itself, or an array that does not overlap it. Default: a new array.
   * @throws {TypeError|RangeError} if x, out or shape do not fit; nothing is written then.
   */
  forward(x: Float32Array, out?: Float32Array, options: ForwardOptions = {}): Float32Array {
    return this.#forward(defaultBackend(), x, out, options);
  }

  /** The same function on a given backend: the same bits. */
  on(backend: Backend): Pick<CompiledActivation, 'forward'> {
    return { forward: (x, out, options = {}) => this.#forward(backend, x, out, options) };
  }

  #forward(backend: Backend, x: Float32Array, out: Float32Array | undefined, options: ForwardOptions): Float32Array {
    expectFloat32Array('x', x);
    if (out !== undefined) expectOutput(x, out);
    const inner = this.#innerSize(x.length, options.shape);
    const y = out ?? new Float32Array(x.length);
    if (this.channels === 1) backend.run('activate', this.#image(0), x, y);
    else if (inner === 1) this.#channelsLast(backend, x, y);
    else {
      for (let from = 0, row = 0; from < x.length; from += inner, row += 1) {
        const to = from + inner;
        backend.run('activate', this.#image(row % this.channels), x.subarray(from, to), y.subarray(from, to));
      }
    }
    return y;
  }

  /** Channels are interleaved: each is collected into a contiguous block, a bounded number of rows at a time. */
  #channelsLast(backend: Backend, x: Float32Array, y: Float32Array): void {
    const { channels } = this;
    const rows = x.length / channels;
    const block = new Float32Array(Math.min(rows, BLOCK_ROWS));
    for (let from = 0; from < rows; from += block.length) {
      const part = block.subarray(0, Math.min(block.length, rows - from));
      for (let c = 0; c < channels; c++) {
        const start = from * channels + c;
        for (let i = 0, at = start; i < part.length; i++, at += channels) part[i] = x[at]!;
        backend.run('activate', this.#image(c), part, part);
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

  #image(channel: number): Image {
    this.#images[channel] ??= planImage(this.#plan(channel));
    return this.#images[channel];
  }
}
