/**
 * Whole networks, at length: every form of every family in onnxruntime-web on WebAssembly, in onnxruntime-node, and in onnxruntime-web on WebGPU
 * (headless Chromium), with and without graph optimization; 50,000 mutated models; a model of 100 MB. What is missing is skipped by name. Exit code 1
 * if a bit differs or a bar is missed. ELEMENTS (default 1,000,000), GPU_ELEMENTS (default as many), FUZZ (default 50,000).
 */
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { DiTAC } from 'ditac';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { type Form, OnnxError, rewriteModel } from 'ditac/onnx';
import * as ortWeb from 'onnxruntime-web';
import { chromium, type Page } from 'playwright-core';
import { EXAMPLES } from '../family-examples.js';
import { mutations } from '../mutations.js';
import { differingBits, hardInputs } from '../onnx-inputs.js';
import { digits, model, node, value } from '../onnx-models.js';
import { large } from './large.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const elements = Number(process.env.ELEMENTS ?? 1_000_000);
const gpuElements = Number(process.env.GPU_ELEMENTS ?? elements);
const fuzz = Number(process.env.FUZZ ?? 50_000);
const parts = process.argv.slice(2).filter((each) => !each.startsWith('-'));
const isAsked = (part: string) => parts.length === 0 || parts.includes(part);

let failed = 0;
let passed = 0;
let skipped = 0;
const check = (isRight: boolean, what: string): void => {
  if (isRight) passed++;
  else {
    failed++;
    console.error(`FAILED: ${what}`);
  }
};

const single = model({
  name: 'one',
  node: [node('Any', ['x'], ['y'], {}, { domain: 'com.ditac' })],
  input: [value('x', ['n'])],
  output: [value('y', ['n'])],
});

type Activation = InstanceType<typeof FAMILIES.snake>;
interface Case {
  readonly name: string;
  readonly act: Activation;
  readonly x: Float32Array;
  readonly expected: Float32Array;
}

const cases: Case[] = Object.entries(EXAMPLES).flatMap(([family, examples]) =>
  examples.map(({ options }, i) => {
    const Class = FAMILIES[family as FamilyName] as unknown as new (options: object) => Activation;
    const act = new Class({ ...options });
    const x = hardInputs(act.plan, elements);
    return { name: `${family} ${i + 1}`, act, x, expected: act.forward(x) };
  }),
);
const rewritten = (act: Activation, form: Form) => rewriteModel(single, () => act, { form }).model;

type Runtime = Pick<typeof ortWeb, 'InferenceSession' | 'Tensor'>;

async function compare(name: string, { InferenceSession, Tensor }: Runtime, forms: readonly Form[]): Promise<void> {
  const differs: string[] = [];
  for (const { name: each, act, x, expected } of cases) {
    for (const form of forms)
      for (const graphOptimizationLevel of ['all', 'disabled'] as const) {
        const session = await InferenceSession.create(rewritten(act, form), {
          graphOptimizationLevel,
          logSeverityLevel: 3,
        });
        const { y } = await session.run({ x: new Tensor('float32', x, [x.length]) });
        await session.release();
        const count = differingBits(y!.data as Float32Array, expected);
        check(
          count === 0,
          `${name}, ${each}, ${form}, optimization ${graphOptimizationLevel}: ${count} of ${x.length} differ`,
        );
        if (count > 0) differs.push(each);
      }
  }
  table.push([name, forms.join(', '), `${cases.length} × ${elements.toLocaleString('en')}`, differs.length]);
}

