// C as a language that kernels are translated to (scripts/wgsl.mjs): C99, which C++ and CUDA read as well.

/** The types that words of the vocabulary give, from its text: `WORD(Lanes) plus(…`. */
function typesIn(vocabulary) {
  return [...vocabulary.matchAll(/^WORD\((\w+)\) (\w+)\(/gm)].map(([, type, name]) => [name, type]);
}

/** @param vocabulary the text of assembly/vocabulary/lanes.h. */
export const c = (vocabulary) => ({
  title: 'C',
  reserved: new Set(
    'auto double extern register short signed static struct union unsigned volatile typedef goto inline restrict template this'.split(
      ' ',
    ),
  ),
  // A float32, rounded once; hexadecimal numbers are bits of 32, of either sign.
  number: (raw) => (/^0x/.test(raw) ? `(int32_t)${raw}u` : /[.e]/.test(raw) ? `${raw}f` : raw),
  negative: (raw) => (/^0x/.test(raw) ? `(int32_t)(0u - ${raw}u)` : `-${raw}`),
  constant: (name, type, value) => `CONSTANT(${type}) ${name} = ${value};`,
  head: (name, parameters, result) =>
    `WORD(${result ?? 'void'}) ${name}(${parameters.map((each) => `${each.type} ${each.name}`).join(', ')})`,
  variable: (isConstant, name, type, value) => `${isConstant ? 'const ' : ''}${type} ${name} = ${value};`,
  cast: (type, value) => `(${type})(${value})`,
  before: (heads) => `${[...heads].map((head) => `${head};`).join('\n')}\n\n`,
  types: typesIn(vocabulary),
});
