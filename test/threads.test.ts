/** The worker pool: one thread's bits, whatever its size; what goes wrong with threads, memory and callers. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackendError, DiTAC, loadBackend, type ThreadsBackend, VARIANTS } from 'ditac';
import { transform, transformBackward } from 'ditac/cpab';
import { compareBits, stratified } from 'ditac/oracle';
import { build } from 'esbuild';
import { afterAll, describe, expect, test } from 'vitest';
import { normalStream, uniformStream } from '../src/cpab/random.js';
import { tries } from './effort.js';

const act = new DiTAC({ a: -3, b: 3, seed: 1 });
const theta = Float32Array.from({ length: 9 }, normalStream(2));
const x = concatenate([...stratified(-6, 6, 1_000_003, 3).blocks()]);
const gradY = x.map((v) => v / 4).reverse();

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const sameBits = (p: Float32Array, q: Float32Array, what?: unknown) =>
  expect({ what, ...compareBits(p, q) }).toMatchObject({ what, differing: 0 });

/** Threads for everything, however short. */
const pool = await loadBackend('threads', { size: 2, threshold: 0 });
afterAll(() => pool.dispose());

const whole = act.forward(x);
const flowed = transform(x, theta, { tess: 10 });
const gradient = act.backward(x, gradY);

describe.each([1, 2, 3, 5, 8])('%i threads', (size) => {
  test('short and odd lengths, primes, and a million', async () => {
    const threads = await loadBackend('threads', { size, threshold: 0 });
    expect([threads.size, threads.threads.length]).toEqual([size, size]);
    const lengths = [...Array(tries(301)).keys(), 4093, 4099, 65537, 524_287, 1_000_003];
    for (const n of lengths) {
      const part = x.subarray(0, n);
      sameBits(whole.subarray(0, n), await act.on(threads).forward(part), n);
      sameBits(flowed.subarray(0, n), await transform(part, theta, { tess: 10, backend: threads }), n);
    }
    for (const n of [...Array(tries(301)).keys(), 65537, 1_000_003]) {
      const [p, q] = [x.subarray(0, n), gradY.subarray(0, n)];
      const expected = n > 300 ? act.backward(p, q) : undefined;
      const actual = await act.on(threads).backward(p, q);
      sameBits(gradient.gradX.subarray(0, n), actual.gradX, n);
      if (expected) sameBits(expected.gradThetas, actual.gradThetas, n);
    }
    threads.dispose();
  });
});

test('millions of elements, in the shared memory and from outside, waiting or blocking', async () => {
  const n = tries(10_000_019);
  const large = Float32Array.from({ length: n }, (_, i) => x[i % x.length]!);
  const expected = act.forward(large);
  sameBits(expected, await act.on(pool).forward(large));
  sameBits(expected, act.on(pool.sync).forward(large));
  const [input, output] = [pool.upload(large), pool.tensor(n)];
  sameBits(expected, await act.on(pool).forward(input, output));
  output.fill(0);
  sameBits(expected, act.on(pool.sync).forward(input, output));
  sameBits(expected, await act.on(pool).forward(input, input));
  pool.free(input);
  pool.free(output);
});

test('gradients in the shared memory, into x and into gradY, waiting or blocking', async () => {
  for (const backend of [pool, pool.sync] as const) {
    const fresh = () => [pool.upload(x), pool.upload(gradY), pool.tensor(x.length)] as const;
    for (const where of [0, 1, 2]) {
      const tensors = fresh();
      const result = await act.on(backend as ThreadsBackend).backward(tensors[0], tensors[1], { out: tensors[where]! });
      expect(result.gradX).toBe(tensors[where]);
      sameBits(gradient.gradX, result.gradX);
      sameBits(gradient.gradThetas, result.gradThetas);
      for (const tensor of tensors) pool.free(tensor);
    }
  }
});

