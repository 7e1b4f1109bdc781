import type { TokenTexts } from './token-texts.ts';

/** No token. */
export const NONE = -1;

/**
 * Tokens by their UTF-16 units, to find the longest that starts at a place. Steps from a node are entries of one flat
 * hash table: node, unit, the node it leads to (0: none goes on from there), the token that ends there.
 */
export class TokenTrie {
  /** By first unit: the node it leads to, the token it is, and a set of bits for the units that go on from there. */
  readonly #root = new Int32Array(4 << 16);
  #slots: Int32Array;
  #mask: number;
  #used = 0;
  #nodes = 1;
  /** By token: the longest other token that it starts with, and its units. */
  readonly shorter: Int32Array;
  readonly unitCount: Int32Array;

  /** Of the tokens that are whole characters those that `takes` takes. */
  constructor({ size, units, unitStarts }: TokenTexts, takes: (id: number) => boolean) {
    // Each token adds between one and two steps as a rule.
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(16, 3 * size)));
    this.#slots = new Int32Array(4 * capacity);
    this.#mask = capacity - 1;
    this.shorter = new Int32Array(size).fill(NONE);
    this.unitCount = new Int32Array(size);
    for (let unit = 0; unit < 1 << 16; unit++) this.#root[4 * unit + 1] = NONE;
    for (let id = 0; id < size; id++) {
      const [start, end] = [unitStarts[id]!, unitStarts[id + 1]!];
      if (start === end || !takes(id)) continue;
      this.#insert(units, start, end, id);
      this.unitCount[id] = end - start;
    }
    for (let id = 0; id < size; id++) {
      const start = unitStarts[id]!;
      if (this.unitCount[id]! > 1) this.shorter[id] = this.longest(units, start, start + this.unitCount[id]! - 1);
    }
  }

  /** The longest token at units[at], which ends before `end`; NONE when there is none. */
  longest(units: Uint16Array, at: number, end: number): number {
    const root = 4 * units[at]!;
    let node = this.#root[root]!;
    let best = this.#root[root + 1]!;
    if (at + 1 < end) {
      const next = units[at + 1]!;
      if (((this.#root[root + 2 + ((next >> 5) & 1)]! >>> next) & 1) === 0) return best;
    }
    const slots = this.#slots;
    const mask = this.#mask;
    while (node !== 0 && ++at < end) {
      const unit = units[at]!;
      let slot = hash(node, unit) & mask;
      while (slots[4 * slot] !== node || slots[4 * slot + 1] !== unit) {
        if (slots[4 * slot] === 0) return best;
        slot = (slot + 1) & mask;
      }
      node = slots[4 * slot + 2]!;
      const token = slots[4 * slot + 3]!;
      if (token !== NONE) best = token;
    }
    return best;
  }

  #insert(units: Uint16Array, start: number, end: number, id: number): void {
    const first = units[start]!;
    if (end - start === 1) {
      this.#root[4 * first + 1] = id;
      return;
    }
    const next = units[start + 1]!;
    this.#root[4 * first + 2 + ((next >> 5) & 1)]! |= 1 << next;
    let node = this.#root[4 * first]! || (this.#root[4 * first] = this.#nodes++);
    for (let i = start + 1; i < end; i++) {
      const at = this.#step(node, units[i]!);
      if (i === end - 1) this.#slots[at + 3] = id;
      else node = this.#slots[at + 2]! || (this.#slots[at + 2] = this.#nodes++);
    }
  }

  /** Where the entry of (node, unit) starts, new or old. */
  #step(node: number, unit: number): number {
    if (2 * this.#used > this.#mask) this.#grow();
    let slot = hash(node, unit) & this.#mask;
    while (this.#slots[4 * slot] !== 0) {
      if (this.#slots[4 * slot] === node && this.#slots[4 * slot + 1] === unit) return 4 * slot;
      slot = (slot + 1) & this.#mask;
    }
    this.#slots[4 * slot] = node;
    this.#slots[4 * slot + 1] = unit;
    this.#slots[4 * slot + 3] = NONE;
    this.#used++;
    return 4 * slot;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    this.#mask = 2 * this.#mask + 1;
    for (let at = 0; at < old.length; at += 4) {
      if (old[at] === 0) continue;
      let slot = hash(old[at]!, old[at + 1]!) & this.#mask;
      while (this.#slots[4 * slot] !== 0) slot = (slot + 1) & this.#mask;
      for (let k = 0; k < 4; k++) this.#slots[4 * slot + k] = old[at + k]!;
    }
  }
}

function hash(node: number, unit: number): number {
  const mixed = Math.imul(node, 0x9e3779b1) ^ Math.imul(unit, 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}
