import { Worker } from 'node:worker_threads';
import type { FamilyName } from '../families.js';
import { everyFloat32, type SweepResult, sweep } from '../oracle/index.js';
import { activationOf } from './family.js';

/** The exhaustive comparison: every float32 of an interval against the float64 reference, on several threads. */
export interface SweepJob {
  readonly family: FamilyName;
  /** Of the family's class; may be passed to a thread. */
  readonly options: Record<string, unknown>;
  readonly seed?: number;
  readonly low: number;
  readonly high: number;
  readonly part: number;
  readonly parts: number;
}

export function runJob(job: SweepJob, onProgress: (done: number) => void): SweepResult {
  const act = activationOf(job.family, job.options, job.seed);
  return sweep((x) => act.forward(x), act.reference(), everyFloat32(job.low, job.high, job.part, job.parts), {
    onProgress,
  });
}

/** Runs one job a thread; `entry` is the file that answers `workerData` with `runJob`. */
export async function sweepInParallel(
  job: Omit<SweepJob, 'part' | 'parts'>,
  threads: number,
  entry: URL,
  onProgress: (done: number) => void,
): Promise<SweepResult> {
  const done = new Float64Array(threads);
  const results = await Promise.all(
    Array.from(
      { length: threads },
      (_, part) =>
        new Promise<SweepResult>((resolve, reject) => {
          const worker = new Worker(entry, { workerData: { ...job, part, parts: threads } satisfies SweepJob });
          worker.on('message', (message: number | SweepResult) => {
            if (typeof message !== 'number') return resolve(message);
            done[part] = message;
            onProgress(done.reduce((sum, each) => sum + each, 0) / threads);
          });
          worker.on('error', reject);
          worker.on('exit', (code) => code !== 0 && reject(new Error(`a sweep thread ended with code ${code}`)));
        }),
    ),
  );
  return results.reduce(merge);
}

function merge(p: SweepResult, q: SweepResult): SweepResult {
  const count = p.count + q.count;
  return {
    count,
    ...(p.ulp >= q.ulp ? { ulp: p.ulp, ulpAt: p.ulpAt } : { ulp: q.ulp, ulpAt: q.ulpAt }),
    ...(p.ulpSmall >= q.ulpSmall
      ? { ulpSmall: p.ulpSmall, ulpSmallAt: p.ulpSmallAt }
      : { ulpSmall: q.ulpSmall, ulpSmallAt: q.ulpSmallAt }),
    ...(p.absolute >= q.absolute
      ? { absolute: p.absolute, absoluteAt: p.absoluteAt }
      : { absolute: q.absolute, absoluteAt: q.absoluteAt }),
    nearest: (p.nearest * p.count + q.nearest * q.count) / count,
  };
}
