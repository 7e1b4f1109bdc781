import { codePoints, endsSentence, isSymbol } from './characters.ts';
import { splitChunk } from './english-words.ts';

/** Bits of a word. */
export const HAS_LETTER = 1;
/** Holds something other than symbols. */
export const PLAIN = 2;
/** Is a mark that ends a sentence. */
export const SENTENCE_END = 4;
export const PUNCTUATION = 8;
/** A Han character, a word of Chinese text. */
export const HAN_WORD = 16;

/** More than this and everything is forgotten before the next text. */
const MOST_CHUNKS = 1 << 18;
const MOST_UNITS = 1 << 23;
/** Longer chunks are split each time they come. */
const LONGEST_CHUNK = 64;
const FIRST_SLOTS = 1 << 12;

/** Word ids of a text in reading order. */
export class WordList {
  ids = new Int32Array(1024);
  count = 0;

  push(id: number): void {
    if (this.count === this.ids.length) this.ids = grown(this.ids, this.count + 1);
    this.ids[this.count++] = id;
  }
}

/** The array, or a larger copy when it has no room for `length`. */
export function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= array.length) return array;
  const larger = new Int32Array(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}

/**
 * Words by number, with what the filters ask of them, and the words of every chunk (what stands between two white
 * spaces) met so far: most chunks of a text were met before, so that splitting one costs a look-up. It is only a cache:
 * what a text is split into does not depend on the texts before it.
 *
 * English words are spaCy's for all but rare chunks (its full lists of emoticons, icons and foreign contractions are
 * not here); the test compares decisions and values with datatrove, which runs spaCy.
 */
export class Vocabulary {
  /** Code points of each word. */
  lengths = new Int32Array(1024);
  bits = new Int32Array(1024);
  /** One bit for each stop word. */
  stopBits = new Int32Array(1024);
  #size = 0;
  #units = 0;
  readonly #idOf = new Map<string, number>();
  readonly #stopWords: ReadonlyMap<string, number>;

  /** One record a chunk, together in memory: its hash, units << 16 | words, its units by twos, its word ids. */
  #records = new Int32Array(1 << 14);
  #recordsEnd = 0;
  #chunks = 0;
  /** Record + 1 by hash; 0 is free. */
  #slots = new Int32Array(FIRST_SLOTS);
  readonly #parts: string[] = [];

  /** @param stopWords alternatives that count as one word, by the number of the word (0..30). */
  constructor(stopWords: readonly (readonly string[])[]) {
    this.#stopWords = new Map(stopWords.flatMap((words, i) => words.map((word) => [word, 1 << i] as const)));
  }

  /** To be called before each text: ids are good until then. True when everything was forgotten. */
  begin(): boolean {
    if (this.#chunks < MOST_CHUNKS && this.#size < MOST_CHUNKS && this.#units < MOST_UNITS) return false;
    this.#size = 0;
    this.#units = 0;
    this.#chunks = 0;
    this.#recordsEnd = 0;
    this.#idOf.clear();
    this.#slots.fill(0);
    return true;
  }

  /** The number of a word. */
  id(word: string): number {
    const known = this.#idOf.get(word);
    if (known !== undefined) return known;
    const id = this.#size++;
    if (id === this.lengths.length) {
      this.lengths = grown(this.lengths, id + 1);
      this.bits = grown(this.bits, id + 1);
      this.stopBits = grown(this.stopBits, id + 1);
    }
    this.#units += word.length;
    this.#idOf.set(word, id);
    this.lengths[id] = codePoints(word);
    this.bits[id] = bitsOf(word);
    this.stopBits[id] = this.#stopWords.get(word) ?? 0;
    return id;
  }

  /**
   * Appends the words of one chunk to `out`.
   *
   * @param units of the text; the chunk is units[start, end) and holds no white space.
   * @param hash any hash of these units.
   */
  addChunk(units: Uint16Array, start: number, end: number, hash: number, out: WordList): void {
    const length = end - start;
    if (length > LONGEST_CHUNK) {
      this.#parts.length = 0;
      splitChunk(textOf(units, start, end), this.#parts);
      for (const part of this.#parts) out.push(this.id(part));
      return;
    }
    const records = this.#records;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (let record = slots[slot]!; record !== 0; slot = (slot + 1) & mask, record = slots[slot]!) {
      if (records[record - 1] !== hash) continue;
      const header = records[record]!;
      if (header >>> 16 !== length || !isChunk(records, record + 1, units, start, end)) continue;
      const wordsAt = record + 1 + ((length + 1) >> 1);
      const wordsEnd = wordsAt + (header & 0xffff);
      for (let i = wordsAt; i < wordsEnd; i++) out.push(records[i]!);
      return;
    }
    this.#remember(units, start, end, hash, slot, out);
  }

  #remember(units: Uint16Array, start: number, end: number, hash: number, slot: number, out: WordList): void {
    const length = end - start;
    this.#parts.length = 0;
    splitChunk(textOf(units, start, end), this.#parts);
    const record = this.#recordsEnd;
    this.#records = grown(this.#records, record + 3 + length + this.#parts.length);
    const records = this.#records;
    let at = record;
    records[at++] = hash;
    records[at++] = (length << 16) | this.#parts.length;
    for (let i = start; i < end; i += 2) records[at++] = pairAt(units, i, end);
    for (const part of this.#parts) {
      const id = this.id(part);
      records[at++] = id;
      out.push(id);
    }
    this.#recordsEnd = at;
    this.#slots[slot] = record + 1;
    this.#chunks++;
    if (2 * this.#chunks > this.#slots.length) this.#rehash();
  }

  #rehash(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(4 * old.length);
    const mask = this.#slots.length - 1;
    for (const record of old) {
      if (record === 0) continue;
      const hash = this.#records[record - 1]!;
      let slot = (hash ^ (hash >>> 15)) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = record;
    }
  }
}

function isChunk(records: Int32Array, at: number, units: Uint16Array, start: number, end: number): boolean {
  let j = at;
  for (let i = start; i < end; i += 2) if (records[j++] !== pairAt(units, i, end)) return false;
  return true;
}

function pairAt(units: Uint16Array, i: number, end: number): number {
  return units[i]! | (i + 1 < end ? units[i + 1]! << 16 : 0);
}

function bitsOf(word: string): number {
  let bits = 0;
  if (/\p{L}/u.test(word)) bits |= HAS_LETTER;
  for (const character of word) {
    if (isSymbol(character)) continue;
    bits |= PLAIN;
    break;
  }
  if (endsSentence(word)) bits |= SENTENCE_END;
  if (/^\p{P}+$/u.test(word)) bits |= PUNCTUATION;
  if (/^[\p{Script=Han}々〇]$/u.test(word)) bits |= HAN_WORD;
  return bits;
}

const DECODE_UNITS = 4096;

function textOf(units: Uint16Array, start: number, end: number): string {
  if (end - start <= DECODE_UNITS) return String.fromCharCode(...units.subarray(start, end));
  return Buffer.from(units.buffer, units.byteOffset + 2 * start, 2 * (end - start)).toString('utf16le');
}
