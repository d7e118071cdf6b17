import { type BigIntStats, statSync, writeFileSync } from 'node:fs';
import { type CheckpointOptions, DiTAC } from '../index.js';
import { CheckpointFile } from './checkpoint-file.js';

export interface CompileReport {
  readonly prefix: string;
  readonly file: string;
  readonly bytes: number;
  readonly channels: number;
  /** What was found, in the file or on the command line. */
  readonly interval: readonly [number, number];
  readonly variant: string;
  /** The worst of all channels. */
  readonly certifiedUlp: number;
}

/** What a checkpoint may not say. */
export interface Told {
  readonly interval?: readonly [number, number];
  readonly variant?: CheckpointOptions['variant'];
  readonly basis?: CheckpointOptions['basis'];
}

export interface CompileOptions extends Told {
  readonly out: string;
  readonly prefix?: string;
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
export function compileCheckpoint(file: string, { out, prefix, layout, ...told }: CompileOptions): CompileReport[] {
  const checkpoint = new CheckpointFile(file);
  try {
    const { prefixes: found, others } = checkpoint.activations;
    const prefixes = prefix === undefined ? found : [prefix];
    if (prefixes.length === 0) {
      const near = others.slice(0, 4).map((name) => `'${name}'`);
      const hint =
        near.length > 0
          ? ` (beside ${near.join(', ')} there is no precision_mat; name one with --prefix if it is)`
          : '';
      throw new RangeError(`${file} holds no DiTAC activation: no thetas with a precision_mat beside them${hint}`);
    }
    const names = prefixes.map((each) => nameFor(out, each, prefixes.length));
    const taken = new Set<string>();
    for (const name of names) {
      if (taken.has(name))
        throw new RangeError(`two activations would be written to ${name}; compile each with --prefix`);
      taken.add(name);
      if (isSameFile(name, file))
        throw new RangeError(`${name} is the checkpoint itself, which would be lost; write to another file`);
    }
    // All are compiled before the first is written.
    return prefixes
      .map((each, i) => {
        const act = rebuild(checkpoint, each, told, layout ? { layout } : {});
        const ulps = Array.from({ length: act.channels }, (_, c) => act.planOf(c).certificate.ulp);
        const certifiedUlp = ulps.reduce((most, ulp) => Math.max(most, ulp), 0);
        const { channels, a, b, variant } = act;
        const report = { prefix: each, file: names[i]!, channels, interval: [a, b] as const, variant, certifiedUlp };
        return { ...report, plans: act.compiled().toBytes() };
      })
      .map(({ plans, ...report }) => {
        writeFileSync(report.file, plans);
        return { ...report, bytes: plans.length };
      });
  } finally {
    checkpoint.close();
  }
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
