/** What the examples promise at their edges. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DiTAC } from 'ditac';
import { compareBits } from 'ditac/oracle';
import { loadSafetensors } from 'ditac/safetensors';
import { transformSync } from 'esbuild';
import { afterAll, describe, expect, test } from 'vitest';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ditac-examples-'));
afterAll(() => rmSync(folder, { recursive: true }));
const act = new DiTAC({ a: -3, b: 3, seed: 1 });

describe('examples/deno', async () => {
  // Its handler with as much of Deno as it asks for; `npm run test:environments` has the server in Deno itself.
  Object.assign(globalThis, { Deno: { readFile: async () => act.compiled().toBytes(), args: [], serve: () => {} } });
  const { code } = transformSync(readFileSync(at('../examples/deno/main.ts'), 'utf8'), { loader: 'ts', format: 'esm' });
  const file = join(folder, 'deno.mjs');
  const runtime = new URL('../dist/runtime.js', import.meta.url).href;
  writeFileSync(file, code.replace('"ditac/runtime"', JSON.stringify(runtime)).replace('import.meta.main', 'false'));
  const { handle } = (await import(file)) as { handle(request: Request): Promise<Response> };
  const MOST = 2 ** 22;
  /** A body whose length is not told, in chunks; `sent` counts. */
  const stream = (bytes: Uint8Array, size: number, sent: { bytes: number; isCancelled?: boolean }) => {
    let from = 0;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (from >= bytes.length) controller.close();
        else controller.enqueue(bytes.subarray(from, (from += size)));
        sent.bytes = Math.min(from, bytes.length);
      },
      cancel() {
        sent.isCancelled = true;
      },
    });
  };
  const post = (body: BodyInit | null) =>
    handle(new Request('http://127.0.0.1/', { method: 'POST', body, duplex: 'half' } as RequestInit));

  test('answers up to 4 MiB, in however many chunks they come', async () => {
    const x = Float32Array.from({ length: MOST / 4 }, (_, i) => (i % 999) / 100 - 5);
    const expected = act.forward(x);
    for (const size of [MOST, 65_536, 4099]) {
      const response = await post(stream(new Uint8Array(x.buffer), size, { bytes: 0 }));
      const y = new Float32Array(await response.arrayBuffer());
      expect([response.status, compareBits(expected, y).differing]).toEqual([200, 0]);
    }
    expect((await (await post(null)).arrayBuffer()).byteLength).toBe(0);
  });

  test('reads no more than that of what is longer', async () => {
    const sent: { bytes: number; isCancelled?: boolean } = { bytes: 0 };
    const response = await post(stream(new Uint8Array(16 * MOST), 65_536, sent));
    expect([response.status, sent.isCancelled]).toEqual([413, true]);
    // A chunk beyond, and what the queue of a stream asks for ahead.
    expect(sent.bytes).toBeLessThanOrEqual(MOST + 4 * 65_536);
    expect((await post(new Uint8Array(MOST + 4))).status).toBe(413);
    expect((await post(new Uint8Array(7))).status).toBe(400);
    expect((await handle(new Request('http://127.0.0.1/'))).status).toBe(405);
  });
});

test('what a program prints into a file or a pipe has no colours', () => {
  const program = at('../dist/programs/digits.js');
  const { stdout, status } = spawnSync(
    process.execPath,
    [program, '--epochs', '1', '--folds', '1', '--activation', 'snake'],
    { encoding: 'utf8', cwd: folder, env: { ...process.env, TERM: 'xterm', FORCE_COLOR: undefined } },
  );
  expect(status).toBe(0);
  expect(stdout).toContain('activation');
  expect(stdout).not.toContain('\x1b');
});

const python = spawnSync('python3', ['--version']).status === 0;

describe.skipIf(!python)('examples/export_checkpoint.py (needs python3)', () => {
  // A model of one activation under two names, with tied weights and a part of a larger tensor; named_modules as PyTorch has it, or overridden.
  const program = `
import json, sys
from types import SimpleNamespace
import torch
import safetensors.torch as format
from export_checkpoint import export
given = json.load(sys.stdin)
real, seen = format.save_file, {}
def save_file(tensors, path):
    for name, tensor in tensors.items():
        if tensor.data_ptr() in seen: raise RuntimeError(f"Some tensors share memory: {seen[tensor.data_ptr()]}, {name}")
        seen[tensor.data_ptr()] = name
    real(tensors, path)
import export_checkpoint
export_checkpoint.save_file = save_file
basis = torch.Tensor(given["basis"], given["shape"], torch.float64)
activation = SimpleNamespace(thetas=torch.Tensor(given["thetas"], (1, 9)), precision_mat=torch.Tensor(given["precision"], (9, 9)),
    T=SimpleNamespace(params=SimpleNamespace(B=basis)), a=-3.0, b=3.0)
tied = torch.Tensor([1, 2, 3, 4], (2, 2))
class Model:
    def state_dict(self):
        state = {"embed.weight": tied, "head.weight": tied, "buffer.basis": basis}
        for name in ["act_1", "act_2"]: state.update({name + ".thetas": activation.thetas, name + ".precision_mat": activation.precision_mat})
        return state
class AsInPyTorch(Model):
    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        return [("", self), ("act_1", activation)] + ([] if remove_duplicate else [("act_2", activation)])
class Overridden(Model):
    def named_modules(self): return [("", self), ("act_1", activation)]
export({"AsInPyTorch": AsInPyTorch, "Overridden": Overridden}[sys.argv[1]](), sys.argv[2])
`;
  test.each(['AsInPyTorch', 'Overridden'])(
    'tied weights and one activation under two names, named_modules %s',
    (kind) => {
      const { rows, columns, data } = act.basis;
      const file = join(folder, `${kind}.safetensors`);
      const { status, stderr } = spawnSync('python3', ['-c', program, kind, file], {
        input: JSON.stringify({
          thetas: [...act.thetas],
          precision: [...act.precisionMatrix],
          basis: [...data],
          shape: [rows, columns],
        }),
        encoding: 'utf8',
        env: {
          ...process.env,
          PYTHONPATH: [at('./python'), at('../examples')].join(delimiter),
          PYTHONDONTWRITEBYTECODE: '1',
        },
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      const { tensors } = loadSafetensors(readFileSync(file));
      for (const name of ['embed.weight', 'head.weight']) expect([...tensors[name]!.data]).toEqual([1, 2, 3, 4]);
      const x = Float32Array.from({ length: 601 }, (_, i) => (i - 300) / 50);
      for (const prefix of ['act_1.', 'act_2.']) {
        const found = DiTAC.fromStateDict(tensors, { prefix });
        expect([prefix, found.a, found.b, compareBits(act.forward(x), found.forward(x)).differing]).toEqual([
          prefix,
          -3,
          3,
          0,
        ]);
      }
    },
  );
});
