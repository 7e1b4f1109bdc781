import type { Table } from './events.ts';

/** Columns of a terminal a text takes: East Asian wide characters and emoji take two, combining marks none. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

function charWidth(char: string): number {
  if (/[\p{Mark}\p{Cf}\p{Cc}]/u.test(char)) return 0;
  return /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u.test(
    char,
  )
    ? 2
    : 1;
}

/** A narrower column than this says nothing; a table that does not fit even so runs over. */
const leastWidth = 16;
const gap = '  ';

/**
 * A table as aligned lines: title, head, rule, rows. Columns that are empty in every row are left out.
 * @param maxWidth columns of the terminal: the widest columns are broken over several lines to fit
 */
export function formatTable(table: Table, maxWidth = Infinity): string[] {
  const kept = table.columns.map((_, i) => i).filter((i) => table.rows.some((row) => (row[i] ?? '') !== ''));
  const columns = kept.map((i) => table.columns[i]!);
  const rows = table.rows.map((row) => kept.map((i) => row[i] ?? ''));
  const widths = fit(
    columns.map((column, i) => Math.max(...[column.name, ...rows.map((row) => row[i]!)].map(displayWidth))),
    maxWidth,
  );
  const lines = (cells: string[]): string[] => {
    const wrapped = cells.map((cell, i) => wrap(cell, widths[i]!));
    const height = Math.max(...wrapped.map((parts) => parts.length));
    return Array.from({ length: height }, (_, line) =>
      columns
        .map((column, i) => {
          const part = wrapped[i]![line] ?? '';
          const fill = ' '.repeat(Math.max(0, widths[i]! - displayWidth(part)));
          return column.align === 'right' ? fill + part : part + fill;
        })
        .join(gap)
        .trimEnd(),
    );
  };
  return [
    ...(table.title === undefined ? [] : [table.title]),
    ...lines(columns.map((column) => column.name)),
    widths.map((width) => '─'.repeat(width)).join(gap),
    ...rows.flatMap(lines),
  ];
}

/** Takes width from the widest column until all fit. */
function fit(natural: readonly number[], maxWidth: number): number[] {
  const widths = [...natural];
  const total = (): number => widths.reduce((sum, width) => sum + width, gap.length * (widths.length - 1));
  while (total() > maxWidth) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widths[widest]! <= leastWidth) break;
    widths[widest]! -= 1;
  }
  return widths;
}

/** Breaks a text into lines of at most `width` columns, at spaces where there are any. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const piece of text.split(/(?<= )/)) {
    if (line !== '' && displayWidth(line + piece.trimEnd()) > width) {
      lines.push(line);
      line = '';
    }
    for (const char of piece) {
      if (char !== ' ' && displayWidth(line + char) > width) {
        lines.push(line);
        line = '';
      }
      line += char;
    }
  }
  return [...lines, line].map((part) => part.trimEnd());
}
