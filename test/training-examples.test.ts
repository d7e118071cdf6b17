/** What the training programs are made of: candidates of the search, its generations, every activation's layer, and Friedman's test. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { AGLU } from 'ditac';
import { compareBits } from 'ditac/oracle';
import { transformSync } from 'esbuild';
import { afterAll, describe, expect, test } from 'vitest';
import { advance, begin, ranked, type SearchState } from '../examples/evolve/search.js';
import {
  BINARIES,
  crossed,
  expressionOf,
  familyOf,
  fileOf,
  leaves,
  mutated,
  randomTree,
  refusal,
  type Tree,
  textOf,
  UNARIES,
} from '../examples/evolve/tree.js';
import { friedman } from '../examples/statistics.js';
import {
  type ActivationName,
  ALL_ACTIVATIONS,
  activationLayer,
  FIXED,
  INITIAL,
  UNTRAINED,
} from '../examples/training.js';
import { value } from '../src/calculus/value.js';
import { uniformStream } from '../src/cpab/random.js';

const folder = mkdtempSync(join(tmpdir(), 'ditac-training-'));
afterAll(() => rmSync(folder, { recursive: true }));

const leaf = (name: (typeof UNARIES)[number]): Tree => ({ leaf: name });

describe('candidates', () => {
  // Each in float64, by another way.
  const erf = (v: number) => {
    // Abramowitz and Stegun 7.1.26, 1.5·10⁻⁷.
    const t = 1 / (1 + 0.3275911 * Math.abs(v));
    const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    return Math.sign(v) * (1 - tail * Math.exp(-v * v));
  };
  const unary: Record<(typeof UNARIES)[number], (v: number) => number> = {
    x: (v) => v,
    exp: Math.exp,
    abs: Math.abs,
    negative: (v) => -v,
    expNegative: (v) => Math.exp(-v),
    minimum: (v) => Math.min(v, 0),
    erf,
    sigmoid: (v) => 1 / (1 + Math.exp(-v)),
    xErf: (v) => v * erf(v),
    relu: (v) => Math.max(v, 0),
    sin: Math.sin,
    atan: Math.atan,
    tanh: Math.tanh,
    softplus: (v) => Math.log1p(Math.exp(v)),
    sinh: Math.sinh,
    asinh: Math.asinh,
    atanh: Math.atanh,
  };
  const binary: Record<(typeof BINARIES)[number], (a: number, b: number) => number> = {
    plus: (a, b) => a + b,
    times: (a, b) => a * b,
    maximumOfRelu: (a, b) => Math.max(Math.max(a, 0), b),
    timesErf: (a, b) => a * erf(b),
    maximum: Math.max,
    timesExp: (a, b) => a * Math.exp(b),
    sigmoidTimes: (a, b) => b / (1 + Math.exp(-a)),
  };

  test('all 17 and all 7 functions are what they are called', () => {
    expect([UNARIES.length, BINARIES.length]).toEqual([17, 7]);
    for (const name of UNARIES) {
      const f = value(expressionOf(leaf(name)));
      for (const v of [-0.9, -0.3, 0.2, 0.7]) expect(Math.abs(f(v) - unary[name](v))).toBeLessThan(5e-7);
    }
    for (const join of BINARIES) {
      const f = value(expressionOf({ join, a: leaf('tanh'), b: leaf('sin') }));
      for (const v of [-2, 0.5, 3]) expect(Math.abs(f(v) - binary[join](Math.tanh(v), Math.sin(v)))).toBeLessThan(5e-7);
    }
  });

  test('drawn, mutated and crossed trees have two to four leaves, and all functions come up', () => {
    const uniform = uniformStream(1);
    const seen = new Set<string>();
    const sizes = new Set<number>();
    const note = (tree: Tree): void => {
      seen.add('leaf' in tree ? tree.leaf : tree.join);
      if ('join' in tree) [tree.a, tree.b].map(note);
    };
    let changed = 0;
    for (let k = 0; k < 400; k++) {
      const [a, b] = [randomTree(uniform), randomTree(uniform)];
      const all = [a, mutated(uniform, a), ...crossed(uniform, a, b)];
      if (textOf(all[1]!) !== textOf(a)) changed += 1;
      for (const tree of all) {
        expect(leaves(tree)).toBeGreaterThanOrEqual(2);
        expect(leaves(tree)).toBeLessThanOrEqual(4);
        sizes.add(leaves(tree));
        note(tree);
      }
    }
    expect([seen.size, sizes.size]).toEqual([24, 3]);
    // A draw may hit what was there.
    expect(changed).toBeGreaterThan(320);
  });

  test.each([
    ['atanh', { join: 'plus', a: leaf('x'), b: leaf('atanh') }, /no number at x = /],
    ['e^x · e^x', { join: 'times', a: leaf('exp'), b: leaf('exp') }, /leaves float32 at x = /],
    ['x - x', { join: 'plus', a: leaf('x'), b: leaf('negative') }, /as good as constant/],
  ] as [string, Tree, RegExp][])('%s is refused before it costs a training', (_, tree, why) => {
    expect(refusal(tree)).toMatch(why);
  });

  test('what is found is a family: a plan with its certificate, and a file that defines the same', async () => {
    const tree: Tree = { join: 'sigmoidTimes', a: leaf('x'), b: { join: 'plus', a: leaf('x'), b: leaf('erf') } };
    expect(refusal(tree)).toBeUndefined();
    const act = new (familyOf(tree, 'Found'))();
    expect(act.plan.certificate.keepsPromise).toBe(true);
    const { code } = transformSync(fileOf(tree, 'Found'), { loader: 'ts', format: 'esm' });
    const built = (name: string) => new URL(`../dist/${name === '' ? 'index' : name}.js`, import.meta.url).href;
    const file = join(folder, 'found.mjs');
    writeFileSync(
      file,
      code.replace(/from "ditac\/?(\w*)"/g, (_, name: string) => `from ${JSON.stringify(built(name))}`),
    );
    const { Found } = await import(file);
    const x = Float32Array.from({ length: 101 }, (_, k) => (k - 50) / 10);
    expect(compareBits(new Found().forward(x), act.forward(x)).differing).toBe(0);
  });
});

describe('the search', () => {
  const options = { seed: 3, population: 10, best: 4, crossover: 1 };
  /** The nearer to tanh(x) at 1, the better. */
  const judge = (state: SearchState) => {
    for (const each of state.individuals)
      if (each.fitness === undefined)
        each.fitness = 1 / (1 + Math.abs(value(expressionOf(each.tree))(1) - Math.tanh(1)));
  };

  test('is the same from the same seed, also when it is resumed from what was written down', () => {
    const state = begin(options);
    judge(state);
    const resumed = JSON.parse(JSON.stringify(state)) as SearchState;
    for (const each of [state, resumed]) {
      advance(each);
      judge(each);
    }
    expect(resumed).toEqual(state);
    expect(state.population.length).toBe(10);
    expect(new Set(state.individuals.map(({ tree }) => textOf(tree))).size).toBe(state.individuals.length);
    // Children and mutants have parents; the best of all are in the generation.
    for (const way of ['mutation', 'crossover', 'random'])
      expect(state.individuals.some(({ how, generation }) => how === way && generation < 2)).toBe(true);
    for (const { how, parents, generation } of state.individuals) {
      expect(parents.length).toBe({ random: 0, mutation: 1, crossover: 2 }[how]);
      for (const id of parents) expect(state.individuals[id]!.generation).toBeLessThan(generation);
    }
    const best = ranked(state)[0]!.fitness!;
    for (const { fitness } of state.individuals) expect(fitness).toBeLessThanOrEqual(best);
    expect(Object.values(state.refused).reduce((p, q) => p + q, 0)).toBeGreaterThan(0);
  });
});

