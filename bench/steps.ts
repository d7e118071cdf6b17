import * as tf from '@tensorflow/tfjs';
import { surfaceAt } from '../examples/surface.js';
import { activationLayer, torchInitializers } from '../examples/training.js';
import { uniformStream } from '../src/cpab/random.js';
import type { Row } from './measure.js';

/** A step of figure 1's regression in TensorFlow.js, with its plain JavaScript: Linear(2,50) – activation – Linear(50,1), batches of 98, Adam. */

const [UNITS, BATCH, RATE] = [50, 98, 0.005];
export const RELU = 'ReLU';

function step(name: string, make: () => tf.layers.Layer, bar?: number): Row {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: UNITS, inputShape: [2], ...torchInitializers(2, 1) }),
      make(),
      tf.layers.dense({ units: 1, ...torchInitializers(UNITS, 2) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(RATE), loss: 'meanSquaredError' });
  const uniform = uniformStream(1);
  const points = Float32Array.from({ length: 2 * BATCH }, () => 2 * uniform() - 1);
  const [x, y] = [tf.tensor2d(points, [BATCH, 2]), tf.tensor2d(surfaceAt(points), [BATCH, 1])];
  return { name, ...(bar ? { bar: { ratio: bar } } : {}), work: () => model.trainOnBatch(x, y) };
}

export async function steps(): Promise<Row[]> {
  await tf.setBackend('cpu');
  return [
    step(RELU, () => tf.layers.reLU()),
    step('DiTAC, N = 10', () => activationLayer('ditac', 1), 1.15),
    step('Snake', () => activationLayer('snake', 1)),
    step('XIELU', () => activationLayer('xielu', 1)),
  ];
}
