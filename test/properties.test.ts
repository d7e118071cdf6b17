/** One suite of properties over every family and every backend: random members, trained ones and hostile ones. */

import Decimal from 'decimal.js';
import { BACKEND_NAMES, type Backend, defineFamily, gradientCertificate, loadBackend } from 'ditac';
import {
  abs,
  atan,
  cos,
  divide,
  type Expression,
  expm1,
  FAMILIES,
  log,
  log1p,
  minus,
  negative,
  one,
  plus,
  power,
  relu,
  sigmoid,
  sin,
  sqrt,
  square,
  tail,
  times,
  where,
  whole,
  x,
} from 'ditac/families';
import { compareBits, exactDerivative, exactFamily } from 'ditac/oracle';
import { Activation } from 'ditac/runtime';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { atPlace, placeOf } from '../assembly/float32';
import { expectClaims } from '../src/calculus/claims.js';
import { Interpreter } from '../src/calculus/interpreter.js';
import { decimalTruth } from './certificates/decimal.js';
import { inputsOf, judge } from './certificates/judging.js';
import { activationOf, Draw, SUBJECTS } from './certificates/subjects.js';
import { normalCdf } from './decimal.js';
import { tries } from './effort.js';
import { EXAMPLES } from './family-examples.js';
import { follow } from './walk.js';

const backends: [string, Backend][] = [];
for (const name of BACKEND_NAMES) {
  // WebGPU may be missing here.
  const found = await loadBackend(name).catch(() => undefined);
  if (found) backends.push([name, found]);
}

const RUNS = tries(8);
const POINTS = 24;

// What a family draws itself, for as many seeds.
const DEFAULTS = Object.keys(FAMILIES).filter((family) => family in INITIAL());

/** Constants and parameters of default initialisations that a class asks for; the rest it knows. */
function INITIAL(): Readonly<Record<string, object>> {
  const rational = { numerator: [0, 1, 0, 0, 0, 0], denominator: [0, 0, 0, 0] };
  return {
    ditac: {},
    aconc: {},
    aglu: {},
    apa: {},
    celu: {},
    derf: {},
    dyt: {},
    eelu: { member: 2 },
    elu: {},
    erfrelu: {},
    golu: {},
    hermite: {},
    mish: {},
    polyrelu: {},
    prelu: {},
    pwlu: {},
    rational: { version: 'A', ...rational },
    selu: {},
    siren: {},
    smu: { alpha: 0.25 },
    snake: {},
    snakebeta: { logScale: true },
    softplus: {},
    starrelu: {},
    swish: {},
    telu: {},
    xielu: {},
    yevick: { gamma: 1 },
  };
}

test.each(DEFAULTS)('%s: promise 1 holds for the default initialisation, for every seed', (family) => {
  const make = FAMILIES[family as keyof typeof FAMILIES] as unknown as new (
    options: object,
  ) => {
    readonly plan: { readonly certificate: { readonly keepsPromise: boolean } };
  };
  for (let seed = 0; seed < 8; seed++)
    expect(new make({ ...INITIAL()[family], seed }).plan.certificate.keepsPromise, `seed ${seed}`).toBe(true);
});

/** T of a DiTAC by decimal.js (walk.ts), and what its variant makes of it. */
function flowTruth(options: Record<string, unknown>, basis: object, x: Float32Array): Float64Array {
  const { variant, a, b, thetas } = options as { variant: string; a: number; b: number; thetas: number[] };
  const inside = follow({ b: basis as never, theta: thetas, zeroBoundary: variant !== 'inf', from: a, to: b, time: 1 });
  const pairs = new Float64Array(2 * x.length);
  const Fine = Decimal.clone({ precision: 80, minE: -9e15, maxE: 9e15 });
  x.forEach((at, i) => {
    const isInside = variant === 'inf' || (at >= a && at <= b);
    const own = new Fine(new Decimal(at.toPrecision(100)));
    let y = isInside ? new Fine(inside(at)) : own;
    const bends = variant === 'gelu' || (variant === 'ge' && !isInside);
    // Beyond 12 nothing of Φ is left that counts.
    if (bends) y = y.times(at < -30 ? 0 : at > 12 ? 1 : normalCdf(own));
    if (variant === 'leaky' && !isInside && at < 0) y = y.div(100);
    const high = y.toNumber();
    pairs[2 * i] = high;
    pairs[2 * i + 1] = y.minus(new Fine(new Decimal(high.toPrecision(100)))).toNumber();
  });
  return pairs;
}

