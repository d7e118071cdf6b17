/** State dicts that released classes wrote after training, against those classes in float64; and what an importer must refuse, ask and report. */
import {
  AGLU,
  APA,
  APL,
  BSpline,
  Chebyshev,
  Derf,
  DyT,
  ELU,
  Hermite,
  Polynomial,
  PReLU,
  Rational,
  Snake,
  SnakeBeta,
  Swish,
  XIELU,
} from 'ditac';
import { FAMILIES, identify } from 'ditac/families';
import type { StateDict } from 'ditac/safetensors';
import { describe, expect, test } from 'vitest';
import { type CheckpointCase, cases, gradientOf, skipped } from './checkpoints/cases.js';

interface Family {
  fromStateDict(tensors: StateDict, options?: object): Act;
}
interface Act {
  readonly notes: readonly string[];
  readonly channels: number;
  readonly parameters: Readonly<Record<string, Float32Array>>;
  readonly constants: object;
  forward(x: Float32Array, out?: undefined, options?: object): Float32Array;
  backward(
    x: Float32Array,
    gradY: Float32Array,
    options?: object,
  ): { gradX: Float32Array; gradients: Readonly<Record<string, Float32Array>> };
  stateDict(options?: object): StateDict;
}
const families = FAMILIES as unknown as Readonly<Record<string, Family>>;
const load = ({ family, tensors, told }: CheckpointCase) =>
  families[family]!.fromStateDict(tensors, { prefix: 'act.', ...told });

/** The largest difference as a share of the largest of what is expected, without what `skip` says. */
function off(got: Float32Array, expected: Float64Array, skip: (i: number) => boolean = () => false, least = 0): number {
  expect(got.length).toBe(expected.length);
  let [difference, largest] = [0, least];
  expected.forEach((each, i) => {
    if (skip(i)) return;
    difference = Math.max(difference, Math.abs(got[i]! - each));
    largest = Math.max(largest, Math.abs(each));
  });
  return difference === 0 ? 0 : difference / largest;
}

/** Of the largest: what is promised for gradients. Outputs are within it by far: they are float32's nearest but for a unit or two. */
const TOLERANCE = 1e-5;

describe('what released classes saved', () => {
  for (const each of cases.filter(({ fault }) => fault !== 'pole')) {
    test(`${each.name} computes and differentiates as its class does in float64`, () => {
      const act = load(each);
      const { x, gradY, shape, fault } = each;
      expect(off(act.forward(x, undefined, { shape }), each.y)).toBeLessThan(TOLERANCE);
      const { gradX, gradients } = act.backward(x, gradY, { shape });
      // Where x is 0 torchortho's powers have the slope 0; its own derivative is another.
      const atZero = fault === 'x = 0' ? (i: number) => x[i] === 0 : undefined;
      expect(off(gradX, each.gradX, atZero)).toBeLessThan(TOLERANCE);
      if (fault === 'x = 0') {
        const at = x.indexOf(0);
        expect(each.gradX[at]).toBe(0);
        expect(Math.abs(gradX[at]!)).toBeGreaterThan(1e-3);
      }
      for (const [name, gradient] of Object.entries(gradients)) {
        const theirs = gradientOf(each, name);
        if (theirs && fault !== name)
          expect(off(gradient, theirs.of, undefined, theirs.largest), name).toBeLessThan(TOLERANCE);
      }
    });

    test(`${each.name} gives the same state dict back, and is read from it without being told`, () => {
      const act = load(each);
      const written = act.stateDict({ prefix: 'act.' });
      if (each.told.edge === undefined)
        for (const [name, { shape, data }] of Object.entries(each.tensors)) {
          // Buffers that say nothing more than the parameters do.
          if (/\.(normalization_term|grid|coeffs)$/.test(name) && !(name in written)) continue;
          expect(written[name]!.shape, name).toEqual(shape);
          // The class sets it to 0 whenever it evaluates; it is noted.
          const stored = [...data].map((value, i) => (/\.coeffs$/.test(name) && i === 1 ? 0 : value));
          expect([...written[name]!.data], name).toEqual(stored);
        }
      const again = families[each.family]!.fromStateDict(written, { prefix: 'act.' });
      expect(again.parameters).toEqual(act.parameters);
      expect(again.constants).toEqual(act.constants);
      expect(again.channels).toBe(act.channels);
      expect([...again.forward(each.x, undefined, { shape: each.shape })]).toEqual([
        ...act.forward(each.x, undefined, { shape: each.shape }),
      ]);
    });
  }

  for (const each of cases.filter(({ tensors }) => Object.keys(tensors).length > 0))
    test(`${each.name} is identified, with what must be told`, () => {
      const [found, ...others] = identify(each.tensors);
      expect(others).toEqual([]);
      expect(found!.prefix).toBe('act.');
      const candidate = found!.candidates.find(({ family }) => family === each.family)!;
      expect([...candidate.tell].sort()).toEqual(Object.keys(each.told).sort());
    });

  // What is kept leaves out no class; what was written just now may, where a class cannot be had.
  test.skipIf(process.env.CHECKPOINTS)('no class is missing from what is kept', () => {
    expect(skipped).toEqual([]);
  });
  for (const { name, reason } of skipped) test(name, ({ skip }) => skip(reason));
});

