/** Files that lie: what a hostile or damaged file may look like. */
import { uniformStream } from '../src/cpab/random.js';

/** `count` mutations of the given files, each of one to four kinds. `mend` may put right what would end the reading too soon. */
export function* mutations(
  files: readonly Uint8Array[],
  count: number,
  seed: number,
  mend: (file: Uint8Array) => void = () => {},
): Iterable<Uint8Array> {
  const uniform = uniformStream(seed);
  const below = (n: number) => Math.floor(uniform() * n);
  /** Numbers at which readers go wrong. */
  const numbers = [0, 1, 4, 127, 128, 255, 0x7fff, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff];
  for (let k = 0; k < count; k++) {
    let file = files[k % files.length]!.slice();
    for (let times = 1 + below(4); times > 0 && file.length > 0; times--) {
      // Headers are where lies matter most.
      const at = uniform() < 0.5 ? below(Math.min(file.length, 400)) : below(file.length);
      switch (below(8)) {
        case 0:
          file[at]! ^= 1 << below(8);
          break;
        case 1:
          file[at] = below(256);
          break;
        case 2:
          file = file.slice(0, at);
          break;
        case 3: {
          const end = Math.min(at + below(64), file.length);
          file = joined(file.subarray(0, at), file.subarray(end));
          break;
        }
        case 4: {
          const piece = file.slice(at, at + below(64));
          file = joined(file.subarray(0, at), piece, file.subarray(at));
          break;
        }
        case 5:
          if (at + 4 <= file.length) new DataView(file.buffer).setUint32(at, numbers[below(numbers.length)]!, true);
          break;
        case 6: {
          // A digit, quote or bracket of a JSON header, or a float's exponent.
          const letters = '0123456789-,:[]{}"\\eE.';
          file[at] = letters.charCodeAt(below(letters.length));
          break;
        }
        default:
          file = joined(
            file,
            Uint8Array.from({ length: below(32) }, () => below(256)),
          );
      }
    }
    if (uniform() < 0.7) mend(file);
    yield file;
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** The check of a plan file, put right, so that what lies behind it is read. */
export function mendPlan(file: Uint8Array): void {
  if (file.length < 16) return;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let hash = 0x811c9dc5;
  for (let at = 16; at + 4 <= file.length; at += 4) hash = Math.imul(hash ^ view.getInt32(at, true), 0x01000193);
  view.setUint32(12, hash >>> 0, true);
}
