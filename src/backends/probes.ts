import { atan, expression, normal, plus, sin, square, times, x } from '../calculus/expression.js';
import type { Definition } from '../calculus/piece.js';
import { flowPieces } from '../cpab/flow.js';
import { flowBetween, flowGradient } from '../cpab/flow-gradient.js';
import { flowTable } from '../cpab/flow-table.js';
import { uniformStream } from '../cpab/random.js';
import { compile } from '../plan/compile.js';
import { backwardImage, flowImage, type Image, planImage } from '../plan/image.js';
import { Moments } from '../plan/moments.js';
import type { Backend, HostBackend, Kernel, ProbeFailure } from './backend.js';
import { evaluate, evaluateBackward } from './evaluate.js';

/**
 * What a backend is asked when it starts: every word of the kernels' vocabulary alone, every expression that compilers were seen to
 * rewrite, and the kernels themselves on inputs of every class.
 */

/** In the order of `probeLanes` in assembly/probes.ts. */
const NAMES = [
  'a + b',
  'a - b',
  'a * b',
  'larger(a, b)',
  'smaller(a, b)',
  'a >= b ? b : c',
  'bits(a) > bits(b) ? b : c',
  'bits(a) == bits(b) ? b : c',
  'isNaN(a) ? b : c',
  'bits(a) & bits(b)',
  'bits(a) | bits(b)',
  'bits(a) + bits(b)',
  'bits(a) - bits(b)',
  'bits(a) << 3',
  'bits(a) >> 3',
  'float(bits(a) >> 8)',
  'gather',
  'a * b + c (not fused)',
  'b - ((a + b) - a)',
  '(a - b) + b',
  'a * c + b * c',
  '(a + 0.1) + 0.2',
  '(a * 3) * 0.1',
  '(a + 12582912) - 12582912',
  'a * 0',
  'a + 0',
  'nearestInteger(a)',
];
const TIES = NAMES.length - 1;
/** These only move bits, so that any pattern may be asked. The others get normal numbers whose results are normal. */
const MOVES_BITS = (which: number) => which >= 5 && which <= 16;
const OPERANDS = 24;

const words = new Int32Array(4);
const floats = new Float32Array(words.buffer);

/** [probes][4]: {a, b, c, which}. */
const probeRows = (): Int32Array => {
  const uniform = uniformStream(1);
  const number = () => (uniform() < 0.5 ? -1 : 1) * (1 + uniform()) * 2 ** Math.floor(uniform() * 24 - 12);
  const patterns = [0, 0x80000000, 1, 0x80000001, 0x7fffff, 0x800000, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00000];
  const rows = new Int32Array(4 * OPERANDS * NAMES.length);
  NAMES.forEach((_, which) => {
    for (let k = 0; k < OPERANDS; k++) {
      for (let i = 0; i < 3; i++) floats[i] = number();
      // Equal, opposite, close by, halfway: where roundings and rewritings show.
      if (k % 6 === 1) floats[1] = floats[0]!;
      if (k % 6 === 2) floats[1] = -floats[0]!;
      if (k % 6 === 3) words[1] = words[0]! + 1;
      if (k % 6 === 4) floats[1] = floats[0]! * 2 ** -24;
      if (k % 6 === 5) floats[2] = -Math.fround(floats[0]! * floats[1]!);
      if (which === TIES && k % 2 === 0) floats[0] = (k - OPERANDS / 2) / 4 - 0.5;
      if (MOVES_BITS(which) && k < patterns.length) words[0] = patterns[k]! | 0;
      words[3] = which;
      rows.set(words, 4 * (which * OPERANDS + k));
    }
  });
  return rows;
};

/** Inputs of every class, for the kernels as wholes. */
function inputsOfEveryClass(): Float32Array {
  const uniform = uniformStream(2);
  const patterns = [0, 1, 0x7fffff, 0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff];
  for (let exponent = 1; exponent < 255; exponent += 3) patterns.push(exponent << 23, (exponent << 23) | 0x7fffff);
  const special = Int32Array.from(patterns.flatMap((pattern) => [pattern, pattern | 0x80000000]));
  const usual = Float32Array.from({ length: 600 }, () => 16 * uniform() - 8);
  const near = Float32Array.from({ length: 200 }, () => 1.2 * uniform() - 0.1);
  return Float32Array.of(...new Float32Array(special.buffer), ...usual, ...near);
}

interface Trial {
  readonly kernel: Kernel;
  readonly images: readonly Image[];
  readonly x: Float32Array;
  /** Name and operands of element i. */
  describe(i: number): { probe: string; operands: readonly number[] };
}

