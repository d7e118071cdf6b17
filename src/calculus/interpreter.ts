import {
  DISC,
  EXTRA,
  JOB_BYTES,
  LOW,
  MOST_INSTRUCTIONS,
  NORM,
  REGISTER_BYTES,
  SERIES_ERROR,
  TERMS,
  VALUE_ERROR,
} from '../../assembly/layout';
import { type Engine, FREE_ADDRESS } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import type { Tape } from './tape.js';

/**
 * The memory of the engine that prepares tables begins with one job, then a tape and the registers of its interpreter (assembly/jets.ts).
 */
export const JOB = FREE_ADDRESS;
const align = (bytes: number) => (bytes + 15) & -16;
export const TAPE_ADDRESS = align(JOB + JOB_BYTES);
/** Instructions of 16 bytes, and twice as much for constants. */
export const MOST_TAPE_BYTES = 48 * MOST_INSTRUCTIONS;
export const REGISTERS_ADDRESS = align(TAPE_ADDRESS + MOST_TAPE_BYTES);
/** What follows is for whoever compiles. */
export const REST_ADDRESS = align(REGISTERS_ADDRESS + REGISTER_BYTES * MOST_INSTRUCTIONS);

let compiler: Engine | undefined;

/** The engine that prepares tables, with memory of its own. */
export function compilingEngine(): Engine {
  compiler ??= createEngine();
  return compiler;
}

/** A number of two float64, and how far it may be from what it stands for. */
export interface Ball {
  readonly high: number;
  readonly low: number;
  readonly error: number;
}

/** Runs tapes: values with bounds on their errors, and how far they stray around a point. */
export class Interpreter {
  readonly engine: Engine;
  #tape: Tape | undefined;

  constructor(engine: Engine = compilingEngine()) {
    this.engine = engine;
    engine.reserve(REST_ADDRESS);
  }

  /** Copies a tape into the engine's memory, where `fit` finds it too. */
  load(tape: Tape): void {
    this.#tape = tape;
    new Uint8Array(this.engine.words.buffer, TAPE_ADDRESS, tape.bytes.length).set(tape.bytes);
  }

  /** Values at x in float64. */
  values(x: number): void {
    this.engine.kernels.values(TAPE_ADDRESS, REGISTERS_ADDRESS, x);
  }

  /** After `values`: the same as two float64 each. */
  settle(x: number): void {
    this.engine.kernels.settle(TAPE_ADDRESS, REGISTERS_ADDRESS, x);
  }

  /** After `values`: how far the last instruction strays from its value on the disc of radius rho around x; Infinity if that is not known. */
  discs(rho: number): number {
    const spread = this.engine.kernels.discs(TAPE_ADDRESS, REGISTERS_ADDRESS, rho);
    this.isDisc = spread < Number.POSITIVE_INFINITY;
    return spread;
  }

  /** The series of every register about x in powers of (x - centre)/radius; false where it does not converge fast enough. */
  expand(centre: number, radius: number): boolean {
    return (
      this.engine.kernels.expand(TAPE_ADDRESS, REGISTERS_ADDRESS, centre, radius, 1, false) < Number.POSITIVE_INFINITY
    );
  }

  /**
   * After `expand`: a bound on what the cubic through Chebyshev's four nodes misses of a register on the interval. Interpolation misses at most
   * max|f⁗|/4!·1/8 of a function, so C(n,4)/8 of uⁿ; what follows the series is bounded by Cauchy, and no interpolation makes more than 2.9 of it.
   */
  missedByCubic(register: number): number {
    const { doubles } = this.engine;
    const at = (REGISTERS_ADDRESS + REGISTER_BYTES * register) >> 3;
    const share = doubles[(REGISTERS_ADDRESS + EXTRA) >> 3]!;
    let missed = (2.9 * doubles[at + (DISC >> 3)]! * share ** -TERMS) / (1 - 1 / share);
    for (let n = 4; n < TERMS; n++)
      missed += Math.min((n * (n - 1) * (n - 2) * (n - 3)) / 192, 2.9) * Math.abs(doubles[at + n]!);
    return missed + 2.9 * doubles[at + (SERIES_ERROR >> 3)]!;
  }

  /** Σ|aₙ|, n ≥ 1, of a register after `expand`, and what follows: how far it is from its value anywhere on the interval. */
  variation(register: number): number {
    const { doubles } = this.engine;
    const at = (REGISTERS_ADDRESS + REGISTER_BYTES * register) >> 3;
    const share = doubles[(REGISTERS_ADDRESS + EXTRA) >> 3]!;
    return doubles[at + (NORM >> 3)]! + (doubles[at + (DISC >> 3)]! * share ** -TERMS) / (1 - 1 / share);
  }

  /** Whether the last `discs` bounded every register. */
  isDisc = false;

  /** The value of a register; by default the tape's result. */
  value(register = this.#tape!.result): number {
    return this.engine.doubles[(REGISTERS_ADDRESS + REGISTER_BYTES * register) >> 3]!;
  }

  ball(register = this.#tape!.result): Ball {
    const at = REGISTERS_ADDRESS + REGISTER_BYTES * register;
    const { doubles } = this.engine;
    return { high: doubles[at >> 3]!, low: doubles[(at + LOW) >> 3]!, error: doubles[(at + VALUE_ERROR) >> 3]! };
  }

  /** How far a register strayed in the last `discs`. */
  disc(register = this.#tape!.result): number {
    return this.engine.doubles[(REGISTERS_ADDRESS + REGISTER_BYTES * register + DISC) >> 3]!;
  }

  /** The slope at x, and a bound on its error, from the series on a small disc; Infinity where there is none. */
  slope(x: number): { slope: number; error: number; bend: number } {
    const radius = 2 ** -40;
    const tail = this.engine.kernels.expand(TAPE_ADDRESS, REGISTERS_ADDRESS, x, radius, 1, false);
    const at = (REGISTERS_ADDRESS + REGISTER_BYTES * this.#tape!.result) >> 3;
    const { doubles } = this.engine;
    const error = (tail + doubles[at + (SERIES_ERROR >> 3)]!) / radius;
    // Σ|aₙ|, n ≥ 2: how far the function is from its tangent on that disc.
    const bend = doubles[at + (NORM >> 3)]! - Math.abs(doubles[at + 1]!) + tail;
    return { slope: doubles[at + 1]! / radius, error, bend };
  }

  /** A rigorous bound on how far f strays from its value at x on the real and complex disc of radius rho; `values` first. */
  spread(x: number, rho: number): { value: number; spread: number } {
    this.values(x);
    const value = this.value();
    const spread = Number.isFinite(value) ? this.discs(rho) : Number.POSITIVE_INFINITY;
    return { value, spread: Number.isNaN(spread) ? Number.POSITIVE_INFINITY : spread };
  }
}
