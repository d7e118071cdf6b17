/** `ditac onnx`: what it finds, writes, refuses and verifies. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Snake } from 'ditac';
import { saveSafetensors } from 'ditac/safetensors';
import * as ort from 'onnxruntime-web';
import { expect, test } from 'vitest';
import { rewriteFile } from '../src/cli/onnx.js';
import { matchOf, survey } from '../src/onnx/find.js';
import { ditac, ditacProcess } from './command.js';
import { digits, type Graph, model, node, parse, value } from './onnx-models.js';

/** A folder with a model and weights; what is written is `out.onnx`. */
function folderWith(bytes: Uint8Array, weights: Uint8Array | URL) {
  const folder = mkdtempSync(join(tmpdir(), 'ditac-test-'));
  const at = (name: string) => join(folder, name);
  writeFileSync(at('model.onnx'), bytes);
  writeFileSync(at('w.safetensors'), weights instanceof URL ? readFileSync(weights) : weights);
  const files = ['onnx', at('model.onnx'), '--weights', at('w.safetensors'), '-o', at('out.onnx')];
  return { at, files, run: (...more: string[]) => ditac(...files, ...more) };
}

const told = ['--interval=-3,3', '--variant', 'gelu'];

test('nodes of com.ditac are found, written in standard operators, and verified', () => {
  const { model: bytes, weights } = digits('convolutional', 'com.ditac');
  const { at, files } = folderWith(bytes, weights);
  // A process: verifying goes to the model's folder.
  const { status, stdout, stderr } = ditacProcess([...files, '--verify', '--shape', 'input=3,1,8,8']);
  expect(`${status} ${stderr}`).toBe('0 ');
  expect(stdout).toMatch(/\/act_1\/DiTAC +│ DiTAC 'act_1\.' +│ exact +│ \d+ +│ [\d,]+ +│ 0\.\d\d ULP/);
  expect(stdout).toMatch(/act_2_out +│ onnxruntime-\w+ +│ 768 +│ 0 /);
  expect(stdout).toMatch(/logits \(output\) +│ onnxruntime-\w+ +│ 30 +│ 0 /);
  expect(parse(readFileSync(at('out.onnx'))).graph!.node.some(({ domain }) => domain !== '')).toBe(false);
});

test('operators that stand for activations are told, and matched by the modules in their names, or by --map', async () => {
  const { model: bytes, weights } = digits('dense', 'Selu');
  const { at, run } = folderWith(bytes, weights);
  const rewrite = (options: object) => {
    const { reports } = rewriteFile(at('model.onnx'), { out: '', weights: at('w.safetensors'), ...options });
    return reports.map(({ node: name, prefix }) => [name, prefix]);
  };
  expect(await run(...told)).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/no activation to rewrite; .*--placeholder Selu \(2 nodes\)/),
  });
  expect(existsSync(at('out.onnx'))).toBe(false);
  // The file's metadata says a and b.
  const placeholder = ['Selu'];
  expect(() => rewrite({ placeholder })).toThrow(/does not say variant of 'act_1\.thetas'.*: pass --variant/);
  const variant = 'gelu';
  expect(rewrite({ placeholder, variant })).toEqual([
    ['/act_1/Selu', 'act_1.'],
    ['/act_2/Selu', 'act_2.'],
  ]);
  const swapped = new Map([
    ['/act_1/Selu', 'act_2'],
    ['act_2_out', 'act_1.'],
  ]);
  expect(rewrite({ map: swapped, variant }).map(([, prefix]) => prefix)).toEqual(['act_2.', 'act_1.']);
  expect(() => rewrite({ map: new Map([['nothing', 'act_1.']]), variant })).toThrow(/no node or tensor of this name/);
  const map = new Map([['/act_2/Selu', '']]);
  expect(() => rewrite({ placeholder, map, variant })).toThrow(
    /no node of the model uses 'act_2\.' of .*--map, or pass --ignore/,
  );
  expect((await run('--placeholder', 'Selu', '--map', '/act_2/Selu=', '--ignore', 'act_2.', ...told)).status).toBe(0);
  expect(parse(readFileSync(at('out.onnx'))).graph!.node.filter(({ opType }) => opType === 'Selu')).toHaveLength(1);
});

/** A node with the name and the metadata that PyTorch's exporters write. */
const named = (name: string, metadata: object) =>
  model({
    node: [
      node('Selu', ['x'], ['y'], {}, {
        name,
        metadataProps: Object.entries(metadata).map(([key, text]) => ({ key, value: text })),
      } as never),
    ],
    input: [value('x', ['n'])],
    output: [value('y', ['n'])],
  });

