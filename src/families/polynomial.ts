import {
  divide,
  type Expression,
  minus,
  negative,
  plus,
  polynomial,
  tanh,
  times,
  where,
  x,
} from '../calculus/expression.js';
import { constantFlag, constantNumber, type Family, many, one, whole } from './family.js';

const zeros = (n: number) => new Array<number>(n).fill(0);
/** Without one there is no degree to raise. */
const expectSome = (name: string, coefficients: readonly unknown[]) => {
  if (coefficients.length === 0) throw new RangeError(`${name} must hold at least one number, got none`);
};
const grow = (c: readonly number[], factor: number) => [...c, ...zeros((c.length - 1) * (factor - 1))];

/** Σ coefficientsₖ·xᵏ, up to degree 11. */
export const polynomialOfX: Family<object, 'coefficients'> = {
  name: 'Polynomial',
  parameters: () => ({ coefficients: many() }),
  define(_, { coefficients }) {
    expectSome('coefficients', coefficients);
    return whole(polynomial(coefficients));
  },
  refine: (_, { coefficients }, factor) => ({ parameters: { coefficients: grow(coefficients, factor) } }),
};

/** PolyReLU (arXiv 2411.03884): w₀r³ + w₁r² + w₂r + bias, r = max(x, 0). */
export const polyRelu: Family<object, 'weight' | 'bias'> = {
  name: 'PolyReLU',
  parameters: () => ({ weight: many(3, [1 / 3, 1 / 3, 1 / 3]), bias: one(0) }),
  define: (_, { weight: [w0, w1, w2], bias }) => whole(where(x, polynomial([bias, w2!, w1!, w0!]), bias)),
};

/**
 * Yevick, "Nonlinearity Enhanced Adaptive Activation Function" (arXiv 2403.19896): α·relu(x) + β·(γ|x|)³ is the reading that fits what was published;
 * the formula itself could not be verified. Without gamma its superset: Σ negₖ·xᵏ for x < 0 and Σ posₖ·xᵏ for x ≥ 0.
 */
export const yevick: Family<{ gamma: number }, 'alpha' | 'beta' | 'neg' | 'pos'> = {
  name: 'Yevick',
  constants: { gamma: constantNumber(undefined, true) },
  parameters: ({ gamma }) =>
    (gamma === undefined ? { neg: many(), pos: many() } : { alpha: one(1), beta: one(0) }) as unknown as Record<
      'alpha' | 'beta' | 'neg' | 'pos',
      ReturnType<typeof many>
    >,
  define({ gamma }, { alpha, beta, neg, pos }) {
    if (gamma === undefined) {
      expectSome('neg', neg);
      expectSome('pos', pos);
      return whole(where(negative(x), polynomial(neg), polynomial(pos)));
    }
    const cube = times(beta, gamma, gamma, gamma);
    return whole(where(x, polynomial([0, alpha, 0, cube]), polynomial([0, 0, 0, negative(cube)])));
  },
  refine({ gamma }, { alpha, beta, neg, pos }, factor) {
    if (gamma === undefined) return { parameters: { alpha, beta, neg: grow(neg, factor), pos: grow(pos, factor) } };
    const cube = beta[0]! * gamma ** 3;
    const superset = { neg: [0, 0, 0, -cube], pos: [0, alpha[0]!, 0, cube] };
    return { constants: { gamma: undefined } as object, parameters: { alpha, beta, ...superset } };
  },
  checkpoint: {
    classes: [
      { name: 'ditac', tensors: ['alpha', 'beta'], asks: ['gamma'] },
      { name: 'superset', tensors: ['neg', 'pos'] },
    ],
  },
};

