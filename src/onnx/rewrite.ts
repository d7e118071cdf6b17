import { Builder } from './builder.js';
import {
  ATTRIBUTE,
  domainOfOpset,
  FUNCTION,
  GRAPH,
  MODEL,
  MOST_NESTED,
  NODE,
  OPSET,
  readModel,
  readNode,
} from './model.js';
import { contentOf, fieldsOf, Message, OnnxError } from './protobuf.js';

/** Puts nodes in the place of others. What is not replaced stays byte for byte, in its order. */

/** Writes what computes `output` from `input`. */
export type Replacement = (builder: Builder, input: string, output: string) => void;

export interface Rewriting {
  /** Takes the place of the node whose content begins at this byte of the buffer behind the model. */
  readonly replacements: ReadonlyMap<number, Replacement>;
  /** Takes what was written, by the same keys. */
  readonly placed: Map<number, Placed>;
  /** A domain whose import is left out, because no node of it remains. */
  readonly unused?: string;
  /** A domain that is imported, if it is not yet. */
  readonly imported?: string;
}

/** What became of a replaced node. */
export interface Placed {
  readonly nodes: number;
  readonly bytes: number;
}

/** A protocol buffer is smaller, whoever reads it. */
const MOST_BYTES = 2 ** 31 - 1;

/** @throws {OnnxError} if the bytes are no model, or the result would be too large for a protocol buffer. */
export function rewrite(model: Uint8Array, { replacements, placed, unused, imported }: Rewriting): Message {
  const prefix = freePrefix(model);
  let count = 0;

  const replace = (content: Uint8Array, into: Message, field: number, isFunction: boolean): Builder | undefined => {
    const node = replacements.get(content.byteOffset);
    if (!node) return undefined;
    const { inputs, outputs } = readNode({ number: field, wire: 2, raw: content, content });
    const builder = new Builder(`${prefix}${count++}/`, isFunction);
    node(builder, inputs[0] ?? '', outputs[0] ?? '');
    builder.nodesInto(into, field);
    placed.set(content.byteOffset, { nodes: builder.nodes, bytes: builder.bytes });
    return builder;
  };

  /** A node with subgraphs, if anything in them changes. */
  const inside = (content: Uint8Array, depth: number): Message | undefined => {
    let isChanged = false;
    const node = new Message();
    for (const field of fieldsOf(content)) {
      if (field.number !== NODE.attribute) {
        node.raw(field.raw);
        continue;
      }
      let isHere = false;
      const attribute = new Message();
      for (const each of fieldsOf(contentOf(field))) {
        const graph =
          each.number === ATTRIBUTE.g || each.number === ATTRIBUTE.graphs
            ? body(contentOf(each), GRAPH.node, depth + 1)
            : undefined;
        if (graph) attribute.bytes(each.number, graph);
        else attribute.raw(each.raw);
        isHere ||= graph !== undefined;
      }
      if (isHere) node.bytes(field.number, attribute);
      else node.raw(field.raw);
      isChanged ||= isHere;
    }
    return isChanged ? node : undefined;
  };

  /** A graph or a function with what replaces its nodes; undefined if nothing does. */
  const body = (content: Uint8Array, nodeField: number, depth: number): Message | undefined => {
    if (depth > MOST_NESTED) throw new OnnxError(`the model has subgraphs within ${MOST_NESTED} subgraphs`);
    let isChanged = false;
    const builders: Builder[] = [];
    const changed = new Message();
    for (const field of fieldsOf(content)) {
      if (field.number !== nodeField) {
        changed.raw(field.raw);
        continue;
      }
      const node = contentOf(field);
      const builder = replace(node, changed, nodeField, nodeField === FUNCTION.node);
      if (builder) {
        builders.push(builder);
        isChanged = true;
        continue;
      }
      const within = inside(node, depth);
      if (within) changed.bytes(nodeField, within);
      else changed.raw(field.raw);
      isChanged ||= within !== undefined;
    }
    for (const builder of builders) builder.initializersInto(changed);
    return isChanged ? changed : undefined;
  };

  const changed = new Message();
  for (const field of fieldsOf(model)) {
    if (field.number === MODEL.opset && unused !== undefined && domainOfOpset(field) === unused) continue;
    const isFunction = field.number === MODEL.function;
    const message =
      field.number === MODEL.graph || isFunction
        ? body(contentOf(field), isFunction ? FUNCTION.node : GRAPH.node, 0)
        : undefined;
    if (message) changed.bytes(field.number, isFunction ? withOpsets(message, unused, imported) : message);
    else changed.raw(field.raw);
  }
  if (imported !== undefined && !readModel(model).opsets.has(imported)) changed.bytes(MODEL.opset, opset(imported));
  if (changed.length > MOST_BYTES)
    throw new OnnxError(
      `the model would have ${changed.length} bytes, more than a protocol buffer may: store its weights as external data`,
    );
  return changed;
}

const opset = (domain: string) => new Message().text(OPSET.domain, domain).integer(OPSET.version, 1);

/** A function imports domains too. */
function withOpsets(message: Message, unused: string | undefined, imported: string | undefined): Message {
  const rest = new Message();
  let isImported = imported === undefined;
  for (const field of fieldsOf(message.join())) {
    const domain = field.number === FUNCTION.opset ? domainOfOpset(field) : undefined;
    isImported ||= domain === imported;
    if (domain === undefined || domain !== unused) rest.raw(field.raw);
  }
  return imported === undefined || isImported ? rest : rest.bytes(FUNCTION.opset, opset(imported));
}

/** What no name in the model begins with. */
function freePrefix(model: Uint8Array): string {
  const taken = new Set<string>();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const note = (content: Uint8Array) => {
    // 'ditac' as bytes: other names are none of ours.
    if (content[0] !== 0x64 || content[1] !== 0x69) return;
    taken.add(decoder.decode(content).split('/')[0]!);
  };
  const ofGraph = (content: Uint8Array, node: number, depth: number): void => {
    if (depth > MOST_NESTED) throw new OnnxError(`the model has subgraphs within ${MOST_NESTED} subgraphs`);
    for (const field of fieldsOf(content)) {
      if (field.wire !== 2) continue;
      if (field.number !== node) {
        // Names of initializers and values stand first or last in their messages; inputs are values too.
        if (node === GRAPH.node && (field.number === GRAPH.input || field.number === GRAPH.initializer))
          for (const each of fieldsOf(field.content))
            if (each.wire === 2 && each.content.length < 4096) note(each.content);
        continue;
      }
      for (const each of fieldsOf(field.content)) {
        if (each.number === NODE.output || each.number === NODE.input || each.number === NODE.name) note(each.content);
        if (each.number !== NODE.attribute) continue;
        for (const part of fieldsOf(contentOf(each)))
          if (part.number === ATTRIBUTE.g || part.number === ATTRIBUTE.graphs)
            ofGraph(contentOf(part), GRAPH.node, depth + 1);
      }
    }
  };
  const { graph, functions } = readModel(model);
  ofGraph(graph, GRAPH.node, 0);
  for (const { content } of functions) ofGraph(content, FUNCTION.node, 0);
  let prefix = 'ditac';
  for (let k = 2; taken.has(prefix); k++) prefix = `ditac${k}`;
  return `${prefix}/`;
}
