/** Layers of every family, on tfjs itself. */
import * as tf from '@tensorflow/tfjs';
import { DiTAC, DyT, defineFamily, PReLU, Snake, XIELU } from 'ditac';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { compareBits } from 'ditac/oracle';
import { activate, DiTACLayer, layerOf } from 'ditac/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { normalStream } from '../src/cpab/random.js';
import { EXAMPLES } from './family-examples.js';

// biome-ignore lint/suspicious/noExplicitAny: every family's class, whatever its parameters
type Any = any;

beforeAll(async () => {
  // Without its advertisement for another package.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
});

const CHANNELS = 3;
const normals = (count: number, seed: number, scale = 1) => {
  const normal = normalStream(seed);
  return Float32Array.from({ length: count }, () => scale * normal());
};
const sameBits = (p: Float32Array, q: Float32Array) => expect(compareBits(p, q).differing).toBe(0);
const dataOf = (tensor: tf.Tensor) => tensor.dataSync() as Float32Array;

/** A model as a file has it, and as it is read from there. */
async function reloaded(model: tf.LayersModel): Promise<tf.LayersModel> {
  const saved = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
    const handler = tf.io.withSaveHandler(async (artifacts) => {
      resolve(artifacts);
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' as const } };
    });
    model.save(handler).catch(reject);
  });
  const modelTopology = JSON.parse(JSON.stringify(saved.modelTopology));
  return tf.loadLayersModel(tf.io.fromMemory({ ...saved, modelTopology }));
}

const examples = Object.entries(EXAMPLES)
  .filter(([name]) => name !== 'ditac')
  .flatMap(([name, list]) =>
    list.map((each, i): [string, FamilyName, Record<string, unknown>] => [
      list.length > 1 ? `${name} ${i + 1}` : name,
      name as FamilyName,
      each.options,
    ]),
  );

describe.each(examples)('%s', (_, name, options) => {
  const Class = FAMILIES[name] as Any;
  const Layer = layerOf(Class) as Any;
  const one = new Class(options);
  const names: string[] = Object.keys(one.parameters);

  test('the operation has the value and the gradients of the activation, bit for bit', () => {
    const [x, gradY] = [normals(60, 1, 2), normals(60, 2)];
    const input = tf.tensor(x, [20, 3]);
    const parameters = names.map((key) => tf.tensor(one.parameters[key]));
    const run = (p: tf.Tensor, ...rest: tf.Tensor[]) =>
      activate(one, p, Object.fromEntries(names.map((key, k) => [key, rest[k]!])));
    sameBits(dataOf(run(input, ...parameters)), one.forward(x));
    const [gradX, ...grads] = tf.grads(
      (...all) => tf.sum(tf.mul(run(...(all as [tf.Tensor])), tf.tensor(gradY, [20, 3]))) as tf.Scalar,
    )([input, ...parameters]);
    const expected = one.backward(x, gradY);
    sameBits(dataOf(gradX!), expected.gradX);
    for (const [k, key] of names.entries()) sameBits(dataOf(grads[k]!), expected.gradients[key]);
  });

  test('one set of parameters a channel: a step lowers the loss, and the saved model gives the same', async () => {
    const layer = new Layer({ ...options, inputShape: [CHANNELS], seed: 1 });
    const model = tf.sequential({ layers: [layer] });
    const shared: readonly string[] = Class.family.shared ?? [];
    const stored = layer.stateDict();
    const { storedNames } = layer.activation;
    // As the checkpoint names them, one a channel but for what is shared.
    expect(layer.weights.map((each: Any) => each.originalName.split('/').at(-1))).toEqual(
      names.map((key) => storedNames[key]),
    );
    for (const key of names) {
      const count = shared.includes(key) ? 1 : CHANNELS;
      expect(stored[storedNames[key]].data.length).toBe(count * one.parameters[key].length);
    }
    // A smooth target that no function of these families is; a step small enough for all of them (1e-3, as is usual).
    const x = tf.tensor2d(normals(64 * CHANNELS, 3), [64, CHANNELS]);
    const target = tf.mul(0.5, tf.sin(tf.mul(1.5, x)));
    // Frequencies that are no whole numbers have no common period, and no plan.
    if (names.length > 0 && name !== 'fourier') {
      model.compile({ optimizer: tf.train.sgd(1e-3), loss: 'meanSquaredError' });
      const before = (await model.trainOnBatch(x, target)) as number;
      const after = tf.losses.meanSquaredError(target, model.predict(x) as tf.Tensor).dataSync()[0]!;
      expect(after).toBeLessThan(before);
      for (const key of names) expect(layer.activation.parameters[key].every(Number.isFinite)).toBe(true);
    }
    const again = await reloaded(model);
    expect(again.layers[0]).toBeInstanceOf(Layer);
    sameBits(dataOf(model.predict(x) as tf.Tensor), dataOf(again.predict(x) as tf.Tensor));
    expect(again.layers[0]!.getConfig()).toEqual(layer.getConfig());
  });

  test('shared: one set for all channels, of which the number need not be known', () => {
    const layer = new Layer({ ...options, inputShape: [null, null], shared: true });
    tf.sequential({ layers: [layer] });
    const x = normals(30, 4, 2);
    sameBits(dataOf(layer.apply(tf.tensor(x, [2, 5, 3])) as tf.Tensor), one.forward(x));
    expect(layer.activation.channels).toBe(1);
  });

  test('NaN is an error that names the parameter, and the activation stays as it was', () => {
    if (names.length === 0) return;
    const layer = new Layer({ ...options, inputShape: [CHANNELS] });
    tf.sequential({ layers: [layer] });
    const act = layer.activation;
    const before = act.parameters;
    const x = tf.tensor2d(normals(2 * CHANNELS, 5), [2, CHANNELS]);
    for (const [k, key] of names.entries()) {
      // Copies: what is returned are the variables.
      const weights: tf.Tensor[] = layer.getWeights().map((each: tf.Tensor) => each.clone());
      layer.setWeights(weights.map((each, j) => (j === k ? tf.fill(each.shape, Number.NaN) : each)));
      expect(() => layer.apply(x)).toThrow(new RegExp(`${key}.* must be a finite float32, got NaN`));
      expect(() => layer.activation).toThrow(RangeError);
      for (const each of names) sameBits(act.parameters[each], before[each]);
      layer.setWeights(weights);
    }
    // A tensor with a NaN: gradients say so, and no step that is taken with them goes unnoticed.
    const { gradients } = act.backward(Float32Array.of(Number.NaN, 1, 2), new Float32Array(3).fill(1), {
      shape: [1, 3],
    });
    for (const key of names) expect(Number.isNaN(gradients[key][0]), key).toBe(true);
  });
});

