/** What the command does with a terminal, a pipe and an interrupt; and what it says of files that it cannot read. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiTAC, Snake } from 'ditac';
import { Activation } from 'ditac/runtime';
import { saveSafetensors } from 'ditac/safetensors';
import { describe, expect, test } from 'vitest';
import { CLI, ditac } from './command.js';

const folder = mkdtempSync(join(tmpdir(), 'ditac-'));
const at = (name: string) => join(folder, name);
const run = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH, ...env }, cwd: folder });
const text = (args: string[], env?: Record<string, string>) => {
  const { status, stdout, stderr } = run(args, env);
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
};

writeFileSync(
  at('one.safetensors'),
  saveSafetensors(new DiTAC({ a: -3, b: 3, seed: 1 }).stateDict({ prefix: 'act.' })),
);
const two = Object.assign(
  {},
  ...['p.', 'q.'].map((prefix) => new DiTAC({ a: -3, b: 3, seed: 2 }).stateDict({ prefix })),
);
writeFileSync(at('two.safetensors'), saveSafetensors(two));
writeFileSync(at('snake.safetensors'), saveSafetensors(new Snake({ alpha: 0.5 }).stateDict({ prefix: 's.' })));

const ESCAPE = '\u001b[';
// util-linux's: runs a command on a terminal.
const hasScript = spawnSync('script', ['--version']).status === 0;
const onTerminal = (args: string[], env: Record<string, string> = {}) =>
  spawnSync('script', ['-qec', [process.execPath, CLI, ...args].map((each) => `'${each}'`).join(' '), '/dev/null'], {
    env: { PATH: process.env.PATH, TERM: 'xterm', ...env },
    cwd: folder,
    encoding: 'utf8',
  }).stdout;

describe('colours', () => {
  const args = ['inspect', 'one.safetensors'];

  test.skipIf(!hasScript)(hasScript ? 'on a terminal' : 'script (util-linux) is not here', () => {
    expect(onTerminal(args)).toContain(ESCAPE);
    for (const [name, value] of [
      ['NO_COLOR', '1'],
      ['TERM', 'dumb'],
    ] as const)
      expect(onTerminal(args, { [name]: value })).not.toContain(ESCAPE);
    expect(onTerminal([...args, '--no-color'])).not.toContain(ESCAPE);
    expect(onTerminal(['--no-color', ...args])).not.toContain(ESCAPE);
  });

  test('not in a pipe, also where CI is set; FORCE_COLOR asks for them', () => {
    for (const env of [{}, { CI: 'true' }, { FORCE_COLOR: '0' }, { FORCE_COLOR: '1', NO_COLOR: '1' }])
      expect(text(args, env as Record<string, string>).stdout).not.toContain(ESCAPE);
    expect(text(args, { FORCE_COLOR: '1' }).stdout).toContain(ESCAPE);
    expect(text(['--no-color', ...args]).status).toBe(0);
  });
});

test('tables fit 80 columns, and lose nothing', () => {
  const long = `encoder.${'layers.'.repeat(20)}weight`;
  const shape = [1, 1, 1, 1, 1, 1, 2];
  writeFileSync(at('long.safetensors'), saveSafetensors({ [long]: { shape, data: new Float32Array(2) } }));
  for (const args of [
    ['inspect', 'long.safetensors'],
    ['verify', '--elements', '1000', '--points', '20'],
    ['sweep', '--range=1,1.001', '--seeds', '1,2'],
  ]) {
    const { stdout } = text(args);
    const lines = stdout.split('\n');
    expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(80);
    expect(stdout).not.toContain('…');
  }
  const first = text(['inspect', 'long.safetensors']).stdout.split('\n');
  expect(
    first
      .map((line) => line.split(/ {2,}/)[0])
      .join('')
      .includes(long),
  ).toBe(true);
});

test('- is standard output', () => {
  const plot = text(['plot', '--seed', '1', '-o', '-']);
  expect(plot).toMatchObject({ status: 0, stderr: '' });
  expect(plot.stdout).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
  const { stdout, stderr, status } = run(['compile', 'one.safetensors', '-o', '-']);
  expect(status).toBe(0);
  expect(new Activation(new Uint8Array(stdout)).channels).toBe(1);
  expect(stderr.toString()).toContain("-: 'act.'");
  expect(text(['compile', 'two.safetensors', '-o', '-'])).toMatchObject({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('--prefix'),
  });
  const inputs = run(['inputs', '-o', '-', '--count', '1000']);
  expect(inputs.stdout.length % 4).toBe(0);
  expect(inputs.stdout.length).toBeGreaterThan(4000);
});

test('plot takes a file: the one activation in it, or the one of several that is told', () => {
  const plot = (...args: string[]) => text(['plot', ...args, '-o', '-']);
  expect(plot('one.safetensors').stdout).toContain('&apos;act.&apos; of one.safetensors'.replaceAll('&apos;', "'"));
  expect(plot('two.safetensors')).toMatchObject({ status: 1, stderr: expect.stringContaining("--prefix 'p.', 'q.'") });
  expect(plot('two.safetensors', '--prefix', 'q.').stdout).toContain('<svg');
  expect(plot('snake.safetensors')).toMatchObject({ status: 1, stderr: expect.stringContaining('holds no DiTAC') });
  expect(plot('snake.safetensors', '--family', 'snake').stdout).toContain('<svg');
});

test.each([
  ['model.pt', 'PK\u0003\u0004\u0000\u0000archive/data.pkl', /PyTorch checkpoint.*save_file/],
  ['model.pth', '\u0080\u0002}q\u0000', /pickle.*save_file/],
  ['model.onnx', '\u0008\u0007\u0012\u0007pytorch', /ONNX model.*initializer/],
  ['model.json', '{ "modelTopology": {} }', /TensorFlow\.js model.*layerOf/],
  ['model.safetensors.index.json', '{ "weight_map": {} }', /parts.*inspect the \.safetensors files/],
  ['config.json', '{ "hidden_size": 3 }', /JSON.*model\.safetensors/],
  ['x.npy', '\u0093NUMPY\u0001\u0000', /numpy.*judge/],
  ['x.npz', 'PK\u0003\u0004\u0000\u0000weight.npy', /npz.*save_file/],
  ['model.h5', '\u0089HDF\r\n', /HDF5.*save_file/],
  ['model.gguf', 'GGUF\u0003\u0000', /GGUF/],
  ['model.tflite', '\u001c\u0000\u0000\u0000TFL3', /TensorFlow Lite/],
  ['pointer', 'version https://git-lfs.github.com/spec/v1\n', /git lfs pull/],
  ['page.html', '<!DOCTYPE html><html>', /web page/],
  ['packed.gz', '\u001f\u008b\u0008', /compressed/],
  ['empty', '', /is empty/],
  ['other', 'this is none of them, nor anything else', /is no \.safetensors file: the header claims/],
])('of %s it is said what it is, and what to do', async (name, content, message) => {
  writeFileSync(at(name), content, 'latin1');
  const { status, stdout, stderr } = await ditac('inspect', at(name));
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr.trim().split('\n')).toHaveLength(1);
});

test('a plan is told as such, and a folder', async () => {
  writeFileSync(at('a.plan'), new DiTAC({ seed: 1 }).compiled().toBytes());
  expect((await ditac('inspect', at('a.plan'))).stderr).toMatch(/plan that was compiled already.*ditac\/runtime/);
  expect((await ditac('inspect', folder)).stderr).toMatch(/is a folder/);
});

test('an interrupt tells how to go on, with what was found', async () => {
  const child = spawn(process.execPath, [CLI, 'sweep', '--range=-1,16', '--seeds', '3,4', '--threads', '1'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (some) => {
    stdout += some;
  });
  child.stderr.on('data', (some) => {
    stderr += some;
  });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  child.kill('SIGINT');
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code).toBe(130);
  const [, first, second] =
    /at x = (\S+); this goes on:\n {2}ditac sweep --threads 1 --range=(\S+),16 --seeds=3\n/.exec(stderr)!;
  expect(first).toBe(second);
  expect(Math.fround(Number(first))).toBe(Number(first));
  expect(stderr).toContain('ditac sweep --threads 1 --range=-1,16 --seeds=4');
  // Up to there, every number was compared.
  if (Number(first) > -1) expect(stdout).toMatch(/^3 +[\d,]+ /m);
});

test.skipIf(!hasScript)(hasScript ? 'and gives the cursor back' : 'script (util-linux) is not here', async () => {
  const file = at('typescript');
  const command = `'${process.execPath}' '${CLI}' sweep --range=-1,16 --seeds 3 --threads 1 & sleep 1.5; kill -INT $!; wait $!`;
  spawnSync('script', ['-qec', command, file], {
    cwd: folder,
    env: { PATH: process.env.PATH, TERM: 'xterm', SHELL: '/bin/bash' },
  });
  const shown = readFileSync(file, 'utf8');
  expect(shown).toContain('\u001b[?25l');
  expect(shown.lastIndexOf('\u001b[?25h')).toBeGreaterThan(shown.lastIndexOf('\u001b[?25l'));
  expect(shown).toContain('this goes on');
});
