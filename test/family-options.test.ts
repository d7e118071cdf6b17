/** What makes no sense is refused, for every family: by a sentence that says which and why. */
import * as ditac from 'ditac';
import { defineFamily } from 'ditac';
import {
  atan,
  FAMILIES,
  type FamilyName,
  many,
  one,
  polynomial,
  rationalInitial,
  sin,
  times,
  whole,
  x,
} from 'ditac/families';
import { describe, expect, test } from 'vitest';
import { EXAMPLES } from './family-examples.js';

// biome-ignore lint/suspicious/noExplicitAny: the point is to pass what the types forbid
type Any = any;

const classOf = (name: string): Any => FAMILIES[name as FamilyName];
const families = Object.keys(FAMILIES).filter((name) => name !== 'ditac');
const examples = families.flatMap((name) =>
  EXAMPLES[name as FamilyName].map((each, i): [string, string, Record<string, unknown>] => [
    `${name} ${i + 1}`,
    name,
    each.options,
  ]),
);

/** TypeError or RangeError, by a sentence: what, and what came. */
function refused(call: () => unknown, ...words: (string | RegExp)[]): void {
  let error: Any;
  try {
    call();
  } catch (cause) {
    error = cause;
  }
  expect(error, `taken, not refused: ${words}`).toBeDefined();
  expect(error instanceof TypeError || error instanceof RangeError, String(error)).toBe(true);
  expect(error.message).toMatch(/got|needs|must|has |holds|does not say/);
  expect(error.message).not.toMatch(/undefined \(|is not a function|is not iterable|Cannot read/);
  for (const word of words) expect(error.message).toMatch(word);
}

test('every class of ditac is in FAMILIES, under its golden name, and has an example', () => {
  const exported = Object.values(ditac).filter((each) => typeof (each as Any)?.family?.define === 'function');
  expect(new Set(Object.values(FAMILIES))).toEqual(new Set([...exported, ditac.DiTAC]));
  expect(Object.keys(EXAMPLES).sort()).toEqual(Object.keys(FAMILIES).sort());
});

describe.each(examples)('%s', (_, name, options) => {
  const Class = classOf(name);
  const act = new Class(options);
  const { family } = Class;
  const parameters: string[] = Object.keys(act.parameters);
  const constants: string[] = Object.keys(family.constants ?? {});

  test('unknown and misspelled options, and none at all', () => {
    for (const key of ['unknown', 'Alpha', 'thetass', 'prefix', 'constructor', '__proto__x'])
      refused(() => new Class({ ...options, [key]: 1 }), 'an option of', key);
    for (const wrong of [null, 1, 'a', [], new Map(), () => 1])
      refused(() => new Class(wrong), 'options must be an object');
    for (const key of Object.keys(options))
      refused(() => new Class({ ...options, [`${key}s`]: options[key] }), `${key}s`);
  });

  test('parameters that are no finite numbers, empty, or of another length', () => {
    for (const key of parameters) {
      const given = act.parameters[key];
      for (const wrong of [null, 'a', true, {}, () => 1, [null], ['1'], [[1], 'a']])
        refused(() => new Class({ ...options, [key]: wrong }), key);
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, 1e39]) {
        const values = Array.from(given, (v, i) => (i === given.length - 1 ? wrong : v));
        refused(() => new Class({ ...options, [key]: values }), key, /finite float32/, String(wrong));
        refused(() => act.update({ [key]: values }), key, /finite float32/);
      }
      // Without terms a Fourier series is a constant, a rational of denominator 1 a polynomial.
      const isOptional =
        ['denominator', 'cos', 'a', 'coefficients'].includes(key) && !['polynomial', 'hermite'].includes(name);
      if (!isOptional) refused(() => new Class({ ...options, [key]: [] }), /at least one number|must|needs/);
      refused(
        () => act.update({ [key]: [...given, 1] }),
        key,
        `${given.length} numbers as before, got ${given.length + 1}`,
      );
      refused(
        () => new Class({ ...options, [key]: [Array.from(given), [...given, 1]] }),
        key,
        /row 1|every row|numbers/,
      );
    }
    refused(() => act.update({ unknown: 1 }), 'unknown');
    refused(() => act.update(null), 'options must be an object');
    for (const key of parameters) expect(act.parameters[key]).toEqual(new Class(options).parameters[key]);
  });

  test('constants of another kind', () => {
    for (const key of constants)
      for (const wrong of [null, Symbol('wrong'), {}, 'neither', Number.NaN])
        refused(() => new Class({ ...options, [key]: wrong }), key);
  });

  test('channels, layout and seed', () => {
    for (const wrong of [0, -1, 1.5, 65537, '1', null, Number.NaN])
      refused(() => new Class({ ...options, channels: wrong }), 'channels');
    for (const wrong of ['channelsfirst', 1, null]) refused(() => new Class({ ...options, layout: wrong }), 'layout');
    for (const wrong of [-1, 0.5, 2 ** 32, '1', null]) refused(() => new Class({ ...options, seed: wrong }), 'seed');
    const two = parameters.find((key) => act.shapes[key].length === 1);
    if (two === undefined) return;
    const pair = { ...options, [two]: [act.parameters[two][0], act.parameters[two][0]] };
    expect(new Class(pair).channels).toBe(2);
    expect(new Class({ ...pair, channels: 6 }).channels).toBe(6);
    refused(() => new Class({ ...pair, channels: 3 }), 'channels must be a multiple of the 2 functions');
    const other = parameters.find((key) => key !== two && act.shapes[key].length === 1);
    if (other === undefined) return;
    const three = new Array(3).fill(act.parameters[other][0]);
    refused(() => new Class({ ...pair, [other]: three }), /has 3 functions by its longest parameter, but \w+ has 2/);
  });

  test('arguments of its methods', () => {
    refused(() => act.reference(1), 'channel');
    refused(() => act.definition(-1), 'channel');
    refused(() => act.planOf(1), 'channel');
    for (const wrong of [0, 1.5, 65, '2', null]) refused(() => act.refine(wrong), 'factor');
    refused(() => act.stateDict({ prefx: '' }), 'prefx');
    if (parameters.length > 0) refused(() => Class.fromStateDict({}, {}), /has no tensor|does not say/);
    refused(() => Class.fromStateDict(null), 'tensors must be an object');
    refused(() => Class.fromStateDict(act.stateDict(), { prefx: '' }), 'prefx');
  });
});

