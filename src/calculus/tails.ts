import { atPlace, placeOf } from '../../assembly/float32';
import { cuts } from './cuts.js';
import { lineOf } from './differentiate.js';
import { dependsOnParameters, type Expression, plus, times, x } from './expression.js';
import type { Ball, Interpreter } from './interpreter.js';
import {
  type Asymptote,
  above,
  below,
  clip,
  type Definition,
  LARGEST,
  type Part,
  type Piece,
  withoutSubnormals,
} from './piece.js';
import { given, tape } from './tape.js';

/** The rest beside an asymptote may be this share of it, a sixteenth of a ULP; and where the asymptote is 0, this much. */
const SHARE = 2 ** -28;
const NOTHING = 2 ** -97;
/** |intercept| ≤ |slope·x|/16 in a linear piece (assembly/layout.ts). */
const DOMINANCE = 17;
/** How far the place from which an asymptote serves is narrowed down: by halving its binade so often. */
const STEPS = 8;

/** The pieces of a function: parts cut at their corners; lines, and asymptotes from where on what is left beside them is proved to be nothing. */
export function pieces(interpreter: Interpreter, { parts, low, high }: Definition): Piece[] {
  const body = cuts(
    interpreter,
    parts.map(withoutSubnormals).filter((part) => part !== undefined),
  );
  const from = low ? -reachOf(interpreter, low, -1, body[0]!) : Number.NEGATIVE_INFINITY;
  const to = high ? reachOf(interpreter, high, 1, body.at(-1)!) : Number.POSITIVE_INFINITY;
  const inner = body
    .map((part) =>
      clip(
        part,
        from === Number.NEGATIVE_INFINITY ? -LARGEST : above(from),
        to === Number.POSITIVE_INFINITY ? LARGEST : below(to),
      ),
    )
    .filter((part) => part !== undefined);
  const result: Piece[] = [];
  if (low && from > -LARGEST) result.push(asymptotic(interpreter, low, -LARGEST, from, body[0]!.f));
  for (const part of inner) result.push(...linesOf(interpreter, part));
  if (high && to < LARGEST) result.push(asymptotic(interpreter, high, to, LARGEST, body.at(-1)!.f));
  return result;
}

function asymptotic(
  interpreter: Interpreter,
  { slope, intercept }: Asymptote,
  first: number,
  last: number,
  f: Expression,
): Piece {
  const [a, b] = [numberOf(interpreter, slope), numberOf(interpreter, intercept)];
  return {
    first,
    last,
    law: 'linear',
    slope,
    intercept,
    rest: a !== 0 ? SHARE : b !== 0 ? SHARE * Math.abs(b) : NOTHING,
    f,
  };
}

function numberOf(interpreter: Interpreter, e: Expression): number {
  return ballOf(interpreter, e).high;
}

/** Whether a line's number is known for a float32, however long the line is: one that cancels may be 0 for all that two float64 tell. */
export const isKnown = ({ high, error }: Ball): boolean => error <= 2 ** -50 * Math.abs(high);

const known = new WeakMap<Asymptote, Map<string, number>>();

/** `reach`, remembered where no parameter matters. */
function reachOf(interpreter: Interpreter, end: Asymptote, side: 1 | -1, part: Part): number {
  if ([end.slope, end.intercept, end.rest].some(dependsOnParameters)) return reach(interpreter, end, side, part);
  const key = side > 0 ? `>${part.first}` : `<${part.last}`;
  let found = known.get(end);
  if (!found) known.set(end, (found = new Map()));
  let edge = found.get(key);
  if (edge === undefined) found.set(key, (edge = reach(interpreter, end, side, part)));
  if (found.size > 64) found.clear();
  return edge;
}

