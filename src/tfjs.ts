import {
  cast,
  customGrad,
  matMul,
  mul,
  type Scalar,
  serialization,
  sum,
  type Tensor,
  type Tensor2D,
  tensor,
  tensor2d,
  tidy,
} from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import type { CheckpointOptions } from './activations/checkpoint.js';
import { DiTAC, type DiTACOptions } from './activations/ditac.js';
import { LAYOUTS, type Layout } from './activations/layout.js';
import type { Basis } from './cpab/basis.js';
import { expectBasis, toRows } from './cpab/basis.js';
import {
  describe,
  expectArray,
  expectBoolean,
  expectFinite,
  expectFloat32Array,
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

/**
 * DiTAC in TensorFlow.js: `ditac/tfjs`. Needs the peers `@tensorflow/tfjs-core` and `@tensorflow/tfjs-layers` (both come with
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

/**
 * y = f(x) as an operation with gradients for x and θ, for training loops of your own.
 *
 * @param activation takes over the values of `thetas`, whenever they change.
 * @param x float32 of any shape; with several channels they are where `activation.layout` says.
 * @param thetas [channels, d].
 * @throws {RangeError} if thetas are not finite: after a step that went wrong, rather than silently.
 */
export function activate(activation: DiTAC, x: Tensor, thetas: Tensor): Tensor {
  // Another copy of this package makes as good ones.
  if (typeof activation?.update !== 'function' || typeof activation.backward !== 'function')
    throw new TypeError(`activation must be a DiTAC, got ${describe(activation)}`);
  for (const [name, value] of Object.entries({ x, thetas })) {
    if (typeof value?.dataSync !== 'function') throw new TypeError(`${name} must be a tensor, got ${describe(value)}`);
  }
  const { channels } = activation;
  const options = channels === 1 ? {} : { shape: x.shape };
  const takeOver = (values: Float32Array): void => {
    const present = activation.thetas;
    if (values.length !== present.length || values.some((v, i) => !Object.is(v, present[i]))) activation.update(values);
  };
  const operation = customGrad((...inputs) => {
    const [input, parameters, save] = inputs as unknown as [Tensor, Tensor, (tensors: Tensor[]) => void];
    save([input, parameters]);
    takeOver(floats(parameters));
    const value = tensor(activation.forward(floats(input), undefined, options), input.shape, 'float32');
    const gradFunc = (gradY: Tensor, saved: Tensor[]): Tensor[] => {
      const [savedX, savedThetas] = saved as [Tensor, Tensor];
      takeOver(floats(savedThetas));
      const { gradX, gradThetas } = activation.backward(floats(savedX), floats(gradY), options);
      return [
        tensor(gradX, savedX.shape, 'float32'),
        tensor(gradThetas, savedThetas.shape as [number, number], 'float32'),
      ];
    };
    return { value, gradFunc };
  });
  return operation(x, thetas);
}

/** A tensor's data, which it lends; a cast from integers says float32, but its data may still be what it was cast from. */
function floats(x: Tensor): Float32Array {
  if (x.dtype !== 'float32') throw new TypeError(`DiTAC needs a float32 tensor, got one of ${describe(x.dtype)}`);
  const data: unknown = x.dataSync();
  return isView(data, 'Float32Array') ? data : Float32Array.from(data as ArrayLike<number>);
}

/** A layer with a trainable activation function, for `tf.sequential` and `tf.model`. */
export class DiTACLayer extends layers.Layer {
  /** What tfjs saves the layer as. */
  static className = 'DiTAC';
  readonly #config: DiTACLayerConfig;
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
    const shape = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as (number | null)[];
    const layout = this.#config.dataFormat ?? 'channelsLast';
    const axis = layout === 'channelsLast' ? shape.length - 1 : 1;
    const channels = this.#config.perChannel ? shape[axis] : 1;
    if (typeof channels !== 'number')
      throw new RangeError(
        `axis ${axis} of the input shape [${shape.join(', ')}] must be known to give each channel its θ`,
      );
    const act = new DiTAC({
      ...this.#options(),
      layout,
      channels,
      ...(this.#thetas ? { thetas: this.#thetas } : { seed: this.#seed }),
    });
    const initializer = { apply: () => tensor2d(act.thetas, [channels, act.dimension]) };
    const regularizer = this.#lambda === 0 ? undefined : { apply: (w: Tensor) => this.#penalty(act, w) };
    this.addWeight('thetas', [channels, act.dimension], 'float32', initializer as never, regularizer as never, true);
    this.#activation = act;
    super.build(inputShape as never);
  }

  override computeOutputShape(inputShape: never): never {
    return inputShape;
  }

  override call(inputs: Tensor | Tensor[], kwargs: object): Tensor | Tensor[] {
    return tidy(() => {
      this.invokeCallHook(inputs, kwargs as never);
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      return activate(this.#activation!, cast(x, 'float32'), this.weights[0]!.read());
    });
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

  /** λ·Σ θᵀPθ over all channels. */
  #penalty(act: DiTAC, thetas: Tensor): Scalar {
    return tidy(() => {
      const p = tensor2d(act.precisionMatrix, [act.dimension, act.dimension]);
      return mul<Scalar>(sum<Scalar>(mul(thetas, matMul(thetas as Tensor2D, p))), this.#lambda);
    });
  }
}

serialization.registerClass(DiTACLayer as never);
