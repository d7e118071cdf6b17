/**
 * Promise 7 for everything that is public: every export of every entry of package.json, every method and every static. Each has a row
 * here, and whoever adds one adds a row: a name without a row fails. To each row's function goes, in turn, every kind of mistake, and
 * it has to answer with a TypeError or RangeError in the package's words.
 */
import { readFileSync } from 'node:fs';
import * as cpab from 'ditac/cpab';
import { describe, expect, test } from 'vitest';
import { EXAMPLES } from './family-examples.js';
import { digits } from './onnx-models.js';

// biome-ignore lint/suspicious/noExplicitAny: the point is to pass what the types forbid
type Any = any;

const entries = Object.keys(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).exports)
  .filter((name) => name !== './package.json')
  .map((name) => name.replace('.', 'ditac'));

const load: Record<string, () => Promise<Any>> = {
  ditac: () => import('ditac'),
  'ditac/runtime': () => import('ditac/runtime'),
  'ditac/cpab': () => import('ditac/cpab'),
  'ditac/families': () => import('ditac/families'),
  'ditac/onnx': () => import('ditac/onnx'),
  'ditac/oracle': () => import('ditac/oracle'),
  'ditac/safetensors': () => import('ditac/safetensors'),
  'ditac/tfjs': () => import('ditac/tfjs'),
  'ditac/verify': () => import('ditac/verify'),
};
const modules: Record<string, Any> = {};
for (const [name, get] of Object.entries(load)) modules[name] = await get();
const { DiTAC, CompiledActivation, loadBackend } = modules.ditac;
const { DiTACLayer } = modules['ditac/tfjs'];
const tf = await import('@tensorflow/tfjs');

const x = Float32Array.of(-1, 0.25, 0.5, 3);
const theta = new Float32Array(9).fill(0.1);
const act = new DiTAC({ thetas: theta, a: -3, b: 3 });
const compiled = act.compiled();
const makeDitacLayer = () => {
  const made = new DiTACLayer({ seed: 1, inputShape: [1] });
  tf.sequential({ layers: [made] });
  return made;
};
const makeKanLinear = () => {
  const made = new modules['ditac/tfjs'].KANLinear({ units: 1, seed: 1, inputShape: [2], name: 'kan' });
  return { made, model: tf.sequential({ layers: [made] }) };
};
const { made: kanLinear, model } = makeKanLinear();
const kan = new modules.ditac.KANLayer({ inputs: 2, outputs: 1, seed: 1 });
const file = compiled.toBytes();
const saved = new modules['ditac/runtime'].Activation(file);
const js = await loadBackend('js');
const pool = await loadBackend('threads', { size: 1 });
const b = cpab.basis(10);
const covariance = cpab.priorCovariance(b, 5, 2);
const field = { origin: 0, cellWidth: 0.5, velocity: Float64Array.of(0, 0.3, 0) };
const pieces = cpab.flowPieces(field);
const one = { hi: 1, lo: 0 };
const layer = new DiTACLayer({ inputShape: [4], seed: 1 });
tf.sequential({ layers: [layer] });
const signal = new AbortController().signal;
const inputs = modules['ditac/oracle'].everyFloat32(1, 1.0001);
const swept = modules['ditac/oracle'].sweep(
  (v: Any) => v,
  (v: Any) => v,
  inputs,
);
const state = act.stateDict();
const network = modules['ditac/onnx'].rewriteModel(
  digits('dense', 'com.ditac').model,
  ({ domain }: Any) => (domain === 'com.ditac' ? act : undefined),
  { form: 'split' },
).model;
/** As much of onnxruntime as makes sessions. */
const tensor = { type: 'float32', dims: [1, 4], data: x };
const runtime = {
  InferenceSession: { create: async () => ({ run: async () => new Proxy({}, { get: () => tensor }) }) },
  Tensor: class {
    data = x;
    dims = [1, 4];
  },
};
const split = await modules['ditac/onnx'].SplitSession.create(runtime, network);
const snake = new modules.ditac.Snake({ alpha: 0.5 });

interface Row {
  /** Arguments with which it works. */
  args?: readonly unknown[];
  call: (...args: Any[]) => unknown;
  /** At which place options go, and what each may be. */
  options?: { at: number; values: Record<string, unknown>; required?: readonly string[] };
  /** Places of arguments that may be left out, or be anything. */
  free?: readonly number[];
  /** Options that other libraries check, or that may be anything. */
  freeOptions?: readonly string[];
}
/** What is no function, or takes nothing. */
const NOTHING = 'nothing' as const;

const work = { signal, onProgress: () => {} };
const bare = { tess: 10, a: -3, b: 3, variant: 'bare' };
const pairs = (name: string, more: readonly unknown[] = []): Row => ({
  args: [one, ...more],
  call: (...given) => modules['ditac/oracle'].doubleDouble[name](...given),
});
const construct =
  (of: Any) =>
  (...given: Any[]) =>
    new of(...given);
