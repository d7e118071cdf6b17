import {
  divide,
  type Expression,
  expression,
  minus,
  negative,
  type Parameter,
  plus,
  polynomial,
  times,
  where,
  x,
} from '../calculus/expression.js';
import { LARGEST, LEAST_NORMAL, type Part } from '../calculus/piece.js';
import { describe, expectString } from '../errors.js';
import { type Asymptote, constantChoice, type Definition, type Family, many, pieces, tail } from './family.js';

/**
 * Padé activation units P/Q (Molina, Schramowski, Kersting, ICLR 2020, arXiv 1907.06732; rational_activations), P = Σ aᵢxⁱ, ascending:
 * A Q = 1 + Σ|bₖxᵏ|, k ≥ 1 · B Q = 1 + |Σ bₖxᵏ|, k ≥ 1 · C Q = fl32(0.1) + |Σ bₖxᵏ|, k ≥ 0 · D = B as evaluated · N Q = 1 + Σ bₖxᵏ ·
 * R Q = Σ bₖxᵏ, k ≥ 0 (Boullé, Nakatsukasa, Townsend, NeurIPS 2020). KAT's groups (arXiv 2409.10594) are version A.
 */
export type RationalVersion = 'A' | 'B' | 'C' | 'D' | 'N' | 'R';

/** The denominator at 0. */
const MEAN: readonly Expression[] = [expression(1)];
const TENTH = Math.fround(0.1);
const MOST_DEGREE = 8;
/** Whether the denominator's constant is a parameter too. */
const isFull = (version: RationalVersion) => version === 'C' || version === 'R';

