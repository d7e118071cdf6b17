import { every, Lanes, plus, times } from '#lanes';

/** log1p and expm1 as ratios to their argument, in float32. Coefficients: Chebyshev fits, each rounded before the next. */

/** log1p(z)/z on [√½-1, √2-1]; the polynomial is within 2⁻²⁷ of it. */
export function log1pRatio(z: Lanes): Lanes {
  let p = every(-0.07638592272996902);
  p = plus(times(p, z), every(0.129141703248024));
  p = plus(times(p, z), every(-0.13240842521190643));
  p = plus(times(p, z), every(0.14180079102516174));
  p = plus(times(p, z), every(-0.16609126329421997));
  p = plus(times(p, z), every(0.2000207155942917));
  p = plus(times(p, z), every(-0.25001585483551025));
  p = plus(times(p, z), every(0.33333325386047363));
  p = plus(times(p, z), every(-0.49999988079071045));
  return plus(times(p, z), every(1));
}

/** expm1(r)/r on [-½ln2, ½ln2]; the polynomial is within 2⁻²⁸ of it. */
export function expm1Ratio(r: Lanes): Lanes {
  let p = every(0.00019907619571313262);
  p = plus(times(p, r), every(0.0013941149227321148));
  p = plus(times(p, r), every(0.008333283476531506));
  p = plus(times(p, r), every(0.04166635125875473));
  p = plus(times(p, r), every(0.1666666716337204));
  p = plus(times(p, r), every(0.5));
  return plus(times(p, r), every(1));
}
