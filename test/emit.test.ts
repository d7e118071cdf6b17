import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiTAC, Snake } from 'ditac';
import { compareBits, randomBits, specialValues, stratified } from 'ditac/oracle';
import { describe, expect, test } from 'vitest';
import { emit, wgslTables } from '../src/cli/emit.js';
import type { Plan } from '../src/plan/plan.js';
import { ditac } from './command.js';
import { tries } from './effort.js';
import { BUILDS, isHere, kernels, Program } from './emitted.js';

/** Of three channels, a third of each. */
const inputs = () => {
  const blocks = [
    specialValues(),
    ...randomBits(tries(30_000), 1).blocks(),
    ...stratified(-20, 20, tries(30_000), 2).blocks(),
  ];
  const all = Float32Array.from(blocks.flatMap((block) => [...block]));
  return all.subarray(0, all.length - (all.length % 3));
};

/** One of each kind here; `npm run test:emit` has all. */
const FEW = ['ditac 0', 'snake 0', 'rational 0', 'fourier {', 'polynomial {', 'ditac, three'];

describe.each(
  BUILDS.filter(({ flags }) => flags.includes('-O0') || flags.includes('-ffp-contract=fast') || flags.length === 1).map(
    (build) => [build.name, build] as const,
  ),
)('%s', (_, build) => {
  test.skipIf(!isHere(build))('the bits of every backend', { timeout: 240_000 }, () => {
    const x = inputs();
    const isThorough = build.compiler === 'gcc' && build.flags.includes('-ffp-contract=fast');
    const taken = isThorough ? FEW : FEW.slice(0, 2);
    for (const { name, make } of kernels().filter((each) => taken.some((few) => each.name.startsWith(few)))) {
      const act = make();
      const program = new Program(act, build);
      try {
        const y = program.run(x, x.length / act.channels);
        const expected = act.forward(x, undefined, { shape: [1, act.channels, x.length / act.channels] });
        expect(compareBits(expected, y, x), name).toMatchObject({ differing: 0 });
      } finally {
        program.dispose();
      }
    }
  });
});

const plan = new Snake({ alpha: 0.5 }).plan as Plan;

test('C and CUDA need nothing but the standard headers; -ffast-math is refused', () => {
  for (const language of ['c', 'cuda'] as const) {
    const text = emit([plan], { language, name: 'snake' });
    expect([...text.matchAll(/#include (\S+)/g)].map(([, name]) => name)).toEqual([
      '<float.h>',
      '<stddef.h>',
      '<stdint.h>',
      '<string.h>',
    ]);
    expect(text).toContain('#error "compile without -ffast-math');
    expect(text).toContain('WORD(Lanes) activateLanes(usize table, Lanes x) {');
  }
  expect(emit([plan], { language: 'cuda', name: 'snake' })).toContain('__global__ void snake(');
  expect(emit([plan], { language: 'cuda', name: 'snake' })).toContain('__fmul_rn');
});

test('a directory of addresses stands before the tables of a WGSL kernel', () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 3, channels: 3 });
  const plans = [0, 1, 2].map((i) => act.planOf(i) as Plan);
  const words = new Uint32Array(wgslTables(plans).buffer);
  const addresses = [...words.subarray(0, 3)];
  expect(addresses[0]).toBe(32);
  // The head of each says where its segments are: behind it, and before the next.
  addresses.forEach((address, i) => {
    expect(address % 32).toBe(0);
    expect(words[(address + 128) >> 2]).toBeGreaterThan(address);
    expect(words[(address + 128) >> 2]).toBeLessThan(addresses[i + 1] ?? 4 * words.length);
  });
  const text = emit(plans, { language: 'wgsl', name: 'act' });
  expect(text).toContain('fn activateLanes');
  expect(text).toContain('channels = channelsTo = 3');
});

test('the shader and its table on a device, bound as its head says', async (context) => {
  const device = await deviceHere();
  if (device === undefined) return context.skip('no WebGPU adapter');
  const act = new DiTAC({ a: -3, b: 3, seed: 3, channels: 3, layout: 'channelsFirst' });
  const plans = [0, 1, 2].map((i) => act.planOf(i) as Plan);
  const x = inputs();
  const inner = x.length / 3;
  const [uniform, storage, source, target] = [0x40 | 0x8, 0x80 | 0x8, 0x80 | 0x4, 0x1 | 0x8];
  const buffer = (data: ArrayBufferView, usage: number) => {
    const made = device.createBuffer({ size: data.byteLength, usage: usage | 0x8 });
    device.queue.writeBuffer(made, 0, data as BufferSource);
    return made;
  };
  const call = Uint32Array.of(0, x.length, 0, inner, 3, 0, 3, x.length, 0, 0, 0, 0);
  const y = device.createBuffer({ size: x.byteLength, usage: source });
  const read = device.createBuffer({ size: x.byteLength, usage: target });
  const module = device.createShaderModule({ code: emit(plans, { language: 'wgsl', name: 'act' }) });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const bound = [buffer(call, uniform), buffer(wgslTables(plans), storage), y, buffer(x, storage)];
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: bound.map((each, binding) => ({ binding, resource: { buffer: each } })),
  });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(Math.ceil(x.length / 64));
  pass.end();
  encoder.copyBufferToBuffer(y, 0, read, 0, x.byteLength);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(1);
  const found = new Float32Array(read.getMappedRange().slice(0));
  device.destroy();
  const expected = act.forward(x, undefined, { shape: [1, 3, inner] });
  expect(compareBits(expected, found, x)).toMatchObject({ differing: 0 });
});

/** A device of the npm package `webgpu`, if there is any. */
async function deviceHere(): Promise<GPUDevice | undefined> {
  try {
    const { create } = await import('webgpu');
    gpu = create([]);
    const adapter = await gpu.requestAdapter();
    return await adapter?.requestDevice();
  } catch {
    return undefined;
  }
}
/** Devices end with it. */
let gpu: GPU;

test('the command: a plan file or a family, and mistakes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'emit-'));
  const file = join(folder, 'act.plan');
  const act = new Snake({ alpha: 0.5 });
  writeFileSync(file, act.compiled().toBytes());
  const printed = await ditac('emit', file, '--language', 'c', '--name', 'snake');
  expect(printed.status).toBe(0);
  expect(printed.stdout).toBe(`${emit([plan], { language: 'c', name: 'snake' })}\n`);
  const family = await ditac('emit', '--family', 'snake', '--alpha', '0.5', '--language', 'c', '--name', 'snake');
  expect(family.stdout).toBe(printed.stdout);
  const out = join(folder, 'act.wgsl');
  expect((await ditac('emit', file, '--language', 'wgsl', '-o', out)).status).toBe(0);
  expect(readFileSync(`${out}.table`).length).toBe(wgslTables([plan]).length);
  expect((await ditac('emit', file)).status).toBe(2);
  expect((await ditac('emit', '--language', 'c')).stderr).toContain('pass a plan file');
  expect((await ditac('emit', file, '--language', 'fortran')).stderr).toContain('Allowed choices are c, cuda, wgsl');
  expect(await ditac('emit', file, '--language', 'c', '--name', 'a b')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('--name'),
  });
  expect((await ditac('emit', file, '--language', 'wgsl')).stderr).toContain('-o');
  writeFileSync(file, 'nothing');
  expect((await ditac('emit', file, '--language', 'c')).status).toBe(1);
});
