import { differentiate } from '../calculus/differentiate.js';
import { type Expression, inOrder, operands } from '../calculus/expression.js';
import { evaluator, holdsX } from './expression.js';
import {
  difference,
  type IntervalFunctions,
  intervalFunctions,
  intervalOf,
  power,
  product,
  quotient,
  R,
  sum,
} from './interval.js';
import { isNarrow, Smooth } from './smooth.js';

/**
 * Where the truth lies, in float64: an expression evaluated in intervals. It decides how nearly every result is rounded; what it leaves open goes to
 * the balls.
 */
export type Enclosure = (
  x: Float32Array | Float64Array,
  from: number,
  count: number,
  low: Float64Array,
  high: Float64Array,
) => void;

/** As many inputs as an enclosure takes at a time. */
export const LANES = 1024;
/** As many as are evaluated one by one at a time. */
const POINTS = 128;

const WORDS = 192;

/** Where an expression lies at up to LANES finite inputs: all of them by one polynomial if they are near each other, else each on its own. */
export function encloseExpression(root: Expression): Enclosure {
  const points = new Intervals([root], false, POINTS);
  let smooth: Smooth | undefined;
  return (x, from, count, low, high) => {
    const each = (begin: number, length: number) => {
      for (let start = begin; start < begin + length; start += POINTS) {
        const n = Math.min(POINTS, begin + length - start);
        for (let i = 0; i < n; i++) points.inputLow[i] = points.inputHigh[i] = x[from + start + i]!;
        points.run(n);
        points.copy(0, n, low, high, start);
      }
    };
    if (!isNarrow(x, from, count)) return each(0, count);
    smooth ??= smoothOf(root);
    smooth.enclose(x, from, count, low, high, each);
  };
}

/** f, f′ and f″ at the centre; f and f‴ over all inputs. Derivatives are by the calculus' rules, whose values the tests compare with balls. */
function smoothOf(root: Expression): Smooth {
  const first = differentiate(root, 'x');
  const second = differentiate(first, 'x');
  const centre = new Intervals([root, first, second], true, 1);
  const whole = new Intervals([root, differentiate(second, 'x')], true, 1);
  return new Smooth(
    (c, into) => {
      centre.inputLow[0] = centre.inputHigh[0] = c;
      centre.run(1);
      for (let k = 0; k < 3; k++) centre.copy(k, 1, into.low, into.high, k);
    },
    (l, h, into) => {
      whole.inputLow[0] = l;
      whole.inputHigh[0] = h;
      whole.run(1);
      whole.copy(0, 1, into.low, into.high, 0);
      whole.copy(1, 1, into.low, into.high, 3);
    },
  );
}

/** Expressions in intervals, each word once for all that hold it. `isStrict`: where a condition is not decided, there is no answer. */
class Intervals {
  readonly inputLow: Float64Array;
  readonly inputHigh: Float64Array;
  readonly #low: Float64Array;
  readonly #high: Float64Array;
  readonly #places: ReadonlyMap<Expression, number>;
  readonly #roots: readonly number[];
  readonly #steps: readonly ((n: number) => void)[];
  readonly #on = intervalFunctions();
  readonly #isStrict: boolean;