const transformOptions = {
  at: 2,
  values: {
    tess: 10,
    basis: 'qr',
    zeroBoundary: true,
    time: 1,
    points: 4,
    out: new Float32Array(4),
    backend: js,
    ...work,
  },
  required: ['tess'],
};
const ditacOptions = {
  tess: 10,
  a: -3,
  b: 3,
  basis: 'qr',
  variant: 'bare',
  lambdaSmooth: 5,
  lambdaVar: 2,
  precisionMatrix: act.precisionMatrix,
  lambdaSmoothInit: 5,
  lambdaVarInit: 2,
};
const forward = (call: Row['call']): Row => ({
  args: [x, new Float32Array(4), {}],
  call,
  options: { at: 2, values: { shape: [4], ...work } },
});
const backward = (call: Row['call']): Row => ({
  args: [x, x, {}],
  call,
  options: { at: 2, values: { shape: [4], out: new Float32Array(4), into: act.gradientSum(), ...work } },
});

/** What a family's class takes: constants, parameters, and what all have; and what its `fromStateDict` takes. */
function familyRows(name: string, Class: Any): Record<string, Row | typeof NOTHING> {
  const entry = Object.entries<Any>(modules['ditac/families'].FAMILIES).find(([, each]) => each === Class)!;
  const options = EXAMPLES[entry[0] as keyof typeof EXAMPLES][0]!.options as Record<string, Any>;
  const made = new Class(options);
  const { constants = {} } = Class.family;
  const needed = Object.entries<Any>(constants).filter(([, kind]) => kind.initial === undefined && !kind.isOptional);
  const kinds = Object.entries<Any>(Class.family.parameters(made.constants));
  // Without a value to begin with, and none that a seed could draw.
  const unset = kinds.filter(([key, { initial }]) => initial === undefined && key in options).map(([key]) => key);
  const required = [...needed.map(([key]) => key), ...unset];
  const common = { channels: 1, layout: 'channelsFirst' };
  return {
    [`ditac.${name}`]: {
      args: [options],
      call: construct(Class),
      options: {
        at: 0,
        values: { ...made.constants, ...options, ...common, seed: 1 },
        ...(required.length > 0 ? { required } : {}),
      },
    },
    [`ditac.${name}.family`]: NOTHING,
    [`ditac.${name}.fromStateDict`]: {
      args: [made.stateDict(), made.constants],
      call: (...given) => Class.fromStateDict(...given),
      options: { at: 1, values: { ...made.constants, ...options, ...common, prefix: '' } },
    },
  };
}
const classes = Object.entries<Any>(modules.ditac).filter(([, value]) => typeof value?.family?.define === 'function');
const families = modules['ditac/families'];
const parameter = { op: 'parameter', index: 0, value: 1 };
const word = (name: string, ...args: unknown[]): [string, Row] => [
  `ditac/families.${name}`,
  { args, call: (...given) => families[name](...given) },
];

/** Methods that the classes inherit. */
const inherited: Record<string, Row> = {
  'DiTAC#planOf': { args: [0], call: (...given) => act.planOf(...given) },
  'DiTAC#forward': forward((...given) => act.forward(...given)),
  'DiTAC#backward': backward((...given) => act.backward(...given)),
  'DiTAC#on': { args: [js], call: (...given) => act.on(...given) },
  'FamilyActivation#update': {
    args: [{ alpha: 1 }],
    call: (...given) => snake.update(...given),
    options: { at: 0, values: { alpha: 1 } },
  },
  'FamilyActivation#refine': {
    args: [2],
    call: (...given) => new modules.ditac.Chebyshev({ coeffs: [1, 2] }).refine(...given),
  },
  'FamilyActivation#reference': { args: [0], call: (...given) => snake.reference(...given) },
  'FamilyActivation#definition': { args: [0], call: (...given) => snake.definition(...given) },
  'FamilyActivation#planOf': { args: [0], call: (...given) => snake.planOf(...given) },
  'FamilyActivation#on': { args: [js], call: (...given) => snake.on(...given) },
  'FamilyActivation#stateDict': {
    call: (...given) => snake.stateDict(...given),
    options: { at: 0, values: { prefix: 'act.' } },
  },
  'FamilyActivation#forward': forward((...given) => snake.forward(...given)),
  'FamilyActivation#backward': {
    args: [x, x, {}],
    call: (...given) => snake.backward(...given),
    options: { at: 2, values: { shape: [4], out: new Float32Array(4), into: snake.gradientSum(), ...work } },
  },
};

