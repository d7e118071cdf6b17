import { BASIS_NAMES, type Basis, basis, type Matrix, qrCandidates, toRows } from '../cpab/basis.js';
import { precisionMatrix } from '../cpab/prior.js';
import { expectFinite } from '../errors.js';

/**
 * PyTorch stores P = (BᵀCB + εI)⁻¹ but not B, and B depends on the LAPACK that made it (golden/README, "The qr basis is
 * not portable"). Every candidate for B gives its own P; the one that fits is the one.
 */

/** What is looked for. */
export interface Sought {
  /** P, [d][d]. */
  readonly data: Float32Array | Float64Array;
  /** Its tensor's name. */
  readonly name: string;
  readonly cells: number;
  readonly zeroBoundary: boolean;
}

/** Those λ that are known. */
export interface KnownLambda {
  readonly lambdaSmooth?: number;
  readonly lambdaVar?: number;
}

export interface Lambda {
  readonly lambdaSmooth: number;
  readonly lambdaVar: number;
}

/** A candidate fits if it reproduces the precision matrix to this share of its largest entry; wrong ones miss by > 10⁻². */
const FIT = 1e-3;
/** Rounding of P to float32, and what it does to λ. */
const SAME = 1e-5;
/** Computing a precision matrix takes O(N³): beyond this it is neither searched nor checked. */
const MOST_CELLS = 256;
/** Sign variants of a qr basis that are tried; few where each takes a while. */
const MOST_VARIANTS = 64;
const FEW_VARIANTS = 8;
const LARGE_TESSELLATION = 24;
/**
 * Multiplications that a search takes at most for each entry of P, about 40 µs: a second for the 65,025 entries of 256 cells. What is
 * left to try then is not tried.
 */
const MOST_WORK = 2 ** 15;

const DEFAULT: Lambda = { lambdaSmooth: 5, lambdaVar: 2 };

interface Candidate {
  readonly name: string;
  readonly matrix: Matrix;
}

interface Fit extends Lambda {
  readonly misfit: number;
}

/** Measures candidates against P, as long as there is work left to spend. */
class Measure {
  /** How far a candidate may be off, as a share of P's largest entry. */
  readonly tolerance: number;
  /** Of two that miss by less than this, or not by ten times as much, none is preferred. */
  readonly indistinct: number;
  readonly #given: Float32Array | Float64Array;
  readonly #largest: number;
  #left: number;

  constructor({ data, cells }: Sought, d: number) {
    this.#given = data;
    this.#left = MOST_WORK * Math.max(d * d, cells);
    this.#largest = largestOf(data);
    // Half precisions keep 8 or 11 bits of every entry.
    const rounding = haveZeros(data, 16) ? 2 ** -8 : haveZeros(data, 13) ? 2 ** -11 : 0;
    this.tolerance = FIT + rounding;
    this.indistinct = SAME + rounding;
  }

