// Stands in for engine.ts in `ditac/runtime` where Wasm is imported, not compiled (scripts/build.mjs).
import type { Engine } from '../engine.js';
import { instantiate } from './instance.js';
// @ts-expect-error: workerd's own kind of module
import module from './kernels-runtime.wasm';

/** The kernels on WebAssembly SIMD. */
export function createWasmEngine(): Engine {
  return instantiate(module as WebAssembly.Module);
}
