import {
  type Basis,
  basis,
  dimension,
  flowPieces,
  flowThrough,
  inverse,
  type Matrix,
  nodalVelocities,
  normalStream,
  pieceAt,
  precisionMatrix,
  priorCovariance,
  qrCandidates,
  sampleTheta,
  transform,
} from 'ditac/cpab';
import { exact } from 'ditac/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tries } from './effort.js';
import { floatsOf, goldenCases, goldenJson, largest, type TransformCase, transformCases } from './golden.js';

const difference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  largest(Array.from({ length: a.length }, (_, i) => Math.abs(a[i]! - b[i]!)));

describe('bases', () => {
  const cases = goldenCases('basis').filter((name) => name.startsWith('basis_'));

  test.each(cases.filter((name) => !name.endsWith('svd')))('%s is the original to 1e-12', (name) => {
    const j = goldenJson(`basis/${name}.json`);
    const [, cells, boundary, kind] = /basis_t(\d+)_(n?zb)_(\w+)/.exec(name)!;
    const ours = basis(Number(cells), { basis: kind as Basis, zeroBoundary: boundary === 'zb' });
    expect([ours.rows, ours.columns]).toEqual([j.B.length, j.B[0].length]);
    expect(difference(ours.data, j.B.flat())).toBeLessThan(1e-12);
  });

  test.each(cases.filter((name) => name.endsWith('svd')))('%s spans the same fields, orthonormally', (name) => {
    const j = goldenJson(`basis/${name}.json`);
    const [, cells, boundary] = /basis_t(\d+)_(n?zb)_svd/.exec(name)!;
    const { rows, columns, data } = basis(Number(cells), { basis: 'svd', zeroBoundary: boundary === 'zb' });
    const column = (k: number) => Array.from({ length: rows }, (_, r) => data[r * columns + k]!);
    const dot = (p: number[], q: number[]) => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
    for (let p = 0; p < columns; p++) {
      for (let q = 0; q <= p; q++) expect(dot(column(p), column(q))).toBeCloseTo(p === q ? 1 : 0, 13);
      // Each of the original's columns is its own projection onto ours.
      const original = (j.B as number[][]).map((row) => row[p]!);
      const projected = original.map((_, r) =>
        Array.from({ length: columns }, (_, k) => column(k)[r]! * dot(column(k), original)).reduce((a, b) => a + b),
      );
      expect(difference(projected, original)).toBeLessThan(1e-12);
    }
  });

  test('qr with N = 10 offers both known candidates', () => {
    const j = goldenJson('basis/qr_lapack_variants.json');
    const candidates = qrCandidates(10, true);
    for (const known of Object.values<number[][]>(j.tess10_zb_variants)) {
      expect(Math.min(...candidates.map(({ data }) => difference(data, known.flat())))).toBeLessThan(1e-12);
    }
    expect(difference(basis(10, { basis: 'qr' }).data, j.tess10_zb_variants.openblas.flat())).toBeLessThan(1e-12);
  });

  test('every basis describes continuous fields, zero at the ends where that was asked', () => {
    for (const cells of [1, 2, 3, 7, 16, 33]) {
      for (const zeroBoundary of [true, false]) {
        for (const kind of ['qr', 'qr-netlib', 'svd', 'rref', 'sparse'] as const) {
          const b = basis(cells, { basis: kind, zeroBoundary });
          expect(b.columns).toBe(dimension(cells, zeroBoundary));
          const rows = Array.from({ length: b.rows }, (_, r) => [
            ...b.data.subarray(r * b.columns, (r + 1) * b.columns),
          ]);
          // The explicit form checks continuity and boundary itself.
          expect(basis(cells, { basis: rows, zeroBoundary }).data).toEqual(b.data);
        }
      }
    }
  });

  test('an explicit matrix must be a continuous field of the right shape', () => {
    const rows = [
      [1, 0],
      [0, 0],
      [-1, 0],
      [1, 0],
    ];
    expect(() => basis(3, { basis: rows })).toThrow(/must have 6 rows.* got 4/);
    expect(() => basis(2, { basis: [...rows.slice(0, 3), [1]] })).toThrow(/row 3 is an array of length 1/);
    expect(() => basis(2, { basis: [...rows.slice(0, 3), [0.5, 0]] })).toThrow(/column 0 jumps by 0.5 at vertex 1/);
    expect(() => basis(2, { basis: rows.map(([v]) => [v! + 0, 1]) })).toThrow(/zero|jumps/);
    expect(() => basis(2, { basis: [...rows.slice(0, 3), [Number.NaN, 0]] })).toThrow(/row 3, column 0 is NaN/);
  });
});

