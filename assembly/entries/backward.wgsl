// One element an invocation: its gradient, and its moments into sums that all invocations share.

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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  zero = call.zero;
  let i = call.first + (group.y * groups.x + group.x) * 64u + local;
  if (i >= call.end) { return; }
  let table = tableOf(i);
  let channel = channelOf(i);
  if (table < 0 || channel < call.sumsFrom || channel >= call.sumsTo) { return; }
  let sums = i32((channel - call.sumsFrom) * call.sumsBytes);
  gradX[i] = bitcast<u32>(KERNEL(table, sums, bitcast<f32>(xAt(sourceOf(i))), bitcast<f32>(gradYAt(i))));
}
