/**
 * Whole networks in onnxruntime-web on WebAssembly, one thread: the digit networks with every form of their activations, against the same networks
 * with onnxruntime's Gelu; and one activation alone. Medians of ratios in one run.
 *
 *   npm run bench:onnx [-- --json]
 */
import { readFileSync } from 'node:fs';
import Table from 'cli-table3';
import { DiTAC } from 'ditac';
import { type Form, rewriteModel, SplitSession } from 'ditac/onnx';
import { loadSafetensors } from 'ditac/safetensors';
import * as ort from 'onnxruntime-web';
import { PLAIN } from '../src/cli/terminal.js';
import { digits, model, node, value } from '../test/onnx-models.js';

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

const NETS = new URL('../../test/golden/nets/', import.meta.url);
const ROUNDS = 60;
const FORMS = ['exact', 'small', 'webgpu', 'compact'] as const;

interface Row {
  readonly what: string;
  readonly form: string;
  /** Milliseconds. */
  readonly least: number;
  readonly median: number;
  /** Of the time with Gelu, the median of rounds. */
  readonly ratio: number;
  readonly bytes: number;
}

type Run = () => Promise<unknown>;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

/** In turns, so that all see the same machine. */
async function race(
  what: string,
  runs: ReadonlyMap<string, { run: Run; bytes: number }>,
  rounds: number,
): Promise<Row[]> {
  const times = new Map<string, number[]>();
  for (let round = -3; round < rounds; round++) {
    for (const [form, { run }] of runs) {
      const before = performance.now();
      await run();
      if (round >= 0) times.set(form, [...(times.get(form) ?? []), performance.now() - before]);
    }
  }
  const base = times.get('Gelu')!;
  return [...runs].map(([form, { bytes }]) => {
    const own = times.get(form)!;
    return {
      what,
      form,
      least: Math.min(...own),
      median: median(own),
      ratio: median(own.map((each, i) => each / base[i]!)),
      bytes,
    };
  });
}

async function sessionOf(bytes: Uint8Array, feeds: Record<string, ort.Tensor>) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  return { run: () => session.run(feeds), bytes: bytes.length };
}

async function competitors(
  gelu: Uint8Array,
  marked: Uint8Array,
  feeds: Record<string, ort.Tensor>,
  activation: Parameters<typeof rewriteModel>[1],
) {
  const runs = new Map([['Gelu', await sessionOf(gelu, feeds)]]);
  for (const form of FORMS)
    runs.set(form, await sessionOf(rewriteModel(marked, activation, { form: form as Form }).model, feeds));
  const split = rewriteModel(marked, activation, { form: 'split' }).model;
  const session = await SplitSession.create(ort, split);
  runs.set('split', { run: () => session.run(feeds), bytes: split.length });
  return runs;
}

const rows: Row[] = [];
for (const name of ['dense', 'convolutional'] as const) {
  const { model: marked, weights, inputs, shape } = digits(name, 'com.ditac', 20, NETS);
  const { tensors } = loadSafetensors(readFileSync(weights));
  const feeds = { input: new ort.Tensor('float32', inputs, [...shape]) };
  const runs = await competitors(digits(name, 'Gelu', 20, NETS).model, marked, feeds, ({ domain, attributes }) =>
    domain === 'com.ditac'
      ? DiTAC.fromStateDict(tensors, { prefix: attributes.prefix as string, a: -3, b: 3, variant: 'gelu' })
      : undefined,
  );
  rows.push(...(await race(`digits, ${name}, 360 images`, runs, ROUNDS)));
}

const act = new DiTAC({ a: -3, b: 3, seed: 1 });
for (const size of [1000, 1_000_000]) {
  const single = (domain: string, op: string) =>
    model(
      {
        name: 'one',
        node: [node(op, ['x'], ['y'], {}, { domain })],
        input: [value('x', ['n'])],
        output: [value('y', ['n'])],
      },
      20,
    );
  const x = Float32Array.from({ length: size }, (_, i) => 3 * Math.sin(i * 0.7) + Math.sin(i * 0.01));
  const feeds = { x: new ort.Tensor('float32', x, [size]) };
  const runs = await competitors(single('', 'Gelu'), single('com.ditac', 'DiTAC'), feeds, ({ domain }) =>
    domain === 'com.ditac' ? act : undefined,
  );
  rows.push(...(await race(`one activation, ${size.toLocaleString('en')} elements`, runs, size > 1e5 ? 20 : 200)));
}

if (process.argv.includes('--json')) console.log(JSON.stringify(rows, null, 2));
else {
  const table = new Table({ style: PLAIN, head: ['what', 'form', 'ms, least', 'median', 'of Gelu’s', 'bytes'] });
  for (const { what, form, least, median: middle, ratio, bytes } of rows)
    table.push([what, form, least.toFixed(3), middle.toFixed(3), `${ratio.toFixed(2)}×`, bytes.toLocaleString('en')]);
  console.log(table.toString());
}
