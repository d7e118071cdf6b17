/** Pages of a server on this machine, in a browser. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import type { CheckResult } from './check.js';

export type Outcome = CheckResult | { skipped: string } | { error: string };

const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.html': 'text/html',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};
/** The two headers for shared memory. */
export const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
/** Serves a folder; pages are made of a script and headers. */
export async function serve<T>(
  served: string,
  pages: Record<string, { html: string; headers?: Record<string, string> }>,
  use: (origin: string) => Promise<T>,
): Promise<T> {
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    const page = pages[pathname];
    if (page) {
      response.writeHead(200, { 'content-type': 'text/html', ...page.headers }).end(page.html);
      return;
    }
    const file = join(served, pathname);
    if (!file.startsWith(served) || !existsSync(file)) response.writeHead(404).end();
    else
      response
        .writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain', ...ISOLATION })
        .end(readFileSync(file));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** What a page answers as `window.result`, or as `read` finds it. */
export async function onPage(
  browser: Browser,
  served: string,
  page: { html: string; headers?: Record<string, string> },
  read = readResult,
): Promise<Outcome> {
  return serve(served, { '/': page }, async (origin) => {
    const tab = await browser.newPage();
    try {
      await tab.goto(origin);
      return await read(tab);
    } catch (cause) {
      return { error: (cause as Error).message.slice(0, 300) };
    } finally {
      await tab.close();
    }
  });
}

async function readResult(page: Page): Promise<Outcome> {
  await page.waitForFunction('window.result', undefined, { timeout: 60_000 });
  return page.evaluate(() => (window as unknown as { result: Promise<Outcome> }).result);
}
