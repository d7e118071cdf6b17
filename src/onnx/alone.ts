import type { Layout } from '../activations/layout.js';
import { nodeMessage } from './builder.js';
import { FLOAT, GRAPH, MODEL, OPSET, VALUE } from './model.js';
import { Message } from './protobuf.js';

/** A model that is one node, from x to y, for an activation to take its place. Numbers of fields are those of onnx.proto. */

const [IR_VERSION, PRODUCER] = [1, 2];
const IR = 8;
const VERSION = 17;

/** A float32 tensor; without a shape, of any rank. */
function valueMessage(name: string, shape: readonly (number | string)[] | undefined): Message {
  const tensor = new Message().integer(1, FLOAT);
  if (shape) {
    const dimensions = new Message();
    for (const size of shape)
      dimensions.bytes(1, typeof size === 'number' ? new Message().integer(1, size) : new Message().text(2, size));
    tensor.bytes(2, dimensions);
  }
  return new Message().text(VALUE.name, name).bytes(VALUE.type, new Message().bytes(1, tensor));
}

/** Channels need their axis; one function takes tensors of any shape. */
export function aloneModel(channels: number, layout: Layout): Uint8Array {
  const shape =
    channels === 1 ? undefined : layout === 'channelsLast' ? ['batch', channels] : ['batch', channels, 'length'];
  const graph = new Message()
    .bytes(GRAPH.node, nodeMessage('Identity', ['x'], ['y'], {}, 'activation'))
    .text(GRAPH.name, 'activation')
    .bytes(GRAPH.input, valueMessage('x', shape))
    .bytes(GRAPH.output, valueMessage('y', shape));
  return new Message()
    .integer(IR_VERSION, IR)
    .text(PRODUCER, 'ditac')
    .bytes(MODEL.graph, graph)
    .bytes(MODEL.opset, new Message().text(OPSET.domain, '').integer(OPSET.version, VERSION))
    .join();
}
