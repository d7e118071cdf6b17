import {
  expectArray,
  expectBoolean,
  expectOneOf,
  expectOptions,
  expectString,
  type OptionTable,
} from '../../errors.js';
import type { Kernel } from '../backend.js';
import { type Part, SHADERS } from './kernels.generated.js';

/** Invocations of a workgroup, in every entry point. */
export const WORKGROUP = 64;

/** Where the table of a single channel lies: behind a directory of one entry (`alignImage`). */
export const FIRST_TABLE = 32;

/**
 * How a kernel goes over a tensor: `each` element on its own; or `activate` in two passes, `cells` for four neighbours at once and
 * `search` for what they left. `backward` has its own: each element, or in two passes `slopes` and `rest`.
 */
export type Entry = 'each' | 'cells' | 'search' | 'backward' | 'slopes' | 'rest';
export type Shader = Kernel | 'backward';

const FUNCTIONS: Readonly<Record<Shader, string>> = {
  activate: 'activateLanes',
  flow: 'flowLanes',
  probe: 'probeLanes',
  backward: 'backwardLanes',
};

export interface ShaderOptions {
  /** Default 'each', or 'backward'. */
  entry?: Entry;
  /** Inputs that are the same buffer as the result, which WebGPU does not let a shader bind twice. */
  inPlace?: readonly ('x' | 'gradY')[];
  /** There is one table, and x does not repeat: no divisions to find either. */
  isPlain?: boolean;
  /** For tests: without them the compiler may rewrite what it likes. */
  barriers?: boolean;
}

const OPTIONS = {
  entry: expectString,
  inPlace: expectArray,
  isPlain: expectBoolean,
  barriers: expectBoolean,
} satisfies OptionTable<ShaderOptions>;

/** The WGSL of a kernel: the vocabulary, an entry point, and the body that `scripts/wgsl.mjs` translated from assembly/. */
export function shader(kernel: Shader, options: ShaderOptions = {}): string {
  expectOneOf('kernel', kernel, Object.keys(FUNCTIONS));
  expectOptions('shader', options, OPTIONS);
  const { inPlace = [], isPlain = false, barriers = true } = options;
  const entry = options.entry ?? (kernel === 'backward' ? 'backward' : 'each');
  expectOneOf('entry', entry, Object.keys(SHADERS.entries));
  for (const name of inPlace) expectOneOf('an entry of inPlace', name, ['x', 'gradY']);
  const flags = new Set<string>(inPlace.map((name) => `${name} in place`));
  if (isPlain) flags.add('plain');
  if (!barriers) flags.add('bare');
  const chosen = (parts: readonly Part[]) =>
    parts
      .filter(({ when, unless }) => (when === undefined || flags.has(when)) && !(unless && flags.has(unless)))
      .map(({ text }) => text)
      .join('');
  return [
    ...(isPlain ? [`const FIRST_TABLE: i32 = ${FIRST_TABLE};\n`] : []),
    chosen(SHADERS.vocabulary),
    ...(kernel === 'backward' ? [chosen(SHADERS.sums)] : []),
    chosen(SHADERS.entries[entry]).replace('KERNEL', FUNCTIONS[kernel]),
    SHADERS.bodies[kernel],
  ].join('\n');
}
