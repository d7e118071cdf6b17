import { EXPM1_ERROR, elementary, LOG1P_ERROR } from './elementary.js';
import {
  difference,
  type Enclosure,
  intervalFunctions,
  LANES,
  product,
  quotient as quotientOf,
  R,
  sum,
} from './enclosure.js';
import { integerAt, quotient } from './rational.js';
import { type Field, timeTo, vertexOf } from './walk.js';

/**
 * Where a point of a flow is after time 1, in float64 with ends rounded outward: the walk of walk.ts, from constants that are its own, rounded outward
 * too. Inside a cell dv/dx is a constant s. From x to a vertex p takes (p - x)/v·L(z) with z = s·(p - x)/v and L(z) = log1p(z)/z; a time r leads from p
 * to p + v·r·E(s·r) with E(z) = expm1(z)/z. What float64 does not decide — in which cell a point is, or whether it leaves it — has no answer here.
 */
export function encloseFlow(
  field: Field,
  inside: readonly [a: number, b: number] | undefined,
  isGated: boolean,
  outside: Enclosure,
): Enclosure {
  const { cells, length, speeds, exponent } = field;
  const on = elementary();
  const { normal } = intervalFunctions();

  // ---- constants ----
  const [at, atHigh] = [new Float64Array(cells + 1), new Float64Array(cells + 1)];
  const [v, vHigh] = [new Float64Array(cells + 1), new Float64Array(cells + 1)];
  const [s, sHigh] = [new Float64Array(cells), new Float64Array(cells)];
  const [grown, grownHigh] = [new Float64Array(cells), new Float64Array(cells)];
  /** What each cell takes to cross to the right and to the left; NaN where no point gets through. */
  const times = [0, 1].map(() => [new Float64Array(cells), new Float64Array(cells)] as const);
  const wide = (value: number): readonly [number, number] => {
    const off = Math.abs(value) * 2 ** -51 + 2 ** -1070;
    return [value - off, value + off];
  };
  const unit = integerAt(length, length.exponent);
  for (let k = 0; k <= cells; k++) {
    const place = vertexOf(field, k);
    const single = Math.fround(place.hi);
    // A vertex that is a float32 to 2⁻¹⁰⁶ may be it, and x may lie on it.
    [at[k], atHigh[k]] = isExactly(field, k, single) ? [single, single] : wide(place.hi);
    [v[k], vHigh[k]] = speeds[k] === 0n ? [0, 0] : wide(quotient(speeds[k]!, BigInt(cells), exponent).hi);
  }
  for (let c = 0; c < cells; c++) {
    const steepness = speeds[c + 1]! - speeds[c]!;
    [s[c], sHigh[c]] = steepness === 0n ? [0, 0] : wide(quotient(steepness, unit, exponent - length.exponent).hi);
    growth(s[c]!, sHigh[c]!);
    [grown[c], grownHigh[c]] = [R[0]!, R[1]!];
    const isOpen = speeds[c]! * speeds[c + 1]! > 0n;
    const [right, left] = times as [readonly [Float64Array, Float64Array], readonly [Float64Array, Float64Array]];
    const taken = isOpen
      ? speeds[c]! > 0n
        ? timeTo(field, c, 0n, unit, 1).hi
        : timeTo(field, c, unit, unit, 0).hi
      : Number.POSITIVE_INFINITY;
    for (const side of [right, left])
      [side[0][c], side[1][c]] = Number.isFinite(taken) ? wide(taken) : [2 ** 900, Number.POSITIVE_INFINITY];
  }

  /** E(z) = expm1(z)/z: it grows, and the slope of its logarithm is at most 1. */
  function growth(l: number, h: number): void {
    const near = (z: number) =>
      Math.abs(z) < 2 ** -12
        ? 1 + z * (1 / 2 + z * (1 / 6 + z * (1 / 24)))
        : z > 700
          ? Number.NaN
          : z < -700
            ? -1 / z
            : on.expm1(z) / z;
    const error = 2 * EXPM1_ERROR;
    const value = near(l);
    R[0] = value - error * value;
    R[1] = h - l <= 2 ** -7 ? value + value * (error + 1.02 * (h - l)) : near(h) * (1 + error);
  }

  /** L(z) = log1p(z)/z: it falls, and the slope of its logarithm is at most 1/(1 + z). */
  function logarithm(l: number, h: number): void {
    if (!(l > -1)) {
      R[0] = R[1] = Number.NaN;
      return;
    }
    const near = (z: number) =>
      Math.abs(z) < 2 ** -12 ? 1 + z * (-1 / 2 + z * (1 / 3 + z * (-1 / 4))) : on.log1p(z) / z;
    const error = 4 * LOG1P_ERROR;
    const value = near(h);
    const slope = (h - l) / (1 + l);
    R[0] = value - error * value;
    R[1] = slope <= 2 ** -7 ? value + value * (error + 1.02 * slope) : near(l) * (1 + error);
  }

  /** p + v·r·E(s·r), with r in R. */
  function arrive(k: number, c: number): void {
    const [r, rHigh] = [Math.max(R[0]!, 0), R[1]!];
    product(s[c]!, sHigh[c]!, r, rHigh);
    growth(R[0]!, R[1]!);
    product(R[0]!, R[1]!, r, rHigh);
    product(R[0]!, R[1]!, v[k]!, vHigh[k]!);
    sum(R[0]!, R[1]!, at[k]!, atHigh[k]!);
  }

  const scale = cells / (at[cells]! - at[0]!);

  /** Into R; false where float64 does not tell. */
  function follow(x: number): boolean {
    let c = Math.min(Math.max(Math.floor((x - at[0]!) * scale), 0), cells - 1);
    while (c > 0 && x < at[c]!) c -= 1;
    while (c < cells - 1 && x >= atHigh[c + 1]!) c += 1;
    // Within what a vertex is off: on which side is not known.
    if ((c > 0 && x < atHigh[c]!) || (c < cells - 1 && x >= at[c + 1]!)) return false;
    // From the nearer end.
    const k = x - at[c]! < at[c + 1]! - x ? c : c + 1;
    difference(x, x, at[k]!, atHigh[k]!);
    product(R[0]!, R[1]!, s[c]!, sHigh[c]!);
    sum(R[0]!, R[1]!, v[k]!, vHigh[k]!);
    const [w, wHigh] = [R[0]!, R[1]!];
    if (w === 0 && wHigh === 0) {
      R[0] = R[1] = x;
      return true;
    }
    if (!(w > 0) && !(wHigh < 0)) return false;
    const isRight = w > 0;
    const step = isRight ? 1 : -1;
    let target = isRight ? c + 1 : c;
    const next = c + step;
    // A vertex whose velocity has another sign, or none, is never reached.
    if (next >= 0 && next < cells && (isRight ? vHigh[target]! > 0 : v[target]! < 0)) {
      if (!(isRight ? v[target]! > 0 : vHigh[target]! < 0)) return false;
      difference(at[target]!, atHigh[target]!, x, x);
      quotientOf(R[0]!, R[1]!, w, wHigh);
      const [q, qHigh] = [Math.max(R[0]!, 0), R[1]!];
      product(q, qHigh, s[c]!, sHigh[c]!);
      logarithm(R[0]!, R[1]!);
      product(R[0]!, R[1]!, q, qHigh);
      const [takes, takesHigh] = [R[0]!, R[1]!];
      if (!(takes > 1)) {
        if (!(takesHigh < 1)) return false;
        difference(1, 1, takes, takesHigh);
        const [low, high] = times[isRight ? 0 : 1]!;
        for (c = next; ; c += step) {
          const following = isRight ? c + 1 : c;
          const leaves = c + step < 0 || c + step >= cells;
          if (leaves || R[1]! < low[c]!) break;
          if (!(R[0]! >= high[c]!)) return false;
          difference(R[0]!, R[1]!, low[c]!, high[c]!);
          target = following;
        }
        arrive(target, c);
        return true;
      }
    }
    product(w, wHigh, grown[c]!, grownHigh[c]!);
    sum(R[0]!, R[1]!, x, x);
    return true;
  }

  const beyond = [new Float64Array(LANES), new Float64Array(LANES)] as const;
  return (x, from, count, low, high) => {
    let isBeyond = false;
    for (let i = 0; i < count; i++) {
      const value = x[from + i]!;
      if (inside !== undefined && !(value >= inside[0] && value <= inside[1])) {
        isBeyond = true;
        continue;
      }
      if (!follow(value)) R[0] = R[1] = Number.NaN;
      if (isGated) {
        const [l, h] = [R[0]!, R[1]!];
        normal(value, value);
        product(l, h, R[0]!, R[1]!);
      }
      low[i] = R[0]!;
      high[i] = R[1]!;
    }
    if (!isBeyond) return;
    outside(x, from, count, ...beyond);
    for (let i = 0; i < count; i++) {
      const value = x[from + i]!;
      if (value >= inside![0] && value <= inside![1]) continue;
      low[i] = beyond[0][i]!;
      high[i] = beyond[1][i]!;
    }
  };
}

/** Whether vertex k, (cells·a + length·k)/cells, is this float32. */
function isExactly({ a, length, cells }: Field, k: number, single: number): boolean {
  const base = Math.min(a.exponent, length.exponent, -1100);
  const exact = integerAt(a, base) * BigInt(cells) + integerAt(length, base) * BigInt(k);
  const scaled = single === 0 ? 0n : BigInt(single * 2 ** 149) << BigInt(-149 - base);
  return exact === scaled * BigInt(cells);
}
