import { DiTAC, type FamilyActivation } from 'ditac';
import { FAMILIES } from 'ditac/families';
import type { FamilyName, Options } from '../protocol';

export type Made = DiTAC | FamilyActivation;

type Constructor = new (options: Options) => Made;

/** @throws {TypeError|RangeError} if values make no sense; says which and why. */
export function make(family: FamilyName, options: Options): Made {
  return new (FAMILIES[family] as unknown as Constructor)(options);
}

/** What `make` takes, of one function of an activation. */
export function optionsOf(act: Made, channel = 0): Options {
  if (act instanceof DiTAC) {
    // A hat of the basis 'sparse' has the height 1/N: any field is one of its, up to the rounding of θ to float32.
    const velocities = act.velocities(channel);
    const inner = act.variant === 'inf' ? velocities : velocities.subarray(1, -1);
    const thetas = Array.from(inner, (v) => Math.fround((v * act.tess) / (act.b - act.a)));
    return { tess: act.tess, a: act.a, b: act.b, variant: act.variant, basis: 'sparse', thetas };
  }
  const shapes = act.shapes as Readonly<Record<string, readonly number[]>>;
  const functions = Math.max(1, ...Object.values(shapes).map(([count]) => count!));
  const index = Math.floor((channel * functions) / act.channels);
  const parameters = Object.entries(act.parameters).map(([name, data]) => {
    const [count, length] = shapes[name]!;
    const row = count === 1 ? 0 : index;
    return [name, length === undefined ? data[row]! : Array.from(data.subarray(row * length, (row + 1) * length))];
  });
  const constants = Object.entries(act.constants).filter(([, value]) => value !== undefined);
  return Object.fromEntries([...constants, ...parameters]) as Options;
}
