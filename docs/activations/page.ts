/** The page of a family: from its class, the catalogue and the golden files, so that it says what is so. */

import * as ditac from 'ditac';
import { FAMILIES } from 'ditac/families';
import { exact, ulpError } from 'ditac/oracle';
import { type Panel, svgOf } from '../../playground/src/svg';
import { type FamilyErrors, worstErrors } from '../../scripts/family-errors.mjs';
import { CATALOGUE, NAMES, type Options } from '../catalogue';

export type Name = keyof typeof CATALOGUE;

interface Kind {
  readonly length?: number;
  readonly isOne: boolean;
  readonly initial?: unknown;
}
interface Source {
  readonly name: string;
  readonly names?: Readonly<Record<string, string>>;
  readonly tensors?: readonly string[];
  readonly others?: readonly string[];
  readonly buffers?: Readonly<Record<string, string>>;
  readonly asks?: readonly string[];
  readonly needs?: readonly string[];
  readonly layout?: string;
  readonly note?: string;
}
interface Family {
  readonly name: string;
  readonly constants?: Readonly<
    Record<
      string,
      {
        readonly initial?: unknown;
        readonly choices?: readonly unknown[];
        readonly isList?: boolean;
        readonly isOptional?: boolean;
      }
    >
  >;
  parameters(constants: Options): Readonly<Record<string, Kind>>;
  readonly checkpoint?: { readonly classes: readonly Source[] };
  refine?: unknown;
}
interface Act {
  /** Of a DiTAC. */
  velocities?(): Float64Array;
  forward(x: Float32Array): Float32Array;
  backward(x: Float32Array, gradY: Float32Array): { gradX: Float32Array };
  readonly plan: { readonly certificate: { readonly ulp: number; readonly segments: number } };
}

export const NAMES_IN_ORDER = Object.keys(CATALOGUE) as Name[];
const familyOf = (name: Name) => (FAMILIES[name] as unknown as { family?: Family }).family;
/** What `import { … } from 'ditac'` calls it. */
const exportOf = (name: Name): string => Object.entries(ditac).find(([, value]) => value === FAMILIES[name])![0];

const SPAN = 5;
const PAPER = { ground: 'none', ink: 'var(--vp-c-text-1)', soft: 'var(--vp-c-text-2)', grid: 'var(--vp-c-divider)' };

/** Function, slope and error of the first example, as SVG that follows the page's colours. */
function picture(name: Name, options: Options): string {
  const act = new (FAMILIES[name] as unknown as new (options: Options) => Act)(options);
  const x = Float32Array.from({ length: 401 }, (_, i) => -SPAN + (2 * SPAN * i) / 400);
  const y = act.forward(x);
  const slope = act.backward(x, new Float32Array(x.length).fill(1)).gradX;
  const truth = exact.family(act as never);
  const error = Float64Array.from(x, (v, i) => {
    const t = truth(v);
    return Math.abs(t) < 2 ** -24 ? Number.NaN : Math.sign(y[i]! - t) * ulpError(y[i]!, t);
  });
  const flat = (v: number) => ({
    color: 'var(--vp-c-text-3)',
    isDashed: true,
    values: new Float64Array(x.length).fill(v),
  });
  const { ulp } = act.plan.certificate;
  const panels: Panel[] = [
    { title: 'f(x)', x, curves: [{ color: 'var(--plot-function)', values: y }] },
    { title: 'f′(x)', x, curves: [{ color: 'var(--plot-slope)', values: slope }] },
    {
      title: 'error in ULP, and the proved bound',
      x,
      curves: [flat(ulp), flat(-ulp), { color: 'var(--plot-error)', values: error }],
    },
  ];
  if (act.velocities) {
    const velocities = act.velocities();
    const [a, b] = [options.a as number, options.b as number];
    const vertices = velocities.map((_, k) => a + ((b - a) * k) / (velocities.length - 1));
    const curve = { color: 'var(--plot-velocity)', values: velocities };
    panels.splice(2, 0, { title: 'velocity field', x: vertices, curves: [curve] });
  }
  return panels.map((panel) => svgOf(`${NAMES[name]}: ${panel.title}`, [panel], PAPER)).join('');
}

const row = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
const code = (text: string) => `\`${text}\``;
const short = (n: number) =>
  n < 100
    ? String(Number(n.toPrecision(3)))
    : `10${[...String(Math.round(Math.log10(n)))].map((d) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(d)]).join('')}`;

function initialOf({ initial, length }: Kind): string {
  if (typeof initial === 'function') return 'drawn from `seed`';
  if (!Array.isArray(initial)) return 'has to be given';
  const numbers = initial.map((v: number) => String(Number(v.toPrecision(6))));
  return length === 1
    ? numbers[0]!
    : numbers.length > 6
      ? `${numbers.slice(0, 3).join(', ')} … ${numbers.at(-1)}`
      : numbers.join(', ');
}

