/** What float64 leaves unknown: it is charged, decided without rounding, or refused; never taken for 0. */
import { DyT, defineFamily, FourierSeries, gradientCertificate, PolyReLU, Snake, Softplus, StarReLU } from 'ditac';
import {
  abs,
  atan,
  cos,
  divide,
  exp,
  expm1,
  log,
  minimum,
  minus,
  negative,
  one,
  pieces,
  plus,
  polynomial,
  power,
  relu,
  sigmoid,
  sin,
  softplus,
  sqrt,
  square,
  tail,
  tanh,
  times,
  where,
  whole,
  x,
} from 'ditac/families';
import { exactDerivative, exactFamily, roundTo } from 'ditac/oracle';
import { describe, expect, test } from 'vitest';

type Definition = ReturnType<typeof whole>;
type Made = InstanceType<typeof Snake>;
// biome-ignore lint/suspicious/noExplicitAny: parameters of any name
type Any = any;

/** An activation that has this definition, with parameters by name. */
function made(define: (p: Any) => Definition, values: Readonly<Record<string, number>> = {}) {
  const Family = defineFamily({
    name: 'F',
    parameters: () => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, one(value)])),
    define: (_: object, p: Any) => define(p),
  } as never);
  return new (Family as unknown as new () => Made)();
}

/** Every result is within the certificate of the oracle's truth. */
function expectCertified(act: Pick<Made, 'plan' | 'forward'>, inputs: readonly number[]): void {
  const truth = exactFamily(act as never);
  const { ulp, ulpSmall, absolute } = act.plan.certificate;
  const at = Float32Array.from(inputs);
  act.forward(at).forEach((y, i) => {
    const { hi, lo } = truth(at[i]!);
    if (!Number.isFinite(hi)) {
      expect([at[i], y]).toEqual([at[i], hi]);
      return;
    }
    const size = Math.abs(hi);
    const unit = 2 ** (Math.floor(Math.log2(Math.max(size, 2 ** -126))) - 23);
    const most = size >= 2 ** -8 ? ulp * unit : size >= 2 ** -24 ? ulpSmall * unit : absolute;
    expect(Math.abs(y - hi - lo), `x = ${at[i]}: ${y} instead of ${hi}`).toBeLessThanOrEqual(most);
  });
}

const cancelling = { p: 1e38, q: 1e20, r: 1000 };
describe('what cancels until two float64 know nothing of it is refused', () => {
  test.each<[string, (p: Any) => Definition, Record<string, number>]>([
    ['a constant', ({ p }) => whole(minus(sqrt(plus(1, square(p))), p)), { p: 1e19 }],
    ['a large one', ({ p }) => whole(times(minus(times(exp(p), exp(negative(p))), 1), 1e38)), { p: 1.5 }],
    ['an intercept', ({ p, q, r }) => whole(plus(x, minus(minus(plus(p, q, r), p), q))), cancelling],
    ['a slope', ({ p, q, r }) => whole(times(x, minus(minus(plus(p, q, r), p), q))), cancelling],
    [
      'a value',
      ({ p, q, r }) => ({
        parts: pieces(
          x,
          [1, minus(minus(plus(times(p, x), times(q, x), times(r, x)), times(p, x)), times(q, x))],
          [1 + 2 ** -23, x],
        ),
      }),
      cancelling,
    ],
    [
      'f(0)',
      ({ p, q, r }) => ({ parts: pieces(x, [0, minus(minus(plus(p, q, r), p), q)], [2 ** -126, x]) }),
      cancelling,
    ],
  ])('%s', (_, define, values) => {
    expect(() => made(define, values).forward(Float32Array.of(1))).toThrow(
      /no value at .* that float64 resolves|more than 65536 segments|differs from the function/,
    );
  });
});

