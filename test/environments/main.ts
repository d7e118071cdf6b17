/**
 * The package as it would be published, in every place where it should run: `npm pack`, installed into an empty folder, then Node, Deno, Bun,
 * pages in Chromium (plain, with and without shared memory, where compiling Wasm is forbidden, built by Vite, a service worker), Cloudflare's
 * workerd and Vercel's edge runtime. Each must give Node's bits. What is missing is skipped by name; exit code 1 if anything differs.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { BUNDLERS, type Bundler } from './bundlers.js';
import type { CheckData } from './check.js';
import { isJestRight, requires } from './commonjs.js';
import { fiveLines } from './five-lines.js';
import { ISOLATION, type Outcome, onPage, serve } from './pages.js';
import { compareColdStarts, load, refusals } from './worker.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ditac-package-'));
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const say = (text: string) => console.error(text);

// As a user gets it.
const npm = (...args: string[]) =>
  execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
const [packed] = JSON.parse(npm('pack', root, '--ignore-scripts', '--json')) as { filename: string; size: number }[];
// Parcel looks at `exports`, where 'ditac/runtime' and its like are, if the project tells it to.
const parcel = { '@parcel/resolver-default': { packageExports: true } };
writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', ...parcel }));
npm('install', '--no-audit', '--no-fund', join(folder, packed!.filename));
const installed = readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'));
if (installed.join() !== 'ditac') throw new Error(`the package brought others along: ${installed.join(', ')}`);
const { scripts } = JSON.parse(readFileSync(join(folder, 'node_modules/ditac/package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
for (const each of ['preinstall', 'install', 'postinstall'])
  if (each in scripts) throw new Error(`the package runs ${each}`);
say(`${packed!.filename}, ${packed!.size} bytes: installed alone, without scripts, in ${folder}`);

const nets = join(root, 'test/golden/nets');
const golden = readdirSync(join(root, 'test/golden/ditac')).map((name) => {
  const j = JSON.parse(readFileSync(join(root, 'test/golden/ditac', name), 'utf8'));
  const thetas = [...new Float32Array(Uint32Array.from(j.thetas_bits.flat()).buffer)];
  return { tess: j.tess, a: j.a, b: j.b, basis: j.basis, thetas };
});
const checkpointFile = join(nets, 'digits_mlp_ditac.safetensors');
// By the command that was installed.
execFileSync(
  join(folder, 'node_modules/.bin/ditac'),
  ['compile', checkpointFile, '-o', 'digits.plan', '--interval=-3,3', '--variant=gelu'],
  { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
);
const { images, labels } = JSON.parse(readFileSync(join(nets, 'digits_test.json'), 'utf8'));
const data: CheckData = {
  golden,
  checkpoint: readFileSync(checkpointFile).toString('base64'),
  plan: readFileSync(join(folder, 'digits.act_1.plan')).toString('base64'),
  images,
  labels,
};
cpSync(join(root, 'dist/programs/check.js'), join(folder, 'check.js'));
writeFileSync(join(folder, 'data.js'), `export const data = ${JSON.stringify(data)};\n`);
writeFileSync(
  join(folder, 'main.js'),
  `import { check } from './check.js';\nimport { data } from './data.js';\nconsole.log(JSON.stringify(await check(data)));\n`,
);

function inProcess(command: string, ...args: string[]): Outcome {
  if (command !== process.execPath && !existsSync(command))
    return { skipped: `${command.split('/').at(-1)} is not installed` };
  try {
    const stdout = execFileSync(command, [...args, 'main.js'], { cwd: folder, encoding: 'utf8', timeout: 120_000 });
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  } catch (cause) {
    return { error: (cause as Error).message.slice(0, 300) };
  }
}

const IMPORTS = Object.fromEntries(
  ['', '/cpab', '/runtime', '/safetensors'].map((name) => [
    `ditac${name}`,
    `/node_modules/ditac/dist${name || '/index'}.js`,
  ]),
);
// Without an import map, which is an inline script: for pages whose policy forbids those, and for service workers.
const direct = readFileSync(join(folder, 'check.js'), 'utf8').replace(
  /(from\s*)"(ditac[^"]*)"/g,
  (_, from, name: string) => `${from}"${IMPORTS[name]}"`,
);
writeFileSync(join(folder, 'check-direct.js'), direct);
const SCRIPT = (from: string) =>
  `import { check } from '${from}';\nimport { data } from '/data.js';\nwindow.result = check(data).catch((error) => ({ error: String(error?.stack ?? error) }));\n`;
writeFileSync(join(folder, 'mapped.js'), SCRIPT('/check.js'));
writeFileSync(join(folder, 'direct.js'), SCRIPT('/check-direct.js'));
writeFileSync(
  join(folder, 'service.js'),
  `import { check } from '/check-direct.js';\nimport { data } from '/data.js';
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  if (new URL(event.request.url).pathname === '/result')
    event.respondWith(check(data).then((result) => Response.json(result), (error) => Response.json({ error: String(error?.stack ?? error) })));
});\n`,
);

const html = (script: string, map = false) =>
  `<!doctype html><meta charset="utf-8"><title>ditac</title>${map ? `<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>` : ''}<script type="module" src="${script}"></script>`;

async function readFromService(page: Page): Promise<Outcome> {
  return page.evaluate(async () => {
    await navigator.serviceWorker.register('/service.js', { type: 'module' });
    await navigator.serviceWorker.ready;
    while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 20));
    return (await fetch('/result')).json();
  });
}

/** The example, built by Vite with the installed package: first that it draws, then the check with the same tool. */
async function withVite(browser: Browser): Promise<Outcome> {
  if (!existsSync(join(root, 'node_modules/vite'))) return { skipped: 'npm package vite is not installed' };
  const name = 'vite';
  const vite = (await import(name)) as { build(options: object): Promise<unknown> };
  const project = join(folder, 'vite');
  cpSync(join(root, 'examples/vite'), project, { recursive: true });
  await vite.build({ root: project, logLevel: 'error' });
  const example = join(project, 'dist');
  const drawn = await serve(
    example,
    { '/': { html: readFileSync(join(example, 'index.html'), 'utf8'), headers: ISOLATION } },
    async (origin) => {
      const tab = await browser.newPage();
      await tab.goto(origin);
      await tab.waitForSelector('[data-drawn]', { timeout: 30_000 });
      const device = await tab.textContent('#device');
      await tab.close();
      return device;
    },
  );
  if (!drawn?.includes('threads')) return { error: `the example draws on ${drawn}, not on threads` };
  writeFileSync(join(project, 'index.html'), html('/entry.js'));
  writeFileSync(join(project, 'entry.js'), SCRIPT('../check.js').replace("'/data.js'", "'../data.js'"));
  await vite.build({ root: project, logLevel: 'error' });
  return onPage(browser, example, { html: readFileSync(join(example, 'index.html'), 'utf8'), headers: ISOLATION });
}

