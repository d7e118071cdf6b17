import { type MessagePort, Worker } from 'node:worker_threads';
import type { FamilyName } from '../families.js';
import { everyFloat32, type Inputs, type SweepResult, sweep } from '../oracle/index.js';
import { activationOf } from './family.js';

/** The exhaustive comparison: every float32 of an interval against the float64 reference, on several threads. */
export interface SweepJob {
  readonly family: FamilyName;
  /** Of the family's class; may be passed to a thread. */
  readonly options: Record<string, unknown>;
  readonly seed?: number;
  readonly low: number;
  readonly high: number;
}

/** So many float32 are a piece of work: some tenths of a second. */
const PIECE = 2 ** 18;

interface Part {
  readonly part: number;
  readonly parts: number;
}

/** In a thread: parts are asked for one after the other. */
export function answerSweeps(job: SweepJob, port: MessagePort): void {
  const act = activationOf(job.family, job.options, job.seed);
  const truth = act.reference();
  port.on('message', ({ part, parts }: Part) => {
    port.postMessage(sweep((x) => act.forward(x), truth, everyFloat32(job.low, job.high, part, parts)));
  });
}

export interface Swept {
  /** Of what was compared, from `low` on without a gap. */
  readonly result: SweepResult | undefined;
  /** The first float32 that was not; undefined at the end. */
  readonly next: number | undefined;
}

/** Compares a job in parts, in order, on several threads; `entry` is the file that answers `workerData` with `answerSweeps`. */
export class Sweep {
  readonly #job: SweepJob;
  readonly #parts: number;
  readonly #results: (SweepResult | undefined)[];

  constructor(job: SweepJob) {
    this.#job = job;
    this.#parts = Math.max(Math.ceil(everyFloat32(job.low, job.high).count / PIECE), 1);
    this.#results = Array.from({ length: this.#parts }, () => undefined);
  }

  /** What was compared up to now. */
  get swept(): Swept {
    const whole = this.#results.indexOf(undefined);
    const count = whole < 0 ? this.#results.length : whole;
    const done = this.#results.slice(0, count) as SweepResult[];
    const { low, high } = this.#job;
    const next = count < this.#parts ? firstOf(everyFloat32(low, high, count, this.#parts)) : undefined;
    return { result: done.length > 0 ? done.reduce(merge) : undefined, next };
  }

  async run(threads: number, entry: URL, onProgress: (done: number) => void): Promise<SweepResult> {
    let [begun, done] = [0, 0];
    const one = () =>
      new Promise<void>((resolve, reject) => {
        const worker = new Worker(entry, { workerData: this.#job satisfies SweepJob });
        let part: number;
        const next = () => {
          if (begun >= this.#parts) {
            void worker.terminate();
            return resolve();
          }
          part = begun++;
          worker.postMessage({ part, parts: this.#parts } satisfies Part);
        };
        worker.on('message', (result: SweepResult) => {
          this.#results[part] = result;
          onProgress(++done / this.#parts);
          next();
        });
        worker.on('error', reject);
        worker.on('exit', (code) => reject(new Error(`a sweep thread ended with code ${code}`)));
        next();
      });
    await Promise.all(Array.from({ length: Math.min(threads, this.#parts) }, one));
    return this.swept.result!;
  }
}

function firstOf(inputs: Inputs): number {
  for (const block of inputs.blocks()) return block[0]!;
  throw new RangeError('no float32 is left');
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
