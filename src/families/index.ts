import type { Family } from './family.js';
import { aglu, apa } from './aglu.js';
import { eelu } from './eelu.js';
import { chebyshev, hermite, polynomialOfX, polyRelu, yevick } from './polynomial.js';
import { rational } from './rational.js';
import { apl, celu, elu, erfRelu, prelu, pwlu, selu, starRelu } from './rectifiers.js';
import { fourier, fourierSeries, siren, snake, snakeBeta } from './snake.js';
import { bspline } from './spline.js';
import { derf, dyt, smu, softplusBeta } from './squashing.js';
import { aconC, golu, mish, swish, telu } from './swish.js';
import { xielu } from './xielu.js';

/** All families but DiTAC, which has a class of its own, by the names that files and the command line use. */
export const FAMILY_LIST = {
  aconc: aconC,
  aglu,
  apa,
  apl,
  bspline,
  celu,
  chebykan: chebyshev,
  derf,
  dyt,
  eelu,
  elu,
  erfrelu: erfRelu,
  fourier,
  fourierseries: fourierSeries,
  golu,
  hermite,
  mish,
  polynomial: polynomialOfX,
  polyrelu: polyRelu,
  prelu,
  pwlu,
  rational,
  selu,
  siren,
  smu,
  snake,
  snakebeta: snakeBeta,
  softplus: softplusBeta,
  starrelu: starRelu,
  swish,
  telu,
  xielu,
  yevick,
} as const satisfies Readonly<Record<string, Family<never, string>>>;

export type FamilyName = keyof typeof FAMILY_LIST;
