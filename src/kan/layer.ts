import { type BackwardOptions, GradientSum, type Gradients } from '../activations/backward.js';
import { expectBackend } from '../activations/compiled.js';
import { FamilyActivation } from '../activations/family-activation.js';
import type { Backend, DeviceBackend, HostBackend } from '../backends/backend.js';
import { defaultBackend } from '../backends/host.js';
import { uniformStream } from '../cpab/random.js';
import {
  describe,
  expectArray,
  expectFloat32Array,
  expectHolder,
  expectInteger,
  expectIntegerKind,
  expectOneOf,
  expectOptions,
  expectString,
  inputFor,
  type OptionTable,
  unchecked,
} from '../errors.js';
import { bspline, type SplineConstants } from '../families/spline.js';
import type { StateDict, Tensor } from '../io/tensor.js';
import type { Plan } from '../plan/plan.js';
import { type EdgeParameter, Edges } from './edges.js';
import { basesAt, type Knots, knots, MOST_DEGREE, silu, spanOf } from './knots.js';
import { readLayer, writeLayer } from './state-dict.js';

/** Numbers as they are given: flat, or nested in any way. */
export type Numbers = ArrayLike<number> | readonly Numbers[];

export interface KANLayerOptions {
  inputs: number;
  outputs: number;
  /** Knots of all inputs, or [inputs][knots] nested: as many for each, ascending; taken as float32. Default: `cells` equal ones on `range`, and `degree` beyond each end. */
  grid?: Numbers;
  /** Default 5. */
  cells?: number;
  /** Default [-1, 1]. */
  range?: readonly [number, number];
  /** Default 3, at most 5. */
  degree?: number;
  /** [outputs][inputs]. */
  base_weight?: Numbers;
  /** [outputs][inputs]. */
  spline_scaler?: Numbers;
  /** [outputs][inputs][coefficients]; as many coefficients as knots, less degree + 1. */
  spline_weight?: Numbers;
  /**
   * Draws what is not given, 0 to 2³²-1: base_weight and spline_scaler from ±1/√inputs, as efficient-kan does, and coefficients from ±0.05/cells. The same
   * seed gives the same bits everywhere.
   */
  seed?: number;
}

const OPTIONS = {
  inputs: expectIntegerKind,
  outputs: expectIntegerKind,
  grid: expectArray,
  cells: expectIntegerKind,
  range: expectArray,
  degree: expectIntegerKind,
  base_weight: expectArray,
  spline_scaler: expectArray,
  spline_weight: expectArray,
  seed: expectIntegerKind,
} satisfies OptionTable<KANLayerOptions>;

/** What a backward pass of a layer returns. */
export interface KANGradients {
  /** [n][inputs]. */
  readonly gradX: Float32Array;
  readonly gradients: Readonly<Record<EdgeParameter, Float32Array>>;
}

export interface KANBackwardOptions {
  /** Adds to this sum; gradients of parameters are then those of everything added so far. */
  into?: GradientSum;
}

const BACKWARD_OPTIONS = { into: unchecked } satisfies OptionTable<KANBackwardOptions>;

const MOST_EDGES = 65536;
const MOST_KNOTS = 4096;
/** Results of edges at a time: 1 MB, which stays in the cache; on a device, where calls are dear, 16. */
const PIECE = 2 ** 19;
const DEVICE_PIECE = 2 ** 22;
const LEAST_NORMAL = 2 ** -126;

/**
 * A layer of a Kolmogorov–Arnold network (Liu et al., arXiv 2404.19756), as efficient-kan and pykan have it: yₒ = Σᵢ φₒᵢ(xᵢ), every φₒᵢ a function of
 * the family `bspline`, base_weight·silu(x) + spline_scaler·Σₖ spline_weightₖ·Bₖ(x), on the knots of its input.
 *
 * `forward` evaluates a certified plan for every edge and adds their results in the order of the inputs in float64, rounded once: the same bits on every
 * backend, and off by at most one ULP of each edge's result and half a one of the sum. Plans take milliseconds an edge to compile; while parameters change,
 * `direct` gives the sums without.
 */
export class KANLayer {
  readonly inputs: number;
  readonly outputs: number;
  readonly degree: number;
  readonly #knots: readonly Knots[];
  readonly #edges: Edges;
  readonly #notes: readonly string[];
  /** Coefficients with their scale in float64, [inputs][spans' first coefficient][outputs]. */
  #room = new Float32Array(0);
  #scaled: Float64Array | undefined;

