import { grown } from './word-table.ts';

/** Ids one after the other in an array that grows and is used again: what `encodeInto` appends to. */
export class IdBuffer {
  /** Room for ids; the first `length` count. Replaced when it grows. */
  ids = new Int32Array(1 << 12);
  length = 0;

  /** Makes room for `more` ids. */
  reserve(more: number): void {
    if (this.length + more > this.ids.length) this.ids = grown(this.ids, this.length + more);
  }

  push(id: number): void {
    this.reserve(1);
    this.ids[this.length++] = id;
  }

  append(ids: ArrayLike<number>): void {
    this.reserve(ids.length);
    this.ids.set(ids, this.length);
    this.length += ids.length;
  }

  /** A copy of the ids from `start` on. */
  slice(start = 0): Int32Array {
    return this.ids.slice(start, this.length);
  }

  clear(): void {
    this.length = 0;
  }
}
