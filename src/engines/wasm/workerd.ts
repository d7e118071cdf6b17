// Stands in for engine.ts where Wasm is imported, not compiled (scripts/build.mjs).

// @ts-expect-error: workerd's own kind of module
import module from 'wasm:kernels';
import type { Engine } from '../engine.js';
import { instantiate } from './instance.js';

/** The kernels on WebAssembly SIMD. */
export function createWasmEngine(): Engine {
  return instantiate(module as WebAssembly.Module);
}
