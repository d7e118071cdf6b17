/**
 * What every environment is asked, on the package as it is installed: a hash of bits that must be Node's. Runs wherever `ditac` can be
 * imported; nothing here but what is everywhere.
 */
import { type Backend, DiTAC, loadBackend } from 'ditac';
import { Activation } from 'ditac/runtime';
import { loadSafetensors } from 'ditac/safetensors';
import { argmax, linear } from '../../examples/layers.js';

export interface CheckData {
  readonly golden: readonly { tess: number; a: number; b: number; basis: 'qr' | 'sparse'; thetas: readonly number[] }[];
  /** Of the dense digits network: its checkpoint and the plan of act_1., in base64; and 8×8 images. */
  readonly checkpoint: string;
  readonly plan: string;
  readonly images: readonly (readonly number[])[];
  readonly labels: readonly number[];
}

export interface CheckResult {
  /** What `forward` and `ditac/runtime` ran on. */
  readonly backend: string;
  readonly runtime: string;
  /** A hash of all results' bits. */
  readonly bits: string;
  /** How many digits were read rightly. */
  readonly right: number;
  /** Whether a pool of threads gives the same bits, or why there is none. */
  readonly threads: string;
}

const decode = (base64: string): Uint8Array => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

export async function check({ golden, checkpoint, plan, images, labels }: CheckData): Promise<CheckResult> {
  const results: Float32Array[] = [];
  const x = Float32Array.from({ length: 4097 }, (_, i) => -8 + (16 * i) / 4096);
  for (const { thetas, ...options } of golden) {
    const act = new DiTAC({ ...options, thetas });
    results.push(act.forward(x));
    const { gradX, gradThetas } = act.backward(x, x.slice().reverse());
    results.push(gradX, gradThetas);
  }
  const { tensors } = loadSafetensors(decode(checkpoint));
  let y: Float32Array = Float32Array.from(images.flat(), (v) => v / 16);
  for (const k of [1, 2]) {
    y = linear(y, tensors[`fc${k}.weight`]!, tensors[`fc${k}.bias`]!);
    y = DiTAC.fromStateDict(tensors, { prefix: `act_${k}.`, a: -3, b: 3, variant: 'gelu' }).forward(y, y);
  }
  const logits = linear(y, tensors['fc3.weight']!, tensors['fc3.bias']!);
  results.push(logits);
  const compiled = new Activation(decode(plan));
  results.push(compiled.forward(x));
  const right = argmax(logits, 10).filter((each, i) => each === labels[i]).length;
  // Without a name: the default.
  const js = await loadBackend('js');
  const wasm = await loadBackend('wasm').catch(() => undefined);
  return {
    backend: (wasm ?? js).name,
    runtime: compiled.backend,
    bits: hash(results),
    right,
    threads: await onThreads(),
  };
}

async function onThreads(): Promise<string> {
  const pool = await loadBackend('threads', { size: 2, threshold: 0 }).catch((error: Error) => error.message);
  if (typeof pool === 'string') {
    const auto: Backend = await loadBackend('auto');
    return `${auto.name}: ${pool}`;
  }
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const x = Float32Array.from({ length: 300_001 }, (_, i) => Math.fround(((i * 7919) % 10_007) / 1000 - 5));
  const expected = act.backward(x, x);
  const actual = await act.on(pool).backward(x, x);
  const pairs = [
    [act.forward(x), await act.on(pool).forward(x)],
    [expected.gradX, actual.gradX],
    [expected.gradThetas, actual.gradThetas],
  ] as const;
  pool.dispose();
  const same = pairs.every(([p, q]) => {
    const [a, b] = [new Uint32Array(p.buffer), new Uint32Array(q.buffer)];
    return a.length === b.length && a.every((bits, i) => bits === b[i]);
  });
  return same ? 'same bits' : 'DIFFERENT BITS';
}

/** Fowler, Noll, Vo, twice: cryptography is not the same everywhere. */
function hash(results: readonly Float32Array[]): string {
  let [p, q] = [0x811c9dc5, 0x050c5d1f];
  for (const { buffer, byteOffset, byteLength } of results) {
    for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) {
      p = Math.imul(p ^ byte, 0x01000193);
      q = Math.imul(q ^ (byte + 1), 0x01000193);
    }
  }
  return [p, q].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}
