import type { TokenPairs } from './token-pairs.ts';
import { NONE, type TokenTrie } from './token-trie.ts';
import { grown } from './word-table.ts';

/**
 * BPE of one word in time linear in its length, from left to right: the longest token that fits the one before it, and
 * a step back when no token does. What it finds is the encoding whatever the order of the search (see `TokenPairs`).
 * Works on UTF-16 units with tokens of whole characters. A character without a token is its pieces, kept together.
 */
export class Segmenter {
  readonly #trie: TokenTrie;
  readonly #pairs: TokenPairs;
  readonly #encodeChar: (unit: number) => Int32Array;
  /** Tokens at or above this are characters in pieces: `size + i` is #pieces[i]. */
  readonly #size: number;
  readonly #pieces: Int32Array[] = [];
  /** By unit: the token `size + i` of a character in pieces, 0 where it is not known yet. */
  readonly #inPieces = new Int32Array(1 << 16);
  #tokens = new Int32Array(1 << 10);
  /** By position: the number of the call that found that nothing fits from there. */
  #deadIn = new Int32Array(1 << 10);
  #calls = 0;

  /**
   * @param size tokens are below it
   * @param encodeChar the encoding of a single UTF-16 unit that is no surrogate
   */
  constructor(trie: TokenTrie, pairs: TokenPairs, size: number, encodeChar: (unit: number) => Int32Array) {
    this.#trie = trie;
    this.#pairs = pairs;
    this.#size = size;
    this.#encodeChar = encodeChar;
  }

  /**
   * Writes the ids of units[start, end) to ids[at...], which must have room for three a unit, and returns where they
   * end. -1 when the encoding has a token that begins or ends inside a character, which this class cannot find.
   */
  encode(units: Uint16Array, start: number, end: number, ids: Int32Array, at: number): number {
    const length = end - start;
    if (length > this.#tokens.length) {
      this.#tokens = grown(this.#tokens, length);
      this.#deadIn = new Int32Array(this.#tokens.length);
    }
    const count = this.#search(units, start, end);
    const [tokens, size] = [this.#tokens, this.#size];
    for (let i = 0; i < count; i++) {
      const token = tokens[i]!;
      if (token < size) ids[at++] = token;
      else for (const piece of this.#pieces[token - size]!) ids[at++] = piece;
    }
    return count === 0 ? -1 : at;
  }

  /** The tokens of units[start, end) in #tokens; returns how many, 0 when there are none. */
  #search(units: Uint16Array, start: number, end: number): number {
    const [trie, size, tokens, deadIn] = [this.#trie, this.#size, this.#tokens, this.#deadIn];
    const call = (this.#calls = (this.#calls + 1) | 0);
    let anyDead = false;
    let count = 0;
    let at = start;
    let before = NONE;
    let token = this.#longest(units, at, end);
    for (;;) {
      if (token === NONE) {
        // Nothing fits from here: a shorter token before it.
        if (count === 0) return 0;
        anyDead = true;
        deadIn[at - start] = call;
        token = before;
        before = --count > 0 ? tokens[count - 1]! : NONE;
        at -= token < size ? trie.unitCount[token]! : 1;
        token = this.#shorter(token, units[at]!);
        continue;
      }
      const next = at + (token < size ? trie.unitCount[token]! : 1);
      if ((anyDead && next < end && deadIn[next - start] === call) || (count > 0 && !this.#fit(before, token))) {
        token = this.#shorter(token, units[at]!);
        continue;
      }
      tokens[count++] = token;
      if (next === end) return count;
      before = token;
      at = next;
      token = this.#longest(units, at, end);
    }
  }

  #longest(units: Uint16Array, at: number, end: number): number {
    const token = this.#trie.longest(units, at, end);
    return token === NONE ? this.#charInPieces(units[at]!) : token;
  }

  /** The next token to try where `token` does not fit, which begins with the character `unit`. */
  #shorter(token: number, unit: number): number {
    if (token >= this.#size) return NONE;
    const shorter = this.#trie.shorter[token]!;
    if (shorter !== NONE || this.#trie.unitCount[token] === 1) return shorter;
    return this.#charInPieces(unit);
  }

  #charInPieces(unit: number): number {
    const known = this.#inPieces[unit]!;
    if (known !== 0) return known;
    if ((unit & 0xf800) === 0xd800) return NONE;
    this.#pieces.push(this.#encodeChar(unit));
    return (this.#inPieces[unit] = this.#size + this.#pieces.length - 1);
  }

  #fit(a: number, b: number): boolean {
    const size = this.#size;
    return this.#pairs.fit(a < size ? a : this.#pieces[a - size]!.at(-1)!, b < size ? b : this.#pieces[b - size]![0]!);
  }
}
