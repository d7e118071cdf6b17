import { type Basis, basis, type Matrix, qrCandidates, toRows } from '../cpab/basis.js';
import { precisionMatrix } from '../cpab/prior.js';
import { describe, expectFinite, isView } from '../errors.js';
import type { StateDict, Tensor } from '../io/tensor.js';
import type { DiTACOptions } from './ditac.js';
import { VARIANTS, type Variant } from './variants.js';

/**
 * What `examples/export_checkpoint.py` adds to a state dict, per activation, so that nothing has to be guessed:
 * `<prefix>ditac.basis` [2N][d], `<prefix>ditac.interval` [a, b], `<prefix>ditac.variant` [index into VARIANTS].
 */
const ADDED = 'ditac.';

/** A candidate fits if it reproduces the precision matrix to this share of its largest entry; wrong ones miss by > 10⁻². */
const FIT = 1e-3;

type Options = Omit<DiTACOptions, 'thetas' | 'seed'> & { prefix?: string };

/** The activation that a state dict describes, as constructor options. */
export function readCheckpoint(tensors: StateDict, chosen: Options): DiTACOptions {
  if (typeof tensors !== 'object' || tensors === null)
    throw new TypeError(`tensors must be an object, got ${describe(tensors)}`);
  if (typeof chosen !== 'object' || chosen === null)
    throw new TypeError(`options must be an object, got ${describe(chosen)}`);
  const { prefix = '', ...options } = chosen;
  if (typeof prefix !== 'string') throw new TypeError(`prefix must be a string, got ${describe(prefix)}`);
  const thetas = tensorNamed(tensors, `${prefix}thetas`, 2);
  const [channels, d] = thetas.shape as [number, number];
  const precision = tensorNamed(tensors, `${prefix}precision_mat`, 2);
  if (precision.shape[0] !== d || precision.shape[1] !== d) {
    throw new RangeError(
      `${prefix}precision_mat must have shape [${d}, ${d}] to go with thetas [${channels}, ${d}], got [${precision.shape.join(', ')}]`,
    );
  }

  const added = addedTensors(tensors, prefix);
  const variant = options.variant ?? added.variant ?? 'gelu';
  const zeroBoundary = variant !== 'inf';
  const given = options.basis ?? added.basis;
  const cells = options.tess ?? (added.basis ? added.basis.length / 2 : zeroBoundary ? d + 1 : d - 1);
  const merged: DiTACOptions = { ...options, variant, tess: cells, thetas: thetas.data };
  if (added.interval && options.a === undefined) merged.a = added.interval[0];
  if (added.interval && options.b === undefined) merged.b = added.interval[1];
  if (given === undefined) Object.assign(merged, findBasis(precision.data, cells, zeroBoundary, d, prefix, options));
  else Object.assign(merged, { basis: given }, checkBasis(precision.data, given, cells, zeroBoundary, prefix, options));
  return { ...merged, precisionMatrix: Float32Array.from(precision.data) };
}

function tensorNamed(tensors: StateDict, name: string, rank: number): Tensor {
  const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  if (tensor === undefined) {
    const near = Object.keys(tensors).filter((each) => each.endsWith('thetas'));
    const hint =
      near.length > 0 ? `; activations here: ${near.map((each) => `prefix '${each.slice(0, -6)}'`).join(', ')}` : '';
    throw new RangeError(`the state dict has no tensor '${name}'${hint}`);
  }
  if (!Array.isArray(tensor.shape) || tensor.shape.length !== rank) {
    throw new RangeError(`${name} must have ${rank} axes, got shape ${describe(tensor.shape)}`);
  }
  const size = tensor.shape.reduce((product: number, each: number) => product * each, 1);
  if (!(isView(tensor.data, 'Float32Array') || isView(tensor.data, 'Float64Array')) || tensor.data.length !== size) {
    throw new TypeError(
      `${name}.data must be a Float32Array or Float64Array of ${size} numbers, got ${describe(tensor.data)}`,
    );
  }
  for (const value of tensor.data)
    if (!Number.isFinite(value)) throw new RangeError(`${name} holds ${value}; every entry must be finite`);
  return tensor;
}

