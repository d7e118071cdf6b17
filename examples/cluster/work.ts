/** What is handed to workers, and how they do it: jobs and answers are JSON, numbers travel as their bytes. */
import { DiTAC } from 'ditac';
import { everyFloat32, exactFamily, sweep } from 'ditac/oracle';
import { gradientOf, type Part } from './network.js';

export type Job =
  | { readonly kind: 'gradient'; readonly parameters: string; readonly step: number; readonly part: number }
  | {
      readonly kind: 'sweep';
      readonly low: number;
      readonly high: number;
      readonly part: number;
      readonly parts: number;
    };

export interface Swept {
  readonly count: number;
  readonly ulp: number;
  readonly ulpAt: number;
  readonly nearest: number;
}

export const toText = (data: ArrayBufferView): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');

/** A copy, so that it begins where its numbers may. */
const toBytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
export const toFloats = (text: string): Float32Array => new Float32Array(toBytes(text).buffer);

/** Everything that a job gives, as text: whoever asked reads it by its kind. */
export function doWork(job: Job): string {
  if (job.kind === 'gradient') {
    const { sum, others, loss } = gradientOf(toFloats(job.parameters), job.step, job.part);
    return JSON.stringify({ sum: toText(sum), others: toText(others), loss: toText(Float64Array.of(loss)) });
  }
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const { low, high, part, parts } = job;
  const { count, ulp, ulpAt, nearest } = sweep(
    (x) => act.forward(x),
    exactFamily(act),
    everyFloat32(low, high, part, parts),
  );
  return JSON.stringify({ count, ulp, ulpAt, nearest: Math.round(nearest * count) } satisfies Swept);
}

export function readPart(text: string): Part {
  const { sum, others, loss } = JSON.parse(text) as Record<'sum' | 'others' | 'loss', string>;
  const doubles = (each: string) => new Float64Array(toBytes(each).buffer);
  return { sum: toBytes(sum), others: doubles(others), loss: doubles(loss)[0]! };
}
