import { Lanes, loadLanes, plus, times } from '#lanes';

/**
 * log1p and expm1 as ratios to their argument, in float32, near 0. The coefficients stand in the header of the table, highest
 * power first (`src/plan/image.ts`). Estrin's scheme: a kernel waits for these chains, so the shorter they are the better.
 */
const LOG1P_RATIO: usize = 176;
const EXPM1_RATIO: usize = 304;

/** log1p(z)/z, degree 7. */
export function log1pRatio(z: Lanes, table: usize): Lanes {
  const z2 = times(z, z);
  const z4 = times(z2, z2);
  const p76 = plus(times(loadLanes(table + LOG1P_RATIO), z), loadLanes(table + LOG1P_RATIO + 16));
  const p54 = plus(times(loadLanes(table + LOG1P_RATIO + 32), z), loadLanes(table + LOG1P_RATIO + 48));
  const p32 = plus(times(loadLanes(table + LOG1P_RATIO + 64), z), loadLanes(table + LOG1P_RATIO + 80));
  const p10 = plus(times(loadLanes(table + LOG1P_RATIO + 96), z), loadLanes(table + LOG1P_RATIO + 112));
  return plus(times(plus(times(p76, z2), p54), z4), plus(times(p32, z2), p10));
}

/** expm1(r)/r, degree 5. */
export function expm1Ratio(r: Lanes, table: usize): Lanes {
  const r2 = times(r, r);
  const p54 = plus(times(loadLanes(table + EXPM1_RATIO), r), loadLanes(table + EXPM1_RATIO + 16));
  const p32 = plus(times(loadLanes(table + EXPM1_RATIO + 32), r), loadLanes(table + EXPM1_RATIO + 48));
  const p10 = plus(times(loadLanes(table + EXPM1_RATIO + 64), r), loadLanes(table + EXPM1_RATIO + 80));
  return plus(times(plus(times(p54, r2), p32), r2), p10);
}
