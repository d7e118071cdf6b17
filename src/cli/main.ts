#!/usr/bin/env node
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { Command, InvalidArgumentError } from 'commander';
import open from 'open';
import { LAYOUTS } from '../activations/layout.js';
import type { Kernel } from '../backends/backend.js';
import { BASIS_NAMES } from '../cpab/basis.js';
import type { FamilyName } from '../families.js';
import { DiTAC, VARIANTS } from '../index.js';
import { shader, type VerifyReport, verifyBackends } from '../verify.js';
import { CheckpointFile } from './checkpoint-file.js';
import { type CompileOptions, compileCheckpoint, expectOther, prefixesOf, rebuild, type Told } from './compile.js';
import { addEmit } from './emit.js';
import {
  type AnyActivation,
  activationOf,
  familyIn,
  flagOf,
  number,
  read,
  said,
  titleOf,
  type Where,
  withFamily,
  withWhere,
} from './family.js';
import { type ActivationReport, type InspectOptions, inspect } from './inspect.js';
import { addJudge } from './judge.js';
import { addOnnx } from './onnx.js';
import { STDOUT, writeOut } from './output.js';
import { activationPanels, drawPanels, familyPanels } from './plot.js';
import { settingsOf } from './question.js';
import { addMerge, type SweepOptions, sweepAll, sweepOptions } from './sweep.js';
import {
  type Cell,
  colors,
  endWithThePipe,
  NO_COLOR,
  print,
  printJson,
  progressBar,
  say,
  table,
  visible,
  visibleLines,
} from './terminal.js';
import { CORES, SERVE, serve } from './work.js';

/** The `ditac` command. Exit codes: 0 all is well, 1 a difference or an unreadable file, 2 wrong usage. */

/** From package.json, put in by scripts/build.mjs. */
declare const VERSION: string;

/** A parser of integers from `low` to `high`. */
const integer = (low: number, high: number) => (text: string) => {
  const value = number(text);
  if (!Number.isInteger(value) || value < low || value > high)
    throw new InvalidArgumentError(`expected an integer from ${low} to ${high}, got '${text}'`);
  return value;
};

function interval(text: string): [number, number] {
  const [a, b, ...rest] = text.split(',').map(number);
  if (a === undefined || b === undefined || rest.length > 0 || !(a < b))
    throw new InvalidArgumentError(`expected a,b with a < b, got '${text}'`);
  return [a, b];
}

/** What threads run: this file. */
const entry = new URL(import.meta.url);

