import { ceilToFloat32, nextDown } from '../../assembly/float32';
import type { Layout } from '../activations/layout.js';
import { type Expression, expression, type Operand, type Parameter } from '../calculus/expression.js';
import { type Asymptote, type Definition, LARGEST, type Part } from '../calculus/piece.js';
import { describe, expectArray, expectBoolean, expectFinite, expectInteger } from '../errors.js';
import type { StateDict, Tensor } from '../io/tensor.js';

/**
 * A family of activation functions: a formula, its parameters, and what is worth saying about them. One file in this folder says no more than
 * that; plans, gradients, backends, checkpoints, layers and the oracle follow (docs/design.md).
 */
export interface Family<C extends object = object, P extends string = string> {
  /** The class's name, the field's own. */
  readonly name: string;
  /** Constants that are not trained. */
  readonly constants?: { readonly [K in keyof C]: ConstantKind };
  /** The parameters of one function, by name, in the order of a checkpoint. */
  parameters(constants: C): { readonly [K in P]: ParameterKind };
  /**
   * The function: `p` has every parameter, with its present value, as an expression (`one`) or an array of them (`many`).
   * @throws {RangeError} for values that make no sense; says which and why.
   */
  define(constants: C, p: Words<P>): Definition;
  /** The same function with more parameters, to be trained further. */
  refine?(
    constants: C,
    p: Values<P>,
    factor: number,
  ): { readonly constants?: Partial<C>; readonly parameters: Values<P> };
  /** What is worth knowing about a function with these values: that something is clamped, say. One sentence without the values. */
  notes?(constants: C, p: Values<P>): readonly string[];
  /** Parameters that the original class has once for all channels; layers begin with one of them. */
  readonly shared?: readonly P[];
  /** How a state dict holds it. Default: every parameter under its own name. */
  readonly checkpoint?: Checkpoint<C, P>;
  /** The formula for the oracle where `define` says another that is as good to float32: an end to what overflows in float64. */
  readonly truth?: (constants: C, p: Words<P>) => Definition;
}

export type Words<P extends string> = { readonly [K in P]: Parameter & readonly Parameter[] };
/** Numbers of one function. */
export type Values<P extends string> = { readonly [K in P]: readonly number[] };

/** A parameter: one number a function, or `length` of them. */
export interface ParameterKind {
  /** How many numbers; undefined: as many as are given. */
  readonly length: number | undefined;
  readonly isOne: boolean;
  /** What it begins with: numbers, or a draw. */
  readonly initial?: readonly number[] | ((random: Random) => readonly number[]);
}

/** Streams that give the same bits everywhere for a seed. */
export interface Random {
  /** In [0, 1). */
  uniform(): number;
  normal(): number;
}

export interface ConstantKind<T = unknown> {
  /** Undefined: it has to be given, unless it is optional. */
  readonly initial?: T;
  readonly isOptional?: boolean;
  /** What it can be; a state dict holds the index. */
  readonly choices?: readonly T[];
  /** Whether it is several numbers. */
  readonly isList?: boolean;
  /** Throws if the value is none. */
  check(name: string, value: unknown): T;
}

/** How state dicts hold a family: the classes that wrote them. Without `classes`, one that calls parameters what the family calls them. */
export interface Checkpoint<C extends object = object, P extends string = string> {
  /** The first is what `stateDict` writes where nothing else was read. An index into this list is stored: new ones go to the end. */
  readonly classes: readonly SourceClass<C, P>[];
}

