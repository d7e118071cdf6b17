import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { rounded } from './numbers';
import { color, isPrinting, usesDark } from './theme';

export interface Series {
  readonly label: string;
  /** A colour of the style sheet. */
  readonly color: string;
  readonly values: ArrayLike<number> & Iterable<number>;
  readonly isDashed?: boolean;
  readonly isFaint?: boolean;
}

/** A point of the plot that can be moved up and down. */
export interface Handle {
  readonly label: string;
  readonly x: number;
  readonly y: number;
  readonly low: number;
  readonly high: number;
  set(y: number): void;
}

interface PlotProps {
  readonly title: string;
  readonly unit?: string;
  readonly xLabel?: string;
  /** What there is to see, in words. */
  readonly summary: string;
  readonly x: ArrayLike<number> & Iterable<number>;
  readonly series: readonly Series[];
  readonly height?: number;
  /** Of the vertical axis; default what the series need. */
  readonly range?: readonly [number, number];
  readonly isLogarithmic?: boolean;
  readonly handles?: readonly Handle[];
  readonly cursor?: number | undefined;
  onCursor?(index: number): void;
  onZoom?(low: number, high: number): void;
  onZoomOut?(): void;
  onDrawn?(): void;
  readonly children?: ComponentChildren;
}

/** One key for all plots of a page: what is under the cursor is under it in all. */
const SYNC = 'x';

export function Plot(props: PlotProps) {
  const { title, unit, xLabel = 'x', summary, x, series, height = 210, range, isLogarithmic, handles, cursor } = props;
  const root = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const isDark = usesDark();
  const isPaper = isPrinting();
  // Handles stand where the plot puts their values.
  const [, redrawn] = useState(0);
  // The plot is made anew for other lines, not for other values or words.
  const kinds = series.map(({ color: name, isDashed }) => `${name}${isDashed}`).join();

  useLayoutEffect(() => {
    const element = root.current!;
    const axis = {
      stroke: () => color('soft'),
      grid: { stroke: () => color('grid'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui',
    };
    const shown = new uPlot(
      {
        width: Math.max(160, element.clientWidth),
        height,
        pxAlign: 0,
        legend: { show: false },
        scales: {
          x: { time: false },
          y: {
            ...(isLogarithmic ? { distr: 3 as const } : {}),
            range: (_, low, high) => {
              const given = latest.current.range;
              if (given) return [...given];
              if (isLogarithmic) return uPlot.rangeLog(low, high, 10, false);
              const room = Math.max(high - low, 1e-30) * 0.06;
              return low === high || low == null ? [(low ?? 0) - 1, (high ?? 0) + 1] : [low - room, high + room];
            },
          },
        },
        axes: [
          { ...axis, size: 26, gap: 4 },
          { ...axis, size: 52, gap: 4, values: (_, ticks) => ticks.map((v) => (v == null ? '' : rounded(v, 4))) },
        ],
        series: [
          {},
          ...series.map(({ label, color: name, isDashed, isFaint }) => ({
            label,
            stroke: () => color(name),
            width: isFaint ? 1 : 2,
            ...(isDashed ? { dash: [5, 4] } : {}),
            points: { show: false },
          })),
        ],
        cursor: {
          sync: { key: SYNC, setSeries: false, scales: ['x', null] },
          drag: { x: latest.current.onZoom !== undefined, y: false, setScale: false },
          points: { size: 7 },
          y: false,
        },
        hooks: {
          setCursor: [(u) => u.cursor.idx != null && u.cursor.event != null && latest.current.onCursor?.(u.cursor.idx)],
          setSelect: [
            (u) => {
              const { left, width } = u.select;
              if (width > 4) latest.current.onZoom?.(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
          draw: [() => latest.current.handles && redrawn((n) => n + 1)],
        },
      },
      dataOf(latest.current),
      element,
    );
    plot.current = shown;
    const zoomOut = () => latest.current.onZoomOut?.();
    shown.over.addEventListener('dblclick', zoomOut);
    const observer = new ResizeObserver(() => {
      const width = Math.max(160, element.clientWidth);
      if (width !== shown.width) shown.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      shown.destroy();
    };
  }, [height, kinds, isLogarithmic]);

  useLayoutEffect(() => {
    plot.current?.setData(dataOf({ x, series }));
    latest.current.onDrawn?.();
    // What is drawn is known by its arrays: nothing else costs a frame.
  }, [x, range?.[0], range?.[1], ...series.map(({ values }) => values)]);

  useEffect(() => plot.current?.redraw(false), [isDark, isPaper]);

  useEffect(() => {
    const shown = plot.current;
    if (!shown || cursor === undefined || shown.cursor.idx === cursor) return;
    const left = shown.valToPos(Array.from(x)[cursor] ?? 0, 'x');
    shown.setCursor({ left, top: shown.over.clientHeight / 2 }, false);
  }, [cursor]);

  return (
    <figure class="plot">
      <figcaption>
        <strong>{title}</strong>
        {unit && <span class="unit">{unit}</span>}
        {series.length > 1 &&
          series
            .filter(({ label }) => label !== '')
            .map(({ label, color: name, isDashed }) => (
              <span class="key" key={label}>
                <i class={isDashed ? 'dashed' : ''} style={{ borderColor: `var(--${name})` }} />
                {label}
              </span>
            ))}
        {props.children}
      </figcaption>
      <div class="frame">
        <div ref={root} role="img" aria-label={`${title}: ${summary}`} />
        {handles &&
          plot.current &&
          handles.map((handle) => <Knob key={handle.label} plot={plot.current!} {...handle} />)}
      </div>
      <span class="axis" aria-hidden="true">
        {xLabel}
      </span>
    </figure>
  );
}

function dataOf({ x, series }: Pick<PlotProps, 'x' | 'series'>): uPlot.AlignedData {
  // What is no number is a gap.
  const values = series.map((each) => Array.from(each.values, (v) => (Number.isFinite(v) ? v : null)));
  return [Array.from(x), ...values];
}

/** A point to drag, or to move with the arrow keys. */
function Knob({ plot, label, x, y, low, high, set }: Handle & { readonly plot: uPlot }) {
  const clamp = (v: number) => Math.min(high, Math.max(low, v));
  const left = plot.over.offsetLeft + plot.valToPos(x, 'x');
  const top = plot.over.offsetTop + plot.valToPos(y, 'y');
  const move = (event: PointerEvent) => {
    const element = event.currentTarget as HTMLElement;
    if (!element.hasPointerCapture(event.pointerId)) return;
    const box = plot.over.getBoundingClientRect();
    set(clamp(plot.posToVal(event.clientY - box.top, 'y')));
  };
  const press = (event: KeyboardEvent) => {
    const step = (high - low) / (event.shiftKey ? 20 : 200);
    const by = { ArrowUp: step, ArrowRight: step, ArrowDown: -step, ArrowLeft: -step }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    set(clamp(y + by));
  };
  if (!(left >= plot.over.offsetLeft - 1 && left <= plot.over.offsetLeft + plot.over.clientWidth + 1)) return null;
  return (
    <div
      class="knob"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-orientation="vertical"
      aria-valuemin={low}
      aria-valuemax={high}
      aria-valuenow={Number(y.toFixed(4))}
      aria-valuetext={rounded(y)}
      style={{ left: `${left}px`, top: `${top}px` }}
      onPointerDown={(event) => {
        event.preventDefault();
        (event.currentTarget as HTMLElement).focus();
        (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      }}
      onPointerMove={move}
      onKeyDown={press}
    />
  );
}
