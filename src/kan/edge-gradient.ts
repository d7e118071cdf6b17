import type { Parameter } from '../calculus/expression.js';
import { Interpreter } from '../calculus/interpreter.js';
import type { Words } from '../families/family.js';
import { bspline } from '../families/spline.js';
import {
  constantRow,
  cubicRow,
  type Differentiable,
  FIRST_BLOCK,
  type GradientTable,
  gradientTable,
  weightsOf,
} from '../plan/gradient-table.js';
import type { Moments } from '../plan/moments.js';
import { basesAt, type Knots, silu, siluSlope, slopesAt, spanOf } from './knots.js';

/** What an edge's derivatives are made of, at the points that stand for the intervals. */
interface Point {
  readonly silu: number;
  readonly slope: number;
  /** -1: outside the knots. */
  readonly span: number;
  /** Of the span's basis functions, [degree + 1]. */
  readonly bases: Float64Array;
  readonly slopes: Float64Array;
}

/**
 * An edge's function is linear in its coefficients, so that the intervals on which all derivatives are cubics depend on the knots alone. They are
 * found once; an edge with other parameters is other numbers in their rows.
 */
export class EdgeGradients {
  readonly #knots: Knots;
  readonly #table: GradientTable;
  /** By block, four points an interval. */
  readonly #points = new Map<number, readonly Point[]>();
  /** The block of Σ gradY·x far to the right, where f is base_weight·x. */
  readonly #end: number;

  constructor(knots: Knots) {
    const { grid, degree, count } = knots;
    this.#knots = knots;
    const word = (index: number, value: number): Parameter => ({ op: 'parameter', index, value });
    const words = {
      base_weight: word(0, 1),
      spline_scaler: word(1, 1),
      spline_weight: Array.from({ length: count }, (_, k) => word(2 + k, 0)),
    } as unknown as Words<'base_weight' | 'spline_scaler' | 'spline_weight'>;
    this.#table = gradientTable(new Interpreter(), bspline.define({ grid, outside: 'zero' }, words), 2 + count);
    for (const { block, points } of this.#table.intervals) {
      // An interval is in one span.
      const span = spanOf(knots, 0.5 * (points[1]! + points[2]!));
      this.#points.set(
        block,
        points.map((x) => {
          const [bases, slopes] = [new Float64Array(degree + 1), new Float64Array(degree + 1)];
          if (span >= 0) {
            basesAt(knots, span, x, bases);
            slopesAt(knots, span, x, slopes);
          }
          return { silu: silu(x), slope: siluSlope(x), span, bases, slopes };
        }),
      );
    }
    this.#end = this.#table.ends.find(({ slope }) => slope[0] === 1)!.block;
  }

  /** The gradient of one edge. @param weights its coefficients, [count]. */
  of(base: number, scaler: number, weights: ArrayLike<number>): Differentiable {
    const { bounds, rows: template, blocks } = this.#table;
    const { degree, count } = this.#knots;
    const rows = new Float32Array(template.length);
    for (let at = 0; at < rows.length; at += 8) {
      const [centre, scale, , , , , block, far] = template.subarray(at, at + 8) as unknown as number[];
      const points = block! >= FIRST_BLOCK ? this.#points.get(block!) : undefined;
      const row = points
        ? cubicRow(
            centre!,
            scale!,
            points.map(({ slope, span, slopes }) => {
              let spline = 0;
              if (span >= 0) for (let m = 0; m <= degree; m++) spline += (weights[span - degree + m] ?? 0) * slopes[m]!;
              return base * slope + scaler * spline;
            }),
            block!,
          )
        : constantRow(block === this.#end ? base : 0, block!, far!);
      rows.set(row, at);
    }
    const contract = (moments: Moments): Float64Array => {
      const gradient = new Float64Array(2 + count);
      if (moments.isPoisoned) return gradient.fill(Number.NaN);
      for (const [block, points] of this.#points) {
        const own = moments.of(block);
        if (own.every((moment) => moment === 0)) continue;
        weightsOf(own).forEach((weight, j) => {
          const { silu, span, bases } = points[j]!;
          gradient[0]! += weight * silu;
          if (span < 0) return;
          for (let m = 0; m <= degree; m++) {
            const k = span - degree + m;
            if (k >= 0 && k < count) gradient[2 + k]! += weight * bases[m]!;
          }
        });
      }
      gradient[0]! += moments.of(this.#end + 1)[0];
      for (let k = 0; k < count; k++) {
        gradient[1]! += weights[k]! * gradient[2 + k]!;
        gradient[2 + k]! *= scaler;
      }
      return gradient;
    };
    return { table: { bounds, rows, blocks }, contract };
  }
}