test.each([...FIXED, ...(Object.keys(INITIAL) as ActivationName[])])('%s: a layer that trains', async (name) => {
  tf.env().set('IS_TEST', true);
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 4, inputShape: [2], kernelInitializer: tf.initializers.randomNormal({ seed: 1 }) }),
      activationLayer(name, 1),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.001), loss: 'meanSquaredError' });
  const x = tf.tensor2d([0.1, -0.4, 0.8, 0.3], [2, 2]);
  const losses: number[] = [];
  for (let step = 0; step < 2; step++) losses.push((await model.trainOnBatch(x, tf.ones([2, 4]))) as number);
  expect(losses.every(Number.isFinite)).toBe(true);
  expect(losses[1]).not.toBe(losses[0]);
});

test('every other family has something to begin with', () => {
  for (const name of ALL_ACTIVATIONS)
    if (name in UNTRAINED) expect(() => activationLayer(name, 1)).toThrow(/is not trained here/);
    else expect(activationLayer(name, 1)).toBeDefined();
});

test('AGLU’s λ is learned, with the gradient that the released code gets wrong', () => {
  const x = Float32Array.from({ length: 200 }, (_, i) => i / 25 - 4);
  const target = new AGLU({ lambda: 2, kappa: 0.5 }).forward(x);
  const act = new AGLU({ lambda: 0.5, kappa: 1 });
  const [m, v] = [new Float64Array(2), new Float64Array(2)];
  for (let step = 1; step <= 100; step++) {
    const off = act.forward(x).map((y, i) => (2 * (y - target[i]!)) / x.length);
    const { gradients } = act.backward(x, off);
    const next = (['lambda', 'kappa'] as const).map((name, k) => {
      const g = gradients[name]![0]!;
      m[k] = 0.9 * m[k]! + 0.1 * g;
      v[k] = 0.99 * v[k]! + 0.01 * g * g;
      return act.parameters[name][0]! - (0.06 * m[k]!) / (1 - 0.9 ** step) / Math.sqrt(v[k]! / (1 - 0.99 ** step));
    });
    act.update({ lambda: next[0]!, kappa: next[1]! });
    expect(act.parameters.lambda[0]).toBeGreaterThan(0);
  }
  expect(Math.abs(act.parameters.lambda[0]! - 2)).toBeLessThan(0.1);
  expect(Math.abs(act.parameters.kappa[0]! - 0.5)).toBeLessThan(0.02);
});

test('Friedman’s statistic and p are those of scipy.stats.friedmanchisquare, with ties', () => {
  const [a, b, c] = [
    [4, 6, 3, 4, 3, 2, 2, 7, 6, 5],
    [5, 6, 8, 7, 7, 8, 4, 6, 4, 5],
    [2, 4, 4, 3, 2, 2, 1, 4, 3, 2],
  ];
  const { statistic, p, averageRanks } = friedman(a!.map((_, i) => [a![i]!, b![i]!, c![i]!]));
  expect(statistic).toBeCloseTo(13.351351351351344, 12);
  expect(p).toBeCloseTo(0.0012612201221243594, 12);
  expect(averageRanks.reduce((sum, each) => sum + each)).toBeCloseTo(6, 12);
  // Higher is better, and NaN is worst.
  expect(
    friedman([
      [3, Number.NaN, 1],
      [5, 4, Number.NaN],
    ]).averageRanks,
  ).toEqual([1, 2.5, 2.5]);
});
