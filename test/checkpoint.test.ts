/** Activations from PyTorch state dicts: found, refused, and given back. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CheckpointOptions, DiTAC, type DiTACOptions } from 'ditac';
import { basis } from 'ditac/cpab';
import { compareBits, stratified } from 'ditac/oracle';
import { loadSafetensors, type StateDict, saveSafetensors, type Tensor } from 'ditac/safetensors';
import { describe, expect, test } from 'vitest';
import { floatsOf, golden, goldenCases, goldenJson } from './golden.js';

/** What PyTorch itself would have saved. */
function plain(act: DiTAC): StateDict {
  const { thetas, precision_mat } = act.stateDict();
  return { thetas: thetas!, precision_mat: precision_mat! };
}

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
    const found = DiTAC.fromStateDict(plain(other), { a: -3, b: 3, variant: 'gelu' });
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
  const told = { a: -3, b: 3, variant: 'gelu' } as const;
  const found = DiTAC.fromStateDict(plain(act), { ...told, basis: act.basis });
  expect([found.lambdaSmooth, found.lambdaVar]).toEqual([3, 1]);
  for (const tensors of [plain(act), act.stateDict()])
    expect(() => DiTAC.fromStateDict(tensors, { ...told, basis: 'sparse' })).toThrow(/given basis does not reproduce/);
});

test('missing and misshapen tensors are named', () => {
  const { tensors } = loadSafetensors(golden('nets/digits_mlp_ditac.safetensors'));
  expect(() => DiTAC.fromStateDict(tensors)).toThrow(
    /no tensor 'thetas'; activations here: prefix 'act_1.', prefix 'act_2.'/,
  );
  const thetas = { shape: [1, 9], data: new Float32Array(9).fill(Number.NaN) };
  const told = { a: -3, b: 3, variant: 'gelu' } as const;
  expect(() => DiTAC.fromStateDict({ ...tensors, thetas: tensors['fc1.bias']! })).toThrow(/thetas must have 2 axes/);
  expect(() => DiTAC.fromStateDict({ thetas, precision_mat: tensors['act_1.precision_mat']! })).toThrow(/holds NaN/);
  expect(() =>
    DiTAC.fromStateDict({ thetas: tensors['act_1.thetas']!, precision_mat: tensors['fc1.weight']! }),
  ).toThrow(/precision_mat must have shape \[9, 9\]/);
  expect(() => DiTAC.fromStateDict(tensors, { ...told, prefix: 'act_1.', tess: 12 })).toThrow(
    /tess 12 has 11 parameters/,
  );
  // However many there are, a message names a few.
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`layer.${i}.thetas`, thetas]));
  expect(() => DiTAC.fromStateDict(many)).toThrow(/prefix 'layer.7.', and 992 more$/);
});

