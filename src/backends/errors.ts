/** A backend cannot start, or could not do its work; the message says why. The backend goes on. */
export class BackendError extends Error {
  override name = 'BackendError';
}