const rows: Record<string, Row | typeof NOTHING> = {
  ...Object.assign({}, ...classes.map(([name, Class]) => familyRows(name, Class))),
  'ditac.defineFamily': {
    args: [modules.ditac.Snake.family],
    call: (...given) => modules.ditac.defineFamily(...given),
    options: {
      at: 0,
      values: { ...modules.ditac.Snake.family, refine: () => 1, notes: () => [], shared: ['alpha'], truth: () => 1 },
      required: ['name', 'parameters', 'define'],
    },
  },
  ...Object.fromEntries(Object.keys(families.FAMILIES).map((name) => [`ditac/families.FAMILIES.${name}`, NOTHING])),
  'ditac/families.identify': { args: [state], call: (...given) => families.identify(...given) },
  'ditac/families.rationalInitial': { args: ['A', 'gelu'], call: (...given) => families.rationalInitial(...given) },
  'ditac/families.x': NOTHING,
  ...Object.fromEntries([
    ...['abs', 'aboveHalf', 'atan', 'cos', 'density', 'erf', 'exp', 'expm1', 'log', 'log1p', 'negative', 'normal'].map(
      (name) => word(name, 1),
    ),
    ...['relu', 'sigmoid', 'sin', 'softplus', 'sqrt', 'square', 'tanh'].map((name) => word(name, 1)),
    ...['divide', 'maximum', 'minimum', 'minus', 'plus', 'power', 'times'].map((name) => word(name, 1, 2)),
    word('where', 1, 2, 3),
    word('polynomial', [1, 2]),
    word('tail', 1, 2, 3),
    word('atLeast', parameter, 1),
    word('uniform', 0, 1),
    word('constantNumber', 1, true),
    word('constantFlag', true),
    word('constantChoice', ['a', 'b'], 'a'),
    word('constantNumbers', [1, 2]),
    word('pieces', 1, [0, 2]),
  ]),
  'ditac/families.whole': {
    args: [1, families.tail(1, 0, 0), families.tail(1, 0, 0)],
    call: (...given) => families.whole(...given),
  },
  // A number, or a function that draws one.
  'ditac/families.one': { args: [1], call: (...given) => families.one(...given), free: [0] },
  'ditac/families.many': { args: [2, [1, 2]], call: (...given) => families.many(...given), free: [1] },
  'ditac/families.bySign': { args: [1, 2, 3], call: (...given) => families.bySign(...given), free: [1, 2] },
  'ditac.DiTAC': {
    call: (options: Any = {}) =>
      new DiTAC(options?.constructor === Object && !('seed' in options) ? { thetas: theta, ...options } : options),
    options: {
      at: 0,
      values: { ...ditacOptions, channels: 1, layout: 'channelsFirst' },
    },
  },
  'ditac.DiTAC.fromStateDict': {
    args: [state, ditacOptions],
    call: (...given) => DiTAC.fromStateDict(...given),
    options: { at: 1, values: { ...ditacOptions, channels: 1, layout: 'channelsFirst', prefix: '' } },
  },
  // For its base alone.
  'ditac.DiTAC#define': NOTHING,
  'ditac.DiTAC#differentiator': NOTHING,
  'ditac.DiTAC#functionOf': NOTHING,
  'ditac.DiTAC#gradientsOf': NOTHING,
  'ditac.DiTAC#regularization': {
    call: (...given) => act.regularization(...given),
    options: { at: 0, values: { lambda: 0.1 } },
  },
  'ditac.DiTAC#update': { args: [theta], call: (...given) => act.update(...given) },
  'ditac.DiTAC#refine': {
    args: [2, {}],
    call: (...given) => act.refine(...given),
    options: { at: 1, values: { basis: 'sparse' } },
  },
  'ditac.DiTAC#reference': { args: [0], call: (...given) => act.reference(...given) },
  'ditac.DiTAC#velocities': { args: [0], call: (...given) => act.velocities(...given) },
  'ditac.DiTAC#stateDict': {
    call: (...given) => act.stateDict(...given),
    options: { at: 0, values: { prefix: 'act.' } },
  },
  'ditac.CompiledActivation': { args: [1, 'channelsLast', () => act.plan], call: construct(CompiledActivation) },
  'ditac.CompiledActivation.fromBytes': { args: [file], call: (...given) => CompiledActivation.fromBytes(...given) },
  'ditac.CompiledActivation#toBytes': NOTHING,
  'ditac.CompiledActivation#planOf': { args: [0], call: (...given) => compiled.planOf(...given) },
  'ditac.CompiledActivation#forward': forward((...given) => compiled.forward(...given)),
  'ditac.CompiledActivation#on': { args: [js], call: (...given) => compiled.on(...given) },
  'ditac.CompiledActivation#release': NOTHING,
  'ditac.GradientSum': { args: [null], call: construct(modules.ditac.GradientSum), free: [0] },
  'ditac.GradientSum.momentsOf': {
    args: [null],
    call: (...given) => modules.ditac.GradientSum.momentsOf(...given),
    free: [0],
  },
  'ditac.gradientCertificate': { args: [snake, 0], call: modules.ditac.gradientCertificate },
  'ditac.GradientSum.fromBytes': {
    args: [act.gradientSum().toBytes(), act],
    call: (...given) => modules.ditac.GradientSum.fromBytes(...given),
  },
  'ditac.GradientSum#merge': {
    args: [act.gradientSum()],
    call: (...given) => act.gradientSum().merge(...given),
  },
  'ditac.GradientSum#toBytes': NOTHING,
  'ditac.GradientSumError': NOTHING,
  'ditac.DiTAC#trained': NOTHING,
  'ditac.Progression': {
    call: construct(modules.ditac.Progression),
    options: { at: 0, values: { patience: 1, threshold: 0.1, factor: 2, refinements: 1 } },
  },
  'ditac.Progression#observe': { args: [1], call: (...given) => new modules.ditac.Progression().observe(...given) },
  'ditac.Progression#refine': {
    args: [act, {}],
    call: (...given) => new modules.ditac.Progression().refine(...given),
    options: { at: 1, values: { first: { thetas: theta }, second: { thetas: theta } } },
  },
  'ditac.KANLayer': {
    args: [{ inputs: 2, outputs: 1, seed: 1 }],
    call: construct(modules.ditac.KANLayer),
    options: {
      at: 0,
      values: { inputs: 2, outputs: 1, seed: 1, ...kan.parameters, degree: 3 },
      required: ['inputs', 'outputs'],
    },
  },
  'ditac.KANLayer.fromStateDict': {
    args: [kan.stateDict(), {}],
    call: (...given) => modules.ditac.KANLayer.fromStateDict(...given),
    options: { at: 1, values: { prefix: '' } },
  },
  'ditac.KANLayer#update': {
    args: [kan.parameters],
    call: (...given) => kan.update(...given),
    options: { at: 0, values: kan.parameters },
  },
  'ditac.KANLayer#edge': { args: [0, 0], call: (...given) => kan.edge(...given) },
  'ditac.KANLayer#planOf': { args: [0, 0], call: (...given) => kan.planOf(...given) },
  'ditac.KANLayer#forward': { args: [x, new Float32Array(2)], call: (...given) => kan.forward(...given) },
  'ditac.KANLayer#direct': { args: [x, new Float32Array(2)], call: (...given) => kan.direct(...given) },
  'ditac.KANLayer#backward': {
    args: [x, new Float32Array(2), {}],
    call: (...given) => kan.backward(...given),
    options: { at: 2, values: { into: kan.gradientSum() } },
  },
  'ditac.KANLayer#gradientSum': NOTHING,
  'ditac.KANLayer#on': { args: [js], call: (...given) => kan.on(...given) },
  'ditac.KANLayer#refine': { args: [2], call: (...given) => kan.refine(...given) },
  'ditac.KANLayer#stateDict': {
    call: (...given) => kan.stateDict(...given),
    options: { at: 0, values: { prefix: 'act.', class: 'pykan' } },
  },
  'ditac.loadBackend': {
    args: ['threads', { size: 1 }],
    call: async (...given) => {
      const backend = await loadBackend(...given);
      if (backend !== js) backend.dispose();
    },
    options: { at: 1, values: { size: 1, maxBytes: 2 ** 28, threshold: 0 } },
  },
  'ditac.LEAKY_SLOPE': NOTHING,
  'ditac.VARIANTS': NOTHING,
  'ditac.BACKEND_NAMES': NOTHING,
  'ditac.PLAN_VERSION': NOTHING,
  // Errors take what Error takes.
  'ditac.BackendError': NOTHING,
  'ditac.PlanError': NOTHING,
  'ditac.DeviceLostError': { args: [{ reason: 'a', message: 'b' }], call: construct(modules.ditac.DeviceLostError) },

  'ditac/runtime.Activation': { args: [file], call: construct(modules['ditac/runtime'].Activation) },
  'ditac/runtime.Activation#forward': {
    ...forward((...given) => saved.forward(...given)),
    options: { at: 2, values: { shape: [4] } },
  },
  'ditac/runtime.Activation#certificateOf': { args: [0], call: (...given) => saved.certificateOf(...given) },
  'ditac/runtime.PLAN_VERSION': NOTHING,
  'ditac/runtime.PlanError': NOTHING,

  'ditac/cpab.transform': { args: [x, theta, { tess: 10 }], call: cpab.transform as Any, options: transformOptions },
  'ditac/cpab.inverse': { args: [x, theta, { tess: 10 }], call: cpab.inverse as Any, options: transformOptions },
  'ditac/cpab.transformBackward': {
    args: [x, x, theta, { tess: 10 }],
    call: cpab.transformBackward as Any,
    options: { ...transformOptions, at: 3 },
  },
  'ditac/cpab.BASIS_NAMES': NOTHING,
  'ditac/cpab.basis': {
    args: [3, {}],
    call: cpab.basis as Any,
    options: { at: 1, values: { basis: 'qr', zeroBoundary: true } },
  },
  'ditac/cpab.dimension': { args: [3, true], call: cpab.dimension },
  'ditac/cpab.nodalVelocities': { args: [b, true, theta, 0], call: cpab.nodalVelocities },
  'ditac/cpab.qrCandidates': { args: [3, true, 2], call: cpab.qrCandidates },
  'ditac/cpab.flowPieces': {
    args: [field],
    call: cpab.flowPieces as Any,
    options: { at: 0, values: { ...field, end: 1 }, required: ['origin', 'cellWidth', 'velocity'] },
  },
  'ditac/cpab.flowThrough': { args: [pieces[0], 0.1], call: cpab.flowThrough as Any },
  'ditac/cpab.pieceAt': { args: [pieces, 0.1], call: cpab.pieceAt as Any },
  'ditac/cpab.precisionMatrix': { args: [b, 5, 2], call: cpab.precisionMatrix },
  'ditac/cpab.priorCovariance': { args: [b, 5, 2], call: cpab.priorCovariance },
  'ditac/cpab.sampleTheta': { args: [covariance, () => 0.5], call: cpab.sampleTheta as Any },
  'ditac/cpab.normalStream': { args: [1], call: cpab.normalStream },

  'ditac/oracle.compareBits': { args: [x, x, x], call: modules['ditac/oracle'].compareBits },
  'ditac/oracle.ulpDistance': { args: [1, 2], call: modules['ditac/oracle'].ulpDistance },
  'ditac/oracle.ulpError': { args: [1, 2], call: modules['ditac/oracle'].ulpError },
  'ditac/oracle.exactTransform': {
    args: [theta, { tess: 10 }],
    call: modules['ditac/oracle'].exactTransform,
    options: { at: 1, values: { tess: 10, basis: 'qr', zeroBoundary: true, time: 1 }, required: ['tess'] },
  },
  'ditac/oracle.exactActivation': {
    args: [theta, bare],
    call: modules['ditac/oracle'].exactActivation,
    options: { at: 1, values: { ...bare, basis: 'qr' }, required: Object.keys(bare) },
  },
  'ditac/oracle.exact.transform': {
    args: [theta, { tess: 10 }],
    call: modules['ditac/oracle'].exact.transform,
    options: { at: 1, values: { tess: 10, basis: 'qr', zeroBoundary: true, time: 1 }, required: ['tess'] },
  },
  'ditac/oracle.exact.activation': {
    args: [theta, bare],
    call: modules['ditac/oracle'].exact.activation,
    options: { at: 1, values: { ...bare, basis: 'qr' }, required: Object.keys(bare) },
  },
  'ditac/oracle.exact.family': { args: [act, 0], call: modules['ditac/oracle'].exact.family },
  'ditac/oracle.exact.derivative': { args: [snake, 'x', 0], call: modules['ditac/oracle'].exact.derivative },
  'ditac/oracle.exactFamily': { args: [act, 0], call: modules['ditac/oracle'].exactFamily },
  'ditac/oracle.exactDerivative': { args: [snake, 'alpha', 0], call: modules['ditac/oracle'].exactDerivative },
  'ditac/oracle.roundTo': { args: ['float16', 0.1], call: modules['ditac/oracle'].roundTo },
  'ditac/oracle.everyFloat32': { args: [0, 1, 0, 1], call: modules['ditac/oracle'].everyFloat32 },
  'ditac/oracle.randomBits': { args: [4, 1], call: modules['ditac/oracle'].randomBits },
  'ditac/oracle.stratified': { args: [0, 1, 4, 1], call: modules['ditac/oracle'].stratified },
  'ditac/oracle.specialValues': NOTHING,
  'ditac/oracle.sweep': {
    args: [(v: Any) => v, (v: Any) => v, inputs, {}],
    call: modules['ditac/oracle'].sweep,
    options: { at: 3, values: { onProgress: () => {}, signal, resume: swept } },
  },
  'ditac/oracle.mergeSweeps': { args: [swept, swept], call: modules['ditac/oracle'].mergeSweeps },
  'ditac/oracle.doubleDouble.ZERO': NOTHING,
  'ditac/oracle.doubleDouble.ONE': NOTHING,
  'ditac/oracle.doubleDouble.LN2': NOTHING,
  ...Object.fromEntries(
    ['toNumber', 'negate', 'expm1', 'exp', 'log', 'log1p', 'normalDistribution'].map((name) => [
      `ditac/oracle.doubleDouble.${name}`,
      pairs(name),
    ]),
  ),
  ...Object.fromEntries(
    ['add', 'subtract', 'multiply', 'divide', 'less'].map((name) => [
      `ditac/oracle.doubleDouble.${name}`,
      pairs(name, [one]),
    ]),
  ),
  'ditac/oracle.doubleDouble.scale': pairs('scale', [2]),
  ...Object.fromEntries(
    ['dd', 'twoSum', 'twoProduct'].map((name) => [
      `ditac/oracle.doubleDouble.${name}`,
      { args: [1, 2], call: (...given: Any[]) => modules['ditac/oracle'].doubleDouble[name](...given) },
    ]),
  ),

  'ditac/onnx.rewriteModel': {
    args: [network, () => undefined, { form: 'exact' }],
    call: modules['ditac/onnx'].rewriteModel,
    options: { at: 2, values: { form: 'exact' } },
  },
  'ditac/onnx.activationModel': {
    args: [snake, { form: 'exact' }],
    call: modules['ditac/onnx'].activationModel,
    options: { at: 1, values: { form: 'exact' } },
  },
  'ditac/onnx.OnnxError': NOTHING,
  'ditac/onnx.SplitSession': NOTHING,
  'ditac/onnx.SplitSession.create': {
    args: [runtime, network, {}],
    call: (...given) => modules['ditac/onnx'].SplitSession.create(...given),
    options: { at: 2, values: { session: {} } },
  },
  'ditac/onnx.SplitSession#run': { args: [{ input: tensor }], call: (...given) => split.run(...given) },
  'ditac/onnx.SplitSession#release': NOTHING,
  'ditac/safetensors.loadSafetensors': {
    args: [modules['ditac/safetensors'].saveSafetensors(state)],
    call: modules['ditac/safetensors'].loadSafetensors,
  },
  'ditac/safetensors.saveSafetensors': {
    args: [state, {}],
    call: modules['ditac/safetensors'].saveSafetensors,
    options: { at: 1, values: { dtype: 'F32', metadata: { a: 'b' } } },
  },
  'ditac/safetensors.SafetensorsError': NOTHING,

  'ditac/verify.shader': {
    args: ['flow', {}],
    call: modules['ditac/verify'].shader,
    options: { at: 1, values: { entry: 'each', inPlace: ['x'], isPlain: true, barriers: true } },
  },
  'ditac/verify.verifyFunction': {
    args: ['mine', (v: Float32Array) => act.forward(v), act, { elements: 10, points: 4 }],
    call: modules['ditac/verify'].verifyFunction,
    options: { at: 3, values: { elements: 10, points: 4, seed: 1, onProgress: () => {}, signal } },
  },
  'ditac/verify.verifyBackends': {
    // What works takes seconds, and is what test/backends.test.ts is about.
    call: async (options?: Any) => options === undefined || modules['ditac/verify'].verifyBackends(options),
    options: { at: 0, values: { elements: 10, points: 4, seed: 1, onProgress: () => {}, signal, activations: [act] } },
  },

  'ditac/tfjs.activate': {
    args: [act, tf.tensor1d(x), tf.tensor2d(theta, [1, 9])],
    call: modules['ditac/tfjs'].activate,
  },
  'ditac/tfjs.graphOperator': { args: [{ a: act }], call: modules['ditac/tfjs'].graphOperator },
  'ditac/tfjs.DiTACLayer': {
    args: [{}, theta],
    call: construct(DiTACLayer),
    options: {
      at: 0,
      values: { ...ditacOptions, seed: 1, perChannel: false, dataFormat: 'channelsLast', lambdaRegLoss: 0 },
    },
  },
  'ditac/tfjs.DiTACLayer.fromStateDict': {
    args: [state, ditacOptions],
    call: (...given) => DiTACLayer.fromStateDict(...given),
    options: { at: 1, values: { ...ditacOptions, prefix: '', lambdaRegLoss: 0 } },
  },
  'ditac/tfjs.layerOf': { args: [modules.ditac.Snake], call: (...given) => modules['ditac/tfjs'].layerOf(...given) },
  'ditac/tfjs.KANLinear': {
    args: [{ units: 1, seed: 1 }],
    call: construct(modules['ditac/tfjs'].KANLinear),
    options: { at: 0, values: { units: 1, seed: 1, degree: 3, range: [-1, 1], cells: 5 }, required: ['units'] },
  },
  'ditac/tfjs.KANLinear.fromStateDict': {
    args: [kan.stateDict(), {}],
    call: (...given) => modules['ditac/tfjs'].KANLinear.fromStateDict(...given),
    options: { at: 1, values: { prefix: '', seed: 1 } },
  },
  'ditac/tfjs.KANLinear#stateDict': {
    call: (...given) => kanLinear.stateDict(...given),
    options: { at: 0, values: { prefix: 'act.', class: 'pykan' } },
  },
  'ditac/tfjs.KANLinear#refine': { args: [2], call: (factor) => makeKanLinear().made.refine(factor as number) },
  'ditac/tfjs.ProgressiveTraining': {
    args: [model, {}],
    call: construct(modules['ditac/tfjs'].ProgressiveTraining),
    options: {
      at: 1,
      values: { patience: 1, threshold: 0.1, factor: 2, refinements: 1, monitor: 'loss', layers: ['kan'] },
    },
  },
  'ditac/tfjs.ProgressiveTraining#observe': {
    args: [1],
    call: (...given) => new modules['ditac/tfjs'].ProgressiveTraining(model).observe(...given),
  },
  'ditac/tfjs.ProgressiveTraining#refine': NOTHING,
  'ditac/tfjs.KANLinear.className': NOTHING,
  'ditac/tfjs.KANLinear.fromConfig': NOTHING,
  'ditac/tfjs.KANLinear#build': NOTHING,
  'ditac/tfjs.KANLinear#call': NOTHING,
  'ditac/tfjs.KANLinear#computeOutputShape': NOTHING,
  'ditac/tfjs.KANLinear#getConfig': NOTHING,
  'ditac/tfjs.ActivationLayer#refine': NOTHING,
  'ditac/tfjs.DiTACLayer#refine': { args: [2], call: (factor) => makeDitacLayer().refine(factor as number) },
  'ditac/tfjs.ActivationLayer': NOTHING,
  'ditac/tfjs.ActivationLayer#build': NOTHING,
  'ditac/tfjs.ActivationLayer#evaluate': NOTHING,
  'ditac/tfjs.ActivationLayer#getConfig': NOTHING,
  'ditac/tfjs.ActivationLayer#stateDict': NOTHING,
  'ditac/tfjs.DiTACLayer.className': NOTHING,
  'ditac/tfjs.DiTACLayer#stateDict': {
    call: (...given) => layer.stateDict(...given),
    options: { at: 0, values: { prefix: 'act.' } },
  },
  // tfjs calls these, with what it made.
  'ditac/tfjs.DiTACLayer#build': NOTHING,
  'ditac/tfjs.DiTACLayer#evaluate': NOTHING,
  'ditac/tfjs.DiTACLayer#getConfig': NOTHING,
};

