import {
  BYTES,
  contentOf,
  countOf,
  type Field,
  fieldsOf,
  integerOf,
  integersOf,
  OnnxError,
  singleOf,
  singlesOf,
  textOf,
} from './protobuf.js';

/**
 * What is read of an ONNX model (onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): nodes and the names and types of tensors.
 * Weights are passed over.
 */

/** Field numbers. */
export const MODEL = { graph: 7, opset: 8, metadata: 14, function: 25 } as const;
export const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12, value: 13, sparse: 15 } as const;
export const NODE = { input: 1, output: 2, name: 3, op: 4, attribute: 5, domain: 7, metadata: 9 } as const;
export const FUNCTION = { name: 1, input: 4, output: 5, attribute: 6, node: 7, opset: 9, domain: 10 } as const;
export const ATTRIBUTE = {
  name: 1,
  f: 2,
  i: 3,
  s: 4,
  t: 5,
  g: 6,
  floats: 7,
  ints: 8,
  strings: 9,
  graphs: 11,
  type: 20,
  reference: 21,
} as const;
export const TENSOR = { dims: 1, type: 2, name: 8, raw: 9, external: 13 } as const;
const SPARSE_VALUES = 1;
export const VALUE = { name: 1, type: 2 } as const;
/** Of StringStringEntryProto, and of OperatorSetIdProto. */
export const ENTRY = { key: 1, value: 2 } as const;
export const OPSET = { domain: 1, version: 2 } as const;

/** AttributeProto.AttributeType, of values that writers may leave out where they are zero or nothing. */
const LEFT_OUT: Readonly<Record<number, AttributeValue>> = { 1: 0, 2: 0, 3: '' };

/** Types of tensors: TensorProto.DataType. */
export const FLOAT = 1;
export const UINT8 = 2;
export const INT32 = 6;
export const INT64 = 7;
export const BOOL = 9;
export const DOUBLE = 11;
export const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  16: 'bfloat16',
};

/** Subgraphs within subgraphs, and nodes: more than any model has. */
export const MOST_NESTED = 32;
const MOST_NODES = 2 ** 20;

export interface NodeView {
  /** The whole field. */
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name: string;
  readonly op: string;
  /** '' is ONNX's own. */
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Graphs in its attributes: branches, bodies. */
  readonly subgraphs: readonly Uint8Array[];
}

/** What a tensor is; what is not said is undefined. */
export interface ValueType {
  /** TensorProto.DataType. */
  readonly type: number | undefined;
  /** A size that is not a number is undefined. */
  readonly shape: readonly (number | undefined)[] | undefined;
}

export interface GraphView {
  readonly nodes: readonly NodeView[];
  /** Inputs, outputs and what lies between, as far as the model says. */
  readonly types: ReadonlyMap<string, ValueType>;
  /** Raw fields of initializers by name. */
  readonly initializers: ReadonlyMap<string, Uint8Array>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Raw fields of ValueInfoProto by name. */
  readonly values: ReadonlyMap<string, Uint8Array>;
}

