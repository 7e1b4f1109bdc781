import { grown } from './vocabulary.ts';

const UNIQUE = -1;
const LEAST_SLOTS = 1 << 8;

/**
 * Repeated n-grams of a list of numbers, for n = 1, 2, 3, ... in turn. Each n-gram that occurs twice has a number: an
 * n-gram is the pair of the (n-1)-grams it begins and ends with, so that longer ones are found by looking up pairs of
 * numbers, exactly and without making strings. An n-gram with a unique part is unique: only places of repeated ones are
 * looked at again, and soon there are few.
 */
export class RepeatedNgrams {
  n = 0;
  /** Where the repeated n-grams begin, in order: the first `placeCount` are good. */
  places = new Int32Array(1024);
  placeCount = 0;
  /** Which n-gram begins at each of these places. */
  names = new Int32Array(1024);
  /** By number of the n-gram: how often it occurs, and where first. */
  counts = new Int32Array(1024);
  firsts = new Int32Array(1024);
  size = 0;
  #length = 0;
  #slots = new Int32Array(1 << 12);
  #pairs = new Int32Array(2048);

  /** Starts on a new list. n is 1 then, but single words are only told apart: see `countSingles`. */
  begin(ids: Int32Array, count: number): void {
    this.names = grown(this.names, count);
    this.names.set(ids.subarray(0, count));
    this.places = grown(this.places, count);
    for (let i = 0; i < count; i++) this.places[i] = i;
    this.placeCount = count;
    this.#length = count;
    this.n = 1;
    this.size = 0;
  }

  /** Finds the repeated words, to be called before `next` where they are asked for. */
  countSingles(): void {
    // Words are paired with themselves.
    this.#name(0);
  }

  /** Goes on to n + 1. */
  next(): void {
    this.n++;
    this.#name(1);
  }

  /** @param ahead the second of each pair is this many places after the first. */
  #name(ahead: number): void {
    const { names, places, placeCount } = this;
    let needed = LEAST_SLOTS;
    while (needed < 2 * placeCount) needed *= 2;
    if (this.#slots.length < needed) this.#slots = new Int32Array(needed);
    else this.#slots.fill(0, 0, needed);
    const mask = needed - 1;
    const slots = this.#slots;
    this.counts = grown(this.counts, placeCount);
    this.firsts = grown(this.firsts, placeCount);
    this.#pairs = grown(this.#pairs, 2 * placeCount);
    const pairs = this.#pairs;
    const { counts, firsts } = this;
    const last = this.#length - this.n;
    let size = 0;
    let kept = 0;
    for (let k = 0; k < placeCount; k++) {
      const i = places[k]!;
      const a = names[i]!;
      // Places are gone through in order, so that what lies ahead still has the name of the shorter n-gram.
      const b = i > last ? UNIQUE : names[i + ahead]!;
      if (b === UNIQUE) {
        names[i] = UNIQUE;
        continue;
      }
      const hash = Math.imul(Math.imul(a, 0x9e3779b1) ^ b, 0x85ebca6b);
      let slot = (hash ^ (hash >>> 15)) & mask;
      let name = slots[slot]! - 1;
      while (name >= 0 && (pairs[2 * name] !== a || pairs[2 * name + 1] !== b)) {
        slot = (slot + 1) & mask;
        name = slots[slot]! - 1;
      }
      if (name < 0) {
        name = size++;
        slots[slot] = size;
        pairs[2 * name] = a;
        pairs[2 * name + 1] = b;
        counts[name] = 0;
        firsts[name] = i;
      }
      counts[name]!++;
      names[i] = name;
      places[kept++] = i;
    }
    this.#keepRepeated(size, kept);
  }

  /** Numbers the n-grams that occur more than once anew, in the order of their first places; forgets the others. */
  #keepRepeated(size: number, candidates: number): void {
    const { names, places, counts, firsts } = this;
    const renamed = this.#pairs;
    let repeated = 0;
    for (let name = 0; name < size; name++) {
      const once = counts[name] === 1;
      renamed[name] = once ? UNIQUE : repeated;
      if (once) continue;
      counts[repeated] = counts[name]!;
      firsts[repeated++] = firsts[name]!;
    }
    let kept = 0;
    for (let k = 0; k < candidates; k++) {
      const i = places[k]!;
      const name = renamed[names[i]!]!;
      names[i] = name;
      if (name !== UNIQUE) places[kept++] = i;
    }
    this.placeCount = kept;
    this.size = repeated;
  }
}
