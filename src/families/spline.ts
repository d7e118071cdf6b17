import {
  divide,
  type Expression,
  expression,
  minus,
  negative,
  plus,
  sigmoid,
  times,
  x,
} from '../calculus/expression.js';
import { LARGEST, type Part } from '../calculus/piece.js';
import type { Tensor } from '../io/tensor.js';
import { constantChoice, constantNumbers, type Family, many, one, pieces, tail } from './family.js';

/**
 * An edge of a Kolmogorov–Arnold network (Liu et al., arXiv 2404.19756; efficient-kan, pykan): base_weight·silu(x) + spline_scaler·Σ spline_weightᵢ·Bᵢ(x)
 * with B-splines on the stored knots, half-open cells. Outside the knots the spline is 0, as released, or `outside: 'continued'`.
 */
export interface SplineConstants {
  grid: readonly number[];
  outside: 'zero' | 'continued';
}

const MOST_DEGREE = 5;
const SILU = times(x, /* @__PURE__ */ sigmoid(x));
const SILU_REST = times(-1, x, /* @__PURE__ */ sigmoid(negative(x)));

export const bspline: Family<SplineConstants, 'base_weight' | 'spline_scaler' | 'spline_weight'> = {
  name: 'BSpline',
  constants: { grid: constantNumbers(), outside: constantChoice(['zero', 'continued'] as const, 'zero') },
  parameters: () => ({ base_weight: one(1), spline_scaler: one(1), spline_weight: many() }),
  define({ grid, outside }, { base_weight, spline_scaler, spline_weight }) {
    const degree = grid.length - spline_weight.length - 1;
    if (spline_weight.length === 0) throw new RangeError('spline_weight must hold at least one number, got none');
    if (!(degree >= 0 && degree <= MOST_DEGREE))
      throw new RangeError(
        `a spline of ${spline_weight.length} coefficients has ${spline_weight.length + 1} knots and one for each degree, up to ${MOST_DEGREE}; got ${grid.length}`,
      );
    grid.forEach((knot, i) => {
      if (i > 0 && !(knot > grid[i - 1]!))
        throw new RangeError(`knots must ascend, and no two may be equal; knot ${i} is ${knot} after ${grid[i - 1]}`);
    });
    const base = times(base_weight, SILU);
    const spans = spansOf(grid, degree).map(({ from, bases }) => {
      const s = minus(x, from);
      // Σ over the bases that are not 0 here, by powers of x - knot.
      let f: Expression = expression(0);
      for (let n = degree; n >= 0; n--) {
        let c: Expression = expression(0);
        for (const { index, powers } of bases) c = plus(c, times(spline_weight[index]!, powers[n]!));
        f = n === degree ? c : plus(times(f, s), c);
      }
      return plus(base, times(spline_scaler, f));
    });
    const starts = grid.slice(0, -1).map((knot, j) => [knot, spans[j]!] as const);
    const inside = (parts: Part[]) => ({
      parts,
      ...(outside === 'zero'
        ? { low: tail(0, 0, base), high: tail(base_weight, 0, times(base_weight, SILU_REST)) }
        : {}),
    });
    if (outside === 'continued') {
      // Between the first and the last knot of full support, and its outermost polynomials beyond.
      const inner = starts.slice(degree, starts.length - degree);
      if (inner.length === 0)
        throw new RangeError(
          `a spline of degree ${degree} can be continued from ${2 * degree + 2} knots on, where a cell has all of its bases; got ${grid.length}`,
        );
      return inside(pieces(inner[0]![1], ...inner.slice(1)));
    }
    return inside(pieces(base, ...starts, [grid.at(-1)!, base]));
  },
  refine({ grid }, { base_weight, spline_scaler, spline_weight }, factor) {
    let [knots, weights] = [[...grid], [...spline_weight]];
    const degree = grid.length - spline_weight.length - 1;
    for (let j = degree; j + 1 < grid.length - degree; j++) {
      for (let k = 1; k < factor; k++) {
        const knot = Math.fround(grid[j]! + ((grid[j + 1]! - grid[j]!) * k) / factor);
        [knots, weights] = insertKnot(knots, weights, degree, knot);
      }
    }
    return { constants: { grid: knots }, parameters: { base_weight, spline_scaler, spline_weight: weights } };
  },
  checkpoint: {
    classes: [
      { name: 'ditac', asks: ['grid'] },
      {
        name: 'efficient-kan',
        tensors: ['base_weight', 'spline_weight', 'grid'],
        count: (shape) => (shape.length === 2 ? shape[0]! * shape[1]! : undefined),
        others: ['spline_scaler'],
        constants: { outside: 'zero' },
        needs: ['edge'],
        note: 'the base function is taken for SiLU, the default of the class',
        read(stored) {
          const weights = stored.tensor('spline_weight', 3);
          const [outputs, inputs] = weights.shape as [number, number, number];
          const [o, i] = stored.edge(outputs, inputs);
          const at = (name: string) => elementOf(name, stored.tensor(name, 2), [outputs, inputs], o, i);
          return {
            constants: { grid: rowOf('grid', stored.tensor('grid', 2), [inputs], [i]) },
            parameters: {
              base_weight: [at('base_weight')],
              spline_scaler: [stored.has('spline_scaler') ? at('spline_scaler') : 1],
              spline_weight: rowOf('spline_weight', weights, [outputs, inputs], [o, i]),
            },
          };
        },
        write: ({ grid, outside }, { base_weight, spline_scaler, spline_weight }) =>
          outside !== 'zero' || base_weight.length + spline_scaler.length + spline_weight.length > 3
            ? undefined
            : {
                base_weight: { shape: [1, 1], data: Float32Array.from(base_weight[0]!) },
                spline_weight: { shape: [1, 1, spline_weight[0]!.length], data: Float32Array.from(spline_weight[0]!) },
                spline_scaler: { shape: [1, 1], data: Float32Array.from(spline_scaler[0]!) },
                grid: { shape: [1, grid.length], data: Float32Array.from(grid) },
              },
      },
      {
        name: 'pykan',
        tensors: ['coef', 'grid', 'scale_base', 'scale_sp', 'mask'],
        count: (shape) => (shape.length === 3 ? shape[0]! * shape[1]! : undefined),
        constants: { outside: 'zero' },
        needs: ['edge'],
        note: 'the base function is taken for SiLU, the default of the class; a symbolic function beside the spline is not part of it',
        read(stored) {
          const coef = stored.tensor('coef', 3);
          const [inputs, outputs] = coef.shape as [number, number, number];
          const [o, i] = stored.edge(outputs, inputs);
          const at = (name: string) => elementOf(name, stored.tensor(name, 2), [inputs, outputs], i, o);
          const mask = at('mask');
          if (mask === 0) stored.note('the mask of this edge is 0, and so is the function');
          return {
            constants: { grid: rowOf('grid', stored.tensor('grid', 2), [inputs], [i]) },
            parameters: {
              base_weight: [mask * at('scale_base')],
              spline_scaler: [mask * at('scale_sp')],
              spline_weight: rowOf('coef', coef, [inputs, outputs], [i, o]),
            },
          };
        },
        write: ({ grid, outside }, { base_weight, spline_scaler, spline_weight }) =>
          outside !== 'zero' || base_weight.length + spline_scaler.length + spline_weight.length > 3
            ? undefined
            : {
                coef: { shape: [1, 1, spline_weight[0]!.length], data: Float32Array.from(spline_weight[0]!) },
                grid: { shape: [1, grid.length], data: Float32Array.from(grid) },
                scale_base: { shape: [1, 1], data: Float32Array.from(base_weight[0]!) },
                scale_sp: { shape: [1, 1], data: Float32Array.from(spline_scaler[0]!) },
                mask: { shape: [1, 1], data: Float32Array.of(1) },
              },
      },
    ],
  },
};

