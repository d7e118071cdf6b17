/** The same network in Node: the file of standard operators in onnxruntime, and one with plans, run around ditac's kernel. Every bit agrees. */
import { readFileSync } from 'node:fs';
import { SplitSession } from 'ditac/onnx';
// onnxruntime-node has the same interface.
import * as ort from 'onnxruntime-web';

ort.env.wasm.numThreads = 1;
const file = (name) => new Uint8Array(readFileSync(new URL(name, import.meta.url)));
const digits = JSON.parse(new TextDecoder().decode(file('digits.json')));
const pixels = Float32Array.from(
  digits.flatMap((each) => each.pixels),
  (v) => v / 16,
);
const feeds = { input: new ort.Tensor('float32', pixels, [digits.length, 1, 8, 8]) };

const whole = await ort.InferenceSession.create(file('public/digits.onnx'));
const split = await SplitSession.create(ort, file('public/digits-split.onnx'));
const [a, b] = [(await whole.run(feeds)).logits.data, (await split.run(feeds)).logits.data];

const read = digits.map((_, i) => {
  const scores = a.subarray(10 * i, 10 * i + 10);
  return scores.indexOf(Math.max(...scores));
});
const right = read.filter((digit, i) => digit === digits[i].digit).length;
const differing = a.filter((value, i) => !Object.is(value, b[i])).length;
console.log(`${right} of ${digits.length} digits are right: ${read.join(' ')}`);
console.log(`${differing} of ${a.length} logits differ between the whole model and the split session`);
process.exitCode = differing === 0 ? 0 : 1;
