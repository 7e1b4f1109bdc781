/** Counts of pairs of ids: an open hash table whose slots hold the pair, its count and whether it was ever queued. */
export class PairCounts {
  /** By slot: left + 1 and right; 0 for an empty slot. */
  #keys = new Int32Array(1 << 15);
  #counts = new Float64Array(1 << 14);
  #queued = new Uint8Array(1 << 14);
  #size = 0;

  get(left: number, right: number): number {
    return this.#counts[this.#slot(left, right)]!;
  }

  /** Adds to the pair's count, which is 0 for one that is new, and returns the sum. */
  add(left: number, right: number, change: number): number {
    let slot = this.#slot(left, right);
    if (this.#keys[2 * slot] === 0) {
      if (++this.#size * 5 > this.#counts.length * 3) {
        this.#grow();
        slot = this.#slot(left, right);
      }
      this.#keys[2 * slot] = left + 1;
      this.#keys[2 * slot + 1] = right;
    }
    return (this.#counts[slot]! += change);
  }

  /** Notes that a pair, which is there, is queued; says whether it was before. */
  queue(left: number, right: number): boolean {
    const slot = this.#slot(left, right);
    const before = this.#queued[slot] === 1;
    this.#queued[slot] = Math.min(2, this.#queued[slot]! + 1);
    return before;
  }

  /** Whether the pair was queued more than once. */
  queuedAgain(left: number, right: number): boolean {
    return this.#queued[this.#slot(left, right)] === 2;
  }

  /** The pair's slot, or the empty one where it would be. */
  #slot(left: number, right: number): number {
    const keys = this.#keys;
    const mask = this.#counts.length - 1;
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right + 0x7f4a7c15, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    const wanted = left + 1;
    for (;;) {
      const key = keys[2 * slot]!;
      if (key === 0 || (key === wanted && keys[2 * slot + 1] === right)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const [keys, counts, queued] = [this.#keys, this.#counts, this.#queued];
    this.#keys = new Int32Array(keys.length * 2);
    this.#counts = new Float64Array(counts.length * 2);
    this.#queued = new Uint8Array(queued.length * 2);
    for (let from = 0; from < counts.length; from++) {
      const left = keys[2 * from]! - 1;
      if (left < 0) continue;
      const slot = this.#slot(left, keys[2 * from + 1]!);
      this.#keys[2 * slot] = left + 1;
      this.#keys[2 * slot + 1] = keys[2 * from + 1]!;
      this.#counts[slot] = counts[from]!;
      this.#queued[slot] = queued[from]!;
    }
  }
}
