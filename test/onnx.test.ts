/** Whole networks: models of standard operators with the kernel's bits, and sessions split around it. */
import { readFileSync } from 'node:fs';
import { Chebyshev, CompiledActivation, DiTAC, PReLU, Snake } from 'ditac';
import type { FamilyName } from 'ditac/families';
import { activationModel, type Form, OnnxError, rewriteModel, SplitSession } from 'ditac/onnx';
import { loadSafetensors } from 'ditac/safetensors';
import * as ort from 'onnxruntime-web';
import { describe, expect, test } from 'vitest';
import { tries } from './effort.js';
import { familyClass } from './family-cases.js';
import { EXAMPLES } from './family-examples.js';
import { mutations } from './mutations.js';
import { differingBits, hardInputs } from './onnx-inputs.js';
import { BOOL, digits, FLOAT16, type Graph, INT64, model, node, parse, value } from './onnx-models.js';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

type Feeds = Record<string, ort.Tensor>;

async function run(bytes: Uint8Array, feeds: Feeds, level: 'all' | 'disabled' = 'all') {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: level, logSeverityLevel: 3 });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

/** A model of one activation. */
const single = (shape: readonly (number | string)[], domain = 'com.ditac', opset = 18) =>
  model(
    {
      name: 'one',
      node: [node('Any', ['x'], ['y'], {}, { domain })],
      input: [value('x', shape)],
      output: [value('y', shape)],
    },
    opset,
    {},
    { [domain]: 1 },
  );

const float32 = (data: Float32Array, dims: readonly number[]) => new ort.Tensor('float32', data, dims);
const dataOf = (tensor: ort.Tensor | undefined) => tensor!.data as Float32Array;

type Made = InstanceType<ReturnType<typeof familyClass>>;
const made = (family: FamilyName, options: object): Made => new (familyClass(family))({ ...options });

describe('every family has the same bits in onnxruntime', () => {
  test.each(Object.keys(EXAMPLES) as FamilyName[])('%s', async (family) => {
    for (const [i, { options }] of EXAMPLES[family].entries()) {
      const act = made(family, options);
      const x = hardInputs(act.plan, 3000);
      const expected = act.forward(x);
      // All forms and levels of every family, with a million inputs: npm run test:onnx.
      const forms: [Form, 'all' | 'disabled'][] = [['exact', 'all']];
      if (i === 0 && ['ditac', 'snake'].includes(family))
        forms.push(['exact', 'disabled'], ['webgpu', 'all'], ['small', 'all'], ['small', 'disabled']);
      for (const [form, level] of forms) {
        const { model: bytes, replaced } = rewriteModel(single(['n']), () => act, { form });
        expect(replaced).toMatchObject([{ node: '/y/Any', ulp: act.plan.certificate.ulp }]);
        const { y } = await run(bytes, { x: float32(x, [x.length]) }, level);
        expect(`${form} ${level} ${differingBits(dataOf(y), expected)}`).toBe(`${form} ${level} 0`);
      }
    }
  });
});

test('where segments answer for tiny inputs, results below 2⁻⁹⁰ are +0', async () => {
  for (const [a, b] of [
    [-7e-46, 0.5],
    [-0.5, -1e-30],
    [1e-25, 2],
  ] as const) {
    const act = new DiTAC({ a, b, seed: 2, tess: 3 });
    const near = [0, 1e-39, 1.2e-38, 1e-32, 1e-28, 1e-26, 1e-22, 1e-20, 3e-19];
    const x = Float32Array.from(near.flatMap((at) => [at, -at]));
    const { model: bytes } = rewriteModel(single(['n']), () => act, { form: 'exact' });
    for (const level of ['all', 'disabled'] as const) {
      const { y } = await run(bytes, { x: float32(x, [x.length]) }, level);
      expect(differingBits(dataOf(y), act.forward(x))).toBe(0);
    }
  }
});

