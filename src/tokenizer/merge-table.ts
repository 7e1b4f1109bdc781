/** What `rank` gives for a pair that is never merged; above every rank. */
export const NO_RANK = 0x7fffffff;

/**
 * The merges of a BPE vocabulary: (left, right) -> rank and merged id. One flat hash table with open addressing, an
 * entry's four numbers side by side, so that a look-up touches one cache line.
 */
export class MergeTable {
  /** left (-1: empty), right, rank, merged of every entry. */
  readonly slots: Int32Array;
  readonly #mask: number;

  /** @param merges left id, right id, merged id of every merge in order of rank; of a pair given twice the later counts */
  constructor(merges: Int32Array) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, (merges.length / 3) * 2)));
    this.slots = new Int32Array(capacity * 4).fill(-1);
    this.#mask = capacity - 1;
    const slots = this.slots;
    for (let at = 0; at < merges.length; at += 3) {
      const [left, right] = [merges[at]!, merges[at + 1]!];
      let slot = hash(left, right) & this.#mask;
      while (slots[4 * slot]! >= 0 && (slots[4 * slot] !== left || slots[4 * slot + 1] !== right)) {
        slot = (slot + 1) & this.#mask;
      }
      slots[4 * slot] = left;
      slots[4 * slot + 1] = right;
      slots[4 * slot + 2] = at / 3;
      slots[4 * slot + 3] = merges[at + 2]!;
    }
  }

  /** Where the pair's entry starts in `slots`; -1 when it is never merged. */
  find(left: number, right: number): number {
    const slots = this.slots;
    const mask = this.#mask;
    let slot = hash(left, right) & mask;
    for (;;) {
      const known = slots[4 * slot]!;
      if (known === left && slots[4 * slot + 1] === right) return 4 * slot;
      if (known < 0) return -1;
      slot = (slot + 1) & mask;
    }
  }

  rank(left: number, right: number): number {
    const at = this.find(left, right);
    return at < 0 ? NO_RANK : this.slots[at + 2]!;
  }
}

function hash(left: number, right: number): number {
  const mixed = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
