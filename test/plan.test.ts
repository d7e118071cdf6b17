import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CompiledActivation, DiTAC, type Plan, PlanError, VARIANTS } from 'ditac';
import { compareBits, specialValues, stratified } from 'ditac/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tessellation, velocityField } from '../src/cpab/field.js';
import type { Engine } from '../src/engines/engine.js';
import { createEngine } from '../src/engines/engines.js';
import { ditacDefinition } from '../src/families/ditac.js';
import { compile } from '../src/plan/compile.js';
import { MOST_CELLS } from '../src/plan/workspace.js';
import { tries } from './effort.js';

const x = Float32Array.of(...specialValues(), ...[...stratified(-16, 16, 20_000, 1).blocks()][0]!);
const bytes = (array: Float32Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

test('both engines compile every plan to the same bytes', () => {
  const [wasm, js] = [createEngine('wasm'), createEngine('js')];
  for (const [i, variant] of VARIANTS.entries()) {
    for (const tess of [1, 2, 10, 33]) {
      const { thetas, dimension } = new DiTAC({ tess, variant, seed: i });
      expect(thetas.length).toBe(dimension);
      const on = tessellation(tess, variant !== 'inf', 'qr');
      const definition = ditacDefinition(variant, on, thetas, velocityField(on, thetas, 0, -3, 3, 1), -3, 3);
      const [p, q] = [wasm, js].map((engine) => compile(definition, engine)) as [Plan, Plan];
      for (const key of ['bounds', 'rows', 'slack', 'cellRows'] as const)
        expect(bytes(p[key]).equals(bytes(q[key]))).toBe(true);
      expect({ ...p.certificate, ...p.grid }).toEqual({ ...q.certificate, ...q.grid });
      const specials = ({ atZero, slopeBelowZero, slopeAboveZero, limitLow, limitHigh }: Plan) => [
        atZero,
        slopeBelowZero,
        slopeAboveZero,
        limitLow,
        limitHigh,
      ];
      expect(specials(p)).toEqual(specials(q));
    }
  }
});

test('no segment begins at, or is centred on, a subnormal number: some hardware takes it for 0', () => {
  const isSubnormal = (at: number) => at !== 0 && Math.abs(at) < 2 ** -126;
  for (const variant of VARIANTS)
    for (const end of [-7e-46, 7e-46, -3e-39, 3e-39])
      for (const tess of [1, 2, 8])
        for (const [a, b] of [
          [end, 0.5],
          [-0.5, end],
        ]) {
          const { bounds, rows } = new DiTAC({ seed: 2, tess, a, b, variant }).plan;
          expect([...bounds].filter(isSubnormal)).toEqual([]);
          expect([...rows].filter((each, i) => i % 8 === 0 && isSubnormal(each))).toEqual([]);
        }
});

test('what is kept from plans before changes nothing', () => {
  const used = createEngine('wasm');
  const plan = (engine: Engine, seed: number, a: number, b: number, tess: number) => {
    const { thetas } = new DiTAC({ tess, seed });
    const on = tessellation(tess, true, 'qr');
    return compile(ditacDefinition('gelu', on, thetas, velocityField(on, thetas, 0, a, b, 1), a, b), engine);
  };
  for (const [a, b] of [
    [-3, 3],
    [-0.5, 2],
    [2, 9],
    [-20, -1],
  ] as const) {
    for (const tess of [3, 10, 30]) {
      for (let seed = 0; seed < 4; seed++) {
        const [p, q] = [plan(used, seed, a, b, tess), plan(createEngine('wasm'), seed, a, b, tess)];
        for (const key of ['bounds', 'rows', 'slack', 'cellRows'] as const)
          expect(bytes(p[key]).equals(bytes(q[key]))).toBe(true);
        expect({ ...p.certificate, ...p.grid }).toEqual({ ...q.certificate, ...q.grid });
      }
    }
  }
});

test('a plan is small, and most of its grid is in use', () => {
  const { plan } = new DiTAC({ a: -3, b: 3, seed: 1 });
  expect(plan.cellRows.length / 4).toBeLessThanOrEqual(MOST_CELLS);
  expect(plan.certificate.cellsInUse / plan.certificate.cells).toBeGreaterThan(0.98);
  expect(plan.certificate.segments).toBeLessThan(1000);
  expect(plan.certificate.method).toMatch(/^proved: /);
});

test('one coefficient’s last bit changes the result, and the comparison says so', () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const { plan } = act;
  const expected = act.forward(x);
  for (const key of ['rows', 'cellRows'] as const) {
    const changed = plan[key].slice();
    // The leading coefficient of the segment at -9, beyond the grid, and of a cell.
    const segment = plan.bounds.findIndex((bound) => bound > -9);
    const at = key === 'rows' ? 8 * segment + 1 : 4 * (plan.cellRows.length >> 4);
    const words = new Int32Array(changed.buffer);
    const float = changed[at]!;
    words[at]! ^= 1;
    expect(changed[at]).not.toBe(float);
    const other = new CompiledActivation(1, 'channelsLast', () => ({ ...plan, [key]: changed }));
    const probe = Float32Array.from({ length: 200_000 }, (_, i) => -16 + (32 * i) / 200_000);
    const dense = compareBits(act.forward(probe), other.forward(probe), probe).differing;
    expect(dense + compareBits(expected, other.forward(x), x).differing, key).toBeGreaterThan(0);
  }
});

