import { readFileSync } from 'node:fs';
import { DiTAC } from '../index.js';
import { loadSafetensors } from '../io/safetensors.js';

export interface InspectReport {
  readonly metadata: Record<string, string>;
  readonly tensors: { name: string; shape: readonly number[]; least: number; largest: number }[];
  readonly activations: ActivationReport[];
}

export interface ActivationReport {
  readonly prefix: string;
  readonly channels: number;
  readonly tess?: number;
  readonly interval?: readonly [number, number];
  readonly lambdaSmooth?: number;
  readonly lambdaVar?: number;
  readonly certifiedUlp?: number;
  /** Why the activation could not be rebuilt. */
  readonly problem?: string;
}

/** What a .safetensors file holds, and which DiTAC activations can be rebuilt from it. */
export function inspect(file: string, interval?: readonly [number, number]): InspectReport {
  const { tensors, metadata } = loadSafetensors(readFileSync(file));
  const entries = Object.entries(tensors);
  return {
    metadata: { ...metadata },
    tensors: entries.map(([name, { shape, data }]) => ({
      name,
      shape,
      least: extreme(data, -1),
      largest: extreme(data, 1),
    })),
    activations: entries
      .filter(([name]) => name.endsWith('thetas'))
      .map(([name, { shape }]) => {
        const prefix = name.slice(0, -'thetas'.length);
        try {
          const act = DiTAC.fromStateDict(tensors, { prefix, ...(interval ? { a: interval[0], b: interval[1] } : {}) });
          return {
            prefix,
            channels: act.channels,
            tess: act.tess,
            interval: [act.a, act.b] as const,
            lambdaSmooth: act.lambdaSmooth,
            lambdaVar: act.lambdaVar,
            certifiedUlp: act.plan.certificate.ulp,
          };
        } catch (cause) {
          return { prefix, channels: shape[0] ?? 0, problem: (cause as Error).message };
        }
      }),
  };
}

function extreme(data: ArrayLike<number>, sign: 1 | -1): number {
  let best = -sign * Number.POSITIVE_INFINITY;
  for (let i = 0; i < data.length; i++) if (sign * data[i]! > sign * best || Number.isNaN(data[i])) best = data[i]!;
  return best;
}
