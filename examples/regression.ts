/**
 * The paper's figure 1, trained from scratch: Linear(2,50) – activation – Linear(50,1) learns a sum of six sines on [-1,1]².
 *
 * `npm run regression` trains DiTAC and writes out/regression.html with the surface while it learns; `-- --activation snake` another family;
 * `npm run regression -- --compare --seeds 10` trains all four activations from ten seeds each and prints the table;
 * `npm run regression -- --progressive` begins with fewer parameters, adds more when the validation loss stalls, and compares.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { program } from 'commander';
import { saveSafetensors } from 'ditac/safetensors';
import { DiTACLayer, ProgressiveTraining } from 'ditac/tfjs';
import { drawPanels, type Panel } from '../src/cli/plot.js';
import { PLAIN } from '../src/cli/terminal.js';
import { uniformStream } from '../src/cpab/random.js';
import { deviationOf, meanOf, positive, runJobs, serve } from './jobs.js';
import { htmlTable, surface, surfacePoints, surfaceTarget, writePage } from './pictures.js';
import { rSquared, surfaceAt } from './surface.js';
import { ACTIVATIONS, type ActivationName, ALL_ACTIVATIONS, activationLayer, torchInitializers } from './training.js';

declare const VERSION: string;

const BATCH = 98;
const TEST_POINTS = 20_000;
/** What the original reached on this task, in PyTorch: mean test R² over ten seeds (and its deviation), milliseconds a step. */
const ORIGINAL: Partial<Record<ActivationName, string>> = {
  ditac: '0.913 ± 0.071',
  gelu: '0.020',
  relu: '0.751',
  prelu: '0.816',
};
const ORIGINAL_MS = '0.80';

/** Steps between validations, and points of one: as many as are learned from in 20 steps. */
const VALIDATE_EVERY = 100;
const VALIDATION_POINTS = 2000;

/** What grows: how it begins, and how often it is refined. */
const GROWING: Readonly<Record<string, { options: object; refinements: number; sizes: string; fixed: string }>> = {
  ditac: { options: { tess: 5 }, refinements: 2, sizes: 'N = 5, 10, 20', fixed: 'N = 10' },
  rational: {
    // relu's best of degrees 3 and 2 on [-3, 3], by the same weights as rationalInitial has.
    options: { numerator: [0.05, 0.5, 0.4, 0.08], denominator: [0, 0.1] },
    refinements: 1,
    sizes: 'degrees (3, 2), (5, 4)',
    fixed: 'degrees (5, 4)',
  },
};

interface Job {
  readonly activation: ActivationName;
  readonly seed: number;
  readonly steps: number;
  readonly isProgressive?: boolean;
}

interface Outcome extends Job {
  readonly r2: number;
  /** Median. */
  readonly msPerStep: number;
  readonly seconds: number;
  /** Steps at which it was refined. */
  readonly refinedAt: readonly number[];
}

interface Progress {
  readonly step: number;
  readonly loss: number;
}

