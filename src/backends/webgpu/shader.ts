import type { Kernel } from '../backend.js';
import { SHADERS } from './kernels.generated.js';

/** Invocations of a workgroup, in every entry point. */
export const WORKGROUP = 64;

/** Where the table of a single channel lies: behind a directory of one entry (`alignImage`). */
export const FIRST_TABLE = 32;

/**
 * How a kernel goes over a tensor: `each` element on its own; or `activate` in two passes, `cells` for four neighbours at once and
 * `search` for what they left.
 */
export type Entry = 'each' | 'cells' | 'search';

const FUNCTIONS: Readonly<Record<Kernel, string>> = {
  activate: 'activateLanes',
  flow: 'flowLanes',
  probe: 'probeLanes',
};

export interface ShaderOptions {
  /** Default 'each'. */
  entry?: Entry;
  /** x and y are one buffer, which WebGPU does not let a shader bind twice. */
  isInPlace?: boolean;
  /** There is one table, and x does not repeat: no divisions to find either. */
  isPlain?: boolean;
  /** For tests: without them the compiler may rewrite what it likes. */
  barriers?: boolean;
}

/** The WGSL of a kernel: the vocabulary, an entry point, and the body that `scripts/wgsl.mjs` translated from assembly/. */
export function shader(
  kernel: Kernel,
  { entry = 'each', isInPlace = false, isPlain = false, barriers = true }: ShaderOptions = {},
): string {
  let vocabulary = SHADERS.vocabulary;
  if (!barriers) vocabulary = vocabulary.replace(/(fn barrier.*return) .*;/, '$1 value;');
  if (isPlain)
    vocabulary = vocabulary
      .replace(/(fn tableOf.*\{)[\s\S]*?\n\}/, `$1 return ${FIRST_TABLE}; }`)
      .replace(/(fn sourceOf.*return) .*;/, '$1 i;');
  let main = SHADERS.entries[entry].replace('KERNEL', FUNCTIONS[kernel]);
  if (isInPlace) main = main.replace(/^@group.*\bx: array.*\n/m, '').replace(/\bx\[/, 'y[');
  return `${vocabulary}\n${main}\n${SHADERS.bodies[kernel]}`;
}
