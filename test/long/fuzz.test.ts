import { expect, test } from 'vitest';
import { fuzz } from '../fuzz.js';

test('100,000 mutated files of each kind', () => {
  const { safetensors, plans, grown } = fuzz(100_000);
  console.log({ safetensors, plans, grown });
  expect(grown).toBeLessThan(512e6);
});
