/** Gradients: the golden truth, differences of the oracle, and one answer however a tensor is divided. */
import { DiTAC, type GradientBound, gradientCertificate, loadBackend, VARIANTS } from 'ditac';
import { transform, transformBackward } from 'ditac/cpab';
import { compareBits, doubleDouble, exactActivation, exactDerivative, exactTransform, stratified } from 'ditac/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostBackend } from '../src/backends/host.js';
import { flowPieces } from '../src/cpab/flow.js';
import { flowBetween, flowGradient } from '../src/cpab/flow-gradient.js';
import { normalStream, uniformStream } from '../src/cpab/random.js';
import { trueSum } from '../src/oracle/sums.js';
import { backwardImage } from '../src/plan/image.js';
import { Moments } from '../src/plan/moments.js';
import { tries } from './effort.js';
import { floatsOf, goldenCases, goldenJson, largest, transformCases } from './golden.js';

/** What docs/promises.md promises, as a share of the largest component. */
const BAR = 1e-5;

/** The largest difference as a share of the largest component of the truth. */
function relative(computed: ArrayLike<number>, truth: ArrayLike<number>): number {
  const size = largest(Array.from(truth, Math.abs));
  return largest(Array.from(truth, (v, i) => Math.abs(v - computed[i]!))) / (size || 1);
}

const normals = (count: number, seed: number, scale = 1) => {
  const normal = normalStream(seed);
  return Float32Array.from({ length: count }, () => scale * normal());
};

/** A table as backends take it, of a flow with five cells on [0, 1]. */
function tableOfFlow() {
  const field = { origin: 0, cellWidth: 0.2, velocity: Float64Array.of(0, 0.3, -0.1, 0.2, 0.15, 0) };
  return flowGradient(field, flowBetween(flowPieces(field), -3e38, 3e38, false), 2 ** -26).table;
}

test.each(goldenCases('ditac'))('%s: gradX and gradThetas are the 350-digit truth', (name) => {
  const j = goldenJson(`ditac/${name}.json`);
  const act = new DiTAC({ tess: j.tess, a: j.a, b: j.b, basis: j.basis, thetas: floatsOf(j.thetas_bits) });
  const x = Float32Array.from({ length: 4097 }, (_, i) => -8 + (16 * i) / 4096);
  const { gradX, gradThetas } = act.backward(x, floatsOf(j.upstream_bits));
  expect(relative(gradX, j.truth_gx)).toBeLessThan(BAR);
  expect(relative(gradThetas, j.truth_gtheta)).toBeLessThan(BAR);
  // No component errs by more than the certificate says. Sizes may be larger than `of`; where they are, this asks for more.
  const { slope, parameters } = gradientCertificate(act);
  const upstream = floatsOf(j.upstream_bits);
  gradX.forEach((is, i) => {
    const size = Math.max(slope.of, Math.abs(j.truth_gx[i] / upstream[i]!) || 0);
    expect(Math.abs(is - j.truth_gx[i])).toBeLessThanOrEqual(Math.abs(upstream[i]!) * slope.share * size + 2 ** -126);
  });
  const total = upstream.reduce((sum, g) => sum + Math.abs(g), 0);
  gradThetas.forEach((is, k) => {
    const { share, of } = parameters.thetas![k]!;
    expect(Math.abs(is - j.truth_gtheta[k])).toBeLessThanOrEqual(share * of * total);
  });
  // The oracle's own sum, of 30 digits a term, rounded to float64 as the golden one is; sums cancel.
  for (const k of [0, act.dimension - 1]) {
    const { value, error, size } = trueSum(x, upstream, exactDerivative(act, k));
    expect(Math.abs(value - j.truth_gtheta[k])).toBeLessThanOrEqual(error + 2 ** -52 * Math.abs(value));
    expect(error).toBeLessThanOrEqual(1e-14 * size);
  }
  // The original's has a factor d: a test that cannot tell the two apart is none.
  expect(relative(gradThetas, j.summary.d_times_gtheta_truth)).toBeGreaterThan(0.5);
});

describe.each(transformCases)('$name', ({ name, theta, options, slope, illConditioned }) => {
  const j = goldenJson(`transform/${name}.json`);

  test('dφ/dx', () => {
    const x = Float32Array.from({ length: 257 }, (_, k) => k / 256);
    const { gradX } = transformBackward(x, new Float32Array(257).fill(1), theta, options);
    const oneSided = new Set<number>(j.dphi_dx_onesided_idx);
    const points = [...x.keys()].filter((k) => !illConditioned.has(k) && !oneSided.has(k));
    expect(
      relative(
        points.map((k) => gradX[k]!),
        points.map((k) => slope[k]!),
      ),
    ).toBeLessThan(BAR);
  });

  test('∂φ/∂θ at every golden point', () => {
    const rows = (j.grad_idx as number[]).map((k, row) => ({ k, truth: j.truth_dphi_dtheta[row] as number[] }));
    const kept = rows.filter(({ k }) => !illConditioned.has(k));
    const computed = kept.flatMap(({ k }) => [
      ...transformBackward(Float32Array.of(k / 256), Float32Array.of(1), theta, options).gradTheta,
    ]);
    expect(
      relative(
        computed,
        kept.flatMap(({ truth }) => truth),
      ),
    ).toBeLessThan(BAR);
  });
});

