import { toNumber } from './double-double.js';
import { type ExactActivationOptions, type ExactTransformOptions, exactActivation, exactTransform } from './exact.js';
import { exactDerivative, exactFamily, type Judged } from './family.js';

/** As {@link exactActivation}, {@link exactFamily} and {@link exactDerivative}, rounded to float64. */
export const exact = {
  family(of: Judged, channel?: number): (x: number) => number {
    const f = exactFamily(of, channel);
    return (x) => f(x).hi;
  },
  derivative(of: Judged, by: 'x' | string | number, channel?: number): (x: number) => number {
    const f = exactDerivative(of, by, channel);
    return (x) => f(x).hi;
  },
  transform(theta: ArrayLike<number>, options: ExactTransformOptions): (x: number) => number {
    const f = exactTransform(theta, options);
    return (x) => toNumber(f(x));
  },
  activation(theta: ArrayLike<number>, options: ExactActivationOptions): (x: number) => number {
    const f = exactActivation(theta, options);
    return (x) => toNumber(f(x));
  },
};
