/** Layers of Kolmogorov–Arnold networks: the released classes, exact gradients, the same bits everywhere, refinement. */
import { readFileSync } from 'node:fs';
import { BSpline, GradientSum, KANLayer, loadBackend } from 'ditac';
import { compareBits, exactFamily } from 'ditac/oracle';
import { loadSafetensors } from 'ditac/safetensors';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { uniformStream } from '../src/cpab/random.js';

// biome-ignore lint/suspicious/noExplicitAny: what a golden file holds
type Any = any;

const folder = new URL('golden/checkpoints/', import.meta.url);
const golden = JSON.parse(readFileSync(new URL('layers.json', folder), 'utf8'));
const doubles = (text: string) => new Float64Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
const x = new Float32Array(Uint8Array.from(Buffer.from(golden.x, 'base64')).buffer);
const cases = Object.entries<Any>(golden.cases).map(([name, expected]) => {
  const { tensors } = loadSafetensors(readFileSync(new URL(`${name}.safetensors`, folder)));
  const prefix = Object.keys(tensors)[0]!.replace(/[^.]+$/, '');
  return { name, expected, tensors, prefix };
});
const layerOf = ({ tensors, prefix }: (typeof cases)[number]) => KANLayer.fromStateDict(tensors, { prefix });
const gradY = Float32Array.from({ length: 64 * 3 }, (_, n) => Math.cos(n));

const largest = (values: ArrayLike<number>) => Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
const off = (computed: ArrayLike<number>, truth: ArrayLike<number>) => {
  expect(computed.length).toBe(truth.length);
  return largest(Array.from(truth, (v, i) => v - computed[i]!));
};
const same = (p: Float32Array, q: Float32Array) => expect(compareBits(p, q).differing).toBe(0);

const js = await loadBackend('js');
const wasm = await loadBackend('wasm');
const pool = await loadBackend('threads', { size: 2, threshold: 0 });
const webgpu = await loadBackend('webgpu').catch((cause: Error) => cause.message);
afterAll(() => pool.dispose());

/** A layer with other knots for each input. */
function drawn(inputs: number, outputs: number, seed: number, degree = 3): KANLayer {
  const uniform = uniformStream(seed);
  const grid = Array.from({ length: inputs }, () => {
    let knot = -2 - uniform();
    return Array.from({ length: degree + 7 }, () => (knot += 0.1 + 0.5 * uniform()));
  });
  const numbers = (length: number) => Float32Array.from({ length }, () => 2 * uniform() - 1);
  const edges = inputs * outputs;
  return new KANLayer({
    inputs,
    outputs,
    degree,
    grid,
    base_weight: numbers(edges),
    spline_scaler: numbers(edges),
    spline_weight: numbers(edges * 6),
  });
}
const samples = (count: number, seed: number) => {
  const uniform = uniformStream(seed);
  return Float32Array.from({ length: count }, () => 8 * uniform() - 4);
};

