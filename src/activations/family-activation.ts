import { Differentiator } from '../backends/gradients.js';
import { cuts } from '../calculus/cuts.js';
import { type Parameter, where } from '../calculus/expression.js';
import { Interpreter } from '../calculus/interpreter.js';
import { type Definition, LARGEST } from '../calculus/piece.js';
import { ballOf } from '../calculus/tails.js';
import { value } from '../calculus/value.js';
import { normalStream, uniformStream } from '../cpab/random.js';
import { describe, expectInteger, expectOneOf, expectOptions, expectString } from '../errors.js';
import type { ConstantKind, Family, ParameterKind, Random, Values, Words } from '../families/family.js';
import type { StateDict } from '../io/tensor.js';
import { contract, type Differentiable, gradientLimit, gradientTable } from '../plan/gradient-table.js';
import type { Gradients } from './backward.js';
import { LAYOUTS, type Layout } from './layout.js';
import { notesOf, type Origin, readStateDict, type StateDictOptions, writeStateDict } from './state-dict.js';
import { Trainable } from './trainable.js';

/** A parameter as it is given: one number for all channels, one a channel or a group, or arrays of them; taken as float32. */
export type ParameterValue = number | ArrayLike<number> | readonly ArrayLike<number>[];

/** What every family's class takes beside its constants and parameters. */
export interface CommonOptions {
  /** How many channels a tensor has. Default: as many as the longest parameter says. */
  channels?: number;
  /** Default 'channelsFirst', PyTorch's. Of no consequence with one channel. */
  layout?: Layout;
  /** Draws what is not given and has no fixed initial value; 0 to 2³²-1. */
  seed?: number;
}

export type FamilyOptions<C extends object, P extends string> = Partial<C> & {
  [K in P]?: ParameterValue;
} & CommonOptions;

/** The class of a family. */
export interface FamilyClass<C extends object, P extends string> {
  new (options?: FamilyOptions<C, P>): FamilyActivation<C, P>;
  readonly family: Family<C, P>;
  /**
   * Reads the state dict of a released class, or what `stateDict` gave. What it does not say is asked for by name, never assumed; a parameter that
   * is no tensor of it can be told too.
   * @throws {TypeError} if something is to be told. @throws {RangeError} if tensors are missing or misshapen, or values make no sense.
   */
  fromStateDict(tensors: StateDict, options?: FamilyOptions<C, P> & StateDictOptions): FamilyActivation<C, P>;
}

const COMMON = ['channels', 'layout', 'seed'] as const;
const MOST_CHANNELS = 65536;

/** A parameter's numbers, and of how many functions: [count][length]. */
interface Stored {
  readonly kind: ParameterKind;
  readonly data: Float32Array;
  readonly count: number;
  readonly length: number;
}

/** An activation of a family that a formula defines. */
export class FamilyActivation<C extends object = object, P extends string = string> extends Trainable {
  readonly family: Family<C, P>;
  /** What is not trained. */
  readonly constants: C;
  #parameters: ReadonlyMap<string, Stored>;
  /** How many different functions there are. */
  readonly #functions: number;
  readonly #origin: Origin | undefined;

  /** `origin` is what `fromStateDict` remembers. */
  constructor(family: Family<C, P>, options: FamilyOptions<C, P> = {}, origin?: Origin) {
    const given = expectObject(family.name, options);
    const constants = readConstants(family, given);
    const kinds = family.parameters(constants) as Readonly<Record<string, ParameterKind>>;
    for (const key of Object.keys(given))
      expectOneOf(`an option of ${family.name}`, key, [
        ...COMMON,
        ...Object.keys(family.constants ?? {}),
        ...Object.keys(kinds),
      ]);
    const layout = expectOneOf('layout', given.layout ?? 'channelsFirst', LAYOUTS);
    const parameters = readParameters(family.name, kinds, given);
    const functions = [...parameters.values()].reduce((most, { count }) => Math.max(most, count), 1);
    for (const [name, { count }] of parameters)
      if (count !== 1 && count !== functions)
        throw new RangeError(
          `${family.name} has ${functions} functions by its longest parameter, but ${name} has ${count}: one for all, or one for each`,
        );
    const channels =
      given.channels === undefined ? functions : expectInteger('channels', given.channels, 1, MOST_CHANNELS);
    if (channels % functions !== 0)
      throw new RangeError(
        `channels must be a multiple of the ${functions} functions, one a group of neighbours, got ${channels}`,
      );
    super(channels, layout);
    this.family = family;
    this.constants = constants;
    this.#parameters = parameters;
    this.#functions = functions;
    this.#origin = origin;
    this.#check();
  }

