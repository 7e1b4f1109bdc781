/** A place in a text, in UTF-16 units: [start, end). */
export interface Span {
  start: number;
  end: number;
}

const DIGITS = /\D/g;

export function digitsOf(text: string): string {
  return text.replaceAll(DIGITS, '');
}

/** Spans of the pattern's matches (a global regular expression) that `accept` takes: it returns their length, or 0. */
export function findSpans(text: string, pattern: RegExp, accept: (match: string, start: number) => number): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(pattern)) {
    const length = accept(match[0], match.index);
    if (length > 0) spans.push({ start: match.index, end: match.index + length });
  }
  return spans;
}
