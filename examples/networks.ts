/**
 * Three networks that were trained in PyTorch with DiTAC, and what they should give (test/golden/README.md): the inputs, the
 * original's own outputs, and the outputs with exact integration.
 */
import { readFileSync } from 'node:fs';
import { type Backend, DiTAC } from 'ditac';
import { loadSafetensors, type Tensor } from 'ditac/safetensors';
import { convolve, linear, maxPool } from './layers.js';

export interface Network {
  readonly name: string;
  readonly architecture: string;
  readonly activations: readonly DiTAC[];
  readonly inputs: Float32Array;
  /** Outputs of one sample. */
  readonly columns: number;
  /** The right classes, of a classifier; what to approximate, of a regression. */
  readonly labels?: readonly number[];
  readonly target?: Float32Array;
  /** The original's outputs, from its table of 2048 entries, and those of exact integration. */
  readonly original: Float32Array;
  readonly exact: readonly number[];
  run(backend: Backend, inputs: Float32Array): Promise<Float32Array>;
}

const ofBits = (bits: readonly number[]) => new Float32Array(Uint32Array.from(bits).buffer);

export function loadNetworks(folder: URL): Network[] {
  const checkpoint = (name: string) => loadSafetensors(readFileSync(new URL(`${name}.safetensors`, folder))).tensors;
  const json = (name: string) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
  const activation = (tensors: Record<string, Tensor>, prefix: string) =>
    DiTAC.fromStateDict(tensors, { prefix, a: -3, b: 3, variant: 'gelu' });

  const mlp = checkpoint('digits_mlp_ditac');
  const mlpActs = [activation(mlp, 'act_1.'), activation(mlp, 'act_2.')] as const;
  const conv = checkpoint('digits_conv_ditac');
  const convActs = [activation(conv, 'act_1.'), activation(conv, 'act_2.')] as const;
  const regression = checkpoint('mlp_double_2d_ditac_seed1');
  const regressionAct = activation(regression, 'act_1.');

  const digits = (name: string) => {
    const { images, labels, orig_logits_bits, truth_logits } = json(name);
    return {
      inputs: Float32Array.from((images as number[][]).flat(), (v) => v / 16),
      columns: 10,
      labels,
      original: ofBits(orig_logits_bits),
      exact: (truth_logits as number[][]).flat(),
    };
  };
  const surface = json('mlp_double_2d_ditac_seed1_io');

  return [
    {
      name: 'digits, dense',
      architecture: 'Linear(64,48) – DiTAC – Linear(48,32) – DiTAC – Linear(32,10)',
      activations: mlpActs,
      ...digits('digits_test'),
      async run(backend, inputs) {
        let x = linear(inputs, mlp['fc1.weight']!, mlp['fc1.bias']!);
        x = await mlpActs[0].on(backend).forward(x, x);
        x = linear(x, mlp['fc2.weight']!, mlp['fc2.bias']!);
        x = await mlpActs[1].on(backend).forward(x, x);
        return linear(x, mlp['fc3.weight']!, mlp['fc3.bias']!);
      },
    },
    {
      name: 'digits, convolutional',
      architecture: 'Conv(1→8) – DiTAC – MaxPool – Conv(8→16) – DiTAC – Linear(256,10)',
      activations: convActs,
      ...digits('digits_conv_test'),
      async run(backend, inputs) {
        let x = convolve(inputs, 8, conv['conv1.weight']!, conv['conv1.bias']!);
        x = maxPool(await convActs[0].on(backend).forward(x, x), 8);
        x = convolve(x, 4, conv['conv2.weight']!, conv['conv2.bias']!);
        x = await convActs[1].on(backend).forward(x, x);
        return linear(x, conv['fc.weight']!, conv['fc.bias']!);
      },
    },
    {
      name: "regression, the paper's figure 1",
      architecture: 'Linear(2,50) – DiTAC – Linear(50,1)',
      activations: [regressionAct],
      inputs: ofBits(surface.X_bits),
      columns: 1,
      target: ofBits(surface.target_bits),
      original: ofBits(surface.orig_out_bits),
      exact: surface.truth_out,
      async run(backend, inputs) {
        let x = linear(inputs, regression['fc1.weight']!, regression['fc1.bias']!);
        x = await regressionAct.on(backend).forward(x, x);
        return linear(x, regression['fc2.weight']!, regression['fc2.bias']!);
      },
    },
  ];
}

/** Directions and weights of the six sines whose sum the regression learns (the paper's figure 1). */
const SINES = [
  [9, -7, 0.4],
  [-9, 11, 0.1],
  [3, 13, 0.15],
  [9, 9, 0.15],
  [13, 5, 0.1],
  [3, 19, 0.1],
] as const;

/** The surface that the regression approximates, on [-1,1]². @param sine another than the engine's, which are not all the same. */
export function targetSurface(x1: number, x2: number, sine: (x: number) => number = Math.sin): number {
  return SINES.reduce((sum, [p, q, weight]) => sum + weight * sine(p * x1 + q * x2), 0);
}

/** 1 - Σ(y - t)²/Σ(t - mean)². */
export function rSquared(y: ArrayLike<number>, target: ArrayLike<number>): number {
  const n = target.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += target[i]! / n;
  let residual = 0;
  let total = 0;
  for (let i = 0; i < n; i++) {
    residual += (y[i]! - target[i]!) ** 2;
    total += (target[i]! - mean) ** 2;
  }
  return 1 - residual / total;
}
