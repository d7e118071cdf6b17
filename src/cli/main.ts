import { mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { Command, InvalidArgumentError } from 'commander';
import open from 'open';
import colors from 'picocolors';
import { LAYOUTS } from '../activations/layout.js';
import type { Kernel } from '../backends/backend.js';
import { BASIS_NAMES } from '../cpab/basis.js';
import type { FamilyName } from '../families.js';
import { DiTAC, VARIANTS } from '../index.js';
import { shader, type VerifyReport, verifyBackends } from '../verify.js';
import { CheckpointFile } from './checkpoint-file.js';
import { type CompileOptions, compileCheckpoint, expectOther, rebuild, type Told } from './compile.js';
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
import { activationPanels, drawPanels, familyPanels } from './plot.js';
import { runJob, type SweepJob, sweepInParallel } from './sweep.js';
import { endWithThePipe, print, printJson, visible, visibleLines } from './terminal.js';

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

function progressBar(isShown: boolean): SingleBar | undefined {
  return isShown && process.stderr.isTTY
    ? new SingleBar(
        { format: '{bar} {percentage}% {what} {eta_formatted} left', hideCursor: true, stream: process.stderr },
        Presets.shades_classic,
      )
    : undefined;
}

const program = new Command('ditac')
  .description('Trainable activation functions with the same bits on every backend.')
  // Rationals have a --version too.
  .enablePositionalOptions()
  .version(VERSION)
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
      : read(checkpoint, name, prefix, optionsOf(options), options);
    // Of several channels, the function of the first.
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
  const table = new Table({
    head: [
      'backend',
      'device',
      'elements',
      'differing bits in',
      'in gradients',
      'worst error / ULP, |y| ≥ 2⁻⁸',
      'and ≥ 2⁻²⁴',
      'verdict',
    ],
  });
  for (const report of reports) {
    if (!report.available) {
      table.push([report.name, { colSpan: 7, content: `not here: ${visible(report.reason ?? '')}` }]);
      continue;
    }
    const inexact = report.failures?.map(({ probe }) => visible(probe)).join(', ');
    table.push([
      report.name,
      visible(report.device ?? ''),
      report.elements.toLocaleString('en'),
      report.differing,
      `${report.differingGradients} of ${report.gradients.toLocaleString('en')}`,
      `${report.worstUlp.toFixed(3)} (certified ${report.certifiedUlp.toFixed(2)}) at ${report.worstUlpAt.toPrecision(6)}`,
      `${report.worstUlpSmall.toFixed(3)} (${report.certifiedUlpSmall.toFixed(1)})`,
      report.ok
        ? inexact
          ? colors.yellow(`same bits here, but not exact in: ${inexact}`)
          : colors.green('same bits')
        : colors.red(inexact ? `DIFFERS; not exact in: ${inexact}` : 'DIFFERS'),
    ]);
  }
  return table.toString();
}

weights(parameters(program.command('plot')))
  .description('draw an activation: function, derivatives, velocity field, error in ULP (SVG)')
  .option('--seed <n>', 'draws the parameters that are not given', integer(0, 2 ** 32 - 1), 1)
  .option('--range <low,high>', 'inputs', interval)
  .option('-o, --out <file>', 'write here; without it, a temporary file is opened')
  .option('--json', 'print the numbers behind the picture instead')
  .action(async (options: Made & { range?: [number, number]; out?: string; json?: boolean }) => {
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
    writeFileSync(file, drawPanels(panels), options.out ? {} : { flag: 'wx' });
    print(visible(file));
    if (!options.out) await open(file).catch(() => print('(no viewer found; open the file yourself)'));
  });

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
  .option('--json', 'print JSON')
  .action((file: string, { json, ...options }: InspectOptions & { json?: boolean }) => {
    const report = inspect(file, isDiTAC ? options : { ...options, constants: optionsOf(options as Made) });
    if (json) return printJson(report);
    const tensors = new Table({
      style: { head: [], border: [] },
      head: ['tensor', 'dtype', 'shape', 'least', 'largest'],
    });
    for (const { name, dtype, shape, least, largest } of report.tensors)
      tensors.push([visible(name), dtype, `[${shape.join(', ')}]`, short(least), short(largest)]);
    print(tensors.toString());
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
      'where to write; of several activations, each with its prefix before the ending',
    )
    .option('--prefix <prefix>', 'only this activation'),
)
  .addOption(program.createOption('--layout <name>', 'where channels are').choices(LAYOUTS as string[]))
  .option('--json', 'print JSON')
  .action((file: string, { json, ...options }: CompileOptions & { json?: boolean }) => {
    const reports = compileCheckpoint(file, isDiTAC ? options : { ...options, constants: optionsOf(options as Made) });
    if (json) return printJson(reports);
    for (const each of reports) {
      const { prefix, file: name, bytes, channels, interval: at, variant, certifiedUlp, notes } = each;
      const theta = channels === 1 ? '' : `, ${channels} ${isDiTAC ? 'θ' : 'channels'}`;
      const what = at
        ? `${variant} on [${at.join(', ')}]`
        : `${titleOf(each.family)}, ${visible(summary(each.constants ?? {}))}`;
      print(
        `${visible(name)}: '${visible(prefix)}'${theta}, ${what}, ${bytes} bytes, certified to ${certifiedUlp.toFixed(2)} ULP`,
      );
      for (const note of notes ?? []) print(`  ${colors.yellow('note:')} ${visible(note)}`);
    }
  });

