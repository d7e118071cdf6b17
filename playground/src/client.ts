import { type Remote, wrap } from 'comlink';
import type { Api } from './worker/main';
// In the page itself, so that it also works where a file may load no other: from a folder.
import ComputeWorker from './worker/main?worker&inline';

export interface Client {
  readonly api: Remote<Api>;
  end(): void;
}

export function start(): Client {
  const worker = new ComputeWorker();
  worker.onerror = (event) => console.error(`the worker failed: ${event.message}`);
  return { api: wrap<Api>(worker), end: () => worker.terminate() };
}

let explorer: Client | undefined;
/** What answers while something is moved: nothing long is asked of it. */
export const quick = (): Remote<Api> => (explorer ??= start()).api;

let long: Client | undefined;
/** What trains and verifies. */
export const slow = (): Remote<Api> => (long ??= start()).api;

/** Ends what it is at, and forgets it. */
export function endSlow(): void {
  long?.end();
  long = undefined;
}

export const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
