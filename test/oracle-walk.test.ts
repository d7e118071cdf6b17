/** The oracle is the truth that everything else is judged by, so here it is judged: by decimal.js, where flows are hardest to follow. */
import Decimal from 'decimal.js';
import { BASIS_NAMES, basis, type Matrix, normalStream } from 'ditac/cpab';
import { type ExactActivationOptions, exact, exactActivation, exactTransform } from 'ditac/oracle';
import { describe, expect, test } from 'vitest';
import { nextDown, nextUp } from '../assembly/float32';
import { exactActivationGradient } from '../src/oracle/exact.js';
import { exactly, normalCdf } from './decimal.js';
import { tries } from './effort.js';
import { type Flow, follow } from './walk.js';

/**
 * The worst error, as a share of what 2⁻¹⁰⁶ of the time changes: the fastest velocity inside the domain, and outside, where an image grows with
 * e^(slope·time), so many of the image.
 */
function worst(flow: Flow, truth: (x: number) => { hi: number; lo: number }, xs: readonly number[]): number {
  const reference = follow(flow);
  const fastest = Math.max(1, ...Array.from(flow.theta, (v) => Math.abs(flow.time * v)));
  let most = 0;
  for (const x of xs) {
    const expected = reference(x);
    const { hi, lo } = truth(x);
    if (expected.abs().gt(Number.MAX_VALUE)) {
      expect(hi).toBe(expected.isPositive() ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY);
      continue;
    }
    const isInside = expected.gte(flow.from) && expected.lte(flow.to);
    const scale = isInside
      ? Decimal.max(expected.abs(), (flow.to - flow.from) * fastest)
      : expected
          .abs()
          .plus(flow.to - flow.from)
          .times(fastest);
    const error = exactly(hi).plus(exactly(lo)).minus(expected).abs().div(scale).toNumber();
    if (!(error <= most)) most = error;
  }
  return most;
}

/** Vertices, ends and fixed points as float32 have them, and their neighbours; and points anywhere. */
function hardPoints(cells: number, from: number, to: number, seed: number): number[] {
  const points = [from, to, 0];
  for (let k = 0; k <= cells; k++) points.push(Math.fround(from + ((to - from) * k) / cells));
  const near = points.flatMap((x) => [x, nextUp(Math.fround(x)), nextDown(Math.fround(x))]);
  const normal = normalStream(seed);
  for (let i = 0; i < 6; i++) near.push(Math.fround(from + (to - from) * (0.5 + 0.3 * normal())));
  near.push(from + (to - from) * 2 ** -40, to - (to - from) * 2 ** -40, 2 ** -126, -(2 ** -149));
  return near;
}

/** 106 bits are 31.9 digits, of which chains of operations cost almost two. */
const DIGITS = 1e-30;

