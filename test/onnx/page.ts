/** The part that runs in a page: models in onnxruntime-web's WebGPU build. */
import * as ort from 'onnxruntime-web/webgpu';

/** Bits of y that differ from what is expected; a negative number if WebGPU did not run. */
export async function differing(
  model: ArrayBuffer,
  x: Float32Array,
  expected: Float32Array,
  level: 'all' | 'disabled',
): Promise<number> {
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['webgpu'],
    graphOptimizationLevel: level,
    logSeverityLevel: 3,
  });
  const results = await session.run({ x: new ort.Tensor('float32', x, [x.length]) });
  const y = (await results.y!.getData()) as Float32Array;
  await session.release();
  const [p, q] = [y, expected].map((each) => new Int32Array(each.buffer, each.byteOffset, each.length)) as [
    Int32Array,
    Int32Array,
  ];
  let count = Math.abs(p.length - q.length);
  for (let i = 0; i < p.length; i++) if (p[i] !== q[i]) count++;
  return count;
}
