import {
  closeSync,
  copyFileSync,
  existsSync,
  constants as files,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writevSync,
} from 'node:fs';
import { dirname, isAbsolute, join, normalize, resolve } from 'node:path';
import Table from 'cli-table3';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { FAMILIES, type FamilyName, identify } from '../families.js';
import { type Compiled, type Converted, convert, type Form, PLAN_OPERATOR } from '../onnx/convert.js';
import { DOMAIN, type FoundNode, matchOf, type Survey, survey } from '../onnx/find.js';
import { attributesOf, externalFiles, type NodeView, nameOf } from '../onnx/model.js';
import { type Message, OnnxError } from '../onnx/protobuf.js';
import { stagesOf } from '../onnx/split.js';
import { CheckpointFile } from './checkpoint-file.js';
import { expectOther, rebuild, type Told } from './compile.js';
import { FAMILY_NAMES, read, titleOf, type Where } from './family.js';
import { type Comparison, parseShape, verifyModel } from './onnx-verify.js';
import { PLAIN, print, printJson, visible } from './terminal.js';

/** `ditac onnx`: a model whose activations are ditac's becomes one of standard operators. */

export interface OnnxOptions extends Told, Omit<Where, 'layout'> {
  readonly out: string;
  readonly weights?: string;
  readonly placeholder?: readonly string[];
  readonly map?: ReadonlyMap<string, string>;
  readonly ignore?: readonly string[];
  readonly form?: Form;
  readonly family?: FamilyName;
  /** Constants of another family. */
  readonly constants?: Record<string, unknown>;
  readonly layout?: string;
}

export interface OnnxReport extends Converted {
  readonly prefix: string;
  readonly family: string;
  readonly channels: number;
  readonly form: Form;
  /** What is worth knowing of what was read: what a class clamps, or leaves out. */
  readonly notes: readonly string[];
}

export interface Rewritten {
  readonly message: Message;
  readonly reports: readonly OnnxReport[];
  readonly activations: ReadonlyMap<string, Compiled>;
  /** Files with weights that lie beside the model. */
  readonly external: readonly string[];
  /** The same model with plans in single nodes, for verification. */
  split(): Uint8Array;
}

/**
 * @throws {OnnxError} if a node matches no activation, an activation no node, or a node cannot be rewritten.
 * @throws {Error} if a file cannot be read.
 */
export function rewriteFile(path: string, options: OnnxOptions): Rewritten {
  const model = readFileSync(path);
  const { placeholder = [], map = new Map<string, string>() } = options;
  const isMapped = (node: NodeView) => [node.name, ...node.outputs].some((each) => each !== '' && map.has(each));
  const operator = ({ domain, op }: NodeView) => (domain === '' ? op : `${domain}::${op}`);
  const isStandIn = (node: NodeView) => node.domain === DOMAIN && node.op !== PLAN_OPERATOR;
  const surveyed = survey(model, (node) => isStandIn(node) || isMapped(node) || placeholder.includes(operator(node)));
  const kept = (node: NodeView) => [node.name, ...node.outputs].some((each) => map.get(each) === '');
  const found = surveyed.found.filter(({ node }) => !kept(node));
  expectMapped(map, surveyed);
  if (found.length === 0) throw new OnnxError(`${path} has no activation to rewrite; ${hint(surveyed)}`);

  const checkpoint = options.weights === undefined ? undefined : new CheckpointFile(options.weights);
  try {
    const { assigned, problems } = assign(found, checkpoint, options, map);
    if (problems.length > 0) throw new OnnxError(problems.join('; '));
    const form = options.form ?? 'exact';
    // Those that are kept, and plans from before.
    const ours = [...surveyed.counts].filter(([op]) => op.startsWith(`${DOMAIN}::`));
    const left =
      ours.reduce((sum, [, count]) => sum + count, 0) - found.filter(({ node }) => node.domain === DOMAIN).length;
    const { message, converted } = convert(model, assigned, form, { unused: left === 0 });
    // What no session could open is not written.
    if (form === 'split') stagesOf(message.join());
    const reports = converted.map((each, i) => {
      const { prefix, family, activation } = assigned[i]!;
      const { channels, notes = [] } = activation as Compiled & { notes?: readonly string[] };
      return { ...each, prefix, family, channels, form, notes };
    });
    return {
      message,
      reports,
      activations: new Map(assigned.map(({ found: { node }, activation }) => [node.outputs[0]!, activation])),
      external: externalFiles(model),
      split: () => convert(model, assigned, 'split', { unused: false }).message.join(),
    };
  } finally {
    checkpoint?.close();
  }
}

