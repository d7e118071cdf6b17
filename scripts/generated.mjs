// The modules that are made and not written: the kernels' bytes, the threads' worker, the shaders.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { c } from './c.mjs';
import { kernels } from './kernels.mjs';
import { esbuildLoader } from './loader.mjs';
import { translate } from './wgsl.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A file as it is called from the root, whatever the folders above it are called. */
export const fromRoot = (file) => relative(root, file).split(sep).join('/');

// Embedded rather than fetched: works in every bundler, in workers and without a file system. In hexadecimal, where a byte always looks
// the same: longer than base64, but a fifth smaller once it is compressed.
const embedded = async (name) => {
  const bytes = await kernels(name);
  return `/** build/${name}.wasm (${bytes.length} bytes) in hexadecimal. Written by scripts/generated.mjs. */\nexport const KERNELS_HEX =\n  '${bytes.toString('hex')}';\n`;
};

/** What makes one text of another: from where to where it is replaced, and by what. */
function edit(text, other) {
  const least = Math.min(text.length, other.length);
  let [from, end] = [0, 0];
  while (from < least && text[from] === other[from]) from++;
  while (end < least - from && text.at(-1 - end) === other.at(-1 - end)) end++;
  const made = { from, to: text.length - end, by: other.slice(from, other.length - end) };
  if (text.slice(0, made.from) + made.by + text.slice(made.to) !== other) throw new Error('an edit that is none');
  return made;
}

// The threads' kernels are built for shared memory, and differ from the others in how they say where memory comes from: that difference and the
// workers' code as a string travel inside the package.
async function threads() {
  const worker = await build({
    absWorkingDir: root,
    entryPoints: ['src/backends/threads/worker.ts'],
    bundle: true,
    plugins: [esbuildLoader],
    minify: true,
    write: false,
    format: 'iife',
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    tsconfig: 'tsconfig.json',
  });
  const [own, shared] = [await kernels('kernels'), await kernels('kernels-threads')].map((each) =>
    each.toString('hex'),
  );
  return (
    `/** What makes build/kernels-threads.wasm of build/kernels.wasm, in hexadecimal; worker.ts as a script. Written by scripts/generated.mjs. */\n` +
    `export const SHARED_MEMORY = ${JSON.stringify(edit(own, shared))};\n` +
    `export const WORKER = ${JSON.stringify(worker.outputFiles[0].text)};\n`
  );
}

/** What a shader may be specialised by; `shader` (src/backends/webgpu/shader.ts) chooses. */
const FLAGS = ['plain', 'bare', 'x in place', 'gradY in place'];

/** A file's parts: those between `//: if FLAG` (`//: else`) and `//: end` are there if the flag is (not), the others always. */
function wgsl(file) {
  const parts = [];
  let condition;
  let lines = [];
  const close = () => {
    if (lines.length > 0) parts.push({ ...condition, text: `${lines.join('\n')}\n` });
    lines = [];
  };
  for (const line of readFileSync(`assembly/${file}.wgsl`, 'utf8').trimEnd().split('\n')) {
    const [, word, flag] = /^\/\/: (if|else|end)(?: (.*))?$/.exec(line) ?? [];
    if (word === undefined) lines.push(line);
    else {
      if (word === 'if' ? condition || !FLAGS.includes(flag) : !condition)
        throw new Error(`assembly/${file}.wgsl: ${line}`);
      close();
      condition = { if: { when: flag }, else: { unless: condition?.when }, end: undefined }[word];
    }
  }
  close();
  if (condition) throw new Error(`assembly/${file}.wgsl: //: end is missing`);
  return parts;
}
async function shaders() {
  const made = {
    vocabulary: wgsl('vocabulary/lanes'),
    sums: wgsl('entries/sums'),
    entries: {
      each: wgsl('entries/each'),
      cells: wgsl('entries/cells'),
      search: wgsl('entries/search'),
      backward: wgsl('entries/backward'),
      slopes: wgsl('entries/slopes'),
      rest: wgsl('entries/rest'),
    },
    bodies: {
      activate: translate('assembly/activation.ts', 'activateLanes'),
      flow: translate('assembly/flow.ts', 'flowLanes'),
      backward: translate('assembly/backward.ts', 'backwardLanes'),
      probe: translate('assembly/probes.ts', 'probeLanes'),
    },
  };
  return (
    `/** WGSL from assembly/: vocabulary, entry points, and kernels translated by scripts/wgsl.mjs. */\n` +
    `export type Part = { readonly text: string; readonly when?: string; readonly unless?: string };\n` +
    `export const SHADERS = ${JSON.stringify(made)};\n`
  );
}

/** What `ditac emit` prints. */
async function printed() {
  const text = (file) => readFileSync(`assembly/${file}`, 'utf8');
  const vocabulary = text('vocabulary/lanes.h');
  const made = {
    vocabulary,
    kernel: translate('assembly/activation.ts', 'activateLanes', c(vocabulary)),
    c: text('entries/each.c'),
    cuda: text('entries/each.cu'),
    main: text('entries/main.h'),
  };
  return (
    `/** C from assembly/: vocabulary, entry points, and the kernel translated by scripts/wgsl.mjs. */\n` +
    `export const C = ${JSON.stringify(made)};\n`
  );
}

/** Each by its file, with what it is made of. */
const GENERATED = {
  'src/engines/wasm/bytes.generated.ts': { make: () => embedded('kernels'), from: /^assembly\/.*\.ts$/ },
  'src/engines/wasm/runtime-bytes.generated.ts': {
    make: () => embedded('kernels-runtime'),
    from: /^assembly\/.*\.ts$/,
  },
  'src/backends/threads/kernels.generated.ts': {
    make: threads,
    from: /^(?:assembly\/.*\.ts|src\/backends\/(?:threads\/)?[\w-]+\.ts|src\/plan\/image\.ts)$/,
  },
  'src/backends/webgpu/kernels.generated.ts': { make: shaders, from: /^assembly\// },
  'src/cli/kernels.generated.ts': { make: printed, from: /^assembly\// },
};

/** Writes all of them; those that have not changed keep their time. */
export async function generate() {
  for (const [file, { make }] of Object.entries(GENERATED)) {
    const text = await make();
    if (!existsSync(file) || readFileSync(file, 'utf8') !== text) writeFileSync(file, text);
  }
}

/** For Vite: made when they are imported, and again when what they are made of changes. Nothing is written but the compiler's results in build/. */
export const generated = {
  name: 'generated',
  enforce: 'pre',
  async resolveId(source, importer) {
    const file = importer && /\.generated\.js$/.test(source) && resolve(importer, '..', source.replace(/\.js$/, '.ts'));
    return file && fromRoot(file) in GENERATED ? file : null;
  },
  async load(id) {
    return GENERATED[fromRoot(id)]?.make() ?? null;
  },
  configureServer({ watcher }) {
    watcher.add(['assembly', 'src'].map((folder) => resolve(root, folder)));
    watcher.on('change', (changed) => {
      for (const [file, { from }] of Object.entries(GENERATED))
        if (from.test(fromRoot(changed))) watcher.emit('change', resolve(root, file));
    });
  },
};
