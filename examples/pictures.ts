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
  return `<figure><img src="${image(SIZE, SIZE, data, 3)}" width="${SIZE}" alt=""><figcaption>${escapeMarkup(title)}</figcaption></figure>`;
}

/** A handwritten digit, 8×8 in [0,1], and the class that was read; red with the right one as a hint if it is wrong. */
export function digit(pixels: Float32Array, read: number, right: number): string {
  const png = image(
    8,
    8,
    Uint8Array.from(pixels, (v) => 255 - Math.round(255 * v)),
    1,
  );
  const mark = read === right ? '' : ` class="wrong" title="it is a ${right}"`;
  return `<figure><img src="${png}" width="48" height="48" alt="digit"><figcaption${mark}>${read}</figcaption></figure>`;
}

export function htmlTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeMarkup(cell)}</${tag}>`).join('')}</tr>`;
  return `<table>${cells('th', head)}${rows.map((row) => cells('td', row)).join('')}</table>`;
}

/** Writes a self-contained page into out/ of the repository and says where. */
export function writePage(name: string, title: string, body: string): void {
  const folder = new URL('../../out/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = new URL(`${name}.html`, folder);
  writeFileSync(
    file,
    `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>ditac: ${escapeMarkup(title)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1300px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .3em .8em; border-bottom: 1px solid #ddd; text-align: left }
figure { display: inline-block; margin: 0 .6em .6em 0; text-align: center } figcaption.wrong { color: #c02020; font-weight: bold }
img { image-rendering: pixelated } svg { max-width: 100%; height: auto }
</style>
<h1>${escapeMarkup(title)}</h1>
${body}
</html>
`,
  );
  console.log(`The pictures: ${relative(process.cwd(), fileURLToPath(file))}`);
}
