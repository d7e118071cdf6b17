import { DiTAC, Swish } from 'ditac';
import { exact, exactDerivative, exactFamily, roundTo } from 'ditac/oracle';
import { expect, test } from 'vitest';
import { VARIANTS } from '../src/families/ditac.js';
import { decimalTruth } from './arithmetic.js';
import { exactly } from './decimal.js';
import { tries } from './effort.js';
import { familyCase, familyCases, familyClass } from './family-cases.js';
import { generator, input, member, ROUNDINGS, roundDecimal, TESTED, wrongRoundings } from './truth.js';

/** Of the grid every so many; of the hard inputs all. `LONG=1` takes every one. */
const STRIDE = process.env.LONG ? 1 : Math.ceil(244 / tries(4));

/** The golden activation; where the class refuses it, for it has a pole, its family's formula. */
function judged({ family, options, parameterNames }: ReturnType<typeof familyCase>) {
  const Class = familyClass(family) as unknown as {
    new (o: object): { definition(): object };
    family: { define(constants: object, p: object): object };
  };
  try {
    return new Class(options);
  } catch {
    let index = 0;
    const word = (value: number) => ({ op: 'parameter', index: index++, value: Math.fround(value) });
    const names = new Set(parameterNames.map((name) => name.replace(/\[.*/, '')));
    const words = [...names].map((name) => {
      const value = options[name] as number | number[];
      return [name, typeof value === 'number' ? word(value) : value.map(word)];
    });
    return Class.family.define(options, Object.fromEntries(words));
  }
}

test.each(familyCases)('golden %s: every float64 of y, ∂y/∂x and ∂y/∂p', (name) => {
  const golden = familyCase(name);
  const { x, y, slope, gridCount, kinks, parameterNames, parameterPlaces } = golden;
  const of = judged(golden) as Parameters<typeof exactFamily>[0];
  const isTaken = (i: number) => i >= gridCount || i % STRIDE === 0;
  const wrong: string[] = [];
  const check = (what: string, f: (x: number) => number, i: number, truth: number) => {
    const found = f(x[i]!);
    if (found !== truth && !(Number.isNaN(found) && Number.isNaN(truth)))
      wrong.push(`${what} at ${x[i]}: ${found} ≠ ${truth}`);
  };
  const [f, g] = [exact.family(of), exact.derivative(of, 'x')];
  for (let i = 0; i < x.length; i++) {
    if (!isTaken(i)) continue;
    check('y', f, i, y[i]!);
    // Conventions at a kink differ; its sides agree.
    if (!kinks.has(x[i]!)) check('slope', g, i, slope[i]!);
  }
  parameterNames.forEach((parameter, index) => {
    const h = exact.derivative(of, index);
    const truth = golden.parameterSlope(parameter);
    parameterPlaces.forEach((i, k) => {
      // x·sin(x) has no limit, whatever the file says.
      if (golden.family === 'fourier' && parameter.startsWith('grid') && !Number.isFinite(x[i]!)) return;
      if (isTaken(i) && !kinks.has(x[i]!)) check(parameter, h, i, truth[k]!);
    });
  });
  expect(wrong).toEqual([]);
});

test('random members of all families are rounded as decimal.js rounds them, to every format', () => {
  const r = generator(7);
  const wrong: string[] = [];
  let unknown = 0;
  for (const name of TESTED) {
    for (let k = 0; k < 2; k++) {
      const act = member(name, r);
      const { parts } = act.truth();
      const f = exactFamily(act);
      for (let i = 0; i < 4; i++) {
        const x = input(r);
        const { f: formula } = parts.filter(({ first }) => first <= x).at(-1) ?? parts[0]!;
        const value = decimalTruth(formula, x);
        if (value === undefined) unknown += 1;
        else
          for (const format of wrongRoundings(f(x), value))
            wrong.push(`${name} ${JSON.stringify(act.parameters)} ${x} ${format}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  // Digits beyond what decimal.js was asked for; there are few.
  expect(unknown).toBeLessThan(10);
});

test('a truth has 30 digits, and says what it may be off', () => {
  const f = exactFamily(new Swish({ beta: 1.5 }));
  for (const x of [-300, -90.5, -3, -1e-20, 0.1, 2, 40]) {
    const { hi, lo, error } = f(x);
    const truth = decimalTruth(new Swish({ beta: 1.5 }).definition().parts[0]!.f, x)!;
    const off = exactly(hi).plus(exactly(lo)).minus(truth).abs();
    expect(off.lte(error), `${x}`).toBe(true);
    expect(error).toBeLessThanOrEqual(1e-30 * Math.abs(hi));
  }
});

test('what decides a tie is seen, however small it is', () => {
  // x·σ(x) is just below x: half-way between two float16 at 2051, and between two bfloat16 at 1028.
  const f = exactFamily(new Swish({ beta: 1 }));
  expect(roundTo('float16', 2051)).toBe(2052);
  expect(roundTo('float16', f(2051))).toBe(2050);
  expect(roundTo('bfloat16', 1036)).toBe(1040);
  expect(roundTo('bfloat16', f(1036))).toBe(1032);
  // e^-70000 beside it.
  expect(roundTo('float16', f(65520))).toBe(65504);
  expect(roundTo('float16', 65520)).toBe(Number.POSITIVE_INFINITY);
});

test('roundTo: ties to even, subnormal numbers, overflow', () => {
  expect(roundTo('float16', 2 ** -25)).toBe(0);
  expect(roundTo('float16', { hi: 2 ** -25, lo: 2 ** -90 })).toBe(2 ** -24);
  expect(roundTo('float16', { hi: 3 * 2 ** -25, lo: 0 })).toBe(2 ** -23);
  expect(roundTo('float16', { hi: 3 * 2 ** -25, lo: -(2 ** -90) })).toBe(2 ** -24);
  expect(roundTo('bfloat16', -3.4e38)).toBe(Number.NEGATIVE_INFINITY);
  expect(roundTo('float32', { hi: 2 ** 128 * (1 - 2 ** -25), lo: -1 })).toBe(2 ** 128 * (1 - 2 ** -24));
  expect(roundTo('float32', { hi: 2 ** 128 * (1 - 2 ** -25), lo: 0 })).toBe(Number.POSITIVE_INFINITY);
  expect(Object.is(roundTo('float32', -1e-60), -0)).toBe(true);
  expect(roundTo('float32', Number.NaN)).toBeNaN();
  const r = generator(3);
  for (let i = 0; i < 300; i++) {
    const x = r.one([1, -1]) * 2 ** r.between(-152, 130);
    expect(roundTo('float32', x)).toBe(Math.fround(x));
    for (const format of ROUNDINGS) expect(roundTo(format, x)).toBe(roundDecimal(format, exactly(x), true));
  }
  expect(() => roundTo('float8' as 'float32', 1)).toThrow(RangeError);
  expect(() => roundTo('float32', { hi: 1 } as { hi: number; lo: number })).toThrow(TypeError);
});

test('limits at ±Infinity; NaN where there is none, and for NaN', () => {
  const swish = exact.family(new Swish({ beta: 1 }));
  expect([swish(Number.POSITIVE_INFINITY), swish(Number.NEGATIVE_INFINITY)]).toEqual([Number.POSITIVE_INFINITY, -0]);
  const siren = exact.family(new (familyClass('siren'))({ omega: 30 }));
  expect(siren(Number.POSITIVE_INFINITY)).toBeNaN();
  expect(swish(Number.NaN)).toBeNaN();
});

test.each(VARIANTS)('the slope of DiTAC %s is what differences of the function tend to', (variant) => {
  const act = new DiTAC({ tess: 6, a: -3, b: 3, variant, seed: 8 });
  const f = exactFamily(act);
  const slope = exactDerivative(act, 'x');
  const h = 2 ** -30;
  for (const x of [-40, -9, -3.5, -2.9, -1.7, -0.4, 0.2, 0.9, 1.4, 2.3, 2.99, 3.5, 12]) {
    const [p, q] = [f(x + h), f(x - h)];
    const difference = (p.hi - q.hi + (p.lo - q.lo)) / (2 * h);
    // f‴·h²/6, and 30 digits of f by 2h.
    expect(Math.abs(slope(x).hi - difference), `${x}`).toBeLessThan(1e-15 * Math.max(1, Math.abs(difference)));
  }
  expect(slope(Number.NaN).hi).toBeNaN();
  if (variant !== 'inf') expect(slope(1e30).hi).toBe(1);
  else expect(slope(Number.POSITIVE_INFINITY).hi).toBe(slope(1e30).hi);
});

test('DiTAC has its oracle by the same name, and derivatives go by names', () => {
  const act = new DiTAC({ tess: 6, a: -3, b: 3, seed: 4 });
  const truth = exact.activation(act.thetas, { tess: 6, a: -3, b: 3, variant: 'gelu' });
  for (const x of [-4, -1, 0.3, 2.5, 9]) expect(exact.family(act)(x)).toBe(truth(x));
  expect(exact.derivative(act, 'thetas[2]')(0.3)).toBe(exact.derivative(act, 2)(0.3));
  expect(() => exact.derivative(act, act.dimension)).toThrow(RangeError);
  expect(() => exact.derivative(act, 'thetas')).toThrow("by must be 'x', a place, 'thetas[0]'");
  const poly = new (familyClass('polynomial'))({ coefficients: [1, 2, 3] });
  expect(exact.derivative(poly, 'coefficients[2]')(3)).toBe(9);
  expect(() => exactDerivative(poly, 'alpha')).toThrow("'coefficients[2]'; got 'alpha'");
  expect(() => exactFamily({} as never)).toThrow(TypeError);
  expect(() => exactFamily(poly, 1)).toThrow(RangeError);
});
