import { expect, test } from 'vitest';
import { tries } from './effort.js';
import { fuzz } from './fuzz.js';

test('mutated files of each kind are read or refused with a typed error', () => {
  const { safetensors, plans, grown } = fuzz(tries(3000));
  // Both happen: mutations that are all refused at the first byte would show little.
  for (const { accepted, refused } of [safetensors, plans]) {
    expect(accepted).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(200);
  }
  expect(grown).toBeLessThan(256e6);
});
