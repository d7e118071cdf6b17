/** Files whose fields lie, though every check is right: a result or a typed error; never a hang, a trap, or memory out of proportion. */
import { CompiledActivation, DiTAC, type HostBackend, loadBackend, VARIANTS } from 'ditac';
import { specialValues } from 'ditac/oracle';
import { Activation } from 'ditac/runtime';
import { loadSafetensors, SafetensorsError } from 'ditac/safetensors';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocating } from './allocations.js';
import { tries } from './effort.js';
import { mendPlan } from './mutations.js';
import { planFile, smallest } from './plan-file.js';

const [wasm, js] = [(await loadBackend('wasm')) as HostBackend, (await loadBackend('js')) as HostBackend];
/** `ditac/runtime` has a class of its own. */
const isPlanError = (error: unknown) => error instanceof RangeError && error.name === 'PlanError';
const isTyped = (error: unknown) => error instanceof TypeError || error instanceof RangeError;

/** Floats at which kernels and readers go wrong, and mild ones. */
const hostile = fc.oneof(
  { weight: 90, arbitrary: fc.float({ min: -4, max: 4, noNaN: true }) },
  { weight: 40, arbitrary: fc.constantFrom(0, -0, 1, -1, 2 ** -140, -(2 ** -126), 2 ** -149, 2 ** -70) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 127, -(2 ** 100)) },
  { weight: 1, arbitrary: fc.float() },
);
const wild = fc.oneof(
  { weight: 40, arbitrary: hostile },
  { weight: 1, arbitrary: fc.constantFrom(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 3.4e38) },
);

/** One of so many. */
const rarely = <T>(n: number, arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: n - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

const plans = fc.integer({ min: 1, max: 5 }).chain((segments) =>
  fc.record({
    exponent: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 16 }) },
      { weight: 1, arbitrary: fc.constantFrom(-1, 17, 19, 20, 31, 32, 1023, -(2 ** 31)) },
    ),
    place: fc.oneof(
      { weight: 9, arbitrary: fc.double({ min: -16, max: 15, noNaN: true }) },
      { weight: 1, arbitrary: fc.constantFrom(-17, 16, 1e6, -(2 ** 30)) },
    ),
    cells: fc.oneof(
      { weight: 12, arbitrary: fc.integer({ min: 0, max: 40 }) },
      { weight: 1, arbitrary: fc.constantFrom(8191, 8192, -1, 2 ** 31 - 1) },
    ),
    specials: fc.array(wild, { minLength: 5, maxLength: 5 }),
    bounds: fc
      .tuple(fc.array(hostile, { minLength: segments - 1, maxLength: segments - 1 }), fc.integer({ min: 0, max: 9 }))
      .map(([bounds, dice]) => (dice > 0 ? [...bounds].sort((p, q) => p - q) : bounds)),
    rows: fc.array(hostile, { minLength: 8 * segments, maxLength: 8 * segments }).map((rows) =>
      // The outermost segments reach to the largest float32: what bends would overflow there.
      rows.map((value, i) => (i % 8 > 3 && (i < 8 || i >= 8 * segments - 8) ? 0 : value)),
    ),
    slack: fc.array(hostile, { minLength: segments, maxLength: segments }),
    odd: rarely(12, wild),
  }),
);

/** Inputs for a plan: the ones where decisions are made on bits, and all around its grid and bounds. */
function inputsFor(low: number, width: number, bounds: readonly number[]): Float32Array {
  const around = [low, 0, ...bounds].flatMap((at) => [at - width, at, at + width / 3, at + width]);
  const ends = [2 ** -60, -(2 ** -59), 1e-3, 1, -1, 5, -300, 3.4028234663852886e38, -3.4028234663852886e38];
  return Float32Array.of(...around, ...ends, ...specialValues());
}

const words = (y: Float32Array) => new Uint32Array(y.buffer, y.byteOffset, y.length);