// Those at which operators that are used here changed, and the newest that this onnxruntime knows.
test.each([13, 16, 18, 20, 23])('opset %i', async (opset) => {
  const act = new Snake({ alpha: 0.7 });
  const x = hardInputs(act.plan, 2000);
  for (const form of opset === 13 || opset === 23
    ? (['exact', 'small', 'webgpu', 'compact'] as const)
    : (['exact'] as const)) {
    const function_ = form === 'compact' ? new DiTAC({ a: -3, b: 3, seed: 1 }) : act;
    const { model: bytes } = rewriteModel(single(['n'], 'com.ditac', opset), () => function_, { form });
    const { y } = await run(bytes, { x: float32(x, [x.length]) });
    if (form !== 'compact') expect(differingBits(dataOf(y), act.forward(x))).toBe(0);
  }
});

describe('channels', () => {
  const acts = {
    first: new DiTAC({ a: -3, b: 3, seed: 3, channels: 5 }),
    last: new DiTAC({ a: -3, b: 3, seed: 4, channels: 5, layout: 'channelsLast' }),
    snake: new Snake({ alpha: [0.2, 1, 3, 0.5, 0.7] }),
    // Slopes of zero and of both signs, through 0 and not.
    prelu: new PReLU({ weight: [0.3, -0.5, 0, -0, 1] }),
    off: new Chebyshev({
      coeffs: [
        [0, 1, 0],
        [0.1, 0.5, -0.2],
        [0, -1, 0],
        [0.3, 0, 0],
        [0, 0, 0],
      ],
    }),
  };
  const one = (size: number, act: { planOf(channel: number): DiTAC['plan'] }) => {
    const x = new Float32Array(size);
    for (let c = 0; c < 5; c++) {
      const inputs = hardInputs(act.planOf(c), size, c + 1);
      for (let i = c; i < size; i += 5) x[i] = inputs[i]!;
    }
    return x;
  };
  test.each([
    ['first', [4, 5, 6, 10], ['n', 5, 6, 10]],
    ['first', [40, 5, 7], ['n', 5, 'length']],
    ['first', [240, 5], ['n', 5]],
    ['last', [4, 6, 10, 5], ['n', 6, 10, 5]],
    ['last', [240, 5], undefined],
    ['snake', [40, 5, 8], ['n', 5, 8]],
    ['prelu', [40, 5, 8], ['n', 5, 'any']],
    ['off', [40, 5, 8], ['n', 5, 8]],
  ] as const)('%s, %j', async (name, shape, declared) => {
    const act = acts[name];
    const size = shape.reduce((product: number, each: number) => product * each, 1);
    const x = one(size, act);
    const expected = act.forward(x, undefined, { shape: [...shape] });
    for (const form of (declared?.at(-1) === 'length' || name === 'off'
      ? ['exact', 'webgpu', 'small']
      : ['exact']) as Form[]) {
      const bytes = rewriteModel(single((declared ?? shape) as readonly (number | string)[]), () => act, {
        form,
      }).model;
      const { y } = await run(bytes, { x: float32(x, shape) });
      expect([form, differingBits(dataOf(y), expected), y!.dims]).toEqual([form, 0, shape]);
    }
  });

  test('an activation alone is a model: of any shape, or with its channels', async () => {
    const snake = made('snake', { alpha: 0.7 });
    const x = hardInputs(snake.plan, 240);
    for (const shape of [[240], [4, 60], [2, 3, 5, 8]]) {
      const { y } = await run(activationModel(snake), { x: float32(x, shape) });
      expect([differingBits(dataOf(y), snake.forward(x)), y!.dims]).toEqual([0, shape]);
    }
    for (const [name, shape] of [
      ['first', [4, 5, 12]],
      ['last', [48, 5]],
    ] as const) {
      const act = acts[name];
      const own = one(240, act);
      const { y } = await run(activationModel(act, { form: 'small' }), { x: float32(own, shape) });
      expect(differingBits(dataOf(y), act.forward(own, undefined, { shape: [...shape] }))).toBe(0);
    }
    // Another reader of protocol buffers finds what onnx.proto asks for.
    const { irVersion, opsetImport, graph } = parse(activationModel(snake));
    expect([irVersion, opsetImport[0]!.version, graph!.input[0]!.name]).toEqual([8n, 17n, 'x']);
    expect(() => activationModel({} as never)).toThrow(TypeError);
  });

  test('other channels than the model has are refused', () => {
    expect(() => rewriteModel(single(['n', 4, 8]), () => acts.first)).toThrow(/axis 1 must be the 5 channels/);
  });

  // Where the model does not say how many channels there are, the runtime refuses other numbers of them.
  test.each([
    ['first', ['a', 'b', 'c'], [2, 5, 8], [2, 8, 5]],
    ['first', ['a', 'b', 'c'], [2, 5, 8], [2, 10, 4]],
    ['first', ['a', 'b', 'c'], [2, 5, 8], [5, 2, 8]],
    ['first', ['a', 'b', 'c', 'd'], [2, 5, 8, 3], [2, 1, 5, 3]],
    ['first', ['a', 'b'], [4, 5], [5, 4]],
    ['first', undefined, [2, 5, 8], [2, 8, 5]],
    ['first', undefined, [2, 5], [5, 2]],
    ['last', ['a', 'b', 'c'], [2, 8, 5], [2, 5, 8]],
    ['last', ['a', 'b', 'c'], [2, 8, 5], [2, 4, 10]],
    ['last', undefined, [8, 5], [5, 8]],
    ['last', ['a'], [5], [10]],
    ['prelu', ['a', 'b', 'c'], [2, 5, 8], [2, 10, 4]],
  ] as const)('%s, declared %j: %j but not %j', async (name, declared, right, wrong) => {
    const act = acts[name];
    const size = right.reduce((product: number, each: number) => product * each, 1);
    const x = one(size, act);
    const expected = act.forward(x, undefined, { shape: [...right] });
    for (const form of ['exact', 'webgpu', 'small', 'compact'] as Form[]) {
      const bytes = rewriteModel(single(declared as never), () => act, { form }).model;
      const { y } = await run(bytes, { x: float32(x, right) });
      if (form !== 'compact') expect([form, differingBits(dataOf(y), expected)]).toEqual([form, 0]);
      const other = wrong.reduce((product: number, each: number) => product * each, 1);
      await expect(run(bytes, { x: float32(new Float32Array(other), wrong) }), form).rejects.toThrow();
    }
  });

  test('empty tensors stay empty', async () => {
    for (const [name, shape, declared] of [
      ['first', [0, 5, 8], ['n', 5, 8]],
      ['first', [0, 5, 8], ['n', 'c', 'l']],
      ['first', [2, 5, 0], ['n', 5, 'l']],
      ['first', [2, 5, 3, 0], ['n', 'c', 'h', 'w']],
      ['last', [2, 0, 5], ['n', 'l', 5]],
      ['last', [2, 0, 5], ['n', 'l', 'c']],
    ] as const)
      for (const form of ['exact', 'webgpu', 'small', 'compact'] as Form[]) {
        const { model: bytes } = rewriteModel(single(declared), () => acts[name], { form });
        const { y } = await run(bytes, { x: float32(new Float32Array(0), shape) });
        expect([form, ...y!.dims]).toEqual([form, ...shape]);
      }
    const alone = new DiTAC({ a: -3, b: 3, seed: 1 });
    for (const shape of [[0], [3, 0], [2, 0, 4]])
      for (const form of ['exact', 'webgpu', 'small', 'compact'] as Form[]) {
        const { model: bytes } = rewriteModel(single(shape.map((_, i) => `d${i}`)), () => alone, { form });
        const { y } = await run(bytes, { x: float32(new Float32Array(0), shape) });
        expect([form, ...y!.dims]).toEqual([form, ...shape]);
      }
  });
});

