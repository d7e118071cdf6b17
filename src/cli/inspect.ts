import { CheckpointFile } from './checkpoint-file.js';
import { rebuild, type Told } from './compile.js';

export interface InspectReport {
  readonly metadata: Record<string, string>;
  readonly tensors: {
    name: string;
    dtype: string;
    shape: readonly number[];
    /** Of floats, if there are any. */
    least?: number;
    largest?: number;
  }[];
  readonly activations: ActivationReport[];
  /** Tensors whose names end with 'thetas' that are not taken for an activation: nothing of one lies beside them. */
  readonly others: string[];
}

export interface ActivationReport {
  readonly prefix: string;
  readonly channels: number;
  readonly tess?: number;
  readonly interval?: readonly [number, number];
  readonly variant?: string;
  readonly lambdaSmooth?: number;
  readonly lambdaVar?: number;
  readonly certifiedUlp?: number;
  /** Why the activation could not be rebuilt. */
  readonly problem?: string;
}

/** What a .safetensors file holds, and which DiTAC activations can be rebuilt from it. */
export function inspect(file: string, told: Told): InspectReport {
  const checkpoint = new CheckpointFile(file);
  try {
    const { prefixes, others } = checkpoint.activations;
    const channels = new Map(checkpoint.entries.map(({ name, shape }) => [name, shape[0]]));
    return {
      metadata: { ...checkpoint.metadata },
      tensors: checkpoint.entries.map((entry) => ({
        name: entry.name,
        dtype: entry.dtype,
        shape: entry.shape,
        ...checkpoint.range(entry),
      })),
      activations: prefixes.map((prefix) => {
        try {
          const act = rebuild(checkpoint, prefix, told);
          const { tess, a, b, variant, lambdaSmooth, lambdaVar } = act;
          const interval = [a, b] as const;
          const certifiedUlp = act.plan.certificate.ulp;
          return { prefix, channels: act.channels, tess, interval, variant, lambdaSmooth, lambdaVar, certifiedUlp };
        } catch (cause) {
          return { prefix, channels: channels.get(`${prefix}thetas`) ?? 0, problem: (cause as Error).message };
        }
      }),
      others,
    };
  } finally {
    checkpoint.close();
  }
}
