/** The TensorFlow.js layer, on tfjs itself. */
import * as tf from '@tensorflow/tfjs';
import { DiTAC, VARIANTS } from 'ditac';
import { compareBits } from 'ditac/oracle';
import { loadSafetensors } from 'ditac/safetensors';
import { activate, DiTACLayer, graphOperator } from 'ditac/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { normalStream } from '../src/cpab/random.js';
import { golden, largest } from './golden.js';

beforeAll(async () => {
  // Without its advertisement for another package.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
});

const normals = (count: number, seed: number, scale = 1) => {
  const normal = normalStream(seed);
  return Float32Array.from({ length: count }, () => scale * normal());
};
const sameBits = (p: Float32Array, q: Float32Array) => expect(compareBits(p, q).differing).toBe(0);
const dataOf = (tensor: tf.Tensor) => tensor.dataSync() as Float32Array;

describe('the operation', () => {
  test('integers and booleans that were cast are numbers, their gradients too', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1 });
    const thetas = tf.tensor2d(act.thetas, [1, act.dimension]);
    for (const [values, type] of [
      [[1, 0, 2, -3], 'int32'],
      [[1, 0, 1, 1], 'bool'],
    ] as const) {
      const right = act.forward(Float32Array.from(values));
      const cast = () => tf.tensor1d([...values], type).toFloat();
      sameBits(right, dataOf(activate(act, cast(), thetas)));
      const grads = tf.grads((p, q) => tf.sum(activate(act, p!, q!)) as tf.Scalar);
      const pass = act.backward(Float32Array.from(values), new Float32Array(4).fill(1));
      const [gradX, gradThetas] = grads([cast(), thetas]);
      sameBits(pass.gradX, dataOf(gradX!));
      sameBits(pass.gradThetas, dataOf(gradThetas!));
      const layer = new DiTACLayer({ a: -3, b: 3, seed: 1, inputShape: [4] });
      const model = tf.sequential({ layers: [layer] });
      sameBits(right, dataOf(model.predict(tf.tensor2d([[...values]] as number[][], [1, 4], type)) as tf.Tensor));
    }
  });

  test.each(VARIANTS)('%s: value and both gradients are ditac’s, bit for bit', (variant) => {
    const act = new DiTAC({ a: -3, b: 3, variant, seed: 3 });
    const [x, gradY] = [normals(600, 1, 2), normals(600, 2)];
    const [input, thetas] = [tf.tensor(x, [20, 30]), tf.tensor(act.thetas, [1, act.dimension])];
    sameBits(dataOf(activate(act, input, thetas)), act.forward(x));
    const grads = tf.grads((p, q) => tf.sum(tf.mul(activate(act, p!, q!), tf.tensor(gradY, [20, 30]))) as tf.Scalar);
    const [gradX, gradThetas] = grads([input, thetas]);
    expect([gradX!.shape, gradThetas!.shape]).toEqual([
      [20, 30],
      [1, act.dimension],
    ]);
    const expected = act.backward(x, gradY);
    sameBits(dataOf(gradX!), expected.gradX);
    sameBits(dataOf(gradThetas!), expected.gradThetas);
  });

  test('θ comes from the tensor, also backwards after it has changed', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1 });
    const other = new DiTAC({ a: -3, b: 3, seed: 2 });
    const x = normals(50, 1);
    const { value, grads } = tf.valueAndGrads((p, q) => {
      const y = activate(act, p!, q!);
      // Used with other parameters in between.
      activate(act, p!, tf.tensor(new Float32Array(9), [1, 9]));
      return tf.sum(y) as tf.Scalar;
    })([tf.tensor(x), tf.tensor(other.thetas, [1, 9])]);
    expect(value.dataSync()[0]).toBeCloseTo(
      other.forward(x).reduce((p, q) => p + q),
      3,
    );
    sameBits(dataOf(grads[1]!), other.backward(x, new Float32Array(50).fill(1)).gradThetas);
  });

  test('a θ that is not finite is an error, not a silence', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1 });
    expect(() => activate(act, tf.tensor([1]), tf.fill([1, 9], Number.NaN))).toThrow(
      /thetas\[0\] must be finite, got NaN/,
    );
    expect(() => activate(act, tf.tensor([1], [1], 'int32'), tf.zeros([1, 9]))).toThrow(
      /float32 tensor, got one of "int32"/,
    );
  });
});

