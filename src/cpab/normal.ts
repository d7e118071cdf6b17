import { normalDensity, normalDistribution } from '../../assembly/numeric';

/** Terms of the series below. */
const TERMS = 12;

/**
 * φ and Φ at points within 1/16 of a centre |c| ≤ 12, to 10⁻⁹ of their values there: one evaluation, and Taylor's series for all
 * points. From φ′ = -x·φ the coefficients are φ_{n+1} = -(c·φ_n + φ_{n-1})/(n+1).
 */
export function normalNear(centre: number, points: readonly number[]): { density: number[]; distribution: number[] } {
  const value = normalDistribution(centre);
  const series = [normalDensity(centre)];
  for (let n = 0; n + 1 < TERMS; n++) series.push(-(centre * series[n]! + (series[n - 1] ?? 0)) / (n + 1));
  const density: number[] = [];
  const distribution: number[] = [];
  for (const x of points) {
    const u = x - centre;
    let sum = 0;
    let integral = 0;
    for (let n = TERMS - 1; n >= 0; n--) {
      sum = sum * u + series[n]!;
      integral = integral * u + series[n]! / (n + 1);
    }
    density.push(sum);
    distribution.push(value + u * integral);
  }
  return { density, distribution };
}
