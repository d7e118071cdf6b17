/** The `ditac` command on files of every kind: large, foreign, hostile, or its own input. */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiTAC } from 'ditac';
import { Activation } from 'ditac/runtime';
import { saveSafetensors, type Tensor } from 'ditac/safetensors';
import { expect, test } from 'vitest';
import { CLI, ditac, ditacProcess } from './command.js';

const fresh = () => mkdtempSync(join(tmpdir(), 'ditac-test-'));

const act = new DiTAC({ a: -3, b: 3, variant: 'leaky', seed: 1 });
const tensor = (...shape: number[]): Tensor => ({ shape, data: new Float32Array(shape.reduce((p, n) => p * n, 1)) });
const x = Float32Array.from({ length: 500 }, (_, i) => (i - 250) / 50);
const words = (y: Float32Array) => new Uint32Array(y.buffer);

/** A .safetensors file of any header, and so many bytes of data that are holes. */
function sparse(file: string, header: object, data: Uint8Array, more: number): void {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  const to = openSync(file, 'w');
  for (const part of [length, json, data]) writeSync(to, part);
  ftruncateSync(to, 8 + json.length + data.length + more);
  closeSync(to);
}

test('what a checkpoint does not say is asked for, as an option of the command', async () => {
  const folder = fresh();
  const file = join(folder, 'plain.safetensors');
  const { thetas, precision_mat } = act.stateDict();
  const told = ['--interval=-3,3', '--variant', 'leaky'];
  writeFileSync(file, saveSafetensors({ thetas: thetas!, precision_mat: precision_mat! }));
  const compile = (...more: string[]) => ditac('compile', file, '-o', join(folder, 'x.plan'), ...more);
  expect(await compile()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/pass --interval=a,b, --variant\n$/),
  });
  expect((await compile('--variant', 'leaky')).stderr).toMatch(/does not say a, b of 'thetas'.*pass --interval=a,b\n$/);
  expect(existsSync(join(folder, 'x.plan'))).toBe(false);
  expect(await compile(...told)).toMatchObject({ status: 0, stdout: expect.stringContaining('leaky on [-3, 3]') });
  const plan = new Activation(readFileSync(join(folder, 'x.plan')));
  expect(words(plan.forward(x))).toEqual(words(act.forward(x)));
  // Frozen parameters left out: then the basis too.
  writeFileSync(file, saveSafetensors({ thetas: thetas! }));
  expect((await compile(...told, '--prefix', '')).stderr).toMatch(/pass --basis; /);
  expect((await compile(...told, '--prefix', '', '--basis', 'qr')).status).toBe(0);
});

test('a state dict of our own needs no options, nor does metadata of other writers', async () => {
  const folder = fresh();
  writeFileSync(join(folder, 'own'), saveSafetensors(act.stateDict({ prefix: 'act.' }), { dtype: 'F32' }));
  expect((await ditac('inspect', join(folder, 'own'))).stdout).toContain(
    "✓ 'act.' 1 θ, 10 cells on [-3, 3], variant leaky",
  );
  const { thetas, precision_mat } = act.stateDict();
  const metadata = { act_1: 'DiTAC a=-3 b=3 variant=leaky', act_2: 'a=-2 b=2 variant=ge' };
  const two = Object.fromEntries(
    ['act_1', 'act_2'].flatMap((name) => [
      [`${name}.thetas`, thetas!],
      [`${name}.precision_mat`, precision_mat!],
    ]),
  );
  writeFileSync(join(folder, 'two'), saveSafetensors(two, { metadata }));
  const report = JSON.parse((await ditac('inspect', join(folder, 'two'), '--json')).stdout);
  expect(report.activations).toMatchObject([
    { prefix: 'act_1.', interval: [-3, 3], variant: 'leaky' },
    { prefix: 'act_2.', interval: [-2, 2], variant: 'ge' },
  ]);
});