/** From which |x| on the rest is proved to be nothing beside the asymptote; Infinity if nowhere. `part` is where it must hold. */
function reach(interpreter: Interpreter, { slope, intercept, rest }: Asymptote, side: 1 | -1, part: Part): number {
  const [ofSlope, ofIntercept] = [ballOf(interpreter, slope), ballOf(interpreter, intercept)];
  const [a, b] = [ofSlope.high, ofIntercept.high];
  if (!isFloat32(a, b) || !isKnown(ofSlope) || !isKnown(ofIntercept)) return Number.POSITIVE_INFINITY;
  // Of a rest with corners, what holds outermost.
  const ends = cuts(interpreter, [{ first: part.first, last: part.last, f: rest }]);
  const end = side > 0 ? ends.at(-1)! : ends[0]!;
  const nearest = Math.max(
    side > 0 ? end.first : -end.last,
    2 ** -20,
    a === 0 ? 0 : (DOMINANCE * Math.abs(b)) / Math.abs(a),
  );
  interpreter.load(tape(interpreter, end.f));
  const holds = (from: number, to: number): boolean => {
    const centre = Math.fround(0.5 * from + 0.5 * to);
    const { value, spread } = interpreter.spread(side * centre, Math.max(to - centre, centre - from) * (1 + 2 ** -20));
    const size = a === 0 ? Math.abs(b) : (Math.abs(a) * from * 15) / 16;
    return Math.abs(value) + spread <= (size === 0 ? NOTHING : SHARE * size);
  };
  let edge = Number.POSITIVE_INFINITY;
  let last = LARGEST;
  for (let from = 2 ** 127; from > nearest / 2; from /= 2) {
    const low = Math.max(from, nearest);
    if (holds(low, last)) {
      edge = low;
      last = low;
      continue;
    }
    // In eighths: a disc around a whole binade may reach too far.
    const width = (last - low) / 8;
    let good = true;
    for (let k = 7; k >= 0 && good; k--) {
      const start = Math.fround(k === 0 ? low : low + k * width);
      good = holds(start, last);
      if (good) {
        edge = start;
        last = start;
      }
    }
    if (good) continue;
    // Within an eighth, halves.
    let [bad, fine] = [
      Math.max(edge === Number.POSITIVE_INFINITY ? low : edge - width, low),
      edge === Number.POSITIVE_INFINITY ? LARGEST : edge,
    ];
    for (let step = 0; step < STEPS && edge !== Number.POSITIVE_INFINITY; step++) {
      const middle = atPlace(Math.floor((placeOf(bad) + placeOf(fine)) / 2));
      if (holds(middle, fine)) {
        fine = middle;
        edge = middle;
      } else bad = middle;
    }
    break;
  }
  return edge;
}

/** Where the part is a line: near 0 by its tape if it has an intercept, for a linear piece is evaluated about 0. */
function linesOf(interpreter: Interpreter, part: Part): Piece[] {
  const line = lineOf(part.f);
  if (line === undefined) return [{ ...part, law: 'tape' }];
  const [ofSlope, ofIntercept] = [ballOf(interpreter, line.slope), ballOf(interpreter, line.intercept)];
  const [a, b] = [ofSlope.high, ofIntercept.high];
  if (!isFloat32(a, b) || !isKnown(ofSlope) || !isKnown(ofIntercept)) return [{ ...part, law: 'tape' }];
  const edge = a === 0 || b === 0 ? 0 : Math.fround((DOMINANCE * Math.abs(b)) / Math.abs(a));
  const far = (first: number, last: number): Piece | undefined => {
    const found = clip({ first, last }, part.first, part.last);
    return found && { ...found, law: 'linear', slope: line.slope, intercept: line.intercept, rest: 0, f: part.f };
  };
  if (a === 0 || b === 0) return [far(-LARGEST, LARGEST)!];
  const near = clip({ first: -edge, last: edge, f: part.f }, part.first, part.last);
  const pieces = [
    far(-LARGEST, below(-edge)),
    near && { ...near, law: 'tape' as const, f: lineExpression(line) },
    far(above(edge), LARGEST),
  ];
  return pieces.filter((piece) => piece !== undefined);
}

/** Whether a piece can hold a line's numbers; where not, segments follow it. */
const isFloat32 = (slope: number, intercept: number) => Math.max(Math.abs(slope), Math.abs(intercept)) <= LARGEST;

const lineExpression = ({ slope, intercept }: { slope: Expression; intercept: Expression }) =>
  plus(times(slope, x), intercept);

/** A constant without x, as two float64 and what they may be off. */
export function ballOf(interpreter: Interpreter, e: Expression): Ball {
  return given(e) ?? ballAt(interpreter, e, 0);
}

/** The same of an expression at x. */
export function ballAt(interpreter: Interpreter, e: Expression, x: number): Ball {
  interpreter.load(tape(interpreter, e));
  interpreter.values(x);
  interpreter.settle(x);
  return interpreter.ball();
}
