/** Exact sums that travel: any split, any order, any backend, by way of bytes, with the bits of one process; and bytes that lie. */
import { spawnSync } from 'node:child_process';
import { DiTAC, GradientSum, GradientSumError, loadBackend, Snake, SnakeBeta, XIELU } from 'ditac';
import { FAMILIES } from 'ditac/families';
import { compareBits } from 'ditac/oracle';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uniformStream } from '../src/cpab/random.js';
import { tries } from './effort.js';
import { EXAMPLES } from './family-examples.js';
import { mendPlan as mend, mutations } from './mutations.js';

// biome-ignore lint/suspicious/noExplicitAny: every family's class, whatever its parameters
type Any = any;

const js = await loadBackend('js');
const wasm = await loadBackend('wasm');

/** Gradients over many exponents, of both signs, so that sums in float64 would depend on their order. */
function tensor(count: number, seed: number): { x: Float32Array; gradY: Float32Array } {
  const uniform = uniformStream(seed);
  const x = Float32Array.from({ length: count }, () => 8 * uniform() - 4);
  const gradY = Float32Array.from({ length: count }, () => (uniform() - 0.5) * 2 ** (40 * uniform() - 20));
  return { x, gradY };
}

/** The sum over parts, each computed by an activation of its own and sent as bytes, merged in a given order. */
function elsewhere(
  make: () => Any,
  { x, gradY }: ReturnType<typeof tensor>,
  cuts: readonly number[],
  order: readonly number[],
): Any {
  const edges = [0, ...[...new Set(cuts.map((cut) => cut % x.length))].sort((p, q) => p - q), x.length];
  const parts = edges.slice(1).map((to, k) => {
    const act = make();
    const sum = act.gradientSum();
    const [own, grads] = [x.slice(edges[k], to), gradY.slice(edges[k], to)];
    act.on(k % 2 ? js : wasm).backward(own, grads, { into: sum });
    return sum.toBytes() as Uint8Array;
  });
  const act = make();
  const total = act.gradientSum();
  const waiting = [...parts];
  for (let k = 0; waiting.length > 0; k++) {
    const [bytes] = waiting.splice((order[k % order.length] ?? 0) % waiting.length, 1);
    total.merge(GradientSum.fromBytes(bytes!, act));
  }
  return total;
}

test('any split into parts, in any order, by way of bytes: the bits of one process', () => {
  const makes: (() => Any)[] = [
    () => new DiTAC({ a: -3, b: 3, tess: 5, seed: 3 }),
    () => new Snake({ alpha: 1.3 }),
    () => new XIELU({ alpha_p: 0.3, alpha_n: -0.8 }),
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...makes),
      fc.integer({ min: 1, max: 400 }),
      fc.nat(1e6),
      fc.array(fc.nat(399), { maxLength: 7 }),
      fc.array(fc.nat(7), { minLength: 1, maxLength: 8 }),
      (make, count, seed, cuts, order) => {
        const given = tensor(count, seed);
        const act = make();
        const whole = act.gradientSum();
        act.backward(given.x, given.gradY, { into: whole });
        const total = elsewhere(make, given, cuts, order);
        for (const [name, gradient] of Object.entries<Float32Array>(whole.gradients))
          expect(compareBits(gradient, total.gradients[name]).differing).toBe(0);
        // Not only the gradients: the sums themselves.
        expect(total.toBytes()).toEqual(whole.toBytes());
      },
    ),
    { numRuns: tries(15) },
  );
});

test.each(
  Object.keys(EXAMPLES).filter(
    (name) => !['mish', 'telu', 'selu', 'fourier', 'hermite', 'siren', 'rational'].includes(name),
  ),
)('%s: sums travel', (name) => {
  const make = () => new (FAMILIES as Any)[name](EXAMPLES[name as keyof typeof EXAMPLES][0]!.options);
  const given = tensor(300, 5);
  const act = make();
  const whole = act.gradientSum();
  act.backward(given.x, given.gradY, { into: whole });
  const total = elsewhere(make, given, [50, 51, 200], [2, 0, 1]);
  for (const [key, gradient] of Object.entries<Float32Array>(whole.gradients)) {
    expect(gradient.some((v) => v !== 0)).toBe(true);
    expect(compareBits(gradient, total.gradients[key]).differing, key).toBe(0);
  }
});