/** torchortho's Hermite activation (arXiv 2502.01247): Σ coefficientsₖ·Heₖ(x)/k!, Heₖ the probabilists' polynomials. */
export const hermite: Family<{ clamp: boolean }, 'coefficients' | 'lim_val'> = {
  name: 'Hermite',
  constants: { clamp: constantFlag(false) },
  parameters: ({ clamp }) =>
    ({
      coefficients: many(undefined, hermiteInitial(3)),
      ...(clamp ? { lim_val: one(Math.sqrt(3)) } : {}),
    }) as Record<'coefficients' | 'lim_val', ReturnType<typeof many>>,
  define({ clamp }, { coefficients, lim_val }) {
    expectSome('coefficients', coefficients);
    // He₀ = 1, He₁ = x, Heₖ₊₁ = x·Heₖ - k·Heₖ₋₁; whole numbers.
    let [before, he] = [[0], [1]];
    let factorial = 1;
    const monomials: Expression[] = coefficients.map(() => plus(0, 0));
    coefficients.forEach((c, k) => {
      if (k > 0) factorial *= k;
      he.forEach((h, n) => {
        if (h !== 0) monomials[n] = plus(monomials[n]!, divide(times(h, c), factorial));
      });
      const next = [0, ...he].map((h, n) => h - k * (before[n] ?? 0));
      [before, he] = [he, next];
    });
    if (!clamp) return whole(polynomial(monomials));
    // 2·lim_val·(σ(x) - ½) in place of x.
    const t = times(lim_val, tanh(divide(x, 2)));
    let f: Expression = monomials[monomials.length - 1]!;
    for (let k = monomials.length - 2; k >= 0; k--) f = plus(times(f, t), monomials[k]!);
    return whole(f);
  },
  refine: (_, { coefficients, ...rest }, factor) => ({
    parameters: { ...rest, coefficients: grow(coefficients, factor) },
  }),
  checkpoint: {
    classes: [
      { name: 'torchortho', constants: { clamp: false }, others: ['coeffs', 'grid', 'normalization_term'] },
      {
        name: 'torchortho-clamp',
        constants: { clamp: true },
        names: { lim_val: 'clamp.lim_val' },
        shapes: { lim_val: () => [] },
        others: ['coeffs', 'grid', 'normalization_term'],
      },
    ],
  },
};

/** c₀ = √(1 - 1/n!)/√e, the others 1/√e. */
function hermiteInitial(n: number): number[] {
  let factorial = 1;
  for (let k = 2; k <= n; k++) factorial *= k;
  return Array.from({ length: n + 1 }, (_, k) => (k === 0 ? Math.sqrt(1 - 1 / factorial) : 1) / Math.sqrt(Math.E));
}

/** ChebyKAN's edge: Σ coeffsₖ·Tₖ(tanh x), by Clenshaw's recurrence. */
export const chebyshev: Family<object, 'coeffs'> = {
  name: 'Chebyshev',
  parameters: () => ({ coeffs: many() }),
  define(_, { coeffs }) {
    expectSome('coeffs', coeffs);
    const t = tanh(x);
    let [b1, b2]: [Expression, Expression] = [plus(0, 0), plus(0, 0)];
    for (let k = coeffs.length - 1; k >= 1; k--) [b1, b2] = [plus(coeffs[k]!, minus(times(2, t, b1), b2)), b1];
    return whole(plus(coeffs[0]!, minus(times(t, b1), b2)));
  },
  checkpoint: {
    classes: [
      { name: 'ditac' },
      {
        name: 'chebykan',
        tensors: ['cheby_coeffs'],
        count: (shape) => (shape.length === 3 ? shape[0]! * shape[1]! : undefined),
        others: ['arange'],
        needs: ['edge'],
        read(stored) {
          const { shape, data } = stored.tensor('cheby_coeffs', 3);
          const [inputs, outputs, n] = shape as [number, number, number];
          const [o, i] = stored.edge(outputs, inputs);
          const at = (i * outputs + o) * n;
          return { parameters: { coeffs: data.subarray(at, at + n) } };
        },
        write: (_, { coeffs: [row, ...more] }) =>
          more.length > 0 ? undefined : { cheby_coeffs: { shape: [1, 1, row!.length], data: Float32Array.from(row!) } },
      },
    ],
  },
  refine: (_, { coeffs }, factor) => ({ parameters: { coeffs: grow(coeffs, factor) } }),
};
