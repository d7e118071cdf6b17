import { Bench } from 'tinybench';

/** Something to be measured. */
export interface Row {
  readonly name: string;
  readonly work: () => unknown;
  /** Elements that one call of `work` handles: times are nanoseconds an element then. Otherwise a call. */
  readonly count?: number;
  /** At most so many times the reference of its race, or nanoseconds. */
  readonly bar?: { readonly ratio: number } | { readonly ns: number };
}

export interface Measured {
  readonly name: string;
  /** Nanoseconds, of an element or a call: the median of all rounds, their least, and the quartiles' distance as a share of the median. */
  readonly median: number;
  readonly least: number;
  readonly spread: number;
  /** Of the reference, medians; and the least, leasts. */
  readonly ratio?: number;
  readonly leastRatio?: number;
  readonly bar?: Row['bar'];
}

/** Rounds in which all rows have their turn, so that whatever else the machine does meets all of them. */
const ROUNDS = 9;
/** Milliseconds for a row in a round, and calls at least. */
const TIME = 60;

const at = (sorted: readonly number[], share: number) =>
  sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)]!;

/** @param reference the row whose time is 1. */
export async function race(rows: readonly Row[], reference?: string): Promise<Measured[]> {
  const medians = new Map(rows.map(({ name }) => [name, [] as number[]]));
  const leasts = new Map(rows.map(({ name }) => [name, Number.POSITIVE_INFINITY]));
  for (let round = 0; round < ROUNDS; round++) {
    const bench = new Bench({
      time: TIME,
      iterations: 3,
      warmup: round === 0,
      warmupTime: TIME,
      warmupIterations: 3,
      throws: true,
    });
    for (const { name, work } of rows) bench.add(name, work);
    await bench.run();
    for (const { name, result } of bench.tasks) {
      const { latency } = result as unknown as { latency: { p50: number; min: number } };
      medians.get(name)!.push(latency.p50 * 1e6);
      leasts.set(name, Math.min(leasts.get(name)!, latency.min * 1e6));
    }
  }
  const found = rows.map(({ name, count = 1, bar }): Measured => {
    const sorted = medians.get(name)!.sort((p, q) => p - q);
    const median = at(sorted, 0.5);
    return {
      name,
      median: median / count,
      least: leasts.get(name)! / count,
      spread: (at(sorted, 0.75) - at(sorted, 0.25)) / median,
      ...(bar ? { bar } : {}),
    };
  });
  const own = found.find(({ name }) => name === reference);
  return own
    ? found.map((each) => ({ ...each, ratio: each.median / own.median, leastRatio: each.least / own.least }))
    : found;
}

/** How a measured row is printed. */
export function lineOf({ name, median, least, spread, ratio, leastRatio, bar }: Measured) {
  const number = (value: number) => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));
  return {
    name,
    'median ns': number(median),
    'least ns': number(least),
    spread: `${Math.round(100 * spread)} %`,
    '×': ratio?.toFixed(2) ?? '',
    '× least': leastRatio?.toFixed(2) ?? '',
    bar: bar === undefined ? '' : 'ratio' in bar ? `≤ ${bar.ratio}` : `≤ ${bar.ns} ns`,
  };
}
