import type { Backend, DeviceBackend, HostBackend, WorkOptions } from './backends/backend.js';
import { evaluate, WORK_OPTIONS } from './backends/evaluate.js';
import { Differentiator, expectGradients } from './backends/gradients.js';
import { defaultBackend } from './backends/host.js';
import { type Basis, expectBasis, MAX_CELLS, nodalVelocities, thetaGradient } from './cpab/basis.js';
import { checkThetas, expectSpeed, tessellation, velocityField } from './cpab/field.js';
import {
  expectResolved,
  type FlowPiece,
  pieceAt as findPiece,
  flowPieces as piecesOf,
  flowThrough as through,
  type VelocityField,
  vertex,
} from './cpab/flow.js';
import { flowBetween, flowGradient } from './cpab/flow-gradient.js';
import { flowTable } from './cpab/flow-table.js';
import {
  describe,
  expectArray,
  expectBoolean,
  expectFinite,
  expectFloat32Array,
  expectInteger,
  expectIntegerKind,
  expectNumber,
  expectOptions,
  expectOutput,
  expectPositive,
  inputFor,
  isView,
  meet,
  type OptionTable,
  unchecked,
} from './errors.js';
import { flowImage } from './plan/image.js';

/**
 * CPAB transformations of the line: flows of continuous piecewise-affine velocity fields
 * (Freifeld, Hauberg, Batmanghelich, Fisher, "Transformations Based on Continuous Piecewise-Affine Velocity Fields",
 * TPAMI 2017; the PyTorch package `difw` by Martinez et al.).
 */
export interface TransformOptions extends WorkOptions {
  /** Number of cells N on [0,1]. */
  tess: number;
  /** A basis by name, or the matrix B itself, number[2N][d]. Default 'qr'. */
  basis?: Basis;
  /** Whether the velocity is zero at 0 and 1, so that [0,1] maps onto itself. Default true. */
  zeroBoundary?: boolean;
  /** How long to flow; any finite number. Default 1. */
  time?: number;
  /** Points per θ. Default: all of x, shared by every θ. With x.length = batch·points each θ has its own. */
  points?: number;
  /** Where to write; same length as the result. */
  out?: Float32Array;
  /**
   * Where to run; the bits do not depend on it. Default: WebAssembly SIMD, or JavaScript where that is not allowed. On a device the
   * result is a Promise.
   */
  backend?: Backend;
}

const TRANSFORM_OPTIONS = {
  tess: expectIntegerKind,
  basis: expectBasis,
  zeroBoundary: expectBoolean,
  time: expectNumber,
  points: expectIntegerKind,
  out: expectFloat32Array,
  backend: unchecked,
  ...WORK_OPTIONS,
} satisfies OptionTable<TransformOptions>;

type OnHost = TransformOptions & { backend?: HostBackend };
type OnDevice = TransformOptions & { backend: DeviceBackend };
type Result = Float32Array | Promise<Float32Array>;
/** [d] or [batch][d] coefficients. */
type Thetas = ArrayLike<number> | readonly ArrayLike<number>[];

/**
 * y = φ_θ(x, time).
 *
 * @param x [points], or [batch][points] with `points` given. NaN gives NaN, ±Infinity stays; outside [0,1] the end cells
 *   extend affinely.
 * @param theta [d] or [batch][d] coefficients, flat or nested; taken as float32.
 * @returns [batch][points] (for one θ: [points]). Each y is within 2⁻²²·max(1, |y|), 4 ULP of the image or of 1, of the image of a point at most
 *   2⁻⁴⁸ from x, tested against 350-digit arithmetic and the oracle; images of points that leave [0,1] beyond ±2¹⁰⁰ are infinite. A larger
 *   x never has a smaller y. With zero boundary [0,1] maps into itself, and its ends stay.
 * @throws {TypeError|RangeError} if an argument has the wrong type, length or range, or θ times `time` moves faster than 2²⁶ lengths of
 *   the domain, which float64 cannot follow; nothing is written then.
 */
export function transform(x: Float32Array, theta: Thetas, options: OnHost): Float32Array;
export function transform(x: Float32Array, theta: Thetas, options: OnDevice): Promise<Float32Array>;
export function transform(x: Float32Array, theta: Thetas, options: TransformOptions): Result;
export function transform(x: Float32Array, theta: Thetas, options: TransformOptions): Result {
  return run(x, theta, options, 1);
}

