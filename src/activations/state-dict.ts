/** State dicts of a family's classes: which class wrote one, what it says, what it must be told; and writing them. */
import {
  describe,
  expectArray,
  expectInteger,
  expectIntegerKind,
  expectOneOf,
  expectOptions,
  expectString,
  isView,
  type OptionTable,
  unchecked,
} from '../errors.js';
import type {
  Checkpoint,
  ConstantKind,
  Family,
  ParameterKind,
  SourceClass,
  StoredModule,
  Values,
} from '../families/family.js';
import type { StateDict, Tensor } from '../io/tensor.js';
import { LAYOUTS, type Layout } from './layout.js';

type AnyFamily = Family<object, string>;
type AnySource = SourceClass<Record<string, unknown>, string>;
type Told = Readonly<Record<string, unknown>>;

/** Where an activation was read from: what is needed to give the same state dict back. */
export interface Origin {
  readonly source: string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly notes: readonly string[];
}

/** What can be told beside constants, parameters, channels and layout. */
export interface StateDictOptions {
  /** What the names of the activation's tensors begin with, `'act_1.'` say. Default ''. */
  prefix?: string;
  /** The class that wrote it, where names do not tell it; an error lists those that fit. */
  class?: string;
  /** Which edge of a layer: [output, input]. */
  edge?: readonly [output: number, input: number];
}

/** As many functions as an activation has channels at most. */
const MOST_EMPTY = 65536;

const OWN: Checkpoint = { classes: [{ name: 'ditac' }] };
const ADDED = 'ditac.';

export const classesOf = (family: AnyFamily): readonly AnySource[] =>
  (family.checkpoint ?? OWN).classes as readonly AnySource[];

const constantsOf = (family: AnyFamily): [string, ConstantKind][] =>
  Object.entries((family.constants ?? {}) as Readonly<Record<string, ConstantKind>>);

/** Parameters of a family with what a class fixes, whatever else is chosen. */
function kindsOf(family: AnyFamily, constants: Told): [string, ParameterKind][] {
  return Object.entries(family.parameters({ ...initialOf(family), ...constants }));
}

const initialOf = (family: AnyFamily): Told =>
  Object.fromEntries(
    constantsOf(family).flatMap(([key, { initial }]) => (initial === undefined ? [] : [[key, initial]])),
  );

/** What a class calls a parameter. */
const nameOf = (source: AnySource, parameter: string): string => source.names?.[parameter] ?? parameter;

/** The tensors that a class cannot be without. */
export function tensorsOf(family: AnyFamily, source: AnySource, constants: Told = {}): string[] {
  if (source.tensors) return [...source.tensors];
  const parameters = kindsOf(family, { ...constants, ...source.constants }).map(([key]) => nameOf(source, key));
  return parameters;
}

/** All that a class can have. */
export const everyNameOf = (family: AnyFamily, source: AnySource, constants: Told = {}): string[] => [
  ...tensorsOf(family, source, constants),
  ...(Object.values(source.buffers ?? {}) as string[]),
  ...(source.others ?? []),
];

/** A constant as numbers: itself, or the index of a choice. */
function encode({ choices }: ConstantKind, value: unknown): Float64Array {
  if (choices) return Float64Array.of(choices.indexOf(value));
  return Array.isArray(value) ? Float64Array.from(value as number[]) : Float64Array.of(Number(value));
}

function decode(name: string, kind: ConstantKind, { data }: Tensor): unknown {
  if (kind.isList) return kind.check(name, Array.from(data));
  if (data.length !== 1) throw new RangeError(`'${name}' must hold one number, got ${data.length}`);
  if (!kind.choices) return kind.check(name, data[0]);
  const index = expectInteger(`'${name}'`, data[0], 0, kind.choices.length - 1);
  return kind.check(name, kind.choices[index]);
}

