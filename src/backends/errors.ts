/** A backend cannot start, or could not do its work; the message says why. The backend goes on. */
export class BackendError extends Error {
  override name = 'BackendError';
}

/** What a platform throws or rejects with, as a BackendError that begins with `what`. One that is such an error already is left alone. */
export function asBackendError(what: string, cause: unknown): BackendError {
  if (cause instanceof BackendError) return cause;
  const message = (cause as Error | undefined)?.message ?? String(cause);
  return new BackendError(`${what} (${message})`, { cause });
}
