import { type Expression, expression, type Operand, type Parameter } from '../calculus/expression.js';
import { type Asymptote, type Definition, LARGEST, type Part } from '../calculus/piece.js';
import { describe } from '../errors.js';
import type { StateDict } from '../io/tensor.js';

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
  /** Throws if the value is none. */
  check(name: string, value: unknown): T;
}

export interface Checkpoint<C extends object = object, P extends string = string> {
  /** Names in a state dict; what is not there has the parameter's name. */
  readonly names?: { readonly [K in P]?: string };
  /** Shapes as the original class has them, for one or several channels. Default: [channels], and [channels, n] for arrays. */
  readonly shapes?: { readonly [K in P]?: (channels: number, length: number) => readonly number[] };
  /** Constants that a state dict cannot say and that are asked for by name. */
  readonly asks?: readonly (keyof C & string)[];
  /** Reads what is stored otherwise: constants and parameters, [count][length] each. */
  read?(
    tensors: StateDict,
    prefix: string,
    constants: Partial<C>,
  ): { readonly constants?: Partial<C>; readonly parameters: { readonly [K in P]?: Float32Array } } | undefined;
}

/** One number a function. */
export function one(initial?: number | ((random: Random) => number)): ParameterKind {
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
  return { length, isOne: false, ...(initial ? { initial } : {}) };
}

export const uniform =
  (low: number, high: number) =>
  (random: Random): number =>
    low + (high - low) * random.uniform();

/** A finite number, taken as float32. */
export function constantNumber(initial?: number, isOptional = false): ConstantKind<number> {
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

export function constantFlag(initial?: boolean): ConstantKind<boolean> {
  return {
    ...(initial === undefined ? {} : { initial }),
    check(name, value) {
      if (typeof value !== 'boolean') throw new TypeError(`${name} must be true or false, got ${describe(value)}`);
      return value;
    },
  };
}

export function constantChoice<T extends string | number>(choices: readonly T[], initial?: T): ConstantKind<T> {
  return {
    ...(initial === undefined ? {} : { initial }),
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
export function constantNumbers(initial?: readonly number[]): ConstantKind<readonly number[]> {
  return {
    ...(initial === undefined ? {} : { initial: initial.map(Math.fround) }),
    check(name, value) {
      const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
      if (!isArray) throw new TypeError(`${name} must be an array of numbers, got ${describe(value)}`);
      return Array.from(value as ArrayLike<unknown>, (each, i) => constantNumber().check(`${name}[${i}]`, each));
    },
  };
}

/** One formula on the whole line, and what it tends to. */
export function whole(f: Operand, low?: Asymptote, high?: Asymptote): Definition {
  return {
    parts: [{ first: -LARGEST, last: LARGEST, f: expression(f) }],
    ...(low ? { low } : {}),
    ...(high ? { high } : {}),
  };
}

/** Formulas on parts of the line: each from a float32 on, up to the next; the first from -∞. */
export function pieces(first: Operand, ...rest: readonly (readonly [from: number, f: Operand])[]): Part[] {
  const starts = [-LARGEST, ...rest.map(([from]) => from)];
  const parts = [first, ...rest.map(([, f]) => f)].map((f, i) => ({
    first: starts[i]!,
    last: i + 1 < starts.length ? justBelow(starts[i + 1]!) : LARGEST,
    f: expression(f),
  }));
  return parts.filter((part) => part.first <= part.last);
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);
/** The float32 below. */
function justBelow(x: number): number {
  float[0] = x;
  if (float[0] === 0) bits[0] = -0x7fffffff;
  else bits[0]! += float[0]! > 0 ? -1 : 1;
  return float[0]!;
}

/** f = slope·x + intercept + rest, with a rest that vanishes and in which nothing cancels. */
export function tail(slope: Operand, intercept: Operand, rest: Operand): Asymptote {
  return { slope: expression(slope), intercept: expression(intercept), rest: expression(rest) };
}

/** [low, high] if the number is positive, else the other way round. */
export const bySign = <T>(sign: number, low: T, high: T): [T, T] => (sign >= 0 ? [low, high] : [high, low]);

/** At least `least`: a clamp that the original class makes. What is clamped has no gradient. */
export function atLeast(p: Parameter, least: number): Expression {
  return p.value < least ? expression(least) : p;
}

export type { Asymptote, Definition };