describe('released faults', () => {
  test.runIf(cases.some(({ name }) => name === 'aglu_unirect'))(
    'the gradient of lambda that UniRect_static ships lacks a term; ours has it',
    () => {
      const each = cases.find(({ name }) => name === 'aglu_unirect')!;
      const { x, gradY, shape } = each;
      const { lambda, kappa } = load(each).parameters;
      const { gradients } = load(each).backward(x, gradY, { shape });
      const shipped = new Float64Array(3);
      const right = new Float64Array(3);
      x.forEach((value, i) => {
        const channel = Math.floor(i / (x.length / 6)) % 3;
        const [l, k] = [lambda![channel]!, kappa![channel]!];
        const u = Math.exp(-k * value);
        const p = Math.exp(-Math.log1p(l * u) / l);
        shipped[channel]! += (gradY[i]! * (-value / l) * p) / (l + Math.exp(k * value));
        right[channel]! += gradY[i]! * value * p * (Math.log1p(l * u) / l ** 2 - u / (l * (1 + l * u)));
      });
      expect(off(Float32Array.from(shipped), each.gradients.lambda_param!)).toBeLessThan(TOLERANCE);
      expect(off(gradients.lambda!, right)).toBeLessThan(TOLERANCE);
    },
  );

  for (const each of cases.filter(({ fault }) => fault === 'pole'))
    test(`${each.name} is refused: it has poles`, () => {
      expect(() => load(each)).toThrow(/pole at x = /);
    });
});

const tensor = (shape: number[], ...data: number[]) => ({ shape, data: Float32Array.from(data) });

