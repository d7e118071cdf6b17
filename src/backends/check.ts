import { describe, expectFloat32Array, expectFunction, expectInteger, expectOneOf, expectSignal } from '../errors.js';
import type { Image } from '../plan/image.js';
import type { Kernel } from './backend.js';

/** What is handed to a backend itself, not through a function: tables that were made here, and tensors. */

const KERNELS: readonly Kernel[] = ['activate', 'flow', 'probe'];

export function expectKernel(kernel: unknown): void {
  expectOneOf('kernel', kernel, KERNELS);
}

/** @throws {TypeError|RangeError} unless they are { images, inner, offset? }. */
export function expectTables(tables: unknown): void {
  const given = tables as { images?: unknown; inner?: unknown; offset?: unknown } | null;
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`tables must be { images, inner }, got ${describe(tables)}`);
  expectImages(given.images);
  if ((given.images as unknown[]).length === 0) throw new RangeError('tables.images must hold a table, got none');
  expectInteger('tables.inner', given.inner, 0, Number.MAX_SAFE_INTEGER);
  if (given.offset !== undefined) expectInteger('tables.offset', given.offset, 0, Number.MAX_SAFE_INTEGER);
}

export function expectImages(images: unknown): void {
  if (!Array.isArray(images)) throw new TypeError(`images must be an array of tables, got ${describe(images)}`);
  // The first stands for all: there may be thousands.
  const first = images[0] as Partial<Image> | null | undefined;
  if (images.length > 0 && (typeof first?.write !== 'function' || typeof first.bytes !== 'number'))
    throw new TypeError(`a table must be { bytes, write }, got ${describe(first)}`);
}

/** Float32Arrays, the results as long as each other, and x as long or a part of that. */
export function expectTensors(tensors: { x: unknown; y: unknown; gradY?: unknown }): void {
  const x = expectFloat32Array('x', tensors.x);
  const y = expectFloat32Array('the result', tensors.y);
  if ('gradY' in tensors && expectFloat32Array('gradY', tensors.gradY).length !== y.length)
    throw new RangeError(
      `gradX must have length ${(tensors.gradY as Float32Array).length} as gradY has, got ${y.length}`,
    );
  if (y.length > 0 && (x.length === 0 || (x.length < y.length && y.length % x.length !== 0)))
    throw new RangeError(`x must have the length ${y.length} of the result, or repeat in it, got ${x.length}`);
}

export function expectMoments(moments: unknown, images: readonly unknown[]): void {
  if (!Array.isArray(moments) || moments.length !== images.length)
    throw new TypeError(`moments must be an array, one for each of ${images.length} tables, got ${describe(moments)}`);
}

/** Options of a call, of which only those of work are looked at: others have been checked where they came from. */
export function expectWork(options: unknown): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`options must be an object, got ${describe(options)}`);
  const { signal, onProgress } = options as { signal?: unknown; onProgress?: unknown };
  if (signal !== undefined) expectSignal('signal', signal);
  if (onProgress !== undefined) expectFunction('onProgress', onProgress);
}
