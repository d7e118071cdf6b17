/**
 * What every WebGPU stack is asked: the same bits as JavaScript and WebAssembly, on everything; and that the question can be answered
 * with no. Runs wherever the package runs: Node, Deno, a page.
 */
import {
  type Backend,
  CompiledActivation,
  DiTAC,
  type HostBackend,
  loadBackend,
  VARIANTS,
  type WebGpuBackend,
} from 'ditac';
import { type Basis, normalStream, transform, transformBackward } from 'ditac/cpab';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { compareBits, randomBits, specialValues, stratified } from 'ditac/oracle';
import { EXAMPLES } from '../family-examples.js';

export interface GoldenActivation {
  readonly tess: number;
  readonly a: number;
  readonly b: number;
  readonly basis: Basis;
  readonly thetas: readonly number[];
}

export interface StackReport {
  readonly device: string;
  readonly exact: boolean;
  readonly failures: readonly unknown[];
  readonly probeMs: number;
  /** Functions of every family; how many results were compared with js and wasm, and how many bit patterns differ; the first that does. */
  readonly functions: number;
  readonly compared: number;
  readonly differing: number;
  readonly first: unknown;
  /** Differing results without barriers, and what the probe then finds. */
  readonly withoutBarriers: { differing: number; failures: readonly string[] };
  /** Differing results with one coefficient's last bit changed. */
  readonly withChangedBit: number;
}

/** An activation of any family, as far as the suite asks it. */
interface Any {
  on(backend: HostBackend): {
    forward(x: Float32Array): Float32Array;
    backward(x: Float32Array, gradY: Float32Array): Gradients;
  };
  on(backend: Backend): {
    forward(x: Float32Array): Float32Array | Promise<Float32Array>;
    backward(x: Float32Array, gradY: Float32Array): Gradients | Promise<Gradients>;
  };
}
interface Gradients {
  readonly gradX: Float32Array;
  readonly gradients: Readonly<Record<string, Float32Array>>;
}

