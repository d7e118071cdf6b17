import type { Plan } from './plan.js';
import { MOST_CELLS, REACH } from './workspace.js';

const LARGEST = 3.4028234663852886e38;
/** Half of it: roundings on the way do not lead beyond the largest float32. */
const SAFE = 2 ** 127;
/**
 * Cells are at least 2⁻¹⁶ wide. A kernel adds an address and the number of a cell in float32 (`planImage`), which has all integers up to 2²⁴:
 * numbers up to 16·2¹⁶ leave room for the addresses of tables.
 */
const MOST_EXPONENT = 16;

type Checked = Pick<
  Plan,
  'grid' | 'bounds' | 'rows' | 'slack' | 'atZero' | 'slopeBelowZero' | 'slopeAboveZero' | 'limitLow' | 'limitHigh'
>;

/**
 * What is wrong with a plan; undefined if every kernel can run it: no x finds a cell or a segment that is not there, and none gives an
 * infinity less an infinity, whose bits depend on the machine.
 */
export function problemOf(plan: Checked): string | undefined {
  const { bounds, rows, slack } = plan;
  const { exponent, first, last } = plan.grid;
  const reach = REACH * 2 ** exponent;
  if (
    !(exponent >= 0 && exponent <= MOST_EXPONENT && first >= -reach && last <= reach) ||
    !(first <= last && last - first < MOST_CELLS)
  )
    return `an impossible grid: cells ${first} to ${last} of width 2^-${exponent}`;
  for (const key of ['atZero', 'slopeBelowZero', 'slopeAboveZero'] as const)
    if (!Number.isFinite(plan[key])) return `${key} ${plan[key]}, which must be finite`;
  for (const key of ['limitLow', 'limitHigh'] as const) if (Number.isNaN(plan[key])) return `${key} NaN`;
  for (let m = 0, low = -LARGEST; m < slack.length; m++) {
    const high = m < bounds.length ? bounds[m]! : LARGEST;
    // Bounds may be equal: no x is in a segment between such.
    if (!(high >= low && high <= LARGEST)) return `bounds that do not ascend: bound ${m} is ${high}`;
    if (!Number.isFinite(slack[m])) return `slack ${slack[m]}, which must be finite`;
    if (!isSafe(rows, 8 * m, low, high)) return `coefficients that overflow on [${low}, ${high}]`;
    low = high;
  }
  return undefined;
}

/** Whether a row's polynomial (`segmentPolynomial` in assembly/activation.ts) is a number for all x between two bounds. */
function isSafe(rows: Float32Array, at: number, low: number, high: number): boolean {
  const [centre, h0, h1, c0, c1, c2, c3, c4] = rows.subarray(at, at + 8) as unknown as readonly number[];
  const reach = Math.max(Math.abs(low - centre!), Math.abs(high - centre!));
  // Infinite and NaN coefficients fail the comparisons.
  if (!(reach <= LARGEST && Math.abs(h0!) <= LARGEST && Math.abs(h1!) <= LARGEST)) return false;
  let size = Math.abs(c4!);
  for (const c of [c3!, c2!, c1!, c0!]) {
    if (!(size <= SAFE)) return false;
    size = Math.abs(c) + reach * size;
  }
  // A linear law may exceed float32 far out: all its parts have one sign.
  const isLinear = c2 === 0 && c3 === 0 && c4 === 0 && c1! * h1! >= 0 && Math.abs(c0!) <= SAFE;
  // The leading bits of u leave less than 2⁻¹¹ of it.
  return isLinear || size + (Math.abs(h1!) * reach) / 2048 <= SAFE;
}
