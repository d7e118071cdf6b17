/** One suite over every backend of this machine: each must give the bits of the first. */
import { BACKEND_NAMES, type Backend, DiTAC, loadBackend, VARIANTS } from 'ditac';
import { inverse, normalStream, transform } from 'ditac/cpab';
import { compareBits, randomBits, specialValues, stratified } from 'ditac/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const backends = new Map<string, Backend>();
for (const name of BACKEND_NAMES) backends.set(name, await loadBackend(name));
const reference = backends.get('js')!;
const activations = VARIANTS.map((variant, i) => new DiTAC({ a: -3, b: 3, variant, seed: 20 + i }));
const theta = Float32Array.from({ length: 9 }, normalStream(2));

function expectSameBits(expected: Float32Array, actual: Float32Array, x?: Float32Array): void {
  const { differing, first } = compareBits(expected, actual, x);
  expect({ differing, first }).toEqual({ differing: 0, first: undefined });
}

describe.each(BACKEND_NAMES.filter((name) => name !== 'js'))('%s gives the bits of js', (name) => {
  const backend = backends.get(name)!;

  test.each(VARIANTS)('%s: 1,600,000 random bit patterns of every class', (variant) => {
    const act = activations[VARIANTS.indexOf(variant)]!;
    for (const x of randomBits(1_600_000, 1).blocks())
      expectSameBits(act.on(reference).forward(x), act.on(backend).forward(x), x);
  });

  test('transform: 2,000,000 random bit patterns', () => {
    for (const x of randomBits(2_000_000, 2).blocks()) {
      const on = (b: Backend) => transform(x, theta, { tess: 10, backend: b });
      expectSameBits(on(reference), on(backend), x);
    }
  });

  test.each(VARIANTS)('%s: where inputs usually are', (variant) => {
    const act = activations[VARIANTS.indexOf(variant)]!;
    for (const x of stratified(-16, 16, 200_000, 3).blocks())
      expectSameBits(act.on(reference).forward(x), act.on(backend).forward(x), x);
  });

  test('all special values, forward and transform', () => {
    const x = specialValues();
    for (const act of activations) expectSameBits(act.on(reference).forward(x), act.on(backend).forward(x), x);
    for (const flow of [transform, inverse]) {
      const on = (b: Backend) => flow(x, theta, { tess: 10, backend: b });
      expectSameBits(on(reference), on(backend), x);
    }
  });

  test('random θ, tessellations, intervals and bases', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e6 }),
        fc.integer({ min: 1, max: 33 }),
        fc.constantFrom(...VARIANTS),
        fc.constantFrom('qr', 'svd', 'sparse', 'rref' as const),
        fc.double({ min: -9, max: 1, noNaN: true }),
        fc.double({ min: 0.5, max: 17, noNaN: true }),
        (seed, tess, variant, basis, a, width) => {
          const act = new DiTAC({ tess, a, b: a + width, variant, basis, seed });
          const [x] = [...stratified(-20, 20, 3000, seed).blocks()];
          return compareBits(act.on(reference).forward(x!), act.on(backend).forward(x!), x).differing === 0;
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe.each(BACKEND_NAMES)('%s: shapes and memory', (name) => {
  const backend = backends.get(name)!;
  const act = activations[0]!;
  const [inputs] = [...stratified(-6, 6, 20_000, 4).blocks()];
  const whole = act.on(reference).forward(inputs!);

  test('every length from 0 to 67, and around the window of 4096', () => {
    const lengths = [...Array(68).keys(), ...[...Array(33).keys()].map((k) => 4080 + k), 8191, 8192, 8193, 12289];
    for (const n of lengths) {
      expectSameBits(whole.subarray(0, n), act.on(backend).forward(inputs!.subarray(0, n)));
      const flow = transform(inputs!.subarray(0, n), theta, { tess: 10, backend: backend });
      expectSameBits(transform(inputs!.subarray(0, n), theta, { tess: 10, backend: reference }), flow);
    }
  });

  test('in place, into another array, and neighbours in one buffer', () => {
    for (const n of [1, 5, 4097]) {
      const x = inputs!.slice(0, n);
      const out = new Float32Array(n).fill(7);
      expect(act.on(backend).forward(x, out)).toBe(out);
      expectSameBits(whole.subarray(0, n), out);
      expectSameBits(inputs!.subarray(0, n), x);
      expect(act.on(backend).forward(x, x)).toBe(x);
      expectSameBits(whole.subarray(0, n), x);
      const shared = new Float32Array(2 * n + 2).fill(9);
      shared.set(inputs!.subarray(0, n));
      act.on(backend).forward(shared.subarray(0, n), shared.subarray(n, 2 * n));
      expectSameBits(whole.subarray(0, n), shared.subarray(n, 2 * n));
      expect([...shared.subarray(2 * n)]).toEqual([9, 9]);
    }
  });

  test('cut anywhere, the pieces are the whole', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 0, max: 9000 }), (p, q) => {
        const [from, to] = [Math.min(p, q), Math.max(p, q)];
        const parts = [inputs!.subarray(0, from), inputs!.subarray(from, to), inputs!.subarray(to, 9001)];
        const joined = Float32Array.from(parts.flatMap((part) => [...act.on(backend).forward(part)]));
        return compareBits(whole.subarray(0, 9001), joined).differing === 0;
      }),
      { numRuns: 50 },
    );
  });

  test('channels first, channels last, any rank', () => {
    const channels = 3;
    const first = new DiTAC({ a: -3, b: 3, channels, seed: 6 });
    const d = first.dimension;
    const single = Array.from(
      { length: channels },
      (_, c) => new DiTAC({ a: -3, b: 3, thetas: first.thetas.subarray(c * d, (c + 1) * d) }),
    );
    const last = new DiTAC({ a: -3, b: 3, thetas: first.thetas, layout: 'channelsLast' });
    const x = inputs!.subarray(0, 2 * channels * 5 * 7);
    const expected = (channelOf: (i: number) => number) =>
      Float32Array.from(x, (v, i) => single[channelOf(i)]!.on(backend).forward(Float32Array.of(v))[0]!);
    const onFirst = first.on(backend);
    expectSameBits(
      expected((i) => Math.floor(i / 35) % 3),
      onFirst.forward(x, undefined, { shape: [2, 3, 5, 7] }),
    );
    expectSameBits(
      expected((i) => i % 3),
      onFirst.forward(x, undefined, { shape: [70, 3] }),
    );
    expectSameBits(
      expected((i) => Math.floor(i / 70)),
      onFirst.forward(x, undefined, { shape: [1, 3, 70] }),
    );
    const onLast = last.on(backend);
    expectSameBits(
      expected((i) => i % 3),
      onLast.forward(x),
    );
    const copy = x.slice();
    expect(onLast.forward(copy, copy, { shape: [2, 5, 7, 3] })).toBe(copy);
    expectSameBits(
      expected((i) => i % 3),
      copy,
    );
  });

  test('hundreds of tables take turns in its memory', () => {
    const many = Array.from({ length: 300 }, (_, seed) => new DiTAC({ a: -3, b: 3, seed }));
    const x = inputs!.subarray(0, 50);
    const once = many.map((each) => each.on(backend).forward(x));
    many.forEach((each, i) => {
      expectSameBits(once[i]!, each.on(backend).forward(x));
    });
    expectSameBits(whole.subarray(0, 50), act.on(backend).forward(x));
  });
});

test('an unknown backend is refused by name', async () => {
  // @ts-expect-error: not a name
  await expect(loadBackend('cuda')).rejects.toThrow(/backend must be one of 'wasm', 'js'.* got "cuda"/);
});
