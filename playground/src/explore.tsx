import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { CATALOGUE, NAMES } from '../../docs/catalogue';
import { CertificateTable } from './certificate';
import { messageOf, quick } from './client';
import { download } from './download';
import { first, toHash } from './link';
import { bitsOf, rounded, shortDigits, shortest } from './numbers';
import { presetOf, Sliders, slidersOf, velocitiesOf } from './parameters';
import { Plot } from './plot';
import type { Curves, Detail, FamilyName, Value, View } from './protocol';
import { Scroll } from './scroll';
import { type Panel, svgOf } from './svg';
import { color } from './theme';

export const FAMILY_NAMES = Object.keys(CATALOGUE).sort() as FamilyName[];
type Wanted = readonly [View, Detail] | undefined;

/** Milliseconds without a movement after which everything is computed exactly. */
const REST = 160;

/** The newest curves of what is shown: one question at a time, and between two only the newest is kept. */
function useCurves(view: View) {
  const [found, setFound] = useState<{ readonly of: View; readonly curves: Curves }>();
  const [problem, setProblem] = useState('');
  const state = useRef<{ isBusy: boolean; wanted: Wanted; timer: number | undefined }>({
    isBusy: false,
    wanted: undefined,
    timer: undefined,
  });
  // Not after the next frame, as effects are run that need no haste.
  useLayoutEffect(() => {
    const now = state.current;
    const ask = async (asked: View, detail: Detail) => {
      now.wanted = [asked, detail];
      if (now.isBusy) return;
      now.isBusy = true;
      for (let next: Wanted = now.wanted; next; next = now.wanted as Wanted) {
        now.wanted = undefined;
        try {
          setFound({ of: next[0], curves: await quick().explore(...next) });
          setProblem('');
        } catch (cause) {
          setProblem(messageOf(cause));
        }
      }
      now.isBusy = false;
    };
    void ask(view, 'moving');
    clearTimeout(now.timer);
    now.timer = window.setTimeout(() => void ask(view, 'resting'), REST);
  }, [view]);
  return { curves: found?.curves, isAtRest: found?.of === view && found.curves.detail === 'resting', problem };
}

/** How long it took from a movement until its pictures were drawn; `bench/playground.ts` reads it. A plot draws in a microtask. */
function measured(detail: Detail) {
  if (detail === 'resting') return;
  if (performance.getEntriesByName('asked').length > 0) performance.measure('moved', { start: 'asked', detail });
  performance.clearMarks('asked');
}

