/** The cache starts afresh beyond these: at most 8 MB of records and 2 MB of slots. */
const MOST_WORDS = 1 << 17;
const MOST_NUMBERS = 1 << 21;

/**
 * Ids of words seen before, keyed by their UTF-16 units. A word's record lies in one place: units and ids counted,
 * then the ids, then the units; finding it costs a slot and a record, and makes no string.
 */
export class WordCache {
  /** Hash and record of every slot; record 0 is none. */
  #slots = new Int32Array(2 << 12);
  #mask = (1 << 12) - 1;
  /** The records: `ids[record]` is the count of ids (low 16 bits) and of units (high), the ids follow. */
  ids = new Int32Array(1 << 15);
  #units = new Uint16Array(this.ids.buffer);
  #end = 1;
  #size = 0;

  /** The record of the word units[start, end) of that hash; 0 when it is not there. */
  find(units: Uint16Array, start: number, end: number, hash: number): number {
    const [slots, mask] = [this.#slots, this.#mask];
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const record = slots[2 * slot + 1]!;
      if (record === 0 || (slots[2 * slot] === hash && this.#holds(record, units, start, end))) return record;
    }
  }

  /** Keeps a word that is not there with ids[from, to), and returns its record. Records found before may be gone. */
  add(units: Uint16Array, start: number, end: number, hash: number, ids: Int32Array, from: number, to: number): number {
    if (this.#size === MOST_WORDS || this.#end > MOST_NUMBERS) {
      this.#slots.fill(0);
      this.#end = 1;
      this.#size = 0;
    }
    const count = to - from;
    const length = end - start;
    const needed = this.#end + 1 + count + ((length + 1) >> 1);
    if (needed > this.ids.length) {
      const larger = new Int32Array(Math.max(needed, 2 * this.ids.length));
      larger.set(this.ids);
      this.ids = larger;
      this.#units = new Uint16Array(larger.buffer);
    }
    const record = this.#end;
    this.ids[record] = count | (length << 16);
    for (let i = 0; i < count; i++) this.ids[record + 1 + i] = ids[from + i]!;
    const at = 2 * (record + 1 + count);
    for (let i = 0; i < length; i++) this.#units[at + i] = units[start + i]!;
    this.#end = needed;
    if (2 * ++this.#size > this.#mask) this.#grow();
    this.#place(hash, record);
    return record;
  }

  #holds(record: number, units: Uint16Array, start: number, end: number): boolean {
    const counts = this.ids[record]!;
    if (counts >> 16 !== end - start) return false;
    const kept = this.#units;
    let at = 2 * (record + 1 + (counts & 0xffff));
    for (let i = start; i < end; i++) if (kept[at++] !== units[i]) return false;
    return true;
  }

  #place(hash: number, record: number): void {
    let slot = hash & this.#mask;
    while (this.#slots[2 * slot + 1] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[2 * slot] = hash;
    this.#slots[2 * slot + 1] = record;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    this.#mask = 2 * this.#mask + 1;
    for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== 0) this.#place(old[at]!, old[at + 1]!);
  }
}
