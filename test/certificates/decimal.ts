/**
 * The truth of every family by decimal.js, from the formulas of their papers: numbers in, a number out, nothing from the package. 60 digits; where
 * sums cancel or phases are large, more are taken by whoever calls.
 */
import Decimal from 'decimal.js';
import type { Options } from './subjects.js';

const D = Decimal.clone({ precision: 60, minE: -9e15, maxE: 9e15, toExpNeg: -9e15, toExpPos: 9e15 });
type D = Decimal;

/** A float64 without rounding. */
const exactly = (x: number): D => {
  let [integer, exponent] = [x, 0];
  while (!Number.isInteger(integer)) [integer, exponent] = [integer * 2, exponent + 1];
  return Wide.div(BigInt(integer).toString(), Wide.pow(2, exponent));
};
const Wide = Decimal.clone({ precision: 400, minE: -9e15, maxE: 9e15 });
const d = (x: D | number): D => new D(typeof x === 'number' ? exactly(x) : x);
const num = (o: Options, name: string): D => d(o[name] as number);
const list = (o: Options, name: string): D[] => (o[name] as number[]).map(d);

const ONE = new D(1);
/** Where e^-t counts as nothing beside 1. */
const NOTHING = 400;
const exp = (x: D): D => (x.lt(-1e6) ? new D(0) : x.gt(1e6) ? new D(Number.POSITIVE_INFINITY) : x.exp());
const expm1 = (x: D): D => {
  if (x.abs().gt(0.5)) return exp(x).minus(1);
  let [term, sum] = [x, x];
  for (let n = 2; term.abs().gt(sum.abs().times('1e-62')); n++) sum = sum.plus((term = term.times(x).div(n)));
  return sum;
};
const log1p = (x: D): D => {
  if (x.abs().gt('1e-3')) return ONE.plus(x).ln();
  let [power, sum] = [x, x];
  for (let n = 2; power.abs().gt(sum.abs().times('1e-62')); n++)
    sum = sum.plus((power = power.times(x).negated()).div(n));
  return sum;
};
const sigmoid = (x: D): D => (x.isNegative() ? exp(x).div(exp(x).plus(1)) : ONE.div(exp(x.negated()).plus(1)));
const softplus = (x: D): D => (x.isNegative() ? log1p(exp(x)) : x.plus(log1p(exp(x.negated()))));
const tanh = (x: D): D => {
  if (x.abs().gt(NOTHING)) return new D(x.s);
  const e = expm1(x.times(2));
  return e.div(e.plus(2));
};
const PI = Wide.acos(-1);
/** Φ(x) - ½ by its series, with the digits that cancel; beyond, by its continued fraction. */
function erfc(x: D): D {
  if (x.isNegative()) return new D(2).minus(erfc(x.negated()));
  if (x.gt(6)) {
    // Laplace: √π·e^(x²)·erfc x = 1/(x + ½/(x + 1/(x + 3/2/(x + …)))).
    let fraction = x;
    for (let k = 400; k >= 1; k--) fraction = x.plus(new D(k).div(2).div(fraction));
    return exp(x.times(x).negated()).div(d(PI).sqrt()).div(fraction);
  }
  return ONE.minus(erf(x));
}
function erf(x: D): D {
  if (x.abs().gt(6)) return new D(x.s).times(ONE.minus(erfc(x.abs())));
  const W = Wide.clone({ precision: 100 });
  const square = new W(x).pow(2).negated();
  let term: Decimal = new W(x);
  let sum = term;
  for (let n = 1; term.abs().gt('1e-90'); n++) {
    term = term.times(square).div(n);
    sum = sum.plus(term.div(2 * n + 1));
    if (n > 5 && term.abs().lt(sum.abs().times('1e-80'))) break;
  }
  return new D(sum.times(2).div(W.sqrt(new W(PI))));
}
/** Reduced by 2π in 400 digits, of which 100 go on: sines are asked for 60. */
const TURN = PI.times(2);
const reduced = (x: D): D =>
  new D(new Wide(x).minus(TURN.times(new Wide(x).div(TURN).round())).toSignificantDigits(100));
const sin = (x: D): D => reduced(x).sin();
const cos = (x: D): D => reduced(x).cos();
const horner = (c: readonly D[], x: D): D => {
  let sum = new Wide(0);
  for (let k = c.length - 1; k >= 0; k--) sum = sum.times(new Wide(x)).plus(new Wide(c[k]!));
  return new D(sum);
};
const relu = (x: D): D => (x.isNegative() ? new D(0) : x);

function gate(o: Options, x: D): D {
  const given = Math.fround(o.lambda as number);
  const [least, added] = [Math.fround(1e-4), Math.fround(1e-8)];
  const l = d(o.clamp === 'max' ? Math.max(given, least) : Math.fround(Math.max(given, 0) + added));
  const t = num(o, 'kappa').times(x).negated();
  // log(1 + λeᵗ) = t + log λ + log(1 + e^-t/λ).
  const log = t.gt(NOTHING) ? t.plus(l.ln()).plus(log1p(exp(t.negated()).div(l))) : log1p(l.times(exp(t)));
  return exp(log.div(l).negated());
}

