import { SATURATED, SCALE_BITS, UNSCALED } from '../../assembly/layout';
import type { PeriodicSection, Plan, SegmentTable } from './plan.js';
import { MOST_CELLS, REACH } from './workspace.js';

const LARGEST = 3.4028234663852886e38;
/** Half of it: roundings on the way do not lead beyond the largest float32. */
const SAFE = 2 ** 127;
/**
 * Cells are at least 2⁻¹⁶ wide. A kernel adds an address and the number of a cell in float32 (`planImage`), which has all integers up to 2²⁴:
 * numbers up to 16·2¹⁶ leave room for the addresses of tables.
 */
const MOST_EXPONENT = 16;

type Checked = Omit<Plan, 'cellRows' | 'certificate'>;

/**
 * What is wrong with a plan; undefined if every kernel can run it: no x finds a cell or a segment that is not there, and none gives an
 * infinity less an infinity, whose bits depend on the machine.
 */
export function problemOf(plan: Checked): string | undefined {
  const { exponent, first, last } = plan.grid;
  const reach = REACH * 2 ** exponent;
  if (
    !(exponent >= 0 && exponent <= MOST_EXPONENT && first >= -reach && last <= reach) ||
    !(first <= last && last - first < MOST_CELLS)
  )
    return `an impossible grid: cells ${first} to ${last} of width 2^-${exponent}`;
  // NaN: segments answer there.
  for (const key of ['slopeBelowZero', 'slopeAboveZero'] as const)
    if (Math.abs(plan[key]) === Number.POSITIVE_INFINITY) return `${key} ${plan[key]}, which must be finite`;
  const { periodic } = plan;
  return problemOfTable(plan, periodic ? periodic.from : LARGEST) ?? (periodic && problemOfSection(periodic));
}

/** @param reach segments are asked for |x| up to here. */
function problemOfTable({ bounds, rows, slack }: SegmentTable, reach: number): string | undefined {
  const words = new Int32Array(rows.buffer, rows.byteOffset, rows.length);
  for (let m = 0, low = -reach; m < slack.length; m++) {
    const high = m < bounds.length ? bounds[m]! : Math.max(reach, low);
    // Bounds may be equal: no x is in a segment between such.
    if (!((high >= low || m === 0) && high <= LARGEST)) return `bounds that do not ascend: bound ${m} is ${high}`;
    if (!Number.isFinite(slack[m])) return `slack ${slack[m]}, which must be finite`;
    if (!isSafe(rows, words, 8 * m, Math.min(low, high), high))
      return `coefficients that overflow on [${low}, ${high}]`;
    low = high;
  }
  return undefined;
}

function problemOfSection(section: PeriodicSection): string | undefined {
  const { from, to, period, trend, trendLow, middle } = section;
  const sum = period.reduce((total, part) => total + part, 0);
  const isPart = (part: number) => Number.isFinite(part) && part >= 0;
  if (
    !(from > 0 && from <= to && to < SAFE) ||
    period.length !== 8 ||
    !period.every(isPart) ||
    !(sum > 2 ** -61 && sum < 2 ** 61)
  )
    return `a periodic section from ${from} to ${to} with period ${sum}`;
  if (!(Math.abs(trend) <= 1 && Math.abs(trendLow) <= 1 && Number.isFinite(middle)))
    return `a trend of ${trend} and a mean of ${middle}`;
  // Rounding k leaves at most so much of the period, whatever x.
  return problemOfTable(section, Math.fround(sum));
}

/** Whether a row's polynomial (`segmentPolynomial` in assembly/activation.ts) is a number for all x between two bounds. */
function isSafe(rows: Float32Array, words: Int32Array, at: number, low: number, high: number): boolean {
  const [centre, h0, , c0, c1, c2, c3, c4] = rows.subarray(at, at + 8) as unknown as readonly number[];
  const scale = words[at + 2]! & SCALE_BITS;
  const h1 = leading(words[at + 2]!);
  if (scale === 255 || !(Math.abs(h0!) <= LARGEST)) return false;
  // Where the result is infinite the polynomial is not looked at, but it must not trap either; all of it is 0.
  if (scale === SATURATED) return [c0, c1, c2, c3, c4, h1].every((each) => each === 0);
  const reach = Math.max(Math.abs(low - centre!), Math.abs(high - centre!)) * 2 ** (scale - UNSCALED);
  // Infinite and NaN coefficients fail the comparisons.
  if (!(reach <= LARGEST && Math.abs(h1) <= LARGEST)) return false;
  let size = Math.abs(c4!);
  for (const c of [c3!, c2!, c1!, c0!]) {
    if (!(size <= SAFE)) return false;
    size = Math.abs(c) + reach * size;
  }
  // A linear law may exceed float32 far out: all its parts have one sign.
  const isLinear = c2 === 0 && c3 === 0 && c4 === 0 && c1! * h1 >= 0 && Math.abs(c0!) <= SAFE;
  // The leading bits of u leave less than 2⁻¹¹ of it.
  return isLinear || size + (Math.abs(h1) * reach) / 2048 <= SAFE;
}

const word = new Int32Array(1);
const single = new Float32Array(word.buffer);

/** h1 without the scale. */
function leading(bits: number): number {
  word[0] = bits & -0x1000;
  return single[0]!;
}
