/**
 * `npm run test:formulas [-- COUNT [SEED]]`: random formulas, as somebody may write them down for `defineFamily`. Results are judged against the
 * plan's certificate, gradients against theirs, the oracle against decimal.js and differences of it; every backend that is here, and `ditac/runtime`,
 * has to have the bits of Wasm. What is wrong is printed with the formula, and the command fails.
 */
import Decimal from 'decimal.js';
import { BACKEND_NAMES, type Backend, defineFamily, type GradientBound, gradientCertificate, loadBackend } from 'ditac';
import type { Expression, Operand, Parameter } from 'ditac/families';
import * as words from 'ditac/families';
import { compareBits, exactDerivative, exactFamily } from 'ditac/oracle';
import { Activation } from 'ditac/runtime';
import type { Plan } from '../../src/plan/plan.js';
import { arithmetic, decimalTruth } from '../arithmetic.js';
import { exactly } from '../decimal.js';
import { inputsOf, judge, reachUpTo } from './judging.js';
import { Draw } from './subjects.js';

const [count = 200, seed = 1] = process.argv.slice(2, 4).map(Number);
const [POINTS, SLOPES, QUOTIENTS] = [120, 30, 4];
/** Milliseconds from which a formula is named. */
const SLOW = 5_000;

type Word = (draw: Draw, depth: number, given: readonly Parameter[]) => Expression;

const { x, plus, minus, times, divide, negative } = words;
/** Whether this formula has numbers of any size, and words that overflow and cancel. */
let isHostile = false;
/** Powers of two between which its numbers lie. */
const SIZES = [-40, 25] as const;
const number = (draw: Draw): number =>
  draw.uniform() < 0.6
    ? draw.pick([1, -1, 2, 0.5, 3, 0.25, -2, 0.1])
    : isHostile
      ? draw.hostile(...SIZES)
      : Math.fround(1.5 * draw.normal());

const leaf: Word = (draw, _, given) => {
  const kind = draw.uniform();
  if (kind < 0.55 || given.length === 0) return x;
  return kind < 0.9 ? times(draw.pick(given), x) : plus(draw.pick(given), times(number(draw), x));
};
const inner: Word = (draw, depth, given) =>
  depth === 0 || draw.uniform() < 0.2
    ? leaf(draw, 0, given)
    : draw.pick(isHostile && draw.uniform() < 0.4 ? HOSTILE : KINDS)(draw, depth - 1, given);
const scale: Word = (draw, _, given): Expression =>
  given.length > 0 && draw.uniform() < 0.5 ? draw.pick(given) : times(number(draw), 1);

/** Bounded, from any operand. */
const GATES = [
  words.sigmoid,
  words.tanh,
  words.normal,
  words.aboveHalf,
  words.erf,
  words.atan,
  words.sin,
  words.cos,
  words.density,
];
const gate: Word = (draw, depth, given) => draw.pick(GATES)(inner(draw, depth, given));
const positive: Word = (draw, depth, given) => {
  const a = inner(draw, depth, given);
  switch (draw.below(5)) {
    case 0:
      return plus(1, words.square(a));
    case 1:
      return words.softplus(a);
    case 2:
      return plus(draw.pick([1, 0.5, 2]), words.sigmoid(a));
    case 3:
      return plus(1, words.abs(a));
    default:
      return words.exp(words.tanh(a));
  }
};
const KINDS: readonly Word[] = [
  gate,
  gate,
  gate,
  (draw, depth, given) => times(inner(draw, depth, given), gate(draw, depth, given)),
  (draw, depth, given) => times(leaf(draw, 0, given), gate(draw, depth, given)),
  (draw, depth, given) => plus(inner(draw, depth, given), inner(draw, depth, given)),
  (draw, depth, given) => minus(inner(draw, depth, given), times(scale(draw, 0, given), gate(draw, depth, given))),
  (draw, depth, given) => divide(inner(draw, depth, given), positive(draw, depth, given)),
  (draw, depth, given) => words.maximum(inner(draw, depth, given), times(scale(draw, 0, given), leaf(draw, 0, given))),
  (draw, depth, given) => words.minimum(inner(draw, depth, given), number(draw)),
  (draw, depth, given) => words.relu(inner(draw, depth, given)),
  (draw, depth, given) => words.abs(inner(draw, depth, given)),
  (draw, depth, given) => words.where(leaf(draw, 0, given), inner(draw, depth, given), gate(draw, depth, given)),
  (draw, depth, given) => words.softplus(inner(draw, depth, given)),
  (draw, depth, given) => words.log1p(words.square(inner(draw, depth, given))),
  (draw, depth, given) => words.log(positive(draw, depth, given)),
  (draw, depth, given) => words.sqrt(positive(draw, depth, given)),
  (draw, depth, given) => words.power(positive(draw, depth, given), draw.pick([0.3, 1.5, -1, 2.5, -0.5])),
  (draw, depth, given) => words.expm1(words.minimum(inner(draw, depth, given), draw.pick([0, 1]))),
  (draw, depth, given) => words.exp(negative(words.square(inner(draw, depth, given)))),
  (draw) => words.polynomial(draw.list(2 + draw.below(3), () => draw.normal())),
  (draw, depth, given) => words.square(inner(draw, depth, given)),
];

