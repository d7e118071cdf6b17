/** Random members of every family: what a trained network holds, and what nobody would train on purpose. */
import type { DiTAC } from 'ditac';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { normalStream, uniformStream } from '../../src/cpab/random.js';

/** Streams of numbers that a seed decides. */
export class Draw {
  readonly uniform: () => number;
  readonly normal: () => number;

  constructor(seed: number) {
    this.uniform = uniformStream(seed);
    this.normal = normalStream(seed);
  }

  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }
  between(low: number, high: number): number {
    return Math.fround(low + (high - low) * this.uniform());
  }
  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!;
  }
  /** Of either sign and any size between two powers of two. */
  wild(low = -30, high = 20): number {
    const size = 2 ** (low + (high - low) * this.uniform());
    return Math.fround(this.uniform() < 0.5 ? size : -size);
  }
  /** Mostly ordinary, now and then 0 or a power of two or of any size. */
  hostile(low = -30, high = 20): number {
    const kind = this.uniform();
    if (kind < 0.1) return 0;
    if (kind < 0.2) return this.pick([1, -1, 0.5, 2, -2, 1e-4, -1e-4, 16, 100, -0.25]);
    return kind < 0.55 ? Math.fround(this.normal()) : this.wild(low, high);
  }
  list(length: number, of: (k: number) => number): number[] {
    return Array.from({ length }, (_, k) => Math.fround(of(k)));
  }
}

export type Options = Record<string, unknown>;
type Make = (draw: Draw, isHostile: boolean) => Options;

export interface Subject {
  readonly family: FamilyName;
  /** By which a judge in another language knows it. */
  readonly number: number;
  /** Constants and lists of parameters, in that judge's order. */
  readonly constants: (options: Options) => number[];
  readonly lists: readonly string[];
  readonly make: Make;
}

const RATIONAL_VERSIONS = ['A', 'B', 'C', 'D', 'N', 'R'] as const;
const VARIANTS = ['gelu', 'leaky', 'ge', 'bare', 'inf'] as const;
const EPS = 9.999999717180685e-10;
const none = (): number[] => [];

const subject = (
  family: FamilyName,
  number: number,
  lists: readonly string[],
  make: Make,
  constants: (options: Options) => number[] = none,
): Subject => ({ family, number, lists, make: (draw, isHostile) => float32(make(draw, isHostile)), constants });

/** What an activation takes all numbers as. */
function float32(options: Options): Options {
  const round = (value: unknown): unknown =>
    typeof value === 'number' ? Math.fround(value) : Array.isArray(value) ? value.map(round) : value;
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, round(value)]));
}

/** One parameter a family: near its usual value, or anything. */
const near =
  (name: string, usual: number, spread: number, low?: number, high?: number): Make =>
  (draw, isHostile) => ({ [name]: isHostile ? draw.hostile(low, high) : Math.fround(usual + spread * draw.normal()) });

