/**
 * Candidates of the search: trees of two to four unary functions of x, joined by binary ones (Rahman, He, Wang, arXiv 2409.04915). The same 7 and 17 functions, with
 * asinh in the place of the softplus that the released code has twice.
 */
import { defineFamily, type FamilyClass } from 'ditac';
import {
  abs,
  atan,
  divide,
  type Expression,
  erf,
  exp,
  expm1,
  log1p,
  maximum,
  minimum,
  minus,
  negative,
  plus,
  relu,
  sigmoid,
  sin,
  softplus,
  sqrt,
  square,
  tanh,
  times,
  where,
  whole,
  x,
} from 'ditac/families';

export type Tree = { readonly leaf: Unary } | { readonly join: Binary; readonly a: Tree; readonly b: Tree };

/** Each as an expression, and as it is written in a family's file. Arranged so that nothing cancels near 0. */
const UNARY = {
  x: [() => x, 'x'],
  exp: [() => exp(x), 'exp(x)'],
  abs: [() => abs(x), 'abs(x)'],
  negative: [() => negative(x), 'negative(x)'],
  expNegative: [() => exp(negative(x)), 'exp(negative(x))'],
  minimum: [() => minimum(x, 0), 'minimum(x, 0)'],
  erf: [() => erf(x), 'erf(x)'],
  sigmoid: [() => sigmoid(x), 'sigmoid(x)'],
  xErf: [() => times(x, erf(x)), 'times(x, erf(x))'],
  relu: [() => relu(x), 'relu(x)'],
  sin: [() => sin(x), 'sin(x)'],
  atan: [() => atan(x), 'atan(x)'],
  tanh: [() => tanh(x), 'tanh(x)'],
  softplus: [() => softplus(x), 'softplus(x)'],
  sinh: [() => times(0.5, minus(expm1(x), expm1(negative(x)))), 'times(0.5, minus(expm1(x), expm1(negative(x))))'],
  asinh: [
    () => {
      const size = log1p(plus(abs(x), divide(square(x), plus(1, sqrt(plus(1, square(x)))))));
      return where(x, size, negative(size));
    },
    'where(x, log1p(plus(abs(x), divide(square(x), plus(1, sqrt(plus(1, square(x))))))), negative(log1p(plus(abs(x), divide(square(x), plus(1, sqrt(plus(1, square(x)))))))))',
  ],
  atanh: [() => times(0.5, minus(log1p(x), log1p(negative(x)))), 'times(0.5, minus(log1p(x), log1p(negative(x))))'],
} satisfies Record<string, readonly [() => Expression, string]>;
export type Unary = keyof typeof UNARY;
export const UNARIES = Object.keys(UNARY) as Unary[];

const BINARY = {
  plus: [(a, b) => plus(a, b), (a, b) => `plus(${a}, ${b})`],
  times: [(a, b) => times(a, b), (a, b) => `times(${a}, ${b})`],
  maximumOfRelu: [(a, b) => maximum(relu(a), b), (a, b) => `maximum(relu(${a}), ${b})`],
  timesErf: [(a, b) => times(a, erf(b)), (a, b) => `times(${a}, erf(${b}))`],
  maximum: [(a, b) => maximum(a, b), (a, b) => `maximum(${a}, ${b})`],
  timesExp: [(a, b) => times(a, exp(b)), (a, b) => `times(${a}, exp(${b}))`],
  sigmoidTimes: [(a, b) => times(sigmoid(a), b), (a, b) => `times(sigmoid(${a}), ${b})`],
} satisfies Record<string, readonly [(a: Expression, b: Expression) => Expression, (a: string, b: string) => string]>;
export type Binary = keyof typeof BINARY;
export const BINARIES = Object.keys(BINARY) as Binary[];

export const MOST_LEAVES = 4;
export const leaves = (tree: Tree): number => ('leaf' in tree ? 1 : leaves(tree.a) + leaves(tree.b));

export function expressionOf(tree: Tree): Expression {
  return 'leaf' in tree ? UNARY[tree.leaf][0]() : BINARY[tree.join][0](expressionOf(tree.a), expressionOf(tree.b));
}

/** The same as text, in the words of docs/families.md. */
export function textOf(tree: Tree): string {
  return 'leaf' in tree ? UNARY[tree.leaf][1] : BINARY[tree.join][1](textOf(tree.a), textOf(tree.b));
}

/** The same in short, to be read. */
export function nameOf(tree: Tree): string {
  return 'leaf' in tree ? SHORT[tree.leaf] : JOINED[tree.join](nameOf(tree.a), nameOf(tree.b));
}

const SHORT: Readonly<Record<Unary, string>> = {
  x: 'x',
  exp: 'eˣ',
  abs: '|x|',
  negative: '-x',
  expNegative: 'e⁻ˣ',
  minimum: 'min(x, 0)',
  erf: 'erf x',
  sigmoid: 'σ(x)',
  xErf: 'x·erf x',
  relu: 'relu x',
  sin: 'sin x',
  atan: 'atan x',
  tanh: 'tanh x',
  softplus: 'softplus x',
  sinh: 'sinh x',
  asinh: 'asinh x',
  atanh: 'atanh x',
};
const JOINED: Readonly<Record<Binary, (a: string, b: string) => string>> = {
  plus: (a, b) => `(${a} + ${b})`,
  times: (a, b) => `${a} · ${b}`,
  maximumOfRelu: (a, b) => `max(relu(${a}), ${b})`,
  timesErf: (a, b) => `${a} · erf(${b})`,
  maximum: (a, b) => `max(${a}, ${b})`,
  timesExp: (a, b) => `${a} · exp(${b})`,
  sigmoidTimes: (a, b) => `σ(${a}) · ${b}`,
};