function trials(): Trial[] {
  const rows = probeRows();
  const operands = new Float32Array(rows.buffer);
  const table: Image = {
    bytes: rows.byteLength,
    write: (_floats, memory, address) => memory.set(rows, address >> 2),
  };
  const inputs = inputsOfEveryClass();
  const kernel = (name: Kernel, image: Image): Trial => ({
    kernel: name,
    images: [image],
    x: inputs,
    describe: (i) => ({ probe: `the kernel ${name}`, operands: [inputs[i]!] }),
  });
  return [
    {
      kernel: 'probe',
      images: [table],
      x: Float32Array.from({ length: rows.length / 4 }, (_, i) => i),
      describe: (i) => ({
        probe: NAMES[Math.floor(i / OPERANDS)]!,
        operands: [...operands.subarray(4 * i, 4 * i + 3)],
      }),
    },
    kernel('activate', planImage(compile(functionOfAllKinds()))),
    kernel('flow', flowImage(flowTable(FIELD))),
  ];
}

const LARGEST = 3.4028234663852886e38;
/** A function of all kinds of segments and with a periodic section, that is soon compiled: a line, x·Φ(x), and x + sin²x. */
function functionOfAllKinds(): Definition {
  const part = square(sin(x));
  return {
    parts: [
      { first: -LARGEST, last: -2.000000238418579, f: times(0.015625, x) },
      { first: -2, last: 1.9999998807907104, f: times(x, normal(x)) },
      { first: 2, last: LARGEST, f: plus(x, part) },
    ],
    periodic: { period: times(4, atan(1)), trend: expression(1), part },
  };
}
const FIELD = { origin: 0, cellWidth: 0.2, velocity: Float64Array.of(0, 0.3, -0.1, 0.2, 0.15, 0) };

const isNaNPattern = (bits: number) => (bits & 0x7fffffff) > 0x7f800000;

/** Everything in which the bits of a backend are not those of the reference. */
export async function failedProbes(backend: Backend, reference: HostBackend): Promise<ProbeFailure[]> {
  const failures = new Map<string, ProbeFailure>();
  const fail = (probe: string, operands: readonly number[], expected: number, actual: number) => {
    const known = failures.get(probe);
    failures.set(probe, {
      ...(known ?? { probe, operands, expected, actual }),
      differing: (known?.differing ?? 0) + 1,
    });
  };
  const run = trials();
  // All that a device is to do is handed over first: the reference is computed meanwhile.
  const answers = run.map(({ kernel, images, x }) =>
    evaluate(backend, kernel, { images, inner: 1 }, x, new Float32Array(x.length)),
  );
  const gradients = probeGradients(backend, reference, run.at(-1)!.x);
  const results = run.map(({ kernel, images, x }, k) => {
    const expected = new Float32Array(x.length);
    reference.run(kernel, { images, inner: 1 }, x, expected);
    return { expected, actual: answers[k]! };
  });
  for (const [k, { expected, actual }] of results.entries()) {
    compare(expected, await actual, run[k]!.kernel !== 'probe', (i, p, q) => {
      const { probe, operands } = run[k]!.describe(i);
      fail(probe, operands, p, q);
    });
    backend.release(run[k]!.images);
  }
  const { x, gradY, expected, actual, sums } = await gradients;
  compare(expected, actual, true, (i, p, q) => {
    fail('the kernel backward', [x[i]!, gradY[i]!], p, q);
  });
  compare(sums.expected, sums.actual, true, (i, p, q) => {
    fail('sums of the kernel backward', [i >> 2, i & 3], p, q);
  });
  return [...failures.values()];
}

function compare(
  expected: Float32Array,
  actual: Float32Array,
  isStrict: boolean,
  report: (i: number, expected: number, actual: number) => void,
): void {
  const [p, q] = [new Uint32Array(expected.buffer), new Uint32Array(actual.buffer)];
  for (let i = 0; i < p.length; i++) {
    // No promise about payloads of NaN; the kernels, which make NaN canonical, keep one all the same.
    if (p[i] !== q[i] && (isStrict || !isNaNPattern(p[i]!) || !isNaNPattern(q[i]!))) report(i, p[i]!, q[i]!);
  }
}

/** Gradients on both: gradX, and the moments rounded to float32, [blocks][4]. */
async function probeGradients(backend: Backend, reference: HostBackend, inputs: Float32Array) {
  // A third of them: a backend starts in a process where nothing has been compiled yet.
  const x = inputs.filter((_, i) => i % 3 === 0);
  const gradY = x.slice().reverse();
  const image = backwardImage(
    flowGradient(FIELD, flowBetween(flowPieces(FIELD), -LARGEST, LARGEST, false), 2 ** -26).table,
  );
  const on = async (b: Backend) => {
    const moments = new Moments(image.blocks);
    const gradX = new Float32Array(x.length);
    await evaluateBackward(b, { images: [image], inner: 1 }, x, gradY, gradX, [moments]);
    b.release([image]);
    const sums = Float32Array.from(Array.from({ length: image.blocks }, (_, block) => moments.of(block)).flat());
    return { gradX, sums };
  };
  const [actual, expected] = await Promise.all([on(backend), on(reference)]);
  return {
    x,
    gradY,
    expected: expected.gradX,
    actual: actual.gradX,
    sums: { expected: expected.sums, actual: actual.sums },
  };
}
