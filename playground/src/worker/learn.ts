import { DiTAC } from 'ditac';
import { rSquared, targetSurface } from '../../../examples/surface';
import { type LearnRequest, type LearnState, SIZE } from '../protocol';
import { type Made, make, optionsOf } from './activations';
import { gridOf } from './explore';

/** The paper's figure 1: Linear(2,50) – activation – Linear(50,1), batches of 98, Adam with a rate of 0.005. */
const UNITS = 50;
const BATCH = 98;
const RATE = 0.005;
/** Weight of a DiTAC's prior in the loss, as DiTACLayer has it. */
const LAMBDA = 0.01;
/** Milliseconds of training between two looks at the messages. */
const SLICE = 24;

/** Park and Miller's minimal standard generator: the same draws everywhere for a seed. */
function uniformStream(seed: number): () => number {
  let state = (seed % 2147483646) + 1;
  const next = () => (state = (state * 48271) % 2147483647) / 2147483647;
  // The first draws of small seeds are near one another.
  for (let k = 0; k < 8; k++) next();
  return next;
}

/** Adam (Kingma, Ba, arXiv 1412.6980, algorithm 1), for one array. */
class Adam {
  readonly #mean: Float64Array;
  readonly #square: Float64Array;
  #step = 0;

  constructor(length: number) {
    this.#mean = new Float64Array(length);
    this.#square = new Float64Array(length);
  }

  change(gradient: ArrayLike<number>): Float64Array {
    this.#step += 1;
    const [first, second] = [1 - 0.9 ** this.#step, 1 - 0.999 ** this.#step];
    return this.#mean.map((_, i) => {
      const g = gradient[i]!;
      this.#mean[i] = 0.9 * this.#mean[i]! + 0.1 * g;
      this.#square[i] = 0.999 * this.#square[i]! + 0.001 * g * g;
      return (-RATE * (this.#mean[i]! / first)) / (Math.sqrt(this.#square[i]! / second) + 1e-8);
    });
  }
}

interface Weights {
  readonly w1: Float32Array;
  readonly b1: Float32Array;
  readonly w2: Float32Array;
  readonly b2: Float32Array;
}

const pixels: Float32Array = Float32Array.from({ length: 2 * SIZE * SIZE }, (_, i) => {
  const at = (k: number) => (2 * (k + 0.5)) / SIZE - 1;
  const pixel = i >> 1;
  return i % 2 === 0 ? at(pixel % SIZE) : -at(Math.floor(pixel / SIZE));
});
export const target: Float32Array = Float32Array.from({ length: SIZE * SIZE }, (_, i) =>
  targetSurface(pixels[2 * i]!, pixels[2 * i + 1]!),
);

export class Training {
  readonly #act: Made;
  readonly #weights: Weights;
  readonly #adams = new Map<string, Adam>();
  readonly #uniform: () => number;
  readonly #losses: number[] = [];
  readonly #lossSteps: number[] = [];
  readonly #every: number;
  #isRunning = false;
  #step = 0;
  #recent = 0;
  #spent = 0;
  #refused = 0;
  #reason = '';

