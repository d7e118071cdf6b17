/** Many workers give the bits of one process, also when one of them dies with a job in its hands: BullMQ on a Redis of its own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DiTAC, GradientSum } from 'ditac';
import { expect, test } from 'vitest';
import { gradientOf, initial, PARTS, trainAlone } from '../examples/cluster/network.js';
import { hasRedisServer } from '../examples/cluster/redis.js';

const program = fileURLToPath(new URL('../dist/programs/cluster.js', import.meta.url));
const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${stdout}${stderr}`);
  return stdout;
};
const withRedis = hasRedisServer() ? test : test.skip;
const needs = hasRedisServer() ? '' : ' (skipped: there is no redis-server)';

test('parts of a batch add up to the batch, and training lowers the loss', () => {
  const parameters = initial(1);
  const thetas = parameters.subarray(150, 159);
  const act = new DiTAC({ a: -3, b: 3, thetas });
  const sums = Array.from({ length: PARTS }, (_, part) =>
    GradientSum.fromBytes(gradientOf(parameters, 1, part).sum, act),
  );
  const [there, back] = [act.gradientSum(), act.gradientSum()];
  for (const each of sums) there.merge(each);
  for (const each of sums.reverse()) back.merge(each);
  expect(there.toBytes()).toEqual(back.toBytes());
  expect(there.thetas.some((v) => v !== 0)).toBe(true);
  const loss = (of: Float32Array) =>
    Array.from({ length: PARTS }, (_, part) => gradientOf(of, 1, part).loss).reduce((p, q) => p + q);
  expect(loss(trainAlone(1, 12).parameters)).toBeLessThan(0.97 * loss(parameters));
});

withRedis(`a training of two workers, one of which dies, has the bits of one process${needs}`, () => {
  const rows = JSON.parse(run('check', '--steps', '4', '--workers', '2', '--killed', '--json').split('\n').at(-2)!);
  expect(rows).toMatchObject([{ workers: 2, killed: true, differing: 0, replaced: 1 }]);
  expect(rows[0].stalled).toBeGreaterThanOrEqual(1);
});

withRedis(`a sweep in shards counts every number once${needs}`, () => {
  // 2⁻²² apart from 1 on: 1 and 2048 steps of 2⁻²³.
  const text = run('sweep', '--from', '1', '--to', String(1 + 2 ** -12), '--shards', '3', '--workers', '1');
  const [, count, ulp] = /(\d+) inputs: at most ([\d.]+) ULP/.exec(text)!;
  expect(Number(count)).toBe(2049);
  expect(Number(ulp)).toBeLessThan(1);
  expect(Number(ulp)).toBeGreaterThan(0.5);
});