/** x = φ_θ(y, -time): the inverse of {@link transform} with the same options. */
export function inverse(y: Float32Array, theta: Thetas, options: OnHost): Float32Array;
export function inverse(y: Float32Array, theta: Thetas, options: OnDevice): Promise<Float32Array>;
export function inverse(y: Float32Array, theta: Thetas, options: TransformOptions): Result;
export function inverse(y: Float32Array, theta: Thetas, options: TransformOptions): Result {
  return run(y, theta, options, -1);
}

export interface TransformGradients {
  /** Σ over θ of gradY·dφ/dx, of x's length. */
  readonly gradX: Float32Array;
  /** Σ gradY·∂φ/∂θ for every θ, [d] or [batch][d]. */
  readonly gradTheta: Float32Array;
  /** Σ gradY·∂φ/∂time for every θ, [batch]; ∂φ/∂time is the velocity at φ. */
  readonly gradTime: Float32Array;
}

type Gradients = TransformGradients | Promise<TransformGradients>;

/**
 * The gradients of a scalar L, given gradY = ∂L/∂y for y = transform(x, theta, options). gradTheta and gradTime do not depend on the order of
 * summation. Relative error about 10⁻⁶ of the largest component.
 *
 * Where x is NaN or gradY is NaN or infinite, or x infinite outside [0,1], the gradients of θ and time are NaN.
 *
 * @param gradY of the result's length: [batch][points], or [points] for one θ.
 * @param options as for {@link transform}; `out` is where to write gradX, x itself or an array that does not overlap x or gradY. For the
 *   inverse pass a negative `time`.
 * @throws {TypeError|RangeError} if an argument has the wrong type, length or range; nothing is written then.
 */
export function transformBackward(
  x: Float32Array,
  gradY: Float32Array,
  theta: Thetas,
  options: OnHost,
): TransformGradients;
export function transformBackward(
  x: Float32Array,
  gradY: Float32Array,
  theta: Thetas,
  options: OnDevice,
): Promise<TransformGradients>;
export function transformBackward(
  x: Float32Array,
  gradY: Float32Array,
  theta: Thetas,
  options: TransformOptions,
): Gradients;
export function transformBackward(
  x: Float32Array,
  gradY: Float32Array,
  theta: Thetas,
  options: TransformOptions,
): Gradients {
  const call = checkCall('transformBackward', x, theta, options, 1);
  const { on, time, batch, points, fields, backend } = call;
  const isShared = x.length < points * batch;
  const gradX = expectGradients(x, gradY, options.out, isShared ? points * batch : undefined);
  const channels = fields.map((field) =>
    flowGradient(field, flowBetween(expectResolved(piecesOf(field)), -LARGEST, LARGEST, false), RESOLUTION),
  );
  const differentiator = new Differentiator(channels);
  const moments = differentiator.moments();
  const all = isShared ? new Float32Array(points * batch) : gradX;
  const finish = () => {
    if (isShared) {
      for (let i = 0; i < points; i++) {
        let sum = 0;
        for (let c = 0; c < batch; c++) sum += all[c * points + i]!;
        gradX[i] = sum;
      }
    }
    const d = on.basis.columns;
    const gradTheta = new Float32Array(batch * d);
    const gradTime = new Float32Array(batch);
    differentiator.contract(moments).forEach((gradient, c) => {
      // The field's velocities are displacements in `time`.
      const scaled = gradient.map((v) => v * time);
      gradTheta.set(thetaGradient(on.basis, on.zeroBoundary, scaled), c * d);
      const velocities = nodalVelocities(on.basis, on.zeroBoundary, call.thetas, c * d);
      gradTime[c] = gradient.reduce((sum, v, k) => sum + v * velocities[k]!, 0);
    });
    return { gradX, gradTheta, gradTime };
  };
  // The tables are made for this call only.
  let done: void | Promise<void>;
  try {
    done = differentiator.run(
      backend,
      Math.max(points, 1),
      inputFor(x, all),
      inputFor(gradY, all),
      all,
      moments,
      options,
    );
  } catch (cause) {
    differentiator.release();
    throw cause;
  }
  if (done !== undefined) return done.then(finish).finally(() => differentiator.release());
  differentiator.release();
  return finish();
}

/** Images of [0,1] nearer than this are not told apart by gradients. */
const RESOLUTION = 2 ** -26;
const LARGEST = 3.4028234663852886e38;

