import { grown } from '../../tokenizer/word-table.ts';
import { mix } from './words.ts';

const EMPTY = 0xffff;
/** Odd, so that every round sees other hashes; from the fractions of the golden ratio and of the square root of 2. */
const ROUND_LOW = 0x9e3779b1;
const ROUND_HIGH = 0x6a09e667;

/**
 * Fast Similarity Sketching (Dahlgaard, Knudsen and Thorup, 2017): `size` hash values of a set of 64-bit keys, of which
 * two sets share each with the probability of their Jaccard similarity. In round i every key falls into one bin with a
 * value; a bin keeps the least value of the first round that reached it, and rounds end when no bin is empty. Takes
 * O(n + size log size) where MinHash with `size` functions takes O(n size).
 *
 * Keys are added in any order, in any pieces; adding one twice is as adding it once.
 */
export class Sketch {
  /** Keys: write them from `count` on, after `room`, then call `add`. */
  low = new Uint32Array(1 << 10);
  high = new Uint32Array(1 << 10);
  count = 0;
  /** The hash values, after `finish`. */
  readonly values: Uint32Array;
  readonly #rounds: Uint16Array;
  readonly #size: number;
  #empty: number;

  /** @param size hash values, 1 to 4096. */
  constructor(size: number) {
    this.#size = size;
    this.#empty = size;
    this.values = new Uint32Array(size);
    this.#rounds = new Uint16Array(size).fill(EMPTY);
  }

  /** Forgets all keys. */
  clear(): void {
    this.#rounds.fill(EMPTY);
    this.#empty = this.#size;
    this.count = 0;
  }

  /** Makes room for `keys` more; repeated keys go first, so that a text of many words and few shingles stays small. */
  room(keys: number): void {
    if (this.count + keys <= this.low.length) return;
    this.#dropRepeated();
    // Twice what is needed, or the next call would look for repeated keys again.
    const needed = 2 * (this.count + keys);
    if (needed <= this.low.length) return;
    this.low = grown(this.low, needed);
    this.high = grown(this.high, needed);
  }

  /** Takes the `keys` keys that were written behind `count`. Keys stay in memory only while a bin is empty. */
  add(keys: number): void {
    this.#round(0, this.count, this.count + keys);
    this.count = this.#empty === 0 ? 0 : this.count + keys;
  }

  /** Fills the bins that are left. At least one key must have been added. */
  finish(): void {
    // Many keys that left a bin empty are few keys, repeated.
    if (this.#empty > 0 && this.count > 8 * this.#size) this.#dropRepeated();
    for (let round = 1; this.#empty > 0; round++) {
      if (round < this.#size) this.#round(round, 0, this.count);
      else this.#fillBin(round);
    }
  }

  /** In `round` every key of [from, to) reaches one bin. */
  #round(round: number, from: number, to: number): void {
    const { low, high, values } = this;
    const rounds = this.#rounds;
    const size = this.#size;
    const addLow = Math.imul(round, ROUND_LOW);
    const addHigh = Math.imul(round, ROUND_HIGH);
    let empty = this.#empty;
    for (let i = from; i < to; i++) {
      // 19 bits of hash times at most 4096 bins stay below 2^31.
      const bin = Math.imul(mix(low[i]! + addLow) >>> 13, size) >>> 19;
      const reached = rounds[bin]!;
      if (reached < round) continue;
      const value = mix(high[i]! + addHigh) >>> 0;
      if (reached > round) {
        rounds[bin] = round;
        values[bin] = value;
        empty--;
      } else if (value < values[bin]!) {
        values[bin] = value;
      }
    }
    this.#empty = empty;
  }

  /** From round `size` on all keys fall into bin round - size, so that every bin is filled in the end. */
  #fillBin(round: number): void {
    const bin = round - this.#size;
    if (this.#rounds[bin] !== EMPTY) return;
    const add = Math.imul(round, ROUND_HIGH);
    let least = 0xffffffff;
    for (let i = 0; i < this.count; i++) least = Math.min(least, mix(this.high[i]! + add) >>> 0);
    this.values[bin] = least;
    this.#rounds[bin] = round;
    this.#empty--;
  }

  #dropRepeated(): void {
    const { low, high } = this;
    const mask = 2 ** Math.ceil(Math.log2(2 * this.count + 1)) - 1;
    const slots = new Uint32Array(mask + 1);
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      let slot = mix(low[i]!) & mask;
      for (;;) {
        const other = slots[slot]! - 1;
        if (other < 0) {
          low[kept] = low[i]!;
          high[kept] = high[i]!;
          slots[slot] = ++kept;
          break;
        }
        if (low[other] === low[i] && high[other] === high[i]) break;
        slot = (slot + 1) & mask;
      }
    }
    this.count = kept;
  }
}
