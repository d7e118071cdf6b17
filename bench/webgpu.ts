import { BackendError } from '../src/backends/errors.js';
import { normalStream, transform } from '../src/cpab.js';
import { DiTAC, loadBackend } from '../src/index.js';

/**
 * The WebGPU path beside a plain copy on the same device: `npm run bench:webgpu`. Times are of the device's queue, data staying there.
 */

const COUNT = 2 ** 24;
/** A gradient ends with its sums on the host, so its time is a call's. */
const GRADIENT_COUNT = 2 ** 22;
const REPEATS = 7;
const LEAST_MS = 50;

const COPY = `
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * groups.x + group.x) * 64 + local;
  if (i < arrayLength(&y)) { y[i] = x[i]; }
}`;

const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1]!;

async function measure(): Promise<void> {
  const started = performance.now();
  const backend = await loadBackend('webgpu');
  const ready = performance.now() - started;
  const { gpuDevice } = backend;
  const x = backend.upload(Float32Array.from({ length: COUNT }, normalStream(1)));
  const y = backend.allocate(COUNT);

  const module = gpuDevice.createShaderModule({ code: COPY });
  const pipeline = gpuDevice.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const entries = [x, y].map(({ buffer }, binding) => ({ binding, resource: { buffer } }));
  const bindings = gpuDevice.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const copy = () => {
    const encoder = gpuDevice.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindings);
    pass.dispatchWorkgroups(COUNT / 64 / 8, 8);
    pass.end();
    gpuDevice.queue.submit([encoder.finish()]);
  };
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const forward = () => void act.on(backend).forward(x, y);
  const [some, upstream] = [1, 2].map((seed) =>
    backend.upload(Float32Array.from({ length: GRADIENT_COUNT }, normalStream(seed))),
  ) as [typeof x, typeof x];
  const gradX = backend.allocate(GRADIENT_COUNT);
  const gradient = async () => void (await act.on(backend).backward(some, upstream, { out: gradX }));
  /** Of one, in ms. */
  const time = async (work: () => void | Promise<void>, many = 1) => {
    const start = performance.now();
    for (let k = 0; k < many; k++) await work();
    await gpuDevice.queue.onSubmittedWorkDone();
    return (performance.now() - start) / many;
  };
  await time(copy);
  await time(forward);
  await time(gradient);
  // A real GPU copies 2²⁴ floats in less time than a queue needs to say that it has: so many are handed over at once.
  const atOnce = Math.ceil(LEAST_MS / (await time(copy)));
  const times: Record<'copy' | 'forward' | 'gradient', number[]> = { copy: [], forward: [], gradient: [] };
  // In turns, so that whatever else the machine does meets both.
  for (let k = 0; k < REPEATS; k++) {
    times.copy.push(await time(copy, atOnce));
    times.forward.push(await time(forward, atOnce));
    times.gradient.push(await time(gradient));
  }
  const [copied, forwarded] = [median(times.copy), median(times.forward)];
  const unit = Float32Array.from({ length: 2 ** 20 }, (_, i) => i / 2 ** 20);
  const flowed = performance.now();
  await transform(unit, act.thetas, { tess: 10, backend });
  const report = {
    device: backend.device,
    exact: backend.exact,
    startMs: ready,
    probeMs: backend.probeMs,
    elements: COUNT,
    atOnce,
    copyMs: copied,
    forwardMs: forwarded,
    forwardOverCopy: forwarded / copied,
    gradientNs: (1e6 * median(times.gradient)) / GRADIENT_COUNT,
    gradientOverForward: median(times.gradient) / GRADIENT_COUNT / (forwarded / COUNT),
    copyGBs: (8 * COUNT) / copied / 1e6,
    forwardGBs: (8 * COUNT) / forwarded / 1e6,
    transformOfAMillionWithTransferMs: performance.now() - flowed,
  };
  console.log(JSON.stringify(report, null, 2));
  backend.dispose();
}

await measure().catch((error) => {
  if (!(error instanceof BackendError)) throw error;
  console.log(`skipped: ${error.message}`);
});
process.exit();
