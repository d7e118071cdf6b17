import {
  andWord,
  appendIfAny,
  appendLanes,
  IS_VECTOR,
  integerBits,
  isNaNLane,
  keptRow0,
  keptRow1,
  keptRow2,
  keptRow3,
  Lanes,
  loadEvery,
  loadLanes,
  loadWord,
  loadWords,
  STRIDE,
  shiftLeft,
  storeFirst,
  storeLanes,
  storeWords,
  Words,
} from '#lanes';
import { activateLanes, BLOCK, cellOf, offsetIn, quadratic } from './activation';
import { ADDRESS_BITS, CELL_WIDTH, GROUP_BYTES, GROUP_TABLES, HIGHEST, INVERSE_WIDTH, LOWEST, MAGIC } from './layout';

/**
 * As `activate`, where neighbours belong to different channels: a vector has a header of its own, with each lane's values from the table of its
 * channel. `groups` such headers stand at `pattern`, as many as it takes until channels and lanes come together again; the first vector has number
 * `first`. y must not overlap x; `list` has room for 2·count + 4 words.
 */
export function activateChannels(
  pattern: usize,
  groups: i32,
  first: i32,
  x: usize,
  y: usize,
  count: usize,
  list: usize,
): void {
  const bytes = count << 2;
  const end = pattern + <usize>groups * GROUP_BYTES;
  let listed = list;
  let header = pattern + <usize>first * GROUP_BYTES;
  for (let from: usize = 0; from < bytes; from += BLOCK) {
    const to = from + BLOCK < bytes ? from + BLOCK : bytes;
    let at = header;
    if (IS_VECTOR) {
      for (let offset = from; offset < to; offset += STRIDE) {
        storeWords(y + offset, cellAt(at, numberAt(at, x + offset)));
        at = at + GROUP_BYTES === end ? pattern : at + GROUP_BYTES;
      }
      at = header;
    }
    for (let offset = from; offset < to; offset += STRIDE) {
      const v = loadLanes(x + offset);
      const t = numberAt(at, x + offset);
      const cell = cellAt(at, t);
      const u = offsetIn(v, t, loadLanes(at + MAGIC), loadLanes(at + CELL_WIDTH));
      const kept = y + offset;
      const a = keptRow0(kept, cell, 0);
      const b = keptRow1(kept, cell, 0);
      const c = keptRow2(kept, cell, 0);
      const d = keptRow3(kept, cell, 0);
      const result = quadratic(a, b, c, d, u);
      storeLanes(y + offset, result);
      listed = appendIfAny(isNaNLane(result), <i32>offset, listed);
      at = at + GROUP_BYTES === end ? pattern : at + GROUP_BYTES;
    }
    header = at;
  }
  // Unfinished lanes one by one: each has a table of its own.
  const lanes = list + bytes;
  let stop = lanes;
  for (; list < listed; list += 4) {
    const offset = loadWord(list);
    stop = appendLanes(isNaNLane(loadLanes(y + <usize>offset)), offset, stop);
  }
  for (let at = lanes; at < stop; at += 4) {
    const offset = <usize>loadWord(at);
    const lane = offset & (STRIDE - 1);
    const group = (first + <i32>((offset - lane) / STRIDE)) % groups;
    const table = <usize>loadWord(pattern + <usize>group * GROUP_BYTES + GROUP_TABLES + lane);
    storeFirst(y + offset, activateLanes(table, loadEvery(x + offset)));
  }
}

function numberAt(header: usize, x: usize): Lanes {
  return cellOf(
    loadLanes(x),
    loadLanes(header + LOWEST),
    loadLanes(header + HIGHEST),
    loadLanes(header + INVERSE_WIDTH),
    loadLanes(header + MAGIC),
  );
}

function cellAt(header: usize, t: Lanes): Words {
  return andWord(shiftLeft(integerBits(t), 4), loadWords(header + ADDRESS_BITS));
}
