import type { PairCounts } from './pair-counts.ts';

/**
 * Pairs waiting to be merged, each with its list of positions: highest count first, of equals the smallest (left,
 * right), of one pair the entry that came first. An entry's count may be stale: one that comes to the top with another
 * count than its pair now has goes back with the right one. Only entries that count at least #threshold lie in the
 * heap; the many others wait in no order until it is empty, and most for ever.
 */
export class MergeQueue {
  readonly #pairs: PairCounts;
  /** By entry, in order of arrival. */
  left = new Int32Array(1 << 12);
  right = new Int32Array(1 << 12);
  /** The entry's list in `positions`: from, to. */
  from = new Int32Array(1 << 12);
  to = new Int32Array(1 << 12);
  #counts = new Float64Array(1 << 12);
  #size = 0;
  #heap = new Int32Array(1 << 10);
  #heapSize = 0;
  #waiting = new Int32Array(1 << 12);
  #numWaiting = 0;
  #threshold = Infinity;

  constructor(pairs: PairCounts) {
    this.#pairs = pairs;
  }

  get size(): number {
    return this.#size;
  }

  push(left: number, right: number, count: number, from: number, to: number): void {
    const entry = this.#size++;
    if (entry === this.left.length) this.#grow();
    this.left[entry] = left;
    this.right[entry] = right;
    this.from[entry] = from;
    this.to[entry] = to;
    this.#counts[entry] = count;
    this.#place(entry);
  }

  /** Takes the first entry, -1 when no pair is left that occurs. Its list's `from` and `to` are the taker's to clear. */
  pop(): number {
    for (;;) {
      if (this.#heapSize === 0 && !this.#refill()) return -1;
      const entry = this.#heap[0]!;
      const count = this.#pairs.get(this.left[entry]!, this.right[entry]!);
      const fresh = this.#counts[entry] === count;
      this.#counts[entry] = count;
      if (!fresh && count >= this.#threshold) {
        this.#sink(entry);
        continue;
      }
      const last = this.#heap[--this.#heapSize]!;
      if (this.#heapSize > 0) this.#sink(last);
      if (fresh) return entry;
      this.#wait(entry);
    }
  }

  /** What the entry taken last was counted. */
  countOf(entry: number): number {
    return this.#counts[entry]!;
  }

  #place(entry: number): void {
    if (this.#counts[entry]! >= this.#threshold) this.#rise(entry);
    else this.#wait(entry);
  }

  #wait(entry: number): void {
    if (this.#numWaiting === this.#waiting.length) this.#waiting = doubled(this.#waiting);
    this.#waiting[this.#numWaiting++] = entry;
  }

  /**
   * Lowers the threshold to half of the highest count that waits; false when there is none. Counts are not looked up
   * here: a pair that arose again counts more than its first entry says, and that entry is to keep its place.
   */
  #refill(): boolean {
    let most = 0;
    for (let i = 0; i < this.#numWaiting; i++) most = Math.max(most, this.#counts[this.#waiting[i]!]!);
    if (most <= 0) return false;
    this.#threshold = most / 2;
    const numWaiting = this.#numWaiting;
    this.#numWaiting = 0;
    for (let i = 0; i < numWaiting; i++) this.#place(this.#waiting[i]!);
    return true;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#counts[a]! - this.#counts[b]!;
    if (difference !== 0) return difference > 0;
    if (this.left[a] !== this.left[b]) return this.left[a]! < this.left[b]!;
    return this.right[a] === this.right[b] ? a < b : this.right[a]! < this.right[b]!;
  }

  #rise(entry: number): void {
    if (this.#heapSize === this.#heap.length) this.#heap = doubled(this.#heap);
    const heap = this.#heap;
    let i = this.#heapSize++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(entry, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  /** Puts an entry in the root's place and lets it sink to where it belongs. */
  #sink(entry: number): void {
    const heap = this.#heap;
    const size = this.#heapSize;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, entry)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = entry;
  }

  #grow(): void {
    this.left = doubled(this.left);
    this.right = doubled(this.right);
    this.from = doubled(this.from);
    this.to = doubled(this.to);
    this.#counts = doubled(this.#counts);
  }
}

function doubled<T extends Int32Array | Float64Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2);
  larger.set(array);
  return larger;
}
