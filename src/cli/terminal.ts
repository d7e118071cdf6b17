/**
 * What goes to the terminal. Names and metadata of a file that somebody sent may hold escape sequences, which clear the screen, set its
 * title or forge a line (CWE-150): such characters are shown, not sent.
 */
import { Presets, SingleBar } from 'cli-progress';
import { createColors } from 'picocolors';
import stringWidth from 'string-width';

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

/** To whoever watches, not to whoever reads the result. */
export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
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

/** What is taken out of the arguments before commands see them: it may stand anywhere. */
export const NO_COLOR = '--no-color';

const { env, argv } = process;
/** On a terminal only, unless NO_COLOR (no-color.org) or --no-color say otherwise, and FORCE_COLOR asks for them. */
const isColored =
  !argv.includes(NO_COLOR) &&
  !env.NO_COLOR &&
  (env.FORCE_COLOR ? env.FORCE_COLOR !== '0' : process.stdout.isTTY === true && env.TERM !== 'dumb');
export const colors = createColors(isColored);

/** A cell: what is written, and its colour; or what spans several columns. */
export type Cell = string | number | { text: string; paint: (text: string) => string } | { text: string; span: number };

/** Columns that a table may take: those of the terminal; elsewhere as many as a terminal has at the least. */
const columns = (): number => process.stdout.columns ?? 80;
const BETWEEN = 2;
/** No column gets narrower. */
const LEAST = 6;

const textOf = (cell: Cell | undefined): string => (typeof cell === 'object' ? cell.text : String(cell ?? ''));

/** Lines of at most so many columns, broken between words, and within those that are longer. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!;
    if (line !== '' && stringWidth(line) + 1 + stringWidth(word) <= width) lines[lines.length - 1] = `${line} ${word}`;
    else {
      const pieces: string[] = [''];
      for (const c of word) {
        if (stringWidth(pieces.at(-1)! + c) > width && pieces.at(-1) !== '') pieces.push('');
        pieces[pieces.length - 1] += c;
      }
      if (line === '') lines.pop();
      lines.push(...pieces);
    }
  }
  return lines;
}

/** Rows under their heads, in as many columns as there are; the widest give way, and wrap. */
export function table(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isOne = (cell: Cell | undefined) => !(typeof cell === 'object' && 'span' in cell);
  const texts = heads.map((head, k) => [head, ...rows.map((row) => row[k]).filter(isOne)].map(textOf));
  const widest = (parts: readonly string[]) => Math.max(...parts.map(stringWidth));
  const widths = texts.map(widest);
  // Between words first; words are broken only where that is not enough.
  for (const least of [
    texts.map((column) => widest(column.flatMap((text) => text.split(' ')))),
    texts.map(() => LEAST),
  ])
    for (;;) {
      const taken = widths.reduce((sum, each) => sum + each, BETWEEN * (heads.length - 1));
      const free = widths.map((width, k) => (width > least[k]! ? width : 0));
      const most = Math.max(...free);
      if (taken <= Math.max(columns(), 40) || most === 0) break;
      widths[free.indexOf(most)]! -= 1;
    }
  const lines = [heads.map((text): Cell => ({ text, paint: colors.bold })), ...rows].flatMap((row) => {
    let k = 0;
    const cells = row.map((cell) => {
      const span = typeof cell === 'object' && 'span' in cell ? cell.span : 1;
      const width = widths.slice(k, k + span).reduce((sum, each) => sum + each + BETWEEN, -BETWEEN);
      k += span;
      return {
        width,
        lines: wrap(textOf(cell), width),
        paint: typeof cell === 'object' && 'paint' in cell ? cell.paint : String,
      };
    });
    return Array.from({ length: Math.max(...cells.map((cell) => cell.lines.length)) }, (_, i) =>
      cells.map(({ width, lines: own, paint }) => {
        const text = own[i] ?? '';
        return (text && paint(text)) + ' '.repeat(Math.max(width - stringWidth(text), 0));
      }),
    );
  });
  return lines.map((line) => line.join(' '.repeat(BETWEEN)).trimEnd()).join('\n');
}

/** A reader that has seen enough closes the pipe (`| head`), which is no error of ours. */
export function endWithThePipe(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit();
    });
  }
}

/** Runs `work`; an interrupt (Ctrl-C) meanwhile calls `stop`, which says how to go on, and ends the command with 130, as shells expect. */
export async function interruptible<T>(stop: () => void, work: () => Promise<T>): Promise<T> {
  const onSignal = () => {
    stop();
    process.exit(130);
  };
  process.once('SIGINT', onSignal);
  try {
    return await work();
  } finally {
    process.removeListener('SIGINT', onSignal);
  }
}

/**
 * A bar on the terminal of whoever watches, if there is one. The cursor is hidden only where an interrupt gives it back: while this thread works,
 * nobody hears one.
 */
export function progressBar(isShown: boolean, hideCursor = false): SingleBar | undefined {
  return isShown && process.stderr.isTTY
    ? new SingleBar(
        { format: '{bar} {percentage}% {what} {eta_formatted} left', hideCursor, stream: process.stderr },
        Presets.shades_classic,
      )
    : undefined;
}
