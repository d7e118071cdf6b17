/** What `write.py` leaves: state dicts of released classes, and what those classes compute from them in float64. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadSafetensors, type StateDict } from 'ditac/safetensors';

/** A folder that was written just now, or what is kept. */
const folder = process.env.CHECKPOINTS ?? fileURLToPath(new URL('../golden/checkpoints', import.meta.url));

export interface CheckpointCase {
  readonly name: string;
  readonly family: string;
  /** Options of `fromStateDict` beside the prefix. */
  readonly told: Readonly<Record<string, unknown>>;
  readonly shape: readonly number[];
  readonly layout?: string;
  /** Where the class is known to be wrong. */
  readonly fault?: string;
  readonly tensors: StateDict;
  readonly x: Float32Array;
  readonly gradY: Float32Array;
  readonly y: Float64Array;
  readonly gradX: Float64Array;
  /** By the class's own names, flat. */
  readonly gradients: Readonly<Record<string, Float64Array>>;
  /** The largest share of one element in each of these sums. */
  readonly largest: Readonly<Record<string, number>>;
}

type Packed = Omit<CheckpointCase, 'tensors' | 'x' | 'gradY' | 'y' | 'gradX' | 'gradients'> & {
  readonly [K in 'x' | 'gradY' | 'y' | 'gradX']: string;
} & { readonly gradients: Readonly<Record<string, string>> };

const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, 'base64')).buffer;
const singles = (text: string) => new Float32Array(bytesOf(text));
const doubles = (text: string) => new Float64Array(bytesOf(text));

const stored = JSON.parse(readFileSync(`${folder}/expected.json`, 'utf8')) as {
  cases: Packed[];
  skipped: { name: string; reason: string }[];
};

export const skipped = stored.skipped;

export const cases: CheckpointCase[] = stored.cases.map((each) => {
  const file = `${folder}/${each.name}.safetensors`;
  return {
    ...each,
    tensors: existsSync(file) ? loadSafetensors(readFileSync(file)).tensors : {},
    x: singles(each.x),
    gradY: singles(each.gradY),
    y: doubles(each.y),
    gradX: doubles(each.gradX),
    gradients: Object.fromEntries(Object.entries(each.gradients).map(([name, text]) => [name, doubles(text)])),
  };
});

/**
 * The gradient of one of our parameters, from what the class calls and stores it, and the largest share that one element has in it; undefined if
 * the class has none.
 */
export function gradientOf(each: CheckpointCase, parameter: string): { of: Float64Array; largest: number } | undefined {
  const { tensors, told } = each;
  const name = nameOf(each, parameter);
  const all = each.gradients[name ?? ''];
  if (name === undefined || !all) return undefined;
  const [o, i] = (told.edge ?? [0, 0]) as [number, number];
  const { shape } = tensors[`act.${name}`]!;
  const part = (at: number, length: number) => ({ of: all.slice(at, at + length), largest: each.largest[name]! });
  if (name === 'coeffs') {
    const column = parameter === 'numerator' ? 0 : 1;
    // Ascending; the class sets the highest of Q to 0.
    const of = Float64Array.from({ length: 4 - column }, (_, k) => all[2 * (3 - k) + column]!);
    return { of, largest: each.largest[name]! };
  }
  if (told.edge === undefined) return part(0, all.length);
  const [a, b, length] = shape.slice(-3) as [number, number, number];
  if (name === 'fouriercoeffs') return part((((parameter === 'cos' ? 0 : 1) * a + o) * b + i) * length, length);
  // [out, in] in efficient-kan, else [in, out].
  const [row, column] = tensors['act.base_weight'] ? [o, i] : [i, o];
  const size = shape[2] ?? 1;
  return part((row * shape[1]! + column) * size, size);
}

const NAMES: Readonly<Record<string, readonly string[]>> = {
  lambda: ['lambda_param', 'lambd'],
  kappa: ['kappa_param', 'kappa'],
  alpha: ['alpha', 'a'],
  numerator: ['numerator', 'weight_numerator', 'coeffs'],
  denominator: ['denominator', 'weight_denominator', 'coeffs'],
  lim_val: ['clamp.lim_val'],
  coeffs: ['cheby_coeffs'],
  cos: ['fouriercoeffs'],
  sin: ['fouriercoeffs'],
  base_weight: ['base_weight', 'scale_base'],
  spline_scaler: ['spline_scaler', 'scale_sp'],
  spline_weight: ['spline_weight', 'coef'],
};

function nameOf({ gradients, told }: CheckpointCase, parameter: string): string | undefined {
  // An edge of a layer has no bias.
  if (told.edge !== undefined && parameter === 'bias') return undefined;
  return (NAMES[parameter] ?? [parameter]).find((name) => gradients[name]);
}