  /** @throws {TypeError|RangeError} if an option has the wrong type, shape or range, or parameters are missing and there is no seed. */
  constructor(options: KANLayerOptions, notes: readonly string[] = []) {
    expectOptions('KANLayer', options, OPTIONS, ['inputs', 'outputs']);
    const { inputs, outputs } = options;
    this.inputs = expectInteger('inputs', inputs, 1, MOST_EDGES);
    this.outputs = expectInteger('outputs', outputs, 1, MOST_EDGES);
    if (inputs * outputs > MOST_EDGES)
      throw new RangeError(`a layer must have at most ${MOST_EDGES} edges, got ${inputs}·${outputs}`);
    this.degree = expectInteger('degree', options.degree ?? 3, 0, MOST_DEGREE);
    this.#knots = readGrids(options, inputs, this.degree);
    const count = this.#knots[0]!.count;
    const edges = inputs * outputs;
    const missing = (['base_weight', 'spline_scaler', 'spline_weight'] as const).filter((key) => !options[key]);
    if (missing.length > 0 && options.seed === undefined)
      throw new TypeError(`KANLayer needs ${missing.join(', ')}, or a seed to draw them, got undefined`);
    const uniform =
      options.seed === undefined ? () => 0.5 : uniformStream(expectInteger('seed', options.seed, 0, 2 ** 32 - 1));
    const drawn = (length: number, bound: number) => Float32Array.from({ length }, () => bound * (2 * uniform() - 1));
    const bound = 1 / Math.sqrt(inputs);
    const cells = Math.max(count - this.degree, 1);
    const read = (key: EdgeParameter, length: number, most: number) =>
      options[key] === undefined ? drawn(length, most) : numbersOf(key, options[key], length);
    this.#edges = new Edges(this.#knots, outputs, {
      base_weight: read('base_weight', edges, bound),
      spline_scaler: read('spline_scaler', edges, bound),
      spline_weight: read('spline_weight', edges * count, 0.05 / cells),
    });
    this.#notes = notes;
  }

  /**
   * Takes over a layer that was trained in PyTorch: `base_weight`, `spline_weight`, `spline_scaler` and `grid` of efficient-kan's KANLinear, or `coef`, `grid`,
   * `scale_base`, `scale_sp` and `mask` of pykan's KANLayer; or what {@link stateDict} wrote.
   * @throws {TypeError|RangeError} if tensors are missing or misshapen, or a grid has equal knots: where the class computes 0/0.
   */
  static fromStateDict(tensors: StateDict, options: { prefix?: string } = {}): KANLayer {
    expectOptions<{ prefix?: string }>('KANLayer.fromStateDict', options, { prefix: expectString });
    const { notes, ...read } = readLayer(tensors, options.prefix ?? '');
    return new KANLayer(read, notes);
  }

  /** Coefficients an edge. */
  get coefficients(): number {
    return this.#knots[0]!.count;
  }

  /** A copy of every input's knots, [inputs][coefficients + degree + 1]. */
  get grid(): readonly Float32Array[] {
    return this.#knots.map(({ grid }) => Float32Array.from(grid));
  }

  /** Every parameter by its name, a copy: [outputs][inputs], and [outputs][inputs][coefficients]. */
  get parameters(): Readonly<Record<EdgeParameter, Float32Array>> {
    const { base_weight, spline_scaler, spline_weight } = this.#edges.parameters;
    return {
      base_weight: base_weight.slice(),
      spline_scaler: spline_scaler.slice(),
      spline_weight: spline_weight.slice(),
    };
  }

  get shapes(): Readonly<Record<EdgeParameter, readonly number[]>> {
    const { inputs, outputs, coefficients } = this;
    return {
      base_weight: [outputs, inputs],
      spline_scaler: [outputs, inputs],
      spline_weight: [outputs, inputs, coefficients],
    };
  }

  /** What is worth knowing about a layer that was loaded, in sentences. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /**
   * Takes new parameters, after a training step say; those that are not named stay.
   * @throws {TypeError|RangeError} if a length differs or a number is not finite; the layer is as before then.
   */
  update(parameters: { readonly [K in EdgeParameter]?: Numbers }): void {
    const given = expectHolder('KANLayer.update', parameters);
    const before = this.#edges.parameters;
    const after: Record<EdgeParameter, Float32Array> = { ...before };
    for (const [name, numbers] of Object.entries(given)) {
      const key = expectOneOf('a parameter of KANLayer', name, Object.keys(before) as EdgeParameter[]);
      if (numbers !== undefined) after[key] = numbersOf(key, numbers, before[key].length);
    }
    this.#edges.parameters = after;
    this.#scaled = undefined;
  }

  /** The function of one edge, as an activation of its own: to be plotted, judged or inspected. */
  edge(output: number, input: number): FamilyActivation<SplineConstants, EdgeParameter> {
    const { knots: of, base_weight, spline_scaler, spline_weight } = this.#edges.of(this.#channel(output, input));
    return new FamilyActivation(bspline, { grid: of.grid, outside: 'zero', base_weight, spline_scaler, spline_weight });
  }

  /** The compiled plan of an edge, with its certificate. */
  planOf(output: number, input: number): Plan {
    return this.#edges.planOf(this.#channel(output, input));
  }

  /**
   * @param x [n][inputs], flat. NaN gives NaN, ±Infinity the limits; subnormal inputs count as zero.
   * @param out [n][outputs], overlapping nothing. Default: a new array.
   * @throws {TypeError|RangeError} if x or out do not fit; nothing is written then.
   */
  forward(x: Float32Array, out?: Float32Array): Float32Array {
    return this.#forward(defaultBackend(), x, out) as Float32Array;
  }

  /**
   * The same sums without plans, each term in float64 and the sum rounded once: for training, where parameters change before a plan has paid. Off by hardly more
   * than half an ULP of the sum, where nothing cancels; the same bits everywhere, but not always those of `forward`.
   */
  direct(x: Float32Array, out?: Float32Array): Float32Array {
    const { inputs, outputs, degree } = this;
    const n = this.#samples(x);
    const y = this.#outputFor(x, n, out);
    const input = inputFor(x, y, false);
    const { base_weight } = this.#edges.parameters;
    const scaled = this.#scaledWeights();
    const bases = new Float64Array(degree + 1);
    const sums = new Float64Array(outputs);
    for (let s = 0; s < n; s++) {
      sums.fill(0);
      for (let i = 0; i < inputs; i++) {
        let v = input[s * inputs + i]!;
        if (Math.abs(v) < LEAST_NORMAL) v = 0;
        const own = this.#knots[i]!;
        const base = v === Number.NEGATIVE_INFINITY ? 0 : silu(v);
        const span = spanOf(own, v);
        if (span < 0) {
          // 0·Infinity: an edge without a base has the limit 0.
          for (let o = 0; o < outputs; o++) {
            const weight = base_weight[o * inputs + i]!;
            if (weight !== 0 || Number.isNaN(v)) sums[o]! += weight * base;
          }
          continue;
        }
        basesAt(own, span, v, bases);
        const first = Math.max(span - degree, 0);
        const last = Math.min(span, own.count - 1);
        for (let o = 0; o < outputs; o++) {
          let spline = 0;
          for (let k = first; k <= last; k++)
            spline += scaled[(i * own.count + k) * outputs + o]! * bases[k - span + degree]!;
          sums[o]! += base_weight[o * inputs + i]! * base + spline;
        }
      }
      for (let o = 0; o < outputs; o++) y[s * outputs + o] = flushed(sums[o]!);
    }
    return y;
  }

  /**
   * The gradient of a scalar L, given gradY = ∂L/∂y for y = forward(x). Those of parameters do not depend on how samples are divided or in which order they come,
   * nor on the backend: exact sums, of derivatives within 10⁻⁵ of the largest.
   * @param x [n][inputs]. @param gradY [n][outputs].
   * @throws {TypeError|RangeError} if they do not fit; nothing is added then.
   */
  backward(x: Float32Array, gradY: Float32Array, options?: KANBackwardOptions): KANGradients {
    return this.#backward(defaultBackend(), x, gradY, options) as KANGradients;
  }

  /** An empty sum for `backward(…, { into })`; it travels as those of activations do. */
  gradientSum(): GradientSum<Gradients> {
    return this.#edges.gradientSum();
  }

  /** The same layer on a backend, with the same bits. On `wasm` and `js` it answers at once, elsewhere by a Promise. */
  on(backend: HostBackend): {
    forward(x: Float32Array, out?: Float32Array): Float32Array;
    backward(x: Float32Array, gradY: Float32Array, options?: KANBackwardOptions): KANGradients;
  };
  on(backend: DeviceBackend | Backend): {
    forward(x: Float32Array, out?: Float32Array): Promise<Float32Array>;
    backward(x: Float32Array, gradY: Float32Array, options?: KANBackwardOptions): Promise<KANGradients>;
  };
  on(backend: Backend): unknown {
    expectBackend(backend);
    return {
      forward: (x: Float32Array, out?: Float32Array) => this.#forward(backend, x, out),
      backward: (x: Float32Array, gradY: Float32Array, options?: KANBackwardOptions) =>
        this.#backward(backend, x, gradY, options),
    };
  }

  /**
   * The same layer with `factor` times as many cells between the outermost knots of full support, to be trained further: knots are inserted (Boehm), and no
   * function changes but by the rounding of coefficients to float32.
   * @throws {RangeError} if factor is not an integer from 1 to 64, or float32 has no knots so near each other.
   */
  refine(factor = 2): KANLayer {
    expectInteger('factor', factor, 1, 64);
    const { inputs, outputs, degree } = this;
    const fine = Array.from({ length: inputs * outputs }, (_, channel) => {
      const { knots: own, ...values } = this.#edges.of(channel);
      const asList = {
        base_weight: [values.base_weight],
        spline_scaler: [values.spline_scaler],
        spline_weight: Array.from(values.spline_weight),
      };
      return bspline.refine!({ grid: own.grid, outside: 'zero' }, asList, factor);
    });
    return new KANLayer({
      inputs,
      outputs,
      degree,
      grid: fine.slice(0, inputs).map(({ constants }) => constants!.grid!),
      base_weight: this.#edges.parameters.base_weight,
      spline_scaler: this.#edges.parameters.spline_scaler,
      spline_weight: fine.map(({ parameters }) => parameters.spline_weight),
    });
  }

  /** The tensors of efficient-kan's KANLinear, or of pykan's KANLayer. */
  stateDict(options: { prefix?: string; class?: 'efficient-kan' | 'pykan' } = {}): Record<string, Tensor> {
    expectOptions<{ prefix?: string; class?: string }>('KANLayer.stateDict', options, {
      prefix: expectString,
      class: expectString,
    });
    const kind = expectOneOf('class', options.class ?? 'efficient-kan', ['efficient-kan', 'pykan']);
    return writeLayer(kind, options.prefix ?? '', this);
  }

  #channel(output: number, input: number): number {
    return (
      expectInteger('output', output, 0, this.outputs - 1) * this.inputs +
      expectInteger('input', input, 0, this.inputs - 1)
    );
  }

  #samples(x: unknown): number {
    const { length } = expectFloat32Array('x', x);
    if (length % this.inputs !== 0)
      throw new RangeError(`x must hold ${this.inputs} numbers a sample, got ${length} numbers`);
    return length / this.inputs;
  }

  #outputFor(x: Float32Array, n: number, out: unknown): Float32Array {
    if (out === undefined) return new Float32Array(n * this.outputs);
    const y = expectFloat32Array('out', out);
    if (y.length !== n * this.outputs)
      throw new RangeError(`out must have length ${n * this.outputs}, got ${y.length}`);
    if (y === x || y.buffer === x.buffer) throw new RangeError('out must not share memory with x, got such an array');
    return y;
  }

  /** Kept from call to call: new pages of memory cost as much as an edge does. Not where several pieces are under way. */
  #roomFor(piece: number): Float32Array {
    const length = piece * this.inputs * this.outputs;
    if (this.#room.length < length) this.#room = new Float32Array(length);
    return this.#room;
  }

  /** Samples at a time. */
  #piece(backend: Backend, n: number): number {
    const most = backend.isSynchronous ? PIECE : DEVICE_PIECE;
    return Math.min(Math.max(Math.floor(most / (this.inputs * this.outputs)), 64), n);
  }

  #forward(backend: Backend, x: Float32Array, out: Float32Array | undefined): Float32Array | Promise<Float32Array> {
    const n = this.#samples(x);
    const y = this.#outputFor(x, n, out);
    const edges = backend.isSynchronous ? this.#edges.on(backend) : this.#edges.present(backend);
    const input = inputFor(x, y, false);
    const piece = this.#piece(backend, n);
    const sums = new Float64Array(piece);
    const { inputs, outputs } = this;
    const room = backend.isSynchronous ? this.#roomFor(piece) : undefined;
    const start = (from: number, count: number) => {
      const values = expand(input, from, count, inputs, outputs, room);
      return edges.forward(values, values, { shape: [1, inputs * outputs, count] });
    };
    const finish = (values: Float32Array, from: number, count: number) => {
      for (let o = 0; o < outputs; o++) {
        addRows(values, o * inputs, inputs, count, sums);
        for (let s = 0; s < count; s++) y[(from + s) * outputs + o] = flushed(sums[s]!);
      }
    };
    return inPieces(n, piece, start, finish, () => y);
  }

  #backward(
    backend: Backend,
    x: Float32Array,
    gradY: Float32Array,
    options: KANBackwardOptions | undefined,
  ): KANGradients | Promise<KANGradients> {
    expectOptions('KANLayer.backward', options, BACKWARD_OPTIONS);
    const n = this.#samples(x);
    const { inputs, outputs } = this;
    const { length } = expectFloat32Array('gradY', gradY);
    if (length !== n * outputs) throw new RangeError(`gradY must hold ${n}·${outputs} numbers, got ${length}`);
    const own = options?.into;
    // Parts of a call that fails leave no trace in the caller's sum.
    const part = this.#edges.gradientSum();
    const edges = backend.isSynchronous ? this.#edges.on(backend) : this.#edges.present(backend);
    const gradX = new Float32Array(x.length);
    const piece = this.#piece(backend, n);
    if (own !== undefined && !(own instanceof GradientSum))
      throw new TypeError(`into must come from the layer's gradientSum, got ${describe(own)}`);
    own?.merge(this.#edges.gradientSum());
    const start = (from: number, count: number) => {
      const values = expand(x, from, count, inputs, outputs);
      const gradients = new Float32Array(values.length);
      for (let o = 0; o < outputs; o++) {
        const row = o * inputs * count;
        for (let s = 0; s < count; s++) gradients[row + s] = gradY[(from + s) * outputs + o]!;
        for (let i = 1; i < inputs; i++) gradients.copyWithin(row + i * count, row, row + count);
      }
      const passed: BackwardOptions = { shape: [1, inputs * outputs, count], out: gradients, into: part };
      return edges.backward(values, gradients, passed);
    };
    let last: Gradients | undefined;
    const finish = (found: Gradients, from: number, count: number) => {
      last = found;
      const { gradX: each } = found;
      for (let s = 0; s < count; s++) {
        for (let i = 0; i < inputs; i++) {
          let sum = 0;
          for (let o = 0; o < outputs; o++) sum += each[(o * inputs + i) * count + s]!;
          gradX[(from + s) * inputs + i] = flushed(sum);
        }
      }
    };
    return inPieces(n, piece, start, finish, () => {
      own?.merge(part);
      // What the last piece came with is the sum of all.
      const gradients = own || !last ? (own ?? part).gradients : last.gradients;
      return { gradX, gradients: gradients as KANGradients['gradients'] };
    });
  }

  #scaledWeights(): Float64Array {
    if (this.#scaled) return this.#scaled;
    const { inputs, outputs, coefficients } = this;
    const { spline_scaler, spline_weight } = this.#edges.parameters;
    const scaled = new Float64Array(inputs * coefficients * outputs);
    for (let o = 0; o < outputs; o++)
      for (let i = 0; i < inputs; i++)
        for (let k = 0, channel = o * inputs + i; k < coefficients; k++)
          scaled[(i * coefficients + k) * outputs + o] =
            spline_scaler[channel]! * spline_weight[channel * coefficients + k]!;
    this.#scaled = scaled;
    return scaled;
  }
}