describe('shapes', () => {
  test.each([
    { shape: [3], layout: 'channelsFirst' },
    { shape: [1, 3, 1], layout: 'channelsFirst' },
    { shape: [1, 3, 1, 1], layout: 'channelsFirst' },
    { shape: [1, 1, 3], layout: 'channelsLast' },
    { shape: [3, 1], layout: 'channelsFirst' },
    { shape: [1, 3], layout: 'channelsLast' },
  ])('$shape is one a channel', ({ shape, layout }) => {
    const act = PReLU.fromStateDict({ weight: tensor(shape, 0.1, 0.2, 0.3) });
    expect([act.channels, act.layout]).toEqual([3, layout]);
    expect(act.stateDict()).toEqual({ weight: tensor(shape, 0.1, 0.2, 0.3) });
  });

  test('a layout that neither shapes nor the class say is written, and read', () => {
    for (const layout of ['channelsFirst', 'channelsLast'] as const)
      for (const act of [
        Snake.fromStateDict({ a: tensor([3], 1, 2, 3) }, { layout }),
        Snake.fromStateDict({ a: tensor([1, 1, 3], 1, 2, 3) }, { layout }),
        PReLU.fromStateDict({ weight: tensor([3], 1, 2, 3) }, { layout }),
        DyT.fromStateDict({ alpha: tensor([1], 1), weight: tensor([2], 1, 2), bias: tensor([2], 0, 0) }, { layout }),
        Rational.fromStateDict(
          {
            weight_numerator: tensor([1, 6], 0, 1, 2, 0, 0, 0),
            weight_denominator: tensor([2, 4], 1, 0, 0, 0, 2, 0, 0, 0),
          },
          { channels: 4, layout },
        ),
      ]) {
        const again = (act.constructor as typeof PReLU).fromStateDict(act.stateDict());
        expect([again.channels, again.layout]).toEqual([act.channels, layout]);
      }
  });

  test('tensors that have their channels in different places are refused', () => {
    const tensors = { alpha: tensor([1, 3, 1], 1, 2, 3), beta: tensor([1, 1, 3], 1, 2, 3) };
    expect(() => SnakeBeta.fromStateDict(tensors, { logScale: true, eps: 1e-9 })).toThrow(
      /'beta' of shape \[1, 1, 3\] has/,
    );
  });

  test('rationals of Keras have their channels where shapes are wide', () => {
    const names = ['alpha_0', 'alpha_1', 'alpha_2', 'alpha_3', 'beta_0', 'beta_1', 'beta_2'];
    const of = (shape: number[], odd = shape) =>
      Object.fromEntries(
        names.map((name, k) => {
          const own = k === 1 ? odd : shape;
          return [name, tensor(own, ...new Array(own.reduce((p, n) => p * n, 1)).fill(name === 'beta_0' ? 1 : 0.1))];
        }),
      );
    expect(Rational.fromStateDict(of([1, 1, 3])).layout).toBe('channelsLast');
    expect(Rational.fromStateDict(of([3])).layout).toBe('channelsLast');
    expect(Rational.fromStateDict(of([3, 1, 1])).layout).toBe('channelsFirst');
    expect(Rational.fromStateDict(of([1])).channels).toBe(1);
    expect(() => Rational.fromStateDict(of([1, 3, 1]))).toThrow(/channels first or last/);
    expect(() => Rational.fromStateDict(of([1], [3]))).toThrow(/alpha_1 and alpha_0 must have one shape/);
  });

  test('what is stored of a class is one of its classes', () => {
    for (const data of [[99], [0.5], []])
      expect(() =>
        PReLU.fromStateDict({ weight: tensor([1], 1), 'ditac.class': tensor([data.length], ...data) }),
      ).toThrow(/'ditac.class' must be an integer/);
  });

  test('functions of nothing cost what their file is worth', () => {
    for (const [Family, name] of [
      [Polynomial, 'coefficients'],
      [APL, 'a'],
    ] as const)
      expect(() =>
        Family.fromStateDict({ [name]: tensor([60_000_000, 0]), b: tensor([60_000_000, 0]) } as never),
      ).toThrow(/must have shape|at least/);
  });

  test.each([[[]], [[1]], [[1, 1, 1, 1]]])('%j is shared', (shape) => {
    const act = PReLU.fromStateDict({ weight: tensor(shape, 0.25) }, { channels: 8 });
    expect([act.channels, act.parameters.weight.length]).toEqual([8, 1]);
    const again = PReLU.fromStateDict(act.stateDict());
    expect([again.channels, again.stateDict().weight!.shape]).toEqual([8, shape]);
  });

  test('others are refused, with those that are taken', () => {
    const refused = (shape: number[], n: number) => () =>
      PReLU.fromStateDict({ weight: tensor(shape, ...new Array(n).fill(0.1)) });
    expect(refused([2, 3], 6)).toThrow(/'weight' must have shape \[\], \[1\], \[C\].*got \[2, 3\]/);
    expect(refused([3], 2)).toThrow(/got \[3\] with 2 numbers/);
    expect(refused([0], 0)).toThrow(RangeError);
    expect(refused([3, 1, 1], 3)).toThrow(RangeError);
  });
});

