/** What a compiled plan needs, and nothing else: the kernels of `ditac/runtime`. */
export { activate } from './activation';
export { fillCells } from './cells';
