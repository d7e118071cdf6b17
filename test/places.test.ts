/** Places that refuse things, each in its own words: what works is taken, and what does not is a BackendError that says why. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { BackendError, DiTAC, loadBackend, type PoolBackend } from 'ditac';
import { build } from 'esbuild';
import { afterEach, describe, expect, test } from 'vitest';
import { onAbort } from '../src/backends/signals.js';

const index = JSON.stringify(new URL('../dist/index.js', import.meta.url).href);
const root = fileURLToPath(new URL('..', import.meta.url));

/** What a process prints that first changes the place, and then loads the package. */
function run(before: string, then: string, flags: string[] = []): string {
  const code = `${before}\nconst { loadBackend, BackendError, DiTAC } = await import(${index});\n${then}`;
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', code], {
    encoding: 'utf8',
    cwd: root,
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  });
  return stdout + stderr;
}

const tell = `const tell = (e) => console.log(e instanceof BackendError, e.name + ': ' + e.message, e.cause?.name);`;
const worker = (body: string) => `import { createRequire, syncBuiltinESMExports } from 'node:module';
createRequire(process.cwd() + '/x.js')('node:worker_threads').Worker = class { constructor() { ${body} } on() {} postMessage() {} terminate() {} ref() {} unref() {} };
syncBuiltinESMExports();`;

test.each([
  [
    'a TypeError, as Trusted Types',
    worker("throw new TypeError('This document requires TrustedScriptURL assignment.');"),
    'TypeError',
  ],
  ['a RangeError', worker("throw new RangeError('WebAssembly.Memory(): could not allocate memory');"), 'RangeError'],
  ['what is no error', worker("throw 'no';"), 'undefined'],
  [
    'memory that cannot be had',
    'WebAssembly.Memory = class { constructor() { throw new RangeError("out of memory"); } };',
    'RangeError',
  ],
  [
    'threads that cannot be counted',
    "import os, { availableParallelism } from 'node:os'; import { syncBuiltinESMExports } from 'node:module'; delete globalThis.navigator; os.availableParallelism = () => { throw new TypeError('no'); }; syncBuiltinESMExports();",
    'TypeError',
  ],
])('where threads end with %s, they say so and auto takes one', (_, before, cause) => {
  const out = run(
    before,
    `${tell} await loadBackend('threads').catch(tell); console.log((await loadBackend('auto')).name);`,
  );
  expect(out).toMatch(new RegExp(`^true BackendError: no (threads|shared)[^\n]* ${cause}\nwasm\n$`));
});

