import { expect, test } from 'vitest';
import { fuzz } from './fuzz.js';

test('3,000 mutated files of each kind are read or refused with a typed error', () => {
  const { safetensors, plans, grown } = fuzz(3000);
  // Both happen: mutations that are all refused at the first byte would show little.
  for (const { accepted, refused } of [safetensors, plans]) {
    expect(accepted).toBeGreaterThan(20);
    expect(refused).toBeGreaterThan(500);
  }
  expect(grown).toBeLessThan(256e6);
});
