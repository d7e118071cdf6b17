import * as layout from '../../assembly/layout';
import {
  density,
  dependsOnParameters,
  dependsOnX,
  divide,
  type Expression,
  exp,
  inOrderOf,
  operands,
  type Primitive,
  plus,
  sigmoid,
  square,
  x,
} from './expression.js';
import type { Ball, Interpreter } from './interpreter.js';

/** An expression as bytes for the interpreter in assembly/jets.ts, with the parameters' present values in it. */
export interface Tape {
  readonly bytes: Uint8Array;
  /** The instruction that has the result; of several, the last. */
  readonly result: number;
  readonly results: readonly number[];
}

interface Instruction {
  readonly operation: number;
  readonly a: number;
  readonly b: number;
  readonly constants: readonly Ball[];
}

/** Words whose derivative is another word: the value has its own function, the series that of its derivative. */
const INTEGRALS: Readonly<Record<string, { operation: number; derivative: (a: Expression) => Expression }>> = {
  expm1: { operation: layout.EXPM1, derivative: exp },
  log1p: { operation: layout.LOG1P, derivative: (a) => divide(1, plus(1, a)) },
  softplus: { operation: layout.SOFTPLUS, derivative: sigmoid },
  normal: { operation: layout.NORMAL, derivative: density },
  aboveHalf: { operation: layout.ABOVE_HALF, derivative: density },
  atan: { operation: layout.ATAN, derivative: (a) => divide(1, plus(1, square(a))) },
};
/** Words with two results. */
const PAIRS: Readonly<Record<string, number>> = {
  sin: layout.SIN,
  cos: layout.SIN,
  sigmoid: layout.SIGMOID,
  tanh: layout.TANH,
};
const SINGLES: Readonly<Record<string, number>> = {
  exp: layout.EXP,
  log: layout.LOG,
  plus: layout.ADD,
  minus: layout.SUBTRACT,
  times: layout.MULTIPLY,
  divide: layout.DIVIDE,
};

const ball = (high: number, low = 0, error = 0): Ball => ({ high, low, error });

const ids = new WeakMap<Ball, number>();
let lastId = 0;
/** Tells constants apart faster than their digits do. */
function idOf(constant: Ball): number {
  let id = ids.get(constant);
  if (id === undefined) ids.set(constant, (id = ++lastId));
  return id;
}

const numbers = new WeakMap<Expression, Ball>();

/** What an expression that is a number already stands for. */
export function given(e: Expression): Ball | undefined {
  if (e.op !== 'parameter' && e.op !== 'constant') return undefined;
  let found = numbers.get(e);
  if (!found) numbers.set(e, (found = e.op === 'constant' ? ball(e.value, e.low, e.error) : ball(e.value)));
  return found;
}

/**
 * @param roots expressions without `where` and `abs` (`cuts` takes them out); the last is the result.
 * @throws {RangeError} if the expression is too long.
 */
export function tape(interpreter: Interpreter, ...roots: readonly Expression[]): Tape {
  if (roots.length === 1) {
    const [root] = roots as [Expression];
    if (root.op === 'primitive') return likeAnother(interpreter, root, root, x);
    if (root.op === 'times' && root.a.op === 'primitive' && !dependsOnParameters(root.b))
      return likeAnother(interpreter, root, root.a, root.b);
  }
  return assemble(roots, foldConstants(interpreter, roots));
}

const alike = new WeakMap<Expression, { readonly tape: Tape; readonly operation: number; readonly size: number }>();

/** The pieces of a flow, alone or times the same: their tapes differ in the flow's constants, which come first. */
function likeAnother(interpreter: Interpreter, root: Expression, flow: Primitive, key: Expression): Tape {
  const { operation, constants } = flow;
  const known = alike.get(key);
  if (known?.operation !== operation || known.size !== constants.length) {
    const first = assemble([root], foldConstants(interpreter, [root]));
    alike.set(key, { tape: first, operation, size: constants.length });
    return first;
  }
  const bytes = known.tape.bytes.slice();
  writeConstants(new DataView(bytes.buffer), firstConstant(bytes), constants);
  return { ...known.tape, bytes };
}

/** Where the constants of a tape begin. */
const firstConstant = (bytes: Uint8Array): number =>
  layout.TAPE_HEAD_BYTES + layout.INSTRUCTION_BYTES * new DataView(bytes.buffer).getInt32(layout.TAPE_COUNT, true);

function writeConstants(view: DataView, at: number, constants: readonly (readonly [number, number, number])[]): void {
  for (const [i, [high, low, error]] of constants.entries()) {
    view.setFloat64(at + layout.VALUE_BYTES * i, high, true);
    view.setFloat64(at + layout.VALUE_BYTES * i + 8, low, true);
    view.setFloat64(at + layout.VALUE_BYTES * i + 16, error, true);
  }
}