export const SUBJECTS: readonly Subject[] = [
  subject(
    'ditac',
    0,
    ['thetas'],
    (draw, isHostile) => {
      const variant = draw.pick(VARIANTS);
      const kind = draw.uniform();
      const tess = isHostile && kind < 0.004 ? draw.pick([512, 1024, 4096]) : 1 + draw.below(kind < 0.9 ? 16 : 48);
      const basis = tess > 48 ? 'sparse' : draw.pick(['qr', 'qr', 'svd', 'rref', 'sparse', 'qr-netlib']);
      const d = tess + (variant === 'inf' ? 1 : -1);
      const scale = !isHostile ? draw.pick([0.1, 0.3, 1]) : draw.pick([0.1, 1, 3, 5, 10, 30, 100]);
      let [a, b] = draw.pick([
        [-0.5, 2],
        [-3, 3],
        [0, 1],
        [-1, 4],
      ] as const) as readonly [number, number];
      if (isHostile && draw.uniform() < 0.6) {
        const width = 2 ** (-20 + 41 * draw.uniform());
        a = Math.fround(draw.uniform() < 0.3 ? -width * draw.uniform() : draw.wild(-20, 19));
        b = Math.fround(a + width);
        if (!(a < b) || b > 2 ** 20) [a, b] = [-1, 1];
      }
      const thetas = draw.list(d, () => {
        const kind = draw.uniform();
        if (isHostile && kind < 0.1) return 0;
        if (isHostile && kind < 0.15) return scale * draw.pick([1, -1]);
        if (isHostile && kind < 0.2) return draw.wild(-40, 6);
        return scale * draw.normal();
      });
      return { variant, tess, basis, a, b, thetas };
    },
    (o) => [
      VARIANTS.indexOf(o.variant as never),
      o.tess as number,
      o.variant === 'inf' ? 0 : 1,
      o.a as number,
      o.b as number,
    ],
  ),
  ...(['apa', 'aglu'] as const).map((family, k) =>
    subject(
      family,
      1 + k,
      ['lambda', 'kappa'],
      (draw, isHostile) => ({
        clamp: draw.pick(['max', 'add']),
        lambda: isHostile
          ? draw.pick([draw.hostile(-20, 8), 1e-4, -0.1, draw.between(0, 1e-3)])
          : draw.between(0.01, 1.5),
        kappa: isHostile ? draw.hostile(-20, 8) : Math.fround(1 + 0.5 * draw.normal()),
      }),
      (o) => [o.clamp === 'max' ? 0 : 1],
    ),
  ),
  subject(
    'eelu',
    3,
    ['scale'],
    (draw, isHostile) => {
      const scaled = draw.uniform() < 0.8;
      const scale = isHostile ? draw.hostile() : Math.fround(1 + 0.3 * draw.normal());
      return { member: 1 + draw.below(4), scaled, ...(scaled ? { scale } : {}) };
    },
    (o) => [o.member as number, o.scaled ? 1 : 0],
  ),
  subject(
    'yevick',
    4,
    ['alpha', 'beta'],
    (draw, isHostile) => ({
      gamma: isHostile ? draw.wild(-8, 4) : 1,
      alpha: isHostile ? draw.hostile() : Math.fround(1 + 0.3 * draw.normal()),
      beta: isHostile ? draw.hostile() : Math.fround(0.2 * draw.normal()),
    }),
    (o) => [Math.fround(o.gamma as number)],
  ),
  subject('yevick', 5, ['neg', 'pos'], (draw, isHostile) => ({
    neg: draw.list(1 + draw.below(4), () => (isHostile ? draw.hostile(-20, 10) : draw.normal())),
    pos: draw.list(1 + draw.below(4), () => (isHostile ? draw.hostile(-20, 10) : draw.normal())),
  })),
  subject(
    'rational',
    6,
    ['numerator', 'denominator'],
    (draw, isHostile) => {
      const version = draw.pick(RATIONAL_VERSIONS);
      const [n, m] = draw.uniform() < 0.5 ? [5, 4] : [1 + draw.below(8), 1 + draw.below(8)];
      const each = () => (isHostile ? draw.hostile(-16, 10) : 0.7 * draw.normal());
      const denominator = draw.list(version === 'C' || version === 'R' ? m + 1 : m, each);
      // Mostly without poles.
      if (version === 'N' || version === 'R') {
        denominator.forEach((b, k) => {
          const power = version === 'N' ? k + 1 : k;
          denominator[k] = power % 2 === 0 ? Math.abs(b) : Math.fround(draw.uniform() < 0.5 ? 0 : 0.1 * b);
        });
        if (version === 'R' && denominator[0] === 0) denominator[0] = 1;
        // An odd degree has a root.
        if ((denominator.length - 1 + (version === 'N' ? 1 : 0)) % 2 === 1) denominator[denominator.length - 1] = 0;
      }
      return { version, numerator: draw.list(n + 1, each), denominator };
    },
    (o) => [RATIONAL_VERSIONS.indexOf(o.version as never)],
  ),
  subject('polynomial', 7, ['coefficients'], (draw, isHostile) => ({
    coefficients: draw.list(1 + draw.below(isHostile ? 12 : 6), () =>
      isHostile ? draw.hostile(-20, 10) : draw.normal(),
    ),
  })),
  subject('polyrelu', 8, ['weight', 'bias'], (draw, isHostile) => ({
    weight: draw.list(3, () => (isHostile ? draw.hostile(-20, 10) : 1 / 3 + 0.3 * draw.normal())),
    bias: isHostile ? draw.hostile() : Math.fround(0.1 * draw.normal()),
  })),
  subject('hermite', 9, ['coefficients'], (draw, isHostile) => ({
    coefficients: draw.list(isHostile ? 1 + draw.below(10) : 4, () =>
      isHostile ? draw.hostile(-20, 10) : 0.6 + 0.3 * draw.normal(),
    ),
  })),
  subject('chebykan', 10, ['coeffs'], (draw, isHostile) => ({
    coeffs: draw.list(isHostile ? 1 + draw.below(12) : 5, () =>
      isHostile ? draw.hostile(-20, 8) : 0.5 * draw.normal(),
    ),
  })),
  subject(
    'bspline',
    11,
    ['base_weight', 'spline_scaler', 'spline_weight'],
    (draw, isHostile) => {
      const degree = isHostile ? draw.below(6) : 3;
      const cells = isHostile ? 1 + draw.below(8) : 5;
      const h = 2 / cells;
      let at = isHostile ? draw.hostile(-4, 6) : -1 - degree * h;
      const knots = cells + 2 * degree + 1;
      const grid = draw.list(knots, () => {
        const here = at;
        at += isHostile ? h * (draw.uniform() < 0.2 ? 1e-3 : 0.2 + draw.uniform()) : h;
        return here;
      });
      const scale = isHostile ? 2 ** (12 * draw.uniform() - 6) : 0.3;
      return {
        grid,
        outside: draw.pick(['zero', 'continued']),
        base_weight: isHostile ? draw.hostile(-10, 6) : Math.fround(0.5 * draw.normal()),
        spline_scaler: isHostile ? draw.hostile(-10, 6) : Math.fround(1 + 0.2 * draw.normal()),
        spline_weight: draw.list(knots - degree - 1, () => scale * draw.normal()),
      };
    },
    (o) => [o.outside === 'zero' ? 0 : 1],
  ),
  subject('prelu', 12, ['weight'], near('weight', 0.25, 0.1)),
  subject('starrelu', 13, ['scale', 'bias'], (draw, isHostile) => ({
    scale: isHostile ? draw.hostile() : Math.fround(0.9 + 0.1 * draw.normal()),
    bias: isHostile ? draw.hostile() : Math.fround(-0.4 + 0.1 * draw.normal()),
  })),
  subject('elu', 14, ['alpha'], near('alpha', 1, 0.3)),
  subject('celu', 15, ['alpha'], (draw, isHostile) => ({
    alpha: isHostile ? Math.abs(draw.wild(-10, 10)) : Math.fround(0.5 + Math.abs(draw.normal())),
  })),
  subject('selu', 16, [], () => ({})),
  subject('erfrelu', 17, ['alpha'], near('alpha', 1, 0.3)),
  subject('apl', 18, ['a', 'b'], (draw, isHostile) => {
    const n = 1 + draw.below(5);
    return {
      a: draw.list(n, () => (isHostile ? draw.hostile(-10, 10) : 0.3 * draw.normal())),
      b: draw.list(n, () => (isHostile ? draw.hostile(-10, 10) : draw.normal())),
    };
  }),
  subject('pwlu', 19, ['left', 'right', 'values', 'slopes'], (draw, isHostile) => {
    const left = isHostile ? draw.hostile(-4, 8) : Math.fround(-3 + 0.1 * draw.normal());
    return {
      left,
      right: Math.fround(left + (isHostile ? Math.abs(draw.wild(-4, 8)) : 6)),
      values: draw.list(isHostile ? 2 + draw.below(20) : 17, (j) =>
        isHostile ? draw.hostile(-10, 6) : Math.max(0, -3 + (6 * j) / 16) + 0.1 * draw.normal(),
      ),
      slopes: draw.list(2, (k) => (isHostile ? draw.hostile(-10, 6) : k + 0.05 * draw.normal())),
    };
  }),
  subject(
    'snake',
    20,
    ['alpha'],
    (draw, isHostile) => {
      const logScale = draw.uniform() < 0.3;
      const alpha = logScale
        ? Math.fround(isHostile ? 3 * draw.normal() : 0.5 * draw.normal())
        : isHostile
          ? draw.hostile(-16, 8)
          : Math.fround(1 + 0.5 * draw.normal());
      return { logScale, eps: draw.pick([EPS, 0]), alpha };
    },
    (o) => [o.logScale ? 1 : 0, o.eps as number],
  ),
  subject(
    'snakebeta',
    21,
    ['alpha', 'beta'],
    (draw, isHostile) => {
      const logScale = draw.uniform() < 0.7;
      const size = isHostile ? 3 : 0.7;
      return {
        logScale,
        eps: draw.pick([EPS, 0]),
        alpha: logScale ? Math.fround(size * draw.normal()) : draw.hostile(-8, 6),
        beta: logScale ? Math.fround(size * draw.normal()) : draw.pick([1, 0.3, draw.wild(-8, 8)]),
      };
    },
    (o) => [o.logScale ? 1 : 0, o.eps as number],
  ),
  subject('siren', 22, ['omega'], near('omega', 30, 3, -10, 10)),
  subject('fourierseries', 23, ['bias', 'cos', 'sin'], (draw, isHostile) => {
    const n = 1 + draw.below(isHostile ? 8 : 5);
    const each = () => (isHostile ? draw.hostile(-12, 6) : 0.3 * draw.normal());
    return { bias: Math.fround(each()), cos: draw.list(n, each), sin: draw.list(n, each) };
  }),
  subject('fourier', 24, ['fundamental', 'coefficients', 'phases', 'grid'], (draw, isHostile) => {
    const n = 1 + draw.below(isHostile ? 7 : 5);
    const each = () => (isHostile ? draw.hostile(-12, 6) : 0.66 + 0.1 * draw.normal());
    return {
      fundamental: Math.fround(each()),
      coefficients: draw.list(n, each),
      phases: draw.list(n, () => (isHostile ? draw.hostile(-12, 6) : Math.PI / 4)),
      grid: draw.list(n, (k) => (isHostile && draw.uniform() < 0.3 ? draw.below(9) : k + 1)),
    };
  }),
  subject('swish', 25, ['beta'], near('beta', 1, 0.5)),
  subject('aconc', 26, ['p1', 'p2', 'beta'], (draw, isHostile) => ({
    p1: isHostile ? draw.hostile(-16, 8) : Math.fround(draw.normal()),
    p2: isHostile ? draw.hostile(-16, 8) : Math.fround(draw.normal()),
    beta: isHostile ? draw.hostile(-16, 8) : Math.fround(1 + 0.3 * draw.normal()),
  })),
  subject('mish', 27, [], () => ({})),
  subject('telu', 28, [], () => ({})),
  subject('golu', 29, ['alpha', 'beta', 'gamma'], (draw, isHostile) => ({
    alpha: isHostile ? draw.hostile(-10, 8) : Math.fround(1 + 0.2 * draw.normal()),
    beta: isHostile ? Math.abs(draw.wild(-8, 6)) : Math.fround(0.2 + Math.abs(1 + 0.2 * draw.normal())),
    gamma: isHostile ? draw.wild(-6, 5) : Math.fround(1 + 0.2 * draw.normal()),
  })),
  subject('softplus', 30, ['beta'], near('beta', 1, 0.4, -16, 12)),
  subject('dyt', 31, ['alpha', 'weight', 'bias'], (draw, isHostile) => ({
    alpha: isHostile ? draw.hostile(-16, 10) : draw.between(0.05, 1),
    weight: isHostile ? draw.hostile(-10, 8) : Math.fround(1 + 0.3 * draw.normal()),
    bias: isHostile ? draw.hostile(-10, 8) : Math.fround(0.3 * draw.normal()),
  })),
  subject('derf', 32, ['alpha', 'shift', 'weight', 'bias'], (draw, isHostile) => ({
    alpha: isHostile ? draw.hostile(-16, 10) : draw.between(0.05, 1),
    shift: isHostile ? draw.hostile(-10, 4) : Math.fround(0.1 * draw.normal()),
    weight: isHostile ? draw.hostile(-10, 8) : Math.fround(1 + 0.3 * draw.normal()),
    bias: isHostile ? draw.hostile(-10, 8) : Math.fround(0.3 * draw.normal()),
  })),
  subject(
    'smu',
    33,
    ['mu'],
    (draw, isHostile) => ({
      alpha: isHostile ? draw.pick([0.01, 0.25, 0, 1, -0.5, draw.wild(-8, 3)]) : draw.pick([0.01, 0.25]),
      mu: isHostile ? draw.pick([1e6, draw.hostile(-16, 20)]) : Math.fround(2.5 + 0.5 * draw.normal()),
    }),
    (o) => [Math.fround(o.alpha as number)],
  ),
  subject(
    'xielu',
    34,
    ['alpha_p', 'alpha_n'],
    (draw, isHostile) => ({
      beta: isHostile ? draw.pick([0.5, 0, 1, draw.between(-1, 2)]) : 0.5,
      eps: draw.pick([-1e-6, 0, Math.fround(-9.98e-7)]),
      alpha_p: isHostile ? draw.hostile(-10, 7) : Math.fround(0.2 + 0.5 * draw.normal()),
      alpha_n: isHostile ? draw.hostile(-10, 7) : Math.fround(-1.05 + 0.5 * draw.normal()),
    }),
    (o) => [Math.fround(o.beta as number), Math.fround(o.eps as number)],
  ),
];

