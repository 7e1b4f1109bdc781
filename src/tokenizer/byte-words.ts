import { LlmkitError } from '../core/errors.ts';

/** The different words of a corpus, as UTF-8, and how often each occurs. Counts are doubles: exact to 2^53. */
export interface WordCounts {
  size: number;
  /** All words, one after the other. */
  bytes: Uint8Array;
  /** Word w is bytes[starts[w], starts[w + 1]). */
  starts: Uint32Array;
  counts: Float64Array;
}

/** Positions stay small integers below this, also with a border between words. */
const MOST_BYTES = 2 ** 31 - 1;

/**
 * Counts words given as ranges of bytes. A word that is already there costs no allocation, and none keeps its text
 * alive. Memory: each different word's bytes, and 28 to 56 bytes more.
 */
export class ByteWords {
  /** By slot: hash and index + 1, side by side, as they are read together. */
  #slots = new Int32Array(1 << 13);
  #starts = new Uint32Array((1 << 11) + 1);
  #counts = new Float64Array(1 << 11);
  #bytes = new Uint8Array(1 << 14);
  #size = 0;

  /** Adds `count` occurrences of the word bytes[start, end), `hash` being its `hashWord`. */
  add(bytes: Uint8Array, start: number, end: number, hash: number, count: number): void {
    const slots = this.#slots;
    const mask = slots.length - 2;
    const length = end - start;
    let slot = (hash << 1) & mask;
    for (;;) {
      const index = slots[slot + 1]! - 1;
      if (index < 0) break;
      if (slots[slot] === hash && length === this.#starts[index + 1]! - this.#starts[index]!) {
        const own = this.#bytes;
        const offset = this.#starts[index]! - start;
        let i = start;
        while (i < end && own[i + offset] === bytes[i]) i++;
        if (i === end) {
          this.#counts[index]! += count;
          return;
        }
      }
      slot = (slot + 2) & mask;
    }
    this.#insert(bytes, start, end, hash, slot, count);
  }

  result(): WordCounts {
    return {
      size: this.#size,
      bytes: this.#bytes.subarray(0, this.#starts[this.#size]),
      starts: this.#starts.subarray(0, this.#size + 1),
      counts: this.#counts.subarray(0, this.#size),
    };
  }

  #insert(bytes: Uint8Array, start: number, end: number, hash: number, slot: number, count: number): void {
    const index = this.#size++;
    const at = this.#starts[index]!;
    const needed = at + end - start;
    if (needed + this.#size > MOST_BYTES) throw tooManyWords();
    if (needed > this.#bytes.length) {
      this.#bytes = enlarged(this.#bytes, Math.min(MOST_BYTES, Math.max(needed, 2 * this.#bytes.length)));
    }
    this.#bytes.set(bytes.subarray(start, end), at);
    if (index === this.#counts.length) {
      this.#counts = enlarged(this.#counts, 2 * index);
      this.#starts = enlarged(this.#starts, 2 * index + 1);
    }
    this.#starts[index + 1] = needed;
    this.#counts[index] = count;
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = index + 1;
    if (this.#size * 4 > this.#slots.length) this.#rehash();
  }

  #rehash(): void {
    const old = this.#slots;
    const slots = new Int32Array(old.length * 2);
    const mask = slots.length - 2;
    for (let from = 0; from < old.length; from += 2) {
      if (old[from + 1] === 0) continue;
      let slot = (old[from]! << 1) & mask;
      while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
      slots[slot] = old[from]!;
      slots[slot + 1] = old[from + 1]!;
    }
    this.#slots = slots;
  }
}

/** FNV-1a, begun with this, */
export const HASH_START = 0x811c9dc5 | 0;
/** for each byte `Math.imul(hash ^ byte, HASH_FACTOR)`, */
export const HASH_FACTOR = 0x01000193;

/** and ended so, as slots are chosen by the lower bits. */
export function hashEnd(hash: number): number {
  return hash ^ (hash >>> 15);
}

export function hashWord(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_START;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, HASH_FACTOR);
  return hashEnd(hash);
}

function enlarged<T extends Uint8Array | Uint32Array | Float64Array>(array: T, length: number): T {
  const larger = new (array.constructor as new (length: number) => T)(length);
  larger.set(array);
  return larger;
}

function tooManyWords(): LlmkitError {
  return new LlmkitError('data', 'the different words of the text are more than 2 GiB together', {
    expected: `at most ${MOST_BYTES} bytes of different words`,
    hint: 'train the tokenizer on a sample, and look for texts without spaces (base64, minified code)',
  });
}