/** The row of a layer's tensor that belongs to an edge. @throws {RangeError} if the tensor is that of another layer. */
function rowOf(name: string, { shape, data }: Tensor, size: readonly number[], at: readonly number[]): number[] {
  const leading = shape.slice(0, -1);
  if (leading.some((n, axis) => n !== size[axis]))
    throw new RangeError(`${name} must have shape [${size.join(', ')}, n] in this layer, got [${shape.join(', ')}]`);
  const length = shape[shape.length - 1]!;
  const row = at.reduce((sum, index, axis) => sum * size[axis]! + index, 0);
  return Array.from(data.subarray(row * length, (row + 1) * length));
}

function elementOf(
  name: string,
  { shape, data }: Tensor,
  size: readonly [number, number],
  a: number,
  b: number,
): number {
  if (shape[0] !== size[0] || shape[1] !== size[1])
    throw new RangeError(`${name} must have shape [${size.join(', ')}] in this layer, got [${shape.join(', ')}]`);
  return data[a * size[1] + b]!;
}

interface Span {
  readonly from: number;
  readonly bases: readonly { readonly index: number; readonly powers: readonly Expression[] }[];
}

/** By degree and the bits of the knots, which the edges of a layer share: what was computed for one serves all. */
const known = new Map<string, Span[]>();
const MOST_KNOWN = 64;