test('the compact form keeps its bound', async () => {
  for (const family of ['ditac', 'swish', 'xielu', 'rational'] as const) {
    const act = made(family, EXAMPLES[family][0]!.options);
    const { model: bytes, replaced } = rewriteModel(single(['n']), () => act, { form: 'compact' });
    const x = Float32Array.from({ length: 20_001 }, (_, i) => (i - 10_000) / 625);
    const { y } = await run(bytes, { x: float32(x, [x.length]) });
    const expected = act.forward(x);
    const worst = dataOf(y).reduce((most, each, i) => Math.max(most, Math.abs(each - expected[i]!)), 0);
    expect(worst).toBeLessThanOrEqual(replaced[0]!.bound!);
    expect(replaced[0]!.bound).toBeLessThan(1e-3);
  }
  expect(() => rewriteModel(single(['n']), () => new Snake({ alpha: 1 }), { form: 'compact' })).toThrow(/periodic/);
  // A jump at 16 itself, which is the last cell's.
  const jump = made('bspline', { grid: [-16, 0, 16], base_weight: 0, spline_scaler: 1, spline_weight: [1, 1] });
  const { model: bytes, replaced } = rewriteModel(single(['n']), () => jump, { form: 'compact' });
  const x = Float32Array.of(16);
  const { y } = await run(bytes, { x: float32(x, [1]) });
  expect(Math.abs(dataOf(y)[0]! - jump.forward(x)[0]!)).toBeLessThanOrEqual(replaced[0]!.bound!);
});

