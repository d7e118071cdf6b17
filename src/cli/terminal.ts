import { Presets, SingleBar } from 'cli-progress';

/**
 * What goes to the terminal. Names and metadata of a file that somebody sent may hold escape sequences, which clear the screen, set its
 * title or forge a line (CWE-150): such characters are shown, not sent.
 */

/** Controls (C0, DEL, C1), line separators, zero-width and bidirectional marks, halves of surrogate pairs. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Text from anywhere, on one line, as it may be printed. */
export const visible = (text: string): string =>
  text.replace(UNSAFE, (c) => `\\u${c.codePointAt(0)!.toString(16).padStart(4, '0')}`);

/** Text of several lines: line ends stay. */
export const visibleLines = (text: string): string => text.split('\n').map(visible).join('\n');

export const print = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** JSON escapes C0 alone; the rest is escaped as JSON allows it. */
export const printJson = (value: unknown): void =>
  print(
    JSON.stringify(value, null, 2)
      .split('\n')
      .map((line) =>
        line.replace(UNSAFE, (c) =>
          [...Array(c.length).keys()].map((i) => `\\u${c.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''),
        ),
      )
      .join('\n'),
  );

/** A reader that has seen enough closes the pipe (`| head`), which is no error of ours. */
export function endWithThePipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit();
    });
  }
}

/** On a terminal, a bar of what is done. */
export function progressBar(isShown: boolean): SingleBar | undefined {
  return isShown && process.stderr.isTTY
    ? new SingleBar(
        { format: '{bar} {percentage}% {what} {eta_formatted} left', hideCursor: true, stream: process.stderr },
        Presets.shades_classic,
      )
    : undefined;
}