/** (f(p + h) - f(p - h))/2h in double-double: no digit of the difference is lost, and h² is far below what is asked. */
function difference(f: (p: number) => doubleDouble.DoubleDouble, p: number, h = 2 ** -26): number {
  return quotient(f, p + h, p - h);
}
/** The same for a parameter, which the oracle takes as float32. */
function thetaDifference(f: (p: number) => doubleDouble.DoubleDouble, p: number): number {
  return quotient(f, Math.fround(p + 2 ** -18), Math.fround(p - 2 ** -18));
}
const quotient = (f: (p: number) => doubleDouble.DoubleDouble, p: number, q: number) =>
  doubleDouble.toNumber(doubleDouble.subtract(f(p), f(q))) / (p - q);

const bent = (theta: ArrayLike<number>, k: number, value: number) => Array.from(theta, (v, i) => (i === k ? value : v));

test.each(VARIANTS)('%s: random central differences of the oracle, also against the certificate', (variant) => {
  const uniform = uniformStream(VARIANTS.indexOf(variant) + 1);
  for (let run = 0; run < tries(20); run++) {
    const tess = 2 + Math.floor(uniform() * 15);
    const [a, b] = [-0.5 - 3 * uniform(), 0.5 + 3 * uniform()].map(Math.fround) as [number, number];
    const basis = (['qr', 'sparse', 'svd', 'rref'] as const)[run % 4]!;
    const act = new DiTAC({ tess, a, b, variant, basis, seed: run });
    const options = { tess, a, b, variant, basis };
    const truth = exactActivation(act.thetas, options);
    const [expected, computed]: number[][] = [[], []];
    const [expectedX, computedX]: number[][] = [[], []];
    const { slope, parameters } = gradientCertificate(act);
    // A difference itself is off by 10⁻⁹ or so of the third derivative.
    const within = (is: number, truth: number, { share, of }: GradientBound) =>
      Math.abs(is - truth) <= (share + 1e-8) * Math.max(of, Math.abs(truth));
    for (let i = 0; i < 50; i++) {
      const x = Math.fround(a - 1 + (b - a + 2) * uniform());
      // At the ends f has kinks.
      if (Math.min(Math.abs(x - a), Math.abs(x - b), Math.abs(x)) < 1e-6) continue;
      const { gradX, gradThetas } = act.backward(Float32Array.of(x), Float32Array.of(1));
      const k = Math.floor(uniform() * act.dimension);
      const f = (value: number) => exactActivation(bent(act.thetas, k, value), options)(x);
      expected!.push(thetaDifference(f, act.thetas[k]!));
      computed!.push(gradThetas[k]!);
      expectedX!.push(difference(truth, x));
      computedX!.push(gradX[0]!);
      expect(within(gradX[0]!, expectedX!.at(-1)!, slope)).toBe(true);
      expect(within(gradThetas[k]!, expected!.at(-1)!, parameters.thetas![k]!)).toBe(true);
    }
    expect(relative(computedX!, expectedX!)).toBeLessThan(BAR);
    expect(relative(computed!, expected!)).toBeLessThan(BAR);
  }
});

test('a field too steep for any bound on gradients has an infinite one, which compares as it should', () => {
  const thetas = [
    -2.2179527282714844, 16.725255966186523, -223.46046447753906, -39.92845153808594, 52.261024475097656,
    -28.41831398010254, 0, 29.502954483032227, 133.90455627441406, -170.06680297851562, 112.39598083496094,
    68.29637145996094, 116.24166107177734, 2.9833619594573975, -54.42171859741211, -253.2602081298828,
    9.187955856323242,
  ];
  const act = new DiTAC({ variant: 'ge', tess: 18, basis: 'svd', a: 9.879278182983398, b: 8271.291015625, thetas });
  const { slope, parameters } = gradientCertificate(act);
  for (const { share } of [slope, ...parameters.thetas!]) expect(share).toBeGreaterThan(0);
  expect(parameters.thetas!.some(({ share }) => share === Number.POSITIVE_INFINITY)).toBe(true);
  // Also where no gradient was found: an infinite share of nothing would be NaN.
  const steeper = new DiTAC({
    variant: 'gelu',
    tess: 6,
    basis: 'svd',
    a: -551.87841796875,
    b: -141.12548828125,
    thetas: [-216.97854614257812, -17.190523147583008, 49.130123138427734, 23.86556053161621, 100],
  });
  const certificate = gradientCertificate(steeper);
  for (const { share, of } of [certificate.slope, ...certificate.parameters.thetas!])
    expect(share * of).toBe(Number.POSITIVE_INFINITY);
});

