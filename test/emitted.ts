/** Emitted kernels, compiled and run: `gcc`, `clang`, their C++ and `nvcc`, as far as they are here. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DiTAC } from 'ditac';
import { readArray, writeArray } from '../src/cli/arrays.js';
import { emit, type Language } from '../src/cli/emit.js';
import type { Plan } from '../src/plan/plan.js';
import { familyClass } from './family-cases.js';
import { EXAMPLES } from './family-examples.js';

export interface Build {
  readonly name: string;
  readonly language: Language;
  readonly compiler: string;
  readonly flags: readonly string[];
}

const FLAGS = [['-O0'], ['-O2'], ['-O3', '-march=native'], ['-O3', '-march=native', '-ffp-contract=fast']];
export const BUILDS: readonly Build[] = [
  ...['gcc', 'clang'].flatMap((compiler) =>
    FLAGS.map((flags) => ({ name: `${compiler} ${flags.join(' ')}`, language: 'c' as const, compiler, flags })),
  ),
  ...['g++', 'clang++'].map((compiler) => ({
    name: `the host build of CUDA, ${compiler} -O3 -march=native -ffp-contract=fast`,
    language: 'cuda' as const,
    compiler,
    flags: ['-x', 'c++', ...FLAGS[3]!],
  })),
  { name: 'nvcc', language: 'cuda', compiler: 'nvcc', flags: ['-O3'] },
];
export const isHere = ({ compiler }: Build): boolean =>
  spawnSync(compiler, ['--version'], { stdio: 'ignore' }).status === 0;

/** Whatever plans there are: periodic ones, some channels, none that is like another. */
export function kernels(): { readonly name: string; readonly make: () => DiTAC }[] {
  const found = Object.entries(EXAMPLES).flatMap(([name, examples]) =>
    examples.map(({ options }, i) => ({
      name: `${name} ${i}`,
      make: () => (name === 'ditac' ? new DiTAC(options) : new (familyClass(name))(options)) as unknown as DiTAC,
    })),
  );
  const of = (name: string, options: object) => ({
    name: `${name} ${JSON.stringify(options).slice(0, 60)}`,
    make: () => new (familyClass(name))(options as never) as unknown as DiTAC,
  });
  return [
    ...found,
    of('snake', { alpha: 200 }),
    of('fourier', { fundamental: 0.2, coefficients: [0.5, 0.3], phases: [0.1, 0.7], grid: [1.37, 2.21] }),
    of('polynomial', { coefficients: [0, 1, 0, 3e30] }),
    {
      name: 'ditac, three channels',
      make: () => new DiTAC({ a: -3, b: 3, seed: 3, channels: 3, layout: 'channelsFirst' }),
    },
  ];
}

/** A kernel as a program that reads and writes .npy. */
export class Program {
  readonly #folder = mkdtempSync(join(tmpdir(), 'emit-'));
  readonly #binary: string;

  constructor(act: DiTAC, { language, compiler, flags }: Build) {
    const plans = Array.from({ length: act.channels }, (_, i) => act.planOf(i) as Plan);
    const source = join(this.#folder, language === 'c' ? 'kernel.c' : 'kernel.cu');
    this.#binary = join(this.#folder, 'kernel');
    writeFileSync(source, emit(plans, { language, name: 'kernel', main: true }));
    execFileSync(compiler, [...flags, source, '-o', this.#binary], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  run(x: Float32Array, inner: number): Float32Array {
    const [input, output] = [join(this.#folder, 'x.npy'), join(this.#folder, 'y.npy')];
    writeArray(input, 'float32', x);
    execFileSync(this.#binary, [input, output, String(inner)]);
    return readArray(output, {}).values;
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