test('an accepted plan gives one answer, on every backend, whatever lies beside it', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(plans, ({ exponent, place, cells, odd, ...fields }) => {
      const first = Math.trunc(place * 2 ** Math.max(Math.min(exponent, 20), 0)) | 0;
      const rows = odd === null ? fields.rows : [...fields.rows.slice(0, -1), odd];
      const file = planFile([{ ...fields, rows, exponent, first, last: (first + cells) | 0 }], { version: 3 });
      let loaded: CompiledActivation;
      try {
        loaded = CompiledActivation.fromBytes(file);
      } catch (error) {
        expect(isPlanError(error), String(error)).toBe(true);
        expect(() => new Activation(file)).toThrow((error as Error).message);
        refused += 1;
        return;
      }
      accepted += 1;
      const x = inputsFor(first / 2 ** exponent, 2 ** -exponent, fields.bounds);
      const y = words(loaded.on(wasm).forward(x));
      expect(words(loaded.on(js).forward(x))).toEqual(y);
      expect(words(new Activation(file).forward(x))).toEqual(y);
      // Alone, and in other company.
      const turned = x.slice().reverse();
      expect(words(loaded.on(wasm).forward(turned)).reverse()).toEqual(y);
      const alone = new Float32Array(x.length);
      x.forEach((_, i) => {
        loaded.on(wasm).forward(x.subarray(i, i + 1), alone.subarray(i, i + 1));
      });
      expect(words(alone)).toEqual(y);
      // What is written is what was read.
      expect(loaded.toBytes()).toEqual(file);
    }),
    { numRuns: tries(200) },
  );
  expect(accepted).toBeGreaterThan(tries(30));
  expect(refused).toBeGreaterThan(tries(30));
});

test('a plan file whose counts lie is refused, and takes no more memory than it has bytes', () => {
  const counts = fc.constantFrom(0, 1, 2, 3, 255, 65536, 2 ** 28, 2 ** 31 - 1, -1, -(2 ** 31));
  fc.assert(
    fc.property(counts, counts, fc.integer({ min: 0, max: 3 }), (count, segments, plan) => {
      const file = planFile(Array(4).fill(smallest), { count });
      const view = new DataView(file.buffer);
      view.setInt32(24 + 120 * plan + 12, segments, true);
      mendPlan(file);
      for (const read of [(): unknown => CompiledActivation.fromBytes(file), (): unknown => new Activation(file)]) {
        const { error, bytes } = allocating(read);
        if (error !== undefined) expect(isPlanError(error), String(error)).toBe(true);
        expect(bytes).toBeLessThanOrEqual(4 * file.length);
      }
    }),
    { numRuns: tries(300) },
  );
});

const count = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 9 }) },
  { weight: 1, arbitrary: fc.constantFrom(-1, 0.5, 1e9, 2 ** 31, 2 ** 53, 1e300, null, '1', [1], true) },
);
const entry = fc.record(
  {
    dtype: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('F32', 'F64', 'F16', 'BF16', 'I8', 'F4', 'F6_E2M3', 'C64') },
      { weight: 1, arbitrary: fc.constantFrom('F33', '', 'toString', '__proto__', 4, null, ['F32']) },
    ),
    shape: fc.oneof(
      { weight: 8, arbitrary: fc.array(count, { maxLength: 4 }) },
      { weight: 1, arbitrary: fc.constantFrom([], Array(33).fill(1), Array(32).fill(0), {}, 'x', null) },
    ),
    size: rarely(5, count),
    from: rarely(9, count),
    more: rarely(5, fc.jsonValue()),
  },
  { requiredKeys: ['shape', 'dtype'] },
);
const names = fc.oneof(
  fc.constantFrom('thetas', 'precision_mat', 'ditac.basis', 'ditac.interval', '__metadata__', '__proto__', 'toString'),
  fc.string({ maxLength: 4 }),
);
const BITS: Record<string, number> = { F32: 32, F64: 64, F16: 16, BF16: 16, I8: 8, F4: 4, F6_E2M3: 6, C64: 64 };

