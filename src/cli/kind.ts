/** What a file is that is no .safetensors file, by its first bytes, and what to do with it. */

const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** PyTorch's own files hold pickles, which run whatever code they name when they are read. */
const FROM_TORCH =
  "pickles may run code and are not read: load it in Python and write safetensors.torch.save_file(model.state_dict(), 'model.safetensors'); " +
  'examples/export_checkpoint.py of this package also writes down what a checkpoint does not say';

const KINDS: readonly [is: (head: Uint8Array, text: string, path: string) => boolean, what: string, then: string][] = [
  [(head) => head.length === 0, 'is empty', 'was it written, or copied, to its end?'],
  [
    (_, text) => text.startsWith('PK\u0003\u0004') && /data\.pkl|\/version|\.pkl/.test(text),
    'is a PyTorch checkpoint (torch.save)',
    FROM_TORCH,
  ],
  [
    (_, text) => text.startsWith('PK\u0003\u0004') && text.includes('.npy'),
    'is a .npz archive of numpy',
    "safetensors.numpy.save_file(dict(numpy.load(file)), 'model.safetensors') makes a checkpoint of it",
  ],
  [
    (_, text) => text.startsWith('PK\u0003\u0004') && /model\.weights\.h5|metadata\.json/.test(text),
    'is a Keras model',
    "safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, 'model.safetensors') makes a checkpoint of it",
  ],
  [(_, text) => text.startsWith('PK\u0003\u0004'), 'is a zip archive', `if PyTorch wrote it: ${FROM_TORCH}`],
  [
    (head) => head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5,
    'is a pickle, as PyTorch wrote before 1.6',
    FROM_TORCH,
  ],
  [
    (_, text) => text.startsWith('\u0089HDF'),
    'is an HDF5 file, as Keras writes',
    "safetensors.numpy.save_file({w.name: w.numpy() for w in model.weights}, 'model.safetensors') makes a checkpoint of it",
  ],
  [
    (_, text) => text.startsWith('\u0093NUMPY'),
    'is an array of numpy',
    '`ditac judge` reads these: --x and --y; a checkpoint has names, as safetensors.numpy.save_file gives them',
  ],
  [
    (_, text) => text.startsWith('ditacpln'),
    'is a plan that was compiled already',
    "new Activation(bytes) of 'ditac/runtime' evaluates it; what it was compiled from is not in it",
  ],
  [
    (_, text) => text.startsWith('GGUF'),
    'is a GGUF model',
    'inspect the .safetensors files that it was converted from',
  ],
  [(_, text) => text.slice(4, 8) === 'TFL3', 'is a TensorFlow Lite model', 'inspect a checkpoint of the model instead'],
  [
    (head, text, path) =>
      head[0] === 0x08 &&
      head[1]! < 0x20 &&
      (head[2] === 0x12 || head[2] === 0x1a || path.endsWith('.onnx')) &&
      text !== '',
    'is an ONNX model',
    "its weights are its initializers: safetensors.numpy.save_file({i.name: onnx.numpy_helper.to_array(i).copy() for i in model.graph.initializer}, 'model.safetensors') makes a checkpoint of them",
  ],
  [
    (_, text) => /^\s*\{/.test(text) && text.includes('"weight_map"'),
    'is the index of a checkpoint in parts',
    'inspect the .safetensors files that it names',
  ],
  [
    (_, text) => /^\s*\{/.test(text) && /"modelTopology"|"weightsManifest"/.test(text),
    'is a TensorFlow.js model',
    "tf.loadLayersModel reads it once layerOf(…) of 'ditac/tfjs' was called; layer.stateDict() and saveSafetensors make a checkpoint",
  ],
  [
    (_, text) => /^\s*[{[]/.test(text),
    'is JSON',
    'it holds no weights; a config.json lies beside a model.safetensors: inspect that',
  ],
  [
    (_, text) => text.startsWith('version https://git-lfs'),
    'is a pointer to a file that Git LFS keeps elsewhere',
    '`git lfs pull` brings the file itself',
  ],
  [(_, text) => /^\s*<(!doctype|html)/i.test(text), 'is a web page', 'the download gave a page instead of the file'],
  [(head) => head[0] === 0x1f && head[1] === 0x8b, 'is compressed', '`gunzip` it first'],
];

/** How much of a file tells what it is. */
export const HEAD = 4096;

/** A sentence about a file by its first bytes, at most `HEAD`; undefined if they tell nothing. */
export function kindOf(path: string, head: Uint8Array): string | undefined {
  const text = ascii(head.subarray(0, HEAD));
  const found = KINDS.find(([is]) => is(head, text, path));
  return found && `${path} ${found[1]}, not .safetensors: ${found[2]}`;
}
