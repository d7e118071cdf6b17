import { expectFunction, expectSignal, type OptionTable, throwIfAborted } from '../errors.js';
import type { BackwardImage } from '../plan/image.js';
import type { Moments } from '../plan/moments.js';
import type { Backend, DeviceBackend, HostBackend, Kernel, PoolBackend, Tables, WorkOptions } from './backend.js';

/** Of every call that takes a while. */
export const WORK_OPTIONS = { signal: expectSignal, onProgress: expectFunction } satisfies OptionTable<WorkOptions>;

/** Floats that travel to a device at a time: enough to keep it busy, and a bounded share of its memory. */
const PIECE = 2 ** 24;

/**
 * Arrays in, arrays out, on any backend: at once where it works on the arrays themselves, else later, by way of the device's memory, a
 * piece at a time.
 */
export function evaluate(
  backend: Backend,
  kernel: Kernel,
  tables: Tables,
  x: Float32Array,
  y: Float32Array,
  options: WorkOptions = {},
): Float32Array | Promise<Float32Array> {
  if (backend.isSynchronous) {
    throwIfAborted(options.signal);
    (backend as HostBackend).run(kernel, tables, x, y);
    options.onProgress?.(1);
    return y;
  }
  if (isPool(backend)) return backend.evaluate(kernel, tables, x, y, options).then(() => y);
  const device = backend as DeviceBackend;
  return inPieces(device, x.length, y.length, options, (from, to) => {
    const repeats = x.length < y.length;
    const input = device.upload(repeats ? x.subarray(0, to - from) : x.subarray(from, to));
    const output = repeats ? device.allocate(to - from) : input;
    device.run(kernel, { ...tables, offset: (tables.offset ?? 0) + from }, input, output);
    const done = device.download(output, y.subarray(from, to));
    // Work that was handed over still finds what is freed.
    device.free(input);
    if (output !== input) device.free(output);
    return done;
  }).then(() => y);
}

/** As {@link evaluate}, for gradients: gradX is written, and the moments are added to. */
export function evaluateBackward(
  backend: Backend,
  tables: Tables<BackwardImage>,
  x: Float32Array,
  gradY: Float32Array,
  gradX: Float32Array,
  moments: readonly Moments[],
  options: WorkOptions = {},
): void | Promise<void> {
  if (backend.isSynchronous) {
    throwIfAborted(options.signal);
    (backend as HostBackend).backward(tables, x, gradY, gradX, moments);
    options.onProgress?.(1);
    return;
  }
  if (isPool(backend)) return backend.evaluateBackward(tables, x, gradY, gradX, moments, options);
  const device = backend as DeviceBackend;
  return inPieces(device, x.length, gradY.length, options, (from, to) => {
    const repeats = x.length < gradY.length;
    const input = device.upload(repeats ? x.subarray(0, to - from) : x.subarray(from, to));
    const gradient = device.upload(gradY.subarray(from, to));
    const part = { ...tables, offset: (tables.offset ?? 0) + from };
    const summed = device.backward(part, input, gradient, gradient, moments);
    const done = device.download(gradient, gradX.subarray(from, to));
    device.free(input);
    device.free(gradient);
    return Promise.all([summed, done]);
  });
}

const isPool = (backend: Backend): backend is Backend & PoolBackend => 'evaluate' in backend;

/** Divides a tensor and works on two parts at a time: one travels while the other is computed. An x that repeats is not cut through. */
async function inPieces(
  backend: DeviceBackend,
  xLength: number,
  length: number,
  { signal, onProgress }: WorkOptions,
  start: (from: number, to: number) => Promise<unknown>,
): Promise<void> {
  const most = Math.min(PIECE, backend.maxLength);
  const piece = xLength < length ? Math.max(xLength, most - (most % xLength)) : most;
  let last: Promise<unknown> = Promise.resolve();
  for (let from = 0; from < length; from += piece) {
    throwIfAborted(signal);
    const next = start(from, Math.min(from + piece, length));
    // It may fail while another is waited for, and nobody would hear of it.
    next.catch(() => {});
    await Promise.all([last, from + piece < length ? undefined : next]);
    onProgress?.(Math.min(from + piece, length) / length);
    last = next;
  }
}