describe('conditions', () => {
  test('are decided without rounding where they are rational', () => {
    const fourth = made(() => whole(where(polynomial([1, -4, 6, -4, 1]), 1, 0)));
    const near = [1 - 2 ** -24, 1, 1 + 2 ** -23, 0, 3];
    expect([...fourth.forward(Float32Array.from(near))]).toEqual([1, 0, 1, 1, 1]);
    // And where functions are: roots of squares, and what is 0 times something.
    for (const [condition, root] of [
      [minus(sqrt(x), 2), 4],
      [times(square(minus(x, 1)), exp(x)), 1],
    ] as const) {
      const act = made(() => ({ parts: pieces(0, [0.5, where(condition, 1, 0)], [5, 0]) }));
      expect(act.forward(Float32Array.of(root))[0]).toBe(0);
      expectCertified(act, [root - 2 ** -20, root, root + 2 ** -20]);
    }
  });

  test('that nothing decides are refused', () => {
    for (const define of [
      ({ p }: Any) => whole(where(minus(softplus(p), p), x, negative(x))),
      () => ({ parts: pieces(1, [30, times(2 ** 90, relu(minus(1, tanh(x))))], [30.005, 1]) }),
    ])
      expect(() => made(define, { p: 70 }).forward(Float32Array.of(1))).toThrow(
        /sign of a condition cannot be decided at x = /,
      );
  });
});

test('what underflows in float64 on the way is charged, and refused where that is too much', () => {
  for (const define of [
    () => whole(times(times(times(times(x, 1e-250), 1e-250), 1e300), 1e200)),
    ({ p, q }: Any) => whole(times(power(p, 9), power(q, 8), q, x)),
    () => {
      const a = plus(1, square(x));
      return { parts: pieces(1, [1e4, times(power(a, -32), power(a, 16), power(a, 16))], [1e9, 1]) };
    },
    () => whole(times(1e17, minus(times(times(1e-300, x), 1e300), x))),
  ])
    expect(() => made(define, { p: 1e-37, q: 1e37 }).forward(Float32Array.of(1))).toThrow(RangeError);
  // Exact zeros stay zeros.
  expect([...made(() => whole(times(0, times(x, 1e-200)))).forward(Float32Array.of(1, -3))].map(Math.abs)).toEqual([
    0, 0,
  ]);
});

test('pieces that begin between two float32 leave none out', () => {
  for (const [begins, parts] of [
    [0.7, pieces(x, [0.7, plus(x, 1)])],
    [1.6033484221302947, pieces(sigmoid(x), [1.6033484221302947, -1])],
    [0.7, pieces(0, [-1, sin(x)], [0.7, cos(x)], [2, 0])],
    [-0.7, pieces(-2, [-0.7, x])],
    [1e39, pieces(x, [1e39, 1])],
  ] as const) {
    const act = made(() => ({ parts }));
    const near = Math.fround(begins);
    const at = [near * (1 - 2 ** -23), near, near * (1 + 2 ** -23)].map(Math.fround).filter(Number.isFinite);
    expectCertified(act, at);
    const { gradX } = act.backward(Float32Array.from(at), new Float32Array(at.length).fill(1));
    const { share, of } = gradientCertificate(act as never).slope;
    at.forEach((v, i) => {
      expect(Math.abs(gradX[i]! - exactDerivative(act as never, 'x')(v).hi)).toBeLessThanOrEqual(share * of);
    });
  }
});

test('results of every size have their certificate', () => {
  const steep = [2e9, 1e10, 3e11].map((alpha) => new Snake({ alpha, eps: 0 }));
  for (const act of steep) {
    expect(act.plan.certificate.ulpSmall).toBeGreaterThan(0.5);
    // Further out a float32 does not say in which phase it is.
    expectCertified(
      act,
      [1.001e-7, -3e-7, 2e-6, 1e-5].filter((at) => Math.abs(at) < act.plan.certificate.domain),
    );
  }
  // Tiny inputs, large results.
  for (const act of [new StarReLU({ scale: 1e37, bias: 0 }), new PolyReLU({ weight: [0.04, -3.7e37, 0], bias: 0 })])
    expectCertified(act, [8e-19, 6.5e-19, 1e-19, 1e-25, 0]);
});