test('a gradient is not differentiated again without a word', () => {
  const act = new Snake({ alpha: 1, eps: 0 });
  const alpha = tf.tensor1d([1]);
  const x = tf.tensor1d([0.7]);
  const slope = (w: tf.Tensor) => tf.grad((z) => tf.sum(activate(act as Any, tf.mul(w, z), { alpha })))(x);
  expect(dataOf(slope(tf.tensor1d([0.9])))[0]).toBeCloseTo(0.9 * (1 + Math.sin(1.26)), 5);
  expect(() => tf.grad((w) => tf.sum(tf.square(slope(w))))(tf.tensor1d([0.9]))).toThrow(/no second derivatives/);
});

describe('the factory', () => {
  test('takes over a checkpoint with what it is told, and writes one', () => {
    const alpha = { shape: [4], data: Float32Array.of(0.1, -0.2, 0.3, 0.4) };
    const layer = (layerOf(Snake) as Any).fromStateDict(
      { 'a.alpha': alpha },
      { prefix: 'a.', logScale: true, eps: 1e-9, inputShape: [4] },
    );
    tf.sequential({ layers: [layer] });
    sameBits(layer.stateDict({ prefix: 'a.' })['a.alpha'].data, alpha.data);
    const act = new Snake({ alpha: alpha.data, logScale: true, layout: 'channelsLast' });
    const x = normals(20, 1);
    sameBits(dataOf(layer.apply(tf.tensor(x, [5, 4])) as tf.Tensor), act.forward(x));
    expect(() => (layerOf(Snake) as Any).fromStateDict({ 'a.alpha': alpha }, { prefix: 'a.' })).toThrow(/logScale/);
    // One function for all channels stays one.
    const scalar = {
      alpha_p: { shape: [1], data: Float32Array.of(0.2) },
      alpha_n: { shape: [1], data: Float32Array.of(-1) },
    };
    const shared = (layerOf(XIELU) as Any).fromStateDict(scalar, { eps: 0, beta: 0.5, inputShape: [7] });
    tf.sequential({ layers: [shared] });
    expect(shared.getWeights().map((each: tf.Tensor) => each.size)).toEqual([1, 1]);
  });

  test('as many functions as channels are those of so many channels, and no groups', () => {
    const dict = new PReLU({ weight: [0.1, 0.2, 0.3, 0.4] }).stateDict();
    const of = () => layerOf(PReLU).fromStateDict(dict);
    expect(dataOf(of().apply(tf.fill([1, 4], -1)) as tf.Tensor)).toEqual(Float32Array.of(-0.1, -0.2, -0.3, -0.4));
    expect(() => of().apply(tf.fill([1, 8], -1))).toThrow(/weight must be given for 1 or 8 functions, got 4/);
  });

  test('functions of groups serve their channels', () => {
    const layer = new (layerOf(Snake))({ alpha: [0.5, 2], groups: 2, inputShape: [6] });
    tf.sequential({ layers: [layer as never] });
    const x = normals(12, 1);
    const act = new Snake({ alpha: [0.5, 2], channels: 6, layout: 'channelsLast' });
    sameBits(dataOf(layer.apply(tf.tensor(x, [2, 6])) as tf.Tensor), act.forward(x));
  });

  test('channels may come first', () => {
    const layer = new (layerOf(DyT))({ weight: [1, 2], dataFormat: 'channelsFirst', inputShape: [2, 5] });
    tf.sequential({ layers: [layer as never] });
    const x = normals(30, 1);
    const act = new DyT({ alpha: 0.5, weight: [1, 2] });
    sameBits(
      dataOf(layer.apply(tf.tensor(x, [3, 2, 5])) as tf.Tensor),
      act.forward(x, undefined, { shape: [3, 2, 5] }),
    );
  });

  test('a DiTAC has its own; a family of the user has one as well, once', () => {
    expect(layerOf(DiTAC)).toBe(DiTACLayer);
    expect(layerOf(Snake)).toBe(layerOf(Snake));
    // Not 'ELU', which is tfjs' own.
    expect(layerOf(FAMILIES.elu).className).toBe('ditac.ELU');
    const Mine = defineFamily({ ...Snake.family, name: 'Mine' } as Any);
    expect(layerOf(Mine).className).toBe('ditac.Mine');
  });

  test('mistakes are reported when the layer is made, or built', () => {
    const Layer = layerOf(Snake) as Any;
    expect(() => new Layer({ alpa: 1 })).toThrow(/an option of Snake must be one of .*'alpha'/);
    expect(() => new Layer({ alpha: Number.NaN })).toThrow(/alpha must be a finite float32, got NaN/);
    expect(() => new Layer({ channels: 4 })).toThrow(/an option of the layer of Snake must be one of/);
    expect(() => new Layer({ shared: 'alpha' })).toThrow(
      /shared must be true, false or names of parameters, got "alpha"/,
    );
    expect(() => new Layer({ shared: ['beta'] })).toThrow(/a shared parameter must be one of 'alpha', got "beta"/);
    expect(() => new Layer({ groups: 0 })).toThrow(/groups must be an integer from 1/);
    expect(() => new Layer({}).activation).toThrow(/the layer is not built/);
    expect(() => new Layer({}).build([null, null])).toThrow(/must be known to give each channel its parameters/);
    expect(() => new Layer({ alpha: [1, 2] }).build([null, 3])).toThrow(
      /alpha must be given for 1 or 3 functions, got 2/,
    );
    expect(() => new Layer({ alpha: [1, 2], shared: true }).build([null, 3])).toThrow(/shared by all channels, but 2/);
    expect(() => new Layer({ alpha: [1, 2], groups: 2 }).build([null, 3])).toThrow(/multiple of the 2 functions/);
    for (const wrong of [null, {}, () => 1, class {}]) expect(() => layerOf(wrong as Any)).toThrow(/class of a family/);
    const act = new Snake({ alpha: 1 });
    expect(() => activate(act, tf.tensor1d([1]), {} as Any)).toThrow(/alpha must be a tensor, got undefined/);
    expect(() => activate(act, tf.tensor1d([1]), { alpha: tf.tensor1d([1]), beta: tf.tensor1d([1]) } as Any)).toThrow(
      /a parameter must be one of 'alpha', got "beta"/,
    );
  });
});
