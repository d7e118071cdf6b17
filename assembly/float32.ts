import { ofSingleBits, roundToSingle, singleBits } from '#scalars';
import { exponentOf, powerOfTwo } from './numeric';

/** binary32 as a set of numbers: neighbours and units in the last place. Arguments and results are float64. */

const SIGN: i32 = -0x80000000;
const MAGNITUDE: i32 = 0x7fffffff;

/** The place of a float32 in the order of all; -0 and +0 are one place, number 0. */
export function placeOf(x: f64): i32 {
  const bits = singleBits(x);
  return bits < 0 ? -(bits & MAGNITUDE) : bits;
}

/** The float32 at a place. */
export function atPlace(place: i32): f64 {
  return ofSingleBits(place < 0 ? -place | SIGN : place);
}

/** The float32 that is `steps` places above x. */
function neighbour(x: f64, steps: i32): f64 {
  return atPlace(placeOf(x) + steps);
}

/** The smallest float32 above x (x itself a float32). */
export function nextUp(x: f64): f64 {
  return neighbour(x, 1);
}

/** The largest float32 below x (x itself a float32). */
export function nextDown(x: f64): f64 {
  return neighbour(x, -1);
}

/** The smallest float32 ≥ x. */
export function ceilToFloat32(x: f64): f64 {
  const rounded = roundToSingle(x);
  return rounded < x ? nextUp(rounded) : rounded;
}

/** The largest float32 ≤ x. */
export function floorToFloat32(x: f64): f64 {
  const rounded = roundToSingle(x);
  return rounded > x ? nextDown(rounded) : rounded;
}

/** The spacing of float32 at the real number |x|: 2^(⌊log₂|x|⌋-23), and 2⁻¹⁴⁹ below the smallest normal. */
export function unitInLastPlace(x: f64): f64 {
  const exponent = exponentOf(x);
  return powerOfTwo((exponent < -126 ? -126 : exponent) - 23);
}
