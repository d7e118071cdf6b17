import { describe } from '../errors.js';
import { VARIANTS, type Variant } from '../families/ditac.js';
import type { StateDict } from '../io/tensor.js';

/** What the metadata of a file says about an activation. */
export interface Notes {
  a?: number;
  b?: number;
  variant?: Variant;
}

/** Of a metadata with many or long entries these are read, so that reading costs the same whatever the file holds. */
export const MOST_ENTRIES = 256;
const MOST_TEXT = 1000;

/**
 * Writers have no common form for it. Read are entries `a`, `b` and `variant`, for one activation `<prefix>a` and so on, and words in a text:
 * "DiTAC a=-3 b=3 variant=leaky", in the entry named like the activation, else in any that does not belong to another. The variants may have
 * PyTorch's names ('leaky_cpab', and 'cpab' for `bare`).
 *
 * @throws {TypeError} if an entry is no string. @throws {RangeError} if two entries contradict each other.
 */
export function notesFor(prefix: string, metadata: Readonly<Record<string, string>>, tensors: StateDict): Notes {
  if (typeof metadata !== 'object' || metadata === null)
    throw new TypeError(`metadata must be an object of strings, got ${describe(metadata)}`);
  const bare = prefix.replace(/[._/]$/, '');
  const own: string[] = [];
  const shared: string[] = [];
  for (const key of Object.keys(metadata).slice(0, MOST_ENTRIES)) {
    const text = metadata[key];
    if (typeof text !== 'string') throw new TypeError(`metadata.${key} must be a string, got ${describe(text)}`);
    if (text.length > MOST_TEXT) continue;
    const isOthers = ['', '.', '_', '/'].some((mark) => Object.hasOwn(tensors, `${key}${mark}thetas`));
    if (prefix !== '' && (key === bare || key.startsWith(prefix))) own.push(`${key.slice(prefix.length)}=${text}`);
    else if (!isOthers) shared.push(`${key}=${text}`);
  }
  return { ...said(shared), ...said(own) };
}

function said(texts: readonly string[]): Notes {
  const notes: Notes = {};
  const note = <K extends keyof Notes>(key: K, value: Notes[K]) => {
    if ((notes[key] ?? value) !== value)
      throw new RangeError(`the metadata says both ${key}=${notes[key]} and ${key}=${value}: pass { ${key} }`);
    if (value !== undefined) notes[key] = value;
  };
  for (const text of texts) {
    for (const [, key, word] of text.matchAll(/(?<![\w.-])(a|b|variant|cpab_act_type)=\s*([\w.+-]+)/g)) {
      if (key !== 'a' && key !== 'b') note('variant', variantNamed(word!));
      else if (Number.isFinite(Number(word))) note(key, Number(word));
    }
  }
  // One letter alone may mean anything.
  if (notes.a === undefined || notes.b === undefined)
    return notes.variant === undefined ? {} : { variant: notes.variant };
  return notes;
}

const variantNamed = (word: string): Variant | undefined =>
  word === 'cpab' ? 'bare' : VARIANTS.find((each) => each === word || `${each}_cpab` === word);