/** The check, built by another tool: what it imports when it is asked for, too. */
async function withBundler(browser: Browser, { name, missing, bundle }: Bundler): Promise<Outcome> {
  const absent = missing(root);
  if (absent) return { skipped: `npm package ${absent} is not installed` };
  const project = join(folder, `with-${name}`);
  mkdirSync(project);
  for (const each of ['check.js', 'data.js']) cpSync(join(folder, each), join(project, each));
  writeFileSync(join(project, 'main.js'), SCRIPT('./check.js').replace("'/data.js'", "'./data.js'"));
  const out = join(folder, `built-by-${name}`);
  try {
    await bundle(root)(join(project, 'main.js'), out);
  } catch (cause) {
    return { error: (cause as Error).message.slice(0, 300) };
  }
  return onPage(browser, out, { html: html('/main.js'), headers: ISOLATION });
}

/** The check as a module for a runtime of workers. */
async function bundleForWorkers(conditions: string[], code: string, format: 'esm' | 'iife'): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: folder },
    bundle: true,
    write: false,
    format,
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions,
    external: ['*.wasm'],
    logLevel: 'error',
  });
  return outputFiles[0]!.text;
}

const HANDLER = `import { check } from './check.js';\nimport { data } from './data.js';\n`;

async function inWorkerd(): Promise<Outcome> {
  if (!existsSync(bin('workerd'))) return { skipped: 'npm package workerd is not installed' };
  const code = await bundleForWorkers(
    ['workerd'],
    `${HANDLER}export default { fetch: async () => Response.json(await check(data)) };`,
    'esm',
  );
  const site = join(folder, 'workerd');
  mkdirSync(site, { recursive: true });
  writeFileSync(join(site, 'worker.js'), code);
  for (const name of ['kernels.wasm', 'kernels-runtime.wasm'])
    cpSync(join(folder, 'node_modules/ditac/dist/workerd', name), join(site, name));
  const { origin, stop } = await startWorkerd(site, 'worker.js', ['kernels.wasm', 'kernels-runtime.wasm'], []);
  try {
    return (await (await fetch(origin)).json()) as Outcome;
  } catch (cause) {
    return { error: (cause as Error).message };
  } finally {
    stop();
  }
}

