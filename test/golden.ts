/** Reading test/golden; its README says what is in the files. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Basis } from 'ditac/cpab';

const folder = new URL('./golden/', import.meta.url);

export const golden = (path: string) => readFileSync(new URL(path, folder));
// biome-ignore lint/suspicious/noExplicitAny: the shape of each file is in golden/README.md
export const goldenJson = (path: string): any => JSON.parse(golden(path).toString());
export const goldenCases = (path: string): string[] =>
  readdirSync(new URL(path, folder))
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -5));

export const floatsOf = (bits: readonly number[] | readonly (readonly number[])[]): Float32Array =>
  new Float32Array(Uint32Array.from(bits.flat() as number[]).buffer);

export const largest = (values: Iterable<number>): number => {
  let most = 0;
  for (const value of values) if (!(value <= most)) most = value;
  return most;
};

/** A transformation that the original computed, and its truth at x = k/256. */
export interface TransformCase {
  readonly name: string;
  readonly theta: Float32Array;
  readonly options: { tess: number; basis: Basis; zeroBoundary: boolean; time: number };
  readonly phi: readonly number[];
  readonly slope: readonly number[];
  /** Points whose truth hangs on digits that float32 does not have. */
  readonly illConditioned: ReadonlySet<number>;
}

export const transformCases: readonly TransformCase[] = goldenCases('transform').map((name) => {
  const j = goldenJson(`transform/${name}.json`);
  const boundary = j.zero_boundary ? 'zb' : 'nzb';
  return {
    name,
    theta: floatsOf(j.theta_bits),
    options: {
      tess: j.tess_size,
      // The original's svd basis is not unique: the matrix itself.
      basis: j.basis === 'svd' ? goldenJson(`basis/basis_t${j.tess_size}_${boundary}_svd.json`).B : j.basis,
      zeroBoundary: j.zero_boundary,
      time: j.time,
    },
    phi: j.truth_phi,
    slope: j.truth_dphi_dx,
    illConditioned: new Set<number>(j.ill_conditioned_idx),
  };
});
