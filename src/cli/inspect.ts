import { type FamilyName, type Identified, identify } from '../families.js';
import { CheckpointFile } from './checkpoint-file.js';
import { rebuild, type Told } from './compile.js';
import { read, type Where } from './family.js';

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
  /** Prefixes whose names and shapes are those of other families: which they could be, and what must be told. */
  readonly families: readonly Identified[];
  /** Tensors whose names end with 'thetas' that are not taken for an activation: nothing of one lies beside them. */
  readonly others: string[];
}

export interface ActivationReport {
  readonly prefix: string;
  readonly family: string;
  readonly channels: number;
  readonly tess?: number;
  readonly interval?: readonly [number, number];
  readonly variant?: string;
  readonly lambdaSmooth?: number;
  readonly lambdaVar?: number;
  readonly certifiedUlp?: number;
  /** Of other families than DiTAC. */
  readonly constants?: object;
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly notes?: readonly string[];
  /** Why the activation could not be rebuilt. */
  readonly problem?: string;
}

export interface InspectOptions extends Told, Where {
  /** Only this activation is rebuilt. */
  readonly prefix?: string;
  /** Default 'ditac'. */
  readonly family?: FamilyName;
  /** Constants of another family. */
  readonly constants?: Record<string, unknown>;
}

/** What a .safetensors file holds, what could be activations of which families, and which of the family that is told can be rebuilt from it. */
export function inspect(
  file: string,
  { family = 'ditac', constants = {}, prefix: only, ...told }: InspectOptions,
): InspectReport {
  const checkpoint = new CheckpointFile(file);
  try {
    const { prefixes: flows, others } = checkpoint.activations;
    const identified = identify(checkpoint.tensors);
    const likely = identified.filter(({ candidates }) => candidates.some((each) => each.family === family));
    const prefixes = only !== undefined ? [only] : family === 'ditac' ? flows : likely.map(({ prefix }) => prefix);
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
          if (family !== 'ditac') {
            const act = read(checkpoint, family, prefix, constants, told);
            const { constants: found, shapes, notes, channels } = act;
            return {
              prefix,
              family,
              channels,
              constants: found,
              shapes,
              notes,
              certifiedUlp: act.plan.certificate.ulp,
            };
          }
          const act = rebuild(checkpoint, prefix, told);
          const { tess, a, b, variant, lambdaSmooth, lambdaVar } = act;
          const interval = [a, b] as const;
          const certifiedUlp = act.plan.certificate.ulp;
          const { channels } = act;
          return { prefix, family, channels, tess, interval, variant, lambdaSmooth, lambdaVar, certifiedUlp };
        } catch (cause) {
          const count = likely.find((each) => each.prefix === prefix)?.candidates[0]?.functions;
          const known = family === 'ditac' ? channels.get(`${prefix}thetas`) : count;
          return { prefix, family, channels: known ?? 0, problem: (cause as Error).message };
        }
      }),
      families: identified
        .map(({ prefix, candidates }) => ({
          prefix,
          candidates: candidates.filter((each) => each.family !== 'ditac' && each.family !== family),
        }))
        .filter(({ prefix, candidates }) => candidates.length > 0 && !prefixes.includes(prefix)),
      others,
    };
  } finally {
    checkpoint.close();
  }
}
