import type { Merger } from './merge.ts';
import { type MergeTable, NO_RANK } from './merge-table.ts';
import { Seams } from './seams.ts';
import type { TokenTexts } from './token-texts.ts';

/** The last merge's rank where no merge was. */
const NEVER = -1;

/** What is known of a token: */
const UNKNOWN = 0;
/** it is the encoding of its own text, and every merge in that ranks above those of its parts; */
const REGULAR = 1;
/** it is the encoding of its own text, and some merge in that ranks below one of its parts'; */
const IRREGULAR = 2;
/** it never comes out of BPE. */
const NOT_ITSELF = 3;

/** Numbers kept for a token side by side, and their places. */
const STRIDE = 8;
/** Which tokens it is merged with on its right and left: bits for `bitOf` of theirs. */
const RIGHT_PARTNERS = 0;
const LEFT_PARTNERS = 1;
/** See `Seams`. */
const STARTS_WITH = 2;
const ENDS_WITH = 3;
/** Ends' hashes, and whether the token is plain: made of whole characters by merges of whole characters. */
const EDGES = 4;
/** Rank of the merge that makes it of tokens of whole characters, NEVER for one character, and these two. */
const RANK = 5;
const LEFT = 6;
const RIGHT = 7;
const PLAIN = 1 << 10;

/**
 * Tells which tokens may follow one another in the BPE encoding of a text. A sequence of tokens is the encoding of its
 * text exactly when every token is the encoding of its own text and every two neighbours are that of theirs: a merge
 * across a boundary would have come first in the text of these two alone as well. (The property behind the linear-time
 * encoder of github/rust-gems' crate `bpe`, here for merges by rank instead of tokens by id.)
 */
export class TokenPairs {
  readonly #table: MergeTable;
  readonly #merger: Merger;
  readonly #texts: TokenTexts;
  readonly #byteIds: Int32Array;
  readonly #state: Uint8Array;
  /** Rank of the merge that makes a token of its own bytes (NEVER for a byte), and the two tokens it merges. */
  readonly #rank: Int32Array;
  readonly #left: Int32Array;
  readonly #right: Int32Array;
  readonly #facts: Int32Array;

