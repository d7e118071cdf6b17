/**
 * Figure 1's network in plain arrays, without TensorFlow.js: Linear(2,50) – DiTAC – Linear(50,1), the gradient of a part of a batch, and Adam. A sum of parts is the
 * same wherever they were computed: θ's by exact sums, the others' since parts are fixed and are added in their order.
 */
import { DiTAC, GradientSum } from 'ditac';
import { sin } from '../../assembly/numeric';
import { uniformStream } from '../../src/cpab/random.js';
import { rSquared, targetSurface } from '../surface.js';

const HIDDEN = 50;
/** Points of a batch, and into how many parts it is divided, whatever the number of workers. */
const BATCH = 96;
export const PARTS = 8;
const POINTS = BATCH / PARTS;

/** Float32 of all parameters, in this order: w1 [50][2], b1 [50], θ [9], w2 [50], b2. */
const SIZES = { w1: 2 * HIDDEN, b1: HIDDEN, thetas: 9, w2: HIDDEN, b2: 1 } as const;
type Name = keyof typeof SIZES;
const NAMES = Object.keys(SIZES) as Name[];
export const COUNT = NAMES.reduce((sum, name) => sum + SIZES[name], 0);
const DITAC = { a: -3, b: 3 };

/** Views of a flat array, by name. */
function split<A extends Float32Array | Float64Array>(flat: A): Record<Name, A> {
  let at = 0;
  return Object.fromEntries(NAMES.map((name) => [name, flat.subarray(at, (at += SIZES[name]))])) as unknown as Record<
    Name,
    A
  >;
}

/** As PyTorch's layers begin; θ from the prior. */
export function initial(seed: number): Float32Array {
  const uniform = uniformStream(seed);
  const flat = new Float32Array(COUNT);
  const { w1, b1, thetas, w2, b2 } = split(flat);
  const fill = (array: Float32Array, bound: number) => {
    for (let i = 0; i < array.length; i++) array[i] = bound * (2 * uniform() - 1);
  };
  fill(w1, 1 / Math.SQRT2);
  fill(b1, 1 / Math.SQRT2);
  fill(w2, 1 / Math.sqrt(HIDDEN));
  fill(b2, 1 / Math.sqrt(HIDDEN));
  thetas.set(new DiTAC({ ...DITAC, seed, lambdaSmoothInit: 3, lambdaVarInit: 2 }).thetas);
  return flat;
}

/** What a part of a batch gives. */
export interface Part {
  /** Of θ, as {@link GradientSum.toBytes} writes it. */
  readonly sum: Uint8Array;
  /** Of the others, [COUNT]; θ's places are 0. */
  readonly others: Float64Array;
  readonly loss: number;
}

/** Points and targets are drawn where they are needed: by the step and the part. Sines are ditac's own: the same bits on every machine. */
export function gradientOf(parameters: Float32Array, step: number, part: number): Part {
  const uniform = uniformStream(step * PARTS + part);
  const { w1, b1, thetas, w2, b2 } = split(parameters);
  const act = new DiTAC({ ...DITAC, thetas });
  const points = Float32Array.from({ length: 2 * POINTS }, () => 2 * uniform() - 1);
  const hidden = hiddenOf(points, w1, b1);
  const active = act.forward(hidden);
  const others = new Float64Array(COUNT);
  const grads = split(others);
  const gradActive = new Float32Array(hidden.length);
  let loss = 0;
  for (let s = 0; s < POINTS; s++) {
    let y = b2[0]!;
    for (let h = 0; h < HIDDEN; h++) y += w2[h]! * active[s * HIDDEN + h]!;
    const off = y - targetSurface(points[2 * s]!, points[2 * s + 1]!, sin);
    loss += (off * off) / BATCH;
    const g = (2 * off) / BATCH;
    grads.b2[0]! += g;
    for (let h = 0; h < HIDDEN; h++) {
      grads.w2[h]! += g * active[s * HIDDEN + h]!;
      gradActive[s * HIDDEN + h] = g * w2[h]!;
    }
  }
  const sum = act.gradientSum();
  const { gradX } = act.backward(hidden, gradActive, { into: sum });
  for (let s = 0; s < POINTS; s++) {
    for (let h = 0; h < HIDDEN; h++) {
      const g = gradX[s * HIDDEN + h]!;
      grads.b1[h]! += g;
      grads.w1[2 * h]! += g * points[2 * s]!;
      grads.w1[2 * h + 1]! += g * points[2 * s + 1]!;
    }
  }
  return { sum: sum.toBytes(), others, loss };
}

