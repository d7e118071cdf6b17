import { PLAN_OPERATOR } from './convert.js';
import { DOMAIN } from './find.js';
import {
  attributesOf,
  domainOfOpset,
  FLOAT,
  GRAPH,
  MODEL,
  MOST_NESTED,
  type NodeView,
  readFunctionNodes,
  readGraph,
  readModel,
  VALUE,
} from './model.js';
import { fieldsOf, Message, OnnxError } from './protobuf.js';
import { elementTypeOf, type Scope, scopeOf } from './types.js';

/** Divides a model at nodes that hold plans: what lies between them are models of their own. */

/** Work that depends on no plan still to come: a model, then plans that its results go through. */
export interface Stage {
  /** Undefined if nothing is to be computed. */
  readonly model: Uint8Array | undefined;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly activations: readonly PlanNode[];
}

export interface PlanNode {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  /** A plan file. */
  readonly plan: Uint8Array;
  /** Whether nothing else reads the input: then its memory may be taken. */
  readonly isLast: boolean;
}

export interface Stages {
  readonly stages: readonly Stage[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

const isPlan = (node: NodeView): boolean => node.domain === DOMAIN && node.op === PLAN_OPERATOR;

/**
 * @throws {OnnxError} if the bytes are no model, hold no plan, or one in a subgraph or a function; or if the type of a tensor that goes from one
 *   stage to another is not known.
 */
export function stagesOf(bytes: Uint8Array): Stages {
  const model = readModel(bytes);
  const graph = readGraph(model.graph);
  const scope = scopeOf(graph, undefined);
  expectPlansOutside(graph.nodes);
  for (const { content } of model.functions)
    if (readFunctionNodes(content).some(isPlan))
      throw new OnnxError('a function of the model holds a plan: sessions are split in the main graph only');
  if (!graph.nodes.some(isPlan))
    throw new OnnxError(`the model has no node ${DOMAIN}::${PLAN_OPERATOR}: write it with the form 'split'`);

  const inputs = graph.inputs.filter((name) => !graph.initializers.has(name));
  /** In which stage a value is there; the plan's own value in the next. */
  const stageOf = new Map<string, number>();
  const reads = graph.nodes.map((node) => [...node.inputs.filter((name) => name !== ''), ...captured(node)]);
  const produced = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  for (const name of graph.outputs)
    if (!produced.has(name) && !inputs.includes(name))
      throw new OnnxError(`output '${name}' of the model is computed by no node, which a split session cannot give`);
  const stageOfNode = graph.nodes.map((node, i) => {
    const early = reads[i]!.find((name) => produced.has(name) && !stageOf.has(name));
    if (early !== undefined) throw new OnnxError(`node '${node.name}' reads '${early}' before it is computed`);
    const stage = reads[i]!.reduce((most, name) => Math.max(most, stageOf.get(name) ?? 0), 0);
    for (const output of node.outputs) stageOf.set(output, isPlan(node) ? stage + 1 : stage);
    return stage;
  });
  const readers = new Map<string, number>();
  for (const name of [...reads.flat(), ...graph.outputs]) readers.set(name, (readers.get(name) ?? 0) + 1);

  const count = 1 + stageOfNode.reduce((most, stage) => Math.max(most, stage), 0);
  const stages = Array.from({ length: count }, (_, stage): Stage => {
    const own = graph.nodes.flatMap((node, i) => (stageOfNode[i] === stage && !isPlan(node) ? [i] : []));
    const plans = graph.nodes.flatMap((node, i) => (stageOfNode[i] === stage && isPlan(node) ? [i] : []));
    const made = new Set(own.flatMap((i) => graph.nodes[i]!.outputs));
    const read = new Set(own.flatMap((i) => reads[i]!));
    const needed = new Set<string>(graph.outputs);
    graph.nodes.forEach((_, i) => {
      if (stageOfNode[i]! > stage || plans.includes(i)) for (const name of reads[i]!) needed.add(name);
    });
    const known = (name: string) => stageOf.has(name) || inputs.includes(name);
    const taken = [...read].filter((name) => !made.has(name) && !graph.initializers.has(name) && known(name));
    const given = [...made].filter((name) => needed.has(name));
    return {
      model: own.length > 0 ? stageModel(bytes, scope, own, taken, given, read) : undefined,
      inputs: taken,
      outputs: given,
      activations: plans.map((i) => {
        const node = graph.nodes[i]!;
        const [input = '', output = ''] = [node.inputs[0], node.outputs[0]];
        const { plan } = attributesOf(node);
        if (typeof plan !== 'object' || !('raw' in plan) || graph.initializers.has(input))
          throw new OnnxError(`node '${node.name}' holds no plan of a tensor that is computed`);
        return {
          name: node.name,
          input,
          output,
          plan: plan.raw,
          isLast: readers.get(input) === 1 && !inputs.includes(input),
        };
      }),
    };
  });
  return { stages, inputs, outputs: graph.outputs };

  function stageModel(
    all: Uint8Array,
    at: Scope,
    own: readonly number[],
    taken: readonly string[],
    given: readonly string[],
    read: ReadonlySet<string>,
  ): Uint8Array {
    const changed = new Message();
    for (const field of fieldsOf(all)) {
      if (field.number === MODEL.graph) {
        const part = new Message();
        for (const i of own) part.raw(graph.nodes[i]!.raw);
        part.text(GRAPH.name, 'part');
        for (const [name, raw] of graph.initializers) if (read.has(name)) part.raw(raw);
        for (const name of taken) part.bytes(GRAPH.input, valueInfo(at, name));
        for (const name of given) part.bytes(GRAPH.output, new Message().text(VALUE.name, name));
        changed.bytes(MODEL.graph, part);
      } else if (field.number !== MODEL.opset || domainOfOpset(field) !== DOMAIN) changed.raw(field.raw);
    }
    return changed.join();
  }

  function valueInfo(at: Scope, name: string): Uint8Array | Message {
    const said = graph.values.get(name);
    if (said && graph.types.get(name)?.type !== undefined) return said;
    const producer = graph.nodes.find((node) => node.outputs.includes(name));
    const type = producer && isPlan(producer) ? FLOAT : elementTypeOf(at, name);
    if (type === undefined)
      throw new OnnxError(
        `the model does not say what type '${name}' has: add it with onnx.shape_inference.infer_shapes`,
      );
    return new Message()
      .text(VALUE.name, name)
      .bytes(VALUE.type, new Message().bytes(1, new Message().integer(1, type)));
  }
}

function expectPlansOutside(nodes: readonly NodeView[], depth = 0): void {
  // What reads the model's nodes later goes no deeper.
  if (depth > MOST_NESTED) throw new OnnxError(`the model has subgraphs within ${MOST_NESTED} subgraphs`);
  for (const node of nodes) {
    if (depth > 0 && isPlan(node))
      throw new OnnxError('a subgraph of the model holds a plan: sessions are split in the main graph only');
    for (const each of node.subgraphs) expectPlansOutside(readGraph(each).nodes, depth + 1);
  }
}

/** What subgraphs of a node read from around it. */
function captured(node: NodeView): string[] {
  return node.subgraphs.flatMap((each) => {
    const { nodes, inputs, outputs, initializers } = readGraph(each);
    const own = new Set([...inputs, ...initializers.keys(), ...nodes.flatMap((inner) => inner.outputs)]);
    const read = [...nodes.flatMap((inner) => [...inner.inputs, ...captured(inner)]), ...outputs];
    return read.filter((name) => name !== '' && !own.has(name));
  });
}
