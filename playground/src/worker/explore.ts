import { transfer } from 'comlink';
import { exact, ulpError } from 'ditac/oracle';
import type { Curves, Detail, Value, View } from '../protocol';
import { type Made, make, optionsOf } from './activations';

const POINTS = 481;
/** Below, a certificate bounds the absolute error. */
const SMALL = 2 ** -24;
/** Milliseconds of a frame's 16 that the worker may take; a main thread draws in the others. */
const SLOW = 10;
/** So many movements must have been slow: the first ones run code that is not warm, and any may meet what else the machine does. */
const TRIES = 3;
/** After so many previews it is tried again. */
const PREVIEWS = 10;

/** What a movement took the last times, and how many were previewed since. */
interface Costs {
  readonly times: readonly number[];
  readonly previews: number;
}
const costs = new Map<string, Costs>();
const costsOf = (family: string): Costs => costs.get(family) ?? { times: [], previews: 0 };

/** Whether a family is to be previewed while it moves, since all of it would take too long. */
function isSlow(family: string): boolean {
  const { times, previews } = costsOf(family);
  return times.length === TRIES && Math.min(...times) > SLOW && previews < PREVIEWS;
}

export function gridOf(low: number, high: number): Float32Array {
  return Float32Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1));
}

/** Slopes by differences of values on the grid: to be looked at while it moves, and replaced when it rests. */
function differences(x: Float32Array, values: Float64Array): Float64Array {
  const last = x.length - 1;
  return values.map((_, i) => {
    const [p, q] = [Math.max(0, i - 1), Math.min(last, i + 1)];
    return (values[q]! - values[p]!) / (x[q]! - x[p]!);
  });
}

const signedError = (y: number, truth: number): number =>
  Math.abs(truth) < SMALL ? Number.NaN : Math.sign(y - truth) * ulpError(y, truth);

export function explore({ family, options, low, high }: View, asked: Detail): Curves {
  const began = performance.now();
  const act = make(family, options);
  const x = gridOf(low, high);
  const detail = asked === 'moving' && isSlow(family) ? 'preview' : asked;
  if (detail === 'preview') {
    const { times, previews } = costsOf(family);
    costs.set(family, { times, previews: previews + 1 });
    const reference = act.reference();
    const values = Float64Array.from(x, (v) => reference(v));
    const [y, slope] = [Float32Array.from(values), differences(x, values)];
    return { detail, x, y, slope, error: undefined, certificate: undefined, bytes: undefined, compiled: 0, notes: [] };
  }
  const before = performance.now();
  const { certificate } = act.plan;
  const compiled = performance.now() - before;
  const y = act.forward(x);
  const isResting = detail === 'resting';
  const truth = isResting ? exact.family(act) : act.reference();
  const values = Float64Array.from(x, (v) => truth(v));
  const slope = isResting ? Float64Array.from(slopes(act, x)) : differences(x, values);
  const error = values.map((value, i) => signedError(y[i]!, value));
  const notes = 'notes' in act ? act.notes : [];
  // The file is the table again; its size is worth knowing only at rest.
  const bytes = isResting ? act.compiled().toBytes().length : undefined;
  if (!isResting)
    costs.set(family, { times: [performance.now() - began, ...costsOf(family).times].slice(0, TRIES), previews: 0 });
  const curves: Curves = { detail, x, y, slope, error, certificate, bytes, compiled, notes };
  return transfer(curves, [x.buffer, y.buffer, slope.buffer, error.buffer]);
}

function slopes(act: Made, x: Float32Array): Float32Array {
  return act.backward(x, new Float32Array(x.length).fill(1)).gradX;
}

export function valueAt({ family, options }: View, at: number): Value {
  const act = make(family, options);
  const x = Float32Array.of(at);
  const [y] = act.forward(x);
  const truth = exact.family(act)(x[0]!);
  return { x: x[0]!, y: y!, slope: slopes(act, x)[0]!, truth, error: signedError(y!, truth) };
}

export function planOf({ family, options }: View): Uint8Array {
  return make(family, options).compiled().toBytes();
}

/** The same function with twice as many parameters. @throws {TypeError} for a family that has no such thing. */
export function refined({ family, options }: View): View['options'] {
  return optionsOf(make(family, options).refine());
}
