/** binary32 as a set of numbers: bit patterns, neighbours and units in the last place. */

const float = new Float32Array(1);
const word = new Int32Array(float.buffer);

/** The bit pattern of fround(x), as a signed 32-bit integer. */
export function bitsOf(x: number): number {
  float[0] = x;
  return word[0]!;
}

/** The float32 with the given bit pattern. */
export function fromBits(pattern: number): number {
  word[0] = pattern;
  return float[0]!;
}

/** Maps a float32 to an integer such that neighbours differ by one; -0 and +0 both map to 0. */
export function ordinal(x: number): number {
  const pattern = bitsOf(x);
  return pattern < 0 ? -(pattern & 0x7fffffff) : pattern;
}

/** The inverse of {@link ordinal}. */
export function fromOrdinal(n: number): number {
  return n < 0 ? fromBits(-n | 0x80000000) : fromBits(n);
}

/** The smallest float32 above x (x itself a float32). */
export function nextUp(x: number): number {
  return fromOrdinal(ordinal(x) + 1);
}

/** The largest float32 below x (x itself a float32). */
export function nextDown(x: number): number {
  return fromOrdinal(ordinal(x) - 1);
}

/** The smallest float32 ≥ x. */
export function ceilToFloat32(x: number): number {
  const rounded = Math.fround(x);
  return rounded < x ? nextUp(rounded) : rounded;
}

/** The largest float32 ≤ x. */
export function floorToFloat32(x: number): number {
  const rounded = Math.fround(x);
  return rounded > x ? nextDown(rounded) : rounded;
}

const wide = new DataView(new ArrayBuffer(8));

/**
 * The spacing of float32 at the real number |x|: 2^(⌊log₂|x|⌋-23), and 2⁻¹⁴⁹ below the smallest normal.
 * Used to express errors of a float32 result against a truth that is not a float32.
 */
export function unitInLastPlace(x: number): number {
  wide.setFloat64(0, Math.abs(x));
  const exponent = Math.max((wide.getUint32(0) >>> 20) - 1023, -126);
  wide.setUint32(0, (exponent - 23 + 1023) << 20);
  wide.setUint32(4, 0);
  return wide.getFloat64(0);
}
