import {
  attributesOf,
  BOOL,
  FLOAT,
  type FunctionView,
  type GraphView,
  INT64,
  type NodeView,
  readFunctionNodes,
  type ValueType,
} from './model.js';

/**
 * The type and shape of a tensor, as far as the model says: by its own entry, or from what it is computed of. Of most operators a result has the
 * type of the first input; those that differ are listed.
 */

const LONG = new Set(['Shape', 'Size', 'NonZero', 'ArgMax', 'ArgMin', 'Multinomial']);
const TRUTH = new Set([
  'Equal',
  'Less',
  'LessOrEqual',
  'Greater',
  'GreaterOrEqual',
  'And',
  'Or',
  'Not',
  'Xor',
  'IsNaN',
  'IsInf',
]);
/** Of these another input than the first says. */
const LIKE_INPUT: Readonly<Record<string, number>> = { Where: 1, CastLike: 1, DequantizeLinear: 1, OneHot: 2 };
const UNKNOWN = new Set([
  'If',
  'Loop',
  'Scan',
  'QuantizeLinear',
  'DynamicQuantizeLinear',
  'ConvInteger',
  'MatMulInteger',
  'QLinearConv',
  'QLinearMatMul',
  'EyeLike',
  'Bernoulli',
  'RandomNormal',
  'RandomUniform',
  'RandomNormalLike',
  'RandomUniformLike',
  'SequenceAt',
  'OptionalGetElement',
]);
/** Of these the outputs after the first have a type of their own. */
const LATER: Readonly<Record<string, number>> = { TopK: INT64, MaxPool: INT64, Unique: INT64, Dropout: BOOL };
const MOST_STEPS = 10_000;
/** Functions that call functions. */
const MOST_CALLS = 64;

/** A body of nodes: a graph and those around it, or a function. */
export interface Scope {
  readonly nodes: readonly NodeView[];
  readonly types?: ReadonlyMap<string, ValueType>;
  readonly around?: Scope;
  /** Of a function: its inputs, and what calls of it pass. */
  readonly inputs?: readonly string[];
  readonly calls?: readonly { readonly scope: Scope; readonly node: NodeView }[];
}

const producersOf = new WeakMap<Scope, Map<string, NodeView>>();

function producer(scope: Scope, name: string): NodeView | undefined {
  let known = producersOf.get(scope);
  if (!known) {
    producersOf.set(scope, (known = new Map()));
    for (const node of scope.nodes) for (const output of node.outputs) known.set(output, node);
  }
  return known.get(name);
}

/** The element type of a tensor; undefined if the model does not say. */
export function elementTypeOf(scope: Scope, name: string): number | undefined {
  let steps = 0;
  const find = (at: Scope | undefined, value: string, calls = 0): number | undefined => {
    if (calls > MOST_CALLS) return undefined;
    for (let inScope = at, current = value; inScope && steps++ < MOST_STEPS; ) {
      const said = inScope.types?.get(current)?.type;
      if (said !== undefined) return said;
      const node = producer(inScope, current);
      if (node) {
        const { op, domain } = node;
        if (domain === '' && LONG.has(op)) return INT64;
        if (domain === '' && TRUTH.has(op)) return BOOL;
        if (domain === '' && UNKNOWN.has(op)) return undefined;
        if (domain === '' && LATER[op] !== undefined && node.outputs[0] !== current) return LATER[op];
        if (op === 'Cast' || op === 'Constant' || op === 'ConstantOfShape') return ofAttributes(node);
        const next = node.inputs[domain === '' ? (LIKE_INPUT[op] ?? 0) : 0];
        if (!next) return undefined;
        current = next;
        continue;
      }
      const input = inScope.inputs?.indexOf(current) ?? -1;
      if (input >= 0) {
        const types = new Set(
          (inScope.calls ?? []).map((call) => find(call.scope, call.node.inputs[input] ?? '', calls + 1)),
        );
        return types.size === 1 ? [...types][0] : undefined;
      }
      inScope = inScope.around;
    }
    return undefined;
  };
  return find(scope, name);
}

function ofAttributes(node: NodeView): number | undefined {
  const attributes = attributesOf(node);
  if (node.op === 'Cast') return typeof attributes.to === 'number' ? attributes.to : undefined;
  if ('value_float' in attributes || 'value_floats' in attributes) return FLOAT;
  if ('value_int' in attributes || 'value_ints' in attributes) return INT64;
  const { value } = attributes;
  if (value === undefined) return node.op === 'ConstantOfShape' ? FLOAT : undefined;
  return typeof value === 'object' && 'type' in value ? (value.type as number) : undefined;
}

/** A tensor's sizes, if the model says. */
export function shapeOf(scope: Scope, names: readonly string[]): ValueType['shape'] {
  for (let at: Scope | undefined = scope; at; at = at.around)
    for (const name of names) {
      const shape = at.types?.get(name)?.shape;
      if (shape) return shape;
    }
  return undefined;
}

export const scopeOf = (graph: GraphView, around: Scope | undefined): Scope => ({
  nodes: graph.nodes,
  types: graph.types,
  ...(around ? { around } : {}),
});

/** A function's body; who calls it is added when all bodies are known. */
export function functionScope(view: FunctionView): Scope & { calls: { scope: Scope; node: NodeView }[] } {
  return { nodes: readFunctionNodes(view.content), inputs: view.inputs, calls: [] };
}
