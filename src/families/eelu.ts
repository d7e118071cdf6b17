import {
  type Expression,
  erf,
  exp,
  expression,
  minimum,
  negative,
  normal,
  plus,
  power,
  softplus,
  times,
  x,
} from '../calculus/expression.js';
import { type Asymptote, constantChoice, constantFlag, type Family, one, tail, whole } from './family.js';

/** erf(e^g): from g = 3 on it is 1 to 170 digits, and e^g need not grow. */
const gate = (g: Expression) => erf(exp(minimum(g, 3)));

/** The four of arXiv 2409.04915 (Rahman, He, Wang). Beyond the paper: a trained scale. */
const MEMBERS: Readonly<
  Record<1 | 2 | 3 | 4, (gate: (g: Expression) => Expression) => { f: Expression; low?: Asymptote; high?: Asymptote }>
> = {
  1: (gate) => vanishing('low', times(x, gate(x))),
  2: (gate) => vanishing('high', times(-1, x, gate(negative(x)))),
  3: (gate) => vanishing('low', times(x, power(gate(x), 2))),
  4: () => {
    const f = times(erf(x), softplus(x));
    // erf(x)·(x + softplus(-x)) - x
    const rest = plus(times(-2, x, normal(times(power(2, 0.5), negative(x)))), times(erf(x), softplus(negative(x))));
    return { f, low: tail(0, 0, f), high: tail(1, 0, rest) };
  },
};

const vanishing = (side: 'low' | 'high', f: Expression) => ({ f, [side]: tail(0, 0, f) });

export const eelu: Family<{ member: 1 | 2 | 3 | 4; scaled: boolean }, 'scale'> = {
  name: 'EELU',
  constants: { member: constantChoice([1, 2, 3, 4] as const), scaled: constantFlag(false) },
  parameters: ({ scaled }) => (scaled ? { scale: one(1) } : {}) as { scale: ReturnType<typeof one> },
  define({ member, scaled }, { scale }) {
    const { f, low, high } = MEMBERS[member](gate);
    const s: Expression = scaled ? scale : expression(1);
    const by = (end?: Asymptote) => end && tail(times(s, end.slope), times(s, end.intercept), times(s, end.rest));
    return whole(times(s, f), by(low), by(high));
  },
  checkpoint: {
    classes: [
      { name: 'ditac', asks: ['member'], constants: { scaled: false } },
      { name: 'scaled', asks: ['member'], constants: { scaled: true } },
    ],
  },
  truth: ({ member, scaled }, { scale }) => whole(times(scaled ? scale : 1, MEMBERS[member]((g) => erf(exp(g))).f)),
};
