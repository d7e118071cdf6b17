import { tensorOf } from '../activations/state-dict.js';
import { expectRecord } from '../errors.js';
import type { StateDict, Tensor } from '../io/tensor.js';
import type { EdgeParameter } from './edges.js';

/** What a layer is made of, as it is read and written. */
interface Layer {
  readonly inputs: number;
  readonly outputs: number;
  readonly degree: number;
  readonly grid: readonly Float32Array[];
  readonly parameters: Readonly<Record<EdgeParameter, Float32Array>>;
  readonly shapes: Readonly<Record<EdgeParameter, readonly number[]>>;
}

interface Read {
  inputs: number;
  outputs: number;
  degree: number;
  grid: number[][];
  base_weight: Float32Array;
  spline_scaler: Float32Array;
  spline_weight: Float32Array;
  notes: string[];
}

const TAKEN = 'the base function is taken for SiLU, the default of the class';

/** @throws {TypeError|RangeError} if tensors are missing or misshapen. */
export function readLayer(tensors: StateDict, prefix: string): Read {
  expectRecord('a state dict', tensors);
  const find = (name: string, shape: readonly (number | undefined)[]): Tensor => {
    const key = prefix + name;
    const found = tensorOf(tensors, key);
    if (found === undefined)
      throw new RangeError(
        `a KAN layer needs the tensor '${key}' (efficient-kan: base_weight, spline_weight, grid; pykan: coef, grid, scale_base, scale_sp, mask), got ${Object.keys(tensors).slice(0, 8).join(', ') || 'none'}`,
      );
    const fits =
      found.shape.length === shape.length && shape.every((n, axis) => n === undefined || n === found.shape[axis]);
    // Of nothing there may be any number in a small file.
    if (!fits || found.shape.includes(0) || found.data.length !== found.shape.reduce((p, q) => p * q, 1))
      throw new RangeError(
        `'${key}' must have shape [${shape.map((n) => n ?? 'n').join(', ')}], none of it 0, got [${found.shape.join(', ')}] with ${found.data.length} numbers`,
      );
    return found;
  };
  const has = (name: string) => Object.hasOwn(tensors, prefix + name);
  if (has('coef')) {
    const coef = find('coef', [undefined, undefined, undefined]);
    const [inputs, outputs, count] = coef.shape as [number, number, number];
    const grid = rows(find('grid', [inputs, undefined]));
    const [mask, base, scale] = ['mask', 'scale_base', 'scale_sp'].map((name) => find(name, [inputs, outputs]).data);
    // pykan's edges are [in][out], and its mask multiplies both terms.
    const turned = (from: (edge: number) => number) =>
      Float32Array.from({ length: inputs * outputs }, (_, at) =>
        from((at % inputs) * outputs + Math.floor(at / inputs)),
      );
    const masked = mask!.filter((each) => each === 0).length;
    return {
      inputs,
      outputs,
      degree: degreeOf(grid, count),
      grid,
      base_weight: turned((edge) => mask![edge]! * base![edge]!),
      spline_scaler: turned((edge) => mask![edge]! * scale![edge]!),
      spline_weight: Float32Array.from({ length: coef.data.length }, (_, at) => {
        const [channel, k] = [Math.floor(at / count), at % count];
        return coef.data[((channel % inputs) * outputs + Math.floor(channel / inputs)) * count + k]!;
      }),
      notes: [
        `${TAKEN}; symbolic functions beside the splines are no part of it`,
        ...(masked > 0 ? [`the mask of ${masked} edges is 0, and so are they`] : []),
      ],
    };
  }
  const weights = find('spline_weight', [undefined, undefined, undefined]);
  const [outputs, inputs, count] = weights.shape as [number, number, number];
  const grid = rows(find('grid', [inputs, undefined]));
  return {
    inputs,
    outputs,
    degree: degreeOf(grid, count),
    grid,
    base_weight: Float32Array.from(find('base_weight', [outputs, inputs]).data),
    // enable_standalone_scale_spline=False has none.
    spline_scaler: has('spline_scaler')
      ? Float32Array.from(find('spline_scaler', [outputs, inputs]).data)
      : new Float32Array(outputs * inputs).fill(1),
    spline_weight: Float32Array.from(weights.data),
    notes: [TAKEN],
  };
}

function rows({ shape, data }: Tensor): number[][] {
  const [count, length] = shape as [number, number];
  return Array.from({ length: count }, (_, i) => Array.from(data.subarray(i * length, (i + 1) * length)));
}

function degreeOf(grid: readonly number[][], count: number): number {
  const length = grid[0]?.length ?? 0;
  const degree = length - count - 1;
  if (!(count > 0 && degree >= 0 && degree <= 5))
    throw new RangeError(
      `a spline of ${count} coefficients must have ${count + 1} knots and one for each degree up to 5, got ${length}`,
    );
  return degree;
}

export function writeLayer(kind: 'efficient-kan' | 'pykan', prefix: string, layer: Layer): Record<string, Tensor> {
  const { inputs, outputs, grid, parameters, shapes } = layer;
  const { base_weight, spline_scaler, spline_weight } = parameters;
  const knots = { shape: [inputs, grid[0]!.length], data: Float32Array.from(grid.flatMap((row) => [...row])) };
  const count = shapes.spline_weight[2]!;
  const named = (tensors: Record<string, Tensor>) =>
    Object.fromEntries(Object.entries(tensors).map(([name, each]) => [prefix + name, each]));
  if (kind === 'efficient-kan')
    return named({
      base_weight: { shape: [...shapes.base_weight], data: base_weight },
      spline_weight: { shape: [...shapes.spline_weight], data: spline_weight },
      spline_scaler: { shape: [...shapes.spline_scaler], data: spline_scaler },
      grid: knots,
    });
  const turned = (data: Float32Array, length: number) =>
    Float32Array.from({ length: data.length }, (_, at) => {
      const [edge, k] = [Math.floor(at / length), at % length];
      return data[((edge % outputs) * inputs + Math.floor(edge / outputs)) * length + k]!;
    });
  return named({
    coef: { shape: [inputs, outputs, count], data: turned(spline_weight, count) },
    grid: knots,
    mask: { shape: [inputs, outputs], data: new Float32Array(inputs * outputs).fill(1) },
    scale_base: { shape: [inputs, outputs], data: turned(base_weight, 1) },
    scale_sp: { shape: [inputs, outputs], data: turned(spline_scaler, 1) },
  });
}