describe('exactTransform has 30 digits', () => {
  const times = [1, -1, 0.37, -0.37, 30, -30, 1000, -1000, 1e-30];
  test.each(times)('for time %d', (time) => {
    for (let seed = 0; seed < tries(12); seed++) {
      const tess = [2, 3, 5, 7, 10][seed % 5]!;
      const zeroBoundary = seed % 3 !== 2;
      const kind = BASIS_NAMES[seed % 5]!;
      const b = basis(tess, { basis: kind, zeroBoundary });
      const normal = normalStream(seed);
      const theta = Float32Array.from({ length: b.columns }, () => 3 * normal());
      const truth = exactTransform(theta, { tess, basis: kind, zeroBoundary, time });
      const flow = { b, theta, zeroBoundary, from: 0, to: 1, time };
      expect(worst(flow, truth, hardPoints(tess, 0, 1, seed)), `seed ${seed}`).toBeLessThan(DIGITS);
    }
  });

  const fields: [what: string, tess: number, theta: number[], zeroBoundary: boolean][] = [
    ['a fixed point at a float32 between vertices that are none', 3, [40, -40], true],
    ['one that repels', 3, [-40, 40], true],
    ['a vertex that rests between steep cells', 4, [-300, 0, 300], true],
    ['velocities that cancel', 2, [3, -2, 3], false],
    ['almost constant', 3, [1, 1 + 2 ** -23, 1, 1], false],
    ['constant', 1, [1, 1], false],
    ['almost at rest', 4, [1e-45, -1e-40, 1e-38], true],
    ['subnormal beside large', 4, [1e-45, 5e4, -1e-45], true],
    ['as fast as can be followed', 3, [2 ** 60, -(2 ** 60)], true],
  ];
  test.each(fields)('%s', (_, tess, theta, zeroBoundary) => {
    const b = basis(tess, { basis: 'sparse', zeroBoundary });
    for (const time of [1, -1, 17, 1e-3]) {
      if (Math.abs(theta[0]! * time) > 2 ** 61) continue;
      const truth = exactTransform(theta, { tess, basis: 'sparse', zeroBoundary, time });
      expect(worst({ b, theta, zeroBoundary, from: 0, to: 1, time }, truth, hardPoints(tess, 0, 1, 1))).toBeLessThan(
        DIGITS,
      );
    }
  });

  test('what rests, rests; ends stay whatever repels them', () => {
    for (const time of [1, 10, 100, 1000, -1000, 1e6]) {
      const theta = Float32Array.from({ length: 9 }, (_, i) => 2 * Math.sin(3 * i));
      const truth = exactTransform(theta, { tess: 10, time });
      expect([truth(0), truth(1)]).toEqual([
        { hi: 0, lo: 0 },
        { hi: 1, lo: 0 },
      ]);
      expect(exact.transform([0, -9, 9], { tess: 4, basis: 'sparse', time })(0.625)).toBe(0.625);
    }
  });
});

describe('exactActivation has 30 digits', () => {
  const intervals = [
    [-0.5, 2],
    [-3, 3],
    [Math.fround(0.1), Math.fround(0.7)],
    [1000, 1001],
    [-(2 ** -20), 2 ** -20],
  ] as const;
  test.each(intervals)('on [%d, %d]', (a, b) => {
    for (const [seed, variant] of (['bare', 'leaky', 'inf', 'ge'] as const).entries()) {
      const [tess, zeroBoundary] = [[3, 10, 7, 5][seed]!, variant !== 'inf'];
      const matrix = basis(tess, { basis: 'sparse', zeroBoundary });
      const normal = normalStream(seed + 10);
      for (const scale of [1, 100]) {
        const theta = Float32Array.from({ length: matrix.columns }, () => scale * normal());
        const options = { tess, a, b, basis: 'sparse', variant } as const;
        const flow = { b: matrix, theta, zeroBoundary, from: a, to: b, time: 1 };
        const inside = hardPoints(tess, a, b, seed).filter((x) => x >= a && x <= b);
        // Positions far from 0 have the digits of their size.
        const size = Math.max(1, Math.max(Math.abs(a), Math.abs(b)) / (b - a));
        expect(worst(flow, exactActivation(theta, options), inside)).toBeLessThan(DIGITS * size);
      }
    }
  });

  test('T(a) = a and T(b) = b, however steep', () => {
    for (const s of [60, 90, 150, 800, 1e5]) {
      const f = exact.activation([0.3, -s], { tess: 3, a: -0.5, b: 2, basis: 'sparse', variant: 'bare' });
      expect([f(-0.5), f(2)]).toEqual([-0.5, 2]);
    }
  });

  test('x·Φ(x) has 30 digits on both tails', () => {
    const f = exactActivation([0], { tess: 2, a: 50, b: 51, variant: 'gelu' });
    for (let i = -300; i <= 300; i += process.env.THOROUGH ? 1 : 4) {
      const x = i / 32;
      const expected = normalCdf(exactly(x)).times(exactly(x));
      const { hi, lo } = f(x);
      const error = exactly(hi).plus(exactly(lo)).minus(expected).abs();
      // The judge itself cancels on the left tail: 80 digits less those of Φ(-9.4).
      expect(error.div(expected.isZero() ? 1 : expected.abs()).toNumber(), `${x}`).toBeLessThan(1e-30);
    }
  });
});

