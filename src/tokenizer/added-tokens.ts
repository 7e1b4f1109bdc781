import type { AddedTokenJson } from './types.ts';

/** A piece of text: either an added token's id, or plain text to be tokenized (id -1). */
export interface Piece {
  id: number;
  text: string;
}

/** Cuts added tokens (special ones and others) out of text before it is tokenized, leftmost and longest first. */
export class AddedTokens {
  readonly #raw: Matcher | undefined;
  readonly #normalized: Matcher | undefined;
  readonly #normalize: ((text: string) => string) | undefined;

  constructor(tokens: readonly AddedTokenJson[], normalize: ((text: string) => string) | undefined) {
    const usable = tokens.filter((token) => token.content !== '');
    // HF looks for tokens marked `normalized` in the normalized text, their contents normalized as well.
    this.#raw = matcher(
      usable.filter((token) => !token.normalized),
      (content) => content,
    );
    this.#normalized = matcher(
      usable.filter((token) => token.normalized),
      normalize ?? ((content) => content),
    );
    this.#normalize = normalize;
  }

  split(text: string): Piece[] {
    const pieces = this.#raw === undefined ? [{ id: -1, text }] : cut(this.#raw, text);
    if (this.#normalize === undefined && this.#normalized === undefined) return pieces;
    return pieces.flatMap((piece) => {
      if (piece.id >= 0) return [piece];
      const normalized = this.#normalize === undefined ? piece.text : this.#normalize(piece.text);
      return this.#normalized === undefined ? [{ id: -1, text: normalized }] : cut(this.#normalized, normalized);
    });
  }
}

interface Matcher {
  pattern: RegExp;
  tokens: Map<string, AddedTokenJson>;
}

function matcher(tokens: AddedTokenJson[], contentOf: (content: string) => string): Matcher | undefined {
  if (tokens.length === 0) return undefined;
  const byContent = new Map(tokens.map((token) => [contentOf(token.content), token]));
  // Of alternatives at one place a RegExp takes the first, so longest first makes it leftmost-longest.
  const contents = [...byContent.keys()].sort((a, b) => b.length - a.length);
  const escaped = contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`));
  return { pattern: new RegExp(escaped.join('|'), 'g'), tokens: byContent };
}

function cut({ pattern, tokens }: Matcher, text: string): Piece[] {
  // Most texts hold none; finding that out must cost little.
  if (text.search(pattern) < 0) return text === '' ? [] : [{ id: -1, text }];
  const pieces: Piece[] = [];
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    const token = tokens.get(match[0])!;
    let start = match.index;
    let stop = start + match[0].length;
    if (token.single_word && (endsInWord(text, start) || startsWord(text, stop))) continue;
    if (token.lstrip) start = Math.max(done, start - /\p{White_Space}*$/u.exec(text.slice(done, start))![0].length);
    if (token.rstrip) stop += /^\p{White_Space}*/u.exec(text.slice(stop))![0].length;
    if (done < start) pieces.push({ id: -1, text: text.slice(done, start) });
    pieces.push({ id: token.id, text: text.slice(start, stop) });
    done = stop;
  }
  if (done < text.length) pieces.push({ id: -1, text: done === 0 ? text : text.slice(done) });
  return pieces;
}

const WORD = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`;
const WORD_AT_START = new RegExp(`^${WORD}`, 'u');
const WORD_AT_END = new RegExp(`${WORD}$`, 'u');

function endsInWord(text: string, end: number): boolean {
  return WORD_AT_END.test(text.slice(Math.max(0, end - 2), end));
}

function startsWord(text: string, start: number): boolean {
  return WORD_AT_START.test(text.slice(start, start + 2));
}
