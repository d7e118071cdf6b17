import { differentiate } from '../calculus/differentiate.js';
import {
  density,
  type Expression,
  exp,
  expm1,
  expression,
  log1p,
  minus,
  normal,
  plus,
  times,
  x,
} from '../calculus/expression.js';
import type { Interpreter } from '../calculus/interpreter.js';
import { LEAST_NORMAL } from '../calculus/piece.js';
import { type Tape, tape } from '../calculus/tape.js';
import {
  boundOf,
  errorsOf,
  type GradientBound,
  type IntervalError,
  isClamped,
  shareOf,
} from '../plan/gradient-certificate.js';
import { cubicRow } from '../plan/gradient-table.js';
import { nodalEntryAt, thetaGradient } from './basis.js';
import type { Tessellation } from './field.js';
import { type FlowPiece, flowBeyond, type VelocityField } from './flow.js';
import {
  type FlowFunctionPiece,
  type FlowWatch,
  flowGradient,
  NORMAL_HIGH,
  NORMAL_LOW,
  normalsAt,
} from './flow-gradient.js';
import { crossed, crossingDerivatives, flowSlope, wayOf, withinDerivatives } from './gradient.js';
import { type Field, type FlowWord, flowWords } from './primitive.js';
import { constant, difference, exact, grown, negative, product, quotient, sum, type Triple } from './triple.js';

/**
 * What the gradients of a flow may be off (docs/numerics.md, "Gradients"): the closed forms of `gradient.ts` once more, as expressions with
 * constants that are balls, whose discs bound what each interval's cubic misses; and how far the float64 of `gradient.ts` is from them.
 */

/** Below this |slope| an integral of e^{slope·t} is a series; above, its closed form keeps its digits. */
const STEEP = 0.5;
/** As many terms as leave nothing of float64 for |slope·t| ≤ 1. */
const SERIES_TERMS = 18;
/** Below this the logarithm is its series: the slope itself may be little more than its rounding. */
const LEVEL = 2 ** -20;

/** ∫₀ᵗ e^{sr} dr */
function integral(t: Expression, s: Triple): Expression {
  if (Math.abs(s[0]) >= STEEP) return times(constant(quotient(exact(1), s)), expm1(times(constant(s), t)));
  return times(
    t,
    series(times(constant(s), t), (k) => 1 / factorial(k + 1)),
  );
}

/** Its derivative with respect to s, ∫₀ᵗ r·e^{sr} dr. */
function moment(t: Expression, s: Triple): Expression {
  if (Math.abs(s[0]) >= STEEP) {
    const inverse = constant(quotient(exact(1), s));
    return times(inverse, minus(times(t, exp(times(constant(s), t))), integral(t, s)));
  }
  return times(
    t,
    t,
    series(times(constant(s), t), (k) => (k + 1) / factorial(k + 2)),
  );
}

function series(z: Expression, coefficient: (k: number) => number): Expression {
  let total: Expression = expression(coefficient(SERIES_TERMS));
  for (let k = SERIES_TERMS - 1; k >= 0; k--) total = plus(times(total, z), coefficient(k));
  return total;
}

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

/** f′, and what the velocities at some vertices move, as expressions of x; and the same from the float64 that gradients are made of. */
interface Law {
  readonly tape: Tape;
  /** [results] at a point; f′ first. */
  values(at: number, normal?: { density: number; distribution: number }): number[];
  /** Adds what results 1 and on stand for to every vertex; bounds on errors add up whatever the sign. */
  spread(amounts: ArrayLike<number>, to: Float64Array, areErrors?: boolean): void;
}