/** A class as ditac's own families have one: plans with a certificate, gradients, layers. */
export function familyOf(tree: Tree, name = 'Evolved'): FamilyClass<object, never> {
  return defineFamily<object, never>({ name, parameters: () => ({}), define: () => whole(expressionOf(tree)) });
}

/** A file that defines the family, complete. */
export function fileOf(tree: Tree, name: string): string {
  const text = textOf(tree);
  const words = [...new Set(text.match(/[a-z]\w*/gi))].sort();
  return `import { defineFamily } from 'ditac';
import { ${[...words, 'whole'].sort().join(', ')} } from 'ditac/families';

/** Found by examples/evolve. */
export const ${name} = defineFamily({
  name: '${name}',
  parameters: () => ({}),
  define: () => whole(${text}),
});
`;
}

type Uniform = () => number;
const pick = <T>(uniform: Uniform, from: readonly T[]): T => from[Math.floor(uniform() * from.length)]!;

/** Of two to four leaves, each number as likely, in any shape. */
export function randomTree(uniform: Uniform, count = 2 + Math.floor(uniform() * 3)): Tree {
  if (count === 1) return { leaf: pick(uniform, UNARIES) };
  const left = 1 + Math.floor(uniform() * (count - 1));
  return { join: pick(uniform, BINARIES), a: randomTree(uniform, left), b: randomTree(uniform, count - left) };
}

/** Nodes in order, the root first. */
function nodes(tree: Tree): Tree[] {
  return 'leaf' in tree ? [tree] : [tree, ...nodes(tree.a), ...nodes(tree.b)];
}

/** `tree` with `next` in the place of one of its nodes. */
function exchanged(tree: Tree, node: Tree, next: Tree): Tree {
  if (tree === node) return next;
  if ('leaf' in tree) return tree;
  return { join: tree.join, a: exchanged(tree.a, node, next), b: exchanged(tree.b, node, next) };
}

/** One node becomes another function of its kind, or another tree where there is room. */
export function mutated(uniform: Uniform, tree: Tree): Tree {
  const node = pick(uniform, nodes(tree));
  if (uniform() < 0.3) {
    const room = MOST_LEAVES - leaves(tree) + leaves(node);
    const least = node === tree ? 2 : 1;
    return exchanged(tree, node, randomTree(uniform, Math.max(least, 1 + Math.floor(uniform() * room))));
  }
  const next: Tree =
    'leaf' in node ? { leaf: pick(uniform, UNARIES) } : { join: pick(uniform, BINARIES), a: node.a, b: node.b };
  return exchanged(tree, node, next);
}

/** Two trees exchange a part each; where that would grow them too large, smaller parts are tried. */
export function crossed(uniform: Uniform, a: Tree, b: Tree): [Tree, Tree] {
  for (let k = 0; k < 16; k++) {
    const [p, q] = [pick(uniform, nodes(a)), pick(uniform, nodes(b))];
    const children: [Tree, Tree] = [exchanged(a, p, q), exchanged(b, q, p)];
    if (children.every((each) => leaves(each) >= 2 && leaves(each) <= MOST_LEAVES)) return children;
  }
  return [a, b];
}

/** Inputs that a network's are: here a function has to be a finite float32. */
const REACH = 64;

/**
 * Why a candidate is not worth a training: it is no number somewhere, has no plan, or is as good as constant.
 * @returns undefined if it is worth one.
 */
export function refusal(tree: Tree): string | undefined {
  const Class = familyOf(tree);
  let act: InstanceType<typeof Class>;
  try {
    act = new Class();
    const f = act.reference();
    const seen = new Set<number>();
    // Near 0, where inputs are, and powers of two up to the end of float32.
    const inputs = Array.from({ length: 1025 }, (_, i) => ((i - 512) * REACH) / 512);
    for (let e = -20; e < 128; e += 0.5) inputs.push(2 ** e, -(2 ** e));
    for (const at of inputs) {
      const y = f(at);
      if (Number.isNaN(y)) return `it is no number at x = ${at}`;
      if (Math.abs(at) <= REACH && !Number.isFinite(Math.fround(y))) return `it leaves float32 at x = ${at}`;
      if (Math.abs(at) <= 2) seen.add(Math.round(1e4 * y));
    }
    if (seen.size < 8) return 'it is as good as constant';
  } catch (cause) {
    return (cause as Error).message;
  }
  try {
    const gradY = new Float32Array(3).fill(1);
    act.forward(Float32Array.of(-1, 0.5, 2));
    act.backward(Float32Array.of(-1, 0.5, 2), gradY);
  } catch (cause) {
    return (cause as Error).message;
  }
  return undefined;
}
