/** A worker: takes jobs from the queue that its command line names, until it is ended. On other machines: node dist/programs/cluster-worker.js HOST PORT QUEUE. */
import { Worker } from 'bullmq';
import { LOCK, STALLED, TRIES } from './queue.js';
import { doWork, type Job } from './work.js';

const [host, port, queue] = process.argv.slice(2);
if (!host || !port || !queue) throw new Error('needs HOST PORT QUEUE');

// For tests of what happens when a worker dies with a job in its hands.
let isHolding = false;
process.on('message', (message) => {
  if (message === 'hold') isHolding = true;
});

const worker = new Worker<Job, string>(
  queue,
  async ({ data }) => {
    if (isHolding) {
      process.send?.('holding');
      await new Promise(() => {});
    }
    return doWork(data);
  },
  {
    connection: { host, port: Number(port), maxRetriesPerRequest: null },
    lockDuration: LOCK,
    stalledInterval: STALLED,
    maxStalledCount: TRIES,
  },
);
worker.on('error', (error) => console.error(error.message));
process.on('disconnect', () => process.exit());
await worker.waitUntilReady();
process.send?.('ready');
