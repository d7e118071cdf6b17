/**
 * Counts what is asked of memory, and refuses it: after SQLite's out-of-memory tests (sqlite.org/testing.html, "OOM testing"), where the
 * n-th allocation fails, for n = 1, 2, … until nothing does.
 */

export interface Allocations<T> {
  /** Buffers, views and growths asked for. */
  readonly count: number;
  /** Bytes of new buffers. */
  readonly bytes: number;
  readonly result?: T;
  readonly error?: unknown;
}

const ARRAYS = [
  'ArrayBuffer',
  'Float32Array',
  'Float64Array',
  'Int32Array',
  'Uint32Array',
  'Uint16Array',
  'Uint8Array',
] as const;
type Callable = (...args: unknown[]) => unknown;

/** Runs `work`; the n-th thing that it asks of memory is refused as engines refuse it, with a RangeError. */
export function allocating<T>(work: () => T, refused = Number.POSITIVE_INFINITY): Allocations<T> {
  let count = 0;
  let bytes = 0;
  const note = () => {
    count += 1;
    if (count === refused) throw new RangeError('Array buffer allocation failed');
  };
  const undo: (() => void)[] = [];
  const patch = (object: object, key: string, make: (original: Callable) => unknown) => {
    const descriptor = Object.getOwnPropertyDescriptor(object, key)!;
    Object.defineProperty(object, key, { ...descriptor, value: make(descriptor.value) });
    undo.push(() => Object.defineProperty(object, key, descriptor));
  };
  for (const name of ARRAYS) {
    patch(globalThis, name, (original) => {
      const counted: object = new Proxy(original, {
        construct(target, args, newTarget) {
          note();
          const made = Reflect.construct(target, args, newTarget === counted ? target : newTarget);
          // A view of a buffer has no memory of its own.
          if (typeof args[0] !== 'object' || !('byteLength' in args[0]) || ArrayBuffer.isView(args[0]))
            bytes += made.byteLength;
          return made;
        },
      });
      return counted;
    });
  }
  const typed = Object.getPrototypeOf(Uint8Array.prototype);
  for (const key of ['slice', 'map', 'filter']) {
    patch(
      typed,
      key,
      (original) =>
        function (this: unknown, ...args: unknown[]) {
          note();
          const made = original.apply(this, args) as Uint8Array;
          bytes += made.byteLength;
          return made;
        },
    );
  }
  patch(
    WebAssembly.Memory.prototype,
    'grow',
    (original) =>
      function (this: unknown, ...args: unknown[]) {
        note();
        return original.apply(this, args);
      },
  );
  try {
    return { result: work(), count, bytes };
  } catch (error) {
    return { error, count, bytes };
  } finally {
    for (const back of undo.reverse()) back();
  }
}
