/** What the training examples share: layers that start as PyTorch's do, and the activations that are compared. */
import * as tf from '@tensorflow/tfjs';
import { DiTACLayer } from 'ditac/tfjs';

// Starts without tfjs' advertisement for another package of its own.
tf.env().set('IS_TEST', true);
tf.scalar(0).dispose();
tf.env().set('IS_TEST', false);

export const ACTIVATIONS = ['ditac', 'gelu', 'relu', 'prelu'] as const;
export type ActivationName = (typeof ACTIVATIONS)[number];

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

/** The DiTAC layers of the original's experiments: a = -3, b = 3, N = 10. */
export function activationLayer(name: ActivationName, seed: number): tf.layers.Layer {
  switch (name) {
    case 'ditac':
      // lambdas as the original's regression has them (test/golden/ditac/regression_am3_b3.json).
      return new DiTACLayer({
        a: -3,
        b: 3,
        tess: 10,
        lambdaSmooth: 5,
        lambdaVar: 1,
        lambdaSmoothInit: 3,
        lambdaVarInit: 2,
        seed,
      });
    case 'gelu':
      return new Gelu({});
    case 'relu':
      return tf.layers.reLU();
    case 'prelu':
      // One slope for all, 0.25 at first, as PyTorch's.
      return tf.layers.prelu({ alphaInitializer: tf.initializers.constant({ value: 0.25 }), sharedAxes: [1] });
  }
}

/** PyTorch's initial weights and biases: uniform within ±1/√(fan in). */
export function torchInitializers(fanIn: number, seed: number) {
  const bound = 1 / Math.sqrt(fanIn);
  const uniform = (number: number) => tf.initializers.randomUniform({ minval: -bound, maxval: bound, seed: number });
  return { kernelInitializer: uniform(2 * seed), biasInitializer: uniform(2 * seed + 1) };
}
