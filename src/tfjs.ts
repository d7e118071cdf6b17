import {
  cast,
  customGrad,
  engine,
  mul,
  type Scalar,
  scalar,
  serialization,
  type Tensor,
  tensor,
  tensor2d,
  tidy,
} from '@tensorflow/tfjs-core';
import { type LayersModel, LayerVariable, layers } from '@tensorflow/tfjs-layers';
import type { Gradients } from './activations/backward.js';
import type { CheckpointOptions } from './activations/checkpoint.js';
import { DiTAC, type DiTACOptions } from './activations/ditac.js';
import type { FamilyActivation, FamilyClass, FamilyOptions, ParameterValue } from './activations/family-activation.js';
import { LAYOUTS, type Layout } from './activations/layout.js';
import {
  isRefinable,
  PROGRESSION_OPTIONS,
  Progression,
  type ProgressionOptions,
  type Refinable,
  refineWith,
} from './activations/progression.js';
import type { Basis } from './cpab/basis.js';
import { expectBasis, toRows } from './cpab/basis.js';
import {
  describe,
  expectArray,
  expectBoolean,
  expectFinite,
  expectFloat32Array,
  expectHolder,
  expectInteger,
  expectIntegerKind,
  expectNumber,
  expectOneOf,
  expectOptions,
  expectRecord,
  expectString,
  isView,
  type OptionTable,
  unchecked,
} from './errors.js';
import type { Variant } from './families/ditac.js';
import type { StateDict } from './io/tensor.js';
import { KANLayer, type Numbers } from './kan/layer.js';

/**
 * Trainable activations in TensorFlow.js: `ditac/tfjs`. Needs the peers `@tensorflow/tfjs-core` and `@tensorflow/tfjs-layers` (both come with
 * `@tensorflow/tfjs`), on whatever tfjs backend can read a tensor synchronously: the function and its gradient are computed by ditac.
 */

export interface DiTACLayerConfig {
  name?: string;
  trainable?: boolean;
  inputShape?: (number | null)[];
  batchInputShape?: (number | null)[];
  batchSize?: number;
  dtype?: 'float32';
  /** As for {@link DiTAC}. */
  tess?: number;
  a?: number;
  b?: number;
  basis?: Basis;
  variant?: Variant;
  lambdaSmooth?: number;
  lambdaVar?: number;
  precisionMatrix?: ArrayLike<number>;
  lambdaSmoothInit?: number;
  lambdaVarInit?: number;
  /** Draws the first θ; default: another one for every layer. */
  seed?: number;
  /** One θ for every channel instead of one for all. */
  perChannel?: boolean;
  /** Where the channels are. Default 'channelsLast', as everywhere in tfjs. */
  dataFormat?: Layout;
  /**
   * Weight of the regulariser θᵀPθ in the loss. Default 0.01: the PyTorch package's 0.1 acts there as 0.1/d, since its gradient of the
   * data is d times too large, and d = 9 by default.
   */
  lambdaRegLoss?: number;
}

const LAMBDA_REG_LOSS = 0.01;

const ACTIVATION_OPTIONS = {
  tess: expectIntegerKind,
  a: expectNumber,
  b: expectNumber,
  basis: expectBasis,
  variant: expectString,
  lambdaSmooth: expectNumber,
  lambdaVar: expectNumber,
  precisionMatrix: expectArray,
  lambdaSmoothInit: expectNumber,
  lambdaVarInit: expectNumber,
} as const;
const ACTIVATION_KEYS = Object.keys(ACTIVATION_OPTIONS) as readonly (keyof typeof ACTIVATION_OPTIONS)[];

const LAYER_OPTIONS = {
  ...ACTIVATION_OPTIONS,
  // tfjs' own, which it checks; a saved model has null in some.
  name: unchecked,
  trainable: unchecked,
  inputShape: unchecked,
  batchInputShape: unchecked,
  batchSize: unchecked,
  dtype: unchecked,
  weights: unchecked,
  inputDType: unchecked,
  customObjects: unchecked,
  seed: expectIntegerKind,
  perChannel: expectBoolean,
  dataFormat: expectString,
  lambdaRegLoss: expectNumber,
} satisfies OptionTable<DiTACLayerConfig & { weights?: unknown; inputDType?: unknown; customObjects?: unknown }>;

/** What tfjs trains: an activation whose parameters come from tensors, by name. */
interface Differentiable {
  readonly channels: number;
  forward(x: Float32Array, out: undefined, options: { shape?: readonly number[] }): Float32Array;
  backward(x: Float32Array, gradY: Float32Array, options: { shape?: readonly number[] }): Gradients;
}

/**
 * y = f(x) as an operation with gradients for x and the parameters, for training loops of your own.
 *
 * @param activation takes over the values of the parameters, whenever they change.
 * @param x float32 of any shape; with several channels they are where `activation.layout` says.
 * @param parameters of a DiTAC θ, [channels, d]; else every parameter by its name, in any shape.
 * @throws {TypeError} if one is missing or unknown. @throws {RangeError} if they are not finite, or make no sense: after a step that went wrong,
 *   rather than silently.
 */
export function activate(activation: DiTAC, x: Tensor, parameters: Tensor): Tensor;
export function activate<C extends object, P extends string>(
  activation: FamilyActivation<C, P>,
  x: Tensor,
  parameters: { readonly [K in P]: Tensor },
): Tensor;
export function activate(
  activation: DiTAC | FamilyActivation,
  x: Tensor,
  parameters: Tensor | Readonly<Record<string, Tensor>>,
): Tensor {
  // Another copy of this package makes as good ones.
  if (typeof activation?.update !== 'function' || typeof activation.backward !== 'function')
    throw new TypeError(`activation must be an activation of ditac, got ${describe(activation)}`);
  expectTensor('x', x);
  if ('thetas' in activation) {
    expectTensor('thetas', parameters);
    const present = () => ({ thetas: activation.thetas });
    return operation(activation, present, (changed) => activation.update(changed.thetas!), x, {
      thetas: parameters as Tensor,
    });
  }
  const names = Object.keys(activation.parameters);
  const given = expectHolder('parameters', parameters) as Readonly<Record<string, Tensor>>;
  for (const name of Object.keys(given)) expectOneOf('a parameter', name, names);
  for (const name of names) expectTensor(name, given[name]);
  const inOrder = Object.fromEntries(names.map((name) => [name, given[name]!]));
  return operation(
    activation,
    () => activation.parameters,
    (changed) => activation.update(changed),
    x,
    inOrder,
  );
}