describe.each(cases)('$name', (each) => {
  const { expected, tensors, prefix } = each;
  const layer = layerOf(each);

  test('outputs are those of the class in float64', () => {
    const y = doubles(expected.y);
    expect(off(layer.forward(x), y)).toBeLessThan(2e-5);
    // Half an ULP of results up to 8.
    expect(off(layer.direct(x), y)).toBeLessThan(1e-6);
  });

  test('gradients are those of the class in float64', () => {
    const { gradX, gradients } = layer.backward(x, gradY);
    const truth = doubles(expected.gradX);
    expect(off(gradX, truth)).toBeLessThan(1e-5 * largest(truth));
    const names = tensors[`${prefix}coef`]
      ? { base_weight: 'scale_base', spline_scaler: 'scale_sp', spline_weight: 'coef' }
      : { base_weight: 'base_weight', spline_scaler: 'spline_scaler', spline_weight: 'spline_weight' };
    for (const [name, stored] of Object.entries(names)) {
      const found = doubles(expected.gradients[stored]);
      const length = name === 'spline_weight' ? layer.coefficients : 1;
      // pykan's are [in][out].
      const turned =
        stored === name
          ? found
          : Float64Array.from(found, (_, at) => {
              const [edge, k] = [Math.floor(at / length), at % length];
              return found[((edge % 2) * 3 + Math.floor(edge / 2)) * length + k]!;
            });
      expect(largest(turned)).toBeGreaterThan(0);
      expect(off(gradients[name as 'base_weight'], turned), name).toBeLessThan(1e-5 * largest(turned));
    }
  });

  test('goes back as it came, to either class', () => {
    const kind = tensors[`${prefix}coef`] ? 'pykan' : 'efficient-kan';
    const written = layer.stateDict({ prefix, class: kind });
    expect(Object.keys(written).sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, { shape, data }] of Object.entries(written)) {
      expect([name, shape]).toEqual([name, tensors[name]!.shape]);
      same(Float32Array.from(data), Float32Array.from(tensors[name]!.data));
    }
    for (const other of ['pykan', 'efficient-kan'] as const)
      same(KANLayer.fromStateDict(layer.stateDict({ class: other })).forward(x), layer.forward(x));
    expect(layer.notes.join()).toContain('SiLU');
  });

  test('equal knots, where the class gives NaN or calls 0/0 nothing, are refused', () => {
    const grid = tensors[`${prefix}grid`]!;
    const data = Float32Array.from(grid.data);
    data[5] = data[4]!;
    expect(() => KANLayer.fromStateDict({ ...tensors, [`${prefix}grid`]: { ...grid, data } }, { prefix })).toThrow(
      /no two knots equal, where a spline is 0\/0; knot 5/,
    );
    data[5] = Number.NaN;
    expect(() => KANLayer.fromStateDict({ ...tensors, [`${prefix}grid`]: { ...grid, data } }, { prefix })).toThrow(
      RangeError,
    );
  });

  test('an edge is that of the family, with its certificate', () => {
    const edge = layer.edge(2, 1);
    const read = BSpline.fromStateDict(tensors, { prefix, edge: [2, 1] } as Any);
    same(edge.forward(x), read.forward(x));
    expect(layer.planOf(2, 1).certificate.keepsPromise).toBe(true);
  });
});

test('masked edges are none', () => {
  const each = cases.find(({ name }) => name === 'pykan_layer')!;
  const mask = { shape: [2, 3], data: Float32Array.of(1, 1, 1, 1, 1, 0) };
  const layer = KANLayer.fromStateDict({ ...each.tensors, [`${each.prefix}mask`]: mask }, { prefix: each.prefix });
  expect(
    layer
      .edge(2, 1)
      .forward(x)
      .every((v) => v === 0),
  ).toBe(true);
  expect(layer.notes.join()).toContain('the mask of 1 edges is 0');
});

test('a sum is that of its edges in float64, in the order of the inputs, rounded once', () => {
  const layer = drawn(5, 2, 1);
  const input = samples(5 * 50, 2);
  const y = layer.forward(input);
  for (const o of [0, 1]) {
    const edges = [0, 1, 2, 3, 4].map((i) => layer.edge(o, i).forward(input));
    for (let s = 0; s < 50; s++) {
      let sum = 0;
      for (let i = 0; i < 5; i++) sum += edges[i]![5 * s + i]!;
      expect(y[2 * s + o]).toBe(Math.fround(sum));
    }
  }
});

