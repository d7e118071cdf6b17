/** DiTAC and what comes with it. `ditac/cpab`, `ditac/oracle`, `ditac/runtime`, `ditac/safetensors`, `ditac/tfjs` and `ditac/verify` have the rest. */

export { type BackwardOptions, GradientSum, type Gradients } from './activations/backward.js';
export type { CheckpointOptions } from './activations/checkpoint.js';
export * from './activations/classes.js';
export { CompiledActivation, type ForwardOptions } from './activations/compiled.js';
export { defineFamily } from './activations/define-family.js';
export {
  DiTAC,
  type DiTACOptions,
} from './activations/ditac.js';
export type {
  FamilyActivation,
  FamilyClass,
  FamilyOptions,
  ParameterValue,
} from './activations/family-activation.js';
export { gradientCertificate } from './activations/gradient-certificate.js';
export type { Layout } from './activations/layout.js';
export {
  type OptimizerState,
  Progression,
  type ProgressionOptions,
  type Refinable,
} from './activations/progression.js';
export type { Trainable, TrainableDeviceFunction, TrainableHostFunction } from './activations/trainable.js';
export type {
  Backend,
  BackendName,
  DeviceBackend,
  HostBackend,
  PoolBackend,
  ProbeFailure,
  WorkOptions,
} from './backends/backend.js';
export { BackendError } from './backends/errors.js';
export { BACKEND_NAMES, loadBackend } from './backends/load.js';
export type { ThreadsBackend, ThreadsOptions } from './backends/threads/backend.js';
export type { GpuTensor, WebGpuBackend, WebGpuOptions } from './backends/webgpu/backend.js';
export { DeviceLostError } from './backends/webgpu/errors.js';
export { LEAKY_SLOPE, VARIANTS, type Variant } from './families/ditac.js';
export type { StateDict, Tensor } from './io/tensor.js';
export { type KANBackwardOptions, type KANGradients, KANLayer, type KANLayerOptions } from './kan/layer.js';
export { PLAN_VERSION, PlanError } from './plan/file.js';
export type { GradientBound, GradientCertificate } from './plan/gradient-certificate.js';
export type { BackwardImage, Image } from './plan/image.js';
export type { Certificate, Plan } from './plan/plan.js';
export { GradientSumError } from './plan/sum-file.js';
