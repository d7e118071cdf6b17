import { emitted } from './emitted.js';
import { compilations, forwards } from './families.js';
import { calls, GELU, kernels } from './kernels.js';
import { AS_MANY, layers } from './layers.js';
import { lineOf, type Measured, race } from './measure.js';
import { bundles, starts } from './start.js';
import { RELU, steps } from './steps.js';

/**
 * What ditac costs, beside peers in the same run: `npm run bench`, `npm run bench -- --json`. Machines differ and are shared, so the ratios count.
 * docs/performance.md has what one machine gave, and what bounds each kernel.
 */

const { rows, note } = await kernels();
const elements = await race(rows, GELU);
const onCall = await race(calls());
const families = await race(forwards());
const plans = await race(compilations());
const { rows: ofLayers, peer } = layers();
const kan = await race(ofLayers, AS_MANY);
const ofSteps = await race(await steps(), RELU);
const report = {
  node: process.version,
  elements,
  calls: onCall,
  families,
  plans,
  kan,
  steps: ofSteps,
  efficientKan: peer,
  emitted: emitted(),
  starts: starts(),
  bundles: await bundles(),
  ...(note ? { note } : {}),
};

if (process.argv.includes('--json')) console.log(JSON.stringify(report, null, 2));
else {
  const table = (title: string, measured: readonly Measured[]) => {
    console.log(title);
    console.table(measured.map(lineOf));
  };
  console.log(
    `Node ${process.version}, one thread. Medians and leasts of rounds in which all have their turn; × is beside ${GELU}.`,
  );
  table('\nAn element', elements);
  table('\nA call', onCall);
  table('\nAn element, every family', families);
  table('\nCompiling a plan with its certificate, every family', plans);
  table('\nAn edge and a sample of a KAN layer', kan);
  table('\nA step of figure 1 in TensorFlow.js', ofSteps);
  const number = (value: number | string) => (typeof value === 'number' ? `${value.toPrecision(3)} ns` : value);
  console.log(`efficient-kan forward (torch, float32, one thread): ${number(peer)}`);
  console.log('\nditac emit, in one C program, ns an element');
  if (typeof report.emitted === 'string') console.log(report.emitted);
  else console.table(report.emitted);
  console.log('\nUntil the first result, ms');
  console.table(
    report.starts.map(({ name, cpu, leastCpu, wall, bar }) => ({
      name,
      'processor, median': cpu.toFixed(1),
      least: leastCpu.toFixed(1),
      'clock, median': wall.toFixed(1),
      bar: `≤ ${bar}`,
    })),
  );
  console.table(
    report.bundles.map(({ name, bytes, bar }) => ({ 'minified and gzipped': name, bytes, bar: `≤ ${bar}` })),
  );
  if (note) console.log(note);
}
process.exit(0);
