/** What the WebAssembly module exports: one function a kernel, working on addresses in its memory. */
export { activate } from './activation';
export { backward } from './backward';
export { fillCells } from './cells';
export { activateChannels } from './channels';
export { fit } from './fit';
export { flow } from './flow';
export { discs, expand, settle, values } from './jets';
export { probe } from './probes';
