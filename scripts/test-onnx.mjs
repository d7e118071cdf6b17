/**
 * Every family in every onnxruntime, mutated models, a large one (test/onnx/main.ts).
 *
 *   npm run test:onnx [-- wasm node webgpu mutated large]
 *
 * onnxruntime-node has 290 MB, binaries for every platform: it is installed below out/, which git ignores, and its install script, which fetches
 * more for CUDA, is left out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const home = `${root}out/onnxruntime`;
const args = process.argv.slice(2);

if (!existsSync(`${home}/node_modules/onnxruntime-node`) && (args.length === 0 || args.includes('node'))) {
  mkdirSync(home, { recursive: true });
  writeFileSync(`${home}/package.json`, '{ "private": true }\n');
  const options = ['--ignore-scripts', '--no-audit', '--no-fund'];
  const { status } = spawnSync('npm', ['install', ...options, 'onnxruntime-node'], { cwd: home, stdio: 'inherit' });
  if (status !== 0) console.error('onnxruntime-node cannot be installed: it is skipped');
}
const { status } = spawnSync(process.execPath, [`${root}dist/programs/onnx.js`, ...args], { stdio: 'inherit' });
process.exit(status ?? 1);