function rational(o: Options, x: D): D {
  const b = list(o, 'denominator');
  const version = o.version as string;
  const powers = (from: number) => b.map((each, k) => each.times(x.pow(k + from)));
  const sum = (terms: D[]) => terms.reduce((total, each) => total.plus(each), new D(0));
  const q = {
    A: () => sum(powers(1).map((each) => each.abs())).plus(1),
    B: () => sum(powers(1)).abs().plus(1),
    C: () =>
      sum(powers(0))
        .abs()
        .plus(d(Math.fround(0.1))),
    N: () => sum(powers(1)).plus(1),
    R: () => sum(powers(0)),
  }[version === 'D' ? 'B' : (version as 'A')]();
  return horner(list(o, 'numerator'), x).div(q);
}

/** De Boor's recurrence for one basis function, half-open. */
function basis(grid: readonly D[], i: number, k: number, x: D, span: number): D {
  if (k === 0) return new D(i === span ? 1 : 0);
  const [left, right] = [basis(grid, i, k - 1, x, span), basis(grid, i + 1, k - 1, x, span)];
  return left
    .times(x.minus(grid[i]!))
    .div(grid[i + k]!.minus(grid[i]!))
    .plus(right.times(grid[i + k + 1]!.minus(x)).div(grid[i + k + 1]!.minus(grid[i + 1]!)));
}

function spline(o: Options, x: D): D {
  const [grid, w] = [list(o, 'grid'), list(o, 'spline_weight')];
  const degree = grid.length - w.length - 1;
  let span = grid.findIndex((knot, i) => i + 1 < grid.length && x.gte(knot) && x.lt(grid[i + 1]!));
  if (o.outside === 'zero') {
    if (span < 0) return new D(0);
  } else {
    if (span < 0) span = x.lt(grid[0]!) ? 0 : grid.length - 2;
    span = Math.min(Math.max(span, degree), w.length - 1);
  }
  return w.reduce((sum, each, i) => sum.plus(each.times(basis(grid, i, degree, x, span))), new D(0));
}

function pwlu(o: Options, x: D): D {
  const [left, right, v, slopes] = [num(o, 'left'), num(o, 'right'), list(o, 'values'), list(o, 'slopes')];
  const n = v.length - 1;
  if (x.lte(left)) return v[0]!.plus(slopes[0]!.times(x.minus(left)));
  if (x.gte(right)) return v[n]!.plus(slopes[1]!.times(x.minus(right)));
  const place = x.minus(left).times(n).div(right.minus(left));
  const j = Math.min(place.floor().toNumber(), n - 1);
  return v[j]!.plus(v[j + 1]!.minus(v[j]!).times(place.minus(j)));
}

const snake = (o: Options, x: D, divisor: string): D => {
  const scaled = (name: string) => (o.logScale ? exp(num(o, name)) : num(o, name));
  return x.plus(
    sin(scaled('alpha').times(x))
      .pow(2)
      .div(scaled(divisor).plus(num(o, 'eps'))),
  );
};