  constructor({ family, options, seed, every }: LearnRequest) {
    this.#act = make(family, options);
    this.#every = every;
    this.#uniform = uniformStream(seed);
    // PyTorch's: uniform within ±1/√(fan in).
    const draw = (length: number, fanIn: number) =>
      Float32Array.from({ length }, () => (2 * this.#uniform() - 1) / Math.sqrt(fanIn));
    this.#weights = { w1: draw(2 * UNITS, 2), b1: draw(UNITS, 2), w2: draw(UNITS, UNITS), b2: draw(1, UNITS) };
  }

  pause(): void {
    this.#isRunning = false;
  }

  /** Trains until `pause`, and tells where it is. */
  async run(onState: (state: LearnState) => unknown): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    let told = performance.now();
    while (this.#isRunning) {
      const begin = performance.now();
      do this.#train();
      while (performance.now() - begin < SLICE);
      this.#spent += performance.now() - begin;
      if (performance.now() - told >= this.#every) {
        await onState(this.state());
        told = performance.now();
      }
      // Messages are heard between slices.
      await new Promise((resolve) => setTimeout(resolve));
    }
    await onState(this.state());
  }

  state(): LearnState {
    const surface = this.#outputs(pixels).y;
    const x = gridOf(-6, 6);
    return {
      step: this.#step,
      stepsPerSecond: this.#spent === 0 ? 0 : (1000 * this.#step) / this.#spent,
      losses: Float64Array.from(this.#losses),
      lossSteps: Float64Array.from(this.#lossSteps),
      r2: rSquared(surface, target),
      surface,
      x,
      y: this.#act.forward(x),
      options: optionsOf(this.#act),
      refused: this.#refused,
      reason: this.#reason,
    };
  }

  #outputs(points: Float32Array) {
    const { w1, b1, w2, b2 } = this.#weights;
    const n = points.length / 2;
    const z = new Float32Array(n * UNITS);
    for (let i = 0; i < n; i++)
      for (let u = 0; u < UNITS; u++)
        z[i * UNITS + u] = points[2 * i]! * w1[u]! + points[2 * i + 1]! * w1[UNITS + u]! + b1[u]!;
    const h = this.#act.forward(z);
    const y = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      let sum = b2[0]!;
      for (let u = 0; u < UNITS; u++) sum += h[i * UNITS + u]! * w2[u]!;
      y[i] = sum;
    }
    return { z, h, y };
  }

  /** One batch. */
  #train(): void {
    const points = Float32Array.from({ length: 2 * BATCH }, () => 2 * this.#uniform() - 1);
    const { z, h, y } = this.#outputs(points);
    const { w2 } = this.#weights;
    const gradY = new Float32Array(BATCH);
    let loss = 0;
    for (let i = 0; i < BATCH; i++) {
      const off = y[i]! - targetSurface(points[2 * i]!, points[2 * i + 1]!);
      loss += (off * off) / BATCH;
      gradY[i] = (2 * off) / BATCH;
    }
    const gradW2 = new Float64Array(UNITS);
    const gradH = new Float32Array(BATCH * UNITS);
    let gradB2 = 0;
    for (let i = 0; i < BATCH; i++) {
      gradB2 += gradY[i]!;
      for (let u = 0; u < UNITS; u++) {
        gradW2[u]! += gradY[i]! * h[i * UNITS + u]!;
        gradH[i * UNITS + u] = gradY[i]! * w2[u]!;
      }
    }
    const { gradX, gradients } = this.#act.backward(z, gradH);
    const gradW1 = new Float64Array(2 * UNITS);
    const gradB1 = new Float64Array(UNITS);
    for (let i = 0; i < BATCH; i++)
      for (let u = 0; u < UNITS; u++) {
        const g = gradX[i * UNITS + u]!;
        gradW1[u]! += g * points[2 * i]!;
        gradW1[UNITS + u]! += g * points[2 * i + 1]!;
        gradB1[u]! += g;
      }
    this.#move('w1', gradW1);
    this.#move('b1', gradB1);
    this.#move('w2', gradW2);
    this.#move('b2', [gradB2]);
    this.#moveActivation(gradients as Readonly<Record<string, Float32Array>>);
    this.#step += 1;
    // An exponential mean: single batches of 98 are noisy.
    this.#recent = this.#step === 1 ? loss : 0.98 * this.#recent + 0.02 * loss;
    if (this.#step % 20 === 0 || this.#step === 1) {
      this.#losses.push(this.#recent);
      this.#lossSteps.push(this.#step);
    }
  }

  #adam(name: string, length: number): Adam {
    let adam = this.#adams.get(name);
    if (!adam) this.#adams.set(name, (adam = new Adam(length)));
    return adam;
  }

  #move(name: keyof Weights, gradient: ArrayLike<number>): void {
    const weights = this.#weights[name];
    this.#adam(name, weights.length)
      .change(gradient)
      .forEach((change, i) => {
        weights[i]! += change;
      });
  }

  #moveActivation(gradients: Readonly<Record<string, Float32Array>>): void {
    const act = this.#act;
    const present: Readonly<Record<string, Float32Array>> =
      act instanceof DiTAC ? { thetas: act.thetas } : act.parameters;
    const prior = act instanceof DiTAC ? act.regularization({ lambda: LAMBDA }).gradThetas : undefined;
    const next = Object.entries(present).map(([name, values]) => {
      const gradient = prior ? gradients[name]!.map((g, i) => g + prior[i]!) : gradients[name]!;
      const change = this.#adam(`activation.${name}`, values.length).change(gradient);
      return [name, values.map((v, i) => v + change[i]!)];
    });
    try {
      act.update(Object.fromEntries(next));
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      this.#refused += 1;
      this.#reason = cause.message;
    }
  }
}