describe('the derivative in θ', () => {
  // θ moved by 2⁻⁶⁰, to either side: by decimal.js the difference has all its digits, and misses a share of 2⁻¹²⁰ of the third derivative.
  const STEP = 2 ** -60;
  const moved = (matrix: Matrix, j: number, flow: Omit<Flow, 'b'>, step: number) => {
    const { rows, columns, data } = matrix;
    const wider = Float64Array.from({ length: rows * (columns + 1) }, (_, i) => {
      const [row, column] = [Math.floor(i / (columns + 1)), i % (columns + 1)];
      return data[row * columns + (column < columns ? column : j)]!;
    });
    return follow({
      ...flow,
      b: { rows, columns: columns + 1, data: wider },
      theta: [...Array.from(flow.theta), step],
    });
  };
  const Fine = Decimal.clone({ precision: 120, minE: -9e15, maxE: 9e15 });

  const expectGradient = (
    theta: Float32Array,
    { tess, a, b, variant, basis: kind }: Required<ExactActivationOptions>,
    xs: readonly number[],
    entries: readonly number[],
  ) => {
    const matrix = basis(tess, { basis: kind, zeroBoundary: variant !== 'inf' });
    const flow = { theta, zeroBoundary: variant !== 'inf', from: a, to: b, time: 1 };
    for (const j of entries) {
      const truth = exactActivationGradient(theta, { tess, a, b, variant, basis: kind }, j);
      const [above, below] = [STEP, -STEP].map((step) => moved(matrix, j, flow, step)) as [
        (x: number) => Decimal,
        (x: number) => Decimal,
      ];
      for (const x of xs) {
        const { hi, lo, error } = truth(x);
        const gate = variant === 'gelu' ? new Fine(normalCdf(exactly(x))) : new Fine(1);
        const expected = new Fine(above(x)).minus(below(x)).div(2).div(exactly(STEP)).times(gate);
        const off = new Fine(exactly(hi)).plus(exactly(lo)).minus(expected).abs().toNumber();
        const what = `θ[${j}] of [${theta.join(', ')}] on [${a}, ${b}], ${variant}, at ${x}: ${hi}, not ${expected.toNumber()}`;
        // 120 digits of images, by the step, and what the step itself misses.
        expect(off, what).toBeLessThanOrEqual(error + 1e-30 * Math.abs(hi) + 1e-95);
        // A bound that says nothing would be kept too.
        expect(error, what).toBeLessThanOrEqual(1e-24 * Math.max(1, Math.abs(hi)));
      }
    }
  };

  test.each(['gelu', 'leaky', 'inf'] as const)('%s: what decimal.js has, within the error that is told', (variant) => {
    for (let seed = 0; seed < tries(12); seed++) {
      const tess = [1, 2, 3, 5, 8, 13][seed % 6]! + (variant === 'inf' ? 0 : 1);
      const kind = BASIS_NAMES[seed % BASIS_NAMES.length]!;
      const normal = normalStream(seed + 50);
      const [a, b] = [Math.fround(-3 + 0.3 * normal()), Math.fround(2 + 0.3 * normal())];
      const { columns } = basis(tess, { basis: kind, zeroBoundary: variant !== 'inf' });
      const theta = Float32Array.from({ length: columns }, () => [0.3, 1, 5][seed % 3]! * normal());
      const xs = hardPoints(tess, a, b, seed).filter((x) => variant === 'inf' || (x >= a && x <= b));
      const entry = [0, Math.floor(columns / 2), columns - 1][seed % 3]!;
      expectGradient(theta, { tess, a, b, variant, basis: kind }, xs, [entry]);
    }
  });

  test('what rests inside a cell, is almost constant, or steep', () => {
    const xs = hardPoints(4, -1, 3, 3).filter((x) => x >= -1 && x <= 3);
    // No vertex rests: on its two sides the derivative would be another.
    const fields = [
      [1, -1, 1],
      // No image is a vertex, where the second derivative would jump within the step.
      [1.1, 1.1, 1.1 + 2 ** -22],
      [-40, 30, 20],
      [1e-10, 1e-10, -1e-10],
    ];
    for (const theta of fields)
      expectGradient(
        Float32Array.from(theta),
        { tess: 4, a: -1, b: 3, variant: 'bare', basis: 'sparse' },
        xs,
        [0, 1, 2],
      );
  });

  test('a vertex that rests has that of the cell on its right; outside nothing depends on θ', () => {
    // Velocities 0, 1, 0, -2, 0 at -1, 0, 1, 2, 3: from 1 on it falls by 2 in a unit, and the field of θ[1] falls from 1.
    const theta = [1, 0, -2];
    const of = (j: number) =>
      exactActivationGradient(theta, { tess: 4, a: -1, b: 3, variant: 'bare', basis: 'sparse' }, j);
    const at = (j: number, x: number) => of(j)(x).hi;
    const unit = exactActivation([0, 1, 0], { tess: 4, a: -1, b: 3, variant: 'bare', basis: 'sparse' })(1).hi;
    expect(unit).toBeGreaterThan(1);
    const scale = at(1, 1);
    expect([at(0, 1), at(2, 1)]).toEqual([0, 0]);
    expect(scale).toBeGreaterThan(0);
    for (const x of [-1.5, 3.5, Number.POSITIVE_INFINITY]) expect(of(1)(x)).toEqual({ hi: 0, lo: 0, error: 0 });
    expect(at(1, Number.NaN)).toBeNaN();
  });

  test('nothing is assumed', () => {
    const options = { tess: 4, a: -1, b: 3, variant: 'bare', basis: 'sparse' } as const;
    expect(() => exactActivationGradient([1, 2, 3], options, 3)).toThrow(RangeError);
    expect(() => exactActivationGradient([1, 2], options, 0)).toThrow(RangeError);
    expect(() => exactActivationGradient([1, 2, 3], { ...options, a: Number.NaN }, 0)).toThrow(RangeError);
  });
});

