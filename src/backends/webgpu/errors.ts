import { describe } from '../../errors.js';
import { BackendError } from '../errors.js';

/** The device is gone, and the backend with it. `loadBackend` gives a new one. */
export class DeviceLostError extends BackendError {
  override name = 'DeviceLostError';

  constructor(info: { reason: string; message: string }) {
    if (typeof info !== 'object' || info === null)
      throw new TypeError(`a DeviceLostError needs { reason, message }, got ${describe(info)}`);
    const { reason, message } = info;
    super(`the WebGPU device is lost (${reason}: ${message}); load the backend again`);
  }
}
