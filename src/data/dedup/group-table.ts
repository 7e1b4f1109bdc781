/** Numbers of a slot: the key's two halves, and the row + 1 (0: empty). */
const SLOT = 3;

/**
 * The first row of each 64-bit key: an open-addressing hash table in one typed array, 12 bytes a slot, at most five
 * slots in eight taken. Keys must be hashes already: the slot is their low bits.
 */
export class GroupTable {
  #slots: Uint32Array;
  #mask: number;
  #size = 0;

  /** @param expected keys to make room for at once. */
  constructor(expected = 1 << 10) {
    this.#mask = 2 ** Math.ceil(Math.log2(Math.max(16, expected * 1.6 + 1))) - 1;
    this.#slots = new Uint32Array((this.#mask + 1) * SLOT);
  }

  /** Keys held. */
  get size(): number {
    return this.#size;
  }

  /**
   * The row that was added first with this key, or -1 when this row is the first.
   *
   * @param row 0 to 2^32 - 2.
   */
  add(low: number, high: number, row: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    low >>>= 0;
    high >>>= 0;
    let slot = low & mask;
    for (;;) {
      const at = slot * SLOT;
      const found = slots[at + 2]!;
      if (found === 0) {
        slots[at] = low;
        slots[at + 1] = high;
        slots[at + 2] = row + 1;
        if (++this.#size * 8 > (mask + 1) * 5) this.#grow();
        return -1;
      }
      if (slots[at] === low && slots[at + 1] === high) return found - 1;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const mask = this.#mask * 2 + 1;
    const slots = new Uint32Array((mask + 1) * SLOT);
    for (let from = 0; from < old.length; from += SLOT) {
      if (old[from + 2] === 0) continue;
      let slot = old[from]! & mask;
      while (slots[slot * SLOT + 2] !== 0) slot = (slot + 1) & mask;
      const to = slot * SLOT;
      slots[to] = old[from]!;
      slots[to + 1] = old[from + 1]!;
      slots[to + 2] = old[from + 2]!;
    }
    this.#slots = slots;
    this.#mask = mask;
  }
}
