import { EXPM1_ERROR, elementary, LOG1P_ERROR } from './elementary.js';
import { type Enclosure, LANES } from './enclosure.js';
import { difference, intervalFunctions, product, quotient as quotientOf, R, sum } from './interval.js';
import { integerAt, quotient } from './rational.js';
import { isNarrow, type Jet, Smooth } from './smooth.js';
import { type Field, timeTo, vertexOf } from './walk.js';

/**
 * Where a point of a flow is after time 1, in float64 with ends rounded outward: the walk of walk.ts, from constants that are its own, rounded outward
 * too. Inside a cell dv/dx is a constant s. From x to a vertex p takes (p - x)/v·L(z) with z = s·(p - x)/v and L(z) = log1p(z)/z; a time r leads from p
 * to p + v·r·E(s·r) with E(z) = expm1(z)/z. What float64 does not decide — in which cell a point is, or whether it leaves it — has no answer here.
 */
export const encloseFlow = (
  field: Field,
  inside: readonly [a: number, b: number] | undefined,
  isGated: boolean,
  outside: Enclosure,
): Enclosure => enclose(field, inside, isGated, outside, false);

/** The derivative in x. */
export const encloseFlowSlope = (
  field: Field,
  inside: readonly [a: number, b: number] | undefined,
  isGated: boolean,
  outside: Enclosure,
): Enclosure => enclose(field, inside, isGated, outside, true);