describe.each(SUBJECTS.map((subject) => [`${subject.family} (${subject.number})`, subject] as const))(
  '%s',
  (_, subject) => {
    test.each([
      ['as trained', false],
      ['hostile', true],
    ])('%s: on every backend the same bits, and no error above the certificate', async (_, isHostile) => {
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), async (seed) => {
          const draw = new Draw(seed);
          const options = subject.make(draw, isHostile);
          let act: ReturnType<typeof activationOf>;
          let plan: ReturnType<typeof activationOf>['plan'];
          try {
            act = activationOf(subject, options);
            plan = act.plan;
          } catch (error) {
            // Poles, and functions too steep for a table, are refused with a sentence.
            expect(error).toBeInstanceOf(RangeError);
            return;
          }
          if (!isHostile) expect(plan.certificate.ulp).toBeLessThanOrEqual(1);
          const x = inputsOf(plan, draw, POINTS);
          const truth =
            subject.family === 'ditac'
              ? flowTruth(options, (act as unknown as { basis: object }).basis, x)
              : decimalTruth(subject.family, options, x);
          const y = act.forward(x);
          const { excess } = judge(plan, x, y, truth);
          expect({ options, excess }).toEqual({ options, excess: undefined });
          for (const [name, backend] of backends) {
            const other = await act.on(backend).forward(x);
            expect(compareBits(y, other, x).differing, name).toBe(0);
          }
        }),
        { numRuns: RUNS, seed: 1 + subject.number },
      );
    });
  },
);

test('a corner where a line has its root is at the float32 on its side', () => {
  const Step = defineFamily({
    name: 'Step',
    parameters: () => ({ p: one(1), q: one(0) }),
    define: (_, { p, q }) => whole(where(plus(times(p, x), q), 1, -1)),
  });
  const number = fc.float({ noNaN: true, noDefaultInfinity: true, min: -(2 ** 60), max: 2 ** 60 }).map(flushed);
  fc.assert(
    fc.property(number, number, (p, q) => {
      const root = flushed(Math.fround(-q / p) || 0);
      const near = [-3, -2, -1, 0, 1, 2, 3].map((k) => flushed(atPlace(placeOf(root) + k)));
      const xs = Float32Array.from([...near, -1e30, -1, 0, 1, 1e30].filter(Number.isFinite));
      // A product of two float32 is a float64, and a sum of two has the sign of the true one.
      const expected = xs.map((v) => (p * v + q > 0 ? 1 : -1));
      expect([p, q, ...new Step({ p, q }).forward(xs)]).toEqual([p, q, ...expected]);
    }),
    {
      numRuns: 200,
      seed: 7,
      examples: [
        [0, 0],
        [0, 1],
        [0, -1],
        [1, 0],
        [-1, 0],
        [3, -1],
        [2 ** -40, 2 ** 40],
      ],
    },
  );
});
/** A family of one formula. */
const made = (f: Expression) => {
  const Formula = defineFamily({ name: 'Formula', parameters: () => ({}), define: () => whole(f) });
  return new Formula();
};

test('corners where a cosine has its roots are there, of a function that is nearly level between them too', () => {
  const condition = cos(log1p(square(x)));
  const xs = Float32Array.from({ length: 40_001 }, (_, i) => 2 ** (i / 2000) * (i % 2 ? 1 : -1));
  const wave = xs.map((v) => Math.cos(Math.log1p(v * v)));
  // Nearer than that to a root, float64 does not say the sign.
  const isFar = wave.map((v) => Number(Math.abs(v) > 1e-6));
  const y = made(where(condition, 1, -1)).forward(xs);
  expect(y.filter((v, i) => isFar[i] && v !== Math.sign(wave[i]!))).toHaveLength(0);
  expect(isFar.reduce((sum, v) => sum + v, 0)).toBeGreaterThan(39_990);
});