// A call of few elements reads only the sums of the exponents that it may have; elements without a gradient make it one of many.
test.each(Object.keys(FAMILIES) as (keyof typeof FAMILIES)[])(
  '%s: few elements of any bits, and the same among many',
  (name) => {
    const act: Any = new FAMILIES[name](EXAMPLES[name][0]!.options as never);
    const uniform = uniformStream(7);
    /** Any bits; in every second seed no product of two overflows, and in the last one an x is NaN. */
    const few = (seed: number) => {
      const words = () => Uint32Array.from({ length: 40 }, () => 2 ** 32 * uniform());
      const [x, gradY] = [new Float32Array(words().buffer), new Float32Array(words().buffer)];
      for (const values of [x, gradY])
        values.forEach((value, i) => {
          if (!Number.isFinite(value)) values[i] = i;
        });
      if (seed % 2 === 0)
        gradY.forEach((value, i) => {
          if (Math.abs(value * x[i]!) > 1e30) gradY[i] = 1 / x[i]!;
        });
      // What counts an element without a gradient is in a window that no other needs.
      if (seed === 3) {
        x.fill(1).fill(Number.NaN, 39);
        gradY.fill(2 ** -20);
      }
      return { x, gradY };
    };
    // As many as make every window worth reading.
    const most = 2 ** 18;
    const [x, gradY] = [new Float32Array(most), new Float32Array(most)];
    for (let seed = 0; seed < 4; seed++) {
      const own = few(seed);
      x.set(own.x);
      gradY.set(own.gradY);
      const [alone, among] = [own, { x, gradY }].map((each) => {
        const into = act.gradientSum();
        act.backward(each.x, each.gradY, { into });
        return into.toBytes() as Uint8Array;
      });
      expect(Buffer.compare(alone!, among!)).toBe(0);
    }
  },
);

test('where there is no WebAssembly, sums have the same bytes', () => {
  const dist = JSON.stringify(new URL('../dist/index.js', import.meta.url).href);
  const script = (prelude: string) => `${prelude}
    const { DiTAC, KANLayer, Snake } = await import(${dist});
    const x = Float32Array.from({ length: 60 }, (_, i) => i / 10 - 3);
    for (const act of [new DiTAC({ a: -3, b: 3, seed: 1 }), new Snake({ alpha: 1.3 }), new KANLayer({ inputs: 2, outputs: 1, seed: 1 })]) {
      const sum = act.gradientSum();
      act.backward(x, x.slice(0, act.inputs ? 30 : 60), { into: sum });
      console.log(Buffer.from(sum.toBytes()).toString('base64'));
    }`;
  const run = (prelude: string) =>
    spawnSync(process.execPath, ['--input-type=module', '-e', script(prelude)], { encoding: 'utf8' });
  const [wasm, plain] = [run(''), run('delete globalThis.WebAssembly;')];
  expect([wasm.status, plain.status]).toEqual([0, 0]);
  expect(wasm.stdout.length).toBeGreaterThan(3000);
  expect(plain.stdout).toBe(wasm.stdout);
});

test('channels travel each for itself, and NaN poisons its channel alone', () => {
  const make = () => new SnakeBeta({ alpha: [1.3, 0.5], beta: [0.8, 1.1], logScale: false, layout: 'channelsLast' });
  const act = make();
  const sum = act.gradientSum();
  act.backward(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 1, Number.NaN, 1), { into: sum });
  const { alpha, beta } = GradientSum.fromBytes(sum.toBytes(), make()).gradients;
  expect([alpha![0], beta![0]]).toEqual([Number.NaN, Number.NaN]);
  expect(alpha![1]).toBe(sum.gradients.alpha![1]);
  expect(Number.isFinite(alpha![1])).toBe(true);
});

test('an empty sum is a few bytes, and adding the opposite gives it again', () => {
  const act = new Snake({ alpha: 1 });
  const empty = act.gradientSum().toBytes();
  expect(empty.length).toBe(36);
  const sum = act.gradientSum();
  const { x, gradY } = tensor(50, 1);
  act.backward(x, gradY, { into: sum });
  expect(sum.toBytes().length).toBeGreaterThan(500);
  act.backward(
    x,
    gradY.map((v) => -v),
    { into: sum },
  );
  expect(sum.toBytes()).toEqual(empty);
});

