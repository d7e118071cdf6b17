/**
 * The flow of a velocity field, followed as its definition says with 120 digits by decimal.js: the judge of the oracle. Shares nothing with
 * it but the matrix B. What is linear in x is computed without rounding, since a flow may amplify what a rounding leaves by any factor.
 */
import Decimal from 'decimal.js';
import type { Matrix } from 'ditac/cpab';

/** Products of a few float64, down to the smallest, are exact with so many digits. */
const Exact = Decimal.clone({ precision: 2600, minE: -9e15, maxE: 9e15 });
const Fine = Decimal.clone({ precision: 120, minE: -9e15, maxE: 9e15 });

/** A float64 as it is: toFixed and its kin round, 17 digits are another number. */
const exactly = (x: number): Decimal => {
  let [integer, exponent] = [x, 0];
  while (!Number.isInteger(integer)) [integer, exponent] = [integer * 2, exponent + 1];
  return new Exact(BigInt(integer).toString()).div(new Exact(2).pow(exponent));
};

export interface Flow {
  b: Matrix;
  theta: ArrayLike<number>;
  zeroBoundary: boolean;
  /** The domain. */
  from: number;
  to: number;
  time: number;
}

/** φ(x, time) by decimal.js. */
export function follow({ b, theta, zeroBoundary, from, to, time }: Flow): (x: number) => Decimal {
  const cells = b.rows / 2;
  const n = new Exact(cells);
  const length = exactly(to).minus(exactly(from));
  // n·v at the vertices.
  const speed = Array.from({ length: cells + 1 }, (_, k) => {
    if (zeroBoundary && (k === 0 || k === cells)) return new Exact(0);
    const cell = Math.min(k, cells - 1);
    let v = new Exact(0);
    for (let j = 0; j < b.columns; j++) {
      const slope = exactly(b.data[2 * cell * b.columns + j]!);
      const offset = exactly(b.data[(2 * cell + 1) * b.columns + j]!);
      v = v.plus(
        slope
          .times(k)
          .plus(offset.times(n))
          .times(exactly(Math.fround(theta[j]!))),
      );
    }
    return v.times(length).times(exactly(time));
  });
  const fine = (x: Decimal) => new Fine(x);
  return (x) => {
    const place = exactly(x).minus(exactly(from)).times(n);
    let cell = Math.min(Math.max(place.div(length).floor().toNumber(), 0), cells - 1);
    // length times the share of the cell that lies behind the point.
    let along = place.minus(length.times(cell));
    let left = new Fine(1);
    let start = fine(exactly(x));
    for (;;) {
      const v = speed[cell]!.times(length.minus(along)).plus(speed[cell + 1]!.times(along));
      if (v.isZero()) return start;
      const forward = v.isPositive();
      if (!forward && along.isZero() && cell > 0) {
        cell -= 1;
        along = length;
        continue;
      }
      const rate = speed[cell + 1]!.minus(speed[cell]!);
      const slope = fine(rate).div(fine(length));
      const target = speed[forward ? cell + 1 : cell]!.times(length);
      const leaves = forward ? cell + 1 < cells : cell > 0;
      if (leaves && !target.isZero() && target.isPositive() === forward) {
        const away = forward ? length.minus(along) : along.negated();
        const takes = rate.isZero() ? fine(away.times(length)).div(fine(v)) : fine(target).div(fine(v)).ln().div(slope);
        if (takes.lte(left)) {
          left = left.minus(takes);
          cell += forward ? 1 : -1;
          along = forward ? new Exact(0) : length;
          const vertex = exactly(from)
            .times(n)
            .plus(length.times(forward ? cell : cell + 1));
          start = fine(vertex).div(cells);
          continue;
        }
      }
      const velocity = fine(v).div(fine(length.times(n)));
      const z = slope.times(left);
      if (rate.isZero()) return start.plus(velocity.times(left));
      if (z.abs().lt('1e-30')) return start.plus(velocity.times(left).times(z.div(2).plus(1)));
      return start.plus(velocity.div(slope).times(z.exp().minus(1)));
    }
  };
}
