import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { LARGEST } from '../calculus/piece.js';
import { everyFloat32, mergeSweeps, type SweepResult } from '../oracle/index.js';
import { NOTHING } from '../oracle/sweep.js';
import type { AnyActivation } from './family.js';
import { describeJudgement, printable } from './judgement.js';
import { functionOf, type Question } from './question.js';
import { isSame, mergeReports, readReport, type SweepReport, toJson, writeReport } from './report.js';
import { again, type Cell, print, printJson, progressBar, say, table, visible } from './terminal.js';
import { performAll, type Shard, type SweepWork, shard, WHOLE } from './work.js';

/** The exhaustive comparison: every float32 of an interval, ditac's own results against the oracle, on all cores, in parts that add up. */

export interface SweepOptions {
  readonly range: readonly [number, number];
  readonly every?: boolean;
  readonly threads: number;
  readonly shard: Shard;
  readonly report?: string;
  readonly json?: boolean;
}

/** As many inputs as are lost when a sweep is stopped, on each thread. */
const PART = 1 << 22;

export const sweepOptions = (command: Command): Command =>
  command
    .option('--every', 'every finite float32 instead of a range; of periodic functions, as far as bounds are proved')
    .option('--shard <k/n>', 'only the k-th of n parts', shard, WHOLE)
    .option('--report <file>', 'write a report after every part, and go on from it if it is there')
    .option('--json', 'print JSON');

/** Keeps promise 1, as the README says it. */
const keeps = ({ ulp, ulpSmall, absolute }: SweepResult): boolean => ulp <= 1 && ulpSmall <= 2 && absolute <= 2 ** -47;

interface Swept {
  readonly report: SweepReport;
  /** Whether nothing is left of this shard. */
  readonly isDone: boolean;
}

