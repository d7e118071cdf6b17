/**
 * Lets released classes write state dicts after a few steps of training (test/checkpoints/write.py), and runs test/family-checkpoints.test.ts on
 * them: each is loaded here, and outputs and gradients are compared with the class in float64.
 *
 *   npm run test:checkpoints [-- --keep] [-- --sources DIR]
 *
 * --keep     replaces test/golden/checkpoints, which `npm test` uses, by what was written.
 * --sources  clones of repositories that no registry has, as DIR/<owner>/<repository>.
 *
 * Needs Python 3.9 or newer with venv; packages are installed below out/, which git ignores. A class that cannot be had is skipped by name.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { keep: { type: 'boolean' }, sources: { type: 'string' } } });
const home = `${root}out/checkpoints-venv`;
const written = `${root}out/checkpoints`;
const kept = `${root}test/golden/checkpoints`;

/** With all that they need, then those of which a file or two are taken: what else they need is much. */
const WHOLE = ['torch', 'numpy', 'safetensors'];
const OPTIONAL = [
  'transformers',
  'diffusers',
  'einops',
  'matplotlib',
  'scikit-learn',
  'sympy',
  'pyyaml',
  'pandas',
  'tqdm',
];
const ALONE = ['ultralytics', 'bigvgan', 'descript-audio-codec', 'pykan', 'rational-activations', 'timm', 'torchortho'];

function run(command, args, isNeeded) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status === 0) return true;
  if (isNeeded) {
    console.error(error ? `${command}: ${error.message}` : `${command} ${args.join(' ')} ended with ${status}`);
    process.exit(status || 1);
  }
  return false;
}

const python = process.platform === 'win32' ? `${home}/Scripts/python` : `${home}/bin/python`;
if (!existsSync(python) && !existsSync(`${python}.exe`)) run('python3', ['-m', 'venv', home], true);
const install = (packages, isNeeded, ...options) =>
  run(python, ['-m', 'pip', 'install', '--quiet', ...options, ...packages], isNeeded);
install(WHOLE, true);
for (const name of OPTIONAL) if (!install([name], false)) console.error(`${name} cannot be installed`);
for (const name of ALONE) if (!install([name], false, '--no-deps')) console.error(`${name} cannot be installed`);

rmSync(written, { recursive: true, force: true });
mkdirSync(written, { recursive: true });
run(python, ['test/checkpoints/write.py', written, ...(values.sources ? [values.sources] : [])], true);
process.env.CHECKPOINTS = written;
run(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', 'family-checkpoints'],
  true,
);
if (values.keep) {
  rmSync(kept, { recursive: true, force: true });
  cpSync(written, kept, { recursive: true });
}
