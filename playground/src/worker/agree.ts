import { verifyBackends } from 'ditac/verify';
import type { AgreeRequest, VerifyReport } from '../protocol';
import { make } from './activations';

/** Every backend of this browser against plain JavaScript, bit for bit, and against 30 digits. */
export function agree(
  { view, what, elements, points }: AgreeRequest,
  onProgress: (share: number, what: string) => void,
): Promise<VerifyReport[]> {
  const activations = what === 'shown' ? [make(view.family, view.options)] : undefined;
  let last = 0;
  return verifyBackends({
    elements,
    points,
    ...(activations ? { activations } : {}),
    onProgress(share, name) {
      const now = performance.now();
      if (now - last < 100) return;
      last = now;
      onProgress(share, name);
    },
  });
}
