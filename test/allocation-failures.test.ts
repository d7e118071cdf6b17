/** Whatever cannot be had of memory, and whenever: a typed error, and afterwards everything works as before, with the same bits. */
import { CompiledActivation, DiTAC, type HostBackend, loadBackend } from 'ditac';
import { inverse, transform, transformBackward } from 'ditac/cpab';
import { loadSafetensors, saveSafetensors } from 'ditac/safetensors';
import { expect, test } from 'vitest';
import { createEngine } from '../src/engines/engines.js';
import { allocating } from './allocations.js';

const x = Float32Array.from({ length: 60 }, (_, i) => (i - 30) / 8);
const gradY = x.map((v) => v / 3);
const options = { tess: 3, a: -1, b: 2 } as const;
const backends: Record<string, HostBackend> = {
  wasm: (await loadBackend('wasm')) as HostBackend,
  js: (await loadBackend('js')) as HostBackend,
};

/** Anything as bits, in an order that does not depend on memory. */
function bits(value: unknown): unknown {
  if (ArrayBuffer.isView(value))
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).map(([key, each]) => [key, bits(each)] as const);
  return value;
}

/** Refusals of one operation. More than these are thinned out, so that each takes a second at most. */
const MOST_REFUSALS = 160;

/** `make` gives what `run` works on; `run` may be called again on the same. */
function survives<T>(make: () => T, run: (on: T) => unknown): { refusals: number } {
  // What is made once in a process is there before anything is counted.
  run(make());
  const clean = make();
  const { result, count } = allocating(() => run(clean));
  const expected = bits(result);
  const step = Math.max(1, Math.ceil(count / MOST_REFUSALS));
  let refusals = 0;
  for (let n = 1; n <= count; n += step) {
    const on = make();
    const { error, result: survived } = allocating(() => run(on), n);
    if (error === undefined) expect(bits(survived), `allocation ${n} was done without`).toEqual(expected);
    else {
      refusals += 1;
      expect(error instanceof RangeError || error instanceof TypeError, `allocation ${n}: ${String(error)}`).toBe(true);
    }
    expect(bits(run(on)), `after allocation ${n} of ${count} was refused`).toEqual(expected);
  }
  return { refusals };
}

const act = new DiTAC({ ...options, seed: 1 });
const many = { ...options, seed: 2, channels: 3, layout: 'channelsLast' } as const;
const plan = new DiTAC(many).compiled().toBytes();
const saved = saveSafetensors(act.stateDict());
const theta = act.thetas;
const flow = { tess: options.tess } as const;
const unit = x.map((v) => (v + 4) / 8);

test.each(Object.entries(backends))('on %s: forward, compiled on first use', (_, backend) => {
  const { refusals } = survives(
    () => new DiTAC({ ...options, seed: 1 }),
    (on) => on.on(backend).forward(x),
  );
  expect(refusals).toBeGreaterThan(5);
});

test.each(Object.entries(backends))('on %s: backward, and a sum of several', (_, backend) => {
  survives(
    () => new DiTAC(many),
    (on) => on.on(backend).backward(x, gradY),
  );
  // A call that fails adds nothing: the sum of two calls is that of two, whatever failed in between.
  const on = new DiTAC(many);
  const once = on.gradientSum();
  on.on(backend).backward(x, gradY, { into: once });
  on.on(backend).backward(gradY, x, { into: once });
  for (let n = 1, isDone = false; !isDone; n++) {
    const sum = on.gradientSum();
    on.on(backend).backward(x, gradY, { into: sum });
    const { error } = allocating(() => on.on(backend).backward(gradY, x, { into: sum }), n);
    isDone = error === undefined;
    if (!isDone) on.on(backend).backward(gradY, x, { into: sum });
    expect(bits(sum.thetas), `after allocation ${n} was refused`).toEqual(bits(once.thetas));
    expect(isDone || n < 200).toBe(true);
  }
});

