/** Trainings on threads, so many at a time: what the programs that compare share. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InvalidArgumentError } from 'commander';

/** What a thread says while it works, and at its end. */
type Message<O> = { progress: number; note: string } | { outcome: O };

/**
 * Runs all jobs, each in a thread of its own that runs the file `url` again and answers by `serve`. What was done before is in `known`, by a job's key.
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
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [index, job] = next;
      const worker = new Worker(new URL(url), { workerData: job });
      let before = 0;
      outcomes[index] = await new Promise<O>((resolve, reject) => {
        worker.on('message', (message: Message<O>) => {
          if ('outcome' in message) return resolve(message.outcome);
          onProgress(message.progress - before, job, message.note);
          before = message.progress;
        });
        worker.on('error', reject);
        worker.on('exit', (code) => reject(new Error(`a training ended with ${code}`)));
      });
      await worker.terminate();
      onOutcome(outcomes[index]!, job);
    }
  };
  await Promise.all(Array.from({ length: threads }, work));
  return outcomes;
}

/** In a thread: does its job. */
export async function serve<J, O>(work: (job: J, report: (progress: number, note: string) => void) => Promise<O>) {
  if (isMainThread) throw new Error('serve is for threads');
  const report = (progress: number, note: string) => parentPort!.postMessage({ progress, note });
  parentPort!.postMessage({ outcome: await work(workerData as J, report) });
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