describe('what a state dict does not say is asked for', () => {
  const aglu = { lambda_param: tensor([1], 0.5), kappa_param: tensor([1], 1) };

  test('the clamp of AGLU, or its class', () => {
    expect(() => AGLU.fromStateDict(aglu)).toThrow(TypeError);
    expect(() => AGLU.fromStateDict(aglu)).toThrow(/clamp: "max" \| "add".*'unirect' \| 'unirect-se-resnet'/);
    expect(AGLU.fromStateDict(aglu, { clamp: 'max' }).constants.clamp).toBe('max');
    expect(AGLU.fromStateDict(aglu, { class: 'unirect' }).constants.clamp).toBe('add');
    expect(() => AGLU.fromStateDict(aglu, { class: 'unirect', clamp: 'max' })).toThrow(
      /'unirect', which has clamp = "add"/,
    );
    expect(() => AGLU.fromStateDict(aglu, { class: 'relu' })).toThrow(/class must be one of 'unirect'/);
  });

  test('APA and AGLU share names: the class that is called decides, and ultralytics’ is reported', () => {
    const theirs = { lambd: tensor([1], 0.5), kappa: tensor([1], 1) };
    expect(
      identify(theirs)[0]!
        .candidates.map(({ family }) => family)
        .sort(),
    ).toEqual(['aglu', 'apa']);
    expect(APA.fromStateDict(theirs).notes).toEqual([]);
    expect(AGLU.fromStateDict(theirs, { clamp: 'max' }).notes.join()).toMatch(/evaluates the gate APA/);
  });

  test.each([
    ['logScale', () => Snake.fromStateDict({ alpha: tensor([1], 0.5) })],
    ['logScale', () => SnakeBeta.fromStateDict({ alpha: tensor([1, 1, 1], 0.5), beta: tensor([1, 1, 1], 0.5) })],
    ['eps', () => XIELU.fromStateDict({ alpha_p: tensor([1], 0.5), alpha_n: tensor([1], 0.5) })],
    ['version', () => Rational.fromStateDict({ numerator: tensor([2], 1, 1), denominator: tensor([1], 1) })],
    ['edge', () => Chebyshev.fromStateDict({ cheby_coeffs: tensor([2, 1, 2], 1, 2, 3, 4) })],
    [
      'channels',
      () =>
        Rational.fromStateDict({
          weight_numerator: tensor([1, 2], 1, 1),
          weight_denominator: tensor([2, 1], 1, 2),
        }),
    ],
  ])('%s', (name, read) => {
    expect(read).toThrow(TypeError);
    expect(read).toThrow(name);
  });

  test('a layer of one edge needs none, and an edge that is not there is refused', () => {
    const one = Chebyshev.fromStateDict({ cheby_coeffs: tensor([1, 1, 2], 1, 2) });
    expect([...one.parameters.coeffs]).toEqual([1, 2]);
    const two = { cheby_coeffs: tensor([2, 1, 2], 1, 2, 3, 4) };
    expect([...Chebyshev.fromStateDict(two, { edge: [0, 1] }).parameters.coeffs]).toEqual([3, 4]);
    expect(() => Chebyshev.fromStateDict(two, { edge: [1, 0] })).toThrow(/edge\[0\]/);
    expect(() => PReLU.fromStateDict({ weight: tensor([1], 1) }, { edge: [0, 0] })).toThrow(/no layer of edges/);
  });

  test('a parameter that is no tensor can be told', () => {
    expect(Swish.fromStateDict({}, { beta: 1 }).parameters.beta[0]).toBe(1);
    expect(() => ELU.fromStateDict({})).toThrow(/no tensor 'alpha', which ELU needs; it has none/);
  });

  test('a missing tensor is named, and where the family could lie', () => {
    expect(() => Snake.fromStateDict({ 'a.alpha': tensor([1], 1) }, { logScale: false })).toThrow(
      /'alpha'.*prefix 'a\.'/,
    );
    expect(() => Snake.fromStateDict({ other: tensor([1], 1) }, { logScale: false })).toThrow(/it has 'other'/);
    expect(() => Snake.fromStateDict({ alpha: tensor([1], 1) }, { logscale: true } as object)).toThrow(
      /got "logscale"/,
    );
  });
});

describe('what is taken for granted is reported', () => {
  test('a clamp, with the functions that it is about', () => {
    const act = APA.fromStateDict({
      lambda_param: tensor([1, 3, 1, 1], 0.5, -1, 0),
      kappa_param: tensor([1, 3, 1, 1], 1, 1, 1),
    });
    expect(act.notes).toEqual([expect.stringMatching(/^2 of 3 functions \(1, 2\): lambda is below 1e-4/)]);
    // Clamped when evaluated, not when read.
    expect([...act.parameters.lambda]).toEqual([0.5, -1, 0]);
  });

  test('the coefficient that RationalNets sets to 0', () => {
    const coeffs = tensor([4, 2], 1.1915, 0.5, 1.5957, 2.383, 0.5, 0, 0.0218, 1);
    const act = Rational.fromStateDict({ coeffs });
    expect(act.notes.join()).toMatch(/coeffs\[0, 1\] is set to 0/);
    expect(act.constants.version).toBe('R');
    expect([...act.stateDict().coeffs!.data]).toEqual([...coeffs.data].map((each, i) => (i === 1 ? 0 : each)));
  });

  test('channels of CosyVoice whose newer code evaluates another function', () => {
    const act = Snake.fromStateDict({ alpha: tensor([2], 1, 1e-5) }, { logScale: false });
    expect(act.notes.join()).toMatch(/1 of 2 functions \(1\): .*CosyVoice/);
  });

  test('tensors of the same module that a family has not', () => {
    const module = { 'act.alpha': tensor([2], 1, 2), 'act.beta': tensor([2], 1, 2) };
    const act = Snake.fromStateDict(module, { prefix: 'act.', logScale: false, eps: 1e-9 });
    expect(act.notes).toEqual(['the state dict has beta beside it, which Snake has not']);
  });
});

