import { InvalidArgumentError } from 'commander';
import type { FamilyActivation } from '../activations/family-activation.js';
import {
  abs,
  atan,
  cos,
  divide,
  type Expression,
  erf,
  exp,
  expm1,
  expression,
  log,
  log1p,
  maximum,
  minimum,
  minus,
  negative,
  normal,
  plus,
  power,
  relu,
  sigmoid,
  sin,
  softplus,
  sqrt,
  tanh,
  times,
  x,
} from '../calculus/expression.js';
import { type Definition, LARGEST } from '../calculus/piece.js';
import { FAMILIES } from '../families.js';
import { DiTAC } from '../index.js';

/** What a file's y should be: a family with its parameters, a fixed function by its name, or an expression. */

const whole = (f: Expression): Definition => ({ parts: [{ first: -LARGEST, last: LARGEST, f }] });

const ONE_OPERAND: Readonly<Record<string, (a: Expression) => Expression>> = {
  abs,
  atan,
  cos,
  erf,
  exp,
  expm1,
  log,
  log1p,
  phi: normal,
  relu,
  sigmoid,
  silu: (a) => times(a, sigmoid(a)),
  gelu: (a) => times(a, normal(a)),
  mish: (a) => times(a, tanh(softplus(a))),
  sin,
  softplus,
  sqrt,
  tanh,
};
const TWO_OPERANDS: Readonly<Record<string, (a: Expression, b: Expression) => Expression>> = {
  max: maximum,
  min: minimum,
  pow: power,
};

/** A decimal exactly, as a quotient of two float64 where it is none. */
function decimal(text: string): Expression {
  const value = Number(text);
  const [, whole_ = '', share = '', e = '0'] = /^(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const digits = Number(whole_ + share);
  const places = share.length - Number(e);
  const isPlain = Number.isSafeInteger(digits) && places > 0 && places <= 22;
  return isPlain ? divide(digits, 10 ** places) : expression(value);
}

/**
 * Reads x, decimals (taken as they are written), + - * / ^ ** and functions.
 * @throws {InvalidArgumentError} at what cannot be read, with its place.
 */
export function readExpression(text: string): Expression {
  const tokens = [...text.matchAll(/\s*(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|[a-z_][a-z_0-9]*|\*\*|\S)/gi)];
  let at = 0;
  const peek = () => tokens[at]?.[1];
  const fail = (): never => {
    const token = tokens[at];
    const where = token ? `'${token[1]}' at ${token.index + token[0].length - token[1]!.length + 1}` : 'the end';
    const known = [...Object.keys(ONE_OPERAND), ...Object.keys(TWO_OPERANDS)].join(', ');
    throw new InvalidArgumentError(
      `'${text}' cannot be read at ${where}: expected x, numbers, + - * / ^ ( ) and ${known}`,
    );
  };
  const take = (token: string) => {
    if (peek() !== token) fail();
    at += 1;
  };
  const sum = (): Expression => {
    let left = product();
    for (let op = peek(); op === '+' || op === '-'; op = peek()) {
      at += 1;
      left = op === '+' ? plus(left, product()) : minus(left, product());
    }
    return left;
  };
  const product = (): Expression => {
    let left = signed();
    for (let op = peek(); op === '*' || op === '/'; op = peek()) {
      at += 1;
      left = op === '*' ? times(left, signed()) : divide(left, signed());
    }
    return left;
  };
  const signed = (): Expression => {
    if (peek() === '-') {
      at += 1;
      return negative(signed());
    }
    if (peek() === '+') at += 1;
    const base = atom();
    if (peek() !== '^' && peek() !== '**') return base;
    at += 1;
    return power(base, signed());
  };
  const atom = (): Expression => {
    const token = peek();
    if (token === undefined) return fail();
    if (token === '(') {
      at += 1;
      const inner = sum();
      take(')');
      return inner;
    }
    if (/^[\d.]/.test(token)) {
      if (token === '.') fail();
      at += 1;
      return decimal(token);
    }
    if (token === 'x') {
      at += 1;
      return x;
    }
    if (token === 'pi') {
      at += 1;
      return times(4, atan(1));
    }
    const isOne = Object.hasOwn(ONE_OPERAND, token);
    if (!isOne && !Object.hasOwn(TWO_OPERANDS, token)) return fail();
    at += 1;
    take('(');
    const first = sum();
    if (isOne) {
      take(')');
      return ONE_OPERAND[token]!(first);
    }
    take(',');
    const second = sum();
    take(')');
    return TWO_OPERANDS[token]!(first, second);
  };
  const result = sum();
  if (at < tokens.length) fail();
  return result;
}

export const FUNCTION_NAMES = Object.keys(ONE_OPERAND);

export interface Formula {
  family?: string;
  parameters?: Record<string, unknown>;
  function?: string;
  expression?: string;
}

/** What was asked for, as the oracle takes it, with a name; `activation` where ditac can compute it too. */
export interface Asked {
  readonly name: string;
  readonly of: FamilyActivation | DiTAC | Definition;
  readonly activation?: FamilyActivation | DiTAC;
}

/** @throws {InvalidArgumentError} unless exactly one thing is asked for. */
export function readFormula({ family, parameters, function: name, expression: text }: Formula): Asked {
  if ([family, name, text].filter((each) => each !== undefined).length !== 1)
    throw new InvalidArgumentError('pass one of --family, --function and --expression: nothing is assumed');
  if (family !== undefined) {
    const activation = familyOf(family, parameters ?? {});
    return { name: family, of: activation, activation };
  }
  if (name !== undefined) return { name, of: whole(ONE_OPERAND[name]!(x)) };
  return { name: text!, of: whole(readExpression(text!)) };
}

/** A member of a family. @throws {TypeError|RangeError} if parameters are missing or make no sense. */
export function familyOf(name: string, parameters: Record<string, unknown>): FamilyActivation | DiTAC {
  if (name === 'ditac') return new DiTAC(parameters as unknown as ConstructorParameters<typeof DiTAC>[0]);
  const Class = FAMILIES[name as 'snake'] as unknown as new (options: object) => FamilyActivation;
  return new Class(parameters);
}

export const FAMILY_NAMES = Object.keys(FAMILIES);

/** JSON of a family's parameters: '{"alpha":0.5}'. */
export function readParameters(text: string): Record<string, unknown> {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === 'object' && found !== null && !Array.isArray(found)) return found as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError(`expected a JSON object such as {"alpha":0.5}, got '${text}'`);
}