describe('nothing is assumed', () => {
  const act = new DiTAC({ a: -3, b: 3, variant: 'leaky', seed: 4 });
  const missing = (options: CheckpointOptions, tensors = plain(act)) => {
    expect(() => DiTAC.fromStateDict(tensors, options)).toThrow(TypeError);
    try {
      DiTAC.fromStateDict(tensors, options);
    } catch (error) {
      return /pass \{ ([\w, ]+) \}/.exec((error as Error).message)?.[1];
    }
    return undefined;
  };

  test('what is missing is asked for by name', () => {
    expect(missing({})).toBe('a, b, variant');
    expect(missing({ a: -3 })).toBe('b, variant');
    expect(missing({ a: -3, b: 3 })).toBe('variant');
    expect(missing({ variant: 'leaky' })).toBe('a, b');
    const { thetas } = plain(act);
    expect(missing({ a: -3, b: 3, variant: 'leaky' }, { thetas: thetas! })).toBe('basis');
    expect(missing({}, { thetas: thetas! })).toBe('a, b, variant, basis');
  });

  test('a variant comes from our own tensors, or from metadata', () => {
    expect(DiTAC.fromStateDict(act.stateDict()).variant).toBe('leaky');
    expect(DiTAC.fromStateDict(plain(act), { a: -3, b: 3, metadata: { variant: 'ge' } }).variant).toBe('ge');
  });

  test('frozen parameters may have been left out, if the basis is known', () => {
    const { thetas } = plain(act);
    const found = DiTAC.fromStateDict({ thetas: thetas! }, { a: -3, b: 3, variant: 'leaky', basis: 'qr' });
    expect(found.thetas).toEqual(act.thetas);
    const { precision_mat: _, ...rest } = act.stateDict();
    expect(DiTAC.fromStateDict(rest).stateDict()).toEqual(act.stateDict());
  });

  const said = (metadata: Record<string, string>, prefix = 'act_1.') => {
    const { thetas, precision_mat } = plain(act);
    const tensors = { 'act_1.thetas': thetas!, 'act_1.precision_mat': precision_mat!, 'act_2.thetas': thetas! };
    const { a, b, variant } = DiTAC.fromStateDict(tensors, { prefix, metadata });
    return [a, b, variant];
  };

  test('metadata of other writers is read', () => {
    expect(said({ a: '-3', b: '3', variant: 'leaky' })).toEqual([-3, 3, 'leaky']);
    expect(said({ act: 'DiTAC a=-3 b=3 tess=10 cpab_act_type=leaky_cpab' })).toEqual([-3, 3, 'leaky']);
    expect(said({ act: 'a=-2.5e0, b=+4', variant: 'cpab' })).toEqual([-2.5, 4, 'bare']);
    // That of the activation counts more than that of all, and that of another not at all.
    expect(said({ a: '-3', b: '3', variant: 'ge', 'act_1.a': '-1', 'act_1.b': '1' })).toEqual([-1, 1, 'ge']);
    expect(said({ act_1: 'a=-1 b=1 variant=ge', act_2: 'a=-2 b=2 variant=inf' })).toEqual([-1, 1, 'ge']);
    expect(() => said({ act_2: 'a=-2 b=2 variant=inf' })).toThrow(/does not say a, b, variant/);
    // One letter alone may mean anything, and so does a part of a word.
    expect(() => said({ act: 'option a=5', variant: 'ge' })).toThrow(/does not say a, b of/);
    expect(() => said({ act: 'alpha=-3 b=3 beta=1 variant=ge' })).toThrow(/does not say a, b of/);
    expect(() => said({ act: 'a=-3 b=3', activation: 'a=-2 b=3', variant: 'ge' })).toThrow(/says both a=-3 and a=-2/);
    // What lies in another file, and what is no activation.
    for (const key of ['act_2', 'act_10', 'encoder.act'])
      expect(() => said({ [key]: 'DiTAC a=-1 b=1 variant=leaky' })).toThrow(/does not say a, b, variant/);
    expect(() => said({ optimizer: 'adam a=0.9 b=0.999', variant: 'gelu' })).toThrow(/does not say a, b of/);
    expect(said({ model: 'Linear-DiTAC-Linear, DiTAC a=-3 b=3', variant: 'ge' })).toEqual([-3, 3, 'ge']);
    // What its own entries begin to say is not completed, nor replaced.
    const all = { a: '-3', b: '3', variant: 'gelu' };
    expect(() => said({ ...all, 'act_1.a': '-1' })).toThrow(/does not say a, b of/);
    expect(() => said({ ...all, 'act_1.variant': 'swish' })).toThrow(/does not say variant of/);
    expect(() => said({ ...all, a: '-3,5' })).toThrow(/does not say a, b of/);
    expect(() => said({ act: 'a=-3,5 b=3 variant=ge' })).toThrow(/does not say a, b of/);
    expect(said({ act: 'a=-3,b=3,variant=ge' })).toEqual([-3, 3, 'ge']);
    expect(() => said({ ...all, act: 'DiTAC variant=swish' })).toThrow(/does not say variant of/);
    // @ts-expect-error: not text
    expect(() => said({ a: -3 })).toThrow(/metadata.a must be a string, got -3/);
  });

  test('options count first, then tensors, then metadata', () => {
    const metadata = { a: '-7', b: '7', variant: 'ge' };
    expect(DiTAC.fromStateDict(act.stateDict(), { metadata })).toMatchObject({ a: -3, b: 3, variant: 'leaky' });
    const given = DiTAC.fromStateDict(act.stateDict(), { metadata, a: -1, variant: 'bare' });
    expect(given).toMatchObject({ a: -1, b: 3, variant: 'bare' });
  });
});

describe('an activation comes back as itself', () => {
  const [x] = [...stratified(-6, 6, 900, 1).blocks()];
  const cases: Record<string, DiTACOptions> = {
    'leaky on [-3, 3]': { a: -3, b: 3, variant: 'leaky', seed: 1 },
    'an interval that BF16 does not have': { a: -0.1, b: 3.3333, variant: 'ge', seed: 2 },
    'three channels last, svd': { a: -1, b: 2, basis: 'svd', channels: 3, layout: 'channelsLast', seed: 3 },
    'qr-netlib at 33 cells': { a: -3, b: 3, tess: 33, basis: 'qr-netlib', seed: 4 },
    'inf with one cell': { a: -1, b: 1, tess: 1, variant: 'inf', seed: 5, lambdaSmooth: 0.7, lambdaVar: 0.3 },
    'no parameters at all': { a: -1, b: 1, tess: 1, seed: 6, channels: 2, layout: 'channelsLast' },
    'a matrix of its own': {
      a: -3,
      b: 3,
      tess: 3,
      basis: { rows: 6, columns: 1, data: Float64Array.of(1, 0, 0, 1 / 3, -1, 1) },
      thetas: [0.5],
    },
    'a precision matrix of its own': { a: -3, b: 3, tess: 3, seed: 7, precisionMatrix: [3, 1, 1, 2] },
    'more cells than are searched': { a: -3, b: 3, tess: 300, basis: 'sparse', seed: 8, lambdaSmooth: 4 },
  };
  test.each(Object.entries(cases))('%s', (_, options) => {
    const act = new DiTAC(options);
    for (const dtype of [undefined, 'BF16'] as const) {
      const file = saveSafetensors(act.stateDict({ prefix: 'act_1.' }), dtype ? { dtype } : {});
      const found = DiTAC.fromStateDict(loadSafetensors(file).tensors, { prefix: 'act_1.' });
      const { thetas: t, precision_mat: p, ...rest } = act.stateDict();
      expect(found.stateDict()).toMatchObject(rest);
      if (dtype) continue;
      expect(found.stateDict()).toEqual({ thetas: t, precision_mat: p, ...rest });
      const shape = act.channels === 1 ? {} : { shape: [x!.length / act.channels, act.channels] };
      expect(compareBits(act.forward(x!, undefined, shape), found.forward(x!, undefined, shape)).differing).toBe(0);
    }
  });
});