test('update takes all of the new parameters, or none', () => {
  const thetas = theta.map((v) => v + 0.25);
  survives(
    () => new DiTAC({ ...options, seed: 1 }),
    (on) => {
      on.update(thetas);
      return [on.thetas, on.forward(x)];
    },
  );
  const make = () => {
    const on = new DiTAC({ ...options, seed: 1 });
    on.forward(x);
    return on;
  };
  const { count } = allocating(() => make().update(thetas));
  for (let n = 1; n <= count; n++) {
    const on = make();
    const { error } = allocating(() => on.update(thetas), n);
    const expected = new DiTAC({ ...options, thetas: error ? theta : thetas });
    expect(bits([on.thetas, on.forward(x)])).toEqual(bits([expected.thetas, expected.forward(x)]));
  }
});

test('making, refining, regularising', () => {
  survives(
    () => undefined,
    () => new DiTAC({ ...options, seed: 5 }).thetas,
  );
  survives(
    () => new DiTAC({ ...options, seed: 1 }),
    (on) => [on.refine(2).thetas, on.regularization(), on.precisionMatrix, on.velocities()],
  );
});

test('plans: written, read, run', () => {
  survives(
    () => new DiTAC(many),
    (on) => on.compiled().toBytes(),
  );
  survives(
    () => plan,
    (bytes) => {
      const on = CompiledActivation.fromBytes(bytes);
      return [on.forward(x), on.planOf(1).cellRows, on.planOf(2).certificate.cellsInUse];
    },
  );
});

test('checkpoints: written, read, searched', () => {
  survives(
    () => act.stateDict(),
    (state) => saveSafetensors(state, { dtype: 'F16', metadata: { a: 'b' } }),
  );
  survives(
    () => saved,
    (file) => loadSafetensors(file),
  );
  const { thetas, precision_mat } = act.stateDict();
  survives(
    () => ({ thetas: thetas!, precision_mat: precision_mat! }),
    (state) => DiTAC.fromStateDict(state, { a: -1, b: 2, variant: 'gelu' }).stateDict(),
  );
});

test.each(Object.entries(backends))('on %s: transforms', (_, backend) => {
  survives(
    () => theta,
    (on) => [transform(unit, on, { ...flow, backend }), inverse(unit, on, { ...flow, backend })],
  );
  survives(
    () => theta,
    (on) => transformBackward(unit, gradY, on, { ...flow, backend }),
  );
});

test.each(['wasm', 'js'] as const)('an engine on %s is whole again after memory could not be had', (name) => {
  const run = (bytes: number, refused: number) => {
    const engine = createEngine(name);
    engine.reserve(4096);
    engine.floats.fill(1.5, 100, 200);
    const { error, count } = allocating(() => engine.reserve(bytes), refused);
    // What is written is where the next call finds it.
    engine.reserve(4096);
    expect([...engine.floats.subarray(100, 200)]).toEqual(Array(100).fill(1.5));
    engine.words[50] = 7;
    engine.reserve(bytes);
    expect(engine.floats.byteLength).toBeGreaterThanOrEqual(bytes);
    expect([engine.words[50], engine.floats[150], engine.doubles.length * 2]).toEqual([7, 1.5, engine.floats.length]);
    return { error, count };
  };
  const { count } = run(2 ** 22, Number.POSITIVE_INFINITY);
  expect(count).toBeGreaterThan(3);
  for (let n = 1; n <= count; n++) expect(run(2 ** 22, n).error).toBeInstanceOf(RangeError);
});

test('ditac/runtime: a cold start, at whatever point memory ends', async () => {
  const expected = bits(CompiledActivation.fromBytes(plan).forward(x));
  const url = new URL('../dist/runtime.js', import.meta.url);
  // A module of its own for every refusal: what it keeps is made on first use.
  const cold = async (n: number) => {
    const { Activation } = await import(/* @vite-ignore */ `${url.href}?${n}`);
    const { error, count } = allocating(() => new Activation(plan).forward(x), n);
    expect(error === undefined || error instanceof RangeError).toBe(true);
    expect(bits(new Activation(plan).forward(x)), `after allocation ${n}`).toEqual(expected);
    return count;
  };
  const count = await cold(0);
  expect(count).toBeGreaterThan(10);
  // Each takes a fresh module, and so a while: a tenth of all, and the first, which make the engine.
  for (let n = 1; n <= count; n += n < 12 ? 1 : 10) await cold(n);
});
