import { expectOneOf } from '../errors.js';
import type { BackendName, HostBackend } from './backend.js';
import { hostBackend } from './host.js';
import type { WebGpuBackend, WebGpuOptions } from './webgpu/backend.js';

export const BACKEND_NAMES: readonly BackendName[] = ['wasm', 'js', 'webgpu'];

/**
 * Gives a backend by name; the same one every time, unless it is lost. Asynchronous because a device cannot start at once, and its
 * code is only loaded when it is asked for.
 *
 * @param options for `webgpu`: a GPUDevice of your own, or how to find one.
 * @throws {TypeError|RangeError} for an unknown name. @throws {BackendError|Error} if it cannot run here, with the reason.
 */
export async function loadBackend(name: 'wasm' | 'js'): Promise<HostBackend>;
export async function loadBackend(name: 'webgpu', options?: WebGpuOptions): Promise<WebGpuBackend>;
export async function loadBackend(name: BackendName, options?: WebGpuOptions): Promise<HostBackend | WebGpuBackend>;
export async function loadBackend(name: BackendName, options?: WebGpuOptions): Promise<HostBackend | WebGpuBackend> {
  expectOneOf('backend', name, BACKEND_NAMES);
  if (name !== 'webgpu') return hostBackend(name);
  const { loadWebGpu } = await import('./webgpu/backend.js');
  return loadWebGpu(options);
}