test.each([
  ['/nested/nested.0/nested.0.0/act/Selu', {}, 'nested.0.0.act'],
  ['/features/features.1/Selu', {}, 'features.1'],
  [
    'n0',
    { 'pkg.torch.onnx.name_scopes': "['', 'nested', 'nested.0', 'nested.0.0', 'nested.0.0.act', 'selu_3']" },
    'nested.0.0.act',
  ],
  [
    'n0',
    { namespace: ': net.Net/features: torch.nn.Sequential/features.1: net.Act/selu: aten.selu.default' },
    'features.1',
  ],
] as const)('a node called %s, %j, is of module %s', (name, metadata, wanted) => {
  const { modules } = survey(named(name, metadata), () => true).found[0]!;
  // Under the name of the module that holds the network, too.
  for (const outer of ['', 'net.']) {
    const prefixes = [`${outer}other.`, `${outer}${wanted}.`, `${outer}act.`];
    expect(matchOf(modules, prefixes)?.prefix).toBe(`${outer}${wanted}.`);
  }
  expect(matchOf(modules, ['other.'])?.prefix).toBe(undefined);
  // Two that end alike are not told apart.
  expect(matchOf(modules, [`a.${wanted}.`, `b.${wanted}.`])?.prefix).toBe(undefined);
});

test('an unmatched node, an activation that is left, and what cannot be rewritten: exit code 1, and nothing written', async () => {
  const snake = saveSafetensors(new Snake({ alpha: [0.5, 1, 2] }).stateDict({ prefix: 'dec.' }));
  const graph = (name: string): Graph => ({
    node: [node('Snake', ['x'], ['y'], { logScale: 0n }, { domain: 'com.ditac', name })],
    input: [value('x', ['n', 3, 8])],
    output: [value('y', ['n', 3, 8])],
  });
  const unmatched = folderWith(model(graph('/enc/Snake')), snake);
  expect(await unmatched.run()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(
      /node '\/enc\/Snake' \(of 'enc\.Snake', 'enc'\) matches no activation of .*, which has 'dec\.'/,
    ),
  });
  expect((await unmatched.run('--map', '/enc/Snake=dec')).status).toBe(0);
  const old = folderWith(model(graph('/dec/Snake'), 12), snake);
  expect(await old.run()).toMatchObject({ status: 1, stderr: expect.stringMatching(/opset 12, at least 13/) });
  const channels = folderWith(
    model(graph('/dec/Snake')),
    saveSafetensors(new Snake({ alpha: [0.5, 1] }).stateDict({ prefix: 'dec.' })),
  );
  expect(await channels.run()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/axis 1 must be the 2 channels/),
  });
  for (const { at } of [old, channels]) expect(existsSync(at('out.onnx'))).toBe(false);
  const self = await ditac('onnx', old.at('model.onnx'), '-o', old.at('model.onnx'));
  expect(self).toMatchObject({ status: 1, stderr: expect.stringMatching(/would be lost/) });
});

