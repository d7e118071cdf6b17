/**
 * `npm start`: networks that were trained in PyTorch with DiTAC, run here on WebAssembly SIMD and in plain JavaScript. Prints a
 * table and writes out/start.html, a self-contained page with the pictures.
 */
import { availableParallelism } from 'node:os';
import Table from 'cli-table3';
import { loadBackend } from 'ditac';
import { normalStream } from 'ditac/cpab';
import { compareBits, exact, stratified, ulpError } from 'ditac/oracle';
import colors from 'picocolors';
import { Bench } from 'tinybench';
import { onnxPeers } from '../bench/peers.js';
import { drawPanels, type Panel } from '../src/cli/plot.js';
import { PLAIN } from '../src/cli/terminal.js';
import { argmax } from './layers.js';
import { loadNetworks, type Network } from './networks.js';
import { digit, htmlTable, surface, surfacePoints, surfaceTarget, writePage } from './pictures.js';
import { rSquared } from './surface.js';

const root = new URL('../../', import.meta.url);
const wasm = await loadBackend('wasm').catch(() => undefined);
const js = await loadBackend('js');
const main = wasm ?? js;
const networks = loadNetworks(new URL('test/golden/nets/', root));

interface Result {
  readonly network: Network;
  /** Accuracy or R². */
  readonly score: string;
  readonly fromExact: number;
  readonly fromOriginal: number;
  readonly sameClasses: boolean | undefined;
  readonly differingBits: number | undefined;
}

async function run(network: Network): Promise<Result> {
  const y = await network.run(main, network.inputs);
  const difference = (other: ArrayLike<number>) =>
    y.reduce((worst, v, i) => Math.max(worst, Math.abs(v - other[i]!)), 0);
  const common = {
    network,
    fromExact: difference(network.exact),
    fromOriginal: difference(network.original),
    differingBits: wasm && compareBits(await network.run(js, network.inputs), y).differing,
  };
  if (!network.labels) {
    const score = `R² ${rSquared(y, network.target!).toFixed(4)}`;
    return { ...common, score, sameClasses: undefined };
  }
  const classes = argmax(y, network.columns);
  const right = classes.filter((each, i) => each === network.labels![i]).length;
  const exactClasses = argmax(Float32Array.from(network.exact), network.columns);
  return {
    ...common,
    score: `${right} of ${classes.length} right`,
    sameClasses: classes.every((each, i) => each === exactClasses[i]),
  };
}

/** The worst error of each learned activation against the 30-digit oracle. */
function judge(network: Network): { ulp: number; certified: number }[] {
  return network.activations.map((act) => {
    const truth = exact.activation(act.thetas, { tess: act.tess, a: act.a, b: act.b, variant: act.variant });
    let ulp = 0;
    for (const x of stratified(-16, 16, 4000, 1).blocks()) {
      const y = act.forward(x);
      x.forEach((v, i) => {
        const t = truth(v);
        if (Math.abs(t) >= 2 ** -8) ulp = Math.max(ulp, ulpError(y[i]!, t));
      });
    }
    return { ulp, certified: act.plan.certificate.ulp };
  });
}