test.each([
  ['wasm', 'delete globalThis.WebAssembly;'],
  [
    'wasm',
    "WebAssembly.Module = class { constructor() { throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder'); } };",
  ],
  ['wasm', "WebAssembly.Module = class { constructor() { throw new TypeError('no'); } };"],
])('%s is refused with the reason, and auto takes plain JavaScript: %s', (name, before) => {
  const out = run(
    before,
    `${tell} await loadBackend('${name}').catch(tell); console.log((await loadBackend('auto')).name, new DiTAC({ seed: 1 }).forward(Float32Array.of(1))[0] > 0);`,
  );
  expect(out).toMatch(/^true BackendError: no backend 'wasm' here \([^\n]*\njs true\n$/);
});

describe('in a context of node:vm, which imports nothing', async () => {
  const { outputFiles } = await build({
    stdin: { contents: "import * as all from 'ditac'; globalThis.ditac = all;", resolveDir: root },
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'neutral',
    tsconfigRaw: {},
  });
  const expected = new DiTAC({ a: -3, b: 3, seed: 1 }).forward(Float32Array.of(0.5));

  test.each([
    ['wasm', true],
    ['js', false],
  ])('auto takes %s', async (name, wasm) => {
    const context = vm.createContext({ process, navigator: {}, console }, { codeGeneration: { strings: false, wasm } });
    vm.runInContext(outputFiles[0]!.text, context);
    const { loadBackend: load, DiTAC: Activation } = context.ditac as typeof import('ditac');
    const backend = await load('auto');
    expect(backend.name).toBe(name);
    await expect(load('threads')).rejects.toMatchObject({ name: 'BackendError' });
    // Arrays of this realm, for a package of another.
    const act = new Activation({ a: -3, b: 3, seed: 1 });
    expect([...(await act.on(backend as PoolBackend).forward(Float32Array.of(0.5)))]).toEqual([...expected]);
  });
});

test('mistakes in the options are the caller’s, for auto too', async () => {
  for (const name of ['auto', 'threads'] as const) {
    await expect(loadBackend(name, { size: 0 })).rejects.toThrow(RangeError);
    await expect(loadBackend(name, { size: '2' as never })).rejects.toThrow(/size must be an integer, got "2"/);
    await expect(loadBackend(name, { maxBytes: 5 })).rejects.toThrow(/maxBytes must be an integer from 268435456/);
    await expect(loadBackend(name, null as never)).rejects.toThrow(/options must be an object, got null/);
  }
});

const permission = Number(process.versions.node.split('.')[0]) < 22 ? '--experimental-permission' : '--permission';

test('Node’s permission model: every backend works or says why not', () => {
  const then = `${tell} for (const name of ['threads', 'webgpu', 'auto', 'wasm', 'js']) await loadBackend(name).then(({ name }) => console.log(name), tell);`;
  const lines = run('', then, [permission, '--allow-fs-read=*']).trim().split('\n');
  expect(lines[0]).toMatch(/^true BackendError: no threads here \(.*(restricted|denied)/i);
  // Not that it were missing: it is there, and may not be loaded.
  expect(lines[1]).toMatch(/^true BackendError: no WebGPU here: .*(cannot be loaded|does not start)/);
  expect(lines.slice(2)).toEqual(['wasm', 'wasm', 'js']);
});

describe('adapters', () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  afterEach(() => {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else delete (globalThis as { navigator?: unknown }).navigator;
  });
  const limits = { maxStorageBufferBindingSize: 2 ** 27, maxBufferSize: 2 ** 28 };
  const stop = new Error('it is asked to compile');
  let destroyed = 0;
  const device = () => ({
    queue: {},
    limits,
    lost: new Promise(() => {}),
    createBuffer: () => ({ size: 64, destroy() {} }),
    createShaderModule: () => ({}),
    createComputePipelineAsync: async () => {
      throw stop;
    },
    destroy: () => {
      destroyed += 1;
    },
  });
  const start = (gpu: object) => {
    Object.defineProperty(globalThis, 'navigator', { value: { gpu }, configurable: true });
    return loadBackend('webgpu', {}).catch((error: Error) => error) as Promise<Error>;
  };
  const refused = () => Promise.reject(new DOMException('a limit', 'OperationError'));

  test.each([
    ['without info', undefined, 'unnamed'],
    ['with an empty one', {}, 'unnamed'],
    ['with a part of one', { vendor: 'v', description: '' }, 'v'],
    ['with all of it', { vendor: 'v', architecture: 'a', device: 'd', description: 'words' }, 'words, v, a'],
  ])('%s are taken', async (_, info, words) => {
    destroyed = 0;
    const error = await start({ requestAdapter: async () => ({ limits, info, requestDevice: async () => device() }) });
    // Far enough: the device was asked to compile. It is given back.
    expect([error.cause, destroyed]).toEqual([stop, 1]);
    expect(error.message).toContain(`does not work on ${words}`);
  });

  test.each([
    ['requestAdapter rejects', { requestAdapter: refused }],
    [
      'requestAdapter throws',
      {
        requestAdapter: () => {
          throw new TypeError('no');
        },
      },
    ],
    ['there is no adapter', { requestAdapter: async () => null }],
    ['requestDevice rejects', { requestAdapter: async () => ({ limits, requestDevice: refused }) }],
    ['an adapter without limits', { requestAdapter: async () => ({ requestDevice: async () => device() }) }],
    [
      'a device that cannot make a buffer',
      {
        requestAdapter: async () => ({
          limits,
          requestDevice: async () => ({
            ...device(),
            createBuffer: () => {
              throw new RangeError('no');
            },
          }),
        }),
      },
    ],
  ])('%s: a BackendError', async (_, gpu) => {
    const error = await start(gpu);
    expect(error).toBeInstanceOf(BackendError);
    expect(error.message).toMatch(/^no WebGPU (here|adapter|device): /);
  });
});

describe('one signal for many calls', () => {
  const counted = () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const [add, remove] = [signal.addEventListener, signal.removeEventListener];
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1;
      add.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1;
      remove.apply(signal, args);
    };
    return { controller, signal, listeners: () => listeners };
  };

  test('has one listener, and none when they are over', async () => {
    const pool = (await loadBackend('threads', { size: 1, threshold: 0 })) as PoolBackend;
    const { signal, listeners } = counted();
    const act = new DiTAC({ a: -3, b: 3, seed: 1 }).on(pool);
    const calls = Array.from({ length: 30 }, () => act.forward(new Float32Array(5000), undefined, { signal }));
    await Promise.resolve();
    expect(listeners()).toBe(1);
    await Promise.all(calls);
    expect(listeners()).toBe(0);
    pool.dispose();
  });

  test('ends all that wait, once, and none that is over', () => {
    const { controller, signal, listeners } = counted();
    const ended: number[] = [];
    const ignore = [0, 1, 2, 3].map((k) => onAbort(signal, () => ended.push(k)));
    ignore[1]!();
    ignore[1]!();
    controller.abort();
    expect(ended).toEqual([0, 2, 3]);
    for (const each of ignore) each();
    expect(listeners()).toBe(1);
    // A signal that was idle in between is listened to again.
    const again = counted();
    onAbort(again.signal, () => ended.push(4))();
    onAbort(again.signal, () => ended.push(5));
    again.controller.abort();
    expect(ended).toEqual([0, 2, 3, 5]);
    expect(onAbort(undefined, () => {})()).toBeUndefined();
  });
});
