import type { DType } from './header.js';

/** Floats as safetensors files hold them. */
export type FloatType = 'F32' | 'F16' | 'BF16' | 'F64';
export const BYTES: Readonly<Record<FloatType, number>> = { F64: 8, F32: 4, F16: 2, BF16: 2 };

/** Whether tensors of that kind are read. */
export const isFloat = (dtype: DType): dtype is FloatType => Object.hasOwn(BYTES, dtype);

/** Numbers from their bytes in a file. */
export function decode(type: FloatType, bytes: Uint8Array): Float32Array | Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.length / BYTES[type];
  const data = type === 'F64' ? new Float64Array(count) : new Float32Array(count);
  const words = type === 'F64' ? undefined : new Uint32Array(data.buffer);
  for (let i = 0; i < count; i++) {
    // Moved as bits, so that NaN payloads survive.
    if (type === 'F64') data[i] = view.getFloat64(8 * i, true);
    else if (type === 'F32') words![i] = view.getUint32(4 * i, true);
    else if (type === 'BF16') words![i] = view.getUint16(2 * i, true) << 16;
    else words![i] = widenHalf(view.getUint16(2 * i, true));
  }
  return data;
}

/** The float32 bits of a float16. */
function widenHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal half is a normal float32: shift its leading bit into the hidden place.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
