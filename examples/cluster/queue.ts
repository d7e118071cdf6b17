/** Jobs for workers that come, go and die, on BullMQ: every job is answered once, whoever does it. */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Queue, QueueEvents } from 'bullmq';
import type { Connection } from './redis.js';
import type { Job } from './work.js';

/** Milliseconds after which a job whose worker has not been heard of is given to another; how often that is looked for, and how often it may happen to one. */
export const LOCK = 3000;
export const STALLED = 1000;
export const TRIES = 100;

export class Cluster {
  readonly name = `ditac-${randomUUID()}`;
  readonly #connection: Connection;
  readonly #file: string;
  readonly #queue: Queue<Job, string>;
  readonly #events: QueueEvents;
  readonly #workers: ChildProcess[] = [];
  #isClosing = false;
  /** Jobs that lost their worker, and workers that were replaced. */
  stalled = 0;
  replaced = 0;

  /** @param file the worker's program. */
  constructor({ host, port }: Connection, file: string) {
    this.#connection = { host, port };
    this.#file = file;
    const connection = { host, port, maxRetriesPerRequest: null };
    this.#queue = new Queue(this.name, { connection });
    this.#events = new QueueEvents(this.name, { connection });
    // Hundreds of jobs may be waited for.
    this.#events.setMaxListeners(0);
    this.#events.on('stalled', () => {
      this.stalled += 1;
    });
  }

  /** Starts workers here. Others may join from anywhere: they need the address and the queue's name. */
  async start(count: number): Promise<void> {
    await this.#events.waitUntilReady();
    await Promise.all(Array.from({ length: count }, () => this.#spawn()));
  }

  #spawn(): Promise<void> {
    const { host, port } = this.#connection;
    const worker = fork(this.#file, [host, String(port), this.name]);
    this.#workers.push(worker);
    worker.on('exit', () => {
      this.#workers.splice(this.#workers.indexOf(worker), 1);
      if (this.#isClosing) return;
      this.replaced += 1;
      void this.#spawn();
    });
    return new Promise((resolve) => {
      worker.on('message', (message) => {
        if (message === 'ready') resolve();
      });
    });
  }

  /** Ends a worker that has a job in its hands, without warning. */
  async killOne(): Promise<void> {
    const worker = this.#workers[0]!;
    const holds = new Promise<void>((resolve) => {
      worker.on('message', (message) => {
        if (message === 'holding') resolve();
      });
    });
    worker.send('hold');
    await holds;
    worker.kill('SIGKILL');
  }

  /** Answers in the order of the jobs. @param key of all jobs so far no two may have the same: one that is there already is not done again. */
  async run(jobs: readonly { key: string; job: Job }[], onDone: () => void = () => {}): Promise<string[]> {
    const added = await this.#queue.addBulk(
      jobs.map(({ key, job }) => ({ name: job.kind, data: job, opts: { jobId: key } })),
    );
    return Promise.all(
      added.map(async (each) => {
        const answer = await each.waitUntilFinished(this.#events);
        onDone();
        return answer;
      }),
    );
  }

  /** How many jobs were finished, and how many failed. */
  async counts(): Promise<{ completed: number; failed: number }> {
    const { completed = 0, failed = 0 } = await this.#queue.getJobCounts('completed', 'failed');
    return { completed, failed };
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all(
      this.#workers.map(
        (worker) =>
          new Promise((resolve) => {
            worker.once('exit', resolve);
            worker.kill();
          }),
      ),
    );
    await this.#queue.obliterate({ force: true });
    await this.#queue.close();
    await this.#events.close();
  }
}
