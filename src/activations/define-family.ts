import { expectClaims } from '../calculus/claims.js';
import type { Family } from '../families/family.js';
import { checks, classOf, type FamilyClass } from './family-activation.js';

/**
 * The class of a family of your own: what a formula and its parameters say, with certified plans, exact gradients, state dicts and the rest
 * (docs/families.md). What it says of its tails and its period is compared with its formula whenever parameters change.
 * @throws {TypeError|RangeError} if it is no description of a family; says what is missing.
 */
export function defineFamily<C extends object, P extends string>(family: Family<C, P>): FamilyClass<C, P> {
  const made = classOf(family);
  checks.set(family, expectClaims);
  return made;
}