test('both ways stay within what is said of the exact sums', () => {
  const layer = drawn(3, 2, 5);
  const input = samples(3 * 60, 6);
  const truths = [0, 1].map((o) => [0, 1, 2].map((i) => exactFamily(layer.edge(o, i))));
  const [y, z] = [layer.forward(input), layer.direct(input)];
  const ulp = (v: number) => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(v) || 1e-30)), -8) - 23);
  for (let s = 0; s < 60; s++) {
    for (let o = 0; o < 2; o++) {
      const terms = truths[o]!.map((f, i) => f(input[3 * s + i]!).hi);
      const sum = terms.reduce((p, q) => p + q, 0);
      const at = 2 * s + o;
      const allowed = terms.reduce((total, each) => total + ulp(each), 0.5 * ulp(y[at]!));
      expect(Math.abs(y[at]! - sum)).toBeLessThanOrEqual(allowed);
      // Half an ULP, and float64's rounding of terms of size 1.
      expect(Math.abs(z[at]! - sum)).toBeLessThanOrEqual(0.5 * ulp(z[at]!) + 2 ** -48);
    }
  }
});

test(`the same bits on every backend, however samples are divided${typeof webgpu === 'string' ? ` (not here: webgpu, ${webgpu})` : ''}`, async () => {
  const layer = drawn(4, 3, 7, 2);
  const n = 333;
  const input = samples(4 * n, 8);
  const grads = samples(3 * n, 9);
  const y = layer.on(js).forward(input);
  const { gradX, gradients }: Any = layer.on(js).backward(input, grads);
  for (const backend of [wasm, pool, ...(typeof webgpu === 'string' ? [] : [webgpu])] as Any[]) {
    const on = layer.on(backend);
    same(await on.forward(input), y);
    const found: Any = await on.backward(input, grads);
    same(found.gradX, gradX);
    for (const [name, each] of Object.entries<Float32Array>(gradients)) same(found.gradients[name], each);
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: n - 1 }), { minLength: 1, maxLength: 3 }), (cuts) => {
      const edges = [0, ...[...new Set(cuts)].sort((p, q) => p - q), n];
      const sum = layer.gradientSum();
      edges.slice(1).forEach((to, k) => {
        const from = edges[k]!;
        const part = input.slice(4 * from, 4 * to);
        same(layer.forward(part), y.slice(3 * from, 3 * to));
        same(layer.direct(part), layer.direct(input).slice(3 * from, 3 * to));
        const other = KANLayer.fromStateDict(layer.stateDict());
        const own = other.gradientSum();
        same(other.backward(part, grads.slice(3 * from, 3 * to), { into: own }).gradX, gradX.slice(4 * from, 4 * to));
        sum.merge(GradientSum.fromBytes(own.toBytes(), layer));
      });
      for (const [name, each] of Object.entries<Float32Array>(gradients)) same(sum.gradients[name]!, each);
    }),
    { numRuns: 4 },
  );
});

test('a call has the parameters of its moment, whatever becomes of them while it runs', async () => {
  const layer = new KANLayer({ inputs: 16, outputs: 16, seed: 1 });
  const many = Float32Array.from({ length: 16 * 20_000 }, (_, i) => Math.sin(i));
  const ones = new Float32Array(16 * 20_000).fill(1);
  const expected = { y: layer.forward(many), ...layer.backward(many, ones) };
  const on = layer.on(pool);
  const { base_weight } = layer.parameters;
  const change = () => layer.update({ base_weight: base_weight.map((w) => w + 1) });
  const forward = on.forward(many);
  change();
  same(await forward, expected.y);
  layer.update({ base_weight });
  const backward = on.backward(many, ones);
  change();
  const found = await backward;
  same(found.gradX, expected.gradX);
  expect(found.gradients).toEqual(expected.gradients);
});

test('x and out may be one memory that does not look like it', () => {
  const one = new SharedArrayBuffer(64);
  const two = structuredClone(one);
  const layer = new KANLayer({ inputs: 1, outputs: 2, seed: 1 });
  for (const way of ['direct', 'forward'] as const) {
    const own = new Float32Array(one, 0, 8);
    own.forEach((_, i) => {
      own[i] = i / 10;
    });
    const expected = layer[way](own.slice());
    same(layer[way](own, new Float32Array(two, 0, 16)), expected);
  }
});

