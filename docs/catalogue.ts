/**
 * What the pages and the playground say of each family beyond what its class says itself: a formula to read, papers, where it is used, and
 * values with which it looks as a trained network may have it.
 */
import type { FamilyName } from 'ditac/families';

/** Constants and parameters of one function, as its class takes them. */
export type Options = Readonly<Record<string, number | string | boolean | readonly number[]>>;

export interface Preset {
  readonly label: string;
  readonly options: Options;
}

export interface Entry {
  readonly formula: string;
  readonly papers: readonly { readonly title: string; readonly arxiv?: string }[];
  /** Where it is used, in one sentence. */
  readonly where: string;
  /** What else should be known; a sentence each. */
  readonly notes?: readonly string[];
  /** The first is shown first. */
  readonly presets: readonly [Preset, ...Preset[]];
  /** What a slider of a parameter spans; default -3 to 3. */
  readonly ranges?: Readonly<Record<string, readonly [low: number, high: number]>>;
}

const RATIONAL = { numerator: [0.02, 0.6, 0.5, 0.1, 0.02], denominator: [0.1, 0.3, 0.05, 0.01] };
const KNOTS = Array.from({ length: 12 }, (_, k) => Math.fround(-2.2 + 0.4 * k));
const SPLINE = {
  grid: KNOTS,
  base_weight: 0.8,
  spline_scaler: 1.1,
  spline_weight: [0.1, -0.2, 0.3, 0.05, 0.4, -0.1, 0.2, 0.6],
};
/** θ of the basis 'sparse' are velocities times the number of cells, in lengths of [a, b]. */
const DITAC = { tess: 10, a: -3, b: 3, basis: 'sparse', thetas: [0.6, 1.2, 1, -0.2, -1.4, -1, 0.4, 1.6, 1] };
const ORTHOGONAL = { title: 'Polynomial, trigonometric, and tropical activations', arxiv: '2502.01247' };
const ADAPTIVE = { title: 'Adaptive Parametric Activation', arxiv: '2407.08567' };
const SNAKE = { title: 'Neural Networks Fail to Learn Periodic Functions and How to Fix It', arxiv: '2006.08195' };

