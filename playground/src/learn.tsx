import { proxy } from 'comlink';
import { useEffect, useRef, useState } from 'preact/hooks';
import { NAMES } from '../../docs/catalogue';
import { endSlow, messageOf, slow } from './client';
import { FAMILY_NAMES } from './explore';
import { first } from './link';
import { rounded } from './numbers';
import { Plot } from './plot';
import { type FamilyName, type LearnState, SIZE, type View } from './protocol';
import { prefersStill } from './theme';

/** Milliseconds between two pictures; less often where motion is unwelcome. */
const LIVELY = 100;
const STILL = 2000;

export function Learn({ view, onView }: { readonly view: View; onView(view: View): void }) {
  const [family, setFamily] = useState<FamilyName>(view.family);
  const [seed, setSeed] = useState(1);
  const [state, setState] = useState<LearnState>();
  const [target, setTarget] = useState<Float32Array>();
  const [isRunning, setRunning] = useState(false);
  const [problem, setProblem] = useState('');
  const isStill = prefersStill();
  // What a training that has been left behind still says is not shown.
  const present = useRef(0);

  const begin = async () => {
    const mine = ++present.current;
    setRunning(false);
    setProblem('');
    try {
      setTarget(await slow().target());
      const options = family === view.family ? view.options : first(family).options;
      const every = isStill ? STILL : LIVELY;
      const begun = await slow().begin({ family, options, seed, every });
      if (mine === present.current) setState(begun);
    } catch (cause) {
      setProblem(messageOf(cause));
    }
  };
  useEffect(() => {
    void begin();
    return () => {
      present.current += 1;
      endSlow();
    };
  }, [family, seed]);

  const train = async () => {
    if (isRunning) {
      setRunning(false);
      await slow().pause();
      return;
    }
    const mine = present.current;
    setRunning(true);
    try {
      await slow().train(
        proxy((next: LearnState) => {
          if (mine === present.current) setState(next);
        }),
      );
    } catch (cause) {
      if (mine === present.current) setProblem(messageOf(cause));
    }
    if (mine === present.current) setRunning(false);
  };

  return (
    <section class="page learn">
      <h2>Learn</h2>
      <p>
        The paper’s figure 1: two inputs, 50 units, an activation that they share, one output. Adam moves the weights
        and the activation’s parameters; the activation’s gradients are exact, and have the same bits in every browser.
      </p>
      <div class="row">
        <div class="field">
          <label for="learn-family">Activation</label>
          <select
            id="learn-family"
            value={family}
            onChange={(event) => setFamily(event.currentTarget.value as FamilyName)}
          >
            {FAMILY_NAMES.map((each) => (
              <option key={each} value={each}>
                {NAMES[each]}
              </option>
            ))}
          </select>
        </div>
        <div class="field">
          <label for="seed">Seed</label>
          <input
            id="seed"
            type="number"
            min={1}
            max={9999}
            value={seed}
            onChange={(event) => setSeed(Math.max(1, Math.round(Number(event.currentTarget.value)) || 1))}
          />
        </div>
        <div class="buttons">
          <button type="button" class="main" onClick={train} disabled={!state}>
            {isRunning ? 'Pause' : 'Train'}
          </button>
          <button type="button" onClick={begin}>
            Begin again
          </button>
          <button
            type="button"
            disabled={!state}
            onClick={async () => {
              // Paused first: what is taken over is what is shown.
              setRunning(false);
              await slow().pause();
              onView({ family, options: state!.options, low: -6, high: 6 });
            }}
          >
            Explore what it learned
          </button>
        </div>
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {state && (
        <>
          <p class="figures" aria-live="off">
            <span>
              step <b>{state.step.toLocaleString('en')}</b>
            </span>
            <span>
              R² <b>{state.r2.toFixed(3)}</b>
            </span>
            <span>{Math.round(state.stepsPerSecond).toLocaleString('en')} steps a second</span>
          </p>
          <div class="surfaces">
            {target && <Surface label="to be learned" values={target} />}
            <Surface label={`learned, R² ${state.r2.toFixed(3)}`} values={state.surface} />
          </div>
          <div class="grid two">
            <Plot
              title="The activation"
              summary={`after ${state.step} steps`}
              x={state.x}
              series={[{ label: 'f', color: 'function', values: state.y }]}
            />
            <Plot
              title="Loss"
              unit="running mean, logarithmic"
              xLabel="step"
              isLogarithmic
              summary={state.losses.length > 0 ? `${rounded(state.losses[state.losses.length - 1]!)} now` : 'not begun'}
              x={state.losses.length > 1 ? state.lossSteps : [0, 1]}
              series={[
                {
                  label: 'loss',
                  color: 'slope',
                  values: state.losses.length > 1 ? state.losses : [Number.NaN, Number.NaN],
                },
              ]}
            />
          </div>
          {state.refused > 0 && (
            <p class="note">
              {state.refused} steps would have left what makes sense, and the activation stayed as it was:{' '}
              {state.reason}
            </p>
          )}
        </>
      )}
    </section>
  );
}

/** Values on [-1,1]², blue below zero and red above. */
function Surface({ label, values }: { readonly label: string; readonly values: Float32Array }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    const image = context.createImageData(SIZE, SIZE);
    values.forEach((value, i) => {
      const v = Math.max(-1, Math.min(1, 1.2 * value));
      const fade = 255 * (1 - Math.abs(v));
      image.data.set(
        v < 0 ? [fade, fade + 0.35 * (255 - fade), 255, 255] : [255, fade + 0.3 * (255 - fade), fade, 255],
        4 * i,
      );
    });
    context.putImageData(image, 0, 0);
  }, [values]);
  return (
    <figure>
      <canvas
        ref={canvas}
        width={SIZE}
        height={SIZE}
        role="img"
        aria-label={`A surface over the square from -1 to 1: ${label}`}
      />
      <figcaption>{label}</figcaption>
    </figure>
  );
}