test('parameters in attributes need no weights; forms are options', async () => {
  const attributes = { alpha: 0.5, logScale: 0n };
  const bytes = model({
    node: [node('Snake', ['x'], ['y'], attributes, { domain: 'com.ditac' })],
    input: [value('x', ['n'])],
    output: [value('y', ['n'])],
  });
  const { at } = folderWith(bytes, new Uint8Array(0));
  const sizes: Record<string, number> = {};
  for (const form of [[], ['--small'], ['--target', 'webgpu'], ['--split']]) {
    const { status, stdout } = await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'), '--json', ...form);
    expect(status).toBe(0);
    sizes[form.join('')] = JSON.parse(stdout).bytes;
  }
  expect(sizes['--small']!).toBeLessThan(sizes['']!);
  expect((await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'), '--compact')).stderr).toMatch(
    /a periodic function has no compact form/,
  );
  expect((await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'), '--compact', '--small')).status).toBe(2);
  expect((await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'))).status).toBe(0);
  const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(at('out.onnx'))));
  const x = Float32Array.of(-1, 0.3, 40);
  const { y } = await session.run({ x: new ort.Tensor('float32', x, [3]) });
  expect([...(y!.data as Float32Array)]).toEqual([...new Snake({ alpha: 0.5 }).forward(x)]);
});

test('what neither nodes nor weights say is never made up', async () => {
  const { at } = folderWith(new Uint8Array(0), new Uint8Array(0));
  const refused = async (one: ReturnType<typeof node>, ...more: string[]) => {
    const initializer = [{ name: 'w', dims: [3n], dataType: 1, rawData: new Uint8Array(12) }] as never;
    const graph = { node: [one], input: [value('x', [2, 3])], output: [value('y', [2, 3])], initializer };
    writeFileSync(at('model.onnx'), model(graph));
    const { status, stderr } = await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'), ...more);
    expect([status, existsSync(at('out.onnx'))]).toEqual([1, false]);
    return stderr;
  };
  const ours = (op: string, attributes: object, inputs = ['x']) =>
    node(op, inputs, ['y'], attributes as never, { domain: 'com.ditac' });
  const elu = node('Elu', ['x'], ['y'], { alpha: 0.5 });
  expect(await refused(elu, '--placeholder', 'Elu', '--family', 'elu')).toMatch(/Elu says nothing of a ELU.*--weights/);
  const prelu = node('PRelu', ['x', 'w'], ['y']);
  expect(await refused(prelu, '--placeholder', 'PRelu', '--family', 'prelu')).toMatch(/PRelu says nothing of a PReLU/);
  expect(await refused(ours('PReLU', {}, ['x', 'w']))).toMatch(/it has 2 inputs, and only the first is known/);
  expect(await refused(ours('Snake', { prefix: 'act.', logScale: 1n }))).toMatch(/it is 'act\.' of a file/);
  expect(await refused(ours('Snake', { logScale: 1n }))).toMatch(/it has no attribute alpha/);
  expect(await refused(ours('DiTAC', { thetas: [0, 0, 0, 0, 0, 0, 0, 0, 0] }))).toMatch(/no attribute a, b, variant/);
  expect(await refused(ours('SnakeBta', { alpha: 1 }), '--family', 'snake')).toMatch(
    /has family 'SnakeBta'; there are/,
  );
  for (const logScale of ['false', [0n], 2n, 0.5])
    expect(await refused(ours('Snake', { alpha: 1, logScale }))).toMatch(/logScale must be 0 or 1, got/);
});

test('attributes that are 0 may be left out, and what is told goes with them', async () => {
  const written = (attributes: object, cleared: string) => {
    const whole = ours(attributes);
    for (const each of whole.attribute!) if (each.name === cleared) Object.assign(each, { i: undefined, f: undefined });
    return model({ node: [whole], input: [value('x', [2, 3])], output: [value('y', [2, 3])] });
  };
  const ours = (attributes: object) => node('PReLU', ['x'], ['y'], attributes as never, { domain: 'com.ditac' });
  const { at } = folderWith(written({ weight: 0 }, 'weight'), new Uint8Array(0));
  expect((await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'))).status).toBe(0);
  const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(at('out.onnx'))));
  const x = Float32Array.of(-1, 2, -3, 4, -5, 6);
  const { y } = await session.run({ x: new ort.Tensor('float32', x, [2, 3]) });
  expect([...(y!.data as Float32Array)].map((each) => each + 0)).toEqual([0, 2, 0, 4, 0, 6]);
  // Where channels are, and constants of the family.
  writeFileSync(
    at('model.onnx'),
    model({ node: [ours({ weight: [1, 2] })], input: [value('x', [2, 3])], output: [value('y', [2, 3])] }),
  );
  const { stderr } = await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'), '--layout', 'channelsLast');
  expect(stderr).toMatch(/axis 1 must be the 2 channels \(channelsLast\)/);
  const snake = node('Snake', ['x'], ['y'], { alpha: 0.5 }, { domain: 'com.ditac' });
  writeFileSync(at('model.onnx'), model({ node: [snake], input: [value('x', [2, 3])], output: [value('y', [2, 3])] }));
  expect((await ditac('onnx', at('model.onnx'), '-o', at('out.onnx'), '--family', 'snake', '--log-scale')).status).toBe(
    0,
  );
  const logScale = await ort.InferenceSession.create(new Uint8Array(readFileSync(at('out.onnx'))));
  const found = await logScale.run({ x: new ort.Tensor('float32', x, [2, 3]) });
  expect([...(found.y!.data as Float32Array)]).toEqual([...new Snake({ alpha: 0.5, logScale: true }).forward(x)]);
});

test('one activation of the weights is not that of nodes in different modules', async () => {
  const at3 = (name: string, from: string, to: string) => node('Selu', [from], [to], {}, { name });
  const graph = {
    node: [
      at3('/act/Selu', 'x', 'w'),
      at3('/act/Selu_1', 'w', 'a'),
      at3('/block1/act/Selu', 'a', 'b'),
      at3('/block2/act/Selu', 'b', 'y'),
    ],
    input: [value('x', ['n'])],
    output: [value('y', ['n'])],
  };
  const snake = saveSafetensors(new Snake({ alpha: 0.5 }).stateDict({ prefix: 'act.' }));
  const { run } = folderWith(model(graph), snake);
  const { status, stderr } = await run('--placeholder', 'Selu', '--family', 'snake');
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/'block1\.act'\) matches 'act\.', which a node of 'act' matches too/),
  ]);
  expect((await run('--placeholder', 'Selu', '--family', 'snake', '--map', 'b=act', '--map', 'y=act')).status).toBe(0);
});