/** What a user could say of a model in which nothing is marked. */
function hint({ counts }: Survey): string {
  const likely = ['Selu', 'Celu', 'Elu', 'Mish', 'HardSwish', 'Softplus', 'Relu'].filter((op) => counts.has(op));
  const some = likely.map((op) => `--placeholder ${op} (${counts.get(op)} nodes)`);
  const domains = [...counts.keys()].filter((op) => op.includes('::')).slice(0, 4);
  return `nodes of the domain ${DOMAIN} are found by themselves, others are told: ${[...some, ...domains.map((op) => `--placeholder ${op}`), '--map node=prefix'].join(', ')}`;
}

function expectMapped(map: ReadonlyMap<string, string>, { found }: Survey): void {
  const names = new Set(found.flatMap(({ node }) => [node.name, ...node.outputs]));
  for (const name of map.keys())
    if (!names.has(name)) throw new OnnxError(`--map ${name}=…: the model has no node or tensor of this name`);
}

interface Assigned {
  readonly found: FoundNode;
  readonly prefix: string;
  readonly family: FamilyName;
  readonly activation: Compiled;
}

function assign(
  found: readonly FoundNode[],
  checkpoint: CheckpointFile | undefined,
  options: OnnxOptions,
  map: ReadonlyMap<string, string>,
): { assigned: Assigned[]; problems: string[] } {
  const problems: string[] = [];
  const assigned: Assigned[] = [];
  const made = new Map<string, Compiled>();
  const used = new Map<FamilyName, Set<string>>();
  /** By prefix the module that was matched with it by name. */
  const modules = new Map<string, string>();
  for (const each of found) {
    const { node, name } = each;
    const attributes = node.domain === DOMAIN ? attributesOf(node) : {};
    const family = familyOf(node, attributes.family, options.family ?? 'ditac');
    const prefixes = checkpoint ? prefixesOf(checkpoint, family) : [];
    const told = [node.name, ...node.outputs].map((key) => map.get(key)).find((value) => value !== undefined);
    const said = told ?? (typeof attributes.prefix === 'string' ? attributes.prefix : undefined);
    const match = said === undefined ? matchOf(each.modules, prefixes) : undefined;
    const prefix = said === undefined ? match?.prefix : withDot(said, checkpoint);
    if (prefix === undefined && checkpoint) {
      const of = each.modules.length > 0 ? ` (of ${each.modules.slice(0, 3).map(quoted).join(', ')})` : '';
      problems.push(
        `node '${name}'${of} matches no activation of ${checkpoint.path}, which has ${list(prefixes)}: say which with --map ${name}=prefix, or keep the node with --map ${name}=`,
      );
      continue;
    }
    if (match) {
      const key = `${family} ${match.prefix}`;
      const other = modules.get(key) ?? match.module;
      if (other !== match.module) {
        problems.push(
          `node '${name}' (of ${quoted(match.module)}) matches ${quoted(match.prefix)}, which a node of ${quoted(other)} matches too: say which with --map ${name}=prefix`,
        );
        continue;
      }
      modules.set(key, match.module);
    }
    if (checkpoint && prefix !== undefined) {
      if (!used.has(family)) used.set(family, new Set());
      used.get(family)!.add(prefix);
    }
    let activation: Compiled | undefined;
    try {
      const settings = settingsOf(family, attributes);
      const key = JSON.stringify([family, prefix, settings]);
      activation = made.get(key);
      if (!activation) {
        activation = checkpoint
          ? fromCheckpoint(checkpoint, family, prefix!, settings, options)
          : fromAttributes(node, family, said, settings, options);
        made.set(key, activation);
      }
    } catch (cause) {
      const { message } = cause as Error;
      problems.push(`node '${name}': ${message}${checkpoint ? '' : '; its parameters can come from --weights'}`);
      continue;
    }
    assigned.push({ found: each, prefix: prefix ?? '', family, activation });
  }
  if (checkpoint && problems.length === 0)
    for (const [family, prefixes] of used) {
      const left = prefixesOf(checkpoint, family).filter(
        (each) => !prefixes.has(each) && !options.ignore?.includes(each),
      );
      if (left.length > 0)
        problems.push(
          `no node of the model uses ${list(left)} of ${checkpoint.path}: map a node to each with --map, or pass --ignore with the prefix`,
        );
    }
  return { assigned, problems };
}

