import {
  describe,
  expectArray,
  expectBoolean,
  expectOneOf,
  expectOptions,
  expectString,
  type OptionTable,
  unchecked,
} from '../../errors.js';
import type { Device } from '../../platform.js';
import { asBackendError, BackendError } from '../errors.js';
import { importByName } from '../import.js';

export interface WebGpuOptions {
  /** A device of your own. Ask for its adapter's maxStorageBufferBindingSize and maxBufferSize if tensors are large. */
  device?: Device;
  /** Which adapter to ask for. */
  powerPreference?: 'low-power' | 'high-performance';
  /** Flags for Dawn, where the npm package `webgpu` provides the GPU. */
  dawnFlags?: readonly string[];
  /** For tests: false leaves out what keeps compilers from rewriting float operations. */
  barriers?: boolean;
}

const OPTIONS = {
  device: unchecked,
  powerPreference: expectString,
  dawnFlags: expectArray,
  barriers: expectBoolean,
} satisfies OptionTable<WebGpuOptions>;

/** A device, and what it is in words. @throws {TypeError|BackendError} with the reason if there is none. */
export async function findDevice(options: WebGpuOptions): Promise<{ device: Device; description: string }> {
  expectOptions("loadBackend('webgpu')", options, OPTIONS);
  if (options.powerPreference !== undefined)
    expectOneOf('powerPreference', options.powerPreference, ['low-power', 'high-performance']);
  if (options.device !== undefined) {
    if (typeof options.device !== 'object' || options.device === null || !('queue' in options.device))
      throw new TypeError(`device must be a GPUDevice, got ${describe(options.device)}`);
    const { adapterInfo } = options.device;
    return { device: options.device, description: adapterInfo ? inWords(adapterInfo) : 'a device of the caller' };
  }
  const gpu = await findGpu(options.dawnFlags ?? []);
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
  } catch (cause) {
    throw asBackendError('no WebGPU adapter: it was refused', cause);
  }
  if (!adapter) throw new BackendError('no WebGPU adapter: neither a GPU nor a software rasteriser was found');
  try {
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
    const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } });
    return { device, description: inWords(adapter.info) };
  } catch (cause) {
    throw asBackendError('no WebGPU device: it was refused', cause);
  }
}

/** Browsers have had `info` for a part of the time that they have had WebGPU, and need not fill it. */
const inWords = (info: Partial<GPUAdapterInfo> | undefined): string =>
  [info?.description || info?.device, info?.vendor, info?.architecture].filter(Boolean).join(', ') || 'unnamed';

const MISSING = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'];

/** Dawn's, by their flags. Its other objects do not keep them alive. */
const instances = new Map<string, GPU>();

/** The platform's own WebGPU, or that of the npm package `webgpu` (Dawn), an optional peer for Node. */
async function findGpu(flags: readonly string[]): Promise<GPU> {
  if (globalThis.navigator?.gpu) return globalThis.navigator.gpu;
  let dawn: { create(flags: readonly string[]): GPU };
  try {
    dawn = await importByName('webgpu');
  } catch (cause) {
    // What is not there has this code in Node and Bun; other errors say why what is there cannot be loaded.
    const { code } = (cause ?? {}) as { code?: string };
    if (code !== undefined && !MISSING.includes(code))
      throw asBackendError(
        "no WebGPU here: navigator.gpu is missing, and the npm package 'webgpu' cannot be loaded",
        cause,
      );
    throw new BackendError(
      "no WebGPU here: navigator.gpu is missing, and the npm package 'webgpu' is not installed (npm install webgpu)",
      { cause },
    );
  }
  let gpu = instances.get(flags.join(' '));
  if (!gpu) {
    try {
      gpu = dawn.create(flags);
    } catch (cause) {
      throw asBackendError("no WebGPU here: the npm package 'webgpu' does not start", cause);
    }
    instances.set(flags.join(' '), gpu);
  }
  return gpu;
}
