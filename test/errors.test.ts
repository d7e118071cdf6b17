/** Bad input: a TypeError or RangeError that says what was expected and what came, and nothing changed. */
import { DiTAC } from 'ditac';
import { inverse, normalStream, transform } from 'ditac/cpab';
import { describe, expect, test } from 'vitest';

// biome-ignore lint/suspicious/noExplicitAny: the point is to pass what the types forbid
type Bad = any;

const nine = new Float32Array(9);
const make = (options: Bad) => () => new DiTAC({ thetas: nine, ...options });

const constructors: [what: string, call: () => unknown, type: typeof TypeError | typeof RangeError, says: RegExp][] = [
  ['options that are no object', () => new DiTAC(7 as Bad), TypeError, /options must be an object, got 7/],
  ['neither thetas nor seed', () => new DiTAC({}), TypeError, /needs thetas, or a seed/],
  ['tess 0', make({ tess: 0 }), RangeError, /tess must be an integer from 1 to 4096, got 0/],
  ['tess 1e9', make({ tess: 1e9 }), RangeError, /tess must be an integer from 1 to 4096, got 1000000000/],
  ['tess 2.5', make({ tess: 2.5 }), RangeError, /tess must be an integer.*got 2.5/],
  ['tess of text', make({ tess: '10' }), TypeError, /tess must be an integer, got "10"/],
  ['a = b', make({ a: 2, b: 2 }), RangeError, /a must be less than b/],
  ['a > b', make({ a: 3, b: 2 }), RangeError, /a must be less than b .*got a = 3, b = 2/],
  ['a and b that are one float32', make({ a: 1, b: 1 + 2 ** -30 }), RangeError, /as float32/],
  ['a NaN', make({ a: Number.NaN }), RangeError, /a must be finite, got NaN/],
  ['b infinite', make({ b: Number.POSITIVE_INFINITY }), RangeError, /b must be finite, got Infinity/],
  ['an enormous interval', make({ b: 1e30 }), RangeError, /must lie within/],
  ['an unknown variant', make({ variant: 'relu' }), RangeError, /variant must be one of 'gelu'.*got "relu"/],
  ['an unknown basis', make({ basis: 'fourier' }), RangeError, /basis must be one of.*got "fourier"/],
  ['a basis that is a number', make({ basis: 3 }), TypeError, /basis must be a name or number\[2N\]\[d\]/],
  ['an unknown layout', make({ layout: 'NCHW' }), RangeError, /layout must be one of/],
  ['thetas of the wrong length', make({ thetas: [1, 2, 3] }), RangeError, /positive multiple of 9 numbers.*got 3/],
  ['no thetas', make({ thetas: [] }), RangeError, /positive multiple of 9 numbers.*got 0/],
  [
    'NaN in thetas',
    make({ thetas: nine.map((_, i) => (i === 4 ? Number.NaN : 0)) }),
    RangeError,
    /thetas\[4\] must be finite/,
  ],
  [
    'Infinity in thetas',
    make({ thetas: [...nine.subarray(1), 1 / 0] }),
    RangeError,
    /thetas\[8\] must be finite, got Inf/,
  ],
  ['thetas beyond float32', make({ thetas: [...nine.subarray(1), 1e300] }), RangeError, /must fit a float32/],
  ['text in thetas', make({ thetas: [...nine.subarray(1), 'x'] }), TypeError, /thetas\[8\] must be a number, got "x"/],
  ['thetas that are a number', make({ thetas: 1 }), TypeError, /thetas must be an array/],
  ['another number of channels', make({ channels: 2 }), RangeError, /2·9 numbers for 2 channels, got 9/],
  ['thetas and a seed', make({ seed: 1 }), TypeError, /thetas or a seed .*not both/],
  [
    'an option that does not exist',
    make({ varient: 'leaky' }),
    RangeError,
    /an option of DiTAC must be one of .*got "varient"/,
  ],
  [
    'ragged thetas',
    make({
      thetas: [
        [1, 2, 3],
        [1, 2, 3, 4, 5, 6],
      ],
    }),
    RangeError,
    /every row of thetas must hold 9 numbers, row 0 is an array of length 3/,
  ],
  [
    'steep enough to overflow',
    () => new DiTAC({ a: -3, b: 3, thetas: nine.map((_, i) => 1e3 * (i % 2 ? 1 : -1)) }).plan,
    RangeError,
    /too steep|bends too much/,
  ],
  ['a negative seed', () => new DiTAC({ seed: -1 }), RangeError, /seed must be an integer from 0/],
  ['λ = 0', make({ lambdaSmooth: 0 }), RangeError, /lambdaSmooth must be positive, got 0/],
  [
    'too steep for float64',
    () => new DiTAC({ thetas: nine.map((_, i) => 3e38 * (i % 2 ? 1 : -1)) }).plan,
    RangeError,
    /too steep|bends too much/,
  ],
];

describe('the constructor refuses', () => {
  test.each(constructors)('%s', (_, call, type, says) => {
    expect(call).toThrow(type);
    expect(call).toThrow(says);
  });
});

