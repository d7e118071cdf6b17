import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

/** Shared memory, and with it threads, needs these two; without them the page says so. */
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/**
 * Script and style into the page: a browser loads no module from a file, and this page is to work from a folder, by a double click. The
 * script goes to the end of the body, so that the first paint does not wait for it.
 */
function oneFile(): Plugin {
  return {
    name: 'one-file',
    enforce: 'post',
    writeBundle({ dir }) {
      const page = `${dir}/index.html`;
      let html = readFileSync(page, 'utf8');
      const assets = `${dir}/assets`;
      const code: string[] = [];
      for (const name of readdirSync(assets)) {
        const text = readFileSync(`${assets}/${name}`, 'utf8');
        if (name.endsWith('.css')) html = html.replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${text}</style>`);
        else if (name.endsWith('.js')) code.push(text.replaceAll('</script', '<\\/script'));
      }
      html = html.replace(/\s*<script type="module"[^>]*src[^>]*><\/script>/, '');
      html = html.replace('</body>', () => `<script type="module">${code.join('\n')}</script>\n</body>`);
      writeFileSync(page, html);
      rmSync(assets, { recursive: true });
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  plugins: [oneFile()],
  server: { headers },
  preview: { headers },
  worker: { format: 'iife', rollupOptions: { output: { codeSplitting: false } } },
  build: {
    target: 'es2022',
    outDir: '../out/playground',
    emptyOutDir: true,
    modulePreload: false,
    // One file, on purpose.
    chunkSizeWarningLimit: 1000,
    cssCodeSplit: false,
    rollupOptions: { output: { codeSplitting: false } },
  },
});
