import { instantiateSync } from '@assemblyscript/loader';
import type { Engine, Kernels } from '../engine.js';
import { KERNELS_BASE64 } from './bytes.generated.js';

const PAGE = 65536;

type Exports = { memory: WebAssembly.Memory } & Kernels & Record<string, unknown>;

let compiled: WebAssembly.Module | undefined;

/**
 * The kernels on WebAssembly SIMD.
 * @throws {WebAssembly.CompileError|Error} where WebAssembly, SIMD, or compiling from bytes is not allowed.
 */
export function createWasmEngine(): Engine {
  if (typeof WebAssembly !== 'object') throw new Error('WebAssembly is not available here');
  compiled ??= new WebAssembly.Module(decodeBase64(KERNELS_BASE64));
  const { exports } = instantiateSync<Exports>(compiled, {});
  const { memory } = exports;
  let floats = new Float32Array(memory.buffer);
  let words = new Int32Array(memory.buffer);
  let doubles = new Float64Array(memory.buffer);
  return {
    name: 'wasm',
    get floats() {
      return floats;
    },
    get words() {
      return words;
    },
    get doubles() {
      return doubles;
    },
    reserve(bytes) {
      const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE);
      if (missing <= 0) return;
      memory.grow(missing);
      floats = new Float32Array(memory.buffer);
      words = new Int32Array(memory.buffer);
      doubles = new Float64Array(memory.buffer);
    },
    kernels: exports,
  };
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