const program = new Command('ditac')
  .description('Trainable activation functions with the same bits on every backend.')
  // Rationals have a --version too.
  .enablePositionalOptions()
  .version(VERSION)
  .option(NO_COLOR, 'no colours, as the variable NO_COLOR says; there are none but on a terminal')
  .configureOutput({ writeErr: (text) => void process.stderr.write(visibleLines(text)) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

/** The family that the arguments are about: its constants and parameters are options. */
const family = familyIn(process.argv);
const isDiTAC = family === 'ditac';

/** What a DiTAC is made of, or a family's function. */
function parameters(command: Command): Command {
  withFamily(command, family, true);
  if (!isDiTAC) return command;
  return command
    .option('--tess <n>', 'cells (default: 10)', integer(1, 4096))
    .option('--interval <a,b>', 'the interval of T (default: -3,3)', interval)
    .addOption(command.createOption('--variant <name>', 'variant (default: gelu)').choices(VARIANTS as string[]))
    .option('--thetas <list>', 'parameters, separated by commas', (text) => text.split(',').map(number));
}

/** From a checkpoint instead. */
const weights = (command: Command): Command =>
  withWhere(command)
    .option('--weights <file>', 'take the parameters from this .safetensors file')
    .option('--prefix <prefix>', 'what the names of its tensors begin with', '');

const layout = () => program.createOption('--layout <name>', 'where channels are').choices(LAYOUTS as string[]);

interface Made extends Told, Omit<Where, 'layout'> {
  readonly family: FamilyName;
  readonly seed?: number;
  readonly tess?: number;
  readonly thetas?: number[];
  readonly weights?: string;
  readonly prefix?: string;
}

/** Options of the class, as they were said. */
const optionsOf = (options: Made): Record<string, unknown> => {
  if (!isDiTAC) return said(options.family, options as unknown as Record<string, unknown>);
  const [a, b] = options.interval ?? [-3, 3];
  const { tess = 10, variant = 'gelu', thetas } = options;
  return { tess, a, b, variant, ...(thetas ? { thetas } : {}) };
};

/** The activation that options speak of: of a file, or of parameters, or drawn. */
function made(options: Made): { act: AnyActivation; origin: string } {
  const { family: name, weights: file, prefix = '', seed = 1 } = options;
  if (file === undefined) {
    const given = optionsOf(options);
    const isGiven = isDiTAC ? options.thetas !== undefined : false;
    return {
      act: activationOf(name, given, isGiven ? undefined : seed),
      origin: isGiven ? 'given parameters' : isDiTAC ? `seed ${seed}` : summary(given),
    };
  }
  const checkpoint = new CheckpointFile(file);
  try {
    const act = isDiTAC
      ? rebuild(checkpoint, prefix, options)
      : // Of several channels, the function of the first, wherever they are.
        read(checkpoint, name, prefix, optionsOf(options), { layout: 'channelsFirst', ...options });
    return { act: act.channels === 1 ? act : activationOf(name, settingsOf(act)), origin: `'${prefix}' of ${file}` };
  } finally {
    checkpoint.close();
  }
}

/** Constants and parameters, as far as they fit a line. */
function summary(given: object): string {
  const text = Object.entries(given)
    .map(([key, value]) => `${key} = ${Array.isArray(value) && value.length > 4 ? `[${value.length}]` : String(value)}`)
    .join(', ');
  return text === '' ? 'initial parameters' : text;
}

const verify = program.command('verify');
if (!isDiTAC) weights(parameters(verify));
else withFamily(verify, family, true);
verify
  .description('compare every backend of this machine bit for bit, and with the 30-digit oracle')
  .option('--elements <n>', 'random bit patterns for each variant', integer(1, 1e9), 200_000)
  .option('--points <n>', 'points for the oracle for each variant', integer(1, 1e7), 2_000)
  .option('--seed <n>', 'seed of parameters and inputs', integer(0, 2 ** 31), 1)
  .option('--deny-inexact', 'fail also if a backend is not exact by its start-up probe')
  .addOption(
    program
      .createOption('--show-wgsl [kernel]', 'print the shaders of a kernel instead')
      .choices(['activate', 'flow', 'backward', 'probe'])
      .preset('activate'),
  )
  .option('--json', 'print JSON')
  .action(
    async (
      options: {
        elements: number;
        points: number;
        seed: number;
        denyInexact?: boolean;
        showWgsl?: Kernel | 'backward';
        json?: boolean;
      } & Made,
    ) => {
      if (options.showWgsl) {
        const entries = {
          activate: ['cells', 'search', 'each'],
          backward: ['backward'],
          flow: ['each'],
          probe: ['each'],
        } as const;
        for (const entry of entries[options.showWgsl])
          print(`// ---- ${options.showWgsl}, ${entry} ----\n\n${shader(options.showWgsl, { entry })}`);
        return;
      }
      const bar = progressBar(!options.json);
      bar?.start(1, 0, { what: '' });
      const { elements, points, seed } = options;
      const onProgress = (done: number, what: string) => bar?.update(done, { what });
      const of = isDiTAC ? {} : { activations: [made(options).act] };
      const reports = await verifyBackends({ elements, points, seed, onProgress, ...of });
      bar?.stop();
      if (options.json) printJson(reports);
      else print(verdicts(reports));
      const isDenied = (report: VerifyReport) => !report.ok || (options.denyInexact && report.exact === false);
      // Some devices keep the process alive.
      process.exit(reports.some(isDenied) ? 1 : 0);
    },
  );

function verdicts(reports: readonly VerifyReport[]): string {
  const heads = ['backend', 'elements', 'differ', 'gradients', 'worst ULP', 'below 2⁻⁸', 'verdict'];
  const devices: string[] = [];
  const rows = reports.map((report): Cell[] => {
    if (!report.available)
      return [report.name, { span: heads.length - 1, text: `not here: ${visible(report.reason ?? '')}` }];
    devices.push(`${report.name}: ${visible(report.device ?? '')}, worst at x = ${report.worstUlpAt.toPrecision(6)}`);
    const inexact = report.failures?.map(({ probe }) => visible(probe)).join(', ');
    return [
      report.name,
      report.elements.toLocaleString('en'),
      report.differing,
      `${report.differingGradients} of ${report.gradients.toLocaleString('en')}`,
      `${report.worstUlp.toFixed(3)} of ${report.certifiedUlp.toFixed(2)}`,
      `${report.worstUlpSmall.toFixed(3)} of ${report.certifiedUlpSmall.toFixed(1)}`,
      report.ok
        ? inexact
          ? { text: `same bits here, but not exact in: ${inexact}`, paint: colors.yellow }
          : { text: 'same bits', paint: colors.green }
        : { text: inexact ? `DIFFERS; not exact in: ${inexact}` : 'DIFFERS', paint: colors.red },
    ];
  });
  return [table(heads, rows), ...devices.map((each) => colors.dim(each))].join('\n');
}

weights(parameters(program.command('plot')))
  .description('draw an activation: function, derivatives, velocity field, error in ULP (SVG)')
  .argument('[file]', 'a .safetensors file that holds it')
  .option('--seed <n>', 'draws the parameters that are not given', integer(0, 2 ** 32 - 1), 1)
  .option('--range <low,high>', 'inputs', interval)
  .option('-o, --out <file>', 'write here, - is standard output; without it, a temporary file is opened')
  .option('--json', 'print the numbers behind the picture instead')
  .action(
    async (path: string | undefined, asked: Made & { range?: [number, number]; out?: string; json?: boolean }) => {
      const options = path === undefined ? asked : { ...asked, ...within(path, asked) };
      if (options.out !== undefined && options.weights !== undefined) expectOther(options.out, options.weights);
      const { act, origin } = made(options);
      const title = `${titleOf(options.family)}, ${origin}`;
      const panels =
        act instanceof DiTAC
          ? activationPanels(act, title, options.range)
          : familyPanels(act, title, options.range ?? [-4, 4]);
      if (options.json) return printJson({ panels, certificate: act.plan.certificate });
      // In a folder of its own: in a shared one a link of that name may lie in wait (CWE-377).
      const file = options.out ?? join(mkdtempSync(join(tmpdir(), 'ditac-')), 'plot.svg');
      writeOut(file, drawPanels(panels), options.out ? {} : { flag: 'wx' });
      if (file === STDOUT) return;
      print(visible(file));
      if (!options.out) await open(file).catch(() => print('(no viewer found; open the file yourself)'));
    },
  );

/** The one activation of a file, of the family that is told. @throws {RangeError} if there is none, or several and it is not said which. */
function within(path: string, { family: name, weights: other, prefix }: Made): { weights: string; prefix: string } {
  if (other !== undefined && other !== path) throw new Error('pass the file once: as it is, or with --weights');
  if (prefix) return { weights: path, prefix };
  const checkpoint = new CheckpointFile(path);
  try {
    const prefixes = prefixesOf(checkpoint, name);
    if (prefixes.length === 1) return { weights: path, prefix: prefixes[0]! };
    if (prefixes.length > 1) {
      const names = prefixes.slice(0, 8).map((each) => `'${each}'`);
      throw new RangeError(
        `${path} holds ${prefixes.length} activations: choose with --prefix ${names.join(', ')}${prefixes.length > 8 ? ', …' : ''}`,
      );
    }
    throw new RangeError(`${path} holds no ${titleOf(name)}: \`ditac inspect\` shows what it does, and --family tells`);
  } finally {
    checkpoint.close();
  }
}

/** What a checkpoint may not say. */
const told = (command: Command): Command => {
  withFamily(command, family, false);
  if (!isDiTAC) return withWhere(command);
  return command
    .option('--interval <a,b>', 'the interval of T, if the file does not say', interval)
    .addOption(
      command.createOption('--variant <name>', 'the variant, if the file does not say').choices(VARIANTS as string[]),
    )
    .addOption(
      command
        .createOption('--basis <name>', 'the basis, if the file neither says nor lets it be found')
        .choices(BASIS_NAMES as string[]),
    );
};

/** As many places as tell floats apart at a glance. */
const short = (value: number | undefined): string => value?.toPrecision(5) ?? '–';

told(
  program
    .command('inspect')
    .description('show what a .safetensors file holds and which activations can be rebuilt from it')
    .argument('<file>'),
)
  .option('--prefix <prefix>', 'only this activation')
  .addOption(layout())
  .option('--json', 'print JSON')
  .action((file: string, { json, ...options }: InspectOptions & { json?: boolean }) => {
    const report = inspect(file, isDiTAC ? options : { ...options, constants: optionsOf(options as Made) });
    if (json) return printJson(report);
    print(
      table(
        ['tensor', 'dtype', 'shape', 'least', 'largest'],
        report.tensors.map(({ name, dtype, shape, least, largest }) => [
          visible(name),
          dtype,
          `[${shape.join(', ')}]`,
          short(least),
          short(largest),
        ]),
      ),
    );
    for (const [key, value] of Object.entries(report.metadata)) print(`${colors.dim(visible(key))}: ${visible(value)}`);
    for (const each of report.activations) {
      print(
        each.problem
          ? `${colors.red('✗')} '${visible(each.prefix)}' ${visible(each.problem)}`
          : `${colors.green('✓')} '${visible(each.prefix)}' ${found(each)}, certified to ${each.certifiedUlp?.toFixed(2)} ULP`,
      );
      for (const note of each.notes ?? []) print(`  ${colors.yellow('note:')} ${visible(note)}`);
    }
    for (const { prefix, candidates } of report.families) {
      print(`${colors.yellow('?')} '${visible(prefix)}' could be one of, told with --family:`);
      for (const { family: name, classes, tell, functions, alike } of candidates) {
        const must = tell.length > 0 ? `, and ${tell.map(flagOf).join(', ')}` : '';
        const also = alike ? ` (${visible(alike)})` : '';
        print(
          `    --family ${name}${must}: ${titleOf(name)} as of ${classes.join(' or ')}, ${functions} functions${also}`,
        );
      }
    }
    for (const name of report.others)
      print(`${colors.dim('–')} '${visible(name)}' is not taken for an activation: no precision_mat lies beside it`);
  });

/** An activation that was rebuilt, in a line. */
function found({
  family: name,
  channels,
  tess,
  interval: at,
  variant,
  lambdaSmooth,
  lambdaVar,
  constants,
  shapes,
}: ActivationReport) {
  if (name === 'ditac')
    return `${channels} θ, ${tess} cells on [${at?.join(', ')}], variant ${variant}, λ_smooth ${lambdaSmooth}, λ_var ${lambdaVar}`;
  const sizes = Object.entries(shapes ?? {}).map(([key, shape]) => `${key} [${shape.join(', ')}]`);
  return [titleOf(name), `${channels} channels`, ...sizes, visible(summary(constants ?? {}))].join(', ');
}

told(
  program
    .command('compile')
    .description('compile the activations of a checkpoint to plan files for ditac/runtime')
    .argument('<file>', 'a .safetensors file')
    .requiredOption(
      '-o, --out <file>',
      'where to write, - is standard output; of several activations, each with its prefix before the ending',
    )
    .option('--prefix <prefix>', 'only this activation'),
)
  .addOption(layout())
  .option('--json', 'print JSON')
  .action((file: string, { json, ...options }: CompileOptions & { json?: boolean }) => {
    const reports = compileCheckpoint(file, isDiTAC ? options : { ...options, constants: optionsOf(options as Made) });
    const tell = options.out === STDOUT ? say : print;
    if (json) return tell === print ? printJson(reports) : undefined;
    for (const each of reports) {
      const { prefix, file: name, bytes, channels, interval: at, variant, certifiedUlp, notes } = each;
      const theta = channels === 1 ? '' : `, ${channels} ${isDiTAC ? 'θ' : 'channels'}`;
      const what = at
        ? `${variant} on [${at.join(', ')}]`
        : `${titleOf(each.family)}, ${visible(summary(each.constants ?? {}))}`;
      tell(
        `${visible(name)}: '${visible(prefix)}'${theta}, ${what}, ${bytes} bytes, certified to ${certifiedUlp.toFixed(2)} ULP`,
      );
      for (const note of notes ?? []) tell(`  ${colors.yellow('note:')} ${visible(note)}`);
    }
  });

sweepOptions(weights(parameters(program.command('sweep'))))
  .description("compare ditac's own results with the oracle on every float32 of an interval (minutes)")
  .option(
    '--seeds <list>',
    'parameters to try',
    (text) => text.split(',').map(integer(0, 2 ** 32 - 1)),
    isDiTAC ? [1, 2] : [1],
  )
  .option('--range <low,high>', 'inputs', interval, [-16, 16])
  .option('--threads <n>', 'worker threads', integer(1, 256), CORES)
  .action(async (options: Made & SweepOptions & { seeds: number[] }) => {
    const { family: name, weights: file, thetas } = options;
    const given = file === undefined ? optionsOf(options) : settingsOf(made(options).act);
    const isDrawn = file === undefined && thetas === undefined;
    const asked = (isDrawn ? options.seeds : options.seeds.slice(0, 1)).map((seed) => ({
      seed,
      what: isDrawn ? `seed ${seed}` : titleOf(name),
      question: { family: name, options: settingsOf(activationOf(name, given, isDrawn ? seed : undefined)) },
    }));
    await sweepAll(asked, options, entry);
  });
addMerge(program);
addEmit(
  program,
  (command) =>
    weights(parameters(command)).option(
      '--seed <n>',
      'draws the parameters that are not given',
      integer(0, 2 ** 32 - 1),
    ),
  (options: Made) =>
    isDiTAC && options.weights === undefined && options.thetas === undefined && options.seed === undefined
      ? undefined
      : made(options),
);

addOnnx(program, { told, constantsOf: (options: Made) => (isDiTAC ? {} : optionsOf(options)) });
addJudge(program, { options: (command) => weights(parameters(command)), made }, entry);

// Not every thread is one of ours: a program may run the command in its own.
if (workerData === SERVE) serve();
else {
  endWithThePipe();
  // Whoever imports this file waits for the command's end.
  await program.parseAsync(process.argv.filter((each) => each !== NO_COLOR)).catch((error: Error) => {
    say(`ditac: ${visible(error.message)}`);
    process.exitCode = 1;
  });
}
