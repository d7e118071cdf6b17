import { describe, expectNumber } from '../errors.js';
import {
  add,
  type DoubleDouble,
  dd,
  divide,
  exp,
  expm1,
  LN2,
  less,
  log,
  log1p,
  multiply,
  negate,
  normalDistribution,
  ONE,
  scale,
  subtract,
  toNumber,
  twoProduct,
  twoSum,
  ZERO,
} from './double-double.js';

/** Double-double arithmetic for callers: the oracle's own, with arguments that are checked. */

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

/**
 * Listed by hand, not `export * as`: a bundler fills the namespace of a module by `for…in`, which finds additions to Object.prototype too.
 */
export const doubleDouble = {
  ZERO,
  ONE,
  LN2,
  dd: checked(dd, number, numberOrNone),
  toNumber: checked(toNumber, pair),
  twoSum: checked(twoSum, number, number),
  twoProduct: checked(twoProduct, number, number),
  add: checked(add, pair, pair),
  negate: checked(negate, pair),
  subtract: checked(subtract, pair, pair),
  multiply: checked(multiply, pair, pair),
  divide: checked(divide, pair, pair),
  scale: checked(scale, pair, number),
  less: checked(less, pair, pair),
  expm1: checked(expm1, pair),
  exp: checked(exp, pair),
  log: checked(log, pair),
  log1p: checked(log1p, pair),
  normalDistribution: checked(normalDistribution, pair),
} as const;
type Pair = DoubleDouble;
/** Its type goes by the same name. */
export declare namespace doubleDouble {
  export type DoubleDouble = Pair;
}
