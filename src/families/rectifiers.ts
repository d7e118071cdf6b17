import {
  divide,
  type Expression,
  erf,
  exp,
  expm1,
  minus,
  negative,
  normal,
  plus,
  power,
  relu,
  square,
  times,
  where,
  x,
} from '../calculus/expression.js';
import { type Family, many, one, tail, whole } from './family.js';

const ROOT_2 = power(2, 0.5);

/** PReLU (arXiv 1502.01852): x, or weight·x where x ≤ 0. */
export const prelu: Family<object, 'weight'> = {
  name: 'PReLU',
  parameters: () => ({ weight: one(0.25) }),
  define: (_, { weight }) => whole(where(x, x, times(weight, x))),
  checkpoint: { classes: [{ name: 'torch', alike: 'the weight of a norm that has no bias' }] },
};

/** StarReLU (arXiv 2210.13452; timm): scale·relu(x)² + bias. */
export const starRelu: Family<object, 'scale' | 'bias'> = {
  name: 'StarReLU',
  parameters: () => ({ scale: one(1), bias: one(0) }),
  define: (_, { scale, bias }) => whole(where(x, plus(times(scale, square(x)), bias), bias)),
  checkpoint: { classes: [{ name: 'timm' }] },
};

/** ELU (arXiv 1511.07289): x, or α(eˣ - 1) where x ≤ 0. */
export const elu: Family<object, 'alpha'> = {
  name: 'ELU',
  parameters: () => ({ alpha: one(1) }),
  define: (_, { alpha }) => whole(where(x, x, times(alpha, expm1(x))), tail(0, negative(alpha), times(alpha, exp(x)))),
};

/** CELU (arXiv 1704.07483): x, or α(e^{x/α} - 1) where x ≤ 0. */
export const celu: Family<object, 'alpha'> = {
  name: 'CELU',
  parameters: () => ({ alpha: one(1) }),
  define(_, { alpha }) {
    if (!(alpha.value > 0))
      throw new RangeError(`CELU needs alpha > 0: e^(x/α) would not vanish; got alpha = ${alpha.value}`);
    return whole(
      where(x, x, times(alpha, expm1(divide(x, alpha)))),
      tail(0, negative(alpha), times(alpha, exp(divide(x, alpha)))),
    );
  },
};

/** SELU (arXiv 1706.02515), with PyTorch's constants. */
const SCALE = 1.0507009873554805;
const ALPHA = 1.6732632423543772;
export const selu: Family = {
  name: 'SELU',
  parameters: () => ({}),
  define() {
    const most = times(SCALE, ALPHA);
    return whole(where(x, times(SCALE, x), times(most, expm1(x))), tail(0, negative(most), times(most, exp(x))));
  },
};

/** ErfReLU (arXiv 2306.01822): x where x ≥ 0, else α·erf(x). */
export const erfRelu: Family<object, 'alpha'> = {
  name: 'ErfReLU',
  parameters: () => ({ alpha: one(1) }),
  define: (_, { alpha }) =>
    whole(
      where(negative(x), times(alpha, erf(x)), x),
      tail(0, negative(alpha), times(2, alpha, normal(times(ROOT_2, x)))),
    ),
};

/** APL (arXiv 1412.6830): max(0, x) + Σ aₛ·max(0, -x + bₛ). */
export const apl: Family<object, 'a' | 'b'> = {
  name: 'APL',
  parameters: () => ({ a: many(), b: many() }),
  define(_, { a, b }) {
    if (a.length !== b.length)
      throw new RangeError(`a and b must have the same length, got ${a.length} and ${b.length}`);
    let f: Expression = relu(x);
    a.forEach((slope, s) => {
      f = plus(f, times(slope, relu(minus(b[s]!, x))));
    });
    return whole(f);
  },
};

/** PWLU (arXiv 2104.03693): N equal cells on [left, right] with values at their ends, and slopes outside. */
export const pwlu: Family<object, 'left' | 'right' | 'values' | 'slopes'> = {
  name: 'PWLU',
  parameters: () => ({
    left: one(-3),
    right: one(3),
    values: many(
      undefined,
      Array.from({ length: 17 }, (_, j) => Math.max(0, -3 + (6 * j) / 16)),
    ),
    slopes: many(2, [0, 1]),
  }),
  define(_, { left, right, values, slopes }) {
    const cells = values.length - 1;
    if (cells < 1 || !(left.value < right.value))
      throw new RangeError(
        `PWLU needs left < right and two values or more; got ${left.value}, ${right.value} and ${values.length} values`,
      );
    const width = divide(minus(right, left), cells);
    const vertex = (j: number) => plus(left, times(j, width));
    // x beyond a vertex, without the division: what is exact has a sign.
    const beyond = (j: number) => minus(times(cells, x), plus(times(cells, left), times(j, minus(right, left))));
    let f: Expression = plus(values[0]!, times(slopes[0]!, minus(x, left)));
    for (let j = 0; j < cells; j++) {
      const line = plus(values[j]!, times(divide(minus(values[j + 1]!, values[j]!), width), minus(x, vertex(j))));
      f = where(beyond(j), line, f);
    }
    return whole(where(beyond(cells), plus(values[cells]!, times(slopes[1]!, minus(x, right))), f));
  },
  // Every cell in parts, with values on its line.
  refine: (_, { left, right, values, slopes }, factor) => ({
    parameters: {
      left,
      right,
      slopes,
      values: Array.from({ length: (values.length - 1) * factor + 1 }, (_, k) => {
        const j = Math.min(Math.floor(k / factor), values.length - 2);
        const share = k / factor - j;
        return values[j]! * (1 - share) + values[j + 1]! * share;
      }),
    },
  }),
};
