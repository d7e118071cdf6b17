import { type BigIntStats, statSync } from 'node:fs';
import { type FamilyName, identify } from '../families.js';
import { type CheckpointOptions, DiTAC } from '../index.js';
import { CheckpointFile } from './checkpoint-file.js';
import { read, titleOf, type Where } from './family.js';
import { STDOUT, writeOut } from './output.js';

export interface CompileReport {
  readonly prefix: string;
  readonly file: string;
  readonly bytes: number;
  readonly family: string;
  readonly channels: number;
  /** Of a DiTAC: what was found, in the file or on the command line. */
  readonly interval?: readonly [number, number];
  readonly variant?: string;
  /** Of other families: what is not trained. */
  readonly constants?: object;
  /** What is worth knowing: that something is clamped, say. */
  readonly notes?: readonly string[];
  /** The worst of all channels. */
  readonly certifiedUlp: number;
}

/** What a checkpoint may not say. */
export interface Told {
  readonly interval?: readonly [number, number];
  readonly variant?: CheckpointOptions['variant'];
  readonly basis?: CheckpointOptions['basis'];
}

export interface CompileOptions extends Told, Omit<Where, 'layout'> {
  readonly out: string;
  readonly prefix?: string;
  /** Default 'ditac'. */
  readonly family?: FamilyName;
  /** Constants of another family. */
  readonly constants?: Record<string, unknown>;
  readonly layout?: CheckpointOptions['layout'];
}

/** An activation of a file. @throws {TypeError|RangeError} if it cannot be rebuilt; options are named as on the command line. */
export function rebuild(
  checkpoint: CheckpointFile,
  prefix: string,
  { interval, variant, basis }: Told,
  more: CheckpointOptions = {},
): DiTAC {
  try {
    return DiTAC.fromStateDict(checkpoint.tensors, {
      ...more,
      prefix,
      metadata: checkpoint.notes,
      ...(interval ? { a: interval[0], b: interval[1] } : {}),
      ...(variant ? { variant } : {}),
      ...(basis ? { basis } : {}),
    });
  } catch (cause) {
    const { message } = cause as Error;
    const missing = /: pass \{ ([\w, ]+) \}/.exec(message)?.[1]?.split(', ');
    if (!missing) throw cause;
    const options = new Set(missing.map((name) => (name === 'a' || name === 'b' ? '--interval=a,b' : `--${name}`)));
    throw new TypeError(message.replace(/: pass \{ [\w, ]+ \}/, `: pass ${[...options].join(', ')}`), { cause });
  }
}

/**
 * Compiles the activations of a checkpoint to plan files for `ditac/runtime`. One activation goes to `out`; of several, each goes to a file
 * with its prefix before the ending: model.plan becomes model.act_1.plan.
 * @throws {RangeError} if there is no activation, one cannot be rebuilt, or the checkpoint itself would be overwritten; then nothing is written.
 */
export function compileCheckpoint(
  file: string,
  { out, prefix, layout, family = 'ditac', constants = {}, ...told }: CompileOptions,
): CompileReport[] {
  const checkpoint = new CheckpointFile(file);
  try {
    const { prefixes: found, others } = checkpoint.activations;
    const identified = prefix === undefined ? identify(checkpoint.tensors) : [];
    const likely = identified.filter((each) => each.candidates.some((candidate) => candidate.family === family));
    const prefixes = prefix !== undefined ? [prefix] : family === 'ditac' ? found : likely.map((each) => each.prefix);
    if (prefixes.length === 0 && family !== 'ditac')
      throw new RangeError(`${file} holds no tensors of ${titleOf(family)}; ${couldBe(identified)}`);
    if (prefixes.length === 0) {
      const near = others.slice(0, 4).map((name) => `'${name}'`);
      const hint =
        near.length > 0
          ? ` (beside ${near.join(', ')} there is no precision_mat; name one with --prefix if it is)`
          : identified.length > 0
            ? `; ${couldBe(identified)}`
            : '';
      throw new RangeError(`${file} holds no DiTAC activation: no thetas with a precision_mat beside them${hint}`);
    }
    if (out === STDOUT && prefixes.length > 1)
      throw new RangeError(
        `${file} holds ${prefixes.length} activations, and standard output takes one plan: choose with --prefix`,
      );
    const names = prefixes.map((each) => nameFor(out, each, prefixes.length));
    const taken = new Set<string>();
    for (const name of names) {
      if (taken.has(name))
        throw new RangeError(`two activations would be written to ${name}; compile each with --prefix`);
      taken.add(name);
      expectOther(name, file);
    }
    // All are compiled before the first is written.
    return prefixes
      .map((each, i) => {
        const act =
          family === 'ditac'
            ? rebuild(checkpoint, each, told, layout ? { layout } : {})
            : read(checkpoint, family, each, constants, { ...told, ...(layout ? { layout } : {}) });
        const ulps = Array.from({ length: act.channels }, (_, c) => act.planOf(c).certificate.ulp);
        const certifiedUlp = ulps.reduce((most, ulp) => Math.max(most, ulp), 0);
        const more =
          act instanceof DiTAC
            ? { interval: [act.a, act.b] as const, variant: act.variant }
            : { constants: act.constants, notes: act.notes };
        const report = { prefix: each, family, file: names[i]!, channels: act.channels, ...more, certifiedUlp };
        return { ...report, plans: act.compiled().toBytes() };
      })
      .map(({ plans, ...report }) => {
        writeOut(report.file, plans);
        return { ...report, bytes: plans.length };
      });
  } finally {
    checkpoint.close();
  }
}

/** Where a file holds activations of a family, as far as names and shapes tell. */
export function prefixesOf(checkpoint: CheckpointFile, family: FamilyName): string[] {
  if (family === 'ditac') return checkpoint.activations.prefixes;
  return identify(checkpoint.tensors)
    .filter((each) => each.candidates.some((candidate) => candidate.family === family))
    .map(({ prefix }) => prefix);
}

/** What else a file holds, and how to say which it is. */
function couldBe(identified: ReturnType<typeof identify>): string {
  const some = identified.slice(0, 4).map(({ prefix, candidates }) => {
    const names = candidates.slice(0, 4).map(({ family }) => family);
    return `'${prefix}' could be ${names.join(' or ')}`;
  });
  return some.length > 0 ? `${some.join('; ')}: tell with --family` : 'nothing in it is known by its names';
}

/** @throws {RangeError} if what is to be written is the checkpoint. */
export function expectOther(name: string, file: string, what = 'the checkpoint itself'): void {
  if (name !== STDOUT && isSameFile(name, file))
    throw new RangeError(`${name} is ${what}, which would be lost; write to another file`);
}

/** By whatever name or link. */
function isSameFile(p: string, q: string): boolean {
  const stat = (path: string): BigIntStats | undefined => statSync(path, { bigint: true, throwIfNoEntry: false });
  const [at, to] = [stat(p), stat(q)];
  return at !== undefined && to !== undefined && at.dev === to.dev && at.ino === to.ino;
}

function nameFor(out: string, prefix: string, count: number): string {
  if (count === 1) return out;
  const name = prefix.replace(/\.$/, '').replace(/[^\w.-]/g, '_') || 'activation';
  return /\.[^./\\]+$/.test(out) ? out.replace(/(\.[^./\\]+)$/, (ending) => `.${name}${ending}`) : `${out}.${name}`;
}
