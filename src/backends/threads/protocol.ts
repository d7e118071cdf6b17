import type { Memory } from '../../platform.js';
import type { Kernel } from '../backend.js';

/** What travels between the pool and its workers; the tensors themselves lie in the memory that they share. */

/** Once, to begin with. */
export interface StartMessage {
  readonly memory: Memory;
  /** The kernels' bytes in hexadecimal. */
  readonly kernels: string;
  /** The worker's own window of ALTERNATING_BYTES. */
  readonly window: number;
}

/** A part of a tensor. Positions are byte addresses, lengths are in floats. */
export interface Piece {
  readonly id: number;
  /** How large the memory is by now. */
  readonly bytes: number;
  readonly kernel: Kernel | 'backward';
  /** Addresses of the tables of all channels: words at `directory`. */
  readonly directory: number;
  readonly channels: number;
  readonly inner: number;
  readonly offset: number;
  readonly x: number;
  readonly xLength: number;
  /** The result: y, or gradX. */
  readonly y: number;
  readonly length: number;
  /** Of a gradient: gradY, and sums of all channels, [channels][WINDOWS][windowLength]. */
  readonly gradY: number;
  readonly sums: number;
  readonly windowLength: number;
  /** For a thread that waits for it: a word that goes from `ticket` to what is added to it below; or 0. */
  readonly flag: number;
  /** A multiple of 4 that no other piece of late has had: one that was withdrawn may still be read, when its word is another's. */
  readonly ticket: number;
}

/** What becomes of a piece with a flag: the thread that begins it says so, and one that nobody has begun can be withdrawn. */
export const BEGUN = 1;
export const DONE = 2;
export const FAILED = 3;

/** From a worker: that it has started, or what became of a piece. */
export type Answer = { readonly started: true } | { readonly id: number; readonly error?: string };
