import { GROUP_BYTES, GROUP_TABLES } from '../../assembly/layout';
import type { Engine } from '../engines/engine.js';
import { CHUNK, type PlacedTables, RUNNER_BYTES, Runner } from './runner.js';

/** Where channels are neighbours, vectors have headers of their own: of so many at most. */
const MOST_GROUPS = 1024;
/** Bytes of an engine's memory that such a runner works in. */
export const ALTERNATING_BYTES = RUNNER_BYTES + MOST_GROUPS * GROUP_BYTES;
/** Longer runs of one channel are worth a call each. */
const LONGEST_RUN = 256;

/** After how many vectors a period of elements begins with a vector again. */
function groupsOf(period: number, lanes: number): number {
  const shared = period % lanes === 0 ? lanes : period % 2 === 0 ? Math.min(2, lanes) : 1;
  return period / shared;
}

/**
 * A runner for tensors whose channels take turns within a vector, or from one to the next: no run of one channel is collected, and none has a call of its
 * own (assembly/channels.ts). Apart from `Runner`, since `ditac/runtime` has no room for it.
 */
export class AlternatingRunner extends Runner {
  readonly #engine: Engine;
  readonly #window: number;
  readonly #y: number;
  readonly #scratch: number;
  readonly #pattern: number;
  /** Of which tables the headers there are. */
  #patternOf: { epoch: object | undefined; inner: number; phase: number; channels: number } | undefined;

  /** @param window the address of ALTERNATING_BYTES of the engine's memory, a multiple of 16. */
  constructor(engine: Engine, window: number) {
    super(engine, window);
    this.#engine = engine;
    this.#window = window;
    this.#y = window + 4 * CHUNK;
    this.#scratch = window + 8 * CHUNK;
    this.#pattern = window + RUNNER_BYTES;
  }

  protected override alternate(tables: PlacedTables, x: Float32Array, y: Float32Array): boolean {
    const { channels, inner } = tables;
    if (inner >= LONGEST_RUN || !this.#prepare(tables)) return false;
    const engine = this.#engine;
    const groups = groupsOf(channels * inner, engine.lanes);
    for (let from = 0; from < x.length; from += CHUNK) {
      const count = Math.min(CHUNK, x.length - from);
      const { floats } = engine;
      floats.set(count === x.length ? x : x.subarray(from, from + count), this.#window >> 2);
      const first = (from / engine.lanes) % groups;
      engine.kernels.activateChannels(
        this.#pattern,
        groups,
        first,
        this.#window,
        this.#y,
        (count + 3) & -4,
        this.#scratch,
      );
      y.set(floats.subarray(this.#y >> 2, (this.#y >> 2) + count), from);
    }
    return true;
  }

  /** Writes the headers of all vectors of one round of channels, unless they are there. Whether there is room for them, and for all tables. */
  #prepare(tables: PlacedTables): boolean {
    const { channels, inner, offset, epoch } = tables;
    const { lanes } = this.#engine;
    const period = channels * inner;
    const groups = groupsOf(period, lanes);
    if (groups > MOST_GROUPS) return false;
    const phase = offset % period;
    const known = this.#patternOf;
    if (
      epoch !== undefined &&
      known?.epoch === epoch &&
      known.inner === inner &&
      known.phase === phase &&
      known.channels === channels
    )
      return true;
    const addresses = Array.from({ length: channels }, (_, c) => tables.addressOf(c));
    // A table that came later may have cost an earlier one its place.
    if (tables.epoch !== epoch) return false;
    const { words } = this.#engine;
    for (let group = 0, element = phase; group < groups; group++)
      for (let lane = 0; lane < lanes; lane++, element++) {
        const table = addresses[Math.floor(element / inner) % channels]!;
        const at = (this.#pattern + GROUP_BYTES * group + 4 * lane) >> 2;
        for (let slot = 0; slot < GROUP_TABLES; slot += 16) words[at + slot / 4] = words[(table + slot) >> 2]!;
        words[at + GROUP_TABLES / 4] = table;
      }
    this.#patternOf = { epoch, inner, phase, channels };
    return true;
  }
}