/** One line a family and mistake: which option, and what the sentence must hold. */
const MISTAKES: readonly [family: string, options: Record<string, unknown>, ...words: (string | RegExp)[]][] = [
  ['aglu', { clamp: 'min' }, 'clamp must be one of "max", "add", got "min"'],
  ['aglu', {}, 'AGLU needs lambda, kappa, or a seed to draw them'],
  ['apl', { a: [1, 2], b: [1] }, 'a and b must have the same length, got 2 and 1'],
  ['bspline', { grid: [0, 1, 1, 2], spline_weight: [1, 2] }, 'no two may be equal; knot 2 is 1 after 1'],
  ['bspline', { grid: [0, 2, 1, 3], spline_weight: [1, 2] }, 'knots must ascend', 'knot 2 is 1 after 2'],
  ['bspline', { grid: [0, 1, Number.NaN], spline_weight: [1] }, 'grid[2] must be a finite float32, got NaN'],
  ['bspline', { grid: [0, 1], spline_weight: [1, 2] }, 'got 2'],
  ['bspline', { grid: [0, 1, 2, 3, 4, 5, 6, 7, 8], spline_weight: [1] }, 'up to 5; got 9'],
  ['celu', { alpha: 0 }, 'CELU needs alpha > 0', 'got alpha = 0'],
  ['celu', { alpha: -1 }, 'got alpha = -1'],
  ['chebykan', { coeffs: [] }, 'coeffs must hold at least one number'],
  ['eelu', {}, 'EELU needs the option member'],
  ['eelu', { member: 5 }, 'member must be one of 1, 2, 3, 4, got 5'],
  ['eelu', { member: 1, scale: 2 }, 'an option of EELU'],
  ['fourier', { fundamental: 0, coefficients: [1], phases: [1, 2], grid: [1] }, 'the same length', 'got 1, 2, 1'],
  ['fourierseries', { cos: [1], sin: [] }, /the same length|at least one/],
  ['golu', { beta: 0 }, 'GoLU needs beta > 0', 'beta = 0'],
  ['golu', { gamma: 0 }, 'gamma = 0'],
  ['hermite', { coefficients: new Array(13).fill(1) }, '12 coefficients, got 13'],
  ['polynomial', { coefficients: new Array(13).fill(1) }, '12 coefficients, got 13'],
  ['polynomial', {}, 'Polynomial needs coefficients, got undefined'],
  ['polyrelu', { weight: [1, 2] }, 'weight must hold 3 numbers a function, got 2'],
  ['pwlu', { left: 1, right: 1 }, 'left < right', 'got 1, 1'],
  ['pwlu', { left: 2, right: 1 }, 'left < right'],
  ['pwlu', { values: [1] }, 'two values or more'],
  ['rational', { version: 'N', numerator: [1], denominator: [-1] }, 'a pole at x = 1:', 'no value'],
  ['rational', { version: 'N', numerator: [1], denominator: [0, -1] }, 'x = -1, x = 1:'],
  ['rational', { version: 'R', numerator: [1], denominator: [0, 0] }, 'denominator must not be 0 everywhere'],
  ['rational', { version: 'R', numerator: [1], denominator: [0, 1] }, 'a pole at x = 0'],
  ['rational', { version: 'A', numerator: new Array(10).fill(1), denominator: [1] }, 'degrees up to 8'],
  ['rational', { numerator: [1], denominator: [1] }, 'Rational needs the option version'],
  ['rational', { version: 'E', numerator: [1], denominator: [1] }, 'version must be one of "A"'],
  ['smu', {}, 'SMU needs the option alpha'],
  ['snake', { alpha: -0.5, eps: 0.5 }, 'alpha + eps must not be 0', 'got alpha = -0.5'],
  ['snakebeta', { logScale: false, alpha: 1, beta: 0, eps: 0 }, 'beta + eps must not be 0', 'got beta = 0'],
  ['snakebeta', {}, 'SnakeBeta needs the option logScale'],
  ['softplus', { beta: 0 }, 'Softplus needs beta ≠ 0', 'got beta = 0'],
  ['yevick', { neg: [1], pos: [] }, 'pos must hold at least one number'],
  ['yevick', { gamma: 1, neg: [1] }, 'an option of Yevick'],
  ['mish', { beta: 1 }, 'an option of Mish'],
];