describe('digits', () => {
  const activations = (weights: URL) => {
    const { tensors } = loadSafetensors(readFileSync(weights));
    return (prefix: string) => DiTAC.fromStateDict(tensors, { prefix, a: -3, b: 3, variant: 'gelu' });
  };
  test.each([
    ['dense', 327],
    ['convolutional', 337],
  ] as const)('%s: %i of 360 are right, the same logits from a split session', async (name, right) => {
    const { model: bytes, weights, inputs, shape, labels } = digits(name, 'com.ditac');
    const act = activations(weights);
    const choose = ({ attributes, domain }: Parameters<Parameters<typeof rewriteModel>[1]>[0]) =>
      domain === 'com.ditac' ? act(attributes.prefix as string) : undefined;
    const split = await SplitSession.create(ort, rewriteModel(bytes, choose, { form: 'split' }).model);
    const expected = dataOf((await split.run({ input: float32(inputs, shape) })).logits);
    const count = labels.filter((label, i) => {
      const row = expected.subarray(10 * i, 10 * i + 10);
      return row.indexOf(Math.max(...row)) === label;
    }).length;
    expect(count).toBe(right);
    await split.release();
    for (const form of ['exact', 'webgpu', 'small'] as const) {
      const { logits } = await run(rewriteModel(bytes, choose, { form }).model, { input: float32(inputs, shape) });
      expect([form, differingBits(dataOf(logits), expected)]).toEqual([form, 0]);
    }
  });
});

const act = new DiTAC({ a: -3, b: 3, seed: 1 });
const x = Float32Array.of(-2, -0.5, 0, 0.25, 1.5, 9);
const feeds = { x: float32(x, [x.length]) };
const choose = ({ domain }: { domain: string }) => (domain === 'com.ditac' ? act : undefined);
const standIn = (input: string, output: string) => node('DiTAC', [input], [output], {}, { domain: 'com.ditac' });

test('what is not replaced stays, by an independent reader, and byte by byte where nothing is', () => {
  for (const name of ['dense', 'convolutional'] as const) {
    const { model: bytes } = digits(name, 'com.ditac');
    // Fields that no one knows: number 999 in the model.
    const strange = Uint8Array.of(...bytes, 0xba, 0x3e, 3, 1, 2, 3);
    expect([...rewriteModel(strange, () => undefined).model]).toEqual([...strange]);
    const [before, after] = [parse(strange), parse(rewriteModel(strange, choose).model)];
    expect(after.$unknown).toEqual(before.$unknown);
    expect(after.opsetImport.map(({ domain }) => domain)).toEqual(['']);
    const { graph, opsetImport, ...rest } = before;
    const { graph: newGraph, opsetImport: _, ...newRest } = after;
    expect(opsetImport).toHaveLength(2);
    expect(newRest).toEqual(rest);
    const { node: nodes, initializer, ...others } = graph!;
    const { node: newNodes, initializer: newInitializer, ...newOthers } = newGraph!;
    expect(newOthers).toEqual(others);
    expect(newInitializer.slice(0, initializer.length)).toEqual(initializer);
    const isOurs = ({ name: each }: { name: string }) => each.startsWith('ditac/');
    expect(newNodes.filter((each) => !isOurs(each))).toEqual(nodes.filter(({ domain }) => domain === ''));
    expect(newInitializer.slice(initializer.length).every(isOurs)).toBe(true);
  }
});

