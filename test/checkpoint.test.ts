/** Activations from PyTorch state dicts: found, refused, and given back. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DiTAC } from 'ditac';
import { basis } from 'ditac/cpab';
import { compareBits, stratified } from 'ditac/oracle';
import { loadSafetensors, type Tensor } from 'ditac/safetensors';
import { describe, expect, test } from 'vitest';
import { floatsOf, golden, goldenCases, goldenJson } from './golden.js';

const checkpoints = ['digits_mlp_ditac', 'digits_conv_ditac', 'mlp_double_2d_ditac_seed1'].flatMap((file) => {
  const { tensors } = loadSafetensors(golden(`nets/${file}.safetensors`));
  return Object.keys(tensors)
    .filter((name) => name.endsWith('thetas'))
    .map((name) => ({ file, tensors, prefix: name.slice(0, -'thetas'.length) }));
});

describe.each(checkpoints)('$file, $prefix', ({ tensors, prefix }) => {
  const act = DiTAC.fromStateDict(tensors, { prefix, a: -3, b: 3, variant: 'gelu' });

  test('the basis and the regulariser are found through precision_mat', () => {
    expect([act.tess, act.lambdaSmooth, act.lambdaVar]).toEqual([10, 5, 1]);
    expect(act.basis.data).toEqual(basis(10).data);
  });

  test('the state dict is given back bit for bit', () => {
    for (const name of [`${prefix}thetas`, `${prefix}precision_mat`]) {
      const { shape, data } = act.stateDict({ prefix })[name]!;
      expect(shape).toEqual(tensors[name]!.shape);
      expect(compareBits(tensors[name]!.data as Float32Array, data as Float32Array).differing).toBe(0);
    }
  });

  test('a foreign precision_mat is refused, with the nearest candidate', () => {
    const { shape, data } = tensors[`${prefix}precision_mat`]!;
    const foreign = {
      ...tensors,
      [`${prefix}precision_mat`]: { shape, data: data.map((v, i) => v * (1 + 0.1 * Math.sin(i))) },
    };
    expect(() => DiTAC.fromStateDict(foreign, { prefix, a: -3, b: 3, variant: 'gelu' })).toThrow(
      /no known basis reproduces .*precision_mat.*nearest is .*export_checkpoint\.py/,
    );
  });

  test('θ trained with the other LAPACK’s basis is recognised', () => {
    const other = new DiTAC({ a: -3, b: 3, basis: 'qr-netlib', thetas: act.thetas, lambdaVar: 1 });
    const found = DiTAC.fromStateDict(other.stateDict(), { a: -3, b: 3 });
    expect(found.basis.data).toEqual(other.basis.data);
    const [x] = [...stratified(-4, 4, 1000, 1).blocks()];
    expect(compareBits(other.forward(x!), found.forward(x!)).differing).toBe(0);
    expect(compareBits(act.forward(x!), found.forward(x!)).differing).toBeGreaterThan(500);
  });
});

test('the golden activations are recognised: bases and λ of the original', () => {
  for (const name of goldenCases('ditac')) {
    const j = goldenJson(`ditac/${name}.json`);
    const d = j.tess - 1;
    const tensors: Record<string, Tensor> = {
      thetas: { shape: [1, d], data: floatsOf(j.thetas_bits) },
      precision_mat: { shape: [d, d], data: floatsOf(j.precision_mat_bits) },
    };
    const act = DiTAC.fromStateDict(tensors, { a: j.a, b: j.b, variant: 'gelu' });
    expect([act.tess, act.lambdaSmooth, act.lambdaVar]).toEqual([j.tess, j.lambda_smooth, j.lambda_var]);
    expect(act.basis.data).toEqual(basis(j.tess, { basis: j.basis }).data);
  }
});

const python = spawnSync('python3', ['--version']).status === 0;

test.skipIf(!python)('examples/export_checkpoint.py leaves nothing to guess (needs python3)', () => {
  const act = new DiTAC({ tess: 7, a: -2, b: 5, basis: 'svd', variant: 'leaky', channels: 3, seed: 2, lambdaVar: 1 });
  const { rows, columns, data } = act.basis;
  const file = join(mkdtempSync(join(tmpdir(), 'ditac-')), 'model.safetensors');
  const folder = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const input = JSON.stringify({
    thetas: [...act.thetas],
    precision: [...act.stateDict().precision_mat!.data],
    basis: [...data],
    shape: [rows, columns],
    a: -2,
    b: 5,
  });
  const { status, stderr } = spawnSync('python3', [folder('./python/export.py'), file], {
    input,
    encoding: 'utf8',
    // The package's own torch and safetensors are not here; what stands in for them is in test/python.
    env: {
      ...process.env,
      PYTHONPATH: [folder('./python'), folder('../examples')].join(delimiter),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { tensors } = loadSafetensors(readFileSync(file));
  const found = DiTAC.fromStateDict(tensors, { prefix: 'act_1.' });
  expect([found.a, found.b, found.tess, found.variant, found.channels, found.lambdaVar]).toEqual([
    -2,
    5,
    7,
    'leaky',
    3,
    1,
  ]);
  const [x] = [...stratified(-6, 6, 3000, 1).blocks()];
  const shape = { shape: [1000, 3] };
  expect(compareBits(act.forward(x!, undefined, shape), found.forward(x!, undefined, shape)).differing).toBe(0);
});

test('a basis that is given must be the one of the checkpoint', () => {
  const act = new DiTAC({ a: -3, b: 3, basis: 'rref', seed: 2, lambdaSmooth: 3, lambdaVar: 1 });
  const found = DiTAC.fromStateDict(act.stateDict(), { a: -3, b: 3, basis: act.basis });
  expect([found.lambdaSmooth, found.lambdaVar]).toEqual([3, 1]);
  expect(() => DiTAC.fromStateDict(act.stateDict(), { a: -3, b: 3, basis: 'sparse' })).toThrow(
    /given basis does not reproduce/,
  );
});

test('every variant round-trips through its state dict', () => {
  for (const variant of ['gelu', 'inf'] as const) {
    const act = new DiTAC({ tess: 5, variant, a: -3, b: 3, seed: 3 });
    const found = DiTAC.fromStateDict(act.stateDict(), { variant, a: -3, b: 3 });
    expect(found.tess).toBe(5);
    expect(compareBits(act.thetas, found.thetas).differing).toBe(0);
  }
});

test('missing and misshapen tensors are named', () => {
  const { tensors } = loadSafetensors(golden('nets/digits_mlp_ditac.safetensors'));
  expect(() => DiTAC.fromStateDict(tensors)).toThrow(
    /no tensor 'thetas'; activations here: prefix 'act_1.', prefix 'act_2.'/,
  );
  expect(() => DiTAC.fromStateDict({ thetas: tensors['act_1.thetas']! })).toThrow(/no tensor 'precision_mat'/);
  expect(() => DiTAC.fromStateDict({ ...tensors, thetas: tensors['fc1.bias']! })).toThrow(/thetas must have 2 axes/);
  const thetas = { shape: [1, 9], data: new Float32Array(9).fill(Number.NaN) };
  expect(() => DiTAC.fromStateDict({ thetas, precision_mat: tensors['act_1.precision_mat']! })).toThrow(/holds NaN/);
  expect(() =>
    DiTAC.fromStateDict({ thetas: tensors['act_1.thetas']!, precision_mat: tensors['fc1.weight']! }),
  ).toThrow(/precision_mat must have shape \[9, 9\]/);
  expect(() => DiTAC.fromStateDict(tensors, { prefix: 'act_1.', tess: 12 })).toThrow(/tess 12 has 11 parameters/);
});