export async function runSuite(golden: readonly GoldenActivation[], elements: number): Promise<StackReport> {
  const webgpu = await loadBackend('webgpu');
  const [js, wasm] = [await loadBackend('js'), await loadBackend('wasm')];
  let compared = 0;
  let differing = 0;
  let first: unknown;
  const compare = (what: string, expected: Float32Array, actual: Float32Array, x: Float32Array) => {
    const result = compareBits(expected, actual, x);
    compared += x.length;
    differing += result.differing;
    if (result.first) first ??= { what, ...result.first };
  };
  const forward = async (what: string, act: Any, x: Float32Array) => {
    const expected = act.on(js).forward(x);
    compare(`${what}, wasm`, expected, act.on(wasm).forward(x), x);
    compare(`${what}, webgpu`, expected, await act.on(webgpu).forward(x), x);
  };
  const backward = async (what: string, act: Any, x: Float32Array, gradY: Float32Array) => {
    const expected = act.on(js).backward(x, gradY);
    for (const backend of [wasm, webgpu]) {
      const actual = await act.on(backend).backward(x, gradY);
      compare(`gradX of ${what}, ${backend.name}`, expected.gradX, actual.gradX, x);
      for (const [name, sums] of Object.entries(expected.gradients))
        compare(`gradient of ${what} in ${name}, ${backend.name}`, sums, actual.gradients[name]!, sums);
    }
  };
  const flow = async (what: string, theta: Float32Array, options: { tess: number; time?: number }, x: Float32Array) => {
    const expected = transform(x, theta, { ...options, backend: js });
    compare(`${what}, wasm`, expected, transform(x, theta, { ...options, backend: wasm }), x);
    compare(`${what}, webgpu`, expected, await transform(x, theta, { ...options, backend: webgpu }), x);
  };

  const special = specialValues();
  const theta = Float32Array.from({ length: 9 }, normalStream(2));
  for (const [i, variant] of VARIANTS.entries()) {
    const act = new DiTAC({ a: -3, b: 3, variant, seed: 60 + i });
    await forward(`${variant}, special values`, act, special);
    for (const x of randomBits(elements, i + 1).blocks()) await forward(`${variant}, random bits`, act, x);
    for (const x of stratified(-16, 16, elements / 8, i + 1).blocks())
      await forward(`${variant}, usual values`, act, x);
    for (const step of [1, 40, 501]) {
      const other = Float32Array.from(special, (_, k) => special[(k * step + step) % special.length]!);
      await backward(`${variant}, special values`, act, special, other);
    }
    // Atomic sums are slow on software rasterisers, so fewer.
    const gradients = [...stratified(-2, 2, elements / 16, i + 7).blocks()];
    const patterns = [...randomBits(elements / 16, i + 8).blocks()];
    for (const [k, x] of [...stratified(-16, 16, elements / 16, i + 9).blocks()].entries()) {
      await backward(`${variant}, usual values`, act, x, gradients[k]!);
      await backward(`${variant}, random bits`, act, patterns[k]!, patterns[k]!.slice().reverse());
    }
  }
  await flow('transform, special values', theta, { tess: 10 }, special);
  for (const x of randomBits(elements, 9).blocks()) await flow('transform, random bits', theta, { tess: 10 }, x);

  for (const { thetas, ...options } of golden) {
    const x = Float32Array.from({ length: 4097 }, (_, i) => -8 + (16 * i) / 4096);
    const act = new DiTAC({ ...options, thetas: Float32Array.from(thetas) });
    await forward('golden activation', act, x);
    await backward('golden activation', act, x, x.slice().reverse());
  }

  const [usual] = [...stratified(-12, 12, 4000, 3).blocks()];
  for (let seed = 0; seed < 50; seed++) {
    const tess = 2 + (seed % 32);
    const variant = VARIANTS[seed % VARIANTS.length]!;
    const act = new DiTAC({ tess, a: -3, b: 3, variant, seed });
    await forward(`${variant}, tess ${tess}, seed ${seed}`, act, usual!);
    const steep = Float32Array.from({ length: tess - 1 }, normalStream(seed)).map((v) => v * (1 + (seed % 3)));
    const options = { tess, time: seed % 2 ? 1 : -1.5 };
    await flow(`transform, tess ${tess}, seed ${seed}`, steep, options, usual!);
    const gradY = usual!.slice().reverse();
    await backward(`${variant}, tess ${tess}, seed ${seed}`, act, usual!, gradY);
    const expected = transformBackward(usual!, gradY, steep, { ...options, backend: js });
    const actual = await transformBackward(usual!, gradY, steep, { ...options, backend: webgpu });
    for (const key of ['gradX', 'gradTheta', 'gradTime'] as const)
      compare(`${key} of transform, tess ${tess}, seed ${seed}`, expected[key], actual[key], expected[key]);
  }

  let functions = 0;
  for (const [name, examples] of Object.entries(EXAMPLES)) {
    for (const [k, { options }] of examples.entries()) {
      const act = new FAMILIES[name as FamilyName](options as never) as unknown as Any;
      const what = `${name} ${k + 1}`;
      functions += 1;
      const some = elements / 64;
      const gradients = [...stratified(-2, 2, some, k + 11).blocks()];
      const inputs = [special, ...stratified(-16, 16, some, k + 12).blocks(), ...randomBits(some, k + 13).blocks()];
      for (const x of inputs) await forward(what, act, x);
      for (const x of inputs.slice(1)) await backward(what, act, x, gradients[0]!.subarray(0, x.length));
      await backward(what, act, special, special.slice().reverse());
    }
  }

  const withoutBarriers = await lessExact(usual!);
  const withChangedBit = await changedBit(webgpu, usual!);
  const { device, exact, failures, probeMs } = webgpu;
  webgpu.dispose();
  return { device, exact, failures, probeMs, functions, compared, differing, first, withoutBarriers, withChangedBit };
}

/** The same kernels without barriers: what they are for. */
async function lessExact(x: Float32Array): Promise<{ differing: number; failures: readonly string[] }> {
  const backend = await loadBackend('webgpu', { barriers: false });
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const { differing } = compareBits(act.forward(x), await act.on(backend).forward(x), x);
  const failures = backend.failures.map(({ probe }) => probe);
  backend.dispose();
  return { differing, failures };
}

/** One cell's leading coefficient, its last bit changed: a comparison that does not notice would notice nothing. */
async function changedBit(backend: WebGpuBackend, x: Float32Array): Promise<number> {
  const { plan } = new DiTAC({ a: -3, b: 3, seed: 1 });
  const cellRows = plan.cellRows.slice();
  const words = new Int32Array(cellRows.buffer);
  const cell = Math.round(0.75 * 2 ** plan.grid.exponent) - plan.grid.first;
  words[4 * cell]! ^= 1;
  const changed = new CompiledActivation(1, 'channelsFirst', () => ({ ...plan, cellRows }));
  const probe = Float32Array.of(...x, ...Array.from({ length: 64 }, (_, i) => 0.75 + (i - 32) * 2 ** -16));
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  return compareBits(act.forward(probe), await changed.on(backend).forward(probe)).differing;
}