test('activations in branches, and names that are taken', async () => {
  const branch = (isFirst: boolean): Graph => ({
    name: 'branch',
    node: isFirst ? [standIn('x', 'inner')] : [node('Neg', ['x'], ['inner'])],
    output: [value('inner', undefined)],
  });
  const bytes = model({
    name: 'outer',
    node: [
      node('Identity', ['x'], ['ditac/0/Shape_0']),
      node('If', ['which'], ['y'], { then_branch: { graph: branch(true) }, else_branch: { graph: branch(false) } }),
    ],
    input: [value('x', ['n']), value('which', [1], BOOL)],
    output: [value('y', ['n']), value('ditac/0/Shape_0', ['n'])],
  });
  const { model: changed } = rewriteModel(bytes, choose);
  const flag = (truth: number) => new ort.Tensor('bool', Uint8Array.of(truth), [1]);
  for (const level of ['all', 'disabled'] as const) {
    const yes = await run(changed, { ...feeds, which: flag(1) }, level);
    expect(differingBits(dataOf(yes.y), act.forward(x))).toBe(0);
    expect([...dataOf((await run(changed, { ...feeds, which: flag(0) }, level)).y)]).toEqual([...x].map((v) => -v));
  }
  // What no session could open is not written.
  expect(() => rewriteModel(bytes, choose, { form: 'split' })).toThrow(/subgraph of the model holds a plan/);
});

test('activations in functions', async () => {
  const body = {
    name: 'Block',
    domain: 'local',
    input: ['a'],
    output: ['c'],
    node: [standIn('a', 'b'), node('Neg', ['b'], ['c'])],
    opsetImport: [
      { domain: '', version: 18n },
      { domain: 'com.ditac', version: 1n },
    ],
  };
  const graph = {
    name: 'g',
    node: [node('Block', ['x'], ['h'], {}, { domain: 'local' }), node('Block', ['h'], ['y'], {}, { domain: 'local' })],
    input: [value('x', ['n'])],
    output: [value('y', ['n'])],
  };
  const bytes = model(graph, 18, { functions: [body] } as never, { local: 1, 'com.ditac': 1 });
  const { y } = await run(rewriteModel(bytes, choose).model, feeds);
  const once = act.forward(x).map((v) => -v);
  const twice = act.forward(once).map((v) => -v);
  expect(differingBits(dataOf(y), twice)).toBe(0);
  expect(() => rewriteModel(bytes, choose, { form: 'split' })).toThrow(/a function of the model holds a plan/);
  // One that a function calls: what goes in is known from the caller's caller.
  const outer = { ...body, name: 'Outer', node: [node('Block', ['a'], ['c'], {}, { domain: 'local' })] };
  outer.opsetImport = [...body.opsetImport, { domain: 'local', version: 1n }];
  const calls = [
    node('Outer', ['x'], ['h'], {}, { domain: 'local' }),
    node('Outer', ['h'], ['y'], {}, { domain: 'local' }),
  ];
  const nested = model({ ...graph, node: calls }, 18, { functions: [body, outer] } as never, {
    local: 1,
    'com.ditac': 1,
  });
  expect(differingBits(dataOf((await run(rewriteModel(nested, choose).model, feeds)).y), twice)).toBe(0);
  // A function that calls itself is none that a runtime takes, but stops nothing.
  const endless = { ...body, node: [node('Block', ['a'], ['b'], {}, { domain: 'local' }), standIn('b', 'c')] };
  const circle = model(graph, 18, { functions: [endless] } as never, { local: 1, 'com.ditac': 1 });
  expect(() => rewriteModel(circle, choose)).toThrow(OnnxError);
});

