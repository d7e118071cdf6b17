import type { Definition } from '../calculus/piece.js';
import type { FamilyName } from '../families.js';
import { DiTAC } from '../index.js';
import { exactDerivative, exactFamily, type Truth } from '../oracle/index.js';
import { type AnyActivation, activationOf } from './family.js';
import { definitionOf } from './formula.js';

/** What y should be, so that a thread can be sent it and a report can hold it. */
export type Question =
  | { readonly family: FamilyName; readonly options: Readonly<Record<string, unknown>> }
  | { readonly function: string }
  | { readonly expression: string };

/** An activation as options of its class. Of several channels, that of the first. */
export function settingsOf(act: AnyActivation): Record<string, unknown> {
  if (act instanceof DiTAC) {
    const { tess, a, b, variant, thetas, basis, dimension } = act;
    return { tess, a, b, variant, thetas: Array.from(thetas.subarray(0, dimension)), basis };
  }
  const first = Object.entries(act.parameters).map(([key, data]) => {
    const [, length] = act.shapes[key]!;
    return [key, length === undefined ? data[0] : Array.from(data.subarray(0, length))];
  });
  return { ...act.constants, ...Object.fromEntries(first) };
}

/** The function of a question; with `by`, its derivative. */
export function truthOf(question: Question, by?: string): (x: number) => Truth {
  const of = functionOf(question);
  return by === undefined ? exactFamily(of) : exactDerivative(of, by);
}

const known = new Map<string, AnyActivation | Definition>();
export function functionOf(question: Question): AnyActivation | Definition {
  const key = JSON.stringify(question);
  let found = known.get(key);
  if (found === undefined) {
    found = 'family' in question ? activationOf(question.family, { ...question.options }) : definitionOf(question);
    known.set(key, found);
  }
  return found;
}
