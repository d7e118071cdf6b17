/** What can go wrong on a device, and what must not: each test on a real one (a GPU or a software rasteriser), none without. */
import { BackendError, DeviceLostError, DiTAC, defineFamily, loadBackend, type WebGpuBackend } from 'ditac';
import { normalStream, transform } from 'ditac/cpab';
import { exp, log, sqrt, times, x as variable, where, whole } from 'ditac/families';
import { compareBits } from 'ditac/oracle';
import { shader, verifyBackends, verifyFunction } from 'ditac/verify';
import { afterAll, describe, expect, test } from 'vitest';

const found = await loadBackend('webgpu').catch((error: Error) => error);
const missing = found instanceof Error ? found.message : undefined;
const backend = found as WebGpuBackend;
const act = new DiTAC({ a: -3, b: 3, seed: 1 });
const x = Float32Array.from({ length: 10_000 }, normalStream(1));
const expected = act.forward(x);

const expectSameBits = (p: Float32Array, q: Float32Array) => expect(compareBits(p, q).differing).toBe(0);
const another = () => loadBackend('webgpu', { powerPreference: 'high-performance' });

test.runIf(missing)(`no WebGPU here, so the tests of it are skipped: ${missing}`, async () => {
  // Whatever is missing is said as a reason, and again when asked again.
  expect(found).toBeInstanceOf(BackendError);
  await expect(loadBackend('webgpu')).rejects.toThrow(/no WebGPU/);
});

