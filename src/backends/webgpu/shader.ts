import type { Kernel } from '../backend.js';
import { BODIES, VOCABULARY } from './kernels.generated.js';

/** Invocations of a workgroup, as in assembly/vocabulary/lanes.wgsl. */
export const WORKGROUP = 64;

const ENTRIES: Readonly<Record<Kernel, string>> = {
  activate: 'activateLanes',
  flow: 'flowLanes',
  probe: 'probeLanes',
};

/**
 * The WGSL of a kernel: the vocabulary, then the body that `scripts/wgsl.mjs` translated from assembly/.
 *
 * @param isInPlace x and y are one buffer, which WebGPU does not let a shader bind twice.
 * @param barriers for tests: without them the compiler may rewrite what it likes.
 */
export function shader(kernel: Kernel, options: { isInPlace?: boolean; barriers?: boolean } = {}): string {
  let vocabulary = VOCABULARY.replace('KERNEL', ENTRIES[kernel]);
  if (options.isInPlace) {
    vocabulary = vocabulary.replace(/^@group.*\bx: array.*\n/m, '').replace('x[i % call.period]', 'y[i]');
  }
  if (options.barriers === false) vocabulary = vocabulary.replace(/(fn barrier.*return) .*;/, '$1 value;');
  return `${vocabulary}\n${BODIES[kernel]}`;
}
