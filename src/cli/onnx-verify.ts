import { createRequire as requireFrom } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { InvalidArgumentError } from 'commander';
import type { Compiled, Form } from '../onnx/convert.js';
import { FLOAT, GRAPH, INT64, MODEL, readGraph, readModel, TYPE_NAMES, VALUE } from '../onnx/model.js';
import { contentOf, fieldsOf, Message, OnnxError } from '../onnx/protobuf.js';
import { type Ort, type OrtSession, type OrtTensor, SplitSession } from '../onnx/session.js';

/** Runs a rewritten model in onnxruntime, and compares: every activation with ditac's kernel, and the outputs with those of a split session. */

export interface Comparison {
  readonly tensor: string;
  readonly runtime: string;
  readonly elements: number;
  readonly differing: number;
}

/** `x=1,3,224,224`. */
export function parseShape(text: string): { name: string; shape: number[] } {
  const at = text.lastIndexOf('=');
  const shape = text
    .slice(at + 1)
    .split(',')
    .map(Number);
  if (at < 1 || !shape.every((size) => Number.isInteger(size) && size >= 0))
    throw new InvalidArgumentError(`expected input=sizes, got '${text}'`);
  return { name: text.slice(0, at), shape };
}

interface Runtime {
  readonly name: string;
  readonly ort: Ort & { Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor };
}

/** onnxruntime as it is installed where the command runs. */
async function runtime(): Promise<Runtime> {
  const require = requireFrom(join(process.cwd(), 'package.json'));
  for (const name of ['onnxruntime-node', 'onnxruntime-web']) {
    let path: string;
    try {
      path = require.resolve(name);
    } catch {
      continue;
    }
    const module = await import(pathToFileURL(path).href);
    return { name, ort: module.default ?? module };
  }
  throw new Error(
    '--verify needs onnxruntime-node or onnxruntime-web, installed here (npm install onnxruntime-node); nothing was written',
  );
}

export async function verifyModel(
  {
    message,
    activations,
    split,
  }: { message: Message; activations: ReadonlyMap<string, Compiled>; split(): Uint8Array },
  form: Form,
  shapes: readonly { name: string; shape: readonly number[] }[],
  folder: string,
): Promise<Comparison[]> {
  const { name, ort } = await runtime();
  const model = message.join();
  const { inputs, outputs, types, initializers } = readGraph(readModel(model).graph);
  const comparisons: Comparison[] = [];
  const feeds: Record<string, OrtTensor> = {};
  for (const input of inputs.filter((each) => !initializers.has(each))) {
    const { type, shape: known = [] } = types.get(input) ?? { type: undefined };
    const shape = shapes.find((each) => each.name === input)?.shape ?? known.map((size) => size ?? 2);
    feeds[input] = randomTensor(ort, input, type, shape);
  }
  if (form === 'split') {
    const session = await SplitSession.create(ort, model);
    await session.run(feeds);
    await session.release();
    return outputs.map((tensor) => ({ tensor, runtime: name, elements: 0, differing: 0 }));
  }
  // Relative to the folder, as for whoever loads the file.
  const before = process.cwd();
  process.chdir(folder);
  try {
    const expected = await outputsApart(ort, split, feeds);
    const { tapped, taps } = withTaps(model, activations);
    if (!expected && taps.length === 0)
      throw new OnnxError(
        '--verify compares what lies in the main graph, and all activations of this model are in branches or functions',
      );
    const session = (await ort.InferenceSession.create(tapped, { logSeverityLevel: 3 })) as OrtSession;
    const results = await session.run(feeds);
    for (const { input, output, activation } of taps) {
      const [x, y] = [feeds[input] ?? results[input]!, results[output]!];
      comparisons.push(compare(output, name, y, forward(activation, x)));
    }
    if (expected)
      for (const output of outputs)
        comparisons.push(compare(`${output} (output)`, name, results[output]!, expected[output]!.data));
    await session.release?.();
  } finally {
    process.chdir(before);
  }
  return comparisons;
}

