import {
  atan,
  cos,
  divide,
  type Expression,
  exp,
  expression,
  plus,
  polynomial,
  sin,
  square,
  times,
  x,
} from '../calculus/expression.js';
import {
  alongFirst,
  constantFlag,
  constantNumber,
  type Definition,
  type Family,
  many,
  one,
  tail,
  whole,
} from './family.js';

const PI = times(4, /* @__PURE__ */ atan(1));
/** fl32(1e-9), which the released classes add to the divisor. */
const EPSILON = 9.999999717180685e-10;
/** 1/6e4. */
const COSYVOICE = 1 / 6e4;

/** x + sin²(a·x)/b: a trend of 1, and a part of period π/a. */
function snakeOf(a: Expression, b: Expression, size: number, growth: number): Definition {
  const part = divide(square(sin(times(a, x))), b);
  // Slow enough, and all float32 are one period; nothing to add where a is 0.
  if (size === 0) return whole(x, tail(1, 0, 0), tail(1, 0, 0));
  const period = divide(PI, size > 0 ? a : times(-1, a));
  const f = plus(x, part);
  return Math.abs(size) < 2 ** -50 || growth > 2 ** 90
    ? whole(f)
    : { ...whole(f), periodic: { period, trend: expression(1), part } };
}

/** Liu, Hartwig, Ueda, "Neural Networks Fail to Learn Periodic Functions" (arXiv 2006.08195); BigVGAN, DAC, Oobleck, Dixon's torch-snake. */
export const snake: Family<{ logScale: boolean; eps: number }, 'alpha'> = {
  name: 'Snake',
  constants: { logScale: constantFlag(false), eps: constantNumber(EPSILON) },
  parameters: ({ logScale }) => ({ alpha: one(logScale ? 0 : 1) }),
  define({ logScale, eps }, { alpha }) {
    const a = logScale ? exp(alpha) : alpha;
    const size = logScale ? Math.exp(alpha.value) : alpha.value;
    // The limit, which Dixon's class has there, and its slope in α. No tails: α·x² leaves a line's gradient.
    if (eps === 0 && alpha.value === 0 && !logScale) return whole(polynomial([0, 1, alpha]));
    if (size + eps === 0)
      throw new RangeError(`alpha + eps must not be 0: sin²(αx)/(α + eps) has no value; got alpha = ${alpha.value}`);
    return snakeOf(a, plus(a, eps), size, Math.abs(1 / (size + eps)));
  },
  notes({ logScale, eps }, { alpha: [alpha] }) {
    if (logScale) return [];
    return alpha! + eps > 0 && alpha! + eps < COSYVOICE
      ? ['alpha is below 1.67e-5: newer versions of CosyVoice hold 1/alpha at 6e4, and evaluate another function']
      : [];
  },
  checkpoint: {
    classes: [
      { name: 'bigvgan', asks: ['logScale'] },
      // descript-audio-codec, and CosyVoice after it.
      { name: 'dac', shapes: { alpha: alongFirst(3) }, constants: { logScale: false } },
      { name: 'dixon', names: { alpha: 'a' }, constants: { logScale: false, eps: 0 }, layout: 'channelsLast' },
    ],
  },
};

/** BigVGAN's SnakeBeta: x + sin²(a·x)/(b + 1e-9), a = e^α and b = e^β in log scale. */
export const snakeBeta: Family<{ logScale: boolean; eps: number }, 'alpha' | 'beta'> = {
  name: 'SnakeBeta',
  constants: { logScale: constantFlag(), eps: constantNumber(EPSILON) },
  parameters: ({ logScale }) => ({ alpha: one(logScale ? 0 : 1), beta: one(logScale ? 0 : 1) }),
  define({ logScale, eps }, { alpha, beta }) {
    const [a, b] = logScale ? [exp(alpha), exp(beta)] : [alpha, beta];
    const [size, divisor] = logScale
      ? [Math.exp(alpha.value), Math.exp(beta.value) + eps]
      : [alpha.value, beta.value + eps];
    if (divisor === 0)
      throw new RangeError(`beta + eps must not be 0: sin²(αx)/(β + eps) has no value; got beta = ${beta.value}`);
    return snakeOf(a, plus(b, eps), size, Math.abs(1 / divisor));
  },
  checkpoint: {
    classes: [
      { name: 'bigvgan', asks: ['logScale'] },
      {
        name: 'oobleck',
        shapes: { alpha: alongFirst(3), beta: alongFirst(3) },
        asks: ['logScale'],
      },
    ],
  },
};

/** SIREN's sine (arXiv 2006.09661): sin(ω·x), ω = 30. */
export const siren: Family<object, 'omega'> = {
  name: 'Siren',
  parameters: () => ({ omega: one(30) }),
  define(_, { omega }) {
    // With its slope in ω, which is x.
    if (omega.value === 0) return whole(polynomial([0, omega]));
    const f = sin(times(omega, x));
    const period = divide(times(2, PI), omega.value > 0 ? omega : times(-1, omega));
    return { ...whole(f), periodic: { period, trend: expression(0), part: f } };
  },
};

