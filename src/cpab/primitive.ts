import * as double from '../../assembly/double';
import { ELEMENTARY, low, ROUNDING } from '../../assembly/double';
import { ceilToFloat32, nextDown, nextUp } from '../../assembly/float32';
import { FLOW } from '../../assembly/layout';
import type { Expression, Primitive } from '../calculus/expression.js';
import { LARGEST, type Part } from '../calculus/piece.js';
import type { Matrix } from './basis.js';
import type { Tessellation } from './field.js';
import { type FlowPiece, flowThrough } from './flow.js';
import {
  constant,
  difference,
  EXACTLY_0,
  exact,
  grown,
  growth,
  isLess,
  isSame,
  negative,
  product,
  quotient,
  sum,
  type Triple,
} from './triple.js';

/**
 * The pieces of a CPAB flow as words of the calculus, with constants that are balls from θ and B on: numbers of two float64 and a bound on
 * what they are off (docs/numerics.md, "Flows"). The line is cut as `flow.ts` cuts it, at the vertices and their preimages.
 */

const NEVER: Triple = [Number.POSITIVE_INFINITY, 0, 0];

/** B's fields at the vertices, [N+1][d], each to two float64: from the cell on the right (of the last vertex: left). */
interface Nodal {
  readonly columns: number;
  readonly high: Float64Array;
  readonly low: Float64Array;
  /** |slope·x| + |offset|, of which rounding is a share. */
  readonly size: Float64Array;
}

const known = new WeakMap<Matrix, Nodal>();

function nodalOf(basis: Matrix): Nodal {
  let nodal = known.get(basis);
  if (nodal) return nodal;
  const { rows, columns, data } = basis;
  const cells = rows / 2;
  const room = () => new Float64Array((cells + 1) * columns);
  nodal = { columns, high: room(), low: room(), size: room() };
  for (let k = 0; k <= cells; k++) {
    const cell = Math.min(k, cells - 1);
    const at = share(exact(1), k, cells);
    for (let j = 0; j < columns; j++) {
      const [slope, offset] = [data[2 * cell * columns + j]!, data[(2 * cell + 1) * columns + j]!];
      const [h, l] = slope === 0 && offset === 0 ? EXACTLY_0 : sum(product(exact(slope), at), exact(offset));
      nodal.high[k * columns + j] = h;
      nodal.low[k * columns + j] = l;
      nodal.size[k * columns + j] = Math.abs(slope * at[0]) + Math.abs(offset);
    }
  }
  known.set(basis, nodal);
  return nodal;
}

/** A field on [a,b] with everything known to two float64. */
export class Field {
  readonly cells: number;
  readonly width: Triple;
  readonly vertices: Triple[] = [];
  readonly velocities: Triple[] = [];
  readonly slopes: Triple[] = [];
  /** What a point takes through a whole cell; NEVER where the velocity has a zero. */
  readonly times: Triple[] = [];

  constructor({ cells, basis, zeroBoundary }: Tessellation, theta: Float32Array, a: number, b: number) {
    this.cells = cells;
    const length = difference(exact(b), exact(a));
    const nodal = nodalOf(basis);
    for (let k = 0; k <= cells; k++) {
      this.vertices.push(k === cells ? exact(b) : k === 0 ? exact(a) : sum(exact(a), share(length, k, cells)));
      this.velocities.push(
        (k === 0 || k === cells) && zeroBoundary ? EXACTLY_0 : this.#velocity(k, nodal, theta, length),
      );
    }
    this.width = quotient(length, exact(cells));
    for (let c = 0; c < cells; c++) {
      const [v, w] = [this.velocities[c]!, this.velocities[c + 1]!];
      this.slopes.push(isSame(v, w) && v[2] === 0 ? EXACTLY_0 : quotient(difference(w, v), this.width));
      this.times.push(v[0] * w[0] > 0 ? crossing(this.width, v, w) : NEVER);
    }
  }

  /** v(x_k), times the interval's length. */
  #velocity(k: number, nodal: Nodal, theta: Float32Array, length: Triple): Triple {
    const { columns, high, low: lows, size: sizes } = nodal;
    let h = 0;
    let l = 0;
    let size = 0;
    for (let j = 0, at = k * columns; j < columns; j++, at++) {
      const t = theta[j]!;
      if (sizes[at] === 0 || t === 0) continue;
      const p = double.multiply(high[at]!, lows[at]!, t, 0);
      size += sizes[at]! * Math.abs(t);
      h = double.add(h, l, p, low);
      l = low;
    }
    // Of each product and sum, and of the nodal values: a few times 2⁻¹⁰⁰ of the sum of sizes.
    const v: Triple = [h, l, size * ROUNDING * (columns + 4)];
    const moved = product(v, length);
    // What may as well be nothing counts as nothing, and as an error.
    return Math.abs(moved[0]) <= 2 * moved[2] || Math.abs(moved[0]) < STANDSTILL
      ? [0, 0, Math.abs(moved[0]) + moved[2]]
      : moved;
  }
}