describe('forward refuses', () => {
  const one = new DiTAC({ seed: 1 });
  const three = new DiTAC({ seed: 1, channels: 3 });
  const last = new DiTAC({ seed: 1, channels: 3, layout: 'channelsLast' });
  const x = Float32Array.from({ length: 12 }, normalStream(1));
  const buffer = new Float32Array(20);
  const calls: [what: string, call: () => unknown, type: typeof TypeError | typeof RangeError, says: RegExp][] = [
    [
      'an ordinary array',
      () => one.forward([1, 2] as Bad),
      TypeError,
      /x must be a Float32Array, got an array of length 2/,
    ],
    ['a Float64Array', () => one.forward(new Float64Array(2) as Bad), TypeError, /got Float64Array\(2\)/],
    ['nothing', () => one.forward(undefined as Bad), TypeError, /x must be a Float32Array, got undefined/],
    [
      'out of another length',
      () => one.forward(x, new Float32Array(11)),
      RangeError,
      /out must have length 12 .*got 11/,
    ],
    ['out of another type', () => one.forward(x, new Float64Array(12) as Bad), TypeError, /out must be a Float32Array/],
    [
      'out that overlaps x partly',
      () => one.forward(buffer.subarray(0, 12), buffer.subarray(1, 13)),
      RangeError,
      /overlaps x partly/,
    ],
    ['channels first without a shape', () => three.forward(x), TypeError, /needs options.shape/],
    [
      'a shape that does not fit',
      () => three.forward(x, undefined, { shape: [2, 3, 3] }),
      RangeError,
      /holds 18 elements, x has 12/,
    ],
    [
      'a shape without the channels',
      () => three.forward(x, undefined, { shape: [3, 4] }),
      RangeError,
      /axis 1 of shape \[3, 4\] must be the 3 channels/,
    ],
    [
      'a negative size',
      () => three.forward(x, undefined, { shape: [-2, 3, -2] }),
      RangeError,
      /shape\[0\] must be an integer/,
    ],
    [
      'a shape of text',
      () => three.forward(x, undefined, { shape: '2x3x2' as Bad }),
      TypeError,
      /shape must be an array/,
    ],
    ['half a row', () => last.forward(x.subarray(1)), RangeError, /multiple of 3 \(channels last\), got 11/],
    [
      'a backend that is a name',
      () => one.on('js' as Bad).forward(x),
      TypeError,
      /backend must come from loadBackend, got "js"/,
    ],
    ['an unknown channel', () => three.planOf(3), RangeError, /channel must be an integer from 0 to 2, got 3/],
  ];
  test.each(calls)('%s', (_, call, type, says) => {
    const before = [x.slice(), buffer.slice()];
    expect(call).toThrow(type);
    expect(call).toThrow(says);
    expect([x, buffer]).toEqual(before);
  });

  test('empty tensors are fine', () => {
    expect(one.forward(new Float32Array(0)).length).toBe(0);
    expect(three.forward(new Float32Array(0), undefined, { shape: [0, 3, 5] }).length).toBe(0);
  });
});

describe.each([transform, inverse])('transform and inverse refuse', (flow) => {
  const x = new Float32Array(6);
  const out = new Float32Array(7).fill(5);
  const calls: [what: string, call: () => unknown, type: typeof TypeError | typeof RangeError, says: RegExp][] = [
    ['no options', () => flow(x, nine, undefined as Bad), TypeError, /needs options/],
    ['x of another type', () => flow([0.5] as Bad, nine, { tess: 10 }), TypeError, /x must be a Float32Array/],
    ['tess 0', () => flow(x, nine, { tess: 0 }), RangeError, /tess/],
    ['tess 1e9', () => flow(x, nine, { tess: 1e9 }), RangeError, /tess/],
    [
      'θ of the wrong length',
      () => flow(x, [1, 2], { tess: 10 }),
      RangeError,
      /theta must hold a positive multiple of 9/,
    ],
    ['NaN in θ', () => flow(x, [Number.NaN], { tess: 2 }), RangeError, /theta\[0\] must be finite, got NaN/],
    [
      'a time that overflows',
      () => flow(x, nine.fill(1), { tess: 10, time: 1e308 }),
      RangeError,
      /velocity of .* at most 2\^26/,
    ],
    [
      'a backend that is a name',
      () => flow(x, nine, { tess: 10, backend: 'js' as Bad }),
      TypeError,
      /backend must come from loadBackend/,
    ],
    ['an infinite time', () => flow(x, nine, { tess: 10, time: 1 / 0 }), RangeError, /time must be finite/],
    ['a time that is text', () => flow(x, nine, { tess: 10, time: '1' as Bad }), TypeError, /time must be a number/],
    ['points that do not divide x', () => flow(x, nine, { tess: 10, points: 4 }), RangeError, /x must have 4 points/],
    ['out of the wrong length', () => flow(x, nine, { tess: 10, out }), RangeError, /out must have length 6/],
    [
      'zeroBoundary that is text',
      () => flow(x, nine, { tess: 10, zeroBoundary: 'no' as Bad }),
      TypeError,
      /zeroBoundary must be a boolean/,
    ],
    [
      'out that overlaps shared x',
      () => flow(out.subarray(0, 3), new Float32Array(18), { tess: 10, out: out.subarray(0, 6) }),
      RangeError,
      /must not overlap/,
    ],
  ];
  test.each(calls)('%s', (_, call, type, says) => {
    expect(call).toThrow(type);
    expect(call).toThrow(says);
    expect([...out]).toEqual(Array(7).fill(5));
  });
});
