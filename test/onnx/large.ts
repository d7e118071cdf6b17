/**
 * A model of the shape of ResNet-50 (He et al., 2016): 53 convolutions and a linear layer, 25.5 million weights, 49 activations; weights within the
 * file or beside it. What the command makes of it is compared field by field by an independent reader.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { DiTAC } from 'ditac';
import { saveSafetensors, type Tensor } from 'ditac/safetensors';
import type { TensorProtoSchema } from 'onnx-buf';
import { type Graph, model, type Node, node, parse, value } from '../onnx-models.js';

export interface LargeReport {
  readonly weights: 'inside' | 'beside';
  /** Of model and weights. */
  readonly bytes: number;
  readonly seconds: number;
  /** The process's peak, less that of one that rewrites a model of a hundred bytes. */
  readonly memory: number;
  readonly isSame: boolean;
}

const STAGES = [
  [3, 64, 256],
  [4, 128, 512],
  [6, 256, 1024],
  [3, 512, 2048],
] as const;

type Weight = MessageInitShape<typeof TensorProtoSchema>;

/** A large model below `folder`. */
function build(folder: string, weights: LargeReport['weights']): { path: string; bytes: number } {
  const nodes: Node[] = [];
  const initializer: Weight[] = [];
  const beside: Uint8Array[] = [];
  let offset = 0;
  let activations = 0;
  const add = (name: string, dims: number[]) => {
    const data = new Float32Array(dims.reduce((product, each) => product * each, 1)).fill(0.01);
    const rawData = new Uint8Array(data.buffer);
    const tensor = { name, dims: dims.map(BigInt), dataType: 1 };
    if (weights === 'inside') initializer.push({ ...tensor, rawData });
    else {
      const entry = { location: 'weights.bin', offset: String(offset), length: String(rawData.length) };
      initializer.push({
        ...tensor,
        dataLocation: 1,
        externalData: Object.entries(entry).map(([key, text]) => ({ key, value: text })),
      });
      beside.push(rawData);
      offset += rawData.length;
    }
    return name;
  };
  const convolution = (input: string, name: string, from: number, to: number, size: number, stride = 1) => {
    const pad = BigInt((size - 1) / 2);
    nodes.push(
      node('Conv', [input, add(`${name}.weight`, [to, from, size, size]), add(`${name}.bias`, [to])], [name], {
        kernel_shape: [BigInt(size), BigInt(size)],
        pads: [pad, pad, pad, pad],
        strides: [BigInt(stride), BigInt(stride)],
      }),
    );
    return name;
  };
  const activation = (input: string) => {
    const output = `${input}.act`;
    nodes.push(node('DiTAC', [input], [output], { prefix: `act_${activations++}.` }, { domain: 'com.ditac' }));
    return output;
  };
  let x = activation(convolution('x', 'stem', 3, 64, 7, 2));
  let width = 64;
  STAGES.forEach(([count, inner, outer], s) => {
    for (let b = 0; b < count; b++) {
      const name = `layer${s + 1}.${b}`;
      const stride = b === 0 && s > 0 ? 2 : 1;
      const short = b === 0 ? convolution(x, `${name}.short`, width, outer, 1, stride) : x;
      let y = activation(convolution(x, `${name}.conv1`, width, inner, 1));
      y = activation(convolution(y, `${name}.conv2`, inner, inner, 3, stride));
      y = convolution(y, `${name}.conv3`, inner, outer, 1);
      nodes.push(node('Add', [y, short], [`${name}.sum`]));
      x = activation(`${name}.sum`);
      width = outer;
    }
  });
  nodes.push(node('GlobalAveragePool', [x], ['pool']), node('Flatten', ['pool'], ['flat']));
  nodes.push(node('Gemm', ['flat', add('fc.weight', [2048, 1000]), add('fc.bias', [1000])], ['y']));
  const graph = {
    name: 'resnet',
    node: nodes,
    initializer: initializer as Graph['initializer'] & object,
    input: [value('x', ['batch', 3, 224, 224])],
    output: [value('y', ['batch', 1000])],
  };
  const path = join(folder, `${weights}.onnx`);
  const bytes = model(graph);
  writeFileSync(path, bytes);
  if (weights === 'beside') writeFileSync(join(folder, 'weights.bin'), Buffer.concat(beside));
  const tensors: Record<string, Tensor> = {};
  for (let k = 0; k < activations; k++)
    Object.assign(tensors, new DiTAC({ a: -3, b: 3, seed: k + 1 }).stateDict({ prefix: `act_${k}.` }));
  writeFileSync(join(folder, 'act.safetensors'), saveSafetensors(tensors));
  return { path, bytes: bytes.length + offset };
}

/** Runs the command, and says how much memory its process took at most. */
function command(folder: string, cli: string, args: readonly string[]): { seconds: number; memory: number } {
  const program = join(folder, 'run.mjs');
  writeFileSync(
    program,
    // Linux keeps the largest ru_maxrss of the process that was forked; VmHWM is the program's own.
    `import { readFileSync } from 'node:fs';
process.on('exit', () => process.stderr.write('\\n' + /VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status'))[1]));
await import(${JSON.stringify(`file://${cli}`)});`,
  );
  const before = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ditac ${args.join(' ')} ended with ${status}: ${stderr}`);
  return { seconds: (performance.now() - before) / 1000, memory: 1024 * Number(stderr.trim().split('\n').at(-1)) };
}

export function large(folder: string, cli: string, weights: LargeReport['weights']): LargeReport {
  const { path, bytes } = build(folder, weights);
  const out = join(folder, `${weights}-out.onnx`);
  const small = join(folder, 'small.onnx');
  const tiny = {
    node: [node('DiTAC', ['x'], ['y'], { prefix: 'act_0.' }, { domain: 'com.ditac' })],
    input: [value('x', [1])],
    output: [value('y', [1])],
  };
  writeFileSync(small, model(tiny));
  const ignored = Array.from({ length: 48 }, (_, k) => ['--ignore', `act_${k + 1}.`]).flat();
  const told = ['--weights', join(folder, 'act.safetensors')];
  const idle = command(folder, cli, ['onnx', small, ...told, ...ignored, '-o', join(folder, 'small-out.onnx')]);
  const { seconds, memory } = command(folder, cli, ['onnx', path, ...told, '-o', out]);
  return {
    weights,
    bytes,
    seconds,
    memory: memory - idle.memory,
    isSame: isSame(readFileSync(path), readFileSync(out)),
  };
}

/** Whether all but activations is as it was: nodes, weights and the rest. */
function isSame(before: Uint8Array, after: Uint8Array): boolean {
  const [p, q] = [parse(before), parse(after)];
  const [a, b] = [p.graph!, q.graph!];
  const text = (each: unknown) =>
    JSON.stringify(each, (_, v) => (typeof v === 'bigint' ? `${v}n` : v instanceof Uint8Array ? v.length : v));
  const own = b.initializer.filter(({ name }) => !name.startsWith('ditac/'));
  const others = b.node.filter(({ name }) => !name.startsWith('ditac/'));
  return (
    own.length === a.initializer.length &&
    own.every((each, i) => Buffer.compare(each.rawData, a.initializer[i]!.rawData) === 0) &&
    text(own) === text(a.initializer) &&
    text(others) === text(a.node.filter(({ domain }) => domain === '')) &&
    text([q.irVersion, q.producerName, q.metadataProps, b.input, b.output, b.valueInfo, b.name]) ===
      text([p.irVersion, p.producerName, p.metadataProps, a.input, a.output, a.valueInfo, a.name])
  );
}
