/** A tensor of a checkpoint. Half precisions arrive widened to float32. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** name → tensor. */
export type StateDict = Readonly<Record<string, Tensor>>;