test('a sum of another function, other parameters or other channels is refused, and nothing is added', () => {
  const act = new Snake({ alpha: 1 });
  const sum = act.gradientSum();
  act.backward(Float32Array.of(1, 2), Float32Array.of(1, 1), { into: sum });
  const before = sum.toBytes();
  const others = [
    new Snake({ alpha: 1 + 2 ** -23 }),
    new Snake({ alpha: 1, channels: 2 }),
    new SnakeBeta({ alpha: 1, beta: 1, logScale: false }),
    // Snake's parameter, and a function of the same slope.
    new DiTAC({ a: -3, b: 3, seed: 1 }),
  ] as Any[];
  for (const other of others) {
    expect(() => GradientSum.fromBytes(before, other)).toThrow(GradientSumError);
    expect(() => sum.merge(other.gradientSum())).toThrow(/of the same activation with the same parameters/);
  }
  expect(() => sum.merge(sum)).toThrow(/with itself/);
  expect(sum.toBytes()).toEqual(before);
  // A bias moves the function and leaves every slope: the sums belong to the old one all the same.
  const dyt = (bias: number) => new (FAMILIES as Any).dyt({ alpha: 0.7, weight: 1, bias });
  expect(() => dyt(0).gradientSum().merge(dyt(1).gradientSum())).toThrow(/the same parameters/);
  // After an update the sum of before is of no use to the activation.
  act.update({ alpha: 2 });
  expect(() => GradientSum.fromBytes(before, act)).toThrow(/the same parameters/);
});

test('damage is noticed: every single bit', () => {
  const act = new Snake({ alpha: 1 });
  const sum = act.gradientSum();
  act.backward(Float32Array.of(1), Float32Array.of(1), { into: sum });
  const bytes = sum.toBytes();
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => GradientSum.fromBytes(damaged, act)).toThrow(GradientSumError);
  }
  for (let length = 0; length < bytes.length; length++)
    expect(() => GradientSum.fromBytes(bytes.slice(0, length), act)).toThrow(GradientSumError);
  expect(() => GradientSum.fromBytes(Uint8Array.of(...bytes, 0, 0, 0, 0), act)).toThrow(GradientSumError);
});

test('hostile bytes: a typed error or a sum that can be written again, in little memory', () => {
  const act = new DiTAC({ a: -3, b: 3, tess: 5, seed: 3 });
  const sum = act.gradientSum();
  const { x, gradY } = tensor(60, 2);
  act.backward(x, gradY, { into: sum });
  const { arrayBuffers } = process.memoryUsage();
  let accepted = 0;
  let refused = 0;
  for (const file of mutations([sum.toBytes(), act.gradientSum().toBytes()], 1500, 1, mend)) {
    try {
      const read = GradientSum.fromBytes(file, act);
      // What is accepted is canonical, and can be merged often enough.
      expect(read.toBytes()).toEqual(file);
      act.gradientSum().merge(read);
      accepted += 1;
    } catch (error) {
      expect(error).toBeInstanceOf(GradientSumError);
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(500);
  expect(accepted).toBeGreaterThan(0);
  expect(process.memoryUsage().arrayBuffers - arrayBuffers).toBeLessThan(2 ** 28);
});

test('sums that would cease to be exact are refused, and stay as they were', () => {
  const act = new Snake({ alpha: 1 });
  const sum = act.gradientSum();
  act.backward(Float32Array.of(1), Float32Array.of(1), { into: sum });
  const most = sum.toBytes();
  const view = new DataView(most.buffer);
  view.setFloat64(most.length - 8, 2 ** 47, true);
  mend(most);
  const large = GradientSum.fromBytes(most, act);
  const total = act.gradientSum();
  for (let k = 0; k < 7; k++) total.merge(large);
  const before = total.toBytes();
  expect(() => total.merge(large)).toThrow(/must stay below/);
  expect(total.toBytes()).toEqual(before);
  view.setFloat64(most.length - 8, 2 ** 48, true);
  mend(most);
  expect(() => GradientSum.fromBytes(most, act)).toThrow(GradientSumError);
});
