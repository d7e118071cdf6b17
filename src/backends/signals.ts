import type { Signal } from '../platform.js';

/** Calls that a signal would end. One listener serves them all: where many wait for their turn, platforms warn of a leak. */
interface Waiting {
  readonly calls: Set<() => void>;
  readonly listener: () => void;
}

const waiting = new WeakMap<Signal, Waiting>();

/** Calls `end` when the signal is aborted, unless what is returned was called before. */
export function onAbort(signal: Signal | undefined, end: () => void): () => void {
  if (signal === undefined) return () => {};
  const known = waiting.get(signal) ?? listenTo(signal);
  // One for each call, though several may have one function.
  const own = () => end();
  known.calls.add(own);
  return () => {
    known.calls.delete(own);
    if (known.calls.size > 0 || waiting.get(signal) !== known) return;
    waiting.delete(signal);
    signal.removeEventListener('abort', known.listener);
  };
}

function listenTo(signal: Signal): Waiting {
  const calls = new Set<() => void>();
  const listener = () => {
    waiting.delete(signal);
    for (const call of calls) call();
  };
  const added = { calls, listener };
  signal.addEventListener('abort', listener, { once: true });
  waiting.set(signal, added);
  return added;
}