function addedTensors(
  tensors: StateDict,
  prefix: string,
): { basis?: number[][]; interval?: [number, number]; variant?: Variant } {
  const added: { basis?: number[][]; interval?: [number, number]; variant?: Variant } = {};
  const has = (name: string) => Object.hasOwn(tensors, prefix + ADDED + name);
  if (has('basis')) {
    const { shape, data } = tensorNamed(tensors, `${prefix}${ADDED}basis`, 2);
    const [rows, columns] = shape as [number, number];
    added.basis = Array.from({ length: rows }, (_, r) => Array.from(data.subarray(r * columns, (r + 1) * columns)));
  }
  if (has('interval')) {
    const { data } = tensorNamed(tensors, `${prefix}${ADDED}interval`, 1);
    if (data.length !== 2)
      throw new RangeError(`${prefix}${ADDED}interval must hold a and b, got ${data.length} numbers`);
    added.interval = [data[0]!, data[1]!];
  }
  if (has('variant')) {
    const { data } = tensorNamed(tensors, `${prefix}${ADDED}variant`, 1);
    const variant = VARIANTS[data[0]!];
    if (variant === undefined)
      throw new RangeError(`${prefix}${ADDED}variant must be an index into ${VARIANTS.join(', ')}, got ${data[0]}`);
    added.variant = variant;
  }
  return added;
}

/** The λ that go with a basis which is known. @throws {RangeError} if there are none: then it is not the basis of this checkpoint. */
function checkBasis(
  precision: ArrayLike<number>,
  given: Basis,
  cells: number,
  zeroBoundary: boolean,
  prefix: string,
  options: Options,
): { lambdaSmooth: number; lambdaVar: number } {
  if (cells > MOST_TESSELLATION) return { lambdaSmooth: options.lambdaSmooth ?? 5, lambdaVar: options.lambdaVar ?? 2 };
  const fit = fitLambdas(precision, basis(cells, { basis: given, zeroBoundary }), options);
  if (fit.misfit > FIT) {
    throw new RangeError(
      `the given basis does not reproduce ${prefix}precision_mat: off by ${fit.misfit.toExponential(1)} of the largest entry ` +
        `(at most ${FIT} would be a match)`,
    );
  }
  return { lambdaSmooth: fit.lambdaSmooth, lambdaVar: fit.lambdaVar };
}

/** Searching λ for this many candidates is enough where each takes a while. */
const MOST_CANDIDATES = 8;
const LARGE_TESSELLATION = 24;
/** Computing a precision matrix takes O(N³): beyond this it is neither searched nor checked. */
const MOST_TESSELLATION = 256;

/**
 * PyTorch stores P = (BᵀCB + εI)⁻¹ but not B, and B depends on the LAPACK that made it (golden/README, "The qr basis is
 * not portable"). Every candidate for B gives its own P; the one that fits is the one.
 */
function findBasis(
  precision: ArrayLike<number>,
  cells: number,
  zeroBoundary: boolean,
  d: number,
  prefix: string,
  options: Options,
): { basis: Basis; lambdaSmooth: number; lambdaVar: number } {
  const size = zeroBoundary ? cells - 1 : cells + 1;
  if (size !== d) throw new RangeError(`tess ${cells} has ${size} parameters, but ${prefix}thetas has ${d}`);
  if (cells > MOST_TESSELLATION)
    throw new RangeError(
      `the basis is only searched for up to tess ${MOST_TESSELLATION}, got ${cells}; pass { basis: B }`,
    );
  const named: { name: string; matrix: Matrix }[] = qrCandidates(
    cells,
    zeroBoundary,
    cells > LARGE_TESSELLATION ? MOST_CANDIDATES : 64,
  ).map((matrix, i) => ({
    name: i === 0 ? 'qr' : `qr, sign variant ${i}`,
    matrix,
  }));
  for (const name of ['rref', 'sparse'] as const)
    named.push({ name, matrix: basis(cells, { basis: name, zeroBoundary }) });
  const tryAll = (fit: (matrix: Matrix) => Fit) => named.map(({ name, matrix }) => ({ name, matrix, ...fit(matrix) }));
  // Most checkpoints have the default λ: no need to search for others.
  let tried = tryAll((matrix) => fitAt(precision, matrix, options.lambdaSmooth ?? 5, options.lambdaVar ?? 2));
  if (tried.every(({ misfit }) => misfit > FIT)) tried = tryAll((matrix) => fitLambdas(precision, matrix, options));
  tried.sort((p, q) => p.misfit - q.misfit);
  const [best, second] = tried;
  if (best!.misfit > FIT) {
    throw new RangeError(
      `no known basis reproduces ${prefix}precision_mat: of ${tried.length} candidates for tess ${cells} the nearest is '${best!.name}', off by ` +
        `${best!.misfit.toExponential(1)} of the largest entry (at most ${FIT} would be a match). Pass { basis: B }, or export the checkpoint with examples/export_checkpoint.py`,
    );
  }
  if (second && second.misfit < 10 * best!.misfit && second.misfit <= FIT) {
    throw new RangeError(
      `${prefix}precision_mat fits both '${best!.name}' and '${second.name}'; pass { basis } to say which`,
    );
  }
  const { matrix, lambdaSmooth, lambdaVar, name } = best!;
  return {
    basis: name === 'qr' || name === 'rref' || name === 'sparse' ? name : toRows(matrix),
    lambdaSmooth,
    lambdaVar,
  };
}

