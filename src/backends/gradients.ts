import { expectFloat32Array, expectOutput } from '../errors.js';
import { fnv1a } from '../plan/file.js';
import type { Differentiable } from '../plan/gradient-table.js';
import { type BackwardImage, backwardImage } from '../plan/image.js';
import { Moments } from '../plan/moments.js';
import type { Identity } from '../plan/sum-file.js';
import type { Backend, WorkOptions } from './backend.js';
import { evaluateBackward } from './evaluate.js';
import { ChannelTables } from './tables.js';

/** Gradients of functions with fixed parameters, one a channel: gradX, and the gradients of every channel's parameters. */
export class Differentiator {
  readonly #channels: readonly Differentiable[];
  readonly #images: ChannelTables<BackwardImage>;

  /** @param channels one a channel; channels that share a function share the object. */
  constructor(channels: readonly Differentiable[]) {
    this.#channels = channels;
    const room = channels.reduce((most, { table }) => Math.max(most, table.blocks), 0);
    const known = new Map<Differentiable, BackwardImage>();
    const imageOf = (channel: Differentiable): BackwardImage => {
      let image = known.get(channel);
      if (!image) known.set(channel, (image = backwardImage(channel.table, room)));
      return image;
    };
    this.#images = new ChannelTables(() => channels.map(imageOf));
  }

  /** Nothing added up yet, one for each channel. */
  moments(): Moments[] {
    return this.#channels.map(({ table }) => new Moments(table.blocks));
  }

  /** Writes gradX and adds to the moments; `inner` neighbours share a channel. x may repeat. */
  run(
    backend: Backend,
    inner: number,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
    options?: WorkOptions,
  ): void | Promise<void> {
    return evaluateBackward(backend, { images: this.#images.for(backend), inner }, x, gradY, gradX, moments, options);
  }

  /** The same for tensors of a device. */
  runOnDevice<T>(
    backend: Backend<T>,
    inner: number,
    x: T,
    gradY: T,
    gradX: T,
    moments: readonly Moments[],
  ): void | Promise<void> {
    return backend.backward({ images: this.#images.for(backend as Backend), inner }, x, gradY, gradX, moments);
  }

  /** Two words that stand for the tables, by which moments mean what they mean, and for `parameters`. */
  identity(parameters: readonly Float32Array[]): Identity {
    const known = [...new Set(this.#channels)];
    const order = Float32Array.from(this.#channels, (each) => known.indexOf(each));
    const arrays = [order, ...parameters, ...known.flatMap(({ table }) => [table.bounds, table.rows])];
    // Twice: what two changes of a sign do to one is undone in it, but not in the other, which turns its words.
    let [plain, turned] = [1, 2];
    for (const { buffer, byteOffset, length } of arrays) {
      const words = new Uint32Array(buffer, byteOffset, length);
      plain = fnv1a(new Uint8Array(buffer, byteOffset, 4 * length), plain);
      for (const word of words) turned = Math.imul((turned << 13) | (turned >>> 19), 5) ^ word;
    }
    return [plain, turned >>> 0];
  }

  /** The gradient of every channel's parameters. */
  contract(moments: readonly Moments[]): Float64Array[] {
    return this.#channels.map((channel, c) => channel.contract(moments[c]!));
  }

  /** Backends forget the tables. */
  release(): void {
    this.#images.release();
  }
}

/**
 * Checks the arguments of a backward pass and returns where gradX goes. `out` may be x or gradY, or share nothing with them.
 * @throws {TypeError|RangeError} if they do not fit.
 */
export function expectGradients(x: unknown, gradY: unknown, out: unknown, length?: number): Float32Array {
  const [inputs, gradients] = [expectFloat32Array('x', x), expectFloat32Array('gradY', gradY)];
  const expected = length ?? inputs.length;
  if (gradients.length !== expected)
    throw new RangeError(`gradY must have length ${expected} as the result has, got ${gradients.length}`);
  if (out === undefined) return new Float32Array(inputs.length);
  expectOutput(inputs, out);
  if (length === undefined) expectOutput(gradients, out);
  return out as Float32Array;
}
