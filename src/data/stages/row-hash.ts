import { hash } from 'node:crypto';
import { utf16Units } from '../../tokenizer/byte-level.ts';
import type { Example } from '../types.ts';
import { HASH_BYTES } from './parts.ts';

const BLANK = 0x20;

/**
 * 128 bits of sha256 over the seed and a row's roles and texts, runs of white space counting as one space: what exact
 * dedup compares, and, being a shuffle that the seed and the rows alone decide, what the split goes by.
 */
export class RowHasher {
  readonly #seed: string;
  #units = new Uint16Array(1 << 16);
  #length = 0;

  constructor(seed: number) {
    this.#seed = String(seed);
  }

  /** @returns [16] */
  hash(example: Example): Uint8Array {
    this.#length = 0;
    this.#add(this.#seed, example.type);
    if (example.type === 'text') {
      this.#add('text', example.text);
    } else if (example.type === 'messages') {
      for (const { role, content, ...rest } of example.messages) {
        this.#add(role, content);
        if (Object.keys(rest).length > 0) this.#add('rest', JSON.stringify(rest));
      }
      if (example.tools !== undefined) this.#add('tools', JSON.stringify(example.tools));
    } else {
      for (const [role, value] of Object.entries(example) as [string, unknown][]) {
        if (role !== 'type' && value !== undefined) {
          this.#add(role, typeof value === 'string' ? value : JSON.stringify(value));
        }
      }
    }
    const bytes = new Uint8Array(this.#units.buffer, 0, 2 * this.#length);
    return hash('sha256', bytes, 'buffer').subarray(0, HASH_BYTES);
  }

  /** Appends 0, the role, 0 and the text without white space around it. */
  #add(role: string, text: string): void {
    const needed = this.#length + role.length + text.length + 2;
    if (needed > this.#units.length) {
      const grown = new Uint16Array(2 ** Math.ceil(Math.log2(needed)));
      grown.set(this.#units.subarray(0, this.#length));
      this.#units = grown;
    }
    const out = this.#units;
    let at = this.#length;
    out[at++] = 0;
    for (let i = 0; i < role.length; i++) out[at++] = role.charCodeAt(i);
    out[at++] = 0;
    const first = at;
    const units = utf16Units(text);
    const end = text.length;
    for (let i = 0; i < end; i++) {
      const unit = units[i]!;
      if (unit > BLANK && (unit < 0xa0 || !isWideSpace(unit))) out[at++] = unit;
      else if (unit <= BLANK && !isSpace(unit)) out[at++] = unit;
      else if (at > first && out[at - 1] !== BLANK) out[at++] = BLANK;
    }
    if (at > first && out[at - 1] === BLANK) at--;
    this.#length = at;
  }
}

function isSpace(unit: number): boolean {
  return unit === BLANK || (unit >= 9 && unit <= 13);
}

/** The white space beyond ASCII, as JavaScript's \s has it. */
function isWideSpace(unit: number): boolean {
  if (unit < 0x1680) return unit === 0xa0;
  if (unit < 0x2000) return unit === 0x1680;
  if (unit <= 0x200a) return true;
  if (unit > 0x3000) return unit === 0xfeff;
  return unit === 0x2028 || unit === 0x2029 || unit === 0x202f || unit === 0x205f || unit === 0x3000;
}
