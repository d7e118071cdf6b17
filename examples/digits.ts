/**
 * Handwritten digits, learned from scratch with a trainable activation: Linear(64,48) – DiTAC – Linear(48,32) – DiTAC – Linear(32,10), the
 * dense network of `npm start`, in TensorFlow.js. The 360 digits of the repository serve: each fifth is read by a network that learned from
 * the other four.
 *
 * `npm run digits` writes out/digits.html, and out/digits.safetensors as PyTorch would load it, which is read back and run without tfjs.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { program } from 'commander';
import { DiTAC } from 'ditac';
import { loadSafetensors, saveSafetensors, type Tensor } from 'ditac/safetensors';
import { DiTACLayer } from 'ditac/tfjs';
import { PLAIN } from '../src/cli/terminal.js';
import { uniformStream } from '../src/cpab/random.js';
import { positive } from './jobs.js';
import { argmax, linear } from './layers.js';
import { digit, htmlTable, writePage } from './pictures.js';
import { type ActivationName, ALL_ACTIVATIONS, activationLayer, torchInitializers } from './training.js';

const FOLDS = 5;
const PIXELS = 64;
const root = new URL('../../', import.meta.url);

const { images, labels } = JSON.parse(readFileSync(new URL('test/golden/nets/digits_test.json', root), 'utf8')) as {
  images: number[][];
  labels: number[];
};
const inputs = Float32Array.from(images.flat(), (v) => v / 16);

function buildModel(activation: ActivationName, seed: number): tf.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 48, inputShape: [PIXELS], ...torchInitializers(PIXELS, 10 * seed) }),
      activationLayer(activation, 2 * seed),
      tf.layers.dense({ units: 32, ...torchInitializers(48, 10 * seed + 1) }),
      activationLayer(activation, 2 * seed + 1),
      tf.layers.dense({ units: 10, ...torchInitializers(32, 10 * seed + 2) }),
    ],
  });
  const loss = (truth: tf.Tensor, logits: tf.Tensor) => tf.losses.softmaxCrossEntropy(truth, logits);
  model.compile({ optimizer: tf.train.adam(0.003), loss });
  return model;
}

/** A batch of the digits with these numbers. */
const batchOf = (numbers: readonly number[]) => {
  const pixels = Float32Array.from(numbers.flatMap((i) => [...inputs.subarray(PIXELS * i, PIXELS * (i + 1))]));
  const classes = tf.tensor1d(
    numbers.map((i) => labels[i]!),
    'int32',
  );
  return { x: tf.tensor2d(pixels, [numbers.length, PIXELS]), y: tf.oneHot(classes, 10) };
};

function shuffled(numbers: readonly number[], uniform: () => number): number[] {
  return numbers
    .map((i) => [uniform(), i] as const)
    .sort(([p], [q]) => p - q)
    .map(([, i]) => i);
}

interface Read {
  readonly model: tf.Sequential;
  readonly classes: readonly number[];
}

async function learn(
  activation: ActivationName,
  fold: number,
  epochs: number,
  onEpoch: (loss: number) => void,
): Promise<Read> {
  const all = [...labels.keys()];
  const learned = all.filter((i) => i % FOLDS !== fold);
  const model = buildModel(activation, fold + 1);
  const uniform = uniformStream(fold);
  for (let epoch = 0; epoch < epochs; epoch++) {
    const order = shuffled(learned, uniform);
    let loss = 0;
    for (let from = 0; from < order.length; from += 32) {
      const { x, y } = tf.tidy(() => batchOf(order.slice(from, from + 32)));
      loss += ((await model.trainOnBatch(x, y)) as number) / Math.ceil(order.length / 32);
      tf.dispose([x, y]);
    }
    onEpoch(loss);
  }
  const logits = tf.tidy(() =>
    (model.predict(batchOf(all.filter((i) => i % FOLDS === fold)).x) as tf.Tensor).dataSync<'float32'>().slice(),
  );
  return { model, classes: argmax(logits, 10) };
}