test('parts of tensors in the shared memory leave their neighbours alone', async () => {
  const tensor = pool.upload(x.subarray(0, 50_000));
  for (const [from, to] of [
    [0, 1],
    [3, 10],
    [5, 40_006],
    [7, 49_999],
  ] as const) {
    const before = tensor.slice();
    await act.on(pool).forward(tensor.subarray(from, to), tensor.subarray(from, to));
    sameBits(act.forward(before.subarray(from, to)), tensor.subarray(from, to));
    sameBits(before.subarray(0, from), tensor.subarray(0, from));
    sameBits(before.subarray(to), tensor.subarray(to));
  }
  pool.free(tensor);
});

test('hundreds of calls of mixed kinds at a time', async () => {
  const uniform = uniformStream(5);
  const activations = VARIANTS.map((variant, i) => new DiTAC({ a: -3, b: 3, variant, seed: 30 + i }));
  const channels = new DiTAC({ a: -3, b: 3, seed: 3, channels: 4, layout: 'channelsLast' });
  const thetas = Float32Array.from({ length: 27 }, normalStream(4));
  const calls = Array.from({ length: tries(1000) }, async (_, k) => {
    const n = 4 * Math.floor(10 ** (1 + 3.4 * uniform()));
    const from = Math.floor(uniform() * (x.length - n));
    const [p, q] = [x.subarray(from, from + n), gradY.subarray(from, from + n)];
    const each = activations[k % activations.length]!;
    switch (k % 6) {
      case 0:
        return sameBits(each.forward(p), await each.on(pool).forward(p));
      case 1:
        return sameBits(each.forward(p), each.on(pool.sync).forward(p));
      case 2: {
        const [expected, actual] = [each.backward(p, q), await each.on(pool).backward(p, q)];
        sameBits(expected.gradX, actual.gradX);
        return sameBits(expected.gradThetas, actual.gradThetas);
      }
      case 3:
        return sameBits(channels.forward(p), await channels.on(pool).forward(p));
      case 4: {
        const options = { tess: 10, points: n };
        return sameBits(transform(p, thetas, options), await transform(p, thetas, { ...options, backend: pool }));
      }
      default: {
        const expected = transformBackward(p, q, theta, { tess: 10 });
        const actual = await transformBackward(p, q, theta, { tess: 10, backend: pool });
        sameBits(expected.gradX, actual.gradX);
        return sameBits(expected.gradTheta, actual.gradTheta);
      }
    }
  });
  await Promise.all(calls);
});

test('a thread is ended every 50 ms during 800 calls: each is right or rejected, and the pool heals', async () => {
  const threads = await loadBackend('threads', { size: 2, threshold: 0 });
  const before = process.memoryUsage().rss;
  let ended = 0;
  const killer = setInterval(() => {
    threads.threads[ended++ % threads.threads.length]?.crash();
  }, 50);
  let right = 0;
  let rejected = 0;
  const one = async (k: number) => {
    const n = 1000 + ((k * 7919) % 100_000);
    const part = x.subarray(0, n);
    try {
      sameBits(whole.subarray(0, n), await act.on(threads).forward(part), n);
      right += 1;
    } catch (error) {
      expect(error).toBeInstanceOf(BackendError);
      expect((error as Error).message).toMatch(/a thread ended/);
      rejected += 1;
    }
  };
  for (let k = 0; k < 800; k += 8) await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map((i) => one(k + i)));
  clearInterval(killer);
  expect(right + rejected).toBe(800);
  expect(ended).toBeGreaterThan(3);
  // Most on a quiet machine; fewer where a thread hardly starts within 50 ms.
  expect(right).toBeGreaterThan(0);
  // Healed: everything comes out right, and all threads are there again.
  await act
    .on(threads)
    .forward(x)
    .catch(() => {});
  for (let k = 0; k < 20; k++) sameBits(whole, await act.on(threads).forward(x));
  expect(threads.threads.length).toBe(2);
  threads.dispose();
  // Threads that ended gave their memory back: a leak would be some ten megabytes each.
  expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
});