export const CATALOGUE: Readonly<Record<FamilyName, Entry>> = {
  ditac: {
    formula: 'T(x)·Φ(x) in [a, b], x·Φ(x) outside; T is the flow of a piecewise-affine velocity field',
    papers: [{ title: 'Trainable Highly-expressive Activation Functions', arxiv: '2407.07564' }],
    where: 'The activation that this package is named after: a diffeomorphism of [a, b], learned by its velocities.',
    notes: [
      'The released code looks its result up in 2048 steps without interpolation: up to 3·10⁻² from its own mathematics.',
      'Variants: gelu is the released one; leaky, ge, bare and inf are T with another function, or none, around it.',
    ],
    presets: [
      { label: 'gelu', options: { ...DITAC, variant: 'gelu' } },
      { label: 'leaky', options: { ...DITAC, variant: 'leaky' } },
      { label: 'ge', options: { ...DITAC, variant: 'ge' } },
      { label: 'bare', options: { ...DITAC, variant: 'bare' } },
      { label: 'inf', options: { ...DITAC, variant: 'inf', thetas: [0.2, ...DITAC.thetas, 0.2] } },
    ],
    ranges: { velocity: [-3, 3] },
  },
  aconc: {
    formula: '(p₁ - p₂)x·σ(β(p₁ - p₂)x) + p₂x',
    papers: [{ title: 'Activate or Not: Learning Customized Activation', arxiv: '2009.04759' }],
    where: 'ACON-C and Meta-ACON, in YOLOv5’s list of activations.',
    presets: [{ label: 'ACON-C', options: { p1: 1.2, p2: -0.3, beta: 0.8 } }],
  },
  aglu: {
    formula: 'x·(1 + λe^(-κx))^(-1/λ)',
    papers: [ADAPTIVE],
    where: 'The authors’ long-tailed classifiers and detectors; mmdet.',
    notes: ['λ = 1 is Swish; λ → 0 is x·exp(-e^(-κx)).'],
    presets: [
      { label: 'UniRect', options: { clamp: 'add', lambda: 0.6, kappa: 1.1 } },
      { label: 'of the SE-ResNet (clamped to 10⁻⁴)', options: { clamp: 'max', lambda: 0.6, kappa: 1.1 } },
    ],
    ranges: { lambda: [0, 3] },
  },
  apa: {
    formula: '(1 + λe^(-κx))^(-1/λ)',
    papers: [ADAPTIVE],
    where: 'A gate: attention of the authors’ models; ultralytics ships it under the name AGLU.',
    presets: [{ label: 'APA', options: { clamp: 'max', lambda: 0.5, kappa: 0.9 } }],
    ranges: { lambda: [0, 3] },
  },
  apl: {
    formula: 'max(0, x) + Σ aₛ·max(0, bₛ - x)',
    papers: [{ title: 'Learning Activation Functions to Improve Deep Neural Networks', arxiv: '1412.6830' }],
    where: 'Adaptive piecewise linear units, a function a neuron.',
    presets: [{ label: 'two hinges', options: { a: [0.2, -0.1], b: [0.5, -1] } }],
  },
  bspline: {
    formula: 'w·silu(x) + s·Σ cᵢ·Bᵢ(x)',
    papers: [{ title: 'KAN: Kolmogorov–Arnold Networks', arxiv: '2404.19756' }],
    where: 'An edge of a Kolmogorov–Arnold network: efficient-kan, pykan.',
    notes: [
      'As released, the spline is 0 outside its knots; outside: continued goes on with its outermost polynomials.',
    ],
    presets: [
      { label: 'as released', options: { ...SPLINE, outside: 'zero' } },
      { label: 'continued', options: { ...SPLINE, outside: 'continued' } },
    ],
  },
  celu: {
    formula: 'x for x > 0, else α(e^(x/α) - 1)',
    papers: [{ title: 'Continuously Differentiable Exponential Linear Units', arxiv: '1704.07483' }],
    where: 'torch.nn.CELU; α is fixed there, and trained here if you like.',
    presets: [{ label: 'CELU', options: { alpha: 0.7 } }],
    ranges: { alpha: [0.05, 3] },
  },
  chebykan: {
    formula: 'Σ cₙ·Tₙ(tanh x)',
    papers: [{ title: 'ChebyKAN (SynodicMonth), after KAN', arxiv: '2404.19756' }],
    where: 'An edge of a Kolmogorov–Arnold network of Chebyshev polynomials.',
    notes: ['The released gradient is NaN from |x| = 9 on.'],
    presets: [{ label: 'degree 3', options: { coeffs: [0.1, 0.5, -0.2, 0.05] } }],
    ranges: { coeffs: [-1, 1] },
  },
  derf: {
    formula: 'γ·erf(αx + s) + β',
    papers: [{ title: 'Stronger Normalization-Free Transformers', arxiv: '2512.10938' }],
    where: 'In place of a LayerNorm: every element of a transformer passes through it.',
    presets: [{ label: 'Derf', options: { alpha: 0.6, shift: 0.1, weight: 1.2, bias: -0.1 } }],
  },
  dyt: {
    formula: 'γ·tanh(αx) + β',
    papers: [{ title: 'Transformers without Normalization', arxiv: '2503.10622' }],
    where: 'In place of a LayerNorm: every element of a transformer passes through it.',
    presets: [{ label: 'DyT', options: { alpha: 0.7, weight: 1.2, bias: -0.1 } }],
  },
  eelu: {
    formula: 'x·erf(e^x), -x·erf(e^(-x)), x·erf(e^x)², or erf(x)·log(1 + e^x)',
    papers: [{ title: 'Activation Function Optimization Scheme for Image Classification', arxiv: '2409.04915' }],
    where: 'Found by evolutionary search; the second is the paper’s best.',
    notes: ['Evaluated as released, all have NaN or ∞ where the exponential overflows.'],
    presets: [
      { label: 'EELU-1', options: { member: 1, scaled: true, scale: 1 } },
      { label: 'EELU-2', options: { member: 2, scaled: true, scale: 1 } },
      { label: 'EELU-3', options: { member: 3, scaled: true, scale: 1 } },
      { label: 'EELU-4', options: { member: 4, scaled: true, scale: 1 } },
    ],
  },
  elu: {
    formula: 'x for x > 0, else α(e^x - 1)',
    papers: [{ title: 'Fast and Accurate Deep Network Learning by Exponential Linear Units', arxiv: '1511.07289' }],
    where: 'torch.nn.ELU; α is fixed there, and trained here if you like.',
    presets: [{ label: 'ELU', options: { alpha: 0.9 } }],
  },
  erfrelu: {
    formula: 'x for x ≥ 0, else α·erf(x)',
    papers: [{ title: 'ErfReLU: Adaptive Activation Function for Deep Neural Network', arxiv: '2306.01822' }],
    where: 'Research models.',
    presets: [{ label: 'ErfReLU', options: { alpha: 0.4 } }],
  },
  fourier: {
    formula: 'a₀ + Σ aₙ·cos(gₙx - φₙ)/n!',
    papers: [ORTHOGONAL],
    where: 'torchortho’s learnable Fourier activation.',
    presets: [
      {
        label: 'whole frequencies',
        options: { fundamental: 0.2, coefficients: [0.5, 0.3], phases: [0.1, 0.7], grid: [1, 2] },
      },
      {
        label: 'trained frequencies',
        options: { fundamental: 0.2, coefficients: [0.5, 0.3], phases: [0.1, 0.7], grid: [1.1, 2.3] },
      },
    ],
    ranges: { coefficients: [-2, 2], fundamental: [-2, 2], phases: [-3.2, 3.2], grid: [0, 6] },
  },
  fourierseries: {
    formula: 'b + Σ cₙ·cos(nx) + sₙ·sin(nx)',
    papers: [{ title: 'FourierKAN (GistNoesis), after KAN', arxiv: '2404.19756' }],
    where: 'An edge of a Kolmogorov–Arnold network of Fourier series.',
    presets: [{ label: 'two frequencies', options: { bias: 0.1, cos: [0.3, -0.1], sin: [0.5, 0.2] } }],
    ranges: { bias: [-2, 2], cos: [-2, 2], sin: [-2, 2] },
  },
  golu: {
    formula: 'x·α·exp(-β·e^(-γx))',
    papers: [{ title: 'Gompertz Linear Units', arxiv: '2502.03654' }],
    where: 'Research models; its CUDA kernel replaces the NaN of its gradient by 0.',
    presets: [{ label: 'GoLU', options: { alpha: 1.1, beta: 0.9, gamma: 1.2 } }],
    ranges: { beta: [0.05, 3], gamma: [0.1, 3] },
  },
  hermite: {
    formula: 'Σ cₙ·Heₙ(x)/n!',
    papers: [ORTHOGONAL],
    where: 'torchortho’s Hermite activation.',
    notes: ['The released slope at exactly 0 is 0.'],
    presets: [
      { label: 'plain', options: { clamp: false, coefficients: [0.4, 0.5, 0.3, 0.1] } },
      { label: 'clamped', options: { clamp: true, coefficients: [0.4, 0.5, 0.3, 0.1], lim_val: 1.7320508 } },
    ],
    ranges: { coefficients: [-2, 2], lim_val: [0.2, 4] },
  },
  mish: {
    formula: 'x·tanh(log(1 + e^x))',
    papers: [{ title: 'Mish: A Self Regularized Non-Monotonic Activation Function', arxiv: '1908.08681' }],
    where: 'YOLOv4; torch.nn.Mish. It has no parameters.',
    presets: [{ label: 'Mish', options: {} }],
  },
  polynomial: {
    formula: 'Σ aₙxⁿ',
    papers: [ORTHOGONAL],
    where: 'Polynomial networks; up to degree 8 (from 9 on it leaves float64 before float32 ends, and is refused).',
    presets: [{ label: 'cubic', options: { coefficients: [0.1, 0.8, 0.2, -0.05] } }],
    ranges: { coefficients: [-1, 1] },
  },
  polyrelu: {
    formula: 'w₀r³ + w₁r² + w₂r + b with r = max(0, x)',
    papers: [{ title: 'Polynomial Composition Activations', arxiv: '2411.03884' }],
    where: 'PolyCom’s language models.',
    presets: [{ label: 'PolyReLU', options: { weight: [0.2, 0.3, 0.5], bias: 0.1 } }],
    ranges: { weight: [-1, 1] },
  },
  prelu: {
    formula: 'x for x > 0, else w·x',
    papers: [{ title: 'Delving Deep into Rectifiers', arxiv: '1502.01852' }],
    where: 'Face recognition (insightface, facenet), Real-ESRGAN, Conv-TasNet; torch.nn.PReLU.',
    presets: [{ label: 'PReLU', options: { weight: 0.3 } }],
    ranges: { weight: [-1, 2] },
  },
  pwlu: {
    formula: 'piecewise linear: N equal cells on [l, r], slopes outside',
    papers: [
      { title: 'Learning specialized activation functions with the Piecewise Linear Unit', arxiv: '2104.03693' },
    ],
    where: 'Vision models with a function a channel. Drag its vertices.',
    presets: [
      { label: 'four cells', options: { left: -2, right: 2, values: [0.1, -0.1, 0.2, 0.9, 2.1], slopes: [0.1, 1.1] } },
    ],
    ranges: { left: [-4, -0.5], right: [0.5, 4] },
  },
  rational: {
    formula: 'P(x)/Q(x)',
    papers: [
      { title: 'Padé Activation Units', arxiv: '1907.06732' },
      { title: 'Rational neural networks', arxiv: '2004.01902' },
      { title: 'Kolmogorov–Arnold Transformer', arxiv: '2409.10594' },
    ],
    where: 'rational_activations, RationalNets, and the groups of KAT.',
    notes: [
      'A: Q = 1 + Σ|bₙxⁿ| · B and D: Q = 1 + |Σbₙxⁿ| · C: Q = 0.1 + |Σbₙxⁿ| from n = 0 · N: Q = 1 + Σbₙxⁿ · R: Q = Σbₙxⁿ from n = 0.',
      'Where N or R has a pole it is refused, and the pole is named.',
      'Evaluated as released, all overflow to NaN from |x| = 5·10⁷ on.',
    ],
    presets: [
      { label: 'version A', options: { version: 'A', ...RATIONAL } },
      { label: 'version B', options: { version: 'B', ...RATIONAL } },
      { label: 'version C', options: { version: 'C', ...RATIONAL, denominator: [0.9, 0.1, 0.3, 0.05, 0.01] } },
      { label: 'version N', options: { version: 'N', ...RATIONAL } },
      { label: 'version R', options: { version: 'R', numerator: [0.02, 0.5, 1.6, 1.2], denominator: [1, 0.1, 2.4] } },
    ],
    ranges: { numerator: [-2, 2], denominator: [-2, 2] },
  },
  selu: {
    formula: '1.0507·x for x > 0, else 1.7581·(e^x - 1)',
    papers: [{ title: 'Self-Normalizing Neural Networks', arxiv: '1706.02515' }],
    where: 'torch.nn.SELU. It has no parameters.',
    presets: [{ label: 'SELU', options: {} }],
  },
  siren: {
    formula: 'sin(ωx)',
    papers: [{ title: 'Implicit Neural Representations with Periodic Activation Functions', arxiv: '2006.09661' }],
    where: 'Networks that hold an image, a sound or a scene; ω = 30 in their first layer.',
    presets: [
      { label: 'ω = 3', options: { omega: 3 } },
      { label: 'ω = 30', options: { omega: 30 } },
    ],
    ranges: { omega: [0.2, 40] },
  },
  smu: {
    formula: '((1 + α)x + (1 - α)x·erf(μ(1 - α)x))/2',
    papers: [{ title: 'SMU: smooth activation function for deep networks', arxiv: '2111.04682' }],
    where: 'A smooth leaky ReLU of research models.',
    presets: [{ label: 'α = 0.25', options: { alpha: 0.25, mu: 1.5 } }],
    ranges: { mu: [0, 6] },
  },
  snake: {
    formula: 'x + sin²(αx)/α',
    papers: [SNAKE],
    where: 'Neural vocoders and codecs: BigVGAN, DAC, CosyVoice, NeMo.',
    notes: [
      'Released classes add 10⁻⁹ to the divisor. Whether α is stored as its logarithm a state dict does not say; it is asked for.',
    ],
    presets: [
      { label: 'linear (DAC)', options: { logScale: false, alpha: 1.3 } },
      { label: 'log scale (BigVGAN)', options: { logScale: true, alpha: 0.2 } },
    ],
  },
  snakebeta: {
    formula: 'x + sin²(αx)/β',
    papers: [SNAKE],
    where: 'BigVGAN, Stable Audio, diffusers’ Oobleck; a parameter a channel, in log scale.',
    presets: [
      { label: 'log scale', options: { logScale: true, alpha: 0.3, beta: 0.2 } },
      { label: 'linear', options: { logScale: false, alpha: 1.3, beta: 0.8 } },
    ],
  },
  softplus: {
    formula: 'log(1 + e^(βx))/β',
    papers: [
      { title: 'Incorporating Second-Order Functional Knowledge for Better Option Pricing (Dugas et al., NIPS 2000)' },
    ],
    where: 'Densities and variances; NeuS with β = 100.',
    presets: [{ label: 'Softplus', options: { beta: 1.3 } }],
    ranges: { beta: [0.1, 10] },
  },
  starrelu: {
    formula: 's·max(0, x)² + b',
    papers: [{ title: 'MetaFormer Baselines for Vision', arxiv: '2210.13452' }],
    where: 'CAFormer and ConvFormer of timm.',
    presets: [{ label: 'StarReLU', options: { scale: 0.9, bias: -0.4 } }],
  },
  swish: {
    formula: 'x·σ(βx)',
    papers: [{ title: 'Searching for Activation Functions', arxiv: '1710.05941' }],
    where: 'As SiLU in EfficientNet, YOLO and language models; β = 1.702 in CLIP.',
    presets: [
      { label: 'β = 1.2', options: { beta: 1.2 } },
      { label: 'SiLU', options: { beta: 1 } },
      { label: 'quick GELU', options: { beta: 1.702 } },
    ],
    ranges: { beta: [-2, 8] },
  },
  telu: {
    formula: 'x·tanh(e^x)',
    papers: [{ title: 'TeLU Activation Function for Fast and Stable Deep Learning', arxiv: '2412.20269' }],
    where: 'Research models. It has no parameters.',
    presets: [{ label: 'TeLU', options: {} }],
  },
  xielu: {
    formula: 'αₚx² + βx for x > 0, else αₙ(e^x - 1 - x) + βx',
    papers: [{ title: 'Deriving Activation Functions Using Integration', arxiv: '2411.13010' }],
    where: 'Apertus 8B and 70B; transformers, vLLM, llama.cpp.',
    notes: ['Stored are alpha_p and alpha_n: αₚ = softplus(alpha_p), αₙ = β + softplus(alpha_n).'],
    presets: [
      { label: 'as released (ε = -10⁻⁶)', options: { beta: 0.5, eps: -1e-6, alpha_p: 0.3, alpha_n: -0.8 } },
      { label: 'as in the paper (ε = 0)', options: { beta: 0.5, eps: 0, alpha_p: 0.3, alpha_n: -0.8 } },
    ],
  },
  yevick: {
    formula: 'α·max(0, x) + β·(γ|x|)³',
    papers: [{ title: 'Nonlinearity Enhanced Adaptive Activation Function', arxiv: '2403.19896' }],
    where: 'One paper.',
    notes: [
      'This is how we read the paper, whose formula we could not verify. Without gamma it is the superset: polynomials for x < 0 and for x ≥ 0.',
    ],
    presets: [
      { label: 'as we read it', options: { gamma: 0.5, alpha: 1.1, beta: 0.2 } },
      { label: 'superset', options: { neg: [0, 0.1, 0.05], pos: [0, 1, 0.1] } },
    ],
  },
};

/** What people call them. */
export const NAMES: Readonly<Record<FamilyName, string>> = {
  aconc: 'ACON-C',
  aglu: 'AGLU',
  apa: 'APA',
  apl: 'APL',
  bspline: 'BSpline (KAN)',
  celu: 'CELU',
  chebykan: 'Chebyshev (KAN)',
  derf: 'Derf',
  ditac: 'DiTAC',
  dyt: 'DyT',
  eelu: 'EELU',
  elu: 'ELU',
  erfrelu: 'ErfReLU',
  fourier: 'Fourier',
  fourierseries: 'Fourier series (KAN)',
  golu: 'GoLU',
  hermite: 'Hermite',
  mish: 'Mish',
  polynomial: 'Polynomial',
  polyrelu: 'PolyReLU',
  prelu: 'PReLU',
  pwlu: 'PWLU',
  rational: 'Rational (PAU)',
  selu: 'SELU',
  siren: 'SIREN',
  smu: 'SMU',
  snake: 'Snake',
  snakebeta: 'SnakeBeta',
  softplus: 'Softplus',
  starrelu: 'StarReLU',
  swish: 'Swish, SiLU',
  telu: 'TeLU',
  xielu: 'xIELU',
  yevick: 'Yevick',
};
