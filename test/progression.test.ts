/** Training that grows: when it is time, what becomes of an optimiser's state, and models of tfjs that are refined in place. */
import * as tf from '@tensorflow/tfjs';
import { BSpline, Chebyshev, DiTAC, KANLayer, Polynomial, Progression, PWLU, Rational, Snake, Yevick } from 'ditac';
import { compareBits } from 'ditac/oracle';
import { DiTACLayer, KANLinear, layerOf, ProgressiveTraining } from 'ditac/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { normalStream } from '../src/cpab/random.js';

// biome-ignore lint/suspicious/noExplicitAny: layers of every family
type Any = any;

beforeAll(async () => {
  // Without its advertisement for another package.
  tf.env().set('IS_TEST', true);
  await tf.setBackend('cpu');
});

const normals = (count: number, seed: number) => {
  const normal = normalStream(seed);
  return Float32Array.from({ length: count }, normal);
};
const dataOf = (tensor: tf.Tensor) => tensor.dataSync().slice() as Float32Array;
const largest = (values: ArrayLike<number>) => Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

describe('when', () => {
  test('after so many observations that are not better by a share of the best', () => {
    const progression = new Progression({ patience: 2, threshold: 0.1, refinements: 2 });
    const told = [1, 0.95, 0.85, 0.8, 0.78, 0.5, 0.46, 0.47, 0.1, 0.1, 0.1, 0.1].map((loss) =>
      progression.observe(loss),
    );
    //            ↑ better than nothing  ↑ stalls        ↑ better     ↑ stalls again, and nothing is left
    expect(told.map(Number)).toEqual([0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
    expect(progression.left).toBe(0);
  });

  test('losses below zero count too, and what is no number is an error', () => {
    const progression = new Progression({ patience: 1, threshold: 0.1 });
    expect([-1, -1.2, -1.25].map((loss) => progression.observe(loss))).toEqual([false, false, true]);
    expect(() => progression.observe(Number.NaN)).toThrow(/loss must be finite, got NaN/);
    expect(() => new Progression({ threshold: 2 })).toThrow(/from 0 to 1/);
    expect(() => new Progression({ patience: 0 })).toThrow(RangeError);
  });
});

describe('an optimiser’s state', () => {
  test.each([
    ['Polynomial', new Polynomial({ coefficients: [0.1, 0.8, 0.2] }), 'coefficients'],
    ['Chebyshev', new Chebyshev({ coeffs: [0.1, 0.5, -0.2] }), 'coeffs'],
    ['Rational', new Rational({ version: 'A', numerator: [0.1, 1, 0.2, 0.1], denominator: [0.1, 0.3] }), 'numerator'],
  ] as const)('%s: parameters that keep their places keep their averages, new ones have none', (_, act, name) => {
    const before = act as Any;
    const { length } = before.parameters[name];
    const state = { [name]: Float32Array.from({ length }, (_, k) => k + 0.3) };
    const { activation, first, second } = new Progression().refine(before, { first: state, second: state });
    expect(activation.parameters[name].length).toBeGreaterThan(length);
    for (const moved of [first, second]) {
      expect([...moved[name]!.subarray(0, length)]).toEqual([...state[name]!]);
      expect(largest(moved[name]!.subarray(length))).toBe(0);
    }
    // The activation is as it was.
    expect(before.parameters[name].length).toBe(length);
  });

  const refinable: [string, Any, string][] = [
    ['DiTAC', new DiTAC({ a: -3, b: 3, tess: 5, seed: 1, channels: 2 }), 'thetas'],
    ['PWLU', new PWLU({ left: -2, right: 2, values: [0.1, -0.1, 0.2, 0.9, 2.1], slopes: [0.1, 1.1] }), 'values'],
    [
      'BSpline',
      new BSpline({
        grid: [-2, -1, 0, 1, 2, 3],
        spline_weight: [
          [1, 2, 3],
          [0, -1, 1],
        ],
        channels: 2,
      }),
      'spline_weight',
    ],
    ['KANLayer', new KANLayer({ inputs: 2, outputs: 2, cells: 3, seed: 1 }), 'spline_weight'],
  ];
  test.each(refinable)('%s: what averages say of directions that existed is kept', (_, act, name) => {
    const parametersOf = (of: Any): Float32Array => (of.thetas ? of.thetas : of.parameters[name]);
    const before = parametersOf(act);
    const state = normals(before.length, 3);
    const { activation, first, second } = new Progression().refine(act, {
      first: { [name]: state },
      second: { [name]: state.map(Math.abs) },
    });
    const fine = parametersOf(activation);
    expect(first[name]!.length).toBe(fine.length);
    expect(second[name]!.every((v) => v >= 0)).toBe(true);
    // Along every old direction, of all that are refined, the average is what it was.
    for (let j = 0; j < before.length; j++) {
      act.update({ [name]: before.map((v, k) => (k === j ? v + 0.125 : v)) });
      const column = parametersOf(act.refine(2)).map((v, k) => (v - fine[k]!) * 8);
      act.update({ [name]: before });
      const along = column.reduce((sum, v, k) => sum + v * first[name]![k]!, 0);
      // Differences of float32, 2⁻²⁴·2³ of parameters up to 3, many of them.
      expect(Math.abs(along - state[j]!)).toBeLessThan(1e-4);
    }
  });

  test('gradients of the refined activation say the same of old directions as those of the old one', () => {
    const act = new DiTAC({ a: -3, b: 3, tess: 5, seed: 2 });
    const [x, gradY] = [normals(500, 4), normals(500, 5)];
    const coarse = act.backward(x, gradY).gradThetas;
    const fine = act.refine(2);
    const found = fine.backward(x, gradY).gradThetas;
    coarse.forEach((g, j) => {
      const moved = act.thetas.map((v, k) => (k === j ? v + 2 ** -6 : v));
      const other = new DiTAC({ a: -3, b: 3, tess: 5, thetas: moved }).refine(2).thetas;
      const along = found.reduce((sum, v, k) => sum + v * (other[k]! - fine.thetas[k]!) * 64, 0);
      // What both promise, 10⁻⁵ of the largest component, and differences of float32.
      expect(Math.abs(along - g)).toBeLessThan(5e-5 * largest(found));
    });
  });

  test('what does not fit is refused', () => {
    const progression = new Progression();
    expect(() => progression.refine(new Snake({ alpha: 1 }))).toThrow(/nothing to refine/);
    expect(() => progression.refine(7 as Any)).toThrow(/one that can be refined, got 7/);
    const act = new Polynomial({ coefficients: [1, 2] });
    expect(() => progression.refine(act as Any, { first: { coefficients: [1] } })).toThrow(
      /must hold 2 numbers, got 1/,
    );
    const state = (first: object) => () => progression.refine(new DiTAC({ a: -3, b: 3, seed: 1 }), { first } as Any);
    expect(state({ theta: new Float32Array(9) })).toThrow(
      /a parameter must be 'thetas', got "theta"|thetas.*got "theta"/,
    );
    expect(state({ thetas: 'ninechars' })).toThrow(/the state of thetas must be an array of numbers, got "ninechars"/);
    expect(state({ thetas: null })).toThrow(/must be an array of numbers, got null/);
    expect(state({ thetas: new Array(9).fill(Number.NaN) })).toThrow(/the state of thetas must be/);
  });
});

const target = (x: tf.Tensor) => tf.sin(tf.mul(x, 4));
const stateOf = async (model: tf.LayersModel) =>
  Object.fromEntries((await model.optimizer.getWeights()).map(({ name, tensor }) => [name, tensor]));

describe.each<[string, () => tf.layers.Layer]>([
  ['DiTACLayer', () => new DiTACLayer({ a: -3, b: 3, tess: 4, seed: 1 })],
  ['a layer of Polynomial', () => new (layerOf(Polynomial))({ coefficients: [0, 1, 0.1] as Any, shared: true })],
  [
    'a layer of BSpline',
    () =>
      new (layerOf(BSpline))({
        grid: [-3, -1, 1, 3],
        shared: true,
        spline_weight: [0.1, 0.2],
      } as Any),
  ],
  ['KANLinear', () => new KANLinear({ units: 4, range: [-2, 2], cells: 3, seed: 1 })],
])('%s', (_, make) => {
  const build = () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({ units: 4, inputShape: [1], kernelInitializer: tf.initializers.randomNormal({ seed: 1 }) }),
        make(),
        tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.randomNormal({ seed: 2 }) }),
      ],
    });
    model.compile({ optimizer: tf.train.adam(0.005), loss: 'meanSquaredError' });
    return model;
  };
  const x = tf.tensor2d(normals(64, 3), [64, 1]);
  const y = target(x);

  test('a model is refined in place: the same outputs, the optimiser’s state, no tensor more, and it trains on', async () => {
    const model = build();
    for (let step = 0; step < 4; step++) await model.trainOnBatch(x, y);
    const before = dataOf(model.predict(x) as tf.Tensor);
    const kept = await stateOf(model);
    const values = Object.fromEntries(Object.entries(kept).map(([name, each]) => [name, dataOf(each)]));
    const count = model.countParams();
    const weights = model.layers[1]!.weights.length;
    const tensors = tf.memory().numTensors;
    await new ProgressiveTraining(model).refine();
    // The state was asked for here too, which makes one tensor: how many steps were taken.
    expect(tf.memory().numTensors).toBe(tensors);
    expect(model.countParams()).toBeGreaterThan(count);
    expect(model.layers[1]!.weights.length).toBe(weights);
    const after = dataOf(model.predict(x) as tf.Tensor);
    expect(largest(after.map((v, i) => v - before[i]!))).toBeLessThan(1e-5 * Math.max(largest(before), 1));
    const moved = await stateOf(model);
    expect(Object.keys(moved).length).toBe(Object.keys(kept).length);
    let grown = 0;
    for (const [k, [name, each]] of Object.entries(moved).entries()) {
      const [old, was] = Object.entries(values)[k]!;
      if (was.length === each.size) {
        expect([name.replace(/.*\//, ''), dataOf(each)]).toEqual([old.replace(/.*\//, ''), was]);
      } else {
        grown += 1;
        expect(largest(was)).toBeGreaterThan(0);
        expect(largest(dataOf(each))).toBeGreaterThan(0);
      }
    }
    expect(grown).toBeGreaterThanOrEqual(2);
    const loss = (await model.trainOnBatch(x, y)) as number;
    for (let step = 0; step < 8; step++) await model.trainOnBatch(x, y);
    expect((await model.trainOnBatch(x, y)) as number).toBeLessThan(loss);
    expect(model.layers[1]!.getWeights().every((each) => dataOf(each).every(Number.isFinite))).toBe(true);
  });

  test('a refined model is saved and loaded', async () => {
    const model = build();
    await model.trainOnBatch(x, y);
    await new ProgressiveTraining(model, { factor: 3 }).refine();
    await model.trainOnBatch(x, y);
    const saved = await new Promise<tf.io.ModelArtifacts>((resolve, reject) => {
      const handler = tf.io.withSaveHandler(async (artifacts) => {
        resolve(artifacts);
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' as const } };
      });
      model.save(handler).catch(reject);
    });
    const modelTopology = JSON.parse(JSON.stringify(saved.modelTopology));
    const again = await tf.loadLayersModel(tf.io.fromMemory({ ...saved, modelTopology }));
    const [p, q] = [model, again].map((each) => dataOf(each.predict(x) as tf.Tensor));
    expect(compareBits(p!, q!).differing).toBe(0);
  });
});

test('fit refines by its callbacks', async () => {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 3, inputShape: [1] }),
      new DiTACLayer({ a: -3, b: 3, tess: 2, seed: 1 }),
      tf.layers.dense({ units: 1 }),
    ],
  });
  model.compile({ optimizer: tf.train.rmsprop(1e-4), loss: 'meanSquaredError' });
  const growth = new ProgressiveTraining(model, { patience: 1, threshold: 0.9, refinements: 2 });
  const x = tf.tensor2d(normals(40, 1), [40, 1]);
  const y = target(x);
  await model.fit(x, y, { epochs: 5, verbose: 0, validationSplit: 0.2, callbacks: growth.callbacks });
  expect(growth.left).toBe(0);
  expect((model.layers[1] as DiTACLayer).activation.tess).toBe(8);
  const none = new ProgressiveTraining(model);
  await expect(model.fit(x, y, { epochs: 1, verbose: 0, callbacks: none.callbacks })).rejects.toThrow(
    /needs 'val_loss' among what fit logs, got loss; 'val_loss' needs validationSplit/,
  );
});

