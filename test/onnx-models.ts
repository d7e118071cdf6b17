/** ONNX models for tests and benchmarks, written and read by an independent implementation of protocol buffers (@bufbuild/protobuf, onnx-buf). */
import { readFileSync } from 'node:fs';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { loadSafetensors, type Tensor } from 'ditac/safetensors';
import {
  AttributeProto_AttributeType,
  type AttributeProtoSchema,
  type GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProtoSchema,
  TensorProto_DataType,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from 'onnx-buf';

export type Node = MessageInitShape<typeof NodeProtoSchema>;
export type Graph = MessageInitShape<typeof GraphProtoSchema>;
export type Value = MessageInitShape<typeof ValueInfoProtoSchema>;
type Attribute = MessageInitShape<typeof AttributeProtoSchema>;

export const { FLOAT, FLOAT16, INT64, BOOL } = TensorProto_DataType;
const encoder = new TextEncoder();

/** Integers as bigint, float32 as numbers. */
export type AttributeValue = number | bigint | string | readonly bigint[] | readonly number[] | { graph: Graph };

function attribute(name: string, value: AttributeValue): Attribute {
  const kind = AttributeProto_AttributeType;
  if (typeof value === 'number') return { name, f: value, type: kind.FLOAT };
  if (typeof value === 'bigint') return { name, i: value, type: kind.INT };
  if (typeof value === 'string') return { name, s: encoder.encode(value), type: kind.STRING };
  if ('graph' in value) return { name, g: value.graph, type: kind.GRAPH };
  return typeof value[0] === 'bigint'
    ? { name, ints: [...(value as bigint[])], type: kind.INTS }
    : { name, floats: [...(value as number[])], type: kind.FLOATS };
}

export const node = (
  opType: string,
  input: string[],
  output: string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  more: Node = {},
): Node => ({
  opType,
  input,
  output,
  name: `/${output[0]}/${opType}`,
  attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  ...more,
});

export const value = (name: string, shape: readonly (number | string)[] | undefined, elemType = FLOAT): Value => ({
  name,
  type: {
    value: {
      case: 'tensorType',
      value: {
        elemType,
        ...(shape && {
          shape: {
            dim: shape.map((size) => ({
              value:
                typeof size === 'number'
                  ? { case: 'dimValue' as const, value: BigInt(size) }
                  : { case: 'dimParam' as const, value: size },
            })),
          },
        }),
      },
    },
  },
});

export const weight = (name: string, { shape, data }: Tensor): MessageInitShape<typeof TensorProtoSchema> => ({
  name,
  dims: shape.map(BigInt),
  dataType: FLOAT,
  rawData: new Uint8Array(Float32Array.from(data).buffer),
});

export function model(
  graph: Graph,
  opset = 18,
  more: MessageInitShape<typeof ModelProtoSchema> = {},
  domains: Readonly<Record<string, number>> = { 'com.ditac': 1 },
): Uint8Array {
  const opsetImport = Object.entries({ '': opset, ...domains }).map(([domain, version]) => ({
    domain,
    version: BigInt(version),
  }));
  const init = { irVersion: 9n, producerName: 'test', opsetImport, graph, ...more };
  const message = create(ModelProtoSchema, init as MessageInitShape<typeof ModelProtoSchema>);
  return toBinary(ModelProtoSchema, message);
}

export const parse = (bytes: Uint8Array): ModelProto => fromBinary(ModelProtoSchema, bytes);

/** How an activation is written: as a node of com.ditac, or as an operator that stands for it. */
export type Style = 'com.ditac' | 'Selu' | 'Gelu';

/** From the tests; a program of dist/ has another way there. */
const NETS = new URL('./golden/nets/', import.meta.url);
const activation = (style: Style, input: string, name: string): Node =>
  style === 'com.ditac'
    ? node(
        'DiTAC',
        [input],
        [`${name}_out`],
        { prefix: `${name}.`, a: -3, b: 3, variant: 'gelu' },
        {
          domain: 'com.ditac',
          name: `/${name}/DiTAC`,
        },
      )
    : node(style, [input], [`${name}_out`], {}, { name: `/${name}/${style}` });

export interface Digits {
  readonly model: Uint8Array;
  readonly weights: URL;
  readonly inputs: Float32Array;
  readonly shape: readonly number[];
  readonly labels: readonly number[];
}

/** The two digit networks of test/golden/nets. */
export function digits(name: 'dense' | 'convolutional', style: Style, opset = 20, folder = NETS): Digits {
  const file = name === 'dense' ? 'digits_mlp_ditac' : 'digits_conv_ditac';
  const weights = new URL(`${file}.safetensors`, folder);
  const { tensors } = loadSafetensors(readFileSync(weights));
  const json = JSON.parse(
    readFileSync(new URL(name === 'dense' ? 'digits_test.json' : 'digits_conv_test.json', folder), 'utf8'),
  );
  const linear = (input: string, layer: string, output: string) =>
    node('Gemm', [input, `${layer}.weight`, `${layer}.bias`], [output], { transB: 1n });
  const convolution = (input: string, layer: string) =>
    node('Conv', [input, `${layer}.weight`, `${layer}.bias`], [layer], {
      pads: [1n, 1n, 1n, 1n],
      kernel_shape: [3n, 3n],
    });
  const nodes =
    name === 'dense'
      ? [
          linear('input', 'fc1', 'fc1'),
          activation(style, 'fc1', 'act_1'),
          linear('act_1_out', 'fc2', 'fc2'),
          activation(style, 'fc2', 'act_2'),
          linear('act_2_out', 'fc3', 'logits'),
        ]
      : [
          convolution('input', 'conv1'),
          activation(style, 'conv1', 'act_1'),
          node('MaxPool', ['act_1_out'], ['pool'], { kernel_shape: [2n, 2n], strides: [2n, 2n] }),
          convolution('pool', 'conv2'),
          activation(style, 'conv2', 'act_2'),
          node('Flatten', ['act_2_out'], ['flat'], { axis: 1n }),
          linear('flat', 'fc', 'logits'),
        ];
  const needed = new Set(nodes.flatMap(({ input = [] }) => input));
  const sizes = name === 'dense' ? [64] : [1, 8, 8];
  return {
    model: model(
      {
        name: 'digits',
        node: nodes,
        initializer: Object.entries(tensors)
          .filter(([key]) => needed.has(key))
          .map(([key, tensor]) => weight(key, tensor)),
        input: [value('input', ['batch', ...sizes])],
        output: [value('logits', ['batch', 10])],
      },
      opset,
      {},
      style === 'com.ditac' ? { 'com.ditac': 1 } : {},
    ),
    weights,
    inputs: Float32Array.from((json.images as number[][]).flat(), (v) => v / 16),
    shape: [360, ...sizes],
    labels: json.labels,
  };
}
