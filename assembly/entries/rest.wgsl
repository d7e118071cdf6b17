// Finishes the elements that `slopes.wgsl` listed, with as many invocations as there are, again and again.

@group(0) @binding(2) var<storage, read_write> gradX: array<u32>;
//: if x in place
fn xAt(i: u32) -> u32 { return gradX[i]; }
//: else
@group(0) @binding(3) var<storage, read> x: array<u32>;
fn xAt(i: u32) -> u32 { return x[i]; }
//: end
//: if gradY in place
fn gradYAt(i: u32) -> u32 { return gradX[i]; }
//: else
@group(0) @binding(4) var<storage, read> gradY: array<u32>;
fn gradYAt(i: u32) -> u32 { return gradY[i]; }
//: end
@group(0) @binding(6) var<storage, read_write> list: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  zero = call.zero;
  for (var k = group.x * 64u + local; k < list[0]; k += groups.x * 64u) {
    let entry = list[k + 1u];
    for (var mask = entry & 15u; mask != 0u; mask &= mask - 1u) {
      let i = (entry >> 4u) * 4u + countTrailingZeros(mask);
      let sums = i32((channelOf(i) - call.sumsFrom) * call.sumsBytes);
      gradX[i] = bitcast<u32>(backwardLanes(tableOf(i), sums, bitcast<f32>(xAt(sourceOf(i))), bitcast<f32>(gradYAt(i))));
    }
  }
}
