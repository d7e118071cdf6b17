import {
  type FunctionView,
  type GraphView,
  MOST_NESTED,
  type ModelView,
  type NodeView,
  nameOf,
  readGraph,
  readModel,
  TYPE_NAMES,
  type ValueType,
} from './model.js';
import { OnnxError } from './protobuf.js';
import { elementTypeOf, functionScope, type Scope, scopeOf, shapeOf } from './types.js';

/** Which nodes of a model stand for activations, and what the model says of each. */

/** The domain of nodes that say what they stand for. */
export const DOMAIN = 'com.ditac';
const OLDEST_OPSET = 13;
/** Entries of `metadata_props` in which PyTorch's exporter says what module a node is of. */
const SCOPES = 'pkg.torch.onnx.name_scopes';
const NAMESPACE = 'namespace';

export interface FoundNode {
  readonly node: NodeView;
  /** Its name, or that of its output. */
  readonly name: string;
  /** The modules that it could be of, innermost first: `layer1.0.act`. */
  readonly modules: readonly string[];
  /** Of the tensor that goes in. */
  readonly type: number | undefined;
  readonly shape: ValueType['shape'];
  readonly isFunction: boolean;
  readonly opset: number;
}

/** A model and all bodies of nodes in it. */
export interface Survey {
  readonly model: ModelView;
  /** Of every graph, the outermost first. */
  readonly scopes: readonly Scope[];
  /** Nodes that match, wherever they are. */
  readonly found: readonly FoundNode[];
  /** How often each operator occurs, as 'domain::Op' or 'Op'. */
  readonly counts: ReadonlyMap<string, number>;
}

/** @throws {OnnxError} if the bytes are no model. */
export function survey(bytes: Uint8Array, isOne: (node: NodeView, modules: readonly string[]) => boolean): Survey {
  const model = readModel(bytes);
  const scopes: Scope[] = [];
  const found: FoundNode[] = [];
  const counts = new Map<string, number>();
  const add = (scope: Scope, opsets: ReadonlyMap<string, number>, isFunction: boolean) => {
    for (const node of scope.nodes) {
      const op = node.domain === '' ? node.op : `${node.domain}::${node.op}`;
      counts.set(op, (counts.get(op) ?? 0) + 1);
      const modules = modulesOf(node);
      if (!isOne(node, modules)) continue;
      const [input = ''] = node.inputs;
      found.push({
        node,
        name: nameOf(node),
        modules,
        type: elementTypeOf(scope, input),
        shape: shapeOf(scope, [input, node.outputs[0] ?? '']),
        isFunction,
        opset: opsets.get('') ?? Number.NaN,
      });
    }
  };
  const visit = (graph: GraphView, around: Scope | undefined, depth: number) => {
    if (depth > MOST_NESTED) throw new OnnxError(`the model has subgraphs within ${MOST_NESTED} subgraphs`);
    const scope = scopeOf(graph, around);
    scopes.push(scope);
    for (const node of graph.nodes) for (const each of node.subgraphs) visit(readGraph(each), scope, depth + 1);
  };
  visit(readGraph(model.graph), undefined, 0);
  const bodies = model.functions.map(functionScope);
  for (const scope of bodies)
    for (const node of scope.nodes) for (const each of node.subgraphs) visit(readGraph(each), scope, 1);
  const callable = new Map(model.functions.map(({ domain, name }, i) => [`${domain}::${name}`, bodies[i]!]));
  for (const scope of [...scopes, ...bodies])
    for (const node of scope.nodes) callable.get(`${node.domain}::${node.op}`)?.calls.push({ scope, node });
  for (const scope of scopes) add(scope, model.opsets, false);
  bodies.forEach((scope, i) => {
    const { opsets } = model.functions[i] as FunctionView;
    add(scope, opsets.size > 0 ? opsets : model.opsets, true);
  });
  return { model, scopes, found, counts };
}

/**
 * The modules that a node could be of. PyTorch writes them as a list (`['', 'layer1', 'layer1.0', 'layer1.0.act', 'selu']`), as
 * `: net.Net/layer1.0.act: net.Act/selu: aten.selu.default`, or in the node's name, `/layer1/layer1.0/act/Selu`.
 */
function modulesOf(node: NodeView): string[] {
  const listed = [...(node.metadata[SCOPES] ?? '').matchAll(/'([^']*)'|"([^"]*)"/g)].map(
    (match) => match[1] ?? match[2]!,
  );
  const named = (node.metadata[NAMESPACE] ?? '').split('/').map((each) => each.split(':')[0]!.trim());
  const path: string[] = [];
  let dotted = '';
  for (const part of node.name.split('/')) {
    if (part === '') continue;
    const before = path[path.length - 1];
    // A member of a Sequential or a list repeats the name of that: features/features.0.
    dotted =
      before !== undefined && part.startsWith(`${before}.`)
        ? dotted.slice(0, dotted.length - before.length) + part
        : dotted === ''
          ? part
          : `${dotted}.${part}`;
    path.push(part);
    named.push(dotted);
  }
  return [...new Set([...listed, ...named])].filter((each) => each !== '').reverse();
}

/** @throws {OnnxError} if a node cannot be rewritten: an old opset, another type than float32, or one that the model does not say. */
export function expectRewritable({ name, node, type, opset }: FoundNode): void {
  if (!(opset >= OLDEST_OPSET))
    throw new OnnxError(
      `the model has opset ${opset}, at least ${OLDEST_OPSET} is needed: export it again, with opset_version=18 say`,
    );
  if (node.outputs.length !== 1 || node.inputs.length < 1)
    throw new OnnxError(
      `node '${name}' has ${node.inputs.length} inputs and ${node.outputs.length} outputs, expected one output`,
    );
  if (type === undefined)
    throw new OnnxError(
      `the model does not say what type the input of node '${name}' has: add it with onnx.shape_inference.infer_shapes`,
    );
  if (type !== 1)
    throw new OnnxError(
      `node '${name}' works on ${TYPE_NAMES[type] ?? `type ${type}`}, but activations are float32: convert the model without it, or put Cast around it`,
    );
}

/** Which of `prefixes` a node means: the one that is a module it is of, whole or from a dot on. Undefined if there is none, or several. */
export function matchOf(
  modules: readonly string[],
  prefixes: readonly string[],
): { prefix: string; module: string } | undefined {
  const bare = new Map(prefixes.map((prefix) => [prefix.replace(/\.$/, ''), prefix]));
  for (const module of modules) {
    const prefix = bare.get(module);
    if (prefix !== undefined) return { prefix, module };
  }
  for (const module of modules) {
    const near = [...bare.keys()].filter(
      (each) => each !== '' && (module.endsWith(`.${each}`) || each.endsWith(`.${module}`)),
    );
    if (near.length === 1) return { prefix: bare.get(near[0]!)!, module };
    if (near.length > 1) return undefined;
  }
  return undefined;
}