/** @throws {TypeError} if there is something under this name that is no tensor. */
export function tensorOf(tensors: StateDict, name: string): Tensor | undefined {
  const tensor: unknown = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
  if (tensor === undefined) return undefined;
  const { shape, data } = (typeof tensor === 'object' && tensor !== null ? tensor : {}) as Partial<Tensor>;
  const isShape = Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n >= 0);
  if (!isShape || !(isView(data, 'Float32Array') || isView(data, 'Float64Array')))
    throw new TypeError(
      `'${name}' must be a tensor, { shape, data } with a Float32Array or Float64Array, got ${describe(tensor)}`,
    );
  return tensor as Tensor;
}

/** @throws {TypeError} if it is no object of tensors. */
export function expectStateDict(tensors: unknown): void {
  if (typeof tensors !== 'object' || tensors === null || Array.isArray(tensors) || ArrayBuffer.isView(tensors))
    throw new TypeError(`tensors must be an object, name → tensor, got ${describe(tensors)}`);
}

/** The constants among options. */
function pick(family: AnyFamily, options: unknown): Told {
  if (typeof options !== 'object' || options === null) return {};
  const given = options as Told;
  return Object.fromEntries(
    constantsOf(family).flatMap(([key, kind]) =>
      given[key] === undefined ? [] : [[key, kind.check(key, given[key])]],
    ),
  );
}

/** Constants that are known without a class: told, or stored by `stateDict`. */
function knownConstants(family: AnyFamily, tensors: StateDict, prefix: string, told: Told): Record<string, unknown> {
  const known: Record<string, unknown> = {};
  for (const [key, kind] of constantsOf(family)) {
    const stored = tensorOf(tensors, prefix + ADDED + key);
    if (told[key] !== undefined) known[key] = kind.check(key, told[key]);
    else if (stored) known[key] = decode(prefix + ADDED + key, kind, stored);
  }
  return known;
}

const isSame = (a: unknown, b: unknown): boolean =>
  Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((each, i) => each === b[i]) : a === b;

/** The classes that could have written this, and the constants that must be told for it to mean one function. */
export function matches(
  family: AnyFamily,
  tensors: StateDict,
  prefix: string,
  told: Told,
): { fit: AnySource[]; known: Told; untold: string[]; missing: string[] } {
  const known = knownConstants(family, tensors, prefix, told);
  const classes = classesOf(family);
  const stored = tensorOf(tensors, `${prefix}${ADDED}class`);
  const index = stored && expectInteger(`'${prefix}${ADDED}class'`, stored.data[0], 0, classes.length - 1);
  const chosen = told.class ?? (index === undefined ? undefined : classes[index]!.name);
  const allowed = chosen === undefined ? classes : classes.filter(({ name }) => name === chosen);
  const lacks = (source: AnySource) =>
    tensorsOf(family, source, known).filter((name) => {
      if (tensorOf(tensors, prefix + name)) return false;
      const parameter = kindsOf(family, known).find(([key]) => nameOf(source, key) === name)?.[0];
      return parameter === undefined || told[parameter] === undefined;
    });
  const whole = allowed.filter((source) => lacks(source).length === 0);
  const agreeing = whole.filter((source) =>
    Object.entries(source.constants ?? {}).every(
      ([key, value]) => known[key] === undefined || isSame(known[key], value),
    ),
  );
  if (whole.length > 0 && agreeing.length === 0) {
    const [{ name, constants } = { name: '', constants: {} }] = whole;
    throw new RangeError(
      `${family.name}: what is told must fit the class '${name}', which has ${Object.entries(constants ?? {})
        .map(([key, value]) => `${key} = ${describe(value)}`)
        .join(', ')}`,
    );
  }
  // A class with more tensors that are all there is meant, not one that has some of them.
  const names = new Map(
    agreeing.map((source) => [
      source,
      everyNameOf(family, source, known).filter((name) => tensorOf(tensors, prefix + name)),
    ]),
  );
  const fit = agreeing.filter((source) => {
    const mine = names.get(source)!;
    return !agreeing.some((other) => {
      const theirs = names.get(other)!;
      return theirs.length > mine.length && mine.every((name) => theirs.includes(name));
    });
  });
  const untold = constantsOf(family)
    .filter(([key, { initial, isOptional }]) => {
      if (known[key] !== undefined) return false;
      const values = fit.map((source) => {
        const buffer = source.buffers?.[key] as string | undefined;
        if (buffer !== undefined && tensorOf(tensors, prefix + buffer)) return { says: true, value: undefined };
        if (source.constants && key in source.constants) return { says: true, value: source.constants[key] };
        if (source.asks?.includes(key)) return { says: false, value: undefined };
        if (source.read && initial === undefined) return { says: true, value: undefined };
        return { says: isOptional || initial !== undefined, value: initial };
      });
      return values.some(({ says, value }) => !says || !isSame(value, values[0]!.value));
    })
    .map(([key]) => key);
  const nearest = allowed.map(lacks).sort((a, b) => a.length - b.length)[0] ?? [];
  return { fit, known, untold, missing: nearest };
}

