import { type Command, InvalidArgumentError } from 'commander';
import type { Definition } from '../calculus/piece.js';
import { fromOrdinal, ordinal } from '../oracle/float32.js';
import { everyFloat32, exactFamily, type Format, specialValues, stratified } from '../oracle/index.js';
import { type JudgedPoint, type Judgement, judge } from '../oracle/judge.js';
import { encode, readArray, writeArray } from './arrays.js';
import type { AnyActivation } from './family.js';
import { definitionOf, FUNCTION_NAMES, readExpression } from './formula.js';
import { STDOUT } from './output.js';
import { colors, print, printJson, say, table, visible } from './terminal.js';

const FORMATS: readonly Format[] = ['float32', 'float16', 'bfloat16'];

/** An activation from options, as all commands have them; where it comes from. */
export interface Making {
  options(command: Command): Command;
  made(options: never): { readonly act: AnyActivation; readonly origin: string };
}

/** What y should be, as the oracle takes it; `activation` where ditac can compute it too. */
interface Asked {
  readonly name: string;
  readonly of: AnyActivation | Definition;
  readonly activation?: AnyActivation;
}

interface Formula {
  function?: string;
  expression?: string;
  family?: string;
  weights?: string;
  thetas?: unknown;
}

/** How a command is told what y should be: a family's function, a fixed one, or an expression. */
const formula = (command: Command, making: Making): Command =>
  making
    .options(command)
    .addOption(command.createOption('--function <name>', 'a fixed function').choices(FUNCTION_NAMES))
    .option('--expression <text>', "an expression in x, as 'x*erf(exp(x))'", (text) => {
      readExpression(text);
      return text;
    });

/** What was asked for; undefined if nothing was. @throws {InvalidArgumentError} if too much was. */
function read(command: Command, options: Formula, making: Making): Asked | undefined {
  const isFamily = command.getOptionValueSource('family') === 'cli' || options.weights !== undefined;
  const isDrawn = options.family === 'ditac' && options.weights === undefined && options.thetas === undefined;
  const count = [options.function, options.expression, isFamily || !isDrawn ? 'family' : undefined].filter(
    (each) => each !== undefined,
  ).length;
  if (count === 0) return undefined;
  if (count > 1) throw new Error('pass one of --family, --function and --expression');
  const name = options.function ?? options.expression;
  if (name !== undefined) return { name, of: definitionOf(options) };
  if (isDrawn) throw new Error('pass --thetas or --weights of the DiTAC: nothing is assumed');
  const { act, origin } = making.made(options as never);
  return { name: `${options.family}, ${origin}`, of: act, activation: act };
}

interface JudgeOptions extends Formula {
  x: string;
  y: string;
  dtype?: Format;
  tensor?: string;
  maxUlp?: number;
  json?: boolean;
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) throw new InvalidArgumentError(`expected a number from 0, got '${text}'`);
  return value;
}