test('layers of models within a model grow too', async () => {
  const grown = (seed: number) => new DiTACLayer({ a: -3, b: 3, tess: 4, seed, inputShape: [4] });
  const [first, second] = [grown(1), grown(2)];
  const model = tf.sequential({ layers: [first, tf.sequential({ layers: [second] })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  await new ProgressiveTraining(model).refine();
  expect([first, second].map((each) => each.activation.tess)).toEqual([8, 8]);
  await model.trainOnBatch(tf.ones([2, 4]), tf.ones([2, 4]));
});

test('an optimiser that does not say what it keeps is refused before anything changes', async () => {
  const layer = new DiTACLayer({ a: -3, b: 3, tess: 4, seed: 1, inputShape: [4] });
  const model = tf.sequential({ layers: [layer] });
  model.compile({ optimizer: tf.train.adamax(0.01), loss: 'meanSquaredError' });
  const train = () => model.trainOnBatch(tf.ones([2, 4]), tf.ones([2, 4]));
  await train();
  await expect(new ProgressiveTraining(model).refine()).rejects.toThrow(/getWeights/);
  expect(layer.activation.tess).toBe(4);
  await train();
});

test('a model without a layer that grows is refused', () => {
  const model = tf.sequential({ layers: [new (layerOf(Snake))({ inputShape: [2] })] });
  expect(() => new ProgressiveTraining(model)).toThrow(/needs a layer that can be refined/);
  expect(() => new ProgressiveTraining({} as Any)).toThrow(/must be a model of tfjs/);
  const able = tf.sequential({ layers: [new DiTACLayer({ inputShape: [2], seed: 1, name: 'act' })] });
  expect(() => new ProgressiveTraining(able, { layers: ['acts'] })).toThrow(/must be one of 'act', got "acts"/);
});

test('a layer whose refinement has other parameters stays as it is', () => {
  const layer = new (layerOf(Yevick))({ gamma: 0.5, alpha: 1, beta: 0.2, inputShape: [2] } as Any);
  tf.sequential({ layers: [layer] });
  const before = layer.stateDict();
  expect(() => (layer as Any).refine()).toThrow(/must keep its parameters, got the new neg/);
  expect(layer.stateDict()).toEqual(before);
});

describe('KANLinear', () => {
  test('values and gradients are those of the layer', async () => {
    const layer = new KANLinear({ units: 3, seed: 2, inputShape: [2], name: 'kan' });
    tf.sequential({ layers: [layer] });
    const own = layer.layer;
    const [x, gradY] = [normals(20, 1), normals(30, 2)];
    const input = tf.tensor(x, [5, 2, 2]);
    const y = layer.apply(input) as tf.Tensor;
    expect(y.shape).toEqual([5, 2, 3]);
    expect(compareBits(dataOf(y), own.forward(x)).differing).toBe(0);
    const trained = layer.apply(input, { training: true }) as tf.Tensor;
    expect(compareBits(dataOf(trained), own.direct(x)).differing).toBe(0);
    const { value, grads } = tf.variableGrads(
      () => tf.sum(tf.mul(layer.apply(input) as tf.Tensor, tf.tensor(gradY, [5, 2, 3]))) as tf.Scalar,
    );
    expect(value.shape).toEqual([]);
    const { gradients } = own.backward(x, gradY);
    expect(Object.values(grads).map(dataOf)).toEqual(Object.values(gradients));
    const gradX = tf.grad((each) => tf.sum(tf.mul(layer.apply(each) as tf.Tensor, tf.tensor(gradY, [5, 2, 3]))))(input);
    expect(compareBits(dataOf(gradX), own.backward(x, gradY).gradX).differing).toBe(0);
  });

  test('takes over a checkpoint and gives it back', () => {
    const own = new KANLayer({ inputs: 2, outputs: 3, seed: 5, cells: 4, range: [-2, 1] });
    const layer = KANLinear.fromStateDict(own.stateDict({ prefix: 'l.', class: 'pykan' }), { prefix: 'l.' });
    tf.sequential({ layers: [layer] });
    expect(layer.stateDict()).toEqual(own.stateDict());
  });

  test('mistakes are reported when it is made', () => {
    expect(() => new KANLinear({} as Any)).toThrow(/needs the option units/);
    expect(() => new KANLinear({ units: 2, range: [1, 1] })).toThrow(/range must ascend/);
    expect(() => new KANLinear({ units: 2, unit: 2 } as Any)).toThrow(/an option of KANLinear/);
    expect(() => new KANLinear({ units: 2 }).layer).toThrow(/not built/);
  });
});
