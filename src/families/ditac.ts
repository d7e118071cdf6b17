import { nextDown, nextUp } from '../../assembly/float32';
import { normalDistribution } from '../../assembly/numeric';
import {
  type Expression,
  expression,
  negative,
  normal,
  type Primitive,
  times,
  where,
  x,
} from '../calculus/expression.js';
import { type Asymptote, clip, type Definition, LARGEST, type Part } from '../calculus/piece.js';
import type { Tessellation } from '../cpab/field.js';
import { expectResolved, flowPieces, flowThrough, pieceAt, type VelocityField } from '../cpab/flow.js';
import { type FlowFunctionPiece, flowBetween } from '../cpab/flow-gradient.js';
import { flowParts, flowWords } from '../cpab/primitive.js';

/**
 * The variants of DiTAC (the paper's §4.2). With T the transformation of [a,b]:
 * `gelu` T(x)·Φ(x) inside, x·Φ(x) outside (the released `gelu_cpab`); `leaky` T inside, leaky ReLU outside;
 * `ge` T inside, GELU outside; `bare` T inside, x outside; `inf` T on the whole line, no zero boundary.
 */
export type Variant = 'gelu' | 'leaky' | 'ge' | 'bare' | 'inf';
export const VARIANTS: readonly Variant[] = ['gelu', 'leaky', 'ge', 'bare', 'inf'];

/** Slope of the leaky ReLU below zero, as in PyTorch's default. */
export const LEAKY_SLOPE = 0.01;
/** The decimal 0.01, to two float64. */
const HUNDREDTH: Expression = { op: 'constant', value: 0.01, low: -2.0816681711721684e-19, error: 1e-35 };

const PHI = /* @__PURE__ */ normal(x);
const GELU = times(x, PHI);
const LEAKY = where(x, x, times(HUNDREDTH, x));
const ZERO = expression(0);
const GELU_LOW: Asymptote = { slope: ZERO, intercept: ZERO, rest: GELU };
const GELU_HIGH: Asymptote = { slope: expression(1), intercept: ZERO, rest: negative(times(x, normal(negative(x)))) };

const OUTSIDE = { gelu: GELU, ge: GELU, leaky: LEAKY, bare: x } as const;

/** The activation function of one θ, as parts of the line. */
export function ditacDefinition(
  variant: Variant,
  on: Tessellation,
  theta: Float32Array,
  field: VelocityField,
  a: number,
  b: number,
): Definition {
  const flow = expectResolved(flowPieces(field));
  const words = flowWords(on, theta, a, b, (at) => pieceAt(flow, at));
  if (variant === 'inf') {
    const far = (line: { slope: Expression; intercept: Expression }): Asymptote => ({ ...line, rest: ZERO });
    return {
      parts: flowParts(words, -LARGEST, LARGEST, (word) => word),
      low: far(words.words[0]!.line!),
      high: far(words.words[words.words.length - 1]!.line!),
    };
  }
  const outside = OUTSIDE[variant];
  const inside = variant === 'gelu' ? (word: Primitive) => times(word, PHI) : (word: Primitive) => word;
  const parts: Part[] = [
    { first: -LARGEST, last: nextDown(a), f: outside },
    ...flowParts(words, a, b, inside),
    { first: nextUp(b), last: LARGEST, f: outside },
  ];
  return outside === GELU ? { parts, low: GELU_LOW, high: GELU_HIGH } : { parts };
}

const GELU_ZERO = -14;
const GELU_IDENTITY = 6;

/** The same function for differentiation: what lies outside [a,b] depends on no parameter; `inf` is flow throughout. */
export function ditacGradientPieces(variant: Variant, field: VelocityField, a: number, b: number): FlowFunctionPiece[] {
  const flow = expectResolved(flowPieces(field));
  if (variant === 'inf') return flowBetween(flow, -LARGEST, LARGEST, false);
  const linear = (first: number, last: number, slope: number): FlowFunctionPiece => ({
    first,
    last,
    law: 'linear',
    slope,
    rest: 0,
  });
  const beyond: FlowFunctionPiece[] = {
    bare: [linear(-LARGEST, LARGEST, 1)],
    leaky: [linear(-LARGEST, nextDown(0), LEAKY_SLOPE), linear(0, LARGEST, 1)],
    gelu: geluPieces(),
    ge: geluPieces(),
  }[variant];
  const outside = (first: number, last: number) =>
    beyond.map((piece) => clip(piece, first, last)).filter((piece) => piece !== undefined);
  return [
    ...outside(-LARGEST, nextDown(a)),
    ...flowBetween(flow, a, b, variant === 'gelu'),
    ...outside(nextUp(b), LARGEST),
  ];
}

/** |Φ(x) + x·φ(x)| at -14, and what it is beside 1 at 6. */
const GELU_LOW_REST = 1.1e-41;
const GELU_HIGH_REST = 3.55e-8;

const geluPieces = (): FlowFunctionPiece[] => [
  { first: -LARGEST, last: nextDown(GELU_ZERO), law: 'linear', slope: 0, rest: GELU_LOW_REST },
  { first: GELU_ZERO, last: nextDown(GELU_IDENTITY), law: 'gelu' },
  { first: GELU_IDENTITY, last: LARGEST, law: 'linear', slope: 1, rest: GELU_HIGH_REST },
];

/** The same function in float64, without series or tables. */
export function variantReference(variant: Variant, field: VelocityField, a: number, b: number): (x: number) => number {
  const flow = flowPieces(field);
  const t = (at: number) => flowThrough(pieceAt(flow, at), at);
  const beyond = {
    gelu: (at: number) => at * normalDistribution(at),
    ge: (at: number) => at * normalDistribution(at),
    leaky: (at: number) => (at < 0 ? LEAKY_SLOPE * at : at),
    bare: (at: number) => at,
    inf: t,
  }[variant];
  const within = variant === 'gelu' ? (at: number) => t(at) * normalDistribution(at) : t;
  return (at) =>
    at >= a && at <= b ? within(at) : Math.abs(at) === Number.POSITIVE_INFINITY ? limit(variant, at) : beyond(at);
}

function limit(variant: Variant, at: number): number {
  return at < 0 && (variant === 'gelu' || variant === 'ge') ? -0 : at;
}
