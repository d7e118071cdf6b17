// `ditac/runtime` where Wasm is imported, not compiled: Cloudflare's workerd.

// @ts-expect-error: workerd's own kind of module
import module from 'wasm:kernels-runtime';
import { provideModule } from '../engines/wasm/engine.js';

provideModule(module as WebAssembly.Module);

export * from '../runtime.js';
