/** Trainings on threads, so many at a time: what the programs that compare share. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { InvalidArgumentError } from 'commander';

/** What a thread says while it works, and at its end. */
type Message<O> = { progress: number; note: string } | { outcome: O };

/**
 * Runs all jobs on so many threads, each of which runs the file `url` again and does one job after the other by `serve`: a thread takes longer to load TensorFlow.js,
 * and to find out what of it is to be compiled, than a short training takes.
 * @param onProgress how much of which job was done since the last time.
 */
export async function runJobs<J, O>(
  url: string,
  jobs: readonly J[],
  threads: number,
  onProgress: (done: number, job: J, note: string) => void,
  onOutcome: (outcome: O, job: J) => void = () => {},
): Promise<O[]> {
  const outcomes = new Array<O>(jobs.length);
  const waiting = [...jobs.entries()];
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL(url));
    const ended = new Promise<never>((_, reject) => {
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`a thread of trainings ended with ${code}`)));
    });
    // Whoever waits for a job hears of it; between jobs nobody does.
    ended.catch(() => {});
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [index, job] = next;
      let before = 0;
      const outcome = new Promise<O>((resolve) => {
        worker.removeAllListeners('message');
        worker.on('message', (message: Message<O>) => {
          if ('outcome' in message) return resolve(message.outcome);
          onProgress(message.progress - before, job, message.note);
          before = message.progress;
        });
      });
      worker.postMessage(job);
      outcomes[index] = await Promise.race([outcome, ended]);
      onOutcome(outcomes[index]!, job);
    }
    await worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.min(threads, jobs.length) }, work));
  return outcomes;
}

/** In a thread: does the jobs that come, and leaves no variable of TensorFlow.js behind. */
export async function serve<J, O>(work: (job: J, report: (progress: number, note: string) => void) => Promise<O>) {
  if (isMainThread) throw new Error('serve is for threads');
  const port = parentPort!;
  const report = (progress: number, note: string) => port.postMessage({ progress, note });
  port.on('message', async (job: J) => {
    const outcome = await work(job, report);
    tf.disposeVariables();
    port.postMessage({ outcome });
  });
}

export const meanOf = (values: readonly number[]): number => values.reduce((p, q) => p + q, 0) / values.length;

/** Of a sample. */
export function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / Math.max(values.length - 1, 1));
}

/** For commander. */
export const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('a positive integer is needed');
  return value;
};
