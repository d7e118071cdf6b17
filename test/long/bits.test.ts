/** What takes minutes: `npm run test:long`. The exhaustive sweep of a plan has its own command, `npm run sweep`. */
import { DiTAC, loadBackend, VARIANTS } from 'ditac';
import { normalStream, transform } from 'ditac/cpab';
import { compareBits, randomBits } from 'ditac/oracle';
import { expect, test } from 'vitest';

const [wasm, js] = [await loadBackend('wasm'), await loadBackend('js')];

test.each(VARIANTS)('%s: 10⁷ random bit patterns on both backends', (variant) => {
  const act = new DiTAC({ a: -3, b: 3, variant, seed: 40 });
  let differing = 0;
  for (const x of randomBits(1e7, 7).blocks())
    differing += compareBits(act.on(wasm).forward(x), act.on(js).forward(x)).differing;
  expect(differing).toBe(0);
});

test('transform: 10⁷ random bit patterns on both backends', () => {
  const theta = Float32Array.from({ length: 9 }, normalStream(2));
  let differing = 0;
  for (const x of randomBits(1e7, 8).blocks()) {
    const [p, q] = [wasm, js].map((backend) => transform(x, theta, { tess: 10, backend }));
    differing += compareBits(p!, q!).differing;
  }
  expect(differing).toBe(0);
});

test('transform: increasing, inside the domain and never NaN on 10⁸ points of 10⁴ random θ', () => {
  const normal = normalStream(11);
  const x = Float32Array.from({ length: 10_000 }, (_, i) => i / 9_999);
  const y = new Float32Array(x.length);
  let wrong = 0;
  for (let run = 0; run < 10_000; run++) {
    const tess = 2 + (run % 32);
    const size = [0.1, 1, 3, 10][run % 4]!;
    transform(
      x,
      Float32Array.from({ length: tess - 1 }, () => size * normal()),
      { tess, out: y },
    );
    let last = 0;
    for (let i = 0; i < y.length; i++) {
      if (!(y[i]! >= last && y[i]! <= 1)) wrong += 1;
      last = y[i]!;
    }
  }
  expect(wrong).toBe(0);
});

test('10⁹ elements stream through in bounded memory', () => {
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const block = Float32Array.from({ length: 2 ** 20 }, normalStream(1));
  act.forward(block, new Float32Array(block.length));
  const out = new Float32Array(block.length);
  const before = process.memoryUsage();
  for (let done = 0; done < 1e9; done += block.length) act.forward(block, out);
  const after = process.memoryUsage();
  // A few megabytes of slack for the collector's own bookkeeping.
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8e6);
  expect(after.rss - before.rss).toBeLessThan(64e6);
});
