import { activationModel, rewriteModel } from 'ditac/onnx';
import type { NetworkNode, View } from '../protocol';
import { make } from './activations';

/** Networks: which of their nodes an activation can take the place of, and models with one there, in standard operators with the kernel's bits. */

/** What onnx has of one tensor in and one out, element by element, and is used as an activation. */
const OPERATORS = new Set(
  (
    'Celu Elu Gelu HardSigmoid HardSwish LeakyRelu Mish PRelu Relu Selu Sigmoid Softplus Softsign Swish Tanh ThresholdedRelu ' +
    'FastGelu QuickGelu'
  ).split(' '),
);

/** @throws {OnnxError} if the bytes are no model. */
export function nodesOf(bytes: Uint8Array): NetworkNode[] {
  const nodes: NetworkNode[] = [];
  rewriteModel(bytes, ({ name, op, domain, modules }) => {
    if (domain === 'com.ditac' || OPERATORS.has(op)) nodes.push({ name, op, module: modules[0] ?? '' });
    return undefined;
  });
  return nodes;
}

/** @throws {OnnxError} if a node cannot be replaced; says why. */
export function rewritten(bytes: Uint8Array, names: readonly string[], { family, options }: View): Uint8Array {
  const act = make(family, options);
  return rewriteModel(bytes, ({ name, op, domain }) =>
    names.includes(name) && (domain === 'com.ditac' || OPERATORS.has(op)) ? act : undefined,
  ).model;
}

export function modelOf({ family, options }: View): Uint8Array {
  return activationModel(make(family, options));
}