/** A class of another library, or a kind of them, by what it stores. */
export interface SourceClass<C extends object = object, P extends string = string> {
  /** What the option `class` calls it. */
  readonly name: string;
  /** Names of its tensors; what is not here has the parameter's name. */
  readonly names?: { readonly [K in P]?: string };
  /** Shapes of its tensors, for one or several functions. Default: [functions], and [n] or [functions, n] for arrays. */
  readonly shapes?: { readonly [K in P]?: (functions: number, length: number) => readonly number[] };
  /** Tensors that hold a constant, where they are. */
  readonly buffers?: { readonly [K in keyof C]?: string };
  /** Constants that are the same in all of its instances. */
  readonly constants?: Partial<C>;
  /** Constants that its instances choose and its state dict does not say: asked for, never assumed. */
  readonly asks?: readonly (keyof C & string)[];
  /** Options beside constants that must be told: which edge of a layer, how many channels there are, or where, unless shapes say it. */
  readonly needs?: readonly ('edge' | 'channels' | 'layout')[];
  /** Where its channels are, if its instances do not choose and shapes do not say. */
  readonly layout?: Layout;
  /** Tensors beside them that say nothing more. */
  readonly others?: readonly string[];
  /** What else looks like it in a state dict. */
  readonly alike?: string;
  /** What whoever loads it should know. */
  readonly note?: string;
  /** The tensors of a class that stores something else than parameters; `read` and `write` translate. */
  readonly tensors?: readonly string[];
  /** How many functions the first of them says there are; undefined for a shape that it cannot have. */
  count?(shape: readonly number[]): number | undefined;
  read?(stored: StoredModule): {
    readonly constants?: Partial<C>;
    readonly parameters: { readonly [K in P]: ArrayLike<number> | readonly ArrayLike<number>[] };
    /** Where its channels are, if shapes say it. */
    readonly layout?: Layout;
  };
  /** One function a row. Undefined if the class cannot hold it: then the first class does. */
  write?(constants: C, parameters: { readonly [K in P]: readonly (readonly number[])[] }): StateDict | undefined;
}

/** The tensors of one module, and what was told about them. */
export interface StoredModule {
  /** @throws {RangeError} if there is none, or its shape has another rank. Missing leading dimensions are 1. */
  tensor(name: string, rank: number): Tensor;
  has(name: string): boolean;
  /** The edge's [out, in] in a layer of that size. @throws {TypeError|RangeError} if it was not told, or there is none. */
  edge(outputs: number, inputs: number): readonly [number, number];
  note(text: string): void;
}

/** Of one array a function: gradients cost as much for each. */
const MOST_NUMBERS = 4096;

/** Shapes that broadcast over [batch, channels, …]. */
/* @__NO_SIDE_EFFECTS__ */
export const alongFirst =
  (rank: 3 | 4) =>
  (functions: number): readonly number[] =>
    [1, functions, 1, 1].slice(0, rank);

/** One number a function. */
export function one(initial?: number | ((random: Random) => number)): ParameterKind {
  if (initial !== undefined && typeof initial !== 'function') expectFinite('initial', initial);
  const given =
    typeof initial === 'function'
      ? (random: Random) => [initial(random)]
      : initial === undefined
        ? undefined
        : [initial];
  return { length: 1, isOne: true, ...(given ? { initial: given } : {}) };
}

/** An array a function; without a length, as long as it is given. */
export function many(
  length?: number,
  initial?: readonly number[] | ((random: Random) => readonly number[]),
): ParameterKind {
  if (length !== undefined) expectInteger('length', length, 0, MOST_NUMBERS);
  if (initial !== undefined && typeof initial !== 'function') {
    expectArray('initial', initial);
    if (length !== undefined && initial.length !== length)
      throw new RangeError(`initial must hold ${length} numbers, got ${initial.length}`);
    initial.forEach((each, i) => {
      expectFinite(`initial[${i}]`, each);
    });
  }
  return { length, isOne: false, ...(initial ? { initial } : {}) };
}

/** Draws from [low, high). */
export function uniform(low: number, high: number): (random: Random) => number {
  expectFinite('low', low);
  expectFinite('high', high);
  return (random) => low + (high - low) * random.uniform();
}

/** A finite number, taken as float32. */
/* @__NO_SIDE_EFFECTS__ */
export function constantNumber(initial?: number, isOptional = false): ConstantKind<number> {
  if (initial !== undefined) expectFinite('initial', initial);
  expectBoolean('isOptional', isOptional);
  return {
    isOptional,
    ...(initial === undefined ? {} : { initial: Math.fround(initial) }),
    check(name, value) {
      if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${describe(value)}`);
      if (!Number.isFinite(Math.fround(value))) throw new RangeError(`${name} must be a finite float32, got ${value}`);
      return Math.fround(value);
    },
  };
}

/* @__NO_SIDE_EFFECTS__ */
export function constantFlag(initial?: boolean): ConstantKind<boolean> {
  if (initial !== undefined) expectBoolean('initial', initial);
  return {
    ...(initial === undefined ? {} : { initial }),
    choices: [false, true],
    check(name, value) {
      if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, got ${describe(value)}`);
      return value;
    },
  };
}