const HOSTILE: readonly Word[] = [
  (draw, depth, given) => words.exp(inner(draw, depth, given)),
  (draw, depth, given) => words.expm1(inner(draw, depth, given)),
  (draw, depth, given) => words.sin(words.square(inner(draw, depth, given))),
  (draw, depth, given) => divide(inner(draw, depth, given), inner(draw, depth, given)),
  (draw, depth, given) => words.log(inner(draw, depth, given)),
  (draw, depth, given) => times(scale(draw, 0, given), inner(draw, depth, given)),
  (draw, depth, given) => words.sigmoid(times(number(draw), inner(draw, depth, given))),
  (draw, depth, given) => words.exp(times(scale(draw, 0, given), words.abs(inner(draw, depth, given)))),
  (draw, depth, given) => words.power(positive(draw, depth, given), scale(draw, 0, given)),
  // What cancels.
  (draw, depth, given) => {
    const a = inner(draw, depth, given);
    return draw.pick([
      minus(words.softplus(a), words.relu(a)),
      minus(words.sqrt(plus(1, words.square(a))), words.abs(a)),
      minus(1, words.cos(a)),
      minus(words.exp(a), plus(1, a)),
      minus(words.tanh(a), a),
      minus(words.sigmoid(a), 0.5),
      divide(words.expm1(a), words.sqrt(plus(number(draw) ** 2, words.square(a)))),
      minus(plus(a, number(draw)), a),
    ]);
  },
];

/** A formula from each x on, the first from -∞. */
type Pieces = readonly (readonly [from: number, f: Expression])[];

/** Where pieces meet: at short numbers, between two float32, next to each other, next to 0. */
function knots(draw: Draw): number[] {
  const at = [0, draw.pick([1, -1, 0.5, 0.1, 0.7, -0.3]), 2 * draw.normal(), Math.fround(draw.normal())];
  const [near] = at.slice(-1) as [number];
  const all = [
    ...at,
    near + Math.abs(near) * 2 ** -23,
    near + Math.abs(near) * 2 ** -25,
    2 ** -126,
    -(2 ** -126),
    1e-41,
  ];
  const some = draw.list(1 + draw.below(4), () => draw.pick(all));
  return [...new Set(some)].sort((p, q) => p - q);
}

/** Formulas that touch 0 without passing it, or stay there. */
function touching(draw: Draw, place: number, given: readonly Parameter[]): Expression {
  // Squares of tiny numbers have more digits than decimal.js is asked for.
  const at = Math.abs(place) < 1e-3 ? 1 : place;
  const off = minus(x, at);
  return words.where(
    draw.pick([
      words.square(off),
      negative(words.abs(off)),
      times(off, off, off),
      words.polynomial([at * at, -2 * at, 1]),
    ]),
    leaf(draw, 0, given),
    times(number(draw), off),
  );
}

/** Neighbours of a number among float32. */
function neighbours(v: number): number[] {
  const found = [Math.fround(v)];
  const word = new Int32Array(new Float32Array([v]).buffer);
  for (const step of [-2, -1, 1, 2])
    if (v !== 0) found.push(new Float32Array(Int32Array.of(word[0]! + step).buffer)[0]!);
  return found;
}

/** As it is written. */
const showPieces = (all: Pieces) => all.map(([from, f]) => `from ${from}: ${show(f)}`).join('\n  ');

function show(e: Operand): string {
  if (typeof e === 'number') return String(e);
  switch (e.op) {
    case 'x':
      return 'x';
    case 'constant':
      return String(e.value);
    case 'parameter':
      return `p${e.index}=${e.value}`;
    case 'polynomial':
      return `polynomial(${e.coefficients.map(show).join(', ')})`;
    case 'where':
      return `where(${[e.condition, e.a, e.b].map(show).join(', ')})`;
    case 'primitive':
      return 'primitive';
    default:
      return `${e.op}(${'b' in e ? `${show(e.a)}, ${show(e.b)}` : show(e.a)})`;
  }
}

