// Modules are called what a program imports: `ditac/oracle`, not the file that it is made of.
import { Converter } from 'typedoc';
import { modules } from './exports.mjs';

const folders = modules.map(([, types]) => types.split('/').slice(0, -1));
/** The folder that all declarations share: typedoc calls a module by its path from there, 'oracle' or 'io/safetensors'. */
// -1 >>> 0 is past the end: all of it.
const shared = folders.reduce((base, folder) => base.slice(0, base.findIndex((part, i) => part !== folder[i]) >>> 0));
const names = new Map(
  modules.map(([name, types]) => [
    types
      .split('/')
      .slice(shared.length)
      .join('/')
      .replace(/(?:\/index)?\.d\.ts$/, ''),
    name,
  ]),
);

/** @param {import('typedoc').Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const each of context.project.children ?? []) each.name = names.get(each.name) ?? each.name;
  });
}
