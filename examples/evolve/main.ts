/**
 * An evolutionary search for activation functions on the digits of this repository (Rahman, He, Wang, arXiv 2409.04915): `npm run evolve`.
 *
 * Fitness is accuracy over loss on a validation set; the test set is looked at once, at the end. Every candidate is an expression of the calculus, so that what is found has a
 * certified plan on every backend, and is written as a family's file. The search is reproducible from its seed, goes on where it was interrupted, and writes out/evolve.html.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { program } from 'commander';
import { layerOf } from 'ditac/tfjs';
import { drawPanels } from '../../src/cli/plot.js';
import { PLAIN } from '../../src/cli/terminal.js';
import { uniformStream } from '../../src/cpab/random.js';
import { deviationOf, meanOf, positive, runJobs, serve } from '../jobs.js';
import { htmlTable, writePage } from '../pictures.js';
import { accuracy, crossEntropy, digitBatches, fit, network, outputs, pixelsOf, readDigits } from '../tasks.js';
import { type ActivationName, activationLayer } from '../training.js';
import { advance, begin, type Individual, ranked, type SearchState } from './search.js';
import { familyOf, fileOf, nameOf, type Tree } from './tree.js';

/** Who is to be trained: a tree, or an activation by its name; from which seeds. */
interface Job {
  readonly of: readonly (Tree | ActivationName)[];
  readonly seeds: readonly number[];
  readonly steps: number;
}

interface Score {
  readonly validation: number;
  readonly loss: number;
  readonly test: number;
}

/** [of][seeds]; undefined where a training failed. */
type Scores = (Score | undefined)[][];

const folder = new URL('../../out/', import.meta.url);
const file = new URL('evolve.json', folder);

/** A fifth is for the test, another to choose by, the rest is learned. */
function split(): { learned: number[]; validation: number[]; test: number[] } {
  const all = [...readDigits().labels.keys()];
  return {
    learned: all.filter((i) => i % 5 > 1),
    validation: all.filter((i) => i % 5 === 1),
    test: all.filter((i) => i % 5 === 0),
  };
}

let made = 0;
async function trainOne(of: Tree | ActivationName, seed: number, steps: number): Promise<Score | undefined> {
  const { learned, validation, test } = split();
  const Layer = typeof of === 'string' ? undefined : layerOf(familyOf(of, `Evolved${made++}`));
  const model = network([64, 48, 32, 10], seed, (place) =>
    Layer ? new Layer() : activationLayer(of as ActivationName, 2 * seed + place),
  );
  try {
    await fit(model, 0.003, crossEntropy, steps, digitBatches(learned, uniformStream(seed)), (_, loss) => {
      if (!Number.isFinite(loss)) throw new RangeError('the loss is no number');
    });
    const logits = outputs(model, pixelsOf(validation), 64);
    const { labels } = readDigits();
    const loss = meanOf(validation.map((i, k) => surprise(logits.subarray(10 * k, 10 * k + 10), labels[i]!)));
    if (!Number.isFinite(loss)) return undefined;
    return { validation: accuracy(model, validation), loss, test: accuracy(model, test) };
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    return undefined;
  } finally {
    model.dispose();
  }
}

/** -log of the probability that softmax gives to a class. */
function surprise(logits: Float32Array, label: number): number {
  const most = Math.max(...logits);
  return Math.log(logits.reduce((sum, v) => sum + Math.exp(v - most), 0)) - (logits[label]! - most);
}

/** In so many threads, in the order of the jobs. */
async function trainAll(
  of: Job['of'],
  seeds: readonly number[],
  steps: number,
  threads: number,
  onDone: (done: number) => void,
): Promise<Scores> {
  const shares = Math.min(threads, of.length);
  const jobs = Array.from(
    { length: shares },
    (_, k): Job => ({ of: of.filter((__, at) => at % shares === k), seeds, steps }),
  );
  const scores = await runJobs<Job, Scores>(import.meta.url, jobs, threads, onDone);
  return of.map((_, at) => scores[at % shares]![Math.floor(at / shares)]!);
}

async function main(): Promise<void> {
  const options = program
    .name('evolve')
    .option('--generations <number>', 'after the first; the paper has 50', positive, 5)
    .option('--population <number>', 'of each', positive, 30)
    .option('--best <number>', 'that go on', positive, 6)
    .option('--steps <number>', 'of a training', positive, 105)
    .option('--seeds <number>', 'from which the best, and ReLU beside them, are trained at the end', positive, 5)
    .option('--finalists <number>', 'how many of the best', positive, 5)
    .option('--seed <number>', 'of the search', positive, 1)
    .option('--threads <number>', 'trainings at a time', positive, availableParallelism())
    .option('--fresh', 'begin anew')
    .parse()
    .opts();
  const { seed, population, best, steps, threads } = options;
  const settings = { seed, population, best, crossover: 0.8 };
  mkdirSync(folder, { recursive: true });
  const key = JSON.stringify({ settings, steps });
  const saved = existsSync(file) && !options.fresh ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  const state: SearchState = saved?.key === key ? saved.state : begin(settings);
  const bar = new SingleBar(
    {
      format: '{bar} {percentage}% | generation {generation} | best accuracy {accuracy} | {eta_formatted} left',
      hideCursor: true,
    },
    Presets.shades_classic,
  );
  const waitingIn = () => state.individuals.filter(({ fitness }) => fitness === undefined);
  bar.start(options.generations * (population - best) + population, 0, { generation: state.generation, accuracy: '' });
  bar.update(state.individuals.length - waitingIn().length);
  for (;;) {
    const waiting = waitingIn();
    const scores = await trainAll(
      waiting.map(({ tree }) => tree),
      [1],
      steps,
      threads,
      (done) =>
        bar.increment(done, { generation: state.generation, accuracy: ranked(state)[0]?.accuracy?.toFixed(3) ?? '' }),
    );
    waiting.forEach((each, k) => {
      const [score] = scores[k]!;
      // As the paper has it; who fails is worth nothing.
      Object.assign(
        each,
        score
          ? { fitness: score.validation / score.loss, accuracy: score.validation, loss: score.loss }
          : { fitness: 0 },
      );
    });
    writeFileSync(file, JSON.stringify({ key, state }));
    if (state.generation >= options.generations) break;
    advance(state);
  }
  bar.stop();
  const finalists = ranked(state).slice(0, options.finalists);
  const seeds = Array.from({ length: options.seeds }, (_, k) => k + 1);
  const peers = ['relu', 'gelu', 'silu', 'ditac'] as const;
  console.log(
    `${state.individuals.length} were trained; the best ${finalists.length} and their peers, from ${seeds.length} seeds each:`,
  );
  const scores = await trainAll([...finalists.map(({ tree }) => tree), ...peers], seeds, steps, threads, () => {});
  report(state, finalists, peers, scores, seeds.length);
}

