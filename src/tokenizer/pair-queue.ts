import type { PairTable } from './pair-table.ts';
import { grown } from './word-table.ts';

/**
 * Pairs waiting to be merged, in a heap: highest count first, of equals the smallest (left, right). Counts in the heap
 * may be stale; a popped entry whose count has changed goes back with the right one. Each entry has the list of words
 * its pair arose in; the lists lie in one arena of linked cells, which are used again once an entry is taken.
 */
export class PairQueue {
  readonly #pairs: PairTable;
  /** By entry: its pair, the count it was queued with, its first cell. Freed entries are used again. */
  #entryPair = new Int32Array(1 << 12);
  #entryCount = new Float64Array(1 << 12);
  #entryCell = new Int32Array(1 << 12);
  #freeEntries: number[] = [];
  #entries = 0;
  #heap = new Int32Array(1 << 12);
  #size = 0;
  /** By cell: a word and the next cell, -1 at the end. */
  #cellWord = new Int32Array(1 << 14);
  #cellNext = new Int32Array(1 << 14);
  #cells = 0;
  #freeCell = -1;
  /** By pair: the first cell of the words noted since the last `enqueue`, plus one. */
  #noted = new Int32Array(1 << 12);
  #touched: number[] = [];

  constructor(pairs: PairTable) {
    this.#pairs = pairs;
  }

  /** The pair arose in this word. Words come one after the other, so looking at the last one avoids doubles. */
  note(pair: number, word: number): void {
    if (pair >= this.#noted.length) this.#noted = grown(this.#noted, pair + 1);
    const head = this.#noted[pair]! - 1;
    if (head < 0) this.#touched.push(pair);
    else if (this.#cellWord[head] === word) return;
    this.#noted[pair] = this.#cell(word, head) + 1;
  }

  /** Queues the pairs noted since the last call; those whose count is 0 have been merged away again. */
  enqueue(counts: Float64Array): void {
    for (const pair of this.#touched) {
      const head = this.#noted[pair]! - 1;
      this.#noted[pair] = 0;
      if (counts[pair]! > 0) this.#push(this.#entry(pair, counts[pair]!, head));
      else this.#freeList(head);
    }
    this.#touched = [];
  }

  /** Takes the first pair, with the words it arose in. */
  pop(counts: Float64Array): { left: number; right: number; count: number; words: Int32Array } | undefined {
    while (this.#size > 0) {
      const entry = this.#heap[0]!;
      const pair = this.#entryPair[entry]!;
      const count = counts[pair]!;
      if (this.#entryCount[entry] !== count) {
        this.#entryCount[entry] = count;
        this.#sink(entry);
        continue;
      }
      const last = this.#heap[--this.#size]!;
      if (this.#size > 0) this.#sink(last);
      const words = this.#words(this.#entryCell[entry]!);
      this.#freeList(this.#entryCell[entry]!);
      this.#freeEntries.push(entry);
      return { left: this.#pairs.left[pair]!, right: this.#pairs.right[pair]!, count, words };
    }
    return undefined;
  }

  #words(cell: number): Int32Array {
    let n = 0;
    for (let at = cell; at >= 0; at = this.#cellNext[at]!) n++;
    const words = new Int32Array(n);
    for (let at = cell; at >= 0; at = this.#cellNext[at]!) words[--n] = this.#cellWord[at]!;
    return words;
  }

  #entry(pair: number, count: number, cell: number): number {
    const entry = this.#freeEntries.pop() ?? this.#entries++;
    if (entry >= this.#entryPair.length) {
      this.#entryPair = grown(this.#entryPair, entry + 1);
      this.#entryCount = grown(this.#entryCount, entry + 1);
      this.#entryCell = grown(this.#entryCell, entry + 1);
    }
    this.#entryPair[entry] = pair;
    this.#entryCount[entry] = count;
    this.#entryCell[entry] = cell;
    return entry;
  }

  #cell(word: number, next: number): number {
    let cell = this.#freeCell;
    if (cell >= 0) {
      this.#freeCell = this.#cellNext[cell]!;
    } else {
      cell = this.#cells++;
      if (cell === this.#cellWord.length) {
        this.#cellWord = grown(this.#cellWord, cell + 1);
        this.#cellNext = grown(this.#cellNext, cell + 1);
      }
    }
    this.#cellWord[cell] = word;
    this.#cellNext[cell] = next;
    return cell;
  }

  #freeList(head: number): void {
    let last = head;
    while (this.#cellNext[last]! >= 0) last = this.#cellNext[last]!;
    this.#cellNext[last] = this.#freeCell;
    this.#freeCell = head;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#entryCount[a]! - this.#entryCount[b]!;
    if (difference !== 0) return difference > 0;
    const { left, right } = this.#pairs;
    const [p, q] = [this.#entryPair[a]!, this.#entryPair[b]!];
    return left[p] === left[q] ? right[p]! < right[q]! : left[p]! < left[q]!;
  }

  #push(entry: number): void {
    if (this.#size === this.#heap.length) this.#heap = grown(this.#heap, this.#size + 1);
    let i = this.#size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(entry, this.#heap[parent]!)) break;
      this.#heap[i] = this.#heap[parent]!;
      i = parent;
    }
    this.#heap[i] = entry;
  }

  /** Puts an entry in the root's place and lets it sink to where it belongs. */
  #sink(entry: number): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, entry)) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = entry;
  }
}