const quoted = (each: string): string => `'${each}'`;
const list = (prefixes: readonly string[]): string =>
  prefixes.length === 0
    ? 'none of this family'
    : prefixes.slice(0, 8).map(quoted).join(', ') + (prefixes.length > 8 ? `, and ${prefixes.length - 8} more` : '');

/** What the attribute says, or the operator's own name; else what was told. */
function familyOf(node: NodeView, said: unknown, told: FamilyName): FamilyName {
  const name = typeof said === 'string' ? said : node.domain === DOMAIN ? node.op : undefined;
  if (name === undefined) return told;
  const bare = name.toLowerCase();
  const family = FAMILY_NAMES.find((each) => each === bare || titleOf(each).toLowerCase() === bare);
  if (family) return family;
  throw new OnnxError(`node '${nameOf(node)}' has family '${name}'; there are ${FAMILY_NAMES.join(', ')}`);
}

const prefixesOf = (checkpoint: CheckpointFile, family: FamilyName): string[] =>
  family === 'ditac'
    ? checkpoint.activations.prefixes
    : identify(checkpoint.tensors)
        .filter(({ candidates }) => candidates.some((each) => each.family === family))
        .map(({ prefix }) => prefix);

/** 'act_1' for 'act_1.', where that is what tensors are called. */
function withDot(prefix: string, checkpoint: CheckpointFile | undefined): string {
  if (!checkpoint || prefix === '' || prefix.endsWith('.')) return prefix;
  return checkpoint.entries.some(({ name }) => name.startsWith(`${prefix}.`)) ? `${prefix}.` : prefix;
}

/** Options in a node's attributes. ONNX has no booleans. */
function settingsOf(family: FamilyName, attributes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { prefix: _, family: __, ...given } = attributes;
  const { constants = {} } =
    (FAMILIES[family] as { family?: { constants?: Record<string, { choices?: readonly unknown[] }> } }).family ?? {};
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [
      key,
      constants[key]?.choices?.includes(true) ? flag(key, value) : value,
    ]),
  );
}

function flag(key: string, value: unknown): boolean {
  if (value !== 0 && value !== 1)
    throw new OnnxError(`the attribute ${key} must be 0 or 1, got ${JSON.stringify(value)}`);
  return value === 1;
}

/** An activation whose node says all of it. @throws {OnnxError} if it does not: parameters are never those that a new one begins with. */
function fromAttributes(
  node: NodeView,
  family: FamilyName,
  prefix: string | undefined,
  settings: Record<string, unknown>,
  options: OnnxOptions,
): Compiled {
  if (node.domain !== DOMAIN) throw new OnnxError(`${node.op} says nothing of a ${titleOf(family)}`);
  if (node.inputs.length > 1) throw new OnnxError(`it has ${node.inputs.length} inputs, and only the first is known`);
  if (prefix !== undefined) throw new OnnxError(`it is ${quoted(prefix)} of a file, which was not given`);
  const isTold = family === (options.family ?? 'ditac');
  const [a, b] = options.interval ?? [];
  const told = family === 'ditac' ? { a, b, variant: options.variant } : isTold ? options.constants : {};
  const given: Record<string, unknown> = { ...told, ...settings };
  given.layout ??= options.layout;
  const { parameters = () => ({}), constants = {} } =
    (
      FAMILIES[family] as unknown as {
        family?: { parameters(constants: object): object; constants?: Record<string, { initial?: unknown }> };
      }
    ).family ?? {};
  const initial = Object.fromEntries(Object.entries(constants).map(([key, kind]) => [key, kind.initial]));
  const needed =
    family === 'ditac' ? ['a', 'b', 'variant', 'thetas'] : Object.keys(parameters({ ...initial, ...given }));
  const missing = needed.filter((key) => given[key] === undefined);
  if (missing.length > 0) throw new OnnxError(`it has no attribute ${missing.join(', ')}`);
  return new (FAMILIES[family] as unknown as new (given: object) => Compiled)(given);
}

