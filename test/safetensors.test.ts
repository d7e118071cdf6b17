import { loadSafetensors, SafetensorsError, saveSafetensors, type Tensor } from 'ditac/safetensors';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tries } from './effort.js';
import { golden } from './golden.js';

/** A file with any header, true or not. */
function fileOf(header: unknown, data: number | Uint8Array = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = typeof data === 'number' ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + json.length + bytes.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(bytes, 8 + json.length);
  return file;
}

test('reads what PyTorch wrote', () => {
  const { tensors } = loadSafetensors(golden('nets/digits_mlp_ditac.safetensors'));
  const shapes = Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape]));
  expect(shapes).toEqual({
    'act_1.precision_mat': [9, 9],
    'act_1.thetas': [1, 9],
    'act_2.precision_mat': [9, 9],
    'act_2.thetas': [1, 9],
    'fc1.bias': [48],
    'fc1.weight': [48, 64],
    'fc2.bias': [32],
    'fc2.weight': [32, 48],
    'fc3.bias': [10],
    'fc3.weight': [10, 32],
  });
});

test('a saved file loads again, bit for bit', () => {
  const tensor = fc.array(fc.tuple(fc.integer(), fc.boolean()), { maxLength: 20 }).map(
    (values): Tensor => ({
      shape: [values.length, 1],
      data: new Float32Array(Int32Array.from(values, ([bits]) => bits).buffer),
    }),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), tensor), fc.dictionary(fc.string(), fc.string()), (tensors, metadata) => {
      fc.pre(!Object.keys(tensors).includes('__metadata__'));
      const loaded = loadSafetensors(saveSafetensors(tensors, { metadata }));
      expect({ ...loaded.metadata }).toEqual({ ...metadata });
      expect(Object.keys(loaded.tensors).sort()).toEqual(Object.keys(tensors).sort());
      for (const [name, { shape, data }] of Object.entries(tensors)) {
        expect(loaded.tensors[name]!.shape).toEqual(shape);
        const words = ({ buffer, byteOffset, length }: Float32Array) => new Int32Array(buffer, byteOffset, length);
        expect(words(loaded.tensors[name]!.data as Float32Array)).toEqual(words(data as Float32Array));
      }
    }),
  );
});

describe('half precisions', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const header = (dtype: string) => ({ x: { dtype, shape: [65536], data_offsets: [0, 131072] } });

  /** IEEE 754 binary16 by its definition. */
  const half = (h: number) => {
    const [sign, exponent, fraction] = [h >> 15 ? -1 : 1, (h >> 10) & 31, h & 1023];
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
  };

  test('every F16 widens exactly and narrows back', () => {
    const { x } = loadSafetensors(fileOf(header('F16'), new Uint8Array(all.buffer))).tensors;
    x!.data.forEach((value, h) => {
      expect(Object.is(value, half(h))).toBe(true);
    });
    const back = saveSafetensors({ x: x! }, { dtype: 'F16' });
    const words = new Uint16Array(back.slice(back.length - 131072).buffer);
    // NaN payloads need not survive a change of format; all else must.
    expect(words.every((word, h) => word === h || Number.isNaN(half(h)))).toBe(true);
  });

  test('every BF16 widens exactly and narrows back', () => {
    const { x } = loadSafetensors(fileOf(header('BF16'), new Uint8Array(all.buffer))).tensors;
    const bits = new Uint32Array((x!.data as Float32Array).buffer);
    expect(bits.every((word, i) => word === (i << 16) >>> 0)).toBe(true);
    const back = saveSafetensors({ x: x! }, { dtype: 'BF16' });
    const words = new Uint16Array(back.slice(back.length - 131072).buffer);
    expect(words.every((word, i) => word === i || Number.isNaN(x!.data[i]))).toBe(true);
  });

  test('narrowing rounds to nearest, ties to even', () => {
    const stored = (dtype: 'F16' | 'BF16', data: Float32Array | Float64Array) => [
      ...loadSafetensors(saveSafetensors({ x: { shape: [data.length], data } }, { dtype })).tensors.x!.data,
    ];
    const ties = Float32Array.of(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -25, 2 ** -26);
    expect(stored('F16', ties)).toEqual([1, 1 + 2 ** -9, 65504, Number.POSITIVE_INFINITY, 0, 2 ** -23, 0]);
    expect(stored('BF16', Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8))).toEqual([1, 1 + 2 ** -6]);
    // Rounded once, not through float32: just above a tie.
    expect(stored('BF16', Float64Array.of(1 + 2 ** -8 + 2 ** -40))).toEqual([1 + 2 ** -7]);
    fc.assert(
      fc.property(fc.double({ min: -70000, max: 70000, noNaN: true }), (v) => {
        const [y] = stored('F16', Float64Array.of(v));
        const candidates = Float64Array.from({ length: 65536 }, (_, h) => half(h)).filter(Number.isFinite);
        const nearest = Math.min(...[...candidates].map((c) => Math.abs(c - v)));
        return Math.abs(v) >= 65520 ? !Number.isFinite(y) : Math.abs(y! - v) === nearest;
      }),
      { numRuns: 30 },
    );
  });
});

