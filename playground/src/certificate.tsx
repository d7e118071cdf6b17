import { bound, kilobytes, rounded } from './numbers';
import type { Certificate } from './protocol';

interface Props {
  readonly certificate?: Certificate;
  readonly bytes?: number;
  readonly compiled?: number;
  readonly worst?: number | undefined;
  readonly notes: readonly string[];
}

/** What is proved of the table that is shown. */
export function CertificateTable({ certificate, bytes, compiled, worst, notes }: Props) {
  return (
    <div class="certificate">
      <h2>
        Certificate{' '}
        {certificate && (
          <span class={certificate.keepsPromise ? 'kept' : 'broken'}>
            {certificate.keepsPromise ? 'keeps the promise' : 'does not keep the promise'}
          </span>
        )}
      </h2>
      {!certificate && <p class="quiet">When it rests: this function takes longer to compile than a frame.</p>}
      {certificate && (
        <table>
          <tbody>
            <tr>
              <th scope="row">where |f(x)| ≥ 2⁻⁸</th>
              <td>
                ≤ <b>{rounded(certificate.ulp)}</b> ULP, near x = {rounded(certificate.ulpAt)}
              </td>
            </tr>
            <tr>
              <th scope="row">down to 2⁻²⁴</th>
              <td>≤ {rounded(certificate.ulpSmall)} ULP</td>
            </tr>
            <tr>
              <th scope="row">below</th>
              <td>≤ {bound(certificate.absolute)} absolute</td>
            </tr>
            <tr>
              <th scope="row">for x</th>
              <td>
                {certificate.domain === Number.POSITIVE_INFINITY
                  ? 'every float32'
                  : `up to ±${rounded(certificate.domain)}`}
              </td>
            </tr>
            {worst !== undefined && (
              <tr>
                <th scope="row">worst error seen here</th>
                <td>{rounded(worst)} ULP</td>
              </tr>
            )}
            <tr>
              <th scope="row">table</th>
              <td>
                {certificate.segments} segments, {certificate.cells} cells
                {bytes === undefined ? '' : `, ${kilobytes(bytes)}`}
              </td>
            </tr>
            {compiled !== undefined && compiled > 0 && (
              <tr>
                <th scope="row">compiled in</th>
                <td>{rounded(compiled, 2)} ms</td>
              </tr>
            )}
          </tbody>
        </table>
      )}
      {certificate && <p class="quiet">Proved before the first x is asked; not sampled.</p>}
      {notes.map((note) => (
        <p class="note" key={note}>
          {note}
        </p>
      ))}
    </div>
  );
}