test('transform: differences in x, θ and time, inside and outside [0, 1]', () => {
  const uniform = uniformStream(9);
  for (let run = 0; run < 24; run++) {
    const tess = 2 + (run % 12);
    const zeroBoundary = run % 2 === 0;
    const time = [1, -1, 0.3][run % 3]!;
    const theta = normals(zeroBoundary ? tess - 1 : tess + 1, run, 0.3);
    const x = Float32Array.from({ length: 40 }, () => 1.6 * uniform() - 0.3);
    const gradY = normals(40, run + 100);
    const options = { tess, zeroBoundary, time, basis: 'sparse' as const };
    const { gradX, gradTheta, gradTime } = transformBackward(x, gradY, theta, options);
    const total = (th: ArrayLike<number>, t: number) => {
      const phi = exactTransform(th, { ...options, time: t });
      return x.reduce<doubleDouble.DoubleDouble>(
        (sum, v, i) => doubleDouble.add(sum, doubleDouble.multiply(doubleDouble.dd(gradY[i]!), phi(v))),
        doubleDouble.ZERO,
      );
    };
    const phi = exactTransform(theta, options);
    expect(
      relative(
        gradX,
        Array.from(x, (v, i) => gradY[i]! * difference(phi, v)),
      ),
    ).toBeLessThan(BAR);
    expect(
      relative(
        gradTheta,
        Array.from(theta, (v, k) => thetaDifference((value) => total(bent(theta, k, value), time), v)),
      ),
    ).toBeLessThan(BAR);
    const byTime = difference((t) => total(theta, t), time);
    expect(Math.abs(gradTime[0]! - byTime)).toBeLessThan(BAR * Math.max(1, Math.abs(byTime)));
  }
});

test('transform at time 0: φ is the identity, and its gradients are the field’s', () => {
  const theta = normals(9, 1);
  const x = Float32Array.from({ length: 100 }, (_, i) => i / 99);
  const gradY = normals(100, 2);
  const { gradX, gradTheta, gradTime } = transformBackward(x, gradY, theta, { tess: 10, time: 0 });
  expect(compareBits(gradX, gradY).differing).toBe(0);
  expect([...gradTheta]).toEqual(new Array(9).fill(0));
  const near = transform(x, theta, { tess: 10, time: 2 ** -12 });
  const velocity = x.reduce((sum, v, i) => sum + gradY[i]! * (near[i]! - v) * 2 ** 12, 0);
  expect(gradTime[0]).toBeCloseTo(velocity, 2);
});

test('a batch of θ, each with its x or all with one', () => {
  const thetas = normals(4 * 9, 3, 0.5);
  const x = Float32Array.from({ length: 200 }, (_, i) => i / 199);
  const gradY = normals(800, 4);
  const single = [0, 1, 2, 3].map((c) =>
    transformBackward(x, gradY.subarray(200 * c, 200 * (c + 1)), thetas.subarray(9 * c, 9 * (c + 1)), { tess: 10 }),
  );
  const shared = transformBackward(x, gradY, thetas, { tess: 10 });
  const own = transformBackward(Float32Array.of(...x, ...x, ...x, ...x), gradY, thetas, { tess: 10, points: 200 });
  for (const { gradTheta, gradTime } of [shared, own]) {
    expect([...gradTheta]).toEqual(single.flatMap((each) => [...each.gradTheta]));
    expect([...gradTime]).toEqual(single.flatMap((each) => [...each.gradTime]));
  }
  expect([...own.gradX]).toEqual(single.flatMap((each) => [...each.gradX]));
  expect([...shared.gradX]).toEqual(
    Array.from(x, (_, i) => Math.fround(single.reduce((sum, each) => sum + each.gradX[i]!, 0))),
  );
});

