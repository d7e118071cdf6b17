import { availableParallelism } from 'node:os';
import { parentPort, Worker } from 'node:worker_threads';
import { InvalidArgumentError } from 'commander';
import { encloses, enclosureOf } from '../oracle/enclosed.js';
import { LANES } from '../oracle/enclosure.js';
import { everyFloat32, type SweepResult, sweep, type Truth } from '../oracle/index.js';
import { type Comparison, type Judgement, judge } from '../oracle/judge.js';
import type { AnyActivation } from './family.js';
import { functionOf, type Question, truthOf } from './question.js';

/** Work that threads take one after the other. */
export type Work = JudgeWork | SweepWork;

/** Arrays lie in shared memory. */
export interface JudgeWork extends Comparison {
  readonly question: Question;
  /** Whether it is about the derivative in x. */
  readonly isSlope: boolean;
}

/** Every float32 of an interval, a part of them, through ditac's own kernel. */
export interface SweepWork {
  readonly question: Question;
  readonly low: number;
  readonly high: number;
  readonly part: number;
  readonly parts: number;
}

const isSweep = (work: Work): work is SweepWork => 'parts' in work;

const truths = new Map<string, (x: number) => Truth>();

export function perform(work: SweepWork): SweepResult;
export function perform(work: JudgeWork): Judgement;
export function perform(work: Work): SweepResult | Judgement;
export function perform(work: Work): SweepResult | Judgement {
  const isSlope = !isSweep(work) && work.isSlope;
  const key = JSON.stringify([work.question, isSlope]);
  let truth = truths.get(key);
  if (truth === undefined) {
    truth = truthOf(work.question, isSlope ? 'x' : undefined);
    truths.set(key, truth);
  }
  if (!isSweep(work)) return judge(work, truth);
  const act = functionOf(work.question) as AnyActivation;
  return sweep((x) => act.forward(x), flushed(truth), everyFloat32(work.low, work.high, work.part, work.parts));
}

const LEAST_NORMAL = 2 ** -126;
const flush = (x: number): number => (Math.abs(x) < LEAST_NORMAL ? 0 : x);

/** What ditac promises: subnormal inputs count as 0. */
function flushed(truth: (x: number) => Truth): (x: number) => Truth {
  return encloses(
    (x: number) => truth(flush(x)),
    () => {
      const enclose = enclosureOf(truth);
      const inputs = new Float32Array(LANES);
      return (
        enclose &&
        ((x, from, count, low, high) => {
          for (let i = 0; i < count; i++) inputs[i] = flush(x[from + i]!);
          enclose(inputs, 0, count, low, high);
        })
      );
    },
  );
}

/** What a thread that is to `serve` is told. */
export const SERVE = 'ditac: serve';

/** In a thread: answers each work that comes. */
export function serve(): void {
  parentPort!.on('message', (work: Work) => parentPort!.postMessage(perform(work)));
}

export const CORES = availableParallelism();

/**
 * Runs works on several threads, and here if there is one only; results in their order. `onDone` is called with each as it comes and can end it all by
 * returning false: what is not done then is undefined.
 * @param entry the file that calls `serve` in a thread.
 */
export async function performAll<T extends SweepResult | Judgement>(
  works: readonly Work[],
  threads: number,
  entry: URL,
  onDone: (result: T, index: number, done: number) => boolean = () => true,
): Promise<(T | undefined)[]> {
  const results: (T | undefined)[] = works.map(() => undefined);
  let next = 0;
  let done = 0;
  let isEnded = false;
  const finish = (index: number, result: T) => {
    results[index] = result;
    done += 1;
    if (!onDone(result, index, done)) isEnded = true;
  };
  if (Math.min(threads, works.length) <= 1) {
    for (const [index, work] of works.entries()) {
      if (isEnded) break;
      finish(index, perform(work) as T);
      // Lets signals in.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return results;
  }
  await Promise.all(
    Array.from({ length: Math.min(threads, works.length) }, async () => {
      const worker = new Worker(entry, { workerData: SERVE });
      try {
        while (next < works.length && !isEnded) {
          const index = next++;
          finish(index, (await ask(worker, works[index]!)) as T);
        }
      } finally {
        await worker.terminate();
      }
    }),
  );
  return results;
}

const ask = (worker: Worker, work: Work) =>
  new Promise((resolve, reject) => {
    const ended = (code: number) => reject(new Error(`a thread ended with code ${code}`));
    worker.once('error', reject);
    worker.once('exit', ended);
    worker.once('message', (result) => {
      worker.off('error', reject);
      worker.off('exit', ended);
      resolve(result);
    });
    worker.postMessage(work);
  });

/** A copy that threads can share. */
export function shared<T extends Float32Array | Uint32Array>(array: T): T {
  const copy = new (array.constructor as new (buffer: SharedArrayBuffer) => T)(new SharedArrayBuffer(array.byteLength));
  copy.set(array);
  return copy;
}

/** Part `3/16` of the work: the third of sixteen. */
export interface Shard {
  readonly number: number;
  readonly of: number;
}
export const WHOLE: Shard = { number: 1, of: 1 };

/** Reads `3/16`. */
export function shard(text: string): Shard {
  const [, number, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text)?.map(Number) ?? [];
  if (!(number! >= 1 && number! <= of!))
    throw new InvalidArgumentError(`expected k/n with k from 1 to n, got '${text}'`);
  return { number: number!, of: of! };
}