/** `entry.name`, of classes `.static` and `#method`, of objects of functions `.name` too. */
function surface(): string[] {
  const found: string[] = [];
  for (const entry of entries) {
    for (const [name, value] of Object.entries<Any>(modules[entry])) {
      const path = `${entry}.${name}`;
      const isClass = typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
      const isBag = typeof value === 'object' && Object.values(value).some((each) => typeof each === 'function');
      if (isBag) found.push(...Object.keys(value).map((key) => `${path}.${key}`));
      else found.push(path);
      if (!isClass) continue;
      for (const key of Object.getOwnPropertyNames(value))
        if (!['length', 'name', 'prototype'].includes(key)) found.push(`${path}.${key}`);
      for (const [key, { value: method }] of Object.entries(Object.getOwnPropertyDescriptors(value.prototype)))
        if (key !== 'constructor' && typeof method === 'function') found.push(`${path}#${key}`);
    }
  }
  return found;
}

test('every public name has a row here', () => {
  expect(Object.keys(load).sort()).toEqual([...entries].sort());
  expect(surface().sort()).toEqual(Object.keys(rows).sort());
});

/** What engines say of a mistake that nobody looked for. */
const ENGINE =
  /is not a function|is not iterable|Cannot (read|destructure|convert|mix|assign|set)|undefined \(|Invalid |not a constructor|call stack/;

async function refuses(what: string, call: () => unknown): Promise<void> {
  let error: Any;
  try {
    await call();
  } catch (cause) {
    error = cause;
  }
  expect(error, `${what} was taken`).toBeDefined();
  expect(error instanceof TypeError || error instanceof RangeError, `${what}: ${error}`).toBe(true);
  expect(error.message, what).not.toMatch(ENGINE);
  expect(error.message, `${what} does not say what came`).toMatch(/got|needs|holds|must/);
}

/** No string, number, array, tensor or function. */
const WRONG = [null, Symbol('wrong'), { wrong: 1 }, true, 'wrong', 7, () => 7, []] as const;
/** Of what a valid value is made, so that values of that kind are not tried in its place. */
const kindOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) || ArrayBuffer.isView(value) ? 'array' : typeof value;

