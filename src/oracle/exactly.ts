import { type DoubleDouble, toNumber } from './double-double.js';
import { encloses, enclosureOf } from './enclosed.js';
import { type ExactActivationOptions, type ExactTransformOptions, exactActivation, exactTransform } from './exact.js';
import { exactDerivative, exactFamily, type Judged } from './family.js';

const rounded = <T extends DoubleDouble>(f: (x: number) => T, round: (t: T) => number): ((x: number) => number) =>
  encloses(
    (x: number) => round(f(x)),
    () => enclosureOf(f),
  );
const nearest = ({ hi }: DoubleDouble): number => hi;

/** As {@link exactActivation}, {@link exactFamily} and {@link exactDerivative}, rounded to float64. */
export const exact = {
  family(of: Judged, channel?: number): (x: number) => number {
    return rounded(exactFamily(of, channel), nearest);
  },
  derivative(of: Judged, by: 'x' | string | number, channel?: number): (x: number) => number {
    return rounded(exactDerivative(of, by, channel), nearest);
  },
  transform(theta: ArrayLike<number>, options: ExactTransformOptions): (x: number) => number {
    return rounded(exactTransform(theta, options), toNumber);
  },
  activation(theta: ArrayLike<number>, options: ExactActivationOptions): (x: number) => number {
    return rounded(exactActivation(theta, options), toNumber);
  },
};
