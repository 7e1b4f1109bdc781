import { grown } from './word-table.ts';

/** Numbers pairs of ids in the order of arrival: a hash table from (left, right) to 0, 1, 2, ... */
export class PairTable {
  #slots: Int32Array;
  left: Int32Array;
  right: Int32Array;
  #size = 0;

  /** @param expected pairs to make room for at once. */
  constructor(expected = 1 << 10) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, expected)));
    this.#slots = new Int32Array(capacity * 2);
    this.left = new Int32Array(capacity);
    this.right = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Number of the pair, -1 when it is not there. */
  find(left: number, right: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash(left, right) & mask;
    for (;;) {
      const index = this.#slots[slot]! - 1;
      if (index < 0 || (this.left[index] === left && this.right[index] === right)) return index;
      slot = (slot + 1) & mask;
    }
  }

  /** Number of the pair, new or old; `size` grows by one when it is new. */
  intern(left: number, right: number): number {
    const found = this.find(left, right);
    if (found >= 0) return found;
    if (this.#size === this.left.length) {
      this.left = grown(this.left, this.#size + 1);
      this.right = grown(this.right, this.#size + 1);
    }
    const index = this.#size++;
    this.left[index] = left;
    this.right[index] = right;
    if (this.#size * 2 > this.#slots.length) this.#rehash();
    else this.#place(index);
    return index;
  }

  #place(index: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash(this.left[index]!, this.right[index]!) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = index + 1;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    for (let index = 0; index < this.#size; index++) this.#place(index);
  }
}

function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right + 0x7f4a7c15, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
