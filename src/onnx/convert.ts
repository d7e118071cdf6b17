import { LAYOUTS, type Layout } from '../activations/layout.js';
import { encodePlans } from '../plan/file.js';
import type { Plan } from '../plan/plan.js';
import { type Builder, tensorMessage } from './builder.js';
import type { Functions } from './columns.js';
import { compactNodes, compactTable } from './compact.js';
import { denseNodes } from './dense.js';
import { exactNodes } from './exact.js';
import { DOMAIN, expectRewritable, type FoundNode } from './find.js';
import { type Message, OnnxError } from './protobuf.js';
import { type Placed, type Replacement, rewrite } from './rewrite.js';
import { smallNodes } from './small.js';

/**
 * What takes an activation's place. `exact`: standard operators, the kernel's bits. `webgpu`: the same without shapes that depend on data.
 * `small`: the same, a fraction of the bytes, cells derived when the model is loaded. `compact`: not the bits, within a bound, at the price of a
 * Gelu. `split`: one node that holds the plan, for SplitSession.
 */
export type Form = 'exact' | 'webgpu' | 'small' | 'compact' | 'split';
export const FORMS: readonly Form[] = ['exact', 'webgpu', 'small', 'compact', 'split'];
/** The operator that holds a plan. */
export const PLAN_OPERATOR = 'Plan';

const WRITERS: Readonly<Record<Form, (builder: Builder, functions: Functions, x: string, y: string) => void>> = {
  exact: exactNodes,
  webgpu: denseNodes,
  small: smallNodes,
  compact: compactNodes,
  split: planNode,
};

/** A compiled function, or one a channel: every activation of this package is such. */
export interface Compiled {
  readonly channels: number;
  readonly layout: Layout;
  planOf(channel: number): Plan;
}

export interface Assignment {
  readonly found: FoundNode;
  readonly activation: Compiled;
}

export interface Converted extends Placed {
  readonly node: string;
  /** How far results may be from the function where |y| ≥ 2⁻⁸, in ULP; the worst of all channels. Not of `compact`. */
  readonly ulp?: number;
  /** Of `compact`: how far they may be for |x| ≤ 16. */
  readonly bound?: number;
}

/**
 * @param unused whether no node of `com.ditac` is left: then its import goes.
 * @throws {OnnxError} if a node cannot be rewritten.
 */
export function convert(
  model: Uint8Array,
  assignments: readonly Assignment[],
  form: Form,
  { unused }: { readonly unused: boolean },
): { message: Message; converted: Converted[] } {
  const replacements = new Map<number, Replacement>();
  const functionsOf = new Map<Compiled, Functions>();
  for (const { found, activation } of assignments) {
    expectRewritable(found);
    const known = functionsOf.get(activation);
    const plans = known?.plans ?? Array.from({ length: activation.channels }, (_, c) => activation.planOf(c));
    const functions = { plans, layout: activation.layout, shape: found.shape, opset: found.opset };
    if (!known) functionsOf.set(activation, functions);
    expectChannels(found, functions);
    replacements.set(found.node.content.byteOffset, (builder, x, y) => WRITERS[form](builder, functions, x, y));
  }
  const placed = new Map<number, Placed>();
  const message = rewrite(model, {
    replacements,
    placed,
    ...(form === 'split' ? { imported: DOMAIN } : unused ? { unused: DOMAIN } : {}),
  });
  const converted = assignments.map(({ found, activation }) => {
    const { plans } = functionsOf.get(activation)!;
    const worst = (of: (plan: Plan) => number) => plans.reduce((most, plan) => Math.max(most, of(plan)), 0);
    return {
      node: found.name,
      ...placed.get(found.node.content.byteOffset)!,
      ...(form === 'compact'
        ? { bound: worst((plan) => compactTable(plan).bound) }
        : { ulp: worst((plan) => plan.certificate.ulp) }),
    };
  });
  return { message, converted };
}

function expectChannels({ name, shape }: FoundNode, { plans, layout }: Functions): void {
  if (plans.length === 1 || !shape) return;
  const axis = layout === 'channelsLast' ? shape.length - 1 : Math.min(1, shape.length - 1);
  const size = shape[axis];
  if (shape.length === 0 || (size !== undefined && size !== plans.length))
    throw new OnnxError(
      `node '${name}' has shape [${shape.map((each) => each ?? '?').join(', ')}], whose axis ${axis} must be the ${plans.length} channels (${layout})`,
    );
}

function planNode(builder: Builder, { plans, layout }: Functions, x: string, y: string): void {
  const file = encodePlans(plans, LAYOUTS.indexOf(layout));
  builder.op(PLAN_OPERATOR, [x], { plan: tensorMessage(file, [file.length]) }, y, DOMAIN);
  builder.bytes += file.length;
}