export function Explore({ view, onView }: { readonly view: View; onView(view: View): void }) {
  const { curves, isAtRest, problem } = useCurves(view);
  const [cursor, setCursor] = useState(300);
  const [typed, setTyped] = useState('');
  const [value, setValue] = useState<Value>();
  const [said, setSaid] = useState('');
  const entry = CATALOGUE[view.family];
  const sliders = useMemo(() => slidersOf(view), [view]);
  const isFlow = view.family === 'ditac';
  const name = NAMES[view.family];

  const say = (text: string) => {
    setSaid(text);
    setTimeout(() => setSaid(''), 4000);
  };
  const trying = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (cause) {
      say(messageOf(cause));
    }
  };
  const setOptions = (options: View['options']) => {
    performance.mark('asked');
    onView({ ...view, options });
  };
  const zoom = (low: number, high: number) => low < high && onView({ ...view, low, high });

  useEffect(() => setValue(undefined), [view]);
  const lookUp = () =>
    trying(async () => {
      const x = Number(typed);
      if (typed.trim() === '' || Number.isNaN(x)) throw new Error('x must be a number');
      setValue(await quick().valueAt(view, x));
    });

  const flow = isFlow ? velocitiesOf(view.options) : undefined;
  const largest = flow ? Math.max(3, ...flow.v.map(Math.abs)) * 1.08 : 0;
  const handlesOf = (isVelocity: boolean) =>
    isVelocity !== isFlow
      ? undefined
      : sliders
          .filter(({ at }) => at !== undefined)
          .map((slider) => ({
            label: isFlow ? slider.label : `${slider.label}, at ${rounded(slider.at!)}`,
            x: slider.at!,
            y: slider.value,
            low: slider.low,
            high: slider.high,
            set: (v: number) => setOptions(slider.with(v)),
          }));

  const flat = useMemo(() => {
    const constant = (v: number) => new Float64Array(curves?.x.length ?? 0).fill(v);
    const ulp = curves?.certificate?.ulp ?? Number.NaN;
    return { high: constant(ulp), low: constant(-ulp), none: constant(Number.NaN) };
  }, [curves]);
  const at = curves ? Math.min(cursor, curves.x.length - 1) : 0;
  const point = curves && {
    x: curves.x[at]!,
    y: curves.y[at]!,
    slope: curves.slope[at]!,
    error: curves.error?.[at],
  };
  const worst = curves?.error ? extreme(curves.error) : undefined;
  const common = {
    cursor: at,
    onCursor: setCursor,
    onZoom: zoom,
    onZoomOut: () => onView({ ...view, low: -6, high: 6 }),
  };

  const savePlan = () =>
    trying(async () => {
      download(`${view.family}.plan`, await quick().planOf(view), 'application/octet-stream');
      say('Saved: new Activation(bytes) of ditac/runtime evaluates it.');
    });
  const saveOnnx = () =>
    trying(async () => {
      download(`${view.family}.onnx`, await quick().modelOf(view), 'application/octet-stream');
      say('Saved: any runtime of ONNX gives the same bits.');
    });
  const saveSvg = () => curves && download(`${view.family}.svg`, svgOf(name, panelsOf(view, curves)), 'image/svg+xml');
  const copyLink = () =>
    trying(async () => {
      await navigator.clipboard.writeText(new URL(toHash(view), location.href).href);
      say('The link is copied.');
    });
  const refine = () => trying(async () => setOptions(await quick().refined(view)));

  return (
    <div class="explore">
      <section class="controls" aria-label="The activation">
        <div class="head">
          <div class="field">
            <label for="family">Family</label>
            <select
              id="family"
              value={view.family}
              onChange={(event) => onView(first(event.currentTarget.value as FamilyName))}
            >
              {FAMILY_NAMES.map((each) => (
                <option key={each} value={each}>
                  {NAMES[each]}
                </option>
              ))}
            </select>
          </div>
          {entry.presets.length > 1 && (
            <div class="field">
              <label for="preset">Kind</label>
              <select
                id="preset"
                value={presetOf(view)}
                onChange={(event) => setOptions(entry.presets[Number(event.currentTarget.value)]!.options)}
              >
                {entry.presets.map(({ label }, i) => (
                  <option key={label} value={i}>
                    {label}
                  </option>
                ))}
              </select>
            </div>
          )}
          <p class="formula">{entry.formula}</p>
          <p class="quiet">
            {entry.where}{' '}
            {entry.papers
              .filter(({ arxiv }) => arxiv)
              .map(({ arxiv, title }) => (
                <a key={arxiv} href={`https://arxiv.org/abs/${arxiv}`} title={title}>
                  arXiv {arxiv}
                </a>
              ))}
          </p>
        </div>
        <div class="params">
          <h2>{isFlow ? 'Velocities at the vertices' : 'Parameters'}</h2>
          <Sliders sliders={sliders} onChange={setOptions} />
          <div class="buttons">
            <button type="button" onClick={() => onView({ ...first(view.family), low: view.low, high: view.high })}>
              Begin again
            </button>
            {sliders.length > 0 && (
              <button type="button" onClick={refine} title="The same function with more parameters">
                Refine
              </button>
            )}
            <button type="button" onClick={savePlan}>
              Save plan
            </button>
            <button type="button" onClick={saveOnnx}>
              Save ONNX
            </button>
            <button type="button" onClick={saveSvg}>
              Save SVG
            </button>
            <button type="button" onClick={copyLink}>
              Copy link
            </button>
          </div>
          <details>
            <summary>In a program</summary>
            <Scroll label="A program">
              <pre>{programOf(view)}</pre>
            </Scroll>
          </details>
          <p class="said" role="status">
            {said}
          </p>
        </div>
      </section>

      <section class="plots" aria-label="Pictures" aria-busy={!isAtRest && problem === ''}>
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        {!curves && !problem && <p class="wait">Compiling…</p>}
        {curves && (
          <>
            <div class={isFlow ? 'grid four' : 'grid three'}>
              <Plot
                {...common}
                title="f(x)"
                summary={`from ${rounded(curves.y[0]!)} at x = ${rounded(view.low)} to ${rounded(curves.y[curves.y.length - 1]!)} at x = ${rounded(view.high)}`}
                x={curves.x}
                series={[{ label: 'f', color: 'function', values: curves.y }]}
                {...(handlesOf(false) ? { handles: handlesOf(false)! } : {})}
              />
              <Plot
                {...common}
                title="f′(x)"
                summary={`between ${rounded(Math.min(...curves.slope))} and ${rounded(Math.max(...curves.slope))}`}
                x={curves.x}
                series={[{ label: 'f′', color: 'slope', values: curves.slope }]}
              />
              {flow && (
                <Plot
                  title="Velocity field"
                  unit="drag its vertices"
                  summary={`${flow.v.length} vertices, velocities between ${rounded(Math.min(...flow.v))} and ${rounded(Math.max(...flow.v))}`}
                  x={flow.x}
                  range={[-largest, largest]}
                  series={[{ label: 'v', color: 'velocity', values: flow.v }]}
                  handles={handlesOf(true)!}
                />
              )}
              <Plot
                {...common}
                title="Error"
                unit="ULP"
                summary={
                  worst
                    ? `at most ${rounded(worst.size)} ULP here, at x = ${rounded(curves.x[worst.index]!)}`
                    : 'while it moves, not known'
                }
                x={curves.x}
                range={errorRange(curves)}
                onDrawn={() => queueMicrotask(() => measured(curves.detail))}
                series={[
                  {
                    label: curves.detail === 'resting' ? 'to 30 digits' : curves.error ? 'to float64' : 'when it rests',
                    color: 'error',
                    values: curves.error ?? flat.none,
                  },
                  {
                    label: 'proved bound',
                    color: 'soft',
                    isDashed: true,
                    isFaint: true,
                    values: flat.high,
                  },
                  {
                    label: '',
                    color: 'soft',
                    isDashed: true,
                    isFaint: true,
                    values: flat.low,
                  },
                ]}
              />
            </div>
            <div class="below">
              <div class="reading">
                <h2>Under the cursor</h2>
                <input
                  type="range"
                  min={0}
                  max={curves.x.length - 1}
                  value={at}
                  aria-label="Cursor"
                  aria-valuetext={`x = ${shortest(point!.x)}, f(x) = ${shortest(point!.y)}, slope ${rounded(point!.slope)}`}
                  onInput={(event) => setCursor(Number(event.currentTarget.value))}
                />
                <Reading {...point!} isPreview={curves.detail === 'preview'} />
                <form
                  class="field"
                  onSubmit={(event) => {
                    event.preventDefault();
                    void lookUp();
                  }}
                >
                  <label for="at">Any x</label>
                  <input
                    id="at"
                    class="wide"
                    inputMode="text"
                    value={typed}
                    placeholder="0.1, 1e-30, Infinity"
                    onInput={(event) => setTyped(event.currentTarget.value)}
                  />
                  <button type="submit">f(x)</button>
                </form>
                <div role="status">{value && <Reading {...value} />}</div>
                <div class="field range">
                  <label for="from">x from</label>
                  <input
                    id="from"
                    type="number"
                    step="any"
                    value={Number(view.low.toPrecision(6))}
                    onChange={(event) => zoom(Number(event.currentTarget.value), view.high)}
                  />
                  <label for="to">to</label>
                  <input
                    id="to"
                    type="number"
                    step="any"
                    value={Number(view.high.toPrecision(6))}
                    onChange={(event) => zoom(view.low, Number(event.currentTarget.value))}
                  />
                  <button type="button" onClick={common.onZoomOut}>
                    Whole
                  </button>
                </div>
              </div>
              <CertificateTable
                {...(curves.certificate ? { certificate: curves.certificate } : {})}
                {...(curves.bytes === undefined ? {} : { bytes: curves.bytes })}
                compiled={curves.compiled}
                worst={worst?.size}
                notes={curves.notes}
              />
            </div>
          </>
        )}
      </section>
    </div>
  );
}