function crossingLaw(
  interpreter: Interpreter,
  field: Field,
  own: VelocityField,
  word: FlowWord,
  piece: FlowPiece,
  isNormal: boolean,
): Law {
  const [x0, v0, , w0, s, t] = word.word.constants as unknown as [Triple, Triple, Triple, Triple, Triple, Triple];
  const { before, after } = word.times!;
  const { direction, exit, entry } = wayOf(piece);
  const q = times(constant(quotient(exact(1), v0)), minus(x, constant(x0)));
  const sq = times(constant(s), q);
  const tau =
    Math.abs(s[0]) < LEVEL
      ? times(q, plus(times(sq, plus(times(sq, 1 / 3), -0.5)), 1))
      : times(constant(quotient(exact(1), s)), log1p(sq));
  const leaving = minus(constant(before), tau);
  const arriving = plus(constant(after), tau);
  const pulled = times(constant(w0), exp(times(constant(t), tau)));
  const slope = times(constant(quotient(w0, v0)), exp(times(constant(difference(t, s)), tau)));
  const share = (k: number) => {
    const rate = quotient(field.velocities[k]!, field.width);
    return constant(direction > 0 ? rate : negative(rate));
  };
  const left = times(slope, share(exit), moment(leaving, negative(s)));
  const entered = times(share(entry), moment(arriving, t));
  const parts = [
    minus(times(slope, integral(leaving, negative(s))), left),
    left,
    minus(integral(arriving, t), entered),
    entered,
    pulled,
  ];
  const [low, high] = [Math.min(exit, entry), Math.max(exit, entry)];
  const shares = Array.from({ length: high - low }, (_, c) => crossed(own, low + c));
  return {
    tape: functionTape(interpreter, word, slope, parts, isNormal),
    values: (at, normal) => functionValues(piece, at, crossingDerivatives(own, piece, at), normal),
    spread(amounts, to, areErrors = false) {
      const [leaves, behind, enters, next, pulls] = Array.from(amounts);
      to[exit]! += leaves!;
      to[exit - direction]! += behind!;
      to[entry]! += enters!;
      to[entry + direction]! += next!;
      shares.forEach(([p, q], c) => {
        to[low + c]! += pulls! * (areErrors ? Math.abs(p) : p);
        to[low + c + 1]! += pulls! * (areErrors ? Math.abs(q) : q);
      });
    },
  };
}

function withinLaw(
  interpreter: Interpreter,
  field: Field,
  own: VelocityField,
  word: FlowWord,
  piece: FlowPiece,
  isNormal: boolean,
): Law {
  const i = piece.cellIn;
  const s = field.slopes[i]!;
  const direct = grown(s, exact(1));
  const offset = times(constant(quotient(exact(1), field.width)), minus(x, constant(field.vertices[i]!)));
  const v = plus(constant(field.velocities[i]!), times(constant(s), minus(x, constant(field.vertices[i]!))));
  const bySlope = times(v, constant(quotient(momentOfOne(s), field.width)));
  const parts = [
    minus(times(constant(direct), minus(1, offset)), bySlope),
    plus(times(constant(direct), offset), bySlope),
  ];
  return {
    tape: functionTape(interpreter, word, word.line!.slope, parts, isNormal),
    values: (at, normal) => functionValues(piece, at, withinDerivatives(own, piece, at), normal),
    spread(amounts, to) {
      to[i]! += amounts[0]!;
      to[i + 1]! += amounts[1]!;
    },
  };
}

/** ∫₀¹ r·e^{sr} dr = (e^s - ∫₀¹ e^{sr} dr)/s. */
function momentOfOne(s: Triple): Triple {
  const most = Math.max(1, Math.exp(s[0])) * s[2];
  if (Math.abs(s[0]) >= LEVEL) {
    const part = grown(s, exact(1));
    // e^s = 1 + s·∫
    return quotient(difference(sum(exact(1), product(s, part)), part), s);
  }
  return [0.5 + s[0] / 3 + (s[0] * s[0]) / 8, 0, most + Math.abs(s[0]) ** 3 + 2 ** -52];
}

const PHI = normal(x);

function functionTape(
  interpreter: Interpreter,
  { word, line }: FlowWord,
  slope: Expression,
  parts: readonly Expression[],
  isNormal: boolean,
): Tape {
  if (!isNormal) return tape(interpreter, slope, ...parts);
  const image = line ? plus(times(line.slope, x), line.intercept) : word;
  return tape(interpreter, plus(times(slope, PHI), times(image, density(x))), ...parts.map((part) => times(part, PHI)));
}

/** What the float64 of `gradient.ts` gives: f′, and the derivatives times the factors that sums take. */
function functionValues(
  piece: FlowPiece,
  at: number,
  parts: readonly number[],
  normal?: { density: number; distribution: number },
): number[] {
  const slope = flowSlope(piece, at);
  if (!normal) return [slope, ...parts];
  const { density, distribution } = normal;
  return [slope * distribution + flowBeyond(piece, at) * density, ...parts.map((part) => part * distribution)];
}

