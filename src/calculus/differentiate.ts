import {
  density,
  dependsOnX,
  divide,
  type Expression,
  exp,
  expression,
  inOrderOf,
  minus,
  negative,
  parametersOf,
  plus,
  polynomial,
  sigmoid,
  square,
  times,
  where,
} from './expression.js';

/** All derivatives, as one table of rules: what f(a, b)′ is made of, for each word f of operands a and b with a′ and b′. */
type Rule = (e: { a: Expression; b: Expression; self: Expression }, a: Expression, b: Expression) => Expression;

const RULES: Readonly<Record<string, Rule>> = {
  plus: (_, a, b) => plus(a, b),
  minus: (_, a, b) => minus(a, b),
  times: (e, a, b) => plus(times(a, e.b), times(e.a, b)),
  divide: (e, a, b) => divide(minus(a, times(e.self, b)), e.b),
  power: (e, a, b) => times(e.self, plus(divide(times(e.b, a), e.a), isZero(b) ? 0 : times(b, logOf(e.a)))),
  exp: (e, a) => times(e.self, a),
  log: (e, a) => divide(a, e.a),
  expm1: (e, a) => times(exp(e.a), a),
  log1p: (e, a) => divide(a, plus(1, e.a)),
  sin: (e, a) => times({ op: 'cos', a: e.a }, a),
  cos: (e, a) => negative(times({ op: 'sin', a: e.a }, a)),
  sigmoid: (e, a) => times(slopeOf('sigmoid', e.a), a),
  tanh: (e, a) => times(slopeOf('tanh', e.a), a),
  softplus: (e, a) => times(sigmoid(e.a), a),
  normal: (e, a) => times(density(e.a), a),
  aboveHalf: (e, a) => times(density(e.a), a),
  atan: (e, a) => divide(a, plus(1, square(e.a))),
  // At a corner the slope is that of the side where the operand is not positive.
  abs: (e, a) => where(e.a, a, negative(a)),
};

const logOf = (a: Expression): Expression => ({ op: 'log', a });
const isZero = (e: Expression) => e.op === 'constant' && e.value === 0;

/** σ′ = σ(a)·σ(-a); tanh′ = 4·σ(2a)·σ(-2a): neither cancels. */
function slopeOf(op: 'sigmoid' | 'tanh', a: Expression): Expression {
  return op === 'sigmoid'
    ? times(sigmoid(a), sigmoid(negative(a)))
    : times(4, sigmoid(times(2, a)), sigmoid(times(-2, a)));
}

/** ∂e/∂x, or ∂e/∂p for the parameter of the given index. Shares what it can with e. */
export function differentiate(e: Expression, by: 'x' | number): Expression {
  const zero = expression(0);
  const known = new Map<Expression, Expression>();
  const matters = (each: Expression) => (by === 'x' ? dependsOnX(each) : parametersOf(each).has(by));
  for (const each of inOrderOf(matters, e)) known.set(each, derivative(each));
  return of(e);

  function of(each: Expression): Expression {
    return known.get(each) ?? zero;
  }

  function derivative(each: Expression): Expression {
    switch (each.op) {
      case 'x':
        return expression(by === 'x' ? 1 : 0);
      case 'constant':
        return zero;
      case 'parameter':
        return expression(each.index === by ? 1 : 0);
      case 'primitive':
        return by === 'x' ? each.derivative! : zero;
      case 'where': {
        const [a, b] = [of(each.a), of(each.b)];
        return isZero(a) && isZero(b) ? zero : where(each.condition, a, b);
      }
      case 'polynomial': {
        if (by === 'x')
          return each.coefficients.length < 2
            ? zero
            : polynomial(each.coefficients.slice(1).map((c, n) => times(n + 1, c)));
        const own = each.coefficients.map((c) => of(c));
        let length = own.length;
        while (length > 0 && isZero(own[length - 1]!)) length -= 1;
        return length === 0 ? zero : polynomial(own.slice(0, length));
      }
      default: {
        const a = of(each.a);
        const b = 'b' in each ? of(each.b) : zero;
        if (isZero(a) && isZero(b)) return zero;
        const rule = RULES[each.op]!;
        return rule({ a: each.a, b: 'b' in each ? each.b : zero, self: each }, a, b);
      }
    }
  }
}

/** How far an expression is from being c·xⁿ or the like: its slope and intercept, both without x, if it is a line. */
export function lineOf(e: Expression): { slope: Expression; intercept: Expression } | undefined {
  // As most are that are none: a product of two with x.
  if (e.op === 'times' && dependsOnX(e.a) && dependsOnX(e.b)) return undefined;
  const known = new Map<Expression, { slope: Expression; intercept: Expression } | undefined>();
  for (const each of inOrderOf(dependsOnX, e)) known.set(each, line(each));
  return of(e);

  function of(each: Expression): { slope: Expression; intercept: Expression } | undefined {
    return dependsOnX(each) ? known.get(each) : { slope: expression(0), intercept: each };
  }

  function line(each: Expression): { slope: Expression; intercept: Expression } | undefined {
    if (each.op === 'x') return { slope: expression(1), intercept: expression(0) };
    if (each.op === 'polynomial')
      return each.coefficients.length <= 2
        ? { slope: each.coefficients[1]!, intercept: each.coefficients[0]! }
        : undefined;
    const a = 'a' in each ? of(each.a) : undefined;
    const b = 'b' in each ? of(each.b) : undefined;
    if (a === undefined || b === undefined) return undefined;
    if (each.op === 'plus') return { slope: plus(a.slope, b.slope), intercept: plus(a.intercept, b.intercept) };
    if (each.op === 'minus') return { slope: minus(a.slope, b.slope), intercept: minus(a.intercept, b.intercept) };
    if (each.op === 'times' && isZero(b.slope))
      return { slope: times(a.slope, b.intercept), intercept: times(a.intercept, b.intercept) };
    if (each.op === 'times' && isZero(a.slope))
      return { slope: times(a.intercept, b.slope), intercept: times(a.intercept, b.intercept) };
    if (each.op === 'divide' && isZero(b.slope))
      return { slope: divide(a.slope, b.intercept), intercept: divide(a.intercept, b.intercept) };
    return undefined;
  }
}