async function speeds(): Promise<{ name: string; ns: number }[]> {
  const count = 2 ** 20;
  const x = Float32Array.from({ length: count }, normalStream(1));
  const y = new Float32Array(count);
  const act = networks[2]!.activations[0]!;
  const bench = new Bench({ time: 400, warmupTime: 100 });
  if (wasm) bench.add('DiTAC, WebAssembly SIMD', () => void act.on(wasm).forward(x, y));
  bench.add('DiTAC, plain JavaScript', () => void act.on(js).forward(x, y));
  bench.add('GELU, a JavaScript loop with Math.tanh', () => {
    for (let i = 0; i < count; i++) {
      const v = x[i]!;
      y[i] = 0.5 * v * (1 + Math.tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
    }
  });
  const peers = await onnxPeers(['Gelu'], x);
  if (typeof peers !== 'string') for (const peer of peers) bench.add(`GELU, ${peer.name}`, () => peer.run());
  await bench.run();
  return bench.tasks.map(({ name, result }) => {
    const { latency } = result as { latency: { p50: number } };
    return { name, ns: (latency.p50 * 1e6) / count };
  });
}

async function surfaces(network: Network): Promise<string> {
  const learned = await network.run(main, surfacePoints);
  return [
    surface('target', surfaceTarget),
    surface(`learned, R² ${rSquared(learned, surfaceTarget).toFixed(3)} on this grid`, learned),
    surface(
      'difference, ×3',
      learned.map((v, i) => v - surfaceTarget[i]!),
      3,
    ),
  ].join('');
}

function curves(): Panel[] {
  return networks.flatMap(({ name, activations }) =>
    activations.map((act, i) => {
      const x = Float32Array.from({ length: 501 }, (_, k) => -4 + (8 * k) / 500);
      const y = act.forward(x);
      const erf = exact.activation(new Float32Array(9), { tess: 10, a: -3, b: 3, variant: 'gelu' });
      return {
        title: `${name}${activations.length > 1 ? `, activation ${i + 1}` : ''}`,
        curves: [
          { label: 'learned DiTAC', color: '#c02020', points: Array.from(x, (v, k) => [v, y[k]!] as const) },
          { label: 'GELU', color: '#999', points: Array.from(x, (v) => [v, erf(v)] as const) },
        ],
      };
    }),
  );
}

/** Some test digits, and what the convolutional network says. */
async function digits(network: Network): Promise<string> {
  const classes = argmax(await network.run(main, network.inputs), network.columns);
  const wrong = classes.flatMap((each, i) => (each === network.labels![i] ? [] : [i]));
  const shown = [...Array.from({ length: 18 }, (_, i) => i * 19), ...wrong.slice(0, 6)];
  return shown
    .map((i) => digit(network.inputs.subarray(64 * i, 64 * (i + 1)), classes[i]!, network.labels![i]!))
    .join('');
}

const results = await Promise.all(networks.map(run));
const judged = networks.map(judge);
const timings = await speeds();
const percentOfGelu = (ns: number) => {
  const gelu = timings.find(({ name }) => name.includes('onnxruntime'));
  return gelu ? (ns / gelu.ns).toFixed(2) : '';
};

const scoreHead = [
  'network',
  'result',
  '|y − exact|',
  '|y − PyTorch|',
  'classes as exact',
  'bits js ≠ wasm',
  'worst error, |y| ≥ 2⁻⁸',
];
const scoreRows = results.map((result, i) => [
  result.network.name,
  result.score,
  result.fromExact.toExponential(1),
  result.fromOriginal.toExponential(1),
  result.sameClasses === undefined ? '' : result.sameClasses ? 'all' : 'NO',
  result.differingBits === undefined ? 'no wasm here' : String(result.differingBits),
  `${Math.max(...judged[i]!.map(({ ulp }) => ulp)).toFixed(2)} ULP (certified ${Math.max(...judged[i]!.map((each) => each.certified)).toFixed(2)})`,
]);
const speedHead = ['1,048,576 float32, one thread', 'ns an element', '× GELU (onnxruntime-web)'];
const speedRows = timings.map(({ name, ns }) => [name, ns.toFixed(2), percentOfGelu(ns)]);

const table = (head: string[], rows: string[][]) => {
  const drawn = new Table({ head, style: PLAIN });
  drawn.push(...rows);
  return drawn.toString();
};
const note =
  'PyTorch’s own outputs come from a table of 2048 entries without interpolation, which explains the difference: ' +
  'golden/README gives up to 3e-2 for one activation.';
console.log(`${colors.bold('Networks trained in PyTorch with DiTAC')}, on ${main.name}, Node ${process.version}`);
console.log(table(scoreHead, scoreRows));
console.log(note);
console.log(table(speedHead, speedRows));

writePage(
  'start',
  'Networks trained in PyTorch with DiTAC',
  `<p>Run on ${main.name}, Node ${process.version}, ${availableParallelism()} cores.</p>
${htmlTable(scoreHead, scoreRows)}
<p>${note}</p>
<h2>The regression: six sines on [−1,1]²</h2>
${await surfaces(networks[2]!)}
<h2>Digits, as the convolutional network reads them</h2>
${await digits(networks[1]!)}
<h2>What was learned</h2>
<p>f(x) over x.</p>
${drawPanels(curves(), 3)}
<h2>Speed</h2>
${htmlTable(speedHead, speedRows)}`,
);

const isRight = results.every(
  ({ fromExact, sameClasses, differingBits }) => fromExact <= 2e-5 && sameClasses !== false && !differingBits,
);
if (!isRight) {
  console.error(colors.red('The outputs are not what they should be.'));
  process.exitCode = 1;
}
process.exit();
