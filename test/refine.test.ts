/** `refine`: the same function with more parameters, for every family that can have them. */
import { FAMILIES, type FamilyName } from 'ditac/families';
import { describe, expect, test } from 'vitest';
import { EXAMPLES } from './family-examples.js';

// biome-ignore lint/suspicious/noExplicitAny: every family's class, whatever its parameters
type Any = any;

const x = Float32Array.from({ length: 257 }, (_, i) => (i - 128) / 128);
const classOf = (name: string): Any => FAMILIES[name as FamilyName];
const parametersOf = (act: Any): Record<string, Float32Array> => act.parameters ?? { thetas: act.thetas };
const sizeOf = (act: Any): number => Object.values(parametersOf(act)).reduce((sum, { length }) => sum + length, 0);
const valuesOf = (act: Any): number[] => Array.from(x, act.reference() as (v: number) => number);
const largest = (values: ArrayLike<number>) => Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

const cases = Object.entries(EXAMPLES).flatMap(([name, list]) =>
  list.map((each, i): [string, string, Record<string, unknown>, boolean] => [
    `${name} ${i + 1}`,
    name,
    each.options,
    each.isRefined === true,
  ]),
);

/** Their new parameters are zeros, or their old function is another family's: equal to float64's rounding. */
const EXACT = ['chebykan', 'fourier', 'fourierseries', 'hermite', 'polynomial', 'rational', 'yevick'];

describe.each(cases.filter(([, , , isRefined]) => isRefined))('%s', (_, name, options) => {
  const act = new (classOf(name))(options);
  const y = valuesOf(act);

  test.each(name === 'rational' ? [1, 2] : [1, 2, 3])('factor %i', (factor) => {
    const fine = act.refine(factor);
    expect(sizeOf(fine)).toBeGreaterThanOrEqual(sizeOf(act));
    if (factor > 1) expect(sizeOf(fine)).toBeGreaterThan(sizeOf(act));
    // New coefficients are at most a few times the old ones, and rounded to float32: 2⁻²⁴ of each, of which four share a point of a cubic
    // spline. A field of DiTAC is rounded before it flows, for a time in which differences grow by e at most.
    const tolerance = (EXACT.includes(name) ? 2 ** -45 : 2 ** -21) * largest(y);
    const z = valuesOf(fine);
    expect(largest(z.map((v, i) => v - y[i]!))).toBeLessThanOrEqual(tolerance);
  });

  test('it is trained further: plans and gradients, of new parameters too', () => {
    const fine = act.refine(2);
    // Both are within 1 ULP of their own function.
    const difference = fine.forward(x).map((v: number, i: number) => v - act.forward(x)[i]!);
    expect(largest(difference)).toBeLessThanOrEqual(2 ** -20 * largest(y));
    const gradY = x.map((v) => 1 + v);
    const { gradients } = fine.backward(x, gradY);
    const nonzero = Object.values<Float32Array>(gradients).reduce((n, g) => n + g.filter((v) => v !== 0).length, 0);
    const before = Object.values<Float32Array>(act.backward(x, gradY).gradients).reduce(
      (n, g) => n + g.filter((v) => v !== 0).length,
      0,
    );
    expect(nonzero).toBeGreaterThan(before);
  });
});

test.each(cases.filter(([, , , isRefined]) => !isRefined))('%s has what it has', (_, name, options) => {
  const { family } = classOf(name);
  const act = new (classOf(name))(options);
  // Yevick with a gamma is a polynomial on either side, with more parameters.
  if (name === 'yevick') {
    const fine = act.refine();
    expect(Object.keys(fine.parameters)).toEqual(['neg', 'pos']);
    const y = valuesOf(act);
    // βγ³ is rounded to float32.
    expect(largest(valuesOf(fine).map((v, i) => v - y[i]!))).toBeLessThanOrEqual(2 ** -23 * largest(y));
    return;
  }
  expect(() => act.refine()).toThrow(`${family.name} has a fixed number of parameters; there is nothing to refine`);
});

test('functions stay apart, what they share stays shared, channels and layout stay', () => {
  const act = new FAMILIES.bspline({
    grid: [-2, -1, 0, 1, 2, 3],
    base_weight: 0.5,
    spline_weight: [
      [1, 2, 3],
      [0, -1, 1],
    ],
    channels: 4,
    layout: 'channelsLast',
  });
  const fine = act.refine(2);
  expect([fine.channels, fine.layout]).toEqual([4, 'channelsLast']);
  expect(fine.shapes).toMatchObject({ base_weight: [1], spline_scaler: [1], spline_weight: [2, 4] });
  for (const channel of [0, 3]) {
    const [before, after] = [act.reference(channel), fine.reference(channel)];
    for (const v of x) expect(Math.abs(after(v) - before(v))).toBeLessThanOrEqual(2 ** -21);
  }
});

test('what would pass the limits is refused', () => {
  const rational = new FAMILIES.rational({ version: 'A', numerator: [1, 2, 3, 4, 5], denominator: [1, 1] });
  expect(() => rational.refine(4)).toThrow(/degrees up to 8, got numerator \[11\]/);
  const grown = new FAMILIES.rational({ version: 'A', numerator: [1, 2, 3, 4], denominator: [1, 1] }).refine(2);
  expect([grown.parameters.numerator!.length, grown.parameters.denominator!.length]).toEqual([6, 4]);
  expect(() => new FAMILIES.polynomial({ coefficients: [1, 2, 3, 4] }).refine(4)).toThrow(/12 coefficients, got 13/);
  expect(() =>
    new FAMILIES.fourier({
      fundamental: 0,
      coefficients: new Array(11).fill(1),
      phases: new Array(11).fill(0),
      grid: Array.from({ length: 11 }, (_, k) => k + 1),
    }).refine(),
  ).toThrow(/at most 20; got 22/);
  // Float32 has no knot between two neighbours.
  const knots = [0, 1, 1 + 2 ** -23, 2];
  const spline = new FAMILIES.bspline({ grid: knots, spline_weight: [1, 1, 1] });
  expect(() => spline.refine(2)).toThrow(/knots must ascend, and no two may be equal/);
});
