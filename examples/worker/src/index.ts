/**
 * A Cloudflare Worker that reads handwritten digits: POST {"pixels": [64 numbers from 0 to 16]} and get {"digit", "scores"}. The network is
 * Linear(64,48) – DiTAC – Linear(48,32) – DiTAC – Linear(32,10), trained in PyTorch; its activations were compiled ahead.
 */
import { Activation } from 'ditac/runtime';
import { loadSafetensors, type Tensor } from 'ditac/safetensors';
import plan1 from '../model/digits.act_1.plan';
import plan2 from '../model/digits.act_2.plan';
import checkpoint from '../model/digits.safetensors';

const PIXELS = 64;
const MOST_INTENSE = 16;
/** 64 numbers of a few digits each. */
const MOST_BYTES = 4096;

/** A request that cannot be answered: the status and the reason. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Made by the first request, kept for all others. */
let network: ((pixels: Float32Array) => Float32Array) | undefined;

function loadNetwork(): (pixels: Float32Array) => Float32Array {
  const { tensors } = loadSafetensors(new Uint8Array(checkpoint));
  const activations = [plan1, plan2].map((plan) => new Activation(new Uint8Array(plan)));
  return (pixels) => {
    let x = pixels;
    activations.forEach((activation, k) => {
      x = linear(x, tensors[`fc${k + 1}.weight`]!, tensors[`fc${k + 1}.bias`]!);
      activation.forward(x, x);
    });
    return linear(x, tensors['fc3.weight']!, tensors['fc3.bias']!);
  };
}

function linear(x: Float32Array, weight: Tensor, bias: Tensor): Float32Array {
  return Float32Array.from({ length: bias.data.length }, (_, o) => {
    let sum = bias.data[o]!;
    for (let i = 0; i < x.length; i++) sum += weight.data[o * x.length + i]! * x[i]!;
    return sum;
  });
}

/** The body, read no further than it may be long. */
async function readBody(request: Request): Promise<string> {
  const tooLong = new Refusal(413, `a request has at most ${MOST_BYTES} bytes`);
  if (Number(request.headers.get('content-length') ?? 0) > MOST_BYTES) throw tooLong;
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  const reader = request.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > MOST_BYTES) {
      await reader.cancel();
      throw tooLong;
    }
    text += decoder.decode(value, { stream: true });
  }
  return text + decoder.decode();
}

function readPixels(text: string): Float32Array {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'the body must be JSON: {"pixels": [64 numbers]}');
  }
  const pixels = (body as { pixels?: unknown } | null)?.pixels;
  if (!Array.isArray(pixels)) throw new Refusal(400, 'the body must be an object with an array "pixels"');
  if (pixels.length !== PIXELS)
    throw new Refusal(400, `pixels must hold ${PIXELS} numbers, 8 rows of 8, got ${pixels.length}`);
  return Float32Array.from(pixels, (value: unknown, i) => {
    if (typeof value !== 'number' || !(value >= 0 && value <= MOST_INTENSE))
      throw new Refusal(400, `pixels[${i}] must be a number from 0 to ${MOST_INTENSE}, got ${JSON.stringify(value)}`);
    return value / MOST_INTENSE;
  });
}

const answer = (status: number, body: object): Response => Response.json(body, { status });

export default {
  async fetch(request: Request): Promise<Response> {
    try {
      if (request.method !== 'POST') throw new Refusal(405, `POST a digit; ${request.method} is not answered`);
      const type = request.headers.get('content-type') ?? '';
      if (!/^application\/json\b/i.test(type))
        throw new Refusal(415, `content-type must be application/json, got '${type}'`);
      const pixels = readPixels(await readBody(request));
      network ??= loadNetwork();
      const logits = network(pixels);
      const total = logits.reduce((sum, v) => sum + Math.exp(v), 0);
      const scores = Array.from(logits, (v) => Math.exp(v) / total);
      return answer(200, { digit: scores.indexOf(Math.max(...scores)), scores });
    } catch (cause) {
      if (cause instanceof Refusal) return answer(cause.status, { error: cause.message });
      throw cause;
    }
  },
};
