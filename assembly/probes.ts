import {
  addWord,
  andWord,
  anyLane,
  atLeast,
  column0,
  column1,
  column2,
  column3,
  every,
  everyWord,
  gather,
  isNaNLane,
  Lanes,
  larger,
  loadLanes,
  minus,
  nearestInteger,
  ofBits,
  orWord,
  pick,
  plus,
  row0,
  row1,
  row2,
  row3,
  STRIDE,
  shiftLeft,
  shiftRight,
  smaller,
  storeLanes,
  subtractWord,
  times,
  toBits,
  toFloat,
  Words,
  wordAbove,
  wordEquals,
} from '#lanes';

/**
 * Every word of the vocabulary, and every expression that compilers were seen to rewrite, each alone: a backend
 * whose bits differ from JavaScript's in one of them does not keep the numerics contract.
 *
 * x is the number of a row {a, b, c, which} of the table; `which` is the same in all lanes. `src/backends/probes.ts` has the names.
 */
export function probeLanes(table: usize, x: Lanes): Lanes {
  const number = andWord(toBits(plus(x, every(8388608))), everyWord(0x7fffff));
  const at = addWord(everyWord(<i32>table), shiftLeft(number, 4));
  const r = row0(at, 0);
  const s = row1(at, 0);
  const t = row2(at, 0);
  const u = row3(at, 0);
  const a = column0(r, s, t, u);
  const b = column1(r, s, t, u);
  const c = column2(r, s, t, u);
  const which = toBits(column3(r, s, t, u));
  if (is(which, 0)) return plus(a, b);
  if (is(which, 1)) return minus(a, b);
  if (is(which, 2)) return times(a, b);
  if (is(which, 3)) return larger(a, b);
  if (is(which, 4)) return smaller(a, b);
  if (is(which, 5)) return pick(atLeast(a, b), b, c);
  if (is(which, 6)) return pick(wordAbove(toBits(a), toBits(b)), b, c);
  if (is(which, 7)) return pick(wordEquals(toBits(a), toBits(b)), b, c);
  if (is(which, 8)) return pick(isNaNLane(a), b, c);
  if (is(which, 9)) return ofBits(andWord(toBits(a), toBits(b)));
  if (is(which, 10)) return ofBits(orWord(toBits(a), toBits(b)));
  if (is(which, 11)) return ofBits(addWord(toBits(a), toBits(b)));
  if (is(which, 12)) return ofBits(subtractWord(toBits(a), toBits(b)));
  if (is(which, 13)) return ofBits(shiftLeft(toBits(a), 3));
  if (is(which, 14)) return ofBits(shiftRight(toBits(a), 3));
  if (is(which, 15)) return toFloat(shiftRight(toBits(a), 8));
  if (is(which, 16)) return gather(addWord(at, everyWord(8)));
  if (is(which, 17)) return plus(times(a, b), c);
  if (is(which, 18)) return minus(b, minus(plus(a, b), a));
  if (is(which, 19)) return plus(minus(a, b), b);
  if (is(which, 20)) return plus(times(a, c), times(b, c));
  if (is(which, 21)) return plus(plus(a, every(0.1)), every(0.2));
  if (is(which, 22)) return times(times(a, every(3)), every(0.1));
  if (is(which, 23)) return minus(plus(a, every(12582912)), every(12582912));
  if (is(which, 24)) return times(a, every(0));
  if (is(which, 25)) return plus(a, every(0));
  // The sign of a zero is nobody's concern.
  return plus(nearestInteger(a), every(0));
}

function is(which: Words, number: i32): boolean {
  return anyLane(wordEquals(which, everyWord(number)));
}

/** Probes number 0 to count - 1, four of a kind together. */
export function probe(table: usize, x: usize, y: usize, count: usize): void {
  const bytes = count << 2;
  for (let offset: usize = 0; offset < bytes; offset += STRIDE) {
    storeLanes(y + offset, probeLanes(table, loadLanes(x + offset)));
  }
}
