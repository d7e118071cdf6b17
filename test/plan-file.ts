/** Plan files as bytes, right or wrong, for tests: the layout is that of src/plan/file.ts. */
import { mendPlan } from './mutations.js';

export interface PlanFields {
  readonly exponent: number;
  readonly first: number;
  readonly last: number;
  /** f(0), the slopes below and above zero, f(-∞), f(+∞). */
  readonly specials: readonly number[];
  /** [segments - 1]. */
  readonly bounds: readonly number[];
  /** [segments][8]. */
  readonly rows: readonly number[];
  /** [segments]. */
  readonly slack: readonly number[];
}

/** A file with a right check, whatever it says. In version 3 rows have their scale, here 1, in the low bits of the third number. */
export function planFile(
  plans: readonly PlanFields[],
  { version = 2, layout = 0, count = plans.length } = {},
): Uint8Array {
  const words: number[] = [];
  const view = new DataView(new ArrayBuffer(8));
  const word = (value: number) => words.push(value);
  const single = (value: number) => {
    view.setFloat32(0, value, true);
    word(view.getInt32(0, true));
  };
  for (const text of ['dita', 'cpln'])
    word([...text].reduceRight((bits, letter) => (bits << 8) | letter.charCodeAt(0), 0));
  for (const value of [version, 0, layout, count]) word(value);
  for (const { exponent, first, last, specials, bounds, rows, slack } of plans) {
    for (const value of [exponent, first, last, slack.length]) word(value);
    for (const value of specials) single(value);
    // A certificate of zeros.
    for (let n = 0; n < (version === 2 ? 12 : 16); n++) word(0);
    for (const value of bounds) single(value);
    rows.forEach((value, i) => {
      single(value);
      if (version > 2 && i % 8 === 2) words.push((words.pop()! & -4096) | 127);
    });
    for (const value of slack) single(value);
    // No periodic section.
    if (version > 2) word(0);
  }
  const file = new Uint8Array(4 * words.length);
  const bytes = new DataView(file.buffer);
  for (const [i, value] of words.entries()) bytes.setInt32(4 * i, value, true);
  mendPlan(file);
  return file;
}

/** One segment of zeros: the smallest plan there is. */
export const smallest: PlanFields = {
  exponent: 7,
  first: -2048,
  last: 2047,
  specials: [0, 0, 0, 0, 0],
  bounds: [],
  rows: [0, 0, 0, 0, 0, 0, 0, 0],
  slack: [0],
};