describe.each(Object.entries({ ...rows, ...inherited }).filter((each): each is [string, Row] => each[1] !== NOTHING))(
  '%s',
  (name, row) => {
    const { args = [], call, options, free = [] } = row;
    const withArgument = (at: number, value: unknown) => {
      const given = [...args];
      while (given.length < at) given.push(undefined);
      given[at] = value;
      return given;
    };

    test('works with what it should be given', async () => {
      if (name.includes('GradientSum')) return;
      await call(...args);
    });

    test('refuses arguments of other kinds', async () => {
      for (const [at, valid] of args.entries()) {
        if (free.includes(at) || at === options?.at) continue;
        for (const wrong of WRONG) {
          if (kindOf(wrong) === kindOf(valid) || (kindOf(valid) === 'object' && kindOf(wrong) === 'array')) continue;
          await refuses(`argument ${at} = ${String(wrong)}`, () => call(...withArgument(at, wrong)));
        }
      }
      for (const wrong of [null, Symbol('wrong'), 'wrong', 7, true, []])
        if (options) await refuses(`options ${String(wrong)}`, () => call(...withArgument(options.at, wrong)));
      if (options?.required) await refuses('no options', () => call(...withArgument(options.at, undefined)));
    });

    if (!options) return;
    const { at, values, required = [] } = options;
    const base = (args[at] ?? {}) as Record<string, unknown>;

    test('refuses options that it does not have, and misspelled ones', async () => {
      for (const wrong of [
        'unknown',
        ...Object.keys(values).flatMap((key) => [key.slice(0, -1), `${key}s`, key.toUpperCase()]),
      ]) {
        if (wrong in values || wrong === '') continue;
        await refuses(wrong, () => call(...withArgument(at, { ...base, [wrong]: values[wrong.slice(0, -1)] ?? 1 })));
      }
    });

    test('refuses to do without those that it needs', async () => {
      for (const key of required) {
        const { [key]: _, ...rest } = { ...values, ...base };
        await refuses(`without ${key}`, () => call(...withArgument(at, rest)));
      }
    });

    test('refuses values of other kinds', async () => {
      for (const [key, valid] of Object.entries(values)) {
        for (const wrong of WRONG) {
          if (kindOf(wrong) === kindOf(valid)) continue;
          // A matrix instead of a name, numbers in a nested array.
          if (key === 'basis' && kindOf(wrong) === 'array') continue;
          await refuses(`${key} = ${String(wrong)}`, () => call(...withArgument(at, { ...base, [key]: wrong })));
        }
      }
    });
  },
);