export const rational: Family<{ version: RationalVersion }, 'numerator' | 'denominator'> = {
  name: 'Rational',
  constants: { version: constantChoice<RationalVersion>(['A', 'B', 'C', 'D', 'N', 'R']) },
  parameters: () => ({ numerator: many(), denominator: many() }),
  define({ version }, { numerator, denominator }) {
    const degree = Math.max(numerator.length - 1, denominator.length - (isFull(version) ? 1 : 0));
    if (numerator.length === 0) throw new RangeError('numerator must hold at least one number, got none');
    if (degree > MOST_DEGREE)
      throw new RangeError(
        `a rational has degrees up to ${MOST_DEGREE}, got numerator [${numerator.length}] and denominator [${denominator.length}]`,
      );
    if (version === 'A')
      return ofSides(numerator, (side) => [expression(1), ...denominator.map((b, k) => absolute(b, side ** (k + 1)))]);
    const inner: readonly Expression[] = isFull(version) ? denominator : [expression(0), ...denominator];
    if (version === 'N' || version === 'R') {
      const q = version === 'N' ? [expression(1), ...denominator] : inner;
      const values =
        version === 'N' ? [1, ...denominator.map(({ value }) => value)] : denominator.map(({ value }) => value);
      if (values.every((b) => b === 0))
        throw new RangeError('denominator must not be 0 everywhere; it is, got no coefficient but 0');
      return { ...ofSides(numerator, () => q), poles: polynomial(q) };
    }
    const least = version === 'C' ? TENTH : 1;
    // |0| for every x: as autograd has it, the denominator has no gradient then.
    if (inner.every((b) => numberIn(b) === 0)) return ofSides(numerator, () => [expression(least)]);
    const positive = inner.map((b, k) => (k === 0 ? plus(least, b) : b));
    const other = inner.map((b, k) => (k === 0 ? minus(least, b) : negative(b)));
    const sign = leadingSign(inner.map(numberIn));
    const at = (side: 1 | -1) => (sign.value > 0 === (side > 0 || sign.degree % 2 === 0) ? positive : other);
    const f = where(polynomial(inner), ratio(numerator, positive), ratio(numerator, other));
    // At 0, where the inner polynomial of B is 0, |·| has the mean of its two slopes, as autograd has it.
    const parts = version === 'C' ? pieces(f) : aroundZero(f, ratio(numerator, MEAN), f);
    return { parts, ...ends(numerator, at) };
  },
  // Of version A a coefficient that is 0 has no gradient, as autograd has it: its denominator keeps its degree in training.
  // Two degrees more above and below at a time, (3, 2) to (5, 4): how f grows far out stays.
  refine: (_, { numerator, denominator }, factor) => ({
    parameters: {
      numerator: [...numerator, ...zeros(2 * (factor - 1))],
      denominator: [...denominator, ...zeros(2 * (factor - 1))],
    },
  }),
  notes: ({ version }) =>
    version === 'D'
      ? ['version D is evaluated as B: its noise belongs to training, and is not part of the function']
      : [],
  checkpoint: {
    classes: [
      { name: 'rational_activations', asks: ['version'] },
      {
        name: 'rational_activations-keras',
        names: { numerator: 'w_numerator', denominator: 'w_denominator' },
        asks: ['version'],
      },
      {
        name: 'kat',
        names: { numerator: 'weight_numerator', denominator: 'weight_denominator' },
        shapes: { numerator: (groups, n) => [groups, n], denominator: (groups, n) => [groups, n] },
        constants: { version: 'A' },
        needs: ['channels'],
        layout: 'channelsLast',
        note: 'this is what the CUDA kernels of KAT evaluate; its CPU path evaluates another function for x < 0',
      },
      {
        name: 'rationalnets',
        tensors: ['coeffs'],
        count: (shape) => (shape.length === 2 && shape[0]! > 1 && shape[1] === 2 ? 1 : undefined),
        constants: { version: 'R' },
        read(stored) {
          const { shape, data } = stored.tensor('coeffs', 2);
          const [rows, columns] = shape as [number, number];
          if (columns !== 2 || rows < 2)
            throw new RangeError(`coeffs must have shape [degree + 1, 2], got [${shape.join(', ')}]`);
          const column = (which: number) => Array.from({ length: rows }, (_, k) => data[2 * (rows - 1 - k) + which]!);
          if (data[1] !== 0)
            stored.note(
              'coeffs[0, 1] is set to 0 as the class does it whenever it evaluates: P has a higher degree than Q',
            );
          return { parameters: { numerator: column(0), denominator: column(1).slice(0, -1) } };
        },
        write(_, { numerator: [p, ...more], denominator: [q, ...others] }) {
          if (more.length + others.length > 0 || p!.length !== q!.length + 1) return undefined;
          const rows = p!.map((a, k) => [a, q![k] ?? 0]).reverse();
          return { coeffs: { shape: [rows.length, 2], data: Float32Array.from(rows.flat()) } };
        },
      },
      {
        name: 'rationalnets-keras',
        tensors: ['alpha_0', 'alpha_1', 'alpha_2', 'alpha_3', 'beta_0', 'beta_1', 'beta_2'],
        count: (shape) => shape.reduce((units, n) => units * n, 1),
        constants: { version: 'R' },
        read(stored) {
          // Along all axes of an input but the batch, or those that are not shared.
          const { shape } = stored.tensor('alpha_0', 4);
          const rows = (names: readonly string[]) => {
            const columns = names.map((name) => {
              const found = stored.tensor(name, 4);
              if (found.shape.some((n, axis) => n !== shape[axis]))
                throw new RangeError(
                  `${name} and alpha_0 must have one shape, got [${found.shape.join(', ')}] and [${shape.join(', ')}]`,
                );
              return found.data;
            });
            return Array.from({ length: columns[0]!.length }, (_, unit) => columns.map((column) => column[unit]!));
          };
          const wide = shape.flatMap((n, axis) => (n > 1 ? [axis] : []));
          const layout =
            wide.length !== 1
              ? undefined
              : wide[0] === 3
                ? 'channelsLast'
                : wide[0] === 1
                  ? 'channelsFirst'
                  : undefined;
          if (wide.length === 1 && !layout)
            throw new RangeError(`alpha_0 must have its channels first or last, got shape [${shape.join(', ')}]`);
          return {
            ...(layout ? { layout } : {}),
            parameters: {
              numerator: rows(['alpha_3', 'alpha_2', 'alpha_1', 'alpha_0']),
              denominator: rows(['beta_2', 'beta_1', 'beta_0']),
            },
          };
        },
      },
    ],
  },
};

const zeros = (n: number) => new Array<number>(n).fill(0);
const numberIn = (e: Expression): number => (e.op === 'parameter' || e.op === 'constant' ? e.value : Number.NaN);

/** |b|·side for a parameter; at b = 0 without a gradient, as autograd has it. */
function absolute(b: Parameter, side: number): Expression {
  return times(Math.sign(b.value) * side, b);
}

