/** Is a float32 kernel right? Same bits, and if not, where and by how much; and how far is it from the truth? */
export { type BitComparison, compareBits, type Mismatch, ulpDistance, ulpError } from './compare.js';
export {
  type ExactActivationOptions,
  type ExactTransformOptions,
  exactActivation,
  exactTransform,
} from './exact.js';
export { exact } from './exactly.js';
export { exactDerivative, exactFamily, type HasDefinition, type Judged } from './family.js';
export { doubleDouble } from './public-double-double.js';
export { type Format, roundTo } from './round-to.js';
export {
  everyFloat32,
  type Float32Function,
  type Inputs,
  mergeSweeps,
  randomBits,
  type SweepOptions,
  type SweepResult,
  specialValues,
  stratified,
  sweep,
  type TruthFunction,
} from './sweep.js';
export type { Truth } from './truth.js';
