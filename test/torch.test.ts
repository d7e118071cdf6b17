/**
 * examples/torch with a real torch: the one of the Python that PYTHON names, Debian's say, or PyPI's (`npm run test:torch`). Plans have the kernel's bits; what is trained
 * there is the same function, with the same gradients, here; and models that its exporters write are rewritten.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CompiledActivation, DiTAC, Snake } from 'ditac';
import { SplitSession } from 'ditac/onnx';
import { loadSafetensors } from 'ditac/safetensors';
import * as ort from 'onnxruntime-web';
import { expect, test } from 'vitest';
import { familyClass } from './family-cases.js';
import { EXAMPLES } from './family-examples.js';
import { differingBits, hardInputs } from './onnx-inputs.js';

/** Starting it takes seconds, so it is asked for: `PYTHON=/usr/bin/python3`. */
const python = process.env.PYTHON ?? '';
const has = (...modules: string[]) =>
  python !== '' && spawnSync(python, ['-c', `import ${modules.join(', ')}`], { timeout: 120_000 }).status === 0;
const isThere = has('torch');
/** PyPI's, with what it takes to check models there. */
const isWhole = isThere && has('onnx', 'onnxscript', 'onnxruntime');
const script = fileURLToPath(new URL('./torch/check.py', import.meta.url));
const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const fresh = () => mkdtempSync(join(tmpdir(), 'ditac-torch-'));

