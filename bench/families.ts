import { normalStream } from '../src/cpab.js';
import { FAMILIES, type FamilyName } from '../src/families.js';
import { EXAMPLES } from '../test/family-examples.js';
import type { Row } from './measure.js';

/** Every family by one of its examples: what an element costs, and compiling its plan. */

const COUNT = 2 ** 18;
const normal = normalStream(2);
const x = Float32Array.from({ length: COUNT }, normal);
const out = new Float32Array(COUNT);

interface Activation {
  readonly plan: object;
  forward(x: Float32Array, out: Float32Array): Float32Array;
}

const examples = Object.entries(EXAMPLES).map(([name, [example]]) => {
  const Family = FAMILIES[name as FamilyName] as unknown as new (options: object) => Activation;
  return { name, make: () => new Family(example!.options) };
});

export function forwards(): Row[] {
  return examples.map(({ name, make }) => {
    const act = make();
    return { name, count: COUNT, work: () => act.forward(x, out) };
  });
}

/** Nothing but what does not depend on parameters is known from the compilation before. */
export function compilations(): Row[] {
  return examples.map(({ name, make }) => ({ name, bar: { ns: 3e6 }, work: () => make().plan }));
}