/** Adds `ditac judge` and `ditac inputs`. */
export function addJudge(program: Command, making: Making): void {
  formula(
    program
      .command('judge')
      .description("judge a file of results by the oracle: anyone's kernel, float32, float16 or bfloat16")
      .requiredOption('--x <file>', 'inputs: .npy, .safetensors, or raw with --dtype')
      .requiredOption('--y <file>', 'results, of the same length')
      .addOption(program.createOption('--dtype <name>', 'what raw files hold').choices(FORMATS as string[]))
      .option('--tensor <name>', 'which tensor of a .safetensors file'),
    making,
  )
    .option('--max-ulp <n>', 'exit with 1 if an error is larger, in ULP of the format of y', positive)
    .option('--json', 'print JSON')
    .action((options: JudgeOptions, command: Command) => {
      const asked = read(command, options, making);
      if (asked === undefined)
        throw new Error('pass --family, --weights, --function or --expression: what y should be is not assumed');
      const [x, y] = [readArray(options.x, options), readArray(options.y, options)];
      if (x.values.length !== y.values.length)
        throw new Error(`x holds ${x.values.length} numbers and y ${y.values.length}: they must be as many`);
      const found = judge(x.values, y.values, y.format, exactFamily(asked.of));
      const own = ownResult(asked, x.values, y);
      const isRight = passes(found, options.maxUlp);
      if (options.json) {
        const { format, first, worst, bands } = found;
        const point = (each: JudgedPoint | undefined) => withBits(format, each);
        const places = {
          first: point(first),
          worst: point(worst),
          bands: bands.map((band) => ({ ...band, worst: point(band.worst) })),
        };
        printJson({ function: asked.name, ...found, ...places, ...own, ok: isRight });
      }
      if (!options.json) print(report(asked.name, found, own?.differingFromDitac));
      if (!isRight) process.exitCode = 1;
    });

  formula(
    program
      .command('inputs')
      .description('write the x to run a kernel on: hard places, and numbers of all sizes')
      .requiredOption('-o, --out <file>', '.npy, or raw; - is standard output, raw')
      .option('--range <low,high>', 'inputs, besides NaN, infinities and limits', range, [-16, 16])
      .option('--count <n>', 'how many, spread over all binades', integer, 100_000)
      .option('--seed <n>', 'draws them', integer, 1)
      .option('--every', 'every number of the range instead'),
    making,
  )
    .addOption(
      program
        .createOption('--dtype <name>', 'their format')
        .choices(FORMATS as string[])
        .default('float32'),
    )
    .action(
      (
        options: Formula & {
          out: string;
          range: [number, number];
          count: number;
          seed: number;
          every?: boolean;
          dtype: Format;
        },
        command: Command,
      ) => {
        const values = inputs(options, read(command, options, making));
        writeArray(options.out, options.dtype, values);
        const tell = options.out === STDOUT ? say : print;
        tell(`${visible(options.out)}: ${values.length.toLocaleString('en')} ${options.dtype}`);
      },
    );
}

function range(text: string): [number, number] {
  const [low, high, ...rest] = text.split(',').map((each) => (each.trim() === '' ? Number.NaN : Number(each)));
  if (!(low! <= high!) || rest.length > 0)
    throw new InvalidArgumentError(`expected low,high with low ≤ high, got '${text}'`);
  return [low!, high!];
}

function integer(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < 0 || value > 2 ** 31)
    throw new InvalidArgumentError(`expected an integer from 0 to 2147483648, got '${text}'`);
  return value;
}

/** Without a limit, what must not differ is which results are no numbers. */
function passes({ mismatched, worst }: Judgement, maxUlp: number | undefined): boolean {
  if (mismatched.nan + mismatched.infinity > 0) return false;
  return maxUlp === undefined || worst === undefined || worst.ulp <= maxUlp;
}

/** Bits that ditac's own result has otherwise; NaN of any payload is one. */
function ownResult({ activation }: Asked, x: Float32Array, y: { format: Format; values: Float32Array }) {
  if (activation === undefined || y.format !== 'float32' || activation.channels !== 1) return undefined;
  const own = activation.forward(x);
  let differing = 0;
  for (let i = 0; i < own.length; i++) if (!Object.is(own[i], y.values[i])) differing += 1;
  return { differingFromDitac: differing };
}

const hexadecimal = (format: Format, value: number): string => {
  const bytes = encode(format, Float32Array.of(value));
  return `0x${[...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`;
};

function place(format: Format, point: JudgedPoint | undefined): string {
  if (point === undefined) return '–';
  const { index, x, y, truth, rounded, ulp } = point;
  return (
    `${ulp.toFixed(3)} ULP at [${index}] x = ${x} (${hexadecimal('float32', x)}): y = ${y} (${hexadecimal(format, y)}), ` +
    `truth ${Object.is(truth, -0) ? '-0' : truth} (${hexadecimal(format, rounded)})`
  );
}

/** JSON has no NaN and no infinities; bits have. */
const withBits = (format: Format, point: JudgedPoint | undefined) =>
  point && {
    ...point,
    xBits: hexadecimal('float32', point.x),
    yBits: hexadecimal(format, point.y),
    truthBits: hexadecimal(format, point.rounded),
  };

const BANDS = ['|y| ≥ 2⁻⁸', '2⁻²⁴ ≤ |y| < 2⁻⁸', '2⁻¹²⁶ ≤ |y| < 2⁻²⁴', 'below'];

