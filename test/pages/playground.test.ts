/** The playground in Chromium: what each part does, against the package in Node; what it looks like, and whether everyone can use it. */
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { DiTAC } from 'ditac';
import { FAMILIES, type FamilyName } from 'ditac/families';
import { activationModel, rewriteModel } from 'ditac/onnx';
import { Activation } from 'ditac/runtime';
import { loadSafetensors } from 'ditac/safetensors';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CATALOGUE } from '../../docs/catalogue.js';
import { findings, hasBrowser, launch, look, open, out, type Place, SIZES, serve, WITHOUT } from './browser.js';

const FOLDER = `${out}playground/`;
const CHECKPOINT = new URL('../golden/nets/digits_mlp_ditac.safetensors', import.meta.url);
const NETWORK = new URL('../../examples/onnx/model/digits.onnx', import.meta.url);
const bitsOf = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0]!.toString(16).padStart(8, '0');
const make = (family: FamilyName, options: object) =>
  new (FAMILIES[family] as new (options: object) => { forward(x: Float32Array): Float32Array })(options);

test('the page is one file that asks nothing of a network, of at most 250 kB gzipped', () => {
  const html = readFileSync(`${FOLDER}index.html`);
  expect(gzipSync(html, { level: 9 }).length).toBeLessThanOrEqual(250_000);
  // Papers are linked; nothing is loaded.
  expect(html.toString().match(/<(?:script|link|img)[^>]*(?:src|href)="(?!data:)/g)).toBeNull();
});

describe.skipIf(!hasBrowser)(hasBrowser ? 'in Chromium' : `in Chromium (${WITHOUT})`, () => {
  let browser: Browser;
  let place: Place;
  beforeAll(async () => {
    expect(existsSync(`${FOLDER}index.html`)).toBe(true);
    [browser, place] = await Promise.all([launch(), serve(FOLDER)]);
  });
  afterAll(async () => {
    await browser?.close();
    place?.close();
  });

  /** Everything of the present view has been computed exactly. */
  const rested = (page: Page) => page.locator('.plots[aria-busy=false]').waitFor();
  const tab = (page: Page, name: string) => page.getByRole('tab', { name }).click();

  test('every family and kind is shown with its certificate, and its values have the bits of the package in Node', async () => {
    const { page, complaints } = await open(browser, place.url);
    for (const [family, { presets }] of Object.entries(CATALOGUE)) {
      await page.getByLabel('Family', { exact: true }).selectOption(family);
      for (const [i, { options }] of presets.entries()) {
        if (presets.length > 1) await page.getByLabel('Kind').selectOption(String(i));
        await rested(page);
        expect([family, await page.locator('.problem').allTextContents()]).toEqual([family, []]);
        await page.getByLabel('Any x').fill('0.7');
        await page.getByRole('button', { name: 'f(x)' }).click();
        const [y] = make(family as FamilyName, options).forward(Float32Array.of(0.7));
        await page.getByRole('status').getByText(bitsOf(y!)).first().waitFor();
        expect(await page.locator('.certificate .kept').count()).toBe(1);
      }
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('a vertex is dragged, and moved by keys: function, address and plan follow', async () => {
    const { page, complaints } = await open(browser, place.url);
    await rested(page);
    const knob = page.getByRole('slider', { name: 'velocity at 0', exact: true }).last();
    const before = await page.locator('dl.reading').first().textContent();
    const box = (await knob.boundingBox())!;
    await page.mouse.move(box.x + 14, box.y + 14);
    await page.mouse.down();
    await page.mouse.move(box.x + 14, box.y - 26, { steps: 8 });
    await page.mouse.up();
    await expect.poll(() => page.locator('dl.reading').first().textContent()).not.toBe(before);
    const dragged = Number(await knob.getAttribute('aria-valuenow'));
    expect(dragged).toBeGreaterThan(-0.84);
    await knob.focus();
    await page.keyboard.press('ArrowUp');
    await expect.poll(async () => Number(await knob.getAttribute('aria-valuenow'))).toBeCloseTo(dragged + 0.03, 3);
    await rested(page);
    await expect.poll(() => page.url()).toContain('family=ditac');
    await page.waitForTimeout(500);
    // The link shows the same; the saved plan is what the package makes of it.
    const link = page.url();
    const words = new URLSearchParams(new URL(link).hash.slice(1));
    const thetas = words.get('thetas')!.split(' ').map(Number);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save plan' }).click();
    const bytes = readFileSync(await (await download).path());
    const expected = new DiTAC({ tess: 10, a: -3, b: 3, basis: 'sparse', thetas, variant: 'gelu' })
      .compiled()
      .toBytes();
    expect(Buffer.compare(bytes, expected)).toBe(0);
    expect(new Activation(bytes).channels).toBe(1);
    const second = await open(browser, link);
    await rested(second.page);
    expect(await second.page.getByLabel('velocity at 0, as a number', { exact: true }).inputValue()).toBe(
      await page.getByLabel('velocity at 0, as a number', { exact: true }).inputValue(),
    );
    // The program that is shown makes it too.
    await page.getByText('In a program').click();
    const program = (await page.locator('details pre').textContent())!;
    const shown = new Function('FAMILIES', `${program.replace(/^import.*$/m, '')}; return act;`)(FAMILIES) as DiTAC;
    expect(Buffer.compare(shown.compiled().toBytes(), expected)).toBe(0);
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save SVG' }).click();
    const svg = readFileSync(await (await saved).path(), 'utf8');
    expect([svg.startsWith('<svg '), svg.match(/font-weight="600"/g)?.length]).toEqual([true, 4]);
    expect([...complaints, ...second.complaints]).toEqual([]);
    await Promise.all([page.close(), second.page.close()]);
  });

  test('refining keeps the function; a value that makes no sense is explained, and the picture stays', async () => {
    const { page, complaints } = await open(browser, `${place.url}#family=celu`);
    await rested(page);
    await page.getByLabel('alpha, as a number').fill('-1');
    await page.getByLabel('alpha, as a number').press('Enter');
    await page.getByRole('alert').getByText('CELU needs alpha > 0').waitFor();
    await page.getByLabel('Family', { exact: true }).selectOption('ditac');
    await rested(page);
    const reading = async () => (await page.locator('dl.reading').first().textContent())!;
    const before = await reading();
    await page.getByRole('button', { name: 'Refine' }).click();
    await page.getByLabel('velocity at 0.3, as a number').waitFor();
    await rested(page);
    // θ is rounded to float32 again.
    expect((await reading()).slice(0, 8)).toBe(before.slice(0, 8));
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('a link from anywhere is harmless: what makes no sense is said', async () => {
    const { page, complaints } = await open(browser, `${place.url}#family=snake&alpha=<script>&x=9..1`);
    await page.getByRole('alert').getByText(/alpha/).waitFor();
    const other = await open(browser, `${place.url}#family=constructor`);
    await rested(other.page);
    expect([...complaints, ...other.complaints]).toEqual([]);
    await Promise.all([page.close(), other.page.close()]);
  });

  test('js, wasm and threads agree here, and WebGPU where there is an adapter', async () => {
    const { page, complaints } = await open(browser, place.url);
    await tab(page, 'Does my browser agree?');
    await page.getByRole('button', { name: 'Compare' }).click();
    await page.getByText(/Yes: \d backends, 0 differing bits/).waitFor({ timeout: 110_000 });
    const rows = await page.locator('tbody tr').allTextContents();
    expect(rows.map((row) => /^(wasm|js|threads|webgpu)/.exec(row)?.[0])).toEqual(['wasm', 'js', 'threads', 'webgpu']);
    expect(rows.slice(0, 3).filter((row) => row.includes('not here'))).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('it learns, and what it learned can be explored', async () => {
    const { page, complaints } = await open(browser, place.url);
    await tab(page, 'Learn');
    await page.getByRole('button', { name: 'Train' }).click();
    // Each R² that is shown is one of a later step: a guess of the mean has 0.
    await expect
      .poll(async () => Number(/R² (-?[\d.]+)/.exec((await page.locator('.figures').textContent())!)![1]), {
        timeout: 60_000,
      })
      .toBeGreaterThan(0.2);
    await page.getByRole('button', { name: 'Explore what it learned' }).click();
    await rested(page);
    expect(await page.locator('.problem').count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('a checkpoint is opened, asks for what it does not say, and becomes the same plan as in Node', async () => {
    const { page, complaints } = await open(browser, place.url);
    await tab(page, 'Bring your own');
    await page.getByLabel('Choose a file').setInputFiles({
      name: 'digits.safetensors',
      mimeType: 'application/octet-stream',
      buffer: readFileSync(CHECKPOINT),
    });
    await page.getByRole('button', { name: 'DiTAC' }).first().click();
    await page.getByLabel('a', { exact: true }).fill('-3');
    await page.getByLabel('b', { exact: true }).fill('3');
    await page.getByLabel('variant').selectOption('gelu');
    await page.getByRole('button', { name: 'Load' }).click();
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save plan' }).click();
    const bytes = readFileSync(await (await saved).path());
    const { tensors } = loadSafetensors(readFileSync(CHECKPOINT));
    const act = DiTAC.fromStateDict(tensors, { prefix: 'act_1.', a: -3, b: 3, variant: 'gelu' });
    expect(Buffer.compare(bytes, act.compiled().toBytes())).toBe(0);
    await page.getByLabel('Choose a file').setInputFiles({
      name: 'digits.plan',
      mimeType: 'application/octet-stream',
      buffer: bytes,
    });
    await page.getByText('1 compiled function').waitFor();
    await page.getByLabel('Choose a file').setInputFiles({
      name: 'model.pt',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from('PK'),
    });
    await page.getByRole('alert').getByText('is a pickle').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('ONNX: the function that is shown is saved as a model, and takes the place of a network’s nodes', async () => {
    const { page, complaints } = await open(browser, `${place.url}#family=snake&alpha=0.5`);
    await rested(page);
    const snake = new FAMILIES.snake({ alpha: 0.5 });
    const alone = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save ONNX' }).click();
    expect(Buffer.compare(readFileSync(await (await alone).path()), activationModel(snake))).toBe(0);

    await tab(page, 'Bring your own');
    await page.getByLabel('Choose a file').setInputFiles(NETWORK.pathname);
    const rows = page.locator('table.wide tbody tr');
    await rows.first().waitFor();
    const bytes = readFileSync(NETWORK);
    const names = await rows.locator('th code').allTextContents();
    expect(names.length).toBeGreaterThan(1);
    for (const width of SIZES) {
      await page.setViewportSize({ width, height: 900 });
      await look(page, `network-${width}`);
    }
    expect(await findings(page)).toEqual([]);
    const save = page.getByRole('button', { name: 'Save ONNX' });
    expect(await save.isDisabled()).toBe(true);
    await rows.first().getByRole('checkbox').check();
    const saved = page.waitForEvent('download');
    await save.click();
    const expected = rewriteModel(bytes, ({ name }) => (name === names[0] ? snake : undefined));
    expect(expected.replaced).toHaveLength(1);
    const path = await (await saved).path();
    expect(Buffer.compare(readFileSync(path), expected.model)).toBe(0);
    // What was saved is read again, without the node that was replaced.
    await page
      .getByLabel('Choose a file')
      .setInputFiles({ name: 'again.onnx', mimeType: 'application/octet-stream', buffer: readFileSync(path) });
    await page.getByText('again.onnx').waitFor();
    await expect.poll(() => rows.locator('th code').allTextContents()).toEqual(names.slice(1));
    await page.getByLabel('Choose a file').setInputFiles({
      name: 'broken.onnx',
      mimeType: 'application/octet-stream',
      buffer: bytes.subarray(0, 100),
    });
    await page.getByRole('alert').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('everything is reached by keys alone', async () => {
    const { page, complaints } = await open(browser, place.url);
    await rested(page);
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.getByRole('heading', { name: 'Learn' }).waitFor();
    await page.keyboard.press('Home');
    await page.getByRole('heading', { name: 'Under the cursor' }).waitFor();
    await rested(page);
    // Every control of the page, in the order of reading.
    const stops = new Set<string>();
    for (let k = 0; k < 60; k++) {
      await page.keyboard.press('Tab');
      stops.add(
        await page.evaluate(() => {
          const at = document.activeElement!;
          return at.getAttribute('aria-label') ?? at.id ?? at.textContent ?? '';
        }),
      );
    }
    for (const name of [
      'family',
      'preset',
      'p-velocity at 0',
      'velocity at 0, as a number',
      'velocity at 0',
      'Cursor',
      'at',
      'from',
    ])
      expect([...stops]).toContain(name);
    const cursor = page.getByLabel('Cursor');
    await cursor.focus();
    const before = await cursor.getAttribute('aria-valuetext');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => cursor.getAttribute('aria-valuetext')).not.toBe(before);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('it works from a folder, without a server', async () => {
    const { page, complaints } = await open(browser, `file://${FOLDER}index.html`);
    await rested(page);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('on paper it is light, and less motion is fewer pictures', async () => {
    const { page, complaints } = await open(browser, place.url, { dark: true });
    await rested(page);
    await page.emulateMedia({ media: 'print', reducedMotion: 'reduce' });
    expect(await page.evaluate(() => getComputedStyle(document.body).color)).toBe('rgb(28, 33, 40)');
    await look(page, 'playground-print');
    expect(complaints).toEqual([]);
    await page.close();
  });

  const TABS = ['Explore', 'Does my browser agree?', 'Learn', 'Bring your own'];
  for (const dark of [false, true])
    for (const width of SIZES)
      test(`${width} px wide, ${dark ? 'dark' : 'light'}: axe finds nothing, and nothing is cut off`, async () => {
        const { page, complaints } = await open(browser, place.url, { width, dark });
        await rested(page);
        for (const name of TABS) {
          await tab(page, name);
          if (name === 'Explore') await rested(page);
          if (name === 'Learn') await page.getByText('to be learned').waitFor();
          expect([name, await findings(page)]).toEqual([name, []]);
          await look(page, `playground-${name.replace(/\W+/g, '-').toLowerCase()}-${width}${dark ? '-dark' : ''}`);
        }
        expect(complaints).toEqual([]);
        await page.close();
      });
});
