import { writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import type { Definition } from '../calculus/piece.js';
import type { FamilyName } from '../families.js';
import { parameterNamesOf } from '../oracle/family.js';
import { fromOrdinal, ordinal } from '../oracle/float32.js';
import { everyFloat32, exactDerivative, type Format, specialValues, stratified } from '../oracle/index.js';
import { type Judgement, merge, orderOf } from '../oracle/judge.js';
import { trueSum } from '../oracle/sums.js';
import { spacing } from '../oracle/truth.js';
import { type FloatArray, readArray, writeArray } from './arrays.js';
import type { AnyActivation } from './family.js';
import { FUNCTION_NAMES, readExpression } from './formula.js';
import {
  describeJudgement,
  describeSums,
  type Own,
  page,
  passes,
  printable,
  type Section,
  type Sums,
} from './judgement.js';
import { STDOUT } from './output.js';
import { functionOf, type Question, settingsOf } from './question.js';
import { writeReport } from './report.js';
import { print, printJson, progressBar, say, visible } from './terminal.js';
import { CORES, performAll, type Shard, shard, shared, WHOLE } from './work.js';

const FORMATS: readonly Format[] = ['float32', 'float16', 'bfloat16'];

/** An activation from options, as all commands have them; where it comes from. */
export interface Making {
  options(command: Command): Command;
  made(options: never): { readonly act: AnyActivation; readonly origin: string };
}

/** What y should be, as the oracle takes it; `activation` where ditac can compute it too. */
export interface Asked {
  readonly name: string;
  readonly question: Question;
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
  if (name !== undefined) {
    const question: Question = options.function === undefined ? { expression: name } : { function: options.function };
    return { name, question, of: functionOf(question) };
  }
  if (isDrawn) throw new Error('pass --thetas or --weights of the DiTAC: nothing is assumed');
  const { act, origin } = making.made(options as never);
  const question: Question = { family: options.family as FamilyName, options: settingsOf(act) };
  return { name: `${options.family}, ${origin}`, question, of: act, activation: act };
}

interface JudgeOptions extends Formula {
  x: string;
  y?: string;
  gradX?: string;
  gradY?: string;
  grad: readonly (readonly [name: string, file: string])[];
  dtype?: Format;
  dtypeY?: Format;
  tensor?: string;
  maxUlp?: number;
  shard: Shard;
  threads: number;
  json?: boolean;
  html?: string;
  report?: string;
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0)) throw new InvalidArgumentError(`expected a number from 0, got '${text}'`);
  return value;
}