function Reading({ x, y, slope, error, truth, isPreview = false }: Partial<Value> & { readonly isPreview?: boolean }) {
  const bits = bitsOf(y!);
  return (
    <dl class="reading">
      <dt>x</dt>
      <dd>
        {shortest(x!)} <code>{bitsOf(x!).hex}</code>
      </dd>
      <dt>f(x)</dt>
      <dd>
        <b>{shortest(y!)}</b> <code>{bits.hex}</code>
        {isPreview && <span class="quiet"> (preview)</span>}
        <code class="bits">
          <span class="sign">{bits.sign}</span> <span class="exponent">{bits.exponent}</span>{' '}
          <span class="fraction">{bits.fraction}</span>
        </code>
      </dd>
      <dt>f′(x)</dt>
      <dd>{shortest(slope!)}</dd>
      {truth !== undefined && (
        <>
          <dt>truth</dt>
          <dd>{truth}</dd>
        </>
      )}
      <dt>error</dt>
      <dd>
        {error === undefined
          ? 'when it rests'
          : Number.isNaN(error)
            ? 'below 2⁻²⁴ the bound is absolute'
            : `${rounded(error)} ULP`}
      </dd>
    </dl>
  );
}

function extreme(errors: Float64Array): { readonly size: number; readonly index: number } | undefined {
  let index = -1;
  errors.forEach((v, i) => {
    if (!Number.isNaN(v) && (index < 0 || Math.abs(v) > Math.abs(errors[index]!))) index = i;
  });
  return index < 0 ? undefined : { size: Math.abs(errors[index]!), index };
}

