import { instantiateSync } from '@assemblyscript/loader';
import type { Engine, Kernels } from '../engine.js';
import { KERNELS_HEX } from './bytes.generated.js';

const PAGE = 65536;

type Exports = { memory: WebAssembly.Memory } & Kernels & Record<string, unknown>;

let compiled: WebAssembly.Module | undefined;

/**
 * The kernels on WebAssembly SIMD.
 * @throws {WebAssembly.CompileError|Error} where WebAssembly, SIMD, or compiling from bytes is not allowed.
 */
export function createWasmEngine(): Engine {
  if (typeof WebAssembly !== 'object') throw new Error('WebAssembly is not available here');
  compiled ??= new WebAssembly.Module(decodeHex(KERNELS_HEX));
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

function decodeHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length / 2);
  // '0' to '9' have the codes 48 to 57, 'a' to 'f' 97 to 102.
  const digit = (at: number) => (text.charCodeAt(at) & 15) + 9 * (text.charCodeAt(at) >> 6);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 16 * digit(2 * i) + digit(2 * i + 1);
  return bytes;
}
