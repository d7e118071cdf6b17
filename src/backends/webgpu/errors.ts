import { BackendError } from '../errors.js';

/** The device is gone, and the backend with it. `loadBackend` gives a new one. */
export class DeviceLostError extends BackendError {
  override name = 'DeviceLostError';

  constructor({ reason, message }: { reason: string; message: string }) {
    super(`the WebGPU device is lost (${reason}: ${message}); load the backend again`);
  }
}
