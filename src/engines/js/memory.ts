/** The JavaScript engine's linear memory; addresses are byte offsets into it, as in WebAssembly. */
export let floats = new Float32Array(0);
export let words = new Int32Array(0);
export let doubles = new Float64Array(0);

/** Makes the kernels work in the given memory. */
export function attachMemory(memory: ArrayBuffer): void {
  if (floats.buffer === memory) return;
  floats = new Float32Array(memory);
  words = new Int32Array(memory);
  doubles = new Float64Array(memory);
}

declare global {
  // The names that AssemblyScript gives to machine types, so that one source file serves both compilers.
  type usize = number;
  type i32 = number;
  type f32 = number;
  type f64 = number;
}
