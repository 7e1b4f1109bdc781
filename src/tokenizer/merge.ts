import { PairTable } from './pair-table.ts';

const NO_RANK = 0x7fffffff;
/** Above this many symbols a heap finds the next merge; below, looking at all of them is faster. */
const HEAP_FROM = 40;
/** Heap keys are rank * POSITIONS + position, exact in a double for ranks below 2^22. */
const POSITIONS = 2 ** 31;

/**
 * Merges symbols by rank, lowest first, leftmost of equals (Sennrich et al., 2016): the inner step of BPE encoding.
 * @param merges [left id, right id, merged id] in order of rank; of a pair given twice the later rank counts.
 */
export class Merger {
  readonly #pairs: PairTable;
  readonly #rank: Int32Array;
  readonly #merged: Int32Array;
  #ranks = new Int32Array(HEAP_FROM + 1);

  constructor(merges: readonly (readonly [number, number, number])[]) {
    this.#pairs = new PairTable(merges.length);
    this.#rank = new Int32Array(merges.length);
    this.#merged = new Int32Array(merges.length);
    for (const [rank, [left, right, merged]] of merges.entries()) {
      const pair = this.#pairs.intern(left, right);
      this.#rank[pair] = rank;
      this.#merged[pair] = merged;
    }
  }

  /** Merges symbols[0, n) in place and returns how many are left. */
  merge(symbols: Int32Array, n: number): number {
    return n > HEAP_FROM ? this.#mergeLong(symbols, n) : this.#mergeShort(symbols, n);
  }

  #rankOf(left: number, right: number): number {
    const pair = this.#pairs.find(left, right);
    return pair < 0 ? NO_RANK : this.#rank[pair]!;
  }

  #mergeShort(symbols: Int32Array, n: number): number {
    const ranks = this.#ranks;
    for (let i = 0; i + 1 < n; i++) ranks[i] = this.#rankOf(symbols[i]!, symbols[i + 1]!);
    while (n > 1) {
      let best = 0;
      for (let i = 1; i + 1 < n; i++) if (ranks[i]! < ranks[best]!) best = i;
      if (ranks[best] === NO_RANK) return n;
      symbols[best] = this.#merged[this.#pairs.find(symbols[best]!, symbols[best + 1]!)]!;
      n--;
      for (let i = best + 1; i < n; i++) {
        symbols[i] = symbols[i + 1]!;
        ranks[i] = ranks[i + 1]!;
      }
      if (best > 0) ranks[best - 1] = this.#rankOf(symbols[best - 1]!, symbols[best]!);
      if (best + 1 < n) ranks[best] = this.#rankOf(symbols[best]!, symbols[best + 1]!);
    }
    return n;
  }

  #mergeLong(symbols: Int32Array, n: number): number {
    const previous = new Int32Array(n);
    const next = new Int32Array(n);
    const heap = new MinHeap(3 * n);
    const offer = (i: number): void => {
      const j = next[i]!;
      if (j >= n) return;
      const rank = this.#rankOf(symbols[i]!, symbols[j]!);
      if (rank !== NO_RANK) heap.push(rank * POSITIONS + i);
    };
    for (let i = 0; i < n; i++) {
      previous[i] = i - 1;
      next[i] = i + 1;
    }
    for (let i = 0; i < n; i++) offer(i);
    while (heap.size > 0) {
      const key = heap.pop();
      const i = key % POSITIONS;
      const j = next[i]!;
      // Gone (marked -1 below) or changed since it was pushed.
      if (symbols[i]! < 0 || j >= n) continue;
      const pair = this.#pairs.find(symbols[i]!, symbols[j]!);
      if (pair < 0 || this.#rank[pair] !== (key - i) / POSITIONS) continue;
      symbols[i] = this.#merged[pair]!;
      symbols[j] = -1;
      next[i] = next[j]!;
      if (next[i]! < n) previous[next[i]!] = i;
      offer(i);
      if (previous[i]! >= 0) offer(previous[i]!);
    }
    let kept = 0;
    for (let i = 0; i < n; i = next[i]!) symbols[kept++] = symbols[i]!;
    return kept;
  }
}

/** A binary heap of numbers, smallest first, of fixed capacity. */
class MinHeap {
  readonly #keys: Float64Array;
  size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(capacity);
  }

  push(key: number): void {
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
