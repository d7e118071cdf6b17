import { compileHex, instantiate } from '../../engines/wasm/instance.js';
import { WINDOWS } from '../../plan/image.js';
import { AlternatingRunner } from '../alternating.js';
import { BackwardRunner } from '../backward-runner.js';

import { type Answer, BEGUN, DONE, FAILED, type Piece, type StartMessage } from './protocol.js';

/**
 * What a worker of the pool runs: pieces of tensors in shared memory, as they come. `scripts/build.mjs` turns this file into a string, so
 * that it travels inside the package; `spawn.ts` puts `port` before it.
 */
declare const port: {
  postMessage(answer: Answer): void;
  listen(handler: (message: StartMessage | Piece) => void): void;
};

let work: ((piece: Piece) => void) | undefined;

port.listen((message) => {
  if ('memory' in message) {
    work = begin(message);
    port.postMessage({ started: true });
    return;
  }
  let error: string | undefined;
  try {
    work!(message);
  } catch (cause) {
    error = String((cause as Error)?.stack ?? cause);
  }
  port.postMessage(error === undefined ? { id: message.id } : { id: message.id, error });
});

function begin({ memory, kernels, window }: StartMessage): (piece: Piece) => void {
  const engine = instantiate(compileHex(kernels), memory as WebAssembly.Memory);
  const runner = new AlternatingRunner(engine, window);
  const backwards = new BackwardRunner(engine, window);
  return (piece) => {
    const { flag, ticket } = piece;
    engine.reserve(piece.bytes);
    if (flag === 0) {
      run(piece);
      return;
    }
    // Whoever waits may have lost patience, and has done it.
    if (Atomics.compareExchange(engine.words, flag >> 2, ticket, ticket + BEGUN) !== ticket) return;
    let outcome = FAILED;
    try {
      run(piece);
      outcome = DONE;
    } finally {
      Atomics.store(engine.words, flag >> 2, ticket + outcome);
      Atomics.notify(engine.words, flag >> 2);
    }
  };

  function run(piece: Piece): void {
    const { kernel, channels, inner, offset, directory, sums, windowLength } = piece;
    const view = (address: number, length: number) => new Float32Array(memory.buffer, address, length);
    const x = view(piece.x, piece.xLength);
    const y = view(piece.y, piece.length);
    const tables = {
      channels,
      inner,
      offset,
      addressOf: (channel: number) => engine.words[(directory >> 2) + channel]!,
    };
    if (kernel !== 'backward') {
      runner.run(kernel, tables, x, y);
      return;
    }
    const gradY = view(piece.gradY, piece.length);
    for (let c = 0; c < channels; c++) {
      const own = sums + 8 * WINDOWS * windowLength * c;
      backwards.clearSums(own, windowLength);
      // A piece is so short that its sums are exact; they are read by whoever waits for it.
      backwards.backward(tables, c, own, x, gradY, y, () => {});
    }
  }
}