function enclose(
  field: Field,
  inside: readonly [a: number, b: number] | undefined,
  isGated: boolean,
  outside: Enclosure,
  isSlope: boolean,
): Enclosure {
  const { cells, length, speeds, exponent } = field;
  const on = elementary();
  const { exp, normal } = intervalFunctions();

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

  /** Of the last point: in which cell it began and ended; the vertex that it entered by and how long ago, if that is another; its velocity. */
  const path = new Int32Array(3);
  const time = new Float64Array(2);
  const speed = new Float64Array(2);

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
    speed[0] = w;
    speed[1] = wHigh;
    path[0] = path[1] = c;
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
        path[1] = c;
        path[2] = target;
        time[0] = R[0]!;
        time[1] = R[1]!;
        arrive(target, c);
        return true;
      }
    }
    product(w, wHigh, grown[c]!, grownHigh[c]!);
    sum(R[0]!, R[1]!, x, x);
    return true;
  }

  /** The last point: its image, and what its law hangs on. */
  function state(): State {
    const image: Interval = [R[0]!, R[1]!];
    const [start, end] = [path[0]!, path[1]!];
    const from: Interval = [speed[0]!, speed[1]!];
    let to: Interval = from;
    if (start === end) {
      exp(s[start]!, sHigh[start]!);
      to = of(product, from, [R[0]!, R[1]!]);
    } else {
      of(product, [s[end]!, sHigh[end]!], [Math.max(time[0]!, 0), time[1]!]);
      exp(R[0]!, R[1]!);
      to = of(product, [v[path[2]!]!, vHigh[path[2]!]!], [R[0]!, R[1]!]);
    }
    return { image, start, end, from, to };
  }

  /**
   * y′ = v(y)/v(x), y″ = y′·D/v(x) and y‴ = y′·D·(s_out - 2·s_in)/v(x)², D = s_out - s_in: s is the slope of the velocity where x and where y is. In one
   * cell y is a line of slope e^s.
   */
  function derivatives({ start, end, from, to }: State): readonly [Interval, Interval, Interval] {
    const [slopeIn, slopeOut]: Interval[] = [
      [s[start]!, sHigh[start]!],
      [s[end]!, sHigh[end]!],
    ];
    if (start === end) {
      exp(...slopeIn!);
      return [[R[0]!, R[1]!], NOTHING, NOTHING];
    }
    const first = of(quotientOf, to, from);
    const change = of(difference, slopeOut!, slopeIn!);
    const second = of(quotientOf, of(product, first, change), from);
    const twice = of(difference, of(difference, slopeOut!, slopeIn!), slopeIn!);
    return [first, second, of(quotientOf, of(product, second, twice), from)];
  }

  /** Of y·Φ(x), by Leibniz' rule; φ′ = -x·φ, φ″ = (x² - 1)·φ. */
  function gated(y: Interval, [first, second, third]: readonly [Interval, Interval, Interval], x: Interval) {
    normal(...x);
    const gate: Interval = [R[0]!, R[1]!];
    const square = of(product, x, x);
    exp(-0.5 * square[1], -0.5 * square[0]);
    const density = of(product, [R[0]!, R[1]!], DENSITY);
    const falls = of(product, [-x[1], -x[0]], density);
    const bends = of(product, of(difference, square, [1, 1]), density);
    const add = (...terms: Interval[]) => terms.reduce((p, q) => of(sum, p, q));
    const times = (n: number, p: Interval, q: Interval) => of(product, [n, n], of(product, p, q));
    return {
      value: of(product, y, gate),
      slope: add(of(product, first, gate), of(product, y, density)),
      bend: add(of(product, second, gate), times(2, first, density), of(product, y, falls)),
      third: add(of(product, third, gate), times(3, second, density), times(3, first, falls), of(product, y, bends)),
    };
  }

  /** Into R. */
  function slopeAt(x: number): void {
    const found = state();
    const ds = derivatives(found);
    const [l, h] = isGated ? gated(found.image, ds, [x, x]).slope : ds[0];
    R[0] = l;
    R[1] = h;
  }

  const put = (into: Jet, k: number, [l, h]: Interval) => {
    into.low[k] = l;
    into.high[k] = h;
  };
  const isInside = (x: number) => inside === undefined || (x >= inside[0] && x <= inside[1]);
  const smooth = new Smooth(
    (c, into) => {
      into.low.fill(Number.NaN);
      into.high.fill(Number.NaN);
      if (!follow(c)) return;
      const found = state();
      const ds = derivatives(found);
      const { value, slope, bend } = isGated
        ? gated(found.image, ds, [c, c])
        : { value: found.image, slope: ds[0], bend: ds[1] };
      put(into, 0, value);
      put(into, 1, slope);
      put(into, 2, bend);
    },
    (l, h, into) => {
      into.low.fill(Number.NaN);
      into.high.fill(Number.NaN);
      if (!isInside(l) || !isInside(h) || !follow(l)) return;
      const p = state();
      if (!follow(h)) return;
      const q = state();
      // Images keep their order, and cells have no holes: all between begin and end where both ends do.
      if (p.start !== q.start || p.end !== q.end) return;
      const all = { ...p, image: hull(p.image, q.image), from: hull(p.from, q.from), to: hull(p.to, q.to) };
      const ds = derivatives(all);
      const { value, third } = isGated ? gated(all.image, ds, [l, h]) : { value: all.image, third: ds[2] };
      put(into, 0, value);
      put(into, 3, third);
    },
  );

  const beyond = [new Float64Array(LANES), new Float64Array(LANES)] as const;
  return (x, from, count, low, high) => {
    let isBeyond = false;
    const each = (start: number, length: number) => {
      for (let i = start; i < start + length; i++) {
        const value = x[from + i]!;
        if (!isInside(value)) {
          isBeyond = true;
          continue;
        }
        if (!follow(value)) R[0] = R[1] = Number.NaN;
        else if (isSlope) slopeAt(value);
        else if (isGated) {
          const [l, h] = [R[0]!, R[1]!];
          normal(value, value);
          product(l, h, R[0]!, R[1]!);
        }
        low[i] = R[0]!;
        high[i] = R[1]!;
      }
    };
    if (!isSlope && isNarrow(x, from, count) && isInside(x[from]!) && isInside(x[from + count - 1]!))
      smooth.enclose(x, from, count, low, high, each);
    else each(0, count);
    if (!isBeyond) return;
    outside(x, from, count, ...beyond);
    for (let i = 0; i < count; i++) {
      if (isInside(x[from + i]!)) continue;
      low[i] = beyond[0][i]!;
      high[i] = beyond[1][i]!;
    }
  };
}

type Interval = readonly [low: number, high: number];
const NOTHING: Interval = [0, 0];
/** 1/√(2π) = 0.39894228040143267… */
const DENSITY: Interval = [0.3989422804014326, 0.3989422804014328];

/** A point's way through the cells. */
interface State {
  readonly image: Interval;
  readonly start: number;
  readonly end: number;
  /** Velocities where it begins and where it ends. */
  readonly from: Interval;
  readonly to: Interval;
}

type Operation = (al: number, ah: number, bl: number, bh: number) => void;
function of(operation: Operation, [al, ah]: Interval, [bl, bh]: Interval): Interval {
  operation(al, ah, bl, bh);
  return [R[0]!, R[1]!];
}
const hull = (p: Interval, q: Interval): Interval => [Math.min(p[0], q[0]), Math.max(p[1], q[1])];

/** Whether vertex k, (cells·a + length·k)/cells, is this float32. */
function isExactly({ a, length, cells }: Field, k: number, single: number): boolean {
  const base = Math.min(a.exponent, length.exponent, -1100);
  const exact = integerAt(a, base) * BigInt(cells) + integerAt(length, base) * BigInt(k);
  const scaled = single === 0 ? 0n : BigInt(single * 2 ** 149) << BigInt(-149 - base);
  return exact === scaled * BigInt(cells);
}
