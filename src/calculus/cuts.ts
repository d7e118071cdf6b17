import { atPlace, placeOf, unitInLastPlace } from '../../assembly/float32';
import { lineOf } from './differentiate.js';
import {
  dependsOnX,
  type Expression,
  expression,
  hasCorners,
  inOrder,
  mapping,
  minus,
  negative,
  withOperands,
} from './expression.js';
import type { Ball, Interpreter } from './interpreter.js';
import { above, below, clip, LARGEST, LEAST_NORMAL, type Part } from './piece.js';
import { exactSign } from './rational.js';
import { tape } from './tape.js';

/** A condition that is this often undecided is zero on an interval, or nearly. */
const MOST_ATTEMPTS = 40000;

/**
 * Parts without `where` and `abs`: the line is cut where a condition changes its sign, found by discs that cannot hold a root and bisection
 * down to neighbouring float32.
 * @throws {RangeError} if a sign cannot be decided, with the place.
 */
export function cuts(interpreter: Interpreter, parts: readonly Part[]): Part[] {
  return parts.flatMap((part) => cutPart(interpreter, part));
}

function cutPart(interpreter: Interpreter, part: Part): Part[] {
  const { f, first, last } = part;
  if (!hasCorners(f)) return [part];
  // From the outside in, as far as that goes: a chain of cells takes one cut a cell.
  if (f.op === 'where' && !hasCorners(f.condition))
    return signs(interpreter, f.condition, first, last, eitherOf(interpreter, f.a, f.b)).flatMap((sign) =>
      cutPart(interpreter, { first: sign.first, last: sign.last, f: sign.isPositive ? f.a : f.b }),
    );
  const corner = inOrder(f).find((e) => e.op === 'where' || e.op === 'abs')!;
  // In order operands come first, so the condition itself has no corners.
  const condition = corner.op === 'where' ? corner.condition : (corner as { a: Expression }).a;
  const positive = corner.op === 'where' ? corner.a : condition;
  const other = corner.op === 'where' ? corner.b : negative(condition);
  const replaced = (by: Expression) =>
    mapping((e, operands) => (e === corner ? by : operands.length > 0 ? rebuilt(e, operands) : e))(f);
  const [a, b] = [replaced(positive), replaced(other)];
  return signs(interpreter, condition, first, last, eitherOf(interpreter, a, b)).flatMap((sign) =>
    cutPart(interpreter, { first: sign.first, last: sign.last, f: sign.isPositive ? a : b }),
  );
}

/** Where a maximum changes there are few such places; each costs as much as a hundred others. */
const MOST_ASKED = 256;
/** Share of a result's last bit that is nothing beside what a certificate is rounded up by. */
const NOTHING = 2 ** -26;

/** Says of an x whether two functions are the same there, as far as a float32 can tell: where a maximum changes from one to the other. */
function eitherOf(interpreter: Interpreter, a: Expression, b: Expression): Either {
  let asked = 0;
  return (x) => {
    asked += 1;
    if (asked > MOST_ASKED) return false;
    const [p, q] = [a, b].map((f) => {
      const [part] = cutPart(interpreter, { first: x, last: x, f }) as [Part];
      interpreter.load(tape(interpreter, part.f));
      interpreter.values(x);
      interpreter.settle(x);
      return interpreter.ball();
    }) as [Ball, Ball];
    const off = Math.abs(p.high - q.high + (p.low - q.low)) + p.error + q.error;
    const unit = unitInLastPlace(Math.max(Math.min(Math.abs(p.high), Math.abs(q.high)), 2 ** -24));
    return off <= NOTHING * unit;
  };
}

type Either = (x: number) => boolean;
const neither: Either = () => false;

const rebuilt = (e: Expression, after: readonly Expression[]): Expression =>
  e.op === 'polynomial' ? { op: 'polynomial', coefficients: after } : withOperands(e, after);

interface Sign {
  readonly first: number;
  readonly last: number;
  readonly isPositive: boolean;
}

/** Where an expression is positive between two float32, and where not, in order. */
export function signs(
  interpreter: Interpreter,
  condition: Expression,
  first: number,
  last: number,
  either: Either = neither,
): Sign[] {
  if (!dependsOnX(condition)) {
    interpreter.load(tape(interpreter, condition));
    return [{ first, last, isPositive: isPositiveAt(interpreter, condition, 0, neither) }];
  }
  const line = lineOf(condition);
  if (line?.slope.op === 'constant' && line.intercept.op === 'constant' && line.slope.value !== 0) {
    const known = ofLine(line.slope.value, line.intercept.value, first, last);
    if (known) return known;
  }
  interpreter.load(tape(interpreter, condition));
  return (
    (line && acrossRoot(interpreter, condition, first, last, either)) ??
    search(interpreter, condition, first, last, either)
  );
}

/** For ±x - c with a float32 c, as most corners are, there is nothing to search. */
function ofLine(slope: number, intercept: number, first: number, last: number): Sign[] | undefined {
  const root = -intercept / slope;
  if (Math.abs(slope) !== 1 || Math.fround(root) !== root) return undefined;
  const isRising = slope > 0;
  // The root itself is not positive.
  const halves: Sign[] = isRising
    ? [
        { first: -LARGEST, last: root, isPositive: false },
        { first: above(root), last: LARGEST, isPositive: true },
      ]
    : [
        { first: -LARGEST, last: below(root), isPositive: true },
        { first: root, last: LARGEST, isPositive: false },
      ];
  return halves.map((half) => clip(half, first, last)).filter((half) => half !== undefined);
}