test('foreign tensors of a like name are no activations, and stop nothing', async () => {
  const folder = fresh();
  const file = join(folder, 'net.safetensors');
  const foreign = { 'rope.thetas': tensor(8), 'pose.joint_thetas': tensor(4, 72) };
  writeFileSync(file, saveSafetensors({ ...act.stateDict({ prefix: 'act.' }), ...foreign }));
  const out = join(folder, 'net.plan');
  expect(await ditac('compile', file, '-o', out)).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^.*'act\.'/),
  });
  expect(words(new Activation(readFileSync(out)).forward(x))).toEqual(words(act.forward(x)));
  const { activations, others } = JSON.parse((await ditac('inspect', file, '--json')).stdout);
  expect([activations.length, others]).toEqual([1, ['rope.thetas', 'pose.joint_thetas']]);
  writeFileSync(file, saveSafetensors(foreign));
  expect((await ditac('compile', file, '-o', out)).stderr).toMatch(/no DiTAC activation.*'rope.thetas'.*--prefix/);
});

test('the input is never overwritten, by whatever name', async () => {
  const folder = fresh();
  const file = join(folder, 'net.act.safetensors');
  const before = saveSafetensors({ ...act.stateDict({ prefix: 'act.' }), ...act.stateDict({ prefix: 'other.' }) });
  writeFileSync(file, before);
  symlinkSync(file, join(folder, 'link'));
  linkSync(file, join(folder, 'hard'));
  symlinkSync(folder, join(folder, 'folder'));
  const same = [
    file,
    'link',
    'hard',
    join('folder', 'net.act.safetensors'),
    `.${join('/x', '..', 'net.act.safetensors')}`,
  ];
  for (const out of same) {
    const { status, stderr } = ditacProcess(['compile', file, '-o', out, '--prefix', 'act.'], { cwd: folder });
    expect(status, out).toBe(1);
    expect(stderr).toContain('is the checkpoint itself, which would be lost');
  }
  // Of several, one would be written over it: then none is written.
  expect((await ditac('compile', file, '-o', join(folder, 'net.safetensors'))).stderr).toContain(
    'the checkpoint itself',
  );
  expect(new Uint8Array(readFileSync(file))).toEqual(before);
  expect(readdirSync(folder).sort()).toEqual(['folder', 'hard', 'link', 'net.act.safetensors']);
});