/** Sweeps what is not in the report yet. Ends after the present parts at SIGINT and SIGTERM. */
export async function sweepEvery(question: Question, options: SweepOptions, entry: URL, what: string): Promise<Swept> {
  const act = functionOf(question) as AnyActivation;
  const { domain } = act.plan.certificate;
  const range = options.every
    ? ([-Math.min(domain, LARGEST), Math.min(domain, LARGEST)].map(Math.fround) as [number, number])
    : options.range;
  const inputs = everyFloat32(...range, options.shard.number - 1, options.shard.of);
  const parts = Math.max(Math.ceil(inputs.count / PART), 1);
  const empty: SweepReport = {
    kind: 'sweep',
    question,
    range,
    shard: options.shard,
    parts,
    done: [],
    result: { ...NOTHING },
  };
  let report = empty;
  if (options.report !== undefined && existsSync(options.report)) {
    const found = readReport(options.report);
    const isOurs =
      isSame(found, empty) &&
      found.shard.number === options.shard.number &&
      found.shard.of === options.shard.of &&
      (found as SweepReport).parts === parts;
    if (!isOurs)
      throw new Error(`${options.report} is a report about another function, range or shard: give another file`);
    report = found as SweepReport;
  }
  const left = Array.from({ length: parts }, (_, i) => i).filter((i) => !report.done.includes(i));
  const works: SweepWork[] = left.map((i) => ({
    question,
    low: range[0],
    high: range[1],
    part: (options.shard.number - 1) * parts + i,
    parts: options.shard.of * parts,
  }));
  let isStopped = false;
  const stop = () => {
    isStopped = true;
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  // A signal is heard here, and gives the cursor back.
  const bar = progressBar(!options.json, true);
  bar?.start(parts, report.done.length, { what });
  try {
    await performAll<SweepResult>(works, options.threads, entry, (result, index) => {
      report = {
        ...report,
        done: [...report.done, left[index]!].sort((p, q) => p - q),
        result: report.done.length === 0 ? result : mergeSweeps(report.result, result),
      };
      if (options.report !== undefined) writeReport(options.report, report);
      bar?.update(report.done.length, { what });
      return !isStopped;
    });
  } finally {
    bar?.stop();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
  return { report, isDone: report.done.length === parts };
}

export const SWEEP_HEAD = ['inputs', '|y| ≥ 2⁻⁸ / ULP', '2⁻²⁴ ≤ |y| < 2⁻⁸ / ULP', 'below / 2⁻⁴⁷', 'correctly rounded'];
export const sweepRow = (result: SweepResult): string[] => [
  result.count.toLocaleString('en'),
  `${result.ulp.toFixed(4)} at ${result.ulpAt.toPrecision(8)}`,
  `${result.ulpSmall.toFixed(4)} at ${result.ulpSmallAt.toPrecision(8)}`,
  (result.absolute * 2 ** 47).toFixed(4),
  `${(100 * result.nearest).toFixed(2)} %`,
];

export interface Asked {
  readonly what: string;
  readonly question: Question;
  /** What a line of the report names beside the figures. */
  readonly seed?: number;
}

/** Does what `ditac sweep` is asked, for each function. */
export async function sweepAll(asked: readonly Asked[], options: SweepOptions, entry: URL): Promise<void> {
  if (options.report !== undefined && asked.length > 1)
    throw new Error('a report is about one function: pass one of --seeds, or other parameters');
  const isSeeded = asked[0]?.seed !== undefined;
  const rows: Cell[][] = [];
  const results = [];
  for (const [k, { what, question, seed }] of asked.entries()) {
    const { report, isDone } = await sweepEvery(question, options, entry, what);
    const { result, parts, done } = report;
    results.push({ ...(isSeeded ? { seed } : {}), ...result, parts, done: done.length });
    rows.push([...(isSeeded ? [seed!] : []), ...sweepRow(result)]);
    if (!keeps(result)) process.exitCode = 1;
    if (!isDone) {
      sayHowToGoOn(options, report, seed, asked.slice(k + 1));
      process.exitCode = 130;
      break;
    }
  }
  if (options.json) printJson(results);
  else print(table([...(isSeeded ? ['seed'] : []), ...SWEEP_HEAD], rows));
}

/** What was compared from the range's start on without a gap counts; the rest is another command. */
function sayHowToGoOn(
  { report: file, every, shard }: SweepOptions,
  { range: [low, high], parts, done }: SweepReport,
  seed: number | undefined,
  rest: readonly Asked[],
): void {
  const where = `stopped after ${done.length} of ${parts} parts`;
  if (file !== undefined) say(`${where}; the same command goes on from ${visible(file)}`);
  else if (every || shard.of > 1) say(`${where}; with --report <file> it can be stopped and go on`);
  else {
    let next = 0;
    while (done.includes(next)) next += 1;
    const at = [...everyFloat32(low, high, next, parts).blocks()][0]![0]!;
    const command = (from: number, own: readonly (number | undefined)[]) =>
      again({ range: `${from},${high}`, ...(seed === undefined ? undefined : { seeds: own.join() }) });
    say(`${where}, at x = ${at}; this goes on:\n  ${command(at, [seed])}`);
    if (rest.length > 0)
      say(
        `  ${command(
          low,
          rest.map((each) => each.seed),
        )}`,
      );
  }
}

/** Adds `ditac merge`. */
export function addMerge(program: Command): void {
  program
    .command('merge')
    .description('add up the reports of shards, of `ditac judge --report` or `ditac sweep --report`')
    .argument('<files...>', 'reports')
    .option('-o, --out <file>', 'write the sum, a report too')
    .option('--json', 'print JSON')
    .action((files: string[], { out, json }: { out?: string; json?: boolean }) => {
      const { report, missing } = mergeReports(files.map((path) => ({ path, report: readReport(path) })));
      if (out !== undefined) {
        if (missing.length > 0) throw new Error(`shards ${missing.join(', ')} are missing or not finished`);
        writeReport(out, report);
      }
      if (json) {
        const result = report.kind === 'judge' ? printable(report.result) : report.result;
        printJson({ question: JSON.parse(toJson(report.question)), ...result, missing });
      } else if (report.kind === 'judge')
        print(describeJudgement(`${nameOf(report.question)}, ${report.what}`, report.result, undefined));
      else {
        print(`${visible(nameOf(report.question))} on [${report.range.join(', ')}]`);
        print(table(SWEEP_HEAD, [sweepRow(report.result)]));
      }
      if (missing.length > 0) print(`missing or not finished: shards ${missing.join(', ')}`);
      const isRight =
        report.kind === 'sweep'
          ? keeps(report.result)
          : report.result.beyond + report.result.mismatched.nan + report.result.mismatched.infinity === 0;
      if (!isRight || missing.length > 0) process.exitCode = 1;
    });
}

const nameOf = (question: Question): string =>
  'family' in question ? question.family : 'function' in question ? question.function : question.expression;