function expectTensor(name: string, value: unknown): void {
  if (typeof (value as Tensor | undefined)?.dataSync !== 'function')
    throw new TypeError(`${name} must be a tensor, got ${describe(value)}`);
}

/** What a converted model passes to an operator of its own (`GraphNode` of @tensorflow/tfjs-converter). */
export interface GraphModelNode {
  readonly inputs: readonly Tensor[];
  readonly attrs: Readonly<Record<string, unknown>>;
}

/**
 * An operator for models that tfjs-converter made (`loadGraphModel`): `tf.registerOp('DiTAC', graphOperator({ 'act_1.': act }))` serves every node
 * of that name.
 *
 * @param activations one for all nodes, or several, by what a node says in its attribute `prefix`; of several channels, they are where
 *   `activation.layout` says.
 * @throws {TypeError} if one is no activation of ditac. The operator throws {RangeError} if a node names none of them.
 */
export function graphOperator(
  activations: DiTAC | FamilyActivation | Readonly<Record<string, DiTAC | FamilyActivation>>,
): (node: GraphModelNode) => Tensor {
  const isOne = typeof (activations as Partial<DiTAC> | null)?.forward === 'function';
  const known = isOne ? { '': activations as DiTAC } : expectHolder('graphOperator', activations);
  for (const [name, activation] of Object.entries(known))
    if (typeof (activation as Partial<DiTAC> | null)?.forward !== 'function')
      throw new TypeError(`activation '${name}' must be an activation of ditac, got ${describe(activation)}`);
  return ({ inputs, attrs }) => {
    const name = isOne ? '' : expectOneOf('the attribute prefix of a node', attrs.prefix, Object.keys(known));
    const activation = known[name] as DiTAC;
    const x = inputs[0]!;
    const options = activation.channels === 1 ? {} : { shape: x.shape };
    return tensor(activation.forward(floats(x), undefined, options), x.shape, 'float32');
  };
}

function operation(
  activation: Differentiable,
  present: () => Readonly<Record<string, Float32Array>>,
  update: (parameters: Readonly<Record<string, Float32Array>>) => void,
  x: Tensor,
  parameters: Readonly<Record<string, Tensor>>,
): Tensor {
  const names = Object.keys(parameters);
  const options = activation.channels === 1 ? {} : { shape: x.shape };
  const takeOver = (tensors: readonly Tensor[]): void => {
    const before = present();
    const after = Object.fromEntries(names.map((name, k) => [name, floats(tensors[k]!)]));
    if (names.some((name) => !isSame(before[name]!, after[name]!))) update(after);
  };
  const differentiable = customGrad((...inputs) => {
    const save = inputs.pop() as unknown as (tensors: Tensor[]) => void;
    const [input, ...values] = inputs as Tensor[];
    save([input!, ...values]);
    takeOver(values);
    const value = tensor(activation.forward(floats(input!), undefined, options), input!.shape, 'float32');
    const gradFunc = (gradY: Tensor, saved: Tensor[]): Tensor[] => {
      const [savedX, ...savedValues] = saved as [Tensor, ...Tensor[]];
      takeOver(savedValues);
      const { gradX, gradients } = activation.backward(floats(savedX), floats(gradY), options);
      return onceOnly(
        [
          tensor(gradX, savedX.shape, 'float32'),
          ...names.map((name, k) => tensor(gradients[name]!, savedValues[k]!.shape, 'float32')),
        ],
        [gradY, ...saved],
      );
    };
    return { value, gradFunc };
  });
  return differentiable(x, ...Object.values(parameters));
}

/**
 * Gradients that were computed from `inputs`. Where tfjs records what is done with gradients, to differentiate it again, they say that they cannot be: as
 * constants they would be taken to depend on nothing.
 */
function onceOnly(gradients: readonly Tensor[], inputs: readonly Tensor[]): Tensor[] {
  const { gradientDepth } = (engine() as unknown as { state: { gradientDepth: number } }).state;
  if (!(gradientDepth > 0)) return [...gradients];
  return gradients.map((value) =>
    customGrad((...given) => {
      given.pop();
      return {
        value: value.clone(),
        gradFunc: (): Tensor[] => {
          throw new Error('ditac has no second derivatives: a gradient of it cannot be differentiated again');
        },
      };
    })(...inputs),
  );
}

/** Whether all numbers are: then no plan has to be made anew. */
const isSame = (p: Float32Array, q: Float32Array): boolean =>
  p.length === q.length && q.every((v, i) => Object.is(v, p[i]));

/** A tensor's data, which it lends; a cast from integers says float32, but its data may still be what it was cast from. */
function floats(x: Tensor): Float32Array {
  if (x.dtype !== 'float32') throw new TypeError(`ditac needs a float32 tensor, got one of ${describe(x.dtype)}`);
  const data: unknown = x.dataSync();
  return isView(data, 'Float32Array') ? data : Float32Array.from(data as ArrayLike<number>);
}

/** Applies a function elementwise: what all layers here have in common. */
abstract class ElementwiseLayer extends layers.Layer {
  protected abstract evaluate(x: Tensor): Tensor;

  override computeOutputShape(inputShape: never): never {
    return inputShape;
  }

  override call(inputs: Tensor | Tensor[], kwargs: object): Tensor | Tensor[] {
    return tidy(() => {
      this.invokeCallHook(inputs, kwargs as never);
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      return this.evaluate(cast(x, 'float32'));
    });
  }
}

/** Moves what an optimiser keeps of a variable that was refined. */
type Carry = (state: Float32Array, power: 1 | 2) => Float32Array;

