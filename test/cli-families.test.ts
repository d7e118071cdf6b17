/** The `ditac` command with every family. */
import { existsSync, linkSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { DyT, Snake } from 'ditac';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { Activation } from 'ditac/runtime';
import { saveSafetensors, type Tensor } from 'ditac/safetensors';
import { expect, test } from 'vitest';
import { activationOf, said, withFamily } from '../src/cli/family.js';
import { ditac } from './command.js';
import { EXAMPLES } from './family-examples.js';

const fresh = () => mkdtempSync(join(tmpdir(), 'ditac-test-'));

const words = (y: Float32Array) => new Uint32Array(y.buffer, y.byteOffset, y.length);
const x = Float32Array.from({ length: 500 }, (_, i) => (i - 250) / 50);
const floats = (...values: number[]): Tensor => ({ shape: [values.length], data: Float32Array.from(values) });

/** Options of a class as a user types them. */
function flags(options: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(options).map(([key, value]) => {
    const name = key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`).replaceAll('_', '-');
    if (typeof value === 'boolean') return value ? `--${name}` : `--no-${name}`;
    return `--${name}=${String(value)}`;
  });
}

const others = Object.keys(FAMILIES).filter((name): name is Exclude<FamilyName, 'ditac'> => name !== 'ditac');

test.each(others)('what is said of %s is what its class is made of', (name) => {
  for (const { options } of EXAMPLES[name]) {
    const command = withFamily(new Command(), name, true).exitOverride();
    const asked = command.parse(['--family', name, ...flags(options)], { from: 'user' }).opts();
    const [read, expected] = [said(name, asked), options].map((each) => activationOf(name, each).compiled().toBytes());
    expect(Buffer.compare(read!, expected!)).toBe(0);
  }
});

test.each(others)('plot gives the numbers of %s with what it is given', async (name) => {
  const { options } = EXAMPLES[name][0]!;
  const { stdout } = await ditac('plot', '--family', name, ...flags(options), '--range=-2,2', '--json');
  const { panels, certificate } = JSON.parse(stdout);
  const act = new FAMILIES[name](options as never);
  expect(certificate.ulp).toBe(act.plan.certificate.ulp);
  // The curve is the activation's own.
  const [grid, values] = [0, 1].map((k) =>
    Float32Array.from(panels[0].curves[0].points, (p: [number, number]) => p[k as 0]),
  );
  expect(words(act.forward(grid!))).toEqual(words(values!));
  // Curves of as many parameters as there are, eight at most.
  const count = act.parameterNames.length;
  expect(panels).toHaveLength(count > 0 ? 4 : 3);
  if (count > 0)
    expect(panels[2].curves.map(({ label }: { label: string }) => label)).toEqual(act.parameterNames.slice(0, 8));
});

test.each(['snake', 'yevick', 'mish', 'fourier'] as const)('plot draws %s', async (name) => {
  const file = join(fresh(), 'plot.svg');
  const { status, stdout } = await ditac('plot', '--family', name, ...flags(EXAMPLES[name][0]!.options), '-o', file);
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${file}\n` });
  const svg = readFileSync(file, 'utf8');
  for (const part of [FAMILIES[name].family.name, 'derivative', 'error in ULP']) expect(svg).toContain(part);
  expect(svg).not.toMatch(/NaN|undefined/);
});

test('plot: rationals by name, draws by seed, checkpoints', async () => {
  const file = join(fresh(), 'plot.svg');
  expect((await ditac('plot', '--family', 'rational', '--version', 'A', '--initial', 'gelu', '-o', file)).status).toBe(
    0,
  );
  const json = async (...args: string[]) => (await ditac('plot', '--family', 'aglu', '--json', ...args)).stdout;
  expect(await json('--seed', '3')).toBe(await json('--seed', '3'));
  expect(await json('--seed', '3')).not.toBe(await json('--seed', '4'));
  const weights = join(fresh(), 'model.safetensors');
  const act = new Snake({ alpha: [0.3, 2] });
  writeFileSync(weights, saveSafetensors(act.stateDict({ prefix: 'a.' }), { dtype: 'F32' }));
  // Of two channels the first.
  const { panels } = JSON.parse(
    (await ditac('plot', '--family', 'snake', '--weights', weights, '--prefix', 'a.', '--json')).stdout,
  );
  const [grid, values] = [0, 1].map((k) =>
    Float32Array.from(panels[0].curves[0].points, (p: [number, number]) => p[k as 0]),
  );
  expect(words(new Snake({ alpha: 0.3 }).forward(grid!))).toEqual(words(values!));
  expect(await ditac('plot', '--family', 'snake', '--weights', weights, '--prefix', 'a.', '-o', weights)).toMatchObject(
    {
      status: 1,
      stderr: expect.stringContaining('is the checkpoint itself'),
    },
  );
});

