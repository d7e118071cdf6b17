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

/** The loader's code without statements that do something at import. @throws {Error} if it is not the code that is known here. */
export function definitionsOnly(code) {
  let text = code.replaceAll('\r\n', '\n');
  for (const [from, to] of CHANGES) {
    if (text.split(from).length !== 2)
      throw new Error(
        `scripts/loader.mjs: @assemblyscript/loader was to have this once, and has it ${text.split(from).length - 1} times:\n${from}`,
      );
    // As lines are counted, so that source maps hold.
    text = text.replace(from, to + '\n'.repeat(from.split('\n').length - to.split('\n').length));
  }
  return text;
}

const LOADER = /[\\/]node_modules[\\/]@assemblyscript[\\/]loader[\\/].*\.js$/;

/** For rolldown. */
export const loader = {
  name: 'loader',
  transform: (code, id) => (LOADER.test(id) ? { code: definitionsOnly(code), map: null } : null),
};

/** For esbuild. */
export const esbuildLoader = {
  name: 'loader',
  setup(build) {
    build.onLoad({ filter: LOADER }, async ({ path }) => ({
      contents: definitionsOnly(await readFile(path, 'utf8')),
      loader: 'js',
    }));
  },
};