test.each(MISTAKES)('%s %o', (name, options, ...words) => {
  refused(() => new (classOf(name))(options), ...words);
});

test('a step that makes no sense leaves the activation as it was', () => {
  const N = classOf('rational');
  const act = new N({ version: 'N', numerator: [0, 1], denominator: [0, 1] });
  const y = act.forward(Float32Array.of(1, 2));
  refused(() => act.update({ denominator: [-1, 0] }), 'a pole at x = 1');
  expect([...act.parameters.denominator]).toEqual([0, 1]);
  expect([...act.forward(Float32Array.of(1, 2))]).toEqual([...y]);
  const spline = new (classOf('pwlu'))({ left: -1, right: 1, values: [0, 0, 1] });
  refused(() => spline.update({ left: 2 }), 'left < right');
  expect(spline.parameters.left[0]).toBe(-1);
});

test('which of several functions is at fault is said', () => {
  refused(() => new (classOf('celu'))({ alpha: [1, 1, -1] }), 'function 2 of 3: CELU needs alpha > 0');
});

test('what a released class clamps is clamped, and said', () => {
  const Aglu = classOf('aglu');
  const x4 = Float32Array.of(-2, -0.5, 0.5, 2);
  const clamped = new Aglu({ lambda: [-1, 0.5], kappa: 1, clamp: 'max' });
  expect(clamped.notes.join()).toMatch(/1 of 2 functions \(0\): lambda is below 1e-4, and clamped/);
  const least = new Aglu({ lambda: 1e-4, kappa: 1, clamp: 'max' });
  expect(least.notes).toEqual([]);
  expect([...clamped.forward(x4, undefined, { shape: [1, 2, 2] }).subarray(0, 2)]).toEqual([
    ...least.forward(x4).subarray(0, 2),
  ]);
  // What is clamped has no gradient.
  expect(new Aglu({ lambda: -1, kappa: 1, clamp: 'max' }).backward(x4, x4).gradients.lambda[0]).toBe(0);
});

