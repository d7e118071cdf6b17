// Modules are called what a program imports: `ditac/oracle`, not the file that it is made of.
import { readFileSync } from 'node:fs';
import { Converter } from 'typedoc';

const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
/** By the declarations' path without its ending, as typedoc calls a module: 'oracle', 'io/safetensors'. */
const names = new Map(
  Object.entries(exports)
    .filter(([, target]) => typeof target === 'object' && target.types)
    .map(([name, { types }]) => [
      types.replace('./dist/types/src/', '').replace(/(?:\/index)?\.d\.ts$/, ''),
      name === '.' ? 'ditac' : `ditac/${name.slice(2)}`,
    ]),
);

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const each of context.project.children ?? []) each.name = names.get(each.name) ?? each.name;
  });
}
