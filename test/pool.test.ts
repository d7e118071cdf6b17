/** The pool's tensors and its threads, misused and lost: nobody else's memory is touched, and calls end. */
import { spawnSync } from 'node:child_process';
import { DiTAC, loadBackend, type ThreadsBackend } from 'ditac';
import { transform, transformBackward } from 'ditac/cpab';
import { compareBits } from 'ditac/oracle';
import { afterAll, describe, expect, test } from 'vitest';
import { SharedMemory } from '../src/backends/threads/memory.js';
import { normalStream } from '../src/cpab/random.js';
import { alignImage } from '../src/plan/image.js';

const act = new DiTAC({ a: -3, b: 3, seed: 1 });
const x = Float32Array.from({ length: 50_000 }, normalStream(1));
const gradY = x.slice().reverse();
const theta = Float32Array.from({ length: 9 }, normalStream(2));
const whole = act.forward(x);
const gradient = act.backward(x, gradY);
const sameBits = (p: Float32Array, q: Float32Array) => expect(compareBits(p, q).differing).toBe(0);
const pool = await loadBackend('threads', { size: 2, threshold: 0 });
afterAll(() => pool.dispose());

describe('a tensor that was freed', () => {
  const both = [pool, pool.sync] as unknown as readonly ThreadsBackend[];

  test.each(['whole', 'a part'])(
    'is refused, %s, though another has its place, and that one is left alone',
    async (part) => {
      for (const backend of both) {
        const freed = backend.upload(x);
        backend.free(freed);
        const live = backend.upload(new Float32Array(x.length).fill(2));
        // Otherwise this would show nothing.
        expect(live.byteOffset).toBe(freed.byteOffset);
        const gone = part === 'whole' ? freed : freed.subarray(8, 5008);
        const own = x.slice(0, gone.length);
        const on = act.on(backend);
        for (const call of [
          () => on.forward(gone),
          () => on.forward(own, gone),
          () => on.backward(gone, own),
          () => on.backward(own, gone),
          () => on.backward(own, own.slice(), { out: gone }),
          () => transform(gone, theta, { tess: 10, backend }),
          () => transform(own, theta, { tess: 10, backend, out: gone }),
          () => transformBackward(own, gone, theta, { tess: 10, backend }),
          () => backend.download(gone),
          () => backend.run('activate', { images: [], inner: 1 }, gone, own),
        ] as (() => unknown)[])
          await expect(async () => call()).rejects.toThrow(/is a tensor of the pool that was freed/);
        // Twice is once: the place is another's.
        backend.free(freed);
        const third = backend.upload(x);
        expect(third.byteOffset).not.toBe(live.byteOffset);
        expect(live.every((v) => v === 2)).toBe(true);
        sameBits(whole, (await on.forward(live.fill(0), third)) && (await on.forward(x, third)));
        for (const tensor of [live, third]) backend.free(tensor);
      }
    },
  );

  test('is refused however short the call is', async () => {
    const threads = await loadBackend('threads', { size: 1, threshold: 1e9 });
    const freed = threads.tensor(10);
    threads.free(freed);
    await expect(act.on(threads).forward(freed)).rejects.toThrow(/x is a tensor of the pool that was freed/);
    expect(() => act.on(threads.sync).forward(x.slice(0, 10), freed)).toThrow(/out is a tensor/);
    threads.dispose();
  });

  test('leaves work that was handed over before as it was', async () => {
    const [from, to] = [pool.upload(x), pool.tensor(x.length)];
    const { images } = captured();
    pool.run('activate', { images, inner: 1 }, from, to);
    pool.free(from);
    const others = [pool.upload(gradY), pool.upload(gradY)];
    sameBits(whole, await pool.download(to));
    for (const tensor of [to, ...others]) pool.free(tensor);
  });

  test('was read by a download that was asked for before', async () => {
    const tensor = pool.upload(x);
    const copy = pool.download(tensor);
    pool.free(tensor);
    const other = pool.upload(gradY);
    expect(other.byteOffset).toBe(tensor.byteOffset);
    sameBits(x, await copy);
    pool.free(other);
  });

  /** The tables of `act`, as a backend is given them. */
  function captured(): { images: never[] } {
    let images: unknown;
    const spy = {
      name: 'js',
      isSynchronous: true,
      run: (_: unknown, tables: { images: unknown }) => {
        images = tables.images;
      },
      release: () => {},
    };
    act.on(spy as never as ThreadsBackend).forward(x);
    return { images: images as never[] };
  }
});

test('a view of all of the pool’s memory is an array like any other', async () => {
  const tensor = pool.upload(x);
  const wide = new Float32Array(tensor.buffer, tensor.byteOffset - 64, 1024);
  sameBits(act.forward(wide.slice()), await act.on(pool).forward(wide));
  pool.free(tensor);
});