/** Slower than this is not moving: no displacement of that size is a float64 of the domain, and 1/v must stay finite. */
const STANDSTILL = 2 ** -900;

/** length·k/n, exact where it is a float64. */
function share(length: Triple, k: number, n: number): Triple {
  const [whole, wholeLow] = [double.product(length[0], k), low];
  const q = whole / n;
  const back = double.product(q, n);
  if (length[1] === 0 && wholeLow === 0 && back === whole && low === 0) return exact(q);
  return quotient(product(length, exact(k)), exact(n));
}

/** h·log(w/v)/(w - v). */
function crossing(width: Triple, v: Triple, w: Triple): Triple {
  const d = difference(w, v);
  const z = quotient(d, v);
  const slow = Math.max(v[2] / Math.abs(v[0]), w[2] / Math.abs(w[0]));
  let t = quotient(width, v);
  if (z[0] !== 0) {
    const l = double.log1pOf(z[0], z[1]);
    const ratio = double.divide(l, low, z[0], z[1]);
    const h = double.multiply(t[0], t[1], ratio, low);
    t = [h, low, 0];
  }
  const h = Math.abs(t[0]);
  // T = ∫dx/v changes by no more than T times the largest relative change of v; of log1p relative, or where z is large absolute.
  const elementary = 4 * ELEMENTARY + (Math.abs(z[0]) > 0.2 ? (ELEMENTARY * Math.abs(width[0] / d[0])) / h : 0);
  return [h, v[0] < 0 ? -t[1] : t[1], h * (1.1 * slow + elementary + width[2] / width[0])];
}

/** Where vertex k was a unit of time ago. */
function preimage(field: Field, k: number): Triple {
  const { cells, vertices, velocities, slopes, times } = field;
  let v = velocities[k]!;
  if (v[0] === 0) return vertices[k]!;
  const direction = v[0] > 0 ? -1 : 1;
  let remaining: Triple = exact(1);
  for (let at = k; ; at += direction) {
    const leaves = at + direction < 0 || at + direction > cells;
    const cell = leaves ? (direction > 0 ? cells - 1 : 0) : Math.min(at, at + direction);
    const time = leaves ? NEVER : times[cell]!;
    if (!isLess(time, remaining))
      return difference(vertices[at]!, product(v, grown(negative(slopes[cell]!), remaining)));
    remaining = difference(remaining, time);
    v = velocities[at + direction]!;
  }
}

/** A piece of the flow: its ends, the cells in which its points start and end, and its law as a word. */
export interface FlowWord {
  readonly cellIn: number;
  readonly cellOut: number;
  readonly left: Triple;
  readonly right: Triple;
  readonly word: Primitive;
  /** Where start and end cell agree: slope and intercept. */
  readonly line: { readonly slope: Expression; readonly intercept: Expression } | undefined;
  /** Where they differ: how long the reference point takes to leave its cell, and how long its image has been in its own. */
  readonly times: { readonly before: Triple; readonly after: Triple } | undefined;
}

/** All pieces, and words for the float32 that do not move. */
export interface FlowWords {
  readonly field: Field;
  readonly words: readonly FlowWord[];
  readonly rests: readonly Primitive[];
}

/** Of vertices at float32 whose velocity is exactly 0: the identity. */
function restsOf({ vertices, velocities }: Field): Primitive[] {
  return vertices
    .filter(
      (x, k) =>
        velocities[k]![0] === 0 && velocities[k]![2] === 0 && x[1] === 0 && x[2] === 0 && Math.fround(x[0]) === x[0],
    )
    .map((x) => ({
      op: 'primitive',
      operation: FLOW,
      constants: [x, EXACTLY_0, x, EXACTLY_0, EXACTLY_0, EXACTLY_0, exact(1)],
      isLine: true,
      value: (at) => at,
    }));
}

/** The pieces of the time-1 flow of one θ over [a,b], in order; together they cover the line. `reference`: the same pieces in float64. */
export function flowWords(
  on: Tessellation,
  theta: Float32Array,
  a: number,
  b: number,
  reference: (x: number) => FlowPiece,
): FlowWords {
  const field = new Field(on, theta, a, b);
  const { cells, vertices } = field;
  const preimages = vertices.map((_, k) => preimage(field, k));
  for (let k = 1; k <= cells; k++) if (isLess(preimages[k]!, preimages[k - 1]!)) preimages[k] = preimages[k - 1]!;
  const words: FlowWord[] = [];
  let left: Triple = [Number.NEGATIVE_INFINITY, 0, 0];
  let i = 0;
  let j = 0;
  for (;;) {
    const nextVertex = i + 1 < cells ? vertices[i + 1]! : NEVER;
    const nextPreimage = j + 1 < cells ? preimages[j + 1]! : NEVER;
    const right = isLess(nextPreimage, nextVertex) ? nextPreimage : nextVertex;
    if (isLess(left, right)) words.push(wordOf(field, i, j, left, right, reference));
    if (right === NEVER) return { field, words, rests: restsOf(field) };
    if (isSame(right, nextVertex)) i += 1;
    if (isSame(right, nextPreimage)) j += 1;
    left = right;
  }
}

