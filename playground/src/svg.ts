import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';

export interface Panel {
  readonly title: string;
  readonly x: ArrayLike<number>;
  readonly curves: readonly {
    readonly color: string;
    readonly values: ArrayLike<number>;
    readonly isDashed?: boolean;
  }[];
}

const WIDTH = 460;
const HEIGHT = 260;
const MARGIN = { left: 56, right: 14, top: 34, bottom: 30 };

export interface Paper {
  readonly ground: string;
  readonly ink: string;
  readonly soft: string;
  readonly grid: string;
}
const WHITE: Paper = { ground: '#fff', ink: '#111', soft: '#555', grid: '#e5e5e5' };

/** The panels two in a row. */
export function svgOf(title: string, panels: readonly Panel[], paper: Paper = WHITE): string {
  const [columns, rows] = [Math.min(2, panels.length), Math.ceil(panels.length / 2)];
  const body = panels
    .map(
      (panel, i) =>
        `<g transform="translate(${(i % 2) * WIDTH},${Math.floor(i / 2) * HEIGHT})">${draw(panel, paper)}</g>`,
    )
    .join('\n');
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH * columns} ${HEIGHT * rows}" font-family="system-ui, sans-serif" font-size="11">\n` +
    `<title>${escaped(title)}</title>\n<rect width="100%" height="100%" fill="${paper.ground}"/>\n${body}\n</svg>\n`
  );
}

function draw({ title, x, curves }: Panel, { ink, soft, grid }: Paper): string {
  const all = curves.flatMap(({ values }) => Array.from(values).filter(Number.isFinite));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const across = scaleLinear([x[0]!, x[x.length - 1]!], [MARGIN.left, WIDTH - MARGIN.right]);
  const up = scaleLinear(low < high ? [low, high] : [low - 1, low + 1], [HEIGHT - MARGIN.bottom, MARGIN.top]).nice(5);
  const path = line<number>()
    .defined((v) => Number.isFinite(v))
    .x((_, i) => tenth(across(x[i]!)))
    .y((v) => tenth(up(v)));
  const ticks = [
    ...across
      .ticks(7)
      .map(
        (t) =>
          `<path d="M${tenth(across(t))},${MARGIN.top}V${HEIGHT - MARGIN.bottom}" stroke="${grid}"/><text x="${tenth(across(t))}" y="${HEIGHT - 12}" text-anchor="middle" fill="${soft}">${t}</text>`,
      ),
    ...up
      .ticks(5)
      .map(
        (t) =>
          `<path d="M${MARGIN.left},${tenth(up(t))}H${WIDTH - MARGIN.right}" stroke="${grid}"/><text x="${MARGIN.left - 6}" y="${tenth(up(t)) + 4}" text-anchor="end" fill="${soft}">${up.tickFormat(5)(t)}</text>`,
      ),
  ].join('');
  const drawn = curves
    .map(
      ({ color, values, isDashed }) =>
        `<path d="${path(Array.from(values)) ?? ''}" fill="none" stroke="${color}" stroke-width="1.8"${isDashed ? ' stroke-dasharray="5 4"' : ''}/>`,
    )
    .join('');
  return `<text x="${MARGIN.left}" y="20" font-size="13" font-weight="600" fill="${ink}">${escaped(title)}</text>${ticks}${drawn}`;
}

const tenth = (v: number) => Math.round(v * 10) / 10;
const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