function fromCheckpoint(
  checkpoint: CheckpointFile,
  family: FamilyName,
  prefix: string,
  settings: Record<string, unknown>,
  options: OnnxOptions,
): Compiled {
  const layout = options.layout === undefined ? {} : { layout: options.layout };
  if (family === 'ditac') {
    const { interval, variant, basis } = options;
    return rebuild(checkpoint, prefix, { interval, variant, basis } as Told, { ...settings, ...layout } as object);
  }
  const constants = family === (options.family ?? 'ditac') ? options.constants : {};
  const where = { class: options.class, edge: options.edge, channels: options.channels, ...layout } as Where;
  return read(checkpoint, family, prefix, { ...constants, ...settings }, where);
}

/** Writes the model whole or not at all, and brings along what lies beside it. */
function write(from: string, out: string, { message, external }: Rewritten): void {
  const beside = dirname(resolve(from)) === dirname(resolve(out)) ? [] : external;
  for (const location of beside) {
    const path = normalize(location);
    if (isAbsolute(path) || path.startsWith('..'))
      throw new OnnxError(
        `the model has weights in '${location}', which is not beside it: write the model to its own folder`,
      );
    const [source, target] = [join(dirname(from), path), join(dirname(out), path)];
    if (existsSync(target)) {
      if (!isSame(source, target)) throw new OnnxError(`${target} is there already and is another file than ${source}`);
    } else copyFileSync(source, target, files.COPYFILE_EXCL | files.COPYFILE_FICLONE);
  }
  const part = `${out}.part-${process.pid}`;
  const file = openSync(part, 'wx');
  try {
    // A call takes 1024 pieces, and a file 2 GiB at a time.
    for (let i = 0; i < message.pieces.length; ) {
      const some: Uint8Array[] = [];
      for (let size = 0; i < message.pieces.length && some.length < 512 && size < 2 ** 28; i++) {
        some.push(message.pieces[i]!);
        size += message.pieces[i]!.length;
      }
      writeAll(file, some);
    }
    closeSync(file);
    renameSync(part, out);
  } catch (cause) {
    rmSync(part, { force: true });
    throw cause;
  }
}

function writeAll(file: number, pieces: readonly Uint8Array[]): void {
  for (let left = [...pieces]; left.length > 0; ) {
    let done = writevSync(file, left);
    while (left.length > 0 && done >= left[0]!.length) done -= left.shift()!.length;
    if (left.length > 0) left[0] = left[0]!.subarray(done);
    if (done === 0 && left.length > 0 && left[0]!.length === 0) left = left.slice(1);
  }
}

function isSame(p: string, q: string): boolean {
  const [a, b] = [statSync(p, { bigint: true }), statSync(q, { bigint: true })];
  if (a.dev === b.dev && a.ino === b.ino) return true;
  if (a.size !== b.size) return false;
  const [one, other] = [openSync(p, 'r'), openSync(q, 'r')];
  const [x, y] = [Buffer.alloc(2 ** 20), Buffer.alloc(2 ** 20)];
  try {
    for (;;) {
      const count = readSync(one, x, 0, x.length, null);
      if (readSync(other, y, 0, y.length, null) !== count || !x.subarray(0, count).equals(y.subarray(0, count)))
        return false;
      if (count === 0) return true;
    }
  } finally {
    closeSync(one);
    closeSync(other);
  }
}

/** `node=prefix`, again and again. */
function mapping(text: string, before: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const at = text.lastIndexOf('=');
  if (at < 1) throw new InvalidArgumentError(`expected node=prefix, got '${text}'`);
  return new Map([...before, [text.slice(0, at), text.slice(at + 1)]]);
}

const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

interface Said extends OnnxOptions {
  readonly target?: string;
  readonly small?: boolean;
  readonly compact?: boolean;
  readonly split?: boolean;
  readonly verify?: boolean;
  readonly shape?: readonly string[];
  readonly json?: boolean;
}

/**
 * @param told adds what a checkpoint may not say.
 * @param constantsOf what was said of the family.
 */
