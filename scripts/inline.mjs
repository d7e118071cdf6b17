// The kernels in plain JavaScript are the sources of assembly/ with the vocabulary of src/engines/js. Engines inline only so many functions into a
// loop, and a kernel is made of hundreds of calls of one operation each: here they are written out when the package is built, and in loops so are
// a file's own functions of one expression: a loop then reads once where its memory is.
import { readFileSync } from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@babel/parser';
import { fromRoot } from './generated.mjs';

const at = (file) => resolve(fileURLToPath(new URL('..', import.meta.url)), file);

const VOCABULARIES = { '#lanes': 'src/engines/js/lanes.ts', '#scalars': 'src/engines/js/scalars.ts' };
/** What vocabularies work on: views that a kernel reads once and keeps. */
const MEMORY = 'src/engines/js/memory.ts';
/** A file's own functions of one expression. */
const OWN = 'own';

const parsed = (code) => parse(code, { sourceType: 'module', plugins: ['typescript'] }).program.body;

function* nodesOf(node) {
  if (Array.isArray(node)) for (const each of node) yield* nodesOf(each);
  else if (node && typeof node === 'object' && typeof node.type === 'string') {
    yield node;
    for (const [key, value] of Object.entries(node)) if (!/omments$|^loc$/.test(key)) yield* nodesOf(value);
  }
}

/** The words of a vocabulary that are one expression, with the places of their parameters and of the file's own names in it. */
function wordsOf(file) {
  const code = readFileSync(at(file), 'utf8');
  const body = parsed(code);
  const own = new Set();
  const views = new Set();
  const words = new Map();
  for (const statement of body) {
    if (statement.type === 'ImportDeclaration')
      for (const { local } of statement.specifiers)
        (/memory\.js$/.test(statement.source.value) ? views : own).add(local.name);
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declaration?.type === 'VariableDeclaration') for (const { id } of declaration.declarations) own.add(id.name);
  }
  for (const statement of body) {
    const declarator = statement.type === 'ExportNamedDeclaration' && statement.declaration?.declarations?.[0];
    // One word may be another.
    if (words.has(declarator?.init?.name)) words.set(declarator.id.name, words.get(declarator.init.name));
    if (declarator?.init?.type !== 'ArrowFunctionExpression') continue;
    const { params, body: result } = declarator.init;
    const expression =
      result.type !== 'BlockStatement' ? result : result.body.length === 1 ? result.body[0].expression : undefined;
    if (!expression) continue;
    const places = [];
    for (const node of nodesOf(expression))
      if (
        node.type === 'Identifier' &&
        (own.has(node.name) || views.has(node.name) || params.some(({ name }) => name === node.name))
      )
        places.push({ start: node.start - expression.start, end: node.end - expression.start, name: node.name });
    words.set(declarator.id.name, {
      text: code.slice(expression.start, expression.end),
      parameters: params.map(({ name }) => name),
      places: places.sort((p, q) => p.start - q.start),
    });
  }
  return { file, words, views, own };
}

const isSimple = ({ type, argument }) =>
  type === 'Identifier' ||
  type === 'NumericLiteral' ||
  (type === 'UnaryExpression' && argument.type === 'NumericLiteral');

