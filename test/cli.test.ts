/** The `ditac` command, as a user runs it. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ditac, ditacProcess } from './command.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ditac-'));

test('verify compares the backends and judges them by the oracle', async () => {
  const { status, stdout } = ditacProcess(['verify', '--elements', '20000', '--points', '200', '--json']);
  const rows = JSON.parse(stdout);
  expect(rows.map((row: { name: string }) => row.name)).toEqual(expect.arrayContaining(['wasm', 'js']));
  for (const row of rows.filter((each: { available: boolean }) => each.available)) {
    expect(row).toMatchObject({ differing: 0, differingGradients: 0, ok: true });
    expect(row.gradients).toBeGreaterThan(10_000);
    expect(row.worstUlp).toBeGreaterThan(0.4);
    expect(row.worstUlp).toBeLessThanOrEqual(1);
  }
  expect(status).toBe(0);
  expect(ditacProcess(['verify', '--elements', '1000', '--points', '20', '--deny-inexact'])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('same bits'),
  });
});

test('verify prints the shaders of a kernel', async () => {
  const { status, stdout } = await ditac('verify', '--show-wgsl');
  expect(status).toBe(0);
  for (const part of ['// ---- activate, cells ----', '// ---- activate, search ----', '@compute', 'fn barrier'])
    expect(stdout).toContain(part);
  expect((await ditac('verify', '--show-wgsl', 'flow')).stdout).toContain('fn flow');
  expect((await ditac('verify', '--show-wgsl', 'backward')).stdout).toMatch(/atomicAdd[\s\S]*fn backwardLanes/);
  expect(await ditac('verify', '--show-wgsl', 'sine')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('probe'),
  });
});

test('plot writes an SVG, or the numbers behind it', async () => {
  const file = join(folder, 'plot.svg');
  expect(await ditac('plot', '--seed', '3', '--interval=-3,3', '--out', file)).toMatchObject({
    status: 0,
    stdout: `${file}\n`,
  });
  const svg = readFileSync(file, 'utf8');
  expect(svg).toMatch(/^<svg[^>]*viewBox="0 0 840 520"/);
  for (const title of ['DiTAC, seed 3', 'derivative', 'velocity field on [-3, 3]', 'error in ULP'])
    expect(svg).toContain(title);
  expect(svg).not.toContain('NaN');
  const { panels, certificate } = JSON.parse(
    (await ditac('plot', '--thetas', '1,2,3', '--tess', '4', '--json')).stdout,
  );
  expect(panels).toHaveLength(4);
  expect(certificate.ulp).toBeLessThanOrEqual(1);
});

test('inspect tells what a checkpoint holds', async () => {
  const file = 'test/golden/nets/digits_mlp_ditac.safetensors';
  const { stdout, status } = await ditac('inspect', file, '--variant', 'gelu');
  expect(status).toBe(0);
  expect(stdout).toContain('fc1.weight');
  // The interval is in the metadata of these files: "DiTAC a=-3 b=3".
  expect(stdout).toContain("'act_2.' 1 θ, 10 cells on [-3, 3], variant gelu, λ_smooth 5, λ_var 1");
  expect((await ditac('inspect', file, '--interval=-2,2', '--variant', 'leaky')).stdout).toContain(
    '[-2, 2], variant leaky',
  );
  expect((await ditac('inspect', file)).stdout).toContain('does not say variant of');
  const report = JSON.parse((await ditac('inspect', file, '--json')).stdout);
  expect(report.activations).toHaveLength(2);
  expect(report.tensors).toHaveLength(10);
});

test('sweep goes through every float32 of a range', async () => {
  const { stdout, status } = await ditac('sweep', '--range=1,1.0625', '--seeds', '1', '--threads', '2', '--json');
  const [result] = JSON.parse(stdout);
  expect(result).toMatchObject({ seed: 1, count: 2 ** 19 + 1 });
  expect(result.ulp).toBeLessThanOrEqual(1);
  expect(status).toBe(0);
});

test('mistakes are explained: exit code 2 for usage, 1 for files', async () => {
  expect(await ditac('frobnicate')).toMatchObject({ status: 2, stderr: expect.stringContaining('unknown command') });
  expect(await ditac('plot', '--tess', 'ten')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("'ten' is not a number"),
  });
  expect(await ditac('plot', '--interval=3,-3')).toMatchObject({ status: 2, stderr: expect.stringContaining('a < b') });
  expect(await ditac('sweep', '--threads', '0')).toMatchObject({ status: 2 });
  expect(await ditac('verify', '--points', '0')).toMatchObject({ status: 2 });
  expect(await ditac('plot', '--variant', 'relu')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('gelu'),
  });
  expect(await ditac('inspect', 'nowhere.safetensors')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('no such file'),
  });
  const file = join(folder, 'bad.safetensors');
  writeFileSync(file, 'this is not a tensor file');
  expect(await ditac('inspect', file)).toMatchObject({ status: 1, stderr: expect.stringContaining('header claims') });
  expect((await ditac('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('compile writes plans that ditac/runtime runs, with the bits of the checkpoint', async () => {
  const nets = join(root, 'test/golden/nets');
  const out = join(folder, 'model.plan');
  const file = join(nets, 'digits_mlp_ditac.safetensors');
  const { status, stdout } = await ditac('compile', file, '-o', out, '--variant', 'gelu');
  expect({ status, lines: stdout.trim().split('\n').length }).toEqual({ status: 0, lines: 2 });
  const { Activation } = await import('ditac/runtime');
  const { DiTAC } = await import('ditac');
  const { loadSafetensors } = await import('ditac/safetensors');
  const { tensors } = loadSafetensors(readFileSync(file));
  const x = Float32Array.from({ length: 5000 }, (_, i) => (i - 2500) / 300);
  for (const prefix of ['act_1.', 'act_2.']) {
    const plan = new Activation(readFileSync(join(folder, `model.${prefix}plan`)));
    expect(plan.certificateOf(0).ulp).toBeLessThanOrEqual(1);
    const act = DiTAC.fromStateDict(tensors, { prefix, a: -3, b: 3, variant: 'gelu' });
    expect(new Uint32Array(plan.forward(x).buffer)).toEqual(new Uint32Array(act.forward(x).buffer));
  }
  const single = await ditac(
    'compile',
    file,
    '-o',
    out,
    '--prefix',
    'act_1.',
    '--interval=-3,3',
    '--variant=gelu',
    '--json',
  );
  expect(JSON.parse(single.stdout)).toMatchObject([
    { prefix: 'act_1.', file: out, channels: 1, interval: [-3, 3], variant: 'gelu' },
  ]);
  expect(await ditac('compile', join(root, 'package.json'), '-o', out)).toMatchObject({ status: 1 });
  expect((await ditac('compile', file, '-o', out, '--prefix', 'nothing.')).stderr).toContain(
    "no tensor 'nothing.thetas'",
  );
});
