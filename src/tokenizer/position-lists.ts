import type { MergeQueue } from './merge-queue.ts';
import type { PairCounts } from './pair-counts.ts';
import type { SegmentedWords } from './segmented-words.ts';

/** Looking up the pair costs more than to keep a list shorter than this. */
const LONG_LIST = 64;

/**
 * For each entry of the queue the positions where its pair arose, ascending; some may hold it no longer. The lists lie
 * one after the other in the order of their entries.
 */
export class PositionLists {
  readonly #queue: MergeQueue;
  readonly #pairs: PairCounts;
  readonly #words: SegmentedWords;
  readonly #lengths: Int32Array;
  positions = new Int32Array(1 << 12);
  #used = 0;

  constructor(queue: MergeQueue, pairs: PairCounts, words: SegmentedWords, lengths: Int32Array) {
    this.#queue = queue;
    this.#pairs = pairs;
    this.#words = words;
    this.#lengths = lengths;
  }

  /** Makes room for lists of so many positions together. */
  reserve(needed: number): void {
    if (this.#used + needed <= this.positions.length) return;
    this.#compact();
    if ((this.#used + needed) * 1.125 <= this.positions.length) return;
    // Memory that is never written is never resident, so room costs nothing before it is used.
    const larger = new Int32Array(Math.ceil((this.#used + needed) * 1.5));
    larger.set(this.positions.subarray(0, this.#used));
    this.positions = larger;
  }

  /** Queues a pair with a list of `length` positions, yet to be written; returns where it starts. */
  push(left: number, right: number, count: number, length: number): number {
    const from = this.#used;
    this.#used += length;
    this.#queue.push(left, right, count, from, this.#used);
    return from;
  }

  /** The list of an entry, which loses it. It is overwritten by the next `reserve`. */
  take(entry: number): Int32Array {
    const { from, to } = this.#queue;
    const list = this.positions.subarray(from[entry], to[entry]);
    to[entry] = from[entry]!;
    return list;
  }

  /** All positions of the pair in the words that the entry's list touches, which the entry loses. */
  takeWords(entry: number): Int32Array {
    const { symbols, border } = this.#words;
    const [left, right] = [this.#queue.left[entry]!, this.#queue.right[entry]!];
    const found: number[] = [];
    let wordEnd = 0;
    for (const position of this.take(entry)) {
      if (position < wordEnd) continue;
      let p = position;
      while (symbols[p - 1] !== border) p--;
      for (let token = symbols[p]!; token !== border; token = symbols[p]!) {
        const next = p + this.#lengths[token]!;
        if (token === left && symbols[next] === right) found.push(p);
        p = next;
      }
      wordEnd = p;
    }
    return Int32Array.from(found);
  }

  /** Closes the gaps that taken lists left, and drops the long lists of pairs that occur no longer. */
  #compact(): void {
    const { from, to, left, right, size } = this.#queue;
    let used = 0;
    let [start, end] = [0, 0];
    for (let entry = 0; entry < size; entry++) {
      const length = to[entry]! - from[entry]!;
      const kept = length < LONG_LIST || this.#pairs.get(left[entry]!, right[entry]!) > 0 ? length : 0;
      // Lists with no gap between them move together.
      if (kept > 0 && from[entry] !== end) {
        this.positions.copyWithin(used - (end - start), start, end);
        start = from[entry]!;
        end = start;
      }
      end += kept;
      from[entry] = used;
      used += kept;
      to[entry] = used;
    }
    this.positions.copyWithin(used - (end - start), start, end);
    this.#used = used;
  }
}
