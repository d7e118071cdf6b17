/** Importing the package defines things, and does nothing else: wherever it is, and whatever others did to the place. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@babel/parser';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const ENTRIES = ['index', 'cpab', 'oracle', 'runtime', 'safetensors', 'verify'];

/** Runs a module in a process of its own. */
function run(code: string, flags: string[] = []) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', code], {
    encoding: 'utf8',
    cwd: root,
  });
  return { stdout, stderr, status };
}
const at = (name: string) => JSON.stringify(new URL(`../dist/${name}.js`, import.meta.url).href);
const importAll = ENTRIES.map((name) => `await import(${at(name)});`).join('\n');
const forward = `const { DiTAC } = await import(${at('index')});
const y = new DiTAC({ a: -3, b: 3, seed: 1 }).forward(Float32Array.of(-1, 0.5, 2));
console.log([...new Uint32Array(y.buffer)].join());`;
const bits = run(forward).stdout;

test('the process that the others are compared with answers', () => {
  expect(bits).toMatch(/^\d+,\d+,\d+\n$/);
});

test.each([
  ['with frozen intrinsics', '', ['--frozen-intrinsics']],
  [
    'where Object and its kin are frozen',
    'for (const each of [Object, Array, Error, Float32Array]) Object.freeze(each), Object.freeze(each.prototype);',
    [],
  ],
  ['without TextDecoder, as in an AudioWorklet', 'delete globalThis.TextDecoder; delete globalThis.TextEncoder;', []],
  [
    'with enumerable properties on Object.prototype and Array.prototype',
    'Object.prototype.each = 1; Array.prototype.last = 2;',
    [],
  ],
  [
    'without what only some platforms have',
    'for (const name of ["structuredClone", "performance", "navigator", "URL", "Blob", "fetch", "SharedArrayBuffer", "setTimeout"]) delete globalThis[name];',
    [],
  ],
])('%s everything is imported and has the same bits', (_, before, flags) => {
  // What Node itself needs for import() is there before.
  const code = `await import('node:fs/promises');\nconst { log } = console;\n${before}\n${importAll}\n${forward}`;
  expect(run(code, flags)).toMatchObject({ stdout: bits, status: 0 });
});

test('what a platform has is not touched by importing', () => {
  const names = [
    'TextDecoder',
    'TextEncoder',
    'WebAssembly',
    'Worker',
    'Blob',
    'URL',
    'navigator',
    'SharedArrayBuffer',
    'performance',
    'crypto',
  ];
  // Whoever looks at one of them ends the process; Node has done with them by then.
  const guarded = `await import('node:fs/promises');
const before = [Object, Array, Math, Float32Array, Error].map((each) => Object.getOwnPropertyNames(each).join());
let isGuarded = true;
for (const name of ${JSON.stringify(names)}) {
  const value = globalThis[name];
  Object.defineProperty(globalThis, name, { configurable: true, get() { if (isGuarded && /ditac|dist/.test(new Error().stack)) throw new Error('looked at ' + name); return value; } });
}
${importAll}
isGuarded = false;
const after = [Object, Array, Math, Float32Array, Error].map((each) => Object.getOwnPropertyNames(each).join());
console.log(JSON.stringify(before) === JSON.stringify(after));`;
  expect(run(guarded)).toEqual({ stdout: 'true\n', stderr: '', status: 0 });
});

const modules = ['', 'workerd/'].flatMap((folder) =>
  readdirSync(join(dist, folder))
    .filter((name) => name.endsWith('.js') && name !== 'cli.js')
    .map((name) => folder + name),
);

