// The gradient of four neighbours of one channel, where a cell has one row or two: the table's header is read once for them. Others, and what is
// not finite or far out, add nothing and are listed; `rest.wgsl` finishes them. A branch here would cost every element, on software rasterisers even
// untaken.

@group(0) @binding(2) var<storage, read_write> gradX: array<vec4<u32>>;
//: if x in place
fn xAt(i: u32) -> vec4<u32> { return gradX[i]; }
//: else
@group(0) @binding(3) var<storage, read> x: array<vec4<u32>>;
fn xAt(i: u32) -> vec4<u32> { return x[i]; }
//: end
//: if gradY in place
fn gradYAt(i: u32) -> vec4<u32> { return gradX[i]; }
//: else
@group(0) @binding(4) var<storage, read> gradY: array<vec4<u32>>;
fn gradYAt(i: u32) -> vec4<u32> { return gradY[i]; }
//: end
// Where gradX is an input too, what is listed keeps that.
//: if x in place
fn keptOf(x: vec4<u32>, gradY: vec4<u32>) -> vec4<u32> { return x; }
//: else
fn keptOf(x: vec4<u32>, gradY: vec4<u32>) -> vec4<u32> { return gradY; }
//: end
// As in `cells.wgsl`.
@group(0) @binding(6) var<storage, read_write> list: array<atomic<u32>>;

struct Header {
  lowest: Lanes,
  highest: Lanes,
  inverseWidth: Lanes,
  magic: Lanes,
  addressBits: Words,
  rowBytes: Words,
  magnitude: Words,
  sign: Words,
  least: Lanes,
  aboveLeast: Lanes,
  most: Words,
  within: Words,
  base: Words,
  windowNumber: Words,
  blockShift: i32,
}

struct Answer {
  gradX: u32,
  isOpen: bool,
}

fn answer(xBits: u32, gradYBits: u32, isHere: bool, sums: i32, h: Header) -> Answer {
  let given = bitcast<f32>(xBits);
  let upstream = bitcast<f32>(gradYBits);
  let x = withoutBelow(given, h.least, h.magnitude, h.sign);
  let entry = row0(cellAt(x, h.lowest, h.highest, h.inverseWidth, h.magic, h.addressBits), 0);
  let bound = column0(entry, entry, entry, entry);
  let left = wordColumn1(entry, entry, entry, entry);
  let at = pickWord(atLeast(x, bound), addWord(left, h.rowBytes), left);
  let a = row0(at, 0);
  let b = row0(at, 16);
  let isSpecial = isBeyond(given, h.magnitude, h.most) || isBeyond(upstream, h.magnitude, h.most);
  let isOpen = isSpecial || isNaNLane(bound) || wordColumn3(b, b, b, b) > 0;
  // Nothing to add, neither by g nor by a u that is no number.
  let isLeft = isOpen || !isHere;
  let g = pick(isLeft, every(0.0), withoutBelow(upstream, h.least, h.magnitude, h.sign));
  let u = pick(isLeft, every(0.0), times(minus(x, column0(a, a, a, a)), column1(a, a, a, a)));
  let slope = cubic(u, column2(a, a, a, a), column3(a, a, a, a), column0(b, b, b, b), column1(b, b, b, b));
  let window = andWord(shiftRight(toBits(g), 26), h.windowNumber);
  let first = inWindow(g, window, h.magnitude, h.within, h.base);
  let second = times(first, u);
  let third = times(second, u);
  let fourth = times(third, u);
  let block = addWord(addWord(sums, shiftLeft(window, h.blockShift)), wordColumn2(b, b, b, b));
  addToRow(block, first, nearestInteger(second), nearestInteger(third), nearestInteger(fourth));
  return Answer(bitcast<u32>(withoutBelow(times(g, slope), h.aboveLeast, h.magnitude, h.sign)), isOpen && isHere);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  zero = call.zero;
  let i = call.first + 4u * ((group.y * groups.x + group.x) * 64u + local);
  if (i >= call.end) { return; }
  let table = tableOf(i);
  let channel = channelOf(i);
  if (table < 0 || channel < call.sumsFrom || channel >= call.sumsTo) { return; }
  let sums = i32((channel - call.sumsFrom) * call.sumsBytes);
  let header = Header(
    loadLanes(table + LOWEST),
    loadLanes(table + HIGHEST),
    loadLanes(table + INVERSE_WIDTH),
    loadLanes(table + MAGIC),
    loadWords(table + ADDRESS_BITS),
    loadWords(table + ROW_BYTES),
    loadWords(table + MAGNITUDE_BITS),
    loadWords(table + SIGN_BIT),
    loadLanes(table + LEAST_NORMAL),
    loadLanes(table + ABOVE_LEAST),
    loadWords(table + MOST_NORMAL),
    loadWords(table + WITHIN_WINDOW),
    loadWords(table + WINDOW_BASE),
    loadWords(table + WINDOW_NUMBER),
    loadWord(table + BLOCK_SHIFT),
  );
  // What lies behind the last element in its group adds nothing.
  let x4 = xAt(sourceOf(i) >> 2u);
  let g4 = gradYAt(i >> 2u);
  let p = answer(x4.x, g4.x, true, sums, header);
  let q = answer(x4.y, g4.y, i + 1u < call.end, sums, header);
  let r = answer(x4.z, g4.z, i + 2u < call.end, sums, header);
  let s = answer(x4.w, g4.w, i + 3u < call.end, sums, header);
  let open = vec4<bool>(p.isOpen, q.isOpen, r.isOpen, s.isOpen);
  gradX[i >> 2u] = select(vec4<u32>(p.gradX, q.gradX, r.gradX, s.gradX), keptOf(x4, g4), open);
  if (any(open)) {
    let mask = dot(select(vec4<u32>(), vec4<u32>(1u, 2u, 4u, 8u), open), vec4<u32>(1u));
    atomicStore(&list[atomicAdd(&list[0], 1u) + 1u], (i << 2u) | mask);
  }
}
