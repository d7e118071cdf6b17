/** Four tasks of the kinds on which the papers compare activations, each small enough for a CPU. */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { KANLinear } from 'ditac/tfjs';
import { uniformStream } from '../src/cpab/random.js';
import { argmax } from './layers.js';
import { rSquared, surfaceAt } from './surface.js';
import { type ActivationName, activationLayer, torchInitializers } from './training.js';

// Dense layers of these sizes take half to a quarter of the time that plain JavaScript needs. Only now: importing makes it the one in use, unready.
await import('@tensorflow/tfjs-backend-wasm');
await tf.setBackend('wasm');

export interface Task {
  readonly title: string;
  /** What is measured; higher is better. */
  readonly measure: string;
  readonly digits: number;
  /** Steps of Adam. */
  readonly steps: number;
  /** Beside the activations of the comparison. */
  readonly others?: readonly Contender[];
  train(
    contender: Contender,
    seed: number,
    steps: number,
    report: (step: number, loss: number) => void,
  ): Promise<number>;
}

/** An activation of the network that a task has, or a network of another kind. */
export type Contender = ActivationName | 'kan';

/** A layer for the k-th place of an activation; anything that is called so. */
export type MakeLayer = (place: number) => tf.layers.Layer;

/** Dense layers of these widths with activations between them. */
export function network(widths: readonly number[], seed: number, make: MakeLayer): tf.Sequential {
  const layers = widths.slice(1).flatMap((units, k) => {
    const input = widths[k]!;
    const dense = tf.layers.dense({
      units,
      ...(k === 0 ? { inputShape: [input] } : {}),
      ...torchInitializers(input, 10 * seed + k),
    });
    return k + 2 < widths.length ? [dense, make(k)] : [dense];
  });
  return tf.sequential({ layers });
}

const byName =
  (name: ActivationName, seed: number): MakeLayer =>
  (place) =>
    activationLayer(name, 2 * seed + place);

export async function fit(
  model: tf.Sequential,
  rate: number,
  loss: 'meanSquaredError' | ((truth: tf.Tensor, y: tf.Tensor) => tf.Tensor),
  steps: number,
  batch: (step: number) => { x: tf.Tensor; y: tf.Tensor },
  report: (step: number, loss: number) => void,
): Promise<void> {
  model.compile({ optimizer: tf.train.adam(rate), loss: loss as never });
  for (let step = 1; step <= steps; step++) {
    const { x, y } = batch(step);
    const now = (await model.trainOnBatch(x, y)) as number;
    tf.dispose([x, y]);
    report(step, now);
  }
}

export function outputs(model: tf.LayersModel, x: Float32Array, width: number): Float32Array {
  return tf.tidy(() =>
    (model.predict(tf.tensor2d(x, [x.length / width, width])) as tf.Tensor).dataSync<'float32'>().slice(),
  );
}

/** Points of [-1,1]². */
const points = (uniform: () => number, count: number) =>
  Float32Array.from({ length: 2 * count }, () => 2 * uniform() - 1);

const surface: Task = {
  title: 'figure 1: a sum of six sines',
  measure: 'test R²',
  digits: 3,
  steps: 3000,
  others: ['kan'],
  async train(contender, seed, steps, report) {
    const model =
      contender === 'kan'
        ? tf.sequential({
            layers: [
              new KANLinear({ units: 5, inputShape: [2], cells: 10, seed: 2 * seed }),
              new KANLinear({ units: 1, cells: 10, range: [-2, 2], seed: 2 * seed + 1 }),
            ],
          })
        : network([2, 50, 1], seed, byName(contender, seed));
    const uniform = uniformStream(seed);
    const test = points(uniform, 5000);
    const batch = () => {
      const x = points(uniform, 98);
      return { x: tf.tensor2d(x, [98, 2]), y: tf.tensor2d(surfaceAt(x), [98, 1]) };
    };
    await fit(model, 0.005, 'meanSquaredError', steps, batch, report);
    return rSquared(outputs(model, test, 2), surfaceAt(test));
  },
};

const PIXELS = 64;
export interface Digits {
  readonly inputs: Float32Array;
  readonly labels: readonly number[];
}
let digitsRead: Digits | undefined;
/** The digits of the repository: 360, of 8×8 pixels. */
export function readDigits(): Digits {
  if (!digitsRead) {
    const file = new URL('../../test/golden/nets/digits_test.json', import.meta.url);
    const { images, labels } = JSON.parse(readFileSync(file, 'utf8')) as { images: number[][]; labels: number[] };
    digitsRead = { inputs: Float32Array.from(images.flat(), (v) => v / 16), labels };
  }
  return digitsRead;
}

export const crossEntropy = (truth: tf.Tensor, logits: tf.Tensor) => tf.losses.softmaxCrossEntropy(truth, logits);