describe('a sum does not depend on how a tensor is divided', () => {
  const x = normals(20_011, 5, 2);
  const gradY = normals(20_011, 6);
  // Magnitudes far apart: in floating point their order would show.
  gradY.forEach((v, i) => {
    gradY[i] = v * 2 ** ((i * 37) % 60);
  });

  test.each(VARIANTS)('%s: 1, 2, 3, 7 and 64 parts in any order', (variant) => {
    const act = new DiTAC({ a: -3, b: 3, variant, seed: 4 });
    const whole = act.backward(x, gradY);
    const uniform = uniformStream(3);
    for (const count of [1, 2, 3, 7, 64]) {
      const cuts = [0, ...Array.from({ length: count - 1 }, () => Math.floor(uniform() * x.length)), x.length].sort(
        (p, q) => p - q,
      );
      const parts = Array.from({ length: count }, (_, i) => [cuts[i]!, cuts[i + 1]!] as const);
      parts.sort(() => uniform() - 0.5);
      const sum = act.gradientSum();
      const gradX = new Float32Array(x.length);
      for (const [from, to] of parts)
        act.backward(x.subarray(from, to), gradY.subarray(from, to), { out: gradX.subarray(from, to), into: sum });
      expect(compareBits(whole.gradX, gradX).differing).toBe(0);
      expect(compareBits(whole.gradThetas, sum.thetas).differing).toBe(0);
    }
  });

  test('elements in any order, on any backend', async () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 4 });
    const whole = act.backward(x, gradY);
    const js = await loadBackend('js');
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 2 ** 31 }), fc.boolean(), async (seed, onJs) => {
        const uniform = uniformStream(seed);
        const order = [...x.keys()].map((i) => [uniform(), i] as const).sort(([p], [q]) => p - q);
        const shuffled = (values: Float32Array) => Float32Array.from(order, ([, i]) => values[i]!);
        const [p, q] = [shuffled(x), shuffled(gradY)];
        const { gradThetas } = onJs ? act.on(js).backward(p, q) : act.backward(p, q);
        expect(compareBits(whole.gradThetas, gradThetas).differing).toBe(0);
      }),
      { numRuns: 10 },
    );
  });

  test.each(['js', 'wasm'] as const)('%s: what is summed are integers, of at most 2⁵²', async (name) => {
    const backend = await loadBackend(name);
    const image = backwardImage(tableOfFlow());
    let nonzero = 0;
    class Watched extends Moments {
      override addDoubles(window: number, sums: Float64Array) {
        for (const sum of sums) {
          if (!Number.isInteger(sum) || Math.abs(sum) > 2 ** 52) throw new Error(`${sum} in window ${window}`);
          if (sum !== 0) nonzero += 1;
        }
        super.addDoubles(window, sums);
      }
    }
    const moments = new Watched(image.blocks);
    backend.backward({ images: [image], inner: 1 }, x, gradY, new Float32Array(x.length), [moments]);
    backend.release([image]);
    expect(nonzero).toBeGreaterThan(4 * image.blocks);
  });

  test('a sum of float32 in order would not have this', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 4 });
    const half = x.length >> 1;
    const [p, q, whole] = [[0, half] as const, [half, x.length] as const, [0, x.length] as const].map(
      (part) => act.backward(x.subarray(...part), gradY.subarray(...part)).gradThetas,
    );
    const added = p!.map((v, k) => v + q![k]!);
    expect(compareBits(whole!, added).differing).toBeGreaterThan(0);
  });
});

describe('one θ a channel', () => {
  const channels = 3;
  const options = { a: -3, b: 3, seed: 6 };
  const first = new DiTAC({ ...options, channels });
  const last = new DiTAC({ a: -3, b: 3, thetas: first.thetas, layout: 'channelsLast' });
  const d = first.dimension;
  const single = Array.from(
    { length: channels },
    (_, c) => new DiTAC({ a: -3, b: 3, thetas: first.thetas.subarray(c * d, (c + 1) * d) }),
  );

  test.each([
    { act: first, shape: [2, 3, 5, 7], channelOf: (i: number) => Math.floor(i / 35) % 3 },
    { act: first, shape: [70, 3], channelOf: (i: number) => i % 3 },
    { act: first, shape: [1, 3, 5000], channelOf: (i: number) => Math.floor(i / 5000) },
    { act: last, shape: [2, 5, 7, 3], channelOf: (i: number) => i % 3 },
    { act: last, shape: [5000, 3], channelOf: (i: number) => i % 3 },
  ])('shape $shape', ({ act, shape, channelOf }) => {
    const n = shape.reduce((p, q) => p * q);
    const [x, gradY] = [normals(n, 7, 2), normals(n, 8)];
    const { gradX, gradThetas } = act.backward(x, gradY, { shape });
    for (let c = 0; c < channels; c++) {
      const own = [...x.keys()].filter((i) => channelOf(i) === c);
      const alone = single[c]!.backward(
        Float32Array.from(own, (i) => x[i]!),
        Float32Array.from(own, (i) => gradY[i]!),
      );
      expect([...alone.gradX]).toEqual(own.map((i) => gradX[i]));
      expect([...alone.gradThetas]).toEqual([...gradThetas.subarray(c * d, (c + 1) * d)]);
    }
  });
});

test('where gradX goes: a new array, x, gradY, neighbours in one buffer', () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  for (const n of [0, 1, 2, 3, 4, 5, 4095, 4096, 4097, 9001]) {
    const [x, gradY] = [normals(n, 1, 2), normals(n, 2)];
    const { gradX, gradThetas } = act.backward(x, gradY);
    const [copyX, copyY] = [x.slice(), gradY.slice()];
    expect(act.backward(copyX, gradY, { out: copyX })).toMatchObject({ gradX, gradThetas });
    expect(act.backward(x, copyY, { out: copyY })).toMatchObject({ gradX, gradThetas });
    expect([...copyX]).toEqual([...gradX]);
    const shared = new Float32Array(2 * n + 2).fill(9);
    act.backward(x, gradY, { out: shared.subarray(n, 2 * n) });
    expect([...shared.subarray(n)]).toEqual([...gradX, 9, 9]);
  }
});