describe('split sessions', () => {
  test('tensors that several read, that are outputs, and that are no floats go from stage to stage', async () => {
    const bytes = model({
      name: 'g',
      node: [
        node('Neg', ['x'], ['a']),
        standIn('a', 'b'),
        node('Shape', ['a'], ['size']),
        standIn('b', 'c'),
        node('Add', ['a', 'b'], ['d']),
        node('Add', ['c', 'd'], ['e']),
        node('Reshape', ['e', 'size'], ['y']),
      ],
      input: [value('x', ['n'])],
      output: [value('y', ['n']), value('b', ['n']), value('size', [1], INT64)],
    });
    const session = await SplitSession.create(ort, rewriteModel(bytes, choose, { form: 'split' }).model);
    expect([session.inputNames, session.outputNames]).toEqual([['x'], ['y', 'b', 'size']]);
    const split = await session.run(feeds);
    const whole = await run(rewriteModel(bytes, choose).model, feeds);
    for (const name of ['y', 'b']) expect(differingBits(dataOf(split[name]), dataOf(whole[name]))).toBe(0);
    expect(split.size!.data).toEqual(whole.size!.data);
    expect([...x]).toEqual([-2, -0.5, 0, 0.25, 1.5, 9]);
    await expect(session.run({})).rejects.toThrow(/input 'x' must be a tensor, got undefined/);
    await expect(session.run({ ...feeds, z: feeds.x })).rejects.toThrow(/an input must be one of 'x'/);
    await session.release();
  });

  test('an input goes straight into an activation and is left as it is', async () => {
    const session = await SplitSession.create(ort, rewriteModel(single(['n']), () => act, { form: 'split' }).model);
    const { y } = await session.run(feeds);
    expect(differingBits(dataOf(y), act.forward(x))).toBe(0);
    expect(x[0]).toBe(-2);
    await expect(session.run({ x: new ort.Tensor('int64', BigInt64Array.of(1n), [1]) })).rejects.toThrow(
      /'x' must be a float32 tensor/,
    );
  });

  test('indices beside a maximum, and weights that are sparse, go from stage to stage', async () => {
    const indices = model({
      name: 'g',
      node: [
        node('MaxPool', ['x'], ['p', 'idx'], { kernel_shape: [2n], strides: [2n] }),
        standIn('p', 'q'),
        node('MaxUnpool', ['q', 'idx'], ['y'], { kernel_shape: [2n], strides: [2n] }),
      ],
      input: [value('x', [1, 1, 8])],
      output: [value('y', undefined)],
    });
    const sparse = model({
      name: 'g',
      node: [standIn('x', 'h'), node('Mul', ['h', 'w'], ['y'])],
      input: [value('x', [4])],
      output: [value('y', [4])],
      sparseInitializer: [
        {
          values: { name: 'w', dims: [2n], dataType: 1, rawData: new Uint8Array(Float32Array.of(2, 3).buffer) },
          indices: { name: 'w_at', dims: [2n], dataType: 7, rawData: new Uint8Array(BigInt64Array.of(1n, 3n).buffer) },
          dims: [4n],
        },
      ] as never,
    });
    for (const [bytes, shape] of [
      [indices, [1, 1, 8]],
      [sparse, [4]],
    ] as const) {
      const own = {
        x: float32(
          Float32Array.from({ length: shape.at(-1)! }, (_, i) => Math.sin(i + 1)),
          shape,
        ),
      };
      const expected = await run(rewriteModel(bytes, choose).model, own);
      const session = await SplitSession.create(ort, rewriteModel(bytes, choose, { form: 'split' }).model);
      const { y } = await session.run(own);
      expect(differingBits(dataOf(y as never), dataOf(expected.y))).toBe(0);
    }
  });

  test('a model without plans is refused', async () => {
    await expect(SplitSession.create(ort, single(['n']))).rejects.toThrow(/no node com.ditac::Plan/);
    await expect(SplitSession.create(ort, new Uint8Array(3))).rejects.toThrow(OnnxError);
  });
});

