/** Arrays that come from elsewhere: another realm's, and two that are one memory. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { DiTAC, loadBackend } from 'ditac';
import { inverse, transform, transformBackward } from 'ditac/cpab';
import { compareBits, everyFloat32, sweep } from 'ditac/oracle';
import { Activation } from 'ditac/runtime';
import { loadSafetensors, saveSafetensors } from 'ditac/safetensors';
import { afterAll, describe, expect, test } from 'vitest';
import { normalStream } from '../src/cpab/random.js';
import { describe as inWords, isArrayBuffer, isView } from '../src/errors.js';

const realm = vm.createContext({});
/** The same numbers in an array of another realm. */
function foreign<T extends Float32Array | Float64Array | Uint8Array>(array: T): T {
  realm.source = Array.from(array);
  const name = array instanceof Uint8Array ? 'Uint8Array' : array.constructor.name;
  return vm.runInContext(`${name}.from(source)`, realm) as T;
}

const act = new DiTAC({ a: -3, b: 3, seed: 1 });
const x = Float32Array.from({ length: 1001 }, normalStream(1));
const gradY = x.slice().reverse();
const theta = Float32Array.from({ length: 9 }, normalStream(2));
const options = { tess: 10 };
const sameBits = (p: Float32Array, q: Float32Array) => expect(compareBits(p, q).differing).toBe(0);
const state = act.stateDict();
const bytes = saveSafetensors(state);
const plan = act.compiled().toBytes();

test('the arrays of the other realm are none of this one', () => {
  expect(foreign(x) instanceof Float32Array).toBe(false);
  expect(isView(foreign(x), 'Float32Array')).toBe(true);
  expect(isView(foreign(x), 'Float64Array')).toBe(false);
  expect(isArrayBuffer(foreign(x).buffer)).toBe(true);
  for (const other of [new SharedArrayBuffer(8), new DataView(new ArrayBuffer(8)), {}, null, undefined, 'ArrayBuffer'])
    expect([isArrayBuffer(other), isView(other, 'Float32Array')]).toEqual([false, false]);
  // What says that it is one is not.
  expect(isView({ [Symbol.toStringTag]: 'Float32Array', length: 3 }, 'Float32Array')).toBe(false);
  expect(inWords(foreign(x))).toBe('Float32Array(1001)');
  const bare = Object.setPrototypeOf(x.slice(0, 3), null) as object;
  expect(inWords(bare)).toBe('an object (no prototype)');
});

const expected = act.backward(x, gradY);
const results: [name: string, actual: () => Float32Array | Promise<Float32Array>, expected: Float32Array][] = [
  ['forward', () => act.forward(foreign(x)), act.forward(x)],
  ['forward, out', () => act.forward(x, foreign(x)), act.forward(x)],
  ['compiled().forward', () => act.compiled().forward(foreign(x), foreign(x)), act.forward(x)],
  ['backward, gradX', () => act.backward(foreign(x), foreign(gradY), { out: foreign(x) }).gradX, expected.gradX],
  ['backward, gradThetas', () => act.backward(foreign(x), foreign(gradY)).gradThetas, expected.gradThetas],
  ['thetas', () => new DiTAC({ a: -3, b: 3, thetas: foreign(act.thetas) }).forward(x), act.forward(x)],
  ['transform', () => transform(foreign(x), foreign(theta), options), transform(x, theta, options)],
  ['inverse, out', () => inverse(foreign(x), theta, { ...options, out: foreign(x) }), inverse(x, theta, options)],
  [
    'transformBackward',
    () => transformBackward(foreign(x), foreign(gradY), foreign(theta), options).gradTheta,
    transformBackward(x, gradY, theta, options).gradTheta,
  ],
  [
    'loadSafetensors, Uint8Array',
    () => loadSafetensors(foreign(bytes)).tensors.thetas!.data as Float32Array,
    act.thetas,
  ],
  [
    'loadSafetensors, ArrayBuffer',
    () => loadSafetensors(foreign(bytes).buffer as ArrayBuffer).tensors.thetas!.data as Float32Array,
    act.thetas,
  ],
  [
    'saveSafetensors',
    () => loadSafetensors(saveSafetensors({ x: { shape: [1001], data: foreign(x) } })).tensors.x!.data as Float32Array,
    x,
  ],
  [
    'fromStateDict',
    () => {
      const [thetas, precision_mat] = [state.thetas!, state.precision_mat!].map(({ shape, data }) => ({
        shape,
        data: foreign(data),
      }));
      return DiTAC.fromStateDict(
        { ...state, thetas: thetas!, precision_mat: precision_mat! },
        { a: -3, b: 3, variant: act.variant },
      ).thetas;
    },
    act.thetas,
  ],
  ['Activation', () => new Activation(foreign(plan)).forward(foreign(x)), act.forward(x)],
  ['on(js)', async () => act.on(await loadBackend('js')).forward(foreign(x)), act.forward(x)],
  ['on(threads)', async () => act.on(pool).forward(foreign(x), foreign(x)), act.forward(x)],
  ['on(threads).backward', async () => (await act.on(pool).backward(foreign(x), foreign(gradY))).gradX, expected.gradX],
];
const pool = await loadBackend('threads', { size: 1, threshold: 0 });
afterAll(() => pool.dispose());

