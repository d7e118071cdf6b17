import { Differentiator } from '../backends/gradients.js';
import { cuts } from '../calculus/cuts.js';
import { type Expression, expression, type Parameter, where } from '../calculus/expression.js';
import { Interpreter } from '../calculus/interpreter.js';
import { above, below, type Definition, LARGEST } from '../calculus/piece.js';
import { value } from '../calculus/value.js';
import { normalStream, uniformStream } from '../cpab/random.js';
import {
  describe,
  expectArray,
  expectFunction,
  expectHolder,
  expectInteger,
  expectOneOf,
  expectOptions,
  expectRecord,
  expectString,
  type OptionTable,
} from '../errors.js';
import type { ConstantKind, Family, ParameterKind, Random, Values, Words } from '../families/family.js';
import type { StateDict } from '../io/tensor.js';
import { contract, type Differentiable, gradientDomain, gradientTable } from '../plan/gradient-table.js';
import type { Gradients } from './backward.js';
import { LAYOUTS, type Layout } from './layout.js';
import {
  notesOf,
  type Origin,
  readStateDict,
  type StateDictOptions,
  storedNames,
  type Written,
  writeStateDict,
} from './state-dict.js';
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

/** What is to hold of every definition of a family; nothing of this package's own, whose tests say it. */
export const checks: WeakMap<
  object,
  (interpreter: Interpreter, definition: Definition, family: { readonly name: string }) => void
