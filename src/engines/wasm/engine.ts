import type { Engine } from '../engine.js';
import { KERNELS_HEX } from './bytes.generated.js';
import { compileHex, instantiate } from './instance.js';

let compiled: WebAssembly.Module | undefined;

/** Takes the kernels as a module, where a platform compiles no bytes but imports modules. */
export function provideModule(module: WebAssembly.Module): void {
  compiled = module;
}

/**
 * The kernels on WebAssembly SIMD.
 * @throws {WebAssembly.CompileError|Error} where WebAssembly, SIMD, or compiling from bytes is not allowed.
 */
export function createWasmEngine(): Engine {
  compiled ??= compileHex(KERNELS_HEX);
  return instantiate(compiled);
}
