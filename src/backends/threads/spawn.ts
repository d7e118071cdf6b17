import { BackendError } from '../errors.js';
import { importByName } from '../import.js';
import type { Answer, Piece, StartMessage } from './protocol.js';

/** A worker, wherever it runs. */
export interface Thread {
  post(message: StartMessage | Piece): void;
  /** Whether it keeps the process alive. */
  keepAlive(keeps: boolean): void;
  terminate(): void;
  /** Ends it as if it had crashed: for tests. */
  crash(): void;
}

export interface ThreadEvents {
  onAnswer(answer: Answer): void;
  /** Once, when it has ended or cannot go on, for whatever reason but `terminate`. */
  onEnd(reason: Error): void;
}

export type Spawn = (source: string, events: ThreadEvents) => Thread;

const NODE_PORT = `const { parentPort } = require('node:worker_threads');
const port = { postMessage: (answer) => parentPort.postMessage(answer), listen: (handler) => parentPort.on('message', handler) };\n`;
const WEB_PORT = `const port = { postMessage: (answer) => self.postMessage(answer), listen: (handler) => { self.onmessage = ({ data }) => handler(data); } };\n`;

/**
 * How threads are made here, and how many can work at a time.
 * @throws {BackendError} if they cannot be made, or cannot share memory, with the reason.
 */
export async function findThreads(): Promise<{ spawn: Spawn; cores: number }> {
  if (typeof SharedArrayBuffer === 'undefined' || globalThis.crossOriginIsolated === false)
    throw new BackendError(
      'no shared memory here: SharedArrayBuffer is missing. A page gets it with the headers ' +
        "'Cross-Origin-Opener-Policy: same-origin' and 'Cross-Origin-Embedder-Policy: require-corp'",
    );
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  // Deno and Bun too: there these threads can be told not to keep the process alive.
  if (process?.versions?.node) return nodeThreads();
  if (typeof Worker === 'function' && typeof Blob === 'function')
    return { spawn: webSpawn(), cores: globalThis.navigator?.hardwareConcurrency ?? 4 };
  throw new BackendError('no threads here: this platform has no workers');
}

async function nodeThreads(): Promise<{ spawn: Spawn; cores: number }> {
  const { Worker } = await importByName<typeof import('node:worker_threads')>('node:worker_threads');
  // Node 20 has no navigator; Deno has, and would ask for a permission.
  const cores =
    globalThis.navigator?.hardwareConcurrency ??
    (await importByName<typeof import('node:os')>('node:os')).availableParallelism();
  const spawn: Spawn = (source, { onAnswer, onEnd }) => {
    // No arguments of the caller's process: some, as --cpu-prof or a loader, are not for it.
    const worker = new Worker(NODE_PORT + source, { eval: true, execArgv: [], stdin: false });
    let isExpected = false;
    let reason: Error | undefined;
    worker.on('message', onAnswer);
    worker.on('error', (error) => {
      reason = error;
    });
    worker.on('exit', (code) => {
      if (!isExpected)
        onEnd(new BackendError(`a thread ended (${reason?.message ?? `exit code ${code}`})`, { cause: reason }));
    });
    let isEnding = false;
    const end = () => {
      // Once: until the thread has ended, Node keeps a listener for every time that it is told to.
      if (!isEnding) void worker.terminate();
      isEnding = true;
    };
    return {
      post: (message) => worker.postMessage(message),
      keepAlive: (keeps) => (keeps ? worker.ref() : worker.unref()),
      terminate: () => {
        isExpected = true;
        end();
      },
      crash: end,
    };
  };
  return { spawn, cores };
}

function webSpawn(): Spawn {
  const urls = new Map<string, string>();
  return (source, { onAnswer, onEnd }) => {
    let url = urls.get(source);
    if (!url) {
      url = URL.createObjectURL(new Blob([WEB_PORT + source], { type: 'text/javascript' }));
      urls.set(source, url);
    }
    const worker = new Worker(url, { type: 'module', name: 'ditac' });
    let hasEnded = false;
    const end = (message: string) => {
      if (!hasEnded) onEnd(new BackendError(`a thread ended (${message})`));
      hasEnded = true;
    };
    worker.onmessage = ({ data }) => onAnswer(data);
    worker.onerror = (event) => {
      event.preventDefault?.();
      worker.terminate();
      end(event.message || 'it could not start; does a content security policy forbid blob: workers?');
    };
    worker.onmessageerror = () => end('it sent what cannot be read');
    return {
      post: (message) => worker.postMessage(message),
      // A page lives on anyhow.
      keepAlive: () => {},
      terminate: () => {
        hasEnded = true;
        worker.terminate();
      },
      crash: () => {
        worker.terminate();
        end('it was ended');
      },
    };
  };
}