test('where the channels of DyT and Derf lie is asked', () => {
  const channels = { alpha: tensor([1], 1), weight: tensor([2], 1, 2), bias: tensor([2], 0, 0) };
  expect(() => DyT.fromStateDict(channels)).toThrow(/needs layout: .* first or last.*pass \{ layout \}/);
  expect(() => Derf.fromStateDict({ ...channels, shift: tensor([1], 0) })).toThrow(/needs layout/);
  expect(identify({ ...channels, shift: tensor([1], 0) })[0]!.candidates[0]!.tell).toEqual(['layout']);
  const one = { alpha: tensor([1], 1), weight: tensor([1], 1), bias: tensor([1], 0) };
  expect(DyT.fromStateDict(one).channels).toBe(1);
});

describe('values that make no sense', () => {
  test('a spline without a cell that has all bases cannot be continued', () => {
    const options = { grid: [0, 1, 2, 3, 4], spline_weight: [1, 2] };
    expect(() => new BSpline({ ...options, outside: 'continued' })).toThrow(/degree 2 .* from 6 knots on/);
    expect(new BSpline(options).forward(Float32Array.of(-1))[0]).toBeLessThan(0);
  });

  test('are refused, with the function that has them', () => {
    const knots = {
      base_weight: tensor([1, 1], 1),
      spline_weight: tensor([1, 1, 2], 1, 1),
      grid: tensor([1, 4], 0, 1, 1, 2),
    };
    expect(() => BSpline.fromStateDict(knots)).toThrow(/knots must ascend/);
    expect(() => PReLU.fromStateDict({ weight: tensor([2], 1, Number.NaN) })).toThrow(/weight.*finite/);
    expect(() =>
      Rational.fromStateDict({ numerator: tensor([2, 1], 1, 1), denominator: tensor([2, 1], 0, 1) }, { version: 'N' }),
    ).toThrow(/pole at x = -(1|0\.9999)/);
  });
});

describe('choices and flags', () => {
  test('are stored as an index, and read again', () => {
    const act = new Rational({ version: 'C', numerator: [0, 1], denominator: [1, 0] });
    expect([...act.stateDict()['ditac.version']!.data]).toEqual([2]);
    expect(Rational.fromStateDict(act.stateDict()).constants.version).toBe('C');
    const clamped = new Hermite({ clamp: true, coefficients: [0.5, 0.5, 0.5], lim_val: 1.5 });
    expect(clamped.stateDict()['clamp.lim_val']!.shape).toEqual([]);
    expect(Hermite.fromStateDict(clamped.stateDict()).constants.clamp).toBe(true);
  });

  test('one that is none is refused', () => {
    const dict = new Rational({ version: 'C', numerator: [0, 1], denominator: [1, 0] }).stateDict();
    dict['ditac.version'] = { shape: [1], data: Float64Array.of(9) };
    expect(() => Rational.fromStateDict(dict)).toThrow(/'ditac\.version'/);
  });
});

