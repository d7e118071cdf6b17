/** One suite over every backend of this machine: each must give the bits of the first. */
import { BACKEND_NAMES, type Backend, type BackwardOptions, DiTAC, loadBackend, VARIANTS } from 'ditac';
import { inverse, normalStream, transform, transformBackward } from 'ditac/cpab';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { compareBits, type Inputs, randomBits, specialValues, stratified } from 'ditac/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planImage } from '../src/plan/image.js';
import { tries } from './effort.js';
import { EXAMPLES } from './family-examples.js';

const backends = new Map<string, Backend>();
const missing = new Map<string, string>();
for (const name of BACKEND_NAMES) {
  await loadBackend(name).then(
    (backend) => backends.set(name, backend),
    (error) => missing.set(name, error.message),
  );
}
// Threads for everything, also what would be done where the call is made; and blocking.
if (backends.has('threads')) {
  const threads = await loadBackend('threads', { size: 2, threshold: 0 });
  backends.set('threads, always', threads);
  backends.set('threads, blocking', threads.sync);
}
const reference = await loadBackend('js');
const present = [...backends.keys()];

test.skipIf(missing.size === 0)(
  `not on this machine: ${[...missing].map((each) => each.join(', ')).join('; ')}`,
  () => {
    // Only WebGPU may be missing; the others run everywhere.
    expect([...missing.keys()]).toEqual(['webgpu']);
  },
);

const activations = VARIANTS.map((variant, i) => new DiTAC({ a: -3, b: 3, variant, seed: 20 + i }));
const theta = Float32Array.from({ length: 9 }, normalStream(2));

function expectSameBits(expected: Float32Array, actual: Float32Array, x?: Float32Array): void {
  const { differing, first } = compareBits(expected, actual, x);
  expect({ differing, first }).toEqual({ differing: 0, first: undefined });
}

/** Another one every time, the same for all backends. */
const SEED = Math.floor(Math.random() * 2 ** 31);

const made = new Map<string, unknown>();
/** Inputs and what js makes of them: once, for all backends that are compared with it. */
function once<T>(key: string, make: () => T): T {
  if (!made.has(key)) made.set(key, make());
  return made.get(key) as T;
}
const inputsOf = (key: string, inputs: () => Inputs) => once(key, () => [...inputs().blocks()].map((x) => x.slice()));

async function expectSameGradients(
  backend: Backend,
  act: DiTAC,
  x: Float32Array,
  gradY: Float32Array,
  options?: BackwardOptions,
  expected = act.on(reference).backward(x, gradY, options),
): Promise<void> {
  const actual = await act.on(backend).backward(x, gradY, options);
  expectSameBits(expected.gradX, actual.gradX, x);
  expectSameBits(expected.gradThetas, actual.gradThetas);
}