  /**
   * @param merges left id, right id, merged id of every merge in order of rank
   * @param byteIds the 256 bytes' ids
   */
  constructor(merges: Int32Array, table: MergeTable, merger: Merger, byteIds: Int32Array, texts: TokenTexts) {
    this.#table = table;
    this.#merger = merger;
    this.#texts = texts;
    this.#byteIds = byteIds;
    this.#state = new Uint8Array(texts.size);
    this.#rank = new Int32Array(texts.size).fill(NEVER);
    this.#left = new Int32Array(texts.size);
    this.#right = new Int32Array(texts.size);
    this.#facts = new Int32Array(texts.size * STRIDE);
    for (let at = 0; at < merges.length; at += 3) {
      const [left, right] = [merges[at]!, merges[at + 1]!];
      this.#facts[left * STRIDE + RIGHT_PARTNERS]! |= 1 << bitOf(right);
      this.#facts[right * STRIDE + LEFT_PARTNERS]! |= 1 << bitOf(left);
    }
    for (const id of byteIds) this.#state[id] = REGULAR;
    for (let at = 0; at < merges.length; at += 3) {
      this.#derive(at / 3, merges[at]!, merges[at + 1]!, merges[at + 2]!);
    }
    for (let at = 2; at < merges.length; at += 3) {
      const merged = merges[at]!;
      if (this.#state[merged] !== UNKNOWN) continue;
      const alone = this.#encode(texts.bytesOf(merged));
      this.#state[merged] = alone.length === 1 && alone[0] === merged ? IRREGULAR : NOT_ITSELF;
    }
    const seams = new Seams(merges, texts);
    for (const id of byteIds) this.#gatherFacts(id, seams);
    // In order of rank a token's parts come before it.
    for (let at = 2; at < merges.length; at += 3) this.#gatherFacts(merges[at]!, seams);
  }

  /** Whether the token is the encoding of its own text; others never come out of BPE. */
  isEncoding(id: number): boolean {
    return this.#state[id] === REGULAR || this.#state[id] === IRREGULAR;
  }

  /** Whether [a, b] is the encoding of their text, both being encodings of their own. */
  fit(a: number, b: number): boolean {
    const facts = this.#facts;
    let atA = a * STRIDE;
    let atB = b * STRIDE;
    const edgesA = facts[atA + EDGES]!;
    const edgesB = facts[atB + EDGES]!;
    const inCharacters = (facts[atB + STARTS_WITH]! >>> edgesA) | (facts[atA + ENDS_WITH]! >>> (edgesB >> 5));
    if ((edgesA & edgesB & PLAIN) === 0 || (inCharacters & 1) !== 0) return this.#fitInBytes(a, b);
    // The walk of #neverCrossed over tokens of whole characters: no others meet at this seam.
    let limit = NO_RANK;
    for (;;) {
      if (this.#rankOf(a, b) < limit) return false;
      const inA = facts[atA + RANK]!;
      const inB = facts[atB + RANK]!;
      if (inA > inB) {
        limit = inA;
        a = facts[atA + RIGHT]!;
        atA = a * STRIDE;
      } else {
        if (inB === NEVER) return true;
        limit = inB + 1;
        b = facts[atB + LEFT]!;
        atB = b * STRIDE;
      }
    }
  }

  #fitInBytes(a: number, b: number): boolean {
    if (this.#state[a] === REGULAR && this.#state[b] === REGULAR) {
      return this.#rankOf(a, b) === NO_RANK && this.#neverCrossed(a, b);
    }
    const ids = this.#encode(Buffer.concat([this.#texts.bytesOf(a), this.#texts.bytesOf(b)]));
    return ids.length === 2 && ids[0] === a && ids[1] === b;
  }

  /**
   * Notes how `merged` is made of its own bytes, when this merge is how and the token is regular. Called in order of
   * rank, so that parts which are known to be regular rank below.
   */
  #derive(rank: number, left: number, right: number, merged: number): void {
    if (this.#state[merged] !== UNKNOWN || this.#state[left] !== REGULAR || this.#state[right] !== REGULAR) return;
    if (this.#table.rank(left, right) !== rank || !this.#neverCrossed(left, right)) return;
    this.#state[merged] = REGULAR;
    this.#rank[merged] = rank;
    this.#left[merged] = left;
    this.#right[merged] = right;
  }

  /**
   * Undoes the merges at the seam of a and b, the last first, and looks whether the two symbols that met there would
   * have been merged before. Ranks grow towards the last merge, so the one undone comes right after all that had a
   * smaller rank. Of equal ranks the left one comes first, hence a merge in b only precedes what ranks above it.
   */
  #neverCrossed(a: number, b: number): boolean {
    for (;;) {
      let limit: number;
      const inA = this.#rank[a]!;
      const inB = this.#rank[b]!;
      if (inA > inB) {
        limit = inA;
        a = this.#right[a]!;
      } else {
        if (inB === NEVER) return true;
        limit = inB + 1;
        b = this.#left[b]!;
      }
      if (this.#rankOf(a, b) < limit) return false;
    }
  }

  #rankOf(a: number, b: number): number {
    const facts = this.#facts;
    const right = facts[a * STRIDE + RIGHT_PARTNERS]! >>> bitOf(b);
    return (right & (facts[b * STRIDE + LEFT_PARTNERS]! >>> bitOf(a)) & 1) === 0 ? NO_RANK : this.#table.rank(a, b);
  }

  /** What `fit` asks about a token of whole characters. */
  #gatherFacts(id: number, seams: Seams): void {
    const facts = this.#facts;
    const at = id * STRIDE;
    const unitCount = this.#texts.unitCount(id);
    if (this.#state[id] !== REGULAR || unitCount === 0 || facts[at + EDGES] !== 0) return;
    if (unitCount === 1 || (unitCount === 2 && this.#texts.firstByte(id) >= 0xf0)) {
      facts[at + RANK] = NEVER;
      for (let part = id; this.#rank[part] !== NEVER;) {
        part = this.#left[part]!;
        facts[at + STARTS_WITH]! |= seams.lastBytesBefore[part]!;
      }
      for (let part = id; this.#rank[part] !== NEVER;) {
        part = this.#right[part]!;
        facts[at + ENDS_WITH]! |= seams.startsAfter[part]!;
      }
    } else {
      const [left, right] = [this.#left[id]!, this.#right[id]!];
      if ((facts[left * STRIDE + EDGES]! & facts[right * STRIDE + EDGES]! & PLAIN) === 0) return;
      facts[at + RANK] = this.#rank[id]!;
      facts[at + LEFT] = left;
      facts[at + RIGHT] = right;
      facts[at + STARTS_WITH] = facts[left * STRIDE + STARTS_WITH]!;
      facts[at + ENDS_WITH] = facts[right * STRIDE + ENDS_WITH]!;
    }
    facts[at + EDGES] = seams.edges(id) | PLAIN;
  }

  #encode(bytes: Uint8Array): Int32Array {
    const symbols = Int32Array.from(bytes, (byte) => this.#byteIds[byte]!);
    return symbols.subarray(0, this.#merger.merge(symbols, symbols.length));
  }
}

function bitOf(id: number): number {
  return Math.imul(id, 0x9e3779b1) >>> 27;
}