function parameterTable(name: Name): string {
  const family = familyOf(name);
  if (!family)
    return table(
      ['option', 'what', 'default'],
      [
        ['`thetas`', 'θ, N - 1 numbers a channel (N + 1 of variant `inf`): trained', '`seed` draws it from the prior'],
        ['`tess`', 'N, the number of cells', '10'],
        ['`a`, `b`', 'the interval', '-0.5, 2'],
        ['`variant`', 'gelu, leaky, ge, bare, inf', 'gelu'],
        ['`basis`', 'qr, svd, rref, sparse, or a matrix', 'qr'],
      ],
    );
  const first = CATALOGUE[name].presets[0].options;
  const rows = Object.entries(family.parameters(first)).map(([key, kind]) => [
    code(key),
    kind.isOne ? 'a number a function: trained' : `${kind.length ?? 'any count of'} numbers a function: trained`,
    initialOf(kind),
  ]);
  for (const [key, { initial, choices, isList, isOptional }] of Object.entries(family.constants ?? {}))
    rows.push([
      code(key),
      `${choices ? choices.map((each) => code(String(each))).join(', ') : isList ? 'numbers' : 'a number'}: a constant`,
      initial === undefined ? (isOptional ? 'none' : 'has to be given') : String(initial),
    ]);
  return rows.length === 0 ? 'It has none.' : table(['option', 'what', 'default'], rows);
}

function checkpointTable(name: Name): string {
  const family = familyOf(name);
  if (!family)
    return table(
      ['class', 'tensors', 'must be told'],
      [
        ['`DiTAC` of the PyTorch package', '`thetas`, `precision_mat`', '`a`, `b`, `variant`'],
        ['of this package', 'the same, and `ditac.*`', '–'],
      ],
    );
  const first = CATALOGUE[name].presets[0].options;
  const parameters = Object.keys(family.parameters(first));
  const classes: readonly Source[] = family.checkpoint?.classes ?? [{ name: 'ditac' }];
  return table(
    ['class', 'tensors', 'must be told', 'note'],
    classes.map((source) => {
      const tensors = source.tensors ?? [
        ...parameters.map((key) => source.names?.[key] ?? key),
        ...Object.values(source.buffers ?? {}),
      ];
      const told = [...(source.asks ?? []), ...(source.needs ?? [])];
      const notes = [source.layout === 'channelsLast' ? 'channels last' : '', source.note ?? ''].filter(Boolean);
      return [
        code(source.name),
        tensors.length === 0 ? '–' : tensors.map(code).join(', '),
        told.length === 0 ? '–' : told.map(code).join(', '),
        notes.join('; '),
      ];
    }),
  );
}

/** A program with the first example; the tests run it. */
export function programOf(name: Name): string {
  const { options } = CATALOGUE[name].presets[0];
  const shown = Object.entries(options).map(
    ([key, value]) =>
      `${key}: ${typeof value === 'string' ? `'${value}'` : JSON.stringify(value).replaceAll(',', ', ')}`,
  );
  const line = shown.join(', ');
  const made = shown.length === 0 ? '()' : line.length < 60 ? `({ ${line} })` : `({\n  ${shown.join(',\n  ')},\n})`;
  return [
    `import { ${exportOf(name)} } from 'ditac';`,
    '',
    `const act = new ${exportOf(name)}${made};`,
    'const x = Float32Array.of(-1, 0.5, 2);',
    'const y = act.forward(x);',
    'const { gradX, gradients } = act.backward(x, new Float32Array(3).fill(1));',
    'console.log(y, gradX, gradients, act.plan.certificate.ulp);',
  ].join('\n');
}

/** Seen from dist/programs, as from here. */
const GOLDEN = new URL('../../test/golden/families/', import.meta.url);
let errors: Map<string, FamilyErrors> | undefined;

export function pageOf(name: Name): string {
  errors ??= new Map(worstErrors(GOLDEN).map((each) => [each.family, each]));
  const { formula, papers, where, notes = [], presets } = CATALOGUE[name];
  const link = new URLSearchParams({ family: name });
  const found = errors.get(name);
  const worst = found
    ? table(
        ['in', 'ditac', 'proved', 'released code'],
        [
          [
            'ULP',
            found.worst.toFixed(2),
            `≤ ${found.certified.toFixed(2)}`,
            `${short(found.released)}${found.nan > 0 ? `, and ${found.nan} wrong NaN or ∞` : ''}`,
          ],
        ],
      ) +
      `\n\nOver ${found.cases} golden ${found.cases === 1 ? 'file' : 'files'}, where |y| ≥ 2⁻⁸ (\`npm run errors\`); the released code is evaluated in its own order in float32.`
    : 'Over the golden files 0.95 ULP at most where |y| ≥ 2⁻⁸ (`npm test`); every plan has its own bound in `plan.certificate`.';
  return `# ${NAMES[name]}

<p class="formula">${formula.replaceAll('<', '&lt;')}</p>

${where}

<div class="picture">

${picture(name, presets[0].options).replaceAll('\n', '')}

</div>

<a href="../playground/index.html#${link}" target="_self">Move it in the playground</a>

\`\`\`ts
${programOf(name)}
\`\`\`

## Parameters

${parameterTable(name)}

One value for all channels, or one a channel. By name: \`new FAMILIES.${name}(…)\` of \`ditac/families\`.${familyOf(name)?.refine || !familyOf(name) ? ' `act.refine()` is the same function with more parameters.' : ''}

## Papers

${papers.map(({ title, arxiv }) => `- ${title}${arxiv ? `, [arXiv ${arxiv}](https://arxiv.org/abs/${arxiv})` : ''}`).join('\n')}

${notes.length > 0 ? `## Worth knowing\n\n${notes.map((note) => `- ${note}`).join('\n')}\n` : ''}
## Worst errors

${worst}

## In checkpoints

${checkpointTable(name)}

\`${exportOf(name)}.fromStateDict(tensors, { prefix, … })\` reads them, and \`act.stateDict()\` gives them back: [Coming from PyTorch](../pytorch.md).
`;
}
