/**
 * What goes to the terminal. Names and metadata of a file that somebody sent may hold escape sequences, which clear the screen, set its
 * title or forge a line (CWE-150): such characters are shown, not sent.
 */
import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';
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
/** The style of a table without colours: its own are written wherever it goes, and whatever NO_COLOR says. */
export const PLAIN = { head: [], border: [] };

/** A cell: what is written, and its colour; or what spans several columns. */
export type Cell = string | number | { text: string; paint: (text: string) => string } | { text: string; span: number };

/** Columns that a table may take: those of the terminal; elsewhere as many as a terminal has at the least. */
const columns = (): number => process.stdout.columns ?? 80;
const BETWEEN = 2;
/** No column gets narrower. */
const LEAST = 8;
/** Nothing between columns but space, and no line between rows. */
const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid']
    .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`, `left-${side}`, `right-${side}`])
    .concat('middle', 'top-left', 'top-right', 'bottom-left', 'bottom-right')
    .map((name) => [name, '']),
);

const textOf = (cell: Cell | undefined): string => (typeof cell === 'object' ? cell.text : String(cell ?? ''));

/** Rows under their heads, in as many columns as there are; the widest give way, and wrap. */
export function table(heads: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const isOne = (cell: Cell | undefined) => !(typeof cell === 'object' && 'span' in cell);
  const texts = heads.map((head, k) => [head, ...rows.map((row) => row[k]).filter(isOne)].map(textOf));
  const widest = (parts: readonly string[]) => Math.max(...parts.map(stringWidth));
  const widths = texts.map((column) => BETWEEN + widest(column));
  const most = Math.max(columns(), 40) + BETWEEN;
  const isTooWide = () => widths.reduce((sum, width) => sum + width, 0) > most;
  // Between words first; words are broken only where that is not enough, since none is left out.
  const longest = texts.map((column) => BETWEEN + widest(column.flatMap((text) => text.split(' '))));
  const shrink = (least: (column: number) => number) => {
    while (isTooWide()) {
      const free = widths.map((width, k) => (width > least(k) ? width : 0));
      if (Math.max(...free) === 0) return;
      widths[free.indexOf(Math.max(...free))]! -= 1;
    }
  };
  shrink((k) => longest[k]!);
  const isBroken = isTooWide();
  shrink(() => LEAST);
  const grid = new Table({
    head: heads.map(colors.bold),
    colWidths: widths,
    wordWrap: true,
    wrapOnWordBoundary: !isBroken,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': BETWEEN, compact: true },
    chars: NO_LINES,
  });
  for (const row of rows)
    grid.push(
      row.map((cell) => {
        if (typeof cell !== 'object') return String(cell);
        return 'span' in cell ? { content: cell.text, colSpan: cell.span } : cell.paint(cell.text);
      }),
    );
  return grid
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
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

/** The command as it was called, with other options: to be pasted. */
export function again(options: Readonly<Record<string, string>>): string {
  const names = Object.keys(options).map((name) => `--${name}`);
  const kept: string[] = [];
  const given = process.argv.slice(2);
  for (let i = 0; i < given.length; i++) {
    if (names.includes(given[i]!)) i += 1;
    else if (!names.some((name) => given[i]!.startsWith(`${name}=`))) kept.push(given[i]!);
  }
  const quoted = kept.map((each) => (/^[\w./:=,@+-]+$/.test(each) ? each : `'${each.replaceAll("'", "'\\''")}'`));
  return visible(['ditac', ...quoted, ...Object.entries(options).map(([name, text]) => `--${name}=${text}`)].join(' '));
}
