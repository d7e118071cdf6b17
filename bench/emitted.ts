import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emit } from '../src/cli/emit.js';
import { normalStream } from '../src/cpab.js';
import { DiTAC } from '../src/index.js';
import type { Plan } from '../src/plan/plan.js';

/** What `ditac emit --language c` costs, beside a GELU by libm's erff, in one program; medians in nanoseconds an element. */
const MAIN = `
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static int by_size(const void *a, const void *b) { return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b); }
static void gelu(const float *x, float *y, size_t n) { for (size_t i = 0; i < n; i++) y[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.70710678f)); }
enum { RUNS = 51 };
int main(int argc, char **argv) {
  FILE *in = fopen(argv[argc - 1], "rb");
  fseek(in, 0, SEEK_END);
  size_t n = ftell(in) / 4;
  rewind(in);
  float *x = malloc(4 * n), *y = malloc(4 * n);
  if (fread(x, 4, n, in) != n) return 1;
  double own[RUNS], theirs[RUNS];
  for (int i = 0; i < RUNS; i++) {
    double start = now();
    kernel_array(x, y, n, 1);
    own[i] = now() - start;
    start = now();
    gelu(x, y, n);
    theirs[i] = now() - start;
  }
  qsort(own, RUNS, sizeof *own, by_size);
  qsort(theirs, RUNS, sizeof *theirs, by_size);
  printf("%g %g\\n", own[RUNS / 2] / n, theirs[RUNS / 2] / n);
  return 0;
}
`;

export interface EmittedTiming {
  readonly name: string;
  readonly ns: number;
}

/** Two timings a compiler; or the reason why there are none. */
function emittedTimings(act: DiTAC, x: Float32Array): EmittedTiming[] | string {
  const compilers = ['gcc', 'clang'].filter((each) => spawnSync(each, ['--version'], { stdio: 'ignore' }).status === 0);
  if (compilers.length === 0) return 'no C compiler is here: the emitted kernel was not timed';
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const [source, input, binary] = ['kernel.c', 'x.f32', 'kernel'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(
      source,
      `#define _POSIX_C_SOURCE 199309L\n${emit([act.plan as Plan], { language: 'c', name: 'kernel' })}${MAIN}`,
    );
    writeFileSync(input, x);
    return compilers.flatMap((compiler) => {
      execFileSync(compiler, ['-O3', '-march=native', source, '-o', binary, '-lm']);
      const [own, theirs] = execFileSync(binary, [input], { encoding: 'utf8' }).split(' ').map(Number);
      return [
        { name: `ditac emit, C (${compiler} -O3 -march=native)`, ns: own! },
        { name: `GELU by libm's erff (${compiler} -O3 -march=native)`, ns: theirs! },
      ];
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function emitted(): EmittedTiming[] | string {
  const normal = normalStream(1);
  const x = Float32Array.from({ length: 2 ** 20 }, normal);
  return emittedTimings(new DiTAC({ a: -3, b: 3, seed: 1 }), x);
}
