import { instantiateSync } from '@assemblyscript/loader';
import type { Engine, Kernels } from '../engine.js';

const PAGE = 65536;
/** 4 MiB. */
const MOST_PAGES_AHEAD = 64;

type Exports = { memory: WebAssembly.Memory } & Kernels;

/** A module from the hexadecimal digits of its bytes. @throws {Error} where WebAssembly, SIMD, or compiling from bytes is not allowed. */
export function compileHex(text: string): WebAssembly.Module {
  if (typeof WebAssembly !== 'object') throw new Error('WebAssembly is not available here');
  return new WebAssembly.Module(ofHex(text));
}

/** The platform's own decoder where there is one: a loop costs a cold start a millisecond. */
function ofHex(text: string): Uint8Array<ArrayBuffer> {
  const { fromHex } = Uint8Array as { fromHex?: (text: string) => Uint8Array<ArrayBuffer> };
  if (fromHex) return fromHex.call(Uint8Array, text);
  const { Buffer } = globalThis as { Buffer?: { from(text: string, encoding: 'hex'): Uint8Array<ArrayBuffer> } };
  if (Buffer) return Buffer.from(text, 'hex');
  const bytes = new Uint8Array(text.length / 2);
  // '0' to '9' have the codes 48 to 57, 'a' to 'f' 97 to 102.
  const digit = (at: number) => (text.charCodeAt(at) & 15) + 9 * (text.charCodeAt(at) >> 6);
  for (let i = 0; i < bytes.length; i++) bytes[i] = 16 * digit(2 * i) + digit(2 * i + 1);
  return bytes;
}

/** An engine on the module's own memory, or on the given one if the module imports its memory. */
export function instantiate(module: WebAssembly.Module, shared?: WebAssembly.Memory): Engine {
  // The module's own exports: the loader's count their arguments, which takes as long as eight elements.
  const exports = instantiateSync(module, shared ? { env: { memory: shared } } : {}).instance
    .exports as unknown as Exports;
  const memory = shared ?? exports.memory;
  let floats = new Float32Array(memory.buffer);
  let words = new Int32Array(memory.buffer);
  let doubles = new Float64Array(memory.buffer);
  const see = () => {
    const views = [
      new Float32Array(memory.buffer),
      new Int32Array(memory.buffer),
      new Float64Array(memory.buffer),
    ] as const;
    [floats, words, doubles] = views;
  };
  // Views of a memory that has grown are empty. There may have been no room for new ones then.
  const seen = () => {
    if (floats.length === 0) see();
  };
  return {
    name: 'wasm',
    lanes: 4,
    get floats() {
      seen();
      return floats;
    },
    get words() {
      seen();
      return words;
    },
    get doubles() {
      seen();
      return doubles;
    },
    reserve(bytes) {
      seen();
      if (bytes <= floats.byteLength) return;
      const now = memory.buffer.byteLength;
      // Others may have grown a shared memory: growing by nothing makes that known here. Otherwise ahead, up to twice as much: V8 takes all of a
      // memory that grows for garbage to come, and collected for seconds while hundreds of tables came. Pages nobody writes to cost nothing.
      const ahead = Math.min(now / PAGE, MOST_PAGES_AHEAD);
      memory.grow(bytes > now ? Math.max(Math.ceil((bytes - now) / PAGE), ahead) : 0);
      see();
    },
    kernels: exports,
  };
}
