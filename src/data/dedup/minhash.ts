import { Sketch } from './sketch.ts';
import { mix, WordScanner } from './words.ts';

export interface MinHashOptions {
  /** Groups of hash values; two texts match when all values of one group agree. */
  bands: number;
  /** Hash values in a band. */
  rows: number;
  /** Words in a shingle; of scripts without spaces, characters. */
  ngram: number;
  /** Other hash functions for another seed, 0 by default. */
  seed?: number;
}

/** Words hashed at a time. */
const BLOCK = 1 << 12;
/** Bases of the two rolling hashes of a shingle: odd, and no multiple of four apart. */
const BASE_LOW = 0x5bd1e995;
const BASE_HIGH = 0x7b873593;

/**
 * MinHash signatures and LSH bands of texts (Broder, 1997; bands as in Leskovec, Rajaraman and Ullman, Mining of Massive
 * Datasets, section 3.4). A text counts as the set of its shingles: runs of `ngram` words in lower case, without accents
 * and punctuation, numbers as 0. A text of fewer words is one shingle. Two texts whose sets have the Jaccard similarity s
 * match in some band with probability 1 - (1 - s^rows)^bands.
 *
 * Signatures depend on text, options and nothing else: not on platform, Node version or what was hashed before. The
 * object holds buffers that it reuses, so each thread has one of its own.
 */
export class MinHasher {
  readonly #bands: number;
  readonly #rows: number;
  readonly #ngram: number;
  readonly #words: Uint32Array;
  readonly #scanner: WordScanner;
  readonly #sketch: Sketch;
  readonly #lowGone: number;
  readonly #highGone: number;

  /** @param options bands * rows at most 4096. */
  constructor(options: MinHashOptions) {
    const { bands, rows, ngram, seed = 0 } = options;
    this.#bands = bands;
    this.#rows = rows;
    this.#ngram = ngram;
    this.#words = new Uint32Array(ngram + BLOCK);
    this.#scanner = new WordScanner(seed);
    this.#sketch = new Sketch(bands * rows);
    this.#lowGone = power(BASE_LOW, ngram);
    this.#highGone = power(BASE_HIGH, ngram);
  }

  /**
   * Writes the 64-bit hash of each band as two numbers, low and high, to out[at, at + 2 * bands).
   *
   * @returns false when the text has no word: nothing is written then, and the text matches no other.
   */
  bandHashes(text: string, out: Uint32Array, at: number): boolean {
    if (!this.#sign(text)) return false;
    const { values } = this.#sketch;
    const rows = this.#rows;
    for (let band = 0, i = 0; band < this.#bands; band++) {
      let low = band;
      let high = ~band;
      for (const end = i + rows; i < end; i++) {
        const value = values[i]!;
        low = Math.imul(low ^ value, BASE_LOW);
        low = (low << 15) | (low >>> 17);
        high = Math.imul(high + value, BASE_HIGH);
      }
      out[at++] = mix(low);
      out[at++] = mix(high);
    }
    return true;
  }

  /**
   * The hash values [bands * rows] of a text; undefined when it has no word. The part of values that two texts share
   * estimates their Jaccard similarity.
   */
  signature(text: string): Uint32Array | undefined {
    return this.#sign(text) ? this.#sketch.values.slice() : undefined;
  }

  #sign(text: string): boolean {
    const ngram = this.#ngram;
    const words = this.#words;
    const sketch = this.#sketch;
    const scanner = this.#scanner;
    scanner.open(text);
    sketch.clear();
    words.fill(0, 0, ngram);
    let low = 0;
    let high = 0;
    let total = 0;
    for (;;) {
      // words[0, ngram) are the last ones of the block before: zeros at first, which the rolling hash does not feel.
      const end = scanner.read(words, ngram);
      sketch.room(BLOCK);
      const { low: lows, high: highs } = sketch;
      let written = sketch.count;
      for (let i = ngram; i < end; i++) {
        const word = words[i]!;
        const gone = words[i - ngram]!;
        low = (Math.imul(low, BASE_LOW) + word - Math.imul(gone, this.#lowGone)) | 0;
        high = (Math.imul(high, BASE_HIGH) + word - Math.imul(gone, this.#highGone)) | 0;
        lows[written] = low;
        highs[written] = high;
        if (++total >= ngram) written++;
      }
      sketch.add(written - sketch.count);
      if (end < words.length) break;
      words.copyWithin(0, end - ngram, end);
    }
    if (total === 0) return false;
    if (total < ngram) {
      sketch.low[0] = low;
      sketch.high[0] = high;
      sketch.add(1);
    }
    sketch.finish();
    return true;
  }
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = Math.imul(result, base);
  return result;
}
