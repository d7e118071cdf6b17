import { CATALOGUE } from '../../docs/catalogue';
import { rounded } from './numbers';
import type { FamilyName, Options, View } from './protocol';

/** What is not trained, by family. Of a DiTAC, θ is shown as velocities. */
const CONSTANTS: Readonly<Partial<Record<FamilyName, readonly string[]>>> = {
  aglu: ['clamp'],
  apa: ['clamp'],
  bspline: ['grid', 'outside'],
  ditac: ['tess', 'a', 'b', 'basis', 'variant'],
  eelu: ['member', 'scaled'],
  hermite: ['clamp'],
  rational: ['version'],
  smu: ['alpha'],
  snake: ['logScale', 'eps'],
  snakebeta: ['logScale', 'eps'],
  xielu: ['beta', 'eps'],
  yevick: ['gamma'],
};
const isConstant = (family: FamilyName, name: string) => CONSTANTS[family]?.includes(name) ?? false;

export interface Slider {
  readonly label: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Where the point is that it moves, if it is one of the function or the velocity field. */
  readonly at?: number;
  with(value: number): Options;
}

const array = (options: Options, name: string) => (options[name] ?? []) as readonly number[];

/** Velocities at the vertices of a DiTAC, in units of x. */
export function velocitiesOf(options: Options): { readonly x: number[]; readonly v: number[] } {
  const { tess, a, b, variant } = options as { tess: number; a: number; b: number; variant: string };
  const scale = (b - a) / tess;
  const inner = array(options, 'thetas').map((theta) => theta * scale);
  const v = variant === 'inf' ? inner : [0, ...inner, 0];
  return { v, x: v.map((_, k) => a + scale * k) };
}

export function slidersOf({ family, options }: View): Slider[] {
  const ranges = CATALOGUE[family].ranges ?? {};
  const rangeOf = (name: string, value: number) => {
    const [low, high] = ranges[name] ?? [-3, 3];
    // What was loaded or trained may lie beyond.
    return { low: Math.min(low, value), high: Math.max(high, value) };
  };
  if (family === 'ditac') {
    const { x, v } = velocitiesOf(options);
    const { tess, a, b, variant } = options as { tess: number; a: number; b: number; variant: string };
    const offset = variant === 'inf' ? 0 : 1;
    return array(options, 'thetas').map((_, k) => ({
      label: `velocity at ${rounded(x[k + offset]!)}`,
      value: v[k + offset]!,
      ...rangeOf('velocity', v[k + offset]!),
      at: x[k + offset]!,
      with: (value: number) => ({
        ...options,
        thetas: array(options, 'thetas').map((theta, i) => (i === k ? (value * tess) / (b - a) : theta)),
      }),
    }));
  }
  return Object.entries(options).flatMap(([name, value]): Slider[] => {
    if (isConstant(family, name)) return [];
    if (typeof value === 'number')
      return [{ label: name, value, ...rangeOf(name, value), with: (v) => ({ ...options, [name]: v }) }];
    if (typeof value !== 'object') return [];
    const [left, right] = [options.left as number, options.right as number];
    return value.map((each, k) => ({
      label: `${name}[${k}]`,
      value: each,
      ...rangeOf(name, each),
      ...(family === 'pwlu' && name === 'values' ? { at: left + ((right - left) * k) / (value.length - 1) } : {}),
      with: (v: number) => ({ ...options, [name]: value.map((old, i) => (i === k ? v : old)) }),
    }));
  });
}

/** The preset whose constants these are. */
export const presetOf = ({ family, options }: View): number => {
  const constants = (of: Options) =>
    JSON.stringify(
      Object.entries(of)
        .filter(([name]) => isConstant(family, name))
        .sort(),
    );
  const found = CATALOGUE[family].presets.findIndex(
    (preset) => JSON.stringify(preset.options) === JSON.stringify(options),
  );
  return found >= 0
    ? found
    : CATALOGUE[family].presets.findIndex((preset) => constants(preset.options) === constants(options));
};

export function Sliders({
  sliders,
  onChange,
}: {
  readonly sliders: readonly Slider[];
  onChange(options: Options): void;
}) {
  if (sliders.length === 0) return <p class="quiet">It has no parameters.</p>;
  return (
    <div class="sliders">
      {sliders.map(({ label, value, low, high, with: withValue }) => {
        const change = (text: string) => {
          const next = Number(text);
          if (text.trim() !== '' && Number.isFinite(next)) onChange(withValue(next));
        };
        return (
          <div class="slider" key={label}>
            <label for={`p-${label}`}>{label}</label>
            <input
              id={`p-${label}`}
              type="range"
              min={low}
              max={high}
              step="any"
              value={value}
              aria-valuetext={rounded(value)}
              onInput={(event) => change(event.currentTarget.value)}
              onKeyDown={(event) => {
                // A browser's own step of `any` is a tenth of the range on some, and a hair on others.
                const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
                if (by === undefined) return;
                event.preventDefault();
                const step = (high - low) / (event.shiftKey ? 20 : 200);
                onChange(withValue(Math.min(high, Math.max(low, value + by * step))));
              }}
            />
            <input
              class="number"
              type="number"
              step="any"
              aria-label={`${label}, as a number`}
              value={Number(value.toPrecision(6))}
              onChange={(event) => change(event.currentTarget.value)}
            />
          </div>
        );
      })}
    </div>
  );
}