  constructor(roots: readonly Expression[], isStrict: boolean, lanes: number) {
    const all = inOrder(...roots);
    // Of what holds no x, only what stands directly beside something that does.
    const beside = new Set([...roots, ...all.filter(holdsX).flatMap(operands)]);
    const order = all.filter((e) => holdsX(e) || beside.has(e));
    this.#isStrict = isStrict;
    this.#places = new Map(order.map((e, i) => [e, i * lanes]));
    const room = () => new Float64Array(order.length * lanes);
    [this.#low, this.#high] = [room(), room()];
    const input = order.find((e) => e.op === 'x');
    const at = input && this.#at(input);
    [this.inputLow, this.inputHigh] =
      at === undefined
        ? [new Float64Array(lanes), new Float64Array(lanes)]
        : [this.#low.subarray(at, at + lanes), this.#high.subarray(at, at + lanes)];
    this.#roots = roots.map((e) => this.#at(e));
    this.#steps = order.map((e) => this.#step(e, lanes)).filter((each) => each !== undefined);
  }

  run(count: number): void {
    for (const step of this.#steps) step(count);
  }

  /** Results of a root. */
  copy(root: number, count: number, low: Float64Array, high: Float64Array, to: number): void {
    const at = this.#roots[root]!;
    for (let i = 0; i < count; i++) {
      low[to + i] = this.#low[at + i]!;
      high[to + i] = this.#high[at + i]!;
    }
  }

  #at(e: Expression): number {
    return this.#places.get(e)!;
  }

  /** Of what holds no x, once and for all. */
  #step(e: Expression, lanes: number): ((n: number) => void) | undefined {
    const [low, high, on, isStrict] = [this.#low, this.#high, this.#on, this.#isStrict];
    const to = this.#at(e);
    if (e.op === 'x') return undefined;
    if (!holdsX(e)) {
      const [l, h] = fixedOf(e);
      low.fill(l, to, to + lanes);
      high.fill(h, to, to + lanes);
      return undefined;
    }
    switch (e.op) {
      case 'polynomial': {
        const c = e.coefficients.map((each) => this.#at(each));
        const [xLow, xHigh] = [this.inputLow, this.inputHigh];
        return (n) => {
          for (let i = 0; i < n; i++) {
            R[0] = R[1] = 0;
            for (let k = c.length - 1; k >= 0; k--) {
              product(R[0]!, R[1]!, xLow[i]!, xHigh[i]!);
              sum(R[0]!, R[1]!, low[c[k]! + i]!, high[c[k]! + i]!);
            }
            low[to + i] = R[0]!;
            high[to + i] = R[1]!;
          }
        };
      }
      case 'where': {
        const [c, a, b] = [this.#at(e.condition), this.#at(e.a), this.#at(e.b)];
        return (n) => {
          for (let i = 0; i < n; i++) {
            const isA = low[c + i]! > 0;
            const isB = high[c + i]! <= 0;
            const isEither = low[c + i]! <= high[c + i]! && !isStrict;
            low[to + i] = isA
              ? low[a + i]!
              : isB
                ? low[b + i]!
                : isEither
                  ? Math.min(low[a + i]!, low[b + i]!)
                  : Number.NaN;
            high[to + i] = isA
              ? high[a + i]!
              : isB
                ? high[b + i]!
                : isEither
                  ? Math.max(high[a + i]!, high[b + i]!)
                  : Number.NaN;
          }
        };
      }
      case 'times': {
        const [a, b] = [this.#at(e.a), this.#at(e.b)];
        if (a !== b) return this.#binary(to, a, b, product);
        return (n) => {
          for (let i = 0; i < n; i++) {
            on.abs(low[a + i]!, high[a + i]!);
            product(R[0]!, R[1]!, R[0]!, R[1]!);
            low[to + i] = R[0]!;
            high[to + i] = R[1]!;
          }
        };
      }
      case 'plus':
        return this.#binary(to, this.#at(e.a), this.#at(e.b), sum);
      case 'minus':
        return this.#binary(to, this.#at(e.a), this.#at(e.b), difference);
      case 'divide':
        return this.#binary(to, this.#at(e.a), this.#at(e.b), quotient);
      case 'power':
        return this.#binary(to, this.#at(e.a), this.#at(e.b), (al, ah, bl, bh) => power(al, ah, bl, bh, on));
      default: {
        const a = this.#at((e as { a: Expression }).a);
        const f = on[e.op as keyof IntervalFunctions];
        const isCorner = isStrict && e.op === 'abs';
        return (n) => {
          for (let i = 0; i < n; i++) {
            if (isCorner && !(low[a + i]! > 0 || high[a + i]! < 0)) R[0] = R[1] = Number.NaN;
            else f(low[a + i]!, high[a + i]!);
            low[to + i] = R[0]!;
            high[to + i] = R[1]!;
          }
        };
      }
    }
  }

  #binary(
    to: number,
    a: number,
    b: number,
    f: (al: number, ah: number, bl: number, bh: number) => void,
  ): (n: number) => void {
    const [low, high] = [this.#low, this.#high];
    return (n) => {
      for (let i = 0; i < n; i++) {
        f(low[a + i]!, high[a + i]!, low[b + i]!, high[b + i]!);
        low[to + i] = R[0]!;
        high[to + i] = R[1]!;
      }
    };
  }
}

/** The interval of an expression without x; NaN where the balls do not tell. */
function fixedOf(e: Expression): readonly [number, number] {
  try {
    return intervalOf(evaluator(e)({ m: 0n, e: 0, r: 0 }, WORDS));
  } catch {
    return [Number.NaN, Number.NaN];
  }
}
