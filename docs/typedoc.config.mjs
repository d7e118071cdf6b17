import { modules } from './exports.mjs';

/** @type {Partial<import('typedoc').TypeDocOptions>} */
export default {
  name: 'ditac',
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme', './typedoc-names.mjs'],
  entryPoints: modules.map(([, types]) => `../${types}`),
  tsconfig: 'tsconfig.json',
  readme: 'none',
  out: 'reference',
  docsRoot: '.',
  router: 'module',
  entryFileName: 'index',
  hideBreadcrumbs: true,
  hidePageHeader: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  expandObjects: false,
  disableSources: true,
  excludePrivate: true,
  skipErrorChecking: true,
  validation: { notExported: false },
};
