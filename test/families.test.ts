/**
 * Every family against golden truth (test/golden/families; its README says what is in the files): forward, certificate, gradients, and the same
 * bits from every backend of the host.
 */
import { type DiTAC, type FamilyActivation, type GradientBound, gradientCertificate, loadBackend } from 'ditac';
import { FAMILIES } from 'ditac/families';
import { compareBits, exactDerivative, randomBits, specialValues, ulpError } from 'ditac/oracle';
import { describe, expect, test } from 'vitest';
import { rationalInitial } from '../src/families/rational.js';
import type { Plan } from '../src/plan/plan.js';
import { golden, goldenCases } from './golden.js';

type Numbers = number | Numbers[];
interface Gradients {
  readonly gradX: Float32Array;
  readonly gradients: Readonly<Record<string, Float32Array>>;
}
interface Activation {
  readonly plan: Plan;
  forward(x: Float32Array): Float32Array;
  backward(x: Float32Array, gradY: Float32Array, options?: object): Gradients;
  gradientSum(): object;
  on(backend: unknown): Activation;
}

const js = await loadBackend('js');
const wasm = await loadBackend('wasm');
const threads = (await loadBackend('threads', { size: 2, threshold: 0 })).sync;
const bits = [...randomBits(4000, 5).blocks()].flatMap((block) => [...block]);

const float64 = (base64: string) => new Float64Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);

// biome-ignore lint/suspicious/noExplicitAny: the shape of each file is in golden/README.md
const numbersOf = (stored: any): Numbers => (Array.isArray(stored) ? stored.map(numbersOf) : (stored.value ?? stored));

/** The families whose argument of sine has a phase, which 2¹⁶ periods out is no longer known. */
const PERIODIC = ['snake', 'snakebeta', 'siren', 'fourier', 'fourierseries'];
/** Cases with a pole on the line: refused, with its place. */
const POLES: Readonly<Record<string, RegExp>> = {
  rational_N_init_gelu: /pole at x = -14\.57\d+, x = -3\.001\d+/,
  rational_R_pole: /pole at x = /,
};
/** From here on the nearest float32 is infinite: 2¹²⁸·(1 - 2⁻²⁵). */
const OVERFLOW = 3.4028235677973366e38;
const LEAST_NORMAL = 2 ** -126;

function read(name: string) {
  const file = JSON.parse(golden(`families/${name}.json`).toString());
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(file.consts)) {
    if (key === 'logscale') options.logScale = Boolean(value);
    else options[key] = numbersOf(value);
  }
  for (const [key, value] of Object.entries(file.params)) options[key] = numbersOf(value);
  const [, second] = name.split('_');
  // KAT's groups are version A.
  if (file.family === 'rational') options.version = second === 'KAT' ? 'A' : second;
  if (file.family === 'eelu') options.member = Number(second);
  const { grid, hard, truth } = file;
  const x = new Float32Array(grid.count + hard.count);
  for (let i = 0; i < grid.count; i++) x[i] = grid.from + grid.step * i;
  new Uint32Array(x.buffer).set(
    hard.x_bits.map((bits: string) => Number.parseInt(bits, 16)),
    grid.count,
  );
  /** For derivatives in parameters: every so many-th of the grid, and all hard inputs. */
  const sampled = [...x.keys()].filter((i) => i >= grid.count || i % truth.dparam_grid_stride === 0);
  return { family: file.family as keyof typeof FAMILIES, options, x, y: float64(truth.y), file, sampled };
}

const make = (family: keyof typeof FAMILIES, options: object): Activation =>
  new (FAMILIES[family] as unknown as new (options: object) => Activation)(options);

/** Subnormal inputs count as zero. */
const counts = (x: number) => x === 0 || Math.abs(x) >= LEAST_NORMAL;

const cases = goldenCases('families').filter((name) => !(name in POLES));

test('as many cases as there are families and more', () => {
  expect(cases.length + Object.keys(POLES).length).toBe(65);
});

