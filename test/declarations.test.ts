/** The package's declarations, checked as a user's project checks them who checks libraries too: with and without the platform's types. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');
/** The project's own TypeScript, and older ones that `.ci/run` has installed (TYPESCRIPTS, a folder). */
const others = process.env.TYPESCRIPTS;
const older = others ? readdirSync(others).filter((name) => name.startsWith('typescript-')) : [];
const compilers = [join(modules, 'typescript'), ...older.map((name) => join(others!, name))];

const project = mkdtempSync(join(tmpdir(), 'ditac-types-'));
afterAll(() => rmSync(project, { recursive: true }));
const installed = join(project, 'node_modules', 'ditac');
mkdirSync(join(installed, 'dist'), { recursive: true });
cpSync(join(root, 'package.json'), join(installed, 'package.json'));
cpSync(join(root, 'dist', 'types'), join(installed, 'dist', 'types'), { recursive: true });
for (const name of ['@types', 'undici-types']) symlinkSync(join(modules, name), join(project, 'node_modules', name));
writeFileSync(join(project, 'package.json'), '{ "type": "module" }');

const USE = `import { DiTAC, loadBackend } from 'ditac';
import { transform } from 'ditac/cpab';
import { FAMILIES, type Family } from 'ditac/families';
import { doubleDouble, exact } from 'ditac/oracle';
import { Activation } from 'ditac/runtime';
import { loadSafetensors } from 'ditac/safetensors';
import { verifyBackends } from 'ditac/verify';

const x: Float32Array = new DiTAC({ a: -3, b: 3, seed: 1 }).forward(new Float32Array(3));
export const one: doubleDouble.DoubleDouble = doubleDouble.dd(1);
export const y = transform(x, [1, 2], { tess: 3 });
export async function onDevice(): Promise<Float32Array> {
  const gpu = await loadBackend('webgpu', { powerPreference: 'low-power' });
  gpu.gpuDevice.destroy();
  const found: string | undefined = (await gpu.upload(x).problems[0])?.message;
  void found;
  return gpu.download(gpu.upload(x));
}
export const snake: Float32Array = new FAMILIES.snake({ alpha: 0.5 }).forward(x);
export type Named = Family<{ eps: number }, 'alpha'>;
export { Activation, exact, loadSafetensors, verifyBackends };
`;
const SIGNAL = `
export const s = (signal: AbortSignal) => new DiTAC({ a: -3, b: 3, seed: 1 }).forward(x, undefined, { signal });
`;
/** Where the platform's types are there, they are the ones. */
const DEVICE = `
export async function own(device: GPUDevice, buffer: GPUBuffer): Promise<[GPUDevice, GPUBuffer]> {
  const gpu = await loadBackend('webgpu', { device });
  return [gpu.gpuDevice, gpu.wrap(buffer, 3).buffer];
}
`;

describe.each(compilers.map((path) => [basename(path), path] as const))('%s', (compiler, path) => {
  const hasDevice = compiler === 'typescript';
  test.each([
    ['neither DOM nor Node', ['es2022'], [], USE],
    ['Node', ['es2022'], ['node'], USE + SIGNAL],
    ['DOM', ['es2022', 'dom'], [], USE + SIGNAL + (hasDevice ? DEVICE : '')],
    ['both', ['es2022', 'dom'], ['node'], USE + SIGNAL + (hasDevice ? DEVICE : '')],
  ])('with types of %s', (_, lib, types, text) => {
    writeFileSync(join(project, 'main.ts'), text);
    for (const [module, moduleResolution] of [
      ['nodenext', 'nodenext'],
      ...(compiler === 'typescript' ? [['esnext', 'bundler']] : []),
      // Which reads no `exports`, and which TypeScript 6 gave up.
      ...(/-5\./.test(compiler) ? [['esnext', 'node10']] : []),
    ]) {
      const strict = {
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
      };
      const compilerOptions = { target: 'es2022', module, moduleResolution, ...strict, noEmit: true, lib, types };
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
      const tsc = join(path, 'bin', 'tsc');
      const { stdout, status } = spawnSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' });
      expect({ module, stdout, status }).toEqual({ module, stdout: '', status: 0 });
    }
  });
});