function report(
  state: SearchState,
  finalists: readonly Individual[],
  peers: readonly string[],
  scores: Scores,
  seeds: number,
): void {
  const head = ['function', `validation accuracy, ${seeds} seeds`, 'test accuracy', 'validation loss'];
  const names = [...finalists.map(({ tree }) => nameOf(tree)), ...peers];
  const rows = names.map((name, k) => {
    const own = scores[k]!.filter((each) => each !== undefined);
    const text = (of: (score: Score) => number) =>
      own.length === 0 ? 'failed' : `${meanOf(own.map(of)).toFixed(3)} ± ${deviationOf(own.map(of)).toFixed(3)}`;
    return [name, text((each) => each.validation), text((each) => each.test), text((each) => each.loss)];
  });
  const table = new Table({ style: PLAIN, head, colWidths: [60, 22, 18, 18], wordWrap: true });
  table.push(...rows);
  console.log(table.toString());
  console.log(
    `refused before a training: ${
      Object.entries(state.refused)
        .map(([why, count]) => `${count} × ${why}`)
        .join('; ') || 'none'
    }`,
  );
  for (const [k, { tree }] of finalists.entries())
    writeFileSync(new URL(`evolved-${k + 1}.ts`, folder), fileOf(tree, `Evolved${k + 1}`));
  const generations = Array.from({ length: state.generation + 1 }, (_, g) => g);
  const bestUpTo = (g: number, of: (each: Individual) => number) =>
    Math.max(...state.individuals.filter(({ generation }) => generation <= g).map(of));
  const colors = ['#c02020', '#2060c0', '#208040', '#a06000', '#7030a0', '#606060'];
  const x = Float32Array.from({ length: 401 }, (_, k) => -4 + k / 50);
  const drawn = finalists.slice(0, 6).map(({ tree, id }, k) => {
    const y = new (familyOf(tree))().forward(x);
    return {
      label: `#${id}`,
      color: colors[k]!,
      points: Array.from(x, (v, i): [number, number] => [v, Math.max(-4, Math.min(4, y[i]!))]),
    };
  });
  const panels = [
    {
      title: 'fitness: accuracy over loss, the best so far',
      curves: [
        {
          label: 'best',
          color: '#c02020',
          points: generations.map((g): [number, number] => [g, bestUpTo(g, ({ fitness }) => fitness ?? 0)]),
        },
      ],
    },
    {
      title: 'validation accuracy, the best so far',
      curves: [
        {
          label: 'best',
          color: '#2060c0',
          points: generations.map((g): [number, number] => [g, bestUpTo(g, ({ accuracy }) => accuracy ?? 0)]),
        },
      ],
    },
    { title: 'the best functions', curves: drawn },
  ];
  // Everyone whom the finalists come from.
  const lineage = new Set<number>();
  const follow = (id: number): void => {
    if (lineage.has(id)) return;
    lineage.add(id);
    state.individuals[id]!.parents.forEach(follow);
  };
  for (const { id } of finalists) follow(id);
  const ancestors = [...lineage]
    .sort((p, q) => p - q)
    .map((id) => {
      const { tree, generation, how, parents, fitness, accuracy: right } = state.individuals[id]!;
      return [
        `#${id}`,
        String(generation),
        how,
        parents.map((parent) => `#${parent}`).join(' '),
        right?.toFixed(3) ?? '–',
        fitness?.toFixed(2) ?? '–',
        nameOf(tree),
      ];
    });
  writePage(
    'evolve',
    'Activation functions, found by evolution',
    `<p>${state.individuals.length} candidates in ${state.generation + 1} generations, seed ${state.options.seed}. out/evolved-1.ts and so on define the best as families.</p>
${htmlTable(head, rows)}
${drawPanels(panels, 3)}<h2>Lineage of the best</h2>
${htmlTable(['', 'generation', 'by', 'from', 'accuracy', 'fitness', 'function'], ancestors)}`,
  );
}

if (isMainThread) await main();
else
  await serve<Job, Scores>(async ({ of, seeds, steps }, tell) => {
    const scores: Scores = [];
    for (const each of of) {
      const own: (Score | undefined)[] = [];
      for (const seed of seeds) own.push(await trainOne(each, seed, steps));
      scores.push(own);
      tell(scores.length, '');
    }
    return scores;
  });