describe.each(present.filter((name) => name !== 'js'))('%s gives the bits of js', (name) => {
  const backend = backends.get(name)!;

  test.each(VARIANTS)('%s: random bit patterns of every class', async (variant) => {
    const act = activations[VARIANTS.indexOf(variant)]!;
    for (const [k, x] of inputsOf('bits', () => randomBits(tries(1_600_000), 1)).entries()) {
      const expected = once(`${variant}, bits ${k}`, () => act.on(reference).forward(x));
      expectSameBits(expected, await act.on(backend).forward(x), x);
    }
  });

  test('transform: random bit patterns', async () => {
    for (const [k, x] of inputsOf('points', () => randomBits(tries(2_000_000), 2)).entries()) {
      const expected = once(`transform ${k}`, () => transform(x, theta, { tess: 10, backend: reference }));
      expectSameBits(expected, await transform(x, theta, { tess: 10, backend }), x);
    }
  });

  test.each(VARIANTS)('backward, %s: random bit patterns of every class', async (variant) => {
    const act = activations[VARIANTS.indexOf(variant)]!;
    const gradients = inputsOf('bits of gradients', () => randomBits(tries(262_144), 5));
    for (const [k, x] of inputsOf('bits for gradients', () => randomBits(tries(262_144), 4)).entries()) {
      const gradY = gradients[k]!;
      const expected = once(`backward ${variant}, bits ${k}`, () => act.on(reference).backward(x, gradY));
      await expectSameGradients(backend, act, x, gradY, undefined, expected);
    }
  });

  test.each(VARIANTS)('backward, %s: what inputs and gradients usually are', async (variant) => {
    const act = activations[VARIANTS.indexOf(variant)]!;
    const gradients = inputsOf('usual gradients', () => stratified(-4, 4, tries(131_072), 7));
    for (const [k, x] of inputsOf('usual', () => stratified(-16, 16, tries(131_072), 6)).entries()) {
      const gradY = gradients[k]!;
      const expected = once(`backward ${variant}, usual ${k}`, () => act.on(reference).backward(x, gradY));
      await expectSameGradients(backend, act, x, gradY, undefined, expected);
    }
  });

  test('backward: special values meet all others', async () => {
    const special = specialValues();
    for (const act of activations) {
      for (const step of [1, 7, 40, 501]) {
        const other = Float32Array.from(special, (_, i) => special[(i * step + step) % special.length]!);
        await expectSameGradients(backend, act, special, other);
      }
    }
  });

  test.each(VARIANTS)('%s: where inputs usually are', async (variant) => {
    const act = activations[VARIANTS.indexOf(variant)]!;
    for (const x of stratified(-16, 16, tries(200_000), 3).blocks())
      expectSameBits(act.on(reference).forward(x), await act.on(backend).forward(x), x);
  });

  test('all special values, forward and transform', async () => {
    const x = specialValues();
    for (const act of activations) expectSameBits(act.on(reference).forward(x), await act.on(backend).forward(x), x);
    for (const flow of [transform, inverse]) {
      const on = async (b: Backend) => flow(x, theta, { tess: 10, backend: b });
      expectSameBits(await on(reference), await on(backend), x);
    }
  });

  test('every family: special values, which are tiny and subnormal too, and their gradients', async () => {
    const x = Float32Array.of(...specialValues(), ...[...stratified(-20, 20, 300, 3).blocks()].flatMap((b) => [...b]));
    const finite = x.map((at) => (Number.isFinite(at) ? at : 1));
    const gradY = Float32Array.from(x, (_, i) => Math.sin(i));
    for (const [family, examples] of Object.entries(EXAMPLES))
      for (const { options } of examples) {
        const { act, y, expected } = once(JSON.stringify([family, options]), () => {
          const act = new FAMILIES[family as FamilyName](options as never);
          return { act, y: act.on(reference).forward(x), expected: act.on(reference).backward(finite, gradY) };
        });
        expectSameBits(y, await act.on(backend).forward(x), x);
        const { gradX, gradients } = await act.on(backend).backward(finite, gradY);
        expectSameBits(expected.gradX, gradX, finite);
        for (const [name, sums] of Object.entries(expected.gradients)) expectSameBits(sums, gradients[name]!);
      }
  });

  test('intervals that begin or end at, or just beside, a subnormal number', async () => {
    const ends = [-7e-46, 7e-46, -3e-39, 3e-39, -2e-38, 0];
    const near = [0, 1e-39, 1.17e-38, 2 ** -126, 1.2e-38, 2e-38, 1e-30, 1e-20, 3e-20, 0.1];
    const x = Float32Array.from(near.flatMap((at) => [at, -at]));
    for (const variant of VARIANTS)
      for (const end of ends)
        for (const tess of [1, 2, 8])
          for (const [a, b] of [
            [end, 0.5],
            [-0.5, end],
          ]) {
            const { act, y, gradients } = once(`${variant}, ${tess} from ${a} to ${b}`, () => {
              const act = new DiTAC({ seed: 2, tess, a, b, variant });
              return { act, y: act.on(reference).forward(x), gradients: act.on(reference).backward(x, x) };
            });
            expectSameBits(y, await act.on(backend).forward(x), x);
            await expectSameGradients(backend, act, x, x, undefined, gradients);
          }
  });

  test('random θ, tessellations, intervals and bases', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 1, max: 33 }),
        fc.constantFrom(...VARIANTS),
        fc.constantFrom('qr', 'svd', 'sparse', 'rref' as const),
        fc.double({ min: -9, max: 1, noNaN: true }),
        fc.double({ min: 0.5, max: 17, noNaN: true }),
        async (seed, tess, variant, basis, a, width) => {
          const { x, on, expected } = once(JSON.stringify([seed, tess, variant, basis, a, width]), () => {
            const act = new DiTAC({ tess, a, b: a + width, variant, basis, seed });
            const [x] = [...stratified(-20, 20, 3000, seed).blocks()] as [Float32Array];
            const [gradY] = [...stratified(-1, 1, 3000, seed + 1).blocks()] as [Float32Array];
            const options = { tess, basis, zeroBoundary: variant !== 'inf' };
            const on = async (b: Backend) => ({
              y: await act.on(b).forward(x),
              ...(await act.on(b).backward(x, gradY)),
              image: await transform(x, act.thetas, { ...options, backend: b }),
              flow: await transformBackward(x, gradY, act.thetas, { ...options, backend: b }),
            });
            return { x, on, expected: on(reference) };
          });
          const [p, q] = [await expected, await on(backend)];
          for (const key of ['y', 'gradX', 'image'] as const) expectSameBits(p[key], q[key], x);
          expectSameBits(p.gradThetas, q.gradThetas);
          for (const key of ['gradX', 'gradTheta', 'gradTime'] as const) expectSameBits(p.flow[key], q.flow[key]);
        },
      ),
      { numRuns: tries(100), seed: SEED },
    );
  });
});