test('threads that end before they have started end what waits for them; the next call starts others', async () => {
  const threads = await loadBackend('threads', { size: 2, threshold: 0 });
  let isOver = false;
  const call = act
    .on(threads)
    .forward(x)
    .catch((error: Error) => error);
  const killer = (async () => {
    while (!isOver) {
      for (const thread of threads.threads) thread.crash();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  expect(await call).toBeInstanceOf(BackendError);
  // None is left now: a call that found none would wait forever.
  expect(
    await act
      .on(threads)
      .forward(x)
      .catch((error: Error) => error),
  ).toBeInstanceOf(BackendError);
  isOver = true;
  await killer;
  await act
    .on(threads)
    .forward(x)
    .catch(() => {});
  sameBits(whole, await act.on(threads).forward(x));
  expect(threads.threads.length).toBe(2);
  threads.dispose();
});

/** A table whose addresses lie outside memory: the thread that looks there traps. */
const lost = {
  bytes: 1024,
  write: (_: Float32Array, words: Int32Array, address: number) => {
    words.fill(0x7fffff00, address >> 2, (address + 1024) >> 2);
  },
};

test('a thread that throws rejects the call with the cause; others finish', async () => {
  const broken = pool.evaluate('flow', { images: [lost], inner: 1 }, new Float32Array(100), new Float32Array(100));
  const fine = act.on(pool).forward(x);
  await expect(broken).rejects.toThrow(/a thread failed: RuntimeError: .*out of bounds/);
  sameBits(whole, await fine);
  expect(() => pool.sync.run('flow', { images: [lost], inner: 1 }, new Float32Array(9), new Float32Array(9))).toThrow(
    /a thread failed/,
  );
  sameBits(whole, act.on(pool.sync).forward(x));
});

test('short calls do not wait for long ones', async () => {
  const large = pool.tensor(2 ** 24);
  large.fill(0.5);
  const order: string[] = [];
  await Promise.all([
    act
      .on(pool)
      .forward(large, large)
      .then(() => order.push('long')),
    act
      .on(pool)
      .forward(x.subarray(0, 5000))
      .then(() => order.push('short')),
  ]);
  expect(order).toEqual(['short', 'long']);
  pool.free(large);
});

test('progress is told, and a call can be aborted', async () => {
  const shares: number[] = [];
  await act.on(pool).forward(x, undefined, { onProgress: (done) => shares.push(done) });
  expect(shares.length).toBeGreaterThan(3);
  expect(shares.at(-1)).toBe(1);
  expect([...shares].sort((p, q) => p - q)).toEqual(shares);

  const controller = new AbortController();
  const large = pool.tensor(2 ** 24);
  large.fill(0.5);
  const call = act.on(pool).forward(large, large, {
    signal: controller.signal,
    onProgress: () => controller.abort(),
  });
  await expect(call).rejects.toMatchObject({ name: 'AbortError' });
  await expect(act.on(pool).forward(x, undefined, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
    'enough',
  );
  expect(() => act.forward(x, undefined, { signal: AbortSignal.abort(new Error('enough')) })).toThrow('enough');
  // A sum gets all of a call or nothing.
  const into = act.gradientSum();
  const aborted = new AbortController();
  const slow = act.on(pool).backward(x, gradY, { into, signal: aborted.signal, onProgress: () => aborted.abort() });
  await expect(slow).rejects.toMatchObject({ name: 'AbortError' });
  expect([...into.thetas]).toEqual(new Array(9).fill(0));
  sameBits(whole, await act.on(pool).forward(x));
  pool.free(large);
});

test('memory grows on demand, is reused, and has a limit that leaves the pool usable', async () => {
  const threads = await loadBackend('threads', { size: 2, threshold: 0, maxBytes: 2 ** 28 });
  const small = threads.memoryBytes;
  const tensors = [threads.tensor(2 ** 22), threads.tensor(2 ** 22)];
  expect(threads.memoryBytes).toBeGreaterThan(small);
  const grown = threads.memoryBytes;
  for (const tensor of tensors) threads.free(tensor);
  for (let k = 0; k < 100; k++) {
    const again = threads.tensor(2 ** 22);
    await act.on(threads).forward(x.subarray(0, 5000));
    threads.free(again);
  }
  await act.on(threads).forward(x);
  expect(threads.memoryBytes).toBeLessThan(grown + 2 ** 25);
  expect(() => threads.tensor(2 ** 26)).toThrow(/268435456 bytes do not fit the pool's memory.*maxBytes/);
  sameBits(whole, await act.on(threads).forward(x));
  threads.dispose();
});

test('tables that do not fit beside each other are exchanged by one thread', async () => {
  const thetas = Float32Array.from({ length: 9 * 6000 }, normalStream(6));
  const points = x.subarray(0, 8);
  sameBits(transform(points, thetas, { tess: 10 }), await transform(points, thetas, { tess: 10, backend: pool }));
});

test('a tensor that is freed while a call uses it stays until the call has ended; twice is once', async () => {
  const n = x.length;
  const [from, to] = [pool.upload(x), pool.tensor(n)];
  const call = act.on(pool).forward(from, to);
  pool.free(from);
  pool.free(from);
  await Promise.resolve();
  const others = [pool.tensor(n), pool.tensor(n)];
  for (const other of others) other.fill(5);
  sameBits(whole, await call);
  // Freed again, though somebody else may have its place by now.
  pool.free(from);
  await Promise.resolve();
  const another = pool.tensor(n).fill(7);
  for (const other of others) expect(other.every((v) => v === 5)).toBe(true);
  for (const tensor of [...others, to, another]) pool.free(tensor);
});

test('where sums or staging leave no room, pieces wait for each other', async () => {
  const many = new DiTAC({ a: -3, b: 3, channels: 256, seed: 1, layout: 'channelsLast' });
  const [p, q] = [x.subarray(0, 256 * 2048), gradY.subarray(0, 256 * 2048)];
  const expected = many.backward(p, q);
  const threads = await loadBackend('threads', { size: 8, threshold: 0, maxBytes: 2 ** 28 });
  for (const backend of [threads, threads.sync]) {
    const actual = await many.on(backend as ThreadsBackend).backward(p, q);
    sameBits(expected.gradX, actual.gradX);
    sameBits(expected.gradThetas, actual.gradThetas);
  }
  // Of the memory for tensors, little is left.
  const taken = threads.tensor(2 ** 25 + 2 ** 22);
  for (const backend of [threads, threads.sync]) sameBits(whole, await act.on(backend as ThreadsBackend).forward(x));
  threads.free(taken);
  threads.dispose();
});

test('a blocking call that fails leaves nothing under way', () => {
  const big = new Float32Array(2 ** 20);
  for (let k = 0; k < 10; k++) {
    expect(() => pool.sync.run('flow', { images: [lost], inner: 1 }, big, big.slice())).toThrow(BackendError);
    sameBits(whole, act.on(pool.sync).forward(x));
    sameBits(gradient.gradThetas, act.on(pool.sync).backward(x, gradY).gradThetas);
  }
});

test('an array that is gone when its turn comes rejects the call, and nothing is lost', async () => {
  for (let k = 0; k < 20; k++) {
    const own = x.slice();
    const call = act.on(pool).forward(own);
    structuredClone(own.buffer, { transfer: [own.buffer] });
    await call.catch(() => {});
  }
  sameBits(whole, await act.on(pool).forward(x));
});

test('two calls of loadBackend at a time get one pool', async () => {
  const [p, q] = await Promise.all([loadBackend('threads'), loadBackend('threads')]);
  expect(p).toBe(q);
  p.dispose();
  const fresh = await loadBackend('threads');
  expect(fresh).not.toBe(p);
  fresh.dispose();
});

test('a tensor that is freed serves the work that was handed over', async () => {
  const [from, to] = [pool.upload(x), pool.tensor(x.length)];
  const images = [(await import('../src/plan/image.js')).planImage(act.plan)];
  pool.run('activate', { images, inner: 1 }, from, to);
  pool.free(from);
  sameBits(whole, await pool.download(to));
  pool.free(to);
  pool.release(images);
});

test('dispose ends what is under way, and the pool says so', async () => {
  const threads = await loadBackend('threads', { size: 2, threshold: 0 });
  const call = act.on(threads).forward(x);
  threads.dispose();
  await expect(call).rejects.toThrow(/the pool was disposed/);
  await expect(act.on(threads).forward(x)).rejects.toThrow(/the pool was disposed/);
  expect(() => act.on(threads.sync).forward(x)).toThrow(/the pool was disposed/);
});

const root = fileURLToPath(new URL('..', import.meta.url));
const node = (script: string) =>
  spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8', timeout: 30_000 });

test('an idle pool does not keep a process alive, disposed or not; work does', () => {
  for (const last of ['', 'pool.dispose();']) {
    const { status, stdout, signal } = node(`
      import { DiTAC, loadBackend } from 'ditac';
      const pool = await loadBackend('threads', { size: 2, threshold: 0 });
      const act = new DiTAC({ seed: 1 });
      await act.on(pool).forward(new Float32Array(1000));
      act.on(pool).forward(new Float32Array(1e6)).then((y) => { console.log(y.length); ${last} });`);
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: '1000000\n' });
  }
});

test('from a bundle, far from the package', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ditac-bundle-'));
  await build({
    stdin: {
      contents: `import { DiTAC, loadBackend } from 'ditac';
        const pool = await loadBackend('threads', { size: 2, threshold: 0 });
        const act = new DiTAC({ seed: 1 });
        const x = Float32Array.from({ length: 10000 }, (_, i) => Math.sin(i));
        const [p, q] = [act.forward(x), await act.on(pool).forward(x)];
        console.log(p.every((v, i) => Object.is(v, q[i])));`,
      resolveDir: root,
    },
    bundle: true,
    format: 'esm',
    platform: 'node',
    tsconfigRaw: {},
    external: ['webgpu'],
    outfile: join(folder, 'bundle.mjs'),
  });
  const { stdout, status } = spawnSync(process.execPath, ['bundle.mjs'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 30_000,
  });
  expect({ stdout, status }).toEqual({ stdout: 'true\n', status: 0 });
});

test('without shared memory it explains itself, and auto takes the best that works', async () => {
  const { stdout, status } = node(`
    delete globalThis.SharedArrayBuffer;
    const { DiTAC, loadBackend } = await import('ditac');
    console.log((await loadBackend('threads').catch((error) => error)).message);
    console.log((await loadBackend('auto')).name);`);
  expect(status).toBe(0);
  expect(stdout).toMatch(/no shared memory here: SharedArrayBuffer is missing.*Cross-Origin-Embedder-Policy.*\nwasm\n/);
  const auto = await loadBackend('auto', { size: 2 });
  expect(auto.name).toBe('threads');
  auto.dispose();
  await expect(loadBackend('auto', { size: 0 })).rejects.toThrow(/size must be an integer from 1 to 256, got 0/);
});

test('short tensors stay on the calling thread: from where is measured, and does not matter for the bits', async () => {
  const threads = await loadBackend('threads', { size: 2 });
  const { activate, flow, backward } = threads.thresholds;
  // Asking a thread takes some microseconds to some milliseconds.
  for (const threshold of [activate, flow, backward]) {
    expect(threshold).toBeGreaterThan(500);
    expect(threshold).toBeLessThan(2 ** 23);
  }
  expect(activate).toBeGreaterThan(flow);
  for (const n of [activate - 1, activate, activate + 1].filter((each) => each <= x.length))
    sameBits(whole.subarray(0, n), await act.on(threads).forward(x.subarray(0, n)));
  threads.dispose();
});

test.each([
  [{ size: 0 }, /size must be an integer from 1 to 256, got 0/],
  [{ size: '2' }, /size must be an integer, got "2"/],
  [{ maxBytes: 1000 }, /maxBytes must be an integer from 268435456/],
  [{ threshold: -1 }, /threshold must be an integer/],
  [7, /options must be an object, got 7/],
])('options %j are refused', async (options, message) => {
  await expect(loadBackend('threads', options as never)).rejects.toThrow(message);
});