> = /* @__PURE__ */ new WeakMap();

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
    const given = expectHolder(family.name, options);
    const constants = readConstants(family, given);
    const kinds = expectKinds(family.name, family.parameters(constants));
    for (const key of Object.keys(given))
      expectOneOf(`an option of ${family.name}`, key, [
        ...COMMON,
        ...Object.keys(family.constants ?? {}),
        ...Object.keys(kinds),
      ]);
    const layout = expectOneOf('layout', given.layout === undefined ? 'channelsFirst' : given.layout, LAYOUTS);
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
    const given = expectHolder(`${this.family.name}.update`, parameters);
    const before = this.#parameters;
    const after = new Map(before);
    for (const [name, new_] of Object.entries(given)) {
      const stored = before.get(expectOneOf(`a parameter of ${this.family.name}`, name, [...before.keys()]));
      if (new_ === undefined || stored === undefined) continue;
      const data = numbers(name, new_, stored.kind);
      if (data.length !== stored.data.length)
        throw new RangeError(`${name} must hold ${stored.data.length} numbers as before, got ${data.length}`);
      expectRows(name, new_, stored);
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
    const refined = Array.from({ length: this.#functions }, (_, index) => {
      const found = refine(this.constants, this.#valuesOf(index), factor);
      if (typeof found?.parameters !== 'object' || found.parameters === null)
        throw new TypeError(`refine of ${name} must give { parameters } by name, got ${describe(found)}`);
      return found;
    });
    const options: Record<string, unknown> = {
      ...this.constants,
      ...refined[0]!.constants,
      channels: this.channels,
      layout: this.layout,
    };
    const constants = { ...this.constants, ...refined[0]!.constants };
    for (const [key, kind] of Object.entries<ParameterKind>(this.family.parameters(constants))) {
      // What all functions share stays shared.
      const rows = refined.slice(0, this.#parameters.get(key)?.count).map(({ parameters }) => parameters[key as P]);
      options[key] = kind.isOne ? rows.flat() : rows;
    }
    return new FamilyActivation(this.family, options as FamilyOptions<C, P>);
  }

  /** Shapes of the parameters: [functions], or [functions][n] for arrays; one function may serve all channels. */
  get shapes(): Readonly<Record<P, readonly number[]>> {
    return Object.fromEntries(
      [...this.#parameters].map(([name, { kind, count, length }]) => [name, kind.isOne ? [count] : [count, length]]),
    ) as unknown as Record<P, readonly number[]>;
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

  /** The same for `ditac/oracle`, which needs no end to what would overflow. */
  truth(channel = 0): Definition {
    const index = this.functionOf(expectInteger('channel', channel, 0, this.channels - 1));
    return (this.family.truth ?? this.family.define)(this.constants, this.#wordsOf(index));
  }

  /** The parameters of one function in the order of the calculus: 'alpha', or 'coefficients[0]', 'coefficients[1]' … */
  get parameterNames(): readonly string[] {
    return [...this.#parameters].flatMap(([name, { kind, length }]) =>
      kind.isOne ? [name] : Array.from({ length }, (_, n) => `${name}[${n}]`),
    );
  }

  /**
   * What a state dict of the original class holds, by its names and in its shapes (those that it was read from); and what it does not say, under names
   * that begin with `ditac.`, which PyTorch's `load_state_dict` passes over with `strict=False`. `fromStateDict` needs no options then.
   */
  stateDict(options: { prefix?: string } = {}): Record<string, { shape: number[]; data: Float32Array | Float64Array }> {
    expectOptions<{ prefix?: string }>('stateDict', options, { prefix: expectString });
    return writeStateDict(this.family as unknown as Family, options.prefix ?? '', this.#written);
  }

  /** What `stateDict` calls the parameters. */
  get storedNames(): Readonly<Record<P, string>> {
    return storedNames(this.family as unknown as Family, this.#written) as Record<P, string>;
  }

  get #written(): Written {
    return {
      constants: this.constants,
      parameters: this.#parameters,
      functions: this.#functions,
      channels: this.channels,
      layout: this.layout,
      origin: this.#origin,
    };
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
    const definition = this.family.define(this.constants, this.#wordsOf(index));
    const periodic = definition?.periodic;
    if (!periodic || periodic.only) return definition;
    // Numbers are words too.
    const [period, trend, part] = [periodic.period, periodic.trend, periodic.part].map(expression) as [
      Expression,
      Expression,
      Expression,
    ];
    return { ...definition, periodic: { period, trend, part } };
  }

  protected override differentiator(): Differentiator {
    const interpreter = new Interpreter();
    const functions = Array.from({ length: this.#functions }, (_, index): Differentiable => {
      const definition = this.define(index);
      const table = gradientTable(interpreter, definition, this.#size, gradientDomain(interpreter, definition));
      return { table, contract: (moments) => contract(interpreter, table, moments) };
    });
    return new Differentiator(Array.from({ length: this.channels }, (_, c) => functions[this.functionOf(c)]!));
  }

  protected override trained(): readonly Float32Array[] {
    return [...this.#parameters.values()].map(({ data }) => data);
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
      const definition = expectDefinition(this.family.name, this.#defined(index));
      checks.get(this.family)?.(interpreter, definition, this.family);
      const found = definition.poles ? polesOf(interpreter, definition.poles) : [];
      if (found.length > 0)
        throw new RangeError(
          `${this.family.name} has a pole at x = ${found.slice(0, 4).join(', x = ')}${found.length > 4 ? ', …' : ''}: the denominator is 0 there, and the function has no value`,
        );
    }
  }
}

/** The roots of a denominator, as the float32 nearest to them; a root without a change of sign has two neighbours. */
function polesOf(interpreter: Interpreter, denominator: NonNullable<Definition['poles']>): number[] {
  const q = value(denominator);
  const nearest = cuts(interpreter, [{ first: -LARGEST, last: LARGEST, f: where(denominator, 1, 0) }])
    .slice(1)
    .map(({ first }) => (Math.abs(q(below(first))) < Math.abs(q(first)) ? below(first) : first));
  return nearest.filter((pole, i) => i === 0 || pole > above(nearest[i - 1]!));
}

function readConstants<C extends object, P extends string>(
  family: Family<C, P>,
  given: Readonly<Record<string, unknown>>,
): C {
  const constants: Record<string, unknown> = {};
  for (const [key, kind] of Object.entries(family.constants ?? {}) as [string, ConstantKind][]) {
    const found = given[key] === undefined ? kind.initial : given[key];
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
  const random = given.seed === undefined ? undefined : streams(expectInteger('seed', given.seed, 0, 2 ** 32 - 1));
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

function streams(seed: number): Random {
  const uniform = uniformStream(seed);
  const normal = normalStream(seed);
  return { uniform, normal };
}

function store(name: string, kind: ParameterKind, value: unknown): Stored {
  const data = numbers(name, value, kind);
  if (data.length === 0 && (kind.isOne || kind.length))
    throw new RangeError(`${name} must hold at least one number, got none`);
  const rows = isNested(value) ? value : undefined;
  const length = kind.isOne ? 1 : (kind.length ?? rows?.[0]?.length ?? data.length);
  const stored = { kind, data, count: length === 0 ? 1 : data.length / length, length };
  if (length === 0 ? data.length !== 0 : data.length % length !== 0)
    throw new RangeError(`${name} must hold ${length} numbers a function, got ${data.length}`);
  expectRows(name, value, stored);
  return stored;
}

/** Rows, if they are given as such, are those of functions. */
function expectRows(name: string, value: unknown, { length }: Stored): void {
  if (!isNested(value)) return;
  for (const [i, row] of value.entries())
    if (row.length !== length)
      throw new RangeError(
        `every row of ${name} must hold ${length} ${length === 1 ? 'number' : 'numbers'}, row ${i} has ${row.length}`,
      );
}

const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
const isNested = (value: unknown): value is readonly ArrayLike<unknown>[] =>
  Array.isArray(value) && value.length > 0 && isList(value[0]);

/** As float32, flat. */
function numbers(name: string, value: unknown, { isOne }: ParameterKind): Float32Array {
  if (isOne && typeof value === 'number') return Float32Array.of(finite(name, value));
  if (!isList(value))
    throw new TypeError(`${name} must be ${isOne ? 'a number or ' : ''}an array of numbers, got ${describe(value)}`);
  if (!isNested(value)) return Float32Array.from(Array.from(value), (each, i) => finite(`${name}[${i}]`, each));
  const flat: number[] = [];
  for (const [i, row] of value.entries()) {
    if (!isList(row))
      throw new TypeError(`${name}[${i}] must be an array of numbers as ${name}[0] is, got ${describe(row)}`);
    for (let j = 0; j < row.length; j++) flat.push(finite(`${name}[${i}][${j}]`, row[j]));
  }
  return Float32Array.from(flat);
}

function finite(name: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${describe(value)}`);
  if (!Number.isFinite(Math.fround(value))) throw new RangeError(`${name} must be a finite float32, got ${value}`);
  return value;
}

/** What is said of a family; what its functions give is checked when they are called. */
const FAMILY = {
  name: expectString,
  constants: expectRecord,
  parameters: expectFunction,
  define: expectFunction,
  refine: expectFunction,
  notes: expectFunction,
  shared: expectArray,
  checkpoint: expectRecord,
  truth: expectFunction,
} satisfies OptionTable<Family>;

/** Names that options have for something else. */
const TAKEN = [...COMMON, 'prefix', 'class', 'edge'];

function expectFree(family: string, name: string): void {
  if (TAKEN.includes(name))
    throw new RangeError(
      `${family} must not call anything ${TAKEN.map((each) => `'${each}'`).join(', ')}, got '${name}'`,
    );
}

function expectKinds(family: string, kinds: unknown): Readonly<Record<string, ParameterKind>> {
  expectRecord(`parameters of ${family}`, kinds);
  for (const [name, kind] of Object.entries(kinds as Record<string, ParameterKind>)) {
    expectFree(family, name);
    if (typeof kind?.isOne !== 'boolean')
      throw new TypeError(`${family}: the parameter ${name} must be made by one or many, got ${describe(kind)}`);
  }
  return kinds as Readonly<Record<string, ParameterKind>>;
}

function expectDefinition(family: string, definition: unknown): Definition {
  const parts: unknown = (definition as Definition | undefined)?.parts;
  const isPart = (part: Definition['parts'][number]) => typeof part?.f?.op === 'string' && part.first <= part.last;
  if (!Array.isArray(parts) || parts.length === 0 || !parts.every(isPart))
    throw new TypeError(
      `define of ${family} must give what whole makes, or { parts } of the line, got ${describe(definition)}`,
    );
  parts.forEach(({ first, last }, i) => {
    const isNext = i === 0 ? first <= -LARGEST : first > parts[i - 1]!.last;
    if (!isNext || (i === parts.length - 1 && last < LARGEST))
      throw new RangeError(`parts of ${family} must cover the line in order, got one from ${first} to ${last}`);
  });
  return definition as Definition;
}

/** The class of a family, of this package or by `defineFamily`. @throws {TypeError|RangeError} if it is no description of a family. */
export function classOf<C extends object, P extends string>(family: Family<C, P>): FamilyClass<C, P> {
  expectOptions<Family<C, P>>('defineFamily', family, FAMILY, ['name', 'parameters', 'define']);
  for (const [key, kind] of Object.entries<ConstantKind | undefined>(family.constants ?? {})) {
    expectFree(family.name, key);
    if (typeof kind?.check !== 'function')
      throw new TypeError(
        `${family.name}: the constant ${key} must be made by constantNumber or the like, got ${describe(kind)}`,
      );
  }
  if (family.checkpoint !== undefined && !Array.isArray(family.checkpoint?.classes))
    throw new TypeError(`${family.name}: checkpoint must be { classes }, an array, got ${describe(family.checkpoint)}`);
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