describe('the layer', () => {
  test('learns in a sequential model beside dense layers, and leaks no tensor', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 12, inputShape: [1], kernelInitializer: tf.initializers.glorotUniform({ seed: 1 }) }),
        new DiTACLayer({ a: -3, b: 3, seed: 1 }) as never,
        tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotUniform({ seed: 2 }) }),
      ],
    });
    model.compile({ optimizer: tf.train.adam(0.02), loss: 'meanSquaredError' });
    const x = Float32Array.from({ length: 64 }, (_, i) => i / 32 - 1);
    const [inputs, targets] = [
      tf.tensor2d(x, [64, 1]),
      tf.tensor2d(
        x.map((v) => Math.sin(5 * v)),
        [64, 1],
      ),
    ];
    const first = (await model.trainOnBatch(inputs, targets)) as number;
    const tensors = tf.memory().numTensors;
    const thetas = dataOf(model.layers[1]!.getWeights()[0]!).slice();
    let last = first;
    for (let step = 0; step < 300; step++) last = (await model.trainOnBatch(inputs, targets)) as number;
    expect(tf.memory().numTensors).toBe(tensors);
    expect(last).toBeLessThan(first / 10);
    expect(compareBits(thetas, dataOf(model.layers[1]!.getWeights()[0]!)).differing).toBe(9);
  });

  test('behind a convolution, one θ a channel', () => {
    const layer = new DiTACLayer({ a: -3, b: 3, seed: 2, perChannel: true });
    const model = tf.sequential({
      layers: [tf.layers.conv2d({ filters: 5, kernelSize: 3, inputShape: [8, 8, 1], padding: 'same' }), layer as never],
    });
    const y = model.predict(tf.randomNormal([2, 8, 8, 1])) as tf.Tensor;
    expect(y.shape).toEqual([2, 8, 8, 5]);
    expect(layer.getWeights()[0]!.shape).toEqual([5, 9]);
    const x = normals(2 * 8 * 8 * 5, 3);
    const act = new DiTAC({ a: -3, b: 3, thetas: layer.activation.thetas, layout: 'channelsLast' });
    sameBits(dataOf(layer.apply(tf.tensor(x, [2, 8, 8, 5])) as tf.Tensor), act.forward(x));
  });

  test('the loss contains the regulariser', async () => {
    const loss = async (lambdaRegLoss: number) => {
      const layer = new DiTACLayer({ a: -3, b: 3, seed: 2, lambdaRegLoss });
      const model = tf.sequential({ layers: [tf.layers.inputLayer({ inputShape: [4] }), layer as never] });
      model.compile({ optimizer: tf.train.sgd(0), loss: 'meanSquaredError' });
      const x = tf.tensor2d(normals(8, 1), [2, 4]);
      const value = (await model.trainOnBatch(x, x)) as number;
      return { value, penalty: layer.activation.regularization({ lambda: lambdaRegLoss }).loss };
    };
    const [without, with3] = [await loss(0), await loss(3)];
    expect(without.penalty).toBe(0);
    expect(with3.penalty).toBeGreaterThan(0);
    // Both in float32.
    expect(with3.value - without.value).toBeCloseTo(with3.penalty, 5);
  });

  test('saves and loads with its model, custom basis and all', async () => {
    const matrix = new DiTAC({ tess: 6, seed: 1, basis: 'svd' }).basis;
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 3, inputShape: [2] }),
        new DiTACLayer({ tess: 6, a: -2, b: 2, variant: 'leaky', basis: matrix, perChannel: true }) as never,
      ],
    });
    const saved = (await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
      const handler = tf.io.withSaveHandler(async (artifacts) => {
        resolve(artifacts);
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' as const } };
      });
      model.save(handler).catch(reject);
    })) as tf.io.ModelArtifacts;
    // Through text, as a file would.
    const topology = JSON.parse(JSON.stringify(saved.modelTopology));
    const loaded = await tf.loadLayersModel(tf.io.fromMemory({ ...saved, modelTopology: topology }));
    const x = tf.randomNormal([10, 2]);
    sameBits(dataOf(model.predict(x) as tf.Tensor), dataOf(loaded.predict(x) as tf.Tensor));
    expect(loaded.layers[1]!.getConfig()).toEqual(model.layers[1]!.getConfig());
  });

  test('PyTorch’s checkpoint in, its bits out; training goes on from there', async () => {
    const { tensors } = loadSafetensors(golden('nets/mlp_double_2d_ditac_seed1.safetensors'));
    const layer = DiTACLayer.fromStateDict(tensors, { prefix: 'act_1.', a: -3, b: 3, variant: 'gelu' });
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 50, inputShape: [2] }), layer as never, tf.layers.dense({ units: 1 })],
    });
    const out = layer.stateDict({ prefix: 'act_1.' });
    for (const name of ['act_1.thetas', 'act_1.precision_mat']) {
      expect(out[name]!.shape).toEqual(tensors[name]!.shape);
      sameBits(out[name]!.data as Float32Array, tensors[name]!.data as Float32Array);
    }
    model.compile({ optimizer: tf.train.adam(0.005), loss: 'meanSquaredError' });
    await model.trainOnBatch(tf.randomNormal([98, 2]), tf.randomNormal([98, 1]));
    const trained = layer.stateDict({ prefix: 'act_1.' });
    expect(
      compareBits(trained['act_1.thetas']!.data as Float32Array, out['act_1.thetas']!.data as Float32Array).differing,
    ).toBe(9);
    sameBits(trained['act_1.precision_mat']!.data as Float32Array, out['act_1.precision_mat']!.data as Float32Array);
    // And what was trained here is a checkpoint like any other.
    const again = DiTAC.fromStateDict(trained, { prefix: 'act_1.' });
    const x = normals(100, 1, 2);
    sameBits(again.forward(x), layer.activation.forward(x));
    expect(largest(again.thetas.map(Math.abs))).toBeLessThan(10);
  });

  test('mistakes are reported when the layer is made', () => {
    expect(() => new DiTACLayer({ tess: 0 })).toThrow(/tess must be an integer from 1 to 4096, got 0/);
    expect(() => new DiTACLayer({ lambdaRegLoss: Number.NaN })).toThrow(/lambdaRegLoss must be finite/);
    expect(() => new DiTACLayer({}).activation).toThrow(/the layer is not built/);
    expect(() => new DiTACLayer({ perChannel: true }).build([null, null])).toThrow(
      /must be known to give each channel/,
    );
  });
});

