/**
 * test/torch.test.ts with PyPI's newest torch, onnx and onnxruntime: every family's plans in torch, DiTAC trained there, both exporters, onnx's
 * checker, and onnxruntime for Python on what was rewritten.
 *
 *   npm run test:torch
 *
 * Needs Python 3.10 or newer with venv; packages are installed below out/, which git ignores.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const home = `${root}out/torch-venv`;
const python = process.platform === 'win32' ? `${home}/Scripts/python.exe` : `${home}/bin/python`;

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(error ? `${command}: ${error.message}` : `${command} ${args.join(' ')} ended with ${status}`);
  process.exit(status || 1);
}

if (!existsSync(python)) run('python3', ['-m', 'venv', home]);
run(python, ['-m', 'pip', 'install', '--quiet', 'torch', 'numpy', 'onnx', 'onnxscript', 'onnxruntime']);
process.env.PYTHON = python;
run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', 'torch']);
