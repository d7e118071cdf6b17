// Translates kernel bodies from assembly/ to WGSL. They are plain calls of vocabulary words with a loop or a branch here and
// there, and the vocabulary has the same names in WGSL (assembly/vocabulary/lanes.wgsl): only the syntax differs.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from '@babel/parser';

/** WGSL's reserved words that may serve as names in TypeScript. */
const RESERVED = new Set(
  'from of module of register self set super target type unless with yield final match'.split(' '),
);

/** A file's functions and constants by name, and the files from which it imports other names. */
function readModule(file) {
  const { program } = parse(readFileSync(file, 'utf8'), { sourceType: 'module', plugins: ['typescript'] });
  const declared = new Map();
  const imported = new Map();
  for (const statement of program.body) {
    const comments = statement.leadingComments ?? [];
    if (statement.type === 'ImportDeclaration') {
      // The vocabulary is not translated: WGSL has its own.
      if (statement.source.value.startsWith('#')) continue;
      for (const { local } of statement.specifiers)
        imported.set(local.name, join(dirname(file), `${statement.source.value}.ts`));
      continue;
    }
    const node = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
    if (node?.type === 'FunctionDeclaration') declared.set(node.id.name, { node, comments: comments.slice(-1) });
    // A comment over several constants belongs to the first.
    if (node?.type === 'VariableDeclaration')
      declared.set(node.declarations[0].id.name, { node: node.declarations[0], comments: comments.slice(-1) });
  }
  return { declared, imported };
}

/** WGSL of the function `entry` of a file and of everything that it uses, except the words of the vocabulary. */
export function translate(file, entry) {
  const modules = new Map();
  const constants = new Map();
  const functions = new Map();
  const visit = (from, name) => {
    if (!modules.has(from)) modules.set(from, readModule(from));
    const { declared, imported } = modules.get(from);
    if (imported.has(name)) return visit(imported.get(name), name);
    if (!declared.has(name)) return;
    const found = declared.get(name);
    const isFunction = found.node.type === 'FunctionDeclaration';
    const text = isFunction ? fn(found) : constant(found);
    const known = functions.get(name) ?? constants.get(name);
    if (known !== undefined) {
      if (known.split('\n').at(-1) !== text.split('\n').at(-1))
        throw new Error(`two meanings of ${name} in one shader; rename one`);
      return;
    }
    (isFunction ? functions : constants).set(name, text);
    for (const each of namesIn(found.node)) visit(from, each);
  };
  visit(file, entry);
  return `${[...constants.values()].join('\n')}\n\n${[...functions.values()].join('\n\n')}\n`;
}

function* namesIn(node) {
  if (Array.isArray(node)) for (const each of node) yield* namesIn(each);
  else if (node && typeof node === 'object') {
    if (node.type === 'Identifier') yield node.name;
    for (const [key, value] of Object.entries(node))
      if (!/omments$|^loc$|^id$|^params$/.test(key)) yield* namesIn(value);
  }
}

const comment = (comments, indent = '') =>
  comments
    .flatMap(({ value }) => value.split('\n'))
    .map((line) => line.replace(/^[\s*]+/, '').trimEnd())
    .filter((line) => line !== '')
    .map((line) => `${indent}// ${line}\n`)
    .join('');

const name = (text) => (RESERVED.has(text) ? `${text}_` : text);
const type = ({ typeAnnotation }) =>
  typeAnnotation.type === 'TSBooleanKeyword' ? 'bool' : (typeAnnotation.typeName?.name ?? refuse(typeAnnotation));

function constant({ node, comments }) {
  return `${comment(comments)}const ${node.id.name}: ${type(node.id.typeAnnotation)} = ${expression(node.init)};`;
}

function fn({ node, comments }) {
  const parameters = node.params.map((each) => `${name(each.name)}: ${type(each.typeAnnotation)}`).join(', ');
  const isVoid = node.returnType.typeAnnotation.type === 'TSVoidKeyword';
  const result = isVoid ? '' : ` -> ${type(node.returnType)}`;
  return `${comment(comments)}fn ${node.id.name}(${parameters})${result} ${block(node.body, '')}`;
}

function block(node, indent) {
  const body = node.type === 'BlockStatement' ? node.body : [node];
  return `{\n${body.map((each) => statement(each, `${indent}  `)).join('')}${indent}}`;
}

function statement(node, indent) {
  const before = comment(node.leadingComments ?? [], indent);
  switch (node.type) {
    case 'VariableDeclaration': {
      const keyword = node.kind === 'const' ? 'let' : 'var';
      return (
        before +
        node.declarations.map((d) => `${indent}${keyword} ${name(d.id.name)} = ${expression(d.init)};\n`).join('')
      );
    }
    case 'ReturnStatement':
      return `${before}${indent}return ${expression(node.argument)};\n`;
    case 'ExpressionStatement':
      return `${before}${indent}${expression(node.expression)};\n`;
    case 'IfStatement':
      return `${before}${indent}if (${expression(node.test)}) ${block(node.consequent, indent)}\n`;
    case 'WhileStatement':
      return `${before}${indent}while (${expression(node.test)}) ${block(node.body, indent)}\n`;
    default:
      return refuse(node);
  }
}

function expression(node) {
  switch (node.type) {
    case 'Identifier':
      return name(node.name);
    case 'NumericLiteral':
      return node.extra.raw;
    case 'UnaryExpression':
      return `${node.operator}${expression(node.argument)}`;
    case 'BinaryExpression':
      return `${operand(node.left)} ${node.operator} ${operand(node.right)}`;
    case 'AssignmentExpression':
      return `${expression(node.left)} ${node.operator} ${expression(node.right)}`;
    case 'CallExpression':
      return `${expression(node.callee)}(${node.arguments.map(expression).join(', ')})`;
    case 'TSTypeAssertion':
      return `${node.typeAnnotation.typeName.name}(${expression(node.expression)})`;
    default:
      return refuse(node);
  }
}

const operand = (node) => (node.type === 'BinaryExpression' ? `(${expression(node)})` : expression(node));

function refuse(node) {
  throw new Error(`WGSL has no ${node.type} here (line ${node.loc?.start.line}); write the kernel without it`);
}
