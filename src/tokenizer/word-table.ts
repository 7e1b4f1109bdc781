/**
 * A set of words given as ranges of UTF-16 units, each with an index in the order of arrival. A word that is already
 * there costs no string and no allocation, and no word keeps the text it was cut from alive (a JavaScript substring
 * would). Grows as needed: one copy of each word's units and about 16 bytes more.
 */
export class WordTable {
  #slots = new Int32Array(1 << 12);
  #hashes = new Int32Array(1 << 11);
  #starts = new Uint32Array((1 << 11) + 1);
  #arena = new Uint16Array(1 << 14);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Units held by all words together. */
  get units(): number {
    return this.#starts[this.#size]!;
  }

  /** Index of the word units[start, end); `size` grows by one when it is new. */
  intern(units: Uint16Array, start: number, end: number): number {
    let hash = end - start;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ units[i]!, 0x01000193);
    hash ^= hash >>> 15;
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const index = this.#slots[slot]! - 1;
      if (index < 0) return this.#add(units, start, end, hash, slot);
      if (this.#hashes[index] === hash && this.#equal(index, units, start, end)) return index;
      slot = (slot + 1) & mask;
    }
  }

  /** Where word `index` lies in `arena()`. */
  start(index: number): number {
    return this.#starts[index]!;
  }

  end(index: number): number {
    return this.#starts[index + 1]!;
  }

  /** The units of all words, one after the other; replaced when the table grows. */
  arena(): Uint16Array {
    return this.#arena;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#size = 0;
  }

  #equal(index: number, units: Uint16Array, start: number, end: number): boolean {
    const at = this.#starts[index]!;
    const length = end - start;
    if (this.#starts[index + 1]! - at !== length) return false;
    for (let i = 0; i < length; i++) if (this.#arena[at + i] !== units[start + i]) return false;
    return true;
  }

  #add(units: Uint16Array, start: number, end: number, hash: number, slot: number): number {
    const index = this.#size++;
    const at = this.#starts[index]!;
    if (at + end - start > this.#arena.length) this.#arena = grown(this.#arena, at + end - start);
    this.#arena.set(units.subarray(start, end), at);
    if (index + 1 === this.#hashes.length) {
      this.#hashes = grown(this.#hashes, index + 2);
      this.#starts = grown(this.#starts, this.#hashes.length + 1);
    }
    this.#starts[index + 1] = at + end - start;
    this.#hashes[index] = hash;
    this.#slots[slot] = index + 1;
    if (this.#size * 2 > this.#slots.length) this.#rehash();
    return index;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let index = 0; index < this.#size; index++) {
      let slot = this.#hashes[index]! & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }
}

/** A copy with room for at least `needed` elements, at least doubled. */
export function grown<T extends Int32Array | Uint32Array | Uint16Array | Uint8Array | Float64Array>(
  array: T,
  needed: number,
): T {
  const larger = new (array.constructor as new (length: number) => T)(Math.max(needed, array.length * 2));
  larger.set(array);
  return larger;
}