/** Starts workerd on a free port of this machine. */
async function startWorkerd(
  site: string,
  main: string,
  wasm: readonly string[],
  bytes: readonly string[],
): Promise<{ origin: string; stop(): void; pid: number; startMs: number }> {
  const modules = [
    `(name = "${main}", esModule = embed "${main}")`,
    ...wasm.map((name) => `(name = "./${name}", wasm = embed "${name}")`),
    ...bytes.map((name) => `(name = "./${name}", data = embed "${name}")`),
  ];
  const config = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [${modules.join(', ')}], compatibilityDate = "2025-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")]
);`;
  writeFileSync(join(site, `${main}.capnp`), config);
  const before = performance.now();
  const child = spawn(bin('workerd'), ['serve', `${main}.capnp`, '--control-fd=3'], {
    cwd: site,
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  });
  const port = await new Promise<number>((resolve, reject) => {
    let text = '';
    (child.stdio[3] as NodeJS.ReadableStream).on('data', (chunk) => {
      text += chunk;
      const found = /"event":"listen","socket":"http","port":(\d+)/.exec(text);
      if (found) resolve(Number(found[1]));
    });
    child.on('exit', (code) => reject(new Error(`workerd ended with code ${code}`)));
  });
  return {
    origin: `http://127.0.0.1:${port}/`,
    pid: child.pid!,
    startMs: performance.now() - before,
    stop: () => void child.kill('SIGKILL'),
  };
}

async function inEdgeRuntime(): Promise<Outcome> {
  if (!existsSync(join(root, 'node_modules/edge-runtime')))
    return { skipped: 'npm package edge-runtime is not installed' };
  const name = 'edge-runtime';
  const { EdgeRuntime } = (await import(name)) as {
    EdgeRuntime: new (options: {
      initialCode: string;
    }) => { dispatchFetch(url: string): Promise<Response & { waitUntil(): Promise<unknown> }> };
  };
  const code = await bundleForWorkers(
    ['edge-light'],
    `${HANDLER}addEventListener('fetch', (event) => event.respondWith(check(data).then((result) => new Response(JSON.stringify(result)))));`,
    'iife',
  );
  try {
    const response = await new EdgeRuntime({ initialCode: code }).dispatchFetch('http://localhost/');
    return (await response.json()) as Outcome;
  } catch (cause) {
    return { error: (cause as Error).message };
  }
}