/** Works through samples a piece at a time, at once or later. */
function inPieces<V, R>(
  n: number,
  piece: number,
  start: (from: number, count: number) => V | Promise<V>,
  finish: (values: V, from: number, count: number) => void,
  result: () => R,
): R | Promise<R> {
  for (let from = 0; from < n; from += piece) {
    const count = Math.min(piece, n - from);
    const values = start(from, count);
    if (!isPromise(values)) {
      finish(values, from, count);
      continue;
    }
    const rest = async (): Promise<R> => {
      finish(await values, from, count);
      for (let next = from + count; next < n; next += piece) {
        const size = Math.min(piece, n - next);
        finish(await start(next, size), next, size);
      }
      return result();
    };
    return rest();
  }
  return result();
}

const isPromise = <V>(value: V | Promise<V>): value is Promise<V> =>
  typeof (value as Promise<V> | undefined)?.then === 'function';

/** [outputs][inputs][count] of x's [n][inputs]. */
function expand(
  x: Float32Array,
  from: number,
  count: number,
  inputs: number,
  outputs: number,
  room?: Float32Array,
): Float32Array {
  const length = outputs * inputs * count;
  const values = room ? room.subarray(0, length) : new Float32Array(length);
  for (let i = 0; i < inputs; i++)
    for (let s = 0, at = from * inputs + i; s < count; s++, at += inputs) values[i * count + s] = x[at]!;
  for (let o = 1; o < outputs; o++) values.copyWithin(o * inputs * count, 0, inputs * count);
  return values;
}

