import { LETTERS, NUMBERS, SPACES } from './unicode-ranges.ts';

/** Classes of code points that the split patterns tell apart. NEWLINE (CR, LF) is white space as well. */
export const OTHER = 0;
export const LETTER = 1;
export const NUMBER = 2;
export const SPACE = 3;
export const NEWLINE = 4;

/**
 * Class by code point; code points past its end are OTHER. From a table of our own and not from `\p{L}`, so that ids
 * equal HF tokenizers' and do not change with the Unicode version of the Node that runs.
 */
export const CLASSES: Uint8Array = makeClasses();

function makeClasses(): Uint8Array {
  const classes = new Uint8Array(0x34000);
  const fill = (ranges: string, value: number): void => {
    for (const [start, end] of rangesOf(ranges)) classes.fill(value, start, end);
  };
  fill(LETTERS, LETTER);
  fill(NUMBERS, NUMBER);
  fill(SPACES, SPACE);
  classes[0x0a] = NEWLINE;
  classes[0x0d] = NEWLINE;
  return classes;
}

/** Code points [start, end) as unicode-ranges.ts writes them. */
export function rangesOf(written: string): [start: number, end: number][] {
  const numbers = written.split(' ').map((item) => Number.parseInt(item, 36));
  const ranges: [number, number][] = [];
  let at = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    const start = at + numbers[i]!;
    at = start + numbers[i + 1]!;
    ranges.push([start, at]);
  }
  return ranges;
}

/** What stands between the brackets of a regular expression's class for such ranges. */
export function classOf(written: string): string {
  const hex = (point: number): string => String.raw`\u{${point.toString(16)}}`;
  return rangesOf(written)
    .map(([start, end]) => `${hex(start)}-${hex(end - 1)}`)
    .join('');
}

/** Whether a character starts at units[i] that takes two units. */
export function isPair(units: Uint16Array, i: number, end: number): boolean {
  return (units[i]! & 0xfc00) === 0xd800 && i + 1 < end && (units[i + 1]! & 0xfc00) === 0xdc00;
}

/** Class of the character at units[i], i < end. A lone surrogate is OTHER, as U+FFFD is. */
export function classAt(units: Uint16Array, i: number, end: number): number {
  const code = units[i]!;
  if ((code & 0xfc00) !== 0xd800 || !isPair(units, i, end)) return CLASSES[code]!;
  const point = 0x10000 + ((code & 0x3ff) << 10) + (units[i + 1]! & 0x3ff);
  return point < CLASSES.length ? CLASSES[point]! : OTHER;
}

/** End of the run of characters of one class that starts at i; i itself when there is none. */
export function runEnd(units: Uint16Array, i: number, end: number, wanted: number): number {
  while (i < end) {
    const code = units[i]!;
    if ((code & 0xfc00) === 0xd800) {
      if (classAt(units, i, end) !== wanted) return i;
      i += isPair(units, i, end) ? 2 : 1;
    } else {
      if (CLASSES[code] !== wanted) return i;
      i++;
    }
  }
  return i;
}