test('NaN is the one of all kernels', () => {
  const weights = { base_weight: [1, -1], spline_scaler: [1, 1], seed: 2 };
  const layer = new KANLayer({ inputs: 2, outputs: 1, ...weights });
  const infinite = Float32Array.of(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
  for (const y of [layer.forward(infinite), layer.direct(infinite), layer.direct(Float32Array.of(Number.NaN, 1))])
    expect(new Uint32Array(y.buffer)[0]).toBe(0x7fc00000);
});

test('many samples come in pieces, with the same bits', () => {
  const layer = drawn(3, 2, 11);
  const n = 90_000;
  const input = samples(3 * n, 12);
  const grads = samples(2 * n, 13);
  const y = layer.forward(input);
  same(y.slice(-20), layer.forward(input.slice(-30)));
  const { gradX, gradients } = layer.backward(input, grads);
  same(gradX.slice(-30), layer.backward(input.slice(-30), grads.slice(-20)).gradX);
  const sum = layer.gradientSum();
  for (const [from, to] of [
    [0, 1000],
    [1000, n],
  ] as const)
    layer.backward(input.subarray(3 * from, 3 * to), grads.subarray(2 * from, 2 * to), { into: sum });
  for (const [name, each] of Object.entries<Float32Array>(gradients)) same(sum.gradients[name]!, each);
});

test('special values: limits, NaN, subnormals and knots', () => {
  const layer = new KANLayer({
    inputs: 1,
    outputs: 3,
    grid: [-1, 0, 1, 2],
    degree: 1,
    base_weight: [2, 0, -1],
    spline_scaler: [1, 1, 1],
    spline_weight: [
      [1, 3],
      [1, 3],
      [1, 3],
    ],
  });
  const input = Float32Array.of(Infinity, -Infinity, NaN, 1e-40, -1e-40, 0, 1, 2, -1, 3e38);
  for (const y of [layer.forward(input), layer.direct(input)]) {
    const row = (k: number) => [...y.slice(3 * k, 3 * k + 3)];
    expect(row(0)).toEqual([Infinity, 0, -Infinity]);
    for (const v of row(1)) expect(Math.abs(v)).toBe(0);
    expect(row(2)).toEqual([NaN, NaN, NaN]);
    // Hats of height 1 at 0 and 1.
    expect([...row(3), ...row(4), ...row(5)]).toEqual(new Array(9).fill(1));
    expect(row(6)[1]).toBe(3);
    expect([row(7)[1], Math.abs(row(8)[1]!)]).toEqual([0, 0]);
    expect(row(9)[2]).toBe(Math.fround(-3e38));
  }
});

test.each([1, 2, 3])('refine(%i) keeps the function, and is trained further', (factor) => {
  const layer = drawn(2, 3, 15);
  const fine = layer.refine(factor);
  expect(fine.coefficients).toBe(layer.coefficients + 3 * (factor - 1));
  const input = samples(2 * 200, 16);
  const y = layer.direct(input);
  // Coefficients are rounded to float32: 2⁻²⁴ of each, of which four share a point.
  expect(off(fine.direct(input), y)).toBeLessThanOrEqual(2 ** -21 * 2 * largest(y));
  expect(off(fine.forward(input), y)).toBeLessThanOrEqual(2 ** -20 * 2 * largest(y));
  const { gradients } = fine.backward(input, samples(3 * 200, 17));
  if (factor > 1) expect(gradients.spline_weight.filter((v) => v !== 0).length).toBeGreaterThan(6 * 6);
});

test('a seed draws what is not given, the same for all', () => {
  const layer = new KANLayer({ inputs: 2, outputs: 3, seed: 4 });
  expect(layer.parameters).toEqual(new KANLayer({ inputs: 2, outputs: 3, seed: 4 }).parameters);
  expect(layer.parameters).not.toEqual(new KANLayer({ inputs: 2, outputs: 3, seed: 5 }).parameters);
  // efficient-kan's own knots: fl32(arange(-3, 9)·0.4 - 1).
  expect(layer.grid[1]).toEqual(Float32Array.from({ length: 12 }, (_, k) => (k - 3) * 0.4 - 1));
  expect(layer.shapes).toEqual({ base_weight: [3, 2], spline_scaler: [3, 2], spline_weight: [3, 2, 8] });
  expect(() => new KANLayer({ inputs: 2, outputs: 3 })).toThrow(
    /needs base_weight, spline_scaler, spline_weight, or a seed/,
  );
});

test('update takes new parameters or none', () => {
  const layer = drawn(2, 2, 18);
  const input = samples(20, 1);
  const before = layer.forward(input);
  expect(() => layer.update({ base_weight: [1, 2, 3] })).toThrow(/4 numbers, got 3/);
  expect(() => layer.update({ base_weight: [1, 2, 3, NaN] })).toThrow(/finite float32/);
  expect(() => layer.update({ weight: [1] } as Any)).toThrow(/base_weight/);
  same(layer.forward(input), before);
  const sum = layer.gradientSum();
  layer.update({ base_weight: [1, 2, 3, 4] });
  expect(compareBits(layer.forward(input), before).differing).toBeGreaterThan(5);
  expect(off(layer.direct(input), layer.forward(input))).toBeLessThan(1e-5);
  expect(() => layer.backward(input, input, { into: sum })).toThrow(/same parameters/);
});

test.each([
  ['x of another length', (l: KANLayer) => l.forward(new Float32Array(3)), /2 numbers a sample, got 3/],
  [
    'out of another length',
    (l: KANLayer) => l.forward(new Float32Array(4), new Float32Array(3)),
    /out must have length 4/,
  ],
  [
    'gradY of another length',
    (l: KANLayer) => l.backward(new Float32Array(4), new Float32Array(3)),
    /2·2 numbers, got 3/,
  ],
  ['an edge that is none', (l: KANLayer) => l.edge(0, 2), /input must be an integer from 0 to 1/],
  [
    'grid and cells',
    () => new KANLayer({ inputs: 1, outputs: 1, grid: [0, 1, 2, 3, 4], cells: 4, seed: 1 }),
    /either grid or cells/,
  ],
  [
    'rows of other lengths',
    () =>
      new KANLayer({
        inputs: 2,
        outputs: 1,
        grid: [
          [0, 1, 2, 3, 4],
          [0, 1, 2, 3],
        ],
        seed: 1,
      }),
    /every input must have 5 knots/,
  ],
  ['a descending range', () => new KANLayer({ inputs: 2, outputs: 1, range: [1, -1], seed: 1 }), /range must ascend/],
  [
    'too few knots',
    () => new KANLayer({ inputs: 1, outputs: 1, grid: [0, 1, 2, 3], seed: 1 }),
    /at least 5 knots, got 4/,
  ],
  ['no such layer', () => KANLayer.fromStateDict({}), /needs the tensor 'spline_weight'/],
  [
    'a tensor that is none',
    () => KANLayer.fromStateDict({ coef: null } as Any),
    /'coef' must be a tensor, .* got null/,
  ],
  [
    'a shape that is none',
    () => KANLayer.fromStateDict({ coef: { shape: null, data: new Float32Array(0) } } as Any),
    /'coef' must be a tensor/,
  ],
  [
    'data that are none',
    () => KANLayer.fromStateDict({ spline_weight: { shape: [1, 1, 4], data: '1234' } } as Any),
    /'spline_weight' must be a tensor/,
  ],
  [
    'as much of nothing as a number says',
    () =>
      KANLayer.fromStateDict({
        spline_weight: { shape: [0, 30_000_000, 0], data: new Float32Array(0) },
        grid: { shape: [30_000_000, 0], data: new Float32Array(0) },
      }),
    /'spline_weight' must have shape \[n, n, n\], none of it 0/,
  ],
  ['too many edges', () => new KANLayer({ inputs: 300, outputs: 300, seed: 1 }), /at most 65536 edges/],
] as const)('%s is refused', (_, call, message) => {
  expect(() => call(drawn(2, 2, 1))).toThrow(message);
});
