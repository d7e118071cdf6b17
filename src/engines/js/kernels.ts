import {
  activate,
  activateChannels,
  backward,
  discs,
  expand,
  fillCells,
  fit,
  flow,
  probe,
  settle,
  values,
} from '../../../assembly/index';

/**
 * The kernels of assembly/, compiled as plain JavaScript over the one-lane vocabulary: the pure-CPU fallback.
 * `scripts/build.mjs` bundles this file with both, so that V8 sees one module and inlines the vocabulary.
 *
 * An object of our own and not `import *`: what a bundler makes of that is filled by `for…in`, which on a page with additions to
 * Object.prototype finds those too.
 */
export const kernels = {
  activate,
  activateChannels,
  flow,
  backward,
  probe,
  fit,
  fillCells,
  expand,
  values,
  settle,
  discs,
};
