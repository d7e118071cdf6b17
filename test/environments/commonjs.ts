/** Programs that are no modules: `require`, and Jest, by the ways that docs/environments.md tells. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const X = 'Float32Array.of(-1, 0.5, 2)';
const Y = '[-0.5403023362159729,0.6224174499511719,3.416146755218506]';

/** Why `require` does not give the package; undefined if it does. */
export function requires(folder: string): string | undefined {
  const code = `const { Snake } = require('ditac');\nconst { Activation } = require('ditac/runtime');
const act = new Snake({ alpha: 0.5 });
console.log(JSON.stringify([act, new Activation(act.compiled().toBytes())].map((each) => [...each.forward(${X})])));`;
  writeFileSync(join(folder, 'program.cjs'), code);
  try {
    const stdout = execFileSync(process.execPath, ['program.cjs'], { cwd: folder, encoding: 'utf8' });
    return stdout.trim() === `[${Y},${Y}]` ? undefined : `gave ${stdout.slice(0, 200)}`;
  } catch (cause) {
    return (cause as Error).message.slice(0, 300);
  }
}

const expecting = `expect([...new Snake({ alpha: 0.5 }).forward(${X})]).toEqual(${Y})`;
const WAYS: Readonly<Record<string, { files: Record<string, string>; env: Record<string, string> }>> = {
  'import() and --experimental-vm-modules': {
    files: {
      'package.json': '{ "private": true }',
      'a.test.js': `test('it', async () => { const { Snake } = await import('ditac'); ${expecting}; });`,
    },
    env: { NODE_OPTIONS: '--experimental-vm-modules' },
  },
  'import and babel': {
    files: {
      'package.json': '{ "private": true, "jest": { "transformIgnorePatterns": ["/node_modules/(?!ditac/)"] } }',
      'babel.config.json': '{ "presets": [["@babel/preset-env", { "targets": { "node": "current" } }]] }',
      'a.test.js': `import { Snake } from 'ditac';\ntest('it', () => { ${expecting}; });`,
    },
    env: {},
  },
};

/** Why Jest does not run a test in each way; undefined if it does. `link` puts the package and root's tools into a folder. */
export function isJestRight(root: string, folder: string, link: (project: string) => void): string | undefined {
  const missing = ['jest', '@babel/preset-env'].find((each) => !existsSync(join(root, 'node_modules', each)));
  if (missing) return `skipped: npm package ${missing} is not installed`;
  for (const [way, { files, env }] of Object.entries(WAYS)) {
    const project = join(folder, `jest-${Object.keys(WAYS).indexOf(way)}`);
    mkdirSync(project);
    link(project);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
    try {
      execFileSync(process.execPath, [join(root, 'node_modules/jest/bin/jest.js'), '--rootDir', project], {
        cwd: project,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: 120_000,
      });
    } catch (cause) {
      return `${way}: ${String((cause as { stderr?: Buffer }).stderr ?? cause).slice(0, 500)}`;
    }
  }
  return undefined;
}