describe.skipIf(missing)('webgpu', () => {
  afterAll(() => backend.dispose());

  test('is exact by its probe, and is the same backend every time', async () => {
    expect({ exact: backend.exact, failures: backend.failures }).toEqual({ exact: true, failures: [] });
    expect(await loadBackend('webgpu')).toBe(backend);
  });

  test('without barriers the probe finds what compilers rewrite', async () => {
    const bare = await loadBackend('webgpu', { barriers: false });
    expect(bare.exact).toBe(false);
    const [failure] = bare.failures;
    expect(failure).toMatchObject({ probe: expect.any(String), differing: expect.any(Number) });
    expect(failure!.expected).not.toBe(failure!.actual);
    bare.dispose();
  });

  test('tensors stay on the device between calls', async () => {
    const first = backend.upload(x);
    const second = act.on(backend).forward(first);
    const third = act.on(backend).forward(second, backend.allocate(x.length));
    const fourth = act.on(backend).forward(third, third);
    expect(fourth).toBe(third);
    expectSameBits(act.forward(act.forward(expected)), await backend.download(third));
    expectSameBits(x, await backend.download(first));
    for (const tensor of [first, second, third]) backend.free(tensor);
  });

  test('gradients of tensors stay on the device, in x, in gradY or apart; no buffer is left behind', async () => {
    const gradY = x.slice().reverse();
    const whole = act.backward(x, gradY);
    await act.on(backend).backward(x, gradY);
    const before = backend.memory.buffers;
    for (const where of ['new', 'apart', 'x', 'gradY'] as const) {
      const [input, upstream, apart] = [backend.upload(x), backend.upload(gradY), backend.allocate(x.length)];
      const out = { new: undefined, apart, x: input, gradY: upstream }[where];
      const { gradX, gradThetas } = await act.on(backend).backward(input, upstream, out ? { out } : {});
      if (out) expect(gradX).toBe(out);
      expectSameBits(whole.gradX, await backend.download(gradX));
      expectSameBits(whole.gradThetas, gradThetas);
      for (const tensor of new Set([input, upstream, apart, gradX])) backend.free(tensor);
    }
    for (let k = 0; k < 50; k++) await act.on(backend).backward(x, gradY);
    expect(backend.memory.buffers).toBeLessThanOrEqual(before + 1);
    await expect(act.on(backend).backward(backend.allocate(3), backend.allocate(4))).rejects.toThrow(
      /gradY must have length 3/,
    );
  });

  test('what lies behind the last element in a group of four adds nothing to a gradient', async () => {
    // The kernel fills groups up: behind gradY lie values at 0.
    expect(act.forward(Float32Array.of(0))[0]).not.toBe(0);
    const on = act.on(backend);
    for (const length of [1, 2, 3, 1021]) {
      const [input, before] = [x.subarray(0, length), x.subarray(length, 2 * length)];
      const [deviceX, deviceBefore] = [backend.upload(input), backend.upload(before)];
      const upstream = on.forward(deviceBefore);
      const { gradX, gradThetas } = await on.backward(deviceX, upstream);
      const expected = act.backward(input, act.forward(before));
      expectSameBits(expected.gradX, await backend.download(gradX));
      expectSameBits(expected.gradThetas, gradThetas);
      for (const tensor of [deviceX, deviceBefore, upstream, gradX]) backend.free(tensor);
    }
  });

  test('gradients of more channels than sums have room for at a time', async () => {
    const channels = 700;
    const many = new DiTAC({ tess: 4, channels, seed: 1, layout: 'channelsLast' });
    const part = x.subarray(0, 14 * channels);
    const gradY = part.slice().reverse();
    const [p, q] = [many.backward(part, gradY), await many.on(backend).backward(part, gradY)];
    expectSameBits(p.gradX, q.gradX);
    expectSameBits(p.gradThetas, q.gradThetas);
  });

  test('a device that is lost in the middle of a gradient rejects it, and the sum has nothing of it', async () => {
    const own = await another();
    const into = act.gradientSum();
    const call = act.on(own).backward(x, x, { into });
    own.gpuDevice.destroy();
    await expect(call).rejects.toThrow(BackendError);
    expect([...into.thetas]).toEqual(new Array(9).fill(0));
  });

  test('a caller’s own device and buffers', async () => {
    const { gpuDevice } = backend;
    const own = await loadBackend('webgpu', { device: gpuDevice });
    for (const length of [1000, 1001, 1002, 1003]) {
      const buffer = gpuDevice.createBuffer({ size: 4 * length, usage: 0x80 | 0x4 | 0x8 });
      const tensor = own.wrap(buffer, length - 1);
      gpuDevice.queue.writeBuffer(buffer, 0, x.slice(0, length));
      act.on(own).forward(tensor, tensor);
      expectSameBits(expected.subarray(0, length - 1), await own.download(tensor));
      // What lies behind the tensor in the caller's buffer is the caller's.
      expectSameBits(x.subarray(0, length).subarray(-1), (await own.download(own.wrap(buffer, length))).subarray(-1));
      own.free(tensor);
      expectSameBits(expected.subarray(0, length - 1), await own.download(tensor));
      buffer.destroy();
    }
    const small = gpuDevice.createBuffer({ size: 16, usage: 0x80 });
    expect(() => own.wrap(small, 5)).toThrow(/5 floats need 20 bytes, the buffer has 16/);
    expect(() => own.wrap(small, 4)).toThrow(/usages STORAGE, COPY_SRC and COPY_DST/);
    // @ts-expect-error: not a buffer
    expect(() => own.wrap({}, 4)).toThrow(TypeError);
    own.dispose();
    // The device is the caller's: it goes on.
    expectSameBits(expected, await act.on(backend).forward(x));
  });

  test('pieces: more workgroups than one dimension holds, and more elements than one dispatch', async () => {
    const count = 2 ** 24 + 4 * 64 * 3 + 1;
    const large = new Float32Array(count);
    for (let i = 0; i < count; i += x.length) large.set(x.subarray(0, Math.min(x.length, count - i)), i);
    const y = await act.on(backend).forward(large);
    for (let i = 0; i < count; i += x.length) {
      const part = y.subarray(i, i + x.length);
      if (compareBits(part, expected.subarray(0, part.length)).differing > 0)
        expect.fail(`differs from element ${i} on`);
    }
    const tensor = backend.upload(large);
    expectSameBits(y, await backend.download(act.on(backend).forward(tensor, tensor)));
    backend.free(tensor);
  });

  test('5,000 small calls in flight keep their order and leave nothing behind', async () => {
    await act.on(backend).forward(x.subarray(0, 64));
    const before = backend.memory.buffers;
    const finished: number[] = [];
    const calls = Array.from({ length: 5000 }, (_, i) => {
      const part = x.subarray(i, i + 1 + (i % 64));
      return act
        .on(backend)
        .forward(part)
        .then((y) => {
          finished.push(i);
          return compareBits(y, expected.subarray(i, i + part.length)).differing;
        });
    });
    expect((await Promise.all(calls)).every((differing) => differing === 0)).toBe(true);
    expect(finished).toEqual(finished.slice().sort((p, q) => p - q));
    // Readers that are kept for later calls.
    expect(backend.memory.buffers).toBeLessThanOrEqual(before + 4);
  });

  test('no buffer is left by activations, transformations, or refused calls', async () => {
    const thetas = Float32Array.from({ length: 90 }, normalStream(5));
    const many = new DiTAC({ a: -3, b: 3, channels: 5, seed: 2, layout: 'channelsLast' });
    await many.on(backend).forward(x);
    await transform(x, thetas, { tess: 10, backend });
    const before = backend.memory.buffers;
    for (let k = 0; k < 20; k++) {
      await many.on(backend).forward(x);
      await transform(x, thetas, { tess: 10, backend });
      await expect(async () => many.on(backend).forward(x.subarray(1))).rejects.toThrow(RangeError);
      expect(() => backend.allocate(backend.maxLength + 1)).toThrow(/at most \d+ floats/);
    }
    expect(backend.memory.buffers).toBeLessThanOrEqual(before + 4);
  });

  test('a tensor too large for the device’s memory is refused, and the backend goes on', async () => {
    const tensors = [];
    let refused: unknown;
    // The limit of one buffer, until memory runs out or 32 GiB are reached; software rasterisers take it from the process.
    for (let k = 0; k < 32 && refused === undefined; k++) {
      const tensor = backend.allocate(backend.maxLength);
      tensors.push(tensor);
      refused = (await Promise.all(tensor.problems)).find(Boolean) ?? undefined;
    }
    for (const tensor of tensors) backend.free(tensor);
    // Where memory is only handed out when it is written to, nothing is refused: that is no failure of ours.
    if (refused !== undefined) expect((refused as GPUError).message).toMatch(/memory|size/i);
    expectSameBits(expected, await act.on(backend).forward(x));
  });

  test('a validation error rejects the download with its reason, and the backend goes on', async () => {
    const destroyed = backend.upload(x);
    destroyed.buffer.destroy();
    const y = act.on(backend).forward(destroyed, backend.allocate(x.length));
    await expect(backend.download(y)).rejects.toThrow(BackendError);
    await expect(backend.download(y)).rejects.toThrow(/refused the work: .*destroyed/is);
    backend.free(y);
    expectSameBits(expected, await act.on(backend).forward(x));
  });

  test('a tensor is as good as what was last written into all of it', async () => {
    const refused = () => {
      const destroyed = backend.upload(x);
      destroyed.buffer.destroy();
      return destroyed;
    };
    const input = backend.upload(x);
    const out = backend.allocate(x.length);
    for (let round = 0; round < 2; round++) {
      act.on(backend).forward(refused(), out);
      await expect(backend.download(out)).rejects.toThrow(/refused the work/);
      // In place it is still made of what was refused.
      act.on(backend).forward(out, out);
      await expect(backend.download(out)).rejects.toThrow(/refused the work/);
      act.on(backend).forward(input, out);
      expectSameBits(expected, await backend.download(out));
    }
    const gradients = await act.on(backend).backward(x, x);
    await expect(act.on(backend).backward(refused(), input, { out })).rejects.toThrow(/refused the work/);
    await expect(backend.download(out)).rejects.toThrow(/refused the work/);
    await act.on(backend).backward(input, input, { out });
    expectSameBits(gradients.gradX, await backend.download(out));
    for (const tensor of [input, out]) backend.free(tensor);
  });

  test('what could not be made for one call is made again for the next', async () => {
    const own = await another();
    const { gpuDevice } = own;
    const create = gpuDevice.createBuffer.bind(gpuDevice);
    // As many elements as need a larger list than before, and tables of their own.
    const more = Float32Array.from({ length: 70_000 }, normalStream(3));
    const other = new DiTAC({ a: -3, b: 3, seed: 77 });
    const [input, out] = [own.upload(more), own.allocate(more.length)];
    // A buffer with usages that do not go together: an invalid one, as where memory has run out.
    gpuDevice.createBuffer = (descriptor) => create({ ...descriptor, usage: 0x3 });
    other.on(own).forward(input, out);
    gpuDevice.createBuffer = create;
    await expect(own.download(out)).rejects.toThrow(/refused the work/);
    other.on(own).forward(input, out);
    expectSameBits(other.forward(more), await own.download(out));
    own.dispose();
  });

  test('a device destroyed in the middle of a call: a clear rejection, and loadBackend gives a new one', async () => {
    const own = await another();
    const calls = Array.from({ length: 20 }, () => act.on(own).forward(x));
    own.gpuDevice.destroy();
    const outcomes = await Promise.allSettled(calls);
    for (const outcome of outcomes) {
      // What was done before the device went may have arrived; it must be right then.
      if (outcome.status === 'fulfilled') expectSameBits(expected, outcome.value);
      else expect(outcome.reason).toBeInstanceOf(DeviceLostError);
    }
    expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true);
    expect(own.isAlive).toBe(false);
    await expect(async () => act.on(own).forward(x)).rejects.toThrow(/device is lost .* load the backend again/);
    expect(() => own.allocate(1)).toThrow(DeviceLostError);
    const next = await another();
    expectSameBits(expected, await act.on(next).forward(x));
    next.dispose();
    expect(next.memory).toEqual({ buffers: 0, bytes: 0 });
    expectSameBits(expected, await act.on(backend).forward(x));
  });

  test('what is not a device or a tensor is refused', async () => {
    // @ts-expect-error: not a device
    await expect(loadBackend('webgpu', { device: {} })).rejects.toThrow(/device must be a GPUDevice/);
    // @ts-expect-error: not a tensor
    expect(() => act.on(backend).forward([1, 2])).toThrow(/x must be a Float32Array or a tensor/);
    expect(() => act.on(backend).forward(backend.allocate(4), backend.allocate(5))).toThrow(/length 4 .* got 5/);
  });

  test('the bits beside a singularity at 0, where x less the centre of a segment is subnormal', async () => {
    const roots = {
      log: log(variable),
      root: sqrt(variable),
      tenth: exp(times(0.1, log(variable))),
      inverse: exp(times(-0.3, log(variable))),
    };
    const tiny = new Float32Array(20_000);
    const bits = new Uint32Array(tiny.buffer);
    // From 2⁻¹²⁶ to 2⁻⁶⁶, every exponent as often, and mantissas of all kinds.
    bits.forEach((_, k) => {
      bits[k] = ((1 + (k % 60)) << 23) | (Math.imul(k, 0x9e3779b1) & 0x7fffff);
    });
    for (const [name, f] of Object.entries(roots)) {
      const Root = defineFamily({ name, parameters: () => ({}), define: () => whole(where(variable, f, 0)) });
      const root = new Root();
      expectSameBits(root.forward(tiny), await root.on(backend).forward(tiny));
      const { gradX } = root.backward(tiny, tiny);
      expectSameBits(gradX, (await root.on(backend).backward(tiny, tiny)).gradX);
    }
  });

  test('verify judges it beside the others', async () => {
    const reports = await verifyBackends({ elements: 5000, points: 100 });
    expect(reports.map(({ name, ok, differing }) => [name, ok, differing])).toEqual([
      ['wasm', true, 0],
      ['js', true, 0],
      ['threads', true, 0],
      ['webgpu', true, 0],
    ]);
  });
});

