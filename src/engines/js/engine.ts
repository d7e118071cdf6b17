import type { Engine } from '../engine.js';
import { kernels } from './kernels.js';
import { attachMemory } from './memory.js';

/** The kernels in plain JavaScript: the fallback where WebAssembly is not allowed, and the other witness for every bit. */
export function createJsEngine(): Engine {
  let memory = new ArrayBuffer(0);
  let floats = new Float32Array(memory);
  let words = new Int32Array(memory);
  let doubles = new Float64Array(memory);
  return {
    name: 'js',
    lanes: 1,
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
      if (bytes <= memory.byteLength) return;
      // All of it is made before any of it is used: there may be no room for a part.
      const larger = new ArrayBuffer(2 ** Math.ceil(Math.log2(bytes)));
      const views = [new Float32Array(larger), new Int32Array(larger), new Float64Array(larger)] as const;
      views[0].set(floats);
      memory = larger;
      [floats, words, doubles] = views;
    },
    get kernels() {
      // The kernels are one module; several engines take turns with its memory.
      attachMemory(memory);
      return kernels;
    },
  };
}
