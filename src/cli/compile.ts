import { readFileSync, writeFileSync } from 'node:fs';
import { DiTAC, type DiTACOptions } from '../index.js';
import { loadSafetensors } from '../io/safetensors.js';

export interface CompileReport {
  readonly prefix: string;
  readonly file: string;
  readonly bytes: number;
  readonly channels: number;
  /** The worst of all channels. */
  readonly certifiedUlp: number;
}

export interface CompileOptions {
  readonly out: string;
  readonly prefix?: string;
  readonly interval?: readonly [number, number];
  readonly layout?: DiTACOptions['layout'];
}

/**
 * Compiles the activations of a checkpoint to plan files for `ditac/runtime`. One activation goes to `out`; of several, each goes to a file
 * with its prefix before the ending: model.plan becomes model.act_1.plan.
 * @throws {RangeError} if there is no activation, or one cannot be rebuilt.
 */
export function compileCheckpoint(file: string, { out, prefix, interval, layout }: CompileOptions): CompileReport[] {
  const { tensors } = loadSafetensors(readFileSync(file));
  const found = Object.keys(tensors).filter((name) => name.endsWith('thetas'));
  const prefixes = prefix === undefined ? found.map((name) => name.slice(0, -'thetas'.length)) : [prefix];
  if (prefixes.length === 0)
    throw new RangeError(`${file} holds no DiTAC activation: no tensor's name ends with 'thetas'`);
  const names = prefixes.map((each) => nameFor(out, each, prefixes.length));
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new RangeError(`two activations would be written to ${twice}; compile each with --prefix`);
  // All are compiled before the first is written.
  return prefixes
    .map((each) => {
      const options: Parameters<typeof DiTAC.fromStateDict>[1] = { prefix: each };
      if (interval) Object.assign(options, { a: interval[0], b: interval[1] });
      if (layout) options.layout = layout;
      const act = DiTAC.fromStateDict(tensors, options);
      const bytes = act.compiled().toBytes();
      const ulps = Array.from({ length: act.channels }, (_, c) => act.planOf(c).certificate.ulp);
      return { prefix: each, file: nameFor(out, each, prefixes.length), bytes, act, certifiedUlp: Math.max(...ulps) };
    })
    .map(({ prefix: each, file: name, bytes, act, certifiedUlp }) => {
      writeFileSync(name, bytes);
      return { prefix: each, file: name, bytes: bytes.length, channels: act.channels, certifiedUlp };
    });
}

function nameFor(out: string, prefix: string, count: number): string {
  if (count === 1) return out;
  const name = prefix.replace(/\.$/, '').replace(/[^\w.-]/g, '_') || 'activation';
  return /\.[^./\\]+$/.test(out) ? out.replace(/(\.[^./\\]+)$/, `.${name}$1`) : `${out}.${name}`;
}
