import { normalStream } from '../src/cpab.js';
import { DiTAC, Snake } from '../src/index.js';
import { type Row, race } from './measure.js';
import { onnxPeers } from './peers.js';

/**
 * All activations of a network, with its shapes and layouts: `npm run bench:networks`, `-- --json`. MobileNetV2 for one image of 224×224 (Sandler and
 * others, 2018, table 2: an activation after every expansion and every depthwise convolution) with one DiTAC a layer, and the same with one a
 * channel; a BigVGAN of 32 frames (Lee and others, 2023: 3 residual blocks of 6 snakes a stage) with one α a channel.
 */

/** Channels and pixels of MobileNetV2's activations, and how often they occur. */
const MOBILE = [
  [32, 112, 2],
  [96, 112, 1],
  [96, 56, 1],
  [144, 56, 3],
  [144, 28, 1],
  [192, 28, 5],
  [192, 14, 1],
  [384, 14, 8],
  [576, 14, 5],
  [576, 7, 1],
  [960, 7, 6],
  [1280, 7, 1],
] as const;
/** Channels and samples of BigVGAN's stages. */
const VOCODER = [
  [256, 256],
  [128, 2048],
  [64, 4096],
  [32, 8192],
] as const;
const SNAKES = 18;
/** What all numbers of channels have for a divisor. */
const GROUPS = 16;

const normal = normalStream(3);
const largest = Math.max(...MOBILE.map(([c, size]) => c * size * size), ...VOCODER.map(([c, t]) => c * t));
const x = Float32Array.from({ length: largest }, normal);
const out = new Float32Array(largest);

interface Layer {
  readonly count: number;
  readonly often: number;
  run(): unknown;
}

function network(name: string, layers: readonly Layer[]): Row {
  return {
    name,
    work: () => {
      for (const { often, run } of layers) for (let i = 0; i < often; i++) run();
    },
  };
}

const part = (count: number) => [x.subarray(0, count), out.subarray(0, count)] as const;

const shared = new DiTAC({ a: -3, b: 3, seed: 1 });
const mobile = network(
  'MobileNetV2, one DiTAC a layer',
  MOBILE.map(([c, size, often]) => {
    const [from, to] = part(c * size * size);
    return { count: from.length, often, run: () => shared.forward(from, to) };
  }),
);
const byChannel = network(
  'MobileNetV2, 16 DiTACs that take turns',
  MOBILE.map(([c, size, often]) => {
    const act = new DiTAC({ a: -3, b: 3, seed: 1, channels: GROUPS });
    const [from, to] = part(c * size * size);
    const shape = [c / GROUPS, GROUPS, size * size];
    return { count: from.length, often, run: () => act.forward(from, to, { shape }) };
  }),
);
const vocoder = network(
  'BigVGAN, one α a channel',
  VOCODER.map(([c, t]) => {
    const act = new Snake({ alpha: Float32Array.from({ length: c }, (_, i) => 0.5 + i / c) });
    const [from, to] = part(c * t);
    const shape = [1, c, t];
    return { count: from.length, often: SNAKES, run: () => act.forward(from, to, { shape }) };
  }),
);

async function peers(
  name: string,
  operator: string,
  sizes: readonly (readonly [count: number, often: number])[],
): Promise<Row> {
  const layers: { often: number; run: () => Promise<unknown> }[] = [];
  for (const [count, often] of sizes) {
    const found = await onnxPeers([operator], x.subarray(0, count));
    if (typeof found === 'string') throw new Error(found);
    layers.push({ often, run: found[0]!.run });
  }
  return {
    name,
    work: async () => {
      for (const { often, run } of layers) for (let i = 0; i < often; i++) await run();
    },
  };
}

const mobileSizes = MOBILE.map(([c, size, often]) => [c * size * size, often] as const);
const vocoderSizes = VOCODER.map(([c, t]) => [c * t, SNAKES] as const);
const operators = ['Relu', 'HardSwish', 'Gelu'];
const rows = {
  mobile: [
    mobile,
    byChannel,
    ...(await Promise.all(operators.map((each) => peers(`MobileNetV2, onnxruntime-web ${each}`, each, mobileSizes)))),
  ],
  vocoder: [
    vocoder,
    ...(await Promise.all(operators.map((each) => peers(`BigVGAN, onnxruntime-web ${each}`, each, vocoderSizes)))),
  ],
};
const found = [
  ...(await race(rows.mobile, 'MobileNetV2, onnxruntime-web Gelu')),
  ...(await race(rows.vocoder, 'BigVGAN, onnxruntime-web Gelu')),
];
if (process.argv.includes('--json')) console.log(JSON.stringify(found, null, 2));
else
  console.table(
    found.map(({ name, median, least, ratio }) => ({
      name,
      'median ms': (median / 1e6).toFixed(2),
      'least ms': (least / 1e6).toFixed(2),
      '× Gelu': ratio?.toFixed(2),
    })),
  );
process.exit(0);
