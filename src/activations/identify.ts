import type { Family } from '../families/family.js';
import type { StateDict } from '../io/tensor.js';
import { tensorNames } from './checkpoint.js';
import {
  classesOf,
  everyNameOf,
  expectStateDict,
  functionsOf,
  matches,
  prefixesOf,
  tensorOf,
  tensorsOf,
} from './state-dict.js';

/** Tensors of a state dict that could be those of an activation. */
export interface Identified {
  /** What `fromStateDict` takes as `prefix`. */
  readonly prefix: string;
  /** The families it could be; those that a released class wrote come first. Which it is, only the model's author can tell. */
  readonly candidates: readonly Candidate[];
}

export interface Candidate {
  /** A name in FAMILIES. */
  readonly family: string;
  /** Classes that could have written it, as the option `class` calls them. */
  readonly classes: readonly string[];
  /** Options of `fromStateDict` that must be told, since the tensors do not say them. */
  readonly tell: readonly string[];
  /** How many functions are stored; of a layer: its edges. */
  readonly functions: number;
  /** What else looks the same. */
  readonly alike?: string;
}

type Registry = Readonly<Record<string, unknown>>;

/** Names that a class of the package's own has, no released one. */
const OWN = new Set(['ditac', 'scaled', 'superset']);

/**
 * Which activations a state dict holds, by names and shapes.
 * @throws {TypeError} if tensors is no state dict.
 */
export function identify(registry: Registry, tensors: StateDict): Identified[] {
  expectStateDict(tensors);
  const names = new Set(Object.keys(tensors));
  const siblings = new Map<string, string[]>();
  for (const name of names) {
    const prefix = name.slice(0, name.lastIndexOf('.') + 1);
    const beside = siblings.get(prefix);
    if (beside) beside.push(name);
    else siblings.set(prefix, [name]);
  }
  const found = new Map<string, Candidate[]>();
  const add = (prefix: string, candidate: Candidate) => {
    const before = found.get(prefix);
    if (before) before.push(candidate);
    else found.set(prefix, [candidate]);
  };
  for (const prefix of prefixesOf(names, ['thetas'])) {
    if (!names.has(`${prefix}precision_mat`) && !names.has(`${prefix}ditac.basis`)) continue;
    const [, , , interval, variant] = tensorNames(prefix) as [string, string, string, string, string];
    const tell = [...(names.has(interval) ? [] : ['a', 'b']), ...(names.has(variant) ? [] : ['variant'])];
    add(prefix, {
      family: 'ditac',
      classes: ['ditac'],
      tell,
      functions: tensorOf(tensors, `${prefix}thetas`)!.shape[0] ?? 1,
    });
  }
  for (const [name, made] of Object.entries(registry)) {
    const family = (made as { family?: Family }).family;
    if (!family) continue;
    const prefixes = new Set(classesOf(family).flatMap((source) => prefixesOf(names, tensorsOf(family, source))));
    for (const prefix of prefixes) {
      const { fit, untold } = fitting(family, tensors, prefix);
      const known = fit.filter((source) => {
        const all = new Set(everyNameOf(family, source));
        return (siblings.get(prefix) ?? []).every((each) => all.has(each.slice(prefix.length)));
      });
      const sizes = known.map((source) => sizeOf(family, source, tensors, prefix));
      const functions = sizes.find((size) => size !== undefined);
      if (functions === undefined) continue;
      const classes = known.filter((_, i) => sizes[i] !== undefined);
      const needs = classes[0]!.needs ?? [];
      const alike = functions > 1 ? classes[0]!.alike : undefined;
      add(prefix, {
        family: name,
        classes: classes.map((source) => source.name),
        tell: [...untold, ...needs.filter((need) => functions > 1 && !names.has(`${prefix}ditac.${need}`))],
        functions,
        ...(alike === undefined ? {} : { alike }),
      });
    }
  }
  return [...found]
    .map(([prefix, candidates]) => ({
      prefix,
      candidates: candidates.sort((a, b) => Number(isOwn(a)) - Number(isOwn(b))),
    }))
    .sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

const isOwn = ({ classes, family }: Candidate): boolean => family !== 'ditac' && classes.every((name) => OWN.has(name));

function fitting(family: Family, tensors: StateDict, prefix: string): ReturnType<typeof matches> {
  try {
    return matches(family, tensors, prefix, {});
  } catch (cause) {
    // A stored constant that is none of this family's.
    if (!(cause instanceof RangeError)) throw cause;
    return { fit: [], known: {}, untold: [], missing: [] };
  }
}

/** How many functions are stored; undefined if a tensor has another shape than a parameter. */
function sizeOf(
  family: Family,
  source: ReturnType<typeof classesOf>[number],
  tensors: StateDict,
  prefix: string,
): number | undefined {
  if (source.count) return source.count(tensorOf(tensors, prefix + source.tensors![0]!)!.shape);
  const initial = Object.fromEntries(
    Object.entries(family.constants ?? {}).map(([key, kind]) => [key, (kind as { initial?: unknown }).initial]),
  );
  let most = 1;
  for (const [key, kind] of Object.entries(family.parameters({ ...initial, ...source.constants }))) {
    const stored = tensorOf(tensors, prefix + (source.names?.[key as never] ?? key));
    const size = stored && functionsOf(kind, stored.shape);
    if (!size) return undefined;
    most = Math.max(most, size.functions);
  }
  return most;
}
