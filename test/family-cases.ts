/** Reading test/golden/families; its README says what is in the files. */
import { FAMILIES } from 'ditac/families';
import { goldenCases, goldenJson } from './golden.js';

type Numbers = number | readonly number[];

/** An activation of any family, as far as tests of all of them need to know it. */
export type AnyFamily = new (options: Readonly<Record<string, unknown>>) => InstanceType<typeof FAMILIES.snake>;
export const familyClass = (family: string): AnyFamily => FAMILIES[family as 'snake'] as unknown as AnyFamily;

const float64 = (packed: string) => new Float64Array(new Uint8Array(Buffer.from(packed, 'base64')).buffer);

export interface FamilyCase {
  readonly name: string;
  readonly family: string;
  /** What the family's class takes. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly parameterNames: readonly string[];
  readonly x: Float32Array;
  /** How many of x are a grid; the hard ones follow. */
  readonly gridCount: number;
  readonly kinks: ReadonlySet<number>;
  readonly y: Float64Array;
  readonly slope: Float64Array;
  /** ∂y/∂p by name, at the inputs of these places. */
  readonly parameterPlaces: readonly number[];
  parameterSlope(name: string): Float64Array;
}

export const familyCases: readonly string[] = goldenCases('families');

export function familyCase(name: string): FamilyCase {
  const file = goldenJson(`families/${name}.json`);
  const number = (given: { bits: unknown; value: Numbers } | Numbers): Numbers =>
    typeof given === 'object' && 'value' in given ? given.value : given;
  const options: Record<string, unknown> = {};
  for (const [key, value] of Object.entries<Numbers>(file.consts)) {
    if (key === 'logscale') options.logScale = Boolean(value);
    else options[key] = number(value);
  }
  // What a file says by its name.
  if (file.family === 'rational') options.version = name.includes('KAT') ? 'A' : name.split('_')[1];
  if (file.family === 'eelu') options.member = Number(name.at(-1));
  for (const [key, value] of Object.entries<Numbers>(file.params)) options[key] = number(value);
  const { count, from, step } = file.grid;
  const x = new Float32Array(count + file.hard.count);
  for (let i = 0; i < count; i++) x[i] = from + step * i;
  new Uint32Array(x.buffer).set(
    file.hard.x_bits.map((each: string) => Number.parseInt(each, 16)),
    count,
  );
  const parameterPlaces = Array.from(x.keys()).filter((i) => i >= count || i % file.truth.dparam_grid_stride === 0);
  return {
    name,
    family: file.family,
    options,
    parameterNames: file.param_names,
    x,
    gridCount: count,
    kinks: new Set(
      file.kinks.map((kink: number | { value: number }) => (typeof kink === 'number' ? kink : kink.value)),
    ),
    y: float64(file.truth.y),
    slope: float64(file.truth.dy_dx),
    parameterPlaces,
    parameterSlope: (each) => float64(file.truth.dy_dparam[each]),
  };
}
