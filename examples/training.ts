/** What the training examples share: layers that start as PyTorch's do, and every activation by its name. */
import * as tf from '@tensorflow/tfjs';
import { FAMILIES, type FamilyName, rationalInitial } from 'ditac/families';
import { DiTACLayer, layerOf } from 'ditac/tfjs';
import { normalStream } from '../src/cpab/random.js';

// Starts without tfjs' advertisement for another package of its own.
tf.env().set('IS_TEST', true);
tf.scalar(0).dispose();
tf.env().set('IS_TEST', false);

/** What the original compared. */
export const ACTIVATIONS = ['ditac', 'gelu', 'relu', 'prelu'] as const;
/** Without parameters; tfjs' own, but for GELU. */
export const FIXED = ['relu', 'gelu', 'silu'] as const;
export type ActivationName = FamilyName | (typeof FIXED)[number];
export const ALL_ACTIVATIONS: readonly ActivationName[] = [...FIXED, ...(Object.keys(FAMILIES) as FamilyName[])];

/** x·Φ(x); tfjs has it in converters only. */
class Gelu extends tf.layers.Layer {
  static className = 'Gelu';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      return tf.mul(x, tf.mul(tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1), 0.5));
    });
  }
}

class Silu extends tf.layers.Layer {
  static className = 'Silu';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0]! : inputs;
      return tf.mul(x, tf.sigmoid(x));
    });
  }
}

/** Knots of a cubic spline with `cells` cells on [-3, 3]. */
const knots = (cells: number) => Array.from({ length: cells + 7 }, (_, k) => -3 + ((k - 3) * 6) / cells);

/**
 * What families begin with that have no default, or one that is another layer's: a KAN edge's functions begin near 0, where a network's activation could
 * pass nothing on.
 */
export const INITIAL: Readonly<Partial<Record<FamilyName, (seed: number) => object>>> = {
  apl: (seed) => {
    const normal = normalStream(seed);
    const draw = (scale: number) => Array.from({ length: 3 }, () => scale * normal());
    return { a: draw(0.1), b: draw(1) };
  },
  bspline: (seed) => {
    const normal = normalStream(seed);
    return {
      grid: knots(5),
      base_weight: 1,
      spline_scaler: 1,
      spline_weight: Array.from({ length: 8 }, () => 0.1 * normal()),
    };
  },
  chebykan: () => ({ coeffs: [0, 1, 0.1, 0.1, 0.1] }),
  eelu: () => ({ member: 2 }),
  fourierseries: () => ({ cos: [0.1, 0.1], sin: [1, 0.1] }),
  polynomial: () => ({ coefficients: [0, 0.5, 0.25, 0.01] }),
  rational: () => ({ version: 'A', ...rationalInitial('A', 'leaky_relu') }),
  smu: () => ({ alpha: 0.25, mu: 1 }),
  snakebeta: () => ({ logScale: true }),
  yevick: () => ({ gamma: 1, alpha: 1, beta: 0.1 }),
};

/** What cannot be trained as it stands, and why. */
export const UNTRAINED: Readonly<Partial<Record<FamilyName, string>>> = {
  fourier: 'its frequencies are parameters, and have no common period after the first step',
};

/** With one set of parameters a layer, as the original has it; `options` in place of the defaults. */
export function activationLayer(name: ActivationName, seed: number, options: object = {}): tf.layers.Layer {
  switch (name) {
    case 'ditac':
      // The original's experiments: a = -3, b = 3, N = 10, and lambdas as its regression has them (test/golden/ditac/regression_am3_b3.json).
      return new DiTACLayer({
        a: -3,
        b: 3,
        tess: 10,
        lambdaSmooth: 5,
        lambdaVar: 1,
        lambdaSmoothInit: 3,
        lambdaVarInit: 2,
        seed,
        ...options,
      });
    case 'gelu':
      return new Gelu({});
    case 'silu':
      return new Silu({});
    case 'relu':
      return tf.layers.reLU();
    case 'prelu':
      // One slope for all, 0.25 at first, as PyTorch's.
      return tf.layers.prelu({ alphaInitializer: tf.initializers.constant({ value: 0.25 }), sharedAxes: [1] });
    default: {
      const why = UNTRAINED[name];
      if (why) throw new RangeError(`${name} is not trained here: ${why}`);
      const Layer = layerOf(FAMILIES[name] as never) as unknown as new (config: object) => tf.layers.Layer;
      return new Layer({ ...INITIAL[name]?.(seed), shared: true, seed, ...options });
    }
  }
}

/** PyTorch's initial weights and biases: uniform within ±1/√(fan in). */
export function torchInitializers(fanIn: number, seed: number) {
  const bound = 1 / Math.sqrt(fanIn);
  const uniform = (number: number) => tf.initializers.randomUniform({ minval: -bound, maxval: bound, seed: number });
  return { kernelInitializer: uniform(2 * seed), biasInitializer: uniform(2 * seed + 1) };
}
