import { BASIS_NAMES, type Basis, type BasisName } from '../cpab/basis.js';
import { describe, isView } from '../errors.js';
import { VARIANTS, type Variant } from '../families/ditac.js';
import type { StateDict, Tensor } from '../io/tensor.js';
import { notesFor } from './checkpoint-notes.js';
import type { DiTACOptions } from './ditac.js';
import { LAYOUTS, type Layout } from './layout.js';
import { checkBasis, findBasis } from './search.js';

/**
 * What a state dict of PyTorch lacks, as tensors beside the two that it has. PyTorch's `load_state_dict` passes them over with
 * `strict=False`. `examples/export_checkpoint.py` writes the first three.
 */
const ADDED = {
  /** [2N][d]: B, where it is none that is known by name. */
  basis: 'ditac.basis',
  /** [2]: a, b. */
  interval: 'ditac.interval',
  /** [1]: an index into VARIANTS. */
  variant: 'ditac.variant',
  /** [1]: an index into BASIS_NAMES. */
  basisName: 'ditac.basis_name',
  /** [2]: lambdaSmooth, lambdaVar. */
  lambda: 'ditac.lambda',
  /** [1]: an index into LAYOUTS. */
  layout: 'ditac.layout',
} as const;

/** The largest number of cells, as rows of a basis. */
const MOST_ROWS = 2 * 4096;

/** What `DiTAC.fromStateDict` is told beside the tensors. */
export interface CheckpointOptions extends Omit<DiTACOptions, 'thetas' | 'seed'> {
  /** What the names of the activation's tensors begin with, `'act_1.'` say. Default ''. */
  prefix?: string;
  /** What the file's writer noted, as `loadSafetensors` returns it: read for a, b and variant where the tensors do not say. */
  metadata?: Readonly<Record<string, string>>;
}

/** The names of the tensors that an activation is read from. */
export const tensorNames = (prefix: string): string[] =>
  ['thetas', 'precision_mat', ...Object.values(ADDED)].map((name) => prefix + name);

/** The activation that a state dict describes, as constructor options. What kind each option is was checked before. */
export function readCheckpoint(tensors: StateDict, chosen: CheckpointOptions): DiTACOptions {
  if (typeof tensors !== 'object' || tensors === null)
    throw new TypeError(`tensors must be an object, got ${describe(tensors)}`);
  const { prefix = '', metadata, ...options } = chosen;
  const thetas = tensorNamed(tensors, `${prefix}thetas`, 2);
  const [channels, d] = thetas.shape as [number, number];
  const precision = has(tensors, `${prefix}precision_mat`)
    ? tensorNamed(tensors, `${prefix}precision_mat`, 2)
    : undefined;
  if (precision && (precision.shape[0] !== d || precision.shape[1] !== d)) {
    throw new RangeError(
      `${prefix}precision_mat must have shape [${d}, ${d}] to go with thetas [${channels}, ${d}], got [${precision.shape.join(', ')}]`,
    );
  }
  const added = readAdded(tensors, prefix, d);
  const isSaid =
    (options.variant ?? added.variant) !== undefined &&
    (added.interval !== undefined || (options.a !== undefined && options.b !== undefined));
  const notes = metadata === undefined || isSaid ? {} : notesFor(prefix, metadata, tensors);
  const a = options.a ?? added.interval?.[0] ?? notes.a;
  const b = options.b ?? added.interval?.[1] ?? notes.b;
  const variant = options.variant ?? added.variant ?? notes.variant;
  const basis = options.basis ?? added.basis;
  const isFound = basis !== undefined || precision !== undefined;
  const missing = Object.entries({ a, b, variant, basis: isFound || undefined })
    .filter(([, value]) => value === undefined)
    .map(([name]) => name);
  if (a === undefined || b === undefined || variant === undefined || !isFound) {
    const lack = isFound
      ? ''
      : `; the state dict has no tensor '${prefix}precision_mat' by which a basis could be found`;
    throw new TypeError(
      `the checkpoint does not say ${missing.join(', ')} of '${prefix}thetas', and nothing is assumed: pass { ${missing.join(', ')} }${lack}`,
    );
  }

  const zeroBoundary = variant !== 'inf';
  const rows = rowsOf(basis);
  const cells = options.tess ?? (rows === undefined ? (zeroBoundary ? d + 1 : d - 1) : rows / 2);
  const size = zeroBoundary ? cells - 1 : cells + 1;
  if (rows === undefined && size !== d)
    throw new RangeError(`tess ${cells} has ${size} parameters, but ${prefix}thetas has ${d}`);
  const layout = options.layout ?? added.layout;
  const found: DiTACOptions = {
    ...options,
    ...added.lambda,
    ...(options.lambdaSmooth === undefined ? {} : { lambdaSmooth: options.lambdaSmooth }),
    ...(options.lambdaVar === undefined ? {} : { lambdaVar: options.lambdaVar }),
    ...(layout === undefined ? {} : { layout }),
    ...(d === 0 ? { channels } : {}),
    a,
    b,
    variant,
    tess: cells,
    thetas: thetas.data,
  };
  if (basis !== undefined) found.basis = basis;
  if (precision === undefined) return found;
  found.precisionMatrix = new Float32Array(precision.data);
  // A file that says both wrote them itself: its precision matrix may be one of the user's own.
  if (basis !== undefined && basis === added.basis && added.lambda) return found;
  const sought = { data: precision.data, name: `${prefix}precision_mat`, cells, zeroBoundary };
  const { lambdaSmooth, lambdaVar } = found;
  const lambda = {
    ...(lambdaSmooth === undefined ? {} : { lambdaSmooth }),
    ...(lambdaVar === undefined ? {} : { lambdaVar }),
  };
  return { ...found, ...(basis === undefined ? findBasis(sought, lambda) : checkBasis(sought, basis, lambda)) };
}