describe('NaN and infinities', () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const inf = new DiTAC({ a: -3, b: 3, variant: 'inf', seed: 1 });
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

  test.each([
    ['NaN in x', [nan], [1]],
    ['NaN in x where gradY is 0', [nan], [0]],
    ['NaN in gradY', [1], [nan]],
    ['infinite gradY', [1], [infinity]],
    ['infinite gradY', [1], [-infinity]],
  ])('%s: gradThetas are NaN, neighbours keep their gradX', (_, x, gradY) => {
    const clean = act.backward(Float32Array.of(0.5, 1.5), Float32Array.of(1, 1));
    const { gradX, gradThetas } = act.backward(Float32Array.of(0.5, ...x, 1.5), Float32Array.of(1, ...gradY, 1));
    expect([gradX[0], gradX[2]]).toEqual([...clean.gradX]);
    expect(Number.isFinite(gradX[1]!)).toBe(false);
    expect([...gradThetas]).toEqual(new Array(9).fill(nan));
    expect(() => act.update(gradThetas)).toThrow(/thetas\[0\] must be finite, got NaN/);
    expect(Number.isFinite(act.forward(Float32Array.of(1))[0]!)).toBe(true);
  });

  test('only the channel with the NaN is lost', () => {
    const two = new DiTAC({ a: -3, b: 3, seed: 1, channels: 2, layout: 'channelsLast' });
    const { gradThetas } = two.backward(Float32Array.of(1, nan, 1, 1), Float32Array.of(1, 1, 1, 1));
    expect([...gradThetas].map(Number.isNaN)).toEqual([...new Array(9).fill(false), ...new Array(9).fill(true)]);
  });

  test('infinite gradY has the sign of f′', () => {
    const falling = Float32Array.of(-1, 2);
    const f = act.backward(falling, Float32Array.of(1, 1)).gradX;
    const { gradX } = act.backward(falling, Float32Array.of(infinity, -infinity));
    expect([...gradX]).toEqual([Math.sign(f[0]!) * infinity, -Math.sign(f[1]!) * infinity]);
    // Flat: 0·∞.
    expect(act.backward(Float32Array.of(-infinity), Float32Array.of(infinity)).gradX[0]).toBeNaN();
  });

  test('infinite x: f′ is its limit; without bounds its parameters have no finite gradient', () => {
    const x = Float32Array.of(-infinity, infinity);
    const one = Float32Array.of(1, 1);
    const { gradX, gradThetas } = act.backward(x, one);
    expect([...gradX]).toEqual([0, 1]);
    expect([...gradThetas]).toEqual(new Array(9).fill(0));
    const far = inf.backward(x, one);
    expect([...far.gradX]).toEqual([...inf.backward(Float32Array.of(-1e30, 1e30), one).gradX]);
    expect([...far.gradThetas]).toEqual(new Array(11).fill(nan));
  });

  test('a product that overflows far out is counted, one further in is not, whoever its neighbours are', () => {
    const [inside, far] = [Float32Array.of(2), Float32Array.of(50)];
    const [large, one] = [Float32Array.of(3e38), Float32Array.of(1)];
    const apart = inf.gradientSum();
    inf.backward(inside, large, { into: apart });
    inf.backward(far, one, { into: apart });
    const together = inf.backward(Float32Array.of(2, 50), Float32Array.of(3e38, 1)).gradThetas;
    expect([...together]).toEqual([...apart.thetas]);
    expect([...together].every(Number.isNaN)).toBe(false);
    expect([...inf.backward(far, large).gradThetas].every(Number.isNaN)).toBe(true);
  });

  test('gradients that cancel far out leave what x is multiplied by', () => {
    const far = new DiTAC({ variant: 'inf', tess: 3, a: -1, b: 1, thetas: [0.3, -0.2, 0.5, 0.1] });
    const at = (...pairs: [number, number][]) =>
      far.backward(
        Float32Array.from(pairs, ([v]) => v),
        Float32Array.from(pairs, ([, g]) => g),
      ).gradThetas;
    const [p, q] = [at([1000, 1]), at([2000, -1])];
    const both = at([1000, 1], [2000, -1]);
    expect(largest(both.map(Math.abs))).toBeGreaterThan(100);
    expect(
      relative(
        both,
        Float32Array.from(p, (v, k) => v + q[k]!),
      ),
    ).toBeLessThan(BAR);
  });

  test.each([1, 2, 3, 4, 5, 8, 64])('%i bad elements are as bad as one', (count) => {
    const { gradThetas } = act.backward(new Float32Array(count).fill(1), new Float32Array(count).fill(nan));
    expect([...gradThetas].every(Number.isNaN)).toBe(true);
  });

  test('subnormals count as zero', () => {
    const tiny = 2 ** -130;
    expect([...act.backward(Float32Array.of(tiny, 1), Float32Array.of(1, tiny)).gradX]).toEqual([
      act.backward(Float32Array.of(0), Float32Array.of(1)).gradX[0],
      0,
    ]);
  });
});

