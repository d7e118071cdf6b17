/** What the pages of the examples are made of. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { escapeMarkup } from '../src/cli/plot.js';
import { targetSurface } from './surface.js';

/** Pixels of a surface. */
const SIZE = 240;

const image = (width: number, height: number, data: Uint8Array, channels: 1 | 3): string =>
  `data:image/png;base64,${Buffer.from(encode({ width, height, data, channels })).toString('base64')}`;

/** Centres of the pixels of [-1,1]², [SIZE²][2], the upper row first. */
export const surfacePoints: Float32Array = Float32Array.from({ length: 2 * SIZE * SIZE }, (_, i) => {
  const at = (k: number) => (2 * (k + 0.5)) / SIZE - 1;
  const pixel = i >> 1;
  return i % 2 === 0 ? at(pixel % SIZE) : -at(Math.floor(pixel / SIZE));
});

/** What the regression should give there. */
export const surfaceTarget: Float32Array = Float32Array.from({ length: SIZE * SIZE }, (_, i) =>
  targetSurface(surfacePoints[2 * i]!, surfacePoints[2 * i + 1]!),
);

/** Values on [-1,1]², blue below zero and red above, with a caption and the names of the axes. */
export function surface(title: string, values: Float32Array, gain = 1): string {
  const data = new Uint8Array(SIZE * SIZE * 3);
  values.forEach((value, i) => {
    const v = Math.max(-1, Math.min(1, gain * value));
    const fade = Math.round(255 * (1 - Math.abs(v)));
    data.set(v < 0 ? [fade, fade, 255] : [255, fade, fade], 3 * i);
  });
  const caption = escapeMarkup(title);
  const picture = image(SIZE, SIZE, data, 3);
  return `<figure><img src="${picture}" width="${SIZE}" alt="A surface over the square from -1 to 1: ${caption}">
<figcaption><small>x₁ from -1 to 1 across, x₂ upwards; blue below 0, red above</small><br>${caption}</figcaption></figure>`;
}

/** A handwritten digit, 8×8 in [0,1], beside it the class that was read and the true one; labelled if it is wrong. */
export function digit(pixels: Float32Array, read: number, right: number): string {
  const png = image(
    8,
    8,
    Uint8Array.from(pixels, (v) => 255 - Math.round(255 * v)),
    1,
  );
  const wrong = read === right ? '' : ' class="wrong"';
  return `<figure${wrong}><img src="${png}" width="48" height="48" alt="A handwritten ${right}">
<figcaption>read ${read}<br>true ${right}${wrong && '<br><b>wrong</b>'}</figcaption></figure>`;
}

export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeMarkup(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeMarkup(head[0]!)}"><table>${cells('th', head)}${rows.map((row) => cells('td', row)).join('')}</table></div>`;
}

/** Writes a self-contained page into out/ of the repository and says where. */
export function writePage(name: string, title: string, body: string): void {
  const folder = new URL('../../out/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`${name}.html`, folder);
  writeFileSync(
    file,
    `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>ditac: ${escapeMarkup(title)}</title>
<style>
:root { color-scheme: light dark; --line: #ddd; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --line: #3a434f; --bad: #ff8a80 } body { background: #14171c; color: #e6e9ee } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1300px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .3em .8em; border-bottom: 1px solid var(--line); text-align: left }
.scroll { overflow-x: auto }
figure { display: inline-block; margin: 0 .6em .6em 0; max-width: 100%; text-align: center; vertical-align: top }
.wrong figcaption { color: var(--bad) }
figure.wrong img { outline: 3px solid var(--bad) }
img { image-rendering: pixelated; max-width: 100% } svg { max-width: 100%; height: auto; border-radius: 6px }
</style>
<main>
<h1>${escapeMarkup(title)}</h1>
${body}
</main>
</html>
`,
  );
  console.log(`The pictures: ${relative(process.cwd(), fileURLToPath(file))}`);
}
