// Stands in for kernels.ts in `ditac/runtime` (scripts/build.mjs).
import { activate, fillCells } from '../../../assembly/runtime';

/** The kernels that a compiled plan needs. */
export const kernels = { activate, fillCells };
