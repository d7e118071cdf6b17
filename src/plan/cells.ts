import { unitInLastPlace } from '../numeric/float32.js';
import { coefficient, LARGE, SMALL, UNIT_ROUNDOFF } from './segment.js';

/**
 * The uniform grid over the busy part of the line: one quadratic {h0, c0, c1, c2} a cell, y = h0 + (c0 + u·(c1 + u·c2))
 * with u = x - k·width. Almost every input is served by one of these, found without a search.
 *
 * A cell's quadratic is the segment's polynomial, re-centred and economised in float64. A cell that would miss the error
 * target, or that holds a knot, gets NaN instead, which sends the kernel to the segments.
 */
export interface CellGrid {
  /** Cells are 2^-exponent wide; cell k is centred on k·2^-exponent. */
  readonly exponent: number;
  /** Numbers of the first and last cell, both included. */
  readonly first: number;
  readonly last: number;
}

export interface CellTable {
  /** [last-first+1][4] float32. */
  readonly rows: Float32Array;
  /** The largest error bound among the cells in use, in ULP of the true result, where |y| ≥ 2⁻⁸ and below; and where. */
  readonly large: number;
  readonly largeAt: number;
  readonly small: number;
  readonly smallAt: number;
  /** How many cells are left to the segments, and the most bounds that lie in one of them. */
  readonly unused: number;
  readonly mostBounds: number;
}

export interface SegmentTable {
  /** First input of every segment but the first, ascending. */
  readonly bounds: Float32Array;
  /** [segments][8]. */
  readonly rows: Float32Array;
  /** [segments]: how far each polynomial may be from the function. */
  readonly slack: Float32Array;
  /** [segments]: 1 where a segment starts at a knot, so that its neighbour's polynomial does not hold there. */
  readonly knots: Uint8Array;
}

/** Fills the grid from the segments. Depends on nothing but the arguments, and only on exactly rounded operations. */
export function fillCells(grid: CellGrid, segments: SegmentTable): CellTable {
  const { bounds, rows: source, slack, knots } = segments;
  const width = 2 ** -grid.exponent;
  const radius = width / 2;
  const rows = new Float32Array(4 * (grid.last - grid.first + 1));
  const words = new Int32Array(rows.buffer);
  let mostBounds = 0;
  let large = 0;
  let largeAt = 0;
  let small = 0;
  let smallAt = 0;
  let unused = 0;
  let segment = 0;
  for (let k = grid.first; k <= grid.last; k++) {
    const centre = k * width;
    while (segment < bounds.length && bounds[segment]! <= centre - radius) segment += 1;
    // An x on the edge between two cells may be rounded into either, so a knot on the right edge excludes the cell too.
    let end = segment;
    let isSmooth = true;
    while (end < bounds.length && bounds[end]! <= centre + radius) {
      if (knots[end + 1] === 1 || bounds[end]! < centre + radius) isSmooth = false;
      end += 1;
    }
    const isEdge = k === grid.first || k === grid.last;
    const to = 4 * (k - grid.first);
    // An unused cell: NaN, then where the kernel's search for the segment starts.
    rows[to] = Number.NaN;
    words[to + 1] = segment;
    if (!isSmooth || isEdge) {
      unused += 1;
      mostBounds = Math.max(mostBounds, end - segment);
      continue;
    }
    const at = 8 * segment;
    const u = centre - source[at]!;
    const c0 = source[at + 1]! + source[at + 3]!;
    const c1 = source[at + 2]! + source[at + 4]!;
    const c2 = source[at + 5]!;
    const c3 = source[at + 6]!;
    const c4 = source[at + 7]!;
    let p0 = c0 + u * (c1 + u * (c2 + u * (c3 + u * c4)));
    let p1 = c1 + u * (2 * c2 + u * (3 * c3 + u * 4 * c4));
    let p2 = c2 + u * (3 * c3 + u * 6 * c4);
    const p3 = c3 + u * 4 * c4;
    // u⁴ ≈ u²r² - r⁴/8 and u³ ≈ ¾r²u, to within r⁴/8 and r³/4.
    p2 += c4 * radius * radius;
    p0 -= (c4 * radius ** 4) / 8;
    p1 += 0.75 * p3 * radius * radius;
    const h0 = Math.fround(p0);
    const low = coefficient(p0 - h0);
    const slope = coefficient(p1);
    const bend = coefficient(p2);
    const polynomial =
      slack[segment]! +
      (Math.abs(c4) * radius ** 4) / 8 +
      (Math.abs(p3) * radius ** 3) / 4 +
      Math.abs(p0 - h0 - low) +
      Math.abs(p1 - slope) * radius +
      Math.abs(p2 - bend) * radius * radius;
    const bendSize = radius * Math.abs(bend);
    const slopeSize = Math.abs(slope) + bendSize;
    const slopeError = UNIT_ROUNDOFF * (bendSize + slopeSize);
    const tail = Math.abs(low) + radius * slopeSize;
    const error = polynomial + radius * slopeError + UNIT_ROUNDOFF * (radius * slopeSize + tail);
    const least = Math.abs(p0) - radius * slopeSize - polynomial;
    const bound = 0.5 + (1.0001 * error) / unitInLastPlace(least);
    // Relative accuracy is kept far below 2⁻²⁴, as long as no coefficient is near the subnormals.
    if (!(least > 2 ** -90) || !(bound <= 0.98) || !Number.isFinite(h0)) {
      unused += 1;
      mostBounds = Math.max(mostBounds, end - segment);
      continue;
    }
    if (least + 2 * radius * slopeSize >= LARGE && bound > large) {
      large = bound;
      largeAt = centre;
    } else if (least >= SMALL && least < LARGE && bound > small) {
      small = bound;
      smallAt = centre;
    }
    rows[to] = h0;
    rows[to + 1] = low;
    rows[to + 2] = slope;
    rows[to + 3] = bend;
  }
  return { rows, large, largeAt, small, smallAt, unused, mostBounds };
}