test.each(modules)('%s is definitions at its top, and readable', (name) => {
  const text = readFileSync(join(dist, name), 'utf8');
  for (const statement of parse(text, { sourceType: 'module' }).program.body) {
    // tfjs asks that layers are registered, so that models that were saved can be loaded.
    if (name === 'tfjs.js' && statement.type === 'ExpressionStatement')
      expect(text.slice(statement.start!, statement.end!)).toMatch(/^serialization\.registerClass\(/);
    // And workerd imports its Wasm as a module.
    else if (name.startsWith('workerd/') && statement.type === 'ExpressionStatement')
      expect(text.slice(statement.start!, statement.end!)).toBe('provideModule(module);');
    else
      expect(statement.type).toMatch(
        /^(Import|Export(Named|All|Default))Declaration$|^(Variable|Function|Class)Declaration$/,
      );
  }
  // Bytes and scripts that travel as strings are the long lines; nothing follows them that one would want to read on the way.
  const lines = text.split('\n').filter((line) => line.length > 2000);
  for (const line of lines) expect(line).toMatch(/^(const (KERNELS_HEX|WORKER)\b|\s*[{["\w: ]*: ?"|(?:ex|im)port \{)/);
  // A helper that fills an object by for…in finds additions to Object.prototype.
  expect(text).not.toMatch(/for \((var|const|let) \w+ in /);
});

test('a loader whose code is another than the one known is not built in', async () => {
  const { whatIsUsed } = await import(new URL('../scripts/loader.mjs', import.meta.url).href);
  const code = readFileSync(join(root, 'node_modules/@assemblyscript/loader/index.js'), 'utf8');
  const lines = whatIsUsed(code).split('\n');
  // As many lines: source maps hold.
  expect(lines.length).toBe(code.split('\n').length);
  for (const statement of parse(lines.join('\n'), { sourceType: 'module' }).program.body)
    expect(statement.type).toMatch(/^Export|^(Variable|Function)Declaration$/);
  for (const other of [
    code.replace('utf-16le', 'utf-16'),
    code.replace('Object.hasOwn = ', 'Object.own = '),
    code.replace('  // Pull basic exports', '  // pull basic exports'),
    code + code,
  ])
    expect(() => whatIsUsed(other)).toThrow(
      /@assemblyscript\/loader was to have (this once, and has it [02] times|these lines)/,
    );
});

test('the chunks are what they should be, wherever the checkout is', () => {
  const text = (prefix: string) => {
    const found = modules.filter((name) => name.startsWith(prefix));
    expect({ prefix, found: found.length }).toEqual({ prefix, found: 1 });
    return readFileSync(join(dist, found[0]!), 'utf8');
  };
  const core = text('core-');
  for (const absent of ['@compute', 'requestAdapter', 'worker_threads', 'tensorflow', 'KERNELS_HEX ='])
    expect(core).not.toContain(absent);
  expect(text('kernels-')).toContain('KERNELS_HEX =');
  expect(text('tfjs')).toContain('registerClass');
  expect(modules.filter((name) => name.startsWith('backend-')).length).toBe(2);
  // What loads them stands alone, and says so once.
  expect(modules.filter((name) => /import\("\.\/backend-/.test(readFileSync(join(dist, name), 'utf8')))).toEqual([
    expect.stringMatching(/^load-/),
  ]);
});

test.each([
  [
    "import { DiTAC } from 'ditac'; new DiTAC({ a: -3, b: 3, seed: 1 }).forward([1]);",
    'TypeError: x must be a Float32Array',
  ],
  ["import { loadBackend } from 'ditac'; await loadBackend('nonsense');", 'RangeError: backend must be one of'],
  [
    "import { loadSafetensors } from 'ditac/safetensors'; loadSafetensors(new Uint8Array(0));",
    'SafetensorsError: a safetensors file has at least 8 bytes',
  ],
  [
    "import { Activation } from 'ditac/runtime'; new Activation(new Uint8Array(0));",
    'PlanError: a plan file begins with',
  ],
])('an uncaught mistake shows the line and the reason: %s', (code, message) => {
  const { stderr, status } = run(code);
  expect(status).toBe(1);
  expect(stderr).toContain(message);
  // A line of the source, the message and a stack of named functions.
  expect(stderr.length).toBeLessThan(1500);
  expect(stderr).not.toMatch(/at \w(?:\$\d+)? \(/);
});

test('a page whose bundler minifies keeps the names that errors and reports say', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ditac-'));
  try {
    const contents =
      "import { PlanError, BackendError, DiTAC } from 'ditac'; import { SafetensorsError } from 'ditac/safetensors';\nconsole.log([new PlanError(''), new BackendError(''), new SafetensorsError('')].map(({ name }) => name).join());\nnew DiTAC({ seed: 1 }).forward(new Float32Array(4));";
    await build({
      stdin: { contents, resolveDir: root },
      bundle: true,
      splitting: true,
      minify: true,
      format: 'esm',
      platform: 'neutral',
      outdir: folder,
      tsconfigRaw: {},
    });
    const file = join(folder, 'stdin.js');
    expect(run(`await import(${JSON.stringify(file)})`)).toEqual({
      stdout: 'PlanError,BackendError,SafetensorsError\n',
      stderr: '',
      status: 0,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
