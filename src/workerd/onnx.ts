// `ditac/onnx` where Wasm is imported, not compiled: Cloudflare's workerd.

// @ts-expect-error: workerd's own kind of module
import module from 'wasm:kernels';
import { provideModule } from '../engines/wasm/engine.js';

provideModule(module as WebAssembly.Module);

export * from '../onnx.js';
