import type { Pairs } from './pairs.ts';

/** Looking at the pair's count costs more than to keep a list shorter than this. */
const LONG_LIST = 16;

/**
 * For each pair the positions where it arose, ascending; at some it may be no longer. The lists lie one after the other
 * in the order of their pairs.
 */
export class PositionLists {
  readonly #pairs: Pairs;
  positions: Int32Array;
  #used = 0;

  /** @param positions memory to use for a start. */
  constructor(pairs: Pairs, positions: Int32Array = new Int32Array(1 << 12)) {
    this.#pairs = pairs;
    this.positions = positions;
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

  /** Gives the pair added last a list of `length` positions, yet to be written; returns where it starts. */
  add(pair: number, length: number): number {
    this.#pairs.from[pair] = this.#used;
    this.#used += length;
    this.#pairs.to[pair] = this.#used;
    return this.#used - length;
  }

  /** The list of a pair, which loses it. It is overwritten after the next `reserve`. */
  take(pair: number): Int32Array {
    const { from, to } = this.#pairs;
    const list = this.positions.subarray(from[pair], to[pair]);
    to[pair] = from[pair]!;
    return list;
  }

  /** Closes the gaps that taken lists left, and drops the long lists of pairs that occur no longer. */
  #compact(): void {
    const { from, to, counts, size } = this.#pairs;
    let used = 0;
    let [start, end] = [0, 0];
    for (let pair = 0; pair < size; pair++) {
      const length = to[pair]! - from[pair]!;
      const kept = length < LONG_LIST || counts[pair]! > 0 ? length : 0;
      // Lists with no gap between them move together.
      if (kept > 0 && from[pair] !== end) {
        this.positions.copyWithin(used - (end - start), start, end);
        start = from[pair]!;
        end = start;
      }
      end += kept;
      from[pair] = used;
      used += kept;
      to[pair] = used;
    }
    this.positions.copyWithin(used - (end - start), start, end);
    this.#used = used;
  }
}
