import type { Enclosure } from './enclosure.js';

/** Truths that can also say, in float64 and fast, where they lie. */

const known = new WeakMap<object, () => Enclosure | undefined>();

/** Remembers of a truth how to enclose it; made when it is asked for. */
export function encloses<F extends object>(truth: F, make: () => Enclosure | undefined): F {
  let made: Enclosure | undefined;
  known.set(truth, () => {
    made ??= make();
    return made;
  });
  return truth;
}

export const enclosureOf = (truth: object): Enclosure | undefined => known.get(truth)?.();