/** Everything without x, as numbers: computed once with two float64. */
function foldConstants(interpreter: Interpreter, roots: readonly Expression[]): Map<Expression, Ball> {
  const known = new Map<Expression, Ball>();
  const wanted = new Set<Expression>();
  const want = (e: Expression) => {
    const found = given(e) ?? lasting.get(e);
    if (found) known.set(e, found);
    else wanted.add(e);
  };
  const order = inOrderOf(dependsOnX, ...roots);
  // What integrals bring along holds constants too.
  const companions = order.filter((e) => e.op in INTEGRALS).map(companionOf);
  for (const e of companions.length > 0 ? inOrderOf(dependsOnX, ...roots, ...companions) : order) {
    if (e.op === 'polynomial') e.coefficients.forEach(want);
    else if ('b' in e) {
      if (!dependsOnX(e.a)) want(e.a);
      if (!dependsOnX(e.b)) want(e.op === 'divide' ? inverse(e.b) : e.b);
      if (e.op === 'power' && !dependsOnX(e.a)) want(logarithm(e.a));
    }
  }
  for (const root of roots) if (!dependsOnX(root)) want(root);
  // The same for ever, of what parameters decide: first, and once.
  const parts = inOrderOf(dependsOnParameters, ...wanted).flatMap((e) =>
    operands(e).filter((part) => !dependsOnParameters(part) && !given(part) && !lasting.has(part)),
  );
  const fixed = new Set([...parts, ...[...wanted].filter((e) => !dependsOnParameters(e))]);
  for (const [e, found] of numbersOf(interpreter, [...fixed])) {
    lasting.set(e, found);
    if (wanted.delete(e)) known.set(e, found);
  }
  for (const [e, found] of numbersOf(interpreter, [...wanted])) known.set(e, found);
  return known;
}

/** Constants that no parameter decides, computed once. */
const lasting = new WeakMap<Expression, Ball>();

/** Expressions without x, computed with two float64. */
function numbersOf(interpreter: Interpreter, list: readonly Expression[]): [Expression, Ball][] {
  if (list.length === 0) return [];
  const prelude = assemble(list, undefined);
  interpreter.load(prelude);
  interpreter.values(0);
  interpreter.settle(0);
  return list.map((e, i) => {
    const found = interpreter.ball(prelude.results[i]!);
    if (!Number.isFinite(found.high) || !Number.isFinite(found.error))
      throw new RangeError(
        `a constant of the function is ${found.high} ± ${found.error}: its parameters leave no finite number that float64 resolves`,
      );
    return [e, found];
  });
}

const inverses = new WeakMap<Expression, Expression>();
const inverse = (e: Expression): Expression => remembered(inverses, e, () => divide(1, e));
const logarithms = new WeakMap<Expression, Expression>();
const logarithm = (e: Expression): Expression => remembered(logarithms, e, () => ({ op: 'log', a: e }));
const derivatives = new WeakMap<Expression, Expression>();
const companionOf = (e: Expression): Expression =>
  remembered(derivatives, e, () => INTEGRALS[e.op]!.derivative((e as { a: Expression }).a));

function remembered(known: WeakMap<Expression, Expression>, e: Expression, make: () => Expression): Expression {
  let found = known.get(e);
  if (!found) known.set(e, (found = make()));
  return found;
}

