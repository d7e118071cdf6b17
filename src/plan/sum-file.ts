import { describe, isView } from '../errors.js';
import { fnv1a } from './file.js';
import { WINDOWS } from './image.js';
import { Moments } from './moments.js';

/**
 * Sums of gradients as bytes, little-endian: "ditacsum"; version and check (of all that follows), u32; two words that say of which function,
 * u32; the number of channels, u32; for each channel its blocks and the number of sums that are not 0, u32; then for each of these its place
 * (4·blocks·window + 4·block + m, ascending), u32, its lower word, u32, and its upper part, f64, an integer. Equal sums are equal bytes.
 */
const VERSION = 1;
const MAGIC = 'ditacsum';
const HEADER_BYTES = 28;
const ENTRY_BYTES = 16;

/** The bytes are no sum of gradients of this version and function, or are damaged. */
export class GradientSumError extends RangeError {
  override name = 'GradientSumError';
}

/** Which function sums are of: two words. */
export type Identity = readonly [number, number];

/** Of 2⁴⁸ elements: many files can be merged before sums cease to be exact. */
const MOST_READ = 2 ** 47;

export function encodeSums(moments: readonly Moments[], identity: Identity): Uint8Array {
  const words: number[] = [VERSION, 0, ...identity, moments.length];
  const singles = new Uint32Array(2);
  const double = new DataView(singles.buffer);
  for (const each of moments) {
    const entries = [...each.entries()];
    words.push(each.blocks, entries.length);
    for (const { window, i, low, high } of entries) {
      double.setFloat64(0, high);
      words.push(4 * each.blocks * window + i, low, double.getUint32(4), double.getUint32(0));
    }
  }
  const bytes = new Uint8Array(8 + 4 * words.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 8; i++) bytes[i] = MAGIC.charCodeAt(i);
  words.forEach((word, k) => {
    view.setUint32(8 + 4 * k, word, true);
  });
  view.setUint32(12, fnv1a(bytes.subarray(16)), true);
  return bytes;
}

/**
 * Time and memory are bounded by the file's size and by what the function's own sums take.
 * @param empty the function's sums, nothing added yet: as many, with as many blocks, come back.
 * @throws {TypeError|GradientSumError} if the bytes are not what `encodeSums` writes of this function.
 */
export function decodeSums(file: Uint8Array, empty: readonly Moments[], identity: Identity): Moments[] {
  if (!isView(file, 'Uint8Array')) throw new TypeError(`a gradient sum must be a Uint8Array, got ${describe(file)}`);
  const expect = (holds: boolean, what: string) => {
    if (!holds) throw new GradientSumError(`a gradient sum must ${what}, got another`);
  };
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 8;
  const word = () => {
    at += 4;
    return view.getUint32(at - 4, true);
  };
  expect(file.length >= HEADER_BYTES && String.fromCharCode(...file.subarray(0, 8)) === MAGIC, `begin with '${MAGIC}'`);
  expect(word() === VERSION, `have version ${VERSION}`);
  expect(word() === fnv1a(file.subarray(16)), 'be undamaged, which its check says');
  expect(word() === identity[0] && word() === identity[1], 'be of the same function with the same parameters');
  const whole = 'hold what it says';
  expect(word() === empty.length, whole);
  const found = empty.map(({ blocks }) => {
    expect(file.length - at >= 8 && word() === blocks, whole);
    const moments = new Moments(blocks);
    let count = word();
    expect(ENTRY_BYTES * count <= file.length - at, whole);
    for (let before = -1; count > 0; count--) {
      const place = word();
      const low = word();
      const high = view.getFloat64(at, true);
      at += 8;
      const isNumber = Number.isInteger(high) && !Object.is(high, -0) && Math.abs(high) <= MOST_READ;
      expect(
        place > before && place < 4 * blocks * WINDOWS && isNumber && (low !== 0 || high !== 0),
        'hold sums that there can be',
      );
      moments.add(Math.floor(place / (4 * blocks)), place % (4 * blocks), low, high);
      before = place;
    }
    return moments;
  });
  expect(at === file.length, whole);
  return found;
}
