import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Snake, Swish } from 'ditac';
import { everyFloat32, exact, exactFamily, roundTo, sweep } from 'ditac/oracle';
import { saveSafetensors } from 'ditac/safetensors';
import { verifyBackends, verifyFunction } from 'ditac/verify';
import { expect, test } from 'vitest';
import { LARGEST } from '../src/calculus/piece.js';
import { readExpression } from '../src/cli/formula.js';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'judge-'));
const at = (name: string) => join(folder, name);
const ditac = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  return { status, stdout, stderr };
};
const judged = (...args: string[]) => JSON.parse(ditac('judge', ...args, '--json').stdout);

/** Floats after the header of .npy, and the header. */
function numpy(path: string) {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  return { header: bytes.subarray(0, start), data: new Uint8Array(bytes.subarray(start)).buffer };
}

const swish = new Swish({ beta: 1 });
const truth = exactFamily(swish);
const FAMILY = ['--family', 'swish', '--beta', '1'];

test('inputs → a kernel → judge: a right file passes, and a unit off in one of many is found', () => {
  expect(ditac('inputs', '-o', at('x.npy'), '--range=-20,20', '--count', '3000', ...FAMILY)).toMatchObject({
    status: 0,
  });
  const { header, data } = numpy(at('x.npy'));
  const x = new Float32Array(data);
  expect(header.length % 64).toBe(0);
  expect(x.length).toBeGreaterThan(4000);
  const y = x.map((v) => roundTo('float32', truth(v)));
  const write = () => writeFileSync(at('y.npy'), Buffer.concat([header, Buffer.from(y.buffer)]));
  write();
  const files = ['--x', at('x.npy'), '--y', at('y.npy'), ...FAMILY, '--max-ulp', '0.5'];
  expect(ditac('judge', ...files).status).toBe(0);
  expect(judged(...files)).toMatchObject({ compared: x.length, nearest: x.length, ok: true, monotonicityBreaks: 0 });
  const place = x.findIndex((v) => v > 1.5 && v < 9);
  new Int32Array(y.buffer)[place]! += 1;
  write();
  const found = judged(...files);
  expect(found).toMatchObject({ nearest: x.length - 1, ok: false, first: { index: place, x: x[place] } });
  expect(found.worst.index).toBe(place);
  expect(found.histogram).toEqual([
    [0, 0, x.length - 1],
    [1, 1, 1],
  ]);
  const { status, stdout } = ditac('judge', ...files);
  expect(status).toBe(1);
  expect(stdout).toContain(`x = ${x[place]}`);
});

test.each(['float16', 'bfloat16'] as const)('%s: all 65,536, each judged in its own units', (dtype) => {
  const file = at(`x.${dtype}`);
  expect(ditac('inputs', '-o', file, '--dtype', dtype, '--range=-1e39,1e39').status).toBe(0);
  const bits = new Uint16Array(new Uint8Array(readFileSync(file)).buffer);
  // Every finite number but one of the zeros' twice, two infinities and a NaN.
  expect(bits.length).toBe(dtype === 'float16' ? 63488 + 3 : 65280 + 3);
  const value = (each: number) => {
    if (dtype === 'bfloat16') return new Float32Array(Uint32Array.of(each << 16).buffer)[0]!;
    const [e, f] = [(each >> 10) & 31, each & 1023];
    const size =
      e === 31 ? (f ? Number.NaN : Number.POSITIVE_INFINITY) : e ? (1 + f / 1024) * 2 ** (e - 15) : f * 2 ** -24;
    return each & 0x8000 ? -size : size;
  };
  const patterns = new Map<number, number>();
  for (let each = 0; each < 65536; each++) if (!Number.isNaN(value(each))) patterns.set(value(each), each);
  // Of x·tanh(softplus x): the truth of every number, as bits of the format.
  const mish = exact.family({ parts: [{ first: -LARGEST, last: LARGEST, f: readExpression('x*tanh(softplus(x))') }] });
  const sample = bits.filter((_, i) => i % 16 === 0);
  const y = sample.map((each) => {
    const v = value(each);
    return Number.isNaN(v) ? 0x7fff : patterns.get(roundTo(dtype, mish(v)))!;
  });
  writeFileSync(file, sample);
  writeFileSync(at('y'), y);
  const files = ['--x', file, '--y', at('y'), '--dtype', dtype, '--function', 'mish', '--max-ulp', '0.5'];
  expect(judged(...files)).toMatchObject({ nearest: sample.length, ok: true });
  const place = sample.findIndex((each) => value(each) > 1);
  y[place]! += 1;
  writeFileSync(at('y'), y);
  expect(judged(...files)).toMatchObject({ ok: false, worst: { index: place } });
});

