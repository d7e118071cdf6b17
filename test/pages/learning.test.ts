/** The playground's training, without a page: every family and kind learns. */
import type { FamilyName } from 'ditac/families';
import { expect, test } from 'vitest';
import { CATALOGUE } from '../../docs/catalogue.js';
import type { LearnState } from '../../playground/src/protocol.js';
import { Training } from '../../playground/src/worker/learn.js';

const kinds = Object.entries(CATALOGUE).flatMap(([family, { presets }]) =>
  presets.map(({ label, options }) => ({ family: family as FamilyName, label, options })),
);

test.each(kinds)('$family, $label: steps are taken, and everything stays a number', async ({ family, options }) => {
  const training = new Training({ family, options, seed: 1, every: 0 });
  const before = training.state();
  let state: LearnState | undefined;
  await training.run((next) => {
    state = next;
    if (next.step >= 12) training.pause();
  });
  expect(state!.step).toBeGreaterThanOrEqual(12);
  expect(state!.losses.every(Number.isFinite)).toBe(true);
  expect(state!.surface.every(Number.isFinite)).toBe(true);
  // Weights move, and with them the surface; the activation too where it has parameters.
  expect(state!.surface).not.toEqual(before.surface);
  if (JSON.stringify(before.options).match(/:-?\d|\[/) && state!.refused === 0)
    expect([family, state!.options]).not.toEqual([family, before.options]);
});
