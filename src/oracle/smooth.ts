/**
 * A function that is smooth over inputs that lie near each other, by Taylor's polynomial about their centre: f + f′·t + f″·t²/2, and |f‴|·|t|³/6 at most
 * beside it (Makino, Berz, "Taylor models and other validated functional inclusion methods", 2003, is the general form). Neighbouring float32 cost a few
 * operations each then. All bounds are intervals with ends rounded outward.
 */

/** f, f′, f″ at the centre at 0, 1, 2; f and f‴ over all inputs at 0 and 3. */
export interface Jet {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** So many, or it is not worth it. */
const FEW = 48;
/** As a share of their size: wider, and f‴·t³ is no longer below what float64 is rounded by. */
const WIDTH = 2 ** -12;
/** Beside such a share of the result, each input is better off alone. */
const LOSS = 2 ** -42;
/** What no format has, nor tells from 0 or infinity to 2⁻²⁰ of its units. */
const NOTHING = 2 ** -175;
const INFINITE = 2 ** 175;
const HALF_ULP = 2 ** -53;

/** Whether inputs lie so near each other, all on one side of 0. */
export function isNarrow(x: Float32Array | Float64Array, from: number, count: number): boolean {
  if (count < FEW) return false;
  const [first, last] = [x[from]!, x[from + count - 1]!];
  return first * last > 0 && Math.abs(last - first) <= WIDTH * Math.abs(first);
}

export class Smooth {
  readonly #centre: (c: number, into: Jet) => void;
  readonly #whole: (low: number, high: number, into: Jet) => void;
  readonly #at: Jet = { low: new Float64Array(4), high: new Float64Array(4) };
  readonly #over: Jet = { low: new Float64Array(4), high: new Float64Array(4) };

  /**
   * @param centre writes f, f′ and f″ of one input.
   * @param whole writes f and f‴ of an interval of inputs; NaN if f is not smooth there.
   */
  constructor(centre: (c: number, into: Jet) => void, whole: (low: number, high: number, into: Jet) => void) {
    this.#centre = centre;
    this.#whole = whole;
  }

  /** Hands inputs that this is no way to tell about to `others`, from a place on, so many. */
  enclose(
    x: Float32Array | Float64Array,
    from: number,
    count: number,
    low: Float64Array,
    high: Float64Array,
    others: (start: number, count: number) => void,
    start = 0,
  ): void {
    if (this.#together(x, from + start, count, low, high, start)) return;
    // What is not smooth, or bends too much, does so in a part.
    const half = count >> 1;
    if (half < FEW) others(start, count);
    else {
      this.enclose(x, from, half, low, high, others, start);
      this.enclose(x, from, count - half, low, high, others, start + half);
    }
  }

  /** All by one polynomial; false where this is no way to tell: nothing is written then. */
  #together(
    x: Float32Array | Float64Array,
    from: number,
    count: number,
    low: Float64Array,
    high: Float64Array,
    to: number,
  ): boolean {
    let [least, most] = [x[from]!, x[from]!];
    for (let i = 1; i < count; i++) {
      const v = x[from + i]!;
      if (v < least) least = v;
      if (v > most) most = v;
    }
    if (!(most - least <= 2 * WIDTH * Math.abs(least) && least * most > 0)) return false;
    const [at, over] = [this.#at, this.#over];
    this.#whole(least, most, over);
    const [l, h] = [over.low[0]!, over.high[0]!];
    // All of them are next to nothing, on one side of 0; or infinite.
    const isNothing =
      Math.max(Math.abs(l), Math.abs(h)) < NOTHING && (l > 0 || h < 0 || Object.is(l, 0) || Object.is(h, -0));
    if (isNothing || l > INFINITE || h < -INFINITE) {
      low.fill(l, to, to + count);
      high.fill(h, to, to + count);
      return true;
    }
    const c = least + (most - least) / 2;
    // The centre is some float64 near the middle; differences from it are rounded.
    const reach = Math.max(most - c, c - least) * (1 + 4 * HALF_ULP);
    this.#centre(c, at);
    const [f, slope, bend] = [middle(at, 0), middle(at, 1), 0.5 * middle(at, 2)];
    const third = Math.max(Math.abs(over.low[3]!), Math.abs(over.high[3]!));
    const [steep, curved] = [Math.abs(slope) * reach, Math.abs(bend) * reach * reach];
    const size = Math.abs(f) + steep + curved;
    // What f, f′, f″ are off; the rest; six roundings of the sum, and that of t.
    const off =
      (radius(at, 0) +
        radius(at, 1) * reach +
        (0.5 * radius(at, 2) * reach + (third / 6) * reach * reach) * reach +
        8 * HALF_ULP * (size + steep + curved)) *
      (1 + 2 ** -40);
    if (!(off <= LOSS * (Math.abs(f) - steep - curved))) return false;
    for (let i = 0; i < count; i++) {
      const t = x[from + i]! - c;
      const value = f + t * (slope + t * bend);
      low[to + i] = value - off;
      high[to + i] = value + off;
    }
    return true;
  }
}

const middle = ({ low, high }: Jet, k: number): number => low[k]! + (high[k]! - low[k]!) / 2;
/** From the middle as it is rounded to either end. */
function radius(jet: Jet, k: number): number {
  const m = middle(jet, k);
  return Math.max(jet.high[k]! - m, m - jet.low[k]!) * (1 + 4 * HALF_ULP);
}