/** Σ of sines and cosines of whole frequencies: bias + Σ cosₖ·cos(kx) + sinₖ·sin(kx), k from 1 (FourierKAN of GistNoesis). */
export const fourierSeries: Family<object, 'bias' | 'cos' | 'sin'> = {
  name: 'FourierSeries',
  parameters: () => ({ bias: one(0), cos: many(), sin: many() }),
  define(_, p) {
    if (p.cos.length !== p.sin.length)
      throw new RangeError(`cos and sin must have the same length, got ${p.cos.length} and ${p.sin.length}`);
    let f: Expression = p.bias;
    p.cos.forEach((c, k) => {
      f = plus(f, times(c, cos(times(k + 1, x))), times(p.sin[k]!, sin(times(k + 1, x))));
    });
    return { ...whole(f), periodic: { period: times(2, PI), trend: expression(0), part: f } };
  },
  refine: (_, { bias, cos: c, sin: s }, factor) => ({
    parameters: {
      bias,
      cos: [...c, ...zeros(c.length * (factor - 1))],
      sin: [...s, ...zeros(c.length * (factor - 1))],
    },
  }),
  checkpoint: {
    classes: [
      { name: 'ditac' },
      {
        name: 'fourierkan',
        tensors: ['fouriercoeffs'],
        count: (shape) => (shape.length === 4 && shape[0] === 2 ? shape[1]! * shape[2]! : undefined),
        others: ['bias'],
        needs: ['edge'],
        read(stored) {
          const { shape, data } = stored.tensor('fouriercoeffs', 4);
          const [two, outputs, inputs, n] = shape as [number, number, number, number];
          if (two !== 2)
            throw new RangeError(`fouriercoeffs must have shape [2, out, in, n], got [${shape.join(', ')}]`);
          const [o, i] = stored.edge(outputs, inputs);
          const row = (which: number) => {
            const at = ((which * outputs + o) * inputs + i) * n;
            return data.subarray(at, at + n);
          };
          let bias = 0;
          if (stored.has('bias')) {
            const value = stored.tensor('bias', 2).data[o]!;
            if (inputs === 1) bias = value;
            else stored.note('the bias of the output is no part of one edge, and left out');
          }
          return { parameters: { bias: [bias], cos: row(0), sin: row(1) } };
        },
        write: (_, { bias, cos: [c, ...more], sin: [s, ...others] }) =>
          more.length + others.length > 0 || bias.length > 1
            ? undefined
            : {
                fouriercoeffs: { shape: [2, 1, 1, c!.length], data: Float32Array.from([...c!, ...s!]) },
                bias: { shape: [1, 1], data: Float32Array.from(bias[0]!) },
              },
      },
    ],
  },
};

const zeros = (n: number) => new Array<number>(n).fill(0);

const LAST_FACTORIAL = 20;
/** In radians, at most, either side of 0. */
const OSCILLATIONS = 512;
const factorial = (k: number): number => (k <= 1 ? 1 : k * factorial(k - 1));

/** torchortho's learnable Fourier activation (arXiv 2502.01247): fundamental + Σ coefficientsₖ·cos(gridₖ·x - phasesₖ)/k!. */
export const fourier: Family<object, 'fundamental' | 'coefficients' | 'phases' | 'grid'> = {
  name: 'Fourier',
  parameters: () => ({ fundamental: one(), coefficients: many(), phases: many(), grid: many() }),
  define(_, p) {
    const n = p.coefficients.length;
    if (p.phases.length !== n || p.grid.length !== n || n > LAST_FACTORIAL)
      throw new RangeError(
        `coefficients, phases and grid must have the same length, at most ${LAST_FACTORIAL}; got ${n}, ${p.phases.length}, ${p.grid.length}`,
      );
    let f: Expression = p.fundamental;
    p.coefficients.forEach((c, k) => {
      f = plus(f, divide(times(c, cos(plus(times(p.grid[k]!, x), times(-1, p.phases[k]!)))), factorial(k + 1)));
    });
    // Frequencies that are whole numbers have a common period. Others, what training leaves, have none: so many oscillations of the
    // fastest are tabulated, and further out only bounds are known.
    if (!p.grid.every((g) => Number.isInteger(g.value))) {
      const fastest = Math.max(...p.grid.map((g) => Math.abs(g.value)));
      const from = 2 ** Math.min(12, Math.max(-20, Math.floor(Math.log2(OSCILLATIONS / fastest))));
      let size: Expression = expression(0);
      p.coefficients.forEach((c, k) => {
        size = plus(size, divide(times(Math.sign(c.value), c), factorial(k + 1)));
      });
      return {
        ...whole(f),
        periodic: { period: expression(from), trend: expression(0), part: p.fundamental, only: { from, size } },
      };
    }
    return { ...whole(f), periodic: { period: times(2, PI), trend: expression(0), part: f } };
  },
  refine(_, { fundamental, coefficients, phases, grid }, factor) {
    // Terms of nothing, with the whole frequencies that come next.
    const more = zeros(coefficients.length * (factor - 1));
    const last = grid.reduce((most, g) => Math.max(most, Math.floor(Math.abs(g))), 0);
    return {
      parameters: {
        fundamental,
        coefficients: [...coefficients, ...more],
        phases: [...phases, ...more],
        grid: [...grid, ...more.map((_, k) => last + 1 + k)],
      },
    };
  },
  checkpoint: { classes: [{ name: 'torchortho', others: ['normalization_term'] }] },
};