/** Far below a float32's last bit: series and constants of float64, pieces that float64 cuts beside the exact vertex, sums over a basis. */
const CHARGE = 2 ** -40;
/** More than Φ and φ at NORMAL_LOW. */
const NORMAL_REST = 2e-43;
const U32 = 2 ** -24;
/** The same at NORMAL_HIGH. */
const NORMAL_BESIDE = 3e-32;

const imageOf = (flow: FlowPiece, first: number, last: number) =>
  Math.max(Math.abs(flowBeyond(flow, first)), Math.abs(flowBeyond(flow, last)));

/** Sizes are looked for in about so many rows, half of them at least. */
const MOST_SAMPLES = 1024;

/** A DiTAC's function, as gradients are made of it. */
export interface FlowFunction {
  readonly on: Tessellation;
  readonly theta: Float32Array;
  readonly a: number;
  readonly b: number;
  readonly field: VelocityField;
  readonly pieces: readonly FlowFunctionPiece[];
  readonly resolution: number;
}

/**
 * @returns [1 + d]: of f′ and of ∂f/∂θ.
 * @throws {RangeError} as `flowGradient` does.
 */
export function flowGradientBounds(
  interpreter: Interpreter,
  { on, theta, a, b, field, pieces, resolution }: FlowFunction,
): GradientBound[] {
  const exactly = flowWords(on, theta, a, b, () => {
    throw new Error('values are not asked for');
  });
  const wordOf = new Map(exactly.words.map((word) => [`${word.cellIn} ${word.cellOut}`, word]));
  const gelu = tape(interpreter, differentiate(times(x, PHI), 'x'));
  const laws = [new Map<FlowFunctionPiece, Law | undefined>(), new Map<FlowFunctionPiece, Law | undefined>()] as const;
  const lawOf = (piece: FlowFunctionPiece & { law: 'flow' }, isNormal: boolean): Law | undefined => {
    const known = laws[isNormal ? 1 : 0];
    if (known.has(piece)) return known.get(piece);
    const { flow } = piece;
    const word = wordOf.get(`${flow.cellIn} ${flow.cellOut}`);
    const make = flow.gain === undefined ? crossingLaw : withinLaw;
    const law = word && make(interpreter, exactly.field, field, word, flow, isNormal);
    known.set(piece, law);
    return law;
  };

  const slopes: IntervalError[] = [];
  let typicalSlope = 0;
  const vertices = field.velocity.length;
  /** [vertices]: the largest error, and the largest size. */
  const worst = new Float64Array(vertices);
  const largest = new Float64Array(vertices);
  let samples: Float64Array[] = [];
  let stride = 1;
  const ends: { intercept: Float64Array; nearest: Float64Array }[] = [];
  let rows = 0;

  const watch: FlowWatch = (piece, first, last, row, points) => {
    rows += 1;
    if (piece.law === 'linear') {
      const size = Math.abs(piece.slope);
      slopes.push({ first, last, error: 2 * U32 * size + piece.rest, least: size, size });
    } else if (piece.law === 'gelu') {
      interpreter.load(gelu);
      const { density, distribution } = normalsAt(points, row[0]!, row[1]!);
      const values = points.map((at, j) => distribution[j]! + at * density[j]!);
      slopes.push(errorsOf(interpreter, gelu.results, first, last, row, points, [values])[0]!);
    } else if (points.length === 2) {
      const size = Math.abs(piece.flow.gain!);
      slopes.push({ first, last, error: (2 * U32 + CHARGE) * size, least: size, size });
      const [intercept, nearest] = [0, points[0]!].map((at) => {
        const amounts = new Float64Array(vertices);
        lawOf(piece, false)!.spread(withinDerivatives(field, piece.flow, at), amounts);
        return amounts;
      }) as [Float64Array, Float64Array];
      ends.push({ intercept, nearest });
      samples.push(nearest);
      typicalSlope = Math.max(typicalSlope, size);
    } else curved(piece, first, last, row, points);
  };

  const curved = (
    piece: FlowFunctionPiece & { law: 'flow' },
    first: number,
    last: number,
    row: readonly number[],
    points: readonly number[],
  ) => {
    // Far out Φ is 1 or nothing, which its discs do not know.
    const isNothing = piece.timesNormal && last <= NORMAL_LOW;
    const isNormal = piece.timesNormal && !isNothing && first < NORMAL_HIGH;
    const law = lawOf(piece, isNormal);
    if (!law) {
      slopes.push({ first, last, error: Number.POSITIVE_INFINITY, least: 0, size: 0 });
      worst.fill(Number.POSITIVE_INFINITY);
      return;
    }
    const normals = isNormal ? normalsAt(points, row[0]!, row[1]!) : undefined;
    const values = points.map((at, j) =>
      law.values(at, normals && { density: normals.density[j]!, distribution: normals.distribution[j]! }),
    );
    interpreter.load(law.tape);
    const byResult = law.tape.results.map((_, n) => values.map((each) => each[n]!));
    // The row is that of f′, which is the flow's slope only where Φ is 1: else it is compared with nothing.
    const lawRow = isNothing ? cubicRow(row[0]!, row[1]!, byResult[0]!, 0) : row;
    const found = errorsOf(interpreter, law.tape.results, first, last, lawRow, points, byResult);
    if (isNothing) {
      const image = imageOf(piece.flow, first, last);
      slopes.push({
        first,
        last,
        error: 4 * NORMAL_REST * (found[0]!.size + found[0]!.error + image + 1),
        least: 0,
        size: 0,
      });
      const own = new Float64Array(vertices);
      law.spread(
        found.slice(1).map(({ size, error }) => 4 * NORMAL_REST * (size + error)),
        own,
        true,
      );
      for (let k = 0; k < vertices; k++) worst[k] = Math.max(worst[k]!, own[k]!);
      return;
    }
    const [slope, ...parts] = found;
    // What Φ and φ are beside 1 and nothing there.
    const beside = piece.timesNormal && !isNormal ? NORMAL_BESIDE * (1 + imageOf(piece.flow, first, last)) : 0;
    if (!isClamped(row)) slopes.push({ ...slope!, error: slope!.error + CHARGE * slope!.size + beside });
    typicalSlope = Math.max(typicalSlope, ...values.map((each) => Math.abs(each[0]!)));
    const own = new Float64Array(vertices);
    law.spread(
      parts.map(({ error }) => error),
      own,
      true,
    );
    for (let k = 0; k < vertices; k++) worst[k] = Math.max(worst[k]!, own[k]!);
    const amount = new Float64Array(vertices);
    law.spread(values[1]!.slice(1), amount);
    for (let k = 0; k < vertices; k++) largest[k] = Math.max(largest[k]!, Math.abs(amount[k]!));
    if (rows % stride === 0) samples.push(amount);
    if (samples.length > MOST_SAMPLES) {
      samples = samples.filter((_, i) => i % 2 === 0);
      stride *= 2;
    }
  };

  flowGradient(field, pieces, resolution, watch);

  typicalSlope = Math.max(typicalSlope, 1e-30);
  const slope = shareOf(slopes, typicalSlope);
  // A field's velocities are those of [0,1], times b - a.
  const length = b - a;
  const edge = on.zeroBoundary ? 1 : 0;
  const { columns } = on.basis;
  const errors = new Float64Array(columns);
  for (let k = edge; k + edge < vertices; k++)
    for (let j = 0; j < columns; j++) {
      const { entry, size } = nodalEntryAt(on.basis, k, j);
      errors[j]! += length * (Math.abs(entry) * worst[k]! + CHARGE * size * largest[k]!);
    }
  const of = new Float64Array(columns);
  for (const amount of samples)
    thetaGradient(on.basis, on.zeroBoundary, amount).forEach((each, j) => {
      of[j] = Math.max(of[j]!, length * Math.abs(each));
    });
  /** Less than the smallest normal number does not count. */
  const shareBeside = (error: number, size: number) => (error < LEAST_NORMAL ? 0 : error / size);
  const shares = Array.from(errors, (error, j) => shareBeside(error, of[j]!) + 2 * U32);
  for (const { intercept, nearest } of ends) {
    const sizes = thetaGradient(on.basis, on.zeroBoundary, nearest);
    thetaGradient(on.basis, on.zeroBoundary, intercept).forEach((each, j) => {
      const size = Math.max(of[j]!, length * Math.abs(sizes[j]!));
      shares[j] = Math.max(shares[j]!, 4 * U32 + CHARGE + shareBeside(2 * U32 * length * Math.abs(each), size));
    });
  }
  return [boundOf(slope, typicalSlope), ...shares.map((share, j) => boundOf(share, of[j]!))];
}
