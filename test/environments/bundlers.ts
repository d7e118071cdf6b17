/** Six bundlers, each as it is called by itself: an entry to a folder with a main.js, for pages. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build as esbuild } from 'esbuild';

/** `entry` is called main.js. */
export type Bundle = (entry: string, out: string) => Promise<void>;

export interface Bundler {
  readonly name: string;
  /** Of the npm packages that it needs, the first that is missing. */
  missing(root: string): string | undefined;
  readonly bundle: (root: string) => Bundle;
}

/** Of a tool that may not be there, what is called of it. */
const load = async <T>(root: string, name: string): Promise<T> =>
  import(createRequire(join(root, 'package.json')).resolve(name));

interface Vite {
  build(options: object): Promise<unknown>;
}
interface Webpack {
  default(
    options: object,
    done: (error: Error | null, stats: { hasErrors(): boolean; toString(): string }) => void,
  ): unknown;
}
interface Rollup {
  rollup(options: object): Promise<{ write(options: object): Promise<unknown> }>;
}

const bundler = (name: string, packages: readonly string[], bundle: (root: string) => Bundle): Bundler => ({
  name,
  missing: (root) => packages.find((each) => !existsSync(join(root, 'node_modules', each))),
  bundle,
});

const command = (root: string, name: string, args: string[], cwd: string) =>
  void execFileSync(join(root, 'node_modules/.bin', name), args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });

export const BUNDLERS: readonly Bundler[] = [
  bundler('esbuild', ['esbuild'], () => async (entry, outdir) => {
    await esbuild({ entryPoints: [entry], outdir, bundle: true, splitting: true, minify: true, format: 'esm' });
  }),
  bundler('Vite', ['vite'], (root) => async (entry, outDir) => {
    const vite = await load<Vite>(root, 'vite');
    await vite.build({
      root: dirname(entry),
      configFile: false,
      logLevel: 'error',
      build: {
        outDir,
        emptyOutDir: true,
        rolldownOptions: { input: entry, output: { entryFileNames: 'main.js' } },
      },
    });
  }),
  bundler('webpack', ['webpack'], (root) => async (entry, path) => {
    const { default: webpack } = await load<Webpack>(root, 'webpack');
    await new Promise<void>((resolve, reject) => {
      webpack({ mode: 'production', entry, output: { path, filename: 'main.js', publicPath: '/' } }, (error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString()));
        else resolve();
      });
    });
  }),
  bundler('Rollup', ['rollup', '@rollup/plugin-node-resolve'], (root) => async (input, dir) => {
    const [{ rollup }, { nodeResolve }] = await Promise.all([
      load<Rollup>(root, 'rollup'),
      load<{ nodeResolve(): object }>(root, '@rollup/plugin-node-resolve'),
    ]);
    const made = await rollup({ input, plugins: [nodeResolve()], onwarn: () => {} });
    await made.write({ dir, format: 'es' });
  }),
  bundler('Parcel', ['parcel'], (root) => async (entry, out) => {
    const args = ['build', entry, '--dist-dir', out, '--no-cache', '--no-source-maps', '--public-url', '/'];
    command(root, 'parcel', args, dirname(entry));
  }),
  bundler('Bun', ['bun'], (root) => async (entry, out) => {
    const args = ['build', entry, '--outdir', out, '--minify', '--splitting', '--target', 'browser'];
    command(root, 'bun', args, dirname(entry));
  }),
];
