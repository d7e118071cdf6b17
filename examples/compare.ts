/**
 * Which activation suits which task: every family with its default parameters, beside ReLU, GELU and SiLU, on four tasks (examples/tasks.ts), from several
 * seeds; mean ± standard deviation, and Friedman's test.
 *
 * `npm run compare` writes out/compare.json after every training, and goes on from there when it is started again; out/compare.html and out/compare.md have
 * the tables. docs/results.md says what was found.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { program } from 'commander';
import { PLAIN } from '../src/cli/terminal.js';
import { deviationOf, meanOf, positive, runJobs, serve } from './jobs.js';
import { htmlTable, writePage } from './pictures.js';
import { friedman } from './statistics.js';
import { type Contender, TASKS } from './tasks.js';
import { ALL_ACTIVATIONS, UNTRAINED } from './training.js';

interface Job {
  readonly task: string;
  readonly contender: Contender;
  readonly seed: number;
  readonly steps: number;
}

interface Outcome extends Job {
  /** Absent: it failed, for this reason. */
  readonly score?: number;
  readonly error?: string;
  readonly seconds: number;
}

const file = new URL('../../out/compare.json', import.meta.url);
const keyOf = ({ task, contender, seed, steps }: Job) => `${task} ${contender} ${seed} ${steps}`;

async function main(): Promise<void> {
  const options = program
    .name('compare')
    .option('--seeds <number>', 'how many', positive, 10)
    .option('--percent <number>', 'of the steps of each task', positive, 100)
    .option('--tasks <names...>', `of ${Object.keys(TASKS).join(', ')}`, Object.keys(TASKS))
    .option('--activations <names...>', `of ${ALL_ACTIVATIONS.join(', ')}`)
    .option('--threads <number>', 'trainings at a time', positive, availableParallelism())
    .option('--fresh', 'forget what was trained before')
    .parse()
    .opts();
  const names = (options.activations ?? ALL_ACTIVATIONS.filter((name) => !(name in UNTRAINED))) as Contender[];
  for (const name of names)
    if (name !== 'kan' && !ALL_ACTIVATIONS.includes(name)) program.error(`--activations: there is no '${name}'`);
  for (const name of options.tasks)
    if (!(name in TASKS)) program.error(`--tasks must be of ${Object.keys(TASKS).join(', ')}`);
  const others = options.activations ? [] : undefined;
  const contendersOf = (task: string): Contender[] => [...names, ...(others ?? TASKS[task]!.others ?? [])];
  const jobs = Array.from({ length: options.seeds }, (_, k) => k + 1).flatMap((seed) =>
    (options.tasks as string[]).flatMap((task) =>
      contendersOf(task).map((contender): Job => {
        const steps = Math.ceil((TASKS[task]!.steps * options.percent) / 100);
        return { task, contender, seed, steps };
      }),
    ),
  );
  mkdirSync(new URL('.', file), { recursive: true });
  const known = new Map<string, Outcome>();
  if (!options.fresh && existsSync(file))
    for (const each of JSON.parse(readFileSync(file, 'utf8')) as Outcome[]) known.set(keyOf(each), each);
  const waiting = jobs.filter((job) => !known.has(keyOf(job)));
  const bar = new SingleBar(
    { format: '{bar} {percentage}% | {name} | {eta_formatted} left', hideCursor: true },
    Presets.shades_classic,
  );
  bar.start(waiting.length, 0, { name: '' });
  await runJobs<Job, Outcome>(
    import.meta.url,
    waiting,
    options.threads,
    () => {},
    (outcome, job) => {
      known.set(keyOf(job), outcome);
      writeFileSync(file, JSON.stringify([...known.values()], null, 1));
      bar.increment(1, { name: `${job.task}, ${job.contender}, seed ${job.seed}` });
    },
  );
  bar.stop();
  report(
    jobs.map((job) => known.get(keyOf(job))!),
    options.tasks,
    names,
    options.seeds,
    options.percent,
  );
}

function report(outcomes: Outcome[], tasks: string[], names: Contender[], seeds: number, percent: number): void {
  const of = (task: string, contender: Contender) =>
    outcomes.filter((each) => each.task === task && each.contender === contender);
  const text = (task: string, contender: Contender): string => {
    const own = of(task, contender);
    const scores = own.flatMap(({ score }) => (score === undefined ? [] : [score]));
    const { digits } = TASKS[task]!;
    const failed = own.length - scores.length;
    if (own.length === 0) return '–';
    const mean = scores.length > 0 ? `${meanOf(scores).toFixed(digits)} ± ${deviationOf(scores).toFixed(digits)}` : '';
    return failed > 0 ? `${mean} (${failed} failed)` : mean;
  };
  const blocks = tasks.flatMap((task) =>
    Array.from({ length: seeds }, (_, k) =>
      names.map((name) => of(task, name).find(({ seed }) => seed === k + 1)?.score ?? Number.NaN),
    ),
  );
  const all = friedman(blocks);
  const order = names.map((name, j) => ({ name, rank: all.averageRanks[j]! })).sort((p, q) => p.rank - q.rank);
  const others = [...new Set(tasks.flatMap((task) => TASKS[task]!.others ?? []))].filter((name) =>
    outcomes.some(({ contender }) => contender === name),
  );
  const head = ['activation', 'average rank', ...tasks.map((task) => `${task}: ${TASKS[task]!.measure}`)];
  const rows = [
    ...order.map(({ name, rank }) => [name as string, rank.toFixed(1), ...tasks.map((task) => text(task, name))]),
    ...others.map((name) => [name as string, '', ...tasks.map((task) => text(task, name))]),
  ];
  const table = new Table({ style: PLAIN, head });
  table.push(...rows);
  console.log(table.toString());
  const said = `${seeds} seeds, ${percent} % of the steps; Friedman's χ² = ${all.statistic.toFixed(1)} over ${blocks.length} blocks of ${names.length}, p ${all.p > 0 ? `= ${all.p.toExponential(1)}` : 'is 0 in float64'}`;
  console.log(said);
  const failures = outcomes.filter(({ error }) => error !== undefined);
  for (const { task, contender, seed, error } of failures) console.log(`${task}, ${contender}, seed ${seed}: ${error}`);
  const left = Object.entries(UNTRAINED).map(([name, why]) => `${name} is not trained: ${why}`);
  for (const each of left) console.log(each);
  const titles = tasks.map((task) => `${task}: ${TASKS[task]!.title}`);
  const markdown = [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  writeFileSync(new URL('compare.md', file), `${markdown}\n\n${said}\n\n${left.join('\n')}\n`);
  writePage(
    'compare',
    'Which activation suits which task',
    `<p>${said}</p><p>${titles.join('<br>')}</p>${htmlTable(head, rows)}<p>${left.join('<br>')}</p>`,
  );
}

if (isMainThread) await main();
else
  await serve<Job, Outcome>(async (job, tell) => {
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    try {
      const score = await TASKS[job.task]!.train(job.contender, job.seed, job.steps, (step, loss) => {
        if (!Number.isFinite(loss)) throw new RangeError(`the loss is ${loss} at step ${step}`);
        if (step % 50 === 0) tell(step / job.steps, '');
      });
      return Number.isFinite(score)
        ? { ...job, score, seconds: seconds() }
        : { ...job, error: `the score is ${score}`, seconds: seconds() };
    } catch (cause) {
      return { ...job, error: (cause as Error).message, seconds: seconds() };
    }
  });
