import type { PlainWords } from './plain-words.ts';
import { grown } from './vocabulary.ts';

const BASE = 0x01000193;
const FIRST_SLOTS = 1 << 12;

/**
 * Every n-gram of some texts, to be found in others. A slot holds 32 bits of hash and where the n-gram's words lie, so
 * that each hit is compared letter by letter: there are no false ones.
 *
 * n-grams of which fewer than half are different words with letters are left out: formulas and tables, whose numbers
 * are all 0 here, look alike everywhere.
 */
export class NgramIndex {
  readonly n: number;
  size = 0;
  #hashes = new Int32Array(FIRST_SLOTS);
  /** Number of the first word + 1; 0 is free. */
  #words = new Int32Array(FIRST_SLOTS);

  /** Words of the texts one after another: where each ends in #units, and which text it is of. */
  #units = new Uint16Array(1 << 14);
  #ends = new Int32Array(1024);
  #count = 0;
  /** First word of each text. */
  #texts = new Int32Array(64);
  #textCount = 0;
  readonly #removed: number;

  constructor(n: number) {
    this.n = n;
    let power = 1;
    for (let i = 0; i < n; i++) power = Math.imul(power, BASE);
    this.#removed = power;
  }

  /** Takes the words of the next text in. */
  addText(words: PlainWords): void {
    const units = words.count === 0 ? 0 : words.ends[words.count - 1]!;
    const at = this.#count === 0 ? 0 : this.#ends[this.#count - 1]!;
    if (at + units > this.#units.length) {
      const larger = new Uint16Array(2 * (at + units));
      larger.set(this.#units);
      this.#units = larger;
    }
    this.#units.set(words.units.subarray(0, units), at);
    this.#ends = grown(this.#ends, this.#count + words.count);
    for (let i = 0; i < words.count; i++) this.#ends[this.#count + i] = at + words.ends[i]!;
    this.#texts = grown(this.#texts, this.#textCount + 1);
    this.#texts[this.#textCount] = this.#count;
    this.#count += words.count;
    this.#textCount++;
  }

  /** Forgets the text last taken in, of which nothing was added. */
  dropText(): void {
    this.#count = this.#texts[--this.#textCount]!;
  }

  /** The hashes of all n-grams of some words. */
  hashesOf(words: PlainWords): Set<number> {
    const hashes = new Set<number>();
    for (let first = 0; first + this.n <= words.count; first++) hashes.add(this.#hashOf(words, first));
    return hashes;
  }

  #hashOf(words: PlainWords, first: number): number {
    let hash = 0;
    for (let i = first; i < first + this.n; i++) hash = (Math.imul(hash, BASE) + words.hashes[i]!) | 0;
    return hash;
  }

  /**
   * Adds the n-gram of the text last taken in that begins at `first`; false when it is left out.
   *
   * @param except hashes of n-grams that are not to be added.
   */
  add(words: PlainWords, first: number, except: ReadonlySet<number>): boolean {
    const hash = this.#hashOf(words, first);
    if (except.has(hash)) return false;
    let telling = 0;
    for (let i = first; i < first + this.n; i++) {
      if (words.letters[i] === 1 && words.hashes.indexOf(words.hashes[i]!, first) === i) telling++;
    }
    if (2 * telling < this.n) return false;
    let slot = this.#slot(hash);
    for (; this.#words[slot] !== 0; slot = (slot + 1) & (this.#words.length - 1)) {
      if (this.#hashes[slot] === hash && this.#is(this.#words[slot]! - 1, words, first)) return true;
    }
    this.#hashes[slot] = hash;
    this.#words[slot] = this.#texts[this.#textCount - 1]! + first + 1;
    this.size++;
    if (2 * this.size > this.#words.length) this.#rehash();
    return true;
  }

  /** The first n-gram of the words that is in the index: its first word, and the number of the text that has it. */
  find(words: PlainWords): { first: number; text: number } | undefined {
    const { n } = this;
    const { hashes, count } = words;
    const slots = this.#words;
    const mask = slots.length - 1;
    let hash = 0;
    for (let i = 0; i < count; i++) {
      hash = (Math.imul(hash, BASE) + hashes[i]!) | 0;
      if (i >= n) hash = (hash - Math.imul(hashes[i - n]!, this.#removed)) | 0;
      if (i < n - 1) continue;
      for (let slot = this.#slot(hash); slots[slot] !== 0; slot = (slot + 1) & mask) {
        const first = i - n + 1;
        if (this.#hashes[slot] !== hash || !this.#is(slots[slot]! - 1, words, first)) continue;
        return { first, text: this.#textOf(slots[slot]! - 1) };
      }
    }
    return undefined;
  }

  #slot(hash: number): number {
    const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return (mixed ^ (mixed >>> 13)) & (this.#words.length - 1);
  }

  #is(word: number, words: PlainWords, first: number): boolean {
    const ends = this.#ends;
    let at = word === 0 ? 0 : ends[word - 1]!;
    let other = first === 0 ? 0 : words.ends[first - 1]!;
    for (let i = 0; i < this.n; i++) {
      const end = ends[word + i]!;
      if (end - at !== words.ends[first + i]! - other) return false;
      while (at < end) if (this.#units[at++] !== words.units[other++]) return false;
    }
    return true;
  }

  /** The text that a word is of, by bisection. */
  #textOf(word: number): number {
    let low = 0;
    let high = this.#textCount;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#texts[middle]! <= word) low = middle;
      else high = middle;
    }
    return low;
  }

  #rehash(): void {
    const [hashes, words] = [this.#hashes, this.#words];
    this.#hashes = new Int32Array(2 * hashes.length);
    this.#words = new Int32Array(2 * words.length);
    const mask = this.#words.length - 1;
    for (let i = 0; i < words.length; i++) {
      if (words[i] === 0) continue;
      let slot = this.#slot(hashes[i]!);
      while (this.#words[slot] !== 0) slot = (slot + 1) & mask;
      this.#hashes[slot] = hashes[i]!;
      this.#words[slot] = words[i]!;
    }
  }
}
