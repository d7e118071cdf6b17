import { describe } from '../errors.js';

/**
 * Functions of one variable x and of parameters, written down: what families are defined with. An expression is a graph of words that is never
 * changed; what is used twice may be shared. `differentiate` derives it, `tape` prepares it for the kernels, `cuts` divides the line where a
 * `where` or an `abs` has its corners.
 */
export type Expression =
  | { readonly op: 'x' }
  | Constant
  | Parameter
  | { readonly op: Unary; readonly a: Expression }
  | { readonly op: Binary; readonly a: Expression; readonly b: Expression }
  | { readonly op: 'polynomial'; readonly coefficients: readonly Expression[] }
  | { readonly op: 'where'; readonly condition: Expression; readonly a: Expression; readonly b: Expression }
  | Primitive;

/** A float64; or where two are needed, with a low part and a bound on what both are off. */
export interface Constant {
  readonly op: 'constant';
  readonly value: number;
  readonly low?: number;
  readonly error?: number;
}

/** A trained number. Its value is known when a family is defined, and may decide how. */
export interface Parameter {
  readonly op: 'parameter';
  /** Its place among all parameters of the function. */
  readonly index: number;
  readonly value: number;
}

/** A word of its own, for whoever has a law that is none of the others: a piece of a CPAB flow. */
export interface Primitive {
  readonly op: 'primitive';
  /** Its operation (assembly/layout.ts) and constants, [n][high, low, error]. */
  readonly operation: number;
  readonly constants: readonly (readonly [number, number, number])[];
  /** Whether it is a line, which few segments follow. */
  readonly isLine: boolean;
  /** Value in float64, for reference. */
  value(x: number): number;
  /** The word that is its derivative with respect to x. */
  readonly derivative?: Expression;
}

export type Unary =
  | 'exp'
  | 'log'
  | 'expm1'
  | 'log1p'
  | 'sin'
  | 'cos'
  | 'sigmoid'
  | 'tanh'
  | 'softplus'
  | 'normal'
  | 'aboveHalf'
  | 'atan'
  | 'abs';
export type Binary = 'plus' | 'minus' | 'times' | 'divide' | 'power';
/** Wherever an expression is taken, a number will do: exactly that float64. */
export type Operand = Expression | number;

export const x: Expression = { op: 'x' };

/** @throws {TypeError|RangeError} if it is neither an expression nor a finite number. */
/* @__NO_SIDE_EFFECTS__ */
export function expression(e: Operand): Expression {
  if (typeof e === 'number') {
    if (!Number.isFinite(e)) throw new RangeError(`a number in an expression must be finite, got ${e}`);
    return { op: 'constant', value: e };
  }
  if (typeof e?.op !== 'string')
    throw new TypeError(`an operand must be an expression or a number, got ${describe(e)}`);
  return e;
}

/** As many as the kernels' Horner scheme takes. */
const MOST_COEFFICIENTS = 12;

const isConstant = (e: Expression, value?: number): e is Constant =>
  e.op === 'constant' && e.low === undefined && (value === undefined || e.value === value);

/** a + b */
/* @__NO_SIDE_EFFECTS__ */
export function plus(a: Operand, b: Operand, ...more: Operand[]): Expression {
  const [p, q] = [expression(a), expression(b)];
  const sum: Expression = isConstant(p, 0) ? q : isConstant(q, 0) ? p : { op: 'plus', a: p, b: q };
  return more.length === 0 ? sum : plus(sum, more[0]!, ...more.slice(1));
}

/** a - b */
/* @__NO_SIDE_EFFECTS__ */
export function minus(a: Operand, b: Operand): Expression {
  const [p, q] = [expression(a), expression(b)];
  return isConstant(q, 0) ? p : isConstant(p, 0) ? negative(q) : { op: 'minus', a: p, b: q };
}

/** a·b */
/* @__NO_SIDE_EFFECTS__ */
export function times(a: Operand, b: Operand, ...more: Operand[]): Expression {
  const [p, q] = [expression(a), expression(b)];
  const product: Expression =
    isConstant(p, 0) || isConstant(q, 1) ? p : isConstant(q, 0) || isConstant(p, 1) ? q : { op: 'times', a: p, b: q };
  return more.length === 0 ? product : times(product, more[0]!, ...more.slice(1));
}