/** Where a class's tensors lie together: what their names begin with. */
export function prefixesOf(names: ReadonlySet<string>, wanted: readonly string[]): string[] {
  const [first] = wanted;
  if (first === undefined) return [];
  return [...names]
    .filter((name) => name === first || name.endsWith(`.${first}`))
    .map((name) => name.slice(0, name.length - first.length))
    .filter((prefix) => wanted.every((name) => names.has(prefix + name)));
}

/** How many functions a shape says there are, and where its channels are; undefined if it is none of a parameter. */
export function functionsOf(
  kind: ParameterKind,
  shape: readonly number[],
): { functions: number; length: number; layout?: Layout } | undefined {
  const wide = shape.filter((n) => n !== 1);
  if (kind.isOne) {
    if (wide.length > 1 || shape.length > 4 || shape.includes(0)) return undefined;
    const functions = wide[0] ?? 1;
    if (functions === 1 || shape.length < 2) return { functions, length: 1 };
    // [1, C, 1] and [1, C, 1, 1] broadcast along dimension 1, as [C, 1] does over [N, C, L]; [1, C] and [1, 1, C] along the last.
    const at = shape.indexOf(functions);
    if (at === shape.length - 1) return { functions, length: 1, layout: 'channelsLast' };
    return at === (shape.length === 2 ? 0 : 1) ? { functions, length: 1, layout: 'channelsFirst' } : undefined;
  }
  if (shape.length === 0 || shape.length > 2) return undefined;
  const length = shape[shape.length - 1]!;
  if (kind.length !== undefined && length !== kind.length) return undefined;
  const functions = shape.length === 2 ? shape[0]! : 1;
  // Of nothing there may be any number in a small file.
  return length === 0 && functions > MOST_EMPTY ? undefined : { functions, length };
}