test('backends refuse what is no tensor', async () => {
  for (const backend of [js, pool, pool.sync]) {
    for (const wrong of WRONG) {
      if (wrong !== 7) await refuses(`allocate ${String(wrong)}`, () => backend.allocate(wrong));
      await refuses(`upload ${String(wrong)}`, () => backend.upload(wrong));
      await refuses(`download ${String(wrong)}`, () => backend.download(wrong));
      await refuses(`into ${String(wrong)}`, () => backend.download(x, wrong));
    }
    const tables = { images: [], inner: 1 };
    for (const wrong of WRONG) {
      if (kindOf(wrong) !== 'array') await refuses(`release ${String(wrong)}`, () => backend.release(wrong));
      await refuses(`kernel ${String(wrong)}`, () => backend.run(wrong, tables, x, x));
      await refuses(`tables ${String(wrong)}`, () => backend.run('activate', wrong, x, x));
      await refuses(`tables ${String(wrong)}`, () => backend.backward(wrong, x, x, x, []));
      if (kindOf(wrong) !== 'array')
        await refuses(`images ${String(wrong)}`, () => backend.run('flow', { ...tables, images: wrong }, x, x));
    }
    await refuses('no table', () => backend.run('flow', tables, x, x));
    await refuses('allocate -1', () => backend.allocate(-1));
    await refuses('into of another length', () => backend.download(x, new Float32Array(3)));
  }
  for (const [name, options] of [
    ['webgpu', { device: 5 }],
    ['webgpu', { powerPreference: 'fast' }],
    ['webgpu', { devic: {} }],
    ['webgpu', null],
    ['wasm', { size: 1 }],
    ['js', null],
    ['auto', { sizes: 1 }],
  ] as const)
    await refuses(`${name} ${JSON.stringify(options)}`, () => loadBackend(name, options as Any));
});

test('signals of other makers, without throwIfAborted and reason, end calls', async () => {
  const like = (aborted: boolean) => ({ aborted, addEventListener() {}, removeEventListener() {} }) as Any;
  expect([...act.forward(x, undefined, { signal: like(false) })]).toEqual([...act.forward(x)]);
  expect(() => act.forward(x, undefined, { signal: like(true) })).toThrow(/aborted by its signal/);
  expect(() => act.backward(x, x, { signal: like(true) })).toThrow(/aborted by its signal/);
  expect([...(await act.on(pool).forward(x, undefined, { signal: like(false) }))]).toEqual([...act.forward(x)]);
  await expect(act.on(pool).forward(x, undefined, { signal: like(true) })).rejects.toThrow(/aborted by its signal/);
});
