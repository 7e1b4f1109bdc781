import { utf16Units } from '../../tokenizer/byte-level.ts';
import { DIGIT, DROPPED, DROPPED_LEAD, foldTable, SEPARATOR_LEAD, SINGLE, SINGLE_LEAD, WORD } from './fold.ts';

/** MurmurHash3's finalizer: every bit of the result depends on every bit of `hash`. */
export function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

const STEP = 0x2c1b3c6d;

/**
 * Reads the words of a text as 32-bit hashes, without making strings. A word is a run of letters, marks and digits; of
 * scripts without spaces (see fold.ts) each character is a word, so mixed text is one sequence of words and characters
 * in reading order. A run of digits counts as one 0.
 */
export class WordScanner {
  readonly #fold = foldTable();
  readonly #seed: number;
  #units: Uint16Array = new Uint16Array(0);
  #at = 0;
  #end = 0;

  constructor(seed: number) {
    this.#seed = mix(seed + 0x3c6ef372);
  }

  /** Starts on a text; what was left of the one before is forgotten. Not to be interleaved with `utf16Units`. */
  open(text: string): void {
    this.#units = utf16Units(text);
    this.#at = 0;
    this.#end = text.length;
  }

  /** Writes the hashes of the next words to out[from ...] and returns the end; before out's end: that was all. */
  read(out: Uint32Array, from: number): number {
    const units = this.#units;
    const fold = this.#fold;
    const end = this.#end;
    const full = out.length;
    let i = this.#at;
    let count = from;
    while (i < end && count < full) {
      let entry = fold[units[i]!]!;
      if (entry < SINGLE) {
        i = entry >= DROPPED_LEAD || (entry >= SEPARATOR_LEAD && entry < DROPPED) ? pairEnd(units, i, end) : i + 1;
        continue;
      }
      let hash = this.#seed;
      if (entry < DIGIT) {
        const next = entry >= SINGLE_LEAD ? pairEnd(units, i, end) : i + 1;
        for (hash = Math.imul(hash ^ entry, STEP), i++; i < next; i++) hash = Math.imul(hash ^ units[i]!, STEP);
        out[count++] = mix(hash);
        continue;
      }
      for (;;) {
        if (entry >= WORD) {
          hash = Math.imul(hash ^ entry, STEP);
          i++;
        } else if (entry >= DIGIT) {
          hash = Math.imul(hash ^ entry, STEP);
          do i++;
          while (i < end && (fold[units[i]!] === entry || fold[units[i]!] === DROPPED));
        } else if (entry >= SINGLE || entry < DROPPED) {
          break;
        } else {
          i = entry >= DROPPED_LEAD ? pairEnd(units, i, end) : i + 1;
        }
        if (i >= end) break;
        entry = fold[units[i]!]!;
      }
      out[count++] = mix(hash);
    }
    this.#at = i;
    return count;
  }
}

/** The unit after the character whose lead surrogate is at i. */
function pairEnd(units: Uint16Array, i: number, end: number): number {
  return i + 1 < end && (units[i + 1]! & 0xfc00) === 0xdc00 ? i + 2 : i + 1;
}