describe('the search for a basis', () => {
  const told = { a: -3, b: 3, variant: 'gelu' } as const;
  const sizes = (dtype: 'F32' | 'BF16' | 'F16') =>
    [3, 5, 10, 20, 33].flatMap((tess) =>
      (['qr', 'qr-netlib', 'rref', 'sparse', 'svd'] as const).map((basis) => ({ tess, basis, dtype })),
    );

  test.each([...sizes('F32'), ...sizes('BF16'), ...sizes('F16')])(
    'finds $basis at $tess cells through a precision matrix in $dtype',
    ({ tess, basis, dtype }) => {
      const act = new DiTAC({ ...told, tess, basis, seed: 3, lambdaVar: 1 });
      const { tensors } = loadSafetensors(saveSafetensors(plain(act), { dtype }));
      const found = DiTAC.fromStateDict(tensors, told);
      expect(found.basis.data.every((value, i) => Math.abs(value - act.basis.data[i]!) < 1e-9)).toBe(true);
      expect([found.lambdaSmooth, found.lambdaVar]).toEqual([5, 1]);
    },
  );

  test('other λ are found too', () => {
    for (const [lambdaSmooth, lambdaVar] of [
      [3, 1.5],
      [0.7, 0.33],
      [17.3, 4],
    ] as const) {
      const found = DiTAC.fromStateDict(plain(new DiTAC({ ...told, seed: 1, lambdaSmooth, lambdaVar })), told);
      // A search to a third of its last step, 4·(2/3)¹⁶, about 0.6 %.
      expect(Math.abs(found.lambdaSmooth / lambdaSmooth - 1)).toBeLessThan(0.01);
      expect(Math.abs(found.lambdaVar / lambdaVar - 1)).toBeLessThan(0.01);
      expect(found.basis.data).toEqual(basis(10).data);
    }
  });

  test('one matrix by two names is one basis; two that fit are two', () => {
    const rref = new DiTAC({ ...told, tess: 2, basis: 'rref', seed: 3 });
    expect(DiTAC.fromStateDict(plain(rref), told).basis.data).toEqual(basis(2, { basis: 'sparse' }).data);
    // With one parameter P is one number, which another λ_var gives for any basis.
    const free = new DiTAC({ ...told, tess: 2, basis: 'rref', seed: 3, lambdaVar: 1.234 });
    expect(() => DiTAC.fromStateDict(plain(free), told)).toThrow(/fits both '\w+' and '\w+'; pass \{ basis \}/);
  });
});

describe('hostile shapes', () => {
  const tensor = (shape: number[], data: Float32Array = new Float32Array(shape.reduce((p, n) => p * n, 1))) => ({
    shape,
    data,
  });
  const told = { a: -3, b: 3, variant: 'gelu' } as const;
  const base = { thetas: tensor([1, 1]), precision_mat: tensor([1, 1]) };
  test.each([
    ['rows without end, of nothing', { 'ditac.basis': tensor([1e9, 0]) }, /ditac.basis must have 2 rows a cell/],
    ['an odd number of rows', { 'ditac.basis': tensor([3, 1]) }, /ditac.basis must have 2 rows a cell/],
    ['an interval of three', { 'ditac.interval': tensor([3]) }, /interval must hold a and b, got 3 numbers/],
    ['a variant that is none', { 'ditac.variant': tensor([1], Float32Array.of(5)) }, /index into gelu, leaky/],
    ['half a variant', { 'ditac.variant': tensor([1], Float32Array.of(0.5)) }, /index into gelu, leaky.*got 0.5/],
    ['a basis name that is none', { 'ditac.basis_name': tensor([1], Float32Array.of(-1)) }, /index into qr, qr-netlib/],
    ['a negative axis', { thetas: { shape: [-1, -1], data: new Float32Array(1) } }, /thetas must have 2 axes/],
    [
      'no θ at all',
      { thetas: tensor([0, 1]), 'ditac.basis_name': tensor([1]), 'ditac.lambda': tensor([2], Float32Array.of(5, 2)) },
      /positive multiple of 1/,
    ],
    ['too many channels of nothing', { thetas: tensor([1e9, 0]), precision_mat: tensor([0, 0]) }, /channels must be/],
    ['null', { thetas: null as unknown as Tensor }, /thetas must be \{ shape, data \}, got null/],
  ])('%s', (_, tensors, reason) => {
    expect(() => DiTAC.fromStateDict({ ...base, ...tensors }, told)).toThrow(reason);
  });
});