test.each(Object.entries(POLES))('%s is refused: %s', (name, sentence) => {
  const { family, options } = read(name);
  expect(() => make(family, options)).toThrow(RangeError);
  expect(() => make(family, options)).toThrow(sentence);
});

describe.each(cases)('%s', (name) => {
  const { family, options, x, y, file, sampled } = read(name);
  const act = make(family, options);
  const { certificate } = act.plan;

  test('forward: within promise 1 and its own certificate of the truth', () => {
    const computed = act.forward(x);
    const wrong: string[] = [];
    const worst = { ulp: 0, ulpSmall: 0, absolute: 0, beyond: 0 };
    x.forEach((at, i) => {
      if (!counts(at)) return;
      const [is, truth] = [computed[i]!, y[i]!];
      const size = Math.abs(truth);
      if (Number.isNaN(truth) || Number.isNaN(is)) {
        if (!(Number.isNaN(truth) && Number.isNaN(is))) wrong.push(`f(${at}) = ${is}, not ${truth}`);
      } else if (size >= OVERFLOW || !Number.isFinite(is)) {
        if (is !== Math.sign(truth) * Number.POSITIVE_INFINITY || size < OVERFLOW)
          wrong.push(`f(${at}) = ${is}, not ${truth}`);
      } else if (Math.abs(at) > certificate.domain) {
        // The phase is not known there; besides it, y is rounded.
        worst.beyond = Math.max(worst.beyond, Math.abs(is - truth) - size * 2 ** -23);
      } else if (size >= 2 ** -8) worst.ulp = Math.max(worst.ulp, ulpError(is, truth));
      else if (size >= 2 ** -24) worst.ulpSmall = Math.max(worst.ulpSmall, ulpError(is, truth));
      else worst.absolute = Math.max(worst.absolute, Math.abs(is - truth));
    });
    expect(wrong).toEqual([]);
    for (const key of ['ulp', 'ulpSmall', 'absolute', 'beyond'] as const)
      expect(worst[key], key).toBeLessThanOrEqual(certificate[key]);
    expect(worst.ulp).toBeLessThanOrEqual(1);
    expect(worst.ulpSmall).toBeLessThanOrEqual(2);
    expect(worst.absolute).toBeLessThanOrEqual(2 ** -47);
  });

  test('the certificate holds everywhere, or for 2¹⁶ periods', () => {
    if (!PERIODIC.includes(family)) expect(certificate.domain).toBe(Number.POSITIVE_INFINITY);
    else expect(certificate.domain).toBeGreaterThan(16);
  });

  test('js, wasm and threads: the same bits', () => {
    const inputs = Float32Array.of(...x, ...specialValues(), ...bits);
    const expected = act.on(js).forward(inputs);
    for (const backend of [wasm, threads]) {
      const { differing, first } = compareBits(expected, act.on(backend).forward(inputs), inputs);
      expect({ differing, first }).toEqual({ differing: 0, first: undefined });
    }
  });

  const names = Object.keys(file.params) as string[];
  /** Truth of a parameter's gradient for each sampled input, [length][sampled]. */
  const truths = names.map((key) => {
    const flat = (file.param_names as string[]).filter((each) => each === key || each.startsWith(`${key}[`));
    return flat.map((each) => float64(file.truth.dy_dparam[each]));
  });
  const bounds = gradientCertificate(act as unknown as DiTAC);
  /** Where gradients are judged: finite inputs that count. Beyond the domain they are those of the trend alone. */
  const isJudged = (at: number) => Number.isFinite(at) && counts(at) && Math.abs(at) <= bounds.domain;
  /** The largest |truth| on inputs no farther out, for each of them. */
  const reachesOf = (at: ArrayLike<number>, truth: ArrayLike<number>) => {
    const reaches = new Float64Array(at.length);
    let most = 0;
    for (const i of [...reaches.keys()].sort((i, j) => Math.abs(at[i]!) - Math.abs(at[j]!))) {
      if (Math.abs(truth[i]!) < OVERFLOW) most = Math.max(most, Math.abs(truth[i]!));
      reaches[i] = most;
    }
    return reaches;
  };
  /** What float32 holds as subnormal numbers, or not at all, comes on top. */
  const allowed = ({ share, of }: GradientBound, reach: number) => share * Math.max(of, reach) + LEAST_NORMAL;

  /** The largest |f′| just inside x, between float32 too. */
  const peakAt = (at: number) => {
    const f = (act as unknown as FamilyActivation).reference();
    const near = Array.from({ length: 256 }, (_, j) => at * (1 - j * 2 ** -31));
    return Math.max(
      ...near.map((t) => Math.abs(f(t + 2 ** -40 * at) - f(t - 2 ** -40 * at)) / (2 ** -39 * Math.abs(at))),
    );
  };

  test('gradients: within 10⁻⁵ of the largest component, and their own certificate of the truth', () => {
    const slopes = float64(file.truth.dy_dx);
    const { gradX } = act.backward(x, new Float32Array(x.length).fill(1));
    const excesses: string[] = [];
    const reaches = reachesOf(x, slopes);
    let largest = 0;
    slopes.forEach((slope, i) => {
      if (isJudged(x[i]!) && Math.abs(slope) < OVERFLOW) largest = Math.max(largest, Math.abs(slope));
    });
    let worst = 0;
    slopes.forEach((slope, i) => {
      if (!isJudged(x[i]!) || !(Math.abs(slope) < OVERFLOW)) return;
      const off = Math.abs(gradX[i]! - slope);
      worst = Math.max(worst, off);
      if (!(off <= allowed(bounds.slope, reaches[i]!) || off <= allowed(bounds.slope, peakAt(x[i]!))))
        excesses.push(`f′(${x[i]}) = ${gradX[i]}, not ${slope}`);
    });
    expect(worst).toBeLessThanOrEqual(1e-5 * largest);
    const [off, most] = [names.map(() => 0), names.map(() => 0)];
    const at = sampled.map((i) => x[i]!);
    const reachesBy = truths.map((own) => own.map((truth) => reachesOf(at, truth)));
    // One element a sum: every hard input, and some of the grid.
    sampled.forEach((i, q) => {
      if (!isJudged(at[q]!) || (i < file.grid.count && q % 64 !== 0)) return;
      const { gradients } = act.backward(Float32Array.of(at[q]!), Float32Array.of(1));
      for (const [k, key] of names.entries())
        truths[k]!.forEach((truth, n) => {
          if (Number.isNaN(truth[q]!) || Math.abs(truth[q]!) > OVERFLOW) return;
          const own = Math.abs(gradients[key]![n]! - truth[q]!);
          most[k] = Math.max(most[k]!, Math.abs(truth[q]!));
          off[k] = Math.max(off[k]!, own);
          if (!(own <= allowed(bounds.parameters[key]![n]!, reachesBy[k]![n]![q]!)))
            excesses.push(`∂f(${at[q]})/∂${key}[${n}] = ${gradients[key]![n]}, not ${truth[q]}`);
        });
    });
    for (const [k, key] of names.entries()) expect(off[k], key).toBeLessThanOrEqual(1e-5 * most[k]!);
    expect(excesses).toEqual([]);
  });

  test('gradients of parameters: the same bits for any division, and on every backend', () => {
    const gradY = Float32Array.from(x, (_, i) => Math.fround(Math.sin(i)));
    const finite = x.map((at) => (Number.isFinite(at) ? at : 0));
    const whole = act.backward(finite, gradY).gradients;
    const half = 1000;
    const into = act.gradientSum();
    act.backward(finite.subarray(half), gradY.subarray(half), { into });
    const parts = act.backward(finite.subarray(0, half), gradY.subarray(0, half), { into }).gradients;
    const others = [js, threads].map((backend) => act.on(backend).backward(finite, gradY).gradients);
    expect(Object.keys(whole)).toEqual(names);
    for (const key of names)
      for (const other of [parts, ...others]) expect(compareBits(whole[key]!, other[key]!).differing, key).toBe(0);
  });
});

