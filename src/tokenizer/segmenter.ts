import { isDeepStrictEqual } from 'node:util';
import type { TokenPairs } from './token-pairs.ts';
import { NONE, type TokenTrie } from './token-trie.ts';

/** Two characters in pieces are rare; beyond so many of them words are merged. */
const MOST_PAIRS = 1 << 16;
/** Units of a word that the search keeps room for between calls. */
const MOST_KEPT = 1 << 20;

/**
 * BPE of one word in time linear in its length, from left to right: the longest token that fits the one before it, and
 * a step back when no token does. What it finds is the encoding whatever the order of the search (see `TokenPairs`).
 * Works on UTF-16 units with tokens of whole characters. A character without a token is its pieces, kept together.
 */
export class Segmenter {
  readonly #trie: TokenTrie;
  readonly #pairs: TokenPairs;
  readonly #merge: (units: Uint16Array) => Int32Array;
  /** Tokens at or above this are one or two characters in pieces: `size + i` is #pieces[i], of #unitCounts[i] units. */
  readonly #size: number;
  readonly #pieces: Int32Array[] = [];
  readonly #unitCounts: number[] = [];
  /** By unit: the token `size + i` of a character in pieces, 0 where it is not known yet. */
  readonly #inPieces = new Int32Array(1 << 16);
  /** By two units: the token `size + i` of two characters with a piece that has a part of each; NONE without. */
  readonly #pairInPieces = new Map<number, number>();
  #tokens = new Int32Array(1 << 10);
  /** By position: the number of the call that found that nothing fits from there. */
  #deadIn = new Int32Array(1 << 10);
  #calls = 0;

  /**
   * @param size tokens are below it
   * @param merge the encoding of a few units, found by merging
   */
  constructor(trie: TokenTrie, pairs: TokenPairs, size: number, merge: (units: Uint16Array) => Int32Array) {
    this.#trie = trie;
    this.#pairs = pairs;
    this.#size = size;
    this.#merge = merge;
  }

  /**
   * Writes the ids of units[start, end) to ids[at...], which must have room for three a unit, and returns where they
   * end. -1 when the encoding has tokens that begin or end inside characters and this class cannot find them.
   */
  encode(units: Uint16Array, start: number, end: number, ids: Int32Array, at: number): number {
    const length = end - start;
    // Room for the longest word so far, but not for good for a very long one.
    if (length > this.#tokens.length || this.#tokens.length > MOST_KEPT) {
      this.#tokens = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(1 << 10, length))));
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
        at -= token < size ? trie.unitCount[token]! : this.#unitCounts[token - size]!;
        token = this.#nextBest(token, units, at, end);
        continue;
      }
      const next = at + (token < size ? trie.unitCount[token]! : this.#unitCounts[token - size]!);
      if ((anyDead && next < end && deadIn[next - start] === call) || (count > 0 && !this.#fit(before, token))) {
        token = this.#nextBest(token, units, at, end);
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

  /** The token to try at units[at] after `token`: a shorter one, the character in pieces, two characters in pieces. */
  #nextBest(token: number, units: Uint16Array, at: number, end: number): number {
    if (token < this.#size) {
      const shorter = this.#trie.shorter[token]!;
      if (shorter !== NONE) return shorter;
      if (this.#trie.unitCount[token]! > 1) return this.#charInPieces(units[at]!);
    } else if (this.#unitCounts[token - this.#size] === 2) {
      return NONE;
    }
    return at + 1 < end ? this.#twoInPieces(units[at]!, units[at + 1]!) : NONE;
  }

  #charInPieces(unit: number): number {
    const known = this.#inPieces[unit]!;
    if (known !== 0) return known;
    if (isSurrogate(unit)) return NONE;
    return (this.#inPieces[unit] = this.#addPieces(this.#merge(Uint16Array.of(unit)), 1));
  }

  #twoInPieces(first: number, second: number): number {
    if (isSurrogate(first) || isSurrogate(second)) return NONE;
    const key = (first << 16) | second;
    let known = this.#pairInPieces.get(key);
    if (known === undefined) {
      if (this.#pairInPieces.size === MOST_PAIRS) return NONE;
      const pieces = this.#merge(Uint16Array.of(first, second));
      // Without a token across the two they are nothing that the tokens of each would not give.
      const alone = [...this.#merge(Uint16Array.of(first)), ...this.#merge(Uint16Array.of(second))];
      known = isDeepStrictEqual([...pieces], alone) ? NONE : this.#addPieces(pieces, 2);
      this.#pairInPieces.set(key, known);
    }
    return known;
  }

  #addPieces(pieces: Int32Array, units: number): number {
    this.#pieces.push(pieces);
    this.#unitCounts.push(units);
    return this.#size + this.#pieces.length - 1;
  }

  #fit(a: number, b: number): boolean {
    const size = this.#size;
    return this.#pairs.fit(a < size ? a : this.#pieces[a - size]!.at(-1)!, b < size ? b : this.#pieces[b - size]![0]!);
  }
}

function isSurrogate(unit: number): boolean {
  return (unit & 0xf800) === 0xd800;
}
