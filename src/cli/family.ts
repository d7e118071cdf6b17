import { type Command, InvalidArgumentError, Option } from 'commander';
import type { StateDictOptions } from '../activations/state-dict.js';
import {
  type ConstantKind,
  FAMILIES,
  type Family,
  type FamilyName,
  type ParameterKind,
  rationalInitial,
} from '../families.js';
import type { DiTAC, FamilyActivation, FamilyClass } from '../index.js';
import type { CheckpointFile } from './checkpoint-file.js';

/** Families on the command line: every constant and every parameter is an option of its name, --log-scale for logScale. */

export const FAMILY_NAMES = Object.keys(FAMILIES) as FamilyName[];
export type AnyActivation = DiTAC | FamilyActivation<object, string>;

/** What the user said of a family: constants and parameters by their names. */
export type Said = Readonly<Record<string, unknown>>;

/** The family that arguments name; undefined if none does, or one that there is not. Options of commands follow from it. */
export function familyIn(args: readonly string[]): FamilyName | undefined {
  const at = args.findIndex((arg) => arg === '--family' || arg.startsWith('--family='));
  if (at < 0) return 'ditac';
  const name = args[at]!.includes('=') ? args[at]!.slice('--family='.length) : args[at + 1];
  return FAMILY_NAMES.find((each) => each === name);
}

export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError(`'${text}' is not a number`);
  return value;
}

const list = (text: string): number[] => (text.trim() === '' ? [] : text.split(',').map(number));
/** One number, several with commas, or rows of them with semicolons. */
const numbers = (text: string): number[] | number[][] => (text.includes(';') ? text.split(';').map(list) : list(text));

const flagOf = (name: string): string =>
  `--${name
    .replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)
    .replaceAll('_', '-')
    .replace(/^-/, '')}`;

const classOf = (name: FamilyName) => FAMILIES[name] as unknown as FamilyClass<object, string>;

const constantsOf = (family: object): [string, ConstantKind][] =>
  Object.entries((family as { constants?: Readonly<Record<string, ConstantKind>> }).constants ?? {});

/** Every parameter that a family has, whatever its constants are. */
function parametersOf(family: Family): Map<string, ParameterKind> {
  let choices: Record<string, unknown>[] = [{}];
  for (const [key, { initial, choices: given, isOptional }] of constantsOf(family)) {
    const values = isOptional ? [undefined, 1] : (given ?? [initial ?? 1]);
    choices = choices.flatMap((each) => values.map((value) => ({ ...each, [key]: value })));
  }
  return new Map(choices.flatMap((constants) => Object.entries<ParameterKind>(family.parameters(constants))));
}

/** Adds a family's options to a command; `said` finds what was given. */
export function withFamily(command: Command, name: FamilyName | undefined, parameters: boolean): Command {
  command.addOption(new Option('--family <name>', 'the family').choices(FAMILY_NAMES).default('ditac'));
  if (name === undefined || name === 'ditac') return command;
  const { family } = classOf(name);
  for (const [key, { choices, isList }] of constantsOf(family)) {
    if (choices?.includes(true)) {
      command.option(flagOf(key), `${key} is true`).option(flagOf(key).replace('--', '--no-'), `${key} is false`);
    } else if (choices) {
      const parse = (text: string) => {
        const found = choices.find((each) => String(each) === text);
        if (found === undefined) throw new InvalidArgumentError(`allowed choices are ${choices.join(', ')}`);
        return found;
      };
      command.option(`${flagOf(key)} <choice>`, `${key}: ${choices.join(', ')}`, parse);
    } else if (isList) command.option(`${flagOf(key)} <list>`, key, list);
    else command.option(`${flagOf(key)} <number>`, key, number);
  }
  if (!parameters) return command;
  for (const [key, { isOne }] of parametersOf(family as unknown as Family))
    command.option(`${flagOf(key)} <${isOne ? 'number' : 'list'}>`, `parameter ${key}`, numbers);
  if (name === 'rational') command.option('--initial <name>', 'coefficients of a known function: gelu, swish, tanh, …');
  return command;
}

/** What was said of the family, by its own names. */
export function said(name: FamilyName, options: Said): Record<string, unknown> {
  if (name === 'ditac') return {};
  const { family } = classOf(name);
  const found: Record<string, unknown> = {};
  const camel = (key: string) =>
    flagOf(key)
      .slice(2)
      .replace(/-(\w)/g, (_, c: string) => c.toUpperCase());
  for (const key of [...constantsOf(family).map(([each]) => each), ...parametersOf(family as unknown as Family).keys()])
    if (options[camel(key)] !== undefined) found[key] = options[camel(key)];
  return name === 'rational' && typeof options.initial === 'string'
    ? { ...found, ...rationalInitial(found.version as never, options.initial) }
    : found;
}

/** An activation of a family as it was said; with a seed for what is drawn. Errors name options as the command has them. */
export function activationOf(name: FamilyName, options: Record<string, unknown>, seed?: number): AnyActivation {
  return inFlags(() => new (classOf(name))({ ...options, ...(seed === undefined ? {} : { seed }) }));
}

/** What to read beside constants and parameters. */
export interface Where {
  readonly class?: string;
  readonly edge?: readonly number[];
  readonly channels?: number;
  readonly layout?: string;
}

export function withWhere(command: Command): Command {
  return command
    .option('--class <name>', 'the class that wrote the file, where names do not tell it')
    .option('--edge <output,input>', 'which edge of a layer of splines', list)
    .option('--channels <n>', 'how many channels share the groups', number);
}

/** An activation of a checkpoint. @throws {TypeError|RangeError} if something is to be told; options are named as on the command line. */
export function read(
  checkpoint: CheckpointFile,
  name: FamilyName,
  prefix: string,
  told: Record<string, unknown>,
  where: Where = {},
): FamilyActivation<object, string> {
  const { class: className, edge, channels, layout } = where;
  const options: Record<string, unknown> & StateDictOptions = { ...told, prefix };
  for (const [key, value] of Object.entries({ class: className, edge, channels, layout }))
    if (value !== undefined) options[key] = value;
  return inFlags(() => classOf(name).fromStateDict(checkpoint.tensors, options as never));
}

/** `pass { logScale: false | true, eps }` as `pass --no-log-scale | --log-scale, --eps`; `needs the option x` alike. */
function inFlags<T>(call: () => T): T {
  try {
    return call();
  } catch (cause) {
    const { message } = cause as Error;
    const flags = (text: string) =>
      text
        .split(', ')
        .map((each) => {
          const [name = '', values] = each.split(': ');
          if (values === 'false | true') return `${flagOf(name).replace('--', '--no-')} | ${flagOf(name)}`;
          return values ? `${flagOf(name)} ${values.replaceAll('"', '')}` : flagOf(name);
        })
        .join(', ');
    const told = message
      .replace(/: pass \{ ([^}]+) \}/, (_, names: string) => `: pass ${flags(names)}`)
      .replace(/ needs the option (\w+), got undefined$/, (_, name: string) => ` needs the option ${flagOf(name)}`)
      .replace(
        / needs ([\w, ]+?)(, or a seed to draw them)?, got undefined$/,
        (_, names: string) => ` needs ${flags(names)}`,
      );
    if (told === message) throw cause;
    throw new TypeError(told, { cause });
  }
}

/** Families by what users know them by: the class's name. */
export const titleOf = (name: string): string =>
  name === 'ditac' ? 'DiTAC' : (classOf(name as FamilyName)?.family?.name ?? name);

export { flagOf };
