/** A server that evaluates a compiled activation: POST float32 bytes, get float32 bytes. `deno run --allow-net --allow-read main.ts`. */
import { Activation } from 'ditac/runtime';

const MOST_BYTES = 2 ** 22;
const activation = new Activation(await Deno.readFile(new URL('./activation.plan', import.meta.url)));

const refuse = (status: number, reason: string) => new Response(`${reason}\n`, { status });

/** The bytes of a body, or undefined as soon as there are more: their number need not have been told. */
async function readAtMost(most: number, body: ReadableStream<Uint8Array> | null): Promise<ArrayBuffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    // Leaving the loop cancels the stream.
    if (size > most) return undefined;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes.buffer;
}

export async function handle(request: Request): Promise<Response> {
  if (request.method !== 'POST') return refuse(405, 'POST float32 numbers, little-endian');
  if (Number(request.headers.get('content-length') ?? 0) > MOST_BYTES)
    return refuse(413, `at most ${MOST_BYTES} bytes`);
  const bytes = await readAtMost(MOST_BYTES, request.body);
  if (bytes === undefined) return refuse(413, `at most ${MOST_BYTES} bytes`);
  if (bytes.byteLength % 4 !== 0) return refuse(400, `a float32 has 4 bytes; got ${bytes.byteLength}`);
  const x = new Float32Array(bytes);
  activation.forward(x, x);
  return new Response(bytes, { headers: { 'content-type': 'application/octet-stream' } });
}

if (import.meta.main) Deno.serve({ port: Number(Deno.args[0] ?? 8000), hostname: '127.0.0.1' }, handle);
