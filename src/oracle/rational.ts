import { type DoubleDouble, timesPower, twoProduct } from './double-double.js';

/**
 * Sums and products of float64 without any rounding, as integers times a power of two, and their quotients rounded once. What a flow
 * hangs on — on which side of a fixed point x lies, and how near — is decided here.
 */
export interface Dyadic {
  /** The number is integer·2^exponent. */
  readonly integer: bigint;
  readonly exponent: number;
}

/** A finite float64. */
export function dyadic(x: number): Dyadic {
  if (x === 0) return { integer: 0n, exponent: 0 };
  // The power of two at or near |x|, from its logarithm; one off does no harm.
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))) - 54, -1074);
  // In two steps: 2^1074 is none.
  const integer = x * 2 ** -Math.trunc(exponent / 2) * 2 ** (Math.trunc(exponent / 2) - exponent);
  return { integer: BigInt(integer), exponent };
}

export const product = (a: Dyadic, b: Dyadic): Dyadic => ({
  integer: a.integer * b.integer,
  exponent: a.exponent + b.exponent,
});

export function sum(a: Dyadic, b: Dyadic): Dyadic {
  const exponent = Math.min(a.exponent, b.exponent);
  return { integer: integerAt(a, exponent) + integerAt(b, exponent), exponent };
}

/** The integer of a number that is a multiple of 2^exponent. */
export function integerAt({ integer, exponent: present }: Dyadic, exponent: number): bigint {
  return integer << BigInt(present - exponent);
}

/** The length of |n| in bits, up to three more; 0 for 0. */
export const bits = (n: bigint): number => (n === 0n ? 0 : 4 * (n < 0n ? -n : n).toString(16).length);

/** numerator/denominator·2^exponent to 2⁻¹⁰⁶; ±Infinity beyond float64. The denominator is not 0. */
export function quotient(numerator: bigint, denominator: bigint, exponent = 0): DoubleDouble {
  if (numerator === 0n) return { hi: 0, lo: 0 };
  const shift = Math.max(128 - bits(numerator) + bits(denominator), 0);
  const whole = (numerator << BigInt(shift)) / denominator;
  const hi = Number(whole);
  const lo = Number(whole - BigInt(hi));
  return timesPower({ hi, lo }, exponent - shift);
}

/** Σ p·q without rounding. @throws {RangeError} if a product is beyond float64. */
export function sumOfProducts(count: number, pair: (i: number) => readonly [number, number]): Dyadic {
  // Shewchuk's expansions (1997): numbers that do not overlap, and whose sum is exact.
  const parts: number[] = [];
  const add = (value: number) => {
    let x = value;
    let kept = 0;
    for (const each of parts) {
      const s = x + each;
      const t = s - x;
      const rest = x - (s - t) + (each - t);
      if (rest !== 0) parts[kept++] = rest;
      x = s;
    }
    parts.length = kept;
    parts.push(x);
  };
  let small: Dyadic | undefined;
  for (let i = 0; i < count; i++) {
    const [p, q] = pair(i);
    if (p === 0 || q === 0) continue;
    const size = Math.abs(p * q);
    if (!(size < 2 ** 990)) throw new RangeError(`theta times the basis must stay below 2^990, got ${p * q}`);
    if (size > 2 ** -900 && Math.max(Math.abs(p), Math.abs(q)) < 2 ** 990) {
      const { hi, lo } = twoProduct(p, q);
      add(lo);
      add(hi);
    } else small = small ? sum(small, product(dyadic(p), dyadic(q))) : product(dyadic(p), dyadic(q));
  }
  return parts.reduce((total, part) => sum(total, dyadic(part)), small ?? { integer: 0n, exponent: 0 });
}