/** What {@link readCheckpoint} reads, all of it. */
export interface Checkpoint {
  readonly thetas: Float32Array;
  readonly channels: number;
  readonly dimension: number;
  readonly precision: Float32Array;
  /** A name, or B. */
  readonly basis: BasisName | { readonly rows: number; readonly data: Float64Array };
  readonly a: number;
  readonly b: number;
  readonly variant: Variant;
  readonly layout: Layout;
  readonly lambdaSmooth: number;
  readonly lambdaVar: number;
}

/** A state dict that leaves nothing to find. */
export function writeCheckpoint(
  of: Checkpoint,
  prefix: string,
): Record<string, { shape: number[]; data: Float32Array | Float64Array }> {
  const d = of.dimension;
  const index = (list: readonly string[], name: string) => ({ shape: [1], data: Float32Array.of(list.indexOf(name)) });
  return {
    [`${prefix}thetas`]: { shape: [of.channels, d], data: of.thetas },
    [`${prefix}precision_mat`]: { shape: [d, d], data: of.precision },
    [prefix + ADDED.interval]: { shape: [2], data: Float64Array.of(of.a, of.b) },
    [prefix + ADDED.variant]: index(VARIANTS, of.variant),
    ...(typeof of.basis === 'string'
      ? { [prefix + ADDED.basisName]: index(BASIS_NAMES, of.basis) }
      : { [prefix + ADDED.basis]: { shape: [of.basis.rows, d], data: of.basis.data } }),
    [prefix + ADDED.lambda]: { shape: [2], data: Float64Array.of(of.lambdaSmooth, of.lambdaVar) },
    [prefix + ADDED.layout]: index(LAYOUTS, of.layout),
  };
}

const has = (tensors: StateDict, name: string): boolean => Object.hasOwn(tensors, name);

/** As many prefixes as an error message names. */
const MOST_NAMED = 8;