test('.safetensors, and files that are no such thing', () => {
  const x = Float32Array.of(-1, 0.5, 2);
  const y = x.map((v) => roundTo('float32', truth(v)));
  const tensor = (data: Float32Array) => saveSafetensors({ t: { shape: [3], data } });
  writeFileSync(at('x.safetensors'), tensor(x));
  writeFileSync(at('y.safetensors'), tensor(y));
  expect(judged('--x', at('x.safetensors'), '--y', at('y.safetensors'), ...FAMILY)).toMatchObject({
    nearest: 3,
    differingFromDitac: 0,
  });
  const fails = (y: string, ...args: string[]) => ditac('judge', '--x', at('x.safetensors'), '--y', y, ...args);
  writeFileSync(at('z.npy'), 'nothing');
  expect(fails(at('z.npy'), ...FAMILY)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is no .npy file'),
  });
  writeFileSync(at('raw'), x);
  expect(fails(at('raw'), ...FAMILY)).toMatchObject({ status: 1, stderr: expect.stringContaining('--dtype') });
  expect(fails(at('y.safetensors'))).toMatchObject({ stderr: expect.stringContaining('not assumed') });
  const unread = fails(at('y.safetensors'), '--expression', 'x*(1+');
  expect(unread.status).toBe(2);
  expect(unread.stderr).toContain('at the end');
});

test('expressions are read as they are written', () => {
  const value = (text: string) =>
    exact.family({ parts: [{ first: -LARGEST, last: LARGEST, f: readExpression(text) }] });
  expect(value('2*x^2 - -x/4 + 1.5e1')(2)).toBe(23.5);
  expect(value('-x**2')(3)).toBe(-9);
  // Decimals are what they say, not the float64 nearest to it.
  expect(value('0.1*x*10 - x')(0.3)).toBe(0);
  expect(value('max(x, pi)')(0)).toBe(Math.PI);
  for (const wrong of ['', 'y', 'x x', 'sin x', 'max(x)', '1..2'])
    expect(() => readExpression(wrong)).toThrow('cannot be read');
});

test('verifyFunction takes any family and asynchronous kernels, and can be stopped', async () => {
  const snake = new Snake({ alpha: 0.7 });
  const shares: number[] = [];
  const right = await verifyFunction('mine', async (v) => snake.forward(v), snake, {
    elements: 1000,
    points: 100,
    onProgress: (done) => shares.push(done),
  });
  expect(right).toMatchObject({ ok: true, differing: 0 });
  expect(right.worstUlp).toBeGreaterThan(0.4);
  expect(shares).toEqual([...shares].sort((p, q) => p - q));
  const wrong = await verifyFunction('wrong', (v) => v.map((u) => u * 1.000001), snake, {
    elements: 1000,
    points: 100,
  });
  expect(wrong.ok).toBe(false);
  const controller = new AbortController();
  const kernel = (v: Float32Array) => {
    controller.abort(new Error('enough'));
    return snake.forward(v);
  };
  await expect(verifyFunction('mine', kernel, snake, { signal: controller.signal })).rejects.toThrow('enough');
  await expect(verifyFunction('mine', () => new Float32Array(1), snake)).rejects.toThrow(TypeError);
});

test('verifyBackends takes activations of any family', async () => {
  const reports = await verifyBackends({ activations: [new Snake({ alpha: 2 }), swish], elements: 2000, points: 50 });
  for (const { available, ok } of reports) expect(ok || !available).toBe(true);
  expect(reports.find(({ name }) => name === 'js')).toMatchObject({
    available: true,
    differing: 0,
    differingGradients: 0,
  });
});

test('sweep takes asynchronous kernels and truths of 30 digits', async () => {
  const inputs = () => everyFloat32(1, 1.0001);
  const expected = sweep((v) => swish.forward(v), truth, inputs());
  expect(await sweep(async (v) => swish.forward(v), truth, inputs())).toEqual(expected);
  const controller = new AbortController();
  controller.abort(new Error('enough'));
  expect(() => sweep((v) => v, truth, inputs(), { signal: controller.signal })).toThrow('enough');
});
