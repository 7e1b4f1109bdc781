import type { Merger } from './merge.ts';
import { type MergeTable, NO_RANK } from './merge-table.ts';

/** The last merge's rank of a single byte, which none made. */
const NEVER = -1;

/**
 * Tells which tokens may follow one another in the BPE encoding of a text. A sequence of tokens is the encoding of its
 * text exactly when every token is the encoding of its own text and every two neighbours are that of theirs: a merge
 * across a boundary would have come first in the text of these two alone as well. (The property behind the linear-time
 * encoder of github/rust-gems' crate `bpe`, here for merges by rank instead of tokens by id.)
 */
export class TokenPairs {
  readonly #table: MergeTable;
  readonly #merger: Merger;
  readonly #bytesOf: (id: number) => Uint8Array;
  readonly #byteIds: Int32Array;
  /** Rank of the merge that makes a token of its own text, and the two tokens it merges. */
  readonly #lastRank: Int32Array;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #state: Uint8Array;
  /** Whether any merge has the token on its left (1), on its right (2): most pairs need no look-up. */
  readonly #sides: Uint8Array;
  #irregular = 0;

  /**
   * @param merges [left, right, merged] in order of rank
   * @param byteIds the 256 bytes' ids
   */
  constructor(
    merges: readonly (readonly [number, number, number])[],
    table: MergeTable,
    merger: Merger,
    byteIds: Int32Array,
    vocabSize: number,
    bytesOf: (id: number) => Uint8Array,
  ) {
    this.#table = table;
    this.#merger = merger;
    this.#bytesOf = bytesOf;
    this.#byteIds = byteIds;
    this.#lastRank = new Int32Array(vocabSize).fill(NEVER);
    this.#left = new Int32Array(vocabSize);
    this.#right = new Int32Array(vocabSize);
    this.#state = new Uint8Array(vocabSize);
    this.#sides = new Uint8Array(vocabSize);
    for (const id of byteIds) this.#state[id] = REGULAR;
    for (const [left, right] of merges) {
      this.#sides[left]! |= 1;
      this.#sides[right]! |= 2;
    }
    for (const [rank, [left, right, merged]] of merges.entries()) this.#derive(rank, left, right, merged);
    for (const [, , merged] of merges) {
      if (this.#state[merged] !== UNKNOWN) continue;
      const alone = this.#encode(bytesOf(merged));
      this.#state[merged] = alone.length === 1 && alone[0] === merged ? IRREGULAR : NOT_ITSELF;
      if (this.#state[merged] === IRREGULAR) this.#irregular++;
    }
  }

  /** Whether the token is the encoding of its own text; others never come out of BPE. */
  isEncoding(id: number): boolean {
    return this.#state[id] === REGULAR || this.#state[id] === IRREGULAR;
  }

  /** Whether [a, b] is the encoding of their text, both being encodings of their own. */
  fit(a: number, b: number): boolean {
    if (this.#irregular > 0 && (this.#state[a] === IRREGULAR || this.#state[b] === IRREGULAR)) {
      return this.#fitBySimulation(a, b);
    }
    if ((this.#sides[a]! & 1 & (this.#sides[b]! >> 1)) !== 0 && this.#table.rank(a, b) !== NO_RANK) return false;
    return this.#neverCrossed(a, b);
  }

  /** Notes how `merged` is made of its own text, when this merge is how and every merge in it ranks above its parts'. */
  #derive(rank: number, left: number, right: number, merged: number): void {
    if (this.#state[merged] !== UNKNOWN || this.#state[left] !== REGULAR || this.#state[right] !== REGULAR) return;
    if (this.#lastRank[left]! >= rank || this.#lastRank[right]! >= rank) return;
    if (this.#table.rank(left, right) !== rank || !this.#neverCrossed(left, right)) return;
    this.#state[merged] = REGULAR;
    this.#lastRank[merged] = rank;
    this.#left[merged] = left;
    this.#right[merged] = right;
  }

  /**
   * Undoes the merges at the seam of a and b, the last first, and looks whether the two symbols that met there would
   * have been merged before. Ranks grow towards the last merge, so the one undone comes right after all that had a
   * smaller rank. Of equal ranks the left one comes first, hence a merge in b only precedes what ranks above it.
   */
  #neverCrossed(a: number, b: number): boolean {
    const [lastRank, sides] = [this.#lastRank, this.#sides];
    for (;;) {
      let limit: number;
      const [inA, inB] = [lastRank[a]!, lastRank[b]!];
      if (inA > inB) {
        limit = inA;
        a = this.#right[a]!;
      } else {
        if (inB === NEVER) return true;
        limit = inB + 1;
        b = this.#left[b]!;
      }
      if ((sides[a]! & 1 & (sides[b]! >> 1)) !== 0 && this.#table.rank(a, b) < limit) return false;
    }
  }

  #fitBySimulation(a: number, b: number): boolean {
    const ids = this.#encode(Buffer.concat([this.#bytesOf(a), this.#bytesOf(b)]));
    return ids.length === 2 && ids[0] === a && ids[1] === b;
  }

  #encode(bytes: Uint8Array): Int32Array {
    const symbols = Int32Array.from(bytes, (byte) => this.#byteIds[byte]!);
    return symbols.subarray(0, this.#merger.merge(symbols, symbols.length));
  }
}

const UNKNOWN = 0;
const REGULAR = 1;
/** Its own encoding, but one of its merges ranks below a merge of its parts. */
const IRREGULAR = 2;
const NOT_ITSELF = 3;
