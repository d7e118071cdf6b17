import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { NAMES } from '../catalogue';
import { modules } from '../exports.mjs';

const exists = (name: string) => existsSync(fileURLToPath(new URL(`../${name}.md`, import.meta.url)));
/** Pages by title. */
const pages = (...entries: readonly (readonly [text: string, name: string])[]) =>
  entries.filter(([, name]) => exists(name)).map(([text, name]) => ({ text, link: `/${name.replace(/index$/, '')}` }));

export default defineConfig({
  title: 'ditac',
  description: 'Trainable activation functions with the same bits everywhere, and a proved error',
  lang: 'en',
  outDir: '../out/docs',
  cleanUrls: false,
  lastUpdated: false,
  srcExclude: ['README.md', '**/node_modules/**'],
  head: [
    [
      'link',
      {
        rel: 'icon',
        href: "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath d='M3 20c8 4 10 3 13-2s5-10 13-13' fill='none' stroke='%23c2410c' stroke-width='4' stroke-linecap='round'/%3E%3C/svg%3E",
      },
    ],
  ],
  // typedoc links declarations that it does not show.
  ignoreDeadLinks: [/^\.?\/?reference\//, /playground\/index/],
  markdown: { theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' } },
  themeConfig: {
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Activations', link: '/activations/' },
      { text: 'Playground', link: '/play' },
      { text: 'Reference', link: '/reference/ditac' },
    ],
    sidebar: [
      {
        text: 'Use',
        items: pages(
          ['Start', 'start'],
          ['Playground', 'play'],
          ['Coming from PyTorch', 'pytorch'],
          ['Whole networks', 'onnx'],
          ['Training', 'training'],
          ['Gradients', 'gradients'],
          ['Judge a kernel', 'oracle'],
          ['Backends', 'backends'],
          ['Environments', 'environments'],
          ['Command line', 'command-line'],
        ),
      },
      {
        text: 'Understand',
        items: pages(
          ['How it works', 'design'],
          ['How to add an activation', 'families'],
          ['Numerics', 'numerics'],
          ['What is promised', 'promises'],
          ['Performance', 'performance'],
          ['Results', 'results'],
        ),
      },
      {
        text: 'Activations',
        link: '/activations/',
        collapsed: true,
        items: Object.entries(NAMES)
          .map(([name, text]) => ({ text, link: `/activations/${name}` }))
          .sort((a, b) => a.text.localeCompare(b.text)),
      },
      {
        text: 'Reference',
        link: '/reference/ditac',
        collapsed: true,
        items: modules.map(([name]) => ({
          text: name,
          // A module with namespaces has a folder.
          link: exists(`reference/${name}/index`) ? `/reference/${name}/` : `/reference/${name}`,
        })),
      },
    ],
  },
});