const evaluate = arithmetic(120);

interface On {
  on(backend: Backend): { forward(x: Float32Array): Promise<Float32Array> };
}
const backends: [string, Backend][] = [];
for (const name of BACKEND_NAMES) {
  const found = await loadBackend(name).catch(() => undefined);
  if (found) backends.push([name, found]);
}

/** A derivative as a quotient of differences, to 20 digits; undefined where there is a corner, or too little is known. */
function quotientOf(f: Expression, at: number, of: 'x' | number): Decimal | undefined {
  const value = (by: Decimal) => (of === 'x' ? evaluate(f, exactly(at).plus(by)) : evaluate(f, at, { index: of, by }));
  const size = of === 'x' ? Math.max(Math.abs(at), 2 ** -20) : 1;
  const here = value(new Decimal(0));
  const [[p], [q], [right, left]] = [1e-16, 1e-14, 1e-12].map((share) => {
    const h = new Decimal(size).times(share);
    const [above, below] = [value(h), value(h.negated())];
    return share === 1e-12
      ? [above.minus(here).div(h), here.minus(below).div(h)]
      : [above.minus(below).div(h.times(2))];
  }) as [[Decimal], [Decimal], [Decimal, Decimal]];
  const isSmooth = right.minus(left).abs().lte(p.abs().times(1e-6));
  return p.isFinite() && isSmooth && p.minus(q).abs().lte(p.abs().times(1e-20)) ? p : undefined;
}

const tally = { formulas: 0, refused: 0, results: 0, nearest: 0, gradients: 0, quotients: 0, wrong: 0 };
const refusals = new Map<string, string>();