describe('hostile files', () => {
  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const cases: [what: string, file: unknown, reason: RegExp][] = [
    ['too short', new Uint8Array(7), /at least 8 bytes, this one has 7/],
    ['a header longer than the file', new Uint8Array(8).fill(255), /header claims 18446744073709551615 bytes/],
    ['not JSON', fileOf('{"x":'), /not JSON/],
    ['not UTF-8', fileOf('').fill(0xff, 8), /JSON/],
    ['an array', fileOf([]), /must be a JSON object/],
    ['null', fileOf(null), /must be a JSON object, got null/],
    ['an entry that is a number', fileOf({ x: 1 }), /'x' must have dtype/],
    ['an unknown dtype', fileOf({ x: { ...entry, dtype: 'C128' } }, 8), /dtype F64, F32, F16, BF16, .*got "C128"/],
    ['a dtype from the prototype', fileOf({ x: { ...entry, dtype: 'toString' } }, 8), /dtype/],
    ['a negative size', fileOf({ x: { ...entry, shape: [-2] } }, 8), /non-negative integers/],
    ['a fraction', fileOf({ x: { ...entry, shape: [0.5, 4] } }, 8), /non-negative integers/],
    ['sizes that overflow', fileOf({ x: { ...entry, shape: [2 ** 40, 2 ** 40] } }, 8), /needs .* bytes/],
    ['too many axes', fileOf({ x: { ...entry, shape: Array(33).fill(1) } }, 4), /at most 32/],
    ['no offsets', fileOf({ x: { dtype: 'F32', shape: [2] } }, 8), /two data_offsets/],
    ['offsets out of order', fileOf({ x: { ...entry, data_offsets: [8, 0] } }, 8), /claims bytes 8 to 0/],
    ['offsets beyond the end', fileOf({ x: { ...entry, shape: [4], data_offsets: [0, 16] } }, 8), /0 to 16 of 8/],
    [
      'a shape that does not fit',
      fileOf({ x: { ...entry, shape: [3] } }, 8),
      /needs 12 bytes, its data_offsets give 8/,
    ],
    ['overlapping tensors', fileOf({ x: entry, y: entry }, 8), /must not overlap/],
    ['a hole', fileOf({ x: entry, y: { ...entry, data_offsets: [12, 20] } }, 20), /starts at byte 12.* expected 8/],
    ['bytes left over', fileOf({ x: entry }, 12), /fill 8 bytes of data, the file has 12/],
    [
      'two tensors of one name',
      fileOf('{"x":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},"x":{}}'),
      /two entries 'x'/,
    ],
    [
      'a field twice',
      fileOf('{"x":{"dtype":"I8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
      /'x' has two dtype/,
    ],
    ['metadata twice', fileOf('{"__metadata__":{},"__metadata__":{}}'), /two entries '__metadata__'/],
    ['a key of metadata twice', fileOf('{"__metadata__":{"a":"1","a":"2"}}'), /__metadata__ has two entries 'a'/],
    ['half a byte', fileOf({ x: { dtype: 'F4', shape: [3], data_offsets: [0, 1] } }, 1), /needs 1.5 bytes/],
    ['something behind the header', fileOf('{} {}'), /expected the end/],
    ['a comma too many', fileOf('{"x":{"dtype":"I8","shape":[0,],"data_offsets":[0,0]}}'), /expected a value/],
    ['nesting without an end', fileOf(`{"x":{"y":${'['.repeat(1e5)}`), /at most 64 levels/],
    ['a raw line break in a name', fileOf('{"x\n":0}'), /expected a string/],
    ['a wrong escape', fileOf('{"\\x41":0}'), /expected a string/],
    ['a number that is none', fileOf('{"x":{"shape":[01]}}'), /expected a value/],
    ['metadata that is not text', fileOf({ __metadata__: { n: 1 } }), /__metadata__.n must be a string, got 1/],
  ];
  test.each(cases)('%s', (_, file, reason) => {
    expect(() => loadSafetensors(file as Uint8Array)).toThrow(reason);
    expect(() => loadSafetensors(file as Uint8Array)).toThrow(SafetensorsError);
  });

  test('names from the prototype are only names', () => {
    const { tensors } = loadSafetensors(fileOf('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4));
    expect(Object.keys(tensors)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  test('not bytes at all', () => {
    for (const value of [undefined, null, 'file', [1, 2], new Float32Array(4)])
      expect(() => loadSafetensors(value as unknown as Uint8Array)).toThrow(TypeError);
  });

  test('20,000 damaged files are read or refused, never anything else', () => {
    const source = golden('nets/mlp_double_2d_ditac_seed1.safetensors');
    const header = 8 + Number(source.readBigUInt64LE(0));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: header }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.integer({ min: 0, max: 60 }),
        (changes, cut) => {
          const damaged = new Uint8Array(source).slice(0, source.length - cut);
          for (const [at, value] of changes) damaged[at] = value;
          try {
            loadSafetensors(damaged);
          } catch (error) {
            if (!(error instanceof SafetensorsError)) throw error;
          }
        },
      ),
      { numRuns: tries(20_000) },
    );
  });
});

test('a file in shared memory is read', () => {
  const file = saveSafetensors({ ä: { shape: [1], data: Float32Array.of(2) } }, { metadata: { k: 'v\n' } });
  const shared = new Uint8Array(new SharedArrayBuffer(file.length));
  shared.set(file);
  expect(loadSafetensors(shared)).toEqual(loadSafetensors(file));
});

test('the newer dtypes have their place', () => {
  // 6 bits an element for F6, 4 for F4, as in the reference implementation (safetensors 0.7).
  const sizes = { F4: 4, F6_E2M3: 6, F6_E3M2: 6, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8, C64: 64 };
  for (const [dtype, bits] of Object.entries(sizes)) {
    const x = { dtype, shape: [8], data_offsets: [0, bits] };
    expect(loadSafetensors(fileOf({ x }, bits)).skipped, dtype).toEqual(['x']);
  }
});

test('what a header may hold beside tensors', () => {
  const text = ` {"a\\u0041\\n" : {"dtype":"F32", "more": [{"x":[1.5e3,-0,true,null,"\\""]},{}], "shape":[ ],
    "data_offsets":[0 ,4e0]}\t, "__metadata__" : { "ü" : "\\ud83d\\ude00" } }   `;
  const { tensors, metadata } = loadSafetensors(fileOf(text, 4));
  expect(Object.keys(tensors)).toEqual(['aA\n']);
  expect({ ...metadata }).toEqual({ ü: '😀' });
});

const save = (tensors: unknown, options = {}) => saveSafetensors(tensors as Record<string, Tensor>, options);

test('tensors without floats are passed over, their place checked all the same', () => {
  const counter = { dtype: 'I64', shape: [], data_offsets: [0, 8] };
  const weight = { dtype: 'F32', shape: [1], data_offsets: [8, 12] };
  const { tensors, skipped } = loadSafetensors(fileOf({ 'bn.num_batches_tracked': counter, weight }, 12));
  expect([Object.keys(tensors), skipped]).toEqual([['weight'], ['bn.num_batches_tracked']]);
  expect(() => loadSafetensors(fileOf({ x: { ...counter, shape: [2] } }, 8))).toThrow(/dtype I64 needs 16 bytes/);
});

test('what cannot be saved', () => {
  expect(() => save({ __metadata__: { shape: [1], data: new Float32Array(1) } })).toThrow(/no name for a tensor/);
  expect(() => save({ x: null })).toThrow(TypeError);
  expect(() => save({ x: { shape: [-2, -2], data: new Float32Array(4) } })).toThrow(/non-negative integers/);

  expect(() => save({ x: { shape: [2], data: new Float32Array(3) } })).toThrow(/needs 2 numbers, got 3/);
  expect(() => save({ x: { shape: [2], data: [1, 2] } })).toThrow(/must hold a Float32Array or Float64Array/);
  expect(() => save({}, { dtype: 'I8' })).toThrow(/dtype must be one of/);
  // What only looks empty would be lost without a word.
  class Hidden {
    #tensor = 1;
    get tensor() {
      return this.#tensor;
    }
  }
  for (const tensors of [new Map(), new Set(), 5, null, undefined, 'x', [], new Float32Array(2), new Hidden()])
    expect(() => save(tensors)).toThrow(/tensors must be a plain object, got/);
  for (const metadata of [new Map([['a', 'b']]), null, 'a', ['a']])
    expect(() => save({}, { metadata })).toThrow(/metadata must be a plain object, got/);
  expect(() => save({}, { metadata: { a: 1 } })).toThrow(/metadata.a must be a string, got 1/);
  expect(loadSafetensors(save(Object.create(null))).tensors).toEqual(Object.create(null));
});