test.each([
  [1000, 1000.01, 'inf'],
  [900.2125, 900.2414, 'bare'],
  [-1e6, -999_999, 'bare'],
  [2 ** 20 - 1, 2 ** 20, 'inf'],
  [0.001, 0.0010001, 'bare'],
] as const)('narrow intervals far from zero: [%f, %f], %s', (a, b, variant) => {
  const act = new DiTAC({ a, b, variant, tess: 8, seed: 3 });
  const width = b - a;
  const x = Float32Array.from({ length: 2000 }, (_, i) => a - width + (3 * width * i) / 2000);
  const gradY = normals(2000, 1);
  const { gradX, gradThetas } = act.backward(x, gradY);
  const js = act.on(hostBackend('js')).backward(x, gradY);
  expect(compareBits(gradX, js.gradX).differing).toBe(0);
  expect(compareBits(gradThetas, js.gradThetas).differing).toBe(0);
  expect([...gradX, ...gradThetas].every(Number.isFinite)).toBe(true);
});

test('far out, the gradient of an affine extension is exact', () => {
  const act = new DiTAC({ a: -3, b: 3, variant: 'inf', basis: 'sparse', thetas: normals(11, 3, 0.3) });
  const options = { tess: 10, a: -3, b: 3, variant: 'inf', basis: 'sparse' } as const;
  for (const x of [-1e6, -50, 40, 1e8]) {
    const { gradThetas } = act.backward(Float32Array.of(x), Float32Array.of(1));
    const truth = Array.from(act.thetas, (v, k) =>
      thetaDifference((value) => exactActivation(bent(act.thetas, k, value), options)(x), v),
    );
    expect(relative(gradThetas, truth)).toBeLessThan(BAR);
  }
});

test('a step in a gradient’s direction changes f by what it says', () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 8 });
  const [x, gradY] = [normals(1000, 9, 1.5), normals(1000, 10)];
  const { gradThetas } = act.backward(x, gradY);
  const loss = (thetas: Float32Array) => {
    const f = new DiTAC({ a: -3, b: 3, thetas }).reference();
    return x.reduce((sum, v, i) => sum + gradY[i]! * f(v), 0);
  };
  const step = 2 ** -10;
  const size = Math.hypot(...gradThetas);
  const moved = (sign: number) => act.thetas.map((v, k) => v + (sign * step * gradThetas[k]!) / size);
  expect((loss(moved(1)) - loss(moved(-1))) / (2 * step)).toBeCloseTo(size, 1);
});