const TRUTHS: Readonly<Record<string, (o: Options, x: D) => D>> = {
  apa: gate,
  aglu: (o, x) => x.times(gate(o, x)),
  eelu: (o, x) => {
    const e = (t: D) => erf(exp(t));
    const f = [
      () => x.times(e(x)),
      () => x.negated().times(e(x.negated())),
      () => x.times(e(x).pow(2)),
      () => erf(x).times(softplus(x)),
    ][(o.member as number) - 1]!();
    return o.scaled ? f.times(num(o, 'scale')) : f;
  },
  yevick: (o, x) => {
    if (o.gamma === undefined) return horner(list(o, x.isNegative() && !x.isZero() ? 'neg' : 'pos'), x);
    const cube = num(o, 'gamma').times(x.abs()).pow(3);
    return num(o, 'alpha').times(relu(x)).plus(num(o, 'beta').times(cube));
  },
  rational,
  polynomial: (o, x) => horner(list(o, 'coefficients'), x),
  polyrelu: (o, x) => {
    const [w0, w1, w2] = list(o, 'weight');
    return horner([num(o, 'bias'), w2!, w1!, w0!], relu(x));
  },
  hermite: (o, x) => {
    let [before, he, factorial] = [new Wide(0), new Wide(1), 1];
    let sum: Decimal = new Wide(0);
    list(o, 'coefficients').forEach((c, k) => {
      if (k > 0) factorial *= k;
      sum = sum.plus(he.times(c).div(factorial));
      [before, he] = [he, new Wide(x).times(he).minus(before.times(k))];
    });
    return new D(sum);
  },
  chebykan: (o, x) => {
    const t = tanh(x);
    let [before, now] = [t, ONE];
    let sum = new D(0);
    for (const c of list(o, 'coeffs')) {
      sum = sum.plus(c.times(now));
      [before, now] = [now, t.times(now).times(2).minus(before)];
    }
    return sum;
  },
  bspline: (o, x) =>
    num(o, 'base_weight')
      .times(x)
      .times(sigmoid(x))
      .plus(num(o, 'spline_scaler').times(spline(o, x))),
  prelu: (o, x) => (x.gt(0) ? x : num(o, 'weight').times(x)),
  starrelu: (o, x) => num(o, 'scale').times(relu(x).pow(2)).plus(num(o, 'bias')),
  elu: (o, x) => (x.gt(0) ? x : num(o, 'alpha').times(expm1(x))),
  celu: (o, x) => (x.gt(0) ? x : num(o, 'alpha').times(expm1(x.div(num(o, 'alpha'))))),
  selu: (_, x) => d(1.0507009873554805).times(x.gt(0) ? x : d(1.6732632423543772).times(expm1(x))),
  erfrelu: (o, x) => (x.gte(0) ? x : num(o, 'alpha').times(erf(x))),
  apl: (o, x) => list(o, 'a').reduce((sum, a, s) => sum.plus(a.times(relu(list(o, 'b')[s]!.minus(x)))), relu(x)),
  pwlu,
  snake: (o, x) => snake(o, x, 'alpha'),
  snakebeta: (o, x) => snake(o, x, 'beta'),
  siren: (o, x) => sin(num(o, 'omega').times(x)),
  fourierseries: (o, x) =>
    list(o, 'cos').reduce(
      (sum, c, k) => sum.plus(c.times(cos(x.times(k + 1)))).plus(list(o, 'sin')[k]!.times(sin(x.times(k + 1)))),
      num(o, 'bias'),
    ),
  fourier: (o, x) => {
    let factorial = 1;
    return list(o, 'coefficients').reduce(
      (sum, c, k) => {
        factorial *= k + 1;
        const phase = list(o, 'grid')[k]!.times(x).minus(list(o, 'phases')[k]!);
        return sum.plus(c.times(cos(phase)).div(factorial));
      },
      num(o, 'fundamental'),
    );
  },
  swish: (o, x) => x.times(sigmoid(num(o, 'beta').times(x))),
  aconc: (o, x) => {
    const difference = num(o, 'p1').minus(num(o, 'p2'));
    const s = sigmoid(num(o, 'beta').times(difference).times(x));
    return difference.times(x).times(s).plus(num(o, 'p2').times(x));
  },
  mish: (_, x) => x.times(tanh(softplus(x))),
  telu: (_, x) => x.times(tanh(exp(x))),
  golu: (o, x) =>
    x.times(num(o, 'alpha')).times(
      exp(
        num(o, 'beta')
          .times(exp(num(o, 'gamma').times(x).negated()))
          .negated(),
      ),
    ),
  softplus: (o, x) => softplus(num(o, 'beta').times(x)).div(num(o, 'beta')),
  dyt: (o, x) =>
    num(o, 'weight')
      .times(tanh(num(o, 'alpha').times(x)))
      .plus(num(o, 'bias')),
  derf: (o, x) =>
    num(o, 'weight')
      .times(erf(num(o, 'alpha').times(x).plus(num(o, 'shift'))))
      .plus(num(o, 'bias')),
  smu: (o, x) => {
    const [alpha, less] = [num(o, 'alpha'), ONE.minus(num(o, 'alpha'))];
    // (1 + erf)/2 as erfc of the other side, which does not cancel.
    return alpha.times(x).plus(
      less
        .times(x)
        .times(erfc(num(o, 'mu').times(less).times(x).negated()))
        .div(2),
    );
  },
  xielu: (o, x) => {
    const beta = num(o, 'beta');
    if (x.gt(0)) return softplus(num(o, 'alpha_p')).times(x.pow(2)).plus(beta.times(x));
    const least = Decimal.min(x, num(o, 'eps'));
    const slope = beta.plus(softplus(num(o, 'alpha_n')));
    return slope.times(expm1(new D(least)).minus(x)).plus(beta.times(x));
  },
};

/** f(x) of a family as two float64, to be added. */
export function decimalTruth(family: string, options: Options, x: Float32Array): Float64Array {
  const truth = TRUTHS[family];
  if (!truth) throw new RangeError(`no formula for ${family}`);
  const pairs = new Float64Array(2 * x.length);
  x.forEach((at, i) => {
    const y = truth(options, d(at));
    const high = y.toNumber();
    pairs[2 * i] = high;
    pairs[2 * i + 1] = Number.isFinite(high) ? y.minus(exactly(high)).toNumber() : 0;
  });
  return pairs;
}
