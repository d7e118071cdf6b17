import {
  exp,
  expm1,
  minimum,
  minus,
  negative,
  plus,
  softplus,
  square,
  times,
  where,
  x,
} from '../calculus/expression.js';
import { constantNumber, type Family, one, tail, whole } from './family.js';

/**
 * xIELU (arXiv 2411.13010; transformers' XIELUActivation): x > 0: α_p·x² + βx; else α_n·(expm1(min(x, ε)) - x) + βx, with α_p = softplus(alpha_p) and
 * α_n = β + softplus(alpha_n). The released ε = -1e-6 makes f(0) = -8e-7 and the slope on (ε, 0] β - α_n; the paper's is 0.
 */
export const xielu: Family<{ beta: number; eps: number }, 'alpha_p' | 'alpha_n'> = {
  name: 'XIELU',
  constants: { beta: constantNumber(0.5), eps: constantNumber(-1e-6) },
  // log(expm1(0.8)) and log(expm1(0.3)): 0.8 and 0.8 - β after softplus.
  parameters: () => ({ alpha_p: one(0.20338232815265656), alpha_n: one(-1.0502256155014038) }),
  define({ beta, eps }, p) {
    const positive = softplus(p.alpha_p);
    const negativeSide = plus(beta, softplus(p.alpha_n));
    const left = plus(times(negativeSide, minus(expm1(minimum(x, eps)), x)), times(beta, x));
    const right = plus(times(positive, square(x)), times(beta, x));
    return whole(
      where(x, right, left),
      tail(minus(beta, negativeSide), negative(negativeSide), times(negativeSide, exp(x))),
    );
  },
  checkpoint: {
    classes: [
      { name: 'transformers', buffers: { beta: 'beta', eps: 'eps' }, asks: ['eps'], others: ['kernel'] },
      // The authors' own class keeps neither in its state dict.
      { name: 'xielu', asks: ['eps'], note: 'beta is 0.5, as in all that is released, unless another was told' },
    ],
  },
};