// A kernel that all backends share may change without one differing from the other; files that were written keep their bits.
test.each([
  ['ditac', '486bf19e2b8dd3ba'],
  ['snake', 'ff2e829142b2e0eb'],
])('results of the kept file %s.plan are those that it had', (name, digest) => {
  const act = CompiledActivation.fromBytes(
    new Uint8Array(readFileSync(new URL(`golden/plans/${name}.plan`, import.meta.url))),
  );
  const inputs = Float32Array.from([x, ...stratified(-200, 200, 400_000, 2).blocks()].flatMap((block) => [...block]));
  expect(
    createHash('sha256')
      .update(bytes(act.forward(inputs)))
      .digest('hex')
      .slice(0, 16),
  ).toBe(digest);
});

describe('plans as bytes', () => {
  const act = new DiTAC({ a: -3, b: 3, channels: 2, seed: 4, layout: 'channelsLast' });
  const file = act.compiled().toBytes();

  test('load again with the same bits, without compiling', () => {
    const loaded = CompiledActivation.fromBytes(file);
    expect([loaded.channels, loaded.layout]).toEqual([2, 'channelsLast']);
    const even = x.subarray(0, x.length & -2);
    expect(compareBits(act.forward(even), loaded.forward(even), even).differing).toBe(0);
    for (const channel of [0, 1]) {
      expect(bytes(loaded.planOf(channel).cellRows)).toEqual(bytes(act.planOf(channel).cellRows));
      expect(loaded.planOf(channel).certificate).toEqual(act.planOf(channel).certificate);
    }
    expect(loaded.toBytes()).toEqual(file);
  });

  test('every variant survives, at any offset in a buffer', () => {
    for (const variant of VARIANTS) {
      const one = new DiTAC({ a: -3, b: 3, variant, seed: 8 });
      const saved = one.compiled().toBytes();
      const moved = new Uint8Array(saved.length + 3).subarray(3);
      moved.set(saved);
      expect(compareBits(one.forward(x), CompiledActivation.fromBytes(moved).forward(x), x).differing).toBe(0);
    }
  });

  test('are about 20 kB', () => {
    expect(new DiTAC({ a: -3, b: 3, seed: 1 }).compiled().toBytes().length).toBeLessThan(25_000);
  });

  test('another version is refused', () => {
    const other = file.slice();
    other[8] = 7;
    expect(() => CompiledActivation.fromBytes(other)).toThrow(/version 7.* reads versions 2 to 3/);
  });

  test('what is not a plan is refused', () => {
    // @ts-expect-error: not bytes
    expect(() => CompiledActivation.fromBytes('plan')).toThrow(TypeError);
    expect(() => CompiledActivation.fromBytes(new Uint8Array(0))).toThrow(/begins with 'ditacpln'/);
    expect(() => CompiledActivation.fromBytes(new Uint8Array(1000))).toThrow(PlanError);
    expect(() => CompiledActivation.fromBytes(file.subarray(0, file.length - 4))).toThrow(/damaged/);
  });

  test('no changed byte goes unnoticed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: file.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = file.slice();
        damaged[at]! ^= change;
        expect(() => CompiledActivation.fromBytes(damaged)).toThrow(PlanError);
      }),
      { numRuns: tries(300) },
    );
  });

  test('a file that lies, with a right check sum, is refused or runs without harm', () => {
    const words = fc.array(
      fc.tuple(fc.integer({ min: 4, max: 60 }), fc.oneof(fc.integer(), fc.constantFrom(0, 1, 255, 65536, 0x7f800000))),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(words, (changes) => {
        const lying = file.slice();
        const view = new DataView(lying.buffer);
        for (const [word, value] of changes) view.setInt32(4 * word, value, true);
        view.setUint32(12, fnv1a(lying.subarray(16)), true);
        try {
          const loaded = CompiledActivation.fromBytes(lying);
          loaded.forward(x.subarray(0, 500 * loaded.channels), undefined, { shape: [500, loaded.channels] });
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: tries(300) },
    );
    // Nothing above has harmed other tables.
    expect(compareBits(act.forward(x.subarray(0, 100)), act.forward(x.subarray(0, 100))).differing).toBe(0);
  });
});

function fnv1a(data: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
