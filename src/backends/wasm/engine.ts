import { instantiateSync } from '@assemblyscript/loader';
import type { Engine } from '../engine.js';
import { KERNELS_BASE64 } from './bytes.generated.js';

const PAGE = 65536;

type Exports = {
  memory: WebAssembly.Memory;
  activate(table: number, x: number, y: number, count: number, list: number): void;
  flow(table: number, x: number, y: number, count: number): void;
};

/**
 * The kernels on WebAssembly SIMD.
 * @throws {WebAssembly.CompileError|Error} where WebAssembly, SIMD, or compiling from bytes is not allowed.
 */
export function createWasmEngine(): Engine {
  if (typeof WebAssembly !== 'object') throw new Error('WebAssembly is not available here');
  const bytes = Uint8Array.from(atob(KERNELS_BASE64), (character) => character.charCodeAt(0));
  const { exports } = instantiateSync<Exports>(bytes, {});
  let floats = new Float32Array(exports.memory.buffer);
  let words = new Int32Array(exports.memory.buffer);
  const { activate, flow } = exports;
  return {
    name: 'wasm',
    get floats() {
      return floats;
    },
    get words() {
      return words;
    },
    reserve(size) {
      const missing = Math.ceil((size - exports.memory.buffer.byteLength) / PAGE);
      if (missing <= 0) return;
      exports.memory.grow(missing);
      floats = new Float32Array(exports.memory.buffer);
      words = new Int32Array(exports.memory.buffer);
    },
    run(kernel, table, x, y, count, list) {
      if (kernel === 'activate') activate(table, x, y, count, list);
      else flow(table, x, y, count);
    },
  };
}
