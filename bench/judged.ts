import Table from 'cli-table3';
import { definitionOf } from '../src/cli/formula.js';
import { PLAIN } from '../src/cli/terminal.js';
import { exactFamily, specialValues, stratified } from '../src/oracle/index.js';
import { type Judgement, judge, orderOf } from '../src/oracle/judge.js';
import { onnxPeers } from './peers.js';

/**
 * What other libraries' functions are worth, by the oracle: `npm run peers`, `npm run peers -- --markdown` for docs/oracle.md. float32 in [-20, 20] of all
 * sizes, and special values.
 */

const POINTS = Number(process.env.POINTS ?? 300_000);
const x = Float32Array.from([
  ...specialValues(),
  ...[...stratified(-20, 20, POINTS, 1).blocks()].flatMap((block) => [...block]),
]);
const order = orderOf(x);

type Kernel = (x: Float32Array) => Float32Array | Promise<Float32Array>;
interface Peer {
  readonly library: string;
  /** As its users write it. */
  readonly text: string;
  readonly function: string;
  readonly kernel: Kernel;
}

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
/** Abramowitz and Stegun, 7.1.26, which is what one finds. */
const erf = (v: number) => {
  const t = 1 / (1 + 0.3275911 * Math.abs(v));
  const p = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(v) * (1 - p * Math.exp(-v * v));
};
const each =
  (f: (v: number) => number): Kernel =>
  (values) =>
    values.map(f);
const plain: Peer[] = (
  [
    ['exp', 'Math.exp(x)', Math.exp],
    ['tanh', 'Math.tanh(x)', Math.tanh],
    ['erf', 'Abramowitz and Stegun 7.1.26', erf],
    [
      'gelu',
      '0.5*x*(1 + tanh(√(2/π)*(x + 0.044715*x³)))',
      (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
    ],
    ['silu', 'x/(1 + Math.exp(-x))', (v) => v * sigmoid(v)],
    ['softplus', 'Math.log(1 + Math.exp(x))', (v) => Math.log(1 + Math.exp(v))],
    ['softplus', 'Math.log1p(Math.exp(x))', (v) => Math.log1p(Math.exp(v))],
  ] as [string, string, (v: number) => number][]
).map(([name, text, f]) => ({ library: 'plain JavaScript', function: name, text, kernel: each(f) }));

async function onnx(): Promise<Peer[]> {
  const operators = { exp: 'Exp', tanh: 'Tanh', erf: 'Erf', gelu: 'Gelu', softplus: 'Softplus' };
  const peers = await onnxPeers(Object.values(operators), x);
  if (typeof peers === 'string') {
    console.error(peers);
    return [];
  }
  return Object.entries(operators).map(([name, operator], i) => ({
    library: 'onnxruntime-web',
    function: name,
    text: operator,
    kernel: async () => Float32Array.from(((await peers[i]!.run()) as { y: { data: Float32Array } }).y.data),
  }));
}

async function tensorflow(): Promise<Peer[]> {
  try {
    const tf = await import('@tensorflow/tfjs');
    await tf.setBackend('cpu');
    type Tensor = ReturnType<typeof tf.tensor1d>;
    const run =
      (f: (t: Tensor) => unknown): Kernel =>
      (values) =>
        tf.tidy(() => (f(tf.tensor1d(values)) as Tensor).dataSync() as Float32Array);
    const functions: Record<string, [string, (t: Tensor) => unknown]> = {
      exp: ['tf.exp(x)', (t) => tf.exp(t)],
      tanh: ['tf.tanh(x)', (t) => tf.tanh(t)],
      erf: ['tf.erf(x)', (t) => tf.erf(t)],
      gelu: ['0.5*x*(1 + tf.erf(x/√2))', (t) => t.mul(0.5).mul(tf.erf(t.div(Math.SQRT2)).add(1))],
      silu: ['x*tf.sigmoid(x)', (t) => t.mul(tf.sigmoid(t))],
      softplus: ['tf.softplus(x)', (t) => tf.softplus(t)],
    };
    return Object.entries(functions).map(([name, [text, f]]) => ({
      library: 'TensorFlow.js, cpu',
      function: name,
      text,
      kernel: run(f),
    }));
  } catch (cause) {
    console.error(`@tensorflow/tfjs is not here: ${(cause as Error).message}`);
    return [];
  }
}

const ulps = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? 'NaN' : value < 1000 ? value.toFixed(2) : value.toExponential(1);
function row(
  { library, function: name, text }: Peer,
  { bands, nearest, compared, mismatched, monotonicityBreaks }: Judgement,
) {
  const [large, small] = bands;
  const at = (band: typeof large) => (band?.worst ? `${ulps(band.worst.ulp)} at ${band.worst.x.toPrecision(7)}` : '–');
  const { nan, infinity, zeroSign } = mismatched;
  return [
    name,
    library,
    text,
    `${((100 * nearest) / compared).toFixed(1)} %`,
    at(large),
    at(small),
    [nan, infinity, zeroSign].join(', '),
    String(monotonicityBreaks),
  ];
}

const peers = [...(await onnx()), ...(await tensorflow()), ...plain];
const names = ['exp', 'tanh', 'erf', 'gelu', 'silu', 'softplus'];
const head = [
  'function',
  'library',
  'as',
  'correctly rounded',
  'worst ULP, |y| ≥ 2⁻⁸',
  'and ≥ 2⁻²⁴',
  'NaN, infinities, signs of 0',
  'breaks of monotonicity',
];
const rows: string[][] = [];
for (const name of names)
  for (const peer of peers.filter((each) => each.function === name)) {
    const y = await peer.kernel(x);
    const comparison = { x, y, order, format: 'float32' as const, from: 0, to: x.length };
    rows.push(row(peer, judge(comparison, exactFamily(definitionOf({ function: name })))));
  }
if (process.argv.includes('--markdown')) {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  console.log([line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n'));
} else {
  const table = new Table({ style: PLAIN, head });
  table.push(...rows);
  console.log(table.toString());
}
