import { normalStream } from '../src/cpab.js';
import { BSpline, KANLayer } from '../src/index.js';
import type { Row } from './measure.js';
import { efficientKan } from './peers.js';

/** A KAN layer of 16·8 edges on 8192 samples, beside an activation of 128 functions on as many elements. */

const [INPUTS, OUTPUTS] = [16, 8];
const SAMPLES = 8192;
const COUNT = INPUTS * OUTPUTS * SAMPLES;
export const AS_MANY = 'forward of as many elements, 128 functions';

/** Times of an edge and a sample. */
export function layers(): { rows: Row[]; peer: number | string } {
  const layer = new KANLayer({ inputs: INPUTS, outputs: OUTPUTS, seed: 1 });
  const { base_weight, spline_scaler, spline_weight } = layer.parameters;
  const weights = Array.from({ length: INPUTS * OUTPUTS }, (_, k) => spline_weight.subarray(8 * k, 8 * k + 8));
  const edges = new BSpline({ grid: Array.from(layer.grid[0]!), base_weight, spline_scaler, spline_weight: weights });
  const normal = normalStream(2);
  const [x, gradY] = [INPUTS, OUTPUTS].map((width) => Float32Array.from({ length: width * SAMPLES }, normal));
  const elements = Float32Array.from({ length: COUNT }, normal);
  const [out, y] = [new Float32Array(COUNT), new Float32Array(OUTPUTS * SAMPLES)];
  const shape = [1, INPUTS * OUTPUTS, SAMPLES];
  const rows: Row[] = [
    { name: AS_MANY, count: COUNT, work: () => edges.forward(elements, out, { shape }) },
    { name: 'KANLayer forward', count: COUNT, bar: { ratio: 1.5 }, work: () => layer.forward(x!, y) },
    { name: 'KANLayer direct', count: COUNT, work: () => layer.direct(x!, y) },
    { name: 'KANLayer backward', count: COUNT, work: () => layer.backward(x!, gradY!) },
  ];
  const seconds = efficientKan(INPUTS, OUTPUTS, SAMPLES);
  return { rows, peer: typeof seconds === 'string' ? seconds : (seconds * 1e9) / COUNT };
}
