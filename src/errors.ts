import type { Signal } from './platform.js';

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

export function expectPositive(name: string, value: unknown): number {
  const number = expectFinite(name, value);
  if (!(number > 0)) throw new RangeError(`${name} must be positive, got ${number}`);
  return number;
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

export function expectNumber(name: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${describe(value)}`);
  return value;
}

export function expectBoolean(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new TypeError(`${name} must be a boolean, got ${describe(value)}`);
  return value;
}

export function expectFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw new TypeError(`${name} must be a function, got ${describe(value)}`);
}

/** An array of any kind; what it holds is checked elsewhere. */
export function expectArray(name: string, value: unknown): void {
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value))
    throw new TypeError(`${name} must be an array of numbers, got ${describe(value)}`);
}

/** A number that ought to be an integer; its range is checked where it is used. */
export function expectIntegerKind(name: string, value: unknown): void {
  if (typeof value !== 'number') throw new TypeError(`${name} must be an integer, got ${describe(value)}`);
}

export function expectString(name: string, value: unknown): void {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${describe(value)}`);
}

/** For what is checked where it is used. */
export function unchecked(): void {}

/** The options of a function, and what each of them is; ranges, and what arrays hold, are checked where they are used. */
export type OptionTable<T> = { readonly [K in keyof Required<T>]: (name: string, value: unknown) => unknown };

/** A record: an object that was written as `{ … }`, or has no prototype. A Map, say, would be taken for an empty one. */
export function expectRecord(name: string, value: unknown): void {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
  const prototype: unknown = isRecord ? Object.getPrototypeOf(value) : undefined;
  // Of any realm: the prototype of a record has none itself.
  if (!isRecord || (prototype !== null && Object.getPrototypeOf(prototype) !== null))
    throw new TypeError(`${name} must be a plain object, got ${describe(value)}`);
}

/**
 * Whether a value can hold options. A Map or an AbortSignal cannot, say, which has no keys and would be taken for no options at all; a class of
 * the caller's can.
 */
function canHoldOptions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.getPrototypeOf(value) === null || Object.prototype.toString.call(value) === '[object Object]';
}

/** An object that can hold options; which, is checked where it is known. */
export function expectHolder(what: string, options: unknown): Readonly<Record<string, unknown>> {
  if (!canHoldOptions(options)) throw new TypeError(`${what}: options must be an object, got ${describe(options)}`);
  return options as Readonly<Record<string, unknown>>;
}

/**
 * Options are an object with no key that the table does not have — `tim` for `time` is a mistake, not an extra —, with all keys that are
 * needed, and each of its kind. No options at all are fine where none is needed; an option that is undefined is one that is not given.
 * @throws {TypeError} if they are not. @throws {RangeError} for a key that is unknown.
 */
export function expectOptions<T>(
  what: string,
  options: unknown,
  table: OptionTable<T>,
  needed: readonly (keyof T & string)[] = [],
): void {
  if (options === undefined && needed.length === 0) return;
  if (!canHoldOptions(options))
    throw new TypeError(
      needed.length > 0
        ? `${what} needs options, an object with ${needed.join(', ')}, got ${describe(options)}`
        : `${what}: options must be an object, got ${describe(options)}`,
    );
  const given = options as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(given)) expectOneOf(`an option of ${what}`, key, Object.keys(table));
  for (const key of Object.keys(table) as (keyof T & string)[]) {
    if (given[key] !== undefined) table[key](key, given[key]);
    else if (needed.includes(key)) throw new TypeError(`${what} needs the option ${key}, got undefined`);
  }
}

/** An AbortSignal, the platform's or one like it: older ones have no `throwIfAborted`, some no `reason`. */
export function expectSignal(name: string, value: unknown): void {
  const signal = value as Partial<Signal> | null;
  const isSignal =
    typeof signal === 'object' &&
    signal !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function' &&
    typeof signal.removeEventListener === 'function';
  if (!isSignal) throw new TypeError(`${name} must be an AbortSignal, got ${describe(value)}`);
}

/** Why a call was ended: the signal's reason, or an error that says that it was. */
export function abortReason(signal: Signal): unknown {
  if (signal.reason !== undefined) return signal.reason;
  const error = new Error('the call was aborted by its signal');
  error.name = 'AbortError';
  return error;
}

export function throwIfAborted(signal: Signal | undefined): void {
  if (signal?.aborted) throw abortReason(signal);
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
  // The buffer last: of a small array it is made when it is first asked for.
  if (y.byteOffset !== x.byteOffset && meet(x, y) && y.buffer === x.buffer)
    throw new RangeError('out must be x itself or not overlap x; it overlaps x partly');
  return y;
}
