// What a gradient adds up, in sums that all invocations share.

// 64-bit integers of two words, the lower one first.
@group(0) @binding(5) var<storage, read_write> integers: array<atomic<u32>>;

fn addInteger(at: u32, value: f32) {
  let word = i32(value);
  if (word == 0) { return; }
  let low = bitcast<u32>(word);
  let before = atomicAdd(&integers[at], low);
  let high = bitcast<u32>(word >> 31u) + select(0u, 1u, before + low < before);
  if (high != 0u) { atomicAdd(&integers[at + 1u], high); }
}

fn addToRow(at: Words, a: Lanes, b: Lanes, c: Lanes, d: Lanes) {
  let first = u32(at) >> 2u;
  addInteger(first, a);
  addInteger(first + 2u, b);
  addInteger(first + 4u, c);
  addInteger(first + 6u, d);
}