/** Adds `ditac judge` and `ditac inputs`. */
export function addJudge(program: Command, making: Making, entry: URL): void {
  formula(
    program
      .command('judge')
      .description("judge a file of results by the oracle: anyone's kernel, float32, float16 or bfloat16")
      .requiredOption('--x <file>', 'inputs: .npy, .safetensors, or raw with --dtype')
      .option('--y <file>', 'results, of the same length')
      .option('--grad-x <file>', 'gradients of x: grad-y times the derivative')
      .option('--grad-y <file>', 'gradients of y, which gradients of x and of parameters are computed from')
      .option(
        '--grad <name=file>',
        'the gradient of a parameter, summed over x; may be repeated',
        gradient,
        [] as JudgeOptions['grad'],
      )
      .addOption(program.createOption('--dtype <name>', 'what raw files hold').choices(FORMATS as string[]))
      .addOption(
        program
          .createOption('--dtype-y <name>', 'what raw files of results and gradients hold, if not what x holds')
          .choices(FORMATS as string[]),
      )
      .option('--tensor <name>', 'which tensor of .safetensors files, if they have several'),
    making,
  )
    .option('--max-ulp <n>', 'exit with 1 if an error is larger, in ULP of the format of the results', positive)
    .option('--threads <n>', 'worker threads', threads, CORES)
    .option('--shard <k/n>', 'only the k-th of n parts of the inputs, in the order of x', shard, WHOLE)
    .option('--report <file>', 'write a report for `ditac merge`')
    .option('--html <file>', 'write a page with the error over x')
    .option('--json', 'print JSON')
    .action(async (options: JudgeOptions, command: Command) => {
      const asked = read(command, options, making);
      if (asked === undefined)
        throw new Error('pass --family, --weights, --function or --expression: what y should be is not assumed');
      await judgeFiles(asked, options, entry);
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

function gradient(text: string, before: JudgeOptions['grad']): JudgeOptions['grad'] {
  const at = text.indexOf('=');
  if (at <= 0 || at === text.length - 1) throw new InvalidArgumentError(`expected name=file, got '${text}'`);
  return [...before, [text.slice(0, at), text.slice(at + 1)]];
}

function threads(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 256 || text.trim() === '')
    throw new InvalidArgumentError(`expected an integer from 1 to 256, got '${text}'`);
  return value;
}

/** Points that a thread takes at a time: fewer, and it is not worth its start. */
const PART = 1 << 17;

async function judgeFiles(asked: Asked, options: JudgeOptions, entry: URL): Promise<void> {
  const { question, activation } = asked;
  const x = readArray(options.x, options);
  const ofResults = { ...options, ...(options.dtypeY ? { dtype: options.dtypeY } : {}) };
  const other = (name: string, path: string): FloatArray => {
    const found = readArray(path, ofResults);
    if (found.values.length !== x.values.length)
      throw new Error(`x holds ${x.values.length} numbers and ${name} ${found.values.length}: they must be as many`);
    return found;
  };
  if (options.y === undefined && options.gradX === undefined && options.grad.length === 0)
    throw new Error('pass --y, or --grad-y with --grad-x or --grad: what is to be judged');
  const needsGradY = options.gradX !== undefined || options.grad.length > 0;
  if (needsGradY !== (options.gradY !== undefined))
    throw new Error(
      needsGradY
        ? 'pass --grad-y with --grad-x and --grad: no gradient of y is assumed'
        : 'pass --grad-x or --grad with --grad-y',
    );
  const y = options.y === undefined ? undefined : other('y', options.y);
  const gradX = options.gradX === undefined ? undefined : other('grad-x', options.gradX);
  const gradY = options.gradY === undefined ? undefined : other('grad-y', options.gradY);
  if (options.report !== undefined && (y === undefined) === (gradX === undefined))
    throw new Error('a report is about one file: pass --y or --grad-x with --report');
  if (options.shard.of > 1 && options.grad.length > 0)
    throw new Error('the gradient of a parameter is a sum over all inputs: it has no --shard');

  const order = orderOf(x.values);
  const [from, to] = stretch(order.length, options.shard);
  const isThreaded = options.threads > 1 && to - from > PART;
  const share = isThreaded ? shared : <T>(array: T): T => array;
  const common = {
    question,
    x: share(x.values),
    order: share(order),
    ...(options.maxUlp === undefined ? {} : { maxUlp: options.maxUlp }),
    ...(options.html === undefined ? {} : { profiled: [from, to] as const }),
  };
  const judged = async (found: FloatArray, isSlope: boolean): Promise<Judgement> => {
    const all = {
      ...common,
      y: share(found.values),
      format: found.format,
      isSlope,
      ...(isSlope ? { gradY: share(gradY!.values) } : {}),
    };
    const works = Array.from({ length: Math.max(Math.ceil((to - from) / PART), 1) }, (_, i) => ({
      ...all,
      from: from + i * PART,
      to: Math.min(from + (i + 1) * PART, to),
    }));
    const bar = progressBar(!options.json);
    bar?.start(works.length, 0, { what: 'judged' });
    const parts = await performAll<Judgement>(works, options.threads, entry, (_, __, done) => {
      bar?.update(done, { what: 'judged' });
      return true;
    });
    bar?.stop();
    return (parts as Judgement[]).reduce(merge);
  };

  const sections: Section[] = [];
  if (y) {
    const own = ownResult(activation, x.values, y, order.subarray(from, to));
    sections.push({ what: 'y', found: await judged(y, false), own });
  }
  if (gradX) sections.push({ what: 'grad-x', found: await judged(gradX, true), own: undefined });
  const sums = options.grad.map(([name, path]) =>
    judgeSums(asked, name, readArray(path, ofResults), x.values, gradY!.values),
  );

  const isRight =
    sections.every(({ found }) => passes(found)) &&
    sums.every(({ points }) => points.every(({ ulp }) => !(ulp > (options.maxUlp ?? Number.MAX_VALUE))));
  if (options.report !== undefined) {
    const [{ what, found }] = sections as [Section];
    const { maxUlp } = options;
    writeReport(options.report, {
      kind: 'judge',
      question,
      what,
      shard: options.shard,
      length: order.length,
      ...(maxUlp === undefined ? {} : { maxUlp }),
      result: found,
    });
  }
  if (options.html !== undefined) writeFileSync(options.html, page(asked.name, sections, sums));
  if (options.json) {
    const [first] = sections;
    printJson({
      function: asked.name,
      ...(y ? { ...printable(first!.found), ...first!.own } : {}),
      ...(gradX ? { gradX: printable(sections.at(-1)!.found) } : {}),
      ...(sums.length > 0 ? { gradients: Object.fromEntries(sums.map(({ name, points }) => [name, points])) } : {}),
      ok: isRight,
    });
  } else {
    for (const { what, found, own } of sections) print(describeJudgement(`${asked.name}, ${what}`, found, own));
    for (const each of sums) print(describeSums(each));
  }
  if (!isRight) process.exitCode = 1;
}

/** From where to where a shard goes. */
export const stretch = (length: number, { number, of }: Shard): readonly [number, number] => [
  Math.floor((length * (number - 1)) / of),
  Math.floor((length * number) / of),
];

/** The gradient of a parameter, or of each number of an array. */
function judgeSums(
  { of, name: title }: Asked,
  name: string,
  file: FloatArray,
  x: Float32Array,
  gradY: Float32Array,
): Sums {
  const names = parameterNamesOf(of) ?? [];
  const own = names.filter((each) => each === name || each.startsWith(`${name}[`));
  if (own.length === 0)
    throw new Error(
      names.length === 0
        ? `${title} has no parameters whose gradients are known to the oracle`
        : `${title} has no parameter ${name}; it has ${names.join(', ')}`,
    );
  if (file.values.length !== own.length)
    throw new Error(`the gradient of ${name} is ${own.length} numbers, the file holds ${file.values.length}`);
  const points = own.map((each, i) => {
    const { value, error, size } = trueSum(x, gradY, exactDerivative(of, each));
    const y = file.values[i]!;
    const isNaNWrong = Number.isNaN(y) !== Number.isNaN(value);
    const off = y === value || (Number.isNaN(y) && Number.isNaN(value)) ? 0 : Math.abs(y - value);
    const unit = spacing(file.format, value);
    return {
      name: each,
      y,
      truth: value,
      known: error,
      ulp: isNaNWrong ? Number.POSITIVE_INFINITY : off / unit,
      share: off === 0 ? 0 : off / size,
    };
  });
  return { name, format: file.format, points };
}

/** Bits that ditac's own result has otherwise; NaN of any payload is one. */
function ownResult(
  activation: AnyActivation | undefined,
  x: Float32Array,
  y: FloatArray,
  places: Uint32Array,
): Own | undefined {
  if (activation === undefined || y.format !== 'float32') return undefined;
  const at = Float32Array.from(places, (i) => x[i]!);
  const own = activation.forward(at);
  let differing = 0;
  let first: Own['firstDifferingFromDitac'];
  places.forEach((i, k) => {
    if (Object.is(own[k], y.values[i])) return;
    differing += 1;
    if (first === undefined || i < first.index) first = { index: i, x: x[i]!, y: y.values[i]!, ditac: own[k]! };
  });
  return { differingFromDitac: differing, ...(first ? { firstDifferingFromDitac: first } : {}) };
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
