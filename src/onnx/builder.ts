import { ATTRIBUTE, DOUBLE, FLOAT, GRAPH, INT32, INT64, NODE, TENSOR, UINT8 } from './model.js';
import { Message } from './protobuf.js';

/** Writes nodes and their constants: what takes an activation's place. */

export type Data = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

const TYPES = {
  Float32Array: FLOAT,
  Float64Array: DOUBLE,
  Int32Array: INT32,
  BigInt64Array: INT64,
  Uint8Array: UINT8,
} as const;
const typeOf = (data: Data): number => TYPES[data[Symbol.toStringTag] as keyof typeof TYPES];

/** A string, an integer, a list of integers, or a tensor. */
export type Attribute = string | number | readonly number[] | Message;

/** AttributeProto.AttributeType. */
const KIND = { i: 2, s: 3, t: 4, ints: 7 } as const;

function attributeMessage(name: string, value: Attribute): Message {
  const message = new Message().text(ATTRIBUTE.name, name);
  if (typeof value === 'string') return message.text(ATTRIBUTE.s, value).integer(ATTRIBUTE.type, KIND.s);
  if (typeof value === 'number') return message.integer(ATTRIBUTE.i, value).integer(ATTRIBUTE.type, KIND.i);
  if ('pieces' in value) return message.bytes(ATTRIBUTE.t, value).integer(ATTRIBUTE.type, KIND.t);
  for (const each of value) message.integer(ATTRIBUTE.ints, each);
  return message.integer(ATTRIBUTE.type, KIND.ints);
}

/** A NodeProto. */
export function nodeMessage(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
  name = outputs[0] ?? '',
  domain = '',
): Message {
  const message = new Message();
  for (const each of inputs) message.text(NODE.input, each);
  for (const each of outputs) message.text(NODE.output, each);
  if (name !== '') message.text(NODE.name, name);
  message.text(NODE.op, op);
  for (const [key, value] of Object.entries(attributes)) message.bytes(NODE.attribute, attributeMessage(key, value));
  if (domain !== '') message.text(NODE.domain, domain);
  return message;
}

/** A TensorProto. Bytes are little-endian, as machines are that run this. */
export function tensorMessage(data: Data, shape: readonly number[], name = ''): Message {
  const message = new Message();
  for (const size of shape) message.integer(TENSOR.dims, size);
  message.integer(TENSOR.type, typeOf(data));
  if (name !== '') message.text(TENSOR.name, name);
  return message.bytes(TENSOR.raw, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** NaN as kernels have it: what bits a JavaScript engine writes is its own affair. */
function canonical(data: Data): void {
  if (typeOf(data) !== FLOAT) return;
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  for (let i = 0; i < data.length; i++) if (Number.isNaN(data[i])) words[i] = 0x7fc00000;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Data) => new Uint8Array(buffer, byteOffset, byteLength);

function hashOf(data: Data): number {
  let hash = data.length;
  for (const byte of bytesOf(data)) hash = (Math.imul(hash, 31) + byte) | 0;
  return hash;
}

function isSame(a: Data, b: Data): boolean {
  const [p, q] = [bytesOf(a), bytesOf(b)];
  return p.length === q.length && p.every((byte, i) => byte === q[i]);
}

/** Nodes of one graph, and constants that nodes after them share. */
export class Builder {
  readonly #prefix: string;
  readonly #isFunction: boolean;
  readonly #nodes: Message[] = [];
  readonly #constants: Message[] = [];
  readonly #scalars = new Map<string, string>();
  /** Constants by what they hold: a column that occurs twice is stored once. */
  readonly #known = new Map<string, { data: Data; name: string }[]>();
  #count = 0;
  /** Of all constants' data. */
  bytes = 0;

  /**
   * @param prefix what every name begins with.
   * @param isFunction functions have no initializers: there, constants are nodes.
   */
  constructor(prefix: string, isFunction: boolean) {
    this.#prefix = prefix;
    this.#isFunction = isFunction;
  }

  /** How many nodes run. */
  get nodes(): number {
    return this.#nodes.length;
  }

  /** Adds a node, and gives the name of its result, `output` if that is given. */
  op(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: string,
    domain = '',
  ): string {
    const name = `${this.#prefix}${op}_${this.#count++}`;
    this.#nodes.push(nodeMessage(op, inputs, [output ?? name], attributes, name, domain));
    return output ?? name;
  }

  constant(data: Data, shape: readonly number[] = [data.length]): string {
    canonical(data);
    const key = `${typeOf(data)} ${shape} ${hashOf(data)}`;
    const known = this.#known.get(key)?.find((each) => isSame(each.data, data));
    if (known) return known.name;
    const name = `${this.#prefix}constant_${this.#count++}`;
    this.bytes += data.byteLength;
    if (this.#isFunction)
      this.#constants.push(nodeMessage('Constant', [], [name], { value: tensorMessage(data, shape) }, name));
    else this.#constants.push(tensorMessage(data, shape, name));
    const alike = this.#known.get(key);
    if (alike) alike.push({ data, name });
    else this.#known.set(key, [{ data, name }]);
    return name;
  }

  /** A float32. */
  single(value: number): string {
    return this.#scalar(`f${Object.is(value, -0) ? '-0' : value}`, () => Float32Array.of(value));
  }

  double(value: number): string {
    return this.#scalar(`d${value}`, () => Float64Array.of(value));
  }

  int(value: number): string {
    return this.#scalar(`i${value}`, () => Int32Array.of(value));
  }

  long(value: number): string {
    return this.#scalar(`l${value}`, () => BigInt64Array.of(BigInt(value)));
  }

  /** A list of int64, a shape say. */
  longs(values: readonly number[]): string {
    return this.#scalar(`s${values}`, () => BigInt64Array.from(values, BigInt), [values.length]);
  }

  #scalar(key: string, data: () => Data, shape: readonly number[] = []): string {
    let name = this.#scalars.get(key);
    if (name === undefined) this.#scalars.set(key, (name = this.constant(data(), shape)));
    return name;
  }

  /** Fields of a GraphProto. */
  nodesInto(graph: Message, field: number = GRAPH.node): void {
    if (this.#isFunction) for (const each of this.#constants) graph.bytes(field, each);
    for (const each of this.#nodes) graph.bytes(field, each);
  }

  initializersInto(graph: Message): void {
    if (!this.#isFunction) for (const each of this.#constants) graph.bytes(GRAPH.initializer, each);
  }
}
