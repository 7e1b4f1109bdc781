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

/** A table as aligned lines: title, head, rule, rows. */
export function formatTable(table: Table): string[] {
  const widths = table.columns.map((column, i) =>
    Math.max(displayWidth(column.name), ...table.rows.map((row) => displayWidth(row[i] ?? ''))),
  );
  const line = (cells: string[]): string =>
    table.columns
      .map((column, i) => {
        const cell = cells[i] ?? '';
        const gap = ' '.repeat(widths[i]! - displayWidth(cell));
        return column.align === 'right' ? gap + cell : cell + gap;
      })
      .join('  ')
      .trimEnd();
  return [
    ...(table.title === undefined ? [] : [table.title]),
    line(table.columns.map((column) => column.name)),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...table.rows.map(line),
  ];
}
