// What AssemblyScript's loader does as it is imported, taken out or put off until it is needed. A package that is imported ought to define things
// and do nothing else: with frozen intrinsics the assignment throws, and an AudioWorklet has no TextDecoder.

import { readFile } from 'node:fs/promises';

const CHANGES = [
  // For strings of 192 characters and more, which our kernels do not have; the loader goes on without a decoder where making one throws.
  [
    'const utf16 = new TextDecoder("utf-16le", { fatal: true });',
    'const utf16 = { decode: (units) => new TextDecoder("utf-16le", { fatal: true }).decode(units) };',
  ],
  // A polyfill for platforms before ES2022, which is what the package asks for.
  [
    `Object.hasOwn = Object.hasOwn || function(obj, prop) {
  return Object.prototype.hasOwnProperty.call(obj, prop);
};
`,
    '',
  ],
];

/** Imports that kernels do not have. */
const TRACE = [
  '  env.trace = env.trace || function trace(msg, n, ...args) {',
  '  imports.Math = imports.Math || Math;',
];
/** Strings and arrays in the kernels' memory, which need a runtime that is not exported (asconfig.json): a third of what the loader weighs. */
const MANAGED = [
  '  const __new = exports.__new || F_NO_EXPORT_RUNTIME;',
  '  // Pull basic exports to extendedExports so code in preInstantiate can use them',
];

/** `text` without what stands from one line up to another, whose line breaks stay. */
function without(text, [from, to]) {
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start)
    throw new Error(`scripts/loader.mjs: @assemblyscript/loader was to have these lines:\n${from}\n${to}`);
  return text.slice(0, start) + text.slice(start, end).replace(/[^\n]+/g, '') + text.slice(end);
}

/** The loader's code without statements that do something at import, and without what the kernels have no use for. @throws {Error} if it is not the code that is known here. */
export function whatIsUsed(code) {
  let text = code.replaceAll('\r\n', '\n');
  for (const [from, to] of CHANGES) {
    if (text.split(from).length !== 2)
      throw new Error(
        `scripts/loader.mjs: @assemblyscript/loader was to have this once, and has it ${text.split(from).length - 1} times:\n${from}`,
      );
    // As lines are counted, so that source maps hold.
    text = text.replace(from, to + '\n'.repeat(from.split('\n').length - to.split('\n').length));
  }
  return without(without(text, TRACE), MANAGED);
}

const LOADER = /[\\/]node_modules[\\/]@assemblyscript[\\/]loader[\\/].*\.js$/;

/** For rolldown. */
export const loader = {
  name: 'loader',
  transform: (code, id) => (LOADER.test(id) ? { code: whatIsUsed(code), map: null } : null),
};

/** For esbuild. */
export const esbuildLoader = {
  name: 'loader',
  setup(build) {
    build.onLoad({ filter: LOADER }, async ({ path }) => ({
      contents: whatIsUsed(await readFile(path, 'utf8')),
      loader: 'js',
    }));
  },
};
