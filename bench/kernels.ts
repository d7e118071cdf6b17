import { readFileSync } from 'node:fs';
import { hostBackend } from '../src/backends/host.js';
import { inverse, normalStream, transform } from '../src/cpab.js';
import { DiTAC, loadBackend } from '../src/index.js';
import { loadSafetensors } from '../src/io/safetensors.js';
import type { Row } from './measure.js';
import { onnxPeers } from './peers.js';

/** What an element costs, beside onnxruntime-web's Gelu: forward, channels, backward, steps of a training, both engines. */

export const COUNT = 2 ** 20;
export const GELU = 'onnxruntime-web Gelu';

const options = { a: -3, b: 3, seed: 1 } as const;
const normal = normalStream(1);
const x = Float32Array.from({ length: COUNT }, normal);
const gradY = Float32Array.from({ length: COUNT }, normal);
const [out, gradX] = [new Float32Array(COUNT), new Float32Array(COUNT)];
const act = new DiTAC(options);
const js = hostBackend('js');

function trained(): DiTAC {
  const file = new URL('../../test/golden/nets/mlp_double_2d_ditac_seed1.safetensors', import.meta.url);
  const { tensors } = loadSafetensors(readFileSync(file));
  return DiTAC.fromStateDict(tensors, { prefix: 'act_1.', a: -3, b: 3, variant: 'gelu' });
}

/** A batch of tensors [channels][inner], and how many of its elements fit. */
function channels(
  name: string,
  many: number,
  inner: number,
  layout: 'channelsFirst' | 'channelsLast',
  ratio: number,
): Row {
  const each = new DiTAC({ ...options, channels: many, layout });
  const batch = Math.floor(COUNT / many / inner);
  const count = batch * many * inner;
  const shape = layout === 'channelsFirst' ? [batch, many, inner] : [batch * inner, many];
  const [from, to] = [x.subarray(0, count), out.subarray(0, count)];
  return { name, count, bar: { ratio }, work: () => each.forward(from, to, { shape }) };
}

/** Forward and backward with a θ that changes every time, as in a training. */
function step(count: number, bar?: number): Row {
  const student = new DiTAC(options);
  const start = student.thetas;
  const [input, y, upstream, into] = [x, out, gradY, gradX].map((each) => each.subarray(0, count)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  let steps = 0;
  return {
    name: `forward, backward and a new θ, ${count} elements`,
    count,
    ...(bar ? { bar: { ratio: bar } } : {}),
    work: () => {
      steps += 1;
      student.update(start.map((v, k) => v + 1e-3 * Math.sin(steps + k)));
      student.forward(input, y);
      student.backward(input, upstream, { out: into });
    },
  };
}

/** As it is shipped, with kernels of its own. */
async function runtime() {
  const { Activation }: typeof import('../src/runtime.js') = await import(
    new URL('../runtime.js', import.meta.url).href
  );
  return new Activation(act.compiled().toBytes());
}

async function resident() {
  const pool = await loadBackend('threads', { size: 1 });
  return { sync: pool.sync, x: pool.upload(x), out: pool.tensor(COUNT) };
}

export async function kernels(): Promise<{ rows: Row[]; note?: string }> {
  const known = trained();
  // Arrays in Wasm memory are those of a pool, here of the calling thread alone.
  const { sync, ...pool } = await resident();
  const small = await runtime();
  const rows: Row[] = [
    { name: 'forward', count: COUNT, bar: { ratio: 0.26 }, work: () => act.forward(x, out) },
    { name: 'forward, a trained network’s', count: COUNT, bar: { ratio: 0.3 }, work: () => known.forward(x, out) },
    {
      name: 'forward, arrays in Wasm memory',
      count: COUNT,
      bar: { ratio: 0.17 },
      work: () => act.on(sync).forward(pool.x, pool.out),
    },
    {
      name: 'forward, a trained network’s, arrays in Wasm memory',
      count: COUNT,
      bar: { ratio: 0.2 },
      work: () => known.on(sync).forward(pool.x, pool.out),
    },
    { name: 'forward, ditac/runtime', count: COUNT, bar: { ratio: 0.26 }, work: () => small.forward(x, out) },
    channels('forward, 3 channels last', 3, 1, 'channelsLast', 0.45),
    channels('forward, 16 channels last', 16, 1, 'channelsLast', 0.45),
    channels('forward, 64 channels last', 64, 1, 'channelsLast', 0.6),
    channels('forward, 256 channels last', 256, 1, 'channelsLast', 1.5),
    channels('forward, 16 channels first, 49 neighbours', 16, 49, 'channelsFirst', 0.7),
    channels('forward, 16 channels first, 4 neighbours', 16, 4, 'channelsFirst', 0.7),
    channels('forward, 16 channels first, alone', 16, 1, 'channelsFirst', 0.7),
    {
      name: 'transform',
      count: COUNT,
      bar: { ratio: 1.3 },
      work: () => transform(unit, act.thetas, { tess: 10, out }),
    },
    { name: 'inverse', count: COUNT, work: () => inverse(unit, act.thetas, { tess: 10, out }) },
    { name: 'backward', count: COUNT, work: () => act.backward(x, gradY, { out: gradX }) },
    step(1e3),
    step(1e4),
    step(1e5, 1.7),
    step(1e6, 1.3),
    { name: 'forward, plain JavaScript', count: COUNT, bar: { ratio: 1.5 }, work: () => act.on(js).forward(x, out) },
    {
      name: 'backward, plain JavaScript',
      count: COUNT,
      bar: { ratio: 5 },
      work: () => act.on(js).backward(x, gradY, { out: gradX }),
    },
    { name: 'copy (TypedArray.set)', count: COUNT, work: () => out.set(x) },
  ];
  const peers = await onnxPeers(['Gelu', 'Relu'], x);
  if (typeof peers === 'string') return { rows, note: peers };
  return { rows: [...peers.map(({ name, run }): Row => ({ name, count: COUNT, work: run })), ...rows] };
}

const unit = x.map((v) => 1 / (1 + Math.exp(-v)));

/** What a call costs, whatever it does, beside a loop over GELU. */
export function calls(): Row[] {
  const bars: Record<number, number> = { 1: 122, 16: 174, 100: 313, 1000: 1251 };
  return [1, 8, 16, 100, 1000].flatMap((count): Row[] => {
    const [from, to] = [x.subarray(0, count), out.subarray(0, count)];
    return [
      {
        name: `forward of ${count}`,
        ...(bars[count] ? { bar: { ns: bars[count] } } : {}),
        work: () => repeated(() => act.forward(from, to)),
      },
      { name: `GELU by a loop with Math.tanh, ${count}`, work: () => repeated(() => gelu(from, to)) },
    ].map((row) => ({ ...row, count: REPEATED }));
  });
}

/** A clock does not tell 100 ns apart. */
const REPEATED = 1000;
function repeated(work: () => void): void {
  for (let i = 0; i < REPEATED; i++) work();
}

function gelu(from: Float32Array, to: Float32Array): void {
  for (let i = 0; i < from.length; i++) {
    const v = from[i]!;
    to[i] = 0.5 * v * (1 + Math.tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
  }
}