/** a/b */
/* @__NO_SIDE_EFFECTS__ */
export function divide(a: Operand, b: Operand): Expression {
  const [p, q] = [expression(a), expression(b)];
  return isConstant(q, 1) || isConstant(p, 0) ? p : { op: 'divide', a: p, b: q };
}

/** -a */
/* @__NO_SIDE_EFFECTS__ */
export const negative = (a: Operand): Expression => {
  const p = expression(a);
  return isConstant(p) ? expression(-p.value) : p.op === 'times' && isConstant(p.a, -1) ? p.b : times(-1, p);
};

const unary =
  (op: Unary) =>
  (a: Operand): Expression => ({ op, a: expression(a) });

/** eᵃ */
export const exp = /* @__PURE__ */ unary('exp');
/** Natural logarithm of a positive expression. */
export const log = /* @__PURE__ */ unary('log');
/** eᵃ - 1, without cancellation near 0. */
export const expm1 = /* @__PURE__ */ unary('expm1');
/** log(1 + a), without cancellation near 0. */
export const log1p = /* @__PURE__ */ unary('log1p');
export const sin = /* @__PURE__ */ unary('sin');
export const cos = /* @__PURE__ */ unary('cos');
/** 1/(1 + e⁻ᵃ) */
export const sigmoid = /* @__PURE__ */ unary('sigmoid');
export const tanh = /* @__PURE__ */ unary('tanh');
/** log(1 + eᵃ) */
export const softplus = /* @__PURE__ */ unary('softplus');
/** Φ(a), the distribution function of the standard normal. */
export const normal = /* @__PURE__ */ unary('normal');
/** Φ(a) - ½, without cancellation near 0. */
export const aboveHalf = /* @__PURE__ */ unary('aboveHalf');
export const atan = /* @__PURE__ */ unary('atan');
/** |a|. The line is cut at its roots. */
export const abs = /* @__PURE__ */ unary('abs');

/** aᵇ, a positive (of any sign where b is a small whole number). */
/* @__NO_SIDE_EFFECTS__ */
export function power(a: Operand, b: Operand): Expression {
  const [p, q] = [expression(a), expression(b)];
  if (isConstant(q) && Number.isInteger(q.value) && q.value >= 0 && q.value <= 16) {
    if (q.value === 0) return expression(1);
    const half = power(p, q.value >> 1);
    return q.value === 1 ? p : q.value % 2 === 0 ? times(half, half) : times(times(half, half), p);
  }
  return { op: 'power', a: p, b: q };
}

/* @__NO_SIDE_EFFECTS__ */
export const square = (a: Operand): Expression => power(a, 2);
/** √a of a positive expression. */
/* @__NO_SIDE_EFFECTS__ */
export const sqrt = (a: Operand): Expression => power(a, 0.5);
const ROOT_2 = power(2, 0.5);
/** erf(a) = 2·(Φ(√2·a) - ½) */
/* @__NO_SIDE_EFFECTS__ */
export const erf = (a: Operand): Expression => times(2, aboveHalf(times(ROOT_2, a)));
/** φ(a), the density of the standard normal. */
/* @__NO_SIDE_EFFECTS__ */
export const density = (a: Operand): Expression => times(ONE_OVER_ROOT_2PI, exp(times(-0.5, square(a))));
const ONE_OVER_ROOT_2PI = power(times(8, /* @__PURE__ */ atan(1)), -0.5);

/** Σ cₙ·xⁿ, the lowest first, of at most 12 coefficients without x. */
/* @__NO_SIDE_EFFECTS__ */
export function polynomial(coefficients: readonly Operand[]): Expression {
  if (!Array.isArray(coefficients))
    throw new TypeError(`coefficients must be an array of expressions or numbers, got ${describe(coefficients)}`);
  if (coefficients.length > MOST_COEFFICIENTS)
    throw new RangeError(`a polynomial may have ${MOST_COEFFICIENTS} coefficients, got ${coefficients.length}`);
  return { op: 'polynomial', coefficients: coefficients.map(expression) };
}

