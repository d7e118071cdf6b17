/** DiTAC and what comes with it. `ditac/cpab`, `ditac/oracle` and `ditac/safetensors` have the rest. */
export { CompiledActivation, type ForwardOptions, type Layout } from './activations/compiled.js';
export { DiTAC, type DiTACOptions } from './activations/ditac.js';
export { LEAKY_SLOPE, VARIANTS, type Variant } from './activations/variants.js';
export { BACKEND_NAMES, type Backend, type BackendName, loadBackend } from './backends/backend.js';
export type { StateDict, Tensor } from './io/tensor.js';
export { PLAN_VERSION, PlanError } from './plan/file.js';
export type { Certificate, Plan } from './plan/plan.js';
