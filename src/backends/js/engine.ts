import type { Engine } from '../engine.js';
import { activate, attachMemory, flow } from './kernels.js';

/** The kernels in plain JavaScript: the fallback where WebAssembly is not allowed, and the other witness for every bit. */
export function createJsEngine(): Engine {
  let floats = new Float32Array(0);
  let words = new Int32Array(floats.buffer);
  return {
    name: 'js',
    get floats() {
      return floats;
    },
    get words() {
      return words;
    },
    reserve(size) {
      if (size <= floats.byteLength) return;
      const grown = new Float32Array(2 ** Math.ceil(Math.log2(size)) / 4);
      grown.set(floats);
      floats = grown;
      words = new Int32Array(grown.buffer);
    },
    run(kernel, table, x, y, count, list) {
      // The kernels are one module; several engines take turns with its memory.
      attachMemory(floats.buffer as ArrayBuffer);
      if (kernel === 'activate') activate(table, x, y, count, list);
      else flow(table, x, y, count);
    },
  };
}
