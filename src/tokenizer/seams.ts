import type { TokenTexts } from './token-texts.ts';

/**
 * The merges of a vocabulary that join tokens at the start of a character, one of them being less than whole characters
 * ("(blank)" and the first byte of some): the few that keep whole characters from being looked at alone. For each such
 * part of a character a set of 32 bits says what it may be merged with.
 */
export class Seams {
  /** By token: hashes of the last bytes of what is merged with this beginning of a character on its left. */
  readonly lastBytesBefore: Int32Array;
  /** By token: hashes of the starts of the whole characters that are merged with this end of one on its right. */
  readonly startsAfter: Int32Array;
  readonly #texts: TokenTexts;

  /** @param merges left id, right id, merged id of every merge */
  constructor(merges: Int32Array, texts: TokenTexts) {
    this.#texts = texts;
    this.lastBytesBefore = new Int32Array(texts.size);
    this.startsAfter = new Int32Array(texts.size);
    for (let at = 0; at < merges.length; at += 3) {
      const [left, right] = [merges[at]!, merges[at + 1]!];
      const rightIsWhole = texts.unitCount(right) > 0;
      if ((rightIsWhole && texts.unitCount(left) > 0) || (texts.firstByte(right) & 0xc0) === 0x80) continue;
      if (rightIsWhole) this.startsAfter[left]! |= 1 << this.#start(right);
      else this.lastBytesBefore[right]! |= 1 << this.#lastByte(left);
    }
  }

  /** The hashes that these two speak of, for a token of whole characters: its last byte's, and its start's from bit 5. */
  edges(id: number): number {
    return this.#lastByte(id) | (this.#start(id) << 5);
  }

  #lastByte(id: number): number {
    return this.#texts.bytes[this.#texts.byteStarts[id + 1]! - 1]! & 31;
  }

  #start(id: number): number {
    const { bytes, byteStarts } = this.#texts;
    const first = bytes[byteStarts[id]!]!;
    return (first < 0x80 ? first : first ^ (bytes[byteStarts[id]! + 1]! >> 1)) & 31;
  }
}