/** The outputs as sessions around ditac's kernels give them; undefined if the model cannot be divided: activations lie in branches or functions. */
async function outputsApart(
  ort: Ort,
  split: () => Uint8Array,
  feeds: Record<string, OrtTensor>,
): Promise<Record<string, OrtTensor> | undefined> {
  let session: SplitSession | undefined;
  try {
    session = await SplitSession.create(ort, split());
  } catch (cause) {
    if (cause instanceof OnnxError) return undefined;
    throw cause;
  }
  const results = await session.run(feeds);
  await session.release();
  return results;
}

const forward = (activation: Compiled, { data, dims }: OrtTensor): unknown =>
  (activation as unknown as { forward(x: unknown, out: undefined, options: object): Float32Array }).forward(
    data,
    undefined,
    { shape: [...dims] },
  );

function compare(tensor: string, runtimeName: string, { data }: OrtTensor, expected: unknown): Comparison {
  const bytes = (array: unknown) => {
    const { buffer, byteOffset, byteLength } = array as Float32Array;
    return new Uint8Array(buffer, byteOffset, byteLength);
  };
  const [p, q] = [bytes(data), bytes(expected)];
  const elements = (data as Float32Array).length;
  const size = p.length / Math.max(elements, 1);
  let differing = Math.abs(p.length - q.length) / Math.max(size, 1);
  for (let i = 0; i < elements; i++) {
    for (let k = 0; k < size; k++)
      if (p[i * size + k] !== q[i * size + k]) {
        differing++;
        break;
      }
  }
  return { tensor, runtime: runtimeName, elements, differing };
}

/** The same numbers every time. */
function randomTensor(
  ort: Runtime['ort'],
  name: string,
  type: number | undefined,
  shape: readonly number[],
): OrtTensor {
  const size = shape.reduce((product, each) => product * each, 1);
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  if (type === FLOAT)
    return new ort.Tensor(
      'float32',
      Float32Array.from({ length: size }, () => 4 * next() - 2),
      shape,
    );
  if (type === INT64)
    return new ort.Tensor(
      'int64',
      BigInt64Array.from({ length: size }, () => BigInt(Math.floor(2 * next()))),
      shape,
    );
  throw new OnnxError(`--verify makes float32 and int64 inputs; '${name}' is ${TYPE_NAMES[type ?? 0] ?? 'unknown'}`);
}

interface Tap {
  readonly input: string;
  readonly output: string;
  readonly activation: Compiled;
}

/** The model with what goes into activations and comes out of them among its outputs, as far as they are in the main graph. */
function withTaps(model: Uint8Array, activations: ReadonlyMap<string, Compiled>): { tapped: Uint8Array; taps: Tap[] } {
  const graph = readGraph(readModel(model).graph);
  const made = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const taps = [...activations].flatMap(([output, activation]): Tap[] => {
    if (!made.has(output)) return [];
    // The group's first node reads what the activation does.
    const last = graph.nodes.findIndex(({ outputs }) => outputs.includes(output));
    const prefix = graph.nodes[last]!.name.split('/').slice(0, 2).join('/');
    const first = graph.nodes.find(({ name }) => name.startsWith(`${prefix}/`))!;
    return [{ input: first.inputs[0]!, output, activation }];
  });
  const known = new Set([...graph.outputs, ...graph.inputs]);
  const added = new Set(taps.flatMap(({ input, output }) => [input, output]).filter((each) => !known.has(each)));
  const changed = new Message();
  for (const field of fieldsOf(model)) {
    if (field.number !== MODEL.graph) {
      changed.raw(field.raw);
      continue;
    }
    const tapped = new Message().raw(contentOf(field));
    for (const each of added) tapped.bytes(GRAPH.output, new Message().text(VALUE.name, each));
    changed.bytes(MODEL.graph, tapped);
  }
  return { tapped: changed.join(), taps };
}
