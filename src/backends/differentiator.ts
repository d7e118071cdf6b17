import type { VelocityField } from '../cpab/flow.js';
import { expectFloat32Array, expectOutput } from '../errors.js';
import { type BackwardTable, backwardTable } from '../plan/backward-table.js';
import { velocityGradient } from '../plan/contract.js';
import { type BackwardImage, backwardImage } from '../plan/image.js';
import { Moments } from '../plan/moments.js';
import type { AnalyticPiece } from '../plan/pieces.js';
import type { Backend, WorkOptions } from './backend.js';
import { evaluateBackward } from './evaluate.js';
import { ChannelTables } from './tables.js';

/** The flow of one channel, and the function that is made of it. */
export interface Differentiable {
  readonly field: VelocityField;
  readonly pieces: readonly AnalyticPiece[];
}

/**
 * Gradients of a function with fixed parameters, one set of them a channel: gradX, and the gradient with respect to the velocities of
 * every channel's field.
 */
export class Differentiator {
  readonly #channels: readonly Differentiable[];
  readonly #backwardTables: readonly BackwardTable[];
  readonly #images: ChannelTables<BackwardImage>;

  /** @param resolution images nearer to each other than this need not be told apart. */
  constructor(channels: readonly Differentiable[], resolution: number) {
    this.#channels = channels;
    this.#backwardTables = channels.map(({ pieces }) => backwardTable(pieces, resolution));
    const room = this.#backwardTables.reduce((most, { blocks }) => Math.max(most, blocks), 0);
    this.#images = new ChannelTables(() => this.#backwardTables.map((table) => backwardImage(table, room)));
  }

  /** Nothing added up yet, one for each channel. */
  moments(): Moments[] {
    return this.#backwardTables.map(({ blocks }) => new Moments(blocks));
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

  /** [N+1] for each channel: the gradient with respect to displacements a unit of time, at every vertex. */
  velocityGradients(moments: readonly Moments[]): Float64Array[] {
    return this.#channels.map(({ field }, c) => velocityGradient(field, this.#backwardTables[c]!, moments[c]!));
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
