import {
  describe,
  expectFinite,
  expectHolder,
  expectInteger,
  expectIntegerKind,
  expectNumber,
  expectOneOf,
  expectOptions,
  expectRecord,
  isView,
  type OptionTable,
} from '../errors.js';

/** What can grow: DiTAC, families with `refine`, KAN layers. */
export interface Refinable {
  readonly parameters?: Readonly<Record<string, Float32Array>>;
  /** DiTAC's only parameter. */
  readonly thetas?: Float32Array;
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
  readonly channels?: number;
  refine(factor?: number): Refinable;
  /** Takes parameters by their names. */
  update(parameters: never): void;
}

/** Numbers that an optimiser keeps for each parameter, by its name: as long as the parameter. */
export type OptimizerState = Readonly<Record<string, ArrayLike<number>>>;

export interface ProgressionOptions {
  /** Observations without improvement after which to refine, 1 to 10⁶. Default 5. */
  patience?: number;
  /** What counts as improvement: a loss less than the best by this share of it, 0 to 1. Default 0.01. */
  threshold?: number;
  /** How many times as fine, 2 to 64. Default 2. */
  factor?: number;
  /** How many times to refine, 0 to 16. Default 2. */
  refinements?: number;
}

export const PROGRESSION_OPTIONS = {
  patience: expectIntegerKind,
  threshold: expectNumber,
  factor: expectIntegerKind,
  refinements: expectIntegerKind,
} satisfies OptionTable<ProgressionOptions>;

/**
 * Training that begins with few parameters and adds more when it stalls: multi-resolution, as splines and wavelets are fitted. `observe` is told the validation
 * loss now and then, and says when to refine; `refine` gives the same function with more parameters, and the optimiser's state for it.
 */
export class Progression {
  readonly patience: number;
  readonly threshold: number;
  readonly factor: number;
  #left: number;
  #best = Number.POSITIVE_INFINITY;
  #waited = 0;

  constructor(options: ProgressionOptions = {}) {
    expectOptions('Progression', options, PROGRESSION_OPTIONS);
    this.patience = expectInteger('patience', options.patience ?? 5, 1, 1e6);
    this.threshold = expectFinite('threshold', options.threshold ?? 0.01);
    if (!(this.threshold >= 0 && this.threshold <= 1))
      throw new RangeError(`threshold must be from 0 to 1, got ${this.threshold}`);
    this.factor = expectInteger('factor', options.factor ?? 2, 2, 64);
    this.#left = expectInteger('refinements', options.refinements ?? 2, 0, 16);
  }

  /** How many refinements are left. */
  get left(): number {
    return this.#left;
  }

