/** Reads digits with onnxruntime-web; nothing of ditac is in this page but what `ditac onnx` wrote into the model. */
import * as ort from 'onnxruntime-web/wasm';
import digits from './digits.json';

const element = <T extends HTMLElement>(id: string): T => document.querySelector<T>(`#${id}`)!;
const session = await ort.InferenceSession.create(`${import.meta.env.BASE_URL}digits.onnx`);
const pixels = new Float32Array(64);
const cells = Array.from(pixels, () => element('pixels').appendChild(document.createElement('span')));
let shown = 0;

async function read(): Promise<void> {
  cells.forEach((cell, i) => {
    cell.style.background = `hsl(0 0% ${100 - 6.25 * pixels[i]!}%)`;
  });
  const input = new ort.Tensor(
    'float32',
    pixels.map((v) => v / 16),
    [1, 1, 8, 8],
  );
  const before = performance.now();
  const { logits } = await session.run({ input });
  element('state').textContent = `${(performance.now() - before).toFixed(1)} ms`;
  const scores = Array.from(logits!.data as Float32Array, Math.exp);
  const sum = scores.reduce((total, each) => total + each, 0);
  element('digit').textContent = String(scores.indexOf(Math.max(...scores)));
  element('scores').replaceChildren(
    ...scores.flatMap((each, digit) => {
      const [name, bar, share] = [
        document.createElement('b'),
        document.createElement('i'),
        document.createElement('span'),
      ];
      name.textContent = String(digit);
      bar.style.width = `${(100 * each) / sum}%`;
      share.textContent = `${((100 * each) / sum).toFixed(0)} %`;
      return [name, bar, share];
    }),
  );
  document.body.dataset.read = element('digit').textContent!;
}

function draw(event: PointerEvent): void {
  const at = cells.indexOf(document.elementFromPoint(event.clientX, event.clientY) as HTMLSpanElement);
  if (event.buttons === 0 || at < 0) return;
  pixels[at] = 16;
  void read();
}

async function next(): Promise<void> {
  pixels.set(digits[shown++ % digits.length]!.pixels);
  await read();
}

element('pixels').addEventListener('pointerdown', (event) => {
  pixels.fill(0);
  draw(event);
});
element('pixels').addEventListener('pointermove', draw);
element('next').addEventListener('click', () => void next());
await next();