/** The text of a module of assembly/ with the words of its vocabulary written out. */
export function inlined(code, file) {
  const body = parsed(code);
  const known = new Map();
  for (const { type, source, specifiers } of body)
    if (type === 'ImportDeclaration' && source.value in VOCABULARIES)
      for (const { imported, local } of specifiers)
        known.set(local.name, { vocabulary: source.value, word: imported.name });
  if (known.size === 0) return undefined;
  const vocabularies = Object.fromEntries(
    [...new Set([...known.values()].map(({ vocabulary }) => vocabulary))].map((name) => [
      name,
      wordsOf(VOCABULARIES[name]),
    ]),
  );
  /** Names that are now used here, by the file that they come from. */
  const needed = new Map();
  const need = (from, name) => {
    if (!needed.has(from)) needed.set(from, new Set());
    needed.get(from).add(name);
    return `$${name}`;
  };
  const printed = (node, views, isLoop = false) => {
    const calls = [];
    const find = (inner) => {
      if (Array.isArray(inner)) return inner.forEach(find);
      if (!inner || typeof inner !== 'object' || typeof inner.type !== 'string') return;
      const found =
        inner.type === 'CallExpression' && inner.callee.type === 'Identifier' && known.get(inner.callee.name);
      const word = found && vocabularies[found.vocabulary].words.get(found.word);
      const uses = (name) => word.places.filter((place) => place.name === name).length;
      const isWord =
        word && inner.arguments.every((argument, i) => isSimple(argument) || uses(word.parameters[i]) <= 1);
      if (isWord && (isLoop || found.vocabulary !== OWN))
        calls.push({ inner, word, vocabulary: vocabularies[found.vocabulary] });
      else for (const [key, value] of Object.entries(inner)) if (!/omments$|^loc$/.test(key)) find(value);
    };
    find(node);
    let text = '';
    let end = node.start;
    for (const { inner, word, vocabulary } of calls) {
      text += code.slice(end, inner.start);
      const given = inner.arguments.map((argument) => printed(argument, views, isLoop));
      for (const name of word.views ?? []) views.add(name);
      let own = '';
      let last = 0;
      for (const { start, end: stop, name } of word.places) {
        const i = word.parameters.indexOf(name);
        own += word.text.slice(last, start);
        if (i >= 0) own += isSimple(inner.arguments[i]) ? given[i] : `(${given[i]})`;
        else if (vocabulary.views.has(name)) {
          views.add(name);
          own += need(MEMORY, name);
        } else own += need(vocabulary.file, name);
        last = stop;
      }
      text += `(${own}${word.text.slice(last)})`;
      end = inner.end;
    }
    return text + code.slice(end, node.end);
  };
  vocabularies[OWN] = { words: new Map(), views: new Set() };
  for (const statement of body) {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    const result = declared?.type === 'FunctionDeclaration' ? declared.body.body[0] : undefined;
    if (result?.type !== 'ReturnStatement' || !result.argument) continue;
    const views = new Set();
    const text = printed(result.argument, views);
    const parameters = declared.params.map(({ name }) => name);
    const expression = parsed(`(${text})`)[0].expression;
    const places = [...nodesOf(expression)]
      .filter(({ type, name }) => type === 'Identifier' && parameters.includes(name))
      .map(({ name, start, end }) => ({ name, start: start - 1, end: end - 1 }))
      .sort((p, q) => p.start - q.start);
    known.set(declared.id.name, { vocabulary: OWN, word: declared.id.name });
    vocabularies[OWN].words.set(declared.id.name, { text, parameters, places, views });
  }
  let text = '';
  let end = 0;
  for (const statement of body) {
    const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (declared?.type !== 'FunctionDeclaration') continue;
    const views = new Set();
    // A kernel's memory stays the same while it runs: a loop need not look where it is.
    const isLoop = [...nodesOf(declared.body)].some(({ type }) => /^(?:For|While)Statement$/.test(type));
    const own = printed(declared.body, views, isLoop);
    text += code.slice(end, declared.body.start);
    const kept = [...views].map((name) => `const ${name}$ = $${name};`).join(' ');
    text += isLoop ? own.replace('{', `{ ${kept}`).replace(/\$(floats|words|doubles)\b(?!;)/g, '$1$') : own;
    end = declared.body.end;
  }
  text += code.slice(end);
  const imports = [...needed].map(([from, names]) => {
    const path = relative(dirname(at(file)), at(from))
      .split(sep)
      .join('/')
      .replace(/\.ts$/, '.js');
    return `import { ${[...names].map((name) => `${name} as $${name}`).join(', ')} } from '${path}';\n`;
  });
  return imports.join('') + text;
}

/** A plugin of rolldown. */
export const inline = {
  name: 'inline-vocabulary',
  transform(code, id) {
    const file = fromRoot(id);
    if (!/^assembly\/[\w-]+\.ts$/.test(file)) return null;
    const text = inlined(code, file);
    return text === undefined ? null : { code: text, map: null };
  },
};

/** The same for esbuild, which the programs of this repository are built with. */
export const esbuildInline = {
  name: 'inline-vocabulary',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const file = fromRoot(path);
      if (!/^assembly\/[\w-]+\.ts$/.test(file)) return undefined;
      const contents = inlined(readFileSync(path, 'utf8'), file);
      return contents === undefined ? undefined : { contents, loader: 'ts' };
    });
  },
};
