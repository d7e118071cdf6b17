/**
 * The playground in Chromium: `npm run bench:playground`. First paint; and for every family, from an input of a slider until its pictures are
 * drawn: recompiling in the worker, or a preview where that takes too much of a frame.
 */
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CATALOGUE } from '../docs/catalogue.js';

const MOVES = 60;
const page_ = `file://${fileURLToPath(new URL('../../out/playground/index.html', import.meta.url))}`;
const sorted = (times: readonly number[]) => [...times].sort((a, b) => a - b);
const at = (times: readonly number[], share: number) => sorted(times)[Math.floor(share * (times.length - 1))] ?? 0;

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
const paints: number[] = [];
const ready: number[] = [];
for (let k = 0; k < 5; k++) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
  await page.goto(page_);
  await page.locator('.plots[aria-busy=false]').waitFor();
  const [paint, interactive] = await page.evaluate(() => [
    performance.getEntriesByName('first-contentful-paint')[0]!.startTime,
    performance.now(),
  ]);
  paints.push(paint!);
  ready.push(interactive!);
  await page.close();
}
console.log(
  `first paint ${at(paints, 0.5).toFixed(0)} ms, everything computed exactly ${at(ready, 0.5).toFixed(0)} ms (medians of 5)`,
);

const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } });
await page.goto(page_);
const medians: number[] = [];
for (const family of Object.keys(CATALOGUE)) {
  await page.getByLabel('Family', { exact: true }).selectOption(family);
  await page.locator('.plots[aria-busy=false]').waitFor();
  const moves = await page.evaluate(async (moves) => {
    const slider = document.querySelector<HTMLInputElement>('.slider input[type=range]');
    if (!slider) return [];
    const [low, high, begin] = [Number(slider.min), Number(slider.max), slider.valueAsNumber];
    performance.clearMeasures('moved');
    for (let k = 1; k <= moves; k++) {
      const before = performance.getEntriesByName('moved').length;
      // Near where it began: values that make sense.
      slider.value = String(begin + 0.1 * (high - low) * Math.sin(k / 5) * (begin < 0.5 * (low + high) ? 1 : -1));
      slider.dispatchEvent(new Event('input', { bubbles: true }));
      const until = performance.now() + 1000;
      while (performance.getEntriesByName('moved').length === before && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve));
      await new Promise(requestAnimationFrame);
    }
    return performance
      .getEntriesByName('moved')
      .map((each) => ({ took: each.duration, isPreview: (each as PerformanceMeasure).detail === 'preview' }));
  }, MOVES);
  const times = moves.map(({ took }) => took);
  const previews = moves.filter(({ isPreview }) => isPreview).length;
  if (times.length === 0) console.log(`${family.padEnd(14)} no parameters`);
  else {
    medians.push(at(times, 0.5));
    console.log(
      `${family.padEnd(14)} median ${at(times, 0.5).toFixed(1).padStart(5)} ms, 90 % ${at(times, 0.9).toFixed(1).padStart(5)} ms, ${times.length} moves${previews > 0 ? `, ${previews} previews` : ''}`,
    );
  }
}
console.log(`slowest median ${Math.max(...medians).toFixed(1)} ms`);
await browser.close();
