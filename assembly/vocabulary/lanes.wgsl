// The kernels' vocabulary in WGSL: one lane a shader invocation. The same words as `#lanes.ts`, with the same meaning.
//
// WGSL lets a compiler fuse, reorder and drop float operations. Every result of + - * therefore passes a barrier that no compiler
// can see through, because `zero` comes from a buffer: the rule that survives on every stack. NaN is decided on
// the bits.

alias Lanes = f32;
alias Words = i32;
alias Mask = bool;
alias Row = vec4<f32>;
alias usize = i32;

struct Call {
  // This dispatch works on elements first..end of y.
  first: u32,
  end: u32,
  // Element i has channel ((offset + i) / inner) mod channels; only channels channelsFrom..channelsTo have their tables here.
  offset: u32,
  inner: u32,
  channels: u32,
  channelsFrom: u32,
  channelsTo: u32,
  // x repeats after so many elements.
  period: u32,
  zero: u32,
  // Of a gradient: channels sumsFrom..sumsTo have their sums here, this many bytes each.
  sumsFrom: u32,
  sumsTo: u32,
  sumsBytes: u32,
}

@group(0) @binding(0) var<uniform> call: Call;
// A directory, one address a channel, then the tables.
@group(0) @binding(1) var<storage, read> memory: array<vec4<u32>>;

// Copied from `call` by every entry point: a register is cheaper to read than a buffer.
var<private> zero: u32;

//: if plain
// There is one table, and x does not repeat: no divisions to find either.
fn sourceOf(i: u32) -> u32 { return i; }
fn channelOf(i: u32) -> u32 { return 0u; }
fn tableOf(i: u32) -> i32 { return FIRST_TABLE; }
//: else
// Which element of x element i of y reads.
fn sourceOf(i: u32) -> u32 { return i % call.period; }
// The address of its table; -1 if that is not here.
fn channelOf(i: u32) -> u32 { return ((call.offset + i) / call.inner) % call.channels; }
fn tableOf(i: u32) -> i32 {
  let channel = channelOf(i);
  if (channel < call.channelsFrom || channel >= call.channelsTo) { return -1; }
  let entry = channel - call.channelsFrom;
  return bitcast<i32>(memory[entry >> 2u][entry & 3u]);
}
//: end

//: if bare
fn barrier(value: f32) -> f32 { return value; }
//: else
fn barrier(value: f32) -> f32 { return bitcast<f32>(bitcast<u32>(value) ^ zero); }
//: end

fn plus(a: Lanes, b: Lanes) -> Lanes { return barrier(a + b); }
fn minus(a: Lanes, b: Lanes) -> Lanes { return barrier(a - b); }
fn times(a: Lanes, b: Lanes) -> Lanes { return barrier(a * b); }
fn minusExactly(a: Lanes, b: Lanes) -> Lanes { return minus(a, b); }
fn timesExactly(a: Lanes, b: Lanes) -> Lanes { return times(a, b); }
fn larger(a: Lanes, b: Lanes) -> Lanes { return select(a, b, a < b); }
fn smaller(a: Lanes, b: Lanes) -> Lanes { return select(a, b, b < a); }

// Constants pass it too: no product with a literal is folded.
fn every(value: f32) -> Lanes { return barrier(value); }
fn everyWord(value: i32) -> Words { return value; }
fn toBits(a: Lanes) -> Words { return bitcast<i32>(a); }
fn integerBits(a: Lanes) -> Words { return bitcast<i32>(a); }
fn ofBits(a: Words) -> Lanes { return bitcast<f32>(a); }
fn nearestInteger(a: Lanes) -> Lanes { return round(a); }
fn isBeyond(x: Lanes, magnitude: Words, most: Words) -> Mask { return (toBits(x) & magnitude) > most; }
fn withoutBelow(x: Lanes, least: Lanes, magnitude: Words, sign: Words) -> Lanes {
  let bits = toBits(x);
  return ofBits(select(bits, bits & sign, toBits(least) > (bits & magnitude)));
}
fn inWindow(g: Lanes, window: Words, magnitude: Words, within: Words, base: Words) -> Lanes {
  let bits = toBits(g);
  return ofBits(select(0, (bits & within) + base, (bits & magnitude) > 0));
}
fn toFloat(a: Words) -> Lanes { return f32(a); }

fn atLeast(a: Lanes, b: Lanes) -> Mask { return a >= b; }
fn wordAbove(a: Words, b: Words) -> Mask { return a > b; }
fn wordEquals(a: Words, b: Words) -> Mask { return a == b; }
fn isNaNLane(a: Lanes) -> Mask { return (toBits(a) & 0x7fffffff) > 0x7f800000; }
fn anyLane(mask: Mask) -> bool { return mask; }
fn eitherMask(a: Mask, b: Mask) -> Mask { return a || b; }
fn pick(mask: Mask, a: Lanes, b: Lanes) -> Lanes { return select(b, a, mask); }
fn pickWord(mask: Mask, a: Words, b: Words) -> Words { return select(b, a, mask); }

fn andWord(a: Words, b: Words) -> Words { return a & b; }
fn orWord(a: Words, b: Words) -> Words { return a | b; }
fn addWord(a: Words, b: Words) -> Words { return a + b; }
fn subtractWord(a: Words, b: Words) -> Words { return a - b; }
fn shiftLeft(a: Words, by: i32) -> Words { return a << u32(by); }
fn shiftRight(a: Words, by: i32) -> Words { return a >> u32(by); }

fn loadWord(address: usize) -> i32 { return bitcast<i32>(memory[address >> 4u][(address >> 2u) & 3]); }
fn loadWords(address: usize) -> Words { return bitcast<i32>(memory[address >> 4u].x); }
fn loadLanes(address: usize) -> Lanes { return bitcast<f32>(memory[address >> 4u].x); }
fn gatherWord(at: Words) -> Words { return loadWord(at); }
fn gather(at: Words) -> Lanes { return bitcast<f32>(loadWord(at)); }
fn row0(at: Words, skip: usize) -> Row { return bitcast<vec4<f32>>(memory[(at + skip) >> 4u]); }
fn row1(at: Words, skip: usize) -> Row { return Row(); }
fn row2(at: Words, skip: usize) -> Row { return Row(); }
fn row3(at: Words, skip: usize) -> Row { return Row(); }
fn column0(a: Row, b: Row, c: Row, d: Row) -> Lanes { return a.x; }
fn column1(a: Row, b: Row, c: Row, d: Row) -> Lanes { return a.y; }
fn column2(a: Row, b: Row, c: Row, d: Row) -> Lanes { return a.z; }
fn column3(a: Row, b: Row, c: Row, d: Row) -> Lanes { return a.w; }
fn wordColumn0(a: Row, b: Row, c: Row, d: Row) -> Words { return bitcast<i32>(a.x); }
fn wordColumn1(a: Row, b: Row, c: Row, d: Row) -> Words { return bitcast<i32>(a.y); }
fn wordColumn2(a: Row, b: Row, c: Row, d: Row) -> Words { return bitcast<i32>(a.z); }
fn wordColumn3(a: Row, b: Row, c: Row, d: Row) -> Words { return bitcast<i32>(a.w); }