/** What all of these functions check, and the fields they work with. */
function checkCall(what: string, x: Float32Array, theta: unknown, options: TransformOptions, direction: 1 | -1) {
  expectFloat32Array('x', x);
  expectOptions(what, options, TRANSFORM_OPTIONS, ['tess']);
  const on = tessellation(options.tess, options.zeroBoundary ?? true, options.basis ?? 'qr');
  const time = expectFinite('time', options.time ?? 1) * direction;
  const d = on.basis.columns;
  const thetas = checkThetas('theta', theta, d);
  const batch = d === 0 ? 1 : thetas.length / d;
  const points = options.points === undefined ? x.length : expectInteger('points', options.points, 0, 2 ** 31);
  if (x.length !== points && x.length !== points * batch) {
    throw new RangeError(`x must have ${points} points, or ${points * batch} for ${batch} thetas, got ${x.length}`);
  }
  const backend = options.backend === undefined ? defaultBackend() : options.backend;
  if (typeof backend?.run !== 'function')
    throw new TypeError(`backend must come from loadBackend, got ${describe(backend)}`);
  const fields = Array.from({ length: batch }, (_, i) => velocityField(on, thetas, i, 0, 1, time));
  return { on, time, thetas, batch, points, fields, backend };
}

function run(x: Float32Array, theta: unknown, options: TransformOptions, direction: 1 | -1): Result {
  const { batch, points, fields, backend } = checkCall(
    direction > 0 ? 'transform' : 'inverse',
    x,
    theta,
    options,
    direction,
  );
  const out = outputFor(x, points * batch, x.length === points && batch > 1, options.out);
  if (points === 0) return out;
  const images = fields.map((field) => flowImage(flowTable(field)));
  const input = inputFor(x, out, x.length === out.length);
  const y = evaluate(backend, 'flow', { images, inner: points }, input, out, options);
  // Made for this call only.
  if (!isView(y, 'Float32Array')) return y.finally(() => backend.release(images));
  backend.release(images);
  return y;
}

function outputFor(x: Float32Array, length: number, isShared: boolean, out: Float32Array | undefined): Float32Array {
  if (out === undefined) return new Float32Array(length);
  if (!isShared) return expectOutput(x, out);
  expectFloat32Array('out', out);
  if (out.length !== length) throw new RangeError(`out must have length ${length}, got ${out.length}`);
  if (out.buffer === x.buffer && meet(x, out))
    throw new RangeError('out must not overlap x when several thetas share x');
  return out;
}

/**
 * The pieces of the flow of a velocity field for time 1, in order; together they cover the line.
 * @throws {TypeError|RangeError} if the field is none, or one that float64 cannot follow.
 */
export function flowPieces(field: VelocityField): FlowPiece[] {
  expectField(field);
  return piecesOf(field);
}

/** φ(x, 1) for x inside the piece, kept between the images of the piece's ends. @throws {TypeError} if the piece is none. */
export function flowThrough(piece: FlowPiece, x: number): number {
  expectPiece('piece', piece);
  return through(piece, expectNumber('x', x));
}

/** The piece that holds x, by bisection. @throws {TypeError|RangeError} if there are none. */
export function pieceAt(pieces: readonly FlowPiece[], x: number): FlowPiece {
  if (!Array.isArray(pieces)) throw new TypeError(`pieces must be an array, got ${describe(pieces)}`);
  if (pieces.length === 0) throw new RangeError('pieces must be those of flowPieces, got none');
  for (const piece of pieces) expectPiece('a piece', piece);
  return findPiece(pieces, expectNumber('x', x));
}

function expectPiece(name: string, value: unknown): void {
  const piece = value as Partial<FlowPiece> | null;
  if (typeof piece !== 'object' || piece === null || typeof piece.left !== 'number' || typeof piece.x0 !== 'number')
    throw new TypeError(`${name} must come from flowPieces, got ${describe(value)}`);
}

function expectField(field: VelocityField): void {
  const table = {
    origin: expectNumber,
    cellWidth: expectNumber,
    end: expectNumber,
    velocity: expectArray,
  };
  expectOptions<VelocityField>('flowPieces', field, table, ['origin', 'cellWidth', 'velocity']);
  expectFinite('origin', field.origin);
  expectPositive('cellWidth', expectFinite('cellWidth', field.cellWidth));
  if (field.end !== undefined) expectFinite('end', field.end);
  expectInteger('the number of velocities', field.velocity.length, 2, MAX_CELLS + 1);
  const length = vertex(field, field.velocity.length - 1) - field.origin;
  for (const [k, v] of field.velocity.entries()) expectSpeed(expectFinite(`velocity[${k}]`, v), k, length);
}

export {
  BASIS_NAMES,
  type Basis,
  type BasisName,
  basis,
  dimension,
  type Matrix,
  nodalVelocities,
  qrCandidates,
} from './cpab/basis.js';
export type { FlowPiece, VelocityField } from './cpab/flow.js';

export { precisionMatrix, priorCovariance, sampleTheta } from './cpab/prior.js';
export { normalStream } from './cpab/random.js';
