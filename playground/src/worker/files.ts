import { CompiledActivation, DiTAC, type FamilyActivation } from 'ditac';
import { FAMILIES, identify } from 'ditac/families';
import { activationModel } from 'ditac/onnx';
import { loadSafetensors } from 'ditac/safetensors';
import type { FamilyName, FileContents, Found, Loaded, View } from '../protocol';
import { type Made, optionsOf } from './activations';
import { gridOf } from './explore';
import { nodesOf, rewritten } from './network';

/** The file that was opened last. */
let opened:
  | { readonly kind: 'safetensors'; readonly contents: ReturnType<typeof loadSafetensors> }
  | { readonly kind: 'plan'; readonly plan: CompiledActivation }
  | { readonly kind: 'onnx'; readonly bytes: Uint8Array }
  | undefined;
/** What was loaded from it last. */
let present: { readonly act?: Made; readonly family?: FamilyName; readonly plan: CompiledActivation } | undefined;

/** One a kind of file, by how its name ends. */
const READERS: Readonly<Record<string, (bytes: Uint8Array) => FileContents>> = {
  safetensors(bytes) {
    const contents = loadSafetensors(bytes);
    opened = { kind: 'safetensors', contents };
    const found = identify(contents.tensors) as readonly Found[];
    const tensors = Object.keys(contents.tensors).length;
    return { kind: 'safetensors', tensors, metadata: contents.metadata, found, channels: 0, nodes: [] };
  },
  plan(bytes) {
    const plan = CompiledActivation.fromBytes(bytes);
    opened = { kind: 'plan', plan };
    present = { plan };
    return { kind: 'plan', tensors: 0, metadata: {}, found: [], channels: plan.channels, nodes: [] };
  },
  onnx(bytes) {
    const nodes = nodesOf(bytes);
    opened = { kind: 'onnx', bytes };
    return { kind: 'onnx', tensors: 0, metadata: {}, found: [], channels: 0, nodes };
  },
};

/** What to do with a file of another kind. */
const ADVICE: Readonly<Record<string, string>> = {
  pt: 'is a pickle, which can run code. In Python: save_file(model.state_dict(), "model.safetensors"), and drop that here',
};

/** @throws {TypeError|RangeError} if the file is damaged, or of another kind. */
export function open(name: string, bytes: Uint8Array): FileContents {
  opened = present = undefined;
  const ending = /\.(\w+)$/.exec(name.toLowerCase())?.[1] ?? '';
  const reader = READERS[ending];
  if (reader) return reader(bytes);
  const known = ['pth', 'bin', 'ckpt'].includes(ending) ? 'pt' : ending;
  const advice =
    ADVICE[known] ?? 'is none of the files that are read here: .safetensors (a state dict), .plan and .onnx';
  throw new TypeError(`${name} ${advice}`);
}

type Reader = { fromStateDict(tensors: object, options: object): DiTAC | FamilyActivation };

/** @throws {TypeError|RangeError} if something is to be told, or what was told does not fit. */
export function load(prefix: string, family: FamilyName, told: Readonly<Record<string, unknown>>): void {
  if (opened?.kind !== 'safetensors') throw new TypeError('no state dict is open');
  const { tensors, metadata } = opened.contents;
  const reader = FAMILIES[family] as unknown as Reader;
  const act = reader.fromStateDict(tensors, { prefix, ...told, ...(family === 'ditac' ? { metadata } : {}) });
  present = { act, family, plan: act.compiled() };
}

/** One function of what was loaded, exactly as it is in the file. */
export function show(channel: number, low: number, high: number): Loaded {
  if (!present) throw new TypeError('nothing is loaded');
  const { act, family, plan } = present;
  const { channels } = plan;
  const x = gridOf(low, high);
  const isFirst = plan.layout === 'channelsFirst';
  // Every channel gets the same x, and one is looked at.
  const all = Float32Array.from({ length: channels * x.length }, (_, i) =>
    isFirst ? x[i % x.length]! : x[Math.floor(i / channels)]!,
  );
  const shape = isFirst ? [1, channels, x.length] : [x.length, channels];
  const results = plan.forward(all, undefined, { shape });
  const y = x.map((_, i) => results[isFirst ? channel * x.length + i : i * channels + channel]!);
  return {
    channels,
    channel,
    x,
    y,
    certificate: plan.planOf(channel).certificate,
    notes: act && !(act instanceof DiTAC) ? act.notes : [],
    view: act && family ? { family, options: optionsOf(act, channel) } : undefined,
  };
}

/** The functions of all channels, as they are in the file. */
export function savePlan(): Uint8Array {
  if (!present) throw new TypeError('nothing is loaded');
  return present.plan.toBytes();
}

/** The same as a model of standard operators. */
export function saveOnnx(): Uint8Array {
  if (!present) throw new TypeError('nothing is loaded');
  return activationModel(present.plan);
}

/** The network that is open, with a function in the place of the nodes of these names. */
export function saveNetwork(names: readonly string[], view: View): Uint8Array {
  if (opened?.kind !== 'onnx') throw new TypeError('no network is open');
  return rewritten(opened.bytes, names, view);
}