test('a gradient that bends more than a table holds between neighbouring float32 is refused, and soon', () => {
  const act = make('rational', {
    version: 'R',
    numerator: [
      -0.3876120448112488, 2.1785128116607666, 0.8195789456367493, 0.10051494091749191, -0.0001004605001071468,
      -31.874597549438477, 1.2468653917312622, -3.824115037918091,
    ],
    denominator: [3.877483367919922, 0.0004797247820533812, 1.2690670490264893, 0],
  });
  // Two neighbours that did not do were halved for ever, where half of their distance is rounded up to it again.
  expect(() => act.backward(Float32Array.of(1), Float32Array.of(1))).toThrow(
    /the gradient needs more than 65536 intervals/,
  );
});

test.each([
  ['N', [0, 1, 0, 0, 0, 0], [0, 0, 0, 0]],
  ['A', [0, 1, 0, 0, 0, 0], [0, 0, 0, 0]],
  ['R', [-0.593704104423523, 0.000022485544832306914], [0.29956212639808655, 0]],
  ['R', [0.5, 1], [1, 0.3, 0.5, 0]],
  ['B', [0.5, 1, 0.2, 0, 0], [0.3, 0.5, 0, 0]],
  ['C', [0, 1, 0, 0], [0.9, 0.1, 0]],
] as const)(
  'leading coefficients that are 0 have gradients, far out too: rational %s, %o over %o',
  (version, numerator, denominator) => {
    const act = make('rational', { version, numerator, denominator });
    const x = Float32Array.of(0.4, -2.5, 40, -1000, 5000, -635083, 1e9);
    const certificate = gradientCertificate(act as never);
    const bounds = [certificate.slope, ...Object.values(certificate.parameters).flat()];
    const reaches = bounds.map(({ of }) => of);
    for (const i of x.keys()) {
      const { gradX, gradients } = act.backward(x.subarray(i, i + 1), Float32Array.of(1));
      const found = [gradX[0]!, ...Object.values(gradients).flatMap((each) => [...each])];
      found.forEach((is, k) => {
        const truth = exactDerivative(act as never, k === 0 ? 'x' : k - 1)(x[i]!).hi;
        if (Math.abs(truth) > 3e38) return;
        reaches[k] = Math.max(reaches[k]!, Math.abs(truth));
        expect(Math.abs(is - truth), `${k} at ${x[i]}`).toBeLessThanOrEqual(bounds[k]!.share * reaches[k]! + 2 ** -126);
      });
    }
  },
);