describe('a thread that ends, and a call that blocks', () => {
  test.each([[[0]], [[1]], [[0, 1]]])(
    'of two, %j: the call is done all the same, soon, and the pool goes on',
    async (which) => {
      const threads = await loadBackend('threads', { size: 2, threshold: 0 });
      sameBits(whole, act.on(threads.sync).forward(x));
      // In one turn of the event loop: nobody hears of it before the calls.
      for (const k of which) threads.threads[k]!.crash();
      for (let k = 0; k < 3; k++) {
        sameBits(whole, act.on(threads.sync).forward(x));
        const pass = act.on(threads.sync).backward(x, gradY);
        sameBits(gradient.gradX, pass.gradX);
        sameBits(gradient.gradThetas, pass.gradThetas);
        const inPlace = threads.upload(x);
        sameBits(whole, act.on(threads.sync).forward(inPlace, inPlace));
        threads.free(inPlace);
      }
      expect(threads.isDisposed).toBe(false);
      // Now it is heard of, and others take their places.
      await new Promise((resolve) => setTimeout(resolve, 50));
      await act
        .on(threads)
        .forward(x)
        .catch(() => {});
      sameBits(whole, await act.on(threads).forward(x));
      expect(threads.threads.length).toBe(2);
      sameBits(whole, act.on(threads.sync).forward(x));
      threads.dispose();
    },
  );

  test('one that has begun a piece and does not finish it fails the call, is ended, and others go on', () => {
    // A worker that says that it has begun its first such piece, and does not do it.
    const code = `import { createRequire, syncBuiltinESMExports } from 'node:module';
const threads = createRequire(process.cwd() + '/x.js')('node:worker_threads');
let words, hangs = true;
threads.Worker = class extends threads.Worker {
  postMessage(message) {
    if (message.memory) words = new Int32Array(message.memory.buffer);
    if (message.flag && hangs) {
      hangs = false;
      Atomics.store(words, message.flag >> 2, message.ticket + 1);
    } else super.postMessage(message);
  }
};
syncBuiltinESMExports();
const { DiTAC, loadBackend } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)});
const act = new DiTAC({ a: -3, b: 3, seed: 1 });
const pool = await loadBackend('threads', { size: 2, threshold: 0 });
const x = new Float32Array(50_000).fill(0.5);
try { act.on(pool.sync).forward(x); } catch (error) { console.log(error.name + ': ' + error.message); }
const [f] = act.forward(x);
const right = (y) => y.every((v) => v === f);
console.log(pool.isDisposed, right(act.on(pool.sync).forward(x)));
await new Promise((resolve) => setTimeout(resolve, 100));
console.log(right(await act.on(pool).forward(x)), right(act.on(pool.sync).forward(x)), pool.threads.length);
pool.dispose();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect({ stdout, stderr }).toEqual({
      stdout: 'BackendError: a thread ended, or has not answered for 5 s\nfalse true\ntrue true 2\n',
      stderr: '',
    });
  });
});

describe('sizes beyond 2³¹ bytes', () => {
  test('are rounded up as others are', () => {
    for (const bytes of [0, 1, 31, 32, 33, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 32 + 5, 2 ** 40 + 1]) {
      const aligned = alignImage(bytes);
      expect(aligned % 32).toBe(0);
      expect(aligned - bytes).toBeGreaterThanOrEqual(0);
      expect(aligned - bytes).toBeLessThan(32);
    }
  });

  test('tensors lie beside each other, and what does not fit is refused', async () => {
    // Address space only: hardly any of it is touched.
    const threads = await loadBackend('threads', { size: 1, threshold: 0, maxBytes: 2 ** 32 });
    const lengths = [2 ** 29, 400_000_000, 1000];
    for (let round = 0; round < 2; round++) {
      const tensors = lengths.map((length) => threads.tensor(length));
      const ranges = tensors.map(({ byteOffset, byteLength }) => [byteOffset, byteOffset + byteLength] as const);
      ranges.sort(([p], [q]) => p - q);
      for (let k = 1; k < ranges.length; k++) expect(ranges[k]![0]).toBeGreaterThanOrEqual(ranges[k - 1]![1]);
      expect(tensors.map(({ length }) => length)).toEqual(lengths);
      expect(() => threads.tensor(2 ** 29)).toThrow(/2147483648 bytes do not fit the pool's memory/);
      // Work far out: at addresses that are negative as int32.
      const [large] = tensors as [Float32Array];
      const far = large.subarray(large.length - x.length);
      expect(far.byteOffset).toBeGreaterThan(2 ** 31);
      far.set(x);
      sameBits(whole, await act.on(threads).forward(far, far));
      far.set(x);
      sameBits(gradient.gradX, act.on(threads.sync).backward(far, gradY, { out: far }).gradX);
      for (const tensor of tensors) threads.free(tensor);
    }
    expect(() => threads.tensor(2 ** 30)).toThrow(/do not fit/);
    threads.dispose();
  });

  test('a memory of 4 GiB hands out all of it, and no more', () => {
    const memory = new SharedMemory(2 ** 32);
    const first = memory.takeTensor(2 ** 29 + 1);
    const second = memory.takeTensor(2 ** 28);
    expect(second).toBe(first + 4 * 2 ** 29 + 32);
    expect(() => memory.takeTensor(2 ** 28)).toThrow(RangeError);
    memory.giveTensor(first);
    expect(memory.takeTensor(2 ** 29)).toBe(first);
  });
});
