import { InvalidArgumentError } from 'commander';
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

/** Functions on the command line: by their names, or written down. */

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

/** As many digits as are a float64 for certain, and the largest power of ten that is one. */
const [DIGITS, LARGEST_POWER] = [15, 22];

/** c·10ᵉ, of factors that are float64. */
function scaled(c: Expression, e: number): Expression {
  if (e === 0) return c;
  const by = 10 ** Math.min(Math.abs(e), LARGEST_POWER);
  const rest = Math.sign(e) * Math.max(Math.abs(e) - LARGEST_POWER, 0);
  return scaled(e > 0 ? times(c, by) : divide(c, by), rest);
}

/** A decimal exactly: its digits in groups, each times a power of ten. */
function decimal(text: string): Expression {
  const [, whole_ = '', share = '', e = '0'] = /^(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const digits = (whole_ + share).replace(/^0+/, '');
  const last = Number(e) - share.length;
  // Beyond what float64 holds, nothing is to be exact.
  if (!(Math.abs(last) < 400) || digits.length > 400) return expression(Number(text));
  let sum = expression(0);
  for (let end = digits.length; end > 0; end -= DIGITS)
    sum = plus(
      scaled(expression(Number(digits.slice(Math.max(end - DIGITS, 0), end))), last + digits.length - end),
      sum,
    );
  return sum;
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

/** A fixed function or an expression, as the oracle takes it. */
export function definitionOf(given: { function?: string; expression?: string }): Definition {
  const { function: name, expression: text } = given;
  return whole(name === undefined ? readExpression(text!) : ONE_OPERAND[name]!(x));
}
