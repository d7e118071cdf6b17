import { spawnSync } from 'node:child_process';

/**
 * Peers for the benchmarks: onnxruntime-web's operators. The ONNX model is a single node, written here byte
 * by byte (onnx.proto3): there is nothing to train or download.
 */

export interface Peer {
  readonly name: string;
  run(): Promise<unknown>;
}

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
const integer = (field: number, value: number) => [...varint(field << 3), ...varint(value)];
const bytes = (field: number, content: number[]) => [
  ...varint((field << 3) | 2),
  ...varint(content.length),
  ...content,
];
const text = (field: number, value: string) => bytes(field, [...new TextEncoder().encode(value)]);

/** ModelProto with one node: y = operator(x), x and y float32 of `size`. */
function singleNodeModel(operator: string, size: number): Uint8Array {
  const shape = bytes(2, bytes(1, integer(1, size)));
  const value = (name: string) => [...text(1, name), ...bytes(2, bytes(1, [...integer(1, 1), ...shape]))];
  const node = [...text(1, 'x'), ...text(2, 'y'), ...text(4, operator)];
  const graph = [...bytes(1, node), ...text(2, 'graph'), ...bytes(11, value('x')), ...bytes(12, value('y'))];
  return Uint8Array.from([...integer(1, 9), ...bytes(7, graph), ...bytes(8, [...text(1, ''), ...integer(2, 20)])]);
}

/** The operators as peers, or the reason why they are not here. */
export async function onnxPeers(operators: readonly string[], x: Float32Array, threads = 1): Promise<Peer[] | string> {
  try {
    const ort = await import('onnxruntime-web');
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = 'error';
    const input = new ort.Tensor('float32', x, [x.length]);
    const peers: Peer[] = [];
    for (const operator of operators) {
      const session = await ort.InferenceSession.create(singleNodeModel(operator, x.length), {
        executionProviders: ['wasm'],
      });
      peers.push({ name: `onnxruntime-web ${operator}`, run: () => session.run({ x: input }) });
    }
    return peers;
  } catch (cause) {
    return `onnxruntime-web is not here: ${(cause as Error).message}`;
  }
}

/** efficient-kan's KANLinear in float32 on one thread, as Python has it; or the reason why it is not here. The package is Blealtan/efficient-kan. */
const KAN_LINEAR = `
import sys, time, torch
from efficient_kan.kan import KANLinear
inputs, outputs, samples = map(int, sys.argv[1:])
torch.set_num_threads(1)
layer, x = KANLinear(inputs, outputs), torch.randn(samples, inputs)
times = []
with torch.no_grad():
    for _ in range(30):
        start = time.perf_counter()
        layer(x)
        times.append(time.perf_counter() - start)
print(sorted(times[5:])[len(times[5:]) // 2])
`;

/** Seconds a call, median. */
export function efficientKan(inputs: number, outputs: number, samples: number): number | string {
  for (const python of ['python3', '/usr/bin/python3']) {
    const numbers = [inputs, outputs, samples].map(String);
    const { status, stdout } = spawnSync(python, ['-c', KAN_LINEAR, ...numbers], { encoding: 'utf8' });
    if (status === 0) return Number(stdout);
  }
  return 'efficient-kan is not here: it needs Python with torch and Blealtan/efficient-kan (PYTHONPATH=…/src)';
}
