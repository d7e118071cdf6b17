import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Snake, Swish } from 'ditac';
import {
  everyFloat32,
  exact,
  exactDerivative,
  exactFamily,
  mergeSweeps,
  roundTo,
  type SweepResult,
  sweep,
} from 'ditac/oracle';
import { saveSafetensors } from 'ditac/safetensors';
import { type VerifyState, verifyBackends, verifyFunction } from 'ditac/verify';
import { expect, test } from 'vitest';
import { LARGEST } from '../src/calculus/piece.js';
import { writeArray } from '../src/cli/arrays.js';
import { readExpression } from '../src/cli/formula.js';
import { CLI, ditac } from './command.js';
import { floatsOf, goldenJson } from './golden.js';

const folder = mkdtempSync(join(tmpdir(), 'judge-'));
const at = (name: string) => join(folder, name);
const judged = async (...args: string[]) => {
  const { stdout, stderr } = await ditac('judge', ...args, '--json');
  expect(stderr).toBe('');
  return JSON.parse(stdout);
};

/** Floats after the header of .npy, and the header. */
function numpy(path: string) {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  return { header: bytes.subarray(0, start), data: new Uint8Array(bytes.subarray(start)).buffer };
}

const swish = new Swish({ beta: 1 });
const truth = exactFamily(swish);
const FAMILY = ['--family', 'swish', '--beta', '1'];

