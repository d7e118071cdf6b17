/** Options with which every family works, as a trained network may have them: one function, and for two channels. */
import type { FamilyName } from 'ditac/families';

export interface Example {
  /** Constants and parameters of one function. */
  readonly options: Readonly<Record<string, unknown>>;
  /** More parameters by `refine`. */
  readonly isRefined?: boolean;
}

const RATIONAL = { numerator: [0.02, 0.6, 0.5, 0.1, 0.02], denominator: [0.1, 0.3, 0.05, 0.01] };
const KNOTS = Array.from({ length: 12 }, (_, k) => -2.2 + 0.4 * k);

export const EXAMPLES: Readonly<Record<FamilyName, readonly Example[]>> = {
  ditac: [
    { options: { a: -3, b: 3, thetas: Array.from({ length: 9 }, (_, k) => 0.3 * Math.sin(k + 1)) }, isRefined: true },
  ],
  aconc: [{ options: { p1: 1.2, p2: -0.3, beta: 0.8 } }],
  aglu: [{ options: { lambda: 0.6, kappa: 1.1 } }, { options: { lambda: 0.6, kappa: -0.7, clamp: 'max' } }],
  apa: [{ options: { lambda: 0.5, kappa: 0.9 } }, { options: { lambda: 0.5, kappa: 0.9, clamp: 'add' } }],
  apl: [{ options: { a: [0.2, -0.1], b: [0.5, -1] } }],
  bspline: [
    {
      options: {
        grid: KNOTS,
        base_weight: 0.8,
        spline_scaler: 1.1,
        spline_weight: [0.1, -0.2, 0.3, 0.05, 0.4, -0.1, 0.2, 0.6],
      },
      isRefined: true,
    },
    {
      options: { grid: KNOTS, outside: 'continued', spline_weight: [0.1, -0.2, 0.3, 0.05, 0.4, -0.1, 0.2, 0.6] },
      isRefined: true,
    },
  ],
  celu: [{ options: { alpha: 0.7 } }],
  chebykan: [{ options: { coeffs: [0.1, 0.5, -0.2, 0.05] }, isRefined: true }],
  derf: [{ options: { alpha: 0.6, shift: 0.1, weight: 1.2, bias: -0.1 } }],
  dyt: [{ options: { alpha: 0.7, weight: 1.2, bias: -0.1 } }],
  eelu: [1, 2, 3, 4].map((member) => ({ options: { member, scaled: true, scale: 1.2 } })),
  elu: [{ options: { alpha: 0.9 } }],
  erfrelu: [{ options: { alpha: 0.4 } }],
  fourier: [
    { options: { fundamental: 0.2, coefficients: [0.5, 0.3], phases: [0.1, 0.7], grid: [1, 2] }, isRefined: true },
  ],
  fourierseries: [{ options: { bias: 0.1, cos: [0.3, -0.1], sin: [0.5, 0.2] }, isRefined: true }],
  golu: [{ options: { alpha: 1.1, beta: 0.9, gamma: 1.2 } }],
  hermite: [{ options: { coefficients: [0.4, 0.5, 0.3, 0.1] }, isRefined: true }],
  mish: [{ options: {} }],
  polynomial: [{ options: { coefficients: [0.1, 0.8, 0.2, -0.05] }, isRefined: true }],
  polyrelu: [{ options: { weight: [0.2, 0.3, 0.5], bias: 0.1 } }],
  prelu: [{ options: { weight: 0.3 } }],
  pwlu: [{ options: { left: -2, right: 2, values: [0.1, -0.1, 0.2, 0.9, 2.1], slopes: [0.1, 1.1] }, isRefined: true }],
  rational: [
    ...(['A', 'B', 'D', 'N'] as const).map((version) => ({ options: { version, ...RATIONAL }, isRefined: true })),
    { options: { version: 'C', ...RATIONAL, denominator: [0.9, 0.1, 0.3, 0.05, 0.01] }, isRefined: true },
    { options: { version: 'R', numerator: [0.02, 0.5, 1.6, 1.2], denominator: [1, 0.1, 2.4] }, isRefined: true },
  ],
  selu: [{ options: {} }],
  siren: [{ options: { omega: 3 } }],
  smu: [{ options: { alpha: 0.25, mu: 1.5 } }],
  snake: [{ options: { alpha: 1.3 } }, { options: { alpha: 0.2, logScale: true, eps: 0 } }],
  snakebeta: [
    { options: { alpha: 0.3, beta: 0.2, logScale: true } },
    { options: { alpha: 1.3, beta: 0.8, logScale: false } },
  ],
  softplus: [{ options: { beta: 1.3 } }],
  starrelu: [{ options: { scale: 0.9, bias: -0.4 } }],
  swish: [{ options: { beta: 1.2 } }],
  telu: [{ options: {} }],
  xielu: [{ options: { alpha_p: 0.3, alpha_n: -0.8 } }],
  yevick: [
    { options: { gamma: 0.5, alpha: 1.1, beta: 0.2 } },
    { options: { neg: [0, 0.1, 0.05], pos: [0, 1, 0.1] }, isRefined: true },
  ],
};