/** The bound stays in sight; below 2⁻⁸ up to 2 ULP are promised. */
function errorRange({ error, certificate }: Curves): [number, number] {
  const most = Math.max(1.1, (certificate?.ulp ?? 1) * 1.1, (error && (extreme(error)?.size ?? 0)) || 0);
  return [-most, most];
}

/** What a program has to say for this function. */
function programOf({ family, options }: View): string {
  const given = Object.entries(options).map(([key, value]) => {
    const text = typeof value === 'object' ? `[${value.map((v) => shortDigits(v)).join(', ')}]` : JSON.stringify(value);
    return `  ${key}: ${typeof value === 'number' ? shortDigits(value) : text},\n`;
  });
  const made = given.length === 0 ? '' : `{\n${given.join('')}}`;
  return `// npm install ditac\nimport { FAMILIES } from 'ditac/families';\n\nconst act = new FAMILIES.${family}(${made});\nact.forward(Float32Array.of(-1, 0, 1));\n`;
}

function panelsOf(view: View, { x, y, slope, error, certificate }: Curves): Panel[] {
  const panels: Panel[] = [
    { title: 'f(x)', x, curves: [{ color: color('function'), values: y }] },
    { title: 'f′(x)', x, curves: [{ color: color('slope'), values: slope }] },
  ];
  if (view.family === 'ditac') {
    const { x: vertices, v } = velocitiesOf(view.options);
    panels.push({ title: 'velocity field', x: vertices, curves: [{ color: color('velocity'), values: v }] });
  }
  if (error && certificate) {
    const flat = (v: number) => ({ color: '#666', isDashed: true, values: new Float64Array(x.length).fill(v) });
    panels.push({
      title: 'error, in ULP',
      x,
      curves: [flat(certificate.ulp), flat(-certificate.ulp), { color: color('error'), values: error }],
    });
  }
  return panels;
}
