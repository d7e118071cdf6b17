import type { Gradients } from '../activations/backward.js';
import { Trainable } from '../activations/trainable.js';
import type { Backend } from '../backends/backend.js';
import { Differentiator } from '../backends/gradients.js';
import type { Parameter } from '../calculus/expression.js';
import type { Definition } from '../calculus/piece.js';
import type { Words } from '../families/family.js';
import { bspline } from '../families/spline.js';
import { EdgeGradients } from './edge-gradient.js';
import type { Knots } from './knots.js';

export type EdgeParameter = 'base_weight' | 'spline_scaler' | 'spline_weight';
/** [outputs][inputs], and [outputs][inputs][count] of spline_weight. */
export type EdgeParameters = Readonly<Record<EdgeParameter, Float32Array>>;

/** All edges of a layer as the channels of one activation: edge (o, i) is channel o·inputs + i. */
export class Edges extends Trainable {
  readonly #knots: readonly Knots[];
  readonly #intervals = new Map<Knots, EdgeGradients>();
  #parameters: EdgeParameters;

  constructor(knots: readonly Knots[], outputs: number, parameters: EdgeParameters) {
    super(outputs * knots.length, 'channelsFirst');
    this.#knots = knots;
    this.#parameters = parameters;
  }

  get parameters(): EdgeParameters {
    return this.#parameters;
  }

  /** On a backend, with the parameters of its first call. */
  present(backend: Backend): ReturnType<Edges['onPresent']> {
    return this.onPresent(backend);
  }

  set parameters(parameters: EdgeParameters) {
    this.#parameters = parameters;
    this.forget();
  }

  /** The numbers of an edge. */
  of(channel: number): { knots: Knots; base_weight: number; spline_scaler: number; spline_weight: Float32Array } {
    const knots = this.#knots[channel % this.#knots.length]!;
    const { base_weight, spline_scaler, spline_weight } = this.#parameters;
    return {
      knots,
      base_weight: base_weight[channel]!,
      spline_scaler: spline_scaler[channel]!,
      spline_weight: spline_weight.subarray(channel * knots.count, (channel + 1) * knots.count),
    };
  }

  protected override functionOf(channel: number): number {
    return channel;
  }

  protected override define(channel: number): Definition {
    const { knots, base_weight, spline_scaler, spline_weight } = this.of(channel);
    const word = (index: number, value: number): Parameter => ({ op: 'parameter', index, value });
    const words = {
      base_weight: word(0, base_weight),
      spline_scaler: word(1, spline_scaler),
      spline_weight: Array.from(spline_weight, (value, k) => word(2 + k, value)),
    } as unknown as Words<EdgeParameter>;
    return bspline.define({ grid: knots.grid, outside: 'zero' }, words);
  }

  protected override differentiator(): Differentiator {
    return new Differentiator(
      Array.from({ length: this.channels }, (_, channel) => {
        const { knots, base_weight, spline_scaler, spline_weight } = this.of(channel);
        let intervals = this.#intervals.get(knots);
        if (!intervals) this.#intervals.set(knots, (intervals = new EdgeGradients(knots)));
        return intervals.of(base_weight, spline_scaler, spline_weight);
      }),
    );
  }

  protected override trained(): readonly Float32Array[] {
    return Object.values(this.#parameters);
  }

  protected override gradientsOf(gradX: unknown, contracted: readonly Float64Array[]): Gradients {
    const gradients = {
      base_weight: Float32Array.from(contracted, (each) => each[0]!),
      spline_scaler: Float32Array.from(contracted, (each) => each[1]!),
      spline_weight: Float32Array.from(contracted.flatMap((each) => Array.from(each.subarray(2)))),
    };
    return { gradX: gradX as Float32Array, gradients };
  }
}
