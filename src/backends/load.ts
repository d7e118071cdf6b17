import { expectOneOf, expectOptions } from '../errors.js';
import type { BackendName, HostBackend } from './backend.js';
import { checked } from './checked.js';
import { BackendError } from './errors.js';
import { defaultBackend, hostBackend } from './host.js';
import type { ThreadsBackend, ThreadsOptions } from './threads/backend.js';
import type { WebGpuBackend, WebGpuOptions } from './webgpu/backend.js';

export const BACKEND_NAMES: readonly BackendName[] = ['wasm', 'js', 'threads', 'webgpu'];

/**
 * Gives a backend by name; the same one every time, unless it is lost or options are given. Asynchronous because threads and devices
 * cannot start at once, and their code is only loaded when it is asked for.
 *
 * 'auto' takes the best that works here without moving data to a device: threads, else WebAssembly SIMD, else plain JavaScript.
 *
 * @param options for `threads`: how many, and how much memory; for `webgpu`: a GPUDevice of your own, or how to find one.
 * @throws {TypeError|RangeError} for an unknown name. @throws {BackendError|Error} if it cannot run here, with the reason.
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
      return loadBackend('threads', options).catch((cause) => {
        if (cause instanceof TypeError || cause instanceof RangeError) throw cause;
        return checked(defaultBackend());
      });
    default:
      expectOptions(`loadBackend('${name}')`, options, {});
      return checked(hostBackend(name));
  }
}

/** Where modules cannot be imported when they are asked for, as in a service worker that was not bundled. */
function cannotLoad(cause: Error): never {
  throw new BackendError(`no such backend here: its code cannot be loaded (${cause.message})`, { cause });
}