describe('at ±Infinity', () => {
  test.each<[string, () => { forward(x: Float32Array): Float32Array }, number, number]>([
    ['DyT of slope 0', () => new DyT({ alpha: 0, weight: 1, bias: 2 }), 2, 2],
    ['StarReLU of scale 0', () => new StarReLU({ scale: 0, bias: 2 }), 2, 2],
    ['softsign', () => made(() => whole(divide(x, plus(1, abs(x))))), -1, 1],
    ['expm1', () => made(() => whole(expm1(minimum(x, 1)))), -1, Math.fround(Math.expm1(1))],
    ['nothing that swings', () => new FourierSeries({ bias: 1, cos: [0], sin: [0] }), 1, 1],
    ['a large softplus', () => new Softplus({ beta: 1e-41 }), 0, Number.POSITIVE_INFINITY],
    ['what swings', () => new FourierSeries({ bias: 1, cos: [1], sin: [0] }), Number.NaN, Number.NaN],
  ])('%s has its limit', (_, make, low, high) => {
    const act = make();
    const found = [...act.forward(Float32Array.of(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY))];
    expect(found.map((each) => each + 0)).toEqual([low, high]);
    const truth = exactFamily(act as never);
    for (const [i, at] of [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY].entries())
      expect(Math.fround(truth(at).hi) + 0).toBe(found[i]! + 0);
  });

  test('the oracle knows logarithms, slow powers, and exponentials of any slope', () => {
    const at = (e: Parameters<typeof whole>[0]) => exactFamily(whole(e))(Number.POSITIVE_INFINITY).hi;
    expect(at(log(x))).toBe(Number.POSITIVE_INFINITY);
    expect(at(log(plus(1, square(x))))).toBe(Number.POSITIVE_INFINITY);
    expect(at(power(plus(1, abs(x)), 0.1))).toBe(Number.POSITIVE_INFINITY);
    expect(at(exp(times(-1e-300, x)))).toBe(0);
    expect(at(divide(1, log(plus(2, abs(x)))))).toBe(0);
    expect(at(minus(x, times(1, x)))).toBe(0);
    expect(at(sin(x))).toBeNaN();
    expect(at(polynomial([1, 0, -3]))).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe('the oracle', () => {
  test('takes for half-way what no number of bits tells from it', () => {
    const truth = exactFamily(whole(plus(exp(log(x)), 0.25)));
    for (const at of [8228096, 8228097, 4194304.5]) {
      const { hi, lo } = truth(at);
      expect([hi, lo]).toEqual([at + 0.25, 0]);
      expect(roundTo('float32', { hi, lo })).toBe(Math.fround(at + 0.25));
    }
  });

  test('says where it knows nothing', () => {
    const g = minus(plus(1, exp(negative(square(x)))), 1);
    expect(exactFamily(whole(times(exp(square(x)), g)))(100)).toMatchObject({
      hi: Number.NaN,
      error: Number.POSITIVE_INFINITY,
    });
    expect(exactFamily(whole(g))(100)).toMatchObject({ hi: 0 });
    expect(exactFamily(whole(minus(exp(log(x)), x)))(3)).toMatchObject({ hi: 0 });
  });

  test('has subnormal x where the formula has it, and the poles of logarithms', () => {
    expect(exactFamily({ parts: pieces(1, [0, 5], [2 ** -126, 7]) })(1e-40).hi).toBe(5);
    expect(exactFamily({ parts: pieces(1, [0, 5], [2 ** -149, 7]) })(1e-40).hi).toBe(7);
    expect(exactFamily(whole(log(x)))(0).hi).toBe(Number.NEGATIVE_INFINITY);
    expect(exactFamily(whole(log(x)))(-1).hi).toBeNaN();
    expect(exactFamily(whole(divide(1, x)))(0).hi).toBeNaN();
  });
});

test('tails are compared beyond the last corner, wherever it is', () => {
  const far = made(() => whole(relu(minus(x, 100)), tail(0, 0, 0), tail(1, -100, 0)));
  expectCertified(far, [-5, 99, 100, 101, 1e6]);
  const refused = (definition: Definition) => expect(() => made(() => definition).plan);
  refused(whole(relu(minus(x, 100)), tail(0, 0, 0), tail(1, -99, 0))).toThrow(/its high tail differs/);
  const swish = times(x, sigmoid(x));
  const clipped = minimum(swish, 60);
  const low = tail(0, 0, swish);
  expectCertified(
    made(() => whole(clipped, low, tail(0, 60, 0))),
    [-20, 0.5, 59, 61, 1e6],
  );
  refused(whole(clipped, low, tail(1, 0, times(-1, x, sigmoid(negative(x)))))).toThrow(/its high tail differs/);
  // What repeats, but only up to a corner.
  const period = times(8, atan(1));
  const bent = whole(plus(x, sin(x), relu(minus(x, 40))));
  refused({ ...bent, periodic: { period, trend: times(1, 1), part: sin(x) } }).toThrow(/what repeats differs/);
});
