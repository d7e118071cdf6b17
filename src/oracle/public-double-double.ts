import { describe, expectNumber } from '../errors.js';
import type { DoubleDouble } from './double-double.js';
import * as plain from './double-double.js';

/** Double-double arithmetic for callers: the oracle's own, with arguments that are checked. */

export type { DoubleDouble };
export const { ZERO, ONE, LN2 } = plain;

function expectDoubleDouble(name: string, value: unknown): void {
  const pair = value as Partial<DoubleDouble> | null;
  if (typeof pair !== 'object' || pair === null || typeof pair.hi !== 'number' || typeof pair.lo !== 'number')
    throw new TypeError(`${name} must be a double-double, { hi, lo } of numbers, got ${describe(value)}`);
}

type Check = (name: string, value: unknown) => unknown;

/** f with the first two arguments checked; what has a default may be left out. */
function checked<F extends (...given: never[]) => unknown>(f: F, first: Check, second?: Check): F {
  return ((...given: never[]) => {
    first('the first argument', given[0]);
    second?.('the second argument', given[1]);
    return f(...given);
  }) as unknown as F;
}

const pair = expectDoubleDouble;
const number = expectNumber;
const numberOrNone: Check = (name, value) => value === undefined || expectNumber(name, value);

export const dd = checked(plain.dd, number, numberOrNone);
export const toNumber = checked(plain.toNumber, pair);
export const twoSum = checked(plain.twoSum, number, number);
export const twoProduct = checked(plain.twoProduct, number, number);
export const add = checked(plain.add, pair, pair);
export const negate = checked(plain.negate, pair);
export const subtract = checked(plain.subtract, pair, pair);
export const multiply = checked(plain.multiply, pair, pair);
export const divide = checked(plain.divide, pair, pair);
export const scale = checked(plain.scale, pair, number);
export const less = checked(plain.less, pair, pair);
export const expm1 = checked(plain.expm1, pair);
export const exp = checked(plain.exp, pair);
export const log = checked(plain.log, pair);
export const log1p = checked(plain.log1p, pair);
export const normalDistribution = checked(plain.normalDistribution, pair);