function tensorNamed(tensors: StateDict, name: string, rank: number): Tensor {
  const tensor: Tensor | null | undefined = has(tensors, name) ? tensors[name] : undefined;
  if (tensor === undefined) {
    const near = Object.keys(tensors).filter((each) => each.endsWith('thetas'));
    const named = near.slice(0, MOST_NAMED).map((each) => `prefix '${each.slice(0, -6)}'`);
    const more = near.length > MOST_NAMED ? `, and ${near.length - MOST_NAMED} more` : '';
    const hint = near.length > 0 ? `; activations here: ${named.join(', ')}${more}` : '';
    throw new RangeError(`the state dict has no tensor '${name}'${hint}`);
  }
  if (typeof tensor !== 'object' || tensor === null)
    throw new TypeError(`${name} must be { shape, data }, got ${describe(tensor)}`);
  const { shape, data } = tensor;
  if (!Array.isArray(shape) || shape.length !== rank || !shape.every((each) => Number.isSafeInteger(each) && each >= 0))
    throw new RangeError(
      `${name} must have ${rank} axes, got shape ${Array.isArray(shape) ? `[${shape.slice(0, 8).join(', ')}]` : describe(shape)}`,
    );
  const size = shape.reduce((product: number, each: number) => product * each, 1);
  if (!(isView(data, 'Float32Array') || isView(data, 'Float64Array')) || data.length !== size) {
    throw new TypeError(
      `${name}.data must be a Float32Array or Float64Array of ${size} numbers, got ${describe(data)}`,
    );
  }
  for (const value of data)
    if (!Number.isFinite(value)) throw new RangeError(`${name} holds ${value}; every entry must be finite`);
  return tensor;
}

interface Added {
  basis?: Basis;
  interval?: readonly [number, number];
  variant?: Variant;
  lambda?: { lambdaSmooth: number; lambdaVar: number };
  layout?: Layout;
}

function readAdded(tensors: StateDict, prefix: string, d: number): Added {
  const added: Added = {};
  const numbers = (key: keyof typeof ADDED, count: number, what: string): number[] | undefined => {
    const name = prefix + ADDED[key];
    if (!has(tensors, name)) return undefined;
    const { data } = tensorNamed(tensors, name, 1);
    if (data.length !== count) throw new RangeError(`${name} must hold ${what}, got ${data.length} numbers`);
    return [...data];
  };
  const oneOf = <T extends string>(key: keyof typeof ADDED, list: readonly T[]): T | undefined => {
    const [index] = numbers(key, 1, 'one index') ?? [];
    if (index === undefined) return undefined;
    const found = list[index];
    if (found === undefined)
      throw new RangeError(`${prefix}${ADDED[key]} must be an index into ${list.join(', ')}, got ${index}`);
    return found;
  };
  if (has(tensors, prefix + ADDED.basis)) {
    const { shape, data } = tensorNamed(tensors, prefix + ADDED.basis, 2);
    const [rows, columns] = shape as [number, number];
    if (rows < 2 || rows > MOST_ROWS || rows % 2 === 1 || columns !== d)
      throw new RangeError(
        `${prefix}${ADDED.basis} must have 2 rows a cell, at most ${MOST_ROWS}, and ${d} columns as thetas has, got shape [${shape.join(', ')}]`,
      );
    added.basis = { rows, columns, data: new Float64Array(data) };
  }
  const interval = numbers('interval', 2, 'a and b');
  if (interval) added.interval = [interval[0]!, interval[1]!];
  const variant = oneOf('variant', VARIANTS);
  if (variant) added.variant = variant;
  const basisName = oneOf('basisName', BASIS_NAMES);
  if (basisName) added.basis ??= basisName;
  const lambda = numbers('lambda', 2, 'lambdaSmooth and lambdaVar');
  if (lambda) added.lambda = { lambdaSmooth: lambda[0]!, lambdaVar: lambda[1]! };
  const layout = oneOf('layout', LAYOUTS);
  if (layout) added.layout = layout;
  return added;
}

/** Rows of a matrix that is given; undefined for a name. */
function rowsOf(basis: Basis | undefined): number | undefined {
  if (typeof basis !== 'object' || basis === null) return undefined;
  return 'rows' in basis ? basis.rows : basis.length;
}