test.each(['A', 'B', 'C', 'D', 'N'] as const)('the identity rational %s begins with is one, and learns', (version) => {
  const { numerator, denominator } = rationalInitial(version, 'identity');
  const act = make('rational', { version, numerator, denominator });
  expect([...act.forward(Float32Array.of(-3, 0.5, 1e30))]).toEqual([-3, 0.5, Math.fround(1e30)]);
  const { gradients } = act.backward(Float32Array.of(1.5), Float32Array.of(1));
  gradients.numerator!.forEach((is, k) => {
    // xᵏ/Q, Q = 1; what is promised of the largest.
    expect(Math.abs(is - 1.5 ** k)).toBeLessThanOrEqual(1e-5 * 1.5 ** k);
  });
});

test.each(['B', 'C', 'D'])('rational %s over |0|: the denominator has no gradient', (version) => {
  const act = make('rational', { version, numerator: [0, 1], denominator: [0, 0] });
  const quotient = version === 'C' ? 2 / Math.fround(0.1) : 2;
  expect(act.forward(Float32Array.of(2))[0]).toBe(Math.fround(quotient));
  expect([...act.backward(Float32Array.of(2), Float32Array.of(1)).gradients.denominator!]).toEqual([0, 0]);
});

test('where a frequency is 0, its gradient is the limit’s: x² of Snake, x of Siren', () => {
  const x = Float32Array.of(-50, -7, -1.25, 0.002, 0.5, 3);
  for (const [act, name, truth] of [
    [make('snake', { alpha: 0, eps: 0, logScale: false }), 'alpha', (v: number) => v * v],
    [make('siren', { omega: 0 }), 'omega', (v: number) => v],
  ] as const) {
    for (const [i, v] of x.entries()) {
      const { gradX, gradients } = act.backward(x.subarray(i, i + 1), Float32Array.of(1));
      expect(gradX[0]).toBe(name === 'alpha' ? 1 : 0);
      // The promise, 10⁻⁵ of the largest up to there, is of 1 at least.
      expect(Math.abs(gradients[name]![0]! - truth(v))).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(truth(v))));
      expect(exactDerivative(act as never, name)(v).hi).toBeCloseTo(truth(v), 12);
    }
  }
});

