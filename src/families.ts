/** All families by name, for programs that learn it at run time; `ditac` exports each class alone. */
import {
  ACON,
  AGLU,
  APA,
  APL,
  BSpline,
  CELU,
  Chebyshev,
  Derf,
  DyT,
  EELU,
  ELU,
  ErfReLU,
  Fourier,
  FourierSeries,
  GoLU,
  Hermite,
  Mish,
  Polynomial,
  PolyReLU,
  PReLU,
  PWLU,
  Rational,
  SELU,
  Siren,
  SMU,
  Snake,
  SnakeBeta,
  Softplus,
  StarReLU,
  Swish,
  TeLU,
  XIELU,
  Yevick,
} from './activations/classes.js';
import { DiTAC } from './activations/ditac.js';

import { type Identified, identify as identifyIn } from './activations/identify.js';
import type { StateDict } from './io/tensor.js';

export type { Candidate, Identified } from './activations/identify.js';
/** The words that a family is written with, for `defineFamily` (docs/families.md). */
export {
  aboveHalf,
  abs,
  atan,
  cos,
  density,
  divide,
  type Expression,
  erf,
  exp,
  expm1,
  log,
  log1p,
  maximum,
  minimum,
  minus,
  negative,
  normal,
  type Operand,
  type Parameter,
  plus,
  polynomial,
  power,
  relu,
  sigmoid,
  sin,
  softplus,
  sqrt,
  square,
  tanh,
  times,
  where,
  x,
} from './calculus/expression.js';
export {
  type Asymptote,
  atLeast,
  bySign,
  type Checkpoint,
  type ConstantKind,
  constantChoice,
  constantFlag,
  constantNumber,
  constantNumbers,
  type Definition,
  type Family,
  many,
  one,
  type ParameterKind,
  pieces,
  type Random,
  type SourceClass,
  tail,
  uniform,
  type Values,
  type Words,
  whole,
} from './families/family.js';
export { rationalInitial } from './families/rational.js';

/**
 * Which activations a state dict holds, by the names and shapes of its tensors: where, which families and classes it could be, and what
 * `fromStateDict` must be told.
 * @param tensors as `loadSafetensors` gives them.
 * @throws {TypeError} if that is no state dict.
 */
export function identify(tensors: StateDict): Identified[] {
  return identifyIn(FAMILIES, tensors);
}

/** Classes by the names that files and the command line use. */
export const FAMILIES = {
  ditac: DiTAC,
  aconc: ACON,
  aglu: AGLU,
  apa: APA,
  apl: APL,
  bspline: BSpline,
  celu: CELU,
  chebykan: Chebyshev,
  derf: Derf,
  dyt: DyT,
  eelu: EELU,
  elu: ELU,
  erfrelu: ErfReLU,
  fourier: Fourier,
  fourierseries: FourierSeries,
  golu: GoLU,
  hermite: Hermite,
  mish: Mish,
  polynomial: Polynomial,
  polyrelu: PolyReLU,
  prelu: PReLU,
  pwlu: PWLU,
  rational: Rational,
  selu: SELU,
  siren: Siren,
  smu: SMU,
  snake: Snake,
  snakebeta: SnakeBeta,
  softplus: Softplus,
  starrelu: StarReLU,
  swish: Swish,
  telu: TeLU,
  xielu: XIELU,
  yevick: Yevick,
} as const;

export type FamilyName = keyof typeof FAMILIES;
