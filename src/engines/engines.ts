import type { Engine, EngineName } from './engine.js';
import { createJsEngine } from './js/engine.js';
import { createWasmEngine } from './wasm/engine.js';

/**
 * A new engine, with memory of its own. Without a name: WebAssembly SIMD, or plain JavaScript where that is not allowed; the bits
 * are the same. @throws {Error} if the named one cannot run here, with the reason.
 */
export function createEngine(name?: EngineName): Engine {
  if (name !== undefined) return name === 'wasm' ? createWasmEngine() : createJsEngine();
  try {
    return createWasmEngine();
  } catch {
    return createJsEngine();
  }
}