for (let k = 0; k < count; k++) {
  const draw = new Draw((seed * 1_000_003 + k) >>> 0);
  isHostile = k % 2 === 1;
  const values = draw.list(draw.below(3), () =>
    isHostile ? draw.hostile(...SIZES) : draw.pick([1, 0.5, -1, 2, 1 + draw.normal()]),
  );
  let all: Pieces = [];
  /** The formula that x belongs to. */
  const formulaAt = (at: number): Expression => all.filter(([from]) => at >= from).at(-1)![1];
  const define = (_: unknown, given: Record<string, Parameter>) => {
    // The same formula whenever it is asked for.
    const again = new Draw((seed * 7_000_003 + k) >>> 0);
    const own = Object.values(given);
    const starts = k % 3 === 2 ? knots(again) : [];
    const piece = (at: number) =>
      again.uniform() < 0.2 ? touching(again, at, own) : inner(again, starts.length > 0 ? k % 3 : 2 + (k % 5), own);
    all = [Number.NEGATIVE_INFINITY, ...starts].map((from) => [from, piece(Math.max(from, -1))] as const);
    if (starts.length === 0) return words.whole(all[0]![1]);
    return { parts: words.pieces(all[0]![1], ...all.slice(1)) };
  };
  const called = `Formula${k}`;
  const parameters = Object.fromEntries(values.map((value, i) => [`p${i}`, words.one(value)]));
  const began = performance.now();
  const wrong = (what: string) => {
    tally.wrong += 1;
    console.log(`${called}: ${what}\n  ${showPieces(all)}`);
  };
  let act: InstanceType<ReturnType<typeof defineFamily>>;
  let plan: Plan;
  try {
    const Class = defineFamily({ name: called, parameters: () => parameters, define: define as never });
    act = new Class() as typeof act;
    plan = (act as unknown as { plan: Plan }).plan;
  } catch (error) {
    if (!(error instanceof RangeError)) wrong(String((error as Error).stack));
    else refusals.set(error.message.replace(/-?\d[\d.e+-]*/g, '#'), showPieces(all));
    tally.refused += 1;
    const took = performance.now() - began;
    if (took > SLOW) console.log(`${called}: refused after ${(took / 1000).toFixed(1)} s\n  ${showPieces(all)}`);
    continue;
  }
  tally.formulas += 1;
  const near = all.flatMap(([from]) => (Number.isFinite(from) ? neighbours(from) : []));
  // Subnormal x count as 0, whatever formula they belong to.
  const isNormal = (v: number) => v === 0 || Math.abs(v) >= 2 ** -126;
  const inputs = Float32Array.from([...near.filter(isNormal), ...inputsOf(plan, draw, POINTS)]);
  const y = (act as never as { forward(x: Float32Array): Float32Array }).forward(inputs);
  for (const [name, backend] of backends) {
    const other = await (act as never as On).on(backend).forward(inputs);
    const { differing } = compareBits(y, other, inputs);
    if (differing > 0) wrong(`${differing} bits differ on ${name}`);
  }
  try {
    const stored = (act as never as { compiled(): { toBytes(): Uint8Array } }).compiled().toBytes();
    if (compareBits(y, new Activation(stored).forward(inputs), inputs).differing > 0)
      wrong('other bits from a plan file');
  } catch (error) {
    wrong(`no plan file: ${(error as Error).message}`);
  }
  const oracle = exactFamily(act as never);
  const truths = new Float64Array(2 * inputs.length);
  for (const [i, at] of inputs.entries()) {
    const { hi, lo, error } = oracle(at);
    truths[2 * i] = hi;
    truths[2 * i + 1] = lo;
    const value = decimalTruth(formulaAt(at), at);
    // 0·(x/x) at 0 has no value, and may be simplified to 0.
    if (Number.isNaN(hi) && value?.isNaN()) truths[2 * i] = y[i]!;
    if (!value?.isFinite() || Math.abs(hi) === Number.POSITIVE_INFINITY) continue;
    const off = value.minus(exactly(hi)).minus(exactly(lo)).abs();
    if (off.gt(error) && off.gt(value.abs().times(1e-31)))
      wrong(`the oracle says ${hi} + ${lo} ± ${error} at ${at}, decimal.js ${value.toPrecision(40)}`);
  }
  const { excess, nearest } = judge(plan, inputs, y, truths);
  if (excess) wrong(`certificate: ${JSON.stringify(excess)}`);
  else tally.nearest = Math.max(tally.nearest, nearest);
  tally.results += inputs.length;

  // Gradients, one input at a time, from the nearest to the farthest.
  try {
    const certificate = gradientCertificate(act as never);
    const some = inputs
      .slice(0, SLOPES)
      .filter((at) => Math.abs(at) >= 2 ** -126 && Math.abs(at) < Math.min(certificate.domain, 2 ** 30))
      .sort((p, q) => Math.abs(p) - Math.abs(q));
    const trained = act as never as {
      backward(x: Float32Array, gradY: Float32Array): { gradX: Float32Array; gradients: Record<string, Float32Array> };
    };
    const computed = Array.from(some, (at) => trained.backward(Float32Array.of(at), Float32Array.of(1)));
    const check = (what: string, of: 'x' | number, bound: GradientBound, is: (i: number) => number) => {
      const truth = exactDerivative(act as never, of);
      // At 0 corners meet, where derivatives are what is agreed on.
      for (const at of some.filter((each) => each !== 0).subarray(0, QUOTIENTS)) {
        const quotient = quotientOf(formulaAt(at), at, of);
        if (quotient === undefined) continue;
        tally.quotients += 1;
        const { hi, lo } = truth(at);
        if (quotient.minus(exactly(hi)).minus(exactly(lo)).abs().gt(quotient.abs().times(1e-18).plus(1e-40)))
          wrong(`the oracle's ${what} at ${at} is ${hi} + ${lo}, and by differences ${quotient.toPrecision(30)}`);
      }
      let reach = bound.of;
      some.forEach((at, i) => {
        const { hi } = truth(at);
        if (!(Math.abs(hi) < 2 ** 127)) return;
        reach = Math.max(reach, Math.abs(hi));
        tally.gradients += 1;
        const isWithin = (size: number) => Math.abs(is(i) - hi) <= bound.share * size + 2 ** -126;
        reach = reachUpTo(at, truth, reach, isWithin);
        if (!isWithin(reach)) wrong(`${what} at ${at} is ${is(i)}, not ${hi}; certified ${bound.share} of ${reach}`);
      });
    };
    check('∂f/∂x', 'x', certificate.slope, (i) => computed[i]!.gradX[0]!);
    values.forEach((_, i) => {
      const bound = certificate.parameters[`p${i}`]![0]!;
      check(`∂f/∂p${i}`, i, bound, (at) => computed[at]!.gradients[`p${i}`]![0]!);
    });
  } catch (error) {
    if (!(error instanceof RangeError)) wrong(String((error as Error).stack));
    else refusals.set(`gradient: ${error.message.replace(/-?\d[\d.e+-]*/g, '#')}`, showPieces(all));
  }
  const took = performance.now() - began;
  if (took > SLOW) console.log(`${called}: ${(took / 1000).toFixed(1)} s\n  ${showPieces(all)}`);
}

console.log(JSON.stringify(tally));
if (process.env.REFUSALS) for (const [sentence, formula] of refusals) console.log(`refused: ${sentence}\n  ${formula}`);
process.exit(tally.wrong > 0 ? 1 : 0);
