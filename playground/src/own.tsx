import { useEffect, useState } from 'preact/hooks';
import { NAMES } from '../../docs/catalogue';
import { CertificateTable } from './certificate';
import { messageOf, quick } from './client';
import { download } from './download';
import { Plot } from './plot';
import type { FileContents, FoundCandidate, Loaded, View } from './protocol';
import { Scroll } from './scroll';

interface Choice {
  readonly prefix: string;
  readonly candidate: FoundCandidate;
}

/** What a state dict may have to be told, and what it can be. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  variant: ['gelu', 'leaky', 'ge', 'bare', 'inf'],
  logScale: ['true', 'false'],
  clamp: ['max', 'add'],
  version: ['A', 'B', 'C', 'D', 'N', 'R'],
  member: ['1', '2', '3', '4'],
  layout: ['channelsFirst', 'channelsLast'],
};

/** What was typed, as the option takes it. */
function told(name: string, text: string): unknown {
  if (name === 'logScale') return text === 'true';
  if (['variant', 'clamp', 'version', 'layout', 'class'].includes(name)) return text;
  const numbers = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .map(Number);
  return name === 'edge' || name === 'grid' ? numbers : numbers[0];
}

export function Own({
  file,
  view,
  onFile,
  onView,
}: {
  readonly file: File | undefined;
  /** What is explored: it can take the place of a network's nodes. */
  readonly view: View;
  onFile(file: File): void;
  onView(view: View): void;
}) {
  const [contents, setContents] = useState<FileContents>();
  const [choice, setChoice] = useState<Choice>();
  const [answers, setAnswers] = useState<Readonly<Record<string, string>>>({});
  const [loaded, setLoaded] = useState<Loaded>();
  const [chosenNodes, setChosenNodes] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState('');

  const trying = async (work: () => Promise<void>) => {
    setProblem('');
    try {
      await work();
    } catch (cause) {
      setProblem(messageOf(cause));
    }
  };
  useEffect(() => {
    if (!file) return;
    setContents(undefined);
    setChoice(undefined);
    setLoaded(undefined);
    setChosenNodes([]);
    void trying(async () => {
      const found = await quick().open(file.name, new Uint8Array(await file.arrayBuffer()));
      setContents(found);
      if (found.kind === 'plan') setLoaded(await quick().show(0, -6, 6));
    });
  }, [file]);

  const load = (chosen: Choice, given: Readonly<Record<string, string>>) =>
    trying(async () => {
      setLoaded(undefined);
      const { prefix, candidate } = chosen;
      const options = Object.fromEntries(candidate.tell.map((name) => [name, told(name, given[name] ?? '')]));
      // Where several classes could have written it and nothing must be told, the first is taken; its notes say so.
      await quick().load(prefix, candidate.family, options);
      setLoaded(await quick().show(0, -6, 6));
    });
  const choose = (chosen: Choice) => {
    setChoice(chosen);
    setLoaded(undefined);
    setProblem('');
    const initial = Object.fromEntries(chosen.candidate.tell.map((name) => [name, CHOICES[name]?.[0] ?? '']));
    setAnswers(initial);
    if (chosen.candidate.tell.length === 0) void load(chosen, initial);
  };

  return (
    <section class="page own">
      <h2>Bring your own</h2>
      <p>
        Drop a <code>.safetensors</code> (a state dict), a <code>.plan</code> (compiled functions) or an{' '}
        <code>.onnx</code> (a network) on this page, or choose it. It stays in your browser.
      </p>
      <label class="drop">
        <span>Choose a file</span>
        <input
          type="file"
          accept=".safetensors,.plan,.onnx"
          onChange={(event) => {
            const [chosen] = event.currentTarget.files ?? [];
            if (chosen) onFile(chosen);
          }}
        />
      </label>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      {contents && (
        <p role="status">
          <b>{file!.name}</b>:{' '}
          {contents.kind === 'plan'
            ? `${contents.channels} compiled ${contents.channels === 1 ? 'function' : 'functions'}`
            : contents.kind === 'onnx'
              ? `a network with ${contents.nodes.length} ${contents.nodes.length === 1 ? 'node that an activation' : 'nodes that activations'} can replace`
              : `${contents.tensors} tensors, ${contents.found.length} ${contents.found.length === 1 ? 'place' : 'places'} that could be an activation`}
        </p>
      )}
      {contents?.kind === 'onnx' && contents.nodes.length > 0 && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void trying(async () =>
              download(
                `${file!.name.replace(/\.\w+$/, '')}.${view.family}.onnx`,
                await quick().saveNetwork(chosenNodes, view),
                'application/octet-stream',
              ),
            );
          }}
        >
          <Scroll label="Nodes of the network">
            <table class="wide">
              <thead>
                <tr>
                  <th scope="col">node</th>
                  <th scope="col">operator</th>
                  <th scope="col">module</th>
                </tr>
              </thead>
              <tbody>
                {contents.nodes.map(({ name, op, module }) => (
                  <tr key={name}>
                    <th scope="row">
                      <label class="choice">
                        <input
                          type="checkbox"
                          checked={chosenNodes.includes(name)}
                          onChange={(event) =>
                            setChosenNodes(
                              event.currentTarget.checked
                                ? [...chosenNodes, name]
                                : chosenNodes.filter((each) => each !== name),
                            )
                          }
                        />{' '}
                        <code>{name}</code>
                      </label>
                    </th>
                    <td>{op}</td>
                    <td>
                      <code>{module}</code>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
          <p class="quiet">
            The {NAMES[view.family]} that is explored takes their place, in ONNX's own operators, with its bits.
          </p>
          <button type="submit" class="main" disabled={chosenNodes.length === 0}>
            Save ONNX
          </button>
        </form>
      )}
      {contents?.kind === 'safetensors' && contents.found.length > 0 && (
        <Scroll label="Activations in the file">
          <table class="wide">
            <thead>
              <tr>
                <th scope="col">where</th>
                <th scope="col">what it could be</th>
              </tr>
            </thead>
            <tbody>
              {contents.found.map(({ prefix, candidates }) => (
                <tr key={prefix}>
                  <th scope="row">
                    <code>{prefix || '(no prefix)'}</code>
                  </th>
                  <td class="buttons">
                    {candidates.map((candidate) => (
                      <button
                        type="button"
                        key={candidate.family}
                        aria-pressed={choice?.prefix === prefix && choice.candidate.family === candidate.family}
                        title={[
                          `written by ${candidate.classes.join(' or ')}`,
                          candidate.alike ? `looks like ${candidate.alike}` : '',
                        ]
                          .filter(Boolean)
                          .join('; ')}
                        onClick={() => choose({ prefix, candidate })}
                      >
                        {NAMES[candidate.family]}
                        {candidate.functions > 1 ? ` × ${candidate.functions}` : ''}
                      </button>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {choice && choice.candidate.tell.length > 0 && (
        <form
          class="tell"
          onSubmit={(event) => {
            event.preventDefault();
            void load(choice, answers);
          }}
        >
          <p>The file does not say these, and nothing is assumed:</p>
          <div class="row">
            {choice.candidate.tell.map((name) => (
              <div class="field" key={name}>
                <label for={`tell-${name}`}>{name}</label>
                {CHOICES[name] ? (
                  <select
                    id={`tell-${name}`}
                    value={answers[name]}
                    onChange={(event) => setAnswers({ ...answers, [name]: event.currentTarget.value })}
                  >
                    {CHOICES[name].map((each) => (
                      <option key={each}>{each}</option>
                    ))}
                  </select>
                ) : (
                  <input
                    id={`tell-${name}`}
                    required
                    placeholder={name === 'edge' ? 'out, in' : 'a number'}
                    value={answers[name]}
                    onInput={(event) => setAnswers({ ...answers, [name]: event.currentTarget.value })}
                  />
                )}
              </div>
            ))}
            <button type="submit" class="main">
              Load
            </button>
          </div>
        </form>
      )}
      {loaded && (
        <>
          <div class="row">
            {loaded.channels > 1 && (
              <div class="field">
                <label for="channel">Channel of {loaded.channels}</label>
                <input
                  id="channel"
                  type="number"
                  min={0}
                  max={loaded.channels - 1}
                  value={loaded.channel}
                  onChange={(event) => {
                    const channel = Math.min(
                      loaded.channels - 1,
                      Math.max(0, Math.round(Number(event.currentTarget.value)) || 0),
                    );
                    void trying(async () => setLoaded(await quick().show(channel, -6, 6)));
                  }}
                />
              </div>
            )}
            <div class="buttons">
              <button
                type="button"
                onClick={() =>
                  trying(async () =>
                    download(
                      `${file!.name.replace(/\.\w+$/, '')}.plan`,
                      await quick().savePlan(),
                      'application/octet-stream',
                    ),
                  )
                }
              >
                Save plan
              </button>
              <button
                type="button"
                onClick={() =>
                  trying(async () =>
                    download(
                      `${file!.name.replace(/\.\w+$/, '')}.onnx`,
                      await quick().saveOnnx(),
                      'application/octet-stream',
                    ),
                  )
                }
              >
                Save ONNX
              </button>
              {loaded.view && (
                <button type="button" class="main" onClick={() => onView({ ...loaded.view!, low: -6, high: 6 })}>
                  Explore it
                </button>
              )}
            </div>
          </div>
          {loaded.view?.family === 'ditac' && (
            <p class="quiet">
              To explore, velocities at its vertices are rounded to float32; the saved plan is that of the file.
            </p>
          )}
          <div class="below">
            <Plot
              title="f(x)"
              summary={`channel ${loaded.channel} of ${file!.name}`}
              x={loaded.x}
              series={[{ label: 'f', color: 'function', values: loaded.y }]}
            />
            <CertificateTable certificate={loaded.certificate} notes={loaded.notes} />
          </div>
        </>
      )}
    </section>
  );
}