  /** Whether so much work is left; if so, it is spent. */
  spend(work: number): boolean {
    if (work > this.#left) return false;
    this.#left -= work;
    return true;
  }

  at(matrix: Matrix, lambdaSmooth: number, lambdaVar: number): Fit {
    const computed = this.#precision(matrix, lambdaSmooth, lambdaVar);
    return { misfit: computed ? this.#distance(computed, 1) : Number.POSITIVE_INFINITY, lambdaSmooth, lambdaVar };
  }

  /** With the λ_var that fits best: P is proportional to 1/λ_var², up to the tiny ε. */
  scaled(matrix: Matrix, lambdaSmooth: number): Fit {
    const unit = this.#precision(matrix, lambdaSmooth, 1);
    let dot = 0;
    let square = 0;
    if (unit) {
      for (let i = 0; i < unit.length; i++) {
        dot += unit[i]! * this.#given[i]!;
        square += unit[i]! ** 2;
      }
    }
    if (!unit || !(dot > 0)) return { misfit: Number.POSITIVE_INFINITY, lambdaSmooth, lambdaVar: 1 };
    const lambdaVar = Math.sqrt(square / dot);
    return { misfit: this.#distance(unit, dot / square), lambdaSmooth, lambdaVar };
  }

  #precision(matrix: Matrix, lambdaSmooth: number, lambdaVar: number): Float64Array | undefined {
    const d = matrix.columns;
    if (!this.spend(3 * d ** 3 + 4 * matrix.rows * d)) return undefined;
    return precisionMatrix(matrix, lambdaSmooth, lambdaVar).data;
  }

  #distance(computed: Float64Array, scale: number): number {
    let difference = 0;
    for (let i = 0; i < computed.length; i++)
      difference = Math.max(difference, Math.abs(this.#given[i]! - scale * computed[i]!));
    return computed.length === 0 ? 0 : difference / this.#largest;
  }
}

/** Whether the last bits of all numbers, as float32, are zero. */
function haveZeros(data: Float32Array | Float64Array, bits: number): boolean {
  return new Int32Array(Float32Array.from(data).buffer).every((word) => (word & (2 ** bits - 1)) === 0);
}

function largestOf(data: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(data[i]!));
  return most;
}

/** The λ that go with a basis which is known. @throws {RangeError} if there are none: then it is not the basis of this checkpoint. */
export function checkBasis(sought: Sought, given: Basis, known: KnownLambda): Lambda {
  expectLambda(known);
  if (sought.cells > MOST_CELLS) return { ...DEFAULT, ...known };
  const matrix = basis(sought.cells, { basis: given, zeroBoundary: sought.zeroBoundary });
  if (matrix.columns ** 2 !== sought.data.length)
    throw new RangeError(
      `the given basis has ${matrix.columns} columns, ${sought.name} has ${sought.data.length} entries`,
    );
  const measure = new Measure(sought, matrix.columns);
  const fit = searchLambda(measure, matrix, known);
  if (fit.misfit > measure.tolerance) {
    throw new RangeError(
      `the given basis does not reproduce ${sought.name}: off by ${fit.misfit.toExponential(1)} of the largest entry ` +
        `(at most ${measure.tolerance.toExponential(1)} would be a match)`,
    );
  }
  return { lambdaSmooth: fit.lambdaSmooth, lambdaVar: fit.lambdaVar };
}

/**
 * The basis whose precision matrix is the given one, and its λ. Takes at most 2¹⁵ multiplications for each of its entries: no time out of
 * proportion to a file's size.
 *
 * @throws {RangeError} if there is none among those that are known by name and the sign variants of qr, or there are several.
 */
export function findBasis(sought: Sought, known: KnownLambda): Lambda & { basis: Basis } {
  expectLambda(known);
  const { cells, name, zeroBoundary } = sought;
  if (cells > MOST_CELLS)
    throw new RangeError(`the basis is only searched for up to tess ${MOST_CELLS}, got ${cells}; pass { basis: B }`);
  const measure = new Measure(sought, zeroBoundary ? cells - 1 : cells + 1);
  const found = candidates(sought, measure);
  let tried: (Candidate & Fit)[] = [];
  const { lambdaSmooth, lambdaVar } = { ...DEFAULT, ...known };
  const isKnown = known.lambdaSmooth !== undefined && known.lambdaVar !== undefined;
  // Most checkpoints have the default λ, most others only another λ_var.
  for (const fit of [
    ({ matrix }: Candidate) => measure.at(matrix, lambdaSmooth, lambdaVar),
    ({ matrix }: Candidate) => snap(measure, matrix, measure.scaled(matrix, lambdaSmooth), known),
    ({ matrix }: Candidate) => searchLambda(measure, matrix, known),
  ]) {
    tried = [...tried, ...found.map((each) => ({ ...each, ...fit(each) }))];
    if (isKnown || tried.some(({ misfit }) => misfit <= measure.tolerance)) break;
  }
  tried.sort((p, q) => p.misfit - q.misfit);
  const [best, ...rest] = tried;
  const { matrix, misfit } = best!;
  if (!(misfit <= measure.tolerance)) {
    throw new RangeError(
      `no known basis reproduces ${name}: of ${found.length} candidates for tess ${cells} the nearest is '${best!.name}', off by ` +
        `${misfit.toExponential(1)} of the largest entry (at most ${measure.tolerance.toExponential(1)} would be a match). ` +
        'Pass { basis: B }, or export the checkpoint with examples/export_checkpoint.py',
    );
  }
  const second = rest.find(
    (each) =>
      each.misfit <= measure.tolerance &&
      each.misfit < Math.max(10 * misfit, measure.indistinct) &&
      !isSame(each.matrix, matrix),
  );
  if (second)
    throw new RangeError(`${name} fits both '${best!.name}' and '${second.name}'; pass { basis } to say which`);
  return {
    basis: BASIS_NAMES.find((each) => each === best!.name) ?? toRows(matrix),
    lambdaSmooth: best!.lambdaSmooth,
    lambdaVar: best!.lambdaVar,
  };
}

function expectLambda(known: KnownLambda): void {
  for (const [name, value] of Object.entries(known)) expectFinite(name, value);
}

/** The likeliest first, no two of them equal. Of names for one matrix the first counts. */
function candidates({ cells, zeroBoundary }: Sought, measure: Measure): Candidate[] {
  const found: Candidate[] = [];
  const add = (name: string, matrix: Matrix) => {
    if (found.every((each) => !isSame(each.matrix, matrix))) found.push({ name, matrix });
  };
  // A pivoted QR takes about 6·N³, and not more than a third of the work is for making candidates.
  const work = 6 * cells ** 3;
  const affordable = Math.floor((MOST_WORK * cells ** 2) / 3 / work) - 1;
  const variants = Math.min(cells > LARGE_TESSELLATION ? FEW_VARIANTS : MOST_VARIANTS, affordable);
  measure.spend((variants + 1) * work);
  const [qr, ...signed] = qrCandidates(cells, zeroBoundary, variants);
  add('qr', qr!);
  for (const name of ['rref', 'sparse', 'qr-netlib'] as const) add(name, basis(cells, { basis: name, zeroBoundary }));
  for (const [i, matrix] of signed.entries()) add(`qr, sign variant ${i + 1}`, matrix);
  add('svd', basis(cells, { basis: 'svd', zeroBoundary }));
  return found;
}

/** Whether two bases are one, but for rounding. */
function isSame(p: Matrix, q: Matrix): boolean {
  return p.data.length === q.data.length && p.data.every((value, i) => Math.abs(value - q.data[i]!) <= 1e-9);
}

/** Whole and half numbers rather than what a search finds, if they fit as well: that is what people write. */
function snap(measure: Measure, matrix: Matrix, fit: Fit, known: KnownLambda): Fit {
  const lambdaSmooth = known.lambdaSmooth ?? (Math.round(fit.lambdaSmooth * 2) / 2 || fit.lambdaSmooth);
  const lambdaVar = known.lambdaVar ?? (Math.round(fit.lambdaVar * 100) / 100 || fit.lambdaVar);
  if (!(fit.misfit <= 100 * FIT)) return fit;
  const snapped = measure.at(matrix, lambdaSmooth, lambdaVar);
  const isAsGood = snapped.misfit <= Math.max(2 * fit.misfit, measure.indistinct);
  return isAsGood || known.lambdaVar !== undefined ? snapped : fit;
}

/** The λ with which a basis comes nearest to P: the known ones, the defaults, or the best that a search finds. */
function searchLambda(measure: Measure, matrix: Matrix, known: KnownLambda): Fit {
  const usual = measure.at(matrix, known.lambdaSmooth ?? DEFAULT.lambdaSmooth, known.lambdaVar ?? DEFAULT.lambdaVar);
  if (usual.misfit <= measure.tolerance) return usual;
  if (known.lambdaSmooth !== undefined && known.lambdaVar !== undefined) return usual;
  // λ_var follows from λ_smooth, and only that needs a search.
  let best = usual;
  const at = (lambdaSmooth: number): Fit => {
    const fit =
      known.lambdaVar === undefined
        ? measure.scaled(matrix, lambdaSmooth)
        : measure.at(matrix, lambdaSmooth, known.lambdaVar);
    if (fit.misfit < best.misfit) best = fit;
    return fit;
  };
  if (known.lambdaSmooth !== undefined) return snap(measure, matrix, at(known.lambdaSmooth), known);
  for (const each of [5, 0.2, 0.35, 0.5, 0.7, 1, 1.5, 2, 3, 4, 6, 8, 10, 20, 50, 100]) {
    at(each);
    if (best.misfit < SAME) break;
  }
  best = snap(measure, matrix, best, known);
  if (best.misfit <= measure.tolerance) return best;
  let low = Math.log(best.lambdaSmooth / 2);
  let high = Math.log(best.lambdaSmooth * 2);
  for (let step = 0; step < 16; step++) {
    const third = (high - low) / 3;
    if (at(Math.exp(low + third)).misfit < at(Math.exp(high - third)).misfit) high -= third;
    else low += third;
  }
  return snap(measure, matrix, best, known);
}
