import { grown } from './vocabulary.ts';

const UNIQUE = -1;
const LEAST_SLOTS = 1 << 8;

/**
 * Repeated n-grams of a list of numbers, for n = 1, 2, 3, ... in turn. Each n-gram that occurs twice has a number: an
 * n-gram is the pair of the (n-1)-grams it begins and ends with, so that longer ones are found by looking up pairs of
 * numbers, exactly and without making strings, and an n-gram with a unique part is unique without a look-up.
 */
export class RepeatedNgrams {
  /** Which n-gram begins at each place; -1 where it occurs once. */
  names = new Int32Array(1024);
  /** How many places `names` is good for. */
  places = 0;
  n = 0;
  /** By number of the n-gram: how often it occurs, and where first. */
  counts = new Int32Array(1024);
  firsts = new Int32Array(1024);
  size = 0;
  #slots = new Int32Array(1 << 12);
  #pairs = new Int32Array(2048);

  /** Starts on a new list: n is 1. */
  begin(ids: Int32Array, count: number): void {
    this.names = grown(this.names, count);
    this.names.set(ids.subarray(0, count));
    this.places = count;
    this.n = 1;
    // Single words are paired with themselves.
    this.#name(0);
  }

  /** Goes on to n + 1. */
  next(): void {
    this.n++;
    this.places = Math.max(0, this.places - 1);
    if (this.size > 0) this.#name(1);
  }

  /** True when no n-gram occurs twice; none longer does, either. */
  get allUnique(): boolean {
    return this.size === 0;
  }

  /** @param ahead the second of each pair is this many places after the first. */
  #name(ahead: number): void {
    const { names, places } = this;
    let needed = LEAST_SLOTS;
    while (needed < 2 * places) needed *= 2;
    if (this.#slots.length < needed) this.#slots = new Int32Array(needed);
    else this.#slots.fill(0, 0, needed);
    const mask = needed - 1;
    const slots = this.#slots;
    this.counts = grown(this.counts, places);
    this.firsts = grown(this.firsts, places);
    this.#pairs = grown(this.#pairs, 2 * places);
    const pairs = this.#pairs;
    const { counts, firsts } = this;
    let size = 0;
    for (let i = 0; i < places; i++) {
      const a = names[i]!;
      const b = names[i + ahead]!;
      if (a === UNIQUE || b === UNIQUE) {
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
    }
    this.#keepRepeated(size);
  }

  /** Numbers the n-grams that occur more than once anew, in the order of their first places. */
  #keepRepeated(size: number): void {
    const { names, places, counts, firsts } = this;
    const renamed = this.#pairs;
    let kept = 0;
    for (let name = 0; name < size; name++) {
      const repeated = counts[name]! > 1;
      renamed[name] = repeated ? kept : UNIQUE;
      if (!repeated) continue;
      counts[kept] = counts[name]!;
      firsts[kept++] = firsts[name]!;
    }
    for (let i = 0; i < places; i++) if (names[i] !== UNIQUE) names[i] = renamed[names[i]!]!;
    this.size = kept;
  }
}