test('verifyFunction judges anyone’s kernel', async () => {
  const right = await verifyFunction('right', (v) => act.forward(v), act, { elements: 1000, points: 100 });
  expect(right).toMatchObject({ ok: true, differing: 0 });
  const near = await verifyFunction('a float64 kernel', (v) => v.map(act.reference()), act, {
    elements: 1000,
    points: 100,
  });
  expect(near.ok).toBe(false);
  expect(near.worstUlp).toBeLessThan(0.501);
  expect(near.firstMismatch).toMatchObject({ index: expect.any(Number), input: expect.any(Number) });
  const wrong = await verifyFunction('wrong', (v) => v.map((u) => u / 2), act, { elements: 1000, points: 100 });
  expect(wrong.worstUlp).toBeGreaterThan(1000);
});

test.each(['activate', 'flow', 'backward'] as const)('the shader of %s is the kernel', (kernel) => {
  const code = shader(kernel);
  for (const name of [`fn ${kernel}Lanes(`, 'fn segmentOf(']) expect(code).toContain(name);
  // Comments come along.
  expect(code).toContain('by bisection; half is a power of two');
  const bodies = code.slice(code.indexOf(`fn ${kernel}Lanes`)).replaceAll(/\/\/.*/g, '');
  // Floats meet only in words of the vocabulary: an operator has an address, a constant or a cast beside it.
  for (const [, left, right] of bodies.matchAll(/([\w)]+) [-+*/] (\w+)/g))
    expect(`${left} ${right}`).toMatch(/\b(table|at|skip|[A-Z0-9_]+|\d+)\b|\)/);
  expect(code).toMatch(/fn plus\(.*barrier\(a \+ b\)/);
  expect(shader(kernel, { barriers: false })).toMatch(/fn barrier\(value: f32\) -> f32 \{ return value; \}/);
});

