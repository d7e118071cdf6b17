import { CATALOGUE } from '../../docs/catalogue';
import { shortDigits } from './numbers';
import type { FamilyName, Options, View } from './protocol';

/** What a family shows first. */
export const first = (family: FamilyName): View => ({
  family,
  options: CATALOGUE[family].presets[0].options,
  low: -6,
  high: 6,
});

/** #family=snake&alpha=0.5&x=-6..6: all that is shown, for a link. Numbers are those that read as the same float32. */
export function toHash({ family, options, low, high }: View): string {
  const words = new URLSearchParams({ family });
  for (const [key, value] of Object.entries(options))
    words.set(
      key,
      typeof value === 'object'
        ? value.map(shortDigits).join(' ')
        : typeof value === 'number'
          ? shortDigits(value)
          : String(value),
    );
  words.set('x', `${Number(low.toPrecision(9))}..${Number(high.toPrecision(9))}`);
  return `#${words}`;
}

/** Undefined for what is no such link: it may come from anywhere, and the class decides whether its values make sense. */
export function fromHash(hash: string): View | undefined {
  const words = new URLSearchParams(hash.replace(/^#/, ''));
  const family = words.get('family') ?? '';
  if (!Object.hasOwn(CATALOGUE, family)) return undefined;
  const start = first(family as FamilyName);
  const options: Record<string, Options[string]> = {};
  for (const [key, text] of words) {
    if (key === 'family' || key === 'x') continue;
    options[key] = like(
      text,
      CATALOGUE[family as FamilyName].presets.map((preset) => preset.options[key]),
    );
  }
  const range = /^(-?[\d.e-]+)\.\.(-?[\d.e-]+)$/.exec(words.get('x') ?? '');
  const [low, high] = range ? [Number(range[1]), Number(range[2])] : [start.low, start.high];
  const hasOptions = Object.keys(options).length > 0;
  return {
    family: family as FamilyName,
    options: hasOptions ? options : start.options,
    ...(low < high && Number.isFinite(high - low) ? { low, high } : { low: start.low, high: start.high }),
  };
}

/** Of the kind that the family's own examples have. */
function like(text: string, examples: readonly (Options[string] | undefined)[]): Options[string] {
  const example = examples.find((each) => each !== undefined);
  if (typeof example === 'object') return text === '' ? [] : text.split(' ').map(Number);
  if (typeof example === 'boolean') return text === 'true';
  if (typeof example === 'string') return text;
  return Number(text);
}