const ratio = (p: readonly Expression[], q: readonly Expression[]) => divide(polynomial(p), polynomial(q));

/** Degree and sign of the coefficient that decides far out. */
function leadingSign(values: readonly number[]): { degree: number; value: number } {
  for (let k = values.length - 1; k >= 0; k--) if (values[k] !== 0) return { degree: k, value: values[k]! };
  return { degree: 0, value: 1 };
}

/** A formula for 0 alone, which subnormal numbers share where they count as zero. */
function aroundZero(left: Expression, zero: Expression, right: Expression): Part[] {
  const [negative, positive] = pieces(left, [0, right]) as [Part, Part];
  return [negative, { first: 0, last: 0, f: zero }, { ...positive, first: LEAST_NORMAL }];
}

/** Denominators that differ left and right of 0, or do not. */
function ofSides(p: readonly Parameter[], q: (side: 1 | -1) => readonly Expression[]): Definition {
  const [left, right] = [q(-1), q(1)];
  const parts: Part[] =
    left === right
      ? [{ first: -LARGEST, last: LARGEST, f: ratio(p, left) }]
      : aroundZero(ratio(p, left), ratio(p, MEAN), ratio(p, right));
  return { parts, ...ends(p, q) };
}

function ends(
  p: readonly Parameter[],
  q: (side: 1 | -1) => readonly Expression[],
): { low?: Asymptote; high?: Asymptote } {
  const low = asymptote(p, q(-1));
  const high = asymptote(p, q(1));
  return { ...(low ? { low } : {}), ...(high ? { high } : {}) };
}

/**
 * P/Q = s·x + i + R/Q by long division, with the coefficients that cancel left out; R/Q in 1/x, which overflows nowhere. None where P grows
 * by more than a degree faster: then the function leaves float32's range.
 */
function asymptote(p: readonly Expression[], q: readonly Expression[]): Asymptote | undefined {
  const [n, m] = [leadingSign(p.map(size)).degree, leadingSign(q.map(size)).degree];
  if (n > m + 1) return undefined;
  const lead = q[m]!;
  const s = n === m + 1 ? divide(p[n]!, lead) : expression(0);
  const i = n >= m ? divide(minus(p[m] ?? 0, m > 0 ? times(s, q[m - 1]!) : 0), lead) : expression(0);
  const rest: Expression[] = [];
  for (let k = 0; k < Math.max(p.length, q.length + 1); k++) {
    // What s and i were chosen for.
    const cancels = n >= m && k === m;
    const own = n === m + 1 && k === n ? expression(0) : minus(p[k] ?? 0, times(s, q[k - 1] ?? 0));
    rest.push(cancels ? expression(0) : minus(own, times(i, q[k] ?? 0)));
  }
  const t = divide(1, x);
  const inverse = (c: readonly Expression[]): Expression => {
    // Σ cₖ·t^(m-k), k ≤ m; and those above m, which are 0 now, but have gradients.
    let sum: Expression = expression(0);
    for (let k = 0; k <= Math.min(m, c.length - 1); k++) sum = plus(times(sum, t), c[k]!);
    let above: Expression = expression(0);
    for (let k = c.length - 1; k > m; k--) above = times(plus(c[k]!, above), x);
    return plus(sum, above);
  };
  return tail(s, i, divide(inverse(rest), inverse(q)));
}

/** What counts as 0 is known of parameters; sums of them count as something. */
function size(e: Expression): number {
  const value =
    e.op === 'times' && e.a.op === 'constant'
      ? e.a.value * numberIn(e.b)
      : e.op === 'plus' || e.op === 'minus'
        ? 1
        : numberIn(e);
  return Number.isNaN(value) ? 1 : value;
}

/** Initial coefficients of rational_activations (rationals_config.json), degrees (5,4), fitted on [-3, 3]. */
export const RATIONAL_INITIAL: Readonly<
  Record<string, { numerator: readonly number[]; denominator: readonly number[] }>
