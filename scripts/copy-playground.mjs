// The playground becomes a part of the documentation site, which embeds it.
import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../docs/public/playground', import.meta.url));
rmSync(folder, { recursive: true, force: true });
cpSync(fileURLToPath(new URL('../out/playground', import.meta.url)), folder, { recursive: true });
