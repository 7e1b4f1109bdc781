import { codePoints } from './characters.ts';

/** Beside the newline: carriage return, vertical tab, form feed, ASCII separators, NEL, line and paragraph separator. */
const ENDS = `\r\v\f${String.fromCharCode(0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029)}`;
const OTHER_ENDS = new RegExp(`[${ENDS}]`);
const ANY_END = new RegExp(`\r\n|[\n${ENDS}]`);

/** Lines as Python's `str.splitlines` has them: at every kind of line end, and none after the last. */
export function splitLines(text: string): string[] {
  const lines = text.split(OTHER_ENDS.test(text) ? ANY_END : '\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** How many of the texts repeat an earlier one, and the code points of those. */
export function findDuplicates(texts: readonly string[]): { count: number; characters: number } {
  const seen = new Set<string>();
  let count = 0;
  let characters = 0;
  for (const text of texts) {
    if (seen.size === seen.add(text).size) {
      count++;
      characters += codePoints(text);
    }
  }
  return { count, characters };
}

/** Non-overlapping places of `part` in `text`. */
export function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

/** Columns of a terminal that a line takes: Han and full-width characters take two. */
export function width(line: string): number {
  let wide = 0;
  for (const character of line) wide += WIDE.test(character) ? 2 : 1;
  return wide;
}

const WIDE = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303f\uff01-\uff60]$/u;
