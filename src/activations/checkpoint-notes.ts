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

/** Entries of these names say one thing each. */
const WORDS = ['a', 'b', 'variant', 'cpab_act_type'];
/** Entries of these names are about the activations of a model, all of them. */
const ABOUT_ALL = /^(act|activations?|ditac|cpab)$/i;
/** A module's name within a model, or one of several: what it says is not about all. */
const IS_MODULE = /[./]|\d$/;

/**
 * Writers have no common form for it. Read are entries `a`, `b` and `variant`, for one activation `<prefix>a` and so on, and words in a text:
 * "DiTAC a=-3 b=3 variant=leaky", in the entry named like the activation, else in one named `act`, `activation` or `ditac`, or that names DiTAC
 * itself, if its name is not like that of another activation. The variants may have PyTorch's names ('leaky_cpab', and 'cpab' for `bare`).
 * What an activation's own entries begin to say is not completed from elsewhere.
 *
 * @throws {TypeError} if an entry is no string. @throws {RangeError} if two entries contradict each other.
 */
export function notesFor(prefix: string, metadata: Readonly<Record<string, string>>, tensors: StateDict): Notes {
  if (typeof metadata !== 'object' || metadata === null)
    throw new TypeError(`metadata must be an object of strings, got ${describe(metadata)}`);
  const bare = prefix.replace(/[._/]$/, '');
  const own = new Said();
  const shared = new Said();
  for (const key of Object.keys(metadata).slice(0, MOST_ENTRIES)) {
    const text = metadata[key];
    if (typeof text !== 'string') throw new TypeError(`metadata.${key} must be a string, got ${describe(text)}`);
    if (text.length > MOST_TEXT) continue;
    const isOthers = ['', '.', '_', '/'].some((mark) => Object.hasOwn(tensors, `${key}${mark}thetas`));
    if (prefix !== '' && (key === bare || key.startsWith(prefix))) own.entry(key.slice(prefix.length), text);
    else if (WORDS.includes(key)) shared.entry(key, text);
    else if (!isOthers && !IS_MODULE.test(key) && (ABOUT_ALL.test(key) || /\b(ditac|cpab)/i.test(text)))
      shared.entry('', text);
  }
  const interval = own.hasInterval ? own.interval : shared.interval;
  const variant = own.hasVariant ? own.variant : shared.variant;
  return { ...interval, ...(variant === undefined ? {} : { variant }) };
}

/** What some entries say together. */
class Said {
  /** Undefined: there is such a word, but none that is understood. */
  readonly #found = new Map<string, number | Variant | undefined>();

  /** An entry of one word, or a text of several. */
  entry(key: string, text: string): void {
    if (WORDS.includes(key)) this.#note(key, text.trim());
    // A number with a decimal comma is none.
    else
      for (const [, word, value] of text.matchAll(
        /(?<![\w.-])(a|b|variant|cpab_act_type)=\s*([\w.+-]+(?:,\d[\w.+-]*)?)/g,
      ))
        this.#note(word!, value!);
  }

  #note(word: string, text: string): void {
    const isEnd = word === 'a' || word === 'b';
    const key = isEnd ? word : 'variant';
    const value = !isEnd ? variantNamed(text) : text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
    const before = this.#found.get(key);
    if (before !== undefined && value !== undefined && before !== value)
      throw new RangeError(`the metadata says both ${key}=${before} and ${key}=${value}: pass { ${key} }`);
    // What was not understood once is not known.
    this.#found.set(key, this.#found.has(key) && before === undefined ? undefined : value);
  }

  get hasInterval(): boolean {
    return this.#found.has('a') || this.#found.has('b');
  }

  /** One letter alone may mean anything. */
  get interval(): { a: number; b: number } | undefined {
    const [a, b] = [this.#found.get('a'), this.#found.get('b')];
    return typeof a === 'number' && typeof b === 'number' ? { a, b } : undefined;
  }

  get hasVariant(): boolean {
    return this.#found.has('variant');
  }

  get variant(): Variant | undefined {
    return this.#found.get('variant') as Variant | undefined;
  }
}

const variantNamed = (word: string): Variant | undefined =>
  word === 'cpab' ? 'bare' : VARIANTS.find((each) => each === word || `${each}_cpab` === word);
