// Translates kernel bodies from assembly/ to WGSL, or another language. They are plain calls of vocabulary words with a loop or a branch here and
// there, and the vocabulary has the same names in WGSL (assembly/vocabulary/lanes.wgsl): only the syntax differs.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from '@babel/parser';

/** What differs from language to language; scripts/c.mjs is another. */
const WGSL = {
  title: 'WGSL',
  /** Reserved words that may serve as names in TypeScript. */
  reserved: new Set('from of module of register self set super target type unless with yield final match'.split(' ')),
  number: (raw) => raw,
  constant: (name, type, value) => `const ${name}: ${type} = ${value};`,
  head: (name, parameters, result) =>
    `fn ${name}(${parameters.map((each) => `${each.name}: ${each.type}`).join(', ')})${result === undefined ? '' : ` -> ${result}`}`,
  variable: (isConstant, name, _type, value) => `${isConstant ? 'let' : 'var'} ${name} = ${value};`,
  cast: (type, value) => `${type}(${value})`,
  /** What stands before the functions, of their heads. */
  before: () => '',
  /** Whether variables are declared with their types: then words of the vocabulary have to be known by the types of their results. */
  types: undefined,
};

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

/** The function `entry` of a file and everything that it uses, except the words of the vocabulary, in WGSL or another language. */
export function translate(file, entry, language = WGSL) {
  const { constant, fn, heads } = printer(language, (name) => results.get(name));
  const results = new Map(language.types);
  const modules = new Map();
  const constants = new Map();
  const functions = new Map();
  const moduleAt = (from) => {
    if (modules.has(from)) return modules.get(from);
    const found = readModule(from);
    modules.set(from, found);
    if (language.types) {
      for (const [name, { node }] of found.declared)
        results.set(name, typeIn(node.type === 'FunctionDeclaration' ? node.returnType : node.id.typeAnnotation));
      for (const each of found.imported.values()) moduleAt(each);
    }
    return found;
  };
  const visit = (from, name) => {
    const { declared, imported } = moduleAt(from);
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
  return `${[...constants.values()].join('\n')}\n\n${language.before(heads)}${[...functions.values()].join('\n\n')}\n`;
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

const typeIn = ({ typeAnnotation }) =>
  typeAnnotation.type === 'TSBooleanKeyword'
    ? 'bool'
    : typeAnnotation.type === 'TSVoidKeyword'
      ? undefined
      : typeAnnotation.typeName?.name;

/** Statements and expressions in a language. `resultOf`: the type of a constant, or of what a function returns. */
function printer(language, resultOf) {
  /** Types of a function's parameters and variables. */
  let locals = new Map();
  const heads = new Set();
  const name = (text) => (language.reserved.has(text) ? `${text}_` : text);
  const type = (annotation) => typeIn(annotation) ?? refuse(annotation.typeAnnotation);

  function constant({ node, comments }) {
    return `${comment(comments)}${language.constant(node.id.name, type(node.id.typeAnnotation), expression(node.init))}`;
  }

  function fn({ node, comments }) {
    const parameters = node.params.map((each) => ({ name: name(each.name), type: type(each.typeAnnotation) }));
    locals = new Map(node.params.map((each) => [each.name, type(each.typeAnnotation)]));
    const head = language.head(node.id.name, parameters, typeIn(node.returnType));
    heads.add(head);
    return `${comment(comments)}${head} ${block(node.body, '')}`;
  }

  function block(node, indent) {
    const body = node.type === 'BlockStatement' ? node.body : [node];
    return `{\n${body.map((each) => statement(each, `${indent}  `)).join('')}${indent}}`;
  }

  function declaration({ id, init }, isConstant, indent) {
    if (language.types) locals.set(id.name, typeOf(init));
    return `${indent}${language.variable(isConstant, name(id.name), locals.get(id.name), expression(init))}\n`;
  }

  function statement(node, indent) {
    const before = comment(node.leadingComments ?? [], indent);
    switch (node.type) {
      case 'VariableDeclaration':
        return before + node.declarations.map((each) => declaration(each, node.kind === 'const', indent)).join('');
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
        return language.number(node.extra.raw);
      case 'UnaryExpression':
        if (language.negative && node.argument.type === 'NumericLiteral')
          return language.negative(node.argument.extra.raw);
        return `${node.operator}${expression(node.argument)}`;
      case 'BinaryExpression':
        return `${operand(node.left)} ${node.operator} ${operand(node.right)}`;
      case 'AssignmentExpression':
        return `${expression(node.left)} ${node.operator} ${expression(node.right)}`;
      case 'CallExpression':
        return `${expression(node.callee)}(${node.arguments.map(expression).join(', ')})`;
      case 'TSTypeAssertion':
        return language.cast(node.typeAnnotation.typeName.name, expression(node.expression));
      default:
        return refuse(node);
    }
  }

  const operand = (node) => (node.type === 'BinaryExpression' ? `(${expression(node)})` : expression(node));

  function typeOf(node) {
    switch (node.type) {
      case 'Identifier':
        return locals.get(node.name) ?? resultOf(node.name) ?? refuse(node);
      case 'CallExpression':
        return resultOf(node.callee.name) ?? refuse(node);
      case 'TSTypeAssertion':
        return node.typeAnnotation.typeName.name;
      case 'BinaryExpression':
        return typeOf(node.left);
      default:
        return refuse(node);
    }
  }

  function refuse(node) {
    throw new Error(
      `${language.title} has no ${node.type} here (line ${node.loc?.start.line}); write the kernel without it`,
    );
  }

  return { constant, fn, heads };
}