  /**
   * Takes a validation loss and says whether it is time to refine; waiting begins anew then.
   * @throws {TypeError|RangeError} if it is no finite number: growing mends no training that has failed.
   */
  observe(loss: number): boolean {
    expectFinite('loss', loss);
    if (loss < this.#best - this.threshold * Math.abs(this.#best) || this.#best === Number.POSITIVE_INFINITY) {
      this.#best = loss;
      this.#waited = 0;
      return false;
    }
    this.#waited += 1;
    if (this.#waited < this.patience || this.#left === 0) return false;
    this.#waited = 0;
    this.#left -= 1;
    return true;
  }

  /**
   * The activation refined, and an optimiser's state for it.
   * @param state `first`: averages of gradients (Adam's m, momentum); `second`: of their squares (Adam's v).
   * @throws {TypeError|RangeError} as the activation's `refine`; or if state does not fit.
   */
  refine<A extends Refinable>(
    activation: A,
    state: { readonly first?: OptimizerState; readonly second?: OptimizerState } = {},
  ): { activation: A; first: Record<string, Float32Array>; second: Record<string, Float32Array> } {
    expectOptions<typeof state>('Progression.refine', state, { first: expectRecord, second: expectRecord });
    for (const of of [state.first, state.second]) expectState(of, activation);
    const { refined, carry } = refineWith(activation, this.factor);
    const all = (of: OptimizerState | undefined, power: 1 | 2) =>
      Object.fromEntries(Object.keys(parametersOf(refined)).map((name) => [name, carry(name, of?.[name], power)]));
    return { activation: refined, first: all(state.first, 1), second: all(state.second, 2) };
  }
}

/** @throws {TypeError|RangeError} if a name is no parameter's, or what it has are no numbers. */
function expectState(state: OptimizerState | undefined, activation: Refinable): void {
  if (state === undefined || typeof activation?.refine !== 'function') return;
  const names = Object.keys(parametersOf(activation));
  for (const [name, numbers] of Object.entries<unknown>(state)) {
    expectOneOf('a parameter', name, names);
    if (numbers === undefined) continue;
    if (!Array.isArray(numbers) && !isView(numbers, 'Float32Array') && !isView(numbers, 'Float64Array'))
      throw new TypeError(`the state of ${name} must be an array of numbers, got ${describe(numbers)}`);
    for (const each of numbers as ArrayLike<unknown> & Iterable<unknown>) expectFinite(`the state of ${name}`, each);
  }
}

export function parametersOf(act: Refinable): Readonly<Record<string, Float32Array>> {
  return act.thetas ? { thetas: act.thetas } : act.parameters!;
}

/** Entries of a refinement's matrix nearer to 0 or 1 than float32's rounding of parameters can tell. */
const NOTHING = 2 ** -12;

/**
 * An activation refined, and what moves an optimiser's state along: `carry(name, state, power)`.
 *
 * Refined parameters are q = R·p, so ∂L/∂p = Rᵀ·∂L/∂q. What averages say of directions that existed is kept, and nothing is said of new ones:
 * m′ = P·m and v′ = (P∘P)·v with P = R·(RᵀR)⁻¹, for which RᵀP = 1; where parameters keep their places, so do their averages. R is found by refining neighbours
 * of the parameters, a column for each.
 */
export function refineWith<A extends Refinable>(
  activation: A,
  factor: number,
): { refined: A; carry(name: string, state: ArrayLike<number> | undefined, power: 1 | 2): Float32Array } {
  if (typeof activation?.refine !== 'function')
    throw new TypeError(`activation must be one that can be refined, got ${describe(activation)}`);
  const refined = activation.refine(factor) as A;
  const before = parametersOf(activation);
  const after = parametersOf(refined);
  const projections = new Map<string, Float64Array[] | undefined>();
  const projectionsOf = (name: string): Float64Array[] | undefined => {
    if (!projections.has(name)) projections.set(name, projectionOf(activation, name, factor, after[name]));
    return projections.get(name);
  };
  return {
    refined,
    carry(name, state, power) {
      const [old, length] = [before[name], after[name]!.length];
      const moved = new Float32Array(length);
      if (state === undefined || !old) return moved;
      if (state.length !== old.length)
        throw new RangeError(`the state of ${name} must hold ${old.length} numbers, got ${state.length}`);
      const matrices = projectionsOf(name);
      if (!matrices) return moved;
      const functions = matrices.length;
      const [n, d] = [length / functions, old.length / functions];
      matrices.forEach((matrix, f) => {
        for (let i = 0; i < n; i++) {
          let sum = 0;
          for (let j = 0; j < d; j++) sum += matrix[i * d + j]! ** power * state[f * d + j]!;
          moved[f * n + i] = sum;
        }
      });
      return moved;
    },
  };
}

/** P of every function, [n][d]; undefined if there is none: a parameter that is new, or whose neighbours make no sense. */
function projectionOf(
  activation: Refinable,
  name: string,
  factor: number,
  after: Float32Array | undefined,
): Float64Array[] | undefined {
  const before = parametersOf(activation);
  const old = before[name];
  if (!old || !after || old.length === 0) return undefined;
  const shape = activation.shapes?.[name];
  // All axes but the last are functions; DiTAC's are its channels.
  const functions = shape ? (shape.length < 2 ? old.length : old.length / shape.at(-1)!) : (activation.channels ?? 1);
  const [n, d] = [after.length / functions, old.length / functions];
  if (!Number.isInteger(n)) return undefined;
  const matrices = Array.from({ length: functions }, () => new Float64Array(n * d));
  try {
    for (let j = 0; j < d; j++) {
      const moved = old.map((v, at) => (at % d === j ? Math.fround(v + 2 ** -8 * Math.max(1, Math.abs(v))) : v));
      activation.update({ [name]: moved } as never);
      const column = parametersOf(activation.refine(factor))[name]!;
      if (column.length !== after.length) return undefined;
      matrices.forEach((matrix, f) => {
        const step = moved[f * d + j]! - old[f * d + j]!;
        for (let i = 0; i < n; i++) {
          const entry = (column[f * n + i]! - after[f * n + i]!) / step;
          matrix[i * d + j] = Math.abs(entry) < NOTHING ? 0 : Math.abs(entry - 1) < NOTHING ? 1 : entry;
        }
      });
    }
  } catch {
    // Values beside these are refused: nothing is known of directions, and averages begin anew.
    return undefined;
  } finally {
    activation.update({ [name]: old } as never);
  }
  const found = matrices.map((matrix) => pseudoInverse(matrix, n, d));
  return found.every((each) => each !== undefined) ? (found as Float64Array[]) : undefined;
}

/** R·(RᵀR)⁻¹ by elimination; undefined if R has not full rank. */
function pseudoInverse(matrix: Float64Array, n: number, d: number): Float64Array | undefined {
  // [RᵀR | Rᵀ], reduced to [1 | (RᵀR)⁻¹Rᵀ].
  const width = d + n;
  const system = new Float64Array(d * width);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++)
      for (let k = 0; k < n; k++) system[i * width + j]! += matrix[k * d + i]! * matrix[k * d + j]!;
    for (let k = 0; k < n; k++) system[i * width + d + k] = matrix[k * d + i]!;
  }
  for (let pivot = 0; pivot < d; pivot++) {
    const scale = system[pivot * width + pivot]!;
    // Positive definite: no rows need to change places.
    if (!(scale > 1e-6)) return undefined;
    for (let k = 0; k < width; k++) system[pivot * width + k]! /= scale;
    for (let row = 0; row < d; row++) {
      const share = row === pivot ? 0 : system[row * width + pivot]!;
      if (share === 0) continue;
      for (let k = 0; k < width; k++) system[row * width + k]! -= share * system[pivot * width + k]!;
    }
  }
  const found = new Float64Array(n * d);
  for (let k = 0; k < n; k++) for (let i = 0; i < d; i++) found[k * d + i] = system[i * width + d + k]!;
  return found;
}

/** Whether something can be refined at all: whether its family says how. */
export function isRefinable(activation: { readonly family?: { refine?: unknown } }): boolean {
  expectHolder('an activation', activation);
  return activation.family === undefined || typeof activation.family.refine === 'function';
}