describe('around training', () => {
  test('update: the function and the gradient of the new parameters, and no trace of the old', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1, channels: 2, layout: 'channelsLast' });
    const [x, gradY] = [normals(3000, 1, 2), normals(3000, 2)];
    act.backward(x, gradY);
    const before = act.forward(x);
    const kept = act.compiled();
    for (let seed = 2; seed < 6; seed++) {
      const fresh = new DiTAC({ a: -3, b: 3, seed, channels: 2, layout: 'channelsLast' });
      act.update(fresh.thetas);
      expect(compareBits(fresh.forward(x), act.forward(x)).differing).toBe(0);
      expect(act.backward(x, gradY)).toEqual(fresh.backward(x, gradY));
      expect(act.compiled().toBytes()).toEqual(fresh.compiled().toBytes());
    }
    // What was handed out is what it was.
    expect(compareBits(before, kept.forward(x)).differing).toBe(0);
  });

  test('what `on` gave has the parameters of the moment of the call', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1 });
    const [x, gradY] = [normals(100, 1), normals(100, 2)];
    const f = act.on(hostBackend('wasm'));
    f.forward(x);
    const fresh = new DiTAC({ a: -3, b: 3, seed: 2 });
    act.update(fresh.thetas);
    expect(compareBits(f.forward(x), fresh.forward(x)).differing).toBe(0);
    expect(f.backward(x, gradY)).toEqual(fresh.backward(x, gradY));
  });

  test('a refused update changes nothing', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1 });
    const x = normals(100, 1);
    const before = act.forward(x);
    expect(() => act.update(new Float32Array(8))).toThrow(/thetas must hold a positive multiple of 9 numbers.*got 8/);
    expect(() => act.update(new Float32Array(18))).toThrow(/thetas must hold 9 numbers as before, got 18/);
    expect(() => act.update([...new Array(8).fill(0), Number.NaN])).toThrow(/thetas\[8\] must be finite, got NaN/);
    expect(() => act.update(new Array(9).fill(1e39))).toThrow(/thetas\[0\] must fit a float32/);
    // @ts-expect-error: not an array
    expect(() => act.update('thetas')).toThrow(TypeError);
    expect(compareBits(before, act.forward(x)).differing).toBe(0);
  });

  test('a thousand steps in the memory of one', () => {
    const acts = [1, 2, 3].map((seed) => new DiTAC({ a: -3, b: 3, seed }));
    const [x, gradY] = [normals(64, 1), normals(64, 2)];
    const step = (k: number) => {
      for (const act of acts) {
        act.forward(x);
        const { gradThetas } = act.backward(x, gradY);
        act.update(act.thetas.map((v, i) => v - 1e-4 * Math.tanh(gradThetas[i]!) * (k % 2 ? 1 : -1)));
      }
    };
    for (let k = 0; k < 50; k++) step(k);
    const before = process.memoryUsage().arrayBuffers;
    for (let k = 0; k < 200; k++) step(k);
    // The plans that wait for the collector; a leak of every table would be 110 MB.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64e6);
  }, 60_000);

  test('a step takes at most three times the memory of its input', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1 });
    const [x, gradY] = [normals(2 ** 20, 1), normals(2 ** 20, 2)];
    act.backward(x.subarray(0, 4), gradY.subarray(0, 4));
    const before = process.memoryUsage().arrayBuffers;
    const y = act.forward(x);
    const { gradX } = act.backward(x, gradY);
    const extra = process.memoryUsage().arrayBuffers - before;
    // y and gradX are two of the three.
    expect(y.length + gradX.length).toBe(2 * x.length);
    expect(extra / x.byteLength).toBeLessThanOrEqual(3);
  });

  test.each(['qr', 'sparse', 'svd', 'rref'] as const)('%s: refining keeps the function', (basis) => {
    for (const variant of ['gelu', 'inf'] as const) {
      const act = new DiTAC({ tess: 5, a: -3, b: 3, basis, variant, seed: 3, channels: 2, layout: 'channelsLast' });
      const fine = act.refine();
      expect([fine.tess, fine.channels, fine.layout]).toEqual([10, 2, 'channelsLast']);
      const finer = fine.refine(3, { basis: 'sparse' });
      expect(finer.tess).toBe(30);
      for (const [x] of [[...stratified(-4, 4, 2000, 1).blocks()]]) {
        const y = act.forward(x!);
        // θ is rounded to float32: 2⁻²⁴ of each coefficient, amplified by slopes of up to 9.
        for (const other of [fine, finer]) expect(relative(other.forward(x!), y)).toBeLessThan(1e-5);
      }
    }
  });

  test('refining the basis of a checkpoint, a matrix', () => {
    const act = new DiTAC({ tess: 4, basis: new DiTAC({ tess: 4, seed: 1 }).basis, seed: 1 });
    const x = normals(500, 1, 2);
    expect(relative(act.refine().forward(x), act.forward(x))).toBeLessThan(1e-5);
    expect(() => act.refine(2000)).toThrow(/factor must be an integer from 1 to 1024, got 2000/);
  });

  test('the regulariser and its gradient', () => {
    for (const name of goldenCases('ditac')) {
      const j = goldenJson(`ditac/${name}.json`);
      const tensors = {
        thetas: { shape: [1, j.d], data: floatsOf(j.thetas_bits) },
        precision_mat: { shape: [j.d, j.d], data: floatsOf(j.precision_mat_bits) },
      };
      const act = DiTAC.fromStateDict(tensors, { a: j.a, b: j.b, variant: 'gelu', tess: j.tess, basis: j.basis });
      const { loss, gradThetas } = act.regularization();
      const [theta, p] = [tensors.thetas.data, tensors.precision_mat.data];
      const value = (th: ArrayLike<number>) =>
        Array.from(th).reduce(
          (sum, v, i) => sum + Array.from(th).reduce((s, w, k) => s + 0.1 * v * p[i * j.d + k]! * w, 0),
          0,
        );
      expect(loss).toBeCloseTo(value(theta), 12);
      const h = 2 ** -12;
      const differences = Array.from(
        theta,
        (v, k) => (value(bent(theta, k, v + h)) - value(bent(theta, k, v - h))) / (2 * h),
      );
      // The quadratic form is rounded in float64, and its difference divided by h.
      expect(relative(gradThetas, differences)).toBeLessThan(1e-6);
    }
    expect(new DiTAC({ seed: 1 }).regularization({ lambda: 0 }).loss).toBe(0);
  });
});