interface Fit {
  misfit: number;
  lambdaSmooth: number;
  lambdaVar: number;
}

function fitAt(precision: ArrayLike<number>, matrix: Matrix, lambdaSmooth: number, lambdaVar: number): Fit {
  return { misfit: misfit(precision, precisionMatrix(matrix, lambdaSmooth, lambdaVar).data), lambdaSmooth, lambdaVar };
}

/** The λ with which a basis comes nearest to P: the given ones, the defaults, or the best that a search finds. */
function fitLambdas(precision: ArrayLike<number>, matrix: Matrix, options: Options): Fit {
  const at = (lambdaSmooth: number, lambdaVar: number) => fitAt(precision, matrix, lambdaSmooth, lambdaVar);
  if (options.lambdaSmooth !== undefined && options.lambdaVar !== undefined) {
    return at(expectFinite('lambdaSmooth', options.lambdaSmooth), expectFinite('lambdaVar', options.lambdaVar));
  }
  const usual = at(5, 2);
  if (usual.misfit <= FIT) return usual;
  // P is proportional to 1/λ_var², up to the tiny ε, so only λ_smooth needs a search: by golden section on its logarithm.
  const scaled = (lambdaSmooth: number): Fit => {
    const unit = precisionMatrix(matrix, lambdaSmooth, 1).data;
    let dot = 0;
    let square = 0;
    for (let i = 0; i < unit.length; i++) {
      dot += unit[i]! * precision[i]!;
      square += unit[i]! ** 2;
    }
    return dot > 0 ? at(lambdaSmooth, Math.sqrt(square / dot)) : { ...usual, misfit: 1 };
  };
  let best = usual;
  const grid = [0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 50, 100].map(scaled);
  for (const each of grid) if (each.misfit < best.misfit) best = each;
  // Whole and half numbers first: that is what people write.
  const snapped = at(
    Math.round(best.lambdaSmooth * 2) / 2 || best.lambdaSmooth,
    Math.round(best.lambdaVar * 100) / 100 || best.lambdaVar,
  );
  if (snapped.misfit <= best.misfit * 2) best = snapped;
  if (best.misfit <= FIT) return best;
  let low = Math.log(best.lambdaSmooth / 2);
  let high = Math.log(best.lambdaSmooth * 2);
  for (let step = 0; step < 24; step++) {
    const third = (high - low) / 3;
    const [p, q] = [scaled(Math.exp(low + third)), scaled(Math.exp(high - third))];
    if (p.misfit < q.misfit) high -= third;
    else low += third;
    for (const each of [p, q]) if (each.misfit < best.misfit) best = each;
  }
  return best;
}

/** The largest difference, as a share of P's largest entry. */
function misfit(given: ArrayLike<number>, computed: Float64Array): number {
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < computed.length; i++) {
    difference = Math.max(difference, Math.abs(given[i]! - computed[i]!));
    largest = Math.max(largest, Math.abs(given[i]!));
  }
  return difference / largest;
}
