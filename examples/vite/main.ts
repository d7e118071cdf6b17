/** Draws a DiTAC activation, on threads where the page has shared memory. */
import { DiTAC, loadBackend } from 'ditac';

const canvas = document.querySelector<HTMLCanvasElement>('#plot')!;
const seed = document.querySelector<HTMLInputElement>('#seed')!;
const backend = await loadBackend('auto');
document.querySelector('#device')!.textContent = backend.device;

async function draw(): Promise<void> {
  const act = new DiTAC({ a: -3, b: 3, seed: Number(seed.value) });
  const x = Float32Array.from({ length: canvas.width }, (_, i) => -4 + (8 * i) / canvas.width);
  const y = await act.on(backend).forward(x);
  const context = canvas.getContext('2d')!;
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.beginPath();
  y.forEach((v, i) => {
    context.lineTo(i, canvas.height * (0.75 - v / 6));
  });
  context.stroke();
}

seed.addEventListener('input', () => void draw());
await draw();
document.body.dataset.drawn = 'true';