const NO_GAIN: Triple = [Number.NaN, 0, 0];
/** More than this is as good as boundless: a piece with such a gain holds one float32, the point that stays. */
const MOST_GAIN = 2 ** 900;

function wordOf(
  field: Field,
  i: number,
  j: number,
  left: Triple,
  right: Triple,
  reference: (x: number) => FlowPiece,
): FlowWord {
  const { vertices, velocities, slopes, times } = field;
  const slopeIn = slopes[i]!;
  const slopeOut = slopes[j]!;
  const value = (x: number) => flowThrough(reference(x), x);
  const word = (isLine: boolean, ...constants: readonly Triple[]): Primitive => ({
    op: 'primitive',
    operation: FLOW,
    constants,
    isLine,
    value,
  });
  if (i === j) {
    // From the fixed point if the cell has one, else from the end nearer to it.
    const ends = [velocities[i]!, velocities[i + 1]!] as const;
    const k = Math.abs(ends[0][0]) <= Math.abs(ends[1][0]) ? i : i + 1;
    const isFixed = ends[0][0] * ends[1][0] < 0;
    const v0: Triple = isFixed ? EXACTLY_0 : velocities[k]!;
    const x0 = isFixed ? difference(vertices[k]!, quotient(velocities[k]!, slopeIn)) : vertices[k]!;
    const stays = v0[0] === 0 && v0[2] === 0;
    const within = growth(slopeIn, exact(1));
    const y0 = stays ? x0 : sum(x0, product(v0, within.grown));
    const gain: Triple = within.factor[0] < MOST_GAIN ? within.factor : [MOST_GAIN, 0, 0];
    const intercept = difference(y0, product(gain, x0));
    return {
      cellIn: i,
      cellOut: j,
      left,
      right,
      word: word(true, x0, v0, y0, v0, slopeIn, slopeOut, gain),
      line: { slope: constant(gain), intercept: constant(intercept) },
      times: undefined,
    };
  }
  // Points leave cell i through `exit`, cross the cells between, and enter cell j through `entry`. The reference point spends the middle of
  // the possible times in cell i; its velocities follow from the vertices' by exponentials, so they keep their relative accuracy even where
  // they are almost zero.
  const forward = j > i;
  const exit = forward ? i + 1 : i;
  const entry = forward ? j : j + 1;
  let shared: Triple = exact(1);
  for (let c = Math.min(exit, entry); c < Math.max(exit, entry); c++) shared = difference(shared, times[c]!);
  const latest = Math.min(times[i]![0], shared[0]);
  const earliest = Math.max(shared[0] - times[j]![0], 0);
  const before = exact(Math.max(0.5 * (earliest + latest), 0));
  const after = difference(shared, before);
  const [vExit, vEntry] = [velocities[exit]!, velocities[entry]!];
  const back = growth(negative(slopeIn), before);
  const on = growth(slopeOut, after);
  const x0 = difference(vertices[exit]!, product(vExit, back.grown));
  const v0 = product(vExit, back.factor);
  const y0 = sum(vertices[entry]!, product(vEntry, on.grown));
  const w0 = product(vEntry, on.factor);
  const law = word(false, x0, v0, y0, w0, slopeIn, slopeOut, NO_GAIN);
  return { cellIn: i, cellOut: j, left, right, word: law, line: undefined, times: { before, after } };
}

/**
 * The float32 inputs of pieces between two float32, each changed as the caller wishes. Pieces that hold none are left out. A float32 that rests,
 * because the velocity at a vertex there is 0, has a piece to itself where those beside it are too narrow for two float64.
 */
export function flowParts(
  { words, rests }: FlowWords,
  first: number,
  last: number,
  change: (word: Primitive) => Expression,
): Part[] {
  const parts: Part[] = [];
  const add = (from: number, to: number, word: Primitive) => {
    if (from <= to) parts.push({ first: from, last: to, f: change(word) });
  };
  for (const { left, right, word } of words) {
    let from = Math.max(first, left[0] === Number.NEGATIVE_INFINITY ? -LARGEST : ceiling(left));
    // The right end belongs to the next piece; both agree there.
    const to = Math.min(last, right[0] === Number.POSITIVE_INFINITY ? LARGEST : nextDown(ceiling(right)));
    for (const rest of rests) {
      const at = rest.constants[0]![0];
      if (at < from || at > to || (word.isLine && word.constants[0]![0] === at)) continue;
      add(from, nextDown(at), word);
      add(at, at, rest);
      from = nextUp(at);
    }
    add(from, to, word);
  }
  return parts;
}

/** The smallest float32 that is not below. */
function ceiling([high, lowPart]: Triple): number {
  const single = ceilToFloat32(high);
  return single === high && lowPart > 0 ? nextUp(single) : single;
}
