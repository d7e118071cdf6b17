/** What a bundler keeps, minified and gzipped by whoever serves it: the package itself is not. */
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

async function bundle(contents: string): Promise<string> {
  const resolveDir = fileURLToPath(new URL('..', import.meta.url));
  const options = { bundle: true, minify: true, format: 'esm', platform: 'browser', write: false } as const;
  // The package, not the sources to which tsconfig.json points.
  const tsconfigRaw = {};
  const { outputFiles } = await build({ ...options, tsconfigRaw, stdin: { contents, resolveDir } });
  return outputFiles[0]!.text;
}

// What a user pays for: kernels twice, as Wasm (20 kB) and as JavaScript (15 kB), the calculus, one family, and sums of gradients that travel (1 kB:
// methods of a class are not left out).
test.each([
  ['DiTAC', 'new DiTAC({ seed: 1 })', 82_500],
  ['Snake', 'new Snake({ alpha: 0.5 })', 77_500],
])(
  '%s.forward is at most so many bytes gzipped, Wasm included, and brings neither WebGPU nor the oracle',
  async (name, made, most) => {
    const text = await bundle(`import { ${name} } from 'ditac'; globalThis.f = (x) => ${made}.forward(x);`);
    expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(most);
    // Families that are not asked for are left out.
    for (const other of ['mmdet', 'torchortho', 'precision_mat'].filter(
      (word) => name !== 'DiTAC' || word !== 'precision_mat',
    ))
      expect(text).not.toContain(other);
    expect(text).not.toContain('@compute');
    expect(text).not.toContain('requestAdapter');
    expect(text).not.toContain('pushErrorScope');
    expect(text).not.toContain('worker_threads');
    expect(text).not.toContain('tensorflow');
  },
);

test('transform alone needs no activations', async () => {
  const text = await bundle("import { transform } from 'ditac/cpab'; globalThis.f = transform;");
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(54_500);
  expect(text).not.toContain('precision_mat');
});

test('ditac/runtime is at most 13 kB gzipped, Wasm included, and cannot compile', async () => {
  const text = await bundle(
    "import { Activation } from 'ditac/runtime'; globalThis.f = (bytes) => new Activation(bytes);",
  );
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(13_000);
  for (const absent of ['worker_threads', '@compute', 'precision_mat', 'gradY']) expect(text).not.toContain(absent);
});

test('reading a checkpoint needs nothing of the rest', async () => {
  const text = await bundle("import { loadSafetensors } from 'ditac/safetensors'; globalThis.f = loadSafetensors;");
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(4_000);
});

test('threads are loaded when they are asked for', async () => {
  const text = await bundle("import { loadBackend } from 'ditac'; globalThis.f = () => loadBackend('js');");
  expect(text).toContain('import(');
});