> = {
  'A leaky_relu': {
    numerator: [
      0.029792778657264946, 0.6183735264987601, 2.323309062531321, 3.051936237265109, 1.4854203263828845,
      0.2510244961111299,
    ],
    denominator: [-1.1419548357285474, 4.393159974992486, 0.8714712309957245, 0.34719662339598834],
  },
  'A gelu': {
    numerator: [
      -0.0012423594497499122, 0.5080497063245629, 0.41586363182937475, 0.13022718688035761, 0.024355900098993424,
      0.00290283948155535,
    ],
    denominator: [-0.06675015696494944, 0.17927646217001553, 0.03746682605496631, 1.6561610853276082e-10],
  },
  'A swish': {
    numerator: [
      3.054879741161051e-7, 0.5000007853744493, 0.24999783422824703, 0.05326628273219478, 0.005803034571292244,
      0.0002751961022402342,
    ],
    denominator: [-4.111554955950634e-6, 0.10652899335007572, -1.2690007399796238e-6, 0.0005502331264140556],
  },
  'A tanh': {
    numerator: [
      -1.0804622559204184e-8, 1.0003008043819048, -2.5878199375289335e-8, 0.09632129918392647, 3.4775841628196104e-9,
      0.0004255709234726337,
    ],
    denominator: [-0.0013027181209176277, 0.428349017422072, 1.4524304083061898e-9, 0.010796648111337176],
  },
  'B leaky_relu': {
    numerator: [
      0.03355815733452378, 0.5050059186781659, 1.6534697310952233, 2.0100501552600014, 0.9319195586484518,
      0.15242646398275836,
    ],
    denominator: [4.812831860534153e-5, 3.9802479055059194, 1.5837587665720168e-5, 0.30183382839661377],
  },
  'B gelu': {
    numerator: [
      -0.0004221071456647063, 0.49999955516606254, 0.40270535451115536, 0.07366976895222031, -0.012954788054484537,
      -0.0037414002583076983,
    ],
    denominator: [4.9585381197087913e-5, 0.1472977407631199, 1.1645825701440633e-5, -0.007483871514842074],
  },
  'C leaky_relu': {
    numerator: [
      0.863943144302673, 13.001131096231564, 42.56763919941753, 51.74757697869782, 23.99165145314087, 3.924120833060723,
    ],
    denominator: [
      25.644974747512343, -0.0013495866374991824, 102.47308203485366, -0.0017931970367811253, 7.77090005615082,
    ],
  },
  'C gelu': {
    numerator: [
      -0.06332215990776038, 75.00371336515258, 60.40299979439254, 11.046215295208759, -1.944610878554029,
      -0.5613502889957269,
    ],
    denominator: [
      149.90738995374193, -0.00414880098336288, 22.09585877904437, -0.0009128752792880584, -1.122625040450191,
    ],
  },
  'N gelu': {
    numerator: [
      -0.001080882882487456, 0.5025161652007099, 0.6283336330558847, 0.2973720903550247, 0.06322520452943567,
      0.005097017287773147,
    ],
    denominator: [0.44045431304569604, 0.24638482058938668, 0.08444750846536668, 0.0047540424624096115],
  },
  // The best approximation of ReLU on [-1, 1].
  'R relu': { numerator: [0.0218, 0.5, 1.5957, 1.1915], denominator: [1, 0, 2.383] },
  'A identity': { numerator: [0, 1, 0, 0, 0, 0], denominator: [0, 0, 0, 0] },
  'B identity': { numerator: [0, 1, 0, 0, 0, 0], denominator: [0, 0, 0, 0] },
  'C identity': { numerator: [0, 1, 0, 0, 0, 0], denominator: [0.9, 0, 0, 0, 0] },
  'N identity': { numerator: [0, 1, 0, 0, 0, 0], denominator: [0, 0, 0, 0] },
};

/** Initial coefficients by name: `rationalInitial('A', 'gelu')`. Those of 'N gelu' have poles at x = -3.0015 and -14.576, as released.  @throws {RangeError} if none are known; says which are. */
export function rationalInitial(version: RationalVersion, of: string): { numerator: number[]; denominator: number[] } {
  for (const [name, given] of Object.entries({ version, of })) expectString(name, given);
  const name = `${version === 'D' ? 'B' : version} ${of}`;
  const found = Object.hasOwn(RATIONAL_INITIAL, name) ? RATIONAL_INITIAL[name] : undefined;
  if (!found)
    throw new RangeError(
      `initial coefficients must be one of ${Object.keys(RATIONAL_INITIAL).join(', ')}, got ${describe(`${version} ${of}`)}`,
    );
  return { numerator: [...found.numerator], denominator: [...found.denominator] };
}