/** Every family, with options that say all of it. */
const EVERY: Readonly<Record<Exclude<keyof typeof FAMILIES, 'ditac'>, readonly object[]>> = {
  aconc: [{ p1: [1, 0.5], p2: [0.1, -0.2], beta: [1, 2] }],
  aglu: [
    { clamp: 'max', lambda: 0.3, kappa: 1 },
    { clamp: 'add', lambda: [0.3, -1], kappa: [1, 0.5] },
  ],
  apa: [
    { lambda: 0.3, kappa: 1 },
    { clamp: 'add', lambda: [0.3, 0.5], kappa: [1, 0.5] },
  ],
  apl: [{ a: [0.2, -0.1], b: [0.5, 1] }],
  bspline: [
    {
      grid: [-2, -1, 0, 1, 2],
      base_weight: [0.5, 1],
      spline_scaler: 1,
      spline_weight: [
        [1, 2],
        [0, 1],
      ],
    },
    { grid: [-2, -1, 0, 1, 2], outside: 'continued', spline_weight: [1, -1, 2] },
  ],
  celu: [{ alpha: 0.6 }],
  chebykan: [
    {
      coeffs: [
        [1, 0.5, 0.2],
        [0, 1, 0.1],
      ],
    },
  ],
  derf: [{ alpha: 0.5, shift: 0.1, weight: [1, 2], bias: [0, 0.5] }],
  dyt: [{ alpha: 0.5, weight: [1, 2], bias: [0, 0.5], layout: 'channelsLast' }],
  eelu: [{ member: 2 }, { member: 3, scaled: true, scale: [0.9, 1.1] }],
  elu: [{ alpha: 1.5 }],
  erfrelu: [{ alpha: 0.5 }],
  fourier: [{ fundamental: 0.6, coefficients: [0.5, 0.2], phases: [0.7, 0.8], grid: [1, 2] }],
  fourierseries: [{ bias: 0.1, cos: [0.5, 0.2], sin: [0.7, 0.8] }],
  golu: [{ alpha: 1, beta: 1.1, gamma: 0.9 }],
  hermite: [{ coefficients: [0.5, 0.6, 0.1] }, { clamp: true, coefficients: [0.5, 0.6, 0.1], lim_val: 1.5 }],
  mish: [{}],
  polynomial: [
    {
      coefficients: [
        [0.5, 0.6, 0.1],
        [0, 1, 0.5],
      ],
    },
  ],
  polyrelu: [{ weight: [0.1, 0.2, 0.3], bias: 0.5 }],
  prelu: [{ weight: [0.1, 0.2], channels: 8 }],
  pwlu: [{ left: -2, right: 2, values: [0, 0.1, 2], slopes: [0, 1] }],
  rational: [
    {
      version: 'A',
      numerator: [0, 1, 0.5],
      denominator: [
        [0.5, 1],
        [1, 0.2],
      ],
      channels: 4,
    },
    { version: 'R', numerator: [0, 1], denominator: [1, 0, 1] },
  ],
  selu: [{}],
  siren: [{ omega: 30 }],
  smu: [{ alpha: 0.25, mu: 2 }],
  snake: [
    { logScale: true, alpha: [0, 0.5] },
    { eps: 0, alpha: 0.5 },
  ],
  snakebeta: [{ logScale: false, alpha: [1, 0.5], beta: [1, 2] }],
  softplus: [{ beta: 2 }],
  starrelu: [{ scale: 0.9, bias: -0.4 }],
  swish: [{ beta: [1, 1.702] }],
  telu: [{}],
  xielu: [{ alpha_p: 0.2, alpha_n: -1, eps: 0 }],
  yevick: [
    { gamma: 0.5, alpha: 1, beta: 0.1 },
    { neg: [0, 0.1], pos: [0, 1, 0.2] },
  ],
};

describe('every family', () => {
  const all = Object.entries(EVERY).flatMap(([name, each]) => each.map((options) => ({ name, options })));
  test.each(all)('$name $options is what its state dict says', ({ name, options }) => {
    const Family = families[name] as unknown as (new (options: object) => Act) & Family;
    const act = new Family(options);
    const dict = act.stateDict({ prefix: 'net.0.' });
    const again = Family.fromStateDict(dict, { prefix: 'net.0.' }) as Act & { layout: string };
    expect(again.constants).toEqual(act.constants);
    expect(again.parameters).toEqual(act.parameters);
    expect([again.channels, again.layout]).toEqual([act.channels, (act as Act & { layout: string }).layout]);
    expect(again.stateDict({ prefix: 'net.0.' })).toEqual(dict);
  });

  test('is in the list above', () => {
    expect(Object.keys(EVERY).sort()).toEqual(
      Object.keys(FAMILIES)
        .filter((name) => name !== 'ditac')
        .sort(),
    );
  });
});

