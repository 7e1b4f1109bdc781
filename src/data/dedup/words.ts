import { utf16Units } from '../../tokenizer/byte-level.ts';
import { DIGIT, DROPPED, DROPPED_LEAD, foldTable, KIND, SEPARATOR, SINGLE, SINGLE_LEAD } from './fold.ts';

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
  /** Hash of the word at hand, and 1 while there is one. */
  #hash = 0;
  #open = 0;

  constructor(seed: number) {
    this.#seed = mix(seed + 0x3c6ef372);
  }

  /** Starts on a text; what was left of the one before is forgotten. Not to be interleaved with `utf16Units`. */
  open(text: string): void {
    this.#units = utf16Units(text);
    this.#at = 0;
    this.#end = text.length;
    this.#hash = 0;
    this.#open = 0;
  }

  /** Writes the hashes of the next words to out[from ...] and returns the end; before out's end: that was all. */
  read(out: Uint32Array, from: number): number {
    const units = this.#units;
    const fold = this.#fold;
    const end = this.#end;
    const full = out.length;
    let i = this.#at;
    let hash = this.#hash;
    let open = this.#open;
    let count = from;
    while (i < end && count < full) {
      // Letters and separators without a branch, or half the time would go into guessing where words end.
      const stop = Math.min(end, i + full - count);
      let entry = 0;
      for (; i < stop; i++) {
        entry = fold[units[i]!]!;
        if (entry >= SINGLE) break;
        const letter = entry >>> 16;
        out[count] = hash;
        count += open & (letter ^ 1);
        hash = Math.imul(hash ^ entry, STEP) & -letter;
        open = letter;
      }
      if (i === stop) continue;
      const kind = entry & KIND;
      if (kind === DROPPED || kind === DROPPED_LEAD) {
        i = kind === DROPPED ? i + 1 : pairEnd(units, i, end);
      } else if (kind === DIGIT) {
        hash = Math.imul(hash ^ entry, STEP);
        open = 1;
        do i++;
        while (i < end && (fold[units[i]!] === entry || fold[units[i]!] === DROPPED));
      } else if (open === 1) {
        // The others end a word. They are looked at again after it: there may be no room for two.
        out[count++] = hash;
        hash = open = 0;
      } else if (kind === SINGLE) {
        do {
          out[count++] = Math.imul(entry, STEP);
          entry = ++i < end ? fold[units[i]!]! : SEPARATOR;
        } while ((entry & KIND) === SINGLE && count < full);
      } else {
        const next = pairEnd(units, i, end);
        const trail = next > i + 1 ? units[i + 1]! : 0;
        if (kind === SINGLE_LEAD) out[count++] = Math.imul(Math.imul(entry, STEP) ^ trail, STEP);
        i = next;
      }
    }
    if (i >= end && open === 1 && count < full) {
      out[count++] = hash;
      open = 0;
    }
    this.#at = i;
    this.#hash = hash;
    this.#open = open;
    for (let j = from; j < count; j++) out[j] = mix(out[j]! ^ this.#seed);
    return count;
  }
}

/** The unit after the character whose lead surrogate is at i. */
function pairEnd(units: Uint16Array, i: number, end: number): number {
  return i + 1 < end && (units[i + 1]! & 0xfc00) === 0xdc00 ? i + 2 : i + 1;
}