/** The server of examples/deno, with a plan and the installed package: its answers are Node's bits. */
async function denoExample(): Promise<string | undefined> {
  if (!existsSync(bin('deno'))) return 'skipped: npm package deno is not installed';
  const site = join(folder, 'deno');
  cpSync(join(root, 'examples/deno'), site, { recursive: true });
  cpSync(join(folder, 'digits.act_1.plan'), join(site, 'activation.plan'));
  writeFileSync(
    join(site, 'deno.json'),
    JSON.stringify({ imports: { 'ditac/runtime': '../node_modules/ditac/dist/runtime.js' } }),
  );
  const child = spawn(bin('deno'), ['run', '--allow-net', '--allow-read', 'main.ts', '0'], {
    cwd: site,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    const origin = await new Promise<string>((resolve, reject) => {
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk) => {
          text += chunk;
          const found = /(http:\/\/127\.0\.0\.1:\d+)/.exec(text);
          if (found) resolve(found[1]!);
        });
      child.on('exit', (code) => reject(new Error(`deno ended with code ${code}: ${text.slice(0, 300)}`)));
    });
    const { Activation } = (await import(
      join(folder, 'node_modules/ditac/dist/runtime.js')
    )) as typeof import('ditac/runtime');
    const x = Float32Array.from({ length: 1000 }, (_, i) => (i - 500) / 100);
    const expected = new Activation(readFileSync(join(folder, 'digits.act_1.plan'))).forward(x);
    const answer = new Float32Array(await (await fetch(origin, { method: 'POST', body: x })).arrayBuffer());
    if (Buffer.compare(Buffer.from(expected.buffer), Buffer.from(answer.buffer)) !== 0)
      return 'its bits are not Node’s';
    for (const [body, status] of [
      [new Uint8Array(3), 400],
      [new Uint8Array(2 ** 22 + 4), 413],
    ] as const) {
      const refused = await fetch(origin, { method: 'POST', body });
      if (refused.status !== status) return `${body.length} bytes were answered with ${refused.status}, not ${status}`;
      await refused.text();
    }
    return undefined;
  } catch (cause) {
    return (cause as Error).message;
  } finally {
    child.kill('SIGKILL');
  }
}

const outcomes: [name: string, outcome: Outcome, expected: { backend: string; threads: RegExp }][] = [];
const SAME = /^same bits$/;
outcomes.push([`Node ${process.versions.node}`, inProcess(process.execPath), { backend: 'wasm', threads: SAME }]);
outcomes.push(['Deno', inProcess(bin('deno'), 'run'), { backend: 'wasm', threads: SAME }]);
outcomes.push(['Bun', inProcess(bin('bun')), { backend: 'wasm', threads: SAME }]);
const executablePath = '/usr/bin/chromium';
/** Puts the installed package into a folder of its own. */
const link = (project: string) => {
  mkdirSync(join(project, 'node_modules'), { recursive: true });
  cpSync(join(folder, 'node_modules/ditac'), join(project, 'node_modules/ditac'), { recursive: true });
};
const places = { root, folder, link, tool: bin };
const lines: [name: string, problem: string | undefined][] = [];
const pages: [name: string, run: (browser: Browser) => Promise<Outcome>, backend: string, threads: RegExp][] = [
  [
    'Chromium, shared memory',
    (b) => onPage(b, folder, { html: html('/mapped.js', true), headers: ISOLATION }),
    'wasm',
    SAME,
  ],
  [
    'Chromium, a plain page',
    (b) => onPage(b, folder, { html: html('/mapped.js', true) }),
    'wasm',
    /^wasm: no shared memory here/,
  ],
  [
    'Chromium, Wasm forbidden by the page’s policy',
    (b) => onPage(b, folder, { html: html('/direct.js'), headers: { 'content-security-policy': "script-src 'self'" } }),
    'js',
    /^js: no/,
  ],
  [
    'Chromium, a service worker',
    (b) => onPage(b, folder, { html: html('/nothing.js') }, readFromService),
    'wasm',
    /^wasm: no/,
  ],
  ['Chromium, the example and the check built by Vite', withVite, 'wasm', SAME],
  ...BUNDLERS.filter(({ name }) => name !== 'Vite').map((bundler): (typeof pages)[number] => [
    `Chromium, built by ${bundler.name}`,
    (browser) => withBundler(browser, bundler),
    'wasm',
    SAME,
  ]),
];
if (existsSync(executablePath)) {
  const args = ['--no-sandbox', '--disable-background-networking', '--disable-component-update'];
  const browser = await chromium.launch({ executablePath, args });
  for (const [name, run, backend, threads] of pages) outcomes.push([name, await run(browser), { backend, threads }]);
  for await (const each of fiveLines(places, browser)) lines.push(each);
  await browser.close();
} else {
  for await (const each of fiveLines(places, undefined)) lines.push(each);
  for (const [name, , backend, threads] of pages)
    outcomes.push([name, { skipped: 'chromium is not installed' }, { backend, threads }]);
}
outcomes.push(['workerd', await inWorkerd(), { backend: 'wasm', threads: /^wasm: no/ }]);
outcomes.push([
  'Vercel’s edge runtime',
  await inEdgeRuntime(),
  { backend: 'wasm|js', threads: /^(wasm|js): no|same bits/ },
]);