/** Batches of 32 of the digits with these numbers, in a new order every time that all were seen. */
export function digitBatches(numbers: readonly number[], uniform: () => number): () => { x: tf.Tensor; y: tf.Tensor } {
  const { labels } = readDigits();
  let waiting: number[] = [];
  return () => {
    if (waiting.length === 0)
      waiting = numbers
        .map((i) => [uniform(), i] as const)
        .sort(([p], [q]) => p - q)
        .map(([, i]) => i);
    const batch = waiting.splice(0, 32);
    return tf.tidy(() => ({
      x: tf.tensor2d(pixelsOf(batch), [batch.length, PIXELS]),
      y: tf.oneHot(
        tf.tensor1d(
          batch.map((i) => labels[i]!),
          'int32',
        ),
        10,
      ),
    }));
  };
}

export function pixelsOf(numbers: readonly number[]): Float32Array {
  const { inputs } = readDigits();
  return Float32Array.from(numbers.flatMap((i) => [...inputs.subarray(PIXELS * i, PIXELS * (i + 1))]));
}

/** The share of these digits that is read right. */
export function accuracy(model: tf.LayersModel, numbers: readonly number[]): number {
  const { labels } = readDigits();
  const classes = argmax(outputs(model, pixelsOf(numbers), PIXELS), 10);
  return classes.filter((each, k) => each === labels[numbers[k]!]).length / numbers.length;
}

const digits: Task = {
  title: 'handwritten digits: a fifth is read, the rest is learned',
  measure: 'accuracy',
  digits: 3,
  steps: 270,
  async train(contender, seed, steps, report) {
    const model = network([PIXELS, 48, 32, 10], seed, byName(contender as ActivationName, seed));
    const all = [...readDigits().labels.keys()];
    const learned = all.filter((i) => i % 5 !== seed % 5);
    await fit(model, 0.003, crossEntropy, steps, digitBatches(learned, uniformStream(seed)), report);
    return accuracy(
      model,
      all.filter((i) => i % 5 === seed % 5),
    );
  },
};

/** A picture that is generated: a disc, stripes and a slope, as colours in [0, 1] at points of [-1,1]². */
function colour(u: number, v: number): [number, number, number] {
  const inside = Math.hypot(u - 0.2, v + 0.1) < 0.5 ? 1 : 0;
  return [
    0.5 + 0.4 * Math.sin(9 * u + 3 * v) * (1 - inside),
    0.3 + 0.5 * inside,
    0.5 + 0.25 * u + 0.25 * Math.cos(7 * v * v + 4 * u),
  ];
}

const image: Task = {
  title: 'an implicit image: coordinates to colours, between the pixels that were learned',
  measure: 'PSNR, dB',
  digits: 1,
  steps: 1000,
  async train(contender, seed, steps, report) {
    const model = network([2, 32, 32, 3], seed, byName(contender as ActivationName, seed));
    const grid = (size: number, shift: number) =>
      Float32Array.from({ length: 2 * size * size }, (_, i) => {
        const at = i >> 1;
        const k = i % 2 === 0 ? at % size : Math.floor(at / size);
        return (2 * (k + shift)) / size - 1;
      });
    const colours = (x: Float32Array) =>
      Float32Array.from({ length: x.length / 2 }, (_, i) => i).reduce<number[]>((all, i) => {
        all.push(...colour(x[2 * i]!, x[2 * i + 1]!));
        return all;
      }, []);
    const learned = grid(24, 0.5);
    const [x, y] = [tf.tensor2d(learned, [576, 2]), tf.tensor2d(colours(learned), [576, 3])];
    await fit(model, 0.005, 'meanSquaredError', steps, () => ({ x: x.clone(), y: y.clone() }), report);
    tf.dispose([x, y]);
    const between = grid(23, 1);
    const found = outputs(model, between, 2);
    const truth = colours(between);
    const off = truth.reduce((sum, v, i) => sum + (v - found[i]!) ** 2, 0) / truth.length;
    return -10 * Math.log10(off);
  },
};

const periodic: Task = {
  title: 'a periodic signal, learned on [-10, 10], asked for on [10, 16] and [-16, -10]',
  measure: '-RMSE',
  digits: 3,
  steps: 1500,
  async train(contender, seed, steps, report) {
    const model = network([1, 32, 1], seed, byName(contender as ActivationName, seed));
    const signal = (x: Float32Array) => x.map((v) => Math.sin(v) + 0.3 * Math.cos(2 * v));
    const uniform = uniformStream(seed);
    const batch = () => {
      const x = Float32Array.from({ length: 64 }, () => 20 * uniform() - 10);
      return { x: tf.tensor2d(x, [64, 1]), y: tf.tensor2d(signal(x), [64, 1]) };
    };
    await fit(model, 0.005, 'meanSquaredError', steps, batch, report);
    const beyond = Float32Array.from({ length: 400 }, (_, i) => (i < 200 ? -16 + 0.03 * i : 10 + 0.03 * (i - 200)));
    const y = outputs(model, beyond, 1);
    const truth = signal(beyond);
    return -Math.sqrt(truth.reduce((sum, v, i) => sum + (v - y[i]!) ** 2, 0) / truth.length);
  },
};

export const TASKS: Readonly<Record<string, Task>> = { surface, digits, image, periodic };