test('inputs → a kernel → judge: a right file passes, and a unit off in one of many is found', async () => {
  expect(await ditac('inputs', '-o', at('x.npy'), '--range=-20,20', '--count', '3000', ...FAMILY)).toMatchObject({
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
  expect((await ditac('judge', ...files)).status).toBe(0);
  expect(await judged(...files)).toMatchObject({
    compared: x.length,
    nearest: x.length,
    ok: true,
    monotonicityBreaks: 0,
  });
  const place = x.findIndex((v) => v > 1.5 && v < 9);
  new Int32Array(y.buffer)[place]! += 1;
  write();
  const found = await judged(...files);
  expect(found).toMatchObject({ nearest: x.length - 1, ok: false, first: { index: place, x: x[place] } });
  expect(found.worst.index).toBe(place);
  expect(found.histogram).toEqual([
    [0, 0, x.length - 1],
    [1, 1, 1],
  ]);
  const { status, stdout } = await ditac('judge', ...files);
  expect(status).toBe(1);
  expect(stdout).toContain(`x = ${x[place]}`);
});

test.each(['float16', 'bfloat16'] as const)('%s: all 65,536, each judged in its own units', async (dtype) => {
  const file = at(`x.${dtype}`);
  expect((await ditac('inputs', '-o', file, '--dtype', dtype, '--range=-1e39,1e39')).status).toBe(0);
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
  expect(await judged(...files)).toMatchObject({ nearest: sample.length, ok: true });
  const place = sample.findIndex((each) => value(each) > 1);
  y[place]! += 1;
  writeFileSync(at('y'), y);
  expect(await judged(...files)).toMatchObject({ ok: false, worst: { index: place } });
});

test('.safetensors, and files that are no such thing', async () => {
  const x = Float32Array.of(-1, 0.5, 2);
  const y = x.map((v) => roundTo('float32', truth(v)));
  const tensor = (data: Float32Array) => saveSafetensors({ t: { shape: [3], data } });
  writeFileSync(at('x.safetensors'), tensor(x));
  writeFileSync(at('y.safetensors'), tensor(y));
  expect(await judged('--x', at('x.safetensors'), '--y', at('y.safetensors'), ...FAMILY)).toMatchObject({
    nearest: 3,
    differingFromDitac: 0,
  });
  const fails = (y: string, ...args: string[]) => ditac('judge', '--x', at('x.safetensors'), '--y', y, ...args);
  writeFileSync(at('z.npy'), 'nothing');
  expect(await fails(at('z.npy'), ...FAMILY)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is no .npy file'),
  });
  writeFileSync(at('raw'), x);
  expect(await fails(at('raw'), ...FAMILY)).toMatchObject({ status: 1, stderr: expect.stringContaining('--dtype') });
  expect(await fails(at('y.safetensors'))).toMatchObject({ stderr: expect.stringContaining('not assumed') });
  const unread = await fails(at('y.safetensors'), '--expression', 'x*(1+');
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
  // Of any length: what float64 leaves of them.
  expect(value('3.14159265358979323846264338327950288 - x')(Math.PI)).toBe(1.2246467991473532e-16);
  expect(value('1e23 - x')(1e23)).toBe(8388608);
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

test('verifyFunction goes on where it was stopped: the report of one that never was', async () => {
  const snake = new Snake({ alpha: 1.5 });
  // Wrong in places, early and late.
  const kernel = async (x: Float32Array) => snake.forward(x).map((y, i) => (x[i]! > 3 ? y * (1 + 2 ** -22) : y));
  const sizes = { elements: 140_000, points: 300, seed: 5 };
  const whole = await verifyFunction('mine', kernel, snake, sizes);
  expect(whole.differing).toBeGreaterThan(0);
  const states: VerifyState[] = [];
  await verifyFunction('mine', kernel, snake, { ...sizes, onProgress: (_, __, soFar) => states.push(soFar) });
  expect(states.length).toBeGreaterThan(8);
  for (const resume of states) {
    const given = JSON.parse(JSON.stringify(resume)) as VerifyState;
    expect(await verifyFunction('mine', kernel, snake, { ...sizes, resume: given })).toEqual(whole);
  }
  const ends = states.at(-1)!;
  await expect(verifyFunction('mine', kernel, snake, { resume: {} as never })).rejects.toThrow('resume.compared');
  await expect(verifyFunction('mine', kernel, snake, { resume: { ...ends, points: -1 } })).rejects.toThrow(RangeError);
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

/** float32 as .npy. */
const save = (name: string, values: Float32Array) => {
  writeArray(at(name), 'float32', values);
  return at(name);
};

test('the gradient of θ of a DiTAC: the golden one is the nearest float32, its neighbour is not', async () => {
  const j = goldenJson('ditac/am3_b3_tess5.json');
  const thetas = floatsOf(j.thetas_bits);
  const gradY = floatsOf(j.upstream_bits);
  const x = Float32Array.from({ length: gradY.length }, (_, i) => -8 + (16 * i) / (gradY.length - 1));
  const judge = (of: Float32Array) =>
    judged(
      ...['--x', save('dx', x), '--dtype', 'float32', '--grad-y', save('dgy', gradY)],
      ...['--family', 'ditac', '--tess', `${j.tess}`, '--interval', `${j.a},${j.b}`],
      ...['--variant', 'gelu', '--thetas', `${[...thetas]}`, '--grad', `thetas=${save('dgtheta.npy', of)}`],
      ...['--max-ulp', '0.5'],
    );
  const right = Float32Array.from(j.truth_gtheta as number[]);
  const found = await judge(right);
  expect(found.ok).toBe(true);
  expect(found.gradients.thetas.map(({ name }: { name: string }) => name)).toEqual(
    Array.from(thetas, (_, k) => `thetas[${k}]`),
  );
  new Int32Array(right.buffer)[1]! += 1;
  expect((await judge(right)).ok).toBe(false);
});

test('gradients: of x in units in the last place, of parameters as sums; a fault in either is found', async () => {
  const snake = new Snake({ alpha: 0.7 });
  const x = Float32Array.from({ length: 4000 }, (_, i) => (i - 2000) / 150);
  const gradY = x.map((v, i) => Math.fround(Math.sin(i) * 2 ** ((i % 9) - 4) + 0 * v));
  const [slope, alpha] = [exactDerivative(snake, 'x'), exactDerivative(snake, 'alpha')];
  const gradX = x.map((v, i) => slope(v).hi * gradY[i]!);
  const sum = x.reduce((total, v, i) => total + alpha(v).hi * gradY[i]!, 0);
  const files = [
    '--x',
    save('gx', x),
    '--grad-y',
    save('gy', gradY),
    '--dtype',
    'float32',
    '--family',
    'snake',
    '--alpha',
    '0.7',
  ];
  const save1 = (value: number) => save('galpha.npy', Float32Array.of(value));
  const judge = (...more: string[]) => judged(...files, '--grad-x', save('gradx', gradX), ...more, '--max-ulp', '0.5');
  const right = await judge('--grad', `alpha=${save1(sum)}`);
  expect(right).toMatchObject({
    gradX: { compared: 4000, nearest: 4000, monotonicityBreaks: 0 },
    gradients: { alpha: [{ name: 'alpha' }] },
    ok: true,
  });
  expect(right.gradients.alpha[0].truth).toBeCloseTo(sum, 9);
  expect(right.gradients.alpha[0].ulp).toBeLessThanOrEqual(0.5);
  expect(await judge('--grad', `alpha=${save1(sum * (1 + 2e-7))}`)).toMatchObject({ ok: false });
  new Int32Array(gradX.buffer)[1234]! += 1;
  expect(await judge()).toMatchObject({ ok: false, gradX: { nearest: 3999, first: { index: 1234, x: x[1234] } } });
  const fails = async (...args: string[]) =>
    (await ditac('judge', ...args, '--family', 'snake', '--alpha', '0.7')).stderr;
  expect(await fails('--x', at('gx'), '--dtype', 'float32')).toContain('what is to be judged');
  expect(await fails('--x', at('gx'), '--dtype', 'float32', '--grad-x', at('gradx'))).toContain(
    'no gradient of y is assumed',
  );
  expect((await ditac('judge', ...files, '--grad', `beta=${at('galpha.npy')}`)).stderr).toContain(
    'has no parameter beta; it has alpha',
  );
});

test('a page shows the error over x, and tells no markup of its own', async () => {
  const x = Float32Array.from({ length: 3000 }, (_, i) => (i - 1500) / 100);
  const y = swish.forward(x);
  y[7] = Number.NaN;
  const page = at('page.html');
  const { status } = await ditac(
    'judge',
    '--x',
    save('px.npy', x),
    '--y',
    save('py.npy', y),
    '--expression',
    'x*sigmoid(x)',
    '--html',
    page,
  );
  expect(status).toBe(1);
  const text = readFileSync(page, 'utf8');
  for (const part of [
    '<svg',
    'error in ULP over x',
    'correctly rounded',
    'off the nearest by',
    'Mismatched: 1 NaN',
    'breaks of',
  ])
    expect(text).toContain(part);
  expect(text.match(/<circle/g)!.length).toBeGreaterThan(300);
  expect(text).not.toMatch(/<script|undefined|\[object/);
});

test('specials, monotonicity and differences are told as they are', async () => {
  const x = Float32Array.of(Number.NaN, -Infinity, Infinity, -300, -1, 1, 2, 3);
  const y = x.map((v) => roundTo('float32', truth(v)));
  y[0] = 0;
  y[2] = 1;
  y[3] = 0;
  y[6] = y[7]! + 1;
  const found = await judged('--x', save('sx.npy', x), '--y', save('sy.npy', y), ...FAMILY);
  expect(found).toMatchObject({
    compared: 8,
    nearest: 5,
    mismatched: { nan: 1, infinity: 1, zeroSign: 1, first: { index: 0 } },
    // 2 to 3, and 3 to infinity.
    monotonicityBreaks: 2,
    firstBreak: { index: 7 },
    greatestAbsolute: { index: 6 },
    greatestRelative: { index: 6 },
    firstDifferingFromDitac: { index: 0 },
    ok: false,
  });
  expect(found.greatestAbsolute.value).toBeCloseTo(y[6]! - truth(2).hi, 6);
});

test('shards add up to the whole, and nothing else does', async () => {
  const x = Float32Array.from({ length: 5000 }, (_, i) => Math.fround(((i * 7919) % 5000) / 300 - 8));
  const y = swish.forward(x);
  const files = ['--x', save('hx.npy', x), '--y', save('hy.npy', y), ...FAMILY, '--max-ulp', '0.9'];
  const whole = await judged(...files);
  const reports = [1, 2, 3].map((k) => at(`r${k}.json`));
  for (const [i, file] of reports.entries()) await ditac('judge', ...files, '--shard', `${i + 1}/3`, '--report', file);
  const merged = await ditac('merge', ...reports, '--json');
  expect(merged.status).toBe(whole.ok ? 0 : 1);
  const { missing, ...sum } = JSON.parse(merged.stdout);
  expect(missing).toEqual([]);
  for (const key of [
    'compared',
    'nearest',
    'beyond',
    'first',
    'worst',
    'bands',
    'histogram',
    'mismatched',
    'monotonicityBreaks',
    'greatestRelative',
  ])
    expect(sum[key], key).toEqual(whole[key]);
  expect(await ditac('merge', reports[0]!, reports[2]!)).toMatchObject({
    status: 1,
    stdout: expect.stringContaining('missing or not finished: shards 2'),
  });
  expect((await ditac('merge', reports[0]!, reports[0]!)).stderr).toContain('both shard 1');
  await ditac('judge', ...files.slice(0, -1), '0.8', '--shard', '2/3', '--report', reports[1]!);
  expect((await ditac('merge', ...reports)).stderr).toContain('about different functions, ranges or files');
  writeFileSync(at('no.json'), '{}');
  expect(await ditac('merge', at('no.json'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is no report'),
  });
  expect((await ditac('judge', ...files, '--shard', '4/3')).status).toBe(2);
});

test('a sweep that is stopped goes on where it was, and its shards add up', async () => {
  const args = ['sweep', '--family', 'swish', '--beta', '1', '--range=1,3', '--threads', '1', '--json'];
  const whole = JSON.parse((await ditac(...args)).stdout)[0];
  expect(whole).toMatchObject({ count: 1.5 * 2 ** 23 + 1, parts: 4, done: 4 });
  expect(whole.ulp).toBeLessThan(1);
  const report = at('sweep.json');
  const child = spawn(process.execPath, [CLI, ...args, '--report', report], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  while (!existsSync(report)) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  const { done, parts } = JSON.parse(readFileSync(report, 'utf8'));
  expect(done.length).toBeLessThan(parts);
  expect(JSON.parse((await ditac(...args, '--report', report)).stdout)[0]).toEqual(whole);
  const other = await ditac('sweep', '--family', 'swish', '--beta', '2', '--range=1,3', '--report', report);
  expect(other).toMatchObject({ status: 1, stderr: expect.stringContaining('another function, range or shard') });
  const shards = [1, 2].map((k) => at(`s${k}.json`));
  for (const [i, file] of shards.entries()) await ditac(...args, '--shard', `${i + 1}/2`, '--report', file);
  const {
    missing,
    question: _,
    byLongArithmetic: _asked,
    ...sum
  } = JSON.parse((await ditac('merge', ...shards, '--json')).stdout);
  const { parts: _parts, done: _done, seed: _seed, byLongArithmetic: _few, ...figures } = whole;
  expect({ missing, ...sum }).toEqual({ missing: [], ...figures });
});

test('a sweep: what rounds to infinity is right, and anything else there is not; ditac takes subnormal inputs for 0', async () => {
  const inputs = () => everyFloat32(3e38, 3.4e38);
  const f = (v: number) => v * 1.5;
  expect(sweep((v) => v.map(f), f, inputs())).toMatchObject({ ulp: expect.any(Number), nearest: 1 });
  expect(sweep((v) => v.map(f), f, inputs()).ulp).toBeLessThanOrEqual(0.5);
  expect(sweep((v) => v.map(() => 3e38), f, inputs()).ulp).toBeGreaterThan(1000);
  // f(0) is -8.7e-7 in the released class, and f(1e-40) is not.
  const args = ['--family', 'xielu', '--alpha-p', '0.3', '--alpha-n', '-0.8', '--range=-1e-42,1e-42', '--json'];
  const { status, stdout } = await ditac('sweep', ...args);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)[0].absolute).toBeLessThan(2 ** -47);
});

test('sweep goes on from what onProgress told', () => {
  const inputs = () => everyFloat32(1, 1.05);
  const f = (v: Float32Array) => swish.forward(v);
  const whole = sweep(f, truth, inputs());
  const controller = new AbortController();
  let soFar: SweepResult | undefined;
  const onProgress = (_: number, found: SweepResult) => {
    soFar = found;
    if (found.count > 150_000) controller.abort(new Error('enough'));
  };
  expect(() => sweep(f, truth, inputs(), { onProgress, signal: controller.signal })).toThrow('enough');
  expect(soFar!.count).toBeLessThan(whole.count);
  expect(sweep(f, truth, inputs(), { resume: soFar! })).toEqual(whole);
  const [low, high] = [0, 1].map((part) => sweep(f, truth, everyFloat32(1, 1.05, part, 2)));
  expect(mergeSweeps(low!, high!)).toEqual({ ...whole, byLongArithmetic: expect.any(Number) });
  expect(() => sweep(f, truth, inputs(), { resume: { count: 3 } as never })).toThrow(TypeError);
});
