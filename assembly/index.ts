/** What the WebAssembly module exports: one function a kernel, working on addresses in its memory. */
export { activate } from './activation';
export { flow } from './flow';