describe('models that cannot be rewritten', () => {
  const of = (elemType: number | undefined, more: Graph = {}) =>
    model({
      name: 'g',
      node: [node('Custom', ['x'], ['a'], {}, { domain: 'other' }), standIn('a', 'y')],
      input: [value('x', ['n'])],
      output: [value('y', ['n'])],
      ...(elemType === undefined ? {} : { valueInfo: [value('a', ['n'], elemType)] }),
      ...more,
    });
  test.each([
    ['opset 12', single(['n'], 'com.ditac', 12), /opset 12, at least 13 is needed: export it again/],
    ['float16', of(FLOAT16), /works on float16, but activations are float32/],
    [
      'no type',
      model({ node: [node('If', ['x'], ['a']), standIn('a', 'y')], input: [value('x', [1])] }),
      /does not say what type.*infer_shapes/,
    ],
    ['two graphs', Uint8Array.of(...of(1), 0x3a, 0), /two graphs/],
    ['no graph', Uint8Array.of(8, 9), /no graph/],
    ['a safetensors file', new Uint8Array(readFileSync(digits('dense', 'com.ditac').weights)), /not an ONNX model/],
    ['cut off', of(1).subarray(0, 60), /cut off|no graph/],
  ])('%s', (_, bytes, message) => {
    expect(() => rewriteModel(bytes, choose)).toThrow(OnnxError);
    expect(() => rewriteModel(bytes, choose)).toThrow(message);
  });
});

test('names that differ by a mark of byte order are two, and texts are UTF-8', async () => {
  const bytes = (name: string) =>
    model({
      node: [node('Neg', ['a'], ['x']), node('Add', ['a', 'a'], [name]), standIn(name, 'y')],
      input: [value('a', [3])],
      output: [value('y', [3])],
      valueInfo: [value('x', [3]), value(name, [3])],
    });
  const a = Float32Array.of(0.25, 0.5, 1);
  const { y } = await run(rewriteModel(bytes('\ufeffx'), choose).model, { a: float32(a, [3]) });
  expect(differingBits(dataOf(y), act.forward(a.map((v) => 2 * v)))).toBe(0);
  const cut = bytes('twice').map((byte, i, all) => (all[i + 1] === 0x77 && byte === 0x74 ? 0xff : byte));
  expect(() => rewriteModel(cut, choose)).toThrow(/is no UTF-8/);
});

test('models of any depth and length are read or refused with a typed error', async () => {
  let graph: Graph = { name: 'g', node: [standIn('x', 'y')], input: [], output: [value('y', [1])] };
  for (let i = 0; i < 3000; i++)
    graph = { name: 'g', node: [node('If', ['c'], ['y'], { then_branch: { graph } })], output: [value('y', [1])] };
  const deep = model({ ...graph, input: [value('c', [1], BOOL)] });
  expect(() => rewriteModel(deep, choose)).toThrow(OnnxError);
  await expect(SplitSession.create(ort, deep)).rejects.toThrow(OnnxError);
  const weights = new Array<number>(200_000).fill(0.5);
  const long = model({
    node: [node('Trees', ['x'], ['h'], { weights }, { domain: 'other' }), standIn('h', 'y')],
    input: [value('x', [1])],
    output: [value('y', [1])],
  });
  let found = 0;
  rewriteModel(long, ({ domain, attributes }) => {
    if (domain === 'other') found = (attributes.weights as number[]).length;
    return undefined;
  });
  expect(found).toBe(weights.length);
});

test('mutated models are rewritten or refused with a typed error', () => {
  const files = [digits('dense', 'com.ditac').model, single(['n'])];
  const split = files.map((file) => rewriteModel(file, choose, { form: 'split' }).model);
  let [accepted, refused] = [0, 0];
  for (const file of mutations([...files, ...split], tries(600), 1)) {
    try {
      const { model: changed } = rewriteModel(file, choose, { form: 'split' });
      expect(changed.length).toBeLessThan(file.length + 100_000);
      accepted++;
    } catch (error) {
      if (!(error instanceof OnnxError)) throw error;
      expect(error.message.length).toBeGreaterThan(10);
      refused++;
    }
  }
  expect(Math.min(accepted, refused)).toBeGreaterThan(tries(50));
});

test('f(-Infinity) is the canonical NaN where there is no limit', () => {
  const siren = made('siren', { omega: 3 });
  const words = (y: Float32Array) => [...new Uint32Array(y.buffer)].map((word) => word.toString(16));
  const ends = Float32Array.of(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN);
  expect(words(siren.forward(ends))).toEqual(['7fc00000', '7fc00000', '7fc00000']);
  expect(words(CompiledActivation.fromBytes(siren.compiled().toBytes()).forward(ends))[0]).toBe('7fc00000');
});
