import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { differentiate } from '../calculus/differentiate.js';
import { value } from '../calculus/value.js';
import type { DiTAC, FamilyActivation } from '../index.js';
import { ulpError } from '../oracle/index.js';

/** Pictures of an activation as SVG: scales and paths by d3, the rest is a frame and two axes. */

export interface Curve {
  readonly label: string;
  readonly color: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dots?: boolean;
}

export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** Names of the axes, default x and y. */
  readonly axes?: readonly [x: string, y: string];
  /** Range of the vertical axis; default: what the curves need. */
  readonly range?: readonly [number, number];
  /** What stands at places of the horizontal axis, if not their numbers. */
  readonly labels?: ReadonlyMap<number, string>;
}

interface Size {
  readonly width: number;
  readonly height: number;
}
const SIZE: Size = { width: 420, height: 260 };
const MARGIN = { left: 58, right: 14, top: 34, bottom: 42 };

/** Light or dark, as whoever looks has it; on paper light. */
const STYLE = `<style>
.paper { fill: #fff } .grid { stroke: #e4e4e4 } .tick { fill: #595959 } .ink { fill: #222 }
@media screen and (prefers-color-scheme: dark) {
  .paper { fill: #16181c } .grid { stroke: #33363c } .tick { fill: #aaa } .ink { fill: #e4e4e4 } .curve { filter: brightness(1.7) }
}
</style>`;

/** Panels side by side, `columns` in a row. */
export function drawPanels(panels: readonly Panel[], columns = 2, size = SIZE): string {
  const { width, height } = size;
  const rows = Math.ceil(panels.length / columns);
  const body = panels
    .map(
      (panel, i) =>
        `<g transform="translate(${(i % columns) * width},${Math.floor(i / columns) * height})">${drawPanel(panel, size)}</g>`,
    )
    .join('\n');
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width * Math.min(columns, panels.length)} ${height * rows}" ` +
    `width="${width * Math.min(columns, panels.length)}" height="${height * rows}" font-family="system-ui, sans-serif" font-size="11" ` +
    `role="img" aria-label="${escapeMarkup(panels.map(({ title }) => title).join('; '))}">\n` +
    `${STYLE}\n<rect width="100%" height="100%" class="paper"/>\n${body}\n</svg>\n`
  );
}

function drawPanel({ title, curves, range, axes = ['x', 'y'], labels }: Panel, { width, height }: Size): string {
  const all = curves.flatMap((curve) => curve.points);
  const extent = (axis: 0 | 1): [number, number] => {
    const values = all.map((point) => point[axis]).filter(Number.isFinite);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low === high ? [low - 1, high + 1] : [low, high];
  };
  const x = scaleLinear(extent(0), [MARGIN.left, width - MARGIN.right]);
  const y = scaleLinear(range ? [...range] : extent(1), [height - MARGIN.bottom, MARGIN.top]);
  if (!range) y.nice(6);
  const path = line<readonly [number, number]>()
    .defined((point) => Number.isFinite(point[1]))
    .x((point) => round(x(point[0])))
    .y((point) => round(y(point[1])));
  const grid = [
    ...(labels ? [...labels.keys()] : x.ticks(7)).map(
      (t) =>
        `<path d="M${round(x(t))},${MARGIN.top}V${height - MARGIN.bottom}" class="grid"/><text x="${round(x(t))}" y="${height - MARGIN.bottom + 16}" text-anchor="middle" class="tick">${escapeMarkup(labels?.get(t) ?? String(t))}</text>`,
    ),
    ...y
      .ticks(6)
      .map(
        (t) =>
          `<path d="M${MARGIN.left},${round(y(t))}H${width - MARGIN.right}" class="grid"/><text x="${MARGIN.left - 6}" y="${round(y(t)) + 4}" text-anchor="end" class="tick">${t}</text>`,
      ),
  ].join('');
  const drawn = curves
    .map(({ points, color, dots }) =>
      dots
        ? points
            .map((point) => `<circle cx="${round(x(point[0]))}" cy="${round(y(point[1]))}" r="1" fill="${color}"/>`)
            .join('')
        : `<path d="${path(points as [number, number][]) ?? ''}" fill="none" stroke="${color}" stroke-width="1.6"/>`,
    )
    .join('');
  const legend = curves
    .filter(({ label }) => label !== '')
    .map(
      ({ label, color }, i) =>
        `<text x="${MARGIN.left + 8}" y="${MARGIN.top + 14 + 14 * i}" fill="${color}">${escapeMarkup(label)}</text>`,
    )
    .join('');
  const [across, up] = [(MARGIN.left + width - MARGIN.right) / 2, (MARGIN.top + height - MARGIN.bottom) / 2];
  const names =
    `<text x="${across}" y="${height - 8}" text-anchor="middle" class="ink">${escapeMarkup(axes[0])}</text>` +
    `<text transform="translate(14,${up}) rotate(-90)" text-anchor="middle" class="ink">${escapeMarkup(axes[1])}</text>`;
  const heading = `<text x="${MARGIN.left}" y="20" font-size="13" font-weight="600" class="ink">${escapeMarkup(title)}</text>`;
  return `${heading}${grid}${names}<g class="curve">${drawn}${legend}</g>`;
}

