import type { Backend } from '../backends/backend.js';
import { BACKEND_NAMES, loadBackend } from '../backends/load.js';
import { DiTAC, VARIANTS, type Variant } from '../index.js';
import { toNumber } from '../oracle/double-double.js';
import {
  type BitComparison,
  compareBits,
  exactActivation,
  type Inputs,
  randomBits,
  specialValues,
  stratified,
  ulpError,
} from '../oracle/index.js';

/** One row of `ditac verify`: a backend against the first one and against the oracle. */
export interface VerifyRow {
  readonly backend: string;
  readonly available: boolean;
  /** Why it is not available. */
  readonly reason?: string;
  readonly elements: number;
  readonly differing: number;
  readonly firstMismatch?: BitComparison['first'];
  /** Worst error against the 30-digit oracle, in ULP where |y| ≥ 2⁻²⁴. */
  readonly worstUlp: number;
  readonly worstUlpAt: number;
  readonly certifiedUlp: number;
  readonly ok: boolean;
}

export interface VerifyOptions {
  /** Random bit patterns a variant for the bit comparison. */
  elements: number;
  /** Points a variant for the oracle, which takes about 20 µs each. */
  points: number;
  seed: number;
  onProgress?: (done: number, what: string) => void;
}

/** Runs every backend of this machine on the same inputs, for every variant. */
export async function verify(options: VerifyOptions): Promise<VerifyRow[]> {
  const activations = VARIANTS.map((variant, i) => new DiTAC({ a: -3, b: 3, variant, seed: options.seed + i }));
  const rows: VerifyRow[] = [];
  const expected = new Map<string, Float32Array>();
  for (const name of BACKEND_NAMES) {
    let backend: Backend;
    try {
      backend = await loadBackend(name);
    } catch (cause) {
      rows.push(missing(name, (cause as Error).message));
      continue;
    }
    let elements = 0;
    let differing = 0;
    let first: BitComparison['first'];
    let worstUlp = 0;
    let worstUlpAt = 0;
    let certified = 0;
    for (const [i, act] of activations.entries()) {
      options.onProgress?.((i + 0.5) / activations.length, `${name} ${act.variant}`);
      let block = 0;
      for (const x of inputsFor(options)) {
        const y = await act.on(backend).forward(x);
        const key = `${act.variant} ${block++}`;
        const reference = expected.get(key);
        if (!reference) expected.set(key, y);
        else {
          const comparison = compareBits(reference, y, x);
          differing += comparison.differing;
          first ??= comparison.first;
        }
        elements += x.length;
      }
      const worst = await worstError(act, backend, options);
      if (worst.ulp > worstUlp) [worstUlp, worstUlpAt] = [worst.ulp, worst.at];
      certified = Math.max(certified, act.plan.certificate.ulp, act.plan.certificate.ulpSmall);
    }
    rows.push({
      backend: name,
      available: true,
      elements,
      differing,
      ...(first ? { firstMismatch: first } : {}),
      worstUlp,
      worstUlpAt,
      certifiedUlp: certified,
      ok: differing === 0 && worstUlp <= certified,
    });
  }
  return rows;
}

function* inputsFor(options: VerifyOptions): Iterable<Float32Array> {
  const sources: Inputs[] = [
    randomBits(options.elements, options.seed),
    stratified(-16, 16, Math.ceil(options.elements / 4), options.seed + 1),
  ];
  yield specialValues();
  for (const source of sources) yield* source.blocks();
}

async function worstError(act: DiTAC, backend: Backend, options: VerifyOptions): Promise<{ ulp: number; at: number }> {
  const truth = exactActivation(act.thetas, { tess: act.tess, a: act.a, b: act.b, variant: act.variant as Variant });
  let ulp = 0;
  let at = 0;
  for (const x of stratified(-8, 8, options.points, options.seed + 2).blocks()) {
    const y = await act.on(backend).forward(x);
    for (let i = 0; i < x.length; i++) {
      const t = toNumber(truth(x[i]!));
      if (Math.abs(t) < 2 ** -24) continue;
      const error = ulpError(y[i]!, t);
      if (error > ulp) [ulp, at] = [error, x[i]!];
    }
  }
  return { ulp, at };
}

function missing(backend: string, reason: string): VerifyRow {
  return {
    backend,
    available: false,
    reason,
    elements: 0,
    differing: 0,
    worstUlp: 0,
    worstUlpAt: 0,
    certifiedUlp: 0,
    ok: true,
  };
}