test.each(['A', 'B', 'C', 'R'])('gradients of a rational %s over a line, whose derivative is a number', (version) => {
  for (const numerator of [[0.25], [0.5, 0.75], [0.5, 0.6, 0.4, 0.4, 0.6, 1, 0.45]]) {
    // C is over 0.1 + …, so that it has a value at 0.
    const act = make('rational', { version, numerator, denominator: version === 'C' ? [0.5, 0.25] : [-0.46] });
    const names = (act as unknown as FamilyActivation).parameterNames;
    const by = ['x', ...names.keys()] as ('x' | number)[];
    const x = Float32Array.of(-7, -1.5, -0.25, 0.5, 2, 9);
    const slopes = by.map((each) => exactDerivative(act as never, each));
    x.forEach((at, i) => {
      const { gradX, gradients } = act.backward(x.subarray(i, i + 1), Float32Array.of(1));
      const found = [gradX[0]!, ...Object.values(gradients).flatMap((each) => [...each])];
      const largest = slopes.map((slope) => Math.max(...x.map((t) => Math.abs(slope(t).hi))));
      // 10⁻⁵ of the largest is what gradients promise.
      found.forEach((is, k) => {
        expect(Math.abs(is - slopes[k]!(at).hi), `${by[k]} at ${at}`).toBeLessThanOrEqual(1e-5 * largest[k]!);
      });
    });
  }
});

test('an interval that failed is followed by a narrower one, also where half of it is rounded up again', () => {
  const act = make('rational', {
    version: 'C',
    numerator: [
      -0.00009999999747378752, 0.0000626567707513459, 0.19335134337241, 0.60569167137146, -1.1837892532348633,
      0.690098226070404, 0,
    ],
    denominator: [
      -0.1874924749135971, 0.018297269940376282, 378.7384033203125, 0.013665124773979187, 2.3173670768737793,
      238.7491912841797, -0.00009999999747378752, -8.076208114624023, -0.016824323683977127,
    ],
  });
  // Near -480, where the denominator has a root, three float32 wide.
  const { gradX } = act.backward(Float32Array.of(1), Float32Array.of(1));
  const truth = exactDerivative(act as never, 'x')(1).hi;
  expect(Math.abs(gradX[0]! - truth)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(truth)));
});

test('gradients of high powers are as good near 1 as far out', () => {
  const act = make('polynomial', { coefficients: [0.1, 0.8, 0.2, -0.05, 0, 0, 0] });
  const { gradients } = act.backward(Float32Array.of(1, -2), Float32Array.of(1, -2));
  // Σ gradY·xᵏ; 10⁻⁶ of each, a tenth of what is promised of the largest.
  [-1, 5, -7, 17, -31, 65, -127].forEach((truth, k) => {
    expect(Math.abs(gradients.coefficients![k]! - truth)).toBeLessThanOrEqual(1e-6 * Math.abs(truth));
  });
});
