/** binary32 as a set of numbers. The oracle's own: it shares nothing with the code that it judges. */

const float = new Float32Array(1);
const word = new Int32Array(float.buffer);
const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/** The float32 with the given bit pattern. */
export function fromBits(pattern: number): number {
  word[0] = pattern;
  return float[0]!;
}

/** Maps a float32 to an integer such that neighbours differ by one; -0 and +0 both map to 0. */
export function ordinal(x: number): number {
  float[0] = x;
  const pattern = word[0]!;
  return pattern < 0 ? -(pattern & 0x7fffffff) : pattern;
}

/** The inverse of {@link ordinal}. */
export function fromOrdinal(n: number): number {
  return fromBits(n < 0 ? -n | 0x80000000 : n);
}

/**
 * The spacing of float32 at the real number |x|: 2^(⌊log₂|x|⌋-23), and 2⁻¹⁴⁹ below the smallest normal.
 * Used to express errors of a float32 result against a truth that is not a float32.
 */
export function unitInLastPlace(x: number): number {
  const size = Math.abs(x);
  if (size < 2 ** -126) return 2 ** -149;
  // Rounding towards zero, so that the binade is that of x itself.
  let single = Math.fround(size);
  if (single > size) single = fromBits(ordinal(single) - 1);
  float[0] = single;
  // A power of two by its bits: `**` takes as long as all the rest.
  halves[1] = ((word[0]! >>> 23) - 150 + 1023) << 20;
  halves[0] = 0;
  return double[0]!;
}
