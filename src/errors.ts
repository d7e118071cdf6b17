/** Errors that say what was wrong, what was expected and what came. */

/** Reads an internal slot, which arrays have whatever realm they come from: a frame, a `vm` context, a test runner's sandbox. */
const nameOfView = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!
  .get as (this: unknown) => string | undefined;
const lengthOfBuffer = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')!.get as (
  this: unknown,
) => number;

interface Views {
  Float32Array: Float32Array;
  Float64Array: Float64Array;
  Uint8Array: Uint8Array;
}

/** Whether a value is a typed array of that kind; `instanceof` knows only those of its own realm. */
export function isView<K extends keyof Views>(value: unknown, name: K): value is Views[K] {
  return nameOfView.call(value) === name;
}

/** Whether a value is an ArrayBuffer, of any realm, and not shared. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  try {
    return lengthOfBuffer.call(value) >= 0;
  } catch {
    return false;
  }
}

/** A short, safe description of any value for an error message. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `an array of length ${value.length}`;
  if (ArrayBuffer.isView(value) && 'length' in value)
    return `${value.constructor?.name ?? nameOfView.call(value)}(${String(value.length)})`;
  if (typeof value === 'object') return `an object (${value.constructor?.name ?? 'no prototype'})`;
  return typeof value;
}

export function expectInteger(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be an integer, got ${describe(value)}`);
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new RangeError(`${name} must be an integer from ${low} to ${high}, got ${value}`);
  }
  return value;
}

export function expectFinite(name: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${describe(value)}`);
  if (!Number.isFinite(value)) throw new RangeError(`${name} must be finite, got ${value}`);
  return value;
}

export function expectFloat32Array(name: string, value: unknown): Float32Array {
  if (!isView(value, 'Float32Array')) throw new TypeError(`${name} must be a Float32Array, got ${describe(value)}`);
  return value;
}

export function expectOneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) {
    const list = allowed.map((each) => `'${each}'`).join(', ');
    const problem = `${name} must be one of ${list}, got ${describe(value)}`;
    throw typeof value === 'string' ? new RangeError(problem) : new TypeError(problem);
  }
  return value as T;
}

/**
 * x, or a copy of it if `out` may lie over it unnoticed: two SharedArrayBuffer objects can be one memory (`structuredClone`, `postMessage`, a
 * WebAssembly.Memory that has grown), and nothing tells. Both begin where the memory does, so that views whose positions do not meet are apart.
 *
 * @param inPlace whether it does no harm if out is x itself.
 */
export function inputFor(x: Float32Array, out: Float32Array, inPlace = true): Float32Array {
  if (x.buffer === out.buffer || isArrayBuffer(x.buffer) || isArrayBuffer(out.buffer)) return x;
  if (inPlace && x.byteOffset === out.byteOffset) return x;
  return meet(x, out) ? x.slice() : x;
}

/** Whether the positions of two views meet. */
export function meet(x: Float32Array, y: Float32Array): boolean {
  return x.byteOffset < y.byteOffset + y.byteLength && y.byteOffset < x.byteOffset + x.byteLength;
}

/** An output array must have the input's length, and share either all of its memory or none. */
export function expectOutput(x: Float32Array, out: unknown): Float32Array {
  const y = expectFloat32Array('out', out);
  if (y.length !== x.length) throw new RangeError(`out must have length ${x.length} as x has, got ${y.length}`);
  if (y.buffer === x.buffer && y.byteOffset !== x.byteOffset && meet(x, y))
    throw new RangeError('out must be x itself or not overlap x; it overlaps x partly');
  return y;
}
