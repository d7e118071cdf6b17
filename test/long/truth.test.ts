import { exactFamily } from 'ditac/oracle';
import { expect, test } from 'vitest';
import { exactFamily as judgedFamily } from '../../src/oracle/family.js';
import { Nearest } from '../../src/oracle/nearest.js';
import { decimalTruth } from '../arithmetic.js';
import { generator, input, member, ROUNDINGS, roundDecimal, TESTED, wrongRoundings } from '../truth.js';

const POINTS = Number(process.env.POINTS ?? 100_000);

test(`${POINTS} random (family, parameters, x) against decimal.js: no wrong rounding to float64, float32, float16 or bfloat16`, () => {
  const r = generator(Number(process.env.SEED ?? 20));
  const wrong: string[] = [];
  let count = 0;
  let unknown = 0;
  let asked = 0;
  while (count < POINTS) {
    for (const name of TESTED) {
      const act = member(name, r);
      const { parts } = act.truth();
      const f = exactFamily(act);
      const rounded = ROUNDINGS.map((format) => [format, new Nearest(format, judgedFamily(act as never))] as const);
      for (let i = 0; i < 8; i++, count++) {
        const x = input(r);
        const { f: formula } = parts.filter(({ first }) => first <= x).at(-1) ?? parts[0]!;
        const value = decimalTruth(formula, x);
        if (value === undefined) unknown += 1;
        else {
          for (const format of wrongRoundings(f(x), value))
            wrong.push(`${name} ${JSON.stringify(act.parameters)} ${x} ${format}`);
          // As files are judged: float64 with proved bounds decides, or leaves it to the balls.
          for (const [format, nearest] of rounded) {
            nearest.find(Float32Array.of(x), 0, 1);
            const expected = roundDecimal(format, value);
            const found = nearest.rounded[0]!;
            if (expected !== undefined && expected !== found && !(Number.isNaN(expected) && Number.isNaN(found)))
              wrong.push(`${name} ${JSON.stringify(act.parameters)} ${x} ${format} as judged`);
            asked += nearest.asked;
            nearest.asked = 0;
          }
        }
      }
    }
  }
  console.log(`${count} points, ${unknown} undecided by 400 digits, ${asked} of ${3 * count} roundings by balls`);
  expect(wrong).toEqual([]);
  expect(unknown / count).toBeLessThan(0.001);
});