describe('identify', () => {
  test('finds activations among the layers of a network', () => {
    const weight = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
    const found = identify({
      'conv.weight': weight(8, 3, 3, 3),
      'conv.bias': weight(8),
      'norm.weight': weight(8),
      'norm.bias': weight(8),
      'norm.running_mean': weight(8),
      'act1.weight': weight(8),
      'blocks.0.act.alpha': weight(1, 8, 1),
      'blocks.0.act.beta': weight(1, 8, 1),
      'head.act.lambda_param': weight(1, 8, 1, 1),
      'head.act.kappa_param': weight(1, 8, 1, 1),
      'ditac.thetas': weight(1, 9),
      'ditac.precision_mat': weight(9, 9),
    });
    expect(found.map(({ prefix, candidates }) => [prefix, candidates[0]!.family])).toEqual([
      ['act1.', 'prelu'],
      ['blocks.0.act.', 'snakebeta'],
      ['ditac.', 'ditac'],
      ['head.act.', 'aglu'],
    ]);
    expect(found[0]!.candidates[0]!.alike).toMatch(/norm/);
    expect(found[1]!.candidates[0]).toEqual({
      family: 'snakebeta',
      classes: ['bigvgan', 'oobleck'],
      tell: ['logScale'],
      functions: 8,
    });
    expect(found[2]!.candidates[0]!.tell).toEqual(['a', 'b', 'variant']);
    expect(found[3]!.candidates.map(({ family, tell }) => [family, tell])).toEqual([
      ['aglu', ['clamp']],
      ['apa', []],
    ]);
  });

  test('what stateDict wrote needs no telling', () => {
    const act = new Snake({ logScale: true, alpha: [0, 1] });
    const [found] = identify(act.stateDict({ prefix: 'a.' }));
    expect(found!.candidates.find(({ family }) => family === 'snake')!.tell).toEqual([]);
  });

  test('refuses what is no state dict, as fromStateDict does', () => {
    for (const wrong of [null, 1, 'x', [], () => 1, Symbol('x')])
      expect(() => PReLU.fromStateDict(wrong as never)).toThrow(/tensors must be an object/);
    for (const wrong of [1, null, {}, { shape: [1], data: [1] }, { shape: 1, data: Float32Array.of(1) }]) {
      expect(() => PReLU.fromStateDict({ weight: wrong } as never)).toThrow(/'weight' must be a tensor/);
      expect(() => identify({ weight: wrong } as never)).toThrow(/'weight' must be a tensor/);
    }
    for (const wrong of [null, 1, [], new Map()])
      expect(() => PReLU.fromStateDict({ weight: tensor([1], 1) }, wrong as never)).toThrow(
        /options must be an object/,
      );
    for (const wrong of [null, 1, 'x', []]) expect(() => identify(wrong as never)).toThrow(TypeError);
    expect(identify({})).toEqual([]);
  });
});

describe('Fourier activations whose frequencies training has moved', () => {
  const act = new FAMILIES.fourier({
    fundamental: 0.5,
    coefficients: [0.6, -0.3],
    phases: [0.7, 0.8],
    grid: [1.013, 2.27],
  });
  const truth = act.reference();

  test('are tabulated about 0, and the certificate says how far, and what is known beyond', () => {
    const { domain, beyond, keepsPromise } = act.plan.certificate;
    expect(domain).toBeGreaterThan(100);
    expect(keepsPromise).toBe(true);
    for (const x of [0, 1.5, -7, 99.5, -Math.fround(domain)]) {
      const [y] = act.forward(Float32Array.of(x));
      // Two units of a number below 1.
      expect(Math.abs(y! - truth(Math.fround(x)))).toBeLessThan(2 ** -23);
    }
    // |0.6| + |-0.3|/2!
    expect(beyond).toBeGreaterThan(0.75);
    expect(beyond).toBeLessThan(0.7501);
    for (const x of [1e4, -3e38, 512]) expect(act.forward(Float32Array.of(x))[0]).toBe(0.5);
  });

  test('have no gradient where nothing is known', () => {
    const { gradX, gradients } = act.backward(Float32Array.of(1e6), Float32Array.of(1));
    expect([gradX[0], gradients.coefficients![0]]).toEqual([0, 0]);
  });
});
