import type { Backend, DeviceBackend, HostBackend, Kernel, Tables } from './backend.js';

/** Floats that travel to a device at a time: enough to keep it busy, and a bounded share of its memory. */
const PIECE = 2 ** 24;

/**
 * Arrays in, arrays out, on any backend: at once where it works on the arrays themselves, else by way of the device's memory, a piece
 * at a time.
 */
export function evaluate(
  backend: Backend,
  kernel: Kernel,
  tables: Tables,
  x: Float32Array,
  y: Float32Array,
): Float32Array | Promise<Float32Array> {
  if (!backend.isSynchronous) return evaluateOnDevice(backend as DeviceBackend, kernel, tables, x, y);
  (backend as HostBackend).run(kernel, tables, x, y);
  return y;
}

async function evaluateOnDevice(
  backend: DeviceBackend,
  kernel: Kernel,
  tables: Tables,
  x: Float32Array,
  y: Float32Array,
): Promise<Float32Array> {
  const repeats = x.length < y.length;
  const most = Math.min(PIECE, backend.maxLength);
  // A piece may not cut through an x that repeats.
  const piece = repeats ? Math.max(x.length, most - (most % x.length)) : most;
  const start = (from: number): Promise<unknown> => {
    const part = y.subarray(from, from + piece);
    const input = backend.upload(repeats ? x.subarray(0, part.length) : x.subarray(from, from + part.length));
    const output = repeats ? backend.allocate(part.length) : input;
    backend.run(kernel, { ...tables, offset: (tables.offset ?? 0) + from }, input, output);
    const done = backend.download(output, part);
    // Work that was handed over still finds what is freed.
    backend.free(input);
    if (output !== input) backend.free(output);
    return done;
  };
  // Two pieces at a time: one travels while the other is computed.
  let last: Promise<unknown> = Promise.resolve();
  for (let from = 0; from < y.length; from += piece) {
    const next = start(from);
    await Promise.all([last, from + piece < y.length ? undefined : next]);
    last = next;
  }
  return y;
}