describe('the prior', () => {
  test('covariance and precision matrix are the original’s to float32', () => {
    for (const name of goldenCases('ditac')) {
      const j = goldenJson(`ditac/${name}.json`);
      const b = basis(j.tess, { basis: j.basis });
      const precision = floatsOf(j.precision_mat_bits);
      const covariance = floatsOf(j.prior_cov_bits);
      // The original inverts in float32 a matrix whose condition is about 10².
      expect(difference(precisionMatrix(b, j.lambda_smooth, j.lambda_var).data, precision)).toBeLessThan(
        1e-5 * largest(precision.map(Math.abs)),
      );
      expect(difference(priorCovariance(b, j.lambda_smooth_init, j.lambda_var_init).data, covariance)).toBeLessThan(
        1e-5 * largest(covariance.map(Math.abs)),
      );
    }
  });

  test('a seed gives the same θ everywhere', () => {
    const theta = sampleTheta(priorCovariance(basis(10), 5, 2), normalStream(1));
    expect([...new Uint32Array(theta.buffer)]).toMatchInlineSnapshot(`
      [
        1057902107,
        3166456623,
        1055837077,
        3201083339,
        1048850578,
        3207060283,
        3175639666,
        3192125473,
        1057402133,
      ]
    `);
  });

  test('samples have the covariance that was asked for', () => {
    const covariance = priorCovariance(basis(5), 5, 2);
    const normal = normalStream(7);
    const samples = Array.from({ length: 20000 }, () => sampleTheta(covariance, normal));
    const d = covariance.columns;
    const scale = largest(covariance.data.map(Math.abs));
    for (let i = 0; i < d; i++) {
      for (let k = 0; k < d; k++) {
        const estimate = samples.reduce((sum, theta) => sum + theta[i]! * theta[k]!, 0) / samples.length;
        // Four standard errors of a product of normals: 4·√2/√20000.
        expect(Math.abs(estimate - covariance.data[i * d + k]!) / scale).toBeLessThan(0.04);
      }
    }
  });
});

const points = Float32Array.from({ length: 257 }, (_, k) => k / 256);

const fieldOf = ({ theta, options }: Pick<TransformCase, 'theta' | 'options'>) => {
  const { tess, zeroBoundary } = options;
  const b: Matrix = basis(tess, { basis: options.basis, zeroBoundary });
  const velocity = nodalVelocities(b, options.zeroBoundary, theta).map((v) => v * options.time);
  return { origin: 0, cellWidth: 1 / options.tess, velocity };
};

describe('the exact flow in float64', () => {
  test.each(transformCases)('$name: 1e-14 from the truth', (each) => {
    const pieces = flowPieces(fieldOf(each));
    const errors = each.phi.map((y, k) =>
      each.illConditioned.has(k)
        ? 0
        : Math.abs(flowThrough(pieceAt(pieces, k / 256), k / 256) - y) / Math.max(1, each.slope[k]!),
    );
    expect(largest(errors)).toBeLessThan(1e-14);
  });

  test('flows compose: φ(φ(x, s), t) = φ(x, s + t)', () => {
    fc.assert(
      fc.property(randomField, fc.double({ min: -1, max: 1, noNaN: true }), unit, ({ tess, theta }, s, x) => {
        const field = fieldOf({ theta, options: { tess, basis: 'qr', zeroBoundary: true, time: 1 } });
        const flow = (time: number) => {
          const pieces = flowPieces({ ...field, velocity: field.velocity.map((v) => v * time) });
          return (at: number) => flowThrough(pieceAt(pieces, at), at);
        };
        const steepest = Math.exp(2 * tess * largest(field.velocity.map(Math.abs)) * 2);
        return Math.abs(flow(1 - s)(flow(s)(x)) - flow(1)(x)) < 1e-14 * Math.max(1, steepest);
      }),
    );
  });
});

const unit = fc.double({ min: 0, max: 1, noNaN: true });
const randomField = fc
  .record({
    tess: fc.integer({ min: 2, max: 33 }),
    seed: fc.integer({ min: 0, max: 1e9 }),
    size: fc.constantFrom(0.1, 1, 3),
  })
  .map(({ tess, seed, size }) => {
    const normal = normalStream(seed);
    return { tess, theta: Float32Array.from({ length: tess - 1 }, () => size * normal()) };
  });

/** The bar: |error| ≤ 2⁻²¹·max(1, dφ/dx). */
const BAR = 2 ** -21;

