import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mergeSweeps, type SweepResult } from '../oracle/index.js';
import { type Judgement, merge } from '../oracle/judge.js';
import type { Question } from './question.js';
import type { Shard } from './work.js';

/** Reports in files: of one part of the work each, from where it goes on, or what adds up. */
export type Report = SweepReport | JudgeReport;

interface Common {
  readonly question: Question;
  readonly shard: Shard;
}

export interface SweepReport extends Common {
  readonly kind: 'sweep';
  readonly range: readonly [low: number, high: number];
  /** Into how many parts this shard is divided, and which of them are done. */
  readonly parts: number;
  readonly done: readonly number[];
  readonly result: SweepResult;
}

export interface JudgeReport extends Common {
  readonly kind: 'judge';
  readonly what: string;
  /** How many numbers there are in all. */
  readonly length: number;
  readonly maxUlp?: number;
  readonly result: Judgement;
}

/** JSON has neither NaN nor infinities nor -0: they are strings there. */
const SPECIAL: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  '-0': -0,
};
export const toJson = (value: unknown, indent?: number): string =>
  JSON.stringify(
    value,
    (_, each) =>
      typeof each === 'number' && (!Number.isFinite(each) || Object.is(each, -0))
        ? Object.is(each, -0)
          ? '-0'
          : String(each)
        : ArrayBuffer.isView(each)
          ? Array.from(each as Float32Array)
          : each,
    indent,
  );
const fromJson = (text: string): unknown =>
  JSON.parse(text, (key, each) =>
    typeof each === 'string' && Object.hasOwn(SPECIAL, each) && key !== 'what' ? SPECIAL[each] : each,
  );

/** A report from a file. @throws {Error} if it is none. */
export function readReport(path: string): Report {
  let found: Partial<Report>;
  try {
    found = fromJson(readFileSync(path, 'utf8')) as Partial<Report>;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') throw cause;
    throw new Error(`${path} is no report: ${(cause as Error).message}`);
  }
  const isReport =
    (found?.kind === 'sweep' || found?.kind === 'judge') &&
    typeof found.question === 'object' &&
    Number.isInteger(found.shard?.number) &&
    Number.isInteger(found.shard?.of) &&
    typeof found.result === 'object';
  if (!isReport) throw new Error(`${path} is no report of ditac judge --report or ditac sweep --report`);
  return found as Report;
}

/** Whole or not at all: a process that is stopped leaves the last one. */
export function writeReport(path: string, report: Report): void {
  const other = `${path}.${process.pid}.part`;
  writeFileSync(other, `${toJson(report, 2)}\n`);
  renameSync(other, path);
}

/** What two reports must have in common to be parts of one. */
const subject = (report: Report): string =>
  toJson(
    report.kind === 'sweep'
      ? [report.question, report.range]
      : [report.question, report.what, report.length, report.maxUlp ?? null, report.result.format],
  );

export const isSame = (p: Report, q: Report): boolean => p.kind === q.kind && subject(p) === subject(q);

export interface Merged {
  readonly report: Report;
  /** Shards that are not there, or not finished. */
  readonly missing: readonly number[];
}

/**
 * Reports of one work as one.
 * @throws {Error} if they are of different works, divided differently, or one shard is there twice.
 */
export function mergeReports(files: readonly { readonly path: string; readonly report: Report }[]): Merged {
  const [{ path, report: first }] = files as [(typeof files)[number]];
  const seen = new Map<number, string>();
  for (const { path: other, report } of files) {
    if (!isSame(first, report)) throw new Error(`${other} and ${path} are about different functions, ranges or files`);
    if (report.shard.of !== first.shard.of)
      throw new Error(`${other} is of ${report.shard.of} shards, ${path} of ${first.shard.of}`);
    const twice = seen.get(report.shard.number);
    if (twice !== undefined) throw new Error(`${other} and ${twice} are both shard ${report.shard.number}`);
    seen.set(report.shard.number, other);
  }
  const isDone = (report: Report) => report.kind === 'judge' || report.done.length === report.parts;
  const missing = Array.from({ length: first.shard.of }, (_, i) => i + 1).filter(
    (number) => !files.some(({ report }) => report.shard.number === number && isDone(report)),
  );
  const reports = files.map(({ report }) => report).sort((p, q) => p.shard.number - q.shard.number);
  const all = { ...reports[0]! };
  for (const each of reports.slice(1)) add(all, each);
  return { report: { ...all, shard: missing.length === 0 ? { number: 1, of: 1 } : all.shard } as Report, missing };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function add(total: Writable<Report>, each: Report): void {
  if (total.kind === 'sweep' && each.kind === 'sweep') {
    const { parts } = total;
    total.done = total.done.concat(each.done.map((part) => part + parts));
    total.parts += each.parts;
    total.result = mergeSweeps(total.result, each.result);
  } else if (total.kind === 'judge' && each.kind === 'judge') total.result = merge(total.result, each.result);
}
