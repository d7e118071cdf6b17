import { describe } from '../errors.js';
import type { StateDict } from '../io/tensor.js';
import { VARIANTS, type Variant } from './variants.js';

/**
 * What the metadata of a file says about an activation. Writers have no common form for it; read are
 *
 * - entries of their own: `a`, `b` and `variant`, or for one activation `<prefix>a`, `<prefix>b` and `<prefix>variant`;
 * - words in a text: "DiTAC a=-3 b=3 variant=leaky", in the entry named like the activation, else in any that does not belong to another.
 *
 * The first that says both a and b is taken, and the first that says the variant. Texts that contradict each other are refused.
 */
export interface Notes {
  a?: number;
  b?: number;
  variant?: Variant;
}

/** Of a metadata with many or long entries these are read, so that reading costs the same whatever the file holds. */
const MOST_ENTRIES = 256;
const MOST_TEXT = 1000;

/** What the PyTorch package calls the variants (`cpab_act_type`). */
const PYTORCH_NAMES: Readonly<Record<string, Variant>> = {
  gelu_cpab: 'gelu',
  leaky_cpab: 'leaky',
  ge_cpab: 'ge',
  cpab: 'bare',
  inf_cpab: 'inf',
};
const VARIANT_KEYS = ['variant', 'cpab_act_type'];

export function expectNotes(metadata: unknown): void {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw new TypeError(`metadata must be an object of strings, got ${describe(metadata)}`);
}

export function notesFor(prefix: string, metadata: Readonly<Record<string, string>>, tensors: StateDict): Notes {
  const bare = prefix.replace(/[._/]$/, '');
  const texts: [key: string, text: string][] = [];
  for (const key in metadata) {
    if (texts.length === MOST_ENTRIES) break;
    const text = metadata[key];
    if (!Object.hasOwn(metadata, key)) continue;
    if (typeof text !== 'string') throw new TypeError(`metadata.${key} must be a string, got ${describe(text)}`);
    const isOthers = key !== bare && ['', '.', '_', '/'].some((dot) => Object.hasOwn(tensors, `${key}${dot}thetas`));
    if (text.length <= MOST_TEXT && !isOthers) texts.push([key, text]);
  }
  const own = texts.filter(([key]) => key === bare || key === prefix);
  const sources = [
    entries(prefix, metadata),
    ...(bare === prefix ? [] : [entries(`${bare}_`, metadata)]),
    words(own),
    ...(prefix === '' ? [] : [entries('', metadata)]),
    words(texts),
  ];
  const notes: Notes = {};
  for (const { a, b, variant } of sources) {
    if (notes.a === undefined && a !== undefined && b !== undefined) Object.assign(notes, { a, b });
    if (notes.variant === undefined && variant !== undefined) notes.variant = variant;
  }
  return notes;
}

/** Entries of their own. */
function entries(prefix: string, metadata: Readonly<Record<string, string>>): Notes {
  const notes: Notes = {};
  const text = (key: string) => (Object.hasOwn(metadata, prefix + key) ? metadata[prefix + key] : undefined);
  for (const key of ['a', 'b'] as const) {
    const found = text(key);
    if (found === undefined) continue;
    const value = Number(found);
    if (String(found).trim() === '' || !Number.isFinite(value))
      throw new RangeError(`metadata.${prefix}${key} must be a number, got ${describe(found)}`);
    notes[key] = value;
  }
  for (const key of VARIANT_KEYS) {
    const found = text(key);
    if (found === undefined) continue;
    const variant = variantNamed(found);
    if (variant === undefined)
      throw new RangeError(`metadata.${prefix}${key} must be one of ${VARIANTS.join(', ')}, got ${describe(found)}`);
    notes.variant ??= variant;
  }
  return notes;
}

/** Words in texts. */
function words(texts: readonly (readonly [key: string, text: string])[]): Notes {
  const notes: Notes = {};
  for (const [, text] of texts) {
    const found: Notes = {};
    for (const [, key, value] of text.matchAll(/(?<![\w.-])(a|b|variant|cpab_act_type)=([\w.+-]+)/g)) {
      if (key === 'a' || key === 'b') {
        const number = Number(value);
        if (Number.isFinite(number)) agree(found, key, number);
      } else {
        const variant = variantNamed(value!);
        if (variant) agree(found, 'variant', variant);
      }
    }
    if (found.a !== undefined && found.b !== undefined) {
      agree(notes, 'a', found.a);
      agree(notes, 'b', found.b);
    }
    if (found.variant !== undefined) agree(notes, 'variant', found.variant);
  }
  return notes;
}

function agree<K extends keyof Notes>(notes: Notes, key: K, value: NonNullable<Notes[K]>): void {
  if (notes[key] !== undefined && notes[key] !== value)
    throw new RangeError(`the metadata says both ${key}=${notes[key]} and ${key}=${value}: pass { ${key} }`);
  notes[key] = value;
}

const variantNamed = (text: string): Variant | undefined =>
  VARIANTS.find((each) => each === text) ?? (Object.hasOwn(PYTORCH_NAMES, text) ? PYTORCH_NAMES[text] : undefined);
