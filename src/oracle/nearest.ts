import { enclosureOf } from './enclosed.js';
import { type Enclosure, LANES } from './enclosure.js';
import { type Format, round, spacing, type Truth } from './truth.js';

const LEAST = 2 ** -1074;

/** The numbers of a format that a truth rounds to, a block at a time: by its enclosure where that decides, by the truth itself elsewhere. */
export class Nearest {
  /** The truth, rounded once. */
  readonly rounded = new Float64Array(LANES);
  /** About the truth, and how far from it at most. */
  readonly value = new Float64Array(LANES);
  readonly off = new Float64Array(LANES);
  /** 1 where on which side of a power of two the truth lies is not known: its units are twice as large on one. */
  readonly isEdge = new Uint8Array(LANES);
  /** How many inputs the enclosure left to the truth. */
  asked = 0;
  readonly #format: Format;
  readonly #truth: (x: number, index: number) => Truth;
  readonly #enclosure: Enclosure | undefined;
  readonly #low = new Float64Array(LANES);
  readonly #high = new Float64Array(LANES);

  /** @param enclosure that of the truth, if it has one; or another, of `truth` with a second argument. */
  constructor(format: Format, truth: (x: number, index: number) => Truth, enclosure = enclosureOf(truth)) {
    this.#format = format;
    this.#truth = truth;
    this.#enclosure = enclosure;
  }

  /** For x[from] to x[from + count - 1], at most LANES. */
  find(x: Float32Array | Float64Array, from: number, count: number): void {
    const format = this.#format;
    this.#enclosure?.(x, from, count, this.#low, this.#high);
    const isSingle = format === 'float32';
    let last: Truth | undefined;
    let lastAt = Number.NaN;
    for (let i = 0; i < count; i++) {
      const v = x[from + i]!;
      if (this.#enclosure !== undefined && Math.abs(v) < Number.POSITIVE_INFINITY) {
        const l = this.#low[i]!;
        const h = this.#high[i]!;
        const p = isSingle ? Math.fround(l) : round(format, { hi: l, lo: 0 });
        const q = isSingle ? Math.fround(h) : round(format, { hi: h, lo: 0 });
        const isOne = p === q && (p !== 0 || Object.is(p, q));
        if (isOne) {
          const middle = l + (h - l) / 2;
          // Of what is not 0, though it rounds to it; and both ends may be infinite.
          this.value[i] =
            p === 0 && l !== h && middle === 0
              ? Object.is(p, -0)
                ? -LEAST
                : LEAST
              : Number.isNaN(middle)
                ? l
                : middle;
          this.off[i] = l === h ? 0 : (h - l) * 0.5000001;
          this.rounded[i] = p;
          this.isEdge[i] = l !== h && p !== 0 && spacing(format, l) !== spacing(format, h) ? 1 : 0;
          continue;
        }
      }
      if (last === undefined || !(v === lastAt) || this.#truth.length > 1) {
        last = this.#truth(v, from + i);
        lastAt = v;
        this.asked += 1;
      }
      this.value[i] = last.hi;
      this.off[i] = Math.abs(last.lo) + last.error;
      this.rounded[i] = round(format, last);
      this.isEdge[i] = 0;
    }
  }
}
