import { nextDown, nextUp } from '../../assembly/float32';
import { exponentOf, normalDistribution, powerOfTwo } from '../../assembly/numeric';
import {
  expectResolved,
  type FlowPiece,
  flowBeyond,
  flowPieces,
  flowThrough,
  pieceAt,
  type VelocityField,
} from '../cpab/flow.js';
import { type AnalyticPiece, flowBetween } from '../plan/pieces.js';

/**
 * The variants of DiTAC (design §2; the paper's §4.2). With T the transformation of [a,b]:
 * `gelu` T(x)·Φ(x) inside, x·Φ(x) outside (the released `gelu_cpab`); `leaky` T inside, leaky ReLU outside;
 * `ge` T inside, GELU outside; `bare` T inside, x outside; `inf` T on the whole line, no zero boundary.
 */
export type Variant = 'gelu' | 'leaky' | 'ge' | 'bare' | 'inf';
export const VARIANTS: readonly Variant[] = ['gelu', 'leaky', 'ge', 'bare', 'inf'];

/** Slope of the leaky ReLU below zero, as in PyTorch's default. */
export const LEAKY_SLOPE = 0.01;

const LARGEST = 3.4028234663852886e38;
/** Below, x·Φ(x) is smaller than 2⁻¹⁰⁰ and counts as zero; above, x - x·Φ(x) is below a tenth of an ULP. */
const GELU_ZERO = -12;
const GELU_IDENTITY = 5.75;

/** The analytic pieces of one activation function, covering every finite float32, for a velocity field over [a,b]. */
export function variantPieces(variant: Variant, field: VelocityField, a: number, b: number): AnalyticPiece[] {
  const flow = expectResolved(flowPieces(field));
  if (variant === 'inf') return wholeLine(flow);
  return [
    ...outside(variant, -LARGEST, nextDown(a)),
    ...flowBetween(flow, a, b, variant === 'gelu'),
    ...outside(variant, nextUp(b), LARGEST),
  ];
}

/**
 * The same function for differentiation: what lies outside [a,b] depends on no parameter, and `inf` is flow throughout, since its
 * parameters matter on the whole line.
 */
export function gradientPieces(variant: Variant, field: VelocityField, a: number, b: number): AnalyticPiece[] {
  if (variant === 'inf') return flowBetween(expectResolved(flowPieces(field)), -LARGEST, LARGEST, false);
  return variantPieces(variant, field, a, b);
}

/** The same function in float64, without series or tables. */
export function variantReference(variant: Variant, field: VelocityField, a: number, b: number): (x: number) => number {
  const flow = flowPieces(field);
  const t = (x: number) => flowThrough(pieceAt(flow, x), x);
  const beyond = {
    gelu: (x: number) => x * normalDistribution(x),
    ge: (x: number) => x * normalDistribution(x),
    leaky: (x: number) => (x < 0 ? LEAKY_SLOPE * x : x),
    bare: (x: number) => x,
    inf: t,
  }[variant];
  const within = variant === 'gelu' ? (x: number) => t(x) * normalDistribution(x) : t;
  return (x) =>
    x >= a && x <= b ? within(x) : Math.abs(x) === Number.POSITIVE_INFINITY ? limit(variant, x) : beyond(x);
}

function limit(variant: Variant, x: number): number {
  return x < 0 && (variant === 'gelu' || variant === 'ge') ? -0 : x;
}

function outside(variant: Exclude<Variant, 'inf'>, first: number, last: number): AnalyticPiece[] {
  switch (variant) {
    case 'bare':
      return [linear(first, last, 1)];
    case 'leaky':
      return clip(first, last, [-LARGEST, nextDown(0), LEAKY_SLOPE], [0, LARGEST, 1]);
    case 'gelu':
    case 'ge':
      return [
        ...clip(first, last, [-LARGEST, nextDown(GELU_ZERO), 0]),
        ...(Math.max(first, GELU_ZERO) <= Math.min(last, nextDown(GELU_IDENTITY))
          ? [
              {
                first: Math.max(first, GELU_ZERO),
                last: Math.min(last, nextDown(GELU_IDENTITY)),
                law: 'gelu',
              } as const,
            ]
          : []),
        ...clip(first, last, [GELU_IDENTITY, LARGEST, 1]),
      ];
  }
}

function clip(first: number, last: number, ...laws: [from: number, to: number, slope: number][]): AnalyticPiece[] {
  return laws
    .map(([from, to, slope]) => [Math.max(first, from), Math.min(last, to), slope] as const)
    .filter(([from, to]) => from <= to)
    .map(([from, to, slope]) => linear(from, to, slope));
}

/** log₂ of the steepest and the flattest slope far out: products with every float32 that a network meets stay normal. */
const MOST_FAR = 100;

/** T everywhere. The outermost pieces are affine; far out they are evaluated about 0. */
function wholeLine(flow: readonly FlowPiece[]): AnalyticPiece[] {
  const left = flow[0]!;
  const right = flow[flow.length - 1]!;
  const far = (piece: FlowPiece) => {
    const slope = piece.gain!;
    if (!(slope >= 2 ** -MOST_FAR && slope <= 2 ** MOST_FAR))
      throw new RangeError(`theta is too steep: far out the function has the slope ${slope}, which float32 does not`);
    const intercept = flowBeyond(piece, 0);
    const ends = [piece.left, piece.right].filter(Number.isFinite).map(Math.abs);
    const edge = Math.max(16 * Math.abs(intercept / slope), 1, ...ends);
    return { slope, intercept, edge: powerOfTwo(exponentOf(edge) + 1) };
  };
  const low = far(left);
  const high = far(right);
  return [
    linear(-LARGEST, nextDown(-low.edge), low.slope, low.intercept),
    ...flowBetween(flow, -low.edge, high.edge, false),
    linear(nextUp(high.edge), LARGEST, high.slope, high.intercept),
  ];
}

function linear(first: number, last: number, slope: number, intercept = 0): AnalyticPiece {
  return { first, last, law: 'linear', slope, intercept };
}