test('inspect names what it recognises, and what must be told', async () => {
  const file = join(fresh(), 'model.safetensors');
  const tensors = {
    'act.alpha': floats(0.1, -0.2, 0.3),
    'fc.weight': { shape: [2, 3], data: new Float32Array(6) },
    'norm.alpha': floats(0.5),
    'norm.weight': floats(1, 2),
    'norm.bias': floats(0, 1),
  };
  writeFileSync(file, saveSafetensors(tensors));
  const { stdout, status } = await ditac('inspect', file);
  expect(status).toBe(0);
  expect(stdout).toContain("? 'act.' could be one of, told with --family:");
  expect(stdout).toMatch(/--family snake, and --log-scale.*: Snake as of .* 3 functions/);
  expect(stdout).toMatch(/'norm.' could be[\s\S]*--family dyt, and --layout: DyT/);
  const report = JSON.parse((await ditac('inspect', file, '--json')).stdout);
  expect(report.activations).toEqual([]);
  expect(report.families.map(({ prefix }: { prefix: string }) => prefix)).toEqual(
    expect.arrayContaining(['act.', 'norm.']),
  );
  // Told which it is, but not all.
  const half = await ditac('inspect', file, '--family', 'snake', '--prefix', 'act.');
  expect(half.stdout).toMatch(/✗ 'act\.' .*does not say logScale of Snake 'act\.'.*--no-log-scale \| --log-scale/);
  const whole = await ditac('inspect', file, '--family', 'snake', '--log-scale', '--eps', '1e-9', '--prefix', 'act.');
  expect(whole.stdout).toMatch(/✓ 'act\.' Snake, 3 channels, alpha \[3\], logScale = true.* certified to 0\.\d\d ULP/);
});

test('names of tensors are shown, never sent', async () => {
  const file = join(fresh(), 'model.safetensors');
  writeFileSync(file, saveSafetensors({ '\u001b]0;mine\u0007.alpha': floats(1) }));
  const { stdout, status } = await ditac('inspect', file);
  expect(status).toBe(0);
  expect(stdout).toContain("'\\u001b]0;mine\\u0007.'");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not be there
  expect(stdout).not.toMatch(/[\u001b\u0007]/);
});

test('compile writes plans of any family, never over the checkpoint', async () => {
  const folder = fresh();
  const file = join(folder, 'model.safetensors');
  const snake = new Snake({ alpha: [0.1, 0.4], logScale: true });
  const dyt = new DyT({ alpha: 0.5, weight: [1, 2], bias: [0, 1] });
  const tensors = { 'act.alpha': snake.stateDict().alpha!, ...dyt.stateDict({ prefix: 'norm.' }) };
  writeFileSync(file, saveSafetensors(tensors, { dtype: 'F32' }));
  const out = join(folder, 'act.plan');
  const compile = (...args: string[]) => ditac('compile', file, '-o', out, ...args);
  expect(await compile()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/'act\.' could be snake.*tell with --family/),
  });
  expect(await compile('--family', 'snake', '--prefix', 'act.')).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/pass --no-log-scale \| --log-scale/),
  });
  expect(existsSync(out)).toBe(false);
  const { status, stdout } = await compile('--family', 'snake', '--prefix', 'act.', '--log-scale', '--eps', '1e-9');
  expect({ status, stdout }).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/act\.plan: 'act\.', 2 channels, Snake, logScale = true, .* bytes, certified to 0/),
  });
  const plan = new Activation(readFileSync(out));
  expect(words(plan.forward(x, undefined, { shape: [1, 2, 250] }))).toEqual(
    words(snake.forward(x, undefined, { shape: [1, 2, 250] })),
  );
  const [report] = JSON.parse((await compile('--family', 'dyt', '--prefix', 'norm.', '--json')).stdout);
  expect(report).toMatchObject({ family: 'dyt', channels: 2, file: out });
  const link = join(folder, 'link');
  linkSync(file, link);
  const own = await ditac('compile', file, '-o', link, '--family', 'dyt', '--prefix', 'norm.');
  expect(own).toMatchObject({ status: 1, stderr: expect.stringContaining('is the checkpoint itself') });
  expect((await ditac('compile', file, '-o', out, '--family', 'mish')).stderr).toMatch(
    /holds no tensors of Mish; 'act\.' could be/,
  );
});

test('verify and sweep judge a function of any family', async () => {
  const { status, stdout } = await ditac(
    'verify',
    '--family',
    'swish',
    '--beta',
    '1.7',
    '--elements',
    '5000',
    '--points',
    '40',
    '--json',
  );
  const rows = JSON.parse(stdout);
  for (const row of rows.filter((each: { available: boolean }) => each.available)) {
    expect(row).toMatchObject({ differing: 0, differingGradients: 0, ok: true });
    expect(row.worstUlp).toBeGreaterThan(0.4);
  }
  expect(status).toBe(0);
  const swept = await ditac(
    'sweep',
    '--family',
    'snake',
    '--alpha',
    '0.7',
    '--range=1,1.0625',
    '--threads',
    '2',
    '--json',
  );
  const results = JSON.parse(swept.stdout);
  expect(results).toHaveLength(1);
  expect(results[0]).toMatchObject({ seed: 1, count: 2 ** 19 + 1 });
  expect(results[0].ulp).toBeGreaterThan(0.4);
  expect(results[0].ulp).toBeLessThanOrEqual(1);
  expect(swept.status).toBe(0);
});

test('mistakes are explained with the names of the command', async () => {
  expect(await ditac('plot', '--family', 'snak')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('snakebeta'),
  });
  expect(await ditac('plot', '--family', 'snake', '--beta', '1')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("'--beta'"),
  });
  expect(await ditac('plot', '--family', 'snake', '--alpha', 'one')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("'one' is not a number"),
  });
  expect(await ditac('plot', '--family', 'rational', '--version', 'E')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('A, B, C'),
  });
  expect(await ditac('plot', '--family', 'eelu')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('needs the option --member'),
  });
  expect(await ditac('plot', '--family', 'polynomial')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('needs --coefficients'),
  });
  expect(await ditac('plot', '--family', 'celu', '--alpha', '0')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('CELU needs alpha > 0'),
  });
  expect(await ditac('sweep', '--family', 'snakebeta', '--range=1,1.01')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('needs the option --log-scale'),
  });
  expect((await ditac('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