export type Activation = InstanceType<(typeof FAMILIES)[FamilyName]>;

/** @throws {RangeError} for parameters that make no sense. */
export function activationOf({ family }: Subject, options: Options): Activation {
  return new (FAMILIES[family] as unknown as new (options: Options) => Activation)(options);
}

/** What the judge reads: doubles. */
export function recordOf(subject: Subject, options: Options, act: Activation, x: Float32Array): number[] {
  const constants = subject.constants(options);
  const lists = subject.lists.map((name) => {
    const value = options[name];
    return typeof value === 'number' ? [value] : ((value ?? []) as number[]);
  });
  if (subject.family === 'ditac') lists.push(entriesOf(act as DiTAC));
  if (subject.family === 'bspline') lists.push(options.grid as number[]);
  const record = [subject.number, constants.length, ...constants, lists.length];
  for (const list of lists) {
    record.push(list.length);
    for (const each of list) record.push(each);
  }
  record.push(x.length);
  for (const each of x) record.push(each);
  return record;
}

/** B by its entries that are not 0: row, column, entry. */
function entriesOf(act: DiTAC): number[] {
  const { columns, data } = act.basis;
  const entries: number[] = [];
  data.forEach((entry, n) => {
    if (entry !== 0) entries.push(Math.floor(n / columns), n % columns, entry);
  });
  return entries;
}