/** Reads a state dict of a family's class. @throws {TypeError|RangeError} if tensors are missing or misshapen, or something is to be told. */
export function readStateDict(
  family: AnyFamily,
  tensors: StateDict,
  options: unknown,
): { options: Record<string, unknown>; origin: Origin } {
  const what = `${family.name}.fromStateDict`;
  expectStateDict(tensors);
  const table: Record<string, (name: string, value: unknown) => unknown> = {
    prefix: expectString,
    class: expectString,
    edge: expectArray,
    channels: expectIntegerKind,
    layout: (name, value) => expectOneOf(name, value, LAYOUTS),
  };
  for (const [key, kind] of constantsOf(family)) table[key] = (name, value) => kind.check(name, value);
  // Which parameters there are depends on constants: those that are stored, and those that are told.
  const where = (options as StateDictOptions | null | undefined)?.prefix;
  const stored = knownConstants(family, tensors, typeof where === 'string' ? where : '', {});
  for (const [key] of kindsOf(family, { ...stored, ...pick(family, options) })) table[key] = unchecked;
  expectOptions(what, options, table as OptionTable<Record<string, unknown>>);
  const { prefix = '', class: chosen, edge, ...told } = (options ?? {}) as Told & StateDictOptions;
  const classes = classesOf(family);
  if (chosen !== undefined)
    expectOneOf(
      'class',
      chosen,
      classes.map(({ name }) => name),
    );
  const { fit, known, untold, missing } = matches(family, tensors, prefix, {
    ...told,
    ...(chosen === undefined ? {} : { class: chosen }),
  });
  if (fit.length === 0) throw notFound(family, tensors, prefix, missing);
  if (untold.length > 0) {
    const asked = untold.map((key) => {
      const kind = constantsOf(family).find(([name]) => name === key)![1];
      return kind.choices ? `${key}: ${kind.choices.map(describe).join(' | ')}` : key;
    });
    const or = fit.length > 1 ? ` (or the class: ${fit.map(({ name }) => `'${name}'`).join(' | ')})` : '';
    throw new TypeError(
      `a state dict does not say ${untold.join(', ')} of ${family.name} '${prefix}', which it needs, and nothing is assumed: pass { ${asked.join(', ')} }${or}`,
    );
  }
  const source = fit.find((each) => hasShapesOf(family, each, tensors, prefix, known)) ?? fit[0]!;
  const notes: string[] = source.note ? [source.note] : [];
  const constants: Record<string, unknown> = { ...source.constants, ...known };
  for (const [key, kind] of constantsOf(family)) {
    const name = source.buffers?.[key];
    const stored = name === undefined ? undefined : tensorOf(tensors, prefix + name);
    if (stored && known[key] === undefined) constants[key] = decode(prefix + name, kind, stored);
  }
  const shapes = new Map<string, readonly number[]>();
  const found: Record<string, unknown> = { ...told };
  let layout: Layout | undefined;
  if (source.read) {
    const read = source.read(moduleOf(family, tensors, prefix, edge, notes));
    Object.assign(constants, read.constants, known);
    Object.assign(found, read.parameters);
    layout = read.layout;
    for (const [key] of kindsOf(family, constants)) if (told[key] !== undefined) found[key] = told[key];
  } else {
    if (edge !== undefined)
      throw new RangeError(
        `${family.name} '${prefix}' is no layer of edges: edge must be undefined, got ${describe(edge)}`,
      );
    for (const [key, kind] of kindsOf(family, constants)) {
      if (told[key] !== undefined) continue;
      const name = nameOf(source, key);
      const stored = tensorOf(tensors, prefix + name);
      if (!stored)
        throw new TypeError(
          `${family.name} '${prefix}' needs ${key}, which a state dict of the class '${source.name}' does not say: pass { ${key} }`,
        );
      const { shape, data } = stored;
      const size = functionsOf(kind, shape);
      if (!size || size.functions * size.length !== data.length)
        throw new RangeError(
          `'${prefix}${name}' must have shape ${expectedShape(kind)}, got [${shape.join(', ')}] with ${data.length} numbers`,
        );
      shapes.set(key, shape);
      if (layout && size.layout && layout !== size.layout)
        throw new RangeError(
          `'${prefix}${name}' of shape [${shape.join(', ')}] has its channels elsewhere than other tensors of ${family.name} '${prefix}'`,
        );
      layout ??= size.layout;
      found[key] = kind.isOne
        ? data
        : Array.from({ length: size.functions }, (_, row) => data.subarray(row * size.length, (row + 1) * size.length));
    }
  }
  if (source.needs?.includes('channels') && told.channels === undefined) {
    const groups = Math.max(1, ...kindsOf(family, constants).map(([key]) => countOf(found[key])));
    if (groups > 1 && tensorOf(tensors, `${prefix}${ADDED}channels`) === undefined)
      throw new TypeError(
        `${family.name} '${prefix}' needs channels: its state dict does not say how many share the ${groups} groups; pass { channels }`,
      );
  }
  if (source.needs?.includes('layout') && layout === undefined && told.layout === undefined) {
    const several = Math.max(
      Number(told.channels ?? 1),
      ...kindsOf(family, constants).map(([key]) => countOf(found[key])),
    );
    if (several > 1 && tensorOf(tensors, `${prefix}${ADDED}layout`) === undefined)
      throw new TypeError(
        `${family.name} '${prefix}' needs layout: its class has the ${several} channels first or last, and its state dict does not say which; pass { layout }`,
      );
  }
  const beside = unread(family, tensors, prefix);
  if (beside.length > 0)
    notes.push(`the state dict has ${beside.slice(0, 8).join(', ')} beside it, which ${family.name} has not`);
  const channels = tensorOf(tensors, `${prefix}${ADDED}channels`)?.data[0];
  const layoutIndex = tensorOf(tensors, `${prefix}${ADDED}layout`)?.data[0];
  if (channels !== undefined && found.channels === undefined) found.channels = channels;
  if (layoutIndex !== undefined) layout = LAYOUTS[expectInteger('ditac.layout', layoutIndex, 0, LAYOUTS.length - 1)];
  found.layout ??= layout ?? source.layout;
  return { options: { ...found, ...constants }, origin: { source: source.name, shapes, notes } };
}