describe('bad input', () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const x = new Float32Array(8);

  test.each([
    ['gradY of another length', () => act.backward(x, new Float32Array(7)), /gradY must have length 8.*got 7/],
    [
      'gradY of another type',
      () => act.backward(x, new Float64Array(8) as never),
      /gradY must be a Float32Array, got Float64Array\(8\)/,
    ],
    ['x of another type', () => act.backward([1, 2] as never, x), /x must be a Float32Array, got an array of length 2/],
    ['out of another length', () => act.backward(x, x, { out: new Float32Array(7) }), /out must have length 8/],
    [
      'out that overlaps partly',
      () => {
        const both = new Float32Array(20);
        act.backward(x, both.subarray(0, 8), { out: both.subarray(4, 12) });
      },
      /overlaps x partly/,
    ],
    [
      'a shape that does not fit',
      () => act.backward(x, x, { shape: [3, 3] }),
      /shape \[3, 3\] holds 9 elements, x has 8/,
    ],
    [
      'into something else',
      () => act.backward(x, x, { into: {} as never }),
      /a sum must come from the activation's gradientSum/,
    ],
    [
      'into a sum of another activation',
      () => act.backward(x, x, { into: new DiTAC({ seed: 1 }).gradientSum() }),
      /got one that was begun by another/,
    ],
    [
      'transform: gradY of another length',
      () => transformBackward(x, x.subarray(1), normals(9, 1), { tess: 10 }),
      /gradY must have length 8/,
    ],
    [
      'transform: a batch’s gradY',
      () => transformBackward(x, x, normals(18, 1), { tess: 10 }),
      /gradY must have length 16/,
    ],
    ['no number', () => act.regularization({ lambda: Number.NaN }), /lambda must be finite, got NaN/],
    [
      'slopes beyond float64',
      () => new DiTAC({ basis: 'sparse', variant: 'bare', thetas: [1e3, -1e3, 1e3, 0, 0, 0, 0, 0, 0] }).backward(x, x),
      /theta is too steep for float64: .*more than e\^700/,
    ],
  ])('%s', (_, work, message) => {
    expect(work).toThrow(message);
  });

  test('slopes beyond float32 are the largest there are, and never NaN', () => {
    const steep = new DiTAC({ a: 0, b: 1, basis: 'sparse', variant: 'bare', thetas: [1e2, 0, 0, 0, 0, 0, 0, 0, 0] });
    const powers = Float32Array.from({ length: 150 }, (_, k) => 2 ** -k);
    const { gradX } = steep.backward(powers, new Float32Array(150).fill(1));
    for (const value of gradX) expect(Number.isNaN(value)).toBe(false);
    expect(Math.max(...gradX)).toBeGreaterThan(2 ** 126);
  });

  test('thousands of steep cells fit a table, with longer intervals', () => {
    const thetas = Float32Array.from({ length: 4095 }, (_, i) => Math.sin(i * i));
    const many = new DiTAC({ tess: 4096, basis: 'sparse', a: -3, b: 3, thetas });
    const inside = Float32Array.from({ length: 50 }, (_, i) => -3 + (6 * (i + 0.37)) / 50);
    const { gradX } = many.backward(inside, new Float32Array(50).fill(1));
    const f = many.reference();
    const h = 1e-7;
    const differences = Array.from(inside, (x) => (f(x + h) - f(x - h)) / (2 * h));
    // The slopes' promise, 10⁻⁵ of the largest; differences have 10⁻⁸ of it.
    const largest = Math.max(...differences.map(Math.abs));
    differences.forEach((d, i) => {
      expect(Math.abs(gradX[i]! - d)).toBeLessThan(1e-5 * largest);
    });
  });

  test('a sum from before an update', () => {
    const trained = new DiTAC({ seed: 1 });
    const sum = trained.gradientSum();
    trained.update(trained.thetas);
    expect(() => trained.backward(x, x, { into: sum })).toThrow(/or before an update/);
  });
});

test('one changed bit of a table shows: a coefficient in gradX, a block in the sums', async () => {
  const backend = await loadBackend('wasm');
  const table = tableOfFlow();
  const x = Float32Array.from({ length: 4000 }, (_, i) => i / 4000);
  const gradY = normals(4000, 1);
  const run = (rows: Float32Array) => {
    const image = backwardImage({ ...table, rows });
    const moments = new Moments(image.blocks);
    const gradX = new Float32Array(x.length);
    backend.backward({ images: [image], inner: 1 }, x, gradY, gradX, [moments]);
    backend.release([image]);
    return { gradX, sums: Array.from({ length: image.blocks }, (_, block) => moments.of(block)) };
  };
  const expected = run(table.rows);
  const row = 8 * Math.floor(table.rows.length / 16);
  const coefficient = table.rows.slice();
  new Int32Array(coefficient.buffer)[row + 2]! ^= 1;
  expect(compareBits(expected.gradX, run(coefficient).gradX).differing).toBeGreaterThan(0);
  expect(run(coefficient).sums).toEqual(expected.sums);
  const block = table.rows.slice();
  block[row + 6]! += 1;
  expect(run(block).sums).not.toEqual(expected.sums);
  expect(compareBits(expected.gradX, run(block).gradX).differing).toBe(0);
});
