// One element an invocation.

@group(0) @binding(2) var<storage, read_write> y: array<u32>;
//: if x in place
fn xAt(i: u32) -> u32 { return y[i]; }
//: else
@group(0) @binding(3) var<storage, read> x: array<u32>;
fn xAt(i: u32) -> u32 { return x[i]; }
//: end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) local: u32) {
  zero = call.zero;
  let i = call.first + (group.y * groups.x + group.x) * 64u + local;
  if (i >= call.end) { return; }
  let table = tableOf(i);
  if (table < 0) { return; }
  y[i] = bitcast<u32>(KERNEL(table, bitcast<f32>(xAt(sourceOf(i)))));
}
