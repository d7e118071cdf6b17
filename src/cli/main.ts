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
import { DiTAC, VARIANTS, type Variant } from '../index.js';
import { shader, type VerifyReport, verifyBackends } from '../verify.js';
import { type CompileOptions, compileCheckpoint, type Told } from './compile.js';
import { FAMILY_NAMES, familyOf, readParameters } from './formula.js';
import { inspect } from './inspect.js';
import { addJudge } from './judge.js';
import { activationPanels, drawPanels } from './plot.js';
import { runJob, type SweepJob, sweepInParallel } from './sweep.js';
import { endWithThePipe, print, printJson, visible, visibleLines } from './terminal.js';

/** The `ditac` command. Exit codes: 0 all is well, 1 a difference or an unreadable file, 2 wrong usage. */

/** From package.json, put in by scripts/build.mjs. */
declare const VERSION: string;

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError(`'${text}' is not a number`);
  return value;
}

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
  .version(VERSION)
  .configureOutput({ writeErr: (text) => void process.stderr.write(visibleLines(text)) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program
  .command('verify')
  .description('compare every backend of this machine bit for bit, and with the 30-digit oracle')
  .option('--elements <n>', 'random bit patterns for each variant', integer(1, 1e9), 200_000)
  .option('--points <n>', 'points for the oracle for each variant', integer(1, 1e7), 2_000)
  .option('--seed <n>', 'seed of parameters and inputs', integer(0, 2 ** 31), 1)
  .addOption(
    program
      .createOption('--family <name>', 'an activation of this family, instead of all variants of DiTAC')
      .choices(FAMILY_NAMES),
  )
  .option('--parameters <json>', 'its parameters and constants, as {"alpha":0.5}', readParameters)
  .option('--deny-inexact', 'fail also if a backend is not exact by its start-up probe')
  .addOption(
    program
      .createOption('--show-wgsl [kernel]', 'print the shaders of a kernel instead')
      .choices(['activate', 'flow', 'backward', 'probe'])
      .preset('activate'),
  )
  .option('--json', 'print JSON')
  .action(
    async (options: {
      elements: number;
      points: number;
      seed: number;
      family?: string;
      parameters?: Record<string, unknown>;
      denyInexact?: boolean;
      showWgsl?: Kernel | 'backward';
      json?: boolean;
    }) => {
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
      const { family, parameters } = options;
      if (family === undefined && parameters !== undefined)
        throw new Error('--parameters are of a --family: pass both');
      const of =
        family === undefined
          ? {}
          : { activations: [familyOf(family, parameters?.thetas ? parameters : { seed, ...parameters })] };
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

program
  .command('plot')
  .description('draw an activation: function, derivative, velocity field, error in ULP (SVG)')
  .option('--tess <n>', 'cells', integer(1, 4096), 10)
  .option('--interval <a,b>', 'the interval of T', interval, [-3, 3])
  .addOption(
    program
      .createOption('--variant <name>', 'variant')
      .choices(VARIANTS as string[])
      .default('gelu'),
  )
  .option('--seed <n>', 'draws the parameters from the prior', integer(0, 2 ** 32 - 1), 1)
  .option('--thetas <list>', 'parameters, separated by commas', (text) => text.split(',').map(number))
  .option('-o, --out <file>', 'write here; without it, a temporary file is opened')
  .option('--json', 'print the numbers behind the picture instead')
  .action(
    async (options: {
      tess: number;
      interval: [number, number];
      variant: Variant;
      seed: number;
      thetas?: number[];
      out?: string;
      json?: boolean;
    }) => {
      const [a, b] = options.interval;
      const parameters = options.thetas ? { thetas: options.thetas } : { seed: options.seed };
      const act = new DiTAC({ tess: options.tess, a, b, variant: options.variant, ...parameters });
      const panels = activationPanels(act, `DiTAC, ${options.thetas ? 'given parameters' : `seed ${options.seed}`}`);
      if (options.json) return printJson({ panels, certificate: act.plan.certificate });
      // In a folder of its own: in a shared one a link of that name may lie in wait (CWE-377).
      const file = options.out ?? join(mkdtempSync(join(tmpdir(), 'ditac-')), 'plot.svg');
      writeFileSync(file, drawPanels(panels), options.out ? {} : { flag: 'wx' });
      print(visible(file));
      if (!options.out) await open(file).catch(() => print('(no viewer found; open the file yourself)'));
    },
  );

/** What a checkpoint may not say. */
const told = (command: Command): Command =>
  command
    .option('--interval <a,b>', 'the interval of T, if the file does not say', interval)
    .addOption(
      command.createOption('--variant <name>', 'the variant, if the file does not say').choices(VARIANTS as string[]),
    )
    .addOption(
      command
        .createOption('--basis <name>', 'the basis, if the file neither says nor lets it be found')
        .choices(BASIS_NAMES as string[]),
    );

/** As many places as tell floats apart at a glance. */
const short = (value: number | undefined): string => value?.toPrecision(5) ?? '–';

told(
  program
    .command('inspect')
    .description('show what a .safetensors file holds and which activations can be rebuilt from it')
    .argument('<file>'),
)
  .option('--json', 'print JSON')
  .action((file: string, { json, ...options }: Told & { json?: boolean }) => {
    const report = inspect(file, options);
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
          : `${colors.green('✓')} '${visible(each.prefix)}' ${each.channels} θ, ${each.tess} cells on [${each.interval?.join(', ')}], ` +
              `variant ${each.variant}, λ_smooth ${each.lambdaSmooth}, λ_var ${each.lambdaVar}, certified to ${each.certifiedUlp?.toFixed(2)} ULP`,
      );
    }
    for (const name of report.others)
      print(`${colors.dim('–')} '${visible(name)}' is not taken for an activation: no precision_mat lies beside it`);
  });

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
    const reports = compileCheckpoint(file, options);
    if (json) return printJson(reports);
    for (const { prefix, file: name, bytes, channels, interval: at, variant, certifiedUlp } of reports) {
      const theta = channels === 1 ? '' : `, ${channels} θ`;
      print(
        `${visible(name)}: '${visible(prefix)}'${theta}, ${variant} on [${at.join(', ')}], ${bytes} bytes, ` +
          `certified to ${certifiedUlp.toFixed(2)} ULP`,
      );
    }
  });

program
  .command('sweep')
  .description('compare a plan with the float64 reference on every float32 of an interval (minutes)')
  .option('--seeds <list>', 'parameters to try', (text) => text.split(',').map(integer(0, 2 ** 32 - 1)), [1, 2])
  .option('--interval <a,b>', 'the interval of T', interval, [-3, 3])
  .option('--range <low,high>', 'inputs', interval, [-16, 16])
  .option('--threads <n>', 'worker threads', integer(1, 256), availableParallelism())
  .option('--json', 'print JSON')
  .action(
    async (options: {
      seeds: number[];
      interval: [number, number];
      range: [number, number];
      threads: number;
      json?: boolean;
    }) => {
      const [a, b] = options.interval;
      const [low, high] = options.range;
      const table = new Table({
        head: ['seed', 'inputs', '|y| ≥ 2⁻⁸ / ULP', '2⁻²⁴ ≤ |y| < 2⁻⁸ / ULP', 'below / 2⁻⁴⁷', 'correctly rounded'],
      });
      const results = [];
      for (const seed of options.seeds) {
        const bar = progressBar(!options.json);
        bar?.start(1, 0, { what: `seed ${seed}` });
        const result = await sweepInParallel(
          { seed, a, b, low, high },
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
    },
  );

addJudge(program);

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