/** A layer whose function can be refined while it is trained. */
interface RefinableLayer {
  readonly isRefinable: boolean;
  /** Returns, by the name of every variable that is no longer there, the one in its place and what becomes of its averages. */
  refine(factor?: number): Map<string, { variable: LayerVariable; carry: Carry }>;
}

/** A variable in the place of another, of any shape. */
function replaced(before: LayerVariable, data: Float32Array, shape: readonly number[]): LayerVariable {
  const initial = tensor(data, shape as number[], 'float32');
  const variable = new LayerVariable(initial, 'float32', before.originalName, true);
  initial.dispose();
  before.dispose();
  return variable;
}

/** How many channels an input has. @throws {RangeError} if that is not known. */
function channelsOf(inputShape: (number | null)[] | (number | null)[][], layout: Layout, what: string): number {
  const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as (number | null)[];
  const axis = layout === 'channelsLast' ? shape.length - 1 : 1;
  const channels = shape[axis];
  if (typeof channels !== 'number')
    throw new RangeError(
      `axis ${axis} of the input shape [${shape.join(', ')}] must be known to give each channel its ${what}`,
    );
  return channels;
}

/** A layer with a trainable activation function, for `tf.sequential` and `tf.model`. */
export class DiTACLayer extends ElementwiseLayer {
  /** What tfjs saves the layer as. */
  static className = 'DiTAC';
  #config: DiTACLayerConfig;
  readonly #seed: number;
  readonly #lambda: number;
  /** θ as long as the layer is not built. */
  readonly #thetas: Float32Array | undefined;
  #activation: DiTAC | undefined;