/** The same names and shapes as PyTorch's module has: Linear holds [out][in]. */
function checkpointOf(model: tf.Sequential): Record<string, Tensor> {
  const state: Record<string, Tensor> = {};
  for (const [k, index] of [0, 2, 4].entries()) {
    const [kernel, bias] = model.layers[index]!.getWeights() as [tf.Tensor, tf.Tensor];
    const weight = tf.tidy(() => tf.transpose(kernel).dataSync<'float32'>().slice());
    state[`fc${k + 1}.weight`] = { shape: [...kernel.shape].reverse(), data: weight };
    state[`fc${k + 1}.bias`] = { shape: bias.shape, data: bias.dataSync<'float32'>().slice() };
    const activation = model.layers[index + 1];
    if (activation instanceof DiTACLayer) Object.assign(state, activation.stateDict({ prefix: `act_${k + 1}.` }));
  }
  return state;
}

/** The classes that the checkpoint alone gives, without tfjs. */
function readWith(tensors: Record<string, Tensor>, numbers: readonly number[]): number[] {
  let x: Float32Array = Float32Array.from(numbers.flatMap((i) => [...inputs.subarray(PIXELS * i, PIXELS * (i + 1))]));
  for (const k of [1, 2]) {
    x = linear(x, tensors[`fc${k}.weight`]!, tensors[`fc${k}.bias`]!);
    x = DiTAC.fromStateDict(tensors, { prefix: `act_${k}.`, a: -3, b: 3, variant: 'gelu' }).forward(x, x);
  }
  return argmax(linear(x, tensors['fc3.weight']!, tensors['fc3.bias']!), 10);
}

const { epochs, folds, activation } = program
  .name('digits')
  .option('--epochs <number>', 'times that every digit is seen', positive, 30)
  .option('--folds <number>', `how many of the ${FOLDS} fifths to read`, positive, FOLDS)
  .option(
    '--activation <name>',
    `one of ${ALL_ACTIVATIONS.join(', ')}, instead of ditac, beside relu and gelu`,
    'ditac',
  )
  .parse()
  .opts() as { epochs: number; folds: number; activation: ActivationName };
if (!ALL_ACTIVATIONS.includes(activation)) program.error(`--activation must be one of ${ALL_ACTIVATIONS.join(', ')}`);

const compared = [...new Set<ActivationName>([activation, 'relu', 'gelu'])];
const count = Math.min(folds, FOLDS);
const table = new Table({ style: PLAIN, head: ['activation', 'right', 'of'] });
const rows: string[][] = [];
const pictures: string[] = [];
for (const name of compared) {
  const bar = new SingleBar(
    { format: `${name.padEnd(6)} {bar} {percentage}% | loss {loss} | {eta_formatted} left`, hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(epochs * count, 0, { loss: '' });
  let right = 0;
  let read = 0;
  for (let fold = 0; fold < count; fold++) {
    const held = [...labels.keys()].filter((i) => i % FOLDS === fold);
    const { model, classes } = await learn(name, fold, epochs, (loss) => bar.increment(1, { loss: loss.toFixed(4) }));
    classes.forEach((each, k) => {
      if (each === labels[held[k]!]) right += 1;
    });
    read += held.length;
    if (name === 'ditac' && fold === 0) {
      const file = saveSafetensors(checkpointOf(model));
      writeFileSync(new URL('out/digits.safetensors', root), file);
      const alone = readWith(loadSafetensors(file).tensors, held);
      // Equal but for the order in which layers sum, which may turn a tie.
      const same = alone.filter((each, k) => each === classes[k]).length;
      if (same < held.length - 1) throw new Error(`the checkpoint reads ${held.length - same} digits differently`);
      pictures.push(...held.map((i, k) => digit(inputs.subarray(PIXELS * i, PIXELS * (i + 1)), alone[k]!, labels[i]!)));
    }
    model.dispose();
  }
  bar.stop();
  rows.push([name, String(right), String(read)]);
}
table.push(...rows);
console.log(table.toString());
writePage(
  'digits',
  'Handwritten digits, learned with a trainable activation',
  `${htmlTable(['activation', 'right', 'of'], rows)}${
    pictures.length > 0
      ? `<p>The first fifth, as the checkpoint out/digits.safetensors reads it without TensorFlow.js (red: wrong):</p>${pictures.join('')}`
      : ''
  }`,
);