test('a file of more than 2 GiB is read where it matters', async () => {
  const file = join(fresh(), 'large.safetensors');
  const small = saveSafetensors(act.stateDict({ prefix: 'act.' }));
  const start = 8 + Number(new DataView(small.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(small.subarray(8, start)));
  const data = small.subarray(start);
  const more = 2_200_000_000;
  header.embedding = { dtype: 'I8', shape: [more], data_offsets: [data.length, data.length + more] };
  sparse(file, header, data, more);
  const out = `${file}.plan`;
  expect(await ditac('compile', file, '-o', out)).toMatchObject({ status: 0, stderr: '' });
  expect(words(new Activation(readFileSync(out)).forward(x))).toEqual(words(act.forward(x)));
  expect((await ditac('inspect', file)).stdout).toContain(`[${more}]`);
});

test.skipIf(process.platform === 'win32')('a pipe is read as a file is', () => {
  const file = join(fresh(), 'piped.safetensors');
  writeFileSync(file, saveSafetensors(act.stateDict()));
  const script = 'cat "$1" | "$2" "$3" inspect /dev/stdin';
  const { status, stdout } = spawnSync('sh', ['-c', script, '-', file, process.execPath, CLI], { encoding: 'utf8' });
  expect({ status, found: stdout.includes("'' 1 θ, 10 cells on [-3, 3]") }).toEqual({ status: 0, found: true });
});

test('inspect shows every tensor, whatever it holds', async () => {
  const file = join(fresh(), 'all.safetensors');
  const header = {
    'bn.num_batches_tracked': { dtype: 'I64', shape: [], data_offsets: [0, 8] },
    quantised: { dtype: 'F4', shape: [8], data_offsets: [8, 12] },
    empty: { dtype: 'F32', shape: [0], data_offsets: [12, 12] },
    broken: { dtype: 'F32', shape: [1], data_offsets: [12, 16] },
  };
  sparse(file, header, Uint8Array.of(...new Uint8Array(12), 0, 0, 0xc0, 0x7f), 0);
  const { stdout } = await ditac('inspect', file);
  for (const row of [
    /num_batches_tracked│? .*I64.*–.*–/,
    /quantised .*F4.*\[8\]/,
    /empty .*\[0\].*–.*–/,
    /broken .*NaN.*NaN/,
  ])
    expect(stdout).toMatch(row);
  expect(stdout).not.toContain('Infinity');
  const { tensors } = JSON.parse((await ditac('inspect', file, '--json')).stdout);
  expect(tensors.map(({ dtype }: { dtype: string }) => dtype)).toEqual(['I64', 'F4', 'F32', 'F32']);
});

test('nothing of a file moves the cursor: neither names, metadata, prefixes, nor errors', async () => {
  const folder = fresh();
  const evil = '\u001b[2J\u001b]0;title\u0007\u009b1A\r\n\u202e\u2028\u200b\ud800forged';
  const told = { ...act.stateDict({ prefix: evil }), [`${evil}thetas2.thetas`]: tensor(1), [`${evil}x`]: tensor(1) };
  const files = {
    good: saveSafetensors(told, { metadata: { [evil]: evil, k: evil } }),
    activation: saveSafetensors({ [`${evil}thetas`]: tensor(1, 1), [`${evil}precision_mat`]: tensor(2, 2) }),
    other: saveSafetensors({ [`${evil}thetas`]: tensor(1) }),
    twice: (() => {
      const json = new TextEncoder().encode(
        `{${Array(2)
          .fill(`${JSON.stringify(evil)}:{"dtype":"I8","shape":[0],"data_offsets":[0,0]}`)
          .join(',')}}`,
      );
      const file = new Uint8Array(8 + json.length);
      file[0] = json.length & 255;
      file[1] = json.length >> 8;
      file.set(json, 8);
      return file;
    })(),
  };
  // Everything but a line end, as it is printed itself.
  const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
  let seen = 0;
  for (const [name, bytes] of Object.entries(files)) {
    writeFileSync(join(folder, name), bytes);
    for (const args of [
      ['inspect', join(folder, name)],
      ['inspect', join(folder, name), '--json'],
      ['compile', join(folder, name), '-o', join(folder, 'o.plan')],
      ['compile', join(folder, name), '-o', join(folder, 'o.plan'), '--json'],
    ]) {
      const { stdout, stderr } = await ditac(...args);
      const lines = (stdout + stderr).split('\n');
      expect(
        lines.filter((line) => unsafe.test(line)),
        args.join(' '),
      ).toEqual([]);
      // No line of its own.
      expect(lines.filter((line) => /^\W*forged/.test(line))).toEqual([]);
      seen += Number((stdout + stderr).includes('forged'));
    }
  }
  expect(seen).toBeGreaterThan(10);
  // As JSON it is the same text again.
  const { metadata } = JSON.parse((await ditac('inspect', join(folder, 'good'), '--json')).stdout);
  expect(metadata.k).toBe(evil);
  expect((await ditac('inspect', '--\u001b[2Joption')).stderr).not.toContain('\u001b');
});

test('a reader that closes the pipe ends the command without a word', async () => {
  const file = join(fresh(), 'many.safetensors');
  writeFileSync(
    file,
    saveSafetensors(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`layer.${i}`, tensor(1)]))),
  );
  const child = spawn(process.execPath, [CLI, 'inspect', '--json', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  child.stdout.once('data', () => child.stdout.destroy());
  const code = await new Promise((done) => child.on('close', done));
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
});

test('plot without -o writes into a folder of its own', () => {
  const folder = fresh();
  const { stdout } = ditacProcess(['plot', '--seed', '1'], { env: { TMPDIR: folder, PATH: '' } });
  const [file] = stdout.split('\n');
  expect(file).toMatch(/ditac-\w{6}\/plot\.svg$/);
  expect(readFileSync(file!, 'utf8')).toMatch(/^<svg/);
  expect(readdirSync(folder)).toHaveLength(1);
});
