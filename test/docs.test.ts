/**
 * Every program that README.md and docs/ show: run in Node as it stands, against the built package, and type-checked. A comment before a block says
 * what a reader need not see: `<!-- continues -->` (after the block before it), `<!-- setup … -->` (code that goes before), `<!-- not run: why -->`.
 */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DiTAC } from 'ditac';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { transformSync } from 'esbuild';
import { afterAll, expect, test } from 'vitest';
import { NAMES_IN_ORDER, programOf } from '../docs/activations/page.js';
import { CATALOGUE } from '../docs/catalogue.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'ditac-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = promisify(execFile);

/** As a program of someone who installed the package, with a checkpoint beside it. */
mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules/ditac'));
for (const name of ['@jax-js', '@tensorflow', '@types', 'onnxruntime-web'])
  symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
copyFileSync(new URL('golden/nets/digits_mlp_ditac.safetensors', import.meta.url), join(folder, 'model.safetensors'));

interface Block {
  readonly language: string;
  readonly code: string;
  readonly line: number;
  readonly reason: string | undefined;
  readonly continues: boolean;
  readonly setup: string;
}

/** The blocks of a page that name a language, in order, with what comments before them say. */
function blocksOf(text: string): Block[] {
  const fence = /((?:<!--(?:(?!-->)[\s\S])*-->\s*)*)^```(\w+)[^\n]*\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(fence)].map(({ index, 0: all, 1: comments, 2: language, 3: code }) => {
    const said = [...comments!.matchAll(/<!--\s*([\s\S]*?)\s*-->/g)].map(([, each]) => each!);
    return {
      language: language!,
      code: code!,
      line: text.slice(0, index! + all!.indexOf('```')).split('\n').length,
      reason: said.map((each) => /^not run: ([\s\S]+)$/.exec(each)?.[1]).find(Boolean),
      continues: said.includes('continues'),
      setup: said.map((each) => /^setup\n([\s\S]*)$/.exec(each)?.[1] ?? '').join(''),
    };
  });
}

/** Programs of a page: a block, and those that continue it. */
function programsOf(blocks: readonly Block[]): { code: string; line: number; isRun: boolean }[] {
  const programs: { code: string; line: number; isRun: boolean }[] = [];
  for (const { code, line, reason, continues, setup } of blocks) {
    const last = programs.at(-1);
    const isRun = reason === undefined;
    if (continues && last) {
      last.code += `${setup}\n${code}`;
      last.isRun &&= isRun;
    } else programs.push({ code: `${setup}\n${code}`, line, isRun });
  }
  return programs;
}

const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const found = pages.map((page) => ({ page, blocks: blocksOf(readFileSync(join(root, page), 'utf8')) }));
const isProgram = ({ language }: Block) => ['js', 'ts', 'javascript', 'typescript'].includes(language);

test.each(found.filter(({ blocks }) => blocks.some((each) => isProgram(each) && each.reason === undefined)))(
  'the programs of $page run',
  async ({ page, blocks }) => {
    const name = page.replace(/\W/g, '_');
    const files = programsOf(blocks.filter(isProgram))
      .filter(({ isRun }) => isRun)
      .map(({ code, line }) => {
        const file = `${name}_${line}.mjs`;
        writeFileSync(join(folder, file), transformSync(code, { loader: 'ts', format: 'esm' }).code);
        return file;
      });
    // One after another; a failure names the line of the page.
    writeFileSync(join(folder, `${name}.mjs`), files.map((file) => `await import('./${file}');`).join('\n'));
    await run(process.execPath, [`${name}.mjs`], { cwd: folder });
  },
);

test('the program of every family’s page runs', async () => {
  for (const name of NAMES_IN_ORDER) writeFileSync(join(folder, `family_${name}.mjs`), programOf(name));
  writeFileSync(
    join(folder, 'families.mjs'),
    NAMES_IN_ORDER.map((name) => `await import('./family_${name}.mjs');`).join('\n'),
  );
  const { stdout } = await run(process.execPath, ['families.mjs'], { cwd: folder });
  expect(stdout.match(/Float32Array\(3\)/g)?.length).toBeGreaterThanOrEqual(2 * NAMES_IN_ORDER.length);
});

test('all of them, those too that are not run, have the types that the package declares', async () => {
  for (const { page, blocks } of found)
    for (const { code, line } of programsOf(blocks.filter(isProgram)))
      writeFileSync(join(folder, `${page.replace(/\W/g, '_')}_${line}.ts`), `${code}\nexport {};\n`);
  const compilerOptions = {
    target: 'ES2022',
    module: 'ESNext',
    moduleResolution: 'bundler',
    lib: ['ES2022', 'DOM'],
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: folder }).catch(
    (error) => error,
  );
  expect(stdout.trim()).toBe('');
});

test('what the catalogue shows of every family can be made, and keeps the promise', () => {
  const kept = Object.entries(CATALOGUE).flatMap(([name, { presets }]) =>
    presets.map(({ label, options }) => {
      const made = FAMILIES[name as FamilyName] as unknown as new (options: object) => DiTAC;
      return [name, label, new made(options).plan.certificate.keepsPromise];
    }),
  );
  expect(kept.filter(([, , keeps]) => !keeps)).toEqual([]);
  expect(Object.keys(CATALOGUE)).toEqual(Object.keys(FAMILIES));
});

const commands = found.flatMap(({ page, blocks }) =>
  blocks
    .filter(({ language, reason }) => language === 'sh' && reason === undefined)
    .flatMap(({ code }) => code.split('\n').map((line) => ({ page, line: line.replace(/\s+#.*/, '').trim() }))),
);

test('the commands run, in their order', async () => {
  const known = commands.filter(({ line }) => line !== '');
  expect(known.length).toBeGreaterThan(3);
  for (const { page, line } of known) {
    const [program, ...given] = line.split(/\s+/);
    expect([page, line, program, given[0]]).toEqual([page, line, 'npx', 'ditac']);
    await run(process.execPath, [join(root, 'dist/cli.js'), ...given.slice(1)], { cwd: folder });
  }
});

test('what is not run says why, and other languages say it too', () => {
  const silent = found.flatMap(({ page, blocks }) =>
    blocks
      .filter((each) => !isProgram(each) && each.language !== 'sh' && each.reason === undefined)
      .map(({ line, language }) => `${page}:${line} ${language}`),
  );
  expect(silent).toEqual([]);
});