/* @__NO_SIDE_EFFECTS__ */
export function constantChoice<T extends string | number>(choices: readonly T[], initial?: T): ConstantKind<T> {
  expectArray('choices', choices);
  if (initial !== undefined && !choices.includes(initial))
    throw new RangeError(`initial must be one of the choices, got ${describe(initial)}`);
  return {
    ...(initial === undefined ? {} : { initial }),
    choices,
    check(name, value) {
      if (!choices.includes(value as T))
        throw new RangeError(
          `${name} must be one of ${choices.map((each) => describe(each)).join(', ')}, got ${describe(value)}`,
        );
      return value as T;
    },
  };
}

/** Finite numbers, taken as float32. */
/* @__NO_SIDE_EFFECTS__ */
export function constantNumbers(initial?: readonly number[]): ConstantKind<readonly number[]> {
  if (initial !== undefined) expectArray('initial', initial);
  return {
    ...(initial === undefined ? {} : { initial: initial.map(Math.fround) }),
    isList: true,
    check(name, value) {
      const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
      if (!isArray) throw new TypeError(`${name} must be an array of numbers, got ${describe(value)}`);
      return Array.from(value as ArrayLike<unknown>, (each, i) => constantNumber().check(`${name}[${i}]`, each));
    },
  };
}

/** One formula on the whole line, and what it tends to. */
export function whole(f: Operand, low?: Asymptote, high?: Asymptote): Definition {
  for (const [name, end] of Object.entries({ low, high }))
    if (end !== undefined && typeof end?.rest?.op !== 'string')
      throw new TypeError(`${name} must be what tail makes, got ${describe(end)}`);
  return {
    parts: [{ first: -LARGEST, last: LARGEST, f: expression(f) }],
    ...(low ? { low } : {}),
    ...(high ? { high } : {}),
  };
}

/** Formulas on parts of the line: each from a float32 on, up to the next; the first from -∞. */
export function pieces(first: Operand, ...rest: readonly (readonly [from: number, f: Operand])[]): Part[] {
  rest.forEach((each, i) => {
    if (!Array.isArray(each)) throw new TypeError(`a piece must be [from, formula], got ${describe(each)}`);
    expectFinite('where a piece begins', each[0]);
    if (i > 0 && !(each[0] > rest[i - 1]![0]))
      throw new RangeError(`pieces must begin at ascending x, got ${each[0]} after ${rest[i - 1]![0]}`);
  });
  // Nothing lies between two float32: the first that a piece has is the next after what the one before it has.
  const starts = [-LARGEST, ...rest.map(([from]) => Math.max(-LARGEST, ceilToFloat32(from)))];
  const parts = [first, ...rest.map(([, f]) => f)].map((f, i) => ({
    first: starts[i]!,
    last: i + 1 < starts.length ? nextDown(starts[i + 1]!) : LARGEST,
    f: expression(f),
  }));
  return parts.filter((part) => part.first <= part.last);
}

/** f = slope·x + intercept + rest, with a rest that vanishes and in which nothing cancels. */
export function tail(slope: Operand, intercept: Operand, rest: Operand): Asymptote {
  return { slope: expression(slope), intercept: expression(intercept), rest: expression(rest) };
}

/** [low, high] if the number is positive, else the other way round. */
export function bySign<T>(sign: number, low: T, high: T): [T, T] {
  return expectFinite('sign', sign) >= 0 ? [low, high] : [high, low];
}

/** At least `least`: a clamp that the original class makes. What is clamped has no gradient. */
export function atLeast(p: Parameter, least: number): Expression {
  if (p?.op !== 'parameter') throw new TypeError(`p must be a parameter, got ${describe(p)}`);
  expectFinite('least', least);
  return p.value < least ? expression(least) : p;
}

export type { Asymptote, Definition };
