import type { DiTAC } from '../activations/ditac.js';
import { differentiate } from '../calculus/differentiate.js';
import type { Expression } from '../calculus/expression.js';
import type { Definition } from '../calculus/piece.js';
import { describe, expectInteger, expectNumber } from '../errors.js';
import { encloses, enclosureOf } from './enclosed.js';
import { type Enclosure, encloseExpression, LANES } from './enclosure.js';
import { exactActivation, exactActivationGradient, exactActivationSlope } from './exact.js';
import { exactExpression } from './expression.js';
import { NO_VALUE, type Truth } from './truth.js';

/** An activation of any family: what ditac's classes are, and what the calculus is given. */
export interface HasDefinition {
  readonly channels: number;
  definition(channel?: number): Definition;
  /** The same without what the calculus needs and the truth does not: an end to what would overflow. */
  truth?(channel?: number): Definition;
}
export type Judged = HasDefinition | DiTAC | Definition;

const isDefinition = (value: object): value is Definition => 'parts' in value && Array.isArray(value.parts);
const hasDefinition = (value: object): value is HasDefinition =>
  'definition' in value && typeof value.definition === 'function';
const isDiTAC = (value: object): value is DiTAC => 'thetas' in value && 'tess' in value && 'variant' in value;

const LEAST_NORMAL = 2 ** -126;

/** The definition of a channel. @throws {TypeError|RangeError} if there is none. */
function definitionOf(of: unknown, channel: unknown): Definition {
  if (typeof of === 'object' && of !== null) {
    if (isDefinition(of)) return of;
    if (hasDefinition(of)) {
      expectInteger('channel', channel, 0, of.channels - 1);
      return (of.truth ?? of.definition).call(of, channel as number);
    }
  }
  throw new TypeError(`an activation or a definition ({ parts }) was expected, got ${describe(of)}`);
}

/** θ of a channel, and what goes with it. */
function partsOf(act: DiTAC, channel: unknown) {
  const { thetas, channels, tess, a, b, variant, basis } = act;
  expectInteger('channel', channel, 0, channels - 1);
  const d = variant === 'inf' ? tess + 1 : tess - 1;
  const functions = d === 0 ? 1 : thetas.length / d;
  const index = Math.floor(((channel as number) * functions) / channels);
  return [thetas.subarray(index * d, (index + 1) * d), { tess, a, b, variant, basis }] as const;
}

function ofDiTAC(act: DiTAC, channel: unknown): (x: number) => Truth {
  const f = exactActivation(...partsOf(act, channel));
  const truth = (x: number): Truth => {
    const { hi, lo } = f(x);
    // At 0 the flow either rests, or does not end there.
    return { hi, lo, error: x === 0 && hi === 0 ? 0 : Math.max(1, Math.abs(hi)) * 1e-30 };
  };
  return encloses(truth, () => enclosureOf(f)!);
}

/** Parts, each on its own stretch of the line: from its first input up to the next part's. */
function ofParts(definition: Definition, of: (e: Expression) => Expression): (x: number) => Truth {
  const { parts } = definition;
  if (parts.length === 0) throw new RangeError('a definition has at least one part, got none');
  const functions: (((x: number) => Truth) | undefined)[] = parts.map(() => undefined);
  const partOf = (x: number): number => {
    let k = parts.length - 1;
    while (k > 0 && x < parts[k]!.first) k -= 1;
    // Where a formula serves 0 alone, subnormal numbers are with it, for kernels take them for 0. They are numbers.
    const { first, last } = parts[k]!;
    if (x > 0 && x < LEAST_NORMAL && first === 0 && last === 0 && parts[k + 1]?.first === LEAST_NORMAL) k += 1;
    return k;
  };
  const truth = (x: number): Truth => {
    expectNumber('x', x);
    if (Number.isNaN(x)) return NO_VALUE;
    const k = partOf(x);
    functions[k] ??= exactExpression(of(parts[k]!.f));
    return functions[k]!(x);
  };
  return encloses(truth, () => encloseParts(partOf, (k) => encloseExpression(of(parts[k]!.f))));
}

/** Inputs that follow each other are often of one part. */
function encloseParts(partOf: (x: number) => number, make: (k: number) => Enclosure): Enclosure {
  const parts = new Map<number, Enclosure>();
  const [lows, highs] = [new Float64Array(LANES), new Float64Array(LANES)];
  return (x, from, count, low, high) => {
    for (let start = 0; start < count; ) {
      const k = partOf(x[from + start]!);
      let end = start + 1;
      while (end < count && partOf(x[from + end]!) === k) end += 1;
      let part = parts.get(k);
      if (part === undefined) {
        part = make(k);
        parts.set(k, part);
      }
      part(x, from + start, end - start, lows, highs);
      for (let i = start; i < end; i++) {
        low[i] = lows[i - start]!;
        high[i] = highs[i - start]!;
      }
      start = end;
    }
  };
}

/**
 * The truth of any activation: the formula of its family in integers of as many bits as it takes, 192 at least. x is any float64; at ±Infinity the
 * limit, NaN where there is none, and for NaN. `hi` is the float64 nearest to the truth, `hi + lo` has 30 digits and lies on the truth's side of
 * what is half-way between two float32, float16 or bfloat16, `error` bounds what is left. 50 to 300 µs a point.
 * @param of an activation, or a definition as families give it.
 * @param channel whose function, if there are several.
 * @throws {TypeError|RangeError} if it is neither, or there is no such channel.
 */
export function exactFamily(of: Judged, channel = 0): (x: number) => Truth {
  if (typeof of === 'object' && of !== null && isDiTAC(of)) return ofDiTAC(of, channel);
  return ofParts(definitionOf(of, channel), (f) => f);
}

/**
 * The truth of a derivative: of the function in x, or in one of its parameters. Where f has a kink it is that of one side.
 * @param by 'x', a parameter's place among all parameters of the function, or its name, as 'alpha', 'coefficients[2]' or, of a DiTAC, 'thetas[0]'.
 * @throws {TypeError|RangeError} if there is no such parameter.
 */
export function exactDerivative(of: Judged, by: 'x' | string | number, channel = 0): (x: number) => Truth {
  if (typeof of === 'object' && of !== null && isDiTAC(of)) {
    const parts = partsOf(of, channel);
    return by === 'x' ? exactActivationSlope(...parts) : exactActivationGradient(...parts, indexOf(of, by));
  }
  const definition = definitionOf(of, channel);
  const index = by === 'x' ? by : indexOf(of, by);
  return ofParts(definition, (f) => differentiate(f, index));
}

/** The names of one function's parameters in their order, if it has names for them. */
export function parameterNamesOf(of: Judged): readonly string[] | undefined {
  if (isDiTAC(of)) return Array.from({ length: of.dimension }, (_, j) => `thetas[${j}]`);
  return 'parameterNames' in of ? (of.parameterNames as readonly string[]) : undefined;
}

/** The place of a parameter. */
function indexOf(of: Judged, by: string | number): number {
  const names = parameterNamesOf(of);
  if (typeof by === 'number') return expectInteger('by', by, 0, names ? Math.max(names.length - 1, 0) : 1e6);
  const index = names?.indexOf(by) ?? -1;
  if (index < 0)
    throw new RangeError(
      `by must be 'x', a place${(names ?? []).map((name) => `, '${name}'`).join('')}; got ${typeof by === 'string' ? `'${by}'` : describe(by)}`,
    );
  return index;
}
