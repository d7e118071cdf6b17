/** What the pages of the examples are made of. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { escapeMarkup } from '../src/cli/plot.js';
import { targetSurface } from './networks.js';

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

/** Values on [-1,1]², blue below zero and red above, with a caption. */
export function surface(title: string, values: Float32Array, gain = 1): string {
  const data = new Uint8Array(SIZE * SIZE * 3);
  values.forEach((value, i) => {
    const v = Math.max(-1, Math.min(1, gain * value));
    const fade = Math.round(255 * (1 - Math.abs(v)));
    data.set(v < 0 ? [fade, fade, 255] : [255, fade, fade], 3 * i);
  });
  const [text, png] = [escapeMarkup(title), image(SIZE, SIZE, data, 3)];
  return `<figure><img src="${png}" width="${SIZE}" height="${SIZE}" alt="surface: ${text}"><figcaption>${text}</figcaption></figure>`;
}

/** How surfaces are to be read. */
export const SURFACE_NOTE =
  '<p>x₁ goes to the right and x₂ up, each from −1 to 1. Colours: <span class="low">−1</span> blue, 0 white, <span class="high">1</span> red.</p>';

/** A handwritten digit, 8×8 in [0,1], what it was read as and, if that is an error, what it is. */
export function digit(pixels: Float32Array, read: number, right: number): string {
  const png = image(
    8,
    8,
    Uint8Array.from(pixels, (v) => 255 - Math.round(255 * v)),
    1,
  );
  const [mark, says] = read === right ? ['', `${read} ✓`] : [' class="wrong"', `${read} ✗ is ${right}`];
  return `<figure${mark}><img src="${png}" width="48" height="48" alt="a handwritten ${right}"><figcaption>${says}</figcaption></figure>`;
}

/** How they are to be read. */
export const DIGIT_NOTE =
  '<p>Under each digit what it was read as: ✓ rightly; ✗ an error, with what it is, in a frame.</p>';

/** A picture that may be wider than a phone: it scrolls there. */
export const wide = (content: string): string =>
  `<div class="wide" tabindex="0" role="region" aria-label="scrolls sideways">${content}</div>`;

export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeMarkup(cell)}</${tag}>`).join('')}</tr>`;
  return wide(`<table>${cells('th', head)}${rows.map((row) => cells('td', row)).join('')}</table>`);
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
:root { --ink: #222; --paper: #fff; --line: #ddd; --wrong: #b01818 }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e4e4e4; --paper: #16181c; --line: #3a3d44; --wrong: #ff8a80 } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1300px; margin: 2em auto; padding: 0 1em; color: var(--ink); background: var(--paper) }
h1 { line-height: 1.2 } table { border-collapse: collapse } .wide { overflow-x: auto; margin: 1em 0 }
th, td { padding: .3em .8em; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap }
figure { display: inline-block; margin: 0 .6em .6em 0; text-align: center; vertical-align: top } img { image-rendering: pixelated; border: 1px solid var(--line) }
figure.wrong img { border-color: var(--wrong); outline: 2px solid var(--wrong) } .wrong figcaption { color: var(--wrong); font-weight: bold }
.low { color: #00f; background: #fff; padding: 0 .3em } .high { color: #c00; background: #fff; padding: 0 .3em }
.wide svg { max-width: 100%; min-width: 780px; height: auto }
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