test('a converted model has its activations by registerOp', async () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 1, channels: 2, layout: 'channelsLast' });
  const text = (value: string) => ({ s: Buffer.from(value).toString('base64') });
  const float = { type: 'DT_FLOAT' };
  const modelTopology = {
    node: [
      { name: 'x', op: 'Placeholder', attr: { dtype: float, shape: { shape: { dim: [{ size: -1 }, { size: 2 }] } } } },
      { name: 'y', op: 'DitacAct', input: ['x'], attr: { prefix: text('act.'), T: float } },
      { name: 'z', op: 'DitacAct', input: ['y'], attr: { prefix: text('other.'), T: float } },
    ],
    versions: { producer: 1 },
  };
  tf.registerOp('DitacAct', graphOperator({ 'act.': act }) as never);
  const handler = tf.io.fromMemory({ modelTopology, weightSpecs: [], weightData: new ArrayBuffer(0) } as never);
  const model = await tf.loadGraphModel(handler);
  const x = tf.tensor2d([-1, 0.5, 2, 4], [2, 2]);
  const y = model.execute(x, 'y') as tf.Tensor;
  expect([...y.dataSync()]).toEqual([...act.forward(Float32Array.of(-1, 0.5, 2, 4))]);
  expect(() => model.execute(x, 'z')).toThrow(/the attribute prefix of a node must be one of 'act\.', got "other\."/);
  tf.deregisterOp('DitacAct');
});