weights(parameters(program.command('sweep')))
  .description('compare a plan with the float64 reference on every float32 of an interval (minutes)')
  .option(
    '--seeds <list>',
    'parameters to try',
    (text) => text.split(',').map(integer(0, 2 ** 32 - 1)),
    isDiTAC ? [1, 2] : [1],
  )
  .option('--range <low,high>', 'inputs', interval, [-16, 16])
  .option('--threads <n>', 'worker threads', integer(1, 256), availableParallelism())
  .option('--json', 'print JSON')
  .action(async (options: Made & { seeds: number[]; range: [number, number]; threads: number; json?: boolean }) => {
    const [low, high] = options.range;
    const table = new Table({
      head: ['seed', 'inputs', '|y| ≥ 2⁻⁸ / ULP', '2⁻²⁴ ≤ |y| < 2⁻⁸ / ULP', 'below / 2⁻⁴⁷', 'correctly rounded'],
    });
    const results = [];
    const given = options.weights === undefined ? optionsOf(options) : settingsOf(made(options).act);
    const isDrawn = options.weights === undefined && options.thetas === undefined;
    for (const seed of isDrawn ? options.seeds : options.seeds.slice(0, 1)) {
      const bar = progressBar(!options.json);
      bar?.start(1, 0, { what: `seed ${seed}` });
      const result = await sweepInParallel(
        { family: options.family, options: given, ...(isDrawn ? { seed } : {}), low, high },
        options.threads,
        new URL(import.meta.url),
        (done) => bar?.update(done, { what: `seed ${seed}` }),
      );
      bar?.stop();
      results.push({ seed, ...result });
      table.push([
        seed,
        result.count.toLocaleString('en'),
        `${result.ulp.toFixed(4)} at ${result.ulpAt.toPrecision(8)}`,
        `${result.ulpSmall.toFixed(4)} at ${result.ulpSmallAt.toPrecision(8)}`,
        (result.absolute * 2 ** 47).toFixed(4),
        `${(100 * result.nearest).toFixed(2)} %`,
      ]);
      if (result.ulp > 1 || result.ulpSmall > 2 || result.absolute > 2 ** -47) process.exitCode = 1;
    }
    if (options.json) printJson(results);
    else print(table.toString());
  });

/** An activation as options of its class, which a thread can be sent. Of several channels, that of the first. */
function settingsOf(act: AnyActivation): Record<string, unknown> {
  if (act instanceof DiTAC) {
    const { tess, a, b, variant, thetas, basis, dimension } = act;
    return { tess, a, b, variant, thetas: thetas.subarray(0, dimension), basis };
  }
  const first = Object.entries(act.parameters).map(([key, data]) => {
    const [, length] = act.shapes[key]!;
    return [key, length === undefined ? data[0] : data.subarray(0, length)];
  });
  return { ...act.constants, ...Object.fromEntries(first) };
}

addOnnx(program, { told, constantsOf: (options: Made) => (isDiTAC ? {} : optionsOf(options)) });

addJudge(program, { options: (command) => weights(parameters(command)), made });

if (isMainThread) {
  endWithThePipe();
  program.parseAsync().catch((error: Error) => {
    process.stderr.write(`ditac: ${visible(error.message)}\n`);
    process.exitCode = 1;
  });
} else {
  let last = 0;
  const result = runJob(workerData as SweepJob, (done) => {
    if (done - last < 0.002) return;
    last = done;
    parentPort?.postMessage(done);
  });
  parentPort?.postMessage(result);
}
