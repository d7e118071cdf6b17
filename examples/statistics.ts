/** Friedman's test: whether treatments differ, by their ranks in blocks. Ranks and χ² are @stdlib's. */
import cdf from '@stdlib/stats-base-dists-chisquare-cdf';
import ranks from '@stdlib/stats-ranks';

export interface Friedman {
  /** Of every treatment; 1 is the best. */
  readonly averageRanks: readonly number[];
  readonly statistic: number;
  readonly p: number;
}

/**
 * Friedman, "The use of ranks to avoid the assumption of normality implicit in the analysis of variance" (1937), corrected for ties as in Conover.
 * @param blocks [blocks][treatments]: scores, higher is better; NaN is worst.
 */
export function friedman(blocks: readonly (readonly number[])[]): Friedman {
  const n = blocks.length;
  const k = blocks[0]?.length ?? 0;
  if (n < 2 || k < 2 || blocks.some((block) => block.length !== k))
    throw new RangeError('Friedman’s test needs two blocks or more, of two treatments or more each');
  const sums = new Float64Array(k);
  let tied = 0;
  for (const block of blocks) {
    // Failures tie for the last place.
    const ranked = ranks(block.map((score) => (Number.isNaN(score) ? Number.POSITIVE_INFINITY : -score)));
    const counts = new Map<number, number>();
    ranked.forEach((rank, j) => {
      sums[j]! += rank;
      counts.set(rank, (counts.get(rank) ?? 0) + 1);
    });
    for (const t of counts.values()) tied += t ** 3 - t;
  }
  const squares = sums.reduce((sum, each) => sum + each ** 2, 0);
  const correction = 1 - tied / (n * k * (k * k - 1));
  const statistic = ((12 / (n * k * (k + 1))) * squares - 3 * n * (k + 1)) / correction;
  return { averageRanks: Array.from(sums, (each) => each / n), statistic, p: 1 - cdf(statistic, k - 1) };
}
