import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { shader } from '../backends/webgpu/shader.js';
import { decodePlans } from '../plan/file.js';
import { alignImage, planImage } from '../plan/image.js';
import type { Plan } from '../plan/plan.js';
import type { AnyActivation } from './family.js';
import { C } from './kernels.generated.js';
import { print, visible } from './terminal.js';

/**
 * A plan as a kernel in a language: its tables, the vocabulary of that language, and the kernel's own text as the translator of WGSL prints it
 * (scripts/wgsl.mjs). So it has the same bits (docs/numerics.md).
 */

export const LANGUAGES = ['c', 'cuda', 'wgsl'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Tables one behind the other, and where each begins. */
interface Tables {
  readonly words: Uint32Array;
  readonly addresses: readonly number[];
}

function tablesOf(plans: readonly Plan[]): Tables {
  const images = plans.map(planImage);
  const addresses: number[] = [];
  let end = 0;
  for (const { bytes } of images) {
    addresses.push(end);
    end += alignImage(bytes);
  }
  const memory = new ArrayBuffer(end);
  const [floats, words] = [new Float32Array(memory), new Int32Array(memory)];
  images.forEach((image, i) => {
    image.write(floats, words, addresses[i]!);
  });
  return { words: new Uint32Array(memory), addresses };
}

const hex = (word: number) => `0x${word.toString(16)}`;
/** Words in lines. */
function lines(words: Uint32Array, end: string): string {
  const found: string[] = [];
  for (let i = 0; i < words.length; i += 12)
    found.push(Array.from(words.subarray(i, i + 12), (word) => `${hex(word)},`).join(''));
  return found.join(`${end}\n`);
}

export interface EmitOptions {
  readonly language: Language;
  /** What the function is called. */
  readonly name: string;
  /** With a main() that reads x.npy and writes y.npy. */
  readonly main?: boolean;
}

/** The text of a kernel that needs nothing else; for WGSL a shader, whose table is a buffer. */
export function emit(plans: readonly Plan[], { language, name, main = false }: EmitOptions): string {
  const { words, addresses } = tablesOf(plans);
  const about = [
    `${name}: an activation function compiled by ditac, ${plans.length === 1 ? 'one channel' : `${plans.length} channels`}.`,
    'The same bits as every backend of ditac. NaN gives the canonical NaN; subnormal inputs count as zero, subnormal results become zero.',
    ...plans
      .slice(0, 8)
      .map(
        ({ certificate: { ulp, ulpSmall, absolute } }, i) =>
          `Channel ${i}: at most ${ulp.toFixed(3)} ULP from the mathematics where |y| >= 2^-8, ${ulpSmall.toFixed(3)} ULP where |y| >= 2^-24, ${absolute.toExponential(2)} below.`,
      ),
    ...(plans.length > 8 ? ['…'] : []),
  ];
  if (language === 'wgsl') return wgsl(about, words, addresses);
  const isCuda = language === 'cuda';
  const compile = isCuda
    ? [`nvcc -O3 -c ${name}.cu`]
    : [`cc -O3 -c ${name}.c`, ...(main ? [`cc -O3 ${name}.c -o ${name} && ./${name} x.npy y.npy`] : [])];
  const table = isCuda
    ? `#define TABLE_WORDS \\\n${lines(words, ' \\')}\n\n` +
      `static const uint32_t TABLE[${words.length}] = {TABLE_WORDS};\n` +
      `static const uint32_t TABLES[CHANNELS] = {${addresses.join(', ')}};\n` +
      '#ifdef __CUDACC__\n' +
      `static __device__ const uint32_t DEVICE_TABLE[${words.length}] = {TABLE_WORDS};\n` +
      `static __device__ const uint32_t DEVICE_TABLES[CHANNELS] = {${addresses.join(', ')}};\n` +
      '#endif\n' +
      '#ifdef __CUDA_ARCH__\n#define TABLE_WORD(i) __ldg(&DEVICE_TABLE[i])\n#define TABLE_ADDRESS(i) __ldg(&DEVICE_TABLES[i])\n' +
      '#else\n#define TABLE_WORD(i) TABLE[i]\n#define TABLE_ADDRESS(i) TABLES[i]\n#endif\n'
    : `static const uint32_t TABLE[${words.length}] = {\n${lines(words, '')}\n};\n` +
      `static const uint32_t TABLES[CHANNELS] = {${addresses.join(', ')}};\n#define TABLE_WORD(i) TABLE[i]\n`;
  const entry = (isCuda ? C.cuda : C.c).replaceAll('NAME', name);
  const run = isCuda
    ? CUDA_RUN.replaceAll('NAME', name)
    : `#define RUN(x, count, inner) ${name}_array(x, x, count, inner);\n`;
  return [
    `/*\n${[...about, ...compile].map((line) => ` * ${line}\n`).join('')} */`,
    '#include <float.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n',
    `#define CHANNELS ${plans.length}\n${table}`,
    C.vocabulary,
    C.kernel,
    entry,
    ...(main ? [run + C.main] : []),
  ].join('\n');
}

const CUDA_RUN = `#ifdef __CUDACC__
#define CHECK(call) if ((call) != cudaSuccess) fail("CUDA:", cudaGetErrorString(cudaGetLastError()))
#define RUN(x, count, inner) { \\
    float *device; \\
    CHECK(cudaMalloc(&device, count * 4 + 4)); \\
    CHECK(cudaMemcpy(device, x, count * 4, cudaMemcpyHostToDevice)); \\
    NAME<<<1024, 256>>>(device, device, count, inner); \\
    CHECK(cudaDeviceSynchronize()); \\
    CHECK(cudaMemcpy(x, device, count * 4, cudaMemcpyDeviceToHost)); \\
    CHECK(cudaFree(device)); \\
  }
#else
#define RUN(x, count, inner) NAME(x, x, count, inner);
#endif
`;

function wgsl(about: readonly string[], words: Uint32Array, addresses: readonly number[]): string {
  // The head of a buffer of tables is their addresses, in rows of four.
  const head = 16 * Math.ceil(addresses.length / 4);
  const bytes = head + 4 * words.length;
  return [
    ...about.map((line) => `// ${line}`),
    `// Binding 1 is a buffer of ${bytes} bytes: the file beside this one. Binding 0, \`call\`: first = 0, end = the number of elements, offset = 0, inner,`,
    `// channels = channelsTo = ${addresses.length}, channelsFrom = 0, period = the number of elements, all others 0. y is binding 2, x is binding 3.`,
    shader('activate', { entry: 'each' }),
  ].join('\n');
}

/** The bytes of binding 1: addresses of tables, then the tables. */
export function wgslTables(plans: readonly Plan[]): Uint8Array {
  const head = alignImage(16 * Math.ceil(plans.length / 4));
  const images = plans.map(planImage);
  let end = head;
  const addresses = images.map(({ bytes }) => {
    const at = end;
    end += alignImage(bytes);
    return at;
  });
  const memory = new ArrayBuffer(end);
  const [floats, words] = [new Float32Array(memory), new Int32Array(memory)];
  words.set(addresses);
  images.forEach((image, i) => {
    image.write(floats, words, addresses[i]!);
  });
  return new Uint8Array(memory);
}

interface Made {
  readonly act: AnyActivation;
}

/** Adds `ditac emit`. */
export function addEmit(
  program: Command,
  options: (command: Command) => Command,
  made: (options: never) => Made | undefined,
): void {
  options(
    program
      .command('emit')
      .description('print a compiled activation as a kernel in C, CUDA or WGSL, with the same bits')
      .argument('[file]', 'a plan file; without one, an activation by the options below'),
  )
    .addOption(program.createOption('--language <name>', 'of the kernel').choices(LANGUAGES).makeOptionMandatory())
    .option(
      '-o, --out <file>',
      'write it here instead; for WGSL the table is written to the same name with .table behind it',
    )
    .option('--name <name>', 'what the function is called', 'activation')
    .option('--main', 'with a main() that reads x.npy and writes y.npy')
    .action((file: string | undefined, given: EmitOptions & { out?: string }) => {
      if (!/^[A-Za-z_]\w*$/.test(given.name)) throw new Error(`--name must be a name in C, got '${given.name}'`);
      if (given.language === 'wgsl' && (given.out === undefined || given.main))
        throw new Error('WGSL has its table in a file beside it, and no main: pass -o, and no --main');
      const plans =
        file === undefined ? plansOf(made(given as never)) : decodePlans(new Uint8Array(readFileSync(file))).plans;
      const text = emit(plans, given);
      if (given.out === undefined) return print(text);
      writeFileSync(given.out, text);
      if (given.language === 'wgsl') writeFileSync(`${given.out}.table`, wgslTables(plans));
      print(`${visible(given.out)}: ${text.length} bytes`);
    });
}

function plansOf(found: Made | undefined): Plan[] {
  if (found === undefined) throw new Error('pass a plan file, or --family, --weights or --thetas');
  return [found.act.plan as Plan];
}
