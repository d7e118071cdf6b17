/** What the page and its worker say to each other. */
import type { Certificate } from 'ditac';
import type { FamilyName } from 'ditac/families';
import type { VerifyReport } from 'ditac/verify';
import type { Options } from '../../docs/catalogue';

export type { Certificate, FamilyName, Options, VerifyReport };

/** An activation on a stretch of x. */
export interface View {
  readonly family: FamilyName;
  readonly options: Options;
  readonly low: number;
  readonly high: number;
}

/**
 * How much is asked for. `preview`: the formula in float64, without a table. `moving`: the compiled plan, its slope and its error by the
 * formula in float64. `resting`: the slope as a backward pass has it, the error by 30 digits.
 */
export type Detail = 'preview' | 'moving' | 'resting';

export interface Curves {
  readonly detail: Detail;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly slope: Float64Array;
  /** In ULP of the true result, signed; NaN where |f(x)| < 2⁻²⁴, whose bound is absolute. Undefined in a preview. */
  readonly error: Float64Array | undefined;
  readonly certificate: Certificate | undefined;
  /** Bytes of the plan file. */
  readonly bytes: number | undefined;
  /** Milliseconds that compiling took. */
  readonly compiled: number;
  readonly notes: readonly string[];
}

/** A value, and how far it is from the truth. */
export interface Value {
  readonly x: number;
  readonly y: number;
  readonly slope: number;
  /** The true result, to the nearest float64. */
  readonly truth: number;
  /** In ULP of it, signed. */
  readonly error: number;
}

export interface AgreeRequest {
  readonly view: View;
  /** The function that is shown, or a DiTAC of each variant. */
  readonly what: 'shown' | 'variants';
  readonly elements: number;
  readonly points: number;
}

export interface LearnRequest {
  readonly family: FamilyName;
  readonly options: Options;
  readonly seed: number;
  /** How often a state is sent, in milliseconds. */
  readonly every: number;
}

export interface LearnState {
  readonly step: number;
  readonly stepsPerSecond: number;
  /** Running mean of the batches' losses, by step. */
  readonly losses: Float64Array;
  readonly lossSteps: Float64Array;
  /** Of the points of the picture. */
  readonly r2: number;
  /** [SIZE][SIZE], the upper row first. */
  readonly surface: Float32Array;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly options: Options;
  /** Steps whose new parameters made no sense, and were not taken; and why. */
  readonly refused: number;
  readonly reason: string;
}

/** Pixels of a surface's side. */
export const SIZE = 96;

export interface FoundCandidate {
  readonly family: FamilyName;
  readonly classes: readonly string[];
  /** Options that must be told. */
  readonly tell: readonly string[];
  readonly functions: number;
  readonly alike?: string;
}

export interface Found {
  readonly prefix: string;
  readonly candidates: readonly FoundCandidate[];
}

/** A node of a network that an activation can take the place of. */
export interface NetworkNode {
  readonly name: string;
  readonly op: string;
  /** Of PyTorch, where its exporter says so. */
  readonly module: string;
}

export interface FileContents {
  readonly kind: 'safetensors' | 'plan' | 'onnx';
  readonly tensors: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly found: readonly Found[];
  /** Of a plan: how many functions it holds. */
  readonly channels: number;
  /** Of a network. */
  readonly nodes: readonly NetworkNode[];
}

/** A function of a file, as it is there. */
export interface Loaded {
  readonly channels: number;
  readonly channel: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly certificate: Certificate;
  readonly notes: readonly string[];
  /** The same function with its parameters by name, where the file has them. */
  readonly view: Pick<View, 'family' | 'options'> | undefined;
}
