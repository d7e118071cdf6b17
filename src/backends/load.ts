import { expectOneOf, expectOptions } from '../errors.js';
import type { BackendName, HostBackend } from './backend.js';
import { checked } from './checked.js';
import { asBackendError } from './errors.js';
import { defaultBackend, hostBackend } from './host.js';
import type { ThreadsBackend } from './threads/backend.js';
import { expectThreadsOptions, type ThreadsOptions } from './threads/options.js';
import type { WebGpuBackend, WebGpuOptions } from './webgpu/backend.js';

export const BACKEND_NAMES: readonly BackendName[] = ['wasm', 'js', 'threads', 'webgpu'];

/**
 * Gives a backend by name; the same one every time, unless it is lost or options are given. Asynchronous because threads and devices
 * cannot start at once, and their code is only loaded when it is asked for.
 *
 * 'auto' takes the best that works here without moving data to a device: threads, else WebAssembly SIMD, else plain JavaScript. Whatever the
 * platform refuses and however, one of them is there.
 *
 * @param options for `threads`: how many, and how much memory; for `webgpu`: a GPUDevice of your own, or how to find one.
 * @throws {TypeError|RangeError} for an unknown name or options out of range. @throws {BackendError} if it cannot run here, with the reason.
 */
export async function loadBackend(name: 'wasm' | 'js'): Promise<HostBackend>;
export async function loadBackend(name: 'threads', options?: ThreadsOptions): Promise<ThreadsBackend>;
export async function loadBackend(name: 'auto', options?: ThreadsOptions): Promise<ThreadsBackend | HostBackend>;
export async function loadBackend(name: 'webgpu', options?: WebGpuOptions): Promise<WebGpuBackend>;
export async function loadBackend(
  name: BackendName | 'auto',
  options?: ThreadsOptions & WebGpuOptions,
): Promise<HostBackend | ThreadsBackend | WebGpuBackend>;
export async function loadBackend(
  name: BackendName | 'auto',
  options?: ThreadsOptions & WebGpuOptions,
): Promise<HostBackend | ThreadsBackend | WebGpuBackend> {
  expectOneOf('backend', name, [...BACKEND_NAMES, 'auto']);
  switch (name) {
    case 'webgpu': {
      const { loadWebGpu } = await import('./webgpu/backend.js').catch(cannotLoad);
      return loadWebGpu(options);
    }
    case 'threads': {
      const { loadThreads } = await import('./threads/backend.js').catch(cannotLoad);
      return loadThreads(options);
    }
    case 'auto':
      // Mistakes of the caller's are told before; what is thrown later is the platform's.
      expectThreadsOptions(options);
      return loadBackend('threads', options).catch(() => checked(defaultBackend()));
    default:
      expectOptions(`loadBackend('${name}')`, options, {});
      try {
        return checked(hostBackend(name));
      } catch (cause) {
        throw asBackendError(`no backend '${name}' here`, cause);
      }
  }
}

/** Where modules cannot be imported when they are asked for, as in a service worker that was not bundled. */
function cannotLoad(cause: unknown): never {
  throw asBackendError('no such backend here: its code cannot be loaded', cause);
}
