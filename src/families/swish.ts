import {
  type Expression,
  exp,
  expm1,
  minimum,
  minus,
  negative,
  plus,
  sigmoid,
  softplus,
  tanh,
  times,
  x,
} from '../calculus/expression.js';
import { alongFirst, bySign, type Family, one, tail, whole } from './family.js';

/** x·σ(βx) (arXiv 1710.05941); β = 1 is SiLU. */
export const swish: Family<object, 'beta'> = {
  name: 'Swish',
  parameters: () => ({ beta: one(1) }),
  define(_, { beta }) {
    const f = times(x, sigmoid(times(beta, x)));
    if (beta.value === 0) {
      const half = tail(0.5, 0, times(x, minus(sigmoid(times(beta, x)), 0.5)));
      return whole(f, half, half);
    }
    return whole(f, ...bySign(beta.value, tail(0, 0, f), tail(1, 0, times(-1, x, sigmoid(negative(times(beta, x)))))));
  },
};

/** ACON-C (arXiv 2009.04759): (p₁ - p₂)x·σ(β(p₁ - p₂)x) + p₂x. */
export const aconC: Family<object, 'p1' | 'p2' | 'beta'> = {
  name: 'ACON',
  parameters: () => ({ p1: one(({ normal }) => normal()), p2: one(({ normal }) => normal()), beta: one(1) }),
  define(_, { p1, p2, beta }) {
    const d = minus(p1, p2);
    const gate = times(beta, d, x);
    const f = plus(times(d, x, sigmoid(gate)), times(p2, x));
    const steepness = beta.value * (p1.value - p2.value);
    if (steepness === 0) {
      const half = tail(times(0.5, plus(p1, p2)), 0, times(d, x, minus(sigmoid(gate), 0.5)));
      return whole(f, half, half);
    }
    return whole(
      f,
      ...bySign(
        steepness,
        tail(p2, 0, times(d, x, sigmoid(gate))),
        tail(p1, 0, times(-1, d, x, sigmoid(negative(gate)))),
      ),
    );
  },
  checkpoint: {
    classes: [
      { name: 'acon', shapes: { p1: alongFirst(4), p2: alongFirst(4), beta: alongFirst(4) } },
      // Meta-ACON computes beta for every sample: it has to be told, by the option's name.
    ],
  },
};

/** x·tanh(softplus x) (arXiv 1908.08681). */
export const mish: Family = {
  name: 'Mish',
  parameters: () => ({}),
  define() {
    const f = times(x, tanh(softplus(x)));
    return whole(f, tail(0, 0, f), tail(1, 0, times(-2, x, sigmoid(times(-2, softplus(x))))));
  },
};

/** x·tanh(eˣ) (arXiv 2412.20269): from 4 on the gate is 1 to 47 digits, and eˣ need not grow. */
export const telu: Family = {
  name: 'TeLU',
  parameters: () => ({}),
  define() {
    const f = times(x, tanh(exp(minimum(x, 4))));
    return whole(f, tail(0, 0, f));
  },
  truth: () => whole(times(x, tanh(exp(x)))),
};

/** x·α·exp(-β·e^{-γx}) (arXiv 2502.03654), α, β, γ = 1: below, the gate is 0 to 100 digits before e^{-γx} overflows. */
export const golu: Family<object, 'alpha' | 'beta' | 'gamma'> = {
  name: 'GoLU',
  parameters: () => ({ alpha: one(1), beta: one(1), gamma: one(1) }),
  define(_, { alpha, beta, gamma }) {
    if (!(beta.value > 0 && gamma.value !== 0))
      throw new RangeError(
        `GoLU needs beta > 0 and gamma ≠ 0, or the function is not finite; got beta = ${beta.value}, gamma = ${gamma.value}`,
      );
    const most = Math.fround(Math.log(400 / beta.value));
    const inner = times(-1, beta, exp(minimum(negative(times(gamma, x)), most)));
    const f: Expression = times(alpha, x, exp(inner));
    return whole(f, ...bySign(gamma.value, tail(0, 0, f), tail(alpha, 0, times(alpha, x, expm1(inner)))));
  },
  truth: (_, { alpha, beta, gamma }) => whole(times(alpha, x, exp(times(-1, beta, exp(negative(times(gamma, x))))))),
};
