import type { Format } from '../oracle/index.js';
import { type JudgedPoint, type Judgement, STRETCHES } from '../oracle/judge.js';
import { encode } from './arrays.js';
import { drawPanels, escapeMarkup } from './plot.js';
import { colors, table, visible } from './terminal.js';

/** Judgements as text, as JSON and as a page. */

export interface Section {
  readonly what: string;
  readonly found: Judgement;
  readonly own: Own | undefined;
}

export interface Own {
  /** How many results have other bits than ditac's. */
  readonly differingFromDitac: number;
  readonly firstDifferingFromDitac?: {
    readonly index: number;
    readonly x: number;
    readonly y: number;
    readonly ditac: number;
  };
}

/** The gradient of a parameter. */
export interface Sums {
  readonly name: string;
  readonly format: Format;
  readonly points: readonly {
    readonly name: string;
    readonly y: number;
    readonly truth: number;
    /** How far from `truth` the sum may be. */
    readonly known: number;
    readonly ulp: number;
    /** The error as a share of the sum of the terms' sizes. */
    readonly share: number;
  }[];
}

/** What must not differ is which results are no numbers; and if there is a limit, nothing is beyond. */
export const passes = ({ mismatched, beyond }: Judgement): boolean =>
  mismatched.nan + mismatched.infinity === 0 && beyond === 0;

export const hexadecimal = (format: Format, value: number): string => {
  const bytes = encode(format, Float32Array.of(value));
  return `0x${[...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`;
};

const decimal = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

function place(format: Format, point: JudgedPoint | undefined): string {
  if (point === undefined) return '–';
  const { index, x, y, truth, rounded, ulp } = point;
  return (
    `${ulp.toFixed(3)} ULP at [${index}] x = ${decimal(x)} (${hexadecimal('float32', x)}): y = ${decimal(y)} ` +
    `(${hexadecimal(format, y)}), truth ${decimal(truth)} (${hexadecimal(format, rounded)})`
  );
}

/** JSON has no NaN and no infinities; bits have. */
const withBits = (format: Format, point: JudgedPoint | undefined) =>
  point && {
    ...point,
    xBits: hexadecimal('float32', point.x),
    yBits: hexadecimal(format, point.y),
    truthBits: hexadecimal(format, point.rounded),
  };

export function printable({ profile: _, ...found }: Judgement) {
  const point = (each: JudgedPoint | undefined) => withBits(found.format, each);
  return {
    ...found,
    first: point(found.first),
    worst: point(found.worst),
    firstBreak: point(found.firstBreak),
    bands: found.bands.map((band) => ({ ...band, worst: point(band.worst) })),
    mismatched: { ...found.mismatched, first: point(found.mismatched.first) },
  };
}

const BANDS = ['|y| ≥ 2⁻⁸', '2⁻²⁴ ≤ |y| < 2⁻⁸', '2⁻¹²⁶ ≤ |y| < 2⁻²⁴', 'below'];
const distance = (low: number, high: number): string =>
  low === Number.POSITIVE_INFINITY ? 'NaN' : low === high ? String(low) : `${low}–${high}`;
const whole = (count: number): string => count.toLocaleString('en');
const share = ({ nearest, compared }: Judgement): string =>
  // Never rounded up to all.
  `${(Math.floor((1e6 * nearest) / Math.max(compared, 1)) / 1e4).toFixed(4)} %`;
const greatest = ({ value, index }: Judgement['greatestAbsolute']): string =>
  index === undefined ? String(value) : `${value} at index (${index},)`;

export function describeJudgement(name: string, found: Judgement, own: Own | undefined): string {
  const { format, compared, nearest, first, bands, histogram, mismatched, firstBreak } = found;
  const lines = [
    `${visible(name)} in ${format}: ${whole(compared)} compared, ${whole(nearest)} correctly rounded (${share(found)})`,
  ];
  if (first) lines.push(`first that is not: ${place(format, first)}`);
  lines.push(
    table(
      ['', 'points', 'worst'],
      bands.flatMap(({ count, worst }, i) => (count > 0 ? [[BANDS[i]!, whole(count), place(format, worst)]] : [])),
    ),
    table(
      ['off the nearest by', 'results'],
      histogram.map(([low, high, count]) => [distance(low, high), whole(count)]),
    ),
  );
  const { nan, infinity, zeroSign } = mismatched;
  const marked = (count: number) => (count > 0 ? colors.red(whole(count)) : '0');
  lines.push(
    `mismatched: ${marked(nan)} NaN, ${marked(infinity)} infinities, ${marked(zeroSign)} signs of 0; ` +
      `${marked(found.monotonicityBreaks)} breaks of monotonicity`,
  );
  if (mismatched.first) lines.push(`first mismatched: ${place(format, mismatched.first)}`);
  if (firstBreak) lines.push(`first break of monotonicity: ${place(format, firstBreak)}`);
  lines.push(
    `Greatest absolute difference: ${greatest(found.greatestAbsolute)}`,
    `Greatest relative difference: ${greatest(found.greatestRelative)}`,
  );
  if (own !== undefined) {
    const { differingFromDitac, firstDifferingFromDitac: at } = own;
    lines.push(
      `${whole(differingFromDitac)} differ from ditac's own result in a bit` +
        (at
          ? `, the first at [${at.index}] x = ${decimal(at.x)}: ${hexadecimal('float32', at.y)}, ditac ${hexadecimal('float32', at.ditac)}`
          : ''),
    );
  }
  return lines.join('\n');
}

