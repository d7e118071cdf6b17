/** Mutated files: a typed error or a result, quickly, in little memory, whatever they say. */
import { readFileSync } from 'node:fs';
import { CompiledActivation, DiTAC } from 'ditac';
import { Activation } from 'ditac/runtime';
import { loadSafetensors, saveSafetensors } from 'ditac/safetensors';
import { expect } from 'vitest';
import { mendPlan, mutations } from './mutations.js';

const nets = new URL('./golden/nets/', import.meta.url);

/** Nothing but these may come out of a reader. */
const isTyped = (error: unknown) => error instanceof TypeError || error instanceof RangeError;

interface Outcome {
  readonly accepted: number;
  readonly refused: number;
}

function run(files: Iterable<Uint8Array>, read: (file: Uint8Array) => void): Outcome {
  let accepted = 0;
  let refused = 0;
  for (const file of files) {
    const before = performance.now();
    try {
      read(file);
      accepted += 1;
    } catch (error) {
      if (!isTyped(error)) throw error;
      expect((error as Error).message.length).toBeGreaterThan(10);
      refused += 1;
    }
    // A file is read in milliseconds; a second means that it sent the reader on a long way.
    expect(performance.now() - before).toBeLessThan(1000);
  }
  return { accepted, refused };
}

const memory = () => {
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
};

/** `count` files of each kind. */
export function fuzz(count: number): { safetensors: Outcome; plans: Outcome; grown: number } {
  const checkpoints: Uint8Array[] = ['mlp_double_2d_ditac_seed1', 'digits_mlp_ditac'].map(
    (name) => new Uint8Array(readFileSync(new URL(`${name}.safetensors`, nets))),
  );
  checkpoints.push(
    saveSafetensors({ a: { shape: [2, 3], data: new Float32Array(6) }, b: { shape: [], data: Float32Array.of(1) } }),
  );
  const x = Float32Array.from({ length: 40 }, (_, i) => (i - 20) / 2);
  const plans = [
    new DiTAC({ a: -3, b: 3, seed: 1 }),
    new DiTAC({ tess: 2, variant: 'leaky', seed: 2, channels: 2, layout: 'channelsLast' }),
  ].map((act) => act.compiled().toBytes());
  const before = memory();
  const safetensors = run(mutations(checkpoints, count, 1), (file) => {
    const { tensors } = loadSafetensors(file);
    // What is promised by the header must lie in the file: at most eight bytes a byte, from F16 to float64.
    let bytes = 0;
    for (const { data } of Object.values(tensors)) bytes += data.byteLength;
    expect(bytes).toBeLessThanOrEqual(8 * file.length);
  });
  let readers = 0;
  const read = run(mutations(plans, count, 2, mendPlan), (file) => {
    // Both readers, in turns; and what they accept must run.
    readers += 1;
    if (readers % 2 === 0) new Activation(file).forward(x);
    else CompiledActivation.fromBytes(file).forward(x, undefined, { shape: [20, 2] });
  });
  return { safetensors, plans: read, grown: memory() - before };
}