// biome-ignore lint/suspicious/noExplicitAny: what the script prints, which differs from question to question
function ask(what: string, folder: string): any {
  const { status, stdout, stderr } = spawnSync(python, [script, what, folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`check.py ${what} ended with ${status}: ${stderr.slice(-2000)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

const floats = (folder: string, name: string) => {
  const bytes = readFileSync(join(folder, name));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
};

const torch = test.runIf(isThere);
test.skipIf(isThere)('PYTHON names none that has torch: examples/torch is not tested', () => {});

torch('a plan has the same bits in torch, for every family', { timeout: 600_000 }, () => {
  const folder = fresh();
  const names: string[] = [];
  const add = (name: string, act: { compiled(): CompiledActivation; plan: DiTAC['plan'] }, shape: number[]) => {
    const size = shape.reduce((product, each) => product * each, 1);
    const x = hardInputs(act.plan, size);
    const compiled = act.compiled();
    names.push(name);
    writeFileSync(join(folder, `${name}.plan`), compiled.toBytes());
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(shape));
    writeFileSync(join(folder, `${name}.x`), new Uint8Array(x.buffer));
    writeFileSync(join(folder, `${name}.y`), new Uint8Array(compiled.forward(x, undefined, { shape }).buffer));
  };
  // Every family where the time is there: cells are derived in Python.
  const families = isWhole ? Object.keys(EXAMPLES) : ['ditac', 'snake', 'xielu', 'siren', 'prelu'];
  for (const family of families as (keyof typeof EXAMPLES)[])
    EXAMPLES[family].forEach(({ options }, i) => {
      add(`${family}-${i}`, new (familyClass(family))({ ...options }), [isWhole ? 100_000 : 20_000]);
    });
  add('first', new DiTAC({ seed: 2, channels: 3 }), [40, 3, 10]);
  add('last', new Snake({ alpha: [1, 0.2], layout: 'channelsLast' }), [600, 2]);
  writeFileSync(join(folder, 'names.json'), JSON.stringify(names));
  expect(ask('evaluate', folder)).toEqual(Object.fromEntries(names.map((name) => [name, 0])));
});

torch('DiTAC trained in torch is the same function here, with the same gradients', { timeout: 300_000 }, () => {
  const folder = fresh();
  const report = ask('train', folder);
  const worst = (p: Float32Array, q: Float32Array) => p.reduce((most, v, i) => Math.max(most, Math.abs(v - q[i]!)), 0);
  const largest = (p: Float32Array) => p.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  for (const variant of ['gelu', 'leaky', 'ge', 'bare', 'inf'] as const) {
    const { first, last, same } = report[variant];
    expect(last).toBeLessThan(first);
    expect(same).toBe(true);
    const { tensors } = loadSafetensors(readFileSync(join(folder, `${variant}.safetensors`)));
    // Nothing has to be told.
    const act = DiTAC.fromStateDict(tensors, { prefix: 'act.' });
    expect([act.a, act.b, act.variant, act.tess]).toEqual([-3, 3, variant, 10]);
    const [x, y, gradY, gradX, gradThetas] = ['x', 'y', 'gradY', 'gradX', 'gradThetas'].map((name) =>
      floats(folder, `${variant}.${name}`),
    ) as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
    // There float64 rounded to float32: ½ ULP; here 1 ULP, or 2 below 2⁻⁸.
    act.forward(x).forEach((value, i) => {
      expect(Math.abs(value - y[i]!)).toBeLessThanOrEqual(2 ** -22 * Math.max(Math.abs(y[i]!), 2 ** -10));
    });
    const found = act.backward(x, gradY);
    // What gradients are promised to keep: 10⁻⁵ of the largest.
    expect(worst(found.gradX, gradX)).toBeLessThan(1e-5 * largest(gradX));
    expect(worst(found.gradThetas, gradThetas)).toBeLessThan(1e-5 * largest(gradThetas));
  }
});

torch(
  'models of both exporters are rewritten, by markers and by Selu in their place',
  { timeout: 300_000 },
  async () => {
    const folder = fresh();
    const at = (name: string) => join(folder, name);
    const made: string[] = ask('export', folder);
    expect(made).toContain('tracing-markers');
    if (isWhole) expect(made).toContain('export-selu');
    ort.env.wasm.numThreads = 1;
    ort.env.logLevel = 'error';
    const [x, y] = [floats(folder, 'x'), floats(folder, 'y')];
    const feeds = { x: new ort.Tensor('float32', x, [5, 1, 8, 8]) };
    const rewritten: string[] = [];
    for (const name of made) {
      const told = name.endsWith('selu') ? ['--placeholder', 'Selu'] : [];
      const results: Float32Array[] = [];
      for (const form of ['exact', 'split'] as const) {
        const out = `${name}-${form}.rewritten`;
        const args = [
          cli,
          'onnx',
          at(`${name}.onnx`),
          '--weights',
          at('weights.safetensors'),
          '-o',
          at(out),
          '--json',
          ...told,
        ];
        const { status, stdout, stderr } = spawnSync(process.execPath, form === 'split' ? [...args, '--split'] : args, {
          encoding: 'utf8',
        });
        expect(`${status} ${stderr}`).toBe('0 ');
        expect(JSON.parse(stdout).activations.map((each: { prefix: string }) => each.prefix)).toEqual([
          'features.1.',
          'features.3.',
          'head.1.',
        ]);
        // The new exporter puts weights beside the model.
        const data = JSON.parse(stdout).external?.map((path: string) => ({ path, data: readFileSync(at(path)) })) ?? [];
        const bytes = new Uint8Array(readFileSync(at(out)));
        const options = { externalData: data, logSeverityLevel: 3 as const };
        if (form === 'split') {
          const session = await SplitSession.create(ort, bytes, { session: options });
          results.push((await session.run(feeds)).y!.data as Float32Array);
          await session.release();
        } else {
          const session = await ort.InferenceSession.create(bytes, options);
          results.push((await session.run(feeds)).y!.data as Float32Array);
          await session.release();
          rewritten.push(out);
          writeFileSync(
            at(`${out}.y`),
            new Uint8Array(results[0]!.buffer, results[0]!.byteOffset, results[0]!.byteLength),
          );
        }
      }
      expect(differingBits(results[0]!, results[1]!)).toBe(0);
      // Sums of convolutions have another order there.
      for (const [i, value] of results[0]!.entries()) expect(Math.abs(value - y[i]!)).toBeLessThan(1e-5);
    }
    if (isWhole) {
      writeFileSync(at('rewritten.json'), JSON.stringify(rewritten));
      const found: Record<string, number> = ask('run', folder);
      expect(Object.keys(found)).toHaveLength(2 * rewritten.length);
      for (const error of Object.values(found)) expect(error).toBeLessThan(1e-5);
    }
  },
);

torch('a marker is the module that it stands for, or says that it is none', () => {
  const found = ask('inherited', fresh());
  expect(found.attributes).toEqual({ prefix: 'a.', logScale: 1 });
  expect(found.y).toBeCloseTo(0.731, 3);
  expect(found.error).toMatch(/only stands for an activation/);
});
