/**
 * What reading costs, against the size of what is read: memory is counted, and so is work where it shows in memory; else two sizes far apart
 * are compared by their CPU time, with room for a machine that is busy, as the tests of noble-hashes against denial of service do.
 */
import { CompiledActivation, DiTAC } from 'ditac';
import { Activation } from 'ditac/runtime';
import { loadSafetensors } from 'ditac/safetensors';
import { describe, expect, test } from 'vitest';
import { allocating } from './allocations.js';
import { type PlanFields, planFile, smallest } from './plan-file.js';

/** A .safetensors file of about `size` bytes, of entries made by number; data of as many bytes as `bytes` each. */
function filled(size: number, entry: (i: number) => string, { before = '', after = '', bytes = 0 } = {}): Uint8Array {
  const parts: string[] = [];
  let length = 0;
  for (let i = 0; length + i * bytes < size; i++) {
    const text = entry(i);
    parts.push(text);
    length += text.length + 1;
  }
  const json = new TextEncoder().encode(`{${before}${parts.join(',')}${after}}`);
  const file = new Uint8Array(8 + json.length + parts.length * bytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

const tensor = (dtype: string, shape: string, from: number, to: number) =>
  `{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${from},${to}]}`;

/** Headers at which a reader may spend more than they are worth. */
const headers: Record<string, (size: number) => Uint8Array> = {
  'tensors of nothing': (size) => filled(size, (i) => `"${i.toString(36)}":${tensor('F32', '0', 0, 0)}`),
  'integers, passed over': (size) => filled(size, (i) => `"${i.toString(36)}":${tensor('I8', '0', 0, 0)}`),
  'tensors of one number': (size) =>
    filled(size, (i) => `"${i.toString(36)}":${tensor('F16', '', 2 * i, 2 * i + 2)}`, { bytes: 2 }),
  'in the wrong order': (size) => {
    const count = Math.ceil(size / 60);
    return filled(size, (i) => `"${i}":${tensor('I8', '1', Math.max(count - 1 - i, 0), Math.max(count - i, 1))}`, {
      bytes: 1,
    });
  },
  'long shapes': (size) => filled(size, (i) => `"${i.toString(36)}":${tensor('F32', `0${',0'.repeat(31)}`, 0, 0)}`),
  'entries that are wrong': (size) => filled(size, (i) => `"${i.toString(36)}":0`),
  'fields that are not known': (size) =>
    filled(size, (i) => `"${i}":[{}]`, {
      before: `"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"y":{`,
      after: '}}',
    }),
  'one long name': (size) => filled(size, () => `"${'\\n'.repeat(size / 2)}":${tensor('F32', '0', 0, 0)}`),
  'metadata of small entries': (size) =>
    filled(size, (i) => `"${i.toString(36)}":""`, { before: '"__metadata__":{', after: '}' }),
  'brackets without end': (size) => filled(size, () => `"x":{"y":${'['.repeat(size)}`),
  'an array without end': (size) => filled(size, () => `"x":{"shape":[${'1,'.repeat(size / 2)}1]}`),
  'a number without end': (size) => filled(size, () => `"x":{"shape":[${'1'.repeat(size)}]}`),
};

/** Whatever comes of it, as long as it is typed. */
function read<T>(f: () => T): T | undefined {
  try {
    return f();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** CPU seconds; the least of three, since others may be at work. */
function seconds(f: () => void): number {
  return Math.min(
    ...[1, 2, 3].map(() => {
      const before = process.cpuUsage();
      f();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e6;
    }),
  );
}

describe('safetensors', () => {
  test.each(Object.entries(headers))('a header of %s', (_, make) => {
    const [small, large] = [make(20_000), make(640_000)];
    const { bytes, count } = allocating(() => read(() => loadSafetensors(large)));
    // Views and buffers of data: at most one for each entry and one each for its bytes, which are fewer than the entry's own.
    expect(bytes).toBeLessThanOrEqual(2 * large.length);
    expect(count).toBeLessThanOrEqual(large.length / 8);
    // 32 times the size: linear work takes 32 times as long, quadratic 1,024 times. A factor of 8 is left to the machine, 2 ms to its clock.
    const times = [small, large].map((file) => seconds(() => read(() => loadSafetensors(file)))) as [number, number];
    expect(times[1]).toBeLessThan(8 * 32 * (times[0] + 0.002));
  });

  test('data of any kind takes at most twice its bytes', () => {
    for (const [dtype, width] of Object.entries({ F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8 })) {
      const bytes = 8 * 50_000;
      const file = filled(1, () => `"x":${tensor(dtype, `${bytes / width}`, 0, bytes)}`, { bytes });
      const allocated = allocating(() => loadSafetensors(file));
      expect(allocated.error).toBeUndefined();
      expect(allocated.bytes).toBeLessThanOrEqual(2 * bytes + 1000);
    }
  });
});

describe('plans', () => {
  const readers: Record<string, (file: Uint8Array) => unknown> = {
    'ditac/runtime': (file) => new Activation(file),
    CompiledActivation: (file) => CompiledActivation.fromBytes(file),
  };
  const row = [0, 0, 0, 0, 1, 0, 0, 0];
  const long = (segments: number): PlanFields => ({
    ...smallest,
    bounds: Array.from({ length: segments - 1 }, (_, m) => m / segments),
    rows: Array.from({ length: segments }, () => row).flat(),
    slack: Array(segments).fill(0),
  });
  const files: Record<string, (n: number) => Uint8Array> = {
    // Its 4,096 cells take five hundred times what stands in the file: as long as nobody asks for them they are not made.
    'many small ones': (n) => planFile(Array(n).fill(smallest)),
    'one of many segments': (n) => planFile([long(3 * n)]),
    'more than there are': (n) => planFile(Array(n).fill(smallest), { count: n + 1 }),
  };
  for (const [name, open] of Object.entries(readers)) {
    test.each(Object.entries(files))(`${name}: %s`, (_, make) => {
      const [small, large] = [make(50), make(1600)];
      const { bytes, count } = allocating(() => read(() => open(large)));
      expect(bytes).toBeLessThanOrEqual(4 * large.length);
      // Of a plan: four arrays, what they are copied through, and a view for each segment's coefficients.
      expect(count).toBeLessThanOrEqual(large.length / 10);
      const times = [small, large].map((file) => seconds(() => read(() => open(file)))) as [number, number];
      expect(times[1]).toBeLessThan(8 * 32 * (times[0] + 0.002));
    });
  }

  test('cells are made for the channels that are used, and not kept', () => {
    const plans = CompiledActivation.fromBytes(planFile(Array(500).fill(smallest)));
    const x = new Float32Array(500);
    const first = allocating(() => plans.forward(x, undefined, { shape: [1, 500] }));
    expect(first.error).toBeUndefined();
    const again = allocating(() => plans.forward(x, undefined, { shape: [1, 500] }));
    expect(again.bytes).toBeLessThan(100_000);
  });
});

describe('state dicts', () => {
  /** The worst case: a precision matrix that no basis fits. */
  const hopeless = (d: number) => {
    let state = d;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    return {
      thetas: { shape: [1, d], data: new Float32Array(d) },
      precision_mat: { shape: [d, d], data: Float32Array.from({ length: d * d }, random) },
    };
  };

  test('the search for a basis is bounded, and what it does grows no faster than the matrix', () => {
    // Each trial allocates a few matrices of d·d: bytes count the trials. At most 2¹⁵ multiplications an entry, 3·d³ a trial.
    for (const d of [3, 9, 31, 63, 127]) {
      const tensors = hopeless(d);
      const { error, bytes } = allocating(() => DiTAC.fromStateDict(tensors, { a: -3, b: 3, variant: 'gelu' }));
      expect((error as Error).message).toMatch(/no known basis reproduces/);
      const trials = Math.min(2 ** 15 / (3 * d), 400) + 80;
      // A trial: two of d·d and one of 2N·d, float64, and what the inverse needs. Making a candidate takes as much, and a pivoted QR four times.
      expect(bytes / (8 * d * d), `${d} parameters`).toBeLessThan(8 * trials);
    }
  });

  test('a basis that is given, or said, costs what it holds', () => {
    for (const d of [9, 63]) {
      const tensors = {
        ...hopeless(d),
        'ditac.basis': { shape: [2 * (d + 1), d], data: new Float32Array(2 * (d + 1) * d) },
      };
      const { bytes } = allocating(() => read(() => DiTAC.fromStateDict(tensors, { a: -3, b: 3, variant: 'gelu' })));
      expect(bytes / (8 * d * d)).toBeLessThan(8 * 80);
    }
  });

  test('metadata without end is not searched to its end', () => {
    const { thetas, precision_mat } = new DiTAC({ a: -3, b: 3, seed: 1 }).stateDict();
    const entries = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, 'x'.repeat(500)]));
    let asked = 0;
    const counted = new Proxy(entries(100_000), {
      get: (target, key) => {
        asked += 1;
        return target[key as string];
      },
    });
    expect(() =>
      DiTAC.fromStateDict({ thetas: thetas!, precision_mat: precision_mat! }, { metadata: counted }),
    ).toThrow(/does not say a, b, variant/);
    expect(asked).toBeLessThan(300);
  });
});