export interface ModelView {
  readonly graph: Uint8Array;
  /** By domain; ONNX's own is ''. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: readonly FunctionView[];
  readonly metadata: Readonly<Record<string, string>>;
}

export interface FunctionView {
  readonly content: Uint8Array;
  readonly name: string;
  readonly domain: string;
  readonly opsets: ReadonlyMap<string, number>;
  readonly inputs: readonly string[];
}

/** `ai.onnx` is another name of ''. */
const domainOf = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** @throws {OnnxError} if the bytes are no ONNX model. */
export function readModel(bytes: Uint8Array): ModelView {
  let graph: Uint8Array | undefined;
  const opsets = new Map<string, number>();
  const functions: FunctionView[] = [];
  const metadata: Record<string, string> = Object.create(null);
  for (const field of fieldsOf(bytes)) {
    if (field.number === MODEL.graph) {
      // Repeated, they would have to be merged; nobody writes that.
      if (graph) throw new OnnxError('the model has two graphs');
      graph = contentOf(field);
    } else if (field.number === MODEL.opset) readOpset(field, opsets);
    else if (field.number === MODEL.metadata) Object.assign(metadata, readEntry(field));
    else if (field.number === MODEL.function) functions.push(readFunction(contentOf(field)));
  }
  if (!graph) throw new OnnxError('not an ONNX model: it has no graph');
  return { graph, opsets, functions, metadata };
}

function readOpset(field: Field, opsets: Map<string, number>): void {
  let domain = '';
  let version = Number.NaN;
  for (const each of fieldsOf(contentOf(field))) {
    if (each.number === OPSET.domain) domain = domainOf(textOf(each));
    else if (each.number === OPSET.version) version = countOf(each);
  }
  opsets.set(domain, version);
}

/** The domain that an opset import is of. */
export function domainOfOpset(field: Field): string {
  const opsets = new Map<string, number>();
  readOpset(field, opsets);
  return [...opsets.keys()][0]!;
}

function readEntry(field: Field): Record<string, string> {
  let key = '';
  let value = '';
  for (const each of fieldsOf(contentOf(field))) {
    if (each.number === ENTRY.key) key = textOf(each);
    else if (each.number === ENTRY.value) value = textOf(each);
  }
  const entry: Record<string, string> = Object.create(null);
  entry[key] = value;
  return entry;
}

function readFunction(content: Uint8Array): FunctionView {
  let name = '';
  let domain = '';
  const opsets = new Map<string, number>();
  const inputs: string[] = [];
  for (const field of fieldsOf(content)) {
    if (field.number === FUNCTION.name) name = textOf(field);
    else if (field.number === FUNCTION.input) inputs.push(textOf(field));
    else if (field.number === FUNCTION.domain) domain = domainOf(textOf(field));
    else if (field.number === FUNCTION.opset) readOpset(field, opsets);
  }
  return { content, name, domain, opsets, inputs };
}

export function readNode(field: Field): NodeView {
  const content = contentOf(field);
  const inputs: string[] = [];
  const outputs: string[] = [];
  const subgraphs: Uint8Array[] = [];
  const metadata: Record<string, string> = Object.create(null);
  let [name, op, domain] = ['', '', ''];
  for (const each of fieldsOf(content)) {
    if (each.number === NODE.input) inputs.push(textOf(each));
    else if (each.number === NODE.output) outputs.push(textOf(each));
    else if (each.number === NODE.name) name = textOf(each);
    else if (each.number === NODE.op) op = textOf(each);
    else if (each.number === NODE.domain) domain = domainOf(textOf(each));
    else if (each.number === NODE.metadata) Object.assign(metadata, readEntry(each));
    else if (each.number === NODE.attribute) {
      for (const { number, wire, content: graph } of fieldsOf(contentOf(each)))
        if ((number === ATTRIBUTE.g || number === ATTRIBUTE.graphs) && wire === BYTES) subgraphs.push(graph);
    }
  }
  return { raw: field.raw, content, inputs, outputs, name, op, domain, metadata, subgraphs };
}

/** The nodes of a graph, or of a function. @throws {OnnxError} */
export function readGraph(content: Uint8Array): GraphView {
  const nodes: NodeView[] = [];
  const types = new Map<string, ValueType>();
  const values = new Map<string, Uint8Array>();
  const initializers = new Map<string, Uint8Array>();
  const inputs: string[] = [];
  const outputs: string[] = [];
  for (const field of fieldsOf(content)) {
    if (field.number === GRAPH.node) {
      if (nodes.length >= MOST_NODES) throw new OnnxError(`the model has more than ${MOST_NODES} nodes`);
      nodes.push(readNode(field));
    } else if (field.number === GRAPH.initializer) {
      const { name, type, shape } = readTensorHead(contentOf(field));
      initializers.set(name, field.raw);
      types.set(name, { type, shape });
    } else if (field.number === GRAPH.sparse) {
      // A sparse tensor is called what its values are.
      for (const part of fieldsOf(contentOf(field))) {
        if (part.number !== SPARSE_VALUES) continue;
        const { name, type } = readTensorHead(contentOf(part));
        initializers.set(name, field.raw);
        types.set(name, { type, shape: undefined });
      }
    } else if (field.number === GRAPH.input || field.number === GRAPH.output || field.number === GRAPH.value) {
      const { name, ...value } = readValue(contentOf(field));
      types.set(name, value);
      values.set(name, contentOf(field));
      if (field.number === GRAPH.input) inputs.push(name);
      else if (field.number === GRAPH.output) outputs.push(name);
    }
  }
  return { nodes, types, values, initializers, inputs, outputs };
}

/** Nodes of a function; types and weights it has none of its own. */
export function readFunctionNodes(content: Uint8Array): NodeView[] {
  return [...fieldsOf(content)].filter(({ number }) => number === FUNCTION.node).map(readNode);
}

function readTensorHead(content: Uint8Array): { name: string; type: number; shape: number[] } {
  const shape: number[] = [];
  let name = '';
  let type = 0;
  for (const field of fieldsOf(content)) {
    if (field.number === TENSOR.dims) for (const each of integersOf(field)) shape.push(Number(each));
    else if (field.number === TENSOR.type) type = countOf(field);
    else if (field.number === TENSOR.name) name = textOf(field);
  }
  return { name, type, shape };
}

/** Fields of TypeProto and what it is made of. */
const TENSOR_TYPE = 1;
const ELEMENT = 1;
const SHAPE = 2;
const DIMENSION = 1;
const DIMENSION_VALUE = 1;

function readValue(content: Uint8Array): ValueType & { name: string } {
  let name = '';
  let type: number | undefined;
  let shape: (number | undefined)[] | undefined;
  for (const field of fieldsOf(content)) {
    if (field.number === VALUE.name) name = textOf(field);
    if (field.number !== VALUE.type) continue;
    for (const kind of fieldsOf(contentOf(field))) {
      if (kind.number !== TENSOR_TYPE) continue;
      for (const each of fieldsOf(contentOf(kind))) {
        if (each.number === ELEMENT) type = countOf(each);
        if (each.number !== SHAPE) continue;
        shape = [];
        for (const dimension of fieldsOf(contentOf(each))) {
          if (dimension.number !== DIMENSION) continue;
          const size = [...fieldsOf(contentOf(dimension))].find(({ number }) => number === DIMENSION_VALUE);
          const value = size && countOf(size);
          shape.push(value !== undefined && value > 0 ? value : undefined);
        }
      }
    }
  }
  return { name, type, shape };
}

export interface TensorAttribute {
  readonly type: number;
  readonly raw: Uint8Array;
}
export type AttributeValue = number | string | readonly number[] | readonly string[] | TensorAttribute;

/** The attributes of a node; integers as numbers. Of tensors their type and bytes. @throws {OnnxError} if one refers to a function's. */
export function attributesOf(node: NodeView): Record<string, AttributeValue> {
  const found: Record<string, AttributeValue> = Object.create(null);
  for (const field of fieldsOf(node.content)) {
    if (field.number !== NODE.attribute) continue;
    let name = '';
    let value: AttributeValue | undefined;
    const floats: number[] = [];
    const integers: number[] = [];
    const strings: string[] = [];
    let type = 0;
    for (const each of fieldsOf(contentOf(field))) {
      if (each.number === ATTRIBUTE.name) name = textOf(each);
      else if (each.number === ATTRIBUTE.f) value = singleOf(each);
      else if (each.number === ATTRIBUTE.i) value = Number(integerOf(each));
      else if (each.number === ATTRIBUTE.s) value = textOf(each);
      else if (each.number === ATTRIBUTE.t) value = tensorAttribute(contentOf(each));
      else if (each.number === ATTRIBUTE.type) type = countOf(each);
      else if (each.number === ATTRIBUTE.floats) for (const number of singlesOf(each)) floats.push(number);
      else if (each.number === ATTRIBUTE.ints) for (const number of integersOf(each)) integers.push(Number(number));
      else if (each.number === ATTRIBUTE.strings) strings.push(textOf(each));
      else if (each.number === ATTRIBUTE.reference)
        throw new OnnxError(
          `attribute ${name} of node '${nameOf(node)}' is that of a function's caller: which activation it means differs from call to call; export without functions`,
        );
    }
    found[name] =
      value ??
      LEFT_OUT[type] ??
      (strings.length > 0 ? strings : floats.length > 0 ? floats : integers.length > 0 ? integers : []);
  }
  return found;
}

function tensorAttribute(content: Uint8Array): TensorAttribute {
  const raw = [...fieldsOf(content)].find(({ number }) => number === TENSOR.raw);
  return { type: readTensorHead(content).type, raw: raw ? contentOf(raw) : new Uint8Array(0) };
}

/** What people call a node: its name, or that of its first output. */
export const nameOf = (node: NodeView): string => node.name || node.outputs[0] || '';

/** Where tensors lie that are not in the model's file, relative to it. */
export function externalFiles(bytes: Uint8Array): string[] {
  const files = new Set<string>();
  const ofTensor = (content: Uint8Array) => {
    for (const field of fieldsOf(content)) {
      if (field.number !== TENSOR.external) continue;
      const entry = readEntry(field);
      if (entry.location !== undefined) files.add(entry.location);
    }
  };
  const ofNodes = (content: Uint8Array, node: number, depth: number) => {
    if (depth > MOST_NESTED) throw new OnnxError(`the model has subgraphs within ${MOST_NESTED} subgraphs`);
    for (const field of fieldsOf(content)) {
      if (node === GRAPH.node && field.number === GRAPH.initializer) ofTensor(contentOf(field));
      if (node === GRAPH.node && field.number === GRAPH.sparse)
        for (const part of fieldsOf(contentOf(field))) if (part.number <= 2) ofTensor(contentOf(part));
      if (field.number !== node) continue;
      for (const attribute of fieldsOf(contentOf(field))) {
        if (attribute.number !== NODE.attribute) continue;
        for (const each of fieldsOf(contentOf(attribute))) {
          if (each.number === ATTRIBUTE.t) ofTensor(contentOf(each));
          if (each.number === ATTRIBUTE.g || each.number === ATTRIBUTE.graphs)
            ofNodes(contentOf(each), GRAPH.node, depth + 1);
        }
      }
    }
  };
  const { graph, functions } = readModel(bytes);
  ofNodes(graph, GRAPH.node, 0);
  for (const { content } of functions) ofNodes(content, FUNCTION.node, 0);
  return [...files];
}