/** @param constants what is known as a number; undefined where there is no x, and all is to be computed. */
function assemble(roots: readonly Expression[], constants: ReadonlyMap<Expression, Ball> | undefined): Tape {
  const list: Instruction[] = [{ operation: layout.X, a: 0, b: 0, constants: [] }];
  const known = new Map<string, number>();
  const places = new Map<Expression, number>();
  const emit = (operation: number, a: number, b: number, ...own: readonly Ball[]): number => {
    // Long lists of constants are hardly ever the same twice.
    const constantsKey = own.length > 2 ? `#${list.length}` : own.map(idOf).join();
    const key = `${operation} ${a} ${b} ${constantsKey}`;
    let at = known.get(key);
    if (at === undefined) {
      at = list.push({ operation, a, b, constants: own }) - 1;
      if (operation === layout.SIN || operation === layout.SIGMOID || operation === layout.TANH)
        list.push({ operation: layout.SECOND, a: 0, b: 0, constants: [] });
      known.set(key, at);
    }
    return at;
  };
  const numberOf = (e: Expression): Ball | undefined =>
    given(e) ?? (dependsOnX(e) ? undefined : (constants ?? lasting).get(e));

  const place = (e: Expression): number => {
    let at = places.get(e);
    if (at === undefined) places.set(e, (at = instruction(e)));
    return at;
  };
  const instruction = (e: Expression): number => {
    const own = numberOf(e);
    if (own) return emit(layout.CONSTANT, 0, 0, own);
    if (e.op in INTEGRALS) {
      const { a } = e as { a: Expression };
      const isNormal = (e.op === 'normal' || e.op === 'aboveHalf') && a.op === 'x';
      return emit(INTEGRALS[e.op]!.operation, place(a), isNormal ? emit(layout.DENSITY, 0, 0) : place(companionOf(e)));
    }
    if (e.op in PAIRS) return emit(PAIRS[e.op]!, place((e as { a: Expression }).a), 0) + (e.op === 'cos' ? 1 : 0);
    switch (e.op) {
      case 'x':
        return 0;
      case 'primitive':
        return emit(e.operation, 0, 0, ...e.constants.map(([high, low, error]) => ball(high, low, error)));
      case 'polynomial':
        // Without x: the derivative of a line. Among numbers that are to be computed its own is none yet.
        if (e.coefficients.length === 1) return place(e.coefficients[0]!);
        if (e.coefficients.length > layout.TERMS)
          throw new RangeError(`a polynomial may have ${layout.TERMS} coefficients, got ${e.coefficients.length}`);
        return emit(
          layout.POLYNOMIAL,
          0,
          0,
          ball(e.coefficients.length - 1),
          ...e.coefficients.map((c) => numberOf(c)!),
        );
      case 'exp':
      case 'log':
        return emit(SINGLES[e.op]!, place(e.a), 0);
      case 'power': {
        const exponent = numberOf(e.b);
        if (exponent) return emit(layout.POWER, place(e.a), 0, exponent);
        const l = dependsOnX(e.a) ? emit(layout.LOG, place(e.a), 0) : place(logarithm(e.a));
        return emit(layout.EXP, emit(layout.MULTIPLY, place(e.b), l), 0);
      }
      case 'plus':
      case 'minus':
      case 'times':
      case 'divide':
        return ofTwo(e.op, e.a, e.b);
      default:
        throw new Error(`a tape cannot hold '${e.op}'; its corners must be cut first`);
    }
  };
  const ofTwo = (op: 'plus' | 'minus' | 'times' | 'divide', a: Expression, b: Expression): number => {
    const [p, q] = constants ? [numberOf(a), numberOf(b)] : [undefined, undefined];
    if (op === 'times' && a === b && !p) {
      const at = place(a);
      return emit(layout.MULTIPLY, at, at);
    }
    if (op === 'divide' && constants && !dependsOnX(b))
      return emit(layout.TIMES_CONSTANT, place(a), 0, constants.get(inverse(b))!);
    if (q) {
      if (op === 'plus') return emit(layout.ADD_CONSTANT, place(a), 0, q);
      if (op === 'minus') return emit(layout.ADD_CONSTANT, place(a), 0, ball(-q.high, -q.low, q.error));
      return emit(layout.TIMES_CONSTANT, place(a), 0, q);
    }
    if (p && op === 'plus') return emit(layout.ADD_CONSTANT, place(b), 0, p);
    if (p && op === 'times') return emit(layout.TIMES_CONSTANT, place(b), 0, p);
    if (p && op === 'minus') return emit(layout.ADD_CONSTANT, emit(layout.TIMES_CONSTANT, place(b), 0, ball(-1)), 0, p);
    return emit(SINGLES[op]!, place(a), place(b));
  };

  const results = roots.map(place);
  if (list.length > layout.MOST_INSTRUCTIONS)
    throw new RangeError(
      `the function takes ${list.length} operations; at most ${layout.MOST_INSTRUCTIONS} are possible`,
    );
  return { bytes: encode(list, results.at(-1)!), result: results.at(-1)!, results };
}

function encode(list: readonly Instruction[], result: number): Uint8Array {
  const head = layout.TAPE_HEAD_BYTES + layout.INSTRUCTION_BYTES * list.length;
  const size = list.reduce((sum, { constants }) => sum + layout.VALUE_BYTES * constants.length, head);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setInt32(layout.TAPE_COUNT, list.length, true);
  view.setInt32(layout.TAPE_RESULT, result, true);
  let free = head;
  list.forEach(({ operation, a, b, constants }, i) => {
    const at = layout.TAPE_HEAD_BYTES + layout.INSTRUCTION_BYTES * i;
    [operation, a, b, free].forEach((word, n) => {
      view.setInt32(at + 4 * n, word, true);
    });
    writeConstants(
      view,
      free,
      constants.map(({ high, low, error }) => [high, low, error]),
    );
    free += layout.VALUE_BYTES * constants.length;
  });
  return bytes;
}
