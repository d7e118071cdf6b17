/**
 * Types of the platform's that the public interface names. Not every project has them: TypeScript knows WebGPU from version 6 on, and only with
 * the library "dom"; a Node project has no WebAssembly namespace. Each is the platform's own type where that is there, else what is needed of it.
 */
type Own<Name extends string, Otherwise> =
  typeof globalThis extends Record<Name, { prototype: infer T }> ? T : Otherwise;

/** A GPUDevice. */
export type Device = Own<'GPUDevice', { readonly queue: object; readonly limits: object; destroy(): void }>;
/** A GPUBuffer. */
export type DeviceBuffer = Own<
  'GPUBuffer',
  { readonly size: number; readonly usage: number; readonly label: string; destroy(): void }
>;
/** A GPUError: why a device refused something. */
export interface DeviceProblem {
  readonly message: string;
}

/** An AbortSignal. */
export type Signal = Own<
  'AbortSignal',
  {
    readonly aborted: boolean;
    readonly reason?: unknown;
    addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
    removeEventListener(type: 'abort', listener: () => void): void;
  }
>;

/** A WebAssembly.Memory. */
export interface Memory {
  readonly buffer: ArrayBufferLike;
  grow(pages: number): number;
}
