const LINE_END = /\r\n?/g;

/**
 * CRLF and CR to LF, no white space at the end of a line, at most one blank line in a row. One pass over the line ends:
 * a regular expression for trailing spaces would be quadratic on long runs of them.
 *
 * @param whole also no blank lines at the start and no white space at the end of the text.
 */
export function tidyWhitespace(text: string, whole: boolean): string {
  const lines = text.includes('\r') ? text.replaceAll(LINE_END, '\n') : text;
  let tidy = '';
  /** What follows `from` is not yet in `tidy`. */
  let from = 0;
  let lineStart = 0;
  let newlines = 0;
  let started = !whole;
  for (let at = lines.indexOf('\n'); at >= 0; at = lines.indexOf('\n', lineStart)) {
    let end = at;
    while (end > lineStart && isSpace(lines.charCodeAt(end - 1))) end--;
    if (end > lineStart) {
      newlines = 0;
      started = true;
    }
    newlines++;
    const extra = !started || newlines > 2;
    if (extra || end < at) {
      tidy += lines.slice(from, end);
      from = extra ? at + 1 : at;
    }
    lineStart = at + 1;
  }
  const rest = from === 0 ? lines : tidy + lines.slice(from);
  return whole ? rest.trimEnd() : rest;
}

/** White space as `\s` has it, the newline aside. */
export function isSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 32 || unit === 9 || unit === 11 || unit === 12 || unit === 13;
  if (unit === 0xa0 || unit === 0x3000 || unit === 0xfeff) return true;
  return (
    unit === 0x1680 ||
    (unit >= 0x2000 && unit <= 0x200a) ||
    unit === 0x2028 ||
    unit === 0x2029 ||
    unit === 0x202f ||
    unit === 0x205f
  );
}
