/** DiTAC and what comes with it. `ditac/cpab`, `ditac/oracle` and `ditac/safetensors` have the rest. */
export { CompiledActivation, type ForwardOptions, type Layout } from './activations/compiled.js';
export { DiTAC, type DiTACOptions } from './activations/ditac.js';
export { LEAKY_SLOPE, VARIANTS, type Variant } from './activations/variants.js';
export type {
  Backend,
  BackendName,
  DeviceBackend,
  HostBackend,
  ProbeFailure,
} from './backends/backend.js';
export { BACKEND_NAMES, loadBackend } from './backends/load.js';
export type { GpuTensor, WebGpuBackend, WebGpuOptions } from './backends/webgpu/backend.js';
export { BackendError, DeviceLostError } from './backends/webgpu/errors.js';
export type { StateDict, Tensor } from './io/tensor.js';
export { PLAN_VERSION, PlanError } from './plan/file.js';
export type { Certificate, Plan } from './plan/plan.js';
