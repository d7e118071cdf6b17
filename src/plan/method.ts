import { LARGE, SMALL } from '../../assembly/fit';
import { exponentOf } from '../../assembly/numeric';

/** How the bounds of a certificate were established. */
export const METHOD =
  `a-priori bound: Taylor remainder, economisation, coefficient rounding and running error analysis of every row, about the float64 flow; ` +
  `ULP of the true result for |y| ≥ 2^${exponentOf(LARGE)} (ulp) and down to 2^${exponentOf(SMALL)} (ulpSmall), absolute below`;
