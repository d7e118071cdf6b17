import { normalStream } from '../src/cpab.js';
import { BackendError, DiTAC, loadBackend } from '../src/index.js';
import { onnxPeers } from './peers.js';

/**
 * The worker pool beside one thread: `npm run bench:threads`, `-- --json`. Everything is measured in turns, so that whatever else the
 * machine does meets all; medians.
 */

const COUNT = 2 ** 24;
const ROUNDS = 15;
const SIZE = 2;

const median = (times: readonly number[]) => [...times].sort((p, q) => p - q)[times.length >> 1]!;

async function measure(): Promise<void> {
  const pool = await loadBackend('threads', { size: SIZE });
  const normal = normalStream(1);
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const [x, gradY] = [normal, normal].map((next) => Float32Array.from({ length: COUNT }, next)) as [
    Float32Array,
    Float32Array,
  ];
  const out = new Float32Array(COUNT);
  const [sharedX, sharedY, sharedOut] = [pool.upload(x), pool.upload(gradY), pool.tensor(COUNT)];
  const peers = await onnxPeers(['Gelu'], x, SIZE);
  const works: Record<string, () => unknown> = {
    'forward, one thread': () => act.forward(x, out),
    'forward, resident': () => act.on(pool).forward(sharedX, sharedOut),
    'forward, resident, blocking': () => act.on(pool.sync).forward(sharedX, sharedOut),
    'forward, copied': () => act.on(pool).forward(x, out),
    'backward, one thread': () => act.backward(x, gradY, { out }),
    'backward, resident': () => act.on(pool).backward(sharedX, sharedY, { out: sharedOut }),
    ...(typeof peers === 'string' ? {} : { [`onnxruntime-web Gelu, ${SIZE} threads`]: () => peers[0]!.run() }),
  };
  const times = new Map(Object.keys(works).map((name) => [name, [] as number[]]));
  for (let round = -2; round < ROUNDS; round++) {
    for (const [name, work] of Object.entries(works)) {
      const before = performance.now();
      await work();
      if (round >= 0) times.get(name)!.push(performance.now() - before);
    }
  }
  const ms = (name: string) => median(times.get(name)!);
  const small = x.subarray(0, 1000);
  const smallOut = new Float32Array(1000);
  const microseconds = (work: () => unknown, repeats = 20_000) => {
    const before = performance.now();
    for (let k = 0; k < repeats; k++) work();
    return (1e3 * (performance.now() - before)) / repeats;
  };
  const host = act.on(await loadBackend('wasm'));
  const [onPool, blocking] = [act.on(pool), act.on(pool.sync)];
  const calls = [
    () => host.forward(small, smallOut),
    () => blocking.forward(small, smallOut),
    () => onPool.forward(small, smallOut),
  ];
  for (const call of calls) microseconds(call, 2000);
  const [alone, sync, later] = calls.map((call) => median([1, 2, 3, 4, 5].map(() => microseconds(call)))) as [
    number,
    number,
    number,
  ];
  const gelu = `onnxruntime-web Gelu, ${SIZE} threads`;
  const report = {
    elements: COUNT,
    threads: SIZE,
    thresholds: pool.thresholds,
    ms: Object.fromEntries([...times.keys()].map((name) => [name, ms(name)])),
    speedups: {
      'forward, resident (bar: 1.8)': ms('forward, one thread') / ms('forward, resident'),
      'forward, resident, blocking': ms('forward, one thread') / ms('forward, resident, blocking'),
      'forward, copied (bar: 1.4)': ms('forward, one thread') / ms('forward, copied'),
      'backward, resident (bar: 1.7)': ms('backward, one thread') / ms('backward, resident'),
    },
    'of onnxruntime-web Gelu with as many threads (bar: 0.3)':
      typeof peers === 'string' ? peers : ms('forward, resident') / ms(gelu),
    'a call on 1,000 elements, microseconds more than on one thread (bar: 2)': {
      blocking: sync - alone,
      'with a Promise': later - alone,
    },
  };
  console.log(JSON.stringify(report, null, 2));
  pool.dispose();
}

await measure().catch((error) => {
  if (!(error instanceof BackendError)) throw error;
  console.log(`skipped: ${error.message}`);
});
process.exit();
