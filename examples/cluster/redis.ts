/** A Redis to talk to: the one that is named or runs here, else one that is started for as long as the program runs. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

export interface Connection {
  readonly host: string;
  readonly port: number;
}

export interface Running extends Connection {
  /** In words. */
  readonly what: string;
  stop(): void;
}

async function answers({ host, port }: Connection): Promise<boolean> {
  const client = new Redis({ host, port, lazyConnect: true, connectTimeout: 500, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    client.disconnect();
  }
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

export const hasRedisServer = (): boolean => spawnSync('redis-server', ['--version']).status === 0;

/**
 * @param given host:port; without it the one on 127.0.0.1:6379, if it answers.
 * @throws {Error} if there is none, and none can be started.
 */
export async function startRedis(given?: string): Promise<Running> {
  const [host = '127.0.0.1', port = '6379'] = given?.split(':') ?? [];
  const known = { host, port: Number(port) };
  if (await answers(known)) return { ...known, what: `the Redis at ${host}:${port}`, stop: () => {} };
  if (given !== undefined) throw new Error(`no Redis answers at ${host}:${port}`);
  if (!hasRedisServer()) throw new Error('no Redis answers at 127.0.0.1:6379, and there is no redis-server to start');
  const own = { host: '127.0.0.1', port: await freePort() };
  const folder = mkdtempSync(join(tmpdir(), 'ditac-redis-'));
  const options = ['--port', String(own.port), '--bind', own.host, '--save', '', '--appendonly', 'no', '--dir', folder];
  const server = spawn('redis-server', options, { stdio: 'ignore' });
  const stop = () => {
    server.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', stop);
  for (let k = 0; k < 100; k++) {
    if (await answers(own)) return { ...own, what: `a Redis of its own at port ${own.port}`, stop };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  stop();
  throw new Error('redis-server does not answer');
}
