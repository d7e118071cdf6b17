import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { Bench } from 'tinybench';
import { hostBackend } from '../src/backends/host.js';
import { inverse, normalStream, transform } from '../src/cpab.js';
import { BSpline, DiTAC, KANLayer } from '../src/index.js';
import { loadSafetensors } from '../src/io/safetensors.js';
import { efficientKan, onnxPeers } from './peers.js';

/**
 * What ditac costs, beside peers in the same run: `npm run bench`, `npm run bench -- --json`.
 * Machines differ and are shared, so the ratios count: medians, against onnxruntime-web's Gelu on the same input.
 */

const COUNT = 2 ** 20;
const here = fileURLToPath(new URL('../..', import.meta.url));

interface Timing {
  readonly name: string;
  /** Nanoseconds an element, median. */
  readonly ns: number;
  /** Share of onnxruntime-web's Gelu. */
  readonly ratio: number | undefined;
  /** What the project promises, if anything. */
  readonly bar?: number;
}

async function elementwise(): Promise<{ timings: Timing[]; notes: string[] }> {
  const normal = normalStream(1);
  const x = Float32Array.from({ length: COUNT }, normal);
  const unit = Float32Array.from(x, (v) => 1 / (1 + Math.exp(-v)));
  const out = new Float32Array(COUNT);
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const channels = new DiTAC({ a: -3, b: 3, seed: 1, channels: 16, layout: 'channelsLast' });
  const nets = new URL('../../test/golden/nets/', import.meta.url);
  const { tensors } = loadSafetensors(readFileSync(new URL('mlp_double_2d_ditac_seed1.safetensors', nets)));
  const trained = DiTAC.fromStateDict(tensors, { prefix: 'act_1.', a: -3, b: 3, variant: 'gelu' });
  const theta = act.thetas;
  const options = { tess: 10, out };
  const gradY = Float32Array.from({ length: COUNT }, normal);
  const gradX = new Float32Array(COUNT);
  const student = new DiTAC({ a: -3, b: 3, seed: 1 });
  const start = student.thetas;
  let steps = 0;
  const step = (input: Float32Array) => {
    const [y, upstream, into] = [out, gradY, gradX].map((each) => each.subarray(0, input.length));
    return () => {
      steps += 1;
      student.update(start.map((v, k) => v + 1e-3 * Math.sin(steps + k)));
      student.forward(input, y);
      student.backward(input, upstream!, { out: into! });
    };
  };
  const bench = new Bench({ time: 1500, warmupTime: 300 });
  bench
    .add('ditac forward (wasm)', () => void act.forward(x, out))
    .add('ditac forward, trained: the regression of npm start (wasm)', () => void trained.forward(x, out))
    .add('ditac forward, 16 channels last (wasm)', () => void channels.forward(x, out))
    .add('ditac transform (wasm)', () => void transform(unit, theta, options))
    .add('ditac inverse (wasm)', () => void inverse(unit, theta, options))
    .add('ditac forward (js)', () => void act.on(hostBackend('js')).forward(x, out))
    .add('ditac forward and backward, a new θ each time (wasm)', step(x))
    .add('ditac forward and backward, a new θ each time, 10⁵ elements (wasm)', step(x.subarray(0, 1e5)))
    .add('ditac backward (wasm)', () => void act.backward(x, gradY, { out: gradX }))
    .add('ditac backward (js)', () => void act.on(hostBackend('js')).backward(x, gradY, { out: gradX }))
    .add('copy loop (TypedArray.set)', () => out.set(x));
  const notes: string[] = [];
  const peers = await onnxPeers(['Gelu', 'Relu', 'Identity'], x);
  if (typeof peers === 'string') notes.push(peers);
  else for (const peer of peers) bench.add(peer.name, () => peer.run());
  await bench.run();
  const median = new Map(
    bench.tasks.map((task) => [task.name, (medianOf(task.result) * 1e6) / (task.name.includes('10⁵') ? 1e5 : COUNT)]),
  );
  const gelu = median.get('onnxruntime-web Gelu');
  const bars: Record<string, number> = {
    'ditac forward (wasm)': 0.45,
    'ditac transform (wasm)': 1.3,
    'ditac forward (js)': 4,
    'ditac forward and backward, a new θ each time (wasm)': 2,
  };
  const timings = [...median].map(([name, ns]) => ({
    name,
    ns,
    ratio: gelu && ns / gelu,
    ...(bars[name] ? { bar: bars[name] } : {}),
  }));
  return { timings, notes };
}

/** tinybench keeps latencies in milliseconds. */
function medianOf(result: unknown): number {
  const { latency } = result as { latency: { p50: number } };
  return latency.p50;
}

interface LayerTiming {
  readonly name: string;
  /** Nanoseconds an edge and sample, median. */
  readonly ns: number;
  /** Share of `forward` of as many elements with as many functions. */
  readonly ratio: number;
  readonly bar?: number;
}

