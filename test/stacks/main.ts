/**
 * Real WebGPU stacks, one after another: Dawn in Node, headless Chromium, Deno, each on a software rasteriser where there is no GPU.
 * What is missing is skipped by name. Exit code 1 if a bit differs, if a changed bit goes unnoticed anywhere, or if leaving the barriers
 * out changes nothing anywhere.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Table from 'cli-table3';
import { chromium } from 'playwright-core';
import { PLAIN } from '../../src/cli/terminal.js';
import type { GoldenActivation, StackReport } from './suite.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const programs = join(root, 'dist/programs');
const elements = Number(process.env.ELEMENTS ?? 4_000_000);
const folder = mkdtempSync(join(tmpdir(), 'ditac-'));

const golden: GoldenActivation[] = readdirSync(join(root, 'test/golden/ditac')).map((name) => {
  const j = JSON.parse(readFileSync(join(root, 'test/golden/ditac', name), 'utf8'));
  const thetas = [...new Float32Array(Uint32Array.from(j.thetas_bits.flat()).buffer)];
  return { tess: j.tess, a: j.a, b: j.b, basis: j.basis, thetas };
});
const goldenFile = join(folder, 'golden.json');
writeFileSync(goldenFile, JSON.stringify(golden));

/** A software rasteriser's Vulkan driver, if Debian's package is installed. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const LAVAPIPE = '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json';
const driver = (file: string) => ({ VK_ICD_FILENAMES: file, VK_DRIVER_FILES: file, XDG_RUNTIME_DIR: folder });

type Outcome = StackReport | { error: string } | { skipped: string };

async function inProcess(command: string, args: string[], environment: Record<string, string>): Promise<Outcome> {
  const options = { env: { ...process.env, ...environment }, maxBuffer: 2 ** 26, timeout: 900_000 };
  try {
    const { stdout } = await promisify(execFile)(command, [...args, goldenFile, String(elements)], options);
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  } catch (cause) {
    const { stdout, message } = cause as { stdout?: string; message: string };
    // A process that answers and then crashes while it ends has answered.
    const last = stdout?.trim().split('\n').at(-1);
    return last?.startsWith('{') ? JSON.parse(last) : { error: message.slice(0, 300) };
  }
}

async function inNode(environment: Record<string, string>): Promise<Outcome> {
  if (!existsSync(join(root, 'node_modules/webgpu'))) return { skipped: 'npm package webgpu is not installed' };
  return inProcess(process.execPath, [join(programs, 'stack-worker.js')], environment);
}

async function inDeno(environment: Record<string, string>): Promise<Outcome> {
  const deno = join(root, 'node_modules/.bin/deno');
  if (!existsSync(deno)) return { skipped: 'npm package deno is not installed' };
  return inProcess(deno, ['run', '--allow-all', '--unstable-webgpu', join(programs, 'stack-worker.js')], environment);
}

async function inChromium(): Promise<Outcome> {
  const executablePath = '/usr/bin/chromium';
  if (!existsSync(executablePath)) return { skipped: 'chromium is not installed' };
  const server = createServer((request, response) => {
    if (request.url === '/') response.setHeader('content-type', 'text/html').end('<!doctype html><title>ditac</title>');
    else {
      const file = join(programs, request.url!.slice(1));
      response.setHeader('content-type', 'text/javascript');
      if (existsSync(file)) response.end(readFileSync(file));
      else response.writeHead(404).end();
    }
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
  const browser = await chromium.launch({ executablePath, args });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return await page.evaluate(
      async ({ golden, elements, suite }) => {
        const { runSuite } = await import(suite);
        return runSuite(golden, elements).catch((error: Error) => ({ error: `${error.name}: ${error.message}` }));
      },
      { golden, elements, suite: '/stack-suite.js' },
    );
  } catch (cause) {
    return { error: (cause as Error).message.slice(0, 300) };
  } finally {
    await browser.close();
    server.close();
  }
}

const software = (file: string, what: string, run: (environment: Record<string, string>) => Promise<Outcome>) =>
  existsSync(file) ? run(driver(file)) : Promise.resolve({ skipped: `${what} is not installed` });

const STACKS: [name: string, run: () => Promise<Outcome>][] = [
  ['Dawn in Node, SwiftShader', () => software(SWIFTSHADER, 'SwiftShader (Debian’s chromium)', inNode)],
  ['Chromium, SwiftShader', inChromium],
  ['Deno, SwiftShader', () => software(SWIFTSHADER, 'SwiftShader (Debian’s chromium)', inDeno)],
  ['Deno, lavapipe', () => software(LAVAPIPE, 'lavapipe (mesa-vulkan-drivers)', inDeno)],
];
// A real GPU, where the driver is not a software one.
if (process.env.DITAC_GPU) STACKS.push(['Dawn in Node, this machine’s GPU', () => inNode({})]);

const table = new Table({
  style: PLAIN,
  head: ['stack', 'device', 'probe', 'functions', 'compared', 'differing', 'without barriers', 'one bit changed'],
});
const reports: StackReport[] = [];
let failed = 0;
let skipped = 0;
for (const [name, run] of STACKS) {
  const outcome = await run();
  if ('skipped' in outcome) {
    skipped += 1;
    table.push([name, `skipped: ${outcome.skipped}`, '', '', '', '', '', '']);
  } else if ('error' in outcome) {
    failed += 1;
    table.push([name, `failed: ${outcome.error}`, '', '', '', '', '', '']);
  } else {
    reports.push(outcome);
    const isRight = outcome.exact && outcome.differing === 0 && outcome.withChangedBit > 0;
    if (!isRight) failed += 1;
    table.push([
      name,
      outcome.device,
      `${outcome.exact ? 'exact' : 'NOT EXACT'}, ${outcome.probeMs.toFixed(0)} ms`,
      outcome.functions,
      outcome.compared.toLocaleString('en'),
      outcome.differing,
      `${outcome.withoutBarriers.differing} differ, ${outcome.withoutBarriers.failures.length} probes fail`,
      `${outcome.withChangedBit} differ`,
    ]);
    if (!isRight) console.error(name, JSON.stringify({ first: outcome.first, failures: outcome.failures }, null, 2));
  }
}
console.log(table.toString());
const changesNothing =
  reports.length > 0 &&
  reports.every(({ withoutBarriers: { differing, failures } }) => differing + failures.length === 0);
if (changesNothing) console.error('leaving the barriers out changed nothing on any stack: are they tested at all?');
if (skipped > 0) console.log('npm run bring installs what is missing; DITAC_GPU=1 tries a GPU of this machine');
console.log(`${STACKS.length - skipped - failed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 || changesNothing ? 1 : 0);
