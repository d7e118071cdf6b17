import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { DiTAC } from '../src/index.js';

/** What it costs until the first result, in processes of their own; and what a bundle holds. */

const here = fileURLToPath(new URL('../..', import.meta.url));
const THETAS = '[0.1, 0.2, -0.3, 0.1, 0.5, -0.2, 0.3, 0.1, 0.05]';
const RUNS = 15;

export interface Start {
  readonly name: string;
  /** Milliseconds of processor time, and by the clock; medians, and the least. */
  readonly cpu: number;
  readonly leastCpu: number;
  readonly wall: number;
  readonly bar: number;
}

function start(name: string, bar: number, script: string): Start {
  const runs = Array.from({ length: RUNS }, () => {
    const timed = `const [began, used] = [performance.now(), process.cpuUsage()];
      ${script}
      const { user, system } = process.cpuUsage(used);
      console.log(JSON.stringify({ wall: performance.now() - began, cpu: (user + system) / 1000 }));`;
    return JSON.parse(
      execFileSync(process.execPath, ['--input-type=module', '-e', timed], { cwd: here, encoding: 'utf8' }),
    ) as {
      wall: number;
      cpu: number;
    };
  });
  const sorted = (key: 'cpu' | 'wall') => runs.map((run) => run[key]).sort((p, q) => p - q);
  const cpu = sorted('cpu');
  return { name, cpu: cpu[RUNS >> 1]!, leastCpu: cpu[0]!, wall: sorted('wall')[RUNS >> 1]!, bar };
}

export function starts(): Start[] {
  const folder = mkdtempSync(join(tmpdir(), 'ditac-bench-'));
  const plan = join(folder, 'act.plan');
  writeFileSync(plan, new DiTAC({ a: -3, b: 3, thetas: JSON.parse(THETAS) as number[] }).compiled().toBytes());
  try {
    return [
      start(
        'import ditac, compile, forward of 1,000',
        15,
        `const { DiTAC } = await import('ditac');
         new DiTAC({ a: -3, b: 3, thetas: ${THETAS} }).forward(new Float32Array(1000).fill(0.5));`,
      ),
      start(
        'import ditac/runtime, read a plan, forward of 1,000',
        8,
        `const { readFileSync } = await import('node:fs');
         const { Activation } = await import('ditac/runtime');
         new Activation(readFileSync(${JSON.stringify(plan)})).forward(new Float32Array(1000).fill(0.5));`,
      ),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What a bundler keeps, minified and gzipped. */
export async function bundles(): Promise<{ name: string; bytes: number; bar: number }[]> {
  const bytes = async (contents: string) => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: join(here, 'build') },
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      write: false,
      // The package, not the sources to which tsconfig.json points.
      tsconfigRaw: {},
      logLevel: 'error',
    });
    return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  };
  const one = (family: string) =>
    `import { ${family} } from 'ditac'; globalThis.f = (x) => new ${family}({ seed: 1 }).forward(x);`;
  return [
    { name: 'DiTAC.forward', bytes: await bytes(one('DiTAC')), bar: 44_000 },
    { name: 'Snake.forward', bytes: await bytes(one('Snake')), bar: 44_000 },
    {
      name: 'ditac/runtime',
      bytes: await bytes(
        `import { Activation } from 'ditac/runtime'; globalThis.f = (b, x) => new Activation(b).forward(x);`,
      ),
      bar: 13_000,
    },
  ];
}