  /** Every parameter by its name, a copy: as long as it was given, [functions][n] flat. */
  get parameters(): Readonly<Record<P, Float32Array>> {
    return Object.fromEntries([...this.#parameters].map(([name, { data }]) => [name, data.slice()])) as Record<
      P,
      Float32Array
    >;
  }

  /**
   * Takes new parameters, after a training step say; those that are not named stay. What does not depend on them is not compiled again.
   * @throws {TypeError|RangeError} if a length differs or a number is not finite, or the values make no sense; the activation is as before then.
   */
  update(parameters: { readonly [K in P]?: ParameterValue }): void {
    const given = expectObject(`${this.family.name}.update`, parameters);
    const before = this.#parameters;
    const after = new Map(before);
    for (const [name, new_] of Object.entries(given)) {
      const stored = before.get(expectOneOf(`a parameter of ${this.family.name}`, name, [...before.keys()]));
      if (new_ === undefined || stored === undefined) continue;
      const data = numbers(name, new_);
      if (data.length !== stored.data.length)
        throw new RangeError(`${name} must hold ${stored.data.length} numbers as before, got ${data.length}`);
      after.set(name, { ...stored, data });
    }
    this.#parameters = after;
    try {
      this.#check();
    } catch (cause) {
      this.#parameters = before;
      throw cause;
    }
    this.forget();
  }

  /**
   * The same function with more parameters, to be trained further: a higher degree, more terms, more knots. Equal up to the rounding of
   * parameters to float32.
   * @throws {TypeError} for a family that has no such thing. @throws {RangeError} if factor is not an integer from 1 to 64.
   */
  refine(factor = 2): FamilyActivation<C, P> {
    expectInteger('factor', factor, 1, 64);
    const { refine, name } = this.family;
    if (!refine) throw new TypeError(`${name} has a fixed number of parameters; there is nothing to refine`);
    const refined = Array.from({ length: this.#functions }, (_, index) =>
      refine(this.constants, this.#valuesOf(index), factor),
    );
    const options: Record<string, unknown> = {
      ...this.constants,
      ...refined[0]!.constants,
      channels: this.channels,
      layout: this.layout,
    };
    for (const [key, { kind, count }] of this.#parameters) {
      const rows = refined.slice(0, count).map(({ parameters }) => parameters[key as P]);
      options[key] = kind.isOne ? rows.flat() : rows;
    }
    return new FamilyActivation(this.family, options as FamilyOptions<C, P>);
  }

  /** The function of one channel in float64: no table, about 15 digits where nothing cancels. `ditac/oracle` has 30 digits. */
  reference(channel = 0): (x: number) => number {
    expectInteger('channel', channel, 0, this.channels - 1);
    const { parts } = this.define(this.functionOf(channel));
    const functions = parts.map(({ first, last, f }) => ({ first, last, f: value(f) }));
    return (x) => (functions.find(({ last }) => x <= last) ?? functions[functions.length - 1]!).f(x);
  }

  /** The formula of one channel with its present parameters, as the calculus has it. */
  definition(channel = 0): Definition {
    return this.define(this.functionOf(expectInteger('channel', channel, 0, this.channels - 1)));
  }

  /**
   * What a state dict of the original class holds, by its names and in its shapes (those that it was read from); and what it does not say, under names
   * that begin with `ditac.`, which PyTorch's `load_state_dict` passes over with `strict=False`. `fromStateDict` needs no options then.
   */
  stateDict(options: { prefix?: string } = {}): Record<string, { shape: number[]; data: Float32Array | Float64Array }> {
    expectOptions<{ prefix?: string }>('stateDict', options, { prefix: expectString });
    return writeStateDict(this.family as unknown as Family, options.prefix ?? '', {
      constants: this.constants,
      parameters: this.#parameters,
      functions: this.#functions,
      channels: this.channels,
      layout: this.layout,
      origin: this.#origin,
    });
  }

  /** What is worth knowing about the present values, in sentences: which are clamped, say, or what of a checkpoint was taken for granted. */
  get notes(): readonly string[] {
    const values = Array.from({ length: this.#functions }, (_, index) => this.#valuesOf(index));
    return [
      ...(this.#origin?.notes ?? []),
      ...notesOf(this.family as unknown as Family, this.constants, values as unknown as Values<string>[]),
    ];
  }

  protected override functionOf(channel: number): number {
    return Math.floor((channel * this.#functions) / this.channels);
  }

  protected override define(index: number): Definition {
    return this.family.define(this.constants, this.#wordsOf(index));
  }

  protected override differentiator(): Differentiator {
    const interpreter = new Interpreter();
    const functions = Array.from({ length: this.#functions }, (_, index): Differentiable => {
      const definition = this.define(index);
      const { periodic } = definition;
      const limit = periodic?.only
        ? periodic.only.from
        : periodic
          ? gradientLimit(ballOf(interpreter, periodic.period).high)
          : undefined;
      const table = gradientTable(interpreter, definition, this.#size, limit);
      return { table, contract: (moments) => contract(interpreter, table, moments) };
    });
    return new Differentiator(Array.from({ length: this.channels }, (_, c) => functions[this.functionOf(c)]!));
  }

  protected override gradientsOf(gradX: unknown, contracted: readonly Float64Array[]): Gradients {
    const gradients: Record<string, Float32Array> = {};
    let at = 0;
    for (const [name, { data, count, length }] of this.#parameters) {
      const sums = new Float64Array(data.length);
      contracted.forEach((gradient, channel) => {
        const row = count === 1 ? 0 : this.functionOf(channel);
        for (let n = 0; n < length; n++) sums[row * length + n]! += gradient[at + n]!;
      });
      gradients[name] = Float32Array.from(sums);
      at += length;
    }
    return { gradX: gradX as Float32Array, gradients };
  }

  /** Parameters a function. */
  get #size(): number {
    return [...this.#parameters.values()].reduce((sum, { length }) => sum + length, 0);
  }

  #valuesOf(index: number): Values<P> {
    return Object.fromEntries(
      [...this.#parameters].map(([name, { data, count, length }]) => {
        const row = count === 1 ? 0 : index;
        return [name, Array.from(data.subarray(row * length, (row + 1) * length))];
      }),
    ) as unknown as Values<P>;
  }

  #wordsOf(index: number): Words<P> {
    let next = 0;
    const word = (number: number): Parameter => ({ op: 'parameter', index: next++, value: number });
    return Object.fromEntries(
      Object.entries(this.#valuesOf(index)).map(([name, values]) => {
        const words = (values as number[]).map(word);
        return [name, this.#parameters.get(name)!.kind.isOne ? words[0]! : words];
      }),
    ) as unknown as Words<P>;
  }

  #defined(index: number): Definition {
    try {
      return this.define(index);
    } catch (cause) {
      if (this.#functions === 1 || !(cause instanceof RangeError)) throw cause;
      throw new RangeError(`function ${index} of ${this.#functions}: ${cause.message}`, { cause });
    }
  }

  /** Every function is one that its family can define, and has no pole. */
  #check(): void {
    const interpreter = new Interpreter();
    for (let index = 0; index < this.#functions; index++) {
      const { poles } = this.#defined(index);
      if (poles === undefined) continue;
      const found = polesOf(interpreter, poles);
      if (found.length > 0)
        throw new RangeError(
          `${this.family.name} has a pole at x = ${found.slice(0, 4).join(', x = ')}${found.length > 4 ? ', …' : ''}: the denominator is 0 there, and the function has no value`,
        );
    }
  }
}

/** The roots of a denominator, as the float32 nearest to them. */
function polesOf(interpreter: Interpreter, denominator: NonNullable<Definition['poles']>): number[] {
  return cuts(interpreter, [{ first: -LARGEST, last: LARGEST, f: where(denominator, 1, 0) }])
    .slice(1)
    .map(({ first }) => first);
}

function expectObject(name: string, options: unknown): Readonly<Record<string, unknown>> {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new TypeError(`${name} options must be an object, got ${describe(options)}`);
  return options as Readonly<Record<string, unknown>>;
}

function readConstants<C extends object, P extends string>(
  family: Family<C, P>,
  given: Readonly<Record<string, unknown>>,
): C {
  const constants: Record<string, unknown> = {};
  for (const [key, kind] of Object.entries(family.constants ?? {}) as [string, ConstantKind][]) {
    const found = given[key] ?? kind.initial;
    if (found === undefined) {
      if (kind.isOptional) continue;
      throw new TypeError(`${family.name} needs the option ${key}, got undefined`);
    }
    constants[key] = kind.check(key, found);
  }
  return constants as C;
}

function readParameters(
  name: string,
  kinds: Readonly<Record<string, ParameterKind>>,
  given: Readonly<Record<string, unknown>>,
): Map<string, Stored> {
  const random = given.seed === undefined ? undefined : streams(given.seed);
  const parameters = new Map<string, Stored>();
  const missing: string[] = [];
  for (const [key, kind] of Object.entries(kinds)) {
    const value = given[key];
    if (value !== undefined) parameters.set(key, store(key, kind, value));
    else if (Array.isArray(kind.initial))
      parameters.set(key, store(key, kind, kind.isOne ? kind.initial[0] : kind.initial));
    else if (typeof kind.initial === 'function' && random) {
      const drawn = kind.initial(random);
      parameters.set(key, store(key, kind, kind.isOne ? drawn[0] : drawn));
    } else missing.push(key);
  }
  if (missing.length > 0) {
    const isDrawn = missing.every((key) => typeof kinds[key]!.initial === 'function');
    throw new TypeError(
      `${name} needs ${missing.join(', ')}${isDrawn ? ', or a seed to draw them' : ''}, got undefined`,
    );
  }
  return parameters;
}

function streams(seed: unknown): Random {
  const uniform = uniformStream(seed as number);
  const normal = normalStream(seed as number);
  return { uniform, normal };
}

function store(name: string, kind: ParameterKind, value: unknown): Stored {
  const data = numbers(name, value);
  const isNested = Array.isArray(value) && value.some((row) => typeof row === 'object');
  if (kind.isOne) {
    if (data.length === 0) throw new RangeError(`${name} must hold at least one number, got none`);
    return { kind, data, count: data.length, length: 1 };
  }
  const rows = isNested ? (value as readonly ArrayLike<number>[]) : undefined;
  const length = kind.length ?? rows?.[0]?.length ?? data.length;
  rows?.forEach((row, i) => {
    if (row.length !== length)
      throw new RangeError(`every row of ${name} must hold ${length} numbers, row ${i} has ${row.length}`);
  });
  if (length === 0 ? data.length !== 0 : data.length === 0 || data.length % length !== 0)
    throw new RangeError(`${name} must hold ${length} numbers a function, got ${data.length}`);
  return { kind, data, count: length === 0 ? 1 : data.length / length, length };
}

/** As float32, flat. */
function numbers(name: string, value: unknown): Float32Array {
  const flat: unknown[] = [];
  const isList = (each: unknown): each is ArrayLike<unknown> =>
    Array.isArray(each) || (ArrayBuffer.isView(each) && 'length' in each);
  if (typeof value === 'number') flat.push(value);
  else if (isList(value)) {
    for (const each of Array.from(value)) {
      if (isList(each)) flat.push(...Array.from(each));
      else flat.push(each);
    }
  } else throw new TypeError(`${name} must be a number or an array of numbers, got ${describe(value)}`);
  const data = new Float32Array(flat.length);
  flat.forEach((each, i) => {
    if (typeof each !== 'number') throw new TypeError(`${name}[${i}] must be a number, got ${describe(each)}`);
    data[i] = each;
    if (!Number.isFinite(data[i])) throw new RangeError(`${name}[${i}] must be a finite float32, got ${each}`);
  });
  return data;
}

/** The class of a family. */
export function classOf<C extends object, P extends string>(family: Family<C, P>): FamilyClass<C, P> {
  const made = class extends FamilyActivation<C, P> {
    static readonly family = family;
    constructor(options: FamilyOptions<C, P> = {}, origin?: Origin) {
      super(family, options, origin);
    }
    static fromStateDict(tensors: StateDict, options: object = {}) {
      const { options: read, origin } = readStateDict(family as unknown as Family, tensors, options);
      return new made(read as FamilyOptions<C, P>, origin);
    }
  };
  Object.defineProperty(made, 'name', { value: family.name });
  return made as unknown as FamilyClass<C, P>;
}
