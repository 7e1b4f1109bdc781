import type { Tokenizer } from '../tokenizer/index.ts';

/**
 * How lm-evaluation-harness (EleutherAI; `TemplateLM`) turns texts into what a model scores. The prefix token, which stands
 * before a text that has no context, is BOS, else EOS.
 */
export class HarnessEncoder {
  readonly prefixTokenId: number;
  readonly #tokenizer: Tokenizer;
  readonly #prefix: string;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.prefixTokenId = tokenizer.bosTokenId ?? tokenizer.eosTokenId ?? 0;
    this.#prefix = tokenizer.decode([this.prefixTokenId]);
  }

  /** With the tokenizer's own special tokens, unless the text brings the prefix token itself. */
  encode(text: string): Int32Array {
    const addSpecialTokens = this.#prefix === '' || !text.startsWith(this.#prefix);
    return this.#tokenizer.encode(text, { addSpecialTokens });
  }

  /**
   * Context and continuation as ids. White space at the end of the context belongs to the continuation; both are encoded
   * together and split where the context alone would end, so that words join as they do in running text.
   */
  pair(context: string, continuation: string): { context: Int32Array; continuation: Int32Array } {
    if (context === '') {
      const ids = this.#tokenizer.encode(continuation, { addSpecialTokens: false });
      if (ids[0] === this.prefixTokenId) return { context: ids.slice(0, 1), continuation: ids.slice(1) };
      return { context: Int32Array.of(this.prefixTokenId), continuation: ids };
    }
    const kept = context.slice(0, context.length - trailingSpace(context).length);
    if (kept === '') return this.pair('', context + continuation);
    const alone = this.encode(kept);
    return { context: alone, continuation: this.encode(context + continuation).slice(alone.length) };
  }
}

/** Characters that Python's str.isspace and `\s` take for white space; JavaScript's `\s` differs in a few. */
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const TRAILING = new RegExp(`${SPACE}*$`);
const SPLIT = new RegExp(`${SPACE}+`);

function trailingSpace(text: string): string {
  return TRAILING.exec(text)![0];
}

/** Pieces between white space, empty ones at the ends included: what word_perplexity divides by. */
export function countWords(text: string): number {
  return text.split(SPLIT).length;
}

export function countBytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** Unicode characters, as Python's len counts them. */
export function countCharacters(text: string): number {
  return Array.from(text).length;
}

/** Tokens given (at least one) and the tokens to score after them. */
export interface RollingWindow {
  context: number[];
  continuation: number[];
}

/**
 * Cuts a text into windows such that each token is scored once: the first window after the prefix token, later ones after
 * one token of the text, the last one moved back so that it is full.
 *
 * @param maxLength tokens the model reads at once.
 */
export function* rollingWindows(ids: ArrayLike<number>, prefix: number, maxLength: number): Generator<RollingWindow> {
  const all = [prefix, ...Array.from(ids)];
  let done = Math.min(maxLength, ids.length);
  if (done === 0) return;
  yield { context: [prefix], continuation: all.slice(1, done + 1) };
  while (done < ids.length) {
    const count = Math.min(maxLength, ids.length - done);
    const end = done + count;
    yield { context: all.slice(end - maxLength, done + 1), continuation: all.slice(done + 1, end + 1) };
    done = end;
  }
}
