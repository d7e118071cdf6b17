/** Φ and its density with 80 digits, by decimal.js: the judge of everything that computes them in fewer. */
import Decimal from 'decimal.js';

Decimal.set({ precision: 80 });

/** A float64 without rounding: `new Decimal(x)` takes the shortest decimal, which is another number. */
export function exactly(x: number): Decimal {
  // toPrecision gives 100 digits, and 2⁻¹⁴⁹ has 105: m·2⁻ᵏ is m·5ᵏ·10⁻ᵏ.
  if (x === 0 || Math.abs(x) >= 2 ** -100) return new Decimal(x.toPrecision(100));
  let m = BigInt(x * 2 ** 537 * 2 ** 537);
  let k = 1074n;
  for (; m % 2n === 0n; m /= 2n) k -= 1n;
  return new Decimal(`${m * 5n ** k}e-${k}`);
}

const TAU = Decimal.acos(-1).times(2);

export const normalPdf = (x: Decimal): Decimal => x.times(x).div(-2).exp().div(TAU.sqrt());

/** ½ + φ(x)·(x + x³/3 + x⁵/15 + …): on the left tail most digits cancel, which is what the 80 are for. */
export function normalCdf(x: Decimal): Decimal {
  let term = x;
  let sum = x;
  for (let n = 3; term.abs().gt(1e-78); n += 2) {
    term = term.times(x).times(x).div(n);
    sum = sum.plus(term);
  }
  return normalPdf(x).times(sum).plus(0.5);
}