test('checkpoints whose headers lie are read or refused', () => {
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(names, entry), { maxLength: 5 }), count, (entries, extra) => {
      let at = 0;
      const members = entries.map(([name, { dtype, shape, size, from, more }]) => {
        const elements = Array.isArray(shape) ? (shape as unknown[]).reduce((p: number, n) => p * Number(n), 1) : 1;
        const bytes = (elements * (BITS[String(dtype)] ?? 8)) / 8;
        const start = from ?? at;
        const end = size ?? Number(start) + bytes;
        if (Number.isSafeInteger(bytes) && bytes < 1e5 && bytes > 0) at += bytes;
        return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [start, end], ...(more === null ? {} : { more }) })}`;
      });
      const json = new TextEncoder().encode(`{${members.join(',')}}`);
      const rest = at + (typeof extra === 'number' && extra > 0 && extra < 3 ? Math.trunc(extra) : 0);
      const file = new Uint8Array(8 + json.length + rest);
      new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
      file.set(json, 8);
      const { error, bytes } = allocating(() => loadSafetensors(file));
      if (error === undefined) accepted += 1;
      else {
        refused += 1;
        expect(error).toBeInstanceOf(SafetensorsError);
      }
      expect(bytes).toBeLessThanOrEqual(2 * file.length);
    }),
    { numRuns: tries(1500) },
  );
  expect(accepted).toBeGreaterThan(tries(100));
  expect(refused).toBeGreaterThan(tries(100));
});

test('state dicts whose tensors lie become an activation or a typed error', () => {
  const act = new DiTAC({ tess: 4, a: -3, b: 3, seed: 1 });
  const { 'ditac.basis_name': _, ...rest } = act.stateDict();
  const honest = { ...rest, 'ditac.basis': { shape: [8, 3], data: act.basis.data }, 'ditac.basis_name': _! };
  const sizes = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.constantFrom(1e9, -1, 0.5, Number.NaN, 8192, 2 ** 53));
  const data = fc.oneof(
    fc.array(wild, { maxLength: 12 }).map((values) => Float32Array.from(values)),
    fc.array(wild, { maxLength: 12 }).map((values) => Float64Array.from(values)),
    fc.constantFrom(undefined, null, [1, 2], new Int32Array(3), new ArrayBuffer(8), 'data'),
  );
  const lie = fc.oneof(
    fc.record({ shape: fc.array(sizes, { maxLength: 3 }), data }),
    fc.record({ shape: fc.array(sizes, { maxLength: 3 }) }),
    // Numbers that may be meant, in the right shape.
    fc.tuple(fc.integer({ min: 1, max: 2 }), wild).map(([n, v]) => ({ shape: [n], data: new Float64Array(n).fill(v) })),
    fc.tuple(wild, wild).map(([v, w]) => ({ shape: [1, 3], data: Float32Array.of(v, w, 1) })),
    fc.constantFrom(null, 5, 'tensor', {}, { shape: 'x', data: new Float32Array(1) }),
  );
  const names = fc.constantFrom(...Object.keys(honest));
  const told = fc.record(
    {
      a: wild,
      b: wild,
      variant: fc.constantFrom(...VARIANTS),
      tess: fc.constantFrom(1, 3, 4, 5, 257, 4096, 1e9, -1, 0.5),
      basis: fc.constantFrom('qr', 'svd', 'sparse', 'none'),
      lambdaSmooth: wild,
      lambdaVar: wild,
    },
    { requiredKeys: [] },
  );
  let accepted = 0;
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(names, lie), { maxLength: 2 }),
      fc.subarray(Object.keys(honest), { minLength: 6 }),
      fc.option(told, { freq: 3 }),
      (lies, kept, options) => {
        const tensors = { ...Object.fromEntries(kept.map((name) => [name, honest[name as keyof typeof honest]])) };
        for (const [name, tensor] of lies) tensors[name] = tensor as never;
        const { error, bytes } = allocating(() => DiTAC.fromStateDict(tensors, (options ?? {}) as never));
        if (error === undefined) accepted += 1;
        else {
          refused += 1;
          expect(isTyped(error), String((error as Error).stack)).toBe(true);
          expect((error as Error).message.length).toBeGreaterThan(10);
        }
        // A search over a matrix of at most 4 by 4, or the largest basis that is built without being given: 4,096 cells are refused by d.
        expect(bytes).toBeLessThan(2 ** 21);
      },
    ),
    { numRuns: tries(1500) },
  );
  expect(accepted).toBeGreaterThan(tries(40));
  expect(refused).toBeGreaterThan(tries(100));
});
