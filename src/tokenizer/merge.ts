import { type MergeTable, NO_RANK } from './merge-table.ts';
import { grown } from './word-table.ts';

/** Above this many symbols a heap finds the next merge; below, looking at all of them is faster. */
const HEAP_FROM = 40;
/** Heap keys are rank * POSITIONS + position, exact in a double for ranks below 2^22. */
const POSITIONS = 2 ** 31;

/** Merges symbols by rank, lowest first, leftmost of equals (Sennrich et al., 2016): the definition of BPE encoding. */
export class Merger {
  readonly #table: MergeTable;
  /** Rank and result of merging symbol i with the next one. */
  readonly #ranks = new Int32Array(HEAP_FROM + 1);
  readonly #merged = new Int32Array(HEAP_FROM + 1);
  #previous = new Int32Array(0);
  #next = new Int32Array(0);
  readonly #heap = new MinHeap();

  constructor(table: MergeTable) {
    this.#table = table;
  }

  /** Merges symbols[0, n) in place and returns how many are left. */
  merge(symbols: Int32Array, n: number): number {
    return n > HEAP_FROM ? this.#mergeLong(symbols, n) : this.#mergeShort(symbols, n);
  }

  #look(symbols: Int32Array, i: number): void {
    const at = this.#table.find(symbols[i]!, symbols[i + 1]!);
    this.#ranks[i] = at < 0 ? NO_RANK : this.#table.slots[at + 2]!;
    this.#merged[i] = at < 0 ? -1 : this.#table.slots[at + 3]!;
  }

  #mergeShort(symbols: Int32Array, n: number): number {
    const ranks = this.#ranks;
    const merged = this.#merged;
    for (let i = 0; i + 1 < n; i++) this.#look(symbols, i);
    while (n > 1) {
      let best = 0;
      let bestRank = ranks[0]!;
      for (let i = 1; i + 1 < n; i++) {
        if (ranks[i]! < bestRank) {
          best = i;
          bestRank = ranks[i]!;
        }
      }
      if (bestRank === NO_RANK) return n;
      symbols[best] = merged[best]!;
      n--;
      for (let i = best + 1; i < n; i++) {
        symbols[i] = symbols[i + 1]!;
        ranks[i] = ranks[i + 1]!;
        merged[i] = merged[i + 1]!;
      }
      if (best > 0) this.#look(symbols, best - 1);
      if (best + 1 < n) this.#look(symbols, best);
    }
    return n;
  }

  #mergeLong(symbols: Int32Array, n: number): number {
    if (n > this.#next.length) {
      this.#next = new Int32Array(Math.max(n, 2 * this.#next.length));
      this.#previous = new Int32Array(this.#next.length);
    }
    const [previous, next, heap] = [this.#previous, this.#next, this.#heap];
    for (let i = 0; i < n; i++) {
      previous[i] = i - 1;
      next[i] = i + 1;
    }
    for (let i = 0; i < n; i++) this.#offer(symbols, i, n);
    while (heap.size > 0) {
      const key = heap.pop();
      const i = key % POSITIONS;
      const j = next[i]!;
      // Gone (marked -1 below) or changed since it was pushed.
      if (symbols[i]! < 0 || j >= n) continue;
      const at = this.#table.find(symbols[i]!, symbols[j]!);
      if (at < 0 || this.#table.slots[at + 2] !== (key - i) / POSITIONS) continue;
      symbols[i] = this.#table.slots[at + 3]!;
      symbols[j] = -1;
      next[i] = next[j]!;
      if (next[i]! < n) previous[next[i]!] = i;
      this.#offer(symbols, i, n);
      if (previous[i]! >= 0) this.#offer(symbols, previous[i]!, n);
    }
    let kept = 0;
    for (let i = 0; i < n; i = next[i]!) symbols[kept++] = symbols[i]!;
    return kept;
  }

  #offer(symbols: Int32Array, i: number, n: number): void {
    const j = this.#next[i]!;
    if (j >= n) return;
    const rank = this.#table.rank(symbols[i]!, symbols[j]!);
    if (rank !== NO_RANK) this.#heap.push(rank * POSITIONS + i);
  }
}

/** A binary heap of numbers, smallest first. */
class MinHeap {
  #keys = new Float64Array(1 << 8);
  size = 0;

  push(key: number): void {
    if (this.size === this.#keys.length) this.#keys = grown(this.#keys, this.size + 1);
    const keys = this.#keys;
    let i = this.size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[i] = keys[parent]!;
      i = parent;
    }
    keys[i] = key;
  }

  pop(): number {
    const keys = this.#keys;
    const top = keys[0]!;
    const last = keys[--this.size]!;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && keys[child + 1]! < keys[child]!) child++;
      if (keys[child]! >= last) break;
      keys[i] = keys[child]!;
      i = child;
    }
    keys[i] = last;
    return top;
  }
}