test('a shader has the parts that its options ask for, and no others', () => {
  const lines = (options: Parameters<typeof shader>[1], kernel: Parameters<typeof shader>[0] = 'activate') =>
    shader(kernel, options).split('\n');
  for (const entry of ['each', 'cells', 'search'] as const)
    for (const inPlace of [[], ['x']] as const)
      for (const isPlain of [false, true])
        for (const barriers of [false, true]) {
          const code = lines({ entry, inPlace, isPlain, barriers });
          const count = (part: string) => code.filter((line) => line.includes(part)).length;
          expect(count('//:')).toBe(0);
          expect(count('> x: array<')).toBe(inPlace.length === 0 ? 1 : 0);
          expect([count('fn xAt('), count('fn sourceOf('), count('fn tableOf('), count('fn barrier(')]).toEqual([
            1, 1, 1, 1,
          ]);
          expect(count('call.period')).toBe(isPlain ? 0 : 1);
          expect(count('^ zero')).toBe(barriers ? 1 : 0);
        }
  for (const inPlace of [[], ['x'], ['gradY'], ['x', 'gradY']] as const)
    for (const entry of ['backward', 'slopes', 'rest'] as const) {
      const code = lines({ entry, inPlace }, 'backward');
      const bound = code.flatMap((line) => /> (x|gradY): array</.exec(line)?.[1] ?? []);
      expect(bound).toEqual(['x', 'gradY'].filter((name) => !(inPlace as readonly string[]).includes(name)));
      expect(code.filter((line) => line.includes('fn addToRow('))).toHaveLength(1);
    }
});
