import { atPlace, placeOf } from '../../assembly/float32';
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
import type { Interpreter } from './interpreter.js';
import { above, below, clip, LARGEST, LEAST_NORMAL, type Part } from './piece.js';
import { tape } from './tape.js';
import { value } from './value.js';

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
  if (!hasCorners(part.f)) return [part];
  const corner = inOrder(part.f).find((e) => e.op === 'where' || e.op === 'abs')!;
  // In order operands come first, so the condition itself has no corners.
  const condition = corner.op === 'where' ? corner.condition : (corner as { a: Expression }).a;
  const positive = corner.op === 'where' ? corner.a : condition;
  const other = corner.op === 'where' ? corner.b : negative(condition);
  const replaced = (by: Expression) =>
    mapping((e, operands) => (e === corner ? by : operands.length > 0 ? rebuilt(e, operands) : e))(part.f);
  return signs(interpreter, condition, part.first, part.last).flatMap(({ first, last, isPositive }) =>
    cutPart(interpreter, { first, last, f: replaced(isPositive ? positive : other) }),
  );
}

const rebuilt = (e: Expression, after: readonly Expression[]): Expression =>
  e.op === 'polynomial' ? { op: 'polynomial', coefficients: after } : withOperands(e, after);

interface Sign {
  readonly first: number;
  readonly last: number;
  readonly isPositive: boolean;
}

/** Where an expression is positive between two float32, and where not, in order. */
export function signs(interpreter: Interpreter, condition: Expression, first: number, last: number): Sign[] {
  if (!dependsOnX(condition)) return [{ first, last, isPositive: value(condition)(0) > 0 }];
  const line = lineOf(condition);
  if (line?.slope.op === 'constant' && line.intercept.op === 'constant' && line.slope.value !== 0) {
    const known = ofLine(line.slope.value, line.intercept.value, first, last);
    if (known) return known;
  }
  return search(interpreter, condition, first, last);
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

function search(interpreter: Interpreter, condition: Expression, first: number, last: number): Sign[] {
  interpreter.load(tape(interpreter, condition));
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
      interpreter.values(from);
      interpreter.settle(from);
      const { high, low, error } = interpreter.ball();
      // An undecided value at a single float32 is a root: not positive.
      add(from, to, high + low > error);
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
