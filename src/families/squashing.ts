import {
  divide,
  erf,
  minus,
  negative,
  normal,
  plus,
  power,
  sigmoid,
  softplus,
  tanh,
  times,
  x,
} from '../calculus/expression.js';
import { bySign, constantNumber, type Family, one, tail, whole } from './family.js';

const ROOT_2 = power(2, 0.5);

/** DyT, "Transformers without Normalization" (arXiv 2503.10622): weight·tanh(αx) + bias; α shared, weight and bias a channel. */
export const dyt: Family<object, 'alpha' | 'weight' | 'bias'> = {
  name: 'DyT',
  parameters: () => ({ alpha: one(0.5), weight: one(1), bias: one(0) }),
  shared: ['alpha'],
  define(_, { alpha, weight, bias }) {
    const f = plus(times(weight, tanh(times(alpha, x))), bias);
    if (alpha.value === 0) return whole(f);
    const low = tail(0, minus(bias, weight), times(2, weight, sigmoid(times(2, alpha, x))));
    const high = tail(0, plus(bias, weight), times(-2, weight, sigmoid(times(-2, alpha, x))));
    return whole(f, ...bySign(alpha.value, low, high));
  },
  // The released class, and the paper's listing: channels are first or last, as an instance is told.
  checkpoint: {
    classes: [
      { name: 'dyt', needs: ['layout'] },
      { name: 'listing', names: { weight: 'gamma', bias: 'beta' }, needs: ['layout'] },
    ],
  },
};

/** Derf (arXiv 2512.10938, eq. 10): weight·erf(αx + shift) + bias. */
export const derf: Family<object, 'alpha' | 'shift' | 'weight' | 'bias'> = {
  name: 'Derf',
  parameters: () => ({ alpha: one(0.5), shift: one(0), weight: one(1), bias: one(0) }),
  shared: ['alpha', 'shift'],
  define(_, { alpha, shift, weight, bias }) {
    const g = plus(times(alpha, x), shift);
    const f = plus(times(weight, erf(g)), bias);
    if (alpha.value === 0) return whole(f);
    const falling = tail(0, minus(bias, weight), times(2, weight, normal(times(ROOT_2, g))));
    const rising = tail(0, plus(bias, weight), times(-2, weight, normal(times(ROOT_2, negative(g)))));
    return whole(f, ...bySign(alpha.value, falling, rising));
  },
  checkpoint: { classes: [{ name: 'ditac', needs: ['layout'] }] },
};

/** log(1 + e^{βx})/β. */
export const softplusBeta: Family<object, 'beta'> = {
  name: 'Softplus',
  parameters: () => ({ beta: one(1) }),
  define(_, { beta }) {
    if (beta.value === 0) throw new RangeError('Softplus needs beta ≠ 0: log(1 + e^(βx))/β has no value; got beta = 0');
    const f = divide(softplus(times(beta, x)), beta);
    return whole(f, ...bySign(beta.value, tail(0, 0, f), tail(1, 0, divide(softplus(negative(times(beta, x))), beta))));
  },
};

/** SMU (arXiv 2111.04682): ((1+α)x + (1-α)x·erf(μ(1-α)x))/2, α constant. */
export const smu: Family<{ alpha: number }, 'mu'> = {
  name: 'SMU',
  constants: { alpha: constantNumber() },
  parameters: ({ alpha }) => ({ mu: one(Math.abs(alpha - 0.01) < 1e-6 ? 2.5 : 1e6) }),
  define({ alpha }, { mu }) {
    const less = minus(1, alpha);
    const g = times(mu, less, x);
    const f = divide(plus(times(plus(1, alpha), x), times(less, x, erf(g))), 2);
    const steepness = mu.value * (1 - alpha);
    if (steepness === 0) {
      const mean = tail(divide(plus(1, alpha), 2), 0, divide(times(less, x, erf(g)), 2));
      return whole(f, mean, mean);
    }
    const low = tail(alpha, 0, times(less, x, normal(times(ROOT_2, g))));
    const high = tail(1, 0, times(-1, less, x, normal(times(ROOT_2, negative(g)))));
    return whole(f, ...bySign(steepness, low, high));
  },
  checkpoint: { classes: [{ name: 'ditac', shapes: { mu: () => [] }, asks: ['alpha'] }] },
};