export function addOnnx(
  program: Command,
  { told, constantsOf }: { told(command: Command): Command; constantsOf(options: never): Record<string, unknown> },
): void {
  told(
    program
      .command('onnx')
      .description('rewrite the activations of a .onnx model in standard operators, with the same bits')
      .argument('<model>', 'a .onnx file, opset 13 or newer')
      .requiredOption('-o, --out <file>', 'where to write'),
  )
    .option('--weights <file>', 'take the parameters from this .safetensors file')
    .option('--placeholder <op>', 'nodes of this operator stand for activations: Selu, Elu, domain::Op', collect)
    .option('--map <node=prefix>', 'this node is that activation; with nothing behind =, it stays', mapping)
    .option('--ignore <prefix>', 'an activation of the weights that no node uses', collect)
    .addOption(new Option('--layout <name>', 'where channels are').choices(['channelsFirst', 'channelsLast']))
    .addOption(new Option('--target <name>', 'webgpu: no shapes that depend on data').choices(['webgpu']))
    .addOption(
      new Option('--small', 'cells are derived when the model is loaded').conflicts(['target', 'compact', 'split']),
    )
    .addOption(
      new Option('--compact', 'not the same bits, within a bound, at the price of a Gelu').conflicts([
        'target',
        'split',
      ]),
    )
    .addOption(new Option('--split', 'plans in single nodes, for SplitSession of ditac/onnx').conflicts(['target']))
    .option('--verify', 'run the result in onnxruntime, and compare every activation with ditac')
    .option('--shape <input=sizes>', 'for --verify: the shape of an input, x=1,3,224,224', collect)
    .option('--json', 'print JSON')
    .action(async (model: string, said: Said) => {
      const { target, small, compact, split, verify, shape = [], json, ...options } = said;
      const form: Form =
        target === 'webgpu' ? 'webgpu' : small ? 'small' : compact ? 'compact' : split ? 'split' : 'exact';
      expectOther(said.out, model, 'the model itself');
      if (said.weights !== undefined) expectOther(said.out, said.weights);
      const rewritten = rewriteFile(model, { ...options, form, constants: constantsOf(said as never) });
      for (const location of rewritten.external)
        expectOther(said.out, join(dirname(model), location), 'a file of weights of the model');
      const comparisons = verify
        ? await verifyModel(rewritten, form, shape.map(parseShape), dirname(resolve(model)))
        : undefined;
      const differs = comparisons?.some((each) => each.differing > 0 && form !== 'compact') ?? false;
      if (!differs) write(model, said.out, rewritten);
      if (json)
        printJson({
          out: said.out,
          bytes: rewritten.message.length,
          external: rewritten.external,
          activations: rewritten.reports,
          comparisons,
        });
      else {
        print(reportTable(rewritten.reports));
        for (const { node, notes } of rewritten.reports) for (const note of notes) print(visible(`${node}: ${note}`));
        if (comparisons) print(comparisonTable(comparisons));
        if (!differs) print(`${visible(said.out)}: ${rewritten.message.length.toLocaleString('en')} bytes`);
      }
      if (differs) {
        process.stderr.write('ditac: results differ, nothing was written\n');
        process.exitCode = 1;
      }
    });
}

/** Read by programs too. */

function reportTable(reports: readonly OnnxReport[]): string {
  const table = new Table({ style: PLAIN, head: ['node', 'activation', 'form', 'nodes', 'bytes', 'certificate'] });
  for (const { node, prefix, family, channels, form, nodes, bytes, ulp, bound } of reports)
    table.push([
      visible(node),
      `${titleOf(family)}${prefix === '' ? '' : ` '${visible(prefix)}'`}${channels > 1 ? `, ${channels} channels` : ''}`,
      form,
      nodes,
      bytes.toLocaleString('en'),
      bound === undefined ? `${ulp!.toFixed(2)} ULP` : `within ${bound.toExponential(1)} for |x| ≤ 16`,
    ]);
  return table.toString();
}

function comparisonTable(comparisons: readonly Comparison[]): string {
  const table = new Table({ style: PLAIN, head: ['tensor', 'runtime', 'elements', 'differing bits in'] });
  for (const { tensor, runtime, elements, differing } of comparisons)
    table.push([visible(tensor), visible(runtime), elements.toLocaleString('en'), differing]);
  return table.toString();
}
