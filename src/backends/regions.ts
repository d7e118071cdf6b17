/** Memory handed out in pieces: first fit, and what is given back joins its neighbours. */
export class Regions {
  readonly #end: number;
  /** What is free, ascending, no two adjacent. */
  #free: { from: number; to: number }[];
  readonly #taken = new Map<number, number>();

  constructor(start: number, end: number) {
    this.#end = end;
    this.#free = [{ from: start, to: end }];
  }

  /** The address of so many bytes, or undefined if there is no such room. */
  take(bytes: number): number | undefined {
    const at = this.#free.findIndex(({ from, to }) => to - from >= bytes);
    const region = this.#free[at];
    if (region === undefined) return undefined;
    const address = region.from;
    region.from += bytes;
    if (region.from === region.to) this.#free.splice(at, 1);
    this.#taken.set(address, bytes);
    return address;
  }

  /** Gives back what `take` gave. */
  give(address: number): void {
    const bytes = this.#taken.get(address);
    if (bytes === undefined) return;
    this.#taken.delete(address);
    const next = this.#free.findIndex(({ from }) => from > address);
    const at = next < 0 ? this.#free.length : next;
    const region = { from: address, to: address + bytes };
    const [before, after] = [this.#free[at - 1], this.#free[at]];
    if (after?.from === region.to) {
      region.to = after.to;
      this.#free.splice(at, 1);
    }
    if (before?.to === region.from) before.to = region.to;
    else this.#free.splice(at, 0, region);
  }

  /** The end of the highest piece that was handed out. */
  get top(): number {
    const last = this.#free.at(-1);
    return last?.to === this.#end ? last.from : this.#end;
  }
}