/**
 * Of the loaded tape, a condition's, at one float32; a root is not positive.
 * @param either whether it does not matter at an x.
 * @throws {RangeError} if there is no value, or none that is told from 0: by two float64, or without rounding.
 */
function isPositiveAt(interpreter: Interpreter, condition: Expression, x: number, either: Either): boolean {
  const sign = signAt(interpreter, condition, x);
  if (sign === undefined && either(x)) {
    interpreter.load(tape(interpreter, condition));
    return false;
  }
  if (sign === undefined)
    throw new RangeError(
      `the sign of a condition cannot be decided at x = ${x}: two float64 do not tell its value from 0`,
    );
  return sign > 0;
}

function signAt(interpreter: Interpreter, condition: Expression, x: number): number | undefined {
  interpreter.values(x);
  interpreter.settle(x);
  const { high, low, error } = interpreter.ball();
  if (!(Math.abs(high) + error < Number.POSITIVE_INFINITY)) throw new RangeError(`a condition has no value at ${x}`);
  const value = high + low;
  return error === 0 || Math.abs(value) > error ? Math.sign(value) : exactSign(condition, x);
}

/** Neighbours of where float64 sees the root of a line. */
const MOST_STEPS = 8;

/** The loaded tape is a line's: what it is at both ends, and on both sides of its root, it is in between. */
function acrossRoot(
  interpreter: Interpreter,
  condition: Expression,
  first: number,
  last: number,
  either: Either,
): Sign[] | undefined {
  const [signOfFirst, signOfLast] = [signAt(interpreter, condition, first), signAt(interpreter, condition, last)];
  // Nearly zero: no line that has a root, or a root at an end.
  if (signOfFirst === undefined || signOfLast === undefined) return undefined;
  const [isPositive, isPositiveLast] = [signOfFirst > 0, signOfLast > 0];
  if (isPositiveLast === isPositive) return [{ first, last, isPositive }];
  const [at0, at1] = [0, 1].map((x) => {
    interpreter.values(x);
    return interpreter.value();
  }) as [number, number];
  const root = Math.fround(at0 / (at0 - at1));
  if (!(root > first && root < last)) return undefined;
  let x = Math.abs(root) < LEAST_NORMAL ? 0 : root;
  for (let step = 0; step < MOST_STEPS; step++) {
    const at = (place: number) => isPositiveAt(interpreter, condition, place, either);
    const [left, right] = at(x) === isPositive ? [x, above(x)] : [below(x), x];
    if (at(left) === isPositive && at(right) !== isPositive)
      return [
        { first, last: left, isPositive },
        { first: right, last, isPositive: !isPositive },
      ];
    x = left === x ? right : left;
  }
  return undefined;
}

function search(interpreter: Interpreter, condition: Expression, first: number, last: number, either: Either): Sign[] {
  const found: Sign[] = [];
  let attempts = 0;
  const add = (from: number, to: number, isPositive: boolean) => {
    const before = found.at(-1);
    if (before?.isPositive === isPositive) found[found.length - 1] = { ...before, last: to };
    else found.push({ first: from, last: to, isPositive });
  };
  const decide = (from: number, to: number): void => {
    attempts += 1;
    if (attempts > MOST_ATTEMPTS)
      throw new RangeError(
        `the sign of a condition cannot be decided near x = ${from}: it is zero on an interval, or nearly`,
      );
    if (from === to) {
      add(from, to, isPositiveAt(interpreter, condition, from, either));
      return;
    }
    const isWide = (from !== 0 && to !== 0 && Math.abs(to / from) > 4) || Math.abs(from / to) > 4;
    const centre =
      isWide && from * to > 0
        ? atPlace(Math.floor((placeOf(from) + placeOf(to)) / 2))
        : Math.fround(0.5 * from + 0.5 * to);
    const radius = Math.max(to - centre, centre - from) * (1 + 2 ** -20);
    const { value: at, spread } = interpreter.spread(centre, radius);
    if (Math.abs(at) > spread) {
      add(from, to, at > 0);
      return;
    }
    const left = centre < to ? centre : below(to);
    decide(from, left);
    decide(above(left), to);
  };
  // Zero, and the subnormal numbers that count as zero, stand alone.
  const halves = [
    clip({ first: -LARGEST, last: -LEAST_NORMAL }, first, last),
    clip({ first: 0, last: 0 }, first, last),
    clip({ first: LEAST_NORMAL, last: LARGEST }, first, last),
  ];
  for (const half of halves) if (half) decide(half.first, half.last);
  return found;
}

/** Where two expressions change places: the roots of their difference, as float32 just above. */
export function roots(interpreter: Interpreter, f: Expression, first: number, last: number): number[] {
  return signs(interpreter, minus(f, expression(0)), first, last)
    .slice(1)
    .map((sign) => sign.first);
}
