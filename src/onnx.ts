/** Whole networks: activations of an ONNX model in its own operators, or run beside onnxruntime. `ditac/onnx`. */
import { describe, expectFunction, expectOneOf, expectOptions, isView, type OptionTable } from './errors.js';
import { aloneModel } from './onnx/alone.js';
import { type Compiled, type Converted, convert, FORMS, type Form } from './onnx/convert.js';
import { DOMAIN, type FoundNode, survey } from './onnx/find.js';
import { type AttributeValue, attributesOf, type NodeView } from './onnx/model.js';
import { stagesOf } from './onnx/split.js';

export type { Compiled, Converted, Form } from './onnx/convert.js';
export type { AttributeValue } from './onnx/model.js';
export { OnnxError } from './onnx/protobuf.js';
export {
  type Ort,
  type OrtSession,
  type OrtTensor,
  SplitSession,
  type SplitSessionOptions,
} from './onnx/session.js';

/** A node of a model, as it is asked about. */
export interface ModelNode {
  /** Its name, or that of its output. */
  readonly name: string;
  readonly op: string;
  /** '' is ONNX's own. */
  readonly domain: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** The modules of PyTorch that it could be of, innermost first: 'layer1.0.act'. */
  readonly modules: readonly string[];
}

export interface RewriteOptions {
  /** Default 'exact'. */
  readonly form?: Form;
}

const OPTIONS = {
  form: (name: string, value: unknown) => expectOneOf(name, value, FORMS),
} satisfies OptionTable<RewriteOptions>;

/**
 * Puts activations in the place of nodes. Every byte of what is not replaced stays as it is.
 *
 * @param model the bytes of a .onnx file, opset 13 or newer.
 * @param activationFor is asked about every node, those of subgraphs and functions too; what it gives takes the node's place: any activation of this package.
 * @returns the new model, and what became of each node that was replaced.
 * @throws {TypeError} if an argument is something else. @throws {OnnxError} if the bytes are no model, or a node cannot be replaced: its input is not
 *   float32, or the model does not say what it is; its channels are others; of the form `split`, it lies in a branch or a function, or its input is a constant.
 */
export function rewriteModel(
  model: Uint8Array,
  activationFor: (node: ModelNode) => Compiled | undefined,
  options?: RewriteOptions,
): { model: Uint8Array; replaced: Converted[] } {
  if (!isView(model, 'Uint8Array')) throw new TypeError(`model must be a Uint8Array, got ${describe(model)}`);
  expectFunction('activationFor', activationFor);
  expectOptions('rewriteModel', options, OPTIONS);
  const chosen = new Map<NodeView, Compiled>();
  let others = 0;
  const { found } = survey(model, (node, modules) => {
    const { op, domain } = node;
    const activation = activationFor({
      name: node.name || node.outputs[0] || '',
      op,
      domain,
      get attributes() {
        return attributesOf(node);
      },
      modules,
    });
    if (activation === undefined) {
      if (domain === DOMAIN) others++;
      return false;
    }
    chosen.set(node, expectActivation(activation));
    return true;
  });
  const assignments = found.map((each: FoundNode) => ({ found: each, activation: chosen.get(each.node)! }));
  const form = options?.form ?? 'exact';
  const { message, converted } = convert(model, assignments, form, { unused: others === 0 });
  const rewritten = message.join();
  // What no session could open is not written.
  if (form === 'split' && converted.length > 0) stagesOf(rewritten);
  return { model: rewritten, replaced: converted };
}

/**
 * A model that is an activation alone, from `x` to `y`: float32 of any shape for one function; of several, [batch][channels] where channels are last, and
 * [batch][channels][length] where they are first.
 * @returns the bytes of a .onnx file, opset 17.
 * @throws {TypeError} if it is no activation of this package, or for other options.
 */
export function activationModel(activation: Compiled, options?: RewriteOptions): Uint8Array {
  const { channels, layout } = expectActivation(activation, 'activation');
  return rewriteModel(aloneModel(channels, layout), () => activation, options).model;
}

function expectActivation(value: unknown, name = 'what activationFor gives'): Compiled {
  const { planOf, channels } = (value ?? {}) as Partial<Compiled>;
  if (typeof planOf !== 'function' || typeof channels !== 'number')
    throw new TypeError(`${name} must be an activation of ditac, got ${describe(value)}`);
  return value as Compiled;
}
