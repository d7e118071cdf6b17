import type { BackwardImage, Image } from '../plan/image.js';
import type { Moments } from '../plan/moments.js';
import type { Signal } from '../platform.js';

/**
 * What a backend is: something that evaluates tables over tensors, and gives the bits that all others give, or says that it does
 * not. `T` is a tensor in its memory: a Float32Array of the caller's for `wasm` and `js`, a buffer on the device for `webgpu`.
 *
 * - Work is handed over with `run` and is done in the order in which it was handed over. `wasm` and `js` do it at once; a device does
 *   it later, so what goes wrong there is reported by `download`, which waits for it.
 * - A table is an {@link Image}: bytes whose layout every kernel understands. Backends keep the tables that they have seen, by
 *   identity of the `images` array; `release` forgets them early.
 * - Results do not depend on how a tensor is divided: not by a backend, and not by its caller (`Tables.offset`).
 */
export interface Backend<T = unknown> {
  readonly name: BackendName;
  /** What it runs on, in words. */
  readonly device: string;
  /** Whether the probe at start-up found the bits of `js` in every operation; if not, `failures` says where it did not. */
  readonly exact: boolean;
  readonly failures: readonly ProbeFailure[];
  /** Whether `run` has finished when it returns, and tensors are Float32Arrays: then `download` does not wait either. */
  readonly isSynchronous: boolean;
  /** The longest tensor. */
  readonly maxLength: number;
  /** A tensor of this many floats; contents undefined. @throws {RangeError} if it is too long. */
  allocate(length: number): T;
  upload(values: Float32Array): T;
  /** Copies a tensor out, after everything that was handed over before. */
  download(tensor: T, into?: Float32Array): Float32Array | Promise<Float32Array>;
  /** Gives a tensor's memory back. Work that was handed over before still finds it. */
  free(tensor: T): void;
  /** y[i] = f(x[i mod x.length]), with the table that `tables` has for element i. x and y may be the same tensor. */
  run(kernel: Kernel, tables: Tables, x: T, y: T): void;
  /**
   * gradX[i] = gradY[i]·f′(x[i mod x.length]); gradX may be gradY. What gradients of parameters are made of is added to the `moments` of
   * each image: at once where `isSynchronous`, else by the time that the Promise resolves.
   */
  backward(tables: Tables<BackwardImage>, x: T, gradY: T, gradX: T, moments: readonly Moments[]): void | Promise<void>;
  /** Forgets tables that will not be used again. */
  release(images: readonly Image[]): void;
  /** Gives everything back. The backend is of no use afterwards. */
  dispose(): void;
}

/** Element i of y has images[⌊(offset + i)/inner⌋ mod images.length]. */
export interface Tables<I extends Image = Image> {
  readonly images: readonly I[];
  readonly inner: number;
  /** Where y begins in the whole tensor. Default 0. */
  readonly offset?: number;
}

/** `activate` evaluates compiled activations (`planImage`), `flow` CPAB transformations (`flowImage`), `probe` the probes. */
export type Kernel = 'activate' | 'flow' | 'probe';

export type BackendName = 'wasm' | 'js' | 'webgpu' | 'threads';

/** For calls that take a while. */
export interface WorkOptions {
  /** Ends the call: it rejects with the signal's reason, and what it was to write is undefined. */
  signal?: Signal;
  /** Called now and then with the share that is done, 0 to 1. */
  onProgress?: (done: number) => void;
}

/** A backend on the CPU, working on the caller's own arrays. */
export interface HostBackend extends Backend<Float32Array> {
  readonly isSynchronous: true;
  download(tensor: Float32Array, into?: Float32Array): Float32Array;
  backward(
    tables: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
  ): void;
}

/** A backend with memory of its own. */
export interface DeviceBackend<T = unknown> extends Backend<T> {
  readonly isSynchronous: false;
  download(tensor: T, into?: Float32Array): Promise<Float32Array>;
  backward(tables: Tables<BackwardImage>, x: T, gradY: T, gradX: T, moments: readonly Moments[]): Promise<void>;
}

/** A backend that works on the caller's own arrays, but later: calls do not wait for each other. */
export interface PoolBackend extends DeviceBackend<Float32Array> {
  evaluate(kernel: Kernel, tables: Tables, x: Float32Array, y: Float32Array, options?: WorkOptions): Promise<void>;
  evaluateBackward(
    tables: Tables<BackwardImage>,
    x: Float32Array,
    gradY: Float32Array,
    gradX: Float32Array,
    moments: readonly Moments[],
    options?: WorkOptions,
  ): Promise<void>;
}

/** One operation in which a backend's bits are not those of `js`. */
export interface ProbeFailure {
  readonly probe: string;
  /** How many inputs differ, and the first of them: operands, and bits as unsigned integers. */
  readonly differing: number;
  readonly operands: readonly number[];
  readonly expected: number;
  readonly actual: number;
}