test.each(results)('%s takes arrays of another realm', async (_, actual, right) => {
  sameBits(right, await actual());
});

test('sweep takes the arrays that a function of another realm returns', () => {
  const f = (v: Float32Array) => foreign(v);
  expect(sweep(f, (v) => v, everyFloat32(1, 1 + 2 ** -18)).ulp).toBe(0);
});

test('no source asks whether something is an instance of a class of the platform’s', () => {
  const src = fileURLToPath(new URL('../src', import.meta.url));
  const own = new Set(
    'BackendError BackwardPass DiTAC FamilyActivation GradientSum GpuTensor NoValue OnnxError RangeError SafetensorsError TypeError Undecided'.split(
      ' ',
    ),
  );
  // What is generated holds AssemblyScript's loader, which asks it of a module that was made beside it.
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?<!\.generated)\.ts$/.test(name),
  );
  expect(files.length).toBeGreaterThan(50);
  const foundAt = files.flatMap((name) => {
    const text = readFileSync(`${src}/${name}`, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    return [...text.matchAll(/instanceof (\w+)/g)]
      .filter(([, type]) => !own.has(type!))
      .map(([found]) => `${name}: ${found}`);
  });
  expect(foundAt).toEqual([]);
});

describe('two SharedArrayBuffer objects of one memory', () => {
  const n = 20_000;
  const inputs = Float32Array.from({ length: n }, normalStream(3));
  const gradients = inputs.slice().reverse();
  /** Views of one memory through two objects, each from a position in floats on. */
  const twins = (p: number, q: number) => {
    const memory = new SharedArrayBuffer(4 * n + 4096);
    const a = new Float32Array(memory, 4 * p, n);
    a.set(inputs);
    return [a, new Float32Array(structuredClone(memory), 4 * q, n)] as const;
  };
  const places = [
    [0, 0],
    [0, 1],
    [1, 0],
    [0, 1024],
    [1024, 3],
  ] as const;

  test.each(places)('from floats %i and %i on: forward, backward, transform and plans are right', async (p, q) => {
    const right = act.forward(inputs);
    const pass = act.backward(inputs, gradients);
    const flowed = transform(inputs, theta, options);
    sameBits(right, act.forward(...twins(p, q)));
    sameBits(right, new Activation(plan).forward(...twins(p, q)));
    sameBits(right, await act.on(pool).forward(...twins(p, q)));
    sameBits(right, act.on(pool.sync).forward(...twins(p, q)));
    for (const backend of [await loadBackend('wasm'), await loadBackend('js'), pool.sync]) {
      const [x1, out1] = twins(p, q);
      const one = act.on(backend).backward(x1, gradients, { out: out1 });
      sameBits(pass.gradX, one.gradX);
      sameBits(pass.gradThetas, one.gradThetas);
      const [gradY2, out2] = twins(p, q);
      gradY2.set(gradients);
      sameBits(pass.gradX, act.on(backend).backward(inputs, gradY2, { out: out2 }).gradX);
    }
    const [x3, out3] = twins(p, q);
    sameBits(flowed, transform(x3, theta, { ...options, out: out3 }));
  });

  test('a result that is longer than x, from several thetas', () => {
    const thetas = Float32Array.from({ length: 27 }, normalStream(5));
    const points = inputs.slice(0, 5000);
    const right = transform(points, thetas, options);
    for (const at of [0, 1, 5000, 12_000]) {
      const memory = new SharedArrayBuffer(4 * 20_000);
      const shared = new Float32Array(memory, 4 * at, 5000);
      shared.set(points);
      const out = new Float32Array(structuredClone(memory), 0, 15_000);
      sameBits(right, transform(shared, thetas, { ...options, out }));
    }
  });
});