  /** @throws {TypeError|RangeError} if an option is not what {@link DiTAC} takes. */
  constructor(config: DiTACLayerConfig = {}, thetas?: Float32Array) {
    expectOptions('DiTACLayer', config, LAYER_OPTIONS);
    if (thetas !== undefined) expectFloat32Array('thetas', thetas);
    if (config.dataFormat !== undefined) expectOneOf('dataFormat', config.dataFormat, LAYOUTS);
    super(config as ConstructorParameters<typeof layers.Layer>[0]);
    this.#config = config;
    this.#seed = config.seed ?? Math.floor(Math.random() * 2 ** 32);
    this.#lambda = expectFinite('lambdaRegLoss', config.lambdaRegLoss ?? LAMBDA_REG_LOSS);
    this.#thetas = thetas;
    // Mistakes are reported here, not when the model is built.
    new DiTAC(thetas ? { ...this.#options(), thetas } : { ...this.#options(), seed: this.#seed });
  }

  /** Takes over an activation that was trained in PyTorch; options as {@link DiTAC.fromStateDict}. Training goes on from there. */
  static fromStateDict(
    tensors: StateDict,
    config: DiTACLayerConfig & Pick<CheckpointOptions, 'prefix' | 'metadata'> = {},
  ): DiTACLayer {
    expectOptions<DiTACLayerConfig & Pick<CheckpointOptions, 'prefix' | 'metadata'>>(
      'DiTACLayer.fromStateDict',
      config,
      { ...LAYER_OPTIONS, prefix: expectString, metadata: expectRecord },
    );
    const given: CheckpointOptions = {};
    for (const key of [...ACTIVATION_KEYS, 'prefix', 'metadata'] as const) {
      if (config[key] !== undefined) Object.assign(given, { [key]: config[key] });
    }
    const act = DiTAC.fromStateDict(tensors, given);
    const { tess, a, b, variant, lambdaSmooth, lambdaVar, precisionMatrix } = act;
    const { prefix: _, metadata: __, ...rest } = config;
    const found = { tess, a, b, variant, lambdaSmooth, lambdaVar, precisionMatrix, basis: toRows(act.basis) };
    return new DiTACLayer({ ...rest, ...found, perChannel: act.channels > 1 }, act.thetas);
  }

  /** The activation with the present θ. @throws {Error} if the layer is not built. */
  get activation(): DiTAC {
    const act = this.#activation;
    if (act === undefined)
      throw new Error('the layer is not built: it has no parameters before its input shape is known');
    act.update(floats(this.weights[0]!.read()));
    return act;
  }

  /** As {@link DiTAC.stateDict}: what PyTorch's `load_state_dict` takes. */
  stateDict(options: { prefix?: string } = {}): ReturnType<DiTAC['stateDict']> {
    return this.activation.stateDict(options);
  }

  /** @throws {RangeError} if the channels are not known and each should have its θ. */
  override build(inputShape: (number | null)[] | (number | null)[][]): void {
    const layout = this.#config.dataFormat ?? 'channelsLast';
    const channels = this.#config.perChannel ? channelsOf(inputShape, layout, 'θ') : 1;
    const act = new DiTAC({
      ...this.#options(),
      layout,
      channels,
      ...(this.#thetas ? { thetas: this.#thetas } : { seed: this.#seed }),
    });
    const initializer = { apply: () => tensor2d(act.thetas, [channels, act.dimension]) };
    this.addWeight('thetas', [channels, act.dimension], 'float32', initializer as never, undefined, true);
    this.#activation = act;
    // Of the θ of the moment: a refined layer has another.
    if (this.#lambda !== 0) this.addLoss((() => this.#penalty(this.#activation!, this.weights[0]!.read())) as never);
    super.build(inputShape as never);
  }

  get isRefinable(): boolean {
    return true;
  }

  /**
   * The same function on a tessellation `factor` times as fine, to be trained further; see {@link ProgressiveTraining}, which does it for a model.
   * @throws {Error} if the layer is not built. @throws {TypeError|RangeError} as {@link DiTAC.refine}.
   */
  refine(factor = 2): Map<string, { variable: LayerVariable; carry: Carry }> {
    const { refined, carry } = refineWith<Refinable>(this.activation, factor);
    const act = refined as unknown as DiTAC;
    const before = this.weights[0]!;
    const variable = replaced(before, act.thetas, [act.channels, act.dimension]);
    this._trainableWeights = [variable];
    const { tess } = act;
    const { basis, precisionMatrix: _, ...rest } = this.#config;
    this.#config = { ...rest, tess, ...(typeof basis === 'object' ? { basis: 'sparse' } : basis ? { basis } : {}) };
    this.#activation = act;
    return new Map([
      [before.name, { variable, carry: (state: Float32Array, power: 1 | 2) => carry('thetas', state, power) }],
    ]);
  }

  protected override evaluate(x: Tensor): Tensor {
    return activate(this.#activation!, x, this.weights[0]!.read());
  }

  override getConfig(): serialization.ConfigDict {
    const { basis, precisionMatrix, perChannel, dataFormat } = this.#config;
    const saved = {
      ...this.#options(),
      ...(perChannel === undefined ? {} : { perChannel }),
      ...(dataFormat === undefined ? {} : { dataFormat }),
      lambdaRegLoss: this.#lambda,
      seed: this.#seed,
      // As JSON has them.
      ...(typeof basis === 'object' && 'columns' in basis ? { basis: toRows(basis) } : {}),
      ...(precisionMatrix === undefined ? {} : { precisionMatrix: Array.from(precisionMatrix) }),
    };
    return { ...super.getConfig(), ...(saved as unknown as serialization.ConfigDict) };
  }

  #options(): DiTACOptions {
    return Object.fromEntries(
      ACTIVATION_KEYS.filter((key) => this.#config[key] !== undefined).map((key) => [key, this.#config[key]]),
    );
  }

  /** λ·Σ θᵀPθ over all channels, and its gradient: one operation, where in tensors' own they would be ten. */
  #penalty(act: DiTAC, thetas: Tensor): Scalar {
    const penalized = customGrad((given) => {
      const present = floats(given as Tensor);
      if (!isSame(act.thetas, present)) act.update(present);
      const { loss, gradThetas } = act.regularization({ lambda: this.#lambda });
      const { shape } = given as Tensor;
      return {
        value: scalar(loss),
        gradFunc: (upstream: Tensor) =>
          mul(upstream, onceOnly([tensor(gradThetas, shape, 'float32')], [given as Tensor])[0]!),
      };
    });
    return penalized(thetas) as Scalar;
  }
}

serialization.registerClass(DiTACLayer as never);

/** What the layer of a family takes: the family's constants and parameters, and where they come from. */
export type ActivationLayerConfig<C extends object = object, P extends string = string> = Partial<C> & {
  /** What a parameter begins with: as for the family's class. */
  [K in P]?: ParameterValue;
} & {
  name?: string;
  trainable?: boolean;
  inputShape?: (number | null)[];
  batchInputShape?: (number | null)[];
  batchSize?: number;
  dtype?: 'float32';
  /** Draws what is not given and has no fixed initial value; default: other values for every layer. */
  seed?: number;
  /**
   * Parameters that all channels share: all of them (true), none (false), or those that are named. Default: those that the original class
   * shares (`alpha` of DyT); of the others there is one a channel.
   */
  shared?: boolean | readonly P[];
  /** So many functions, each for as many neighbouring channels. Default: one a channel. */
  groups?: number;
  /** Where the channels are. Default 'channelsLast', as everywhere in tfjs. */
  dataFormat?: Layout;
};

/** Of layers: not the family's. */
const OWN_OPTIONS = {
  name: unchecked,
  trainable: unchecked,
  inputShape: unchecked,
  batchInputShape: unchecked,
  batchSize: unchecked,
  dtype: unchecked,
  weights: unchecked,
  inputDType: unchecked,
  customObjects: unchecked,
  seed: expectIntegerKind,
  shared: unchecked,
  groups: expectIntegerKind,
  dataFormat: expectString,
} satisfies OptionTable<
  ActivationLayerConfig<object, never> & Record<'weights' | 'inputDType' | 'customObjects', unknown>
>;
type OwnConfig = ActivationLayerConfig<object, never>;

/** A layer of a family: the weights have the names, and the shapes, that a checkpoint of the original class has. */
export abstract class ActivationLayer<C extends object = object, P extends string = string> extends ElementwiseLayer {
  readonly #of: FamilyClass<C, P>;
  readonly #own: OwnConfig;
  #options: FamilyOptions<C, P>;
  readonly #shared: boolean | readonly string[];
  readonly #seed: number;
  readonly #variables = new Map<string, LayerVariable>();
  #activation: FamilyActivation<C, P> | undefined;

  protected constructor(of: FamilyClass<C, P>, config: ActivationLayerConfig<C, P> = {}) {
    const what = `the layer of ${of.family.name}`;
    const [own, options] = divided(what, config);
    if (own.dataFormat !== undefined) expectOneOf('dataFormat', own.dataFormat, LAYOUTS);
    if (own.groups !== undefined) expectInteger('groups', own.groups, 1, 65536);
    super(own as ConstructorParameters<typeof layers.Layer>[0]);
    this.#of = of;
    this.#own = own;
    this.#options = options as FamilyOptions<C, P>;
    this.#seed = own.seed ?? Math.floor(Math.random() * 2 ** 32);
    // Mistakes are reported here, not when the model is built.
    const names = Object.keys(this.#draw().shapes);
    const shared: unknown = own.shared ?? of.family.shared ?? false;
    if (typeof shared !== 'boolean') {
      if (!Array.isArray(shared))
        throw new TypeError(`shared must be true, false or names of parameters, got ${describe(shared)}`);
      for (const name of shared) expectOneOf('a shared parameter', name, names);
    }
    this.#shared = shared as boolean | readonly string[];
  }

  /** The activation with the present parameters. @throws {Error} if the layer is not built. */
  get activation(): FamilyActivation<C, P> {
    const act = this.#activation;
    if (act === undefined)
      throw new Error('the layer is not built: it has no parameters before its input shape is known');
    const present = Object.fromEntries([...this.#variables].map(([name, variable]) => [name, floats(variable.read())]));
    act.update(present as unknown as { [K in P]?: ParameterValue });
    return act;
  }

  /** As the family's `stateDict`: what PyTorch's `load_state_dict` takes. */
  stateDict(options: { prefix?: string } = {}): ReturnType<FamilyActivation['stateDict']> {
    return this.activation.stateDict(options);
  }

  /** @throws {RangeError} if the channels are not known and each should have its parameters, or their number does not fit. */
  override build(inputShape: (number | null)[] | (number | null)[][]): void {
    const layout = this.#own.dataFormat ?? 'channelsLast';
    const drawn = this.#draw();
    const isShared = (name: string) => this.#shared === true || (this.#shared !== false && this.#shared.includes(name));
    const shapes = Object.entries<readonly number[]>(drawn.shapes);
    const isOne = shapes.every(([name]) => isShared(name));
    const channels = isOne ? 1 : channelsOf(inputShape, layout, 'parameters');
    const functions = isOne ? 1 : (this.#own.groups ?? channels);
    const values: Record<string, Float32Array> = drawn.parameters;
    const spread: Record<string, ParameterValue> = {};
    for (const [name, [count]] of shapes) {
      const wanted = isShared(name) ? 1 : functions;
      if (count !== 1 && count !== wanted)
        throw new RangeError(
          wanted === 1
            ? `${name} is shared by all channels, but ${count} of it are given`
            : `${name} must be given for 1 or ${wanted} functions, got ${count}`,
        );
      const flat = count === wanted ? values[name]! : repeated(values[name]!, wanted);
      const length = flat.length / wanted;
      spread[name] =
        drawn.shapes[name as P].length === 1 || wanted === 1
          ? flat
          : Array.from({ length: wanted }, (_, row) => flat.subarray(row * length, (row + 1) * length));
    }
    const act = new this.#of({ ...drawn.constants, ...spread, channels, layout } as FamilyOptions<C, P>);
    const dict = act.stateDict();
    for (const [name, data] of Object.entries<Float32Array>(act.parameters)) {
      const stored = act.storedNames[name as P];
      const shape = dict[stored]?.data.length === data.length ? dict[stored].shape : [data.length];
      const initializer = { apply: () => tensor(data, shape, 'float32') };
      this.#variables.set(name, this.addWeight(stored, shape, 'float32', initializer as never, undefined, true));
    }
    this.#activation = act;
    super.build(inputShape as never);
  }

  /** Whether the family says how. */
  get isRefinable(): boolean {
    return isRefinable({ family: this.#of.family as { refine?: unknown } });
  }

  /**
   * The same function with more parameters, to be trained further; see {@link ProgressiveTraining}, which does it for a model.
   * @throws {Error} if the layer is not built. @throws {TypeError|RangeError} as the family's `refine`.
   */
  refine(factor = 2): Map<string, { variable: LayerVariable; carry: Carry }> {
    const { refined, carry } = refineWith<Refinable>(this.activation, factor);
    const act = refined as unknown as FamilyActivation<C, P>;
    const moved = new Map<string, { variable: LayerVariable; carry: Carry }>();
    const before = new Map(this.#variables);
    for (const name of Object.keys(act.parameters))
      if (!before.has(name))
        throw new RangeError(`a layer of ${this.#of.family.name} must keep its parameters, got the new ${name}`);
    const dict = act.stateDict();
    this.#variables.clear();
    const options: Record<string, unknown> = { ...this.#options, ...act.constants };
    for (const [name, data] of Object.entries<Float32Array>(act.parameters)) {
      const stored = act.storedNames[name as P];
      const shape = dict[stored]?.data.length === data.length ? dict[stored].shape : [data.length];
      const old = before.get(name);
      if (!old)
        throw new RangeError(`a layer of ${this.#of.family.name} must keep its parameters, got the new ${name}`);
      const variable = replaced(old, data, shape);
      moved.set(old.name, { variable, carry: (state, power) => carry(name, state, power) });
      this.#variables.set(name, variable);
      const [count, length] = act.shapes[name as P] as [number, number?];
      options[name] = length === undefined ? data : rowsOf(data, count, length);
    }
    this._trainableWeights = [...this.#variables.values()];
    this.#options = options as FamilyOptions<C, P>;
    this.#activation = act;
    return moved;
  }

  protected override evaluate(x: Tensor): Tensor {
    const parameters = Object.fromEntries([...this.#variables].map(([name, variable]) => [name, variable.read()]));
    return activate(this.#activation as FamilyActivation, x, parameters);
  }

  override getConfig(): serialization.ConfigDict {
    const { dataFormat, groups } = this.#own;
    const settings = { ...this.#options, shared: this.#shared, seed: this.#seed, dataFormat, groups };
    return { ...super.getConfig(), settings: written(settings) };
  }

  #draw(): FamilyActivation<C, P> {
    return new this.#of({ ...this.#options, seed: this.#seed } as FamilyOptions<C, P>);
  }
}

/** The class of the layers of a family. */
export interface ActivationLayerClass<C extends object = object, P extends string = string> {
  new (config?: ActivationLayerConfig<C, P>): ActivationLayer<C, P>;
  /** What tfjs saves the layer as. */
  readonly className: string;
  /** Takes over an activation that was trained in PyTorch; options as the family's `fromStateDict`. Training goes on from there. */
  fromStateDict(tensors: StateDict, config?: ActivationLayerConfig<C, P> & { prefix?: string }): ActivationLayer<C, P>;
}

const made = new WeakMap<object, unknown>();

/**
 * The layers of a family, ready for `tf.sequential` and `tf.model`: `new (layerOf(Snake))({ alpha: 0.5 })`. Registered with tfjs under
 * `ditac.` and the family's name, so that saved models are loaded again by a program that has called `layerOf`.
 *
 * @param family a class of ditac, or one of your own that `defineFamily` made.
 * @throws {TypeError} if it is none.
 */
export function layerOf(family: typeof DiTAC): typeof DiTACLayer;
export function layerOf<C extends object, P extends string>(family: FamilyClass<C, P>): ActivationLayerClass<C, P>;
export function layerOf(family: typeof DiTAC | FamilyClass<object, string>): unknown {
  if (family === DiTAC) return DiTACLayer;
  const of = family as FamilyClass<object, string>;
  if (typeof of !== 'function' || typeof of.family?.define !== 'function')
    throw new TypeError(`layerOf needs the class of a family, as Snake is, got ${describe(family)}`);
  let found = made.get(of);
  if (found) return found;
  const layer = class extends ActivationLayer {
    static className = `ditac.${of.family.name}`;

    constructor(config: ActivationLayerConfig = {}) {
      super(of, config);
    }

    static override fromConfig(cls: never, { settings, ...rest }: serialization.ConfigDict): never {
      return new (cls as typeof layer)({ ...rest, ...read(settings) } as ActivationLayerConfig) as never;
    }

    static fromStateDict(tensors: StateDict, config: ActivationLayerConfig & { prefix?: string } = {}) {
      const [own, options] = divided(`fromStateDict of the layer of ${of.family.name}`, config, []);
      const act = of.fromStateDict(tensors, options as FamilyOptions<object, string>);
      const shapes = Object.entries(act.shapes);
      const functions = shapes.reduce((most, [, [count]]) => Math.max(most, count!), 1);
      const values = Object.fromEntries(
        shapes.map(([name, [count, length]]) => [
          name,
          length === undefined ? act.parameters[name] : rowsOf(act.parameters[name]!, count!, length),
        ]),
      );
      const shared = shapes.filter(([, [count]]) => count === 1).map(([name]) => name);
      // As many functions as channels are no groups: the tensor has to have so many.
      const isGrouped = functions < act.channels;
      const found = functions === 1 ? { shared: true } : { shared, ...(isGrouped ? { groups: functions } : {}) };
      return new layer({ ...own, ...act.constants, ...values, ...found } as ActivationLayerConfig);
    }
  };
  serialization.registerClass(layer as never);
  made.set(of, layer);
  found = layer;
  return found;
}

/** Options of a layer, and those of the family, which checks them itself. */
function divided(
  what: string,
  config: unknown,
  // A layer learns these when it is built.
  refused: readonly string[] = ['channels', 'layout'],
): [OwnConfig, Record<string, unknown>] {
  const own: Record<string, unknown> = {};
  const rest: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(expectHolder(what, config)))
    (Object.hasOwn(OWN_OPTIONS, key) ? own : rest)[key] = value;
  expectOptions(what, own, OWN_OPTIONS as OptionTable<OwnConfig>);
  for (const key of refused) if (key in rest) expectOneOf(`an option of ${what}`, key, Object.keys(OWN_OPTIONS));
  return [own, rest];
}

function repeated(row: Float32Array, count: number): Float32Array {
  const all = new Float32Array(count * row.length);
  for (let c = 0; c < count; c++) all.set(row, c * row.length);
  return all;
}

const rowsOf = (data: Float32Array, count: number, length: number): Float32Array[] =>
  Array.from({ length: count }, (_, row) => data.slice(row * length, (row + 1) * length));

/**
 * Settings as a text that comes through tfjs, which changes names and values between camelCase and snake_case on its way to a file: JSON in
 * which capitals and underscores, found in strings alone, are written as escapes.
 */
function written(settings: object): string {
  const json = JSON.stringify(settings, (_, value) => (ArrayBuffer.isView(value) ? Array.from(value as never) : value));
  return json.replace(/[A-Z_]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
}

function read(settings: unknown): Record<string, unknown> {
  if (typeof settings !== 'string') throw new TypeError(`settings must be a string, got ${describe(settings)}`);
  return JSON.parse(settings) as Record<string, unknown>;
}

export interface KANLinearConfig {
  /** How many outputs. */
  units: number;
  name?: string;
  trainable?: boolean;
  inputShape?: (number | null)[];
  batchInputShape?: (number | null)[];
  batchSize?: number;
  dtype?: 'float32';
  /** As for {@link KANLayer}. */
  grid?: Numbers;
  cells?: number;
  range?: readonly [number, number];
  degree?: number;
  base_weight?: Numbers;
  spline_scaler?: Numbers;
  spline_weight?: Numbers;
  /** Draws what is not given; default: other values for every layer. */
  seed?: number;
}

const KAN_OPTIONS = {
  units: expectIntegerKind,
  name: unchecked,
  trainable: unchecked,
  inputShape: unchecked,
  batchInputShape: unchecked,
  batchSize: unchecked,
  dtype: unchecked,
  weights: unchecked,
  inputDType: unchecked,
  customObjects: unchecked,
  grid: expectArray,
  cells: expectIntegerKind,
  range: expectArray,
  degree: expectIntegerKind,
  base_weight: expectArray,
  spline_scaler: expectArray,
  spline_weight: expectArray,
  seed: expectIntegerKind,
} satisfies OptionTable<KANLinearConfig & { weights?: unknown; inputDType?: unknown; customObjects?: unknown }>;

const KAN_PARAMETERS = ['base_weight', 'spline_scaler', 'spline_weight'] as const;
const KAN_KEYS = [...KAN_PARAMETERS, 'grid', 'cells', 'range', 'degree'] as const;

/**
 * A layer of a Kolmogorov–Arnold network in place of a dense layer and its activation: x [..., inputs] → [..., units], with weights called as efficient-kan's. While it is
 * trained it is {@link KANLayer.direct}; `predict` and `evaluate` give the bits of {@link KANLayer.forward}.
 */
export class KANLinear extends layers.Layer {
  /** What tfjs saves the layer as. */
  static className = 'ditac.KANLinear';
  #config: KANLinearConfig;
  readonly #seed: number;
  readonly #variables = new Map<(typeof KAN_PARAMETERS)[number], LayerVariable>();
  #layer: KANLayer | undefined;

  /** @throws {TypeError|RangeError} if an option is not what {@link KANLayer} takes. */
  constructor(config: KANLinearConfig) {
    expectOptions('KANLinear', config, KAN_OPTIONS, ['units']);
    expectInteger('units', config.units, 1, 65536);
    // Mistakes are reported here, not when the model is built; what depends on the number of inputs only then.
    const { grid, cells, range, degree } = config;
    if (config.grid === undefined || !Array.isArray(config.grid) || typeof config.grid[0] !== 'object')
      new KANLayer({ inputs: 1, outputs: 1, seed: 0, grid, cells, range, degree });
    super(config as unknown as ConstructorParameters<typeof layers.Layer>[0]);
    this.#config = config;
    this.#seed = config.seed ?? Math.floor(Math.random() * 2 ** 32);
  }

  /** Takes over a layer that was trained in PyTorch: see {@link KANLayer.fromStateDict}. */
  static fromStateDict(
    tensors: StateDict,
    config: Omit<KANLinearConfig, 'units'> & { prefix?: string } = {},
  ): KANLinear {
    const { prefix, ...rest } = expectHolder('KANLinear.fromStateDict', config);
    const layer = KANLayer.fromStateDict(tensors, prefix === undefined ? {} : { prefix: prefix as string });
    return new KANLinear({ inputShape: [layer.inputs], ...rest, ...contentOf(layer), units: layer.outputs });
  }

  /** The layer with the present parameters. @throws {Error} if it is not built. */
  get layer(): KANLayer {
    const own = this.#layer;
    if (own === undefined)
      throw new Error('the layer is not built: it has no parameters before its input shape is known');
    const present = Object.fromEntries([...this.#variables].map(([name, each]) => [name, floats(each.read())]));
    takeOverKan(own, present);
    return own;
  }

  /** As {@link KANLayer.stateDict}. */
  stateDict(options: { prefix?: string; class?: 'efficient-kan' | 'pykan' } = {}): ReturnType<KANLayer['stateDict']> {
    return this.layer.stateDict(options);
  }

  get isRefinable(): boolean {
    return true;
  }

  /** The same functions on finer grids, to be trained further; see {@link ProgressiveTraining}, which does it for a model. */
  refine(factor = 2): Map<string, { variable: LayerVariable; carry: Carry }> {
    const { refined, carry } = refineWith<Refinable>(this.layer, factor);
    const fine = refined as unknown as KANLayer;
    const moved = new Map<string, { variable: LayerVariable; carry: Carry }>();
    for (const name of KAN_PARAMETERS) {
      const before = this.#variables.get(name)!;
      const variable = replaced(before, fine.parameters[name], fine.shapes[name]);
      moved.set(before.name, { variable, carry: (state, power) => carry(name, state, power) });
      this.#variables.set(name, variable);
    }
    this._trainableWeights = [...this.#variables.values()];
    const { cells: _, range: __, ...rest } = this.#config;
    this.#config = { ...rest, ...contentOf(fine) };
    this.#layer = fine;
    return moved;
  }

  /** @throws {RangeError} if the number of inputs is not known. */
  override build(inputShape: (number | null)[] | (number | null)[][]): void {
    const inputs = channelsOf(inputShape, 'channelsLast', 'edges');
    const given = Object.fromEntries(KAN_KEYS.map((key) => [key, this.#config[key]]));
    const own = new KANLayer({ inputs, outputs: this.#config.units, seed: this.#seed, ...given });
    const { parameters, shapes } = own;
    for (const name of KAN_PARAMETERS) {
      const shape = shapes[name] as number[];
      const initializer = { apply: () => tensor(parameters[name], shape, 'float32') };
      this.#variables.set(name, this.addWeight(name, shape, 'float32', initializer as never, undefined, true));
    }
    this.#layer = own;
    super.build(inputShape as never);
  }

  override computeOutputShape(inputShape: never): never {
    const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as unknown as (number | null)[];
    return [...shape.slice(0, -1), this.#config.units] as never;
  }

  override call(inputs: Tensor | Tensor[], kwargs: { training?: boolean }): Tensor | Tensor[] {
    return tidy(() => {
      this.invokeCallHook(inputs, kwargs as never);
      const x = cast(Array.isArray(inputs) ? inputs[0]! : inputs, 'float32');
      const own = this.#layer!;
      const isTraining = kwargs?.training === true;
      const differentiable = customGrad((...given) => {
        const save = given.pop() as unknown as (tensors: Tensor[]) => void;
        const [input, ...values] = given as Tensor[];
        save([input!, ...values]);
        takeOverKan(own, named(values));
        const data = floats(input!);
        const y = isTraining ? own.direct(data) : own.forward(data);
        const value = tensor(y, [...input!.shape.slice(0, -1), own.outputs], 'float32');
        const gradFunc = (gradY: Tensor, saved: Tensor[]): Tensor[] => {
          const [savedX, ...savedValues] = saved as [Tensor, ...Tensor[]];
          takeOverKan(own, named(savedValues));
          const { gradX, gradients } = own.backward(floats(savedX), floats(gradY));
          return onceOnly(
            [
              tensor(gradX, savedX.shape, 'float32'),
              ...KAN_PARAMETERS.map((name, k) => tensor(gradients[name], savedValues[k]!.shape, 'float32')),
            ],
            [gradY, ...saved],
          );
        };
        return { value, gradFunc };
      });
      return differentiable(x, ...KAN_PARAMETERS.map((name) => this.#variables.get(name)!.read()));
    });
  }

  static override fromConfig(cls: never, { settings, ...rest }: serialization.ConfigDict): never {
    return new (cls as typeof KANLinear)({ ...rest, ...read(settings) } as unknown as KANLinearConfig) as never;
  }

  override getConfig(): serialization.ConfigDict {
    const given = Object.fromEntries(KAN_KEYS.map((key) => [key, nested(this.#config[key])]));
    return { ...super.getConfig(), settings: written({ units: this.#config.units, seed: this.#seed, ...given }) };
  }
}

serialization.registerClass(KANLinear as never);

const named = (values: readonly Tensor[]): Record<string, Float32Array> =>
  Object.fromEntries(KAN_PARAMETERS.map((name, k) => [name, floats(values[k]!)]));

function takeOverKan(layer: KANLayer, present: Readonly<Record<string, Float32Array>>): void {
  const before = layer.parameters;
  const isNew = KAN_PARAMETERS.some((name) => present[name]!.some((v, i) => !Object.is(v, before[name][i])));
  if (isNew) layer.update(present);
}

/** What a layer holds, as options. */
function contentOf(layer: KANLayer) {
  const { degree, grid, parameters } = layer;
  return { degree, grid: grid.map((row) => Array.from(row)), ...parameters };
}

/** Typed arrays as JSON has them, however deep. */
const nested = (value: unknown): unknown =>
  ArrayBuffer.isView(value) ? Array.from(value as never) : Array.isArray(value) ? value.map(nested) : value;

/** Averages of squares, by what tfjs' optimisers call them; all others are of gradients themselves. */
const SQUARES = ['v', 'rms', 'accumulator', 'accum_grad', 'accum_var'];
/** tf.train.adagrad begins with this. */
const ADAGRAD_INITIAL = 0.1;

export interface ProgressiveTrainingOptions extends ProgressionOptions {
  /** What of `fit`'s logs is observed. Default 'val_loss', for which `fit` needs validation data. */
  monitor?: string;
  /** Names of the layers to refine. Default: all that can be. */
  layers?: readonly string[];
}

type Nested = layers.Layer & Partial<RefinableLayer> & { readonly layers?: readonly Nested[] };

/** The layers of a model, and of models among them. */
function allLayers(own: readonly Nested[]): Nested[] {
  return own.flatMap((each) => (Array.isArray(each.layers) ? allLayers(each.layers) : [each]));
}

/**
 * A model whose activations grow while it is trained: `model.fit(x, y, { validationSplit: 0.2, callbacks: new ProgressiveTraining(model).callbacks })`. When the
 * validation loss stalls, every layer of ditac that can is refined in place: no output changes but by rounding, and the optimiser keeps its state
 * for what existed.
 */
export class ProgressiveTraining {
  readonly #model: LayersModel;
  readonly #progression: Progression;
  readonly #monitor: string;
  readonly #layers: readonly (layers.Layer & RefinableLayer)[];

  /** @throws {TypeError|RangeError} if options do not fit, or the model has no layer that can be refined. */
  constructor(model: LayersModel, options: ProgressiveTrainingOptions = {}) {
    if (typeof model?.predict !== 'function' || !Array.isArray(model.layers))
      throw new TypeError(`model must be a model of tfjs, got ${describe(model)}`);
    expectOptions('ProgressiveTraining', options, {
      ...PROGRESSION_OPTIONS,
      monitor: expectString,
      layers: expectArray,
    } satisfies OptionTable<ProgressiveTrainingOptions>);
    const { monitor, layers: names, ...rest } = options;
    this.#model = model;
    this.#progression = new Progression(rest);
    this.#monitor = monitor ?? 'val_loss';
    const able = allLayers(model.layers as Nested[]).filter((each) => each.isRefinable === true);
    for (const name of names ?? [])
      expectOneOf(
        'a layer to refine',
        name,
        able.map((each) => each.name),
      );
    this.#layers = able.filter((each) => !names || names.includes(each.name)) as (layers.Layer & RefinableLayer)[];
    if (this.#layers.length === 0)
      throw new RangeError(
        `the model needs a layer that can be refined, of DiTAC or a family with more and more parameters; it has ${model.layers.map((each) => each.getClassName()).join(', ')}`,
      );
  }

  /** How many refinements are left. */
  get left(): number {
    return this.#progression.left;
  }

  /** For `fit` and `fitDataset`. */
  get callbacks(): { onEpochEnd(epoch: number, logs?: Readonly<Record<string, unknown>>): Promise<void> } {
    return {
      onEpochEnd: async (_, logs) => {
        const loss: unknown = logs?.[this.#monitor];
        if (loss === undefined)
          throw new RangeError(
            `ProgressiveTraining needs '${this.#monitor}' among what fit logs, got ${Object.keys(logs ?? {}).join(', ') || 'nothing'}; 'val_loss' needs validationSplit or validationData`,
          );
        await this.observe(loss as number);
      },
    };
  }

  /** For training loops of your own: takes a validation loss, and refines if it is time to; says whether it did. */
  async observe(loss: number): Promise<boolean> {
    const isTime = this.#progression.observe(loss);
    if (isTime) await this.refine();
    return isTime;
  }

  /** Refines now. */
  async refine(): Promise<void> {
    const { optimizer } = this.#model;
    // Before anything changes: not every optimiser says what it keeps.
    const kept = optimizer ? await optimizer.getWeights() : [];
    const moved = new Map<string, { variable: LayerVariable; carry: Carry }>();
    for (const layer of this.#layers)
      for (const [name, each] of layer.refine(this.#progression.factor)) moved.set(name, each);
    // tfjs takes down a compiled model's variables once; a Sequential's are those of the model in it.
    type Compiled = {
      collectedTrainableWeights?: LayerVariable[];
      trainableWeights: LayerVariable[];
      model?: Compiled;
    };
    for (let each: Compiled | undefined = this.#model as unknown as Compiled; each; each = each.model)
      if (each.collectedTrainableWeights) each.collectedTrainableWeights = each.trainableWeights;
    if (!optimizer) return;
    if (kept.length < 2) {
      for (const { tensor: each } of kept) each.dispose();
      return;
    }
    const left: Tensor[] = [];
    const next = kept.map(({ name, tensor: state }) => {
      const at = name.lastIndexOf('/');
      const [of, kind] = [moved.get(name.slice(0, at)), name.slice(at + 1)];
      left.push(state);
      if (!of) return { name, tensor: state };
      const carried = of.carry(floats(state), SQUARES.includes(kind) ? 2 : 1);
      if (kind === 'accumulator') for (const [i, v] of carried.entries()) if (v === 0) carried[i] = ADAGRAD_INITIAL;
      const variable = tensor(carried, of.variable.shape as number[], 'float32');
      left.push(variable);
      return { name: `${of.variable.name}/${kind}`, tensor: variable };
    });
    await optimizer.setWeights(next);
    for (const each of left) each.dispose();
  }
}
