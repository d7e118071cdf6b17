import {
  divide,
  type Expression,
  exp,
  expm1,
  expression,
  log,
  log1p,
  minus,
  negative,
  type Parameter,
  plus,
  softplus,
  times,
  x,
} from '../calculus/expression.js';
import { alongFirst, atLeast, bySign, constantChoice, type Family, one, tail, uniform, whole } from './family.js';

/** Alexandridis, Deng, Nguyen, Luo, "Adaptive Parametric Activation" (arXiv 2407.08567, eq. 3 and 4), and what its classes do to λ. */
export type Clamp = 'max' | 'add';
const LEAST = Math.fround(1e-4);
const ADDED = Math.fround(1e-8);

/** max(λ, fl32(1e-4)), or fl32(max(λ, 0) + fl32(1e-8)); what is clamped has no gradient. */
function effective(lambda: Parameter, clamp: Clamp): Expression {
  if (clamp === 'max') return atLeast(lambda, LEAST);
  return lambda.value > 0 ? plus(lambda, Math.fround(lambda.value + ADDED) - lambda.value) : expression(ADDED);
}

/** log p = -log1p(λe^{-κx})/λ: nothing cancels. Far to the left e^{-κx} overflows, and softplus takes its place. */
function logarithm(l: Expression, kappa: Parameter) {
  const near = divide(log1p(times(l, exp(negative(times(kappa, x))))), negative(l));
  const far = divide(softplus(plus(negative(times(kappa, x)), log(l))), negative(l));
  return { near, far };
}

const ORIGINAL = { lambda: 'lambda_param', kappa: 'kappa_param' } as const;

/** APA: (1 + λe^{-κx})^{-1/λ}, a gate between 0 and 1. */
export const apa: Family<{ clamp: Clamp }, 'lambda' | 'kappa'> = {
  name: 'APA',
  constants: { clamp: constantChoice<Clamp>(['max', 'add'], 'max') },
  parameters: () => ({ lambda: one(uniform(0, 1)), kappa: one(uniform(0, 1)) }),
  define({ clamp }, { lambda, kappa }) {
    const l = effective(lambda, clamp);
    const { near, far } = logarithm(l, kappa);
    if (kappa.value === 0) return whole(exp(near), ...both(tail(0, mean(l), minus(exp(near), mean(l)))));
    return whole(exp(near), ...bySign(kappa.value, tail(0, 0, exp(far)), tail(0, 1, expm1(near))));
  },
  notes: (_, { lambda: [lambda] }) =>
    lambda! < LEAST ? ['lambda is below 1e-4, and clamped to it as in the released classes: it has no gradient'] : [],
  checkpoint: {
    classes: [
      // kostas1515/AGLU: Unified; its init differs from file to file, its function does not.
      {
        name: 'unified',
        names: ORIGINAL,
        shapes: { lambda: alongFirst(4), kappa: alongFirst(4) },
        constants: { clamp: 'max' },
      },
      { name: 'ultralytics', names: { lambda: 'lambd' }, constants: { clamp: 'max' } },
      { name: 'ditac' },
    ],
  },
};

/** AGLU: x·APA(x). */
export const aglu: Family<{ clamp: Clamp }, 'lambda' | 'kappa'> = {
  name: 'AGLU',
  constants: { clamp: constantChoice<Clamp>(['max', 'add'], 'add') },
  parameters: () => ({ lambda: one(uniform(0, 1)), kappa: one(uniform(0.8, 1.2)) }),
  define({ clamp }, { lambda, kappa }) {
    const l = effective(lambda, clamp);
    const { near, far } = logarithm(l, kappa);
    const f = times(x, exp(near));
    if (kappa.value === 0) return whole(f, ...both(tail(mean(l), 0, times(x, minus(exp(near), mean(l))))));
    return whole(f, ...bySign(kappa.value, tail(0, 0, times(x, exp(far))), tail(1, 0, times(x, expm1(near)))));
  },
  notes: ({ clamp }, { lambda: [lambda] }) =>
    clamp === 'max' && lambda! < LEAST
      ? ['lambda is below 1e-4, and clamped to it as in the released class: it has no gradient']
      : clamp === 'add' && lambda! <= 0
        ? ['lambda is 0 or below, and clamped to 1e-8 as in the released class: it has no gradient']
        : [],
  checkpoint: {
    classes: [
      // kostas1515/AGLU: UniRect of resnet_pytorch.py, resnet_cifar.py and mmdet's swin.py; that of mmdet's se_resnet.py clamps otherwise.
      {
        name: 'unirect',
        names: ORIGINAL,
        shapes: { lambda: alongFirst(4), kappa: alongFirst(4) },
        constants: { clamp: 'add' },
      },
      {
        name: 'unirect-se-resnet',
        names: ORIGINAL,
        shapes: { lambda: alongFirst(4), kappa: alongFirst(4) },
        constants: { clamp: 'max' },
      },
      {
        name: 'ultralytics',
        names: { lambda: 'lambd' },
        asks: ['clamp'],
        note: "the names are those of ultralytics' class AGLU, which evaluates the gate APA, without the factor x",
      },
      { name: 'ditac', asks: ['clamp'] },
    ],
  },
};

/** The gate at κ = 0: (1 + λ)^{-1/λ} everywhere. */
const mean = (l: Expression) => exp(divide(log1p(l), negative(l)));
const both = <T>(each: T): [T, T] => [each, each];