describe.each(present)('%s: shapes and memory', (name) => {
  const backend = backends.get(name)!;
  const act = activations[0]!;
  const [inputs] = [...stratified(-6, 6, 20_000, 4).blocks()];
  const whole = act.on(reference).forward(inputs!);

  test('every length from 0 to 67, and around the window of 4096', async () => {
    const lengths = [...Array(68).keys(), ...[...Array(33).keys()].map((k) => 4080 + k), 8191, 8192, 8193, 12289];
    for (const n of lengths) {
      const x = inputs!.subarray(0, n);
      expectSameBits(whole.subarray(0, n), await act.on(backend).forward(x));
      expectSameBits(transform(x, theta, { tess: 10 }), await transform(x, theta, { tess: 10, backend }));
    }
  });

  test('in place, into another array, and neighbours in one buffer', async () => {
    for (const n of [1, 5, 4097]) {
      const x = inputs!.slice(0, n);
      const out = new Float32Array(n).fill(7);
      expect(await act.on(backend).forward(x, out)).toBe(out);
      expectSameBits(whole.subarray(0, n), out);
      expectSameBits(inputs!.subarray(0, n), x);
      expect(await act.on(backend).forward(x, x)).toBe(x);
      expectSameBits(whole.subarray(0, n), x);
      const shared = new Float32Array(2 * n + 2).fill(9);
      shared.set(inputs!.subarray(0, n));
      await act.on(backend).forward(shared.subarray(0, n), shared.subarray(n, 2 * n));
      expectSameBits(whole.subarray(0, n), shared.subarray(n, 2 * n));
      expect([...shared.subarray(2 * n)]).toEqual([9, 9]);
    }
  });

  test('cut anywhere, the pieces are the whole', async () => {
    const cut = fc.integer({ min: 0, max: 9000 });
    await fc.assert(
      fc.asyncProperty(cut, cut, async (p, q) => {
        const [from, to] = [Math.min(p, q), Math.max(p, q)];
        const parts = [inputs!.subarray(0, from), inputs!.subarray(from, to), inputs!.subarray(to, 9001)];
        const results = await Promise.all(parts.map(async (part) => act.on(backend).forward(part)));
        expectSameBits(whole.subarray(0, 9001), Float32Array.from(results.flatMap((part) => [...part])));
      }),
      { numRuns: tries(50) },
    );
  });

  test('channels first, channels last, any rank', async () => {
    const channels = 3;
    const first = new DiTAC({ a: -3, b: 3, channels, seed: 6 });
    const d = first.dimension;
    const single = Array.from(
      { length: channels },
      (_, c) => new DiTAC({ a: -3, b: 3, thetas: first.thetas.subarray(c * d, (c + 1) * d) }),
    );
    const last = new DiTAC({ a: -3, b: 3, thetas: first.thetas, layout: 'channelsLast' });
    const x = inputs!.subarray(0, 2 * channels * 5 * 7);
    const byChannel = (channelOf: (i: number) => number) =>
      Float32Array.from(x, (v, i) => single[channelOf(i)]!.on(reference).forward(Float32Array.of(v))[0]!);
    const cases = [
      { shape: [2, 3, 5, 7], channelOf: (i: number) => Math.floor(i / 35) % 3 },
      { shape: [70, 3], channelOf: (i: number) => i % 3 },
      { shape: [1, 3, 70], channelOf: (i: number) => Math.floor(i / 70) },
    ];
    for (const { shape, channelOf } of cases)
      expectSameBits(byChannel(channelOf), await first.on(backend).forward(x, undefined, { shape }));
    const interleaved = byChannel((i) => i % 3);
    expectSameBits(interleaved, await last.on(backend).forward(x));
    const copy = x.slice();
    expect(await last.on(backend).forward(copy, copy, { shape: [2, 5, 7, 3] })).toBe(copy);
    expectSameBits(interleaved, copy);
  });

  test('backward: every length from 0 to 67, and around the window of 4096', async () => {
    const gradients = stratified(-1, 1, 20_000, 8).blocks();
    const [gradY] = [...gradients];
    const lengths = [...Array(68).keys(), ...[...Array(33).keys()].map((k) => 4080 + k), 12289];
    for (const n of lengths) await expectSameGradients(backend, act, inputs!.subarray(0, n), gradY!.subarray(0, n));
  });

  test('backward: cut anywhere, in any order, the sum is that of the whole', async () => {
    const [gradY] = [...stratified(-1, 1, 9000, 9).blocks()];
    const x = inputs!.subarray(0, 9000);
    const expected = act.on(reference).backward(x, gradY!);
    const cut = fc.integer({ min: 0, max: 9000 });
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { maxLength: 6 }), fc.boolean(), async (cuts, isBackwards) => {
        const ends = [0, ...cuts.sort((p, q) => p - q), 9000];
        const parts = ends.slice(1).map((to, i) => [ends[i]!, to] as const);
        if (isBackwards) parts.reverse();
        const into = act.gradientSum();
        const gradX = new Float32Array(9000);
        // All at once on a device: what comes first may not matter.
        await Promise.all(
          parts.map((part) =>
            act.on(backend).backward(x.subarray(...part), gradY!.subarray(...part), {
              out: gradX.subarray(...part),
              into,
            }),
          ),
        );
        expectSameBits(expected.gradX, gradX);
        expectSameBits(expected.gradThetas, into.thetas);
      }),
      { numRuns: tries(20) },
    );
  });

  test('backward: channels first, channels last, any rank; into x and into gradY', async () => {
    const first = new DiTAC({ a: -3, b: 3, channels: 3, seed: 6 });
    const last = new DiTAC({ a: -3, b: 3, thetas: first.thetas, layout: 'channelsLast' });
    const [gradY] = [...stratified(-1, 1, 630, 9).blocks()];
    const x = inputs!.subarray(0, 630);
    for (const shape of [
      [6, 3, 5, 7],
      [210, 3],
      [1, 3, 210],
    ])
      await expectSameGradients(backend, first, x, gradY!, { shape });
    await expectSameGradients(backend, last, x, gradY!);
    const { gradX } = last.on(reference).backward(x, gradY!);
    for (const into of ['x', 'gradY'] as const) {
      const given = { x: x.slice(), gradY: gradY!.slice() };
      await last.on(backend).backward(given.x, given.gradY, { out: given[into] });
      expectSameBits(gradX, given[into]);
    }
  });

  test('backward: a batch of θ, one x for all, and one for each', async () => {
    const thetas = Float32Array.from({ length: 45 }, normalStream(3));
    const [gradY] = [...stratified(-1, 1, 2500, 9).blocks()];
    for (const n of [500, 2500]) {
      const options = { tess: 10, points: 500 };
      const expected = transformBackward(inputs!.subarray(0, n), gradY!, thetas, options);
      const actual = await transformBackward(inputs!.subarray(0, n), gradY!, thetas, { ...options, backend });
      for (const key of ['gradX', 'gradTheta', 'gradTime'] as const) expectSameBits(expected[key], actual[key]);
    }
  });

  test('a batch of θ: one x for all, and one for each', async () => {
    const thetas = Float32Array.from({ length: 45 }, normalStream(3));
    for (const n of [1, 100, 5000]) {
      const shared = inputs!.subarray(0, n);
      expectSameBits(transform(shared, thetas, { tess: 10 }), await transform(shared, thetas, { tess: 10, backend }));
      const own = inputs!.subarray(0, 5 * Math.min(n, 4000));
      const options = { tess: 10, points: own.length / 5 };
      expectSameBits(transform(own, thetas, options), await transform(own, thetas, { ...options, backend }));
    }
  });

  test('results do not depend on how a tensor is handed over', async () => {
    const images = [0, 1, 2].map((seed) => planImage(new DiTAC({ a: -3, b: 3, seed }).plan));
    const x = inputs!.subarray(0, 1000);
    const expected = new Float32Array(1000);
    reference.run('activate', { images, inner: 7 }, x, expected);
    for (const piece of [1, 10, 333, 999]) {
      const y = new Float32Array(1000);
      for (let offset = 0; offset < 1000; offset += piece) {
        const part = x.subarray(offset, offset + piece);
        const [from, to] = [backend.upload(part), backend.allocate(part.length)];
        backend.run('activate', { images, inner: 7, offset }, from, to);
        y.set(await backend.download(to), offset);
        backend.free(from);
        backend.free(to);
      }
      expectSameBits(expected, y);
    }
    backend.release(images);
  });

  test('ties between cells do not depend on where a table lies', async () => {
    // Among these are all points halfway between cells, which are 2⁻⁷ to 2⁻¹⁰ wide.
    const halves = Float32Array.from({ length: 16384 }, (_, i) => (i - 8192) * 2 ** -11);
    for (const each of activations) {
      const expected = each.on(reference).forward(halves);
      for (const bytes of [16, 48, 16]) {
        // Something small moves the place of the next table.
        const [x, y] = [backend.upload(new Float32Array(4)), backend.allocate(4)];
        backend.run('probe', { images: [{ bytes, write: () => {} }], inner: 1 }, x, y);
        await backend.download(y);
        const moved = new DiTAC({ a: -3, b: 3, variant: each.variant, thetas: each.thetas });
        expectSameBits(expected, await moved.on(backend).forward(halves), halves);
      }
    }
  });

  test('hundreds of tables take turns in its memory', async () => {
    const many = once('many', () => Array.from({ length: 300 }, (_, seed) => new DiTAC({ a: -3, b: 3, seed })));
    const x = inputs!.subarray(0, 50);
    const first = [];
    for (const each of many) first.push(await each.on(backend).forward(x));
    for (const [i, each] of many.entries()) expectSameBits(first[i]!, await each.on(backend).forward(x));
    expectSameBits(whole.subarray(0, 50), await act.on(backend).forward(x));
  });
});

test('an unknown backend is refused by name', async () => {
  // @ts-expect-error: not a name
  await expect(loadBackend('cuda')).rejects.toThrow(
    /backend must be one of 'wasm', 'js', 'threads', 'webgpu', 'auto', got "cuda"/,
  );
});
