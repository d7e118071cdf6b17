/** examples/onnx, as whoever installs it has it: the command, the Node script and the page's build. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

test('examples/onnx writes its models, reads digits in Node, and (where CI is set) builds its page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ditac-test-'));
  cpSync(join(root, 'examples/onnx'), folder, { recursive: true });
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/ditac'), 'dir');
  for (const name of ['onnxruntime-web', 'onnxruntime-common'])
    symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), 'dir');
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    expect(`${status} ${status === 0 ? '' : stderr}`).toBe('0 ');
    return stdout;
  };
  const command = [join(root, 'dist/cli.js'), 'onnx', 'model/digits.onnx', '--weights', 'model/digits.safetensors'];
  run(...command, '-o', 'public/digits.onnx');
  run(...command, '--split', '-o', 'public/digits-split.onnx');
  expect(run('main.mjs')).toBe(
    '20 of 20 digits are right: 2 3 4 5 6 7 8 9 0 9 5 5 6 5 0 9 8 9 8 4\n0 of 200 logits differ between the whole model and the split session\n',
  );
  // Half a second for each file of onnxruntime's: in continuous integration.
  if (!process.env.CI) return;
  const vite = join(root, 'node_modules/vite/bin/vite.js');
  if (!existsSync(vite)) return;
  run(vite, 'build', '--logLevel', 'error');
  expect(readdirSync(join(folder, 'dist'))).toEqual(expect.arrayContaining(['digits.onnx', 'index.html']));
});
