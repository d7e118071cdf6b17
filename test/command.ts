/**
 * The `ditac` command as it is shipped. Most tests run it in their own thread, which takes a fifth of the time of a process; what a process alone
 * has (signals, pipes, a terminal, a folder and an environment of its own) is asked of one.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** In a process. */
export function ditacProcess(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    ...options,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
  });
  return { status, stdout, stderr };
}

let runs = 0;

/** In this thread, one after the other: what is written is taken from its streams, and an exit ends the command only. */
export async function ditac(...args: string[]): Promise<Ended> {
  const { argv, exit, exitCode, stdout, stderr } = process;
  const streams = [stdout, stderr];
  const before = streams.map((stream) => ({ write: stream.write, listeners: stream.listeners('error') }));
  const colours = process.env.NO_COLOR;
  const texts = ['', ''];
  let status: number | undefined;
  streams.forEach((stream, i) => {
    stream.write = ((text: string | Uint8Array) => {
      if (status === undefined) texts[i] += typeof text === 'string' ? text : new TextDecoder().decode(text);
      return true;
    }) as typeof stream.write;
  });
  process.argv = [process.execPath, CLI, ...args];
  process.env.NO_COLOR = '1';
  process.exitCode = undefined;
  process.exit = ((code = 0) => {
    status ??= Number(code);
    throw new Error('the command ended');
  }) as typeof process.exit;
  try {
    // A module of its own each time, with state of its own. Its parts, which other tests use as well, are read once.
    await import(/* @vite-ignore */ `${new URL('../dist/cli.js', import.meta.url).href}?${++runs}`);
    status ??= Number(process.exitCode ?? 0);
  } finally {
    Object.assign(process, { argv, exit, exitCode });
    if (colours === undefined) delete process.env.NO_COLOR;
    else process.env.NO_COLOR = colours;
    streams.forEach((stream, i) => {
      stream.write = before[i]!.write;
      for (const listener of stream.listeners('error'))
        if (!before[i]!.listeners.includes(listener)) stream.off('error', listener as () => void);
    });
  }
  return { status, stdout: texts[0]!, stderr: texts[1]! };
}