/** A KAN layer of 16·8 edges on 8192 samples, beside an activation of 128 functions on as many elements. */
async function kanLayer(notes: string[]): Promise<LayerTiming[]> {
  const [inputs, outputs] = [16, 8];
  const samples = COUNT / (inputs * outputs);
  const layer = new KANLayer({ inputs, outputs, seed: 1 });
  const { base_weight, spline_scaler, spline_weight } = layer.parameters;
  const rows = Array.from({ length: inputs * outputs }, (_, k) => spline_weight.subarray(8 * k, 8 * k + 8));
  const edges = new BSpline({ grid: Array.from(layer.grid[0]!), base_weight, spline_scaler, spline_weight: rows });
  const normal = normalStream(2);
  const [x, gradY] = [inputs, outputs].map((width) => Float32Array.from({ length: width * samples }, normal));
  const elements = Float32Array.from({ length: COUNT }, normal);
  const [out, y] = [new Float32Array(COUNT), new Float32Array(outputs * samples)];
  const shape = [1, inputs * outputs, samples];
  const bench = new Bench({ time: 1500, warmupTime: 300 });
  bench
    .add('forward of as many elements, 128 functions', () => void edges.forward(elements, out, { shape }))
    .add('KANLayer forward, 16 inputs, 8 outputs', () => void layer.forward(x!, y))
    .add('KANLayer direct', () => void layer.direct(x!, y))
    .add('KANLayer backward', () => void layer.backward(x!, gradY!));
  await bench.run();
  const found = bench.tasks.map((task) => ({ name: task.name, ns: (medianOf(task.result) * 1e6) / COUNT }));
  const peer = efficientKan(inputs, outputs, samples);
  if (typeof peer === 'string') notes.push(peer);
  else found.push({ name: 'efficient-kan forward (torch, float32, one thread)', ns: (peer * 1e9) / COUNT });
  const bars = [undefined, 1.5];
  return found.map((each, k) => ({
    ...each,
    ratio: each.ns / found[0]!.ns,
    ...(bars[k] ? { bar: bars[k] } : {}),
  }));
}

async function compiling(): Promise<{ name: string; ms: number; bar?: number }[]> {
  const bench = new Bench({ time: 1000, warmupTime: 500 });
  let seed = 0;
  for (const tess of [10, 33]) {
    bench.add(
      `compile a plan, N = ${tess}, with its certificate`,
      () => new DiTAC({ tess, a: -3, b: 3, seed: ++seed }).plan,
    );
  }
  await bench.run();
  return bench.tasks.map((task, i) => ({ name: task.name, ms: medianOf(task.result), ...(i === 0 ? { bar: 3 } : {}) }));
}

/** Import and first forward of 1,000 elements in fresh processes; milliseconds from the first line of the module. */
function coldStart(): { median: number; bar: number } {
  const script = `const start = performance.now();
    const { DiTAC } = await import('ditac');
    new DiTAC({ a: -3, b: 3, thetas: [0.1, 0.2, -0.3, 0.1, 0.5, -0.2, 0.3, 0.1, 0.05] }).forward(new Float32Array(1000).fill(0.5));
    console.log(performance.now() - start);`;
  const times = Array.from({ length: 15 }, () =>
    Number(execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: here, encoding: 'utf8' })),
  ).sort((a, b) => a - b);
  return { median: times[7]!, bar: 25 };
}

/** What a bundler keeps for someone who calls DiTAC.forward, gzipped. */
async function bundleSize(): Promise<{ bytes: number; bar: number }> {
  const entry = join(here, 'build/bundle-entry.mjs');
  writeFileSync(entry, `import { DiTAC } from 'ditac';\nglobalThis.f = (x) => new DiTAC({ seed: 1 }).forward(x);\n`);
  const outfile = join(here, 'build/bundle.mjs');
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    // The package, not the sources to which tsconfig.json points.
    tsconfigRaw: {},
    logLevel: 'error',
  });
  const bytes = gzipSync(readFileSync(outfile), { level: 9 }).length;
  rmSync(entry);
  return { bytes, bar: 44_000 };
}

const { timings, notes } = await elementwise();
const report = {
  count: COUNT,
  timings,
  kan: await kanLayer(notes),
  compile: await compiling(),
  coldStartMs: coldStart(),
  bundleBytes: await bundleSize(),
  notes,
};
if (process.argv.includes('--json')) console.log(JSON.stringify(report, null, 2));
else {
  const number = (value: number | undefined, digits = 2) => (value === undefined ? '–' : value.toFixed(digits));
  console.log(`${COUNT} float32, one thread, Node ${process.version}; medians`);
  console.table(
    timings.map(({ name, ns, ratio, bar }) => ({
      name,
      'ns/element': number(ns),
      '× Gelu': number(ratio, 3),
      bar: bar === undefined ? '' : `≤ ${bar}`,
    })),
  );
  console.table(
    report.kan.map(({ name, ns, ratio, bar }) => ({
      name,
      'ns/edge and sample': number(ns),
      '× forward': number(ratio, 2),
      bar: bar === undefined ? '' : `≤ ${bar}`,
    })),
  );
  for (const { name, ms, bar } of report.compile)
    console.log(`${name}: ${number(ms)} ms${bar ? ` (bar: ${bar})` : ''}`);
  console.log(
    `import and first forward of 1,000 elements: ${number(report.coldStartMs.median, 1)} ms (bar: ${report.coldStartMs.bar})`,
  );
  console.log(`bundle for DiTAC.forward: ${report.bundleBytes.bytes} bytes gzipped (bar: ${report.bundleBytes.bar})`);
  for (const note of notes) console.log(note);
}
process.exit(0);