/** Tensors of the same module that no class of the family has. */
function unread(family: AnyFamily, tensors: StateDict, prefix: string): string[] {
  const names = new Set(classesOf(family).flatMap((source) => everyNameOf(family, source)));
  return Object.keys(tensors)
    .filter((name) => prefix !== '' && name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((name) => name !== '' && !name.includes('.') && !names.has(name));
}

const countOf = (value: unknown): number =>
  Array.isArray(value) && typeof value[0] === 'object'
    ? value.length
    : ArrayBuffer.isView(value)
      ? (value as Float32Array).length
      : 1;

const expectedShape = ({ isOne, length }: ParameterKind): string =>
  isOne
    ? '[], [1], [C], [C, 1], [1, C], [1, C, 1], [1, C, 1, 1] or [1, 1, C]'
    : `[${length ?? 'n'}] or [C, ${length ?? 'n'}]`;

function hasShapesOf(family: AnyFamily, source: AnySource, tensors: StateDict, prefix: string, known: Told): boolean {
  if (source.read) return true;
  if ((Object.values(source.buffers ?? {}) as string[]).some((name) => !tensorOf(tensors, prefix + name))) return false;
  return kindsOf(family, { ...known, ...source.constants }).every(([key, kind]) => {
    const name = nameOf(source, key);
    const stored = tensorOf(tensors, prefix + name);
    if (!stored) return true;
    const size = functionsOf(kind, stored.shape);
    return (
      size !== undefined && isSame([...shapeOf(source, key, kind, size.functions, size.length)], [...stored.shape])
    );
  });
}

function shapeOf(
  source: AnySource,
  key: string,
  kind: ParameterKind,
  functions: number,
  length: number,
): readonly number[] {
  const shape = source.shapes?.[key]?.(functions, length);
  // A class that has one function for all channels has no shape for several.
  if (shape?.reduce((product, n) => product * n, 1) === functions * length) return shape;
  return kind.isOne ? [functions] : functions === 1 ? [length] : [functions, length];
}

function notFound(family: AnyFamily, tensors: StateDict, prefix: string, missing: readonly string[]): Error {
  const names = Object.keys(tensors);
  const elsewhere = classesOf(family).flatMap((source) => prefixesOf(new Set(names), tensorsOf(family, source)));
  const where = [...new Set(elsewhere)].slice(0, 8).map((each) => `'${each}'`);
  const near = names.slice(0, 8).map((each) => `'${each}'`);
  return new RangeError(
    `the state dict has no tensor ${missing.map((name) => `'${prefix}${name}'`).join(', ')}, which ${family.name} needs; ${
      where.length > 0
        ? `${family.name} could lie at the prefix ${where.join(', ')}`
        : `it has ${near.join(', ') || 'none'}`
    }`,
  );
}

function moduleOf(family: AnyFamily, tensors: StateDict, prefix: string, edge: unknown, notes: string[]): StoredModule {
  return {
    has: (name) => tensorOf(tensors, prefix + name) !== undefined,
    tensor(name, rank) {
      const stored = tensorOf(tensors, prefix + name);
      if (!stored) throw new RangeError(`the state dict has no tensor '${prefix}${name}', which ${family.name} needs`);
      const { shape, data } = stored;
      const size = shape.reduce((product, n) => product * n, 1);
      if (shape.length > rank || size !== data.length || size === 0)
        throw new RangeError(
          `'${prefix}${name}' must have ${rank} dimensions, none of them 0, got [${shape.join(', ')}] with ${data.length} numbers`,
        );
      return { shape: [...new Array<number>(rank - shape.length).fill(1), ...shape], data };
    },
    edge(outputs, inputs) {
      if (edge === undefined) {
        if (outputs === 1 && inputs === 1) return [0, 0];
        throw new TypeError(
          `${family.name} '${prefix}' needs edge: it is a layer of ${outputs} × ${inputs} edges, each another function; pass { edge: [output, input] }`,
        );
      }
      if (!Array.isArray(edge) || edge.length !== 2)
        throw new TypeError(`edge must be an array of two integers, got ${describe(edge)}`);
      return [
        expectInteger('edge[0]', edge[0], 0, outputs - 1),
        expectInteger('edge[1]', edge[1], 0, inputs - 1),
      ] as const;
    },
    note: (text) => notes.push(text),
  };
}

/** What a state dict is written from. */
export interface Written {
  readonly constants: object;
  readonly parameters: ReadonlyMap<
    string,
    { readonly kind: ParameterKind; readonly data: Float32Array; readonly count: number; readonly length: number }
  >;
  readonly functions: number;
  readonly channels: number;
  readonly layout: Layout;
  readonly origin?: Origin | undefined;
}

/** The class that writes, the one that it came from if that can; and its tensors, if they are no parameters. */
function writer(
  family: AnyFamily,
  values: Told,
  parameters: Written['parameters'],
  origin: Origin | undefined,
): { source: AnySource; translated: StateDict | undefined } {
  const classes = classesOf(family);
  const agrees = ({ constants: fixed }: AnySource) =>
    Object.entries(fixed ?? {}).every(([key, value]) => isSame(values[key], value));
  let source = classes.find((each) => each.name === origin?.source && agrees(each));
  const translated = source && translate(source, values, parameters);
  if (source?.read && !translated) source = undefined;
  source ??= classes.find((each) => !each.read && agrees(each) && tensorsFit(family, each, values, parameters));
  source ??= { name: 'ditac' };
  return { source, translated: translate(source, values, parameters) };
}

/** What the class that writes calls a parameter. */
export function storedNames(family: AnyFamily, { constants, parameters, origin }: Written): Record<string, string> {
  const { source, translated } = writer(family, constants as Told, parameters, origin);
  return Object.fromEntries([...parameters.keys()].map((key) => [key, translated ? key : nameOf(source, key)]));
}

/** The state dict that the class it came from would write, and beside it what that does not say, under names that begin with `ditac.`. */
export function writeStateDict(
  family: AnyFamily,
  prefix: string,
  { constants, parameters, functions, channels, layout, origin }: Written,
): Record<string, { shape: number[]; data: Float32Array | Float64Array }> {
  const values = constants as Told;
  const classes = classesOf(family);
  const { source, translated } = writer(family, values, parameters, origin);
  const dict: Record<string, { shape: number[]; data: Float32Array | Float64Array }> = {};
  const add = (name: string, data: Float64Array) => {
    dict[`${prefix}${ADDED}${name}`] = { shape: [data.length], data };
  };
  if (translated) {
    for (const [name, { shape, data }] of Object.entries(translated)) dict[prefix + name] = { shape: [...shape], data };
  } else {
    for (const [key, { kind, data, count, length }] of parameters) {
      const shape =
        (source.name === origin?.source && origin.shapes.get(key)) || shapeOf(source, key, kind, count, length);
      dict[prefix + nameOf(source, key)] = { shape: [...shape], data: data.slice() };
    }
  }
  for (const [key, kind] of constantsOf(family)) {
    const value = values[key];
    if (value === undefined) continue;
    const buffer = source.buffers?.[key];
    if (buffer !== undefined) dict[prefix + buffer] = { shape: [], data: Float32Array.of(Number(value)) };
    else if (!(source.constants && key in source.constants) && !(translated && kind.isList))
      add(key, encode(kind, value));
  }
  // Said only where names and constants do not.
  const { fit, untold } = matches(family, dict, prefix, {});
  if (classes.includes(source) && (fit.length !== 1 || fit[0] !== source || untold.length > 0))
    add('class', Float64Array.of(classes.indexOf(source)));
  if (channels !== functions) add('channels', Float64Array.of(channels));
  if (channels > 1 && layout !== layoutOf(family, source, translated !== undefined, dict, prefix, values))
    add('layout', Float64Array.of(LAYOUTS.indexOf(layout)));
  return dict;
}

/** Where channels are when this is read without being told; undefined if it is asked. */
function layoutOf(
  family: AnyFamily,
  source: AnySource,
  isTranslated: boolean,
  dict: StateDict,
  prefix: string,
  constants: Told,
): Layout | undefined {
  if (!isTranslated)
    for (const [key, kind] of kindsOf(family, constants)) {
      const stored = tensorOf(dict, prefix + nameOf(source, key));
      const said = stored && functionsOf(kind, stored.shape)?.layout;
      if (said) return said;
    }
  return source.needs?.includes('layout') ? undefined : (source.layout ?? 'channelsFirst');
}

/** Whether a class has tensors for just these parameters. */
function tensorsFit(family: AnyFamily, source: AnySource, constants: Told, parameters: Written['parameters']): boolean {
  if (source.tensors)
    return source.tensors.length === parameters.size && source.tensors.every((key) => parameters.has(key));
  const needed = kindsOf(family, { ...constants, ...source.constants }).map(([key]) => key);
  return needed.length === parameters.size && needed.every((key) => parameters.has(key));
}

function translate(source: AnySource, constants: Told, parameters: Written['parameters']): StateDict | undefined {
  if (!source.write) return undefined;
  const rows: Record<string, number[][]> = {};
  for (const [key, { data, count, length }] of parameters)
    rows[key] = Array.from({ length: count }, (_, row) => Array.from(data.subarray(row * length, (row + 1) * length)));
  return source.write(constants as Record<string, unknown>, rows);
}

/** What families say of their functions' values, each sentence once, with the functions that it is about. */
export function notesOf(family: AnyFamily, constants: object, values: readonly Values<string>[]): string[] {
  const about = new Map<string, number[]>();
  values.forEach((each, index) => {
    const notes = family.notes?.(constants, each) ?? [];
    expectArray(`notes of ${family.name}`, notes);
    for (const note of notes) about.set(note, [...(about.get(note) ?? []), index]);
  });
  return [...about].map(([note, which]) => {
    if (values.length === 1) return note;
    const list = which.slice(0, 8).join(', ') + (which.length > 8 ? ', …' : '');
    return `${which.length} of ${values.length} functions (${list}): ${note}`;
  });
}
