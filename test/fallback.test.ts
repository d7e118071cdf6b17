/** Where WebAssembly is not allowed, the same package runs in plain JavaScript, with the same bits. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DiTAC } from 'ditac';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

function inAnotherProcess(before: string): { bits: number[]; wasm: string } {
  const script = `${before}
    const { DiTAC, loadBackend } = await import('ditac');
    const act = new DiTAC({ a: -3, b: 3, seed: 1 });
    const y = act.forward(Float32Array.from({ length: 2000 }, (_, i) => (i - 1000) / 200));
    const wasm = await loadBackend('wasm').then(() => 'yes', (error) => error.message);
    console.log(JSON.stringify({ bits: [...new Uint32Array(y.buffer)], wasm }));`;
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' }),
  );
}

test.each([
  ['without WebAssembly', 'delete globalThis.WebAssembly;', /not available/],
  [
    'where compiling is forbidden, as by a content security policy',
    "WebAssembly.Module = function () { throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder'); };",
    /disallowed by embedder/,
  ],
])('%s', (_, before, reason) => {
  const act = new DiTAC({ a: -3, b: 3, seed: 1 });
  const y = act.forward(Float32Array.from({ length: 2000 }, (_, i) => (i - 1000) / 200));
  const other = inAnotherProcess(before);
  expect(other.wasm).toMatch(reason);
  expect(other.bits).toEqual([...new Uint32Array(y.buffer)]);
});
