import { expectInteger, expectIntegerKind, expectOptions, type OptionTable } from '../../errors.js';

export interface ThreadsOptions {
  /** How many threads, 1 to 256. Default: as many as the machine has cores. */
  size?: number;
  /** The most memory that the pool may use, in bytes, for tables and resident tensors; from 2²⁸ to 2³². Default 2³¹. */
  maxBytes?: number;
  /** Shorter tensors are computed where the call is made. Default: measured when the pool starts. */
  threshold?: number;
}

const OPTIONS = {
  size: expectIntegerKind,
  maxBytes: expectIntegerKind,
  threshold: expectIntegerKind,
} satisfies OptionTable<ThreadsOptions>;

/**
 * Mistakes of the caller's, looked for before the platform is asked for anything: its own errors are TypeErrors and RangeErrors too.
 * @throws {TypeError|RangeError}
 */
export function expectThreadsOptions(options: ThreadsOptions = {}): Readonly<ThreadsOptions> & { maxBytes: number } {
  expectOptions("loadBackend('threads')", options, OPTIONS);
  const { size, threshold, maxBytes = 2 ** 31 } = options;
  expectInteger('maxBytes', maxBytes, 2 ** 28, 2 ** 32);
  if (threshold !== undefined) expectInteger('threshold', threshold, 0, Number.MAX_SAFE_INTEGER);
  if (size !== undefined) expectInteger('size', size, 1, 256);
  return { size, threshold, maxBytes };
}
