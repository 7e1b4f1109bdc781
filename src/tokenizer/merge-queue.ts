import { copied, type Pairs } from './pairs.ts';

/**
 * Pairs waiting to be merged: highest count first, of equals the smallest (left, right). A pair is queued with the count
 * it has then, which can only fall: one that comes to the top with another goes back with the right one. Only pairs
 * queued with at least #threshold lie in the heap; the many others wait in no order until it is empty.
 */
export class MergeQueue {
  readonly #pairs: Pairs;
  /** By pair: the count it is queued with. */
  #counts = new Float64Array(1 << 10);
  #heap: Int32Array = new Int32Array(1 << 10);
  #heapSize = 0;
  #waiting: Int32Array = new Int32Array(1 << 10);
  #numWaiting = 0;
  #threshold = Infinity;

  constructor(pairs: Pairs) {
    this.#pairs = pairs;
  }

  push(pair: number): void {
    if (pair >= this.#counts.length) {
      this.#counts = copied(this.#counts, new Float64Array(this.#pairs.counts.length));
    }
    this.#counts[pair] = this.#pairs.counts[pair]!;
    this.#place(pair);
  }

  /** Takes the first pair, -1 when none is left that occurs. */
  pop(): number {
    const { counts } = this.#pairs;
    for (;;) {
      if (this.#heapSize === 0 && !this.#refill()) return -1;
      const pair = this.#heap[0]!;
      const count = counts[pair]!;
      const fresh = this.#counts[pair] === count;
      this.#counts[pair] = count;
      if (!fresh && count >= this.#threshold) {
        this.#sink(pair);
        continue;
      }
      const last = this.#heap[--this.#heapSize]!;
      if (this.#heapSize > 0) this.#sink(last);
      if (fresh) return pair;
      this.#place(pair);
    }
  }

  #place(pair: number): void {
    if (this.#counts[pair]! >= this.#threshold) {
      this.#rise(pair);
    } else {
      if (this.#numWaiting === this.#waiting.length) this.#waiting = doubled(this.#waiting);
      this.#waiting[this.#numWaiting++] = pair;
    }
  }

  /** Lowers the threshold to half of the highest count that waits; false when there is none. */
  #refill(): boolean {
    let most = 0;
    for (let i = 0; i < this.#numWaiting; i++) {
      const pair = this.#waiting[i]!;
      this.#counts[pair] = this.#pairs.counts[pair]!;
      most = Math.max(most, this.#counts[pair]!);
    }
    if (most === 0) return false;
    this.#threshold = most / 2;
    const numWaiting = this.#numWaiting;
    this.#numWaiting = 0;
    for (let i = 0; i < numWaiting; i++) this.#place(this.#waiting[i]!);
    return true;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#counts[a]! - this.#counts[b]!;
    if (difference !== 0) return difference > 0;
    const { keys } = this.#pairs;
    return keys[2 * a] === keys[2 * b] ? keys[2 * a + 1]! < keys[2 * b + 1]! : keys[2 * a]! < keys[2 * b]!;
  }

  #rise(pair: number): void {
    if (this.#heapSize === this.#heap.length) this.#heap = doubled(this.#heap);
    const heap = this.#heap;
    let i = this.#heapSize++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(pair, heap[parent]!)) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = pair;
  }

  /** Puts a pair in the root's place and lets it sink to where it belongs. */
  #sink(pair: number): void {
    const heap = this.#heap;
    const size = this.#heapSize;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, pair)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = pair;
  }
}

function doubled(array: Int32Array): Int32Array {
  return copied(array, new Int32Array(2 * array.length));
}
