/** What a bundler keeps. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

async function bundle(contents: string): Promise<string> {
  const resolveDir = fileURLToPath(new URL('..', import.meta.url));
  const options = { bundle: true, minify: true, format: 'esm', platform: 'browser', write: false } as const;
  const { outputFiles } = await build({ ...options, stdin: { contents, resolveDir } });
  return outputFiles[0]!.text;
}

test('DiTAC.forward is at most 40 kB gzipped, Wasm included, and brings neither WebGPU nor the oracle', async () => {
  const text = await bundle("import { DiTAC } from 'ditac'; globalThis.f = (x) => new DiTAC({ seed: 1 }).forward(x);");
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(40_000);
  expect(text).not.toContain('@compute');
  expect(text).not.toContain('requestAdapter');
  expect(text).not.toContain('pushErrorScope');
});

test('transform alone needs no activations', async () => {
  const text = await bundle("import { transform } from 'ditac/cpab'; globalThis.f = transform;");
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(30_000);
  expect(text).not.toContain('precision_mat');
});