function hiddenOf(points: Float32Array, w1: Float32Array, b1: Float32Array): Float32Array {
  const hidden = new Float32Array((points.length / 2) * HIDDEN);
  for (let s = 0; s < points.length / 2; s++)
    for (let h = 0; h < HIDDEN; h++)
      hidden[s * HIDDEN + h] = w1[2 * h]! * points[2 * s]! + w1[2 * h + 1]! * points[2 * s + 1]! + b1[h]!;
  return hidden;
}

/** Parameters, and Adam's averages. */
export class Training {
  readonly parameters: Float32Array;
  readonly #m = new Float64Array(COUNT);
  readonly #v = new Float64Array(COUNT);
  #step = 0;

  constructor(seed: number) {
    this.parameters = initial(seed);
  }

  /** A step, from the parts of its batch: [PARTS], in order. Returns the loss. */
  update(parts: readonly Part[]): number {
    const gradient = new Float64Array(COUNT);
    const act = new DiTAC({ ...DITAC, thetas: split(this.parameters).thetas });
    const total = act.gradientSum();
    let loss = 0;
    for (const part of parts) {
      total.merge(GradientSum.fromBytes(part.sum, act));
      for (let i = 0; i < COUNT; i++) gradient[i]! += part.others[i]!;
      loss += part.loss;
    }
    split(gradient).thetas.set(total.thetas);
    this.#step += 1;
    const [rate, one, two] = [0.005, 0.9, 0.999];
    // Powers by products: not every machine's ** agrees.
    let [unbiasedM, unbiasedV] = [1, 1];
    for (let k = 0; k < this.#step; k++) [unbiasedM, unbiasedV] = [unbiasedM * one, unbiasedV * two];
    for (let i = 0; i < COUNT; i++) {
      this.#m[i] = one * this.#m[i]! + (1 - one) * gradient[i]!;
      this.#v[i] = two * this.#v[i]! + (1 - two) * gradient[i]! * gradient[i]!;
      const scale = Math.sqrt(this.#v[i]! / (1 - unbiasedV)) + 1e-8;
      this.parameters[i]! -= (rate * this.#m[i]!) / (1 - unbiasedM) / scale;
    }
    return loss;
  }

  /** R² on a grid. */
  score(): number {
    const size = 41;
    const points = Float32Array.from(
      { length: 2 * size * size },
      (_, i) => (2 * (i % 2 ? Math.floor(i / 2 / size) : (i >> 1) % size)) / (size - 1) - 1,
    );
    const { w1, b1, thetas, w2, b2 } = split(this.parameters);
    const active = new DiTAC({ ...DITAC, thetas }).forward(hiddenOf(points, w1, b1));
    const y = Float32Array.from({ length: size * size }, (_, s) => {
      let sum = b2[0]!;
      for (let h = 0; h < HIDDEN; h++) sum += w2[h]! * active[s * HIDDEN + h]!;
      return sum;
    });
    return rSquared(
      y,
      y.map((_, s) => targetSurface(points[2 * s]!, points[2 * s + 1]!, sin)),
    );
  }
}

/** The same training in one process. */
export function trainAlone(seed: number, steps: number): Training {
  const training = new Training(seed);
  for (let step = 1; step <= steps; step++)
    training.update(Array.from({ length: PARTS }, (_, part) => gradientOf(training.parameters, step, part)));
  return training;
}
