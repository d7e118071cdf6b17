/** Tensors whose channels take turns: the bits of each channel alone, whatever the layout, the number of channels and the length of their runs. */
import { DiTAC, loadBackend, Snake } from 'ditac';
import { compareBits, specialValues, stratified } from 'ditac/oracle';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Evaluator } from '../src/backends/evaluator.js';
import { createEngine } from '../src/engines/engines.js';
import { planImage } from '../src/plan/image.js';
import { tries } from './effort.js';

const values = Float32Array.of(
  ...specialValues(),
  ...[...stratified(-20, 20, 6000, 1).blocks()].flatMap((b) => [...b]),
);
const inputs = (length: number) => Float32Array.from({ length }, (_, i) => values[(i * 7) % values.length]!);
const threads = (await loadBackend('threads', { size: 2, threshold: 0 })).sync;
const backends = [await loadBackend('js'), await loadBackend('wasm'), threads];

/** As many different functions, some of them periodic, each with its knots elsewhere. */
const functions = Array.from({ length: 24 }, (_, c) =>
  c % 5 === 4
    ? new Snake({ alpha: 0.3 + c / 7 })
    : new DiTAC({ a: -3 + c / 20, b: 2 + c / 30, seed: c, tess: 2 + (c % 9) }),
);

describe.each(backends)('$name', (backend) => {
  test('DiTACs: every number of channels, and of neighbours that share one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 24 }),
        fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(49, 255, 256, 300)),
        fc.integer({ min: 1, max: 5 }),
        fc.boolean(),
        (channels, inner, batch, isInPlace) => {
          const act = new DiTAC({ a: -3, b: 3, seed: 5, channels });
          const x = inputs(batch * channels * inner);
          const shape = [batch, channels, inner];
          const expected = new Float32Array(x.length);
          const alone = Array.from(
            { length: channels },
            (_, c) => new DiTAC({ a: -3, b: 3, thetas: act.thetas.subarray(9 * c, 9 * c + 9) }),
          );
          for (let row = 0; row < batch * channels; row++)
            expected.set(alone[row % channels]!.forward(x.subarray(row * inner, (row + 1) * inner)), row * inner);
          const y = isInPlace ? x.slice() : new Float32Array(x.length);
          act.on(backend).forward(isInPlace ? y : x, y, { shape });
          expect(compareBits(expected, y).differing).toBe(0);
          const last = new DiTAC({ a: -3, b: 3, thetas: act.thetas, layout: 'channelsLast' });
          if (inner === 1) expect(compareBits(expected, last.on(backend).forward(x)).differing).toBe(0);
        },
      ),
      { numRuns: tries(30) },
    );
  });

  test('new parameters, and other tensors in between: never the headers of before', () => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1, channels: 6, layout: 'channelsLast' });
    const other = new DiTAC({ a: -1, b: 1, seed: 2, channels: 6, layout: 'channelsLast' });
    const x = inputs(6 * 500);
    for (let seed = 3; seed < 8; seed++) {
      const fresh = new DiTAC({ a: -3, b: 3, seed, channels: 6, layout: 'channelsLast' });
      act.update(fresh.thetas);
      const expected = fresh.on(backends[0]!).forward(x);
      expect(compareBits(expected, act.on(backend).forward(x)).differing).toBe(0);
      expect(compareBits(other.on(backends[0]!).forward(x), other.on(backend).forward(x)).differing).toBe(0);
      expect(compareBits(expected, act.on(backend).forward(x)).differing).toBe(0);
      expect(
        compareBits(
          act.on(backends[0]!).forward(x, undefined, { shape: [250, 2, 6] }),
          act.on(backend).forward(x, undefined, { shape: [250, 2, 6] }),
        ).differing,
      ).toBe(0);
    }
  });
});

test.each(['js', 'wasm'] as const)('%s: families of all kinds take turns, and tensors begin anywhere', (name) => {
  const evaluator = new Evaluator(createEngine(name));
  const images = functions.map(({ plan }) => planImage(plan));
  for (const inner of [1, 2, 3, 5, 8, 49])
    for (const offset of [0, 1, 7, 24 * inner + 13]) {
      const x = inputs(24 * inner * 3 + 11);
      const y = new Float32Array(x.length);
      evaluator.run('activate', { images, inner, offset }, x, y);
      const expected = x.map((at, i) => {
        const single = functions[Math.floor((offset + i) / inner) % functions.length]!;
        return single.forward(Float32Array.of(at))[0]!;
      });
      expect(compareBits(expected, y).differing, `${inner}, ${offset}`).toBe(0);
    }
});
