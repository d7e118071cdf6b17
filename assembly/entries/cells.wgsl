// The cells of four neighbours of one channel: the table's header is read once for them. Elements that no cell answers keep their
// input and are listed; `search.wgsl` finishes them. A branch here would cost every element, on software rasterisers even untaken.

@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;
//: if x in place
fn xAt(i: u32) -> vec4<u32> { return y[i]; }
//: else
@group(0) @binding(3) var<storage, read> x: array<vec4<u32>>;
fn xAt(i: u32) -> vec4<u32> { return x[i]; }
//: end
// How many entries there are, then the entries: 16 times the number of a group of four, and a bit for each that is not answered.
@group(0) @binding(4) var<storage, read_write> list: array<atomic<u32>>;

struct Header {
  lowest: Lanes,
  highest: Lanes,
  inverseWidth: Lanes,
  magic: Lanes,
  width: Lanes,
  addressBits: Words,
}

fn answer(bits: u32, header: Header) -> u32 {
  let value = bitcast<f32>(bits);
  let t = cellOf(value, header.lowest, header.highest, header.inverseWidth, header.magic);
  let cell = andWord(shiftLeft(integerBits(t), 4), header.addressBits);
  return bitcast<u32>(cellValue(cell, minus(value, times(minus(t, header.magic), header.width))));
}

fn areNaN(bits: vec4<u32>) -> vec4<bool> { return (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u); }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  zero = call.zero;
  let i = call.first + 4u * ((group.y * groups.x + group.x) * 64u + local);
  if (i >= call.end) { return; }
  let table = tableOf(i);
  if (table < 0) { return; }
  let header = Header(
    loadLanes(table + LOWEST),
    loadLanes(table + HIGHEST),
    loadLanes(table + INVERSE_WIDTH),
    loadLanes(table + MAGIC),
    loadLanes(table + CELL_WIDTH),
    loadWords(table + ADDRESS_BITS),
  );
  let four = xAt(sourceOf(i) >> 2u);
  let answers = vec4<u32>(answer(four.x, header), answer(four.y, header), answer(four.z, header), answer(four.w, header));
  let open = areNaN(answers) | areNaN(four);
  y[i >> 2u] = select(answers, four, open);
  if (any(open)) {
    let mask = dot(select(vec4<u32>(), vec4<u32>(1u, 2u, 4u, 8u), open), vec4<u32>(1u));
    atomicStore(&list[atomicAdd(&list[0], 1u) + 1u], (i << 2u) | mask);
  }
}
