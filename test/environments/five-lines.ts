/** The first lines that somebody copies, out of README.md: into an empty folder, and into a page. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { BUNDLERS } from './bundlers.js';
import { serve } from './pages.js';

/** Where the README has no block of its own for this, what it is about to have. */
const OTHERWISE = `import { Snake } from 'ditac';

const act = new Snake({ alpha: 0.5 });
console.log(act.forward(Float32Array.of(-1, 0.5, 2)));
`;

const firstBlock = (readme: string): string => /^```js\n([\s\S]*?)^```/m.exec(readme)?.[1] ?? OTHERWISE;

/** Says as JSON what is printed, wherever it runs. */
const LISTEN = `const said = [];
console.log = (...all) => { said.push(...all.map((each) => (ArrayBuffer.isView(each) ? [...each] : each))); };
`;

/**
 * Runs them in Node, Deno, Bun, built by Vite and in a bare page with an import map; each must print what Node prints.
 * @param link puts the package into a folder. @param tool where a program is, if it is installed.
 */
export async function* fiveLines(
  {
    root,
    folder,
    link,
    tool,
  }: { root: string; folder: string; link(project: string): void; tool(name: string): string },
  browser: Browser | undefined,
): AsyncGenerator<[name: string, problem: string | undefined]> {
  const lines = firstBlock(readFileSync(join(root, 'README.md'), 'utf8'));
  const project = join(folder, 'five');
  mkdirSync(project);
  link(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  writeFileSync(join(project, 'lines.mjs'), lines);
  writeFileSync(
    join(project, 'main.mjs'),
    `const { log } = console;\n${LISTEN}await import('./lines.mjs');\nlog(JSON.stringify(said));\n`,
  );
  const inProcess = (command: string, ...args: string[]) =>
    execFileSync(command, [...args, 'main.mjs'], { cwd: project, encoding: 'utf8', timeout: 60_000 }).trim();
  const expected = inProcess(process.execPath);
  yield ['five lines, Node', /\d/.test(expected) ? undefined : `printed ${expected}, no number`];
  const same = (said: string) => (said === expected ? undefined : `printed ${said.slice(0, 200)}, Node ${expected}`);
  for (const [name, ...args] of [['deno', 'run'], ['bun']] as const) {
    const path = tool(name);
    let problem: string | undefined;
    if (!existsSync(path)) problem = `skipped: npm package ${name} is not installed`;
    else
      try {
        problem = same(inProcess(path, ...args));
      } catch (cause) {
        problem = (cause as Error).message.slice(0, 300);
      }
    yield [`five lines, ${name === 'deno' ? 'Deno' : 'Bun'}`, problem];
  }
  if (!browser) {
    yield ['five lines, in pages', 'skipped: chromium is not installed'];
    return;
  }
  const onPage = async (served: string, html: string): Promise<string | undefined> =>
    serve(served, { '/': { html } }, async (origin) => {
      const tab = await browser.newPage();
      const errors: string[] = [];
      tab.on('pageerror', (error) => errors.push(error.message));
      try {
        await tab.addInitScript(`{ ${LISTEN} window.said = said; }`);
        await tab.goto(origin);
        await tab.waitForFunction('window.said.length > 0', undefined, { timeout: 30_000 });
        return same(await tab.evaluate('JSON.stringify(window.said)'));
      } catch (cause) {
        return [...errors, (cause as Error).message].join('; ').slice(0, 300);
      } finally {
        await tab.close();
      }
    });
  // As a content delivery network serves a package: by its name and version.
  const { version } = JSON.parse(readFileSync(join(project, 'node_modules/ditac/package.json'), 'utf8'));
  const at = `/npm/ditac@${version}/dist/index.js`;
  const map = JSON.stringify({ imports: { ditac: at } });
  const network = join(folder, 'network');
  mkdirSync(join(network, 'npm'), { recursive: true });
  cpSync(join(project, 'node_modules/ditac'), join(network, `npm/ditac@${version}`), { recursive: true });
  yield [
    'five lines, a bare page with an import map',
    await onPage(network, `<script type="importmap">${map}</script><script type="module">${lines}</script>`),
  ];
  // Built by each: nothing is written but one file, since nothing else is asked for.
  for (const { name, missing, bundle } of BUNDLERS) {
    const title = `five lines, ${name}`;
    const absent = missing(root);
    if (absent) {
      yield [title, `skipped: npm package ${absent} is not installed`];
      continue;
    }
    const source = join(project, `with-${name}`);
    mkdirSync(source);
    writeFileSync(join(source, 'main.js'), lines);
    const out = join(folder, `five-${name}`);
    try {
      await bundle(root)(join(source, 'main.js'), out);
      const files = readdirSync(out).filter((each) => each.endsWith('.js'));
      const problem = await onPage(out, '<!doctype html><script type="module" src="/main.js"></script>');
      // esbuild writes what an import() names that nothing calls; it is never loaded.
      const isOne = name === 'esbuild' || files.length === 1;
      yield [title, problem ?? (isOne ? undefined : `${files.length} files: ${files.join(', ')}`)];
    } catch (cause) {
      yield [title, (cause as Error).message.slice(0, 300)];
    }
  }
}
