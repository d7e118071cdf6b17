/** The JavaScript engine's linear memory; addresses are byte offsets into it, as in WebAssembly. */
export let floats = new Float32Array(0);
export let words = new Int32Array(0);
export let doubles = new Float64Array(0);

/** Makes the kernels work in the given memory. */
export function attachMemory(memory: ArrayBuffer): void {
  if (floats.buffer === memory) return;
  // All views are made before any is used: there may be no room for one.
  const views = [new Float32Array(memory), new Int32Array(memory), new Float64Array(memory)] as const;
  [floats, words, doubles] = views;
}

declare global {
  // The names that AssemblyScript gives to machine types, so that one source file serves both compilers.
  type usize = number;
  type i32 = number;
  type f32 = number;
  type f64 = number;
}
