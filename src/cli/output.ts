import { writeFileSync, writeSync } from 'node:fs';

/** As the name of a file: what is asked for goes to standard output, and what is said about it to standard error. */
export const STDOUT = '-';

/** Writes a file, or standard output for `-`. */
export function writeOut(path: string, content: Uint8Array | string, options: { flag?: string } = {}): void {
  if (path !== STDOUT) {
    writeFileSync(path, content, options);
    return;
  }
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  // At once: the process may end before a stream has written everything. A full pipe is waited for.
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'EPIPE') process.exit();
      if (code !== 'EAGAIN') throw cause;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
