/** The layers around the activations: plain loops in float64 over float32 tensors, enough to run a trained network. */

import type { Tensor } from 'ditac/safetensors';

/** y = W·x + b for a batch of rows. W is [outputs][inputs], as PyTorch stores it. */
export function linear(x: Float32Array, weight: Tensor, bias: Tensor): Float32Array {
  const [outputs, inputs] = weight.shape as [number, number];
  const rows = x.length / inputs;
  const y = new Float32Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outputs; o++) {
      let sum = bias.data[o]!;
      for (let i = 0; i < inputs; i++) sum += weight.data[o * inputs + i]! * x[r * inputs + i]!;
      y[r * outputs + o] = sum;
    }
  }
  return y;
}

/** 3×3 convolution with padding 1 of images [batch][channels][size][size]; weight [outputs][channels][3][3]. */
export function convolve(x: Float32Array, size: number, weight: Tensor, bias: Tensor): Float32Array {
  const [outputs, channels] = weight.shape as [number, number, number, number];
  const area = size * size;
  const batch = x.length / (channels * area);
  const y = new Float32Array(batch * outputs * area);
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outputs; o++) {
      for (let at = 0; at < area; at++) {
        const [row, column] = [Math.floor(at / size), at % size];
        let sum = bias.data[o]!;
        for (let c = 0; c < channels; c++) {
          for (let k = 0; k < 9; k++) {
            const [r, s] = [row + Math.floor(k / 3) - 1, column + (k % 3) - 1];
            if (r < 0 || r >= size || s < 0 || s >= size) continue;
            sum += weight.data[(o * channels + c) * 9 + k]! * x[(n * channels + c) * area + r * size + s]!;
          }
        }
        y[(n * outputs + o) * area + at] = sum;
      }
    }
  }
  return y;
}

/** The largest of every 2×2 block of images [...][size][size]. */
export function maxPool(x: Float32Array, size: number): Float32Array {
  const half = size / 2;
  return Float32Array.from({ length: x.length / 4 }, (_, i) => {
    const at = Math.floor(i / half) * 2 * size + (i % half) * 2;
    return Math.max(x[at]!, x[at + 1]!, x[at + size]!, x[at + size + 1]!);
  });
}

/** The index of the largest entry in every row. */
export function argmax(x: Float32Array, columns: number): number[] {
  return Array.from({ length: x.length / columns }, (_, r) => {
    const row = x.subarray(r * columns, (r + 1) * columns);
    return row.indexOf(Math.max(...row));
  });
}
