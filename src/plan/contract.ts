import type { VelocityField } from '../cpab/flow.js';
import { VelocityGradient } from '../cpab/gradient.js';
import { type BackwardTable, weightsOf } from './backward-table.js';
import type { Moments } from './moments.js';

/**
 * Σ gradY·∂f(x)/∂v_k for the velocity v_k at every vertex of the field, [N+1], from the moments of all x. NaN throughout if an element
 * left no gradient.
 */
export function velocityGradient(field: VelocityField, { intervals }: BackwardTable, moments: Moments): Float64Array {
  if (moments.isPoisoned) return new Float64Array(field.velocity.length).fill(Number.NaN);
  const gradient = new VelocityGradient(field);
  for (const interval of intervals) {
    const own = moments.of(interval.block);
    const far = interval.farBlock === 0 ? 0 : moments.of(interval.farBlock)[0];
    if (far === 0 && own.every((moment) => moment === 0)) continue;
    const weights = weightsOf(interval, own, far);
    weights.forEach((weight, j) => {
      gradient.add(interval.flow, interval.points[j]!, weight * interval.factors[j]!);
    });
  }
  return gradient.total();
}
