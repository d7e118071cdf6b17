import { proxy } from 'comlink';
import { useState } from 'preact/hooks';
import { endSlow, messageOf, slow } from './client';
import { rounded } from './numbers';
import type { VerifyReport, View } from './protocol';
import { Scroll } from './scroll';

const ELEMENTS = 100_000;
const POINTS = 400;

/** The same bits on every backend of this browser? */
export function Agree({ view, name }: { readonly view: View; readonly name: string }) {
  const [what, setWhat] = useState<'shown' | 'variants'>('shown');
  const [reports, setReports] = useState<readonly VerifyReport[]>();
  const [progress, setProgress] = useState<{ readonly share: number; readonly what: string }>();
  const [problem, setProblem] = useState('');

  const run = async () => {
    setReports(undefined);
    setProblem('');
    setProgress({ share: 0, what: 'js' });
    try {
      const request = { view, what, elements: ELEMENTS, points: POINTS };
      const onProgress = proxy((share: number, present: string) => setProgress({ share, what: present }));
      setReports(await slow().agree(request, onProgress));
    } catch (cause) {
      setProblem(messageOf(cause));
    }
    setProgress(undefined);
  };
  const stop = () => {
    endSlow();
    setProgress(undefined);
  };

  const ran = reports?.filter(({ available }) => available) ?? [];
  const differing = ran.reduce((sum, report) => sum + report.differing + report.differingGradients, 0);
  return (
    <section class="page">
      <h2>Does my browser agree?</h2>
      <p>
        Plain JavaScript, WebAssembly SIMD, threads and WebGPU evaluate {ELEMENTS.toLocaleString('en')} inputs, of all
        bit patterns and the special ones, and their gradients. Every result is compared bit for bit, and {POINTS} with
        30 digits.
      </p>
      <fieldset>
        <legend>What</legend>
        <label>
          <input type="radio" name="what" checked={what === 'shown'} onChange={() => setWhat('shown')} /> {name}, as it
          is shown
        </label>
        <label>
          <input type="radio" name="what" checked={what === 'variants'} onChange={() => setWhat('variants')} /> a DiTAC
          of each variant
        </label>
      </fieldset>
      <div class="buttons">
        <button type="button" class="main" onClick={run} disabled={progress !== undefined}>
          Compare
        </button>
        {progress && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
      </div>
      {progress && (
        <p>
          <progress value={progress.share} max={1} aria-label="Comparing" /> {progress.what}
        </p>
      )}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div role="status">
        {reports && (
          <p class={differing === 0 ? 'verdict kept' : 'verdict broken'}>
            {differing === 0
              ? `Yes: ${ran.length} backends, 0 differing bits.`
              : `No: ${differing.toLocaleString('en')} results differ.`}
          </p>
        )}
      </div>
      {reports && (
        <Scroll label="Backends">
          <table class="wide">
            <thead>
              <tr>
                <th scope="col">backend</th>
                <th scope="col">runs on</th>
                <th scope="col">results</th>
                <th scope="col">differ</th>
                <th scope="col">gradients</th>
                <th scope="col">differ</th>
                <th scope="col">worst error</th>
                <th scope="col">proved</th>
                <th scope="col">probe</th>
              </tr>
            </thead>
            <tbody>
              {reports.map((report) => (
                <tr key={report.name}>
                  <th scope="row">{report.name}</th>
                  {report.available ? (
                    <>
                      <td>{report.device}</td>
                      <td>{report.elements.toLocaleString('en')}</td>
                      <td class={report.differing === 0 ? '' : 'broken'}>{report.differing}</td>
                      <td>{report.gradients.toLocaleString('en')}</td>
                      <td class={report.differingGradients === 0 ? '' : 'broken'}>{report.differingGradients}</td>
                      <td>{rounded(report.worstUlp)} ULP</td>
                      <td>{rounded(report.certifiedUlp)} ULP</td>
                      <td>
                        {report.exact ? 'every operation exact' : `${report.failures?.length ?? 0} operations differ`}
                        {report.failures && report.failures.length > 0 && (
                          <details>
                            <summary>which</summary>
                            <pre>{JSON.stringify(report.failures, null, 1)}</pre>
                          </details>
                        )}
                      </td>
                    </>
                  ) : (
                    <td colSpan={8} class="quiet">
                      not here: {report.reason}
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </section>
  );
}
