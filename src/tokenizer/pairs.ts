/**
 * Pairs of ids with what is known of each, in columns, and a hash table that finds them. Pairs are numbered as they
 * come.
 */
export class Pairs {
  size = 0;
  /** Left and right, side by side. */
  keys = new Int32Array(1 << 11);
  /** How often the pair occurs now. */
  counts = new Float64Array(1 << 10);
  /** Its list of positions: from, to. */
  from = new Int32Array(1 << 10);
  to = new Int32Array(1 << 10);
  /** Number of the pair + 1, 0 for an empty slot. */
  #slots = new Int32Array(1 << 12);

  left(pair: number): number {
    return this.keys[2 * pair]!;
  }

  right(pair: number): number {
    return this.keys[2 * pair + 1]!;
  }

  /** The pair's number, -1 when it is not there. */
  find(left: number, right: number): number {
    return this.#slots[this.#slot(left, right)]! - 1;
  }

  /** Adds a pair, which must be new, that does not occur yet. */
  add(left: number, right: number): number {
    const pair = this.size++;
    if (pair === this.counts.length) this.#grow();
    this.keys[2 * pair] = left;
    this.keys[2 * pair + 1] = right;
    this.#slots[this.#slot(left, right)] = pair + 1;
    return pair;
  }

  /** The slot of the pair, or the empty one where it would be. */
  #slot(left: number, right: number): number {
    const [slots, keys] = [this.#slots, this.keys];
    const mask = slots.length - 1;
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right + 0x7f4a7c15, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    for (;;) {
      const pair = slots[slot]! - 1;
      if (pair < 0 || (keys[2 * pair] === left && keys[2 * pair + 1] === right)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const length = 2 * this.counts.length;
    this.keys = copied(this.keys, new Int32Array(2 * length));
    this.counts = copied(this.counts, new Float64Array(length));
    this.from = copied(this.from, new Int32Array(length));
    this.to = copied(this.to, new Int32Array(length));
    this.#slots = new Int32Array(4 * length);
    for (let pair = 0; pair < this.size - 1; pair++) {
      this.#slots[this.#slot(this.left(pair), this.right(pair))] = pair + 1;
    }
  }
}

/** `to` with the elements of `from`, which is shorter, at its start. */
export function copied<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