let [passed, failed, skipped] = [0, 0, 0];
const [, node] = outcomes[0]!;
const reference = 'bits' in node ? node.bits : '';
const table = new Table({ head: ['where', 'runs on', 'bits', 'digits', 'threads'], style: { head: [], border: [] } });
for (const [name, outcome, expected] of outcomes) {
  if ('skipped' in outcome) {
    skipped += 1;
    table.push([name, { colSpan: 4, content: `skipped: ${outcome.skipped}` }]);
    continue;
  }
  if ('error' in outcome) {
    failed += 1;
    table.push([name, { colSpan: 4, content: `failed: ${outcome.error}` }]);
    continue;
  }
  const { backend, runtime, bits, right, threads } = outcome;
  const isRight =
    bits === reference &&
    right === 327 &&
    expected.backend.split('|').includes(backend) &&
    backend === runtime &&
    expected.threads.test(threads);
  if (isRight) passed += 1;
  else failed += 1;
  table.push([name, backend, bits === reference ? 'Node’s' : 'DIFFERENT', right, threads.slice(0, 60)]);
  if (!isRight) say(`${name}: ${JSON.stringify(outcome)}, expected ${String(expected.threads)} on ${expected.backend}`);
}
console.log(table.toString());

const report = (name: string, problem: string | undefined) => {
  if (problem?.startsWith('skipped')) skipped += 1;
  else if (problem) failed += 1;
  else passed += 1;
  console.log(`${name}: ${problem ?? 'as it should be'}`);
};
for (const [name, problem] of lines) report(name, problem);
report('CommonJS: require in Node', requires(folder));
report(
  'Jest',
  isJestRight(root, folder, (project) => {
    link(project);
    symlinkSync(join(root, 'node_modules/@babel'), join(project, 'node_modules/@babel'));
  }),
);
report('examples/deno', await denoExample());

if (existsSync(bin('workerd'))) {
  const site = join(folder, 'worker');
  cpSync(join(root, 'examples/worker'), site, { recursive: true });
  for (const k of [1, 2]) cpSync(join(folder, `digits.act_${k}.plan`), join(site, `model/digits.act_${k}.plan`));
  const { outputFiles } = await build({
    entryPoints: [join(site, 'src/index.ts')],
    bundle: true,
    // As wrangler.jsonc says.
    minify: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd'],
    external: ['*.wasm', '*.plan', '*.safetensors'],
    logLevel: 'error',
  });
  const flat = outputFiles[0]!.text.replaceAll('../model/', './');
  writeFileSync(join(site, 'worker.js'), flat);
  writeFileSync(join(site, 'empty.js'), "export default { fetch: () => new Response('{}') };\n");
  const bytes = ['digits.act_1.plan', 'digits.act_2.plan', 'digits.safetensors'];
  for (const name of bytes) cpSync(join(site, 'model', name), join(site, name));
  const wasm = ['kernels.wasm', 'kernels-runtime.wasm'].filter((name) => flat.includes(name));
  for (const name of wasm) cpSync(join(folder, 'node_modules/ditac/dist/workerd', name), join(site, name));
  const starts = {
    worker: () => startWorkerd(site, 'worker.js', wasm, bytes),
    empty: () => startWorkerd(site, 'empty.js', [], []),
  };
  const { origin, stop } = await starts.worker();
  report('examples/worker: what it refuses', await refusals(origin).finally(stop));
  report('examples/worker: 10,000 requests, 50 at a time', await load(starts, { images, labels }));
  report('examples/worker: cold start', await compareColdStarts(starts, images));
} else report('examples/worker', 'skipped: npm package workerd is not installed');

if (skipped > 0) console.log('npm run bring installs what is missing');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 ? 1 : 0);