function report(name: string, found: Judgement, differing: number | undefined): string {
  const { format, compared, nearest, first, bands, histogram, mismatched } = found;
  const lines = [
    `${visible(name)} in ${format}: ${compared.toLocaleString('en')} compared, ${nearest.toLocaleString('en')} correctly rounded ` +
      `(${((100 * nearest) / Math.max(compared, 1)).toFixed(4)} %)`,
  ];
  if (first) lines.push(`first that is not: ${place(format, first)}`);
  lines.push(
    table(
      ['', 'points', 'worst'],
      bands.flatMap(({ count, worst: point }, i) =>
        count > 0 ? [[BANDS[i]!, count.toLocaleString('en'), place(format, point)]] : [],
      ),
    ),
    table(
      ['off the nearest by', 'results'],
      histogram.map(([low, high, count]) => [
        low === high ? String(low) : `${low}–${high}`,
        count.toLocaleString('en'),
      ]),
    ),
  );
  const { nan, infinity, zeroSign } = mismatched;
  const marked = (count: number) => (count > 0 ? colors.red(String(count)) : '0');
  lines.push(
    `mismatched: ${marked(nan)} NaN, ${marked(infinity)} infinities, ${marked(zeroSign)} signs of 0; ` +
      `${marked(found.monotonicityBreaks)} breaks of monotonicity`,
    `Greatest absolute difference: ${found.greatestAbsolute}`,
    `Greatest relative difference: ${found.greatestRelative}`,
  );
  if (differing !== undefined) lines.push(`${differing.toLocaleString('en')} differ from ditac's own result in a bit`);
  return lines.join('\n');
}

/** Neighbours on each side of where a function changes its formula. */
const NEIGHBOURS = 3;

function inputs(
  {
    range: [low, high],
    count,
    seed,
    every,
    dtype,
  }: { range: [number, number]; count: number; seed: number; every?: boolean; dtype: Format },
  asked: Asked | undefined,
): Float32Array {
  const ends = [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, -0, 0];
  if (dtype !== 'float32') return ofShortFormat(dtype, low, high, ends);
  const parts: Float32Array[] = [Float32Array.from(ends)];
  if (every) {
    const all = everyFloat32(low, high);
    if (all.count > 2 ** 30)
      throw new Error(`${all.count} numbers are too many for one file; choose a shorter --range`);
    for (const block of all.blocks()) parts.push(block.slice());
  } else {
    parts.push(
      specialValues().filter((value) => value >= low && value <= high),
      ofPlaces(asked, low, high),
    );
    for (const block of stratified(low, high, count, seed).blocks()) parts.push(block.slice());
  }
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Where the formula changes, and beside it. */
function ofPlaces(asked: Asked | undefined, low: number, high: number): Float32Array {
  if (asked === undefined) return new Float32Array(0);
  const of = asked.of;
  const definition = 'parts' in of ? of : 'definition' in of ? (of.definition() as Definition) : undefined;
  const places = (definition?.parts ?? []).flatMap(({ first }) =>
    Array.from({ length: 2 * NEIGHBOURS + 1 }, (_, k) => fromOrdinal(ordinal(first) + k - NEIGHBOURS)),
  );
  return Float32Array.from(places.filter((value) => value >= low && value <= high));
}

/** All 65,536 of them, as far as they lie in the range. */
function ofShortFormat(dtype: Format, low: number, high: number, ends: readonly number[]): Float32Array {
  const all = new Set<number>();
  for (let bits = 0; bits < 2 ** 16; bits++) {
    const value = shortFloat(dtype, bits);
    if (value >= low && value <= high && value !== 0) all.add(value);
  }
  return Float32Array.from([...ends, ...[...all].sort((a, b) => a - b)]);
}

function shortFloat(dtype: Format, bits: number): number {
  const [exponentBits, fractionBits] = dtype === 'float16' ? [5, 10] : [8, 7];
  const bias = 2 ** (exponentBits - 1) - 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1) return Number.NaN;
  const size = exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias);
  return bits >> 15 ? -size : size;
}