/** `a` where the condition is positive, `b` where it is zero or negative. */
/* @__NO_SIDE_EFFECTS__ */
export function where(condition: Operand, a: Operand, b: Operand): Expression {
  return { op: 'where', condition: expression(condition), a: expression(a), b: expression(b) };
}

/** max(a, 0) */
/* @__NO_SIDE_EFFECTS__ */
export const relu = (a: Operand): Expression => where(a, a, 0);
/* @__NO_SIDE_EFFECTS__ */
export const maximum = (a: Operand, b: Operand): Expression => where(minus(a, b), a, b);
/* @__NO_SIDE_EFFECTS__ */
export const minimum = (a: Operand, b: Operand): Expression => where(minus(a, b), b, a);

/** What an expression is made of, directly. */
export function operands(e: Expression): readonly Expression[] {
  if (e.op === 'polynomial') return e.coefficients;
  if (e.op === 'where') return [e.condition, e.a, e.b];
  if ('b' in e) return [e.a, e.b];
  return 'a' in e ? [e.a] : [];
}

/** The same word of other operands. */
export function withOperands(e: Expression, [a, b, c]: readonly Expression[]): Expression {
  switch (e.op) {
    case 'where':
      return where(a!, b!, c!);
    case 'plus':
      return plus(a!, b!);
    case 'minus':
      return minus(a!, b!);
    case 'times':
      return times(a!, b!);
    case 'divide':
      return divide(a!, b!);
    case 'power':
      return power(a!, b!);
    default:
      return 'a' in e ? { op: e.op, a: a! } : e;
  }
}

/** Every expression that the roots are made of, once, operands before what is made of them. */
export function inOrder(...roots: readonly Expression[]): Expression[] {
  return inOrderOf(() => true, ...roots);
}

/** The same of those that pass a test; what fails is not entered. */
export function inOrderOf(test: (e: Expression) => boolean, ...roots: readonly Expression[]): Expression[] {
  const seen = new Set<Expression>();
  const order: Expression[] = [];
  const visit = (e: Expression) => {
    if (seen.has(e) || !test(e)) return;
    seen.add(e);
    operands(e).forEach(visit);
    order.push(e);
  };
  roots.forEach(visit);
  return order;
}

const NONE: ReadonlySet<number> = new Set();
const indices = new WeakMap<Expression, ReadonlySet<number>>();

/** The indices of the parameters that an expression is made of. */
export function parametersOf(e: Expression): ReadonlySet<number> {
  if (e.op !== 'parameter' && operands(e).length === 0) return NONE;
  let found = indices.get(e);
  if (!found) {
    const own = e.op === 'parameter' ? [e.index] : operands(e).flatMap((each) => [...parametersOf(each)]);
    indices.set(e, (found = own.length === 0 ? NONE : new Set(own)));
  }
  return found;
}

/** A function that maps expressions from their operands up, each once. */
export function mapping(change: (e: Expression, operands: readonly Expression[]) => Expression) {
  const known = new Map<Expression, Expression>();
  const map = (e: Expression): Expression => {
    let found = known.get(e);
    if (found === undefined) {
      const before = operands(e);
      const after = before.map(map);
      found = change(e, after);
      known.set(e, found);
    }
    return found;
  };
  return map;
}

const reaching = (test: (e: Expression) => boolean) => {
  const known = new WeakMap<Expression, boolean>();
  const reaches = (e: Expression): boolean => {
    if (test(e)) return true;
    if (e.op !== 'polynomial' && !('a' in e)) return false;
    let found = known.get(e);
    if (found === undefined) known.set(e, (found = operands(e).some(reaches)));
    return found;
  };
  return reaches;
};

/** Whether x matters to an expression, and whether a parameter does. */
export const dependsOnX: (e: Expression) => boolean = reaching(
  (e) => e.op === 'x' || e.op === 'primitive' || (e.op === 'polynomial' && e.coefficients.length > 1),
);
/** Whether an expression has a corner: `cuts` takes them out. */
export const hasCorners: (e: Expression) => boolean = reaching((e) => e.op === 'where' || e.op === 'abs');
export const dependsOnParameters: (e: Expression) => boolean = reaching(
  (e) => e.op === 'parameter' || e.op === 'primitive',
);