const round = (v: number) => Math.round(v * 100) / 100;
export const escapeMarkup = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Activation, derivative, velocity field and error of one activation. */
export function activationPanels(act: DiTAC, title: string, range?: readonly [number, number]): Panel[] {
  const [low, high] = range ?? [Math.min(act.a - 1, -4), Math.max(act.b + 1, 4)];
  const grid = Float32Array.from({ length: 801 }, (_, i) => low + ((high - low) * i) / 800);
  const y = act.forward(grid);
  const points = (f: (x: number, i: number) => number) => Array.from(grid, (x, i) => [x, f(x, i)] as const);
  const velocities = act.velocities();
  const gelu = (x: number) => x / (1 + Math.exp(-1.702 * x));
  return [
    {
      title,
      axes: ['x', 'f(x)'],
      curves: [
        { label: `DiTAC (${act.variant})`, color: '#c02020', points: points((_, i) => y[i]!) },
        { label: 'GELU', color: '#767676', points: points(gelu) },
      ],
    },
    slopePanel(act, grid),
    {
      title: `velocity field on [${act.a}, ${act.b}], ${act.tess} cells`,
      axes: ['x', 'v(x)'],
      curves: [
        {
          label: '',
          color: '#208040',
          points: Array.from(velocities, (v, k) => [act.a + ((act.b - act.a) * k) / act.tess, v] as const),
        },
      ],
    },
    errorPanel(act, grid, y),
  ];
}

/** f′, as backward passes have it. */
function slopePanel(act: DiTAC | FamilyActivation, grid: Float32Array): Panel {
  const { gradX } = act.backward(grid, new Float32Array(grid.length).fill(1));
  return {
    title: 'derivative',
    axes: ['x', 'f′(x)'],
    curves: [{ label: '', color: '#2040c0', points: Array.from(grid, (x, i) => [x, gradX[i]!] as const) }],
  };
}

function errorPanel(act: DiTAC | FamilyActivation, grid: Float32Array, y: Float32Array): Panel {
  const reference = act.reference();
  const { ulp } = act.plan.certificate;
  const dots = Array.from(grid, (x, i) => {
    const truth = reference(x);
    return [x, Math.abs(truth) < 2 ** -24 ? Number.NaN : ulpError(y[i]!, truth)] as const;
  }).filter(([, error]) => !Number.isNaN(error));
  return {
    title: `error in ULP (certified: ${ulp.toFixed(2)})`,
    axes: ['x', 'error / ULP'],
    range: [0, Math.max(1, ulp)],
    curves: [{ label: '', color: '#806020', dots: true, points: dots }],
  };
}

const COLORS = ['#208040', '#c06020', '#6040a0', '#2080a0', '#a02060', '#808020', '#404040', '#60a0e0'];

/** Activation, derivative, derivatives with respect to parameters, and error of a function of any family. */
export function familyPanels(act: FamilyActivation, title: string, [low, high]: readonly [number, number]): Panel[] {
  const grid = Float32Array.from({ length: 801 }, (_, i) => low + ((high - low) * i) / 800);
  const y = act.forward(grid);
  const { parts } = act.definition();
  const names = act.parameterNames.slice(0, COLORS.length);
  const curves = names.map((label, index) => {
    const functions = parts.map(({ last, f }) => ({ last, f: value(differentiate(f, index)) }));
    const at = (x: number) => (functions.find(({ last }) => x <= last) ?? functions.at(-1)!).f(x);
    return { label, color: COLORS[index]!, points: Array.from(grid, (x) => [x, at(x)] as const) };
  });
  return [
    {
      title,
      axes: ['x', 'f(x)'],
      curves: [
        { label: act.family.name, color: '#c02020', points: Array.from(grid, (x, i) => [x, y[i]!] as const) },
        { label: 'ReLU', color: '#767676', points: Array.from(grid, (x) => [x, Math.max(0, x)] as const) },
      ],
    },
    slopePanel(act, grid),
    ...(curves.length > 0
      ? [{ title: 'derivatives with respect to parameters', axes: ['x', '∂f/∂p'] as const, curves }]
      : []),
    errorPanel(act, grid, y),
  ];
}