function buildModel({ activation, seed, isProgressive }: Job): tf.Sequential {
  const model = tf.sequential({
    layers: [
      tf.layers.dense({ units: 50, inputShape: [2], ...torchInitializers(2, 10 * seed) }),
      activationLayer(activation, seed, isProgressive ? GROWING[activation]!.options : {}),
      tf.layers.dense({ units: 1, ...torchInitializers(50, 10 * seed + 1) }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.005), loss: 'meanSquaredError' });
  return model;
}

/** Points of [-1,1]², and what to learn there. */
function draw(uniform: () => number, count: number): { points: Float32Array; targets: Float32Array } {
  const points = Float32Array.from({ length: 2 * count }, () => 2 * uniform() - 1);
  return { points, targets: surfaceAt(points) };
}

function predict(model: tf.Sequential, points: Float32Array): Float32Array {
  return tf.tidy(() => {
    const y = model.predict(tf.tensor2d(points, [points.length / 2, 2])) as tf.Tensor;
    return y.dataSync<'float32'>().slice();
  });
}

/** Every step has a batch of its own. */
async function train(
  job: Job,
  onProgress: (progress: Progress, model: tf.Sequential) => void,
): Promise<{ outcome: Outcome; model: tf.Sequential }> {
  const model = buildModel(job);
  const uniform = uniformStream(job.seed);
  const test = draw(uniform, TEST_POINTS);
  const validation = draw(uniformStream(job.seed + 1000), VALIDATION_POINTS);
  const growth = job.isProgressive
    ? new ProgressiveTraining(model, { refinements: GROWING[job.activation]!.refinements })
    : undefined;
  const refinedAt: number[] = [];
  const times: number[] = [];
  const start = performance.now();
  for (let step = 1; step <= job.steps; step++) {
    const { points, targets } = draw(uniform, BATCH);
    const [x, y] = [tf.tensor2d(points, [BATCH, 2]), tf.tensor2d(targets, [BATCH, 1])];
    const before = performance.now();
    const loss = (await model.trainOnBatch(x, y)) as number;
    times.push(performance.now() - before);
    tf.dispose([x, y]);
    if (growth && step % VALIDATE_EVERY === 0) {
      const off = predict(model, validation.points).reduce((sum, y, i) => sum + (y - validation.targets[i]!) ** 2, 0);
      if (await growth.observe(off / VALIDATION_POINTS)) refinedAt.push(step);
    }
    onProgress({ step, loss }, model);
  }
  const seconds = (performance.now() - start) / 1000;
  const r2 = rSquared(predict(model, test.points), test.targets);
  const msPerStep = times.sort((p, q) => p - q)[times.length >> 1] ?? 0;
  return { outcome: { ...job, r2, msPerStep, seconds, refinedAt }, model };
}

/** Trains one network, and keeps its surface at some of the steps. */
async function showOne(job: Job): Promise<void> {
  const bar = new SingleBar(
    { format: '{bar} {percentage}% | step {value} of {total} | loss {loss}', hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(job.steps, 0, { loss: '' });
  const shown = new Set([1, 100, 300, 1000, 3000, job.steps].filter((step) => step <= job.steps));
  const pictures: string[] = [surface('target', surfaceTarget)];
  const losses: [number, number][] = [];
  let recent = 0;
  const { outcome, model } = await train(job, ({ step, loss }, present) => {
    // An exponential mean: single batches of 98 are noisy.
    recent = step === 1 ? loss : 0.98 * recent + 0.02 * loss;
    if (step % 20 === 0 || step === 1) {
      bar.update(step, { loss: recent.toExponential(2) });
      losses.push([step, Math.log10(recent)]);
    }
    if (shown.has(step)) {
      const y = predict(present, surfacePoints);
      pictures.push(surface(`step ${step}, R² ${rSquared(y, surfaceTarget).toFixed(3)}`, y));
    }
  });
  bar.update(job.steps);
  bar.stop();
  console.log(
    `${job.activation}, seed ${job.seed}: test R² ${outcome.r2.toFixed(4)}, ${outcome.msPerStep.toFixed(2)} ms a step (the original's in PyTorch: ${ORIGINAL_MS})`,
  );
  const layer = model.layers[1]!;
  const panels: Panel[] = [
    { title: 'log₁₀ of the loss, by step', curves: [{ label: job.activation, color: '#c02020', points: losses }] },
  ];
  let saved = '';
  if (layer instanceof DiTACLayer) {
    const x = Float32Array.from({ length: 501 }, (_, k) => -4 + (8 * k) / 500);
    const y = layer.activation.forward(x);
    const points = Array.from(x, (v, k): [number, number] => [v, y[k]!]);
    panels.push({
      title: 'the activation that was learned, f(x) over x',
      curves: [{ label: 'DiTAC', color: '#c02020', points }],
    });
    saved = '<p>As PyTorch would load it: out/regression.safetensors.</p>';
  }
  const head = ['activation', 'seed', 'test R²', 'ms a step'];
  const row = [job.activation, String(job.seed), outcome.r2.toFixed(4), outcome.msPerStep.toFixed(2)];
  writePage(
    'regression',
    'A regression, learned with a trainable activation',
    `${htmlTable(head, [row])}${saved}<h2>The surface while it is learned</h2>${pictures.join('')}<h2>Loss and activation</h2>${drawPanels(panels, 2)}`,
  );
  if (layer instanceof DiTACLayer) writeCheckpoint(model, layer);
}

/** The same names and shapes as PyTorch's module has: Linear holds [out][in]. */
function writeCheckpoint(model: tf.Sequential, layer: DiTACLayer): void {
  const linear = (index: number, name: string) => {
    const [kernel, bias] = model.layers[index]!.getWeights();
    const transposed = tf.tidy(() => tf.transpose(kernel!).dataSync<'float32'>().slice());
    return {
      [`${name}.weight`]: { shape: [...kernel!.shape].reverse(), data: transposed },
      [`${name}.bias`]: { shape: bias!.shape, data: bias!.dataSync<'float32'>().slice() },
    };
  };
  const tensors = { ...linear(0, 'fc1'), ...layer.stateDict({ prefix: 'act_1.' }), ...linear(2, 'fc2') };
  writeOut('regression.safetensors', saveSafetensors(tensors));
}

function writeOut(name: string, bytes: Uint8Array): void {
  writeFileSync(new URL(name, new URL('../../out/', import.meta.url)), bytes);
}

const known = new URL('../../out/regression-trainings.json', import.meta.url);

/**
 * Trainings of several kinds from several seeds each, one kind after the other. Those that are done are written down, and not done again by a program that is
 * started once more, as long as it is the same version.
 */
async function trainAll(kinds: readonly Omit<Job, 'seed'>[], seeds: number, threads: number): Promise<Outcome[][]> {
  const jobs = kinds.flatMap((kind) => Array.from({ length: seeds }, (_, k): Job => ({ ...kind, seed: k + 1 })));
  const keyOf = ({ activation, seed, steps, isProgressive }: Job) =>
    [VERSION, activation, seed, steps, isProgressive === true].join(' ');
  const done = new Map<string, Outcome>();
  if (existsSync(known))
    for (const [key, outcome] of JSON.parse(readFileSync(known, 'utf8')) as [string, Outcome][]) done.set(key, outcome);
  const waiting = jobs.filter((job) => !done.has(keyOf(job)));
  const bar = new SingleBar(
    { format: '{bar} {percentage}% | {name} | loss {loss} | {eta_formatted} left', hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(
    waiting.reduce((sum, { steps }) => sum + steps, 0),
    0,
    { name: `${waiting.length} trainings`, loss: '' },
  );
  await runJobs<Job, Outcome>(
    import.meta.url,
    waiting,
    threads,
    (steps, { activation, seed }, loss) => bar.increment(steps, { name: `${activation}, seed ${seed}`, loss }),
    (outcome) => {
      done.set(keyOf(outcome), outcome);
      mkdirSync(new URL('.', known), { recursive: true });
      writeFileSync(known, JSON.stringify([...done]));
    },
  );
  bar.stop();
  return kinds.map((_, k) => jobs.slice(k * seeds, (k + 1) * seeds).map((job) => done.get(keyOf(job))!));
}

/** All activations from several seeds. */
async function compare(seeds: number, steps: number, threads: number, asJson: boolean): Promise<void> {
  const found = await trainAll(
    ACTIVATIONS.map((activation) => ({ activation, steps })),
    seeds,
    threads,
  );
  const rows = ACTIVATIONS.map((activation, k) => {
    const own = found[k]!;
    const all = own.map(({ r2 }) => r2);
    const ms = own.map(({ msPerStep }) => msPerStep).sort((p, q) => p - q)[own.length >> 1]!;
    const seeds = own.map(({ seed, r2 }) => ({ seed, r2 }));
    return { activation, mean: meanOf(all), deviation: deviationOf(all), ms, seeds };
  });
  if (asJson) return console.log(JSON.stringify(rows, null, 2));
  const table = new Table({
    style: PLAIN,
    head: ['activation', `mean test R², ${seeds} seeds`, 'the original’s', 'ms a step', 'the original’s'],
  });
  for (const { activation, mean, deviation, ms } of rows) {
    const original = activation === 'ditac' ? ORIGINAL_MS : '';
    table.push([
      activation,
      `${mean.toFixed(3)} ± ${deviation.toFixed(3)}`,
      ORIGINAL[activation] ?? '',
      ms.toFixed(2),
      original,
    ]);
  }
  console.log(table.toString());
}

/** What grows beside what does not, from several seeds. */
async function progressive(
  activations: readonly ActivationName[],
  seeds: number,
  steps: number,
  threads: number,
  asJson: boolean,
): Promise<void> {
  const kinds = activations.flatMap((activation) =>
    [true, false].map((isProgressive) => ({ activation, steps, isProgressive })),
  );
  const found = await trainAll(kinds, seeds, threads);
  if (asJson) return console.log(JSON.stringify(found, null, 2));
  const table = new Table({
    style: PLAIN,
    head: ['activation', 'parameters', `mean test R², ${seeds} seeds`, 'least', 'seconds', 'refined at step'],
  });
  for (const [k, { activation, isProgressive }] of kinds.entries()) {
    const own = found[k]!;
    const all = own.map(({ r2 }) => r2);
    const { sizes, fixed } = GROWING[activation]!;
    const at = own[0]!.refinedAt.map((_, nth) =>
      Math.round(meanOf(own.flatMap(({ refinedAt }) => (refinedAt[nth] === undefined ? [] : [refinedAt[nth]])))),
    );
    table.push([
      activation,
      isProgressive ? sizes : fixed,
      `${meanOf(all).toFixed(3)} ± ${deviationOf(all).toFixed(3)}`,
      Math.min(...all).toFixed(3),
      meanOf(own.map(({ seconds }) => seconds)).toFixed(0),
      at.join(', '),
    ]);
  }
  console.log(table.toString());
}

if (isMainThread) {
  const options = program
    .name('regression')
    .option('--activation <name>', `one of ${ALL_ACTIVATIONS.join(', ')}`)
    .option('--seed <number>', 'of weights and batches', positive, 1)
    .option('--steps <number>', 'of Adam', positive, 10_000)
    .option('--compare', 'train all activations of the original’s comparison')
    .option('--progressive', `begin small and grow: ${Object.keys(GROWING).join(' and ')}, or the one that is named`)
    .option('--seeds <number>', 'how many seeds each, with --compare and --progressive', positive, 10)
    .option('--threads <number>', 'trainings at a time', positive, availableParallelism())
    .option('--json', 'print the comparison as JSON')
    .parse()
    .opts();
  const { activation, seeds, steps, threads } = options;
  if (activation !== undefined && !ALL_ACTIVATIONS.includes(activation))
    program.error(`--activation must be one of ${ALL_ACTIVATIONS.join(', ')}`);
  if (options.compare) await compare(seeds, steps, threads, options.json === true);
  else if (options.progressive) {
    if (activation !== undefined && !(activation in GROWING))
      program.error(`--progressive grows ${Object.keys(GROWING).join(' and ')}`);
    const grown = (activation ? [activation] : Object.keys(GROWING)) as ActivationName[];
    await progressive(grown, seeds, steps, threads, options.json === true);
  } else await showOne({ activation: activation ?? 'ditac', seed: options.seed, steps });
} else {
  await serve<Job, Outcome>(async (job, report) => {
    const { outcome } = await train(job, ({ step, loss }) => {
      if (step % 50 === 0 || step === job.steps) report(step, loss.toExponential(1));
    });
    return outcome;
  });
}
