/** A tensor of a checkpoint. Half precisions arrive widened to float32. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
}

/** name → tensor. */
export type StateDict = Readonly<Record<string, Tensor>>;

/** Whether a name is that of a tensor which `DiTAC.stateDict` adds to what PyTorch has: `<prefix>ditac.<what>`. */
export const isAdded = (name: string): boolean => /ditac\.\w+$/.test(name);