test('the import of com.ditac stays as long as a node of it does', async () => {
  const graph = {
    node: [
      node('Snake', ['x'], ['h'], { alpha: 1 }, { domain: 'com.ditac', name: 'one' }),
      node('Snake', ['h'], ['y'], { alpha: 2 }, { domain: 'com.ditac', name: 'two' }),
    ],
    input: [value('x', ['n'])],
    output: [value('y', ['n'])],
  };
  const { at } = folderWith(model(graph), new Uint8Array(0));
  const rewrite = (from: string, to: string, ...more: string[]) => ditac('onnx', at(from), '-o', at(to), ...more);
  expect((await rewrite('model.onnx', 'one.onnx', '--map', 'two=', '--split')).status).toBe(0);
  expect((await rewrite('one.onnx', 'both.onnx')).status).toBe(0);
  const { opsetImport, graph: written } = parse(readFileSync(at('both.onnx')));
  expect(written!.node.some(({ domain, opType }) => domain === 'com.ditac' && opType === 'Plan')).toBe(true);
  expect(opsetImport.map(({ domain }) => domain)).toContain('com.ditac');
});

test('activations in branches are verified as far as they are in the main graph', () => {
  const standIn = (from: string, to: string) =>
    node('Snake', [from], [to], { alpha: 1 }, { domain: 'com.ditac', name: to });
  const branch = (): Graph => ({ name: 'b', node: [standIn('h', 'inner')], output: [value('inner', undefined)] });
  const graph = {
    node: [
      standIn('x', 'h'),
      node('ReduceSum', ['x'], ['s'], { keepdims: 0n }),
      node('Greater', ['s', 'zero'], ['which']),
      node('If', ['which'], ['y'], { then_branch: { graph: branch() }, else_branch: { graph: branch() } }),
    ],
    initializer: [{ name: 'zero', dims: [], dataType: 1, rawData: new Uint8Array(4) }] as never,
    input: [value('x', ['n'])],
    output: [value('y', ['n'])],
    valueInfo: [value('h', ['n'])],
  };
  const { files } = folderWith(model(graph), new Uint8Array(0));
  const without = files.filter((each, i) => each !== '--weights' && files[i - 1] !== '--weights');
  const { status, stdout, stderr } = ditacProcess([...without, '--verify']);
  expect(`${status} ${stderr}`).toBe('0 ');
  expect(stdout).toMatch(/│ h +│ onnxruntime-\w+ +│ 2 +│ 0 /);
});

test('weights beside the model go along to another folder, from nowhere else', async () => {
  const bytes = (location: string) =>
    model({
      node: [node('Add', ['x', 'w'], ['h']), node('Snake', ['h'], ['y'], { alpha: 1 }, { domain: 'com.ditac' })],
      initializer: [
        { name: 'w', dims: [2n], dataType: 1, dataLocation: 1, externalData: [{ key: 'location', value: location }] },
      ] as never,
      input: [value('x', [2])],
      output: [value('y', [2])],
    });
  const { at } = folderWith(bytes('w.bin'), new Uint8Array(0));
  writeFileSync(at('w.bin'), Uint8Array.of(0, 0, 128, 63, 0, 0, 128, 63));
  expect((await ditac('onnx', at('model.onnx'), '-o', at('w.bin'))).stderr).toMatch(
    /a file of weights of the model, .*lost/,
  );
  expect(readFileSync(at('w.bin'))).toHaveLength(8);
  mkdirSync(at('to'));
  for (const _ of [1, 2]) expect((await ditac('onnx', at('model.onnx'), '-o', at('to/out.onnx'))).status).toBe(0);
  expect(readdirSync(at('to')).sort()).toEqual(['out.onnx', 'w.bin']);
  writeFileSync(at('to/w.bin'), 'other');
  expect((await ditac('onnx', at('model.onnx'), '-o', at('to/out.onnx'))).stderr).toMatch(
    /is there already and is another file/,
  );
  writeFileSync(at('model.onnx'), bytes('../../etc/passwd'));
  expect((await ditac('onnx', at('model.onnx'), '-o', at('to/b.onnx'))).stderr).toMatch(/which is not beside it/);
  expect(readdirSync(at('to'))).not.toContain('b.onnx');
});
