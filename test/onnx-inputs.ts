/** Inputs at which a rewritten activation could go wrong, and how many bits of two results differ. */
import type { Plan } from 'ditac';
import { uniformStream } from '../src/cpab/random.js';

const LARGEST = 3.4028234663852886e38;

/** Every bound, edge and centre of a plan with its neighbours, and all that is special. */
export function specialInputs(plan: Plan): number[] {
  const single = new Float32Array(1);
  const word = new Int32Array(single.buffer);
  const found: number[] = [Number.NaN, 0, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const around = (value: number) => {
    for (const sign of [1, -1]) {
      single[0] = sign * value;
      const bits = word[0]!;
      for (let steps = -2; steps <= 2; steps++) {
        word[0] = bits + steps;
        found.push(single[0]!);
      }
    }
  };
  for (const bound of plan.bounds) around(bound);
  const { periodic } = plan;
  if (periodic) {
    const period = periodic.period.reduce((sum, part) => sum + part, 0);
    for (const bound of periodic.bounds) for (const k of [0, 1, 7, -33, 65_000]) around(bound + k * period);
    around(periodic.from);
    around(periodic.to);
  }
  for (const exponent of [-149, -127, -126, -90, -61, -60, -30, 0, 16, 24, 31, 32, 63, 64]) around(2 ** exponent);
  for (const value of [1e10, LARGEST]) around(value);
  const width = 2 ** -plan.grid.exponent;
  for (let k = plan.grid.first; k <= plan.grid.last; k++) {
    around(k * width);
    around((k + 0.5) * width);
  }
  return found;
}

/** `count` inputs: the special ones as far as they go, then any bits, numbers near 0 and of all sizes. */
export function hardInputs(plan: Plan, count: number, seed = 1): Float32Array {
  const uniform = uniformStream(seed);
  const x = new Float32Array(count);
  const words = new Uint32Array(x.buffer);
  const special = specialInputs(plan);
  // If not all fit, some of every kind.
  const step = Math.max(1, Math.ceil((2 * special.length) / count));
  const chosen = special.filter((_, i) => i < 5 || i % step === 0);
  for (let i = 0; i < count; i++) {
    if (i < chosen.length) x[i] = chosen[i]!;
    else if (i % 3 === 0) words[i] = Math.floor(uniform() * 2 ** 32);
    else if (i % 3 === 1) x[i] = 12 * (uniform() - 0.5);
    else x[i] = (uniform() - 0.5) * 2 ** (uniform() * 40 - 20);
  }
  return x;
}

export function differingBits(a: Float32Array, b: Float32Array): number {
  const [p, q] = [a, b].map((each) => new Int32Array(each.buffer, each.byteOffset, each.length)) as [
    Int32Array,
    Int32Array,
  ];
  let count = Math.abs(p.length - q.length);
  for (let i = 0; i < Math.min(p.length, q.length); i++) if (p[i] !== q[i]) count++;
  return count;
}
