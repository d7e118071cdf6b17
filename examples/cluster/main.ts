/**
 * One training, or one exhaustive judgement, on many machines: `npm run cluster -- train`, `-- sweep`, `-- check`. Workers take parts of a batch, or of the float32, from a queue
 * (BullMQ on Redis); what comes back has the bits of one process, however many workers there are and however many of them die.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { program } from 'commander';
import { PLAIN } from '../../src/cli/terminal.js';
import { positive } from '../jobs.js';
import { PARTS, Training, trainAlone } from './network.js';
import { Cluster } from './queue.js';
import { type Running, startRedis } from './redis.js';
import { readPart, type Swept, toText } from './work.js';

const WORKER = fileURLToPath(new URL('cluster-worker.js', import.meta.url));
if (!existsSync(WORKER)) throw new Error(`there is no ${WORKER}: npm run build`);

const barOf = (what: string) =>
  new SingleBar(
    { format: `${what} {bar} {value} of {total} | {eta_formatted} left`, hideCursor: true },
    Presets.shades_classic,
  );

interface Trained {
  readonly training: Training;
  readonly stalled: number;
  readonly replaced: number;
  readonly seconds: number;
}

/** Trains with so many workers; kills one of them, in the middle of a job, half way. */
async function train(
  redis: Running,
  workers: number,
  steps: number,
  seed: number,
  isKilling: boolean,
): Promise<Trained> {
  const cluster = new Cluster(redis, WORKER);
  const bar = barOf(`${workers} workers${isKilling ? ', one killed' : ''}`);
  try {
    await cluster.start(workers);
    const training = new Training(seed);
    const start = performance.now();
    bar.start(steps, 0);
    for (let step = 1; step <= steps; step++) {
      const killed = isKilling && step === Math.ceil(steps / 2) ? cluster.killOne() : undefined;
      const parameters = toText(training.parameters);
      const answers = await cluster.run(
        Array.from({ length: PARTS }, (_, part) => ({
          key: `step-${step}-part-${part}`,
          job: { kind: 'gradient' as const, parameters, step, part },
        })),
      );
      await killed;
      training.update(answers.map(readPart));
      bar.update(step);
    }
    const { completed, failed } = await cluster.counts();
    if (completed !== steps * PARTS || failed !== 0)
      throw new Error(`${completed} parts were counted and ${failed} failed, of ${steps * PARTS}`);
    const { stalled, replaced } = cluster;
    return { training, stalled, replaced, seconds: (performance.now() - start) / 1000 };
  } finally {
    bar.stop();
    await cluster.close();
  }
}

async function sweepShards(redis: Running, workers: number, low: number, high: number, parts: number): Promise<Swept> {
  const cluster = new Cluster(redis, WORKER);
  const bar = barOf('shards');
  try {
    await cluster.start(workers);
    bar.start(parts, 0);
    const jobs = Array.from({ length: parts }, (_, part) => ({
      key: `shard-${part}`,
      job: { kind: 'sweep' as const, low, high, part, parts },
    }));
    const answers = await cluster.run(jobs, () => bar.increment());
    return answers
      .map((text) => JSON.parse(text) as Swept)
      .reduce((p, q) => ({
        count: p.count + q.count,
        nearest: p.nearest + q.nearest,
        ...(q.ulp > p.ulp ? { ulp: q.ulp, ulpAt: q.ulpAt } : { ulp: p.ulp, ulpAt: p.ulpAt }),
      }));
  } finally {
    bar.stop();
    await cluster.close();
  }
}

/** Parameters that differ in any bit. */
function differing(p: Float32Array, q: Float32Array): number {
  const [a, b] = [p, q].map((each) => new Uint32Array(each.buffer, each.byteOffset, each.length)) as [
    Uint32Array,
    Uint32Array,
  ];
  return a.filter((word, i) => word !== b[i]).length;
}

async function withRedis(given: string | undefined, work: (redis: Running) => Promise<void>): Promise<void> {
  const redis = await startRedis(given);
  console.log(redis.what);
  try {
    await work(redis);
  } finally {
    redis.stop();
  }
}

const float = (text: string): number => Number(text);
program.name('cluster').option('--redis <host:port>', 'default: the one here, else one is started');
program
  .command('train')
  .description('figure 1, a batch divided among workers')
  .option('--workers <number>', 'processes', positive, availableParallelism())
  .option('--steps <number>', 'of Adam', positive, 1000)
  .option('--seed <number>', 'of weights', positive, 1)
  .option('--kill', 'end a worker without warning, half way')
  .action(({ workers, steps, seed, kill }) =>
    withRedis(program.opts().redis, async (redis) => {
      const { training, stalled, replaced, seconds } = await train(redis, workers, steps, seed, kill === true);
      console.log(
        `R² ${training.score().toFixed(4)} after ${steps} steps in ${seconds.toFixed(1)} s; ${stalled} jobs lost their worker, ${replaced} workers were replaced`,
      );
    }),
  );
program
  .command('sweep')
  .description('every float32 of a range, judged by 30 digits, in shards')
  .option('--workers <number>', 'processes', positive, availableParallelism())
  .option('--from <number>', 'first', float, 0.5)
  .option('--to <number>', 'last; all finite numbers are -3.4028234663852886e38 to 3.4028234663852886e38', float, 0.502)
  .option('--shards <number>', 'how many', positive, 16)
  .action(({ workers, from, to, shards }) =>
    withRedis(program.opts().redis, async (redis) => {
      const { count, ulp, ulpAt, nearest } = await sweepShards(redis, workers, from, to, shards);
      console.log(
        `${count} inputs: at most ${ulp.toFixed(4)} ULP, at ${ulpAt}; ${((100 * nearest) / count).toFixed(2)} % are the nearest float32`,
      );
    }),
  );
program
  .command('check')
  .description('1, 2 and 4 workers, with and without one that dies: bits of θ that differ from those of one process')
  .option('--steps <number>', 'of Adam', positive, 100)
  .option('--workers <numbers>', 'how many, of each case', (text) => text.split(',').map(Number), [1, 2, 4])
  .option('--killed', 'only those with one that dies')
  .option('--json', 'print it as JSON')
  .action(({ steps, workers, killed, json }) =>
    withRedis(program.opts().redis, async (redis) => {
      const alone = trainAlone(1, steps);
      const rows = [];
      for (const isKilling of killed ? [true] : [false, true]) {
        for (const count of workers as number[]) {
          const { training, stalled, replaced, seconds } = await train(redis, count, steps, 1, isKilling);
          const bits = differing(training.parameters, alone.parameters);
          rows.push({ workers: count, killed: isKilling, differing: bits, stalled, replaced, seconds });
        }
      }
      if (json) console.log(JSON.stringify(rows));
      else {
        const table = new Table({
          style: PLAIN,
          head: ['workers', 'one is killed', 'parameters that differ', 'jobs taken over', 'seconds'],
        });
        for (const each of rows)
          table.push([each.workers, each.killed ? 'yes' : 'no', each.differing, each.stalled, each.seconds.toFixed(1)]);
        console.log(table.toString());
      }
      if (rows.some((each) => each.differing !== 0)) process.exitCode = 1;
    }),
  );
await program.parseAsync();
process.exit();
