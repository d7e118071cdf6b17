/** The documentation site in Chromium: every page opens without a complaint, its links lead somewhere, it can be searched, and everyone can read it. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findings, hasBrowser, launch, look, open, out, type Place, SIZES, serve, WITHOUT } from './browser.js';

const FOLDER = join(out, 'docs');
const pages = existsSync(FOLDER)
  ? (readdirSync(FOLDER, { recursive: true }) as string[]).filter(
      (name) => name.endsWith('.html') && !name.startsWith('playground') && name !== '404.html',
    )
  : [];
/** What axe and people look at: one of each kind. */
const LOOKED_AT = pages
  .filter((name) => !/^(activations|reference)\/\w/.test(name))
  .concat([
    'activations/index.html',
    'activations/snake.html',
    'activations/ditac.html',
    'reference/ditac/oracle/index.html',
  ]);

describe.skipIf(!hasBrowser)(hasBrowser ? 'in Chromium' : `in Chromium (${WITHOUT})`, () => {
  let browser: Browser;
  let place: Place;
  beforeAll(async () => {
    expect(pages.length).toBeGreaterThan(50);
    [browser, place] = await Promise.all([launch(), serve(FOLDER)]);
  });
  afterAll(async () => {
    await browser?.close();
    place?.close();
  });

  test('every page opens without a complaint, and its links and pictures are there', async () => {
    const { page, complaints } = await open(browser, place.url);
    // The playground inside is tested by itself.
    await page.route('**/playground/**', (route) => route.fulfill({ contentType: 'text/html', body: '' }));
    const broken: string[] = [];
    for (const name of pages) {
      await page.goto(place.url + name);
      const links = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLAnchorElement>('a[href]')].map(({ href }) => href),
      );
      for (const link of new Set(links)) {
        if (!link.startsWith(place.url)) continue;
        const path = decodeURIComponent(new URL(link).pathname).replace(/\/$/, '/index.html').slice(1);
        if (!existsSync(join(FOLDER, path)) && !existsSync(join(FOLDER, `${path}.html`)))
          broken.push(`${name}: ${path}`);
      }
    }
    expect(broken).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('it is searched without a network', async () => {
    const { page, complaints } = await open(browser, `${place.url}start.html`);
    await page.getByRole('button', { name: 'Search' }).first().click();
    await page.getByPlaceholder('Search').fill('BigVGAN');
    await page.getByRole('option').filter({ hasText: 'Snake' }).first().waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('the playground runs inside, and follows a link of a family', async () => {
    const { page, complaints } = await open(browser, `${place.url}play.html`);
    await page.frameLocator('iframe').locator('.plots[aria-busy=false]').waitFor();
    await look(page, 'docs-play-embedded');
    await page.goto(`${place.url}activations/snake.html`);
    await page.getByRole('link', { name: 'Move it in the playground' }).click();
    await page.locator('.plots[aria-busy=false]').waitFor();
    expect(await page.getByLabel('Family', { exact: true }).inputValue()).toBe('snake');
    expect(complaints).toEqual([]);
    await page.close();
  });

  for (const dark of [false, true])
    for (const width of SIZES)
      test(`${width} px wide, ${dark ? 'dark' : 'light'}: axe finds nothing, and nothing is cut off`, async () => {
        const { page, complaints } = await open(browser, place.url, { width, dark });
        await page.route('**/playground/**', (route) =>
          route.fulfill({
            headers: { 'content-type': 'text/html', 'Cross-Origin-Embedder-Policy': 'require-corp' },
            body: '<!doctype html><html lang="en"><title>playground</title><main><h1>playground</h1></main>',
          }),
        );
        const found: string[] = [];
        for (const name of LOOKED_AT) {
          await page.goto(place.url + name);
          await page.locator('main').first().waitFor({ timeout: 5000 });
          found.push(...(await findings(page)).map((each) => `${name}: ${each}`));
          await look(page, `docs-${name.replace(/\W+/g, '-')}-${width}${dark ? '-dark' : ''}`);
        }
        expect(found).toEqual([]);
        expect(complaints).toEqual([]);
        await page.close();
      });
});