test('initial coefficients of rationals are known by name', () => {
  for (const [version, of] of [
    ['A', 'gelu'],
    ['B', 'leaky_relu'],
    ['D', 'gelu'],
    ['C', 'identity'],
    ['N', 'identity'],
    ['R', 'relu'],
  ] as const) {
    const act = new (classOf('rational'))({ version, ...rationalInitial(version, of) });
    expect(Number.isFinite(act.forward(Float32Array.of(1))[0])).toBe(true);
  }
  // As released: a fit on [-3, 3] alone.
  refused(
    () => new (classOf('rational'))({ version: 'N', ...rationalInitial('N', 'gelu') }),
    'x = -14.57',
    'x = -3.0015',
  );
  refused(() => rationalInitial('A', 'toString'), /one of A leaky_relu/, 'got "A toString"');
});

describe('a family of the user', () => {
  const family = {
    name: 'Line',
    parameters: () => ({ a: one(1) }),
    define: (_: object, { a }: Any) => whole(times(a, x)),
  };

  test('is refused with what is missing or unknown', () => {
    refused(() => defineFamily(undefined as Any), 'needs options, an object with name, parameters, define');
    for (const key of Object.keys(family)) {
      refused(() => defineFamily({ ...family, [key]: undefined } as Any), key);
      refused(() => defineFamily({ ...family, [key]: 7 } as Any), key);
    }
    refused(() => defineFamily({ ...family, formula: () => x } as Any), 'formula');
    refused(() => defineFamily({ ...family, constants: { c: 1 } } as Any), 'constant c', 'got 1');
    refused(() => defineFamily({ ...family, constants: { seed: { check: () => 1 } } } as Any), "got 'seed'");
  });

  test('is refused with what its functions give', () => {
    const of = (more: object) => new (defineFamily({ ...family, ...more } as Any) as Any)();
    refused(() => of({ parameters: () => ({ a: 1 }) }), 'the parameter a must be made by one or many, got 1');
    refused(() => of({ parameters: () => undefined }), 'parameters of Line must be a plain object');
    refused(() => of({ parameters: () => ({ layout: one(1) }) }), "got 'layout'");
    refused(() => of({ define: () => x }), 'define of Line must give what whole makes');
    refused(() => of({ define: () => undefined }), 'got undefined');
    refused(() => of({ define: () => ({ parts: [{ first: 0, last: 1, f: x }] }) }), 'must cover the line');
    refused(() => of({ define: () => whole('x' as Any) }), 'an operand must be an expression or a number, got "x"');
    refused(() => of({ define: () => whole(times(Number.NaN, x)) }), 'must be finite, got NaN');
    refused(() => of({ define: (_: object, { b }: Any) => whole(times(b, x)) }), 'got undefined');
    refused(() => of({ define: () => whole(polynomial(new Array(13).fill(1))) }), 'got 13');
    refused(() => of({ refine: () => ({ a: [1] }) }).refine(), 'refine of Line must give { parameters } by name');
    refused(() => of({ checkpoint: {} }), 'checkpoint must be { classes }, an array');
    refused(() => of({ notes: () => ({}) }).notes, 'notes of Line must be an array');
    // Numbers are words of a period too.
    const swings = { ...whole(sin(x)), periodic: { period: times(8, atan(1)), trend: 0, part: sin(x) } };
    expect(of({ define: () => swings }).forward(Float32Array.of(0.5))[0]).toBe(Math.fround(Math.sin(0.5)));
    refused(() => of({ define: () => ({ ...swings, periodic: { ...swings.periodic, trend: 'x' } }) }), 'got "x"');
    refused(() => many(-1), 'length');
    refused(() => many(2, [1]), 'initial must hold 2 numbers, got 1');
  });
});