async function withPage<T>(work: (page: Page) => Promise<T>): Promise<T> {
  const folders = [join(root, 'dist/programs'), join(root, 'node_modules/onnxruntime-web/dist')];
  const server = createServer((request, response) => {
    const name = new URL(request.url!, 'http://localhost').pathname;
    if (name === '/') return response.setHeader('content-type', 'text/html').end('<!doctype html><title>ditac</title>');
    const file = folders.map((folder) => join(folder, name)).find((each) => existsSync(each));
    if (!file) return response.writeHead(404).end();
    return response
      .setHeader('content-type', name.endsWith('.wasm') ? 'application/wasm' : 'text/javascript')
      .end(readFileSync(file));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const args = [
    '--no-sandbox',
    '--enable-unsafe-webgpu',
    '--disable-background-networking',
    '--disable-component-update',
  ];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return await work(page);
  } finally {
    await browser.close();
    server.close();
  }
}

async function onWebGpu(): Promise<void> {
  const differs: string[] = [];
  await withPage(async (page) => {
    for (const { name, act, x, expected } of cases) {
      const part = { x: x.subarray(0, gpuElements), expected: expected.subarray(0, gpuElements) };
      const encode = (each: Uint8Array | Float32Array) =>
        Buffer.from(each.buffer, each.byteOffset, each.byteLength).toString('base64');
      const given = { bytes: encode(rewritten(act, 'webgpu')), x: encode(part.x), expected: encode(part.expected) };
      for (const level of ['all', 'disabled'] as const) {
        const count = await page.evaluate(
          async ({ bytes, x: xs, expected: ys, at, optimization }) => {
            const decode = async (text: string) =>
              (await fetch(`data:application/octet-stream;base64,${text}`)).arrayBuffer();
            const { differing } = await import(at);
            const [m, p, q] = await Promise.all([bytes, xs, ys].map(decode));
            return differing(m, new Float32Array(p!), new Float32Array(q!), optimization) as number;
          },
          { ...given, at: '/onnx-page.js', optimization: level },
        );
        check(count === 0, `WebGPU, ${name}, optimization ${level}: ${count} of ${part.x.length} differ`);
        if (count !== 0) differs.push(name);
        if (process.stderr.isTTY || process.env.VERBOSE) console.error(`WebGPU ${name} ${level}: ${count}`);
      }
    }
  });
  table.push([
    'onnxruntime-web, WebGPU',
    'webgpu',
    `${cases.length} × ${gpuElements.toLocaleString('en')}`,
    differs.length,
  ]);
}

function mutated(): void {
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const choose = ({ domain }: { domain: string }) => (domain === 'com.ditac' ? act : undefined);
  const inner = { node: [node('DiTAC', ['x'], ['z'], {}, { domain: 'com.ditac' })], output: [value('z', undefined)] };
  const files = [
    digits('dense', 'com.ditac', 20, new URL('../../test/golden/nets/', import.meta.url)).model,
    single,
    model({
      node: [node('If', ['c'], ['y'], { then_branch: { graph: inner }, else_branch: { graph: inner } })],
      input: [value('x', [3])],
      output: [value('y', [3])],
    }),
  ];
  // Of plans in branches there is no split form.
  const all = [...files, ...files.slice(0, 2).map((file) => rewriteModel(file, choose, { form: 'split' }).model)];
  const memory = () => {
    const { arrayBuffers, heapUsed } = process.memoryUsage();
    return arrayBuffers + heapUsed;
  };
  const before = memory();
  let [accepted, refused, slowest, most, grown] = [0, 0, 0, 0, 0];
  for (const file of mutations(all, fuzz, 1)) {
    const start = performance.now();
    try {
      const { model: changed } = rewriteModel(file, choose, { form: 'compact' });
      accepted++;
      most = Math.max(most, changed.length - file.length);
    } catch (error) {
      if (!(error instanceof OnnxError)) throw error;
      refused++;
    }
    slowest = Math.max(slowest, performance.now() - start);
    grown = Math.max(grown, memory() - before);
  }
  check(slowest < 1000, `a mutated model took ${slowest} ms`);
  check(most < 200_000, `a mutated model grew by ${most} bytes`);
  // Garbage of many files of 40 kB, and nothing that a length in one of them claims.
  check(grown < 512e6, `memory grew by ${grown} bytes`);
  console.log(
    `${fuzz} mutated models: ${accepted} rewritten, ${refused} refused, the slowest took ${slowest.toFixed(0)} ms, at most ${(grown / 1e6).toFixed(0)} MB of memory more`,
  );
}

const table = new Table({ head: ['runtime', 'forms', 'inputs', 'activations that differ'] });
const skip = (what: string, why: string): void => {
  skipped++;
  table.push([what, { colSpan: 3, content: `not here: ${why}` }]);
};

ortWeb.env.wasm.numThreads = 1;
ortWeb.env.logLevel = 'error';
if (isAsked('wasm')) await compare('onnxruntime-web, WebAssembly', ortWeb, ['exact', 'webgpu', 'small']);
if (isAsked('node')) {
  const home = join(root, 'out/onnxruntime/package.json');
  if (existsSync(home))
    await compare('onnxruntime-node', createRequire(home)('onnxruntime-node') as Runtime, ['exact', 'webgpu', 'small']);
  else skip('onnxruntime-node', 'npm run test:onnx installs it');
}
if (isAsked('webgpu')) {
  if (existsSync('/usr/bin/chromium')) await onWebGpu();
  else skip('onnxruntime-web, WebGPU', 'chromium is not installed');
}
console.log(table.toString());
if (isAsked('mutated')) mutated();
if (isAsked('large'))
  for (const weights of ['inside', 'beside'] as const) {
    const report = large(mkdtempSync(join(tmpdir(), 'ditac-')), join(root, 'dist/cli.js'), weights);
    const { bytes, seconds, memory, isSame } = report;
    console.log(
      `ResNet-50's shape, ${(bytes / 1e6).toFixed(0)} MB, weights ${weights}: ${seconds.toFixed(2)} s, ${(memory / 1e6).toFixed(0)} MB of memory beyond an idle command's`,
    );
    check(isSame, `${weights}: what is no activation is not as it was`);
    check(memory <= 2 * bytes, `${weights}: ${memory} bytes of memory`);
  }
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 ? 1 : 0);
