/** Numbers as people read them, and as they are stored. */

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** Sign, exponent and fraction of the float32, in binary, and its hexadecimal digits. */
export function bitsOf(x: number): {
  readonly sign: string;
  readonly exponent: string;
  readonly fraction: string;
  readonly hex: string;
} {
  float[0] = x;
  const binary = word[0]!.toString(2).padStart(32, '0');
  return {
    sign: binary[0]!,
    exponent: binary.slice(1, 9),
    fraction: binary.slice(9),
    hex: word[0]!.toString(16).padStart(8, '0'),
  };
}

/** The shortest digits that a program reads as the same float32. */
export function shortDigits(x: number): string {
  const y = Math.fround(x);
  if (Object.is(y, -0)) return '-0';
  for (let digits = 1; digits < 9; digits++) {
    const text = String(Number(y.toPrecision(digits)));
    if (Math.fround(Number(text)) === y) return text;
  }
  return String(Number(y.toPrecision(9)));
}

/** The same for people: a power of ten as one. */
export const shortest = (x: number): string => superscript(shortDigits(x));

export const rounded = (x: number, digits = 3): string => superscript(String(Number(x.toPrecision(digits))));

const DIGITS = '⁰¹²³⁴⁵⁶⁷⁸⁹';
/** 1e-9 as 10⁻⁹. */
const superscript = (text: string): string =>
  text.replace(/e([+-])(\d+)$/, (_, sign: string, digits: string) => {
    const power = [...digits].map((digit) => DIGITS[Number(digit)]).join('');
    return `·10${sign === '-' ? '⁻' : ''}${power}`;
  });

/** A power of two where it is one, else digits. */
export function bound(x: number): string {
  const exponent = Math.log2(x);
  return x > 0 && Number.isInteger(exponent) && exponent < -8
    ? `2⁻${[...String(-exponent)].map((digit) => DIGITS[Number(digit)]).join('')}`
    : rounded(x);
}

export const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;
