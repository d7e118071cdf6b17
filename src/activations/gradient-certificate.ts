import { Interpreter } from '../calculus/interpreter.js';
import { LARGEST } from '../calculus/piece.js';
import { tessellation, velocityField } from '../cpab/field.js';
import { flowGradientBounds } from '../cpab/flow-gradient-bounds.js';
import { describe, expectInteger } from '../errors.js';
import { ditacGradientPieces } from '../families/ditac.js';
import { type GradientBound, type GradientCertificate, gradientBounds } from '../plan/gradient-certificate.js';
import { gradientDomain } from '../plan/gradient-table.js';
import { DiTAC, gradientResolution } from './ditac.js';
import { FamilyActivation } from './family-activation.js';

/**
 * The worst error that `backward` can make on a channel with its present parameters, proved. Costs about as much as ten backward passes over
 * little data: it is computed when it is asked for, never while training.
 *
 * @throws {TypeError} if `act` is no activation of this package. @throws {RangeError} if there is no such channel, or the function bends too
 *   much for a table.
 */
export function gradientCertificate(act: DiTAC | FamilyActivation, channel = 0): GradientCertificate {
  if (!(act instanceof DiTAC || act instanceof FamilyActivation))
    throw new TypeError(`act must be an activation with parameters, got ${describe(act)}`);
  expectInteger('channel', channel, 0, act.channels - 1);
  return act instanceof DiTAC ? ofDiTAC(act, channel) : ofFamily(act, channel);
}

function ofDiTAC(act: DiTAC, channel: number): GradientCertificate {
  const { tess, variant, basis, a, b, dimension } = act;
  const on = tessellation(tess, variant !== 'inf', basis);
  const theta = act.thetas.subarray(channel * dimension, (channel + 1) * dimension);
  const field = velocityField(on, theta, 0, a, b, 1);
  const pieces = ditacGradientPieces(variant, field, a, b);
  const resolution = gradientResolution(a, b);
  const [slope, ...thetas] = flowGradientBounds(new Interpreter(), { on, theta, a, b, field, pieces, resolution });
  return { slope: slope!, parameters: { thetas }, domain: Number.POSITIVE_INFINITY };
}

function ofFamily(act: FamilyActivation, channel: number): GradientCertificate {
  const interpreter = new Interpreter();
  const definition = act.definition(channel);
  const names = act.parameterNames;
  const limit = gradientDomain(interpreter, definition);
  const [slope, ...bounds] = gradientBounds(interpreter, definition, names.length, limit);
  const parameters: Record<string, GradientBound[]> = {};
  names.forEach((name, k) => {
    const [own] = name.split('[');
    (parameters[own!] ??= []).push(bounds[k]!);
  });
  return { slope: slope!, parameters, domain: limit < LARGEST ? limit : Number.POSITIVE_INFINITY };
}