describe('nothing is assumed', () => {
  // biome-ignore lint/suspicious/noExplicitAny: the point is to pass what the types forbid
  const activation = (options: any) => () => exact.activation([1], options);
  const whole = { tess: 2, a: 0, b: 1, variant: 'bare' };
  test.each([
    ['no options', undefined, TypeError, /needs options, an object with tess, a, b, variant, got undefined/],
    ['null', null, TypeError, /needs options.*got null/],
    ['no a', { ...whole, a: undefined }, TypeError, /needs the option a/],
    ['no b', { tess: 2, a: 0, variant: 'bare' }, TypeError, /needs the option b/],
    ['no variant', { tess: 2, a: 0, b: 1 }, TypeError, /needs the option variant/],
    ['no tess', { a: 0, b: 1, variant: 'bare' }, TypeError, /needs the option tess/],
    ['a > b', { ...whole, a: 2 }, RangeError, /a must be less than b .*got a = 2, b = 1/],
    ['a = b', { ...whole, a: 1 }, RangeError, /a must be less than b/],
    ['a that is text', { ...whole, a: '0' }, TypeError, /a must be a number, got "0"/],
    ['b NaN', { ...whole, b: Number.NaN }, RangeError, /b must be finite/],
    [
      'an unknown option',
      { ...whole, bias: 'qr' },
      RangeError,
      /an option of exact.activation must be one of .*"bias"/,
    ],
    ['zeroBoundary, which the variant decides', { ...whole, zeroBoundary: true }, RangeError, /got "zeroBoundary"/],
  ])('%s', (_, options, type, says) => {
    expect(activation(options)).toThrow(type);
    expect(activation(options)).toThrow(says);
  });

  test('of transform, and of x', () => {
    // @ts-expect-error: misspelled
    expect(() => exact.transform([1], { tess: 2, tim: 3 })).toThrow(/an option of exact.transform .*"tim"/);
    expect(() => exact.transform([1], { tess: 2, time: Number.NaN })).toThrow(/time must be finite/);
    // @ts-expect-error: text
    expect(() => exact.transform([1], { tess: 2, zeroBoundary: 'no' })).toThrow(/zeroBoundary must be a boolean/);
    expect(() => exact.transform([1e30], { tess: 2 })).toThrow(/velocity of .*at most 2\^64/);
    // @ts-expect-error: text
    expect(() => exact.transform([1], { tess: 2 })('0.5')).toThrow(/x must be a number, got "0.5"/);
    expect(exact.transform([1], { tess: 2 })(Number.NaN)).toBeNaN();
  });
});