describe('transform', () => {
  test.each(transformCases)('$name: within 2⁻²¹·max(1, dφ/dx) of the truth, increasing', (each) => {
    const y = transform(points, each.theta, each.options);
    const errors = each.phi.map((t, k) =>
      each.illConditioned.has(k) ? 0 : Math.abs(y[k]! - t) / Math.max(1, each.slope[k]!),
    );
    expect(largest(errors)).toBeLessThanOrEqual(BAR);
    for (let k = 1; k < y.length; k++) expect(y[k]!).toBeGreaterThanOrEqual(y[k - 1]!);
  });

  test('stays within the bar of the oracle for random θ, bases and times', () => {
    const any = fc.record({
      field: randomField,
      kind: fc.constantFrom('qr', 'svd', 'sparse', 'rref' as const),
      time: fc.double({ min: -2, max: 2, noNaN: true }),
      xs: fc.array(unit, { minLength: 8, maxLength: 8 }),
    });
    fc.assert(
      fc.property(any, ({ field: { tess, theta }, kind, time, xs }) => {
        const options = { tess, basis: kind as Basis, time };
        const x = Float32Array.from(xs);
        const y = transform(x, theta, options);
        const truth = exact.transform(theta, options);
        return x.every((v, i) => {
          const slope = (truth(v + 1e-7) - truth(v - 1e-7)) / 2e-7;
          // φ' is a difference here, and changes fast where fields are steep: hence the factor.
          return Math.abs(y[i]! - truth(v)) <= BAR * Math.max(1, 1.5 * slope);
        });
      }),
      { numRuns: tries(300) },
    );
  });

  test('is increasing and stays in the domain', () => {
    const x = Float32Array.from({ length: 20001 }, (_, i) => i / 20000);
    fc.assert(
      fc.property(randomField, ({ tess, theta }) => {
        const y = transform(x, theta, { tess, time: 1.5 });
        return y.every((v, i) => v >= 0 && v <= 1 && (i === 0 || v >= y[i - 1]!));
      }),
      { numRuns: 60 },
    );
  });

  test('inverse undoes it', () => {
    fc.assert(
      fc.property(randomField, ({ tess, theta }) => {
        const y = transform(points, theta, { tess });
        const back = inverse(y, theta, { tess });
        const truth = exact.transform(theta, { tess, time: -1 });
        return back.every((v, i) => {
          const slope = (truth(y[i]! + 1e-7) - truth(y[i]! - 1e-7)) / 2e-7;
          // Both errors of at most 2⁻²¹, the first one amplified by the inverse's slope.
          return Math.abs(v - points[i]!) <= 2 * BAR * Math.max(1, 1.5 * slope) + BAR * 1.5 * slope * 1;
        });
      }),
      { numRuns: 60 },
    );
  });

  test('time 0 and θ = 0 are the identity, bit for bit', () => {
    const theta = Float32Array.from({ length: 9 }, normalStream(3));
    const x = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) / 2 + 0.5);
    expect(transform(x, theta, { tess: 10, time: 0 })).toEqual(x);
    expect(transform(x, new Float32Array(9), { tess: 10 })).toEqual(x);
  });

  test('one θ or many, x shared or not', () => {
    const theta = Float32Array.from({ length: 18 }, normalStream(4));
    const [first, second] = [theta.subarray(0, 9), theta.subarray(9)];
    const options = { tess: 10 };
    const x = points.subarray(0, 255);
    const y = [...transform(x, first, options), ...transform(x, second, options)];
    expect([...transform(x, theta, options)]).toEqual(y);
    expect([...transform(x, [[...first], [...second]], options)]).toEqual(y);
    const both = Float32Array.of(...x, ...x.map((v) => 1 - v));
    const own = [
      ...transform(x, first, options),
      ...transform(
        x.map((v) => 1 - v),
        second,
        options,
      ),
    ];
    expect([...transform(both, theta, { ...options, points: 255 })]).toEqual(own);
    expect(transform(both, theta, { ...options, points: 255, out: both })).toBe(both);
    expect([...both]).toEqual(own);
  });

  test('one cell, and many', () => {
    expect(transform(points, [], { tess: 1 })).toEqual(points);
    const theta = Float32Array.from({ length: 2 }, normalStream(8));
    const truth = exact.transform(theta, { tess: 1, zeroBoundary: false });
    transform(points, theta, { tess: 1, zeroBoundary: false }).forEach((y, i) => {
      expect(Math.abs(y - truth(points[i]!))).toBeLessThan(BAR * 3);
    });
    const many = Float32Array.from({ length: 999 }, normalStream(9)).map((v) => v / 10);
    const dense = exact.transform(many, { tess: 1000, basis: 'sparse' });
    transform(points, many, { tess: 1000, basis: 'sparse' }).forEach((y, i) => {
      expect(Math.abs(y - dense(points[i]!))).toBeLessThan(BAR);
    });
  });

  test('beyond [0,1] the end cells go on; NaN and infinities pass', () => {
    const theta = Float32Array.from({ length: 9 }, normalStream(5));
    const truth = exact.transform(theta, { tess: 10 });
    const x = Float32Array.of(
      -3,
      -0.5,
      1.25,
      40,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      -0,
      0,
    );
    const y = transform(x, theta, { tess: 10 });
    for (let i = 0; i < 4; i++) expect(Math.abs(y[i]! / truth(x[i]!) - 1)).toBeLessThan(2 ** -21);
    expect([...y.subarray(4)]).toEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0]);
  });
});