/** Every span's bases as polynomials in x - (its first knot), by the recurrence of Cox and de Boor; numbers of the calculus, none rounded. */
function spansOf(grid: readonly number[], degree: number): Span[] {
  const key = `${degree} ${new Uint32Array(Float32Array.from(grid).buffer).join(' ')}`;
  let spans = known.get(key);
  if (spans) return spans;
  const difference = (i: number, j: number) => minus(expression(grid[i]!), exactly(grid[j]!));
  spans = grid.slice(0, -1).map((from, j) => {
    let bases = new Map<number, Expression[]>([[j, [expression(1)]]]);
    for (let k = 1; k <= degree; k++) {
      const next = new Map<number, Expression[]>();
      for (let i = j - k; i <= j; i++) {
        const powers = Array.from({ length: k + 1 }, () => expression(0));
        const left = bases.get(i);
        if (i < 0 || i + k + 1 >= grid.length) continue;
        if (left) addProduct(powers, left, difference(j, i), 1, difference(i + k, i));
        const right = bases.get(i + 1);
        if (right) addProduct(powers, right, difference(i + k + 1, j), -1, difference(i + k + 1, i + 1));
        next.set(i, powers);
      }
      bases = next;
    }
    const count = grid.length - degree - 1;
    return {
      from,
      bases: [...bases].filter(([i]) => i >= 0 && i < count).map(([index, powers]) => ({ index, powers })),
    };
  });
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, spans);
  return spans;
}

const exactly = (value: number): Expression => ({ op: 'constant', value });

/** powers += (constant + slope·s)·polynomial/width. */
function addProduct(
  powers: Expression[],
  polynomial: readonly Expression[],
  constant: Expression,
  slope: 1 | -1,
  width: Expression,
): void {
  polynomial.forEach((c, n) => {
    powers[n] = plus(powers[n]!, divide(times(constant, c), width));
    powers[n + 1] = plus(powers[n + 1]!, divide(times(slope, c), width));
  });
}

/** Boehm's knot insertion: the same spline with one more knot. */
function insertKnot(
  grid: readonly number[],
  weights: readonly number[],
  degree: number,
  knot: number,
): [number[], number[]] {
  let span = 0;
  while (grid[span + 1]! <= knot) span += 1;
  const next: number[] = [];
  for (let i = 0; i <= weights.length; i++) {
    const width = (grid[i + degree] ?? LARGEST) - grid[i]!;
    const share = i <= span - degree ? 1 : i > span ? 0 : (knot - grid[i]!) / width;
    next.push(share * (weights[i] ?? 0) + (1 - share) * (weights[i - 1] ?? 0));
  }
  return [[...grid.slice(0, span + 1), knot, ...grid.slice(span + 1)], next];
}