test('numbers beyond float32 in a formula: results that are float32 are there, and plans can be kept', () => {
  const xs = Float32Array.of(-200, -1, -1e-30, 0, 1e-37, 1e-30, 1, 5);
  for (const f of [
    times(1e39, x),
    relu(times(1e39, x)),
    plus(1e40, times(1e-9, x)),
    times(1e40, plus(2, sigmoid(x))),
    where(x, times(1e39, x), expm1(x)),
  ]) {
    const act = made(f);
    const truth = exactFamily(act);
    const y = act.forward(xs);
    // 2⁻²³ is a unit in the last place, and 2⁻⁴⁷ what is allowed of small results.
    for (const [i, at] of xs.entries()) {
      const { hi } = truth(at);
      const nearest = Math.fround(hi);
      expect([at, Math.abs(y[i]! - nearest) <= 2 ** -23 * Math.abs(nearest) + 2 ** -47 || y[i] === nearest]).toEqual([
        at,
        true,
      ]);
    }
    expect(compareBits(new Activation(act.compiled().toBytes()).forward(xs), y).differing).toBe(0);
    const { gradX } = act.backward(xs, new Float32Array(8).fill(1));
    expect(gradX.every((each) => Number.isFinite(each))).toBe(true);
  }
});

test('a condition without x is decided by more than float64 has', () => {
  const condition = minus(plus(1e17, 0.5), 1e17);
  expect([...made(where(condition, times(2, x), times(3, x))).forward(Float32Array.of(1))]).toEqual([2]);
  expect([...made(where(negative(condition), times(2, x), times(3, x))).forward(Float32Array.of(1))]).toEqual([3]);
});

test('a condition that has no value somewhere is refused, with the place', () => {
  for (const f of [relu(divide(x, x)), where(divide(1, x), 1, 2), abs(log(abs(x)))])
    expect(() => made(f).forward(Float32Array.of(1))).toThrow(/has no value at /);
});

test('gradients of a function that is singular at 0 come from its own side of it', () => {
  for (const f of [times(x, log(x)), sqrt(x), power(x, 1.5), times(x, cos(divide(x, x)))]) {
    const act = made(where(x, f, 0));
    const truth = exactDerivative(act, 'x');
    for (let e = -126; e < 20; e += 7) {
      const { gradX } = act.backward(Float32Array.of(2 ** e), Float32Array.of(1));
      const { hi } = truth(2 ** e);
      // An interval narrower than 2⁻⁹⁹ has a constant.
      expect([e, Math.abs(gradX[0]! - hi) <= (e < -90 ? 0.5 : 1e-4) * Math.max(Math.abs(hi), 1)]).toEqual([e, true]);
    }
  }
});

test.each(Object.entries(EXAMPLES))('what %s says of its tails and its period is so', (name, examples) => {
  const interpreter = new Interpreter();
  for (const { options } of examples) {
    const act = new FAMILIES[name as 'snake'](options as object);
    if ('definition' in act) expect(() => expectClaims(interpreter, act.definition(), { name })).not.toThrow();
  }
});

test('a tail or a period that is not the function’s is refused', () => {
  const f = times(x, sigmoid(x));
  const rest = times(-1, x, sigmoid(negative(x)));
  const wave = plus(x, sin(x));
  const turn = times(8, atan(1));
  const wrong: [() => object, RegExp][] = [
    [() => whole(f, tail(0, 0, f), tail(0.9, 0, rest)), /its high tail differs from the function by 0.3/],
    [() => whole(f, tail(0, 0, f), tail(1, 1e-9, rest)), /its high tail/],
    [() => whole(f, tail(0, 0, 0), tail(1, 0, rest)), /its low tail/],
    [
      () => ({ ...whole(wave), periodic: { period: times(turn, 1.0000001), trend: plus(1, 0), part: sin(x) } }),
      /repeats/,
    ],
    [() => ({ ...whole(wave), periodic: { period: turn, trend: times(2, 1), part: sin(x) } }), /repeats/],
  ];
  for (const [define, message] of wrong)
    expect(() => new (defineFamily({ name: 'Wrong', parameters: () => ({}), define: define as never }))()).toThrow(
      message,
    );
  const right = () => ({ ...whole(wave), periodic: { period: turn, trend: plus(1, 0), part: sin(x) } });
  expect(
    new (defineFamily({ name: 'Right', parameters: () => ({}), define: right as never }))().forward(
      Float32Array.of(0),
    )[0],
  ).toBe(0);
});

test('a slope that rows hold as 0 is certified as such', () => {
  const act = made(times(1e-11, times(1e-11, x)));
  const { slope } = gradientCertificate(act);
  const { hi } = exactDerivative(act, 'x')(3);
  const { gradX } = act.backward(Float32Array.of(3), Float32Array.of(1));
  expect(Math.abs(gradX[0]! - hi)).toBeLessThanOrEqual(slope.share * hi);
});

/** Subnormal numbers count as 0. */
const flushed = (v: number): number => (Math.abs(v) < 2 ** -126 ? 0 : v);