export function describeSums({ name, format, points }: Sums): string {
  return table(
    [`gradient of ${name}`, 'file', 'truth', 'error / ULP', 'error / Σ|terms|'],
    points.map((each) => [
      each.name,
      `${each.y} (${hexadecimal(format, each.y)})`,
      `${each.truth} ± ${each.known.toExponential(1)}`,
      each.ulp.toFixed(2),
      each.share.toExponential(2),
    ]),
  );
}

/** A page that stands alone: figures, and the error over x. */
export function page(name: string, sections: readonly Section[], sums: readonly Sums[]): string {
  const parts = sections.map(({ what, found, own }) => {
    const rows = found.bands
      .map(({ count, worst }, i) =>
        count > 0
          ? `<tr><td>${BANDS[i]}</td><td>${whole(count)}</td><td>${escapeMarkup(place(found.format, worst))}</td></tr>`
          : '',
      )
      .join('\n');
    const bars = found.histogram
      .map(
        ([low, high, count]) =>
          `<tr><td>${distance(low, high)}</td><td>${whole(count)}</td><td><div class="bar" style="width:${(16 * Math.max(Math.log10(count) + 1, 0)).toFixed(0)}px"></div></td></tr>`,
      )
      .join('\n');
    const { nan, infinity, zeroSign } = found.mismatched;
    return `<h2>${escapeMarkup(what)}: ${whole(found.compared)} ${found.format}, ${share(found)} correctly rounded</h2>
${chart(found)}
<table><tr><th>truth</th><th>points</th><th>worst</th></tr>
${rows}</table>
<table><tr><th>off the nearest by</th><th>results</th><th>in a logarithmic scale</th></tr>
${bars}</table>
<p>Mismatched: ${whole(nan)} NaN, ${whole(infinity)} infinities, ${whole(zeroSign)} signs of 0. ${whole(found.monotonicityBreaks)} breaks of
monotonicity. Greatest absolute difference ${greatest(found.greatestAbsolute)}, greatest relative difference
${greatest(found.greatestRelative)}.${own ? ` ${whole(own.differingFromDitac)} differ from ditac's own result in a bit.` : ''}</p>
${found.first ? `<p>The first that is not correctly rounded: ${escapeMarkup(place(found.format, found.first))}</p>` : ''}`;
  });
  const gradients = sums
    .flatMap(({ points }) => points)
    .map(
      (each) =>
        `<tr><td>${escapeMarkup(each.name)}</td><td>${each.y}</td><td>${each.truth}</td><td>${each.ulp.toFixed(2)}</td><td>${each.share.toExponential(2)}</td></tr>`,
    );
  const table =
    gradients.length > 0
      ? `<h2>gradients of parameters</h2>\n<table><tr><th></th><th>file</th><th>truth</th><th>error / ULP</th><th>error / Σ|terms|</th></tr>\n${gradients.join('\n')}</table>`
      : '';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>ditac judge: ${escapeMarkup(name)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; color: #222; background: #fff; overflow-wrap: anywhere }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin-top: 2em } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; margin: 1em 0 } td, th { text-align: left; padding: .2em 1em .2em 0; vertical-align: top; border-bottom: 1px solid #eee } td:not(:last-child) { white-space: nowrap }
.bar { background: #806020; height: 1em }
</style>
<h1>${escapeMarkup(visible(name))}</h1>
${parts.join('\n')}
${table}
</html>
`;
}

/** The worst error of stretches with as many inputs each, as float32 are spaced. */
function chart({ profile }: Judgement): string {
  if (profile === undefined) return '';
  const points = profile.ulp.map((ulp, i) => [i, ulp] as const).filter(([i]) => !Number.isNaN(profile.x[i]!));
  const finite = points.filter(([, ulp]) => Number.isFinite(ulp));
  if (finite.length === 0) return '';
  const labels = new Map<number, string>();
  for (let k = 0; k <= 8; k++) {
    const at = Math.min(Math.round((k * STRETCHES) / 8), STRETCHES - 1);
    const x = profile.x[at]!;
    if (!Number.isNaN(x)) labels.set(at, decimal(Number(x.toPrecision(3))));
  }
  const lost = points.length - finite.length;
  return drawPanels(
    [
      {
        title: `error in ULP over x: the worst of ${STRETCHES} stretches of as many inputs each${lost > 0 ? `; NaN or infinite in ${lost}` : ''}`,
        curves: [{ label: '', color: '#806020', dots: true, points: finite }],
        range: [0, Math.max(1, ...finite.map(([, ulp]) => ulp))],
        labels,
      },
    ],
    1,
    { width: 840, height: 300 },
  );
}
