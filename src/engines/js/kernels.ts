/**
 * The kernels of assembly/, compiled as plain JavaScript over the one-lane vocabulary: the pure-CPU fallback.
 * `scripts/build.mjs` bundles this file with both, so that V8 sees one module and inlines the vocabulary.
 */

export * from '../../../assembly/index';
export { attachMemory } from './memory.js';
