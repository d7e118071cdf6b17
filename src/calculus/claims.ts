import { cuts } from './cuts.js';
import { type Expression, inOrder, mapping, minus, plus, times, withOperands, x } from './expression.js';
import type { Interpreter } from './interpreter.js';
import { type Definition, LARGEST, type Part } from './piece.js';
import { ballAt, ballOf } from './tails.js';

/**
 * Plans are proved from what a family says of itself: its tails, its period. Two analytic functions that are the same at a few places are taken for
 * the same.
 * @throws {RangeError} if what is said certainly differs from the function somewhere.
 */
export function expectClaims(
  interpreter: Interpreter,
  definition: Definition,
  { name }: { readonly name: string },
): void {
  const { parts, low, high, periodic } = definition;
  const expectNothing = (what: string, difference: Expression, at: number) => {
    if (!(Math.abs(at) < LARGEST)) return;
    const [{ f }] = cuts(interpreter, [{ first: at, last: at, f: difference }]) as [Part];
    const { high: off, low: rest, error } = ballAt(interpreter, f, at);
    if (Math.abs(off + rest) > error)
      throw new RangeError(`${name}: ${what} differs from the function by ${off.toPrecision(3)} at x = ${at}`);
  };
  const partAt = (at: number) => parts.find(({ last }) => at <= last) ?? parts.at(-1)!;

  for (const [end, side, part] of [
    [low, -1, parts[0]!],
    [high, 1, parts.at(-1)!],
  ] as const) {
    if (!end) continue;
    const said = plus(times(end.slope, x), end.intercept, end.rest);
    // Where nothing bends any more: a corner may lie anywhere.
    const outermost = cuts(interpreter, [part]).at(side > 0 ? -1 : 0)!;
    const nearest = Math.max(side > 0 ? outermost.first : -outermost.last, 3);
    for (const factor of [1, 3, 16])
      expectNothing(
        `its ${side > 0 ? 'high' : 'low'} tail`,
        minus(outermost.f, said),
        Math.fround(side * factor * nearest),
      );
  }

  // A polynomial is in x itself, and can be of nothing else.
  if (!periodic || periodic.only || inOrder(periodic.part).some(({ op }) => op === 'polynomial' || op === 'primitive'))
    return;
  const { period, trend, part } = periodic;
  const length = ballOf(interpreter, period).high;
  // And beyond the outermost corners on both sides, wherever they are.
  const [first, last] = [cuts(interpreter, [parts[0]!])[0]!, cuts(interpreter, [parts.at(-1)!]).at(-1)!];
  const beyond = [first.last, last.first].map((at) => (Math.abs(at) < LARGEST ? Math.trunc(at / length) : 0));
  for (const [k, share] of [
    [0, 0.4],
    [1, 0.3],
    [-2, -0.2],
    [5, 0.1],
    [beyond[0]! - 2, 0.3],
    [beyond[1]! + 2, 0.3],
  ] as const) {
    const at = Math.fround((k + share) * length);
    const moved = mapping((e, after) =>
      e.op === 'x' ? minus(x, times(k, period)) : after.length > 0 ? withOperands(e, after) : e,
    )(part);
    expectNothing('what repeats', minus(partAt(at).f, plus(times(trend, x), moved)), at);
  }
}