/** Σ over rows first to first + count - 1 of `length`, in float64 and in their order. */
function addRows(values: Float32Array, first: number, count: number, length: number, sums: Float64Array): void {
  sums.fill(0, 0, length);
  let row = 0;
  // Eight at a time, added from the first on: the order is the same.
  for (; row + 8 <= count; row += 8) {
    let at = (first + row) * length;
    for (let s = 0; s < length; s++, at++) {
      const four = sums[s]! + values[at]! + values[at + length]! + values[at + 2 * length]! + values[at + 3 * length]!;
      const next = at + 4 * length;
      sums[s] = four + values[next]! + values[next + length]! + values[next + 2 * length]! + values[next + 3 * length]!;
    }
  }
  for (; row < count; row++)
    for (let s = 0, at = (first + row) * length; s < length; s++, at++) sums[s]! += values[at]!;
}

/** A float32 as kernels give it: no subnormal number, and of NaN the one whose sign does not depend on a machine. */
function flushed(sum: number): number {
  const y = Math.fround(sum);
  return Number.isNaN(y) ? Number.NaN : Math.abs(y) < LEAST_NORMAL ? 0 : y;
}

function readGrids({ grid, cells, range }: KANLayerOptions, count: number, degree: number): Knots[] {
  if (grid === undefined) {
    const number = expectInteger('cells', cells ?? 5, 1, MOST_KNOTS);
    const [low, high] = Array.from(range ?? [-1, 1], (each, i) => finite(`range[${i}]`, each));
    if (range !== undefined && range.length !== 2)
      throw new RangeError(`range must hold two numbers, got ${describe(range)}`);
    if (!(low! < high!)) throw new RangeError(`range must ascend, got [${low}, ${high}]`);
    const width = (high! - low!) / number;
    const equal = Array.from({ length: number + 2 * degree + 1 }, (_, k) => Math.fround(low! + (k - degree) * width));
    return new Array(count).fill(knots('grid', equal, degree));
  }
  for (const [name, value] of Object.entries({ cells, range }))
    if (value !== undefined) throw new TypeError(`KANLayer must have either grid or ${name}, got both`);
  const isNested = Array.isArray(grid) && typeof grid[0] === 'object';
  if (!isNested) return new Array(count).fill(knots('grid', limited(flatten('grid', grid)), degree));
  if (grid.length !== count)
    throw new RangeError(`grid must hold knots for all inputs or for each of the ${count}, got ${grid.length} rows`);
  const rows = grid.map((row, i) => limited(flatten(`grid[${i}]`, row)));
  rows.forEach((row, i) => {
    if (row.length !== rows[0]!.length)
      throw new RangeError(`every input must have ${rows[0]!.length} knots, got ${row.length} in grid[${i}]`);
  });
  return rows.map((row, i) => knots(`grid[${i}]`, row, degree));
}

function limited(row: number[]): number[] {
  if (row.length > MOST_KNOTS) throw new RangeError(`grid must hold at most ${MOST_KNOTS} knots, got ${row.length}`);
  return row;
}

function numbersOf(name: EdgeParameter, value: unknown, length: number): Float32Array {
  const flat = flatten(name, value);
  if (flat.length !== length) throw new RangeError(`${name} must hold ${length} numbers, got ${flat.length}`);
  return Float32Array.from(flat);
}

/** As float32, flat. */
function flatten(name: string, value: unknown): number[] {
  if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && 'length' in value))
    throw new TypeError(`${name} must be an array of numbers, got ${describe(value)}`);
  return Array.from(value as ArrayLike<unknown>).flatMap((each, i) =>
    typeof each === 'object' && each !== null ? flatten(`${name}[${i}]`, each) : [finite(`${name}[${i}]`, each)],
  );
}

function finite(name: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, got ${describe(value)}`);
  if (!Number.isFinite(Math.fround(value))) throw new RangeError(`${name} must be a finite float32, got ${value}`);
  return Math.fround(value);
}
